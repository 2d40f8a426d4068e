"""Waiting for plays and watching them, with a store that is written here."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from hero_logic.core.errors import NotFound
from hero_logic.core.lifecycle import is_terminal
from hero_logic.server.desks import Lobby
from hero_logic.service.session import Session
from support.serving import Server, begin_play, end_play, serving, session_over, span_start
from support.waiting import wait_until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("hub") / "home") as started:
        yield started


@pytest.fixture
def session(server: Server) -> Iterator[Session]:
    with session_over(server.home) as opened:
        yield opened


def in_lobby(home: Path, do: Callable[[Session, Lobby], Awaitable[None]]) -> None:
    """Do something with a lobby over a session of this process."""

    async def run(session: Session) -> None:
        lobby = Lobby(session)
        try:
            await do(session, lobby)
        finally:
            await lobby.close()

    with session_over(home) as session:
        asyncio.run(run(session))


def test_a_channel_ends_with_its_last_reader(tmp_path: Path) -> None:
    """Nothing is read for nobody."""

    async def do(session: Session, lobby: Lobby) -> None:
        begin_play(session)
        channel = lobby.hub.channel("p")
        with channel.read(), channel.read():
            assert lobby.hub.readers == 2
            assert lobby.hub.channel("p") is channel

        assert (lobby.hub.readers, channel.is_closed) == (0, True)
        with lobby.hub.channel("p").read():
            assert lobby.hub.channel("p") is not channel

    in_lobby(tmp_path / "home", do)


def test_all_readers_have_the_same_bytes(tmp_path: Path) -> None:
    """A page is made once."""

    async def do(session: Session, lobby: Lobby) -> None:
        begin_play(session)
        channel = lobby.hub.channel("p")
        with channel.read() as one, channel.read() as other:
            await asyncio.to_thread(session.ingest.apply_event_json, "p", span_start("a"))
            assert await one.news(5)
            assert await other.news(5)
            page = one.take()
            assert page is not None
            assert page.text
            assert other.take() is page

    in_lobby(tmp_path / "home", do)


def test_what_happens_much_is_told_at_most_every_20_ms(tmp_path: Path) -> None:
    """And the first of it at once."""

    async def do(session: Session, lobby: Lobby) -> None:
        begin_play(session)
        channel = lobby.hub.channel("p")
        with channel.read() as reader:
            stop = threading.Event()

            def write() -> None:
                number = 0
                while not stop.is_set():
                    session.ingest.apply_event_json("p", span_start(f"s{number}"))
                    number += 1

            writing = asyncio.get_running_loop().run_in_executor(None, write)
            began_s = time.monotonic()
            pages = 0
            while time.monotonic() - began_s < 1.0:
                if await reader.news(1.0) and reader.take() is not None:
                    pages += 1
            stop.set()
            await writing
            assert 5 <= pages <= 55

    in_lobby(tmp_path / "home", do)


def test_waiting_ends_with_the_commit_of_this_process(tmp_path: Path) -> None:
    """Within 20 ms of it."""

    async def do(session: Session, lobby: Lobby) -> None:
        begin_play(session)
        waiting = asyncio.ensure_future(lobby.hub.until("p", lambda play: is_terminal(play.status), None))
        await asyncio.sleep(0)
        late_s: list[float] = []

        def end() -> None:
            end_play(session)
            late_s.append(time.monotonic())

        await asyncio.to_thread(end)
        await waiting
        assert time.monotonic() - late_s[0] < 0.02 + 0.2  # a machine that does other things, too

    in_lobby(tmp_path / "home", do)


def test_what_was_written_while_nobody_watched_is_not_gone_through(tmp_path: Path) -> None:
    """Who comes after thousands of plays does not hold up everybody else for them."""

    async def do(session: Session, lobby: Lobby) -> None:
        for number in range(30):
            begin_play(session, f"p{number}")
        revision = session.store.revision()
        looked: list[int] = []
        store = lobby.at_loop.store
        find = store.changed_statuses

        def find_and_tell(since: int) -> list[tuple[str, int, str]]:
            looked.append(since)
            return find(since)

        store.changed_statuses = find_and_tell  # type: ignore[method-assign]
        waiting = asyncio.ensure_future(lobby.hub.until("p0", lambda play: is_terminal(play.status), 5))
        while not lobby.hub.waiting:
            await asyncio.sleep(0)
        await asyncio.to_thread(end_play, session, "p0")
        await waiting
        lobby.hub.ring()
        lobby.hub._wake_changed()

        assert looked
        assert min(looked) >= revision

    in_lobby(tmp_path / "home", do)


def test_waiting_for_nobody_is_refused(tmp_path: Path) -> None:
    """At once."""

    async def do(session: Session, lobby: Lobby) -> None:
        with pytest.raises(NotFound):
            await lobby.hub.until("nobody", lambda play: False, None)

    in_lobby(tmp_path / "home", do)


def test_closing_ends_all_waiting(tmp_path: Path) -> None:
    """And all reading."""

    async def do(session: Session, lobby: Lobby) -> None:
        begin_play(session)
        waiting = asyncio.ensure_future(lobby.hub.until("p", lambda play: False, None))
        with lobby.hub.channel("p").read() as reader:
            news = asyncio.ensure_future(reader.news(60))
            await asyncio.sleep(0)
            await lobby.hub.close()
            await asyncio.wait_for(waiting, 5)
            assert await asyncio.wait_for(news, 5)
            assert reader.is_over

    in_lobby(tmp_path / "home", do)


def test_a_play_that_another_process_ends_is_waited_for(server: Server, session: Session) -> None:
    """play_wait is woken by the end; where the time is over it says how the play stands."""
    sid = begin_play(session, "waited")
    began_s = time.monotonic()
    assert server.call("play_wait", play_sid=sid, timeout_ms=50)["status"] == "running"
    assert time.monotonic() - began_s < 5
    ended: list[float] = []

    def end() -> None:
        end_play(session, sid)
        ended.append(time.monotonic())

    timer = threading.Timer(0.3, end)
    timer.start()
    play = server.call("play_wait", play_sid=sid)
    timer.join()

    assert play["status"] == "ok"
    assert time.monotonic() - ended[0] < 2


def test_many_may_wait_at_once(server: Server, session: Session) -> None:
    """More than there are threads: waiting takes none."""
    import asyncio

    from hero_logic.client import connect_async

    sid = begin_play(session, "many")

    async def wait_for_all() -> list[str]:
        async with connect_async(server.url, token=server.token) as service:
            waits = [asyncio.ensure_future(service.play_wait(sid)) for _ in range(200)]
            assert (await service.play_status(sid)).status == "running"
            await asyncio.to_thread(end_play, session, sid)
            return [play.status for play in await asyncio.gather(*waits)]

    assert asyncio.run(wait_for_all()) == ["ok"] * 200


def test_nothing_waits_for_who_is_gone(server: Server, session: Session) -> None:
    """A client that vanishes takes what it waits for with it; others wait on."""
    sid = begin_play(session, "vanishing")
    client = server.http()
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "play_wait", "params": [sid]}).encode()
    head = f"POST /rpc HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.token}\r\n"
    peers = []
    for _ in range(20):
        peer = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        peer.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        peers.append(peer)
    wait_until(lambda: "hero_logic_calls_waiting 20.0" in client.get("/metrics").text, "all of them waiting")
    for peer in peers[1:]:
        peer.close()

    wait_until(
        lambda: "hero_logic_calls_waiting 1.0" in client.get("/metrics").text, "the end of all but one"
    )
    end_play(session, sid)
    assert peers[0].recv(15) == b"HTTP/1.1 200 OK"
    peers[0].close()
