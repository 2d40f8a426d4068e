"""What holds of folding for any stream of events."""

from __future__ import annotations

import itertools
import json
from typing import Any
from unittest.mock import patch

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from hero_logic.core import fold
from hero_logic.core.fold import Batch, FoldLimits, SpanTree
from hero_logic.core.lines import LineBuffer
from hero_logic.core.records import Span
from hero_logic.core.wire import decode_lines
from support.event_streams import EventDict, event_streams, hello_of, limits, numbered_streams
from support.folding import Recording
from support.json_text import chunks, hostile_lines, unsure_lines
from support.reference_decoder import Malformed, reference_decode
from support.reference_fold import ReferenceFold
from support.rows import RowStore
from support.scale import SCALED

NO_LIMITS = FoldLimits()
COUNTERS = ("events", "malformed", "oversize", "repeated", "truncated")


def folded(stream: list[EventDict], limits: FoldLimits = NO_LIMITS) -> Recording:
    """The play that a stream makes in one batch an event."""
    recording = Recording(limits)
    for event in stream:
        recording.send(event)
    return recording


def by_id(spans: list[Span]) -> dict[str, Span]:
    return {span.span_id: span for span in spans}


def without_logs(spans: list[Span]) -> list[Span]:
    return [msgspec.structs.replace(span, logs="") for span in spans]


@SCALED
@given(event_streams, limits, st.data())
def test_the_fold_is_that_of_the_reference(
    stream: list[EventDict], limits: FoldLimits, data: st.DataObject
) -> None:
    """Spans, their order and the counters, over several connections, whatever is written when."""
    reference = ReferenceFold(limits.max_spans, limits.max_tags_bytes, limits.max_log_bytes)
    recording = Recording(limits)
    for event in stream:
        connection = data.draw(st.integers(0, 1))
        received_ms = data.draw(st.sampled_from([0.0, 2.5, 1e12]))
        recording.send(event, source=str(connection), received_ms=received_ms)
        decoded = reference_decode(json.dumps(event).encode())
        assert decoded is not None
        reference.fold(decoded, connection, received_ms)
    status = data.draw(st.sampled_from(["ok", "failed", "timed_out", "cancelled"]))
    recording.close(status, 77.0)
    reference.close(status, 77.0)

    assert [msgspec.to_builtins(span) for span in recording.spans] == list(reference.spans.values())
    assert msgspec.to_builtins(recording.rows.counters) == reference.counters


@SCALED
@given(chunks(unsure_lines | hostile_lines), limits)
def test_bytes_make_the_spans_that_the_references_make_of_them(chunk: bytes, limits: FoldLimits) -> None:
    """Reader and fold together; nothing that is read fails to fold, to store or to show."""
    recording = Recording(limits)
    recording.send_bytes(chunk)
    malformed = 0
    span_ids = []
    for line in chunk.split(b"\n"):
        try:
            event = reference_decode(line)
        except Malformed:
            malformed += 1
        else:
            span_ids += [event["span_id"]] if event is not None and event["type"] != "hello" else []
    counters = recording.rows.counters

    assert [span.span_id for span in recording.spans] == list(dict.fromkeys(span_ids))[: limits.max_spans]
    assert counters.malformed == malformed
    assert len(span_ids) - counters.truncated <= counters.events + counters.repeated <= len(span_ids)
    msgspec.json.decode(msgspec.json.encode(recording.spans), type=list[Span])


@SCALED
@given(
    chunks(hostile_lines) | event_streams.map(lambda s: b"".join(json.dumps(e).encode() + b"\n" for e in s)),
    st.data(),
)
def test_any_split_of_the_bytes_gives_the_same_spans(stream: bytes, data: st.DataObject) -> None:
    """Reads end where they end, and are written when they are written."""
    whole = split_at(stream, [])

    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=12))

    assert split_at(stream, places) == whole


def split_at(stream: bytes, places: list[int]) -> tuple[list[Span], list[int]]:
    lines = LineBuffer(max_line_bytes=3000)
    rows = RowStore()
    tree = SpanTree(load=rows.load)
    edges = [0, *sorted(places), len(stream)]
    chunks = [lines.feed(stream[start:stop]) for start, stop in itertools.pairwise(edges)]
    for chunk in [*chunks, lines.finish()]:
        decoded = decode_lines(chunk)
        tree.apply(Batch(decoded.events, 5.0, malformed=len(decoded.bad_lines)))
        rows.write(tree.delta())
        tree.committed()
    return rows.spans(), [lines.oversize, *(getattr(rows.counters, name) for name in COUNTERS)]


@SCALED
@given(numbered_streams, limits, st.data())
def test_repeats_change_nothing(stream: list[EventDict], limits: FoldLimits, data: st.DataObject) -> None:
    """With hello and seq, what is sent again is counted, and that is all (rule 9)."""
    once = folded([hello_of("w"), *stream], limits)
    again = Recording(limits)
    again.send(hello_of("w"))
    repeats = 0
    for number, event in enumerate(stream):
        again.send(event)
        first = data.draw(st.integers(0, number + 1))
        again.send(*stream[first : number + 1])
        repeats += number + 1 - first

    assert again.spans == once.spans
    assert again.rows.counters == msgspec.structs.replace(once.rows.counters, repeated=repeats)


@SCALED
@given(numbered_streams, limits)
def test_folding_twice_is_folding_once_with_hello_and_seq(
    stream: list[EventDict], limits: FoldLimits
) -> None:
    """The whole stream again, as after a reconnect that knows nothing of what arrived."""
    once = folded([hello_of("w"), *stream], limits)

    twice = folded([hello_of("w"), *stream, hello_of("w"), *stream], limits)

    assert twice.spans == once.spans


@SCALED
@given(numbered_streams)
def test_folding_twice_is_folding_once_but_for_logs_without_seq(stream: list[EventDict]) -> None:
    """Rules 2 and 5 make starts and ends harmless, tags are set again; logs are appended."""
    plain = [{key: value for key, value in event.items() if key != "seq"} for event in stream]

    twice = folded([*plain, *plain])

    assert without_logs(twice.spans) == without_logs(folded(plain).spans)


@SCALED
@given(event_streams, limits, st.data())
def test_rebuilt_from_rows_is_folded_live(
    stream: list[EventDict], limits: FoldLimits, data: st.DataObject
) -> None:
    """A tree made from what was written, at any point, goes on as the one that wrote it.

    Every writer says hello again after a restart, for its connections are new ones.
    """
    live = Recording(limits)
    live.send(*stream)
    rebuilt = Recording(limits)
    hello: list[dict[str, Any]] = []
    for event in stream:
        rebuilt.send(event)
        hello = [event] if event["type"] == "hello" else hello
        if data.draw(st.booleans()):
            rebuilt.restart()
            rebuilt.send(*hello)

    assert rebuilt.spans == live.spans
    assert rebuilt.rows.counters == live.rows.counters
    assert rebuilt.rows.writers == live.rows.writers


@SCALED
@given(
    event_streams,
    limits,
    st.lists(st.sampled_from(["write", "fail", "wait"]), max_size=20),
    st.integers(0, 2),
)
def test_what_is_written_when_changes_nothing(
    stream: list[EventDict], limits: FoldLimits, moments: list[str], max_rows: int
) -> None:
    """Rows may be forgotten after any event, running ones too, and writes may fail and come again."""
    live = Recording(limits)
    live.send(*stream)
    rows = RowStore()
    tree = SpanTree(load=rows.load, limits=limits)
    with patch.object(fold, "_MAX_CACHED_ROWS", max_rows):
        for number, event in enumerate(stream):
            tree.apply(Batch(decode_lines(json.dumps(event).encode()).events, 100.0))
            moment = moments[number % len(moments)] if moments else "wait"
            if moment == "fail":
                tree.delta()
            elif moment == "write":
                rows.write(tree.delta())
                tree.committed()
        rows.write(tree.delta())

    assert rows.spans() == live.spans
    assert (rows.counters, rows.writers) == (live.rows.counters, live.rows.writers)


@SCALED
@given(st.lists(event_streams, min_size=1, max_size=3), st.data())
def test_any_interleaving_of_different_spans_gives_the_same_spans(
    streams: list[list[EventDict]], data: st.DataObject
) -> None:
    """Rule 8, the order of the list apart; each span's own events stay in their order."""
    queues = [
        [{**event, "span_id": f"{number}"} for event in stream if event["type"] != "hello"]
        for number, stream in enumerate(streams)
    ]
    limits = FoldLimits(max_tags_bytes=30, max_log_bytes=30)
    one_after_another = folded([event for queue in queues for event in queue], limits)
    interleaved = []
    while any(queues):
        queue = data.draw(st.sampled_from([queue for queue in queues if queue]))
        interleaved.append(queue.pop(0))
    mixed = folded(interleaved, limits)

    assert by_id(mixed.spans) == by_id(one_after_another.spans)
    assert mixed.rows.counters == one_after_another.rows.counters
