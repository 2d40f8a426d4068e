"""Connections of the clients: kept, used by one request at a time, let go when they are old."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hero_logic.client import carriers
from hero_logic.client.carriers import Place, SocketCarrier
from hero_logic.core.errors import UsageError

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@contextmanager
def listening(answers: int) -> Iterator[tuple[Place, list[int]]]:
    """A server that answers so many requests in all; how many each of its connections has carried."""
    carried: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def serve() -> None:
            while sum(carried) < answers:
                peer, _ = listener.accept()
                carried.append(0)
                place = len(carried) - 1
                peer.settimeout(10)
                with peer:
                    while sum(carried) < answers and peer.recv(65536):
                        carried[place] += 1
                        peer.sendall(ANSWER)

        thread = threading.Thread(target=serve)
        thread.start()
        yield Place(address=("127.0.0.1", listener.getsockname()[1])), carried
        thread.join()


def test_a_connection_is_kept() -> None:
    """One carries all requests that follow each other."""
    with listening(5) as (place, carried):
        carrier = SocketCarrier(place, None)
        assert [carrier.send("POST", "/rpc", b"{}") for _ in range(5)] == [(200, b"{}")] * 5
        carrier.close()

    assert carried == [5]


def test_a_connection_that_was_idle_for_long_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server may be about to close it."""
    monkeypatch.setattr(carriers, "_IDLE_S", 0.0)
    with listening(3) as (place, carried):
        carrier = SocketCarrier(place, None)
        for _ in range(3):
            carrier.send("POST", "/rpc", b"{}")
        carrier.close()

    assert carried == [1, 1, 1]


@pytest.mark.parametrize(
    ("server", "host"),
    [("http://127.0.0.1:8420", "127.0.0.1:8420"), ("http://[::1]:1/", "[::1]:1"), ("http://a", "a:80")],
)
def test_an_address_is_a_place(server: str, host: str) -> None:
    """With the port of HTTP where it has none."""
    assert Place.of(server).host == host


def test_tls_is_not_spoken() -> None:
    """Sending a token in the clear to who expects TLS would be worse than an error."""
    with pytest.raises(UsageError):
        Place.of("https://a")
