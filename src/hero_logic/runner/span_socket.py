"""The span listener of one play: a Unix socket, from which whole lines go to a sink.

Laws:

1. Bind before spawn: a script may connect in its first millisecond, and a refused connection turns the
   SDK into a silent no-op for the whole play.
2. Its memory is bounded for any input: lines by their limit, unfinished lines of all connections of all
   plays by a budget, what is read by one read.
3. A sink that is full is waited for: the back-pressure reaches the writer through the kernel's buffer. No
   other play waits with it.
4. What the lines say is not looked at here; what was discarded is counted and told, and stops nothing.
5. The socket is unlinked when the listener ends, however it ends.

The reading is done by a loop, one for all plays of the process: ``span_loop.py``. It is not imported before
it is needed, and ``_socket`` stands for ``socket``: docs/design/0004-start-up.md.
Source: docs/protocol.md, "Transport".
"""

from __future__ import annotations

import _socket
import errno
import os
import stat
import time

from hero_logic.core.errors import BadSid, SocketInUse
from hero_logic.core.policy import default, default_s

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hero_logic.runner.span_loop import SpanLoop
    from hero_logic.runner.span_reader import ListenReport, PlayReader, SpanSink

_BACKLOG = 1024
_SID_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_MAX_SID_CHARS = 64
_RUNTIME_DIR_VARIABLE = "HERO_LOGIC_RUNTIME_DIR"
_MAX_PATH_BYTES = 107
_LOOK_FOR_SIGNALS_S = 1.0


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


class ListenerHandle:
    """A listener that is read by a loop."""

    def __init__(self, listener: SpanListener, reader: PlayReader) -> None:
        self._listener = listener
        self._reader = reader

    @property
    def report(self) -> ListenReport:
        """What was read so far."""
        return self._reader.report

    def finish(self, drain_s: float | None = None) -> ListenReport:
        """The play has ended: read what is still there, at most so long, then end; wait for that.

        While the sink is full that time stands still; with none at all nothing more is read, full or not.
        """
        self._listener.request_end(default_s("drain_s") if drain_s is None else drain_s)
        return self.wait()

    def wait(self) -> ListenReport:
        """Wait until the listener has ended by itself or was told to; what it read.

        Raises:
            whatever ended it against its will.
        """
        # Not without an end: a signal that comes between the interpreter's last look for one and the wait
        # wakes nobody, and would be acted on when the play has ended by itself.
        while not self._reader.done.wait(_LOOK_FOR_SIGNALS_S):
            pass
        self._listener.close()
        if self._reader.error is not None:
            raise self._reader.error
        return self._reader.report


class SpanListener:
    """Makes the span socket of one play, and has its lines handed to a sink."""

    def __init__(
        self,
        play_sid: str,
        sink: SpanSink | None,
        *,
        max_line_bytes: int | None = None,
        idle_s: float | None = None,
    ) -> None:
        self._set_up(play_socket_path(play_sid), sink, max_line_bytes, idle_s)

    @classmethod
    def with_socket_path(
        cls,
        play_sid: str,
        sink: SpanSink | None,
        path: str,
        *,
        max_line_bytes: int | None = None,
        idle_s: float | None = None,
    ) -> SpanListener:
        """A listener at a path of the caller's."""
        check_sid(play_sid)
        listener = cls.__new__(cls)
        listener._set_up(path, sink, max_line_bytes, idle_s)
        return listener

    def _set_up(
        self, path: str, sink: SpanSink | None, max_line_bytes: int | None, idle_s: float | None
    ) -> None:
        self.path = path
        self.sink = sink
        """May be given later than the rest, but before :meth:`run`."""
        self._max_line_bytes = default("line_bytes") if max_line_bytes is None else max_line_bytes
        self._idle_s = idle_s
        self._server: _socket.socket | None = None
        self._inode = 0
        self._end_asked: tuple[float, float] | None = None
        self._reading: tuple[SpanLoop, PlayReader] | None = None
        self._own_loop: SpanLoop | None = None

    def bind(self) -> None:
        """Make the socket, so that a connect succeeds from now on.

        Raises:
            SocketInUse: somebody listens at the path, something there is no socket, or the path is too
                long for one.
        """
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
            self._inode = os.stat(self.path).st_ino
        except OSError as error:
            server.close()
            raise SocketInUse(f"no socket can be made at {self.path}: {error.strerror}.") from error
        self._server = server

    def connect_once(self) -> _socket.socket:
        """A connection of our own, for a play to inherit; from then on nobody else can connect.

        After :meth:`bind`. The path is free again when this returns, so that there is none to squat on.

        Raises:
            SocketInUse: somebody else has put a socket of theirs in its place.
        """
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            connection.connect(self.path)
            if os.lstat(self.path).st_ino != self._inode:
                raise _in_use(self.path)
        except OSError as error:
            connection.close()
            raise SocketInUse(f"the socket at {self.path} is not ours any more: {error.strerror}.") from error
        except SocketInUse:
            connection.close()
            raise
        _unlink_if_ours(self.path, self._inode)
        return connection

    def run(self, loop: SpanLoop | None = None) -> ListenerHandle:
        """Have the socket read by a loop, by one of its own where none is given; a handle to wait on.

        Raises:
            OSError: there is no descriptor left to watch it with.
        """
        # The play runs by now: docs/design/0004-start-up.md.
        from hero_logic.runner.span_loop import SpanLoop
        from hero_logic.runner.span_reader import PlayReader

        assert self._server is not None, "bind() comes before run()"
        assert self.sink is not None, "a sink is given before run()"
        if loop is None:
            loop = self._own_loop = SpanLoop()
        reader = PlayReader(
            self._server,
            self.sink,
            max_line_bytes=self._max_line_bytes,
            idle_s=self._idle_s,
            release=self._release,
        )
        self.sink.on_room = lambda: loop.post(reader, reader.resume)
        loop.add(reader)
        self._reading = (loop, reader)
        # Asked for before now, or by a signal meanwhile.
        if self._end_asked is not None:
            loop.ask_end(reader, *self._end_asked)
        return ListenerHandle(self, reader)

    def request_end(self, drain_s: float) -> None:
        """Have the listener end once all is read, or so much later. May be called from a signal handler."""
        self._end_asked = (time.monotonic(), drain_s)
        if self._reading is not None:
            loop, reader = self._reading
            loop.ask_end(reader, *self._end_asked)

    def close(self) -> None:
        """Read nothing more, unlink the socket, close everything; wait for that.

        Harmless twice, and without :meth:`run`. Not for the sink: it would wait for its own thread.
        """
        if self._reading is None:
            self._release()
        else:
            loop, reader = self._reading
            loop.ask_end(reader, time.monotonic(), 0.0)
            reader.done.wait()
        if self._own_loop is not None:
            self._own_loop.close()

    def _release(self) -> None:
        if self._server is None:
            return
        self._server.close()
        self._server = None
        _unlink_if_ours(self.path, self._inode)


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
