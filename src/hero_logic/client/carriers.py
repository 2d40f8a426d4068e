"""What carries requests to a service: TCP or a Unix socket, in blocking calls or on an event loop.

Connections are kept and used again, by one request at a time; one that has been idle for long is not
trusted. A request is sent once: whether one that was not answered was done, its sender has to find out.
"""

from __future__ import annotations

import asyncio
import select
import socket
from threading import Lock
from time import monotonic
from typing import Protocol
from urllib.parse import urlsplit

from hero_logic.client.exchange import Exchange
from hero_logic.core.errors import ServerUnreachable, UsageError

CONNECT_S = 10.0
_IDLE_S = 30.0
_READ_BYTES = 256 * 1024


class Carrier(Protocol):
    """Carries requests in blocking calls."""

    def send(self, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        """Send a request; the status and the body of its answer."""
        ...

    def close(self) -> None:
        """Close what is open."""
        ...


class AsyncCarrier(Protocol):
    """Carries requests on an event loop."""

    async def send(self, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        """Send a request; the status and the body of its answer."""
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...


class Place:
    """Where a server is.

    >>> Place.of("http://127.0.0.1:8420").host, Place.of("unix:/tmp/rpc.sock").socket_path
    ('127.0.0.1:8420', '/tmp/rpc.sock')
    """

    def __init__(self, *, address: tuple[str, int] | None = None, socket_path: str = "") -> None:
        self.address = address
        self.socket_path = socket_path
        self.host = "localhost"
        if address is not None:
            self.host = f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"

    @classmethod
    def of(cls, server: str) -> Place:
        """From ``http://HOST:PORT`` or ``unix:PATH``.

        Raises:
            UsageError: it is neither.
        """
        if server.startswith("unix:") and len(server) > len("unix:"):
            return cls(socket_path=server.removeprefix("unix:"))
        try:
            parts = urlsplit(server)
            port = parts.port or 80
        except ValueError as error:
            raise UsageError(
                f"{server!r} is no server: it is http://HOST:PORT or unix:PATH ({error})."
            ) from error
        host = parts.hostname or ""
        is_host = host != "" and host.isascii() and host.isprintable() and parts.username is None
        if parts.scheme != "http" or not is_host or parts.path.strip("/"):
            raise UsageError(f"{server!r} is no server: it is http://HOST:PORT or unix:PATH.")
        return cls(address=(host, port))

    @property
    def name(self) -> str:
        """What it goes by, for a person."""
        return self.socket_path or self.host

    def open_socket(self) -> socket.socket:
        """A connection to it, which then waits for as long as it takes.

        Raises:
            ServerUnreachable: nobody answers.
        """
        try:
            if self.address is not None:
                peer = socket.create_connection(self.address, timeout=CONNECT_S)
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            else:
                peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                peer.settimeout(CONNECT_S)
                try:
                    peer.connect(self.socket_path)
                except OSError:
                    peer.close()
                    raise
        except OSError as error:
            raise self.unreachable(error) from error
        # A call may wait for a play for as long as that takes.
        peer.settimeout(None)
        return peer

    def unreachable(self, error: OSError) -> ServerUnreachable:
        """What it means that nobody is there."""
        why = error.strerror or repr(error)
        return ServerUnreachable(f"no server answers at {self.name}: {why}. `hero-logic serve` starts one.")


class _Kept:
    """A connection that is kept, and since when it is idle."""

    def __init__(self, peer: socket.socket, exchange: Exchange) -> None:
        self.peer = peer
        self.exchange = exchange
        self.idle_since_s = 0.0

    def is_fresh(self) -> bool:
        """Whether it is worth another request: not idle for long, and not closed by the server."""
        return monotonic() - self.idle_since_s < _IDLE_S and not select.select([self.peer], [], [], 0)[0]


class SocketCarrier:
    """Blocking calls, from any number of threads."""

    def __init__(self, place: Place, token: str | None) -> None:
        self._place = place
        self._token = token
        self._idle: list[_Kept] = []
        self._lock = Lock()

    def send(self, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        """Send a request; the status and the body of its answer.

        Raises:
            ServerUnreachable: nobody answers.
        """
        kept = self._take()
        try:
            kept.peer.sendall(kept.exchange.request(method, target, body))
            while (found := kept.exchange.receive(kept.peer.recv(_READ_BYTES))) is None:
                pass
        except OSError as error:
            kept.peer.close()
            raise self._place.unreachable(error) from error
        except BaseException:
            kept.peer.close()
            raise
        status = kept.exchange.status
        self._keep(kept)
        return status, found

    def close(self) -> None:
        """Close what is open."""
        with self._lock:
            idle, self._idle = self._idle, []
        for kept in idle:
            kept.peer.close()

    def _take(self) -> _Kept:
        while True:
            with self._lock:
                kept = self._idle.pop() if self._idle else None
            if kept is None:
                return _Kept(self._place.open_socket(), Exchange(self._place.host, self._token))
            if kept.is_fresh():
                return kept
            kept.peer.close()

    def _keep(self, kept: _Kept) -> None:
        if not kept.exchange.can_go_on():
            kept.peer.close()
            return
        kept.idle_since_s = monotonic()
        with self._lock:
            self._idle.append(kept)


class StreamCarrier:
    """The same on an event loop."""

    def __init__(self, place: Place, token: str | None) -> None:
        self._place = place
        self._token = token
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter, Exchange, float]] = []

    async def send(self, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        """Send a request; the status and the body of its answer.

        Raises:
            ServerUnreachable: nobody answers.
        """
        reader, writer, exchange = await self._take()
        try:
            writer.write(exchange.request(method, target, body))
            await writer.drain()
            while (found := exchange.receive(await reader.read(_READ_BYTES))) is None:
                pass
        except OSError as error:
            writer.close()
            raise self._place.unreachable(error) from error
        except BaseException:
            writer.close()
            raise
        status = exchange.status
        if exchange.can_go_on():
            self._idle.append((reader, writer, exchange, monotonic()))
        else:
            writer.close()
        return status, found

    async def close(self) -> None:
        """Close what is open."""
        while self._idle:
            _, writer, _, _ = self._idle.pop()
            await _close(writer)

    async def _take(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, Exchange]:
        while self._idle:
            reader, writer, exchange, since_s = self._idle.pop()
            if monotonic() - since_s < _IDLE_S and not reader.at_eof():
                return reader, writer, exchange
            await _close(writer)
        place = self._place
        try:
            async with asyncio.timeout(CONNECT_S):
                if place.address is not None:
                    reader, writer = await asyncio.open_connection(*place.address)
                else:
                    reader, writer = await asyncio.open_unix_connection(place.socket_path)
        except OSError as error:
            raise place.unreachable(error) from error
        return reader, writer, Exchange(place.host, self._token)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await writer.wait_closed()
    except OSError:
        pass  # it is closed all the same
