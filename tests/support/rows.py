"""The smallest store there can be: the rows of one play in a dictionary."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hero_logic.core.records import Counters, FoldState, Span, SpanDelta, SpanRow
from hero_logic.core.wire import tags_from_text, tags_to_text


class RowStore:
    """What a store does for a fold, without a store.

    Rows are copied on their way in and out, their tags through JSON text, as a real store does: a test
    that passes only because the fold and the store share an object would prove nothing.
    """

    def __init__(self) -> None:
        self.counters = Counters()
        self.span_count = 0
        self.writers: dict[str, int] = {}
        self.asked: list[list[str]] = []
        """The ids of every :meth:`load`, call by call."""
        self._rows: dict[str, SpanRow] = {}
        self._tags: dict[str, str] = {}
        self._logs: dict[str, str] = {}

    def write(self, delta: SpanDelta | None) -> None:
        """Apply a delta: replace the fields, append the new logs."""
        if delta is None:
            return
        for row in delta.rows:
            tags_text = tags_to_text(row.tags)
            self._rows[row.span_id] = msgspec.structs.replace(row, tags={}, new_logs="", tags_bytes=0)
            self._tags[row.span_id] = tags_text
            self._logs[row.span_id] = self._logs.get(row.span_id, "") + row.new_logs
        self.counters = msgspec.structs.replace(delta.counters)
        self.span_count = delta.span_count
        self.writers.update(delta.writers)

    def load(self, span_ids: Sequence[str], max_bytes: int) -> list[SpanRow]:
        """Those of these spans that are there; a :data:`hero_logic.core.fold.RowLoader`."""
        self.asked.append(list(span_ids))
        return [self._row(span_id) for span_id in span_ids if span_id in self._rows]

    def open_rows(self) -> list[SpanRow]:
        """The spans that still run, in the order of their ordinals."""
        return [self._row(row.span_id) for row in self._sorted() if row.status == "running"]

    def state(self) -> FoldState:
        """What a fold needs to go on."""
        return FoldState(msgspec.structs.replace(self.counters), self.span_count, dict(self.writers))

    def spans(self) -> list[Span]:
        """Every span as a reader sees it, in the order of their ordinals."""
        return [self._span(row) for row in self._sorted()]

    def play_status(self) -> str:
        """``ok`` when every root ended ``ok`` or there is none, else ``failed``."""
        is_ok = all(row.status == "ok" for row in self._rows.values() if row.parent_id == "")
        return "ok" if is_ok else "failed"

    def _sorted(self) -> list[SpanRow]:
        return sorted(self._rows.values(), key=lambda row: row.ordinal)

    def _row(self, span_id: str) -> SpanRow:
        tags_text = self._tags[span_id]
        return msgspec.structs.replace(
            self._rows[span_id],
            tags=tags_from_text(tags_text),
            tags_bytes=len(tags_text.encode()),
            is_tags_bytes_exact=False,
            is_stored=True,
        )

    def _span(self, row: SpanRow) -> Span:
        fields = {name: getattr(row, name) for name in Span.__struct_fields__ if name not in {"tags", "logs"}}
        return Span(tags=tags_from_text(self._tags[row.span_id]), logs=self._logs[row.span_id], **fields)
