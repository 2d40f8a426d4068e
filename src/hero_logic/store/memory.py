"""A store in the memory of one process, for tests; it passes the contract's tests like any other.

What it keeps it keeps as JSON, and gives out decoded anew: no caller can change a row behind its back.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from threading import RLock
from typing import TypeVar

import msgspec

from hero_logic.core.errors import StoreError
from hero_logic.core.lifecycle import check_move, is_terminal
from hero_logic.core.lines import Chunk
from hero_logic.core.records import (
    COLUMNS,
    PUSHED_SOURCES,
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
    SpanRow,
)
from hero_logic.store.contract import Commit
from hero_logic.store.memory_flows import MemoryFlows, encoded
from hero_logic.store.memory_queue import MemoryQueue, is_in_hand, light
from hero_logic.store.refusals import (
    check_end,
    has_ended,
    is_closed,
    is_known,
    no_such_play,
    no_such_span,
    no_such_version,
    not_stored,
    refuse_nul,
)
from hero_logic.store.rows import name_stats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from hero_logic.core.records import SpanDelta
    from hero_logic.store.contract import Store

_NAME = "in memory"
_T = TypeVar("_T")


class _Memory(msgspec.Struct):
    """One play and all that belongs to it."""

    play: Play
    rows: dict[int, bytes] = {}
    """Span rows as JSON, by ordinal."""
    ordinals: dict[str, int] = {}
    logs: dict[int, list[tuple[int, str]]] = {}
    """By ordinal, each piece with the revision that brought it."""
    writers: dict[str, int] = {}
    positions: dict[str, int] = {}
    order: PlayOrder | None = None
    claims: int = 0
    cancel: tuple[float, str] | None = None
    """When it was asked for, and by whom."""
    pushed: list[Chunk] = []
    """Events for its runtime that are not folded."""
    takes_pushed: bool = True
    waits: dict[str, int] = {}
    """The plays that it waits for, by their sids, and how many calls of it do."""


def _ignore(commit: Commit) -> None:
    return None


class MemoryStore(MemoryQueue, MemoryFlows):
    """A store that forgets everything with its process.

    >>> MemoryStore().revision()
    0
    """

    def __init__(self) -> None:
        super().__init__()
        self.on_commit: Callable[[Commit], None] = _ignore
        self._lock = RLock()  # what listens to commits may read
        self._plays: dict[str, _Memory] = {}
        self._versions: dict[str, FlowVersion] = {}
        self._revision = 0
        self._turns: dict[str, int] = {}
        self._deletions: list[tuple[str, int]] = []
        self._deletions_since = 0
        self._is_closed = False

    def create_play(
        self, play: Play, version: FlowVersion | None = None, order: PlayOrder | None = None
    ) -> int:
        """Record a new play, its version and its order; give its revision (contract.py)."""
        with self._lock:
            self._check_open()
            if play.sid in self._plays:
                raise is_known(play.sid)
            kept = _copy(play)
            if version is not None:
                self._versions.setdefault(version.version_sid, _copy(version))
            self._plays[play.sid] = _Memory(kept, order=order)
            return self._tell_of(kept)

    def begin_play(self, sid: str, *, start_ms: float, sandbox: Sandbox) -> int:
        """Move a pending play to ``running``; give its revision (contract.py)."""
        with self._lock:
            play = self._find(sid).play
            check_move(play.status, "running")
            kept = _copy(sandbox)
            play.status, play.start_ms, play.sandbox = "running", start_ms, kept
            return self._tell_of(play)

    def end_play(self, sid: str, end: PlayEnd) -> bool:
        """Give a play its end; False, and nothing changed, where it had one already (contract.py)."""
        check_end(end)
        with self._lock:
            of = self._find(sid)
            play = of.play
            if is_terminal(play.status):
                return False
            check_move(play.status, end.status)
            kept = _copy(end)
            of.cancel = None
            of.pushed = []
            self._forget_waits(sid)
            for field in PlayEnd.__struct_fields__:
                setattr(play, field, getattr(kept, field))
            self._tell_of(play)
            return True

    def get_play(self, sid: str) -> Play:
        """The play, whole but for its spans (contract.py)."""
        with self._lock:
            return _copy(self._find(sid).play)

    def last_play_sid(self) -> str | None:
        """The sid of the play that was created last, or None in an empty store."""
        with self._lock:
            self._check_open()
            return next(reversed(self._plays), None)

    def list_plays(self, *, limit: int, before: str | None = None) -> list[Play]:
        """Plays, the one created last first, without the heavy fields (contract.py)."""
        with self._lock:
            self._check_open()
            sids = list(self._plays)
            if before is not None:
                self._find(before)
                sids = sids[: sids.index(before)]
            return [light(self._plays[sid].play) for sid in sids[::-1][: max(limit, 0)]]

    def unfinished_plays(self) -> list[Play]:
        """The plays that a runtime has and that have no end, the oldest first, without the heavy fields."""
        with self._lock:
            self._check_open()
            return [light(of.play) for of in self._plays.values() if is_in_hand(of.play)]

    def plays_with_open_spans(self) -> list[str]:
        """The sids of plays that have ended while spans of theirs are still ``running``."""
        with self._lock:
            self._check_open()
            return [
                sid
                for sid, of in self._plays.items()
                if is_terminal(of.play.status) and any(row.status == "running" for row in _rows(of))
            ]

    def get_version(self, version_sid: str) -> FlowVersion:
        """The version of that sid (contract.py)."""
        with self._lock:
            self._check_open()
            if version_sid not in self._versions:
                raise no_such_version(version_sid)
            return self._versions[version_sid]

    def write_spans(self, deltas: Mapping[str, SpanDelta], *, closing: bool = False) -> int:
        """Write what changed in these plays; give the last revision (contract.py)."""
        with self._lock:
            self._check_open()
            checked = [self._check_delta(sid, delta, closing=closing) for sid, delta in deltas.items()]
            for of, kept, rows in checked:
                self._write_delta(of, kept, rows)
            if deltas:
                self._tell(Commit(self._revision, spans=deltas))
            return self._revision

    def load_fold_state(self, sid: str) -> FoldState:
        """What the fold needs to go on with a play (contract.py)."""
        with self._lock:
            of = self._find(sid)
            return FoldState(
                counters=_copy(of.play.counters),
                span_count=of.play.span_count,
                writers=dict(of.writers),
                positions=dict(of.positions),
            )

    def load_seqs(self, sid: str, writers: Sequence[str]) -> dict[str, int]:
        """The highest ``seq`` of these writers of a play; those that are not known are left out."""
        with self._lock:
            of = self._find_or_empty(sid)
            return {writer: of.writers[writer] for writer in writers if writer in of.writers}

    def load_position(self, sid: str, source: str) -> int:
        """How many bytes of a source are folded and on disk; 0 for a new one."""
        with self._lock:
            return self._find_or_empty(sid).positions.get(source, 0)

    def load_rows(self, sid: str, span_ids: Sequence[str], *, max_bytes: int | None = None) -> list[SpanRow]:
        """Those of these spans that are there, as they were last written, in any order (contract.py)."""
        with self._lock:
            of = self._find_or_empty(sid)
            found: list[SpanRow] = []
            room_bytes = math.inf if max_bytes is None else max_bytes
            for one in dict.fromkeys(span_ids):
                if one in of.ordinals and room_bytes >= 0:
                    found.append(_decode_row(of.rows[of.ordinals[one]]))
                    room_bytes -= found[-1].text_bytes
            return found

    def load_open_rows(self, sid: str, *, limit: int, max_bytes: int | None = None) -> list[SpanRow]:
        """At most ``limit`` spans of a play that are still ``running`` (contract.py)."""
        found: list[SpanRow] = []
        room_bytes = math.inf if max_bytes is None else max_bytes
        for row in self.running_spans(sid, limit=limit):
            if room_bytes >= 0:
                found.append(row)
                room_bytes -= row.text_bytes
        return found

    def read_spans(self, sid: str, *, start: int = 0, limit: int = 2000) -> list[Span]:
        """A page of a play's spans: at most ``limit`` from the ordinal ``start`` on (contract.py)."""
        with self._lock:
            of = self._find(sid)
            page = [row for row in _rows(of) if row.ordinal >= start][: max(limit, 0)]
            return [row.whole(_logs(of, row)) for row in page]

    def read_columns(self, sid: str, *, start: int, limit: int) -> list[tuple[Any, ...]]:
        """A page of a play's spans as tuples, without logs (contract.py)."""
        with self._lock:
            found = [row for row in _rows(self._find_or_empty(sid)) if row.ordinal >= start]
            return [
                (*(getattr(row, name) for name in COLUMNS[:-1]), encoded(row.tags).decode())
                for row in found[: max(limit, 0)]
            ]

    def first_root_not_ok(self, sid: str) -> RootSpan | None:
        """The first root (a span whose parent is ``""``) that did not end ``ok``, or None."""
        with self._lock:
            for row in _rows(self._find_or_empty(sid)):
                if row.parent_id == "" and row.status != "ok":
                    return RootSpan(row.name, row.status, row.error)
            return None

    # --- reading back --------------------------------------------------------------------------------

    def children(self, sid: str, parent_id: str, *, after: int = -1, limit: int) -> list[SpanRow]:
        """Spans with that parent (``""``: the roots), in the order of their ordinals."""
        return self._page(sid, lambda row: row.parent_id == parent_id, after, limit)

    def child_counts(self, sid: str, parent_ids: Sequence[str]) -> dict[str, int]:
        """How many children each of these spans has; those without any are left out."""
        with self._lock:
            parents = Counter(row.parent_id for row in _rows(self._find_or_empty(sid)))
            return {parent: parents[parent] for parent in parent_ids if parent in parents}

    def failed_spans(self, sid: str, *, after: int = -1, limit: int) -> list[SpanRow]:
        """Spans that ended and not ``ok``, in the order of their ordinals."""
        return self._page(sid, lambda row: row.status not in ("ok", "running"), after, limit)

    def running_spans(self, sid: str, *, after: int = -1, limit: int) -> list[SpanRow]:
        """Spans that still run, in the order of their ordinals."""
        return self._page(sid, lambda row: row.status == "running", after, limit)

    def spans_between(
        self, sid: str, *, from_ms: float, to_ms: float, min_duration_ms: float = 0.0, limit: int
    ) -> list[SpanRow]:
        """Spans of which any moment lies between two times: what runs, then the longest (contract.py)."""
        with self._lock:
            found = [
                row
                for row in _rows(self._find_or_empty(sid))
                if row.start_ms <= to_ms
                and from_ms <= to_ms
                and (
                    row.end_ms is None
                    or (max(row.start_ms, row.end_ms) >= from_ms and _lasted_ms(row) >= min_duration_ms)
                )
            ]
        found.sort(key=lambda row: (-_level(row), row.start_ms, row.ordinal))
        return found[: max(limit, 0)]

    def status_counts(self, sid: str) -> dict[str, int]:
        """How many spans of a play have which status; those of none are left out (contract.py)."""
        with self._lock:
            return dict(Counter(row.status for row in _rows(self._find(sid))))

    def name_stats(self, sid: str, *, limit: int) -> list[NameStats]:
        """What the ended spans of each name took, the highest total first (contract.py)."""
        with self._lock:
            by_name: dict[str, list[SpanRow]] = {}
            for row in _rows(self._find_or_empty(sid)):
                if row.end_ms is not None:
                    by_name.setdefault(row.name, []).append(row)
        stats = [
            name_stats(name, sum(row.status != "ok" for row in rows), map(_lasted_ms, rows))
            for name, rows in by_name.items()
        ]
        stats.sort(key=lambda one: (-one.total_ms, one.name))
        return stats[: max(limit, 0)]

    def read_logs(self, sid: str, span_id: str) -> str:
        """The logs of one span, whole (contract.py)."""
        with self._lock:
            of = self._find_or_empty(sid)
            if span_id not in of.ordinals:
                raise no_such_span(sid, span_id)
            return _logs(of, _decode_row(of.rows[of.ordinals[span_id]]))

    def changes(self, *, since: int, sid: str | None = None, limit: int) -> Changes:
        """What has a revision above ``since``, of one play or of all (contract.py)."""
        with self._lock:
            self._check_open()
            plays = list(self._plays.values()) if sid is None else [self._find(sid)]
            changed = sorted(of.play.revision for of in plays if of.play.revision > since)
            moments = sorted(moment for of in plays for moment in _moments(of, since))
            until = self._revision
            for revisions in (changed, moments):
                if len(revisions) > max(limit, 0):
                    until = min(until, revisions[limit - 1] if limit > 0 else since)
            is_all = max(len(changed), len(moments)) <= max(limit, 0)
            changed_plays = [light(of.play) for of in plays if since < of.play.revision <= until]
            spans = [(of.play.sid, row) for of in plays for row in _changed_rows(of, since, until)]
        changed_plays.sort(key=lambda play: play.revision)
        spans.sort(key=lambda span: span[1].revision)
        return Changes(until, changed_plays, spans, is_all)

    def revision(self) -> int:
        """The revision of the last change."""
        with self._lock:
            self._check_open()
            return self._revision

    def stamp(self) -> int:
        """Whether anything was written since it was the same (contract.py)."""
        return self.revision()

    def reader(self, *, busy_timeout_s: float | None = None) -> MemoryStore:
        """The same plays, to read; it is closed apart (contract.py)."""
        return _Reader(self)

    def close(self) -> None:
        """Refuse every call from now on; harmless twice."""
        with self._lock:
            self._is_closed = True

    # --- call these with the lock held ---------------------------------------------------------------

    def _check_open(self) -> None:
        if self._is_closed:
            raise is_closed(_NAME)

    def _find(self, sid: str) -> _Memory:
        self._check_open()
        if sid not in self._plays:
            raise no_such_play(sid)
        return self._plays[sid]

    def _find_or_empty(self, sid: str) -> _Memory:
        self._check_open()
        return self._plays.get(sid) or _Memory(Play(sid=sid))

    def _page(self, sid: str, is_wanted: Callable[[SpanRow], bool], after: int, limit: int) -> list[SpanRow]:
        with self._lock:
            of = self._find_or_empty(sid)
            return [row for row in _rows(of) if row.ordinal > after and is_wanted(row)][: max(limit, 0)]

    def _check_delta(
        self, sid: str, delta: SpanDelta, *, closing: bool
    ) -> tuple[_Memory, SpanDelta, list[SpanRow]]:
        """Raise unless a delta can be written; give a copy of it, and the rows of the caller."""
        of = self._find(sid)
        if is_terminal(of.play.status) and not closing:
            raise has_ended(sid, of.play.status)
        _check_rows(of, delta.rows)
        return of, _copy(delta), delta.rows

    def _write_delta(self, of: _Memory, kept: SpanDelta, given: list[SpanRow]) -> None:
        of.play.counters, of.play.span_count = kept.counters, kept.span_count
        for row, theirs in zip(kept.rows, given, strict=True):
            self._revision += 1
            for one in (row, theirs):
                one.is_stored = one.is_start_stored = True
                one.revision = self._revision
            of.rows[row.ordinal] = _encode_row(row)
            of.ordinals[row.span_id] = row.ordinal
            if row.new_logs:
                of.logs.setdefault(row.ordinal, []).append((row.revision, row.new_logs))
        of.writers.update(kept.writers)
        of.positions.update(kept.positions)
        folded = max((kept.positions.get(source, 0) for source in PUSHED_SOURCES), default=0)
        of.pushed = [chunk for chunk in of.pushed if chunk.position > folded]
        self._touch(of.play)

    def _touch(self, play: Play) -> int:
        """Give a play the next revision."""
        self._revision += 1
        play.revision = self._revision
        return self._revision

    def _tell_of(self, play: Play) -> int:
        """Give a play the next revision, and tell of it."""
        revision = self._touch(play)
        self._tell(Commit(revision, plays=(play.sid,)))
        return revision

    def _tell(self, commit: Commit) -> None:
        """Law 7 of the contract; an error of who listens is printed, and what was written stays written."""
        try:
            self.on_commit(commit)
        except Exception:  # noqa: BLE001  # what was written must not look as if it had failed
            sys.excepthook(*sys.exc_info())


# --- what is kept, and what is given out -----------------------------------------------------------------


class _Reader(MemoryStore):
    """The plays of another store, seen through a door of its own."""

    def __init__(self, origin: MemoryStore) -> None:
        super().__init__()
        self._origin = origin
        self._lock = origin._lock
        self._plays = origin._plays
        self._versions = origin._versions
        self._deletions = origin._deletions

    def revision(self) -> int:
        """The revision of the last change."""
        with self._lock:
            self._check_open()
            return self._origin._revision

    def changes(self, *, since: int, sid: str | None = None, limit: int) -> Changes:
        """What has a revision above ``since``, of one play or of all (contract.py)."""
        with self._lock:
            self._check_open()
            return self._origin.changes(since=since, sid=sid, limit=limit)


def _copy(value: _T) -> _T:
    return msgspec.json.decode(encoded(value), type=type(value))


def _check_rows(of: _Memory, changed: list[SpanRow]) -> None:
    """Raise StoreError unless each row can be written, so that a write changes all or nothing."""
    ordinals, span_ids = set(of.rows), set(of.ordinals)
    missing = sum(1 for row in changed if row.is_stored and row.ordinal not in ordinals)
    if missing:
        raise not_stored(missing)
    for row in changed:
        refuse_nul(row)
        if row.is_stored:
            continue
        if row.ordinal in ordinals or row.span_id in span_ids:
            raise StoreError(
                f"there is a span {row.span_id!r} or one of ordinal {row.ordinal} already; nothing of its "
                "batch was recorded. Read the rows anew before writing them."
            )
        ordinals.add(row.ordinal)
        span_ids.add(row.span_id)


def _encode_row(row: SpanRow) -> bytes:
    """A row as it is kept, without what is kept beside it."""
    return encoded(msgspec.structs.replace(row, new_logs="", tags_bytes=0, is_tags_bytes_exact=False))


def _decode_row(text: bytes) -> SpanRow:
    row = msgspec.json.decode(text, type=SpanRow)
    row.tags_bytes = len(msgspec.json.encode(row.tags))
    return row


def _rows(of: _Memory) -> list[SpanRow]:
    """The rows of a play in the order of their ordinals."""
    return [_decode_row(of.rows[ordinal]) for ordinal in sorted(of.rows)]


def _logs(of: _Memory, row: SpanRow) -> str:
    return "".join(text for _, text in of.logs.get(row.ordinal, ()))


def _lasted_ms(row: SpanRow) -> float:
    return 0.0 if row.end_ms is None else max(row.end_ms - row.start_ms, 0.0)


def _level(row: SpanRow) -> int:
    """The power of ten of what a span took, from 0 (less than 1 ms) to 8 (10,000 s and more); 9 runs."""
    if row.end_ms is None:
        return 9
    return sum(_lasted_ms(row) >= 10.0**power for power in range(8))


def _moments(of: _Memory, since: int) -> Iterable[int]:
    """The revisions after ``since`` that wrote a span or a piece of its logs."""
    revisions = {row.revision for row in _rows(of)}
    revisions.update(revision for pieces in of.logs.values() for revision, _ in pieces)
    return (revision for revision in revisions if revision > since)


def _changed_rows(of: _Memory, since: int, until: int) -> list[SpanRow]:
    """The rows that were written between two revisions, or whose logs were, with those logs."""
    changed = []
    for row in _rows(of):
        pieces = [text for revision, text in of.logs.get(row.ordinal, ()) if since < revision <= until]
        if pieces or since < row.revision <= until:
            row.new_logs = "".join(pieces)
            changed.append(row)
    return changed


if TYPE_CHECKING:
    _keeps_the_contract: type[Store] = MemoryStore
