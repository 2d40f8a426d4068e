"""The plays and flows of a server, behind the calls of on_record.py and of the services: seam.py has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hero_logic.client.facts import as_outline, as_play, as_row, as_span
from hero_logic.core.errors import UsageError
from hero_logic.core.library import FlowDetails, FlowPage, FlowPut, FoundFlows, VersionPage
from hero_logic.core.publishing import check_source
from hero_logic.service import document, extracts, flow_document
from hero_logic.service.flows import page_limit
from hero_logic.service.plays import MAX_WHOLE_SPANS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from hero_logic.client.link import Link
    from hero_logic.core.finding import PlayFilter, StoreSize
    from hero_logic.core.library import Flow
    from hero_logic.core.records import Changes, NameStats, Play, Span, SpanRow
    from hero_logic.service.outline import Outline

_MAX_PAGE = 1000
_PAGE_SPANS = 200
"""So few that the logs of all of them are still an answer: a span has up to a megabyte of those."""


class ServerAsking:
    """What can be asked of a server's plays, while a ``with`` block lasts."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def __enter__(self) -> ServerVerbs:
        return ServerVerbs(self._link)

    def __exit__(self, *_: object) -> None:
        self._link.close()


class ServerVerbs:
    """What is asked of a server's plays."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def play_cancel(self, play_sid: str, *, asked_by: str = "") -> Play:
        """Have a play ended; as it stands then. By whom, the server says itself."""
        return self._link.play(self._link.play_cancel(play_sid).sid)

    def play_wait(self, play_sid: str, *, timeout_ms: float = 0.0) -> Play:
        """The play once it has ended, or as it stands when the time is over; 0 waits for ever."""
        return self._link.wait(play_sid, timeout_s=timeout_ms / 1000 if timeout_ms else None)

    def play_retry(self, play_sid: str, *, keeps_grants: bool = False, asked_by: str = "") -> str:
        """Have another play run the same; its sid. What that is granted the server decides anew."""
        return self._link.play_retry(play_sid)

    def play_delete(self, play_sid: str) -> None:
        """Remove a play that has ended."""
        self._link.play_delete(play_sid)


class ServerReading:
    """What a server has on record, while a ``with`` block lasts."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._known_logs: dict[str, int] = {}

    def __enter__(self) -> ServerReading:
        return self

    def __exit__(self, *_: object) -> None:
        self._link.close()

    def play(self, sid: str) -> Play:
        """A play by its sid, or ``last``.

        Raises:
            NotFound: there is no such play.
        """
        return self._link.play(sid)

    def path_of(self, play: Play) -> str:
        """Nothing: a file of the server's machine is none of this one."""
        return ""

    @property
    def flows(self) -> ServerFlows:
        """The published flows."""
        return ServerFlows(self._link)

    @property
    def library(self) -> ServerLibrary:
        """Their search."""
        return ServerLibrary(self._link)

    def flow_document(self, said: FlowPut | FlowPage | FoundFlows | FlowDetails | VersionPage) -> bytes:
        """What was said of flows as one JSON document."""
        return flow_document.flow_document(said)

    def spans(self, sid: str) -> Iterator[Span]:
        """All spans of a play, in the order in which they were first heard of."""
        start: int | None = 0
        while start is not None:
            page = self._link.play_spans(sid, start=start, limit=_PAGE_SPANS)
            yield from page.spans
            start = page.next

    def logs(self, sid: str, span_id: str) -> str:
        """The logs of one span, whole."""
        return self._link.span_logs(sid, span_id=span_id).logs

    def outline(self, play: Play) -> Outline | None:
        """The part of a large play that is read to show it; None for one whose spans are to be read all."""
        if play.span_count <= MAX_WHOLE_SPANS:
            return None
        outline = as_outline(self._link.play_outline(play.sid))
        self._known_logs = {row.span_id: row.log_bytes for row in outline.rows if row.log_bytes}
        return outline

    def failed(self, sid: str, *, limit: int) -> tuple[list[SpanRow], list[SpanRow]]:
        """The first spans that ended and not ``ok``; and these again among the spans around them."""
        found = self._link.play_failed(sid, limit=min(limit, _MAX_PAGE))
        return list(map(as_row, found.spans)), list(map(as_row, found.around))

    def status_counts(self, sid: str) -> dict[str, int]:
        """How many spans of a play have which status."""
        return self._link.play_outline(sid).counts

    def stats(self, sid: str, *, limit: int) -> tuple[list[NameStats], bool]:
        """What the ended spans of each name took, the highest total first; and whether there are more."""
        found = self._link.play_stats(sid, limit=limit)
        return found.names, not found.is_all

    def changes(self, sid: str, *, since: int, interval_s: float) -> Iterator[Changes | None]:
        """What changes of a play after a revision, until it has ended and all is told.

        None each time that nothing has changed for ``interval_s``; a server that is gone for a moment is
        waited for.
        """
        known_logs, self._known_logs = self._known_logs, {}
        with self._link.events(sid, after=since, known_logs=known_logs) as events:
            while not events.is_over:
                yield events.take(interval_s)

    def play_line(self, play: Play) -> bytes:
        """A play as it stands, as a line of JSON."""
        return extracts.play_line(play)

    def change_lines(self, plays: Iterable[Play], rows: Iterable[SpanRow]) -> Iterator[bytes]:
        """What changed, as lines of JSON, in the order of revisions; plays that have ended are left out."""
        return extracts.change_lines(plays, rows)

    def failed_document(self, sid: str) -> Iterator[bytes]:
        """All spans that ended and not ``ok`` as one JSON document, in pieces."""
        return extracts.failed_document(sid, self._failed_whole(sid))

    def _failed_whole(self, sid: str) -> Iterator[Span]:
        start: int | None = 0
        while start is not None:
            page = self._link.play_failed(sid, start=start, limit=_PAGE_SPANS)
            yield from map(as_span, page.spans)
            start = page.next

    def stats_document(self, sid: str, *, limit: int) -> bytes:
        """What the spans of each name took, as one JSON document."""
        names, is_more = self.stats(sid, limit=limit)
        return extracts.stats_document(sid, names, is_all=not is_more)

    def document(self, play: Play) -> Iterator[bytes]:
        """The play and its spans as one JSON document, in pieces."""
        return document.play_document(play, self.spans(play.sid))

    def page(
        self, *, limit: int, before: str | None, wanted: PlayFilter | None = None
    ) -> tuple[list[Play], str | None]:
        """Plays, newest first, and the cursor of the next page."""
        plays: list[Play] = []
        cursor = before
        while len(plays) < limit:
            page = self._link.find_plays(
                limit=min(limit - len(plays), _MAX_PAGE), before=cursor, wanted=wanted
            )
            plays.extend(map(as_play, page.plays))
            cursor = page.next
            if cursor is None:
                break
        return plays, cursor

    def size(self) -> StoreSize:
        """How much there is on record."""
        return self._link.store_size()

    def list_document(self, plays: list[Play], next_cursor: str | None) -> bytes:
        """A page of plays as one JSON document, with how much there is."""
        return document.list_document(plays, next_cursor, self.size())


class ServerFlows:
    """The published flows of a server."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def put(
        self,
        *,
        name: str,
        python_source: str,
        description: str | None = None,
        tags: Sequence[str] | None = None,
        beside: Collection[str] = (),
    ) -> FlowPut:
        """Publish a source; what lies beside its file, which the server cannot see, is looked at here."""
        checked = check_source(python_source, name, beside)
        if not checked.is_fit:
            return FlowPut(flow_sid=None, version_sid=None, is_new_version=False, problems=checked.problems)
        tag_list = None if tags is None else list(tags)
        return self._link.flow_put(name, python_source=python_source, description=description, tags=tag_list)

    def put_legacy(
        self,
        *,
        name: str,
        dag_json: str,
        description: str | None = None,
        tags: Sequence[str] | None = None,
    ) -> FlowPut:
        """Refused: a server takes Python.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            f"{name} is a workflow of before, as JSON, and a server takes Python source alone. Make a flow "
            "of it with `hero-logic migrate`, or add it on the machine where the server's data lies."
        )

    def get(self, flow_sid: str, *, version_sid: str = "") -> FlowDetails:
        """A flow with the source of its current version, or of another one."""
        return self._link.flow_get(flow_sid, version_sid=version_sid)

    def find(self, flow_sid: str) -> Flow:
        """A flow as it stands."""
        return self._link.flow_get(flow_sid)

    def versions(self, flow_sid: str, *, limit: int = 20, cursor: str | None = None) -> VersionPage:
        """A page of the versions of a flow."""
        return self._link.flow_versions(flow_sid, limit=page_limit(limit), before=cursor)

    def list(self, *, limit: int = 20, cursor: str | None = None, archived: bool = False) -> FlowPage:
        """A page of flows."""
        return self._link.flow_list(page_limit(limit), before=cursor, archived=archived)

    def archive(self, flow_sid: str, *, is_archived: bool = True) -> Flow:
        """Have a flow neither listed nor found nor run, or again."""
        return self._link.flow_archive(flow_sid, is_archived=is_archived)

    def delete(self, flow_sid: str) -> Flow:
        """Remove a flow."""
        return self._link.flow_delete(flow_sid)

    def count_plays(self, flow_sid: str) -> int:
        """How many plays on record ran a version of a flow."""
        return self._link.flow_usage(flow_sid).plays


class ServerLibrary:
    """The search of a server's flows."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def search(self, query: str = "", *, limit: int = 20) -> FoundFlows:
        """Flows that a query finds, the best first."""
        return self._link.flow_library_search(query, limit=page_limit(limit))
