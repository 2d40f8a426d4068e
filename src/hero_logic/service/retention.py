"""Which plays are kept, and for how long: all of them, unless somebody says otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from hero_logic.core.errors import IllegalMove, NotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hero_logic.store.contract import Store

_SWEPT_ROWS = 500
"""Rows of a kind that one transaction removes: a few milliseconds, in which nobody else writes."""
_DAY_MS = 86_400_000.0


class Retention(msgspec.Struct, frozen=True):
    """What is kept; None is no bound. A play goes that is past any of them, the oldest first."""

    max_age_days: float | None = None
    """Since it was created."""
    max_plays: int | None = None
    max_bytes: int | None = None
    """Of the database, without what is free in it, and of what plays left."""

    @property
    def keeps_all(self) -> bool:
        """Whether nothing is ever removed."""
        return self.max_age_days is None and self.max_plays is None and self.max_bytes is None


class Pruned(msgspec.Struct, frozen=True):
    """What a pruning removed, or would have."""

    sids: list[str]
    freed_bytes: int
    """0 where nothing was really removed."""


def delete(store: Store, sid: str, *, remove_files: Callable[[str], None]) -> None:
    """Remove a play that has ended, its files first: were we killed in between, it could be removed again.

    Raises:
        NotFound: there is no such play.
        IllegalMove: it has not ended.
    """
    if not _is_over(store, sid):
        store.delete_play(sid)  # which says why not
    remove_files(sid)
    store.delete_play(sid)
    sweep(store)


def _is_over(store: Store, sid: str) -> bool:
    from hero_logic.core.lifecycle import is_terminal

    return is_terminal(store.brief_play(sid).status)


def sweep(store: Store) -> None:
    """Remove what is left of plays that were deleted, in small transactions."""
    while store.sweep_deleted(limit=_SWEPT_ROWS):
        pass


def prune(
    store: Store,
    retention: Retention,
    *,
    now_ms: float,
    remove_files: Callable[[str], None],
    is_dry: bool = False,
) -> Pruned:
    """Remove the oldest plays that have ended until what is left is as wanted; what runs or waits stays.

    With ``is_dry`` nothing is removed, and told is what age and number ask for: how much room a play takes is
    known once it is gone.
    """
    if retention.keeps_all:
        return Pruned([], 0)
    if is_dry:
        return Pruned(_would_go(store, retention, now_ms), 0)
    before = store.size()
    gone: list[str] = []
    while (sid := _next(store, retention, now_ms)) is not None:
        try:
            delete(store, sid, remove_files=remove_files)
        except (NotFound, IllegalMove):
            # Somebody else was faster.
            continue
        gone.append(sid)
    return Pruned(gone, max(0, before.total_bytes - store.size().total_bytes) if gone else 0)


def _next(store: Store, retention: Retention, now_ms: float) -> str | None:
    """The play that is to go next, or None."""
    oldest = store.oldest_ended(limit=1)
    if not oldest:
        return None
    sid, created_ms = oldest[0]
    size = store.size()
    is_old = retention.max_age_days is not None and created_ms < now_ms - retention.max_age_days * _DAY_MS
    are_many = retention.max_plays is not None and size.plays > retention.max_plays
    is_large = retention.max_bytes is not None and size.total_bytes > retention.max_bytes
    return sid if is_old or are_many or is_large else None


def _would_go(store: Store, retention: Retention, now_ms: float) -> list[str]:
    plays = store.size().plays
    found = store.oldest_ended(limit=plays)
    too_many = 0 if retention.max_plays is None else max(0, plays - retention.max_plays)
    oldest_ms = float("-inf") if retention.max_age_days is None else now_ms - retention.max_age_days * _DAY_MS
    return [
        sid for number, (sid, created_ms) in enumerate(found) if number < too_many or created_ms < oldest_ms
    ]


VARIABLES = ("HERO_LOGIC_KEEP_DAYS", "HERO_LOGIC_KEEP_PLAYS", "HERO_LOGIC_KEEP_MB")


def read_retention(environment: dict[str, str]) -> Retention:
    """What the environment wants kept; all where it says nothing.

    Raises:
        UsageError: a variable has a value that means nothing.

    >>> read_retention({"HERO_LOGIC_KEEP_MB": "2"}).max_bytes
    2000000
    """
    days, plays, megabytes = (_number(environment, name) for name in VARIABLES)
    return Retention(
        max_age_days=days,
        max_plays=None if plays is None else int(plays),
        max_bytes=None if megabytes is None else int(megabytes * 1_000_000),
    )


def _number(environment: dict[str, str], name: str) -> float | None:
    text = environment.get(name, "")
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise UsageError(f"{name} is {text!r:.60}; it is a number, from 0 up.")
    return number
