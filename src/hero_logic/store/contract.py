"""What every store promises.

Laws:

1. A call that returns has happened: a crash of the process right after it takes nothing back.
2. A call that raises has changed nothing.
3. Each row that changes, a play's own too, takes the store's next revision: one number for the whole
   store that only rises.
4. A terminal status is final: :meth:`Store.end_play` and :meth:`Store.write_spans` of a play that has
   ended change nothing of it. The one exception is the closing of its open spans (``closing=True``),
   which recovery may have to finish after the status was written.
5. The cost of a call does not grow with the number of plays, nor that of :meth:`Store.write_spans`
   with the size of its play.
6. Calls may come from several threads; each is one transaction.

Every store passes ``tests/store/contract_suite.py``.
"""

from collections.abc import Sequence
from typing import Protocol

from hero_logic.core.records import (
    FlowVersion,
    FoldState,
    Play,
    PlayEnd,
    RootSpan,
    Sandbox,
    Span,
    SpanDelta,
    SpanRow,
)


class Store(Protocol):
    """Flows, versions, plays and spans, remembered."""

    def create_play(self, play: Play, version: FlowVersion | None = None) -> int:
        """Record a new play, and the version it runs if that is not known yet; give its revision.

        Raises:
            StoreError: a play of that sid is there already.
        """
        ...

    def begin_play(self, sid: str, *, start_ms: float, sandbox: Sandbox) -> int:
        """Move a pending play to ``running``; give its revision.

        Raises:
            NotFound: there is no such play.
            IllegalMove: it is not pending.
        """
        ...

    def end_play(self, sid: str, end: PlayEnd) -> bool:
        """Give a play its end. False, and nothing changed, where it had one already.

        Raises:
            NotFound: there is no such play.
            IllegalMove: ``end.status`` is not terminal.
        """
        ...

    def get_play(self, sid: str) -> Play:
        """The play, whole but for its spans.

        Raises:
            NotFound: there is no such play.
        """
        ...

    def last_play_sid(self) -> str | None:
        """The sid of the play that was created last, or None in an empty store."""
        ...

    def list_plays(self, *, limit: int, before: str | None = None) -> list[Play]:
        """Plays, the one created last first, at most ``limit``, without the heavy fields.

        ``input_json, output_json, stdout, stderr`` are left at their defaults. ``before`` is the sid of
        the last play of the page before.

        Raises:
            NotFound: there is no play ``before``.
        """
        ...

    def unfinished_plays(self) -> list[Play]:
        """The plays that are ``pending`` or ``running``, oldest first, without the heavy fields."""
        ...

    def plays_with_open_spans(self) -> list[str]:
        """The sids of plays that have ended while spans of theirs are still ``running``."""
        ...

    def get_version(self, version_sid: str) -> FlowVersion:
        """The version of that sid.

        Raises:
            NotFound: there is no such version.
        """
        ...

    def write_spans(self, sid: str, delta: SpanDelta, *, closing: bool = False) -> int:
        """Write the rows that changed and the play's counters in one transaction; give the last revision.

        A row's ``new_logs`` are appended to its logs, everything else of it replaces what was there.

        Raises:
            NotFound: there is no such play.
            IllegalMove: the play has ended, and this is not its ``closing``.
        """
        ...

    def load_fold_state(self, sid: str) -> FoldState:
        """What the fold needs to go on with a play.

        Raises:
            NotFound: there is no such play.
        """
        ...

    def load_rows(self, sid: str, span_ids: Sequence[str]) -> list[SpanRow]:
        """Those of these spans that are there, as they were last written, in any order."""
        ...

    def load_open_rows(self, sid: str, *, limit: int) -> list[SpanRow]:
        """At most ``limit`` spans of a play that are still ``running``, in the order of their ordinals."""
        ...

    def read_spans(self, sid: str, *, start: int = 0, limit: int = 2000) -> list[Span]:
        """A page of a play's spans: at most ``limit`` from the ordinal ``start`` on, with their logs.

        Tags that were damaged on disk are shown as ``{"hero.damaged": preview}``; reading goes on.

        Raises:
            NotFound: there is no such play.
        """
        ...

    def first_root_not_ok(self, sid: str) -> RootSpan | None:
        """The first root (a span whose parent is ``""``) that did not end ``ok``, or None."""
        ...

    def revision(self) -> int:
        """The revision of the last change."""
        ...

    def close(self) -> None:
        """Let go of files and locks; harmless twice."""
        ...
