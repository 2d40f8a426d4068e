"""Plays whose runtime is gone get a truthful end: by their supervisor's exit record, if there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hero_logic.core.errors import NotFound
from hero_logic.core.lifecycle import is_terminal
from hero_logic.core.outcome import Leavings
from hero_logic.core.records import Play
from hero_logic.service.endings import end_lost_play
from hero_logic.service.ingest import Ingest
from hero_logic.service.liveness import Runtimes
from hero_logic.service.plays import Plays

Aftermath = Callable[[str], Leavings | None]


def recover(
    plays: Plays,
    ingest: Ingest,
    runtimes: Runtimes,
    *,
    aftermath: Aftermath,
    clear: Callable[[str], None],
    leftovers: Callable[[], Iterable[str]] = tuple,
) -> list[str]:
    """End each play that no living runtime runs; the sids of those that were ended.

    Args:
        plays: the plays.
        ingest: closes their spans.
        runtimes: tells who lives; a play of a living runtime is never touched.
        aftermath: given a sid, what is left of the play; None while its supervisor still ends it.
        clear: given a sid, removes the play's files once its end is on record.
        leftovers: the sids of plays whose files are there: a runtime may be killed after it recorded an
            end and before it cleared away. Asked only where a runtime was killed.
    """
    is_any_killed = runtimes.has_killed()
    if not (is_any_killed or _lost_plays(plays, runtimes) or plays.store.plays_with_open_spans()):
        return []
    with runtimes.recovering():
        ended = _recover_alone(plays, ingest, runtimes, aftermath=aftermath, clear=clear)
        if is_any_killed:
            _clear_leftovers(plays, runtimes, clear, leftovers())
            if not _lost_plays(plays, runtimes):
                runtimes.sweep()
    return ended


def _clear_leftovers(
    plays: Plays, runtimes: Runtimes, clear: Callable[[str], None], leftovers: Iterable[str]
) -> None:
    for sid in leftovers:
        try:
            play = plays.store.get_play(sid)
        except NotFound:
            # Just being staged, or cleared by its supervisor.
            continue
        if is_terminal(play.status) and runtimes.is_gone(play.runtime_sid):
            clear(sid)


def _lost_plays(plays: Plays, runtimes: Runtimes) -> list[Play]:
    return [play for play in plays.store.unfinished_plays() if runtimes.is_gone(play.runtime_sid)]


def _recover_alone(
    plays: Plays, ingest: Ingest, runtimes: Runtimes, *, aftermath: Aftermath, clear: Callable[[str], None]
) -> list[str]:
    """What :func:`recover` does while no other process does: what one reads of a play, another would move."""
    ended = []
    for play in _lost_plays(plays, runtimes):
        leavings = aftermath(play.sid)
        if leavings is None:
            continue
        end_lost_play(plays.store, ingest, play.sid, leavings)
        clear(play.sid)
        ended.append(play.sid)
    for sid in plays.store.plays_with_open_spans():
        play = plays.store.get_play(sid)
        ingest.close(sid, status=play.status, end_ms=play.end_ms or play.created_ms)
    return ended
