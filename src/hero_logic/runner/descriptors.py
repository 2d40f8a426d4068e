"""Descriptors on their way from one of our processes to another, over a Unix socket.

Small modules alone: every process of a play's start loads this.
"""

from __future__ import annotations

import _socket
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_DESCRIPTORS = 64
"""With one message."""


def hand_over(channel: int, message: bytes, descriptors: list[int]) -> None:
    """Send a message and descriptors over a Unix socket, which stays open."""
    socket = _socket.socket(fileno=channel)
    try:
        socket.sendmsg([message], ancillary(descriptors))
    finally:
        socket.detach()


def ancillary(descriptors: Sequence[int]) -> list[tuple[int, int, bytes]]:
    """What goes with a message that carries these descriptors."""
    packed = b"".join(descriptor.to_bytes(4, sys.byteorder) for descriptor in descriptors)
    return [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, packed)] if descriptors else []


def receive(socket: _socket.socket, size: int, *, flags: int = 0) -> tuple[bytes, list[int]]:
    """A message, and the descriptors that came with it.

    Raises:
        OSError: as ``recvmsg`` does.
    """
    room = _socket.CMSG_SPACE(4 * MAX_DESCRIPTORS)
    data, told, _, _ = socket.recvmsg(size, room, flags | _socket.MSG_CMSG_CLOEXEC)
    packed = b"".join(payload for _, kind, payload in told if kind == _socket.SCM_RIGHTS)
    return data, [int.from_bytes(packed[at : at + 4], sys.byteorder) for at in range(0, len(packed) - 3, 4)]
