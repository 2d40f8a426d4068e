"""A supervisor that is there before its play: forked, and out of the host where its play is to be.

What it does without knowing any play is the slowest part of a supervisor's way: the kernel makes a network,
an ipc and a pid namespace. A spare one knows the name of an isolation, and nothing of any play.

Source: docs/design/0014-warm-plays.md.
"""

from __future__ import annotations

import _socket
import os

from hero_logic.runner.descriptors import ancillary, receive
from hero_logic.runner.sandbox.isolation import SandboxNotEntered, leave_host_for


class Spare:
    """The spawner's end of a supervisor that waits for its play."""

    def __init__(self, channel: _socket.socket, kept_in: str) -> None:
        self._channel = channel
        self._kept_in = kept_in

    def take(self, kept_in: str, handed: list[int]) -> bool:
        """Give it its play, if it is kept in what this one has left the host for; whether it has taken it."""
        try:
            if kept_in != self._kept_in:
                return False
            self._channel.sendmsg([b"P"], ancillary(handed))
        except OSError:
            # It could not leave the host, or was killed.
            return False
        else:
            return True
        finally:
            self._channel.close()

    def dismiss(self) -> None:
        """Let it end: there will be no play for it."""
        self._channel.close()


def wait_for_play(channel: _socket.socket, kept_in: str) -> list[int]:
    """In the spare supervisor: leave the host, and wait; the descriptors that its play comes with.

    Ends the process where it cannot leave the host, which the next play will be told when it tries, or where
    no play comes.
    """
    os.setsid()
    try:
        leave_host_for(kept_in)
        data, handed = receive(channel, 1)
    except (SandboxNotEntered, OSError):
        data, handed = b"", []
    if not data:
        os._exit(0)
    return handed
