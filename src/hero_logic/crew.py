"""What runs the plays of a server: a pool in its process, or workers in processes of their own.

Either has the session of the server's process and its housekeeping: whatever the database holds, the server
is ready at once, and plays that were lost get their end beside it.
"""

from __future__ import annotations

from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from hero_logic.pool import Pool
    from hero_logic.service.liveness import Runtimes
    from hero_logic.service.play_verbs import PlayVerbs
    from hero_logic.service.retention import Retention
    from hero_logic.service.session import Session
    from hero_logic.workers import Workers


class PoolCrew:
    """A pool in this process."""

    def __init__(self, session: Session, verbs: PlayVerbs, pool: Pool, *, stop_s: float) -> None:
        self.session = session
        self.verbs = verbs
        self._pool = pool
        self._stop_s = stop_s

    def start(self) -> None:
        """Run what waits from now on."""
        self._pool.start()

    def stop(self, *, is_hard: bool = False) -> None:
        """Begin nothing more; give what runs its time, then end it; ``is_hard``: at once. Harmless twice."""
        self._pool.stop(time_s=self._stop_s, is_hard=is_hard)


class WorkersCrew:
    """Workers in processes of their own."""

    def __init__(self, session: Session, verbs: PlayVerbs, workers: Workers) -> None:
        self.session = session
        self.verbs = verbs
        self._workers = workers

    def start(self) -> None:
        """Run what waits from now on."""
        self._workers.start()

    def stop(self, *, is_hard: bool = False) -> None:
        """Begin nothing more; give what runs its time, then end it; ``is_hard``: at once. Harmless twice."""
        self._workers.stop(is_hard=is_hard)


@contextmanager
def pool_crew(
    working: AbstractContextManager[tuple[Session, Pool]],
    make_verbs: Callable[[Session], PlayVerbs],
    *,
    stop_s: float,
) -> Iterator[PoolCrew]:
    """A pool that was not started; enter it before there is a second thread (pool.py)."""
    with working as (session, pool):
        try:
            yield PoolCrew(session, make_verbs(session), pool, stop_s=stop_s)
        finally:
            pool.stop(time_s=0, is_hard=True)


@contextmanager
def workers_crew(
    workers: Workers,
    make_verbs: Callable[[Session], PlayVerbs],
    *,
    runtimes: Runtimes,
    open_session: Callable[[Runtimes], Session],
    retention: Retention,
    remove_files: Callable[[str], None],
    note: Callable[[str], None],
) -> Iterator[WorkersCrew]:
    """Workers that were not started, and what this process does beside them."""
    from hero_logic.service.housekeeping import Housekeeping

    runtimes.enter()
    try:
        with (
            open_session(runtimes) as session,
            Housekeeping(session, note=note, retention=retention, remove_files=remove_files),
        ):
            session.ears.on_trouble = note
            session.ring_at_commits()
            try:
                yield WorkersCrew(session, make_verbs(session), workers)
            finally:
                workers.stop(is_hard=True)
    finally:
        runtimes.leave()
