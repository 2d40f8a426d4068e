"""The typed clients: the same calls over every carrier, blocking and not, and the same errors."""

from __future__ import annotations

import asyncio
import inspect
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from hero_logic.app import open_service, open_service_async
from hero_logic.client import AsyncServiceClient, ServiceClient, connect, connect_async
from hero_logic.client.calls import AsyncCalls, Calls
from hero_logic.client.remote import as_raised
from hero_logic.core import errors
from hero_logic.core.documents import PlayDocument, PlayState
from hero_logic.core.errors import (
    IllegalMove,
    NotAuthorized,
    NotFound,
    ServerRefused,
    ServerUnreachable,
    UsageError,
)
from hero_logic.core.records import Sandbox
from hero_logic.server.methods import table
from support.command import hero_logic
from support.error_tree import error_classes
from support.runtime import write_flow
from support.serving import Server, end_play, serving, session_over, span_start

CARRIERS = ("tcp", "unix", "in process")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over one play."""
    directory = tmp_path_factory.mktemp("c")
    path = write_flow(directory, "@flow\ndef hello():\n    return {'a': [1]}\n")
    done = hero_logic("run", path, HERO_LOGIC_HOME=str(directory / "home"), HERO_LOGIC_SANDBOX="tier0")
    assert done.returncode == 0, done.stderr
    with serving(directory / "home") as started:
        yield started


@contextmanager
def client_of(server: Server, carrier: str) -> Iterator[ServiceClient]:
    """A blocking client."""
    if carrier == "in process":
        made = open_service({"HERO_LOGIC_HOME": str(server.home)})
    else:
        made = (
            connect(server.url, token=server.token)
            if carrier == "tcp"
            else connect(f"unix:{server.socket_path}")
        )
    with made as client:
        yield client


@asynccontextmanager
async def async_client_of(server: Server, carrier: str) -> AsyncIterator[AsyncServiceClient]:
    """One on an event loop."""
    if carrier == "in process":
        made = open_service_async({"HERO_LOGIC_HOME": str(server.home)})
    elif carrier == "tcp":
        made = connect_async(server.url, token=server.token)
    else:
        made = connect_async(f"unix:{server.socket_path}")
    async with made as client:
        yield client


@pytest.mark.parametrize("carrier", CARRIERS)
def test_calls_give_what_the_methods_give(server: Server, carrier: str) -> None:
    """As the types of the table."""
    with client_of(server, carrier) as client:
        play = client.play_get("last")
        state = client.play_status(play.sid)
        page = client.play_list(limit=5)

        assert isinstance(play, PlayDocument)
        assert isinstance(state, PlayState)
        assert (play.output, state.status, page.plays[0].sid, page.next) == ({"a": [1]}, "ok", play.sid, None)
        assert play.spans == client.play_spans(play.sid).spans
        assert client.rpc_discover()["openrpc"]


@pytest.mark.parametrize("carrier", CARRIERS)
def test_calls_of_an_event_loop_give_the_same(server: Server, carrier: str) -> None:
    """Many at a time."""

    async def ask() -> tuple[PlayDocument, list[PlayState]]:
        async with async_client_of(server, carrier) as client:
            play = await client.play_get("last")
            return play, await asyncio.gather(*(client.play_status(play.sid) for _ in range(50)))

    with client_of(server, carrier) as client:
        play, states = asyncio.run(ask())

        assert play == client.play_get("last")
        assert states == [client.play_status(play.sid)] * 50


@pytest.mark.parametrize("carrier", CARRIERS)
def test_errors_are_those_of_the_service(server: Server, carrier: str) -> None:
    """The same class with the same message, wherever the service is."""

    async def ask() -> None:
        async with async_client_of(server, carrier) as client:
            await client.play_get("nobody")

    with client_of(server, carrier) as client, pytest.raises(NotFound, match="nobody"):
        client.play_get("nobody")
    with pytest.raises(NotFound, match="nobody"):
        asyncio.run(ask())


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_play_of_another_process_is_pushed_to(server: Server, carrier: str) -> None:
    """Once it has begun; and waiting ends in time, though the play lasts."""
    with session_over(server.home) as session, client_of(server, carrier) as client:
        sid = f"pushed-{carrier.replace(' ', '-')}"
        session.plays.create(sid)
        with pytest.raises(IllegalMove, match="takes no events yet"):
            client.span_push(sid, event_json=span_start("a").decode())
        session.plays.begin(sid, Sandbox())
        pushed = client.span_push(sid, event_json=span_start("a").decode(), writer="me")

        assert client.play_wait(sid, timeout_ms=1).status == "running"
        assert pushed.revision > 0
        end_play(session, sid)
        assert [span.span_id for span in client.play_get(sid).spans] == ["a"]


def test_threads_may_share_a_client(server: Server) -> None:
    """Each request has a connection of its own while it lasts."""
    found: list[str] = []
    with connect(server.url, token=server.token) as client:
        threads = [
            threading.Thread(target=lambda: found.extend(client.play_status("last").sid for _ in range(20)))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(found) == 160
    assert len(set(found)) == 1


def test_a_wrong_token_is_refused(server: Server) -> None:
    """With the class of that, from an answer that is no 200."""
    with connect(server.url, token="wrong") as client, pytest.raises(NotAuthorized):
        client.play_list()


def test_nobody_there_is_told(tmp_path: Path) -> None:
    """With the address, and what starts a server."""
    with connect("http://127.0.0.1:1") as client, pytest.raises(ServerUnreachable, match=r"127\.0\.0\.1:1"):
        client.play_list()
    with (
        connect(f"unix:{tmp_path}/none") as client,
        pytest.raises(ServerUnreachable, match="hero-logic serve"),
    ):
        client.play_list()

    async def ask() -> None:
        async with connect_async(f"unix:{tmp_path}/none") as service:
            await service.play_list()

    with pytest.raises(ServerUnreachable, match="hero-logic serve"):
        asyncio.run(ask())


@pytest.mark.parametrize(
    "place",
    [
        "",
        "ftp://a",
        "http://",
        "http://a:b",
        "127.0.0.1:8420",
        "unix:",
        "http://a/b",
        "http://[::1",
        "http://me:secret@a",
        "http://\xe4",
        "http://a\x7fb",
    ],
)
def test_what_is_no_server_is_a_usage_error(place: str) -> None:
    """Before anything is sent."""
    with pytest.raises(UsageError, match="is no server"):
        connect(place)


def answering(answer: bytes) -> AbstractContextManager[str]:
    """A server that is none of ours: it answers everything with these bytes, and closes."""
    import socket

    @contextmanager
    def run() -> Iterator[str]:
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def serve() -> None:
                peer, _ = listener.accept()
                with peer:
                    peer.recv(65536)
                    peer.sendall(answer)

            thread = threading.Thread(target=serve)
            thread.start()
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            thread.join()

    return run()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
        b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"result": 7}',
    ],
)
def test_what_answers_and_is_no_server_of_ours_is_told(answer: bytes) -> None:
    """Whatever it says; no answer of it is taken for one of ours."""
    with answering(answer) as url, connect(url) as client, pytest.raises(ServerUnreachable):
        client.play_list()


def test_a_server_that_comes_back_is_found_again(tmp_path: Path) -> None:
    """A connection that it has closed meanwhile is not used again."""
    home = tmp_path / "home"
    with serving(home) as server:
        client = connect(f"unix:{server.socket_path}")
        assert client.play_list().plays == []
    with pytest.raises(ServerUnreachable):
        client.play_list()
    with serving(home):
        assert client.play_list().plays == []
    client.close()


@pytest.mark.parametrize("kind", error_classes(), ids=lambda kind: kind.code)
def test_every_error_comes_back_as_it_was(kind: type[errors.HeroLogicError]) -> None:
    """By its code."""
    found = as_raised("a message", kind.code)

    assert type(found) is kind
    assert str(found) == "a message"


def test_an_error_of_a_newer_server_is_told_with_its_code() -> None:
    """Its class is not known here."""
    found = as_raised("no", "of_tomorrow")

    assert type(found) is ServerRefused
    assert "of_tomorrow" in str(found)


@pytest.mark.parametrize("calls", [Calls, AsyncCalls])
def test_the_calls_are_the_methods_of_the_table(calls: type) -> None:
    """Each with its parameters and defaults: neither more nor fewer."""
    made: dict[str, Callable[..., object]] = {
        name: value
        for name, value in vars(calls).items()
        if inspect.isfunction(value) and not name.startswith("_")
    }

    assert list(made) == [name.replace(".", "_") for name in table()]
    for method in table().values():
        parameters = list(inspect.signature(made[method.name.replace(".", "_")]).parameters)[1:]
        assert parameters == list(method.field_names)


def test_the_calls_are_made_from_the_table() -> None:
    """``make docs`` would write the same module again."""
    root = Path(__file__).parents[2]
    code = "import client_calls, sys; sys.stdout.write(client_calls.module())"
    made = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": f"{root / 'tools'}:{root / 'src'}", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert made == (root / "src" / "hero_logic" / "client" / "calls.py").read_text(encoding="utf-8")


def test_the_clients_load_no_server() -> None:
    """Who asks needs neither uvicorn nor what counts for Prometheus."""
    code = (
        "import sys; from hero_logic.client import connect; connect('http://a').close();"
        "names = ('uvicorn', 'httptools', 'prometheus_client', 'hero_logic.server');"
        "print([name for name in names if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "src")},
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout.replace("'", '"')) == []
