"""What changed, as server-sent events, read from the store.

Laws:

1. Told is what is on disk, in the order of its revisions; the id of an event says that everything up to
   it was told.
2. A span is told whole, as in the document of a play: who has it twice has lost nothing.
3. What is told once is not told again: a row of a later revision comes with that, and not before.

Source: docs/rpc.md, "Events".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from hero_logic.core.errors import NotFound
from hero_logic.core.lifecycle import is_terminal
from hero_logic.core.records import SpanRow
from hero_logic.service.extracts import play_news, span_news, whole_logs
from hero_logic.service.feed import Follower

if TYPE_CHECKING:
    from hero_logic.core.records import Play
    from hero_logic.store.contract import Store

PAGE_ROWS = 2000
COMMENT = b":\n"
"""Without an empty line after it, which some clients take for an event without data."""

_encode = msgspec.json.Encoder().encode


class Page(msgspec.Struct, frozen=True):
    """What changed in one stretch of revisions, as events."""

    since: int
    """Everything up to it was told before."""
    revision: int
    """Everything up to it is told with this."""
    text: bytes
    """Events; b"" where nothing changed."""
    is_all: bool
    """Whether there was no more when it was read."""
    ended: bytes = b""
    """The last event of the play, where all of it is told now."""


def event(name: str, revision: int, data: dict[str, Any]) -> bytes:
    """One event; JSON has no newline in it.

    >>> event("reset", 7, {"revision": 7})
    b'id: 7\\nevent: reset\\ndata: {"revision":7}\\n\\n'
    """
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (revision, name.encode(), _encode(data))


def reset_event(revision: int, reason: str) -> bytes:
    """Read the first view again: what lies before this revision is not told."""
    return event("reset", revision, {"revision": revision, "reason": reason})


def read_page(
    store: Store, sid: str | None, *, since: int, until: int | None = None, limit: int = PAGE_ROWS
) -> Page:
    """What changed after a revision, of one play or of all; the end of the play too, if it has come.

    Args:
        store: to read from.
        sid: the play, or None for all of them.
        since: all up to it is told.
        until: what has a higher revision is left out; who asks gets that another way.
        limit: at most so many plays, and spans.

    Raises:
        NotFound: there is no such play.
    """
    follower = Follower(store, sid, since=since)
    changes = follower.changes(limit)
    last = follower.revision if until is None else min(follower.revision, max(until, since))
    # That of one play ends with its deletion; all that were deleted up to there are known by now.
    gone = store.deletions(since=since, until=last) if sid is None else []
    if changes is None:
        text = b"".join(_events(store, [], [], gone, last))
        return Page(since, last, text, is_all=True, ended=_end(store, sid, last))
    # A row whose revision is above what is told belongs to a later page: it comes again there.
    plays = [play for play in changes.plays if play.revision <= last]
    spans = [(of, row) for of, row in changes.spans if row.revision <= last]
    is_all = changes.is_all and last == changes.revision
    return Page(
        since,
        last,
        b"".join(_events(store, plays, spans, gone, last)),
        is_all=is_all,
        ended=_end(store, sid, last) if is_all else b"",
    )


def _events(
    store: Store,
    plays: Iterable[Play],
    spans: Iterable[tuple[str, SpanRow]],
    gone: Iterable[tuple[str, int]],
    last: int,
) -> Iterator[bytes]:
    """Events in the order of revisions: spans of one play that follow each other are one event."""
    items: list[tuple[int, str, Play | SpanRow | None]] = [(play.revision, play.sid, play) for play in plays]
    items += [(row.revision, sid, row) for sid, row in spans]
    items += [(revision, sid, None) for sid, revision in gone]
    items.sort(key=lambda item: item[0])
    told: list[tuple[int, str, list[dict[str, Any]] | dict[str, Any] | None]] = []
    for revision, sid, item in items:
        if isinstance(item, SpanRow):
            try:
                row = span_news(item, whole_logs(store, sid, item))
            except NotFound:
                continue  # the play was deleted since the rows were read: there is nothing left to tell of it
            before = told[-1] if told else None
            if before is not None and before[1] == sid and isinstance(before[2], list):
                before[2].append(row)
                told[-1] = (revision, sid, before[2])
            else:
                told.append((revision, sid, [row]))
        else:
            told.append((revision, sid, None if item is None else play_news(item)))
    for number, (revision, sid, what) in enumerate(told):
        # The last one stands for the whole stretch, up to its end.
        revision = last if number == len(told) - 1 else revision
        if isinstance(what, list):
            yield event("span", revision, {"revision": revision, "play_sid": sid, "spans": what})
        elif what is None:
            yield event("deleted", revision, {"revision": revision, "play_sid": sid})
        else:
            yield event("play", revision, {"revision": revision, "play": what})


def _end(store: Store, sid: str | None, revision: int) -> bytes:
    """The ``end`` of a play that is over; b"" where anything of it may still change."""
    if sid is None:
        return b""
    play = store.brief_play(sid)
    if not is_terminal(play.status) or play.revision > revision or store.running_spans(sid, limit=1):
        return b""
    return event("end", revision, {"revision": revision, "play_sid": sid, "status": play.status})


def deleted_page(sid: str, since: int, revision: int) -> Page:
    """All that is left to tell of a play that was deleted: its ``end``."""
    ended = event("end", revision, {"revision": revision, "play_sid": sid, "status": "deleted"})
    return Page(since, revision, b"", is_all=True, ended=ended)


def is_over(store: Store, sid: str, *, after: int) -> bool:
    """Whether a play has ended and everything up to its end was told with ``after``.

    Raises:
        NotFound: there is no such play.
    """
    return bool(_end(store, sid, after))
