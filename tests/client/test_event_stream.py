"""What a server tells, however often the connection breaks: a real server, and a way to it that is cut."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from hero_logic.client import event_stream
from hero_logic.client.carriers import Place
from hero_logic.client.event_stream import EventStream
from hero_logic.core.errors import NotAuthorized, NotFound, ServerUnreachable
from hero_logic.core.records import Changes
from support.command import hero_logic
from support.serving import (
    Server,
    begin_play,
    end_play,
    serving,
    session_over,
    span_end,
    span_start,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over one play of 3,000 spans that has ended."""
    stream = b"".join(
        span_start(f"s{number}", f"step {number}") + b"\n" + span_end(f"s{number}") + b"\n"
        for number in range(3000)
    )
    with serving(tmp_path_factory.mktemp("s") / "home") as started:
        done = hero_logic("ingest", "-", stdin=stream, **started.variables)
        assert done.returncode == 0, done.stderr
        yield started


@contextmanager
def way_to(server: Server, *, cut_after_bytes: int) -> Iterator[tuple[Place, list[bytes]]]:
    """A place that leads to a server, and is cut each time after so many bytes of what it says; and what was
    asked.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        asked: list[bytes] = []

        def lead() -> None:
            with suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    with peer, socket.create_connection(("127.0.0.1", server.port)) as onwards:
                        asked.append(peer.recv(65536))
                        onwards.sendall(asked[-1])
                        left_bytes = cut_after_bytes
                        while left_bytes and (data := onwards.recv(min(left_bytes, 65536))):
                            peer.sendall(data)
                            left_bytes -= len(data)

        threading.Thread(target=lead, daemon=True).start()
        host, port = listener.getsockname()
        yield Place.of(f"http://{host}:{port}"), asked
        listener.shutdown(socket.SHUT_RDWR)


def test_of_a_connection_that_breaks_nothing_is_missed_and_nothing_comes_twice(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time it goes on after the last event that came whole."""
    monkeypatch.setattr(event_stream, "_AGAIN_S", 0.0)
    sid = server.call("play_list")["plays"][0]["sid"]
    whole = httpx.get(f"{server.url}/plays/{sid}/events", headers=server.headers).text
    largest = max(map(len, whole.split("\n\n")))
    rows = []
    with way_to(server, cut_after_bytes=largest + 2000) as (place, asked):
        _, port = place.address or ("", 0)
        # The name of the server is its own, and not that of the way to it.
        place.host = f"127.0.0.1:{port}"
        with EventStream(place, server.token, sid, after=0) as events:
            while not events.is_over:
                changes = events.take(20)
                rows += [row for _, row in changes.spans] if changes else []

    assert [row.ordinal for row in sorted(rows, key=lambda row: row.ordinal)] == list(range(3000))
    assert all(row.status == "ok" for row in rows)
    assert len(asked) > 1
    ids = [int(request.split(b"Last-Event-ID: ")[1].split(b"\r\n")[0]) for request in asked]
    assert ids == sorted(set(ids))


def test_a_server_that_does_not_come_back_is_given_up(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its time, and with what to do: the play may go on."""
    monkeypatch.setattr(event_stream, "PATIENCE_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        place = Place.of(f"http://127.0.0.1:{closed.getsockname()[1]}")
    with EventStream(place, None, "p", after=0) as events, pytest.raises(ServerUnreachable, match="watch p"):
        events.take(30)


def test_one_that_refuses_is_not_asked_again(server: Server) -> None:
    """What it says is raised as in this process."""
    place = Place.of(server.url)
    with EventStream(place, "wrong", "p", after=0) as events, pytest.raises(NotAuthorized):
        events.take(20)
    with EventStream(place, server.token, "gone", after=0) as events, pytest.raises(NotFound):
        events.take(20)


def test_what_is_no_server_of_ours_is_told_so(server: Server) -> None:
    """Something answers, in HTTP, and not as one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno")

        threading.Thread(target=answer, daemon=True).start()
        place = Place.of(f"http://127.0.0.1:{listener.getsockname()[1]}")
        with (
            EventStream(place, None, "p", after=0) as events,
            pytest.raises(ServerUnreachable, match="HTTP 500"),
        ):
            events.take(20)


def test_a_revision_that_the_store_does_not_have_begins_anew(tmp_path: Path) -> None:
    """The store may be another one than that of before: all of it is new then."""
    with serving(tmp_path / "home") as server, session_over(server.home) as session:
        begin_play(session)
        session.ingest.apply_event_json("p", span_start("a"))
        with EventStream(Place.of(server.url), server.token, "p", after=10**9) as events:
            told = until_told(events, "a")

        assert told.revision < 10**9


def test_nobody_waits_longer_than_was_said(tmp_path: Path) -> None:
    """None comes where nothing does, and what changes later comes with its logs that are new."""
    with serving(tmp_path / "home") as server, session_over(server.home) as session:
        begin_play(session)
        session.ingest.apply_event_json("p", span_start("a"))
        with EventStream(Place(socket_path=server.socket_path), None, "p", after=0) as events:
            told = until_told(events, "a")
            assert events.take(0.05) is None
            logs = []
            for text in ("one", "two"):
                line = {"type": "span_log", "span_id": "a", "text": text, "ts_ms": 1}
                session.ingest.apply_event_json("p", json.dumps(line).encode())
                told = until_told(events, "a")
                logs.append(told.spans[-1][1].new_logs)
            end_play(session)
            while not events.is_over:
                events.take(20)

    assert logs == ["[1] one", "\n[1] two"]


def until_told(events: EventStream, span_id: str) -> Changes:
    """The next change of a span; the play's own row may come after it."""
    while True:
        changes = events.take(20)
        assert changes is not None
        if any(row.span_id == span_id for _, row in changes.spans):
            return changes
