"""A store of ten thousand plays: its pages, search, stream and recovery, beside those of a hundred."""

from __future__ import annotations

import json
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hero_logic.client import ServiceClient, connect
from hero_logic.core.records import Play, PlayEnd, Sandbox
from hero_logic.store.sqlite import SqliteStore
from store.facts import delta, row
from support.serving import Server, begin_play, serving, session_over, span_start
from support.waiting import wait_until

FEW = 100
MANY = 10_000
LOST = 2_000
OPEN_SPANS = 5
READY_S = 2.0
TRIES = 15
FLOWS = 10


def fill(home: Path, plays: int, *, lost: int = 0) -> None:
    """A store of so many plays of ten flows, of which every tenth failed; and of some that are lost."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = SqliteStore.open(str(home / "hero_logic.db"))
    # A power cut in a test is no trouble, and an fsync a play would be.
    assert store._writer is not None
    store._writer.execute("PRAGMA synchronous = OFF")
    for number in range(plays):
        add_ended(store, number)
    for number in range(lost):
        sid = f"lost{number:05}"
        store.create_play(Play(sid, flow="lost", runtime_sid="gone", created_ms=1e12))
        store.begin_play(sid, start_ms=1e12, sandbox=Sandbox("tier0"))
        spans = [row(span, status="running") for span in range(OPEN_SPANS)]
        store.write_spans({sid: delta(*spans, span_count=OPEN_SPANS)})
    store.close()


def add_ended(store: SqliteStore, number: int) -> None:
    sid = f"play{number:05}"
    store.create_play(
        Play(
            sid,
            flow=f"flow{number % FLOWS}",
            input_json=json.dumps({"customer": f"c{number}", "text": "lorem " * 30}),
            created_ms=1e12 + number,
        )
    )
    store.begin_play(sid, start_ms=1e12 + number, sandbox=Sandbox("tier0"))
    has_failed = number % 10 == 9
    store.end_play(
        sid, PlayEnd("failed" if has_failed else "ok", 2e12, error=f"E{number}" if has_failed else "")
    )


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over a hundred plays."""
    home = tmp_path_factory.mktemp("few") / "home"
    fill(home, FEW)
    with serving(home) as started:
        yield started


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One over ten thousand."""
    home = tmp_path_factory.mktemp("many") / "home"
    fill(home, MANY)
    with serving(home) as started:
        yield started


Ask = Callable[[ServiceClient, int], object]
BY_INDEX: dict[str, Ask] = {
    "first page": lambda service, _: service.play_list(limit=50),
    "last page": lambda service, _: service.play_list(limit=50, before="play00050"),
    "middle page": lambda service, plays: service.play_list(limit=50, before=f"play{plays // 2:05}"),
    "of a flow": lambda service, _: service.play_list(limit=10, flow="flow3"),
    "of a status": lambda service, _: service.play_list(limit=10, statuses=["failed"]),
    "of none": lambda service, _: service.play_list(limit=50, statuses=["running", "pending"]),
    "of a time": lambda service, plays: service.play_list(limit=50, since_ms=1e12 + plays - 50),
    "of a frequent text": lambda service, _: service.play_list(limit=50, text="lorem"),
    "status of one": lambda service, plays: service.play_status(f"play{plays // 2:05}"),
    "the last": lambda service, _: service.play_get("last"),
}
"""What is one stretch of an index, however many plays there are."""

BY_SCAN: dict[str, Ask] = {
    "of a rare text": lambda service, _: service.play_list(limit=50, text='"c7"'),
    "of no such text": lambda service, _: service.play_list(limit=50, text="nothing has this"),
    "of an early time": lambda service, _: service.play_list(limit=50, until_ms=1e12 + 50),
}
"""What looks at every play there is."""


def seconds_of(server: Server, plays: int, ask: Ask) -> float:
    """What a call takes, the median of several; its connection is open."""
    took_s = []
    with connect(server.url, token=server.token) as service:
        ask(service, plays)
        for _ in range(TRIES):
            began_s = time.perf_counter()
            ask(service, plays)
            took_s.append(time.perf_counter() - began_s)
    return statistics.median(took_s)


@pytest.mark.parametrize("name", BY_INDEX)
def test_a_page_of_many_plays_costs_what_one_of_few_does(few: Server, many: Server, name: str) -> None:
    """However deep it lies, and whatever it is filtered by."""
    ask = BY_INDEX[name]
    of_few_s, of_many_s = seconds_of(few, FEW, ask), seconds_of(many, MANY, ask)

    assert of_many_s < 3 * of_few_s + 0.003, f"{of_many_s * 1000:.1f} ms, and {of_few_s * 1000:.1f} ms of few"


@pytest.mark.parametrize("name", BY_SCAN)
def test_what_looks_at_every_play_takes_little_of_each(few: Server, many: Server, name: str) -> None:
    """It grows with the plays and not faster, and stays below what a person waits for."""
    ask = BY_SCAN[name]
    of_few_s, of_many_s = seconds_of(few, FEW, ask), seconds_of(many, MANY, ask)

    # A call of few plays is hardly more than the call itself: twice the ratio leaves room for a busy machine.
    assert of_many_s < 2 * MANY / FEW * of_few_s
    assert of_many_s < 0.5, f"{of_many_s * 1000:.1f} ms, and {of_few_s * 1000:.1f} ms of few"


def test_all_pages_together_have_each_play_once(many: Server) -> None:
    """The newest first, without a gap or a repeat."""
    sids: list[str] = []
    before: str | None = None
    with connect(many.url, token=many.token) as service:
        while True:
            page = service.play_list(limit=333, before=before)
            sids += [play.sid for play in page.plays]
            before = page.next
            if before is None:
                break

    assert sids == [f"play{number:05}" for number in reversed(range(MANY))]


def test_a_text_is_found_among_many(many: Server) -> None:
    """In whichever field it stands, and only where it does."""

    def found(**wanted: Any) -> list[str]:
        return [play["sid"] for play in many.call("play_list", limit=20, **wanted)["plays"]]

    assert found(text='"c7"') == ["play00007"]
    assert found(text="E9999") == ["play09999"]
    assert found(text="play00123") == ["play00123"]
    assert found(text="E", flow="flow9", since_ms=1e12 + 9_950) == [
        f"play{number:05}" for number in (9_999, 9_989, 9_979, 9_969, 9_959)
    ]


def test_the_stream_of_all_plays_tells_each_and_then_what_comes(many: Server) -> None:
    """From the beginning: each play once, in pages; and a change of another process soon after that."""
    with session_over(many.home) as session, socket.create_connection(("127.0.0.1", many.port)) as reader:
        reader.settimeout(30)
        head = (
            f"GET /events?after=0 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {many.token}\r\n\r\n"
        )
        began_s = time.monotonic()
        reader.sendall(head.encode())
        told = read_until(reader, b'"sid":"play09999"')
        took_s = time.monotonic() - began_s
        sid = begin_play(session, "later")
        session.ingest.apply_event_json(sid, span_start("of-later"))
        later = read_until(reader, b"of-later")
        session.store.end_play(sid, PlayEnd("ok", 3e12))
        session.store.delete_play(sid)

    assert told.count(b"event: play\n") == MANY
    assert took_s < 10
    assert b'"sid":"later"' in later


def read_until(reader: socket.socket, mark: bytes) -> bytes:
    """What comes, up to the piece with the mark."""
    pieces = []
    tail = b""
    while mark not in tail:
        piece = reader.recv(1 << 20)
        assert piece, "the stream is over"
        pieces.append(piece)
        tail = tail[-len(mark) :] + piece
    return b"".join(pieces)


def test_it_is_ready_at_once(tmp_path: Path) -> None:
    """Whatever was lost: plays get their ends beside its work, all of them, and it answers meanwhile."""
    # Names that are short enough for the server's socket.
    fill(tmp_path / "empty", 1)
    fill(tmp_path / "lost", 1000, lost=LOST)
    ready_s = {}
    for name in ("empty", "lost"):
        began_s = time.monotonic()
        with serving(tmp_path / name) as server:
            client = server.http()
            wait_until(lambda: client.get("/readyz").status_code == 200, "a server that is ready")  # noqa: B023
            ready_s[name] = time.monotonic() - began_s
            slowest_s = 0.0
            with connect(server.url, token=server.token) as service:
                while service.play_list(limit=1, statuses=["running"]).plays:
                    asked_s = time.monotonic()
                    service.play_status("last")
                    slowest_s = max(slowest_s, time.monotonic() - asked_s)
                failed = service.play_list(limit=1000, flow="lost").plays
                spans = service.play_spans("lost00000").spans if name == "lost" else []

    # What a start takes on a machine that is busy is not ours: with nothing to recover it is the same.
    assert ready_s["lost"] < max(READY_S, 2 * ready_s["empty"]), ready_s
    assert slowest_s < 1
    assert {play.status for play in failed} == {"failed"}
    assert {span.status for span in spans} == {"failed"}
