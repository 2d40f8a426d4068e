"""A pool of workers in one process: it claims plays that wait and runs them, so many at a time.

It does the same in the server's process and in processes of its own over the same store (workers.py). One
thread claims; each play has a thread while it runs; they share the session, the spawner and the loop that
reads spans. Laws:

1. What was claimed gets an end here, whatever goes wrong: this runtime lives, so nobody else will end it.
   Where the store cannot be written that is tried until it can, or until the pool is stopped.
2. A play is claimed when there is a place for it and not before: what waits is there for other workers. One
   that runs and waits for another play has given its place back until that one's end.
3. A stop claims nothing more, gives what runs its time, then cancels it, then ends it.

Source: docs/design/0020-the-queue.md.
"""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import contextmanager
from threading import Condition, Thread

from hero_logic.core.errors import HeroLogicError, IllegalMove, NotFound, StoreError
from hero_logic.core.tiers import DEFAULT, TIER_ZERO, check_minimum, choose
from hero_logic.playing import PlayRun
from hero_logic.runner.span_loop import SpanLoop
from hero_logic.service.bells import block_signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hero_logic.config import Config
    from hero_logic.core.records import Play
    from hero_logic.core.tiers import Choice, Proof
    from hero_logic.preparing import Preparer
    from hero_logic.runner.sandbox.namespaces import Owner
    from hero_logic.runner.spawner import Spawner
    from hero_logic.service.liveness import Runtimes
    from hero_logic.service.retention import Retention
    from hero_logic.service.session import Session
    from hero_logic.store.contract import Commit

PLAYS_AT_ONCE = 4
"""How many plays a pool runs at a time unless it is told otherwise."""

_RETRY_S = 0.5
_LOOK_FOR_SIGNALS_MS = 1000
_UNCONFINED = (
    "this host can keep no play from itself (`hero-logic doctor` says why): flows can do what you can do"
)


class Pool:
    """Runs what waits, from :meth:`start` to :meth:`stop`.

    Args:
        session: entered; it is the caller's, and closed after the stop.
        config: where things are.
        preparer: makes of a play on record what can be run.
        spawner: warm, for plays that start fast; the caller's too.
        prove: gives, for a spawner and an interpreter, what this host has proven.
        owner: whom plays run as where that is somebody else.
        minimum: one of ``core.tiers.WANTED``; a play that asks for less is not run.
        plays_at_once: how many plays run at a time.
        note: told what the operator should know.
    """

    def __init__(
        self,
        session: Session,
        *,
        config: Config,
        preparer: Preparer,
        spawner: Spawner,
        prove: Callable[[str], Callable[[str], Proof]],
        owner: Owner | None = None,
        minimum: str = DEFAULT,
        plays_at_once: int = PLAYS_AT_ONCE,
        note: Callable[[str], None],
    ) -> None:
        self._session = session
        self._config = config
        self._preparer = preparer
        self._spawner = spawner
        self._prove = prove
        self._owner = owner
        self._minimum = minimum
        self._plays_at_once = plays_at_once
        self._note = note
        self._loop = SpanLoop()
        self._changed = Condition()
        self._may_be_waiting = True
        self._is_stopping = False
        self._is_over = False
        self._running: dict[str, _Place] = {}
        self._given_back = 0
        self._choices: dict[tuple[str, str], Choice] = {}
        self._claimer = Thread(target=self._claim_all, name="claimer", daemon=True)

    @property
    def running(self) -> list[str]:
        """The sids of the plays that run here."""
        with self._changed:
            return list(self._running)

    def start(self) -> None:
        """Claim and run from now on."""
        session = self._session
        session.enter_runtime()
        session.ingest.on_trouble = self._note
        session.feed.on_trouble = self._note
        session.ears.on_trouble = self._note
        session.ring_at_commits()
        session.feed.ring(self._wake_for)
        session.ears.listen(self._look)
        self._claimer.start()

    def stop(self, *, time_s: float, is_hard: bool = False) -> None:
        """Claim nothing more, and wait for what runs; after ``time_s`` it is cancelled. Harmless twice.

        With ``is_hard`` what runs is ended at once, without its grace.
        """
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
            if not is_hard:
                self._changed.wait_for(lambda: not self._running, time_s)
            self._is_over = True
            left = list(self._running.values())
            self._changed.notify_all()
        for place in left:
            place.cancel("the stop of its worker", is_hard=is_hard)
        with self._changed:
            self._changed.wait_for(lambda: not self._running)
        if self._claimer.ident is not None:
            self._claimer.join()
        self._loop.close()

    # --- what others want ----------------------------------------------------------------------------

    def _wake_for(self, commit: Commit) -> None:
        if commit.plays:
            self._wake()

    def _wake(self) -> None:
        with self._changed:
            self._may_be_waiting = True
            self._changed.notify_all()

    def _look(self) -> None:
        """Another process has written something, or a while has passed."""
        self._count_given_back()
        self._wake()
        self._session.take_in_pushed()
        for sid, asked_by in self._session.store.asked_cancels(self._session.runtimes.own_sid):
            with self._changed:
                place = self._running.get(sid)
            if place is not None:
                place.cancel(asked_by)

    # --- claiming ------------------------------------------------------------------------------------

    def _claim_all(self) -> None:
        block_signals()
        while True:
            with self._changed:
                self._changed.wait_for(self._should_claim)
                if self._is_stopping:
                    return
                self._may_be_waiting = False
            self._claim_one()

    def _should_claim(self) -> bool:
        return self._is_stopping or (self._may_be_waiting and self._has_room())

    def _has_room(self) -> bool:
        return len(self._running) - self._given_back < self._plays_at_once

    def _count_given_back(self) -> None:
        """Look which plays that run here wait for another one."""
        waiting = self._session.store.waiting_parents(self._session.runtimes.own_sid)
        with self._changed:
            self._given_back = sum(sid in self._running for sid in waiting)

    def _claim_one(self) -> None:
        try:
            if self._given_back:
                # They may have their places again since the last look.
                self._count_given_back()
            if not self._has_room():
                return
            sid = self._session.store.claim_play(self._session.runtimes.own_sid)
        except StoreError as error:
            self._note(f"plays wait: {error}")
            # The next look tries again.
            return
        if sid is None:
            return
        place = _Place(sid)
        with self._changed:
            if not self._is_stopping:
                self._running[sid] = place
                self._may_be_waiting = True
        if place.sid not in self._running:
            self._session.store.release_play(sid, runtime_sid=self._session.runtimes.own_sid)
            return
        Thread(target=self._run, args=(place,), name=f"play-{sid}", daemon=True).start()

    # --- one play ------------------------------------------------------------------------------------

    def _run(self, place: _Place) -> None:
        block_signals()
        try:
            self._run_to_its_end(place)
        finally:
            with self._changed:
                del self._running[place.sid]
                self._may_be_waiting = True
                self._changed.notify_all()

    def _run_to_its_end(self, place: _Place) -> None:
        try:
            self._play(place)
        except HeroLogicError as error:
            self._end_unrun(place, str(error))
        except Exception as error:  # noqa: BLE001  # law 1: a fault of ours must not leave a play without an end
            self._note(
                f"the play {place.sid} could not be run, through a fault of hero-logic's own: {error!r}"
            )
            self._end_unrun(place, f"it could not be run, through a fault of hero-logic's own: {error!r}")

    def _play(self, place: _Place) -> None:
        session = self._session
        play = session.store.get_play(place.sid)
        found = session.store.read_order(place.sid)
        if found is None:
            raise NotFound(f"nothing says what the play {place.sid} is to be run with. Ask for it again.")
        order = self._preparer.run_order(play, session.store.get_version(play.version_sid), found[0])
        choice = self._choice(check_minimum(order.sandbox, self._minimum), order.python)
        run = PlayRun(
            order,
            choice,
            sid=place.sid,
            config=self._config,
            spawner=self._spawner,
            runtime_sid=session.runtimes.own_sid,
            owner=self._owner,
            note=lambda text: self._note(f"{place.sid}: {text}"),
        )
        with run:
            session.plays.begin(place.sid, run.sandbox)
            run.open_gate()
            run.take_events(session, self._loop)
            place.begins(run)
            try:
                while not run.step():
                    continue
            finally:
                place.ends()
            # Not as a command does it, which gives up at the first try that fails: it has to come to an end.
            for step in (
                lambda: run.close_inbox(session),
                lambda: run.collect(session),
                lambda: session.ingest.flush(place.sid),
                lambda: run.record_end(session, cancelled_by=place.asked_by),
            ):
                if not self._is_written(step):
                    break
            if run.has_lost_sandbox:
                self._choices.clear()

    def _choice(self, wanted: str, python: str) -> Choice:
        """What a play is kept in: proven once for each interpreter, as long as it is kept."""
        key = (wanted, python)
        choice = self._choices.get(key)
        if choice is None:
            choice = choose(wanted, self._prove(python), is_as_other=self._owner is not None)
            if wanted == "best" and choice is TIER_ZERO:
                self._note(_UNCONFINED)
            self._choices[key] = choice
        return choice

    def _end_unrun(self, place: _Place, why: str) -> None:
        """The end of a play that was claimed and could not be run, or whose end could not be written."""
        from hero_logic.core.outcome import ExitRecord, Leavings
        from hero_logic.service.endings import end_play

        session = self._session

        def end() -> Play:
            session.ingest.give_up(place.sid)
            reason = "cancelled" if place.asked_by else "not_started"
            record = ExitRecord(reason, session.now_ms(), launch_error=why)
            return end_play(
                session.store, session.ingest, place.sid, Leavings(record), cancelled_by=place.asked_by
            )

        self._is_written(end)

    def _is_written(self, write: Callable[[], object]) -> bool:
        """Write something; again while the store cannot be written, for as long as this pool is there."""
        while True:
            try:
                write()
            except StoreError as error:
                self._note(f"the end of a play waits: {error}")
                if self._is_over:
                    return False
                time.sleep(_RETRY_S)
            except (NotFound, IllegalMove):
                # Somebody ended it meanwhile, or removed it.
                return False
            else:
                return True


class _Place:
    """One of the plays that run at a time, from its claim on: it may be cancelled at any moment."""

    def __init__(self, sid: str) -> None:
        self.sid = sid
        self.asked_by = ""
        self._is_hard = False
        self._changed = Condition()
        self._run: PlayRun | None = None

    def begins(self, run: PlayRun) -> None:
        """It runs; whoever wanted it cancelled before is heard now."""
        with self._changed:
            self._run = run
            self._act()

    def ends(self) -> None:
        """It has ended; nobody says anything to it any more."""
        with self._changed:
            self._run = None

    def cancel(self, asked_by: str, *, is_hard: bool = False) -> None:
        """Have it ended, once it has begun; by whom is told of the first who asked."""
        with self._changed:
            if self.asked_by and not is_hard:
                return
            self.asked_by = self.asked_by or asked_by
            self._is_hard = self._is_hard or is_hard
            self._act()

    def _act(self) -> None:
        if self._run is None or not self.asked_by:
            return
        if self._is_hard:
            self._run.kill()
        else:
            self._run.cancel()


@contextmanager
def working(
    *,
    runtimes: Runtimes,
    open_session: Callable[[Runtimes], Session],
    start_spawner: Callable[[], Spawner],
    prover: Callable[[Spawner, str, Owner | None], Callable[[str], Proof]],
    owner: Owner | None,
    minimum: str,
    config: Config,
    preparer: Preparer,
    retention: Retention,
    remove_files: Callable[[str], None],
    plays_at_once: int,
    note: Callable[[str], None],
) -> Iterator[tuple[Session, Pool]]:
    """The session of a process that lives long, its housekeeping, and a pool that was not started.

    It is there at once, whatever the database holds: what there is to recover is recovered beside it.
    """
    from hero_logic.service.housekeeping import Housekeeping

    # Who started us may have them blocked, and what we start would have that from us: plays among it.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
    runtimes.enter()
    with runtimes.founding():
        spawner = start_spawner()
    try:
        with (
            open_session(runtimes) as session,
            Housekeeping(session, note=note, retention=retention, remove_files=remove_files),
        ):
            pool = Pool(
                session,
                config=config,
                preparer=preparer,
                spawner=spawner,
                prove=lambda python: prover(spawner, python, owner),
                owner=owner,
                minimum=minimum,
                plays_at_once=plays_at_once,
                note=note,
            )
            yield session, pool
    finally:
        spawner.close()
        runtimes.leave()


def work(
    pool: Pool,
    *,
    stop_s: float,
    is_attached: bool,
    note: Callable[[str], None],
    is_ready: Callable[[], None],
) -> None:
    """Run a pool until a signal: the first SIGINT or SIGTERM stops it, a second one ends what runs.

    Args:
        pool: not started.
        stop_s: how long what runs may go on, in seconds.
        is_attached: whether the end of standard input ends it at once, with all that it runs: whoever
            started it is gone.
        note: told what happens.
        is_ready: called when it claims.
    """
    stop = _Stop(pool, stop_s=stop_s, note=note)
    before = {number: signal.signal(number, stop.signalled) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        pool.start()
        is_ready()
        stop.wait(also=0 if is_attached else None)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        stop.close()


class _Stop:
    """What makes a pool stop: signals, and the end of a descriptor."""

    def __init__(self, pool: Pool, *, stop_s: float, note: Callable[[str], None]) -> None:
        self._pool = pool
        self._stop_s = stop_s
        self._note = note
        self._told, self._tell = os.pipe()
        os.set_blocking(self._tell, False)
        self._threads: list[Thread] = []

    def signalled(self, *_: object) -> None:
        """A signal has come: only said here, and acted on by who waits."""
        os.write(self._tell, b"S")

    def wait(self, *, also: int | None) -> None:
        """Wait until the pool has stopped; ``also`` is a descriptor whose end ends it at once."""
        poll = select.poll()
        poll.register(self._told, select.POLLIN)
        if also is not None:
            poll.register(also, select.POLLIN | select.POLLHUP)
        while True:
            # A signal that comes just before the wait wakes nobody; it is acted on at the next look.
            for descriptor, _ in poll.poll(_LOOK_FOR_SIGNALS_MS):
                words = os.read(descriptor, 4096)
                if descriptor == also:
                    if not words:
                        poll.unregister(also)
                        self._begin(is_hard=True)
                elif b"D" in words:
                    return
                else:
                    self._begin(is_hard=bool(self._threads))

    def close(self) -> None:
        """The pool has stopped, if it has not by itself."""
        self._pool.stop(time_s=0, is_hard=True)
        for thread in self._threads:
            thread.join()
        os.close(self._told)
        os.close(self._tell)

    def _begin(self, *, is_hard: bool) -> None:
        self._note("it ends what runs" if is_hard else f"no new plays; what runs has {self._stop_s:g} s")
        thread = Thread(target=self._stop, args=(is_hard,), name="stop", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _stop(self, is_hard: bool) -> None:
        try:
            self._pool.stop(time_s=self._stop_s, is_hard=is_hard)
        finally:
            os.write(self._tell, b"D")
