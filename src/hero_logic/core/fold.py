"""From events to spans: the only place where an event changes a span.

Laws:

1. The fold is pure: the time of receipt comes in with the batch, rows that were written before come in
   through a loader, and what changed goes out as a :class:`SpanDelta`.
2. Its memory is that of what is pending and of some of the spans that run, never that of the play: a span
   that has ended is forgotten once it is written, and read back if an event still comes for it; so is the
   highest ``seq`` of a writer whose connections have ended.
3. A delta stays pending until :meth:`SpanTree.committed` says that it is on disk; a write that failed
   is tried again with all that came meanwhile.

Source: docs/protocol.md, "Folding rules"; the numbers in comments are those of the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, Final

import msgspec
from msgspec import UNSET

from hero_logic.core.records import Counters, FoldState, SpanDelta, SpanRow
from hero_logic.core.wire import PROTOCOL_VERSION, Event, Hello, SpanEnd, SpanLog, SpanStart, SpanTag

SPAN_KINDS: Final = frozenset({"flow_root", "step", "rpc", "subflow", "other"})
END_STATUSES: Final = frozenset({"ok", "failed", "timed_out", "cancelled"})
OPEN_AT_END: Final = "the play ended while this span was open"


def closed_status(status: str) -> str:
    """What becomes of a span that is open when its play ends with this status, or for this reason (rule 13).

    >>> closed_status("timed_out"), closed_status("ok")
    ('timed_out', 'failed')
    """
    return status if status in ("timed_out", "cancelled") else "failed"


TRUNCATED_TAG: Final = "hero.truncated"
UNKNOWN_STATUS_TAG: Final = "hero.unknown_status"
_PROTECTION: Final = {TRUNCATED_TAG: 1, UNKNOWN_STATUS_TAG: 2}

# A row that runs costs a read when its next event comes, if it is not kept; one that is heavy, or one of
# very many, is not worth its memory. Tags take up to twenty times the memory of their text.
_MAX_CACHED_ROWS: Final = 5_000
_MAX_CACHED_ROW_BYTES: Final = 1024

_MAX_RECALLED_BYTES: Final = 4 * 1024 * 1024
_MAX_WRITER_CHARS: Final = 128
_PREFIX_CHARS: Final = 8
_MAX_PREFIXES: Final = 1_000
_MAX_NOTED_CHARS: Final = 128
_MAX_FOREIGN_PROTOCOLS: Final = 10

_encode: Final = msgspec.json.Encoder().encode

RowLoader = Callable[[Sequence[str], int], list[SpanRow]]
"""Given ids and a number of bytes: those rows that are there, as many as it takes to pass that much text."""
SeqLoader = Callable[[Sequence[str]], dict[str, int]]


class FoldLimits(msgspec.Struct, frozen=True):
    """How much of one play is kept (rule 14)."""

    max_spans: int = 2_000_000
    max_tags_bytes: int = 64 * 1024
    """Of one span, as compact JSON text in UTF-8; what the runtime sets is not counted."""
    max_log_bytes: int = 1024 * 1024
    """Of one span, in UTF-8, with the times and newlines between logs."""


class Batch(msgspec.Struct):
    """What was read of one source at one moment."""

    events: list[Event]
    received_ms: float
    source: str = ""
    """The connection or file that it came from; "" for one that has no name, and no position."""
    position: int = 0
    """How many bytes of the source are read with this batch."""
    malformed: int = 0
    oversize: int = 0
    size_bytes: int = 0
    """Of the lines that it was read from."""


class TooMuchRecalled(Exception):
    """A batch speaks of spans with more text than should be read back at once: bring it in pieces."""


class SpanTree:
    """The spans of one play.

    >>> from hero_logic.core.wire import decode_lines
    >>> tree = SpanTree()
    >>> stream = b'{"type":"span_start","span_id":"a","name":"n","start_ms":1}\\n'
    >>> tree.apply(Batch(decode_lines(stream).events, received_ms=5))
    >>> tree.delta().rows[0].name
    'n'
    """

    def __init__(
        self,
        state: FoldState | None = None,
        *,
        load: RowLoader | None = None,
        load_seqs: SeqLoader | None = None,
        limits: FoldLimits | None = None,
    ) -> None:
        self._limits = limits or FoldLimits()
        self._load = load or _no_rows
        self._load_seqs = load_seqs
        self._counters = Counters()
        self._span_count = 0
        self._writers: dict[str, int] = {}
        if state is not None:
            self._counters = msgspec.structs.replace(state.counters)
            self._span_count = state.span_count
            self._writers = dict(state.writers)
        self._are_all_prefixes_known = self._span_count == 0
        self._highest_ids: dict[str, str] = {}
        self._writer_of: dict[str, str] = {}
        self._rows: dict[str, SpanRow] = {}
        self._recalled: list[str] = []
        self._positions: dict[str, int] = {}
        self._pending_bytes = 0
        self._changed: dict[str, SpanRow] = {}
        self._new_logs: dict[str, list[str]] = {}
        self._risen_writers: set[str] = set()
        self._is_dirty = False
        self.foreign_protocols: list[int] = []
        """Protocols other than ours that writers named; their lines are folded all the same."""

    @property
    def counters(self) -> Counters:
        """The totals so far, those of a delta that is still pending included."""
        return self._counters

    @property
    def pending_rows(self) -> int:
        """How many rows the next delta has."""
        return len(self._changed)

    @property
    def pending_bytes(self) -> int:
        """About how much text is held for the next delta: the lines it was made from, the rows read back."""
        return self._pending_bytes

    def apply(self, batch: Batch, *, is_smallest: bool = False) -> None:
        """Fold what one source brought, whole or, where this raises, nothing of it: it can come again.

        Raises:
            TooMuchRecalled: unless it ``is_smallest``.
            whatever the loaders raise.
        """
        events = batch.events
        self._recall_seqs(events)
        self._recall(events, 2**62 if is_smallest else _MAX_RECALLED_BYTES)
        if batch.source:
            self._positions[batch.source] = batch.position
        self._pending_bytes += batch.size_bytes
        if batch.malformed or batch.oversize:
            self._is_dirty = True
            self._counters.malformed += batch.malformed
            self._counters.oversize += batch.oversize
        received_ms = batch.received_ms
        writer = self._writer_of.get(batch.source)
        kept = repeated = 0
        for event in events:
            if type(event) is Hello:
                writer = self._hello(batch.source, event)
            elif writer is not None and event.seq is not UNSET and self._is_repeat(writer, event.seq):
                repeated += 1
            else:
                kept += self._fold(event, received_ms)
        self._counters.events += kept
        self._counters.repeated += repeated
        # A hello alone changes nothing that is kept.
        self._is_dirty = self._is_dirty or len(events) > 1 or (bool(events) and type(events[0]) is not Hello)

    def disconnected(self, source: str) -> None:
        """A connection has ended; its name may come again for another writer."""
        self._writer_of.pop(source, None)

    def delta(self) -> SpanDelta | None:
        """What changed since the last :meth:`committed`, or None if nothing did."""
        if not self._is_dirty:
            return None
        rows = list(self._changed.values())
        rows.sort(key=_ordinal)
        for span_id, logs in self._new_logs.items():
            self._changed[span_id].new_logs = "".join(logs)
        return SpanDelta(
            rows=rows,
            counters=self._counters,
            span_count=self._span_count,
            writers={writer: self._writers[writer] for writer in self._risen_writers},
            positions=self._positions,
        )

    def committed(self) -> None:
        """The last delta is on disk: forget it, and the spans in it that have ended.

        It has to hold all that was applied: nothing may be applied between :meth:`delta` and this.
        """
        rows = self._rows
        for row in self._changed.values():
            row.new_logs = ""
            row.is_stored = True
            if row.status != "running" or row.text_bytes > _MAX_CACHED_ROW_BYTES:
                rows.pop(row.span_id, None)
        for span_id in self._recalled:
            # Of those that did not change, as all that came for them were repeats.
            if span_id in rows and rows[span_id].status != "running":
                del rows[span_id]
        self._recalled = []
        self._changed = {}
        self._new_logs = {}
        self._positions = {}
        self._pending_bytes = 0
        self._forget_writers()
        self._is_dirty = False
        # In one go: to look for the first again after each would be quadratic, for a dict keeps its gaps.
        for span_id in list(islice(rows, max(0, len(rows) - _MAX_CACHED_ROWS))):
            del rows[span_id]

    def close(self, rows: Iterable[SpanRow], *, status: str, end_ms: float) -> None:
        """End spans that are still open at the end of their play (rule 13).

        Args:
            rows: open spans as the store has them, after the last delta was committed.
            status: that of the play; the spans are ``failed`` unless it is timed_out or cancelled.
            end_ms: the play's end.
        """
        for row in rows:
            row.status = closed_status(status)
            row.end_ms = end_ms
            row.error = OPEN_AT_END
            self._rows[row.span_id] = row
            self._changed[row.span_id] = row
            self._is_dirty = True

    def _forget_writers(self) -> None:
        """Those that are gone are read back, from where they are now, if one of them comes again."""
        self._risen_writers = set()
        if self._load_seqs is None or not self._writers:
            return
        here = set(self._writer_of.values())
        if not here.issuperset(self._writers):
            self._writers = {writer: seq for writer, seq in self._writers.items() if writer in here}

    def _hello(self, source: str, event: Hello) -> str:
        writer = self._writer_of[source] = _writer_key(event.writer)
        if event.protocol != PROTOCOL_VERSION and len(self.foreign_protocols) < _MAX_FOREIGN_PROTOCOLS:
            self.foreign_protocols.append(event.protocol)
        return writer

    def _recall_seqs(self, events: list[Event]) -> None:
        """Read back how far the writers were that present themselves in these events."""
        if self._load_seqs is None:
            return
        wanted = {_writer_key(event.writer) for event in events if type(event) is Hello}
        wanted.difference_update(self._writers)
        if wanted:
            self._writers.update(self._load_seqs(list(wanted)))

    def _recall(self, events: list[Event], max_bytes: int) -> None:
        """Read back the rows of spans that these events speak of and that are not at hand."""
        rows = self._rows
        wanted = {event.span_id for event in events if type(event) is not Hello}  # type: ignore[union-attr]  # so
        wanted.difference_update(rows)
        heard = self._heard_before(wanted)
        if not heard:
            return
        found = self._load(heard, max_bytes)
        found_bytes = sum(row.text_bytes for row in found)
        if found_bytes > max_bytes:
            raise TooMuchRecalled
        self._pending_bytes += found_bytes
        for row in found:
            rows[row.span_id] = row
            self._recalled.append(row.span_id)

    def _heard_before(self, wanted: set[str]) -> list[str]:
        """Those of these spans that may have a row: all but the ones that are certainly new.

        Writers count their spans up behind a prefix of their own. An id above the highest that was heard of
        with its first eight characters has never been heard of, however it came about.
        """
        highest = self._highest_ids
        heard: list[str] = []
        risen: dict[str, str] = {}
        for span_id in wanted:
            prefix = span_id[:_PREFIX_CHARS]
            known = highest.get(prefix)
            is_new = self._are_all_prefixes_known if known is None else span_id > known
            if not is_new or len(span_id) > _MAX_NOTED_CHARS:
                heard.append(span_id)
            elif span_id > risen.get(prefix, ""):
                risen[prefix] = span_id
        if len(highest) + len(risen) > _MAX_PREFIXES:
            self._are_all_prefixes_known = False
            risen = {prefix: span_id for prefix, span_id in risen.items() if prefix in highest}
        highest.update(risen)
        return heard

    def _is_repeat(self, writer: str, seq: int) -> bool:
        """Rule 9; a ``seq`` that is higher than any before becomes the writer's highest."""
        if seq <= self._writers.get(writer, 0):
            return True
        self._writers[writer] = seq
        self._risen_writers.add(writer)
        return False

    def _fold(self, event: Event, received_ms: float) -> bool:
        """Fold one event; whether anything of it was kept."""
        span_id = event.span_id  # type: ignore[union-attr]  # a hello never comes here
        row = self._rows.get(span_id)
        is_new = row is None
        if row is None:
            if self._span_count >= self._limits.max_spans:
                self._counters.truncated += 1
                return False
            row = SpanRow(self._span_count, span_id, received_ms)
            self._span_count += 1
            self._rows[span_id] = row
        self._changed[span_id] = row
        kind = type(event)
        if kind is SpanStart:
            is_whole, is_kept = self._start(row, event)  # type: ignore[arg-type]  # kind says so
        elif kind is SpanEnd:
            is_whole, is_kept = self._end(row, event, received_ms, is_new)  # type: ignore[arg-type]  # kind says so
        elif kind is SpanTag:
            is_whole, is_kept = self._tag(row, event.tags)  # type: ignore[union-attr, arg-type]  # kind says so
        else:
            is_whole, is_kept = self._log(row, event, received_ms, is_new)  # type: ignore[arg-type]  # kind says so
        if not is_whole:
            self._counters.truncated += 1
            _protect(row, TRUNCATED_TAG, value=True)
        # An event that made its span was not dropped whole, even if none of its own text is there.
        return is_kept or is_new

    def _start(self, row: SpanRow, event: SpanStart) -> tuple[bool, bool]:
        """Rules 1 and 2: what the event carries takes its value, what it does not is kept."""
        row.is_start_stored = False
        row.name = event.name
        if event.start_ms is not UNSET:
            row.start_ms = event.start_ms
        if event.parent_id is not UNSET:
            row.parent_id = event.parent_id
        if event.kind is not UNSET:
            row.kind = event.kind if event.kind in SPAN_KINDS else "other"
        if event.source_file is not UNSET:
            row.source_file = event.source_file
        if event.source_line is not UNSET:
            row.source_line = event.source_line
        if event.rpc_service is not UNSET:
            row.rpc_service = event.rpc_service
        if event.rpc_method is not UNSET:
            row.rpc_method = event.rpc_method
        if event.child_play_sid is not UNSET:
            row.child_play_sid = event.child_play_sid
        if event.tags is UNSET or not event.tags:
            return True, True
        is_whole, _ = self._tag(row, event.tags)
        return is_whole, True

    def _tag(self, row: SpanRow, tags: dict[str, Any]) -> tuple[bool, bool]:
        """Rule 3, within the limit of rule 14: (whether all were kept, whether any was)."""
        if row.protected_tags:
            tags = {
                key: value for key, value in tags.items() if not _PROTECTION.get(key, 0) & row.protected_tags
            }
        if not tags:
            return True, True
        if not row.is_tags_bytes_exact:
            # Adding up what came never counts too little; only past the limit is it worth an exact count.
            row.tags_bytes += len(_encode(tags)) + 1
            if row.tags_bytes <= self._limits.max_tags_bytes:
                row.tags.update(tags)
                return True, True
            row.tags_bytes = _exact_tags_bytes(row)
            row.is_tags_bytes_exact = True
        return self._tag_one_by_one(row, tags)

    def _tag_one_by_one(self, row: SpanRow, tags: dict[str, Any]) -> tuple[bool, bool]:
        dropped = 0
        for key, value in tags.items():
            new_total = row.tags_bytes + _entry_bytes(key, value) + 1
            if key in row.tags:
                new_total -= _entry_bytes(key, row.tags[key]) + 1
            if new_total > self._limits.max_tags_bytes:
                dropped += 1
                continue
            row.tags_bytes = new_total
            row.tags[key] = value
        return dropped == 0, dropped < len(tags)

    def _log(self, row: SpanRow, event: SpanLog, received_ms: float, is_new: bool) -> tuple[bool, bool]:
        """Rule 4, cut at a character where the limit of rule 14 is reached."""
        ts_ms = received_ms if event.ts_ms is UNSET else event.ts_ms
        if is_new:
            row.start_ms = ts_ms
        level = f"{event.level.upper()} " if event.level else ""
        line = f"[{round(ts_ms)}] {level}{event.text}"
        separator = "\n" if row.log_bytes else ""
        line_bytes = len(line) if line.isascii() else len(line.encode())
        room = self._limits.max_log_bytes - row.log_bytes - len(separator)
        if line_bytes <= room:
            self._new_logs.setdefault(row.span_id, []).append(separator + line)
            row.log_bytes += line_bytes + len(separator)
            return True, True
        if room <= 0:
            return False, False
        # Never empty: a line begins with a character of one byte.
        cut = line.encode()[:room].decode("utf-8", "ignore")
        self._new_logs.setdefault(row.span_id, []).append(separator + cut)
        row.log_bytes += len(separator) + len(cut.encode())
        return False, True

    def _end(self, row: SpanRow, event: SpanEnd, received_ms: float, is_new: bool) -> tuple[bool, bool]:
        """Rule 5: the first end stands."""
        end_ms = received_ms if event.end_ms is UNSET else event.end_ms
        if is_new:
            row.start_ms = end_ms
        if row.status != "running":
            return True, True
        row.end_ms = end_ms
        row.error = "" if event.error is UNSET else event.error
        if event.status in END_STATUSES:
            row.status = event.status
        else:
            row.status = "failed"
            _protect(row, UNKNOWN_STATUS_TAG, value=event.status)
        return True, True


def _no_rows(span_ids: Sequence[str], max_bytes: int) -> list[SpanRow]:
    return []


def _writer_key(writer: str) -> str:
    """A writer as it is remembered: one that gave itself a name of a mebibyte is known by its digest."""
    if len(writer) <= _MAX_WRITER_CHARS:
        return writer
    from hashlib import sha256  # loads OpenSSL, which no honest writer's name is worth

    return f"sha256:{sha256(writer.encode()).hexdigest()}"


def _exact_tags_bytes(row: SpanRow) -> int:
    """What the writer's tags of a row take: {} and a comma after each entry but the last, or 2 for none."""
    entries = [_entry_bytes(key, value) for key, value in row.tags.items() if not _is_protected(row, key)]
    return 1 + sum(entries) + len(entries)


def _protect(row: SpanRow, key: str, *, value: object) -> None:
    """Set a tag of the runtime; from then on it counts towards no limit, whoever set it before."""
    if row.is_tags_bytes_exact and key in row.tags and not _is_protected(row, key):
        row.tags_bytes -= _entry_bytes(key, row.tags[key]) + 1
    row.tags[key] = value
    row.protected_tags |= _PROTECTION[key]


def _is_protected(row: SpanRow, key: str) -> bool:
    """Whether the runtime has set this tag of the span, so that no writer's value replaces it."""
    return bool(_PROTECTION.get(key, 0) & row.protected_tags)


def _ordinal(row: SpanRow) -> int:
    return row.ordinal


def _entry_bytes(key: str, value: object) -> int:
    """The size of ``"key":value`` as compact JSON text in UTF-8."""
    return len(_encode(key)) + 1 + len(_encode(value))
