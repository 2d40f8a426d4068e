"""A supervisor that is there before its play, with the process that will become it, as far as that goes.

What is done without knowing any play is most of what a start takes: three forks, the namespaces, the view of
what every play sees, the SDK in an interpreter that is there already. A spare one knows a preparation, and
nothing of any play.

Source: docs/design/0015-plays-are-made-ready-for.md.
"""

from __future__ import annotations

import _socket
import os
import select
import time

from hero_logic.runner.descriptors import ancillary, receive
from hero_logic.runner.play_process import Candidate
from hero_logic.runner.sandbox.isolation import SandboxNotEntered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hero_logic.runner.orders import Preparation

MAX_AGE_S = 60.0
"""What every play sees was found when it was made: files of the system's that are copied may have changed."""


class Spare:
    """The spawner's end of a supervisor that waits for its play."""

    def __init__(self, channel: _socket.socket, prepared: bytes) -> None:
        self._channel = channel
        self._prepared = prepared
        self._made_s = time.monotonic()

    def take(self, prepared: bytes, handed: list[int]) -> bool:
        """Give it its play, if it was prepared for such a one; whether it has taken it."""
        try:
            if prepared != self._prepared or time.monotonic() - self._made_s > MAX_AGE_S:
                return False
            self._channel.sendmsg([b"P"], ancillary(handed))
        except OSError:
            # It could not get ready, or was killed.
            return False
        else:
            return True
        finally:
            self._channel.close()

    def dismiss(self) -> None:
        """Let it end: there will be no play for it."""
        self._channel.close()


def wait_for_play(channel: int, candidate: Candidate) -> list[int]:
    """In the spare supervisor: the descriptors that its play comes with.

    Ends the process where no play comes, or its candidate is gone: the next play is told why, when it tries.
    """
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    poll.register(candidate.failed, select.POLLIN)
    poll.poll()
    socket = _socket.socket(fileno=channel)
    try:
        data, handed = receive(socket, 1, flags=_socket.MSG_DONTWAIT)
    except OSError:
        data = b""
    finally:
        socket.close()
    if not data:
        os._exit(0)
    return handed


def candidate_of(prepared: Preparation) -> Candidate:
    """In the spare supervisor: its candidate; ends the process where there can be none."""
    try:
        return Candidate(prepared)
    except (SandboxNotEntered, OSError):
        os._exit(0)
