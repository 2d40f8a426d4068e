"""How a server is asked for, and what runs its plays. Loaded by ``serve`` alone."""

from __future__ import annotations

import msgspec

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


class ServeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a person asks for a server."""

    host: str = "127.0.0.1"
    port: int = 8420
    """0 for a free one."""
    socket_path: str | None = None
    """Of the Unix socket; None for that of the data directory."""
    wants_token: bool = True
    allowed_hosts: tuple[str, ...] = ()
    """Host names that are the server's, beside its address."""
    rate: float = 0.0
    """Requests a second that each client may send; 0: as many as it likes."""
    logs_requests: bool = False
    workers: int = 0
    """How many processes run plays; 0: the server's own."""
    plays_at_once: int | None = None
    """How many plays each process runs at a time; None for the default."""
    stop_s: float = 30.0
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
