"""Connections: uvicorn's protocol, and what it leaves open.

A request has to be there whole within some seconds of its first byte (or of the connection), its head is
bounded, a reader that takes nothing is not kept for ever, and there are only so many connections: so no
peer that is half open, slow or gone can hold what others need.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_CONNECTIONS = 5000
MAX_HEAD_BYTES = 64 * 1024
REQUEST_S = 20.0
STUCK_S = 60.0
KEEP_ALIVE_S = 75
_NEVER_S = float("inf")


class Connection(HttpToolsProtocol):
    """One connection."""

    due_s = _NEVER_S
    """Until when the request that has begun has to be whole."""
    stuck_since_s = _NEVER_S
    """Since when the peer takes nothing of what is to be sent."""
    _left_bytes = -1
    _is_in_head = True
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Somebody has connected."""
        super().connection_made(transport)
        self.due_s = self.loop.time() + REQUEST_S
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
            return
        peer = transport.get_extra_info("socket")
        if peer is not None and peer.family != socket.AF_UNIX:
            # What is not acknowledged for so long is not going to be.
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(STUCK_S * 1000))

    def data_received(self, data: bytes) -> None:
        """Some bytes have come."""
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES + len(data):
                self.send_400_response("The head of the request is too large.")
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._is_in_head = True
        self._head_bytes = 0
        self.due_s = self.loop.time() + REQUEST_S

    def on_headers_complete(self) -> None:
        """Its head is there."""
        self._is_in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """It is there whole."""
        self.due_s = _NEVER_S
        super().on_message_complete()

    def pause_writing(self) -> None:
        """The peer does not take what is sent."""
        self.stuck_since_s = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """It does again."""
        self.stuck_since_s = _NEVER_S
        super().resume_writing()

    def is_stuck(self, now_s: float) -> bool:
        """Whether the peer has taken nothing for too long; one that is only slow is not."""
        left_bytes = self.transport.get_write_buffer_size()
        if self.stuck_since_s != _NEVER_S and left_bytes != self._left_bytes:
            self.stuck_since_s = now_s
        self._left_bytes = left_bytes
        return now_s - self.stuck_since_s > STUCK_S


async def sweep(connections: Iterable[Any]) -> None:
    """Once a second, end the connections that hold what others need, for as long as this task lives."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(1.0)
        now_s = loop.time()
        for connection in list(connections):
            if now_s > connection.due_s or connection.is_stuck(now_s):
                connection.transport.abort()
