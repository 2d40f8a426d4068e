"""A server's plays and flows behind the calls of this process: both give the same of one data directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hero_logic.client.carriers import Place
from hero_logic.client.link import Link
from hero_logic.client.seam import Reading
from hero_logic.client.server_record import ServerReading
from hero_logic.core.finding import PlayFilter
from support.command import hero_logic
from support.runtime import client_at
from support.serving import Server, serving, span_end, span_start
from support.working import QUICK

LARGE = 5300


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over a play of so many spans that a part of them is shown, and over some small ones."""
    lines = [span_start("root", "all of it")]
    for number in range(LARGE - 1):
        status = "failed" if number % 20 == 7 else "ok"
        lines += [span_start(f"s{number}", f"step {number % 3}", parent_id="root")]
        lines += [b'{"type":"span_log","span_id":"s%d","text":"said","ts_ms":1}' % number]
        lines += [span_end(f"s{number}", status)]
    with serving(tmp_path_factory.mktemp("s") / "home") as started:
        started.publish("quick", QUICK)
        for _ in range(3):
            started.call("play_wait", play_sid=started.call("play_run_async", flow_sid="quick"))
        done = hero_logic("ingest", "-", stdin=b"\n".join(lines) + b"\n", **started.variables)
        assert done.returncode == 0, done.stderr
        yield started


@contextmanager
def both(server: Server) -> Iterator[tuple[Reading, Reading]]:
    """What the server says, and what is on record."""
    link = Link(Place(socket_path=server.socket_path), None)
    with ServerReading(link) as there, client_at(server.home).read() as here:
        yield there, here


def test_a_large_play_is_outlined_alike(server: Server) -> None:
    """The same part of it, and the same counts of what is left out; what has changed since is nothing."""
    with both(server) as (there, here):
        play = there.play("last")
        told, read = there.outline(play), here.outline(here.play("last"))
        assert told is not None
        assert read is not None
        rows = [row for changes in there.changes(play.sid, since=told.revision, interval_s=20) if changes
                for _, row in changes.spans]  # fmt: skip

        assert [(row.span_id, row.log_bytes) for row in told.rows] == [
            (row.span_id, row.log_bytes) for row in read.rows
        ]
        assert (told.counts, told.left_out) == (read.counts, read.left_out)
        assert there.status_counts(play.sid) == here.status_counts(play.sid)
        assert rows == []


def test_what_is_whole_is_read_in_pages(server: Server) -> None:
    """All spans in their order, and all that failed, with their logs."""
    with both(server) as (there, here):
        sid = there.play("last").sid
        assert list(there.spans(sid)) == list(here.spans(sid))
        assert b"".join(there.failed_document(sid)) == b"".join(here.failed_document(sid))
        assert b"".join(there.document(there.play(sid))) == b"".join(here.document(here.play(sid)))
        assert there.stats_document(sid, limit=2) == here.stats_document(sid, limit=2)
        assert there.logs(sid, "s5") == here.logs(sid, "s5")
        assert [row.span_id for row in there.failed(sid, limit=9)[0]] == [
            row.span_id for row in here.failed(sid, limit=9)[0]
        ]


@pytest.mark.parametrize("wanted", [None, PlayFilter(flow="quick", statuses=("ok",))])
def test_pages_of_plays_are_alike(server: Server, wanted: PlayFilter | None) -> None:
    """However many are wanted at a time, and where to go on."""
    with both(server) as (there, here):
        for limit in (1, 2, 5000):
            found = there.page(limit=limit, before=None, wanted=wanted)
            expected = here.page(limit=limit, before=None, wanted=wanted)
            assert ([play.sid for play in found[0]], found[1]) == (
                [play.sid for play in expected[0]],
                expected[1],
            )
            rest = there.page(limit=2, before=found[0][0].sid, wanted=wanted)[0]
            assert found[0][0].sid not in [play.sid for play in rest]
        assert there.size().plays == here.size().plays
        assert there.path_of(there.play("last")) == ""


def test_the_library_is_the_same(server: Server) -> None:
    """By every call that reads of it."""
    with both(server) as (there, here):
        for reading in (there, here):
            assert reading.flows.count_plays("quick") == 3
        assert there.flows.list() == here.flows.list()
        assert there.flows.get("quick") == here.flows.get("quick")
        assert there.flows.versions("quick") == here.flows.versions("quick")
        assert there.library.search("qui") == here.library.search("qui")
