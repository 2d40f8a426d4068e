"""What a loop reads of one play: its connections, split into whole lines and handed to its sink.

The thread of the loop alone calls what is here, but for what says otherwise.
"""

from __future__ import annotations

import _socket
import os
import select
import struct
import sys
import time
from collections import deque
from threading import Event

from hero_logic.core.lines import Chunk, LineBuffer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from hero_logic.runner.readiness import Group
    from hero_logic.runner.span_bounds import ConnectionRoom, UnfinishedBudget

    class SpanSink(Protocol):
        """Where the chunks of one play go; called by one thread, in the order of arrival."""

        on_room: Callable[[], None]
        """Set by the listener. To be called, by any thread, once there is room again, or once
        :meth:`write` would raise."""

        def write(self, chunk: Chunk) -> bool:
            """Take a chunk, without waiting; False if no more should come until :attr:`on_room` is called.

            What it raises ends the listener of this play.
            """
            ...

        def disconnected(self, source: str) -> None:
            """A connection has ended, after all its chunks."""
            ...


# Larger ones make malloc give memory back to the system and take it again, for each read: 64 KiB cost a
# quarter more a byte, 96 KiB twice as much, and a read of one line into 256 KiB six times that into 32.
# Source: docs/design/0007-listener-thread-and-writer-thread.md.
_TURN_BYTES = 32 * 1024
_READS_A_TURN = 8
_ACCEPTS_A_TURN = 8
_FINISHES_A_TURN = 16
_RETRY_ACCEPT_S = 0.05
_SO_PEERCRED = 17


class ListenReport:
    """What a listener read until its end."""

    __slots__ = ("bytes", "connections", "oversize", "refused_peers")

    def __init__(self) -> None:
        self.connections = 0
        self.bytes = 0
        self.oversize = 0
        self.refused_peers = 0


class _Connection:
    __slots__ = ("descriptor", "lines", "oversize_told", "socket", "source")

    def __init__(self, source: str, socket: _socket.socket, max_line_bytes: int) -> None:
        self.source = source
        self.socket = socket
        self.descriptor = socket.fileno()
        self.lines = LineBuffer(max_line_bytes)
        self.oversize_told = 0


class PlayReader:
    """Reads one play, a turn at a time."""

    def __init__(
        self,
        server: _socket.socket,
        sink: SpanSink,
        *,
        max_line_bytes: int,
        idle_s: float | None,
        release: Callable[[], None],
    ) -> None:
        """``release`` is called when nothing more is accepted: it closes and unlinks the server's socket."""
        self.report = ListenReport()
        self.error: BaseException | None = None
        self.done = Event()
        """Set once all is read, handed over and closed; may be waited for by any thread."""
        self._server = server
        self._sink = sink
        self._max_line_bytes = max_line_bytes
        self._idle_s = idle_s
        self._release = release
        self._connections: dict[int, _Connection] = {}
        self._ready: deque[int] = deque()
        self._share_bytes = 0
        self._is_accepting = True
        self.is_released = False
        self.is_behind = False
        """Whether the last turn may have left something to read."""
        self._left: list[_Connection] = []
        self._full_since_s: float | None = None
        self._ends_at_s: float | None = None
        self._idle_since_s: float | None = None

    def start(self, group: Group, room: ConnectionRoom, unfinished: UnfinishedBudget) -> None:
        """Be watched from now on. Called by the thread that gives this play to the loop."""
        self._group = group
        self._room = room
        self._unfinished = unfinished
        try:
            group.add(self._server.fileno())
        except BaseException:
            group.close()
            raise

    @property
    def key(self) -> int:
        """What the loop's readiness calls this play."""
        return self._group.key

    # Reading

    def turn(self) -> None:
        """Read what is ready: from 8 connections at most, 32 KiB together."""
        if self._full_since_s is not None:
            return
        # Who was left out when the sink got full is first now: the kernel has put it at the end already.
        if not self._ready:
            self._ready = deque(self._group.take(_READS_A_TURN))
            self.is_behind = len(self._ready) == _READS_A_TURN
            self._share_bytes = _TURN_BYTES // max(1, len(self._ready))
        while self._ready and self._full_since_s is None:
            descriptor = self._ready.popleft()
            if descriptor in self._connections:
                self._read(self._connections[descriptor])
            elif descriptor == self._server.fileno():
                self._accept()

    def _read(self, connection: _Connection) -> None:
        try:
            data = connection.socket.recv(self._share_bytes)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._finish(connection)
            return
        lines = connection.lines
        self.is_behind = self.is_behind or len(data) == self._share_bytes
        self.report.bytes += len(data)
        before_bytes = lines.unfinished_bytes
        whole = lines.feed(data)
        if lines.unfinished_bytes != before_bytes:
            self._unfinished.changed(lines, before_bytes)
        self._hand_over(connection, whole)

    def _hand_over(self, connection: _Connection, data: bytes) -> None:
        lines = connection.lines
        oversize = lines.oversize - connection.oversize_told
        if not data and not oversize:
            return
        connection.oversize_told += oversize
        self.report.oversize += oversize
        chunk = Chunk(
            data,
            source=connection.source,
            position=lines.position,
            received_ms=time.time() * 1000,
            oversize=oversize,
        )
        if not self._sink.write(chunk) and self._full_since_s is None:
            self._full_since_s = time.monotonic()
            self._group.pause()

    def resume(self) -> None:
        """The sink has room again."""
        if self._full_since_s is None:
            return
        if self._ends_at_s is not None:
            # The time to drain is the writers': it stands still while the sink is full (a store is locked).
            self._ends_at_s += time.monotonic() - self._full_since_s
        self._full_since_s = None
        self._group.resume()

    # Connections

    def _accept(self) -> None:
        for _ in range(_ACCEPTS_A_TURN):
            if not self._room.is_there(len(self._connections)):
                self._stop_accepting()
                return
            try:
                descriptor, _ = self._server._accept()  # type: ignore[attr-defined]  # what socket.accept() calls
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                # Out of descriptors, whoever has them: who connects waits in the backlog, and no other play
                # waits with it.
                self._stop_accepting(retry_at_s=time.monotonic() + _RETRY_ACCEPT_S)
                return
            self._admit(_socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, descriptor))

    def _admit(self, socket: _socket.socket) -> None:
        if not _is_same_user(socket):
            self.report.refused_peers += 1
            socket.close()
            return
        socket.setblocking(False)
        self.report.connections += 1
        connection = _Connection(str(self.report.connections), socket, self._max_line_bytes)
        self._connections[connection.descriptor] = connection
        self._room.take()
        self._unfinished.add(connection.lines)
        self._group.add(connection.descriptor)

    def _stop_accepting(self, *, retry_at_s: float | None = None) -> None:
        self._is_accepting = False
        self._group.remove(self._server.fileno())
        self._room.wait(self._accept_again, retry_at_s=retry_at_s)

    def _accept_again(self) -> None:
        if self.is_released:
            return
        try:
            self._group.add(self._server.fileno())
        except OSError:
            # It may be another play's turn, which has nothing to do with that.
            self._room.wait(self._accept_again, retry_at_s=time.monotonic() + _RETRY_ACCEPT_S)
        else:
            self._is_accepting = True

    def _finish(self, connection: _Connection) -> None:
        """The end of a connection: its last line counts without a newline."""
        before_bytes = connection.lines.unfinished_bytes
        rest = connection.lines.finish()
        self._unfinished.changed(connection.lines, before_bytes)
        self._hand_over(connection, rest)
        self._sink.disconnected(connection.source)
        self._group.remove(connection.descriptor)
        del self._connections[connection.descriptor]
        if not self._connections:
            self._idle_since_s = time.monotonic()
        self._forget(connection)

    def _forget(self, connection: _Connection) -> None:
        connection.socket.close()
        self._unfinished.remove(connection.lines)
        self._room.give_back()

    # The end

    def end_by(self, asked_at_s: float, drain_s: float) -> None:
        """End once all is read, or so long after it was asked for, the time with a full sink not counted."""
        self._ends_at_s = asked_at_s + drain_s
        if self._full_since_s is not None:
            # How long it was full before that is no time to drain.
            self._full_since_s = max(self._full_since_s, asked_at_s)

    @property
    def is_idle_timed(self) -> bool:
        """Whether it ends by itself."""
        return self._idle_s is not None

    @property
    def looks_at_s(self) -> float | None:
        """When to ask :meth:`is_over` again, whatever comes; None for never."""
        if self._full_since_s is not None:
            return None
        if self._ends_at_s is not None:
            return self._ends_at_s
        if self._idle_s is None or self._idle_since_s is None or self._connections or not self._is_accepting:
            return None
        return self._idle_since_s + self._idle_s

    def is_over(self, now_s: float) -> bool:
        """Whether nothing more is to be read."""
        if self._ends_at_s is not None:
            # While the sink is full the time stands still; none at all is used up at once.
            counts_at_s = now_s if self._full_since_s is None else self._full_since_s
            return counts_at_s >= self._ends_at_s or not (self._connections or self._is_awaited())
        ends_at_s = self.looks_at_s
        return ends_at_s is not None and now_s >= ends_at_s and not self._is_awaited()

    def _is_awaited(self) -> bool:
        poll = select.poll()
        poll.register(self._server.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def release(self) -> None:
        """Accept and read no more; the path is free. Harmless twice."""
        if self.is_released:
            return
        self.is_released = True
        self._group.pause()
        if self._is_accepting:
            self._group.remove(self._server.fileno())
        self._left = list(reversed(self._connections.values()))
        self._release()

    def finish_some(self) -> None:
        """After :meth:`release`: end some of the connections that are left.

        Their last lines go to the sink also where it is full: they are in memory already.
        """
        for _ in range(min(_FINISHES_A_TURN, len(self._left))):
            self._finish(self._left.pop())

    @property
    def is_finished(self) -> bool:
        """After :meth:`release`: whether no connection is left."""
        return not self._connections

    def close(self) -> None:
        """After :meth:`release`: close what is left, and hand nothing over."""
        while self._connections:
            self._forget(self._connections.popitem()[1])
        self._group.close()


def _is_same_user(connection: _socket.socket) -> bool:
    """Whether the process that connected is this user's (the mode of a socket is not checked everywhere)."""
    if sys.platform != "linux":
        return True
    credentials = connection.getsockopt(_socket.SOL_SOCKET, _SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return bool(uid == os.geteuid())
