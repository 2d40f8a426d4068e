"""One thread that reads the span sockets of all plays of a process.

Each turn it asks which plays have something, and reads each of them once, a bounded piece. Laws:

1. Fair between plays: how many connections a play has, and how much it says, changes nothing for the next.
2. A play whose sink is full is not read, and wakes nobody; the others go on.
3. What goes wrong with one play ends the listener of that play alone.
4. A turn that found little takes half a millisecond all the same: reading in small pieces costs more than
   it brings. Nothing that comes to an idle loop waits.
5. It never sleeps for one play, and never waits for a lock that who calls it may hold: whoever wants
   something of it leaves word (``_posts``) and wakes it.

Source: docs/design/0007-listener-thread-and-writer-thread.md.
"""

from __future__ import annotations

import _socket
import signal
import time
from collections import deque
from threading import Lock, Thread

from hero_logic.core.policy import default
from hero_logic.runner.readiness import best_readiness
from hero_logic.runner.span_bounds import ConnectionRoom, UnfinishedBudget

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from hero_logic.runner.readiness import Readiness
    from hero_logic.runner.span_reader import PlayReader


# A busy writer is heard again a few microseconds after each read: with no rest it was read a kilobyte at a
# time, and half of what reading cost was waking up. With this one it is read 24 KiB at a time.
# Source: docs/design/0007-listener-thread-and-writer-thread.md.
_TURN_S = 0.0005


class SpanLoop:
    """The thread runs while there are plays to read; :meth:`close` ends it and them.

    ``max_unfinished_bytes`` bounds what is held of unfinished lines of all connections of all plays.
    """

    def __init__(
        self, *, max_unfinished_bytes: int | None = None, readiness: Callable[[], Readiness] = best_readiness
    ) -> None:
        self._room = ConnectionRoom()
        self._unfinished = UnfinishedBudget(
            default("unfinished_bytes") if max_unfinished_bytes is None else max_unfinished_bytes
        )
        self._lock = Lock()
        self._thread: Thread | None = None
        self._is_running = False
        self._is_closed = False
        self._is_behind = False
        self._posts: deque[tuple[PlayReader, Callable[[], None]]] = deque()
        self._readers: dict[int, PlayReader] = {}
        self._timed: set[PlayReader] = set()
        self._ending: list[PlayReader] = []
        self._readiness = readiness()
        # A pair of sockets and no pipe: a closed one refuses to send, where the number of a closed pipe may
        # be another file's by then.
        self._wake, self._wake_in = _socket.socketpair()
        self._wake.setblocking(False)
        self._wake_in.setblocking(False)
        self._readiness.add(self._wake.fileno())

    # What any thread may call

    def add(self, reader: PlayReader) -> None:
        """Read a play from now on, to its end.

        Raises:
            OSError: there is no descriptor left to watch it with.
        """
        with self._lock:
            assert not self._is_closed, "a loop that was closed reads nothing more"
            if not self._is_running:
                # Before there is work: it looks for some once we have let go of the lock.
                self._thread = _started_without_signals(self._run)
                self._is_running = True
            reader.start(self._readiness.group(), self._room, self._unfinished)
            self.post(reader, lambda: self._begin(reader))

    def post(self, reader: PlayReader, action: Callable[[], None]) -> None:
        """Have the thread do something for a play, if that is still read. Also from a signal handler."""
        if reader.is_released:
            return
        self._posts.append((reader, action))
        self._wake_up()

    def ask_end(self, reader: PlayReader, asked_at_s: float, drain_s: float) -> None:
        """End a play once all is read, or so long after it was asked for. Also from a signal handler."""
        self.post(reader, lambda: self._end_by(reader, asked_at_s, drain_s))

    def close(self) -> None:
        """End all plays at once, then the thread; wait for that. Harmless twice."""
        with self._lock:
            self._is_closed = True
            thread = self._thread
        self._wake_up()
        if thread is not None:
            thread.join()
        self._readiness.close()
        self._wake.close()
        self._wake_in.close()

    def _wake_up(self) -> None:
        try:
            self._wake_in.send(b"W")
        except OSError:
            # Closed: it has ended. Full: it has been woken often enough.
            return

    # What the thread does

    def _run(self) -> None:
        try:
            while self._has_work():
                began_s = time.monotonic()
                self._turn()
                self._rest(began_s)
        except BaseException as error:  # noqa: BLE001  # told by ListenerHandle.wait, in the thread that can act
            self._break(error)

    def _rest(self, began_s: float) -> None:
        """Let some more come, unless enough is there, or somebody waits for the end of a play."""
        rest_s = began_s + _TURN_S - time.monotonic()
        if rest_s > 0 and not self._is_behind and not self._ending:
            time.sleep(rest_s)

    def _has_work(self) -> bool:
        if self._readers or self._ending:
            return True
        with self._lock:
            self._is_running = bool(self._posts)
            return self._is_running

    def _turn(self) -> None:
        self._is_behind = False
        for key in self._readiness.wait(self._timeout_s()):
            reader = self._readers.get(key)
            if reader is not None:
                self._guarded(reader, reader.turn)
                self._is_behind = self._is_behind or reader.is_behind
            elif key == self._wake.fileno():
                self._wake.recv(4096)
        while self._posts:
            reader, action = self._posts.popleft()
            if not reader.is_released:
                self._guarded(reader, action)
        self._look_at_the_clock()
        if self._is_closed:
            for reader in list(self._readers.values()):
                self._end(reader)
        for reader in self._ending.copy():
            self._guarded(reader, reader.finish_some)
            if reader.is_finished and not reader.done.is_set():
                self._settle(reader)

    def _guarded(self, reader: PlayReader, action: Callable[[], None]) -> None:
        try:
            action()
        except BaseException as error:  # noqa: BLE001  # told by ListenerHandle.wait, in the thread that can act
            reader.error = error
            self._settle(reader)

    def _timeout_s(self) -> float | None:
        if self._ending:
            return 0.0
        times_s = [at_s for reader in self._timed if (at_s := reader.looks_at_s) is not None]
        if self._room.retry_at_s is not None:
            times_s.append(self._room.retry_at_s)
        return max(0.0, min(times_s) - time.monotonic()) if times_s else None

    def _look_at_the_clock(self) -> None:
        retry_at_s = self._room.retry_at_s
        if not self._timed and retry_at_s is None:
            return
        now_s = time.monotonic()
        if retry_at_s is not None and now_s >= retry_at_s:
            self._room.retry()
        for reader in [reader for reader in self._timed if reader.is_over(now_s)]:
            self._end(reader)

    # One play, from its beginning to its end

    def _begin(self, reader: PlayReader) -> None:
        self._readers[reader.key] = reader
        self._room.plays += 1
        if reader.is_idle_timed:
            self._timed.add(reader)

    def _end_by(self, reader: PlayReader, asked_at_s: float, drain_s: float) -> None:
        reader.end_by(asked_at_s, drain_s)
        self._timed.add(reader)

    def _end(self, reader: PlayReader) -> None:
        self._leave(reader)
        self._ending.append(reader)

    def _settle(self, reader: PlayReader) -> None:
        self._leave(reader)
        if reader in self._ending:
            self._ending.remove(reader)
        try:
            reader.close()
        finally:
            reader.done.set()

    def _leave(self, reader: PlayReader) -> None:
        """Read a play no more."""
        if self._readers.pop(reader.key, None) is not None:
            self._room.plays -= 1
        self._timed.discard(reader)
        reader.release()

    def _break(self, error: BaseException) -> None:
        """Let nobody wait for a thread that is no more."""
        with self._lock:
            self._is_running = False
            left = {*self._readers.values(), *self._ending, *(reader for reader, _ in self._posts)}
            self._posts.clear()
            for reader in left:
                reader.error = error
                self._settle(reader)


def _started_without_signals(run: Callable[[], None]) -> Thread:
    """A thread to which the kernel gives no signal: it would not wake the thread that acts on it."""
    thread = Thread(target=run, name="span-loop", daemon=True)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return thread
