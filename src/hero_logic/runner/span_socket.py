"""The span listener: a Unix socket, from which batches of events go to a sink.

Laws:

1. Bind before spawn: a script may connect in its first millisecond, and a refused connection turns the
   SDK into a silent no-op for the whole play.
2. Its memory is bounded for any input: lines by their limit, unfinished lines of all connections by a
   budget, decoded events by one read.
3. A sink that is slow is waited for: the back-pressure reaches the writer through the kernel's buffer.
4. What is not an event is counted and told, and stops nothing.
5. The socket is unlinked when the listener ends, however it ends.

``_socket`` and not ``socket``: docs/design/0004-start-up.md.
Source: docs/protocol.md, "Transport".
"""

from __future__ import annotations

import _socket
import errno
import os
import select
import signal
import stat
import struct
import sys
import time

from hero_logic.core.errors import BadSid, SocketInUse
from hero_logic.core.lines import LineBuffer
from hero_logic.core.policy import default, default_s

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Thread
    from typing import Protocol

    from hero_logic.core.fold import Batch
    from hero_logic.core.wire import BadLine

    class SpanSink(Protocol):
        """Where batches go; called by one thread, in the order of arrival."""

        def write(self, batch: Batch) -> None:
            """Take a batch; may wait, raises nothing."""
            ...

        def disconnected(self, connection: int) -> None:
            """A connection has ended, after all its batches."""
            ...


_RECV_BYTES = 256 * 1024
_BACKLOG = 1024
_SID_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_MAX_SID_CHARS = 64
_RUNTIME_DIR_VARIABLE = "HERO_LOGIC_RUNTIME_DIR"
_MAX_PATH_BYTES = 107
_SO_PEERCRED = 17
_OUT_OF_DESCRIPTORS_PAUSE_S = 0.01
_SPARE_DESCRIPTORS = 128
_MIN_CONNECTIONS = 16


def check_sid(sid: str) -> str:
    """The sid itself, if a play can have it.

    Raises:
        BadSid: it is not 1 to 64 of ``A-Z a-z 0-9 _ -``.
    """
    if not 1 <= len(sid) <= _MAX_SID_CHARS or not _SID_CHARACTERS.issuperset(sid):
        raise BadSid(f"{sid[:80]!r} is no play id: those are 1 to {_MAX_SID_CHARS} of A-Z a-z 0-9 _ and -.")
    return sid


def play_socket_path(sid: str) -> str:
    """Where the span socket of a play is: ``/tmp/spans-SID.sock``, or in ``HERO_LOGIC_RUNTIME_DIR``.

    Raises:
        BadSid: no play can have that id.
    """
    directory = os.environ.get(_RUNTIME_DIR_VARIABLE) or "/tmp"  # noqa: S108  # the protocol's; mode 0600, peers checked
    return os.path.join(directory, f"spans-{check_sid(sid)}.sock")


class ListenReport:
    """What a listener read until its end."""

    __slots__ = ("bytes", "connections", "events", "malformed", "oversize", "refused_peers")

    def __init__(self) -> None:
        self.connections = 0
        self.bytes = 0
        self.events = 0
        self.malformed = 0
        self.oversize = 0
        self.refused_peers = 0


class _Connection:
    __slots__ = ("lines", "number", "oversize_told", "socket")

    def __init__(self, number: int, socket: _socket.socket, max_line_bytes: int) -> None:
        self.number = number
        self.socket = socket
        self.lines = LineBuffer(max_line_bytes)
        self.oversize_told = 0


class ListenerHandle:
    """A listener that runs in a thread of its own."""

    def __init__(self, listener: SpanListener, thread: Thread) -> None:
        self._listener = listener
        self._thread = thread

    def finish(self, drain_s: float | None = None) -> ListenReport:
        """The play has ended: read what is still there, at most so long, then end; wait for that."""
        self._listener.request_end(default_s("drain_s") if drain_s is None else drain_s)
        return self.wait()

    def wait(self) -> ListenReport:
        """Wait until the listener has ended by itself or was told to; what it read.

        Raises:
            whatever ended it against its will.
        """
        self._thread.join()
        if self._listener.error is not None:
            raise self._listener.error
        return self._listener.report


class SpanListener:
    """Reads the span events of one play from its socket, and hands them to a sink in batches.

    ``on_bad_line`` is called for each line that was not kept, with why and a preview.
    """

    def __init__(
        self,
        play_sid: str,
        sink: SpanSink | None,
        *,
        max_line_bytes: int | None = None,
        max_unfinished_bytes: int | None = None,
        idle_s: float | None = None,
        on_bad_line: Callable[[BadLine], None] | None = None,
    ) -> None:
        self._set_up(
            play_socket_path(play_sid), sink, max_line_bytes, max_unfinished_bytes, idle_s, on_bad_line
        )

    @classmethod
    def with_socket_path(
        cls,
        play_sid: str,
        sink: SpanSink | None,
        path: str,
        *,
        max_line_bytes: int | None = None,
        max_unfinished_bytes: int | None = None,
        idle_s: float | None = None,
        on_bad_line: Callable[[BadLine], None] | None = None,
    ) -> SpanListener:
        """A listener at a path of the caller's."""
        check_sid(play_sid)
        listener = cls.__new__(cls)
        listener._set_up(path, sink, max_line_bytes, max_unfinished_bytes, idle_s, on_bad_line)
        return listener

    def _set_up(
        self,
        path: str,
        sink: SpanSink | None,
        max_line_bytes: int | None,
        max_unfinished_bytes: int | None,
        idle_s: float | None,
        on_bad_line: Callable[[BadLine], None] | None,
    ) -> None:
        self.path = path
        self.report = ListenReport()
        self.error: BaseException | None = None
        self.sink = sink
        """May be given later than the rest, but before :meth:`run`."""
        self._max_line_bytes = default("line_bytes") if max_line_bytes is None else max_line_bytes
        self._max_unfinished_bytes = (
            default("unfinished_bytes") if max_unfinished_bytes is None else max_unfinished_bytes
        )
        self._max_connections = max(_MIN_CONNECTIONS, os.sysconf("SC_OPEN_MAX") - _SPARE_DESCRIPTORS)
        self._idle_s = idle_s
        self._on_bad_line = on_bad_line
        self._server: _socket.socket | None = None
        self._inode = 0
        self._connections: dict[int, _Connection] = {}
        self._ends_at_s: float | None = None
        self._idle_since_s: float | None = None
        # A pair of sockets and no pipe: a closed one refuses to send, where the number of a closed pipe may
        # be another file's by then.
        self._wake, self._wake_in = _socket.socketpair()
        self._wake.setblocking(False)
        self._wake_in.setblocking(False)

    def bind(self) -> None:
        """Make the socket, so that a connect succeeds from now on.

        Raises:
            SocketInUse: somebody listens at the path, something there is no socket, or the path is too
                long for one.
        """
        try:
            self._bind()
        except BaseException:
            self.close()
            raise

    def _bind(self) -> None:
        if len(os.fsencode(self.path)) > _MAX_PATH_BYTES:
            raise SocketInUse(
                f"the socket path {self.path} is longer than {_MAX_PATH_BYTES} bytes, the system's limit. "
                f"Set {_RUNTIME_DIR_VARIABLE} to a shorter directory."
            )
        _remove_stale(self.path)
        server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            # On Linux the mode of an unbound socket becomes that of its file, so it is never open to others.
            os.fchmod(server.fileno(), 0o600)
            server.bind(self.path)
            os.chmod(self.path, 0o600)
            server.listen(_BACKLOG)
            server.setblocking(False)
        except OSError as error:
            server.close()
            raise SocketInUse(f"no socket can be made at {self.path}: {error.strerror}.") from error
        self._server = server
        self._inode = os.stat(self.path).st_ino

    def run(self) -> ListenerHandle:
        """Start reading in a thread; give a handle to wait on."""
        from threading import Thread

        thread = Thread(target=self._run, name=f"span-listener {self.path}", daemon=True)
        thread.start()
        return ListenerHandle(self, thread)

    def request_end(self, drain_s: float) -> None:
        """Have the listener end once all is read, or so much later. May be called from a signal handler."""
        self._ends_at_s = time.monotonic() + drain_s
        try:
            self._wake_in.send(b"E")
        except OSError:
            # Closed: it has ended. Full: it has been told often enough.
            return

    def close(self) -> None:
        """Unlink the socket and close everything; harmless twice, and without :meth:`run`."""
        self._wake.close()
        self._wake_in.close()
        for connection in self._connections.values():
            connection.socket.close()
        self._connections.clear()
        if self._server is None:
            return
        self._server.close()
        self._server = None
        _unlink_if_ours(self.path, self._inode)

    def _run(self) -> None:
        # A signal that the kernel gives to this thread would not wake the one that acts on it.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
        try:
            self._loop()
        except BaseException as error:  # noqa: BLE001  # told by ListenerHandle.wait, in the thread that can act
            self.error = error
        finally:
            self.close()

    def _loop(self) -> None:
        assert self._server is not None, "bind() comes before run()"
        assert self.sink is not None, "a sink is given before run()"
        poll = select.poll()
        poll.register(self._server.fileno(), select.POLLIN)
        wake = self._wake.fileno()
        poll.register(wake, select.POLLIN)
        while not self._has_ended():
            for descriptor, _ in poll.poll(self._timeout_ms()):
                if descriptor == self._server.fileno():
                    self._accept(poll)
                elif descriptor == wake:
                    self._wake.recv(4096)
                elif not self._read(self._connections[descriptor]):
                    poll.unregister(descriptor)
                    self._drop(descriptor)
                    poll.register(self._server.fileno(), select.POLLIN)
        for descriptor in list(self._connections):
            self._finish(self._connections[descriptor])
            self._drop(descriptor)

    def _has_ended(self) -> bool:
        now_s = time.monotonic()
        if self._ends_at_s is not None:
            if now_s >= self._ends_at_s:
                return True
            return not self._connections and not self._has_waiting()
        if self._idle_s is None or self._connections or self._idle_since_s is None:
            return False
        return now_s >= self._idle_since_s + self._idle_s and not self._has_waiting()

    def _has_waiting(self) -> bool:
        assert self._server is not None
        return bool(select.select([self._server.fileno()], [], [], 0)[0])

    def _timeout_ms(self) -> float | None:
        now_s = time.monotonic()
        if self._ends_at_s is not None:
            return max(0.0, (self._ends_at_s - now_s) * 1000 + 1)
        if self._idle_s is not None and self._idle_since_s is not None and not self._connections:
            return max(0.0, (self._idle_since_s + self._idle_s - now_s) * 1000 + 1)
        return None

    def _accept(self, poll: select.poll) -> None:
        assert self._server is not None
        while True:
            if len(self._connections) >= self._max_connections:
                # A play must not take the runtime's last descriptors: who comes now waits in the backlog.
                poll.unregister(self._server.fileno())
                return
            try:
                descriptor, _ = self._server._accept()  # type: ignore[attr-defined]  # what socket.accept() calls
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:
                # Out of descriptors: the connection waits in the backlog until another one ends.
                select.select([], [], [], _OUT_OF_DESCRIPTORS_PAUSE_S)
                return
            connection = _socket.socket(fileno=descriptor)
            if not _is_same_user(connection):
                self.report.refused_peers += 1
                connection.close()
                continue
            connection.setblocking(False)
            self.report.connections += 1
            self._connections[descriptor] = _Connection(
                self.report.connections, connection, self._max_line_bytes
            )
            poll.register(descriptor, select.POLLIN)

    def _read(self, connection: _Connection) -> bool:
        """Take what one connection has; False at its end."""
        try:
            data = connection.socket.recv(_RECV_BYTES)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            data = b""
        if not data:
            self._finish(connection)
            return False
        self.report.bytes += len(data)
        self._hand_over(connection, connection.lines.feed(data))
        if connection.lines.unfinished_bytes:
            self._keep_budget()
        return True

    def _finish(self, connection: _Connection) -> None:
        """The end of a connection: its last line counts without a newline if it is whole."""
        self._hand_over(connection, connection.lines.finish())
        assert self.sink is not None, "run() found one"
        self.sink.disconnected(connection.number)

    def _drop(self, descriptor: int) -> None:
        self._connections.pop(descriptor).socket.close()
        if not self._connections:
            self._idle_since_s = time.monotonic()

    def _keep_budget(self) -> None:
        held = sum(connection.lines.unfinished_bytes for connection in self._connections.values())
        if held <= self._max_unfinished_bytes:
            return
        longest = max(self._connections.values(), key=lambda connection: connection.lines.unfinished_bytes)
        longest.lines.discard()
        self._hand_over(longest, b"")

    def _hand_over(self, connection: _Connection, chunk: bytes) -> None:
        oversize = connection.lines.oversize - connection.oversize_told
        if not chunk and not oversize:
            return
        from hero_logic.core.fold import Batch
        from hero_logic.core.wire import BadLine, decode_lines

        connection.oversize_told += oversize
        decoded = decode_lines(chunk)
        bad_lines = decoded.bad_lines
        self.report.events += len(decoded.events)
        self.report.malformed += len(bad_lines)
        self.report.oversize += oversize
        if self._on_bad_line is not None and (bad_lines or oversize):
            for bad_line in bad_lines:
                self._on_bad_line(bad_line)
            for _ in range(oversize):
                self._on_bad_line(BadLine(f"a line of more than {self._max_line_bytes} bytes", ""))
        assert self.sink is not None, "run() found one"
        began_s = time.monotonic()
        self.sink.write(
            Batch(
                decoded.events,
                received_ms=time.time() * 1000,
                connection=connection.number,
                malformed=len(bad_lines),
                oversize=oversize,
                size_bytes=len(chunk),
            )
        )
        if self._ends_at_s is not None:
            # The time to drain is the writers': what the sink takes (a store that is locked) loses no events.
            self._ends_at_s += time.monotonic() - began_s


def _is_same_user(connection: _socket.socket) -> bool:
    """Whether the process that connected is this user's (the mode of a socket is not checked everywhere)."""
    if sys.platform != "linux":
        return True
    credentials = connection.getsockopt(_socket.SOL_SOCKET, _SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return bool(uid == os.geteuid())


def remove_stale_socket(sid: str) -> None:
    """Unlink the socket of a play whose listener was killed; one that is still listened at stays."""
    try:
        _remove_stale(play_socket_path(sid))
    except SocketInUse:
        return


def _remove_stale(path: str) -> None:
    """Make way at a path: a socket that nobody listens on goes, anything else is an error."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise SocketInUse(f"no socket can be made at {path}: {error.strerror}.") from error
    if not stat.S_ISSOCK(mode):
        raise SocketInUse(
            f"{path} is there and is no socket; it was left alone. Move it, or name another path."
        )
    # By a datagram socket, which a stream socket refuses for its type before it would hear of a connection:
    # a listener that counts who comes must not count this.
    probe = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
    try:
        probe.connect(path)
    except ConnectionRefusedError:
        os.unlink(path)
        return
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno == errno.EPROTOTYPE:
            raise _in_use(path) from error
        raise SocketInUse(
            f"{path} is there and does not answer as a stale socket does: {error.strerror}."
        ) from error
    finally:
        probe.close()
    raise _in_use(path)


def _in_use(path: str) -> SocketInUse:
    return SocketInUse(
        f"another process listens at {path}; it was left alone. Name another path, or end that process."
    )


def _unlink_if_ours(path: str, inode: int) -> None:
    try:
        if os.lstat(path).st_ino == inode:
            os.unlink(path)
    except OSError:
        return
