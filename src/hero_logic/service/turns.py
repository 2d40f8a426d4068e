"""What waits to be folded, of all plays: bounded in bytes, and taken in turns that are fair by time.

Laws:

1. A lane's items come out in the order in which they went in.
2. The next item is of the lane that has cost the least time so far. A lane that was empty begins where
   the others are: who was idle has saved nothing up.
3. Nobody who puts waits: a lane that is full says so, and calls ``on_room`` when it is not any more. An
   item that comes all the same is taken: it is one chunk at most for each reader.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Condition, Event, Lock
from time import monotonic

from hero_logic.core.errors import StoreError
from hero_logic.core.lines import Chunk

Item = Chunk | str | Event
"""Lines of a play; the name of a source that has ended; what somebody waits for."""

# A store that is locked for as long as we wait for it (30 s) must not hold up a play that says much: this is
# 80,000 events of one, and as lines, not yet decoded, it is what it weighs.
_MAX_LANE_BYTES = 8 * 1024 * 1024
_MAX_QUEUED_BYTES = 32 * 1024 * 1024
_PRESSING_BYTES = 1024 * 1024
_ITEM_OVERHEAD_BYTES = 500

# What a chunk costs beside its lines is paid once for many small ones: a process that writes a line at a time
# is read a few lines at a time.
_JOINED_BYTES = 128 * 1024


def _ignore() -> None:
    return None


class Lane:
    """The items of one play."""

    def __init__(self, turns: Turns) -> None:
        self.on_room: Callable[[], None] = _ignore
        self._turns = turns
        self._items: deque[Item] = deque()
        self._queued_bytes = 0
        self._used_s = 0.0
        self._is_held = False

    def put(self, item: Item) -> bool:
        """Queue an item; False where there is no room for more until ``on_room`` is called.

        Raises:
            StoreError: nobody takes items any more.
        """
        return self._turns.put(self, item)

    def wait_for_room(self) -> None:
        """For who reads a file: wait while there is no room.

        Raises:
            StoreError: nobody takes items any more.
        """
        self._turns.wait_for_room(self)


class Turns:
    """The lanes of all plays, put to by any thread and taken from by one."""

    def __init__(self) -> None:
        lock = Lock()
        self._lock = lock
        self._work = Condition(lock)
        self._press = Condition(lock)
        self._room = Condition(lock)
        self._active: list[Lane] = []
        self._held: list[Lane] = []
        self._queued_bytes = 0
        self._awaited = 0
        self._now_used_s = 0.0
        self._is_ending = False
        self._broken: BaseException | None = None

    def put(self, lane: Lane, item: Item) -> bool:
        """See :meth:`Lane.put`."""
        with self._lock:
            self._check()
            if not lane._items:
                lane._used_s = max(lane._used_s, self._now_used_s)
                self._active.append(lane)
            lane._items.append(item)
            weight = _weight(item)
            lane._queued_bytes += weight
            self._queued_bytes += weight
            self._awaited += isinstance(item, Event)
            self._work.notify()
            if self._is_pressing():
                self._press.notify()
            if self._has_room(lane):
                return True
            if not lane._is_held:
                lane._is_held = True
                self._held.append(lane)
            return False

    def wait_for_room(self, lane: Lane) -> None:
        """See :meth:`Lane.wait_for_room`."""
        with self._lock:
            while lane._is_held:
                self._check()
                self._room.wait()

    def wait_for_work(self, rests_until_s: float) -> bool:
        """Wait until there is an item, and until that moment unless it is pressing; False at the end."""
        with self._lock:
            while not self._active:
                if self._is_ending:
                    return False
                self._work.wait()
            while not self._is_pressing() and (rest_s := rests_until_s - monotonic()) > 0:
                self._press.wait(rest_s)
            return True

    def take(self) -> tuple[Lane, Item] | None:
        """The next item, or None where there is none; small chunks of one source come as one."""
        with self._lock:
            if not self._active:
                return None
            lane = min(self._active, key=_used_s)
            self._now_used_s = lane._used_s
            taken = _next_of(lane._items)
            if not lane._items:
                self._active.remove(lane)
            weight = sum(map(_weight, taken))
            lane._queued_bytes -= weight
            self._queued_bytes -= weight
            self._awaited -= isinstance(taken[0], Event)
            free = self._free() if self._held else ()
        for released in free:
            released.on_room()
        return lane, taken[0] if len(taken) == 1 else _joined([c for c in taken if isinstance(c, Chunk)])

    def charge(self, lane: Lane, spent_s: float) -> None:
        """A lane has cost so much of the time of who takes."""
        lane._used_s += spent_s

    def end(self) -> None:
        """Nothing comes any more: :meth:`wait_for_work` gives False once all was taken."""
        with self._lock:
            self._is_ending = True
            self._work.notify()
            self._press.notify()

    def fail(self, error: BaseException) -> None:
        """Nobody takes any more, for this reason: let nobody wait."""
        with self._lock:
            self._broken = error
            lanes, self._active = self._active, []
            held, self._held = self._held, []
            for lane in lanes:
                for item in lane._items:
                    if isinstance(item, Event):
                        item.set()
            for lane in held:
                lane._is_held = False
            self._room.notify_all()
        for lane in held:
            lane.on_room()

    def check(self) -> None:
        """Raise StoreError where nobody takes any more."""
        with self._lock:
            self._check()

    def _check(self) -> None:
        if self._broken is not None:
            raise StoreError(
                f"the thread that records has failed: {self._broken!r}. This is a bug; please report it."
            ) from self._broken

    def _is_pressing(self) -> bool:
        return self._queued_bytes >= _PRESSING_BYTES or self._awaited > 0 or self._is_ending

    def _has_room(self, lane: Lane) -> bool:
        if lane._queued_bytes >= _MAX_LANE_BYTES:
            return False
        return self._queued_bytes < _MAX_QUEUED_BYTES or not lane._queued_bytes

    def _free(self) -> list[Lane]:
        """The lanes that have room again, half of it where it was their own that ran out."""
        freed = [
            lane for lane in self._held if lane._queued_bytes < _MAX_LANE_BYTES // 2 and self._has_room(lane)
        ]
        if freed:
            self._held = [lane for lane in self._held if lane not in freed]
            for lane in freed:
                lane._is_held = False
            self._room.notify_all()
        return freed


def _next_of(items: deque[Item]) -> list[Item]:
    """Take the first item; with a chunk, as many of its source that follow as make one of full size."""
    first = items.popleft()
    taken = [first]
    if isinstance(first, Chunk):
        size_bytes = len(first.data)
        while items:
            item = items[0]
            if not isinstance(item, Chunk) or item.source != first.source:
                break
            size_bytes += len(item.data)
            if size_bytes > _JOINED_BYTES:
                break
            taken.append(items.popleft())
    return taken


def _joined(chunks: list[Chunk]) -> Chunk:
    """As if it had been read at once, when the first of them was."""
    return Chunk(
        b"".join([chunk.data for chunk in chunks]),
        source=chunks[0].source,
        position=chunks[-1].position,
        received_ms=chunks[0].received_ms,
        oversize=sum([chunk.oversize for chunk in chunks]),
    )


def _used_s(lane: Lane) -> float:
    return lane._used_s


def _weight(item: Item) -> int:
    """How many bytes of the room an item takes; what somebody waits for takes none."""
    if isinstance(item, Chunk):
        return len(item.data) + _ITEM_OVERHEAD_BYTES
    return _ITEM_OVERHEAD_BYTES if isinstance(item, str) else 0
