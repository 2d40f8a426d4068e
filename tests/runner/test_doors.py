"""Sockets that are made on one side and accepted on the other."""

from __future__ import annotations

import os
import socket

import pytest

from hero_logic.runner.descriptors import hand_over, receive
from hero_logic.runner.sandbox.doors import make_doors, take_doors


def test_doors_are_made_handed_over_and_not_kept() -> None:
    """Whoever takes them accepts what connects where they were made."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = ("127.0.0.1", free.getsockname()[1])
    before = len(os.listdir("/proc/self/fd"))

    make_doors(theirs.fileno(), [place, ("::1", place[1])])
    theirs.close()
    doors = [socket.socket(fileno=door) for door in take_doors(ours.detach())]

    # The two of the pair are closed, the two doors are here.
    assert len(os.listdir("/proc/self/fd")) == before
    for door in doors:
        with socket.create_connection(door.getsockname()[:2]) as client:
            connection, _ = door.accept()
            connection.close()
            assert client.recv(1) == b""
        door.close()


def test_a_door_that_cannot_be_had_is_an_error_and_nothing_is_left() -> None:
    """The play is not started then."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = ("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            make_doors(theirs.fileno(), [place])
    theirs.close()

    assert take_doors(ours.detach()) == []


def test_who_was_asked_for_none_has_none() -> None:
    """Nothing is waited for."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    assert take_doors(ours.detach()) == []
    theirs.close()


def test_a_message_brings_its_descriptors() -> None:
    """None of them goes to a program that is started."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reading, writing = os.pipe()

    hand_over(theirs.fileno(), b"hello", [writing])
    data, [received] = receive(ours, 100)

    assert data == b"hello"
    assert not os.get_inheritable(received)
    os.write(received, b"x")
    assert os.read(reading, 1) == b"x"
    for descriptor in (reading, writing, received):
        os.close(descriptor)
    ours.close()
    theirs.close()
