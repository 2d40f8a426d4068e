"""Doors of a play's own network: sockets that listen inside of it and are accepted outside of it.

A socket belongs to the network that it was made in, whoever holds it. So what leads out of a play's world is
no process inside of it, and nothing of the host's: the process that becomes the play makes sockets that
listen on the loopback device, hands them out before any line of the flow runs, and keeps none.

Source: docs/design/0013-the-network-allow-list.md.
"""

from __future__ import annotations

import _socket

from hero_logic.runner.descriptors import MAX_DESCRIPTORS, hand_over, receive

MAX_DOORS = MAX_DESCRIPTORS
_BACKLOG = 64

Door = tuple[str, int]
"""(address, port): where it listens, on the loopback device of the play's world."""


def make_doors(channel: int, doors: list[Door]) -> None:
    """Inside: make the sockets, hand them to whoever has the other end of the channel, keep none of them.

    Raises:
        OSError: one of them cannot be had.
    """
    made = []
    try:
        for address, port in doors:
            family = _socket.AF_INET6 if ":" in address else _socket.AF_INET
            door = _socket.socket(family, _socket.SOCK_STREAM)
            made.append(door)
            door.bind((address, port))
            door.listen(_BACKLOG)
        hand_over(channel, b"D", [door.fileno() for door in made])
    finally:
        for door in made:
            door.close()


def take_doors(channel: int) -> list[int]:
    """Outside, once the play is there: the sockets that were made for it. Closes the channel."""
    socket = _socket.socket(fileno=channel)
    try:
        _, descriptors = receive(socket, 1, flags=_socket.MSG_DONTWAIT)
    except OSError:
        return []  # it was asked for none
    finally:
        socket.close()
    return descriptors
