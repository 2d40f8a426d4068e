"""Plays: created, begun, read. A function here is a verb of every face; the end is in endings.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from hero_logic.core.errors import NotFound
from hero_logic.core.records import Access, FlowVersion, Play, Sandbox, Span, SpanRow
from hero_logic.service.versions import content_sid
from hero_logic.store.contract import Store

if TYPE_CHECKING:
    from hero_logic.core.records import NameStats
    from hero_logic.service.outline import Outline

MAX_WHOLE_SPANS = 5_000
"""A play of no more spans is read whole where it is shown."""

_PAGE_SPANS = 2000
LAST = "last"


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
    ) -> Play:
        """Put a new play on record, ``pending``; with the version of its flow, where it has a source."""
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
        )
        self.store.create_play(play, version)
        return play

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
        start = 0
        while page := self.store.read_spans(sid, start=start, limit=_PAGE_SPANS):
            yield from page
            start += len(page)

    def outline(self, play: Play) -> Outline | None:
        """The part of a large play that is read to show it; None for one that is to be read whole."""
        if play.span_count <= MAX_WHOLE_SPANS:
            return None
        from hero_logic.service.outline import read_outline

        return read_outline(self.store, play.sid)

    def failed(self, sid: str, *, limit: int) -> tuple[list[SpanRow], list[SpanRow]]:
        """The first spans that ended and not ``ok``; and these again among the spans around them."""
        from hero_logic.service.outline import with_ancestors

        rows = self.store.failed_spans(sid, limit=limit)
        return rows, with_ancestors(self.store, sid, rows)

    def failed_whole(self, sid: str) -> Iterator[Span]:
        """All spans that ended and not ``ok``, with their logs, in the order of their ordinals."""
        after = -1
        while page := self.store.failed_spans(sid, after=after, limit=_PAGE_SPANS):
            for row in page:
                yield _whole(row, self.store.read_logs(sid, row.span_id) if row.log_bytes else "")
            after = page[-1].ordinal

    def logs(self, sid: str, span_id: str) -> str:
        """The logs of one span, whole.

        Raises:
            NotFound: there is no such span.
        """
        return self.store.read_logs(sid, span_id)

    def stats(self, sid: str, *, limit: int) -> tuple[list[NameStats], bool]:
        """What the ended spans of each name took, the highest total first; and whether there are more."""
        found = self.store.name_stats(sid, limit=limit + 1)
        return found[:limit], len(found) > limit

    def list(self, *, limit: int, before: str | None = None) -> tuple[list[Play], str | None]:
        """A page of plays, newest first, and the cursor of the next one, or None.

        Raises:
            NotFound: the cursor names no play.
        """
        found = self.store.list_plays(limit=limit + 1, before=before)
        if len(found) <= limit:
            return found, None
        return found[:limit], found[limit - 1].sid


def _whole(row: SpanRow, logs: str) -> Span:
    """A row with its logs, as every face shows it."""
    fields = {name: getattr(row, name) for name in Span.__struct_fields__ if name != "logs"}
    return Span(**fields, logs=logs)
