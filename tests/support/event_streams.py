"""Strategies for streams of well-formed events about few spans, so that they meet."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from hero_logic.core.fold import FoldLimits

EventDict = dict[str, Any]

_times = st.sampled_from([0, 1, 1.5, 2.5, -3.5, 1e12])
_texts = st.text('aé\n"\\\U0001f600', max_size=6)
_tag_keys = st.sampled_from(["a", "b", 'é"', "hero.truncated", "hero.unknown_status", "hero.progress"])
_tag_values: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers(-5, 1000) | _texts | st.just({"k": [1, "é"]}) | st.just([])
)
_tags = st.dictionaries(_tag_keys, _tag_values, max_size=3)
_statuses = st.sampled_from(["ok", "failed", "timed_out", "cancelled", "running", "OK", ""])
_kinds = st.sampled_from(["step", "rpc", "flow_root", "subflow", "other", "", "new"])

# Some with a prefix in common, past which the fold takes them for counted.
_span_ids = st.sampled_from(["a", "é", "0123abcd1", "0123abcd2", "0123abcd3"])
_writers = st.sampled_from(["w", "v"])


def _event(kind: str, required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[EventDict]:
    return st.fixed_dictionaries({"type": st.just(kind), "span_id": _span_ids, **required}, optional=optional)


_seq = {"seq": st.integers(1, 12)}
_starts = {
    "start_ms": _times,
    "parent_id": _span_ids | st.just(""),
    "kind": _kinds,
    "tags": _tags,
    "rpc_service": _texts,
    "rpc_method": _texts,
    "child_play_sid": _texts,
    "source_file": _texts,
    "source_line": st.integers(-(2**63), 2**63 - 1),
}
_span_events = [
    _event("span_start", {"name": _texts}, {**_starts, **_seq}),
    _event("span_tag", {"tags": _tags}, _seq),
    _event("span_log", {"text": _texts}, {"ts_ms": _times, "level": _texts, **_seq}),
    _event("span_end", {"status": _statuses}, {"end_ms": _times, "error": _texts, **_seq}),
]


def hello_of(writer: str) -> EventDict:
    """A hello."""
    return {"type": "hello", "protocol": 1, "writer": writer}


event_streams = st.lists(st.one_of(*_span_events, _writers.map(hello_of)), max_size=12)
"""Anything, a seq here and there, and a hello."""

numbered_streams = st.lists(st.one_of(*_span_events), max_size=10).map(
    lambda events: [{**event, "seq": 2 * number + 3} for number, event in enumerate(events)]
)
"""What one writer sends that counts its events, gaps included."""

limits = st.builds(
    FoldLimits,
    max_spans=st.sampled_from([1, 2, 3, 2_000_000]),
    max_tags_bytes=st.sampled_from([2, 8, 20, 33, 65_536]),
    max_log_bytes=st.sampled_from([0, 3, 8, 21, 1_048_576]),
)
"""Mostly small ones."""
