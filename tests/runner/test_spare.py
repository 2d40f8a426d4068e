"""A supervisor that is there before its play, as the spawner holds it."""

from __future__ import annotations

import os
import socket

import pytest

from hero_logic.runner import spare
from hero_logic.runner.descriptors import receive
from hero_logic.runner.spare import Spare


def pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def test_it_takes_a_play_that_it_was_prepared_for() -> None:
    """With the descriptors that come with that."""
    ours, theirs = pair()
    reader, writer = os.pipe()
    with theirs:
        assert Spare(ours, b"prepared").take(b"prepared", [writer])
        data, [received] = receive(theirs, 10)
    os.write(received, b"x")

    assert (data, os.read(reader, 1)) == (b"P", b"x")
    for descriptor in (reader, writer, received):
        os.close(descriptor)


def test_it_takes_no_other_play() -> None:
    """It sees the end of its channel instead, and ends."""
    ours, theirs = pair()
    with theirs:
        assert not Spare(ours, b"prepared").take(b"for another", [])
        assert theirs.recv(10) == b""


def test_it_takes_none_when_it_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's small files were copied for it when it was made, and may have changed."""
    ours, theirs = pair()
    with theirs:
        old = Spare(ours, b"prepared")
        monkeypatch.setattr(spare.time, "monotonic", lambda: old._made_s + spare.MAX_AGE_S + 1)

        assert not old.take(b"prepared", [])
        assert theirs.recv(10) == b""


def test_one_that_is_gone_takes_none() -> None:
    """It could not get ready, or was killed."""
    ours, theirs = pair()
    theirs.close()

    assert not Spare(ours, b"prepared").take(b"prepared", [])


def test_one_that_is_dismissed_sees_the_end_of_its_channel() -> None:
    """There will be no play for it."""
    ours, theirs = pair()
    with theirs:
        Spare(ours, b"prepared").dismiss()

        assert theirs.recv(10) == b""
