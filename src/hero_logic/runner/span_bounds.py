"""What all plays of a loop share: room for connections, and for unfinished lines.

The thread of the loop alone calls what is here.
"""

from __future__ import annotations

import os
from heapq import heapify, heappop, heappush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from hero_logic.core.lines import LineBuffer

_SPARE_DESCRIPTORS = 128
_DESCRIPTORS_A_PLAY = 4
_MIN_CONNECTIONS = 16
_CONNECTIONS_TO_FREE = 8
_SPARE_ENTRIES = 1024


class ConnectionRoom:
    """How many connections there may be: the runtime's last descriptors are not for plays to take.

    A play may have eight times as many connections as there is room for more: alone it gets eight ninths of
    them, and the next play finds a place, however greedy the first one is.
    """

    def __init__(self) -> None:
        self.retry_at_s: float | None = None
        """When to call :meth:`retry` at the latest, as ``time.monotonic`` has it."""
        self.plays = 0
        self._connections = 0
        self._max_descriptors = os.sysconf("SC_OPEN_MAX") - _SPARE_DESCRIPTORS
        self._waiting: list[Callable[[], None]] = []

    def is_there(self, own_connections: int) -> bool:
        """Whether a play that has so many connections may have one more."""
        most = max(_MIN_CONNECTIONS, self._max_descriptors - _DESCRIPTORS_A_PLAY * self.plays)
        return own_connections < _CONNECTIONS_TO_FREE * (most - self._connections)

    def take(self) -> None:
        """There is one connection more."""
        self._connections += 1

    def give_back(self) -> None:
        """There is one connection less."""
        self._connections -= 1
        if self._waiting:
            self.retry()

    def wait(self, accept_again: Callable[[], None], *, retry_at_s: float | None = None) -> None:
        """Call this once a connection of any play has ended, or at that time if that is sooner."""
        self._waiting.append(accept_again)
        if retry_at_s is not None:
            self.retry_at_s = retry_at_s

    def retry(self) -> None:
        """Let those try again that had no room."""
        waiting, self._waiting = self._waiting, []
        self.retry_at_s = None
        for accept_again in waiting:
            accept_again()


class UnfinishedBudget:
    """What is held of lines whose newline has not come: past a budget the longest of them is discarded.

    A change costs an addition, however many connections there are. Once the budget is passed they are put
    into a heap, and every change is, until half of the budget is free: so a play that stays at its edge
    makes us search through all connections once, and not for each of its reads.
    Source: docs/protocol.md, "Oversize lines".
    """

    def __init__(self, max_bytes: int) -> None:
        self.held_bytes = 0
        self._max_bytes = max_bytes
        self._buffers: set[LineBuffer] = set()
        self._heap: list[tuple[int, int, LineBuffer]] | None = None

    def add(self, lines: LineBuffer) -> None:
        """A new connection, which holds nothing yet."""
        self._buffers.add(lines)

    def remove(self, lines: LineBuffer) -> None:
        """A connection is gone, and what it holds."""
        self._buffers.remove(lines)
        self.held_bytes -= lines.unfinished_bytes

    def changed(self, lines: LineBuffer, before_bytes: int) -> None:
        """A connection holds another number of bytes than before; it may be discarded at once."""
        self.held_bytes += lines.unfinished_bytes - before_bytes
        if self._heap is not None:
            self._note(lines)
        if self.held_bytes > self._max_bytes:
            self._discard_longest()

    def _note(self, lines: LineBuffer) -> None:
        assert self._heap is not None, "asked by the caller"
        if (
            self.held_bytes < self._max_bytes // 2
            or len(self._heap) > 2 * len(self._buffers) + _SPARE_ENTRIES
        ):
            # Not needed, or mostly of what is no more: it is made anew when it is.
            self._heap = None
        elif lines.unfinished_bytes:
            heappush(self._heap, _entry(lines))

    def _discard_longest(self) -> None:
        if self._heap is None:
            self._heap = [_entry(lines) for lines in self._buffers if lines.unfinished_bytes]
            heapify(self._heap)
        while self.held_bytes > self._max_bytes:
            minus_bytes, _, lines = heappop(self._heap)
            # Of one that has changed since, or is gone, a newer entry tells, or none.
            if lines in self._buffers and lines.unfinished_bytes == -minus_bytes:
                self.held_bytes += minus_bytes
                lines.discard()


def _entry(lines: LineBuffer) -> tuple[int, int, LineBuffer]:
    return -lines.unfinished_bytes, id(lines), lines
