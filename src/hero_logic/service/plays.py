"""Plays: created, begun, read. A function here is a verb of every face; the end is in endings.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

import msgspec

from hero_logic.core.errors import NotFound
from hero_logic.core.lifecycle import is_terminal
from hero_logic.core.records import Access, FlowVersion, Play, PlayOrder, Sandbox, Span, SpanRow
from hero_logic.service.versions import content_sid
from hero_logic.store.contract import Store

if TYPE_CHECKING:
    from hero_logic.core.finding import PlayFilter, StoreSize
    from hero_logic.core.records import NameStats
    from hero_logic.service.outline import Outline

_Spanned = TypeVar("_Spanned", Span, SpanRow)

MAX_WHOLE_SPANS = 5_000
"""A play of no more spans is read whole where it is shown."""

_PAGE_SPANS = 2000
FIND_SPANS = 2 * _PAGE_SPANS
"""So many spans one call of ``find_spans`` looks at: a part of a second."""
LAST = "last"
_encode = msgspec.json.Encoder().encode


class Plays:
    """What can be done with plays, over one store."""

    def __init__(self, store: Store, *, now_ms: Callable[[], float], runtime_sid: str) -> None:
        self.store = store
        self._now_ms = now_ms
        self.runtime_sid = runtime_sid

    def create(
        self,
        sid: str,
        *,
        flow: str = "",
        path: str = "",
        source: str | None = None,
        input_json: str = "{}",
        access: Access | None = None,
        order: PlayOrder | None = None,
        retry_of: str = "",
        asked_by: str = "",
    ) -> Play:
        """Put a new play of this runtime on record, ``pending``; with its version, where it has a source."""
        now_ms = self._now_ms()
        version = None
        if source is not None:
            version = FlowVersion(content_sid(source), flow, path, source, now_ms)
        play = Play(
            sid=sid,
            flow=flow,
            input_json=input_json,
            access=access or Access(),
            created_ms=now_ms,
            version_sid=version.version_sid if version else "",
            runtime_sid=self.runtime_sid,
            retry_of=retry_of,
            asked_by=asked_by,
        )
        self.store.create_play(play, version, order)
        return play

    def create_waiting(
        self,
        sid: str,
        *,
        version: FlowVersion,
        flow: str,
        input_json: str,
        access: Access,
        order: PlayOrder,
        retry_of: str = "",
        parent_play_sid: str = "",
        parent_span_id: str = "",
        asked_by: str = "",
    ) -> Play:
        """Put a new play on record that waits for a worker; and its version, where that is not known yet."""
        play = Play(
            sid=sid,
            flow=flow,
            input_json=input_json,
            access=access,
            created_ms=self._now_ms(),
            version_sid=version.version_sid,
            retry_of=retry_of,
            parent_play_sid=parent_play_sid,
            parent_span_id=parent_span_id,
            asked_by=asked_by,
        )
        self.store.create_play(play, version, order)
        return play

    def create_again(self, sid: str, play: Play, order: PlayOrder, *, asked_by: str) -> Play:
        """Have another play wait that runs the same version with the same input, linked to the first."""
        whole = self.store.get_play(play.sid)
        return self.create_waiting(
            sid,
            version=self.store.get_version(whole.version_sid),
            flow=whole.flow,
            input_json=whole.input_json,
            access=whole.access,
            order=order,
            retry_of=whole.sid,
            parent_play_sid=whole.parent_play_sid,
            parent_span_id=whole.parent_span_id,
            asked_by=asked_by,
        )

    def begin(self, sid: str, sandbox: Sandbox) -> None:
        """A play runs from now on."""
        self.store.begin_play(sid, start_ms=self._now_ms(), sandbox=sandbox)

    def get(self, sid: str) -> Play:
        """A play by its sid; ``last`` is the one that was created last.

        Raises:
            NotFound: there is no such play.
        """
        if sid == LAST:
            last_sid = self.store.last_play_sid()
            if last_sid is None:
                raise NotFound("there is no play yet; `hero-logic run FLOW.py` makes one.")
            sid = last_sid
        return self.store.get_play(sid)

    def spans(self, sid: str) -> Iterator[Span]:
        """All spans of a play, in the order in which they were first heard of, read in pages."""
        ended = _ended(self.store, sid)
        start = 0
        while page := self.store.read_spans(sid, start=start, limit=_PAGE_SPANS):
            yield from page if ended is None else _all_closed(page, ended)
            start += len(page)

    def brief(self, sid: str) -> Play:
        """A play without what is heavy, by its sid or ``last``.

        Raises:
            NotFound: there is no such play.
        """
        return self.get(sid) if sid == LAST else self.store.brief_play(sid)

    def outline(self, play: Play) -> Outline | None:
        """The part of a large play that is read to show it; None for one that is to be read whole."""
        return self.outline_of_any(play) if play.span_count > MAX_WHOLE_SPANS else None

    def outline_of_any(self, play: Play) -> Outline:
        """The same for a play of any size."""
        from hero_logic.service.outline import read_outline

        outline = read_outline(self.store, play.sid)
        ended = _ended(self.store, play.sid)
        if ended is None or not outline.counts.get("running"):
            return outline
        from hero_logic.service.closed_view import outline_as_closed

        return outline_as_closed(outline, ended)

    def failed(self, sid: str, *, limit: int, after: int = -1) -> tuple[list[SpanRow], list[SpanRow]]:
        """The first spans that ended and not ``ok``; and these again among the spans around them.

        Those alone whose ordinals are above ``after``.
        """
        from hero_logic.service.outline import with_ancestors

        ended = _ended(self.store, sid)
        rows = self._failed_page(sid, ended, after=after, limit=limit)
        around = with_ancestors(self.store, sid, rows)
        return rows, around if ended is None else _all_closed(around, ended)

    def failed_whole(self, sid: str) -> Iterator[Span]:
        """All spans that ended and not ``ok``, with their logs, in the order of their ordinals."""
        after = -1
        ended = _ended(self.store, sid)
        while page := self._failed_page(sid, ended, after=after, limit=_PAGE_SPANS):
            for row in page:
                yield row.whole(self.store.read_logs(sid, row.span_id) if row.log_bytes else "")
            after = page[-1].ordinal

    def _failed_page(self, sid: str, ended: Play | None, *, after: int, limit: int) -> list[SpanRow]:
        """Spans that ended and not ``ok``, those of an ended play that are still to be closed among them."""
        rows = self.store.failed_spans(sid, after=after, limit=limit)
        if ended is None:
            return rows
        rows += _all_closed(self.store.running_spans(sid, after=after, limit=limit), ended)
        # One that was closed between the two readings is in both.
        return list({row.ordinal: row for row in sorted(rows, key=_ordinal)}.values())[:limit]

    def status_counts(self, sid: str) -> dict[str, int]:
        """How many spans of a play have which status; those of none are left out.

        Raises:
            NotFound: there is no such play.
        """
        counts = self.store.status_counts(sid)
        ended = _ended(self.store, sid) if "running" in counts else None
        if ended is None:
            return counts
        from hero_logic.service.closed_view import counts_as_closed

        return counts_as_closed(counts, ended)

    def logs(self, sid: str, span_id: str) -> str:
        """The logs of one span, whole.

        Raises:
            NotFound: there is no such span.
        """
        return self.store.read_logs(sid, span_id)

    def find_spans(self, sid: str, text: str, *, start: int = 0) -> tuple[list[int], int | None]:
        """The ordinals of spans that have all words of a text, and where to look on; None at the end.

        Looked at are the next ``FIND_SPANS`` from the ordinal ``start`` on: in their names, errors, tags (as
        JSON) and logs, whatever the case. A text without words fits none.

        Raises:
            NotFound: there is no such play.
        """
        words = text.casefold().split()
        found: list[int] = []
        for first in range(start, start + FIND_SPANS, _PAGE_SPANS):
            page = self.store.read_spans(sid, start=first, limit=_PAGE_SPANS)
            # The ordinals of a play are without gaps.
            found += [first + place for place, span in enumerate(page) if words and _has_words(span, words)]
            if len(page) < _PAGE_SPANS:
                return found, None
        return found, start + FIND_SPANS

    def size(self) -> StoreSize:
        """How much there is on record, and how many plays wait and run."""
        store = self.store
        return msgspec.structs.replace(
            store.size(), plays_waiting=store.waiting_count(), plays_running=store.running_count()
        )

    def stats(self, sid: str, *, limit: int) -> tuple[list[NameStats], bool]:
        """What the ended spans of each name took, the highest total first; and whether there are more."""
        found = self.store.name_stats(sid, limit=limit + 1)
        return found[:limit], len(found) > limit

    def list(
        self, *, limit: int, before: str | None = None, wanted: PlayFilter | None = None
    ) -> tuple[list[Play], str | None]:
        """A page of plays that are as wanted, newest first, and the cursor of the next one, or None.

        Raises:
            NotFound: the cursor names no play.
        """
        if wanted is None:
            found = self.store.list_plays(limit=limit + 1, before=before)
        else:
            found = self.store.find_plays(wanted, limit=limit + 1, before=before)
        if len(found) <= limit:
            return found, None
        return found[:limit], found[limit - 1].sid


def _has_words(span: Span, words: list[str]) -> bool:
    text = f"{span.name}\n{span.error}\n{_encode(span.tags).decode()}\n{span.logs}".casefold()
    return all(word in text for word in words)


def _ended(store: Store, sid: str) -> Play | None:
    """The play, if it has ended: then none of its spans runs, even if they are still to be closed."""
    try:
        play = store.brief_play(sid)
    except NotFound:
        return None
    return play if is_terminal(play.status) else None


def _all_closed(spans: list[_Spanned], ended: Play) -> list[_Spanned]:
    """Spans of a play that has ended, as they are once they are closed: one that is open is rare."""
    if not any(span.status == "running" for span in spans):
        return spans
    from hero_logic.service.closed_view import as_closed

    return [as_closed(span, ended) for span in spans]


def _ordinal(row: SpanRow) -> int:
    return row.ordinal
