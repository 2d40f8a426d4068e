"""Tracing for flows: what a play did, span by span, written the moment it happens.

    from hero_tracing import flow

    @flow
    def nightly(day: str) -> int:
        with flow.step("load", day=day) as load:
            rows = [1, 2, 3]
            load.tag(rows=len(rows))
        for row in flow.track(rows, "score"):
            print("scored", row)
        return len(rows)

One file, standard library only, Python 3.9 and newer. Without the runtime (neither HERO_FLOW_SPAN_FD
nor HERO_FLOW_SPAN_SOCK is set) every name here is a silent no-op, and the flow is a plain script.

The laws of this module (source: docs/protocol.md):

1. The flow is never disturbed: nothing here raises into it, hangs it for ever or swallows what it raises;
   but flow.service, which does work for the flow, fails as a client does.
2. When a call returns, its event is in the kernel, in the socket or, where the listener is given up, in the
   spool's file: a SIGKILL a moment later loses nothing.
3. One line a write, under one lock; what a signal handler or a finalizer writes meanwhile comes after it.
4. A forked child never writes into its parent's line, and never ends its parent's spans.
5. Importing costs little: what only a play needs is imported in a play alone.
"""

# ruff: noqa: ANN401 - the functions, clients, values and streams of a flow are of any type
# ruff: noqa: F811 - overload is typing's for a type checker alone, and ruff does not know it here
from __future__ import annotations

import os as _os
import sys as _sys
from _collections_abc import Mapping as _Mapping
from time import monotonic as _clock
from time import monotonic_ns as _clock_ns
from time import sleep as _sleep
from time import time_ns as _wall_clock_ns

_getframe = _sys._getframe
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping
    from typing import Any, ParamSpec, TypeVar, overload  # novm: a type checker reads it, and it alone

    P = ParamSpec("P")
    R = TypeVar("R")
    T = TypeVar("T")
    F = TypeVar("F", bound=Callable[..., Any])
    _Recipe = tuple[object, str, dict[str, Any], str, int, tuple[str, str] | None]
    _Trail = tuple[int, ...]
else:

    def overload(_: object) -> None:
        """Stand in for typing.overload, which costs an import of typing."""


__all__ = ["__version__", "flow", "instrument", "propagate"]
__version__ = "0.1.0"

_FD_VARIABLE = "HERO_FLOW_SPAN_FD"
_PATH_VARIABLE = "HERO_FLOW_SPAN_SOCK"
_SPOOL_VARIABLE = "HERO_FLOW_SPAN_SPOOL"
_WANTED = bool(_os.environ.get(_FD_VARIABLE) or _os.environ.get(_PATH_VARIABLE))

_LINE_BYTES = 256 * 1024  # what a line aims to stay under; the protocol refuses more than 1 MiB
_SHARED_LINE_BYTES = 16 * 1024  # where two processes share a descriptor: longer writes could interleave
_TAGS_BYTES = 60 * 1024  # the listener drops what takes a span's tags over 64 KiB
_QUICK_BYTES = 10 * 1024  # tags that have room in any line
_TEXT_CHARS = 8 * 1024  # of one value, however large it is
_QUICK_CHARS = 1024  # a text that has room in any line
_CAPTURED_CHARS = 16 * 1024  # of one printed line, of one error
_RPC_BYTES = 4 * 1024  # of rpc.request and of rpc.response
_DEPTH = 16  # levels of nesting inside a value
_INT_LIMIT = 2**63
_WAITING_LINES = 1000  # what signal handlers may queue up behind one stalled line
_FILES = 4096  # encoded names of source files that are remembered
_STALL_S = 120.0  # how long one stall of the listener may hold the flow: longer than it waits for its store
_STALLED_S = 1.0  # and after that each line but logs, where there is no spool
_LAST_WORD_S = 5.0  # how long the end of the process may wait to say what was lost
# How large the spool may become by a log, which is shed first, by any other line, by saying what is lost.
_SPOOL_BYTES = (32 * 1024 * 1024, 64 * 1024 * 1024 - 256 * 1024, 64 * 1024 * 1024)
_TRACK_S = 0.1  # between two progress tags of one loop
_MORE = "\u2026"
_SECRETS = ("passw", "token", "secret", "apikey", "authorization", "cookie", "privatekey", "credential")

if _WANTED:  # law 5: 3 ms of shared libraries that a script without the runtime never uses
    import _socket
    import _thread
    import errno as _errno
    from _contextvars import ContextVar as _ContextVar
    from itertools import count as _count

    try:
        from _json import encode_basestring_ascii as _q
    except ImportError:  # an interpreter without its C accelerators: slower, and the same
        from json.encoder import py_encode_basestring_ascii as _q

    _current: _ContextVar[_LiveSpan | None] = _ContextVar("hero_span", default=None)
    _quiet: _ContextVar[bool] = _ContextVar("hero_quiet", default=False)
    # Times are cut out of the digits of nanoseconds: formatting a float takes twice as long.
    _EPOCH_NS = 0  # once there is a runtime: what the clock lacks to the wall's
    _prefix = _os.urandom(4).hex()
    _ids = _count(1)
    # Whatever the descriptor's mode and the flow's handler of SIGPIPE: neither blocked nor killed.
    _FLAGS = getattr(_socket, "MSG_DONTWAIT", 0) | getattr(_socket, "MSG_NOSIGNAL", 0)

    class _Socket(_socket.socket):
        """A socket that the end of the interpreter closes without a ResourceWarning."""

        def __del__(self) -> None:
            """Leave the descriptor to the kernel: it was open for the life of the process."""


_active = False  # whether there is a runtime, and it could be reached
_generation = 1  # of forks: a span of an older one belongs to a parent process
_files: dict[str, str] = {}
_stream_classes: dict[Any, Any] = {}  # of the stand-ins of standard output and error, which are of one class


# --- Values become text: bounded, whatever they are ---------------------------------------------------


def _text(value: object, limit: int = _TEXT_CHARS) -> str:
    """What a value looks like as text, about ``limit`` characters at most; never raises an Exception."""
    try:
        if isinstance(value, str):
            text = str.__str__(value)  # a subclass may lie about its length
        elif isinstance(value, (bytes, bytearray)):
            text = bytes(value[: limit + 1]).decode("utf-8", "backslashreplace")
        elif isinstance(value, int) and int.bit_length(value) > 10_000:
            text = f"<int of {int.bit_length(value)} bits>"  # its decimals would take quadratic time
        else:
            text = _crowd(value) or str.__str__(str(value))
    except Exception:  # noqa: BLE001 - a value's own __str__ may raise anything: that is its text then
        text = f"<unprintable {_type_name(value)}>"
    return text if len(text) <= limit else text[:limit] + _MORE


def _type_name(value: object) -> str:
    return str.__str__(type.__dict__["__name__"].__get__(type(value)))


def _crowd(value: object) -> str:
    """A short text in place of a large container's own, which would have no bound; else ""."""
    cls = type(value)
    if cls.__module__ in ("builtins", "collections", "array") and hasattr(cls, "__len__"):
        items = len(value)  # type: ignore[arg-type]  # hasattr has just looked
        if items > 1000:
            return f"<{_type_name(value)} of {items} items>"
    return ""


def _quote(text: str, limit: int) -> str:
    """A text as JSON, cut so that about ``limit`` bytes are not passed."""
    if len(text) > limit:
        text = text[:limit] + _MORE
    quoted = _q(text)
    while len(quoted) > limit + 8:  # escapes take up to twelve bytes a character
        text = text[: len(text) * limit // (len(quoted) + 1)]
        quoted = _q(text + _MORE)
    return quoted


def _plain(word: object) -> str:
    """A key as secrets are looked for in it: ``X-Api-Key`` and ``api_key`` both hold ``apikey``."""
    return _text(word, 256).lower().replace("_", "").replace("-", "").replace(" ", "")


class _Encoder:
    """JSON of any value within a budget of bytes: cut, never wrong, never endless.

    Args:
        budget: about how many bytes may come out; what does not fit is an ellipsis.
        secrets: values under keys that hold one of these words become ``***``.
    """

    __slots__ = ("left", "open", "secrets")

    def __init__(self, budget: int, secrets: tuple[str, ...] = ()) -> None:
        self.left = budget
        self.open: list[int] = []
        self.secrets = secrets

    def value(self, value: object) -> str:
        """The JSON text of one value."""
        try:
            text = self._scalar(value) or self._container(value)
        except Exception:  # noqa: BLE001 - a hostile value costs itself, not the event
            text = ""
        text = text or self._string(_text(value))
        self.left -= 2 if text[0] in "[{" else len(text)
        return text

    def _scalar(self, value: object) -> str:
        if value is None or value is True or value is False:
            return "null" if value is None else "true" if value else "false"
        if isinstance(value, str):
            return self._string(str.__str__(value))
        if isinstance(value, int):
            plain = int.__int__(value)
            return int.__repr__(plain) if -_INT_LIMIT <= plain < _INT_LIMIT else _q(_text(plain))
        return _finite(float.__float__(value)) if isinstance(value, float) else ""

    def _string(self, text: str) -> str:
        return _quote(text if len(text) <= _TEXT_CHARS else text[:_TEXT_CHARS] + _MORE, max(self.left, 1))

    def _container(self, value: object) -> str:
        pairs = self._pairs(value)
        if pairs is None and not isinstance(value, (list, tuple, set, frozenset)):
            return ""
        if self.left <= 0 or len(self.open) >= _DEPTH:
            return _q(_MORE)
        if id(value) in self.open:
            return '"<cycle>"'
        self.open.append(id(value))
        try:
            return self._array(value) if pairs is None else self.object(pairs)
        finally:
            self.open.pop()

    def _pairs(self, value: Any) -> Iterable[tuple[object, object]] | None:
        """The keys and values of what is to be written as an object; None for anything else."""
        if isinstance(value, dict):
            return dict.items(value)
        if self.secrets and not isinstance(value, type):  # whose own text would show them
            if hasattr(type(value), "__dataclass_fields__"):
                return [(name, getattr(value, name, None)) for name in type(value).__dataclass_fields__]
            if isinstance(value, tuple) and hasattr(value, "_fields"):
                return list(zip(value._fields, value))
            own = object.__getattribute__(value, "__dict__") if hasattr(value, "__dict__") else {}
            if any(self._is_secret(name) for name in list(own)[:100]):
                return list(own.items())
        return ((key, value[key]) for key in value) if isinstance(value, _Mapping) else None

    def _is_secret(self, key: object) -> bool:
        return any(word in _plain(key) for word in self.secrets)

    def object(self, pairs: Iterable[tuple[object, object]]) -> str:
        """A JSON object of keys and values, as many as the budget allows."""
        parts: list[str] = []
        try:
            for key, value in pairs:
                if self.left <= 0:
                    parts.append(f"{_q(_MORE)}:{_q(_MORE)}")
                    break
                name = _quote(_text(key, 256), 1024)
                self.left -= len(name) + 2
                hidden = self.secrets and self._is_secret(key)
                parts.append(f"{name}:{_q('***') if hidden else self.value(value)}")
        except Exception:  # noqa: BLE001 - changed by another thread meanwhile, or a mapping that raises
            parts.append(f"{_q(_MORE)}:{_q(_MORE)}")
        return "{" + ",".join(parts) + "}"

    def _array(self, value: Any) -> str:
        parts: list[str] = []
        kind: Any = next(kind for kind in (list, tuple, set, frozenset) if isinstance(value, kind))
        header = (
            self.secrets and kind in (list, tuple) and len(value) == 2 and isinstance(value[0], (str, bytes))
        )
        for item in kind.__iter__(value):  # a subclass may iterate over something else
            if self.left <= 0:
                parts.append(_q(_MORE))
                break
            self.left -= 1
            hidden = header and len(parts) == 1 and self._is_secret(value[0])
            parts.append(_q("***") if hidden else self.value(item))
        return "[" + ",".join(parts) + "]"


def _finite(number: float) -> str:
    """A float as JSON; what JSON has no word for becomes a text."""
    if number - number == 0.0:
        return float.__repr__(number)
    return '"NaN"' if number != number else '"Infinity"' if number > 0 else '"-Infinity"'


def _tags_json(tags: dict[str, Any]) -> str:
    """The JSON object of some tags: quick for the usual ones, bounded for all."""
    text = ""
    for key, value in tags.items():
        kind = type(value)
        if kind is str and len(value) <= _QUICK_CHARS:
            text += f",{_q(key)}:{_q(value)}"
        elif kind is int and -_INT_LIMIT <= value < _INT_LIMIT:
            text += f",{_q(key)}:{value}"
        elif kind is float:
            text += f",{_q(key)}:{_finite(value)}"
        elif kind is bool or value is None:
            text += f",{_q(key)}:{'null' if value is None else 'true' if value else 'false'}"
        else:
            break
    else:
        if len(text) <= _QUICK_BYTES:
            return f"{{{text[1:]}}}"
    return _Encoder(min(_TAGS_BYTES, _writer.line_bytes * 5 // 8)).object(tags.items())


def _name_json(name: object) -> str:
    """The name of a span, a service, a level: short, or cut."""
    return _quote(_text(name, _QUICK_CHARS), _QUICK_CHARS)


def _file_json(file: str) -> str:
    text = _files.get(file)
    if text is None:
        if len(_files) >= _FILES:
            _files.clear()
        text = _files[file] = _name_json(file)
    return text


# --- The wire -----------------------------------------------------------------------------------------


class _Writer:
    """The one connection of this process to its listener, and what there is once that is of no use.

    A listener that is gone, or that stalls for longer than ``_STALL_S``, is given up for good where there is
    a spool: a file of the play's, which the runtime takes in at the end. Without one, a listener that is gone
    costs all that follows, and a stall costs lines, logs first, until a whole one has gone through.

    ``lost`` counts the events that could not be written, ``faults`` what went wrong in here and was kept
    from the flow.
    """

    # Rejected: os.write, which is as fast, but lets SIGPIPE kill a flow that has reset its handler;
    # SO_SNDTIMEO, which starts anew after every signal, so that a ticking timer makes it endless.

    def __init__(self) -> None:
        self.faults = 0
        self.path: str | None = None
        self.socket: Any = None
        self.send: Callable[[Any, int], int] = _refuse
        self.spool_path: str | None = None
        self.spooling = False  # whether the listener is given up
        self.spool = -1  # the descriptor,
        self.spool_file = (0, 0)  # which file it was opened for,
        self.spool_end = 0  # and how large that was after our last line
        self.line_bytes = _LINE_BYTES
        self._start_over()

    def _start_over(self) -> None:
        """A new writer, as far as the listener can tell."""
        self.id = f"{_os.getpid()}-{_os.urandom(8).hex()}"
        self.lost = self.reported = 0
        self.lost_on = ""
        self.patience_s = _STALL_S
        self.busy = self.trouble = self.torn = self.stalled = False
        self.waiting: list[str] = []
        self.lock: Any = _thread.RLock() if _WANTED else None

    def open(self) -> bool:
        """Connect as the environment says; False means that there is no runtime to be had."""
        number = _os.environ.get(_FD_VARIABLE)
        self.path = _os.environ.get(_PATH_VARIABLE) or None
        self.spool_path = _os.environ.get(_SPOOL_VARIABLE) or None
        try:
            if number and _adopt(self, number):
                self._hello()
            elif self.path is not None:
                self._connect()
            else:
                return self._give_up()
        except BlockingIOError:  # the listener's queue is full: the first event waits for it
            self.send = self._reconnect if self.socket is None else self.send
        except (OSError, ValueError):  # nobody listens there: without a spool the flow runs without a trace
            return self._give_up()
        return True

    def _connect(self) -> None:
        """Connect to the path without ever blocking, and say hello."""
        connection = _Socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            connection.connect(self.path or "")
            connection.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, 1 << 20)
            self.socket, self.send = connection, connection.send
            self._hello()
        except BaseException:
            self.socket, self.send = None, _refuse
            connection.close()
            raise

    def _hello(self) -> None:
        line = f'{{"type":"hello","protocol":1,"writer":"{self.id}","pid":{_os.getpid()}}}\n'.encode()
        if self.send(line, _FLAGS) != len(line):
            raise OSError("the hello did not fit into the socket's buffer")

    def _reconnect(self, line: Any, flags: int) -> int:
        """Stand in for ``send`` in a forked child, and after a line that was cut in the middle."""
        try:
            self._connect()
        except BlockingIOError:  # the listener's queue is full: it is slow, not gone
            self.send = self._reconnect
            raise
        return self.send(line, flags)

    def emit(self, body: str) -> None:
        """Write one event; ``body`` is its JSON object in ASCII without the closing brace."""
        with self.lock:
            if self.busy:  # a signal handler or a finalizer, in the middle of this thread's own line
                return self._queue(body)
            while True:
                self.busy = True
                try:
                    line = f"{body}}}\n".encode()
                    sent = 0
                    if not self.trouble:
                        try:
                            sent = self.send(line, _FLAGS)
                        except OSError:
                            sent = 0
                    if sent != len(line):
                        self._struggle(line, sent)
                except BaseException:
                    self.trouble = self.torn = True  # nobody knows how much of the line went out
                    raise
                finally:
                    self.busy = False
                if not self.waiting:
                    return None
                body = self.waiting.pop(0)

    def _queue(self, body: str) -> None:
        if len(self.waiting) < _WAITING_LINES:
            self.waiting.append(body)
        else:
            self._lose(body.encode())

    def _struggle(self, line: bytes, sent: int) -> None:
        """Write the rest of a line to a listener that is slow, stalled or gone."""
        data = memoryview(b"\n" + line if self.torn else line)  # a blank line ends what may have been cut
        limit_s = min(self.patience_s, _STALL_S)
        if self.stalled:
            limit_s = min(_STALLED_S, limit_s) if _rank(line) else 0
        deadline = _clock() + limit_s
        while sent < len(data):
            try:
                sent += self.send(data[sent:], _FLAGS)
                continue
            except BlockingIOError:
                remaining_s = deadline - _clock()
            except OSError as error:
                return self._fail(line, sent, error.errno or _errno.EPIPE)
            if remaining_s <= 0:
                self.stalled = True
                return self._fail(line, sent, 0)
            self._await_room(remaining_s)
        self.stalled = self.trouble = self.torn = False
        if self.lost > self.reported:
            self.waiting.insert(0, self._loss(_span_of(line)))
        return None

    def _await_room(self, limit_s: float) -> None:
        if self.socket is None:
            return _sleep(min(limit_s, 0.005))
        import select

        poll = select.poll()
        poll.register(self.socket.fileno(), select.POLLOUT)
        poll.poll(limit_s * 1e3 + 1)
        return None

    def _fail(self, line: bytes, sent: int, number: int) -> None:
        """Find another way for a line that cannot be sent (the error's number; 0: a stall), or lose it."""
        if self.spool_path is not None and not self.spooling:
            self._give_up(number)
            return self._struggle(line, 0)
        self._lose(line)
        gone = number not in (0, _errno.ENOMEM, _errno.ENOBUFS)  # for good: no more calls, no more waiting
        if not self.spooling and (gone or sent):  # a line that is half out takes its connection with it
            self._close(number)
            self.send = _refuse if gone or self.path is None else self._reconnect
        return None

    def _lose(self, line: bytes) -> None:
        """Count an event that is lost: the next line that goes through says so, or the end of the process."""
        self.trouble = True
        if _rank(line) == 2:
            self.reported = -1
            return
        if not self.lost:
            import atexit

            self.lost_on = _span_of(line, b"parent_id") or _span_of(line)
            atexit.register(self._last_word)
        self.lost += 1
        if self.spooling and not self.lost & (self.lost - 1):  # nothing else may fit, up to a SIGKILL
            self.waiting.insert(0, self._loss(self.lost_on))

    def _loss(self, span_id: str) -> str:
        """What says on a span how many events are missing by now."""
        self.reported = self.lost
        return f'{{"type":"span_tag","span_id":"{span_id}","tags":{{"hero.lost":{self.lost}}}'

    def _last_word(self) -> None:
        """At the end of the process: what nobody was told of yet is lost for good, and is said."""
        if self.lost != self.reported:
            self.stalled, self.patience_s = False, _LAST_WORD_S
            self.emit(self._loss(self.lost_on))

    def _close(self, number: int = 0) -> None:
        connection, self.socket, self.torn = self.socket, None, False
        try:
            if connection is not None:  # a flow may have closed it, and have a file of its own there by now
                (connection.detach if number in (_errno.EBADF, _errno.ENOTSOCK) else connection.close)()
        except OSError:  # the kernel has closed it all the same
            self.faults += 1

    def _give_up(self, number: int = 0) -> bool:
        """Leave the listener for the spool, for good; False means that there is no spool to be had."""
        if self.spool_path is None:
            return False
        self.send, self.spooling = self._append, True
        self._close(number)  # first: there may be no descriptor left for the file
        try:
            return self._spool_size() >= 0
        except OSError:
            return False

    def _append(self, line: Any, flags: int) -> int:
        """Stand in for ``send`` once the listener is given up: all of the line, or an OSError."""
        size = self._spool_size()
        data = bytes(line) if size == self.spool_end else b"\n" + bytes(line)  # another's may have been cut
        if size + len(data) > _SPOOL_BYTES[_rank(data)]:
            raise OSError(_errno.ENOSPC, "the spool is full")
        self.spool_end = -1
        rest = data
        while rest:
            rest = rest[_os.write(self.spool, rest) :]
        self.spool_end = size + len(data)
        return len(line)

    def _spool_size(self) -> int:
        """How large the spool is; it is opened if need be, for a flow may close and remove what it likes."""
        try:
            status = _os.fstat(self.spool)
            if (status.st_dev, status.st_ino) == self.spool_file:
                if status.st_nlink:
                    return status.st_size
                _os.close(self.spool)
        except OSError:
            pass
        self.spool = -1  # whatever has that number now, it is not ours
        flags = _os.O_WRONLY | _os.O_APPEND | _os.O_CREAT | _os.O_NOFOLLOW | _os.O_NONBLOCK | _os.O_CLOEXEC
        spool = _os.open(self.spool_path or "", flags, 0o600)
        status = _os.fstat(spool)
        is_file = status.st_mode & 0o170000 == 0o100000  # stat.S_ISREG, without the import
        if not is_file or status.st_nlink != 1 or status.st_uid != _os.geteuid():
            _os.close(spool)
            raise OSError(_errno.EINVAL, "what is in the spool's place is not the play's own file")
        self.spool_file, self.spool_end, self.spool = (status.st_dev, status.st_ino), 0, spool
        return status.st_size

    def before_fork(self) -> None:
        """No line on a shared descriptor is half out while the process is copied."""
        self.lock.acquire(timeout=_STALL_S)

    def after_fork_in_parent(self) -> None:
        """From here on another process writes to the same descriptor."""
        self.line_bytes = _SHARED_LINE_BYTES
        try:
            self.lock.release()
        except RuntimeError:  # the wait for it had run out
            self.faults += 1

    def after_fork_in_child(self) -> None:
        """Law 4: a new lock, new ids, and a connection of its own where there is a path to one."""
        global _generation, _ids, _prefix
        _generation += 1
        _prefix, _ids = _os.urandom(4).hex(), _count(1)
        self._start_over()
        if self.path is None:
            self.line_bytes = _SHARED_LINE_BYTES
        else:
            self._close()
            self.send = self._append if self.spooling else self._reconnect


def _span_of(line: bytes, key: bytes = b"span_id") -> str:
    """The id of the span that a line of ours is about, or of the one around it where the line is a start."""
    if key == b"parent_id" and not line.startswith(b'{"type":"span_start"'):
        return ""
    start = line.index(b'"%b":"' % key) + len(key) + 4
    return line[start : line.index(b'"', start)].decode()


def _rank(line: bytes) -> int:
    """What is shed first: 0 is a log, 1 is any other event, 2 says how many are lost."""
    line = line.lstrip()
    if line.startswith(b'{"type":"span_log"'):
        return 0
    return 2 if b'"tags":{"hero.lost":' in line[:80] else 1


def _refuse(line: Any, flags: int) -> int:
    """Stand in for ``send`` where there is no listener."""
    raise BrokenPipeError("no listener")


def _adopt(writer: _Writer, number: str) -> bool:
    """Take the connected stream socket behind an inherited descriptor, if that is what it is."""
    try:
        inherited = _Socket(fileno=int(number))
        inherited.getpeername()
    except (OSError, ValueError):
        return False
    if inherited.type & 0xF != _socket.SOCK_STREAM:
        return False
    writer.path, writer.socket, writer.send = None, inherited, inherited.send
    return True


_writer = _Writer()


# --- Spans --------------------------------------------------------------------------------------------


class _Span:
    """One piece of a flow's work: tag it, log to it, or say that it failed.

    This class is also the span that stands in where none is open: everything about it does nothing.
    """

    __slots__ = ()

    @property
    def span_id(self) -> str:
        """16 hexadecimal digits; "" for a span that is not open."""
        return ""

    def tag(self, /, **tags: object) -> None:
        """Set tags: any names, any values; a later value replaces an earlier one."""

    def log(self, text: object, level: str | None = None) -> None:
        """Add to the span's log."""

    def fail(self, reason: object) -> None:
        """Let the span end as failed, for this reason, and go on."""

    def __enter__(self) -> _Span:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        return None

    async def __aenter__(self) -> _Span:
        return self.__enter__()

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, fn: F) -> F:
        return fn


class _LiveSpan(_Span):
    """A span under the runtime; before it is entered, the recipe of one.

    Entering it again (a decorator, recursion, threads) opens a fresh span from the same recipe: its
    name, kind, tags, source file, source line, and the service and method of an RPC.
    """

    __slots__ = ("__dict__", "_born", "_id", "_parent", "_recipe")

    # What few spans ever set is on the class until then: nine slots to fill take a tenth of a span's time.
    _left = False  # left out of turn: whoever was entered inside must not lead back to it
    _origin: _LiveSpan | None = None  # the span that was entered again, and gave this one
    _reason: str | None = None
    _told: tuple[_Trail, ...] = ()
    _partial: dict[tuple[str, int, int], str] | None = None

    def __init__(self, recipe: _Recipe) -> None:
        self._recipe = recipe
        self._id = ""
        self._born = 0  # the generation of forks that it was begun in; 0: not begun, or ended
        self._parent: _LiveSpan | None = None

    @property
    def span_id(self) -> str:
        return self._id

    def __repr__(self) -> str:
        return f"<span {_text(self._recipe[0])!r} {self._id or 'not begun'}>"

    def _begin(self) -> None:
        """Write the start; the parent is the span that is current here and now."""
        self._born = _generation
        self._parent = parent = _current.get()
        self._id = span_id = f"{_prefix}{next(_ids):08x}"
        try:
            name, kind, tags, file, line, rpc = self._recipe
            now = str(_clock_ns() + _EPOCH_NS)
            quoted = _q(name) if type(name) is str and len(name) < 80 else _name_json(name)
            body = (
                f'{{"type":"span_start","span_id":"{span_id}","name":{quoted}'
                f',"start_ms":{now[:-6]}.{now[-6:-3]},"parent_id":"{parent._id if parent else ""}"'
                f',"kind":"{kind}","tags":{_tags_json(tags) if tags else "{}"}'
                f',"source_file":{_files.get(file) or _file_json(file)},"source_line":{line}'
            )
            if rpc is not None:
                body += f',"rpc_service":{_name_json(rpc[0])},"rpc_method":{_name_json(rpc[1])}'
            _writer.emit(body)
        except Exception:  # noqa: BLE001 - law 1
            _writer.faults += 1

    def _finish(self, error: BaseException | None) -> None:
        """Write the end, once, and only in the process that wrote the start."""
        if self._partial is not None:
            self._flush()
        if self._born != _generation:
            return
        self._born = 0
        try:
            if error is None and self._reason is None:
                now = str(_clock_ns() + _EPOCH_NS)
                _writer.emit(
                    f'{{"type":"span_end","span_id":"{self._id}","status":"ok"'
                    f',"end_ms":{now[:-6]}.{now[-6:-3]}'
                )
            else:
                self._end_badly(error)
        except Exception:  # noqa: BLE001 - law 1: no room left on the stack, or no memory
            _writer.faults += 1
            self._end("ok" if error is None and self._reason is None else "failed", "")

    def _end(self, status: str, error: str) -> None:
        try:
            because = f',"error":{_quote(error, _writer.line_bytes * 3 // 4)}' if error else ""
            now = str(_clock_ns() + _EPOCH_NS)
            _writer.emit(
                f'{{"type":"span_end","span_id":"{self._id}","status":"{status}"'
                f',"end_ms":{now[:-6]}.{now[-6:-3]}{because}'
            )
        except Exception:  # noqa: BLE001 - law 1
            _writer.faults += 1

    def _end_badly(self, error: BaseException | None) -> None:
        status = "ok" if error is None else _status(error)
        if status == "ok" and self._reason is not None:
            return self._end("failed", self._reason)
        if error is None or status != "failed":
            return self._end(status, "")
        if isinstance(error, _Flow.Failed):
            return self._end("failed", _text(error.reason))
        self.tag(**{"error.type": _type_name(error)})
        return self._end("failed", self._tell(error))

    def _tell(self, error: BaseException) -> str:
        """What to write about an exception: its traceback only where no inner span has written it.

        The exception itself stays untouched, and nothing here keeps it alive: it is known again by its
        address together with the places that it has passed.
        """
        trail = _trail(error)
        known = next((told for told in self._told if _ends_with(trail, told)), None)
        if self._parent is not None:
            self._parent._told = (known or trail, *self._parent._told[:7])
        return _headline(error) if known else _full_story(error)

    def _leave(self) -> None:
        """Make the span around it current again, wherever this happens."""
        if _current.get() is not self:
            self._left = True
            return
        outer = self._parent
        while outer is not None and outer._left:
            outer = outer._parent
        _current.set(outer)

    def __enter__(self) -> _LiveSpan:
        if self._id:
            again = _LiveSpan(self._recipe)
            again._origin = self
            return again.__enter__()
        self._begin()
        _current.set(self)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        span = _current.get()
        if span is self and (self._parent is None or not self._parent._left):
            _current.set(self._parent)
        else:  # entered more than once, or left out of turn
            span = self if span is None or span._origin is not self else span
            span._leave()
        span._finish(error)

    def __call__(self, fn: F) -> F:
        name, kind, tags, file, line, rpc = self._recipe
        recipe = (name, kind, tags, *(_place_of(fn) or (file, line)), rpc)
        wrapped: F = _wrap(fn, lambda _args, _kwargs: _Call(_LiveSpan(recipe)))
        return wrapped

    def tag(self, /, **tags: object) -> None:
        if not self._id:
            name, kind, first, *place = self._recipe
            self._recipe = (name, kind, {**first, **tags}, *place)  # type: ignore[assignment]  # the same shape
        elif tags:
            try:
                _writer.emit(f'{{"type":"span_tag","span_id":"{self._id}","tags":{_tags_json(tags)}')
            except Exception:  # noqa: BLE001 - law 1
                _writer.faults += 1

    def log(self, text: object, level: str | None = None) -> None:
        if not self._id:
            return
        try:
            if type(text) is str and len(text) <= _QUICK_CHARS:
                quoted = _q(text)
            else:
                quoted = _quote(_text(text, _LINE_BYTES), _writer.line_bytes * 3 // 4)
            rank = f',"level":{_name_json(level)}' if level else ""
            now = str(_clock_ns() + _EPOCH_NS)
            _writer.emit(
                f'{{"type":"span_log","span_id":"{self._id}","text":{quoted}'
                f',"ts_ms":{now[:-6]}.{now[-6:-3]}{rank}'
            )
        except Exception:  # noqa: BLE001 - law 1
            _writer.faults += 1

    def fail(self, reason: object) -> None:
        self._reason = _text(reason)

    def _capture(self, stream: str, text: str) -> None:
        """Log the lines that a printed text completes; keep the rest for the next one."""
        key = (stream, _thread.get_ident(), _generation)
        partial = self._partial
        if partial is None:
            partial = self._partial = {}
        lines = text.split("\n")
        lines[0] = partial.pop(key, "") + lines[0]
        rest = lines.pop()
        rest = rest[rest.rstrip("\r").rfind("\r") + 1 :]
        if rest:
            partial[key] = rest[: _CAPTURED_CHARS + 1]
        for line in lines:
            self.log(_text(_shown(line), _CAPTURED_CHARS))

    def _flush(self) -> None:
        """Log what was printed without an end of line, by any thread of this process."""
        partial, self._partial = self._partial or {}, None
        for (_, _, generation), text in list(partial.items()):
            if generation == _generation:
                self.log(_text(_shown(text), _CAPTURED_CHARS))


_NULL = _Span()


def _shown(line: str) -> str:
    """What a terminal shows of a line that a carriage return overwrote."""
    return line.rstrip("\r").rpartition("\r")[2] if "\r" in line else line


# --- How a span ends ----------------------------------------------------------------------------------


def _status(error: BaseException) -> str:
    """The status of a span that an exception leaves."""
    if isinstance(error, (GeneratorExit, StopIteration, StopAsyncIteration)):
        return "ok"
    if isinstance(error, SystemExit):
        return "ok" if error.code is None or error.code == 0 else "failed"
    cancelled = getattr(_sys.modules.get("asyncio.exceptions"), "CancelledError", KeyboardInterrupt)
    return "cancelled" if isinstance(error, (KeyboardInterrupt, cancelled)) else "failed"


def _trail(error: BaseException) -> _Trail:
    """An exception's address, and the places that it has passed, the innermost last."""
    places = [id(error)]
    trace = error.__traceback__
    while trace is not None:
        places += (id(trace.tb_frame.f_code), trace.tb_lasti)
        trace = trace.tb_next
    return tuple(places)


def _ends_with(trail: _Trail, known: _Trail) -> bool:
    return trail[0] == known[0] and len(known) > 1 and trail[1:][1 - len(known) :] == known[1:]


def _headline(error: BaseException) -> str:
    message = _text(error)
    return f"{_type_name(error)}: {message}" if message else _type_name(error)


def _full_story(error: BaseException) -> str:
    """The exception's own line, then its traceback, with the middle left out of a long one."""
    headline = _headline(error)
    try:
        story = _traceback_text(error)
    except Exception:  # noqa: BLE001 - an exception that cannot be printed is still one that happened
        _writer.faults += 1
        return headline
    room = _CAPTURED_CHARS - len(headline) - 16
    if len(story) > room:
        story = f"{story[: room // 4]}\n{_MORE}\n{story[-room * 3 // 4 :]}"
    return f"{headline}\n{story}"


def _traceback_text(error: BaseException, *hidden: str) -> str:
    """The traceback of an exception and of those it came from, without the frames of this file.

    Args:
        error: the exception.
        hidden: more files whose frames say nothing about the flow; the stub that runs it names its own.
    """
    import traceback

    story = traceback.TracebackException(type(error), error, error.__traceback__, limit=-100)
    ours = (__file__, _traceback_text.__code__.co_filename, *hidden)
    links: list[Any] = [story]
    while links:
        link = links.pop()
        link.stack[:] = [frame for frame in link.stack if frame.filename not in ours]
        inner = (link.__cause__, link.__context__, *(getattr(link, "exceptions", None) or ()))
        links += [other for other in inner if other is not None]
    return "".join(story.format())


# --- Functions become spans ---------------------------------------------------------------------------


class _Inside:
    """Lends a span to a stretch of code as the current one, and remembers where that code got to."""

    __slots__ = ("inner", "outer")

    def __init__(self, span: _LiveSpan | None) -> None:
        self.inner = span
        self.outer: _LiveSpan | None = None

    def __enter__(self) -> None:
        self.outer = _current.get()
        _current.set(self.inner)

    def __exit__(self, *_: object) -> None:
        self.inner = _current.get()
        _current.set(self.outer)

    def answer(self, result: Any) -> Any:
        """What the caller gets for the result of a call that came through."""
        return result

    def finish(self, error: BaseException | None) -> None:
        """Take note of how the call ended: a lent span goes on."""


class _Call(_Inside):
    """One call of a wrapped function: a span of its own, from here to ``answer`` or ``finish``."""

    __slots__ = ("respond", "span")

    def __init__(self, span: _LiveSpan, respond: Callable[[_LiveSpan, Any], Any] | None = None) -> None:
        span._begin()
        super().__init__(span)
        self.span = span
        self.respond = respond

    def answer(self, result: Any) -> Any:
        if self.respond is not None:
            result = self.respond(self.span, result)
        self.span._finish(None)
        return result

    def finish(self, error: BaseException | None) -> None:
        self.span._finish(error)


def _code_of(fn: Any) -> Any:
    """The code object behind a function, a method, a partial or a callable object; else None."""
    fn = getattr(fn, "__func__", fn)
    while type(fn).__name__ == "partial":
        fn = fn.func
    call = fn if hasattr(fn, "__code__") else getattr(type(fn), "__call__", None)  # noqa: B004 - its code is wanted
    return getattr(call, "__code__", None)


def _place_of(fn: object) -> tuple[str, int] | None:
    code = _code_of(fn)
    return None if code is None else (code.co_filename, code.co_firstlineno)


def _dress(wrapper: Any, fn: Any) -> Any:
    """Make a wrapper look like what it wraps (functools.wraps, without functools)."""
    notes = "__annotate__" if _sys.version_info >= (3, 14) else "__annotations__"
    for name in ("__module__", "__name__", "__qualname__", "__doc__", "__type_params__", notes):
        try:
            setattr(wrapper, name, getattr(fn, name))
        except (AttributeError, TypeError):  # a callable object has no __name__: the wrapper keeps its own
            continue
    wrapper.__dict__.update(getattr(fn, "__dict__", {}))
    wrapper.__wrapped__ = fn
    return wrapper


def _wrap(fn: Any, enter: Callable[[tuple[Any, ...], dict[str, Any]], _Inside]) -> Any:
    """A function of the same shape as ``fn``, each call of which runs in what ``enter`` gives for it."""
    if isinstance(fn, (staticmethod, classmethod)):
        return type(fn)(_wrap(fn.__func__, enter))
    if isinstance(fn, type):
        return fn
    flags = getattr(_code_of(fn), "co_flags", 0)  # as inspect does it, which costs 20 ms to import
    wrap = _wrap_function
    for bit, other in ((0x20, _wrap_generator), (0x80, _wrap_coroutine), (0x200, _wrap_async_generator)):
        wrap = other if flags & bit else wrap
    return _dress(wrap(fn, enter), fn)


def _wrap_function(fn: Any, enter: Callable[..., _Inside]) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        inside = enter(args, kwargs)
        try:
            with inside:
                result = fn(*args, **kwargs)
        except BaseException as error:
            inside.finish(error)
            raise
        if type(result).__name__ == "coroutine":  # the work is yet to be done, and the span lasts until then
            return _wrap_coroutine(lambda: result, lambda _args, _kwargs: inside)()
        return inside.answer(result)

    return call


def _wrap_coroutine(fn: Any, enter: Callable[..., _Inside]) -> Any:
    async def call(*args: Any, **kwargs: Any) -> Any:
        inside = enter(args, kwargs)
        try:
            with inside:
                result = await fn(*args, **kwargs)
        except BaseException as error:
            inside.finish(error)
            raise
        return inside.answer(result)

    return call


def _wrap_generator(fn: Any, enter: Callable[..., _Inside]) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        inside = enter(args, kwargs)
        try:
            result = yield from _drive(fn(*args, **kwargs), inside)
        except BaseException as error:
            inside.finish(error)
            raise
        inside.finish(None)
        return result

    return call


def _drive(generator: Any, inside: _Inside) -> Any:
    """Run a generator with its own current span; the code that consumes it keeps its own."""
    resume, argument = generator.send, None
    while True:
        try:
            with inside:
                item = resume(argument)
        except StopIteration as stop:
            return stop.value
        try:
            resume, argument = generator.send, (yield item)
        except GeneratorExit:
            with inside:
                generator.close()
            raise
        except BaseException as error:  # noqa: BLE001 - it is thrown on into the generator
            resume, argument = generator.throw, error


def _wrap_async_generator(fn: Any, enter: Callable[..., _Inside]) -> Any:
    async def call(*args: Any, **kwargs: Any) -> Any:
        inside = enter(args, kwargs)
        try:
            generator = fn(*args, **kwargs)
            resume, argument = generator.asend, None
            while True:
                try:
                    with inside:
                        item = await resume(argument)
                except StopAsyncIteration:
                    break
                try:
                    resume, argument = generator.asend, (yield item)
                except GeneratorExit:
                    with inside:
                        await generator.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 - it is thrown on into the generator
                    resume, argument = generator.athrow, error
        except BaseException as error:
            inside.finish(error)
            raise
        inside.finish(None)

    return call


def propagate(fn: Callable[P, R]) -> Callable[P, R]:
    """A callable that runs ``fn`` inside the span that is current here, in whatever thread it is called.

    Threads and thread pools need no help; queues, callbacks of C libraries and other schedulers do.
    """
    if not _active:
        return fn
    span = _current.get()
    return _wrap(fn, lambda _args, _kwargs: _Inside(span))  # type: ignore[no-any-return]  # of fn's own type


# --- Loops --------------------------------------------------------------------------------------------


def _track(iterator: Iterator[T], span: _LiveSpan) -> Generator[T, None, None]:
    """Yield what the iterator gives, inside the span, with the number of finished items as a tag."""
    done = told = 0
    with span:
        due = _clock() + _TRACK_S
        try:
            for item in iterator:
                yield item
                done += 1
                now = _clock()
                if now >= due:
                    due, told = now + _TRACK_S, done
                    span.tag(**{"hero.progress": done})
        finally:
            if told != done:
                span.tag(**{"hero.progress": done})


class _AsyncTrack:
    """The same for ``async for``.

    Not an asynchronous generator: after a break the event loop closes those some time later and in
    another context, and until then the loop's span would stay the current one.
    """

    __slots__ = ("_iterator", "_steps")

    def __init__(self, iterator: AsyncIterator[Any], span: _LiveSpan) -> None:
        self._iterator = iterator
        self._steps = _track(iter(int, 1), span)  # one endless loop, taken a step further for each item

    def __aiter__(self) -> _AsyncTrack:
        return self

    async def __anext__(self) -> Any:
        next(self._steps)
        try:
            return await self._iterator.__anext__()
        except StopAsyncIteration:
            self._steps.close()
            raise
        except BaseException as error:
            self._steps.throw(error)
            raise

    async def aclose(self) -> None:
        self._steps.close()
        if hasattr(self._iterator, "aclose"):
            await self._iterator.aclose()


def _length(iterable: Any) -> int | None:
    try:
        return len(iterable)
    except Exception:  # noqa: BLE001 - no length, or one that cannot be had
        return None


# --- The flow object ----------------------------------------------------------------------------------


class _Flow:
    """``flow``: the decorator of a flow, and everything that a flow says about itself."""

    __slots__ = ()

    class Failed(Exception):
        """Raise it to let the spans around it fail for this reason, without a traceback."""

        def __init__(self, reason: object = "") -> None:
            super().__init__(reason)
            self.reason = reason

    class ServiceFailed(Failed):
        """A call of a service came to nothing; ``code`` and ``data`` where the service itself says so."""

        def __init__(
            self, reason: object = "", service: str = "", code: int | None = None, data: object = None
        ) -> None:
            super().__init__(reason)
            self.service, self.code, self.data = service, code, data

    @overload
    def __call__(self, fn: F, /) -> F: ...

    @overload
    def __call__(
        self,
        title: str | None = None,
        /,
        *,
        name: str | None = None,
        description: str | None = None,
        inputs: Mapping[str, str] | None = None,
        outputs: Mapping[str, str] | None = None,
        needs: Mapping[str, list[str]] | None = None,
        on_lost: str = "fail",
    ) -> Callable[[F], F]: ...

    def __call__(
        self,
        fn: Any = None,
        /,
        *,
        name: str | None = None,
        description: str | None = None,
        inputs: Mapping[str, str] | None = None,
        outputs: Mapping[str, str] | None = None,
        needs: Mapping[str, list[str]] | None = None,
        on_lost: str = "fail",
    ) -> Any:
        """Mark a function as a flow: ``@flow``, ``@flow("name")`` or ``@flow(description=..., ...)``.

        ``inputs`` and ``outputs`` describe by name; ``needs``, written out, is what it asks its operator for;
        ``on_lost="retry"`` runs it again where its runtime is lost. A call is a span: the root, or a step.
        """

        def decorate(function: F) -> F:
            doc = (getattr(function, "__doc__", None) or "").strip()
            declared = {
                "name": name or (fn if isinstance(fn, str) else getattr(function, "__name__", "flow")),
                "description": doc.partition("\n")[0] if description is None else description,
                "inputs": dict(inputs or {}),
                "outputs": dict(outputs or {}),
            }
            return self._stamp(function, declared)

        return decorate if fn is None or isinstance(fn, str) else decorate(fn)

    def _stamp(self, function: F, declared: dict[str, Any]) -> F:
        function.__hero_flow__ = declared  # type: ignore[attr-defined]  # the mark of a flow
        return function

    def step(self, name: object, /, **tags: object) -> _Span:
        """A step: for ``with``, for ``async with``, or a decorator; any tags, of any values."""
        return _NULL

    def span(self, name: object, /, **tags: object) -> _Span:
        """The same for what is not a step of the flow: its kind is ``other``."""
        return _NULL

    @overload
    def track(
        self, iterable: Iterable[T], name: str | None = None, total: int | None = None
    ) -> Iterator[T]: ...

    @overload
    def track(
        self, iterable: AsyncIterable[T], name: str | None = None, total: int | None = None
    ) -> AsyncIterator[T]: ...

    def track(self, iterable: Any, name: str | None = None, total: int | None = None) -> Any:
        """A loop as a step, with its progress: ``for row in flow.track(rows, "score"):``."""
        return iterable.__aiter__() if hasattr(iterable, "__aiter__") else iter(iterable)

    @property
    def current_span(self) -> _Span:
        """The innermost open span here; one that does nothing where none is open."""
        return _NULL

    def tag(self, /, **tags: object) -> None:
        """Set tags of the current span."""

    def log(self, text: object, level: str | None = None) -> None:
        """Log to the current span."""

    def service(self, name: str, /) -> _Service:
        """A service that the play was granted: ``flow.service("ai").complete(prompt="...")``."""
        return _Service(name)

    @property
    def here(self) -> str:
        """The directory of the file that asks."""
        file = _getframe(1).f_globals.get("__file__")
        return _os.path.dirname(_os.path.abspath(file)) if isinstance(file, str) else _os.getcwd()


class _LiveFlow(_Flow):
    """``flow`` under the runtime."""

    __slots__ = ()

    def _stamp(self, function: F, declared: dict[str, Any]) -> F:
        file, line = _place_of(function) or ("", 0)

        def enter(_args: object, _kwargs: object) -> _Inside:
            kind = "flow_root" if _current.get() is None else "step"
            return _Call(_LiveSpan((declared["name"], kind, {}, file, line, None)))

        wrapped: F = _wrap(function, enter)
        return super()._stamp(wrapped, declared)

    def step(self, name: object, /, **tags: object) -> _Span:
        caller = _getframe(1)
        return _LiveSpan((name, "step", tags, caller.f_code.co_filename, caller.f_lineno, None))

    def span(self, name: object, /, **tags: object) -> _Span:
        caller = _getframe(1)
        return _LiveSpan((name, "other", tags, caller.f_code.co_filename, caller.f_lineno, None))

    def track(self, iterable: Any, name: str | None = None, total: int | None = None) -> Any:
        caller = _getframe(1)
        length = _length(iterable) if total is None else total
        tags = {"hero.progress": 0} if length is None else {"hero.progress": 0, "hero.total": length}
        span = _LiveSpan((name or "loop", "step", tags, caller.f_code.co_filename, caller.f_lineno, None))
        if hasattr(iterable, "__aiter__"):
            return _AsyncTrack(iterable.__aiter__(), span)
        return _track(iter(iterable), span)

    @property
    def current_span(self) -> _Span:
        return _current.get() or _NULL

    def tag(self, /, **tags: object) -> None:
        (_current.get() or _NULL).tag(**tags)

    def log(self, text: object, level: str | None = None) -> None:
        (_current.get() or _NULL).log(text, level)


# --- Clients ------------------------------------------------------------------------------------------

_METHODS = ("function", "method", "builtin_function_or_method", "method-wrapper", "partial")
_OWN = (  # special names that a stand-in answers itself, or that mean nothing for an instance
    "__class__ __class_getitem__ __del__ __delattr__ __getattr__ __getattribute__ __init__"
    " __init_subclass__ __new__ __set_name__ __setattr__ __subclasshook__"
)


class _Proxy:
    """A client whose public methods are spans; all else is the client's own."""

    __slots__ = ("_hero_client", "_hero_trace")

    def __getattribute__(self, name: str) -> Any:
        client, trace = _parts_of(self)
        value = getattr(client, name)
        if name.startswith("_") or type(value).__name__ not in _METHODS:
            return value
        caller = _getframe(1)
        return trace(self, name, value, (caller.f_code.co_filename, caller.f_lineno))

    def __setattr__(self, name: str, value: object) -> None:
        setattr(_parts_of(self)[0], name, value)

    def __delattr__(self, name: str) -> None:
        delattr(_parts_of(self)[0], name)


def _parts_of(proxy: Any) -> tuple[Any, Any]:
    return object.__getattribute__(proxy, "_hero_client"), object.__getattribute__(proxy, "_hero_trace")


def _stand_in(base: type[_Proxy], client: object, trace: Any) -> Any:
    """A proxy with the special methods that the client's class has, and no others."""
    cls: Any = type(client)
    made = _stream_classes.get(cls) if base is _Stream else None
    if made is None:
        forwards: dict[str, Any] = {"__slots__": ()}
        for special in dir(cls):
            if special.startswith("__") and special.endswith("__") and special not in _OWN.split():
                value = getattr(cls, special, None)
                if callable(value) or special == "__hash__":
                    forwards[special] = None if value is None else _forward(special)
        made = type(_type_name(client), (base,), forwards)
        if base is _Stream:
            _stream_classes[cls] = made
    proxy: Any = object.__new__(made)
    object.__setattr__(proxy, "_hero_client", client)
    object.__setattr__(proxy, "_hero_trace", trace)
    return proxy


def _forward(name: str) -> Any:
    """A special method of the proxy's class that calls the client's own."""

    async def entered(proxy: _Proxy, client: object, entering: Any) -> Any:
        result = await entering
        return proxy if result is client else result

    def forward(self: _Proxy, *args: Any, **kwargs: Any) -> Any:
        client = _parts_of(self)[0]
        bare = (_parts_of(value)[0] if issubclass(type(value), _Proxy) else value for value in args)
        result = getattr(type(client), name)(client, *bare, **kwargs)
        if name == "__aenter__":
            return entered(self, client, result)
        return self if result is client else result

    return forward


def instrument(client: T, *, service: str | None = None, redact: Iterable[str] = ()) -> T:
    """A stand-in for a client whose public methods are recorded as RPC spans.

    Args:
        client: any object; without the runtime it is given back as it is.
        service: what to call it, instead of the name of its class.
        redact: more words; values under keys (or parameters) that hold one of them, or one of
            ``password``, ``token``, ``secret`` and the like, are recorded as ``***``.

    Arguments and results are recorded as JSON text of at most 4 KiB each.
    """
    if not _active:
        return client
    name = getattr(client, "__name__", "") if isinstance(client, (type, type(_sys))) else _type_name(client)
    words = [_plain(word) for word in ([redact] if isinstance(redact, str) else redact)]
    secrets = (*_SECRETS, *(word for word in words if word))
    return _stand_in(_Proxy, client, _tracer(name, service or name, secrets))  # type: ignore[no-any-return]  # like a T


def _tracer(class_name: str, service: str, secrets: tuple[str, ...]) -> Any:
    """What makes a traced method out of a client's method."""

    def trace(proxy: _Proxy, name: str, method: Any, place: tuple[str, int]) -> Any:
        client = _parts_of(proxy)[0] if issubclass(type(proxy), _Proxy) else proxy

        def enter(args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Inside:
            tags = {"rpc.request": _rpc_json(_named(method, args, kwargs), secrets)}
            return _Call(
                _LiveSpan((f"rpc:{class_name}.{name}", "rpc", tags, *place, (service, name))), respond
            )

        def respond(span: _LiveSpan, result: object) -> object:
            span.tag(**{"rpc.response": _rpc_json(result, secrets)})
            return proxy if result is client else result  # a client that is built by chaining stays traced

        return _wrap(method, enter)

    return trace


def _named(method: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """A call's arguments by the names of their parameters, by their places where there are none."""
    code = _code_of(method)
    names = code.co_varnames[: code.co_argcount] if code is not None else ()
    names = names[1:] if type(method).__name__ == "method" else names
    named = {names[place] if place < len(names) else str(place): value for place, value in enumerate(args)}
    named.update(kwargs)
    return named


def _rpc_json(value: object, secrets: tuple[str, ...]) -> str:
    text = _Encoder(_RPC_BYTES - 128, secrets).value(value)
    return text if len(text) <= _RPC_BYTES else text[: _RPC_BYTES - 1] + _MORE


# --- Services -----------------------------------------------------------------------------------------

_SERVICE_VARIABLE = "HERO_FLOW_RPC_NAME"[:-4]  # and the name in capitals: the path of its socket
_REPLY_BYTES = 16 * 1024 * 1024
_inherited: dict[str, list[Any]] = {}  # {descriptor: [lock, its connection or None, number of calls]}


class _Service:
    """A service: what is called of it is a call of JSON-RPC 2.0, over a connection of its own, and a span."""

    __slots__ = ("_hero_name",)

    def __init__(self, name: str) -> None:
        self._hero_name = name

    def __repr__(self) -> str:
        return f"<the service {self._hero_name!r}>"

    def __getattr__(self, method: str) -> Any:
        if method.startswith("__"):  # Python asks for these of anything
            raise AttributeError(f"a service has no method {method!r}")
        name: str = object.__getattribute__(self, "_hero_name")

        def call(**params: object) -> object:
            return _call_service(name, method, params)

        call.__name__, call.__qualname__ = method, f"{name}.{method}"
        place = _getframe(1).f_code.co_filename, _getframe(1).f_lineno
        return _tracer(name, name, _SECRETS)(self, method, call, place) if _active else call


def _call_service(service: str, method: str, params: dict[str, object]) -> object:
    """The result of a call; whatever keeps it from coming is a ServiceFailed that names the service."""
    import _socket  # late, by law 5

    if not (service.isascii() and service.replace("_", "").isalnum()):
        raise _failure(service, "", "cannot be granted: a service's name has letters, digits and _")
    where = _os.environ.get(_SERVICE_VARIABLE + service.upper(), "")
    if not where:
        said = f"was not granted: `hero-logic run FLOW --rpc {service}=PATH` grants it by its socket's path. "
        said += f"Where plain Python runs the flow, {_SERVICE_VARIABLE}{service.upper()} is that path."
        raise _failure(service, "", said)
    if where.isdigit():
        return _call_inherited(where, service, method, params)
    request = _request(1, service, method, params)
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.connect(where)
        reply = _ask(connection, 1, request, service, method)
    except OSError as error:
        raise _failure(service, method, f"cannot be reached at {where}: {error}. Is it running?") from error
    finally:
        connection.close()
    return _result(reply, service, method)


def _call_inherited(where: str, service: str, method: str, params: dict[str, object]) -> object:
    """The same over a connection that the runtime made, where a play can make none: one call at a time."""
    import _socket
    import _thread

    line = _inherited.setdefault(where, [_thread.allocate_lock(), None, 0])
    with line[0]:
        request = _request(line[2] + 1, service, method, params)
        number = line[2] = line[2] + 1
        connection = line[1] if number > 1 else _socket.socket(fileno=int(where))
        line[1] = None  # if this fails, nobody knows what comes next on it
        try:
            if connection is None:
                raise BrokenPipeError("in this isolation a play has one connection, and it is broken")
            reply = _ask(connection, number, request, service, method)
        except OSError as error:
            raise _failure(service, method, f"is not there any more: {error}. Run the flow again") from error
        line[1] = connection
    return _result(reply, service, method)


def _request(number: int, service: str, method: str, params: dict[str, object]) -> bytes:
    import json  # late, by law 5

    try:
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        return json.dumps(message, allow_nan=False).encode() + b"\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise _failure(service, method, f"takes JSON, and was given something else: {error}") from error


def _ask(connection: Any, number: int, request: bytes, service: str, method: str) -> dict[str, Any]:
    """The reply to a request: a JSON object of that number, with an error or a result."""
    import json

    connection.sendall(request)
    received = bytearray()
    chunk = b""
    while b"\n" not in chunk:
        chunk = connection.recv(65536)
        received += chunk
        if not chunk:
            raise ConnectionError(f"it closed the connection after {len(received)} bytes of its reply")
        if len(received) > _REPLY_BYTES:
            raise _failure(service, method, f"sent a reply of more than {_REPLY_BYTES} bytes; ask for less")
    line = bytes(received).partition(b"\n")[0]
    try:
        reply: dict[str, Any] = json.loads(line.decode(), parse_constant=int)  # int refuses NaN, as any word
    except (ValueError, RecursionError):
        reply = {}
    fits = type(reply) is dict and ("result" in reply or reply.get("error") is not None)
    # A service that could not even read the number refuses with none.
    if not fits or (reply.get("id") != number and (reply.get("id") is not None or "result" in reply)):
        shown = _text(line[:200])
        raise _failure(service, method, f"sent what is no reply of JSON-RPC 2.0 to call {number}: {shown}")
    return reply


def _result(reply: dict[str, Any], service: str, method: str) -> object:
    error = reply.get("error")
    if error is None:
        return reply["result"]
    told = error if type(error) is dict else {"message": error}
    code = told.get("code")
    said = f"refused {_text(method, 100)}: {_text(told.get('message'))} (code {_text(code, 100)})"
    raise _failure(service, "", said, code if type(code) is int else None, told.get("data"))


def _failure(service: str, method: str, problem: str, code: int | None = None, data: object = None) -> Any:
    asked = f", asked for {_text(method, 100)}," if method else ""
    return _Flow.ServiceFailed(f"the service {_text(service, 100)!r}{asked} {problem}", service, code, data)


# --- What a play's own output becomes -----------------------------------------------------------------


class _Stream(_Proxy):
    """Standard output or error: what is written goes where it always went, then to the current span."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        if name in ("write", "writelines"):
            return object.__getattribute__(self, name)
        return getattr(_parts_of(self)[0], name)

    def write(self, text: str) -> Any:
        stream, name = _parts_of(self)
        written = stream.write(text)
        span = _current.get()
        if span is not None and type(text) is str and not _quiet.get():
            try:
                span._capture(name, text)
            except Exception:  # noqa: BLE001 - law 1
                _writer.faults += 1
        return written

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)


def _patch_logging(logging: Any) -> None:
    """Let every record that reaches its logger's handlers be a log of the current span, once."""
    original = logging.Logger.callHandlers

    def callHandlers(self: Any, record: Any) -> None:
        span = _current.get()
        if span is None:
            original(self, record)
            return
        before = _quiet.set(True)
        try:
            original(self, record)
        finally:
            _quiet.reset(before)
        _log_record(span, record)

    logging.Logger.callHandlers = _dress(callHandlers, original)


def _log_record(span: _LiveSpan, record: Any) -> None:
    try:
        text = _text(record.getMessage(), _CAPTURED_CHARS)
        if record.exc_info and record.exc_info[1] is not None:
            text = f"{text}\n{_full_story(record.exc_info[1])}"
        span.log(text, record.levelname)
    except Exception:  # noqa: BLE001 - law 1: a message that does not fit its arguments, as logging has said
        _writer.faults += 1


def _patch_threading(threading: Any) -> None:
    """Let a thread begin inside the span that started it, whatever its run() is."""
    start, bootstrap = threading.Thread.start, threading.Thread._bootstrap

    def start_inside(self: Any) -> None:
        span = _current.get()
        if span is not None:
            self._hero_span = span
        start(self)

    def bootstrap_inside(self: Any) -> None:
        _current.set(self.__dict__.pop("_hero_span", None))
        bootstrap(self)

    threading.Thread.start = _dress(start_inside, start)
    threading.Thread._bootstrap = _dress(bootstrap_inside, bootstrap)


def _patch_futures(futures: Any) -> None:
    """Let a pool's task run inside the span that submitted it, not inside the one that made the thread."""
    submit = futures.ThreadPoolExecutor.submit

    def submit_inside(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        if type(self).__name__ == "InterpreterPoolExecutor":  # its tasks go to where no span of ours is
            return submit(self, fn, *args, **kwargs)
        span = _current.get()
        return submit(self, _wrap_function(fn, lambda _args, _kwargs: _Inside(span)), *args, **kwargs)

    futures.ThreadPoolExecutor.submit = _dress(submit_inside, submit)


class _Patches:
    """A finder that patches modules when they are first imported, and takes itself away after the last."""

    def __init__(self, patches: dict[str, Callable[[Any], None]]) -> None:
        self.patches = patches
        _sys.meta_path.insert(0, self)
        for name in list(patches):
            self.patch(_sys.modules.get(name))

    def patch(self, module: Any) -> None:
        """Apply a module's patch, once; a module that has changed too much goes without."""
        patch = self.patches.pop(getattr(module, "__name__", ""), None)
        try:
            if patch is not None:
                patch(module)
        except Exception:  # noqa: BLE001 - law 1
            _writer.faults += 1
        if not self.patches and self in _sys.meta_path:
            _sys.meta_path.remove(self)

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        """What the other finders give, with a loader that patches after loading."""
        if name not in self.patches:
            return None
        for finder in list(_sys.meta_path):
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec = None if find is None else find(name, path, target)
            if spec is not None:
                self._watch(spec.loader)
                return spec
        return None

    def _watch(self, loader: Any) -> None:
        execute: Any = getattr(loader, "exec_module", None)

        def exec_module(module: Any) -> None:
            execute(module)
            self.patch(module)

        if execute is not None:
            loader.exec_module = exec_module


# --- Activation ---------------------------------------------------------------------------------------


def _activate() -> _Flow:
    """Connect if there is a runtime, and say which ``flow`` this process has; "later": called again then."""
    global _active, _EPOCH_NS
    if not _WANTED or _os.environ.get(_FD_VARIABLE) == "later" or not _writer.open():
        return _Flow()
    _EPOCH_NS = _wall_clock_ns() - _clock_ns()  # one look at the wall: no duration bends when it jumps
    _active = True
    if _writer.path is None:
        _os.register_at_fork(before=_writer.before_fork, after_in_parent=_writer.after_fork_in_parent)
    _os.register_at_fork(after_in_child=_writer.after_fork_in_child)
    for name in ("stdout", "stderr"):
        stream = getattr(_sys, name, None)
        if stream is not None:
            setattr(_sys, name, _stand_in(_Stream, stream, name))
    futures = "concurrent.futures.thread"
    _Patches({"threading": _patch_threading, futures: _patch_futures, "logging": _patch_logging})
    return _LiveFlow()


_Flow.Failed.__qualname__ = "flow.Failed"  # where users find it, and pickle too
_Flow.ServiceFailed.__qualname__ = "flow.ServiceFailed"
flow: _Flow = _activate()
del annotations, overload, TYPE_CHECKING
