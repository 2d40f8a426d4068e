"""A server from its start to its end: sockets, signals, what is printed, in which order all of it is closed.

Laws:

1. The addresses are bound, the store is open and a signal would stop it gracefully, before anything is
   printed: who reads the first line of standard output can connect.
2. A first SIGTERM or SIGINT stops gracefully: no play begins, those that run get their time and their end,
   while all else is answered; then streams end, and requests get their time. A second one does not wait.
3. What it has made is gone afterwards: the Unix socket, the file that says where it is. Its token stays.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
import stat
import sys
import time
from threading import Lock
from typing import TYPE_CHECKING

import msgspec
import uvicorn

from hero_logic.core.errors import SocketInUse, UsageError
from hero_logic.server.connections import KEEP_ALIVE_S, Connection, sweep
from hero_logic.server.desks import Lobby
from hero_logic.server.gate import Gate, is_loopback, load_token
from hero_logic.server.http import HttpApp
from hero_logic.server.journal import Journal
from hero_logic.server.measures import Measures
from hero_logic.server.methods import table
from hero_logic.server.page_files import Page
from hero_logic.server.rpc import Rpc

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from typing import Protocol, TextIO

    from hero_logic.service.play_verbs import PlayVerbs
    from hero_logic.service.session import Session

    class Crew(Protocol):
        """What runs plays, and the services that the server is over."""

        @property
        def session(self) -> Session:
            """Entered."""
            ...

        @property
        def verbs(self) -> PlayVerbs:
            """What is asked of plays."""
            ...

        def start(self) -> None:
            """Run what waits from now on."""
            ...

        def stop(self, *, is_hard: bool = False) -> None:
            """Begin nothing more, end what runs, and wait for that; ``is_hard``: at once. Harmless twice."""
            ...


STATE_FILE = "server.json"
_MAX_PATH_BYTES = 107
_BACKLOG = 1024
_GRACE_S = 10


class ServeOrder(msgspec.Struct, frozen=True, kw_only=True):
    """How to serve."""

    home: str
    """The directory of all data."""
    host: str
    port: int
    socket_path: str
    """Of the Unix socket."""
    path_variable: str
    """What to change where that path cannot be: an option's or a variable's name."""
    is_own_directory: bool = True
    """Whether the directory of the socket is made for it, and has to be this user's alone."""
    wants_token: bool = True
    allowed_hosts: tuple[str, ...] = ()
    rate: float = 0.0
    """Requests a second that each client may send; 0: as many as it likes."""
    logs_requests: bool = False


class ServerState(msgspec.Struct, frozen=True):
    """Where a server is, for commands of the same user: in the data directory while it serves."""

    url: str
    socket_path: str
    pid: int


def serve(
    order: ServeOrder,
    *,
    enter: Callable[[Callable[[str], None]], contextlib.AbstractContextManager[Crew]],
) -> None:
    """Serve until a signal ends it.

    ``enter`` is given who is told what the operator should know, and gives what runs plays. That is entered
    before there is a second thread or anything is served, and left when nothing is served any more.

    Raises:
        UsageError: what was ordered cannot be.
        SocketInUse: an address or the socket's path is taken.
        StoreError: the store cannot be opened.
    """
    if not order.wants_token and not is_loopback(order.host):
        raise UsageError(
            f"--no-token with --host {order.host}: whoever reaches that address could run what they "
            "like here. "
            "Serve at 127.0.0.1, or ask for the token."
        )
    token = load_token(order.home) if order.wants_token else None
    _allow_many_connections()
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(bind_tcp(order.host, order.port))
        unix = stack.enter_context(_bind_unix_of(order))
        notes = _Notes()
        crew = stack.enter_context(enter(notes.tell))
        asyncio.run(_Running(order, token, crew, notes).run(tcp, unix))


class _Notes:
    """What the operator should know goes to the journal, once there is one: that has a thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: list[str] = []
        self._journal: Journal | None = None

    def tell(self, text: str) -> None:
        with self._lock:
            if self._journal is None:
                self._waiting.append(text)
            else:
                self._journal.tell("warning", "note", text=text)

    def go_to(self, journal: Journal) -> None:
        with self._lock:
            self._journal = journal
            for text in self._waiting:
                journal.tell("warning", "note", text=text)
            self._waiting.clear()


class _Running:
    """A server, while it runs."""

    def __init__(self, order: ServeOrder, token: str | None, crew: Crew, notes: _Notes) -> None:
        self._order = order
        self._crew = crew
        self._notes = notes
        self._ending: asyncio.Task[None] | None = None
        self._gate = Gate(
            token,
            host=order.host,
            names=order.allowed_hosts,
            rate=order.rate,
            clock_s=time.monotonic,
        )
        self._counts = Measures()

    async def run(self, tcp: socket.socket, unix: socket.socket) -> None:
        """Serve these sockets until a signal comes."""
        url = url_of(tcp)
        lobby = Lobby(self._crew.session, self._crew.verbs)
        journal = Journal(sys.stderr)
        self._notes.go_to(journal)
        try:
            self._app = self._make_app(journal, lobby)
            server = UvicornServer(
                uvicorn_config(self._app),
                on_start=lambda: self._started(url, journal),
                on_stop=lambda: self._stop(lobby),
            )
            self._measure(lobby, server)
            with _logging_to(journal), _signals_to(lambda: self._signalled(server, lobby)), self._told(url):
                sweeping = asyncio.create_task(sweep(server.server_state.connections))
                self._crew.start()
                await server.serve([tcp, unix])
                sweeping.cancel()
        finally:
            await lobby.close()
            journal.tell("info", "stopped", pid=os.getpid())
            journal.close()

    def _make_app(self, journal: Journal, lobby: Lobby) -> HttpApp:
        app = HttpApp(
            gate=self._gate,
            journal=journal,
            counts=self._counts,
            page=Page(),
            logs_requests=self._order.logs_requests,
        )

        def failed(method: str, error: Exception) -> str:
            trace_id = os.urandom(6).hex()
            journal.failure("call_failed", error, id=trace_id, method=method[:100])
            return trace_id

        app.lobby = lobby
        app.rpc = Rpc(table(), lobby, on_call=self._counts.call, on_failure=failed)
        lobby.hub.on_trouble = lambda text: journal.tell("warning", "stream_trouble", text=text)
        return app

    def _measure(self, lobby: Lobby, server: uvicorn.Server) -> None:
        gauge = self._counts.gauge
        gauge("hero_logic_stream_readers", "Readers of event streams.", lambda: lobby.hub.readers)
        gauge("hero_logic_calls_waiting", "Calls that wait for a play.", lambda: lobby.hub.waiting)
        gauge("hero_logic_connections", "Open connections.", lambda: len(server.server_state.connections))
        store = lobby.at_loop.store
        gauge("hero_logic_plays_waiting", "Plays that wait for a worker.", store.waiting_count)
        gauge("hero_logic_plays_running", "Plays that run, whoever runs them.", store.running_count)
        gauge(
            "hero_logic_store_revision", "The revision of the store.", lambda: lobby.at_loop.store.revision()
        )

    def _started(self, url: str, journal: Journal) -> None:
        """Law 1."""
        _say(sys.stdout, f"serving on {url}")
        _say(sys.stderr, f"hero-logic: the Unix socket is {self._order.socket_path}")
        login = f"{url}/login#{self._gate.new_code()}"
        _say(sys.stderr, f"hero-logic: log in, once, within five minutes: {login}")
        journal.tell("info", "serving", url=url, socket=self._order.socket_path, pid=os.getpid())

    @contextlib.contextmanager
    def _told(self, url: str) -> Iterator[None]:
        """A file that says where the server is, while it serves."""
        path = os.path.join(self._order.home, STATE_FILE)
        state = ServerState(url, self._order.socket_path, os.getpid())
        beside = f"{path}.{os.getpid()}"
        with open(os.open(beside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
            file.write(msgspec.json.encode(state))
        os.replace(beside, path)
        try:
            yield
        finally:
            with contextlib.suppress(OSError, msgspec.DecodeError), open(path, "rb") as file:
                # Another server over the same data may have written its own since.
                if msgspec.json.decode(file.read(), type=ServerState) == state:
                    os.unlink(path)

    def _signalled(self, server: uvicorn.Server, lobby: Lobby) -> None:
        """Law 2: the first one ends what runs in its time, a second one at once."""
        is_hard = self._ending is not None
        server.force_exit = is_hard
        lobby.begin_no_plays()
        self._app.is_ending = True
        self._ending = asyncio.get_running_loop().create_task(self._end_plays(server, is_hard=is_hard))

    async def _end_plays(self, server: uvicorn.Server, *, is_hard: bool) -> None:
        """Whoever waits for a play hears of its end: the server goes after that."""
        try:
            await asyncio.to_thread(self._crew.stop, is_hard=is_hard)
        finally:
            server.should_exit = True

    async def _stop(self, lobby: Lobby) -> None:
        """Nothing at all is done any more, streams and waits end."""
        self._app.is_stopping = self._app.rpc.is_stopping = True
        await lobby.hub.close()


class UvicornServer(uvicorn.Server):
    """uvicorn's server, without its signals, and with something to do before it waits for its end."""

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        on_start: Callable[[], None],
        on_stop: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(config)
        self._on_start = on_start
        self._on_stop = on_stop

    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]  # the same use
        """Signals are ours."""
        return contextlib.nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin."""
        await super().startup(sockets)
        self._on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End."""
        await self._on_stop()
        await super().shutdown(sockets)


def uvicorn_config(app: Callable[..., Awaitable[None]]) -> uvicorn.Config:
    """How uvicorn is to serve an application."""
    return uvicorn.Config(
        app,
        interface="asgi3",
        http=Connection,
        ws="none",
        loop="asyncio",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
        backlog=_BACKLOG,
    )


@contextlib.contextmanager
def _signals_to(stop: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def _logging_to(journal: Journal) -> Iterator[None]:
    """What libraries log goes to the journal."""
    loggers = [logging.getLogger(name) for name in ("uvicorn", "asyncio")]
    for logger in loggers:
        logger.addHandler(journal)
        logger.propagate = False
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(journal)
            logger.propagate = True


def bind_tcp(host: str, port: int) -> socket.socket:
    """A socket that listens at an address; port 0 is a free one.

    Raises:
        SocketInUse: it is taken, or is none of this machine.
    """
    bound: socket.socket | None = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        bound.bind(address)
        bound.listen(_BACKLOG)
    except (OSError, UnicodeError, OverflowError) as error:
        if bound is not None:
            bound.close()
        reason = getattr(error, "strerror", None) or error
        raise SocketInUse(
            f"nothing can listen at {host}:{port}: {reason}. Name another with --host, --port."
        ) from error
    return bound


def _bind_unix_of(order: ServeOrder) -> contextlib.AbstractContextManager[socket.socket]:
    return bind_unix(order.socket_path, order.path_variable, is_own_directory=order.is_own_directory)


@contextlib.contextmanager
def bind_unix(path: str, variable: str, *, is_own_directory: bool = True) -> Iterator[socket.socket]:
    """A Unix socket that listens at a path, for this user alone; gone at the end.

    Args:
        path: where.
        variable: what to change where it cannot be there.
        is_own_directory: whether its directory is made for it, and has to be this user's alone.

    Raises:
        UsageError: the path is too long, or its directory is not this user's alone.
        SocketInUse: another server listens there, or something that is no socket lies there.
    """
    length = len(os.fsencode(path))
    if length > _MAX_PATH_BYTES:
        raise UsageError(
            f"the path of the Unix socket, {path}, has {length} bytes; a socket's path may have "
            f"{_MAX_PATH_BYTES}. "
            f"Set {variable} to something shorter."
        )
    if is_own_directory:
        _check_directory(os.path.dirname(path), variable)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        before = os.umask(0o177)
        try:
            bound.bind(path)
        finally:
            os.umask(before)
        bound.listen(_BACKLOG)
        own = os.stat(path)
    except OSError as error:
        bound.close()
        raise SocketInUse(
            f"no socket can be made at {path}: {error.strerror}. Set {variable} to another."
        ) from error
    except SocketInUse:
        bound.close()
        raise
    try:
        yield bound
    finally:
        bound.close()
        with contextlib.suppress(OSError):
            found = os.stat(path)
            if (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino):
                os.unlink(path)


def _check_directory(directory: str, variable: str) -> None:
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(directory, 0o700)
        found = os.stat(directory, follow_symlinks=False)
    except OSError as error:
        raise UsageError(
            f"the directory of the Unix socket, {directory}, cannot be made: {error.strerror}. Set "
            f"{variable} to another."
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise UsageError(
            f"{directory} is not a directory of this user alone (mode {stat.S_IMODE(found.st_mode):o}, owner "
            f"{found.st_uid}): others could take the place of the server's socket. `chmod 700` it, or "
            f"set {variable}."
        )


def _remove_stale(path: str) -> None:
    """Remove a socket that nobody listens at any more."""
    try:
        mode = os.stat(path, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise SocketInUse(f"there is something at {path} that is no socket. Name another path with --uds.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except OSError:
            pass
    raise SocketInUse(
        f"a server listens at {path} already. Use that one, end it, or name another path with --uds."
    )


def url_of(bound: socket.socket) -> str:
    """The address of a listening socket as the beginning of an URL."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _allow_many_connections() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _say(out: TextIO, line: str) -> None:
    """Print a line at once; that nobody reads it is no reason not to serve."""
    with contextlib.suppress(OSError, ValueError):
        out.write(line + "\n")
        out.flush()
