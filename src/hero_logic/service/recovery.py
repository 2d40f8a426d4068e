"""Plays whose runtime is gone get a truthful end: by their supervisor's exit record, if there is one.

What they spooled once their runtime was gone is taken in first, from where the last try got to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hero_logic.core.errors import NotFound
from hero_logic.core.lifecycle import is_terminal
from hero_logic.core.outcome import Leavings
from hero_logic.core.records import Play
from hero_logic.service.endings import end_play
from hero_logic.service.ingest import Ingest
from hero_logic.service.liveness import Runtimes
from hero_logic.service.plays import Plays
from hero_logic.service.recording import Spool, take_in_spool

Aftermath = Callable[[str], Leavings | None]
OpenSpool = Callable[[str], Spool | None]


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
) -> list[str]:
    """End each play that no living runtime runs; the sids of those that were ended.

    Args:
        plays: the plays.
        ingest: closes their spans.
        runtimes: tells who lives; a play of a living runtime is never touched.
        aftermath: given a sid, what is left of the play; None while its supervisor still ends it.
        clear: given a sid, removes the play's files once its end is on record.
        open_spool: given a sid, opens the events that the play's listener did not take, if there are any.
        leftovers: (sid, runtime) of plays whose files are there: a runtime may be killed before it put a
            play on record, and after it recorded an end and before it cleared away. Asked only where a
            runtime was killed.
        now_ms: the time of receipt of what is spooled.
    """
    is_any_killed = runtimes.has_killed()
    if not (is_any_killed or _lost_plays(plays, runtimes) or plays.store.plays_with_open_spans()):
        return []
    # What one process reads of a play here, another would move.
    with runtimes.recovering():
        ended = []
        for play in _lost_plays(plays, runtimes):
            leavings = aftermath(play.sid)
            if leavings is None:
                continue
            problem = take_in_spool(plays.store, ingest, play.sid, open_spool(play.sid), now_ms=now_ms)
            end_play(plays.store, ingest, play.sid, leavings, problem=problem, is_runtime_gone=True)
            clear(play.sid)
            ended.append(play.sid)
        _close_open_spans(plays, ingest)
        if is_any_killed:
            is_clear = _clear_leftovers(plays, runtimes, aftermath, clear, leftovers())
            if is_clear and not _lost_plays(plays, runtimes):
                runtimes.sweep()
    return ended


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
            is_over = is_terminal(plays.store.get_play(sid).status)
        except NotFound:
            # Its runtime was killed before it was put on record: its supervisor clears up, if it has one.
            is_over = aftermath(sid) is not None
            is_clear = is_clear and is_over
        if is_over:
            clear(sid)
    return is_clear


def _lost_plays(plays: Plays, runtimes: Runtimes) -> list[Play]:
    return [play for play in plays.store.unfinished_plays() if runtimes.is_gone(play.runtime_sid)]


def _close_open_spans(plays: Plays, ingest: Ingest) -> None:
    """End what is open of plays that have their end: their runtime was killed between the two."""
    for sid in plays.store.plays_with_open_spans():
        play = plays.store.get_play(sid)
        ingest.close(sid, status=play.status, end_ms=play.end_ms or play.created_ms)
