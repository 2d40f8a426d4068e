"""A play whose spans are written to a store by hand, as the fold writes them."""

from __future__ import annotations

from hero_logic.core.records import Counters, Play, PlayEnd, Sandbox, SpanDelta, SpanRow
from hero_logic.store.contract import Store


class Writer:
    """Writes the spans of one play as the fold does: with the same rows again and again."""

    def __init__(self, store: Store, sid: str = "p") -> None:
        self.store = store
        self.sid = sid
        self.rows: dict[str, SpanRow] = {}
        store.create_play(Play(sid, created_ms=1.0, input_json='{"heavy":1}'))
        store.begin_play(sid, start_ms=1.0, sandbox=Sandbox("tier0"))

    def write(self, *span_ids: str, logs: str = "", **fields: object) -> int:
        """Write these spans, new or not, with these fields and logs; the last revision."""
        changed = []
        for span_id in span_ids:
            row = self.rows.setdefault(span_id, SpanRow(len(self.rows), span_id, 1.0))
            row.new_logs = logs
            for name, value in fields.items():
                setattr(row, name, value)
            changed.append(row)
        changed.sort(key=lambda row: row.ordinal)
        counters = Counters(events=len(self.rows))
        revision = self.store.write_spans({self.sid: SpanDelta(changed, counters, len(self.rows), {})})
        for row in changed:
            row.new_logs = ""
        return revision

    def end(self) -> None:
        """Give the play its end."""
        assert self.store.end_play(self.sid, PlayEnd("ok", 5.0, output_json='"heavy"'))
