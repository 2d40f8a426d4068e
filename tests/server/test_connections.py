"""Connections that hold what others need are ended; those that are only silent or slow are not."""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from contextlib import ExitStack
from pathlib import Path

from httpx_sse import connect_sse

from support.serving import begin_play, serving, session_over, span_start
from support.waiting import wait_until


def test_a_request_that_never_comes_whole_is_ended(tmp_path: Path) -> None:
    """A connection that sends nothing, half a head or half a body holds its place for so long only."""
    with serving(tmp_path / "home", patch=("connections", "m.REQUEST_S = 0.2")) as server:
        halves = (
            b"",
            b"POST /rpc HTTP/1.1\r\nHost: localhost\r\n",
            b"POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\nAuthorization: Bearer "
            + server.token.encode()
            + b"\r\n\r\n{",
        )
        for half in halves:
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as peer:
                peer.sendall(half)
                try:
                    assert peer.recv(100) == b""
                except ConnectionResetError:
                    pass
        status, logged = server.stop()

    assert status == 0
    assert "error" not in logged


def test_a_stream_is_not_ended_as_a_request_that_does_not_come(tmp_path: Path) -> None:
    """Its request has come; it may be silent for as long as its play is."""
    patch = ("connections", "m.REQUEST_S = 0.1")
    with serving(tmp_path / "home", patch=patch) as server, session_over(server.home) as session:
        sid = begin_play(session)
        with connect_sse(server.http(), "GET", f"/plays/{sid}/events") as source:
            events = source.iter_sse()
            assert next(events).event == "play"
            until_s = time.monotonic() + 2.5
            wait_until(lambda: time.monotonic() > until_s, "two sweeps", timeout_s=5)
            session.ingest.apply_event_json(sid, span_start("later"))

            assert json.loads(next(events).data)["spans"][0]["span_id"] == "later"


def test_a_peer_that_takes_nothing_is_let_go(tmp_path: Path) -> None:
    """What waits for it would wait for ever."""
    logs = "x" * 900_000
    patch = ("connections", "m.STUCK_S = 1.0")
    with serving(tmp_path / "home", patch=patch) as server, session_over(server.home) as session:
        sid = begin_play(session)
        for number in range(16):
            session.ingest.apply_event_json(sid, span_start(f"s{number}"))
            line = {"type": "span_log", "span_id": f"s{number}", "text": logs}
            session.ingest.apply_event_json(sid, json.dumps(line).encode())
        ask = f"GET /plays/{sid}/snapshot HTTP/1.1\r\nHost: localhost\r\n"
        ask += f"Authorization: Bearer {server.token}\r\nConnection: close\r\n\r\n"
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as stuck:
            stuck.sendall(ask.encode())
            assert stuck.recv(15) == b"HTTP/1.1 200 OK"
            client = server.http()
            wait_until(
                lambda: "hero_logic_connections 1.0" in client.get("/metrics").text,
                "the end of the connection",
            )


def test_a_thousand_half_open_connections_hold_up_nobody(tmp_path: Path) -> None:
    """Silent, in the middle of a head or of a body, or reset: others are answered, and then they are gone."""
    whole = b"POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"
    with (
        serving(tmp_path / "home", patch=("connections", "m.REQUEST_S = 3.0")) as server,
        ExitStack() as stack,
    ):
        client = server.http()
        assert client.get("/healthz").is_success
        descriptors = len(os.listdir(f"/proc/{server.process.pid}/fd"))
        peers = []
        for number in range(1000):
            peer = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
            peer.sendall(whole[: (0, 1, 30, len(whole))[number % 4]])
            peers.append(peer)
        for peer in peers[::5]:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()
        began_s = time.monotonic()
        assert client.get("/readyz").is_success
        answered_s = time.monotonic() - began_s
        wait_until(lambda: "hero_logic_connections 1.0" in client.get("/metrics").text, "their end")
        wait_until(
            lambda: len(os.listdir(f"/proc/{server.process.pid}/fd")) <= descriptors, "their descriptors' end"
        )
        status, logged = server.stop()

    assert answered_s < 2
    assert (status, "error" in logged) == (0, False)


def test_there_are_only_so_many_connections(tmp_path: Path) -> None:
    """One more is closed at once, and those that are there go on."""
    with serving(tmp_path / "home", patch=("connections", "m.MAX_CONNECTIONS = 3")) as server:
        first = server.http()
        assert first.get("/healthz").is_success
        peers = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(4)]
        try:
            assert peers[-1].recv(1) == b""
        except ConnectionResetError:
            pass
        assert first.get("/healthz").is_success
        for peer in peers:
            peer.close()
