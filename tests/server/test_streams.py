"""Live events over real sockets: nothing left out, nothing told twice, whoever reads and however slowly."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from httpx_sse import ServerSentEvent, connect_sse

from hero_logic.server.desks import Lobby
from hero_logic.server.news import COMMENT
from hero_logic.server.streams import stream
from hero_logic.service.session import Session
from hero_logic.store import sqlite_queue
from hero_logic.store.contract import Store
from server.test_hub import in_lobby
from support.command import hero_logic
from support.serving import Server, begin_play, end_play, serving, session_over, span_end, span_start
from support.span_writer import Writer
from support.waiting import wait_until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("streams") / "home") as started:
        yield started


@pytest.fixture
def session(server: Server) -> Iterator[Session]:
    """Another process of the same user, as far as the server can tell: it writes to the same store."""
    with session_over(server.home) as opened:
        yield opened


class Picture:
    """What a reader knows of plays who does what docs/rpc.md says: rows by their ids, the last one holds."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], dict[str, Any]] = {}
        self.plays: dict[str, dict[str, Any]] = {}
        self.revision = 0
        self.resets = 0
        self.ends: list[str] = []

    def take(self, event: ServerSentEvent) -> None:
        """Take in an event; what is told twice, or out of order, fails."""
        data = json.loads(event.data)
        assert int(event.id) == data["revision"] >= self.revision
        self.revision = data["revision"]
        if event.event == "span":
            self.add(data["play_sid"], data["spans"])
        elif event.event == "play":
            assert data["play"]["revision"] > self.plays.get(data["play"]["sid"], {}).get("revision", 0)
            self.plays[data["play"]["sid"]] = data["play"]
        elif event.event == "reset":
            self.resets += 1
        else:
            assert event.event == "end"
            self.ends.append(data["status"])

    def add(self, sid: str, rows: list[dict[str, Any]]) -> None:
        """Rows: each newer than what is known of its span."""
        for row in rows:
            before = self.rows.get((sid, row["span_id"]))
            assert before is None or row["revision"] > before["revision"], "a row is told twice"
            self.rows[sid, row["span_id"]] = row

    def spans(self, sid: str) -> list[dict[str, Any]]:
        """The spans of a play as `show --json` has them."""
        rows = [row for (of, _), row in self.rows.items() if of == sid]
        rows.sort(key=lambda row: row["ordinal"])
        return [
            {key: value for key, value in row.items() if key not in ("ordinal", "revision")} for row in rows
        ]


def follow(server: Server, place: str, picture: Picture | None = None, **headers: str) -> Picture:
    """Read a stream to its end with a client of somebody else's."""
    picture = picture or Picture()
    with connect_sse(server.http(), "GET", place, headers=headers) as source:
        for event in source.iter_sse():
            picture.take(event)
    return picture


def written(store: Store, sid: str) -> list[dict[str, Any]]:
    """The spans that are on record."""
    import msgspec

    return [msgspec.to_builtins(span) for span in store.read_spans(sid, limit=10**6)]


def write_much(writer: Writer, dice: random.Random, steps: int) -> None:
    """What plays do: spans begin, log, get tags, end."""
    for number in range(steps):
        names = [f"s{dice.randrange(1 + number)}" for _ in range(dice.randrange(1, 6))]
        logs = dice.choice(["", "a\n", "é" * dice.randrange(1, 3000)])
        for name in set(names):
            row = writer.rows.get(name)
            before = 0 if row is None else row.log_bytes
            writer.write(
                name, logs=logs, log_bytes=before + len(logs.encode()), status=dice.choice(["running", "ok"])
            )


def asking_for(place: str, server: Server) -> bytes:
    """A request, as bytes."""
    head = f"GET {place} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.token}\r\n\r\n"
    return head.encode()


def end_all(writer: Writer) -> None:
    """Every span ends, then the play."""
    for row in writer.rows.values():
        row.status = "ok"
    writer.write(*writer.rows)
    writer.end()


def test_a_play_is_told_to_its_end(server: Server, session: Session) -> None:
    """Spans whole, the play as it changes, the end; then the stream is over."""
    sid = begin_play(session, "told")
    session.ingest.apply_event_json(sid, span_start("a", "first", tags={"n": 1}))
    session.ingest.apply_event_json(sid, span_end("a"))
    end_play(session, sid)
    picture = follow(server, f"/plays/{sid}/events")

    assert picture.spans(sid) == server.call("play_get", play_sid=sid)["spans"] == written(session.store, sid)
    assert picture.plays[sid]["status"] == "ok"
    assert picture.ends == ["ok"]


def test_what_is_over_is_answered_with_204(server: Server, session: Session) -> None:
    """So that an event source, which has seen the end, does not come again."""
    sid = begin_play(session, "over")
    session.ingest.apply_event_json(sid, span_start("a"))
    end_play(session, sid)
    picture = follow(server, f"/plays/{sid}/events")
    again = server.http().get(f"/plays/{sid}/events", headers={"Last-Event-ID": str(picture.revision)})
    asked = server.http().get(f"/plays/{sid}/events?after={picture.revision}")

    assert (again.status_code, again.content, asked.status_code) == (204, b"", 204)


def test_last_event_id_comes_before_after(server: Server, session: Session) -> None:
    """A reader that reconnects keeps its address, and goes on where it was."""
    sid = begin_play(session, "both")
    end_play(session, sid)
    revision = follow(server, f"/plays/{sid}/events").revision
    answer = server.http().get(f"/plays/{sid}/events?after=0", headers={"Last-Event-ID": str(revision)})

    assert answer.status_code == 204


def test_changes_come_while_the_play_runs(server: Server, session: Session) -> None:
    """Of another process, as soon as it has rung."""
    sid = begin_play(session, "live")
    with connect_sse(server.http(), "GET", f"/plays/{sid}/events") as source:
        events = source.iter_sse()
        assert next(events).event == "play"
        session.ingest.apply_event_json(sid, span_start("foreign"))
        foreign = json.loads(next(events).data)

    assert [row["span_id"] for row in foreign["spans"]] == ["foreign"]


def test_written_then_seen(server: Server, session: Session) -> None:
    """What is told can be read, at that moment, from the store."""
    sid = begin_play(session, "seen")
    with connect_sse(server.http(), "GET", f"/plays/{sid}/events") as source:
        for number, event in enumerate(source.iter_sse()):
            data = json.loads(event.data)
            for row in data.get("spans", ()):
                [found] = session.store.load_rows(sid, [row["span_id"]])
                assert found.revision >= row["revision"]
            if number == 20:
                break
            session.ingest.apply_event_json(sid, span_start(f"n{number}"))


@pytest.mark.parametrize("seed", range(3))
def test_however_a_reader_comes_and_goes_it_has_everything_once(
    server: Server, session: Session, seed: int
) -> None:
    """Broken off at any event and taken up again by its id, beside a writer: no gap, no repeat."""
    dice = random.Random(seed)
    writer = Writer(session.store, f"comes-{seed}")

    def write() -> None:
        write_much(writer, dice, 120)
        end_all(writer)

    thread = threading.Thread(target=write)
    thread.start()
    picture = Picture()
    chance = random.Random(seed + 100)
    while not picture.ends:
        headers = {"Last-Event-ID": str(picture.revision)} if picture.revision else {}
        with connect_sse(server.http(), "GET", f"/plays/{writer.sid}/events", headers=headers) as source:
            if source.response.status_code == 204:
                break
            for event in source.iter_sse():
                picture.take(event)
                if chance.random() < 0.3:
                    break
    thread.join()

    assert picture.spans(writer.sid) == written(session.store, writer.sid)
    assert picture.resets == 0


@pytest.mark.parametrize("first", ["snapshot", "columns"])
def test_a_first_view_and_the_stream_have_everything_once(
    server: Server, session: Session, first: str
) -> None:
    """Read beside a writer, in pages of any size: the stream goes on from the revision that they give."""
    from server.test_first_view import read_columns

    dice = random.Random(first)
    writer = Writer(session.store, f"view-{first}")
    write_much(writer, dice, 40)
    thread = threading.Thread(target=write_much, args=(writer, dice, 120))
    thread.start()
    picture = Picture()
    if first == "snapshot":
        after: int | None = 0
        while after is not None:
            page = server.http().get(f"/plays/{writer.sid}/snapshot?after={after}&limit=7").json()
            picture.add(writer.sid, page["spans"])
            picture.revision, after = page["revision"], page["next"]
    else:
        rows, picture.revision = read_columns(server.http().get(f"/plays/{writer.sid}/columns").content)
        for row in rows:
            # Columns have the sizes of logs and not the logs: those are asked for.
            row["logs"] = session.store.read_logs(writer.sid, row["span_id"])
            del row["log_bytes"]
        picture.add(writer.sid, rows)
    thread.join()
    end_all(writer)
    follow(server, f"/plays/{writer.sid}/events?after={picture.revision}", picture)

    assert picture.spans(writer.sid) == written(session.store, writer.sid)
    assert picture.resets == 0


def test_one_stream_has_all_plays(server: Server, session: Session) -> None:
    """From now on, or from a revision: what of which play, in the order in which it was written."""
    since = session.store.revision()
    sids = [begin_play(session, f"all-{number}") for number in range(3)]
    picture = Picture()
    with connect_sse(server.http(), "GET", f"/events?after={since}") as source:
        for event in source.iter_sse():
            picture.take(event)
            if len(picture.plays) == 3:
                break
    with connect_sse(server.http(), "GET", "/events") as source:
        session.ingest.apply_event_json(sids[1], span_start("later"))
        event = next(source.iter_sse())

    assert set(picture.plays) == set(sids)
    assert json.loads(event.data)["play_sid"] == sids[1]


def test_a_play_that_another_process_removes_is_told_at_once(server: Server, session: Session) -> None:
    """Woken by it, and not by the net that catches what nobody heard."""
    sid = begin_play(session, "removed")
    end_play(session, sid)
    with connect_sse(server.http(), "GET", f"/events?after={session.store.revision()}") as source:
        events = source.iter_sse()
        done = hero_logic("rm", sid, HERO_LOGIC_HOME=str(server.home))
        began_s = time.monotonic()
        event = next(events)
        took_s = time.monotonic() - began_s

    assert done.returncode == 0, done.stderr
    assert (event.event, json.loads(event.data)["play_sid"]) == ("deleted", sid)
    assert took_s < 2.5


def test_a_reader_from_before_what_is_remembered_of_deletions_begins_anew(
    server: Server, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot be told which of the plays that it knows are gone."""
    monkeypatch.setattr(sqlite_queue, "KEPT_DELETIONS", 1)
    since = session.store.revision()
    for number in range(3):
        end_play(session, begin_play(session, f"gone-{number}"))
        session.store.delete_play(f"gone-{number}")
    with connect_sse(server.http(), "GET", f"/events?after={since}") as source:
        old = next(source.iter_sse())
    with connect_sse(server.http(), "GET", f"/events?after={session.store.revision() - 1}") as source:
        new = next(source.iter_sse())

    assert (old.event, new.event) == ("reset", "deleted")


def test_a_revision_that_the_store_does_not_have_is_reset(server: Server, session: Session) -> None:
    """A reader that knew another store begins anew, and hears what comes."""
    sid = begin_play(session, "reset")
    with connect_sse(server.http(), "GET", f"/plays/{sid}/events?after=999999999") as source:
        events = source.iter_sse()
        reset = next(events)
        session.ingest.apply_event_json(sid, span_start("later"))
        span = next(event for event in events if event.event == "span")

    assert reset.event == "reset"
    assert int(reset.id) <= session.store.revision()
    assert json.loads(span.data)["spans"][0]["span_id"] == "later"


def test_a_play_that_is_deleted_before_it_was_read_ends_its_stream(tmp_path: Path) -> None:
    """As one that is deleted later: the end says so, and nothing is broken off."""
    told = []

    async def do(session: Session, lobby: Lobby) -> None:
        sid = begin_play(session)
        session.ingest.apply_event_json(sid, span_start("a"))
        end_play(session, sid)
        pieces = stream(lobby, sid, after=0)
        told.append(await anext(pieces))
        session.store.delete_play(sid)
        told.extend([piece async for piece in pieces])

    in_lobby(tmp_path / "home", do)

    assert told[0] == COMMENT
    assert b'"status":"deleted"' in told[-1]


def test_a_reader_that_takes_nothing_costs_the_others_nothing(tmp_path: Path) -> None:
    """It is told to begin anew once it reads again; meanwhile another one has everything, in time."""
    patch = ("hub", "m.MAX_RING_BYTES = 300_000")
    with serving(tmp_path / "home", patch=patch) as server, session_over(server.home) as session:
        writer = Writer(session.store, "much")
        slow = socket.create_connection(("127.0.0.1", server.port))
        slow.sendall(asking_for("/plays/much/events", server))
        assert slow.recv(17) == b"HTTP/1.1 200 OK\r\n"
        fast = Picture()
        with connect_sse(server.http(), "GET", "/plays/much/events") as source:
            events = source.iter_sse()
            fast.take(next(events))
            for number in range(400):
                logs = f"{number:04}" * 5000
                writer.write(f"s{number}", logs=logs, log_bytes=len(logs), status="ok")
                if number % 20 == 19:
                    while ("much", f"s{number}") not in fast.rows:
                        fast.take(next(events))
        writer.end()
        slow.settimeout(20)
        told = b""
        while b"event: end" not in told:
            piece = slow.recv(1 << 20)
            assert piece, "the stream of the slow reader ended without an end"
            told += piece
        slow.close()

        assert fast.spans("much") == written(session.store, "much")[: len(fast.rows)]
        assert len(fast.rows) == 400
        assert fast.resets == 0
        assert b"event: reset" in told


def test_a_thousand_readers_are_told_and_leave_nothing(tmp_path: Path) -> None:
    """Each of them everything; once they are gone, most of them without a word, so is what they took."""
    count = 1000
    with serving(tmp_path / "home") as server, session_over(server.home) as session:
        sid = begin_play(session)
        descriptors = len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))
        with ExitStack() as stack:
            readers = []
            for _ in range(count):
                reader = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
                reader.settimeout(30)
                reader.sendall(asking_for(f"/plays/{sid}/events", server))
                readers.append(reader)
            session.ingest.apply_event_json(sid, span_start("for-all"))
            began_s = time.monotonic()
            for reader in readers:
                told = b""
                while b"for-all" not in told:
                    piece = reader.recv(65536)
                    assert piece
                    told += piece
            assert time.monotonic() - began_s < 20
            assert f"hero_logic_stream_readers {count}.0" in server.http().get("/metrics").text

        client = server.http()
        wait_until(
            lambda: "hero_logic_stream_readers 0.0" in client.get("/metrics").text,
            "the end of all readers",
        )
        wait_until(
            lambda: len(list(Path(f"/proc/{server.process.pid}/fd").iterdir())) < descriptors + 20,
            "the end of all connections",
        )
        assert server.call("play_status", play_sid=sid)["status"] == "running"


def test_silence_is_broken_by_a_comment(tmp_path: Path) -> None:
    """Else who stands between would close the connection."""
    patch = ("streams", "m.SILENCE_S = 0.05")
    with serving(tmp_path / "home", patch=patch) as server, server.http().stream("GET", "/events") as events:
        lines = events.iter_lines()
        found = [next(lines) for _ in range(4)]

    assert found == [":"] * 4
