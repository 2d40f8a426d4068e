"""Plays whose runtime is gone get a truthful end: by their supervisor's exit record, if there is one.

What they spooled once their runtime was gone is taken in first, from where the last try got to. Laws:

1. What no runtime has ever had is nobody's loss: a play that waits is never ended here.
2. A play that was claimed and had not begun has done nothing: it waits again. After three claims that came
   to nothing it fails, lest it be what ends the workers.
3. Plays get their ends first, those without a long spool before the others. The spans that they left open
   are closed afterwards, in batches (:func:`close_some`); what reads a play shows them closed meanwhile.
4. A flow that says ``on_lost="retry"`` is run again: a new play waits, linked to the one that was lost.

Source: docs/design/0020-the-queue.md, "What becomes of it when a worker is killed".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import monotonic
from typing import TYPE_CHECKING

import msgspec

from hero_logic.core.errors import NotFound
from hero_logic.core.lifecycle import is_terminal
from hero_logic.core.outcome import ExitRecord, Leavings
from hero_logic.core.policy import default
from hero_logic.core.records import Play
from hero_logic.service.endings import end_play
from hero_logic.service.ingest import Ingest
from hero_logic.service.liveness import Runtimes
from hero_logic.service.plays import Plays
from hero_logic.service.recording import Spool, take_in_spool

if TYPE_CHECKING:
    from hero_logic.store.contract import Store

Aftermath = Callable[[str], Leavings | None]
OpenSpool = Callable[[str], Spool | None]

MAX_CLAIMS = 3
"""After so many claims by workers that were lost before the play began, it fails."""
_LOST_BEFORE = (
    "the worker of this play was lost {claims} times before it could begin; it was not tried again. "
    "Look whether the host has memory enough, and run it again: hero-logic retry {sid}"
)


def recover(
    plays: Plays,
    ingest: Ingest,
    runtimes: Runtimes,
    *,
    aftermath: Aftermath,
    clear: Callable[[str], None],
    open_spool: OpenSpool = lambda _: None,
    leftovers: Callable[[], Iterable[tuple[str, str]]] = tuple,
    now_ms: Callable[[], float],
    new_sid: Callable[[], str] | None = None,
) -> list[str]:
    """End each play that no living runtime runs; the sids of those that were ended.

    Args:
        plays: the plays.
        ingest: takes in their spools.
        runtimes: tells who lives; a play of a living runtime is never touched.
        aftermath: given a sid, what is left of the play; None while its supervisor still ends it.
        clear: given a sid, removes the play's files once its end is on record.
        open_spool: given a sid, opens the events that the play's listener did not take, if there are any.
        leftovers: (sid, runtime) of plays whose files are there: a runtime may be killed before it put a
            play on record, and after it recorded an end and before it cleared away. Asked only where a
            runtime was killed.
        now_ms: the time of receipt of what is spooled.
        new_sid: the sid of a new play; without it no flow is run again.
    """
    is_any_killed = runtimes.has_killed()
    if not (is_any_killed or _lost_plays(plays, runtimes)):
        return []
    # What one process reads of a play here, another would move.
    with runtimes.recovering():
        recovery = _Recovery(plays, ingest, runtimes, aftermath, clear, open_spool, now_ms, new_sid)
        ended = recovery.end(_lost_plays(plays, runtimes))
        if is_any_killed:
            is_clear = _clear_leftovers(plays, runtimes, aftermath, clear, leftovers())
            if is_clear and not _lost_plays(plays, runtimes):
                runtimes.sweep()
    return ended


class _Recovery:
    """The plays that are lost, one after the other."""

    def __init__(
        self,
        plays: Plays,
        ingest: Ingest,
        runtimes: Runtimes,
        aftermath: Aftermath,
        clear: Callable[[str], None],
        open_spool: OpenSpool,
        now_ms: Callable[[], float],
        new_sid: Callable[[], str] | None,
    ) -> None:
        self._plays = plays
        self._store = plays.store
        self._ingest = ingest
        self._runtimes = runtimes
        self._aftermath = aftermath
        self._clear = clear
        self._open_spool = open_spool
        self._now_ms = now_ms
        self._new_sid = new_sid

    def end(self, lost: list[Play]) -> list[str]:
        """Those that were ended."""
        ended = []
        with_spool: list[tuple[Play, Leavings, Spool]] = []
        for play in lost:
            leavings = self._aftermath(play.sid)
            if leavings is None or self._waits_again(play):
                continue
            spool = self._open_spool(play.sid)
            if spool is None:
                self._end(play, leavings, None)
                ended.append(play.sid)
            else:
                with_spool.append((play, leavings, spool))
        for play, leavings, spool in with_spool:
            self._end(play, leavings, spool)
            ended.append(play.sid)
        return ended

    def _waits_again(self, play: Play) -> bool:
        """Whether a play that had not begun waits for another worker, now or in a moment."""
        found = self._store.read_order(play.sid)
        if play.status != "pending" or found is None or not 0 < found[1] < MAX_CLAIMS:
            return False
        if self._runtimes.is_family_gone(play.runtime_sid):
            self._clear(play.sid)
            self._store.release_play(play.sid, runtime_sid=play.runtime_sid)
        return True

    def _end(self, play: Play, leavings: Leavings, spool: Spool | None) -> None:
        found = self._store.read_order(play.sid)
        if play.status == "pending" and found is not None and found[1] >= MAX_CLAIMS:
            error = _LOST_BEFORE.format(claims=found[1], sid=play.sid)
            leavings = Leavings(ExitRecord("not_started", leavings.record.end_ms, launch_error=error))
        if leavings.record.reason in ("runtime_gone", "supervisor_gone"):
            # First: were we killed in between, the end would hide that this was to come.
            self._run_again(play)
        problem = take_in_spool(self._store, self._ingest, play.sid, spool, now_ms=self._now_ms)
        end_play(self._store, self._ingest, play.sid, leavings, problem=problem, is_runtime_gone=True)
        self._clear(play.sid)

    def _run_again(self, play: Play) -> None:
        """A new play in the place of one that was lost, if its flow wants that."""
        found = self._store.read_order(play.sid)
        if self._new_sid is None or found is None or found[1] == 0:
            # It never waited: who ran it is not there to run it again.
            return
        order = found[0]
        if order.on_lost != "retry" or order.attempt >= default("lost_attempts"):
            return
        if self._store.retries(play.sid, limit=1):
            return
        self._plays.create_again(
            self._new_sid(),
            play,
            msgspec.structs.replace(order, attempt=order.attempt + 1),
            asked_by=f"the loss of {play.sid}",
        )


def close_some(store: Store, ingest: Ingest, runtimes: Runtimes, *, until_s: float) -> bool:
    """Close spans of plays that have ended without them, in batches, until a time; whether there may be more.

    Who comes second leaves it to who came first.
    """
    for sid in store.plays_with_open_spans():
        play = store.brief_play(sid)
        end_ms = play.end_ms or play.created_ms
        while True:
            with runtimes.recovering(waits=False) as is_ours:
                if not is_ours:
                    return True
                is_more = ingest.close_some(sid, status=play.status, end_ms=end_ms)
            if not is_more:
                break
            if monotonic() >= until_s:
                return True
    return False


def _clear_leftovers(
    plays: Plays,
    runtimes: Runtimes,
    aftermath: Aftermath,
    clear: Callable[[str], None],
    leftovers: Iterable[tuple[str, str]],
) -> bool:
    """Remove the files of plays that are over; False where a supervisor is still at that."""
    is_clear = True
    for sid, runtime_sid in leftovers:
        if not runtimes.is_gone(runtime_sid):
            continue
        try:
            is_over = is_terminal(plays.store.brief_play(sid).status)
        except NotFound:
            # Its runtime was killed before it was put on record: its supervisor clears up, if it has one.
            is_over = aftermath(sid) is not None
            is_clear = is_clear and is_over
        if is_over:
            clear(sid)
    return is_clear


def _lost_plays(plays: Plays, runtimes: Runtimes) -> list[Play]:
    return [play for play in plays.store.unfinished_plays() if runtimes.is_gone(play.runtime_sid)]
