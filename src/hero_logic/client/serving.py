"""How a server is asked for, and what runs its plays. Loaded by ``serve`` alone."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from hero_logic.crew import PoolCrew, WorkersCrew
    from hero_logic.pool import Pool
    from hero_logic.service.liveness import Runtimes
    from hero_logic.service.play_verbs import PlayVerbs
    from hero_logic.service.retention import Retention
    from hero_logic.service.session import Session

    EnterCrew = Callable[[Callable[[str], None]], AbstractContextManager[PoolCrew | WorkersCrew]]


class ServeOptions:
    """How a person asks for a server."""

    __slots__ = (
        "allowed_hosts",
        "host",
        "logs_requests",
        "plays_at_once",
        "port",
        "rate",
        "socket_path",
        "stop_s",
        "wants_token",
        "workers",
    )

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 8420,
        socket_path: str | None = None,
        wants_token: bool = True,
        allowed_hosts: tuple[str, ...] = (),
        rate: float = 0.0,
        logs_requests: bool = False,
        workers: int = 0,
        plays_at_once: int | None = None,
        stop_s: float = 30.0,
    ) -> None:
        self.host = host
        self.port = port
        """0 for a free one."""
        self.socket_path = socket_path
        """Of the Unix socket; None for that of the data directory."""
        self.wants_token = wants_token
        self.allowed_hosts = allowed_hosts
        """Host names that are the server's, beside its address."""
        self.rate = rate
        """Requests a second that each client may send; 0: as many as it likes."""
        self.logs_requests = logs_requests
        self.workers = workers
        """How many processes run plays; 0: the server's own."""
        self.plays_at_once = plays_at_once
        """How many plays each process runs at a time; None for the default."""
        self.stop_s = stop_s
        """How long what runs may go on at the end, in seconds."""


def enter_crew(
    options: ServeOptions,
    *,
    working: Callable[[], AbstractContextManager[tuple[Session, Pool]]],
    make_verbs: Callable[[Session], PlayVerbs],
    runtimes: Callable[[], Runtimes],
    open_session: Callable[[Runtimes], Session],
    retention: Callable[[], Retention],
    remove_files: Callable[[str], None],
    environment: dict[str, str],
    note: Callable[[str], None],
) -> AbstractContextManager[PoolCrew | WorkersCrew]:
    """What runs plays for a server, not started: a pool in its process, or processes of their own."""
    from hero_logic.crew import pool_crew, workers_crew

    if not options.workers:
        return pool_crew(working(), make_verbs, stop_s=options.stop_s)
    from hero_logic.pool import PLAYS_AT_ONCE
    from hero_logic.workers import Workers

    workers = Workers(
        options.workers,
        plays_at_once=options.plays_at_once or PLAYS_AT_ONCE,
        stop_s=options.stop_s,
        environment=environment,
        note=note,
    )
    return workers_crew(
        workers,
        make_verbs,
        runtimes=runtimes(),
        open_session=open_session,
        retention=retention(),
        remove_files=remove_files,
        note=note,
    )
