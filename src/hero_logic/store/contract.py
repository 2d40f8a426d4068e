"""What every store promises.

Laws:

1. A call that returns has happened: a crash of the process right after it takes nothing back.
2. A call that raises has changed nothing.
3. Each row that changes, a play's own too, takes the store's next revision: one number for the whole
   store that only rises. Who reads never sees a revision before all lower ones: they are given out and
   made visible in one transaction.
4. A terminal status is final: :meth:`Store.end_play` and :meth:`Store.write_spans` of a play that has
   ended change nothing of it. The one exception is the closing of its open spans (``closing=True``),
   which recovery may have to finish after the status was written.
5. The cost of a call does not grow with the number of plays, nor that of :meth:`Store.write_spans`
   with the size of its play.
6. Calls may come from several threads; each is one transaction.
7. ``on_commit`` is called after each transaction of this object that changed anything, before any other
   one of it begins: whoever listens hears of revisions in their order. It must be quick, may read the
   store, and must not write to it (it would wait for itself). An error of it is printed like one that
   nobody caught, and goes no further: what was written stays written, and the next one is told again.
8. What is read back costs what it gives, not what the play has grown to: each reading is one stretch of
   an index, and takes a limit. The one exception is :meth:`Store.name_stats`, which reads the play.

The library is in flow_contract.py. Every store passes ``tests/store/contract_suite.py``.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from hero_logic.core.records import (
    Changes,
    FlowVersion,
    FoldState,
    NameStats,
    Play,
    PlayEnd,
    PlayOrder,
    RootSpan,
    Sandbox,
    Span,
    SpanDelta,
    SpanRow,
)
from hero_logic.store.flow_contract import FlowStore
from hero_logic.store.queue_contract import QueueStore


class Commit(msgspec.Struct, frozen=True):
    """What one transaction changed."""

    revision: int
    """Of its last change."""
    plays: tuple[str, ...] = ()
    """The sids of the plays that were created, claimed, begun or ended."""
    spans: Mapping[str, SpanDelta] = {}
    """By sid; the rows are the fold's, which changes them again once ``on_commit`` has returned."""


class Store(QueueStore, FlowStore, Protocol):
    """Flows, versions, plays and spans, remembered."""

    on_commit: Callable[[Commit], None]
    """See law 7; does nothing at first."""

    def create_play(
        self, play: Play, version: FlowVersion | None = None, order: PlayOrder | None = None
    ) -> int:
        """Record a new play, and the version it runs if that is not known yet; give its revision.

        ``order`` says what it is to be run with. One that is pending and has no ``runtime_sid`` waits.

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
        """The plays that a runtime has and that have no end, oldest first, without the heavy fields.

        Those that wait for a worker are not among them.
        """
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

    def write_spans(self, deltas: Mapping[str, SpanDelta], *, closing: bool = False) -> int:
        """Write what changed in these plays, by their sids, in one transaction; give the last revision.

        A row's ``new_logs`` are appended to its logs, everything else of it replaces what was there; but
        what only a start says need not be written where the row says that it ``is_start_stored``. Once
        they are on disk, the rows are marked as stored and have their revisions; where this raises, they
        are as they were, and the same deltas can be written again. A play's counters, its writers and the
        positions of its sources are written in the same transaction.

        Raises:
            NotFound: there is no such play.
            IllegalMove: a play has ended, and this is not its ``closing``.
        """
        ...

    def load_fold_state(self, sid: str) -> FoldState:
        """What the fold needs to go on with a play.

        Raises:
            NotFound: there is no such play.
        """
        ...

    def load_seqs(self, sid: str, writers: Sequence[str]) -> dict[str, int]:
        """The highest ``seq`` of these writers of a play; those that are not known are left out."""
        ...

    def load_position(self, sid: str, source: str) -> int:
        """How many bytes of a source (a connection, a spool file) are folded and on disk; 0 for a new one."""
        ...

    def load_rows(self, sid: str, span_ids: Sequence[str], *, max_bytes: int | None = None) -> list[SpanRow]:
        """Those of these spans that are there, as they were last written, in any order.

        Where their text passes ``max_bytes``, those up to and with the one that passes it.
        """
        ...

    def load_open_rows(self, sid: str, *, limit: int, max_bytes: int | None = None) -> list[SpanRow]:
        """At most ``limit`` spans of a play that are still ``running``, in the order of their ordinals.

        Where their text passes ``max_bytes``, those up to and with the one that passes it.
        """
        ...

    def read_spans(self, sid: str, *, start: int = 0, limit: int = 2000) -> list[Span]:
        """A page of a play's spans: at most ``limit`` from the ordinal ``start`` on, with their logs.

        Tags that were damaged on disk are shown as ``{"hero.damaged": preview}``; reading goes on.

        Raises:
            NotFound: there is no such play.
        """
        ...

    def read_columns(self, sid: str, *, start: int, limit: int) -> list[tuple[Any, ...]]:
        """A page of a play's spans as tuples of ``records.COLUMNS``: at most ``limit`` from an ordinal on.

        Their logs are left out, and tags are text: the cheapest way to read a very large play. Of a play that
        is not there it is empty.
        """
        ...

    def first_root_not_ok(self, sid: str) -> RootSpan | None:
        """The first root (a span whose parent is ``""``) that did not end ``ok``, or None."""
        ...

    # --- reading back -------------------------------------------------------------------------------
    # Rows come without their logs; pages go on ``after`` the ordinal of the last row of the page before. Of a
    # play that is not there they are empty. Damaged tags are shown as :meth:`read_spans` shows them.

    def children(self, sid: str, parent_id: str, *, after: int = -1, limit: int) -> list[SpanRow]:
        """Spans with that parent (``""``: the roots), in the order of their ordinals."""
        ...

    def child_counts(self, sid: str, parent_ids: Sequence[str]) -> dict[str, int]:
        """How many children each of these spans has; those without any are left out."""
        ...

    def failed_spans(self, sid: str, *, after: int = -1, limit: int) -> list[SpanRow]:
        """Spans that ended and not ``ok``, in the order of their ordinals."""
        ...

    def running_spans(self, sid: str, *, after: int = -1, limit: int) -> list[SpanRow]:
        """Spans that still run, in the order of their ordinals."""
        ...

    def spans_between(
        self, sid: str, *, from_ms: float, to_ms: float, min_duration_ms: float = 0.0, limit: int
    ) -> list[SpanRow]:
        """Spans of at least that duration of which any moment lies between two times, both included.

        Running ones (``end_ms`` is None) come first, for they may last for ever (``min_duration_ms`` does not
        hold them back); then the longest durations by powers of ten, from 10,000 s and more down to less
        than 1 ms; within each by their start. So what a limit leaves out is what a timeline could draw
        least of. A span that ended before its start counts as lasting no time, at its start.
        """
        ...

    def status_counts(self, sid: str) -> dict[str, int]:
        """How many spans of a play have which status; those of none are left out.

        Raises:
            NotFound: there is no such play.
        """
        ...

    def name_stats(self, sid: str, *, limit: int) -> list[NameStats]:
        """What the ended spans of each name took, the highest total first, then by name.

        A percentile is the nearest rank: the smallest of the durations that so many percent of them do not
        pass. A span that ended before its start counts as lasting no time.
        """
        ...

    def read_logs(self, sid: str, span_id: str) -> str:
        """The logs of one span, whole.

        Raises:
            NotFound: there is no such span.
        """
        ...

    def changes(self, *, since: int, sid: str | None = None, limit: int) -> Changes:
        """What has a revision above ``since``, of one play or of all: at most ``limit`` plays, and spans.

        A span's ``new_logs`` are what was added to them above ``since`` and up to ``Changes.revision``: who
        goes on from there gets each piece once, whatever is written meanwhile. Where the limit cuts, a span
        that has changed again since is given for the piece that came before, and comes again later.

        Raises:
            NotFound: there is no play ``sid``.
        """
        ...

    def revision(self) -> int:
        """The revision of the last change."""
        ...

    def stamp(self) -> int:
        """A number that stays the same only while nothing is written, by whichever process; the cheapest
        look.

        It means nothing but that, and is not the same to another object over the same store.
        """
        ...

    def reader(self, *, busy_timeout_s: float | None = None) -> "Store":
        """The same store, to read from: what takes long there makes nobody wait here. Close it apart.

        ``busy_timeout_s`` is how long a call of it waits for other processes; as here, where it is not said.
        """
        ...

    def close(self) -> None:
        """Let go of files and locks; harmless twice."""
        ...
