"""A store in the memory of one process, for tests; it passes the contract's tests like any other.

What it keeps it keeps as JSON, and gives out decoded anew: no caller can change a row behind its back.
"""

from __future__ import annotations

from threading import Lock
from typing import TypeVar

import msgspec

from hero_logic.core.errors import StoreError
from hero_logic.core.lifecycle import check_move, is_terminal
from hero_logic.core.records import (
    FlowVersion,
    FoldState,
    Play,
    PlayEnd,
    RootSpan,
    Sandbox,
    Span,
    SpanRow,
)
from hero_logic.store.refusals import (
    check_end,
    has_ended,
    is_closed,
    is_known,
    no_such_play,
    no_such_version,
    not_stored,
    refuse_nul,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
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
    logs: dict[int, str] = {}
    writers: dict[str, int] = {}


class MemoryStore:
    """A store that forgets everything with its process.

    >>> MemoryStore().revision()
    0
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._plays: dict[str, _Memory] = {}
        self._versions: dict[str, FlowVersion] = {}
        self._revision = 0
        self._is_closed = False

    def create_play(self, play: Play, version: FlowVersion | None = None) -> int:
        """Record a new play, and its version; give its revision (contract.py)."""
        with self._lock:
            self._check_open()
            if play.sid in self._plays:
                raise is_known(play.sid)
            kept = _copy(play)
            if version is not None:
                self._versions.setdefault(version.version_sid, _copy(version))
            self._plays[play.sid] = _Memory(kept)
            return self._touch(kept)

    def begin_play(self, sid: str, *, start_ms: float, sandbox: Sandbox) -> int:
        """Move a pending play to ``running``; give its revision (contract.py)."""
        with self._lock:
            play = self._find(sid).play
            check_move(play.status, "running")
            kept = _copy(sandbox)
            play.status, play.start_ms, play.sandbox = "running", start_ms, kept
            return self._touch(play)

    def end_play(self, sid: str, end: PlayEnd) -> bool:
        """Give a play its end; False, and nothing changed, where it had one already (contract.py)."""
        check_end(end)
        with self._lock:
            play = self._find(sid).play
            if is_terminal(play.status):
                return False
            check_move(play.status, end.status)
            kept = _copy(end)
            for field in PlayEnd.__struct_fields__:
                setattr(play, field, getattr(kept, field))
            self._touch(play)
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
            return [_light(self._plays[sid].play) for sid in sids[::-1][: max(limit, 0)]]

    def unfinished_plays(self) -> list[Play]:
        """The plays without an end, the oldest first, without the heavy fields."""
        with self._lock:
            self._check_open()
            return [_light(of.play) for of in self._plays.values() if not is_terminal(of.play.status)]

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

    def write_spans(self, sid: str, delta: SpanDelta, *, closing: bool = False) -> int:
        """Write what a batch changed; give the last revision (contract.py)."""
        with self._lock:
            of = self._find(sid)
            if is_terminal(of.play.status) and not closing:
                raise has_ended(sid, of.play.status)
            _check_rows(of, delta.rows)
            encoded = [_encode_row(row) for row in delta.rows]
            writers = _copy(delta.writers)
            of.play.counters, of.play.span_count = _copy(delta.counters), delta.span_count
            for row, text in zip(delta.rows, encoded, strict=True):
                of.rows[row.ordinal] = text
                of.ordinals[row.span_id] = row.ordinal
                of.logs[row.ordinal] = of.logs.get(row.ordinal, "") + row.new_logs
                row.is_stored = True
            of.writers.update(writers)
            self._revision += len(delta.rows)
            return self._touch(of.play)

    def load_fold_state(self, sid: str) -> FoldState:
        """What the fold needs to go on with a play (contract.py)."""
        with self._lock:
            of = self._find(sid)
            return FoldState(
                counters=_copy(of.play.counters), span_count=of.play.span_count, writers=dict(of.writers)
            )

    def load_rows(self, sid: str, span_ids: Sequence[str]) -> list[SpanRow]:
        """Those of these spans that are there, as they were last written, in any order."""
        with self._lock:
            of = self._find_or_empty(sid)
            return [
                _decode_row(of.rows[of.ordinals[one]])
                for one in dict.fromkeys(span_ids)
                if one in of.ordinals
            ]

    def load_open_rows(self, sid: str, *, limit: int) -> list[SpanRow]:
        """At most ``limit`` spans of a play that are still ``running``, in the order of their ordinals."""
        with self._lock:
            of = self._find_or_empty(sid)
            return [row for row in _rows(of) if row.status == "running"][: max(limit, 0)]

    def read_spans(self, sid: str, *, start: int = 0, limit: int = 2000) -> list[Span]:
        """A page of a play's spans: at most ``limit`` from the ordinal ``start`` on (contract.py)."""
        with self._lock:
            of = self._find(sid)
            page = [row for row in _rows(of) if row.ordinal >= start][: max(limit, 0)]
            return [_span(row, of.logs[row.ordinal]) for row in page]

    def first_root_not_ok(self, sid: str) -> RootSpan | None:
        """The first root (a span whose parent is ``""``) that did not end ``ok``, or None."""
        with self._lock:
            for row in _rows(self._find_or_empty(sid)):
                if row.parent_id == "" and row.status != "ok":
                    return RootSpan(row.name, row.status, row.error)
            return None

    def revision(self) -> int:
        """The revision of the last change."""
        with self._lock:
            self._check_open()
            return self._revision

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

    def _touch(self, play: Play) -> int:
        """Give a play the next revision."""
        self._revision += 1
        play.revision = self._revision
        return self._revision


# --- what is kept, and what is given out -----------------------------------------------------------------


def _encode(value: object) -> bytes:
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError as error:
        raise StoreError(
            f"a store cannot hold a value ({error}); nothing of this was recorded. "
            "Replace lone surrogates by U+FFFD."
        ) from error


def _copy(value: _T) -> _T:
    return msgspec.json.decode(_encode(value), type=type(value))


def _light(play: Play) -> Play:
    """A copy without the heavy fields."""
    kept = _copy(play)
    empty = Play(sid=play.sid)
    kept.input_json, kept.output_json = empty.input_json, empty.output_json
    kept.stdout, kept.stderr = empty.stdout, empty.stderr
    return kept


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
    """A row as it is kept; its new logs are looked at, for text that no store can hold, and left out."""
    _encode(row.new_logs)
    return _encode(msgspec.structs.replace(row, new_logs="", tags_bytes=0, is_stored=True))


def _decode_row(text: bytes) -> SpanRow:
    row = msgspec.json.decode(text, type=SpanRow)
    row.tags_bytes = len(msgspec.json.encode(row.tags))
    return row


def _rows(of: _Memory) -> list[SpanRow]:
    """The rows of a play in the order of their ordinals."""
    return [_decode_row(of.rows[ordinal]) for ordinal in sorted(of.rows)]


def _span(row: SpanRow, logs: str) -> Span:
    fields: dict[str, Any] = {name: getattr(row, name) for name in Span.__struct_fields__ if name != "logs"}
    return Span(**fields, logs=logs)


if TYPE_CHECKING:
    _keeps_the_contract: type[Store] = MemoryStore
