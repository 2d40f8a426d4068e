"""From events to spans: docs/protocol.md, "Folding rules" 1 to 9 and 13, by number."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from hero_logic.core.fold import OPEN_AT_END, Batch, SpanTree
from hero_logic.core.records import Counters, Span
from hero_logic.core.wire import decode_lines
from support.folding import RECEIVED_MS, Recording, end, hello, log, start, tag

EVERY_FIELD: dict[str, Any] = {
    "start_ms": 5.25,
    "parent_id": "p",
    "kind": "rpc",
    "rpc_service": "S",
    "rpc_method": "m",
    "child_play_sid": "c",
    "source_file": "f.py",
    "source_line": 3,
}


def recorded(*events: dict[str, Any]) -> Recording:
    recording = Recording()
    recording.send(*events)
    return recording


# Rule 1


def test_rule_1_a_start_makes_a_running_span() -> None:
    """The span is there, with what came and defaults for what did not."""
    recording = recorded(start(name="work", start_ms=5))

    assert recording.spans == [
        Span(
            span_id="a",
            parent_id="",
            name="work",
            kind="step",
            start_ms=5.0,
            end_ms=None,
            status="running",
            tags={},
            logs="",
            error="",
            rpc_service="",
            rpc_method="",
            child_play_sid="",
            source_file="",
            source_line=0,
        )
    ]


def test_rule_1_a_start_keeps_every_field_that_it_carries() -> None:
    """Each key of a start is a field of the span."""
    span = recorded(start(**EVERY_FIELD, tags={"k": 1})).span()

    assert {key: getattr(span, key) for key in EVERY_FIELD} == EVERY_FIELD
    assert span.tags == {"k": 1}


def test_a_start_without_a_time_starts_when_it_was_received() -> None:
    """A time that is missing is the time of receipt."""
    assert recorded(start()).span().start_ms == RECEIVED_MS


@pytest.mark.parametrize(
    ("kind", "kept"),
    [("flow_root", "flow_root"), ("step", "step"), ("rpc", "rpc"), ("subflow", "subflow"), ("other", "other")]
    + [(kind, "other") for kind in ("", "STEP", "step ", "llm")],
)
def test_an_unknown_kind_is_other(kind: str, kept: str) -> None:
    """The five kinds are kept; anything else is ``other``."""
    assert recorded(start(kind=kind)).span().kind == kept


# Rule 2


@pytest.mark.parametrize("key", EVERY_FIELD)
def test_rule_2_a_second_start_changes_only_what_it_carries(key: str) -> None:
    """A field that is carried takes the new value, the others are kept, the time included."""
    new_value: Any = {"start_ms": 9.0, "kind": "subflow", "source_line": 0}.get(key, "")

    span = recorded(start(**EVERY_FIELD), start(**{key: new_value})).span()

    assert {name: getattr(span, name) for name in EVERY_FIELD} == {**EVERY_FIELD, key: new_value}


def test_rule_2_a_second_start_gives_the_new_name_and_merges_tags() -> None:
    """The name is always carried; tags merge; there is no second row."""
    recording = recorded(start(tags={"x": 1, "y": 1}), start(name="two", tags={"y": 2, "z": 2}))

    assert len(recording.spans) == 1
    assert recording.span().name == "two"
    assert recording.span().tags == {"x": 1, "y": 2, "z": 2}


def test_rule_2_a_span_that_has_ended_stays_ended() -> None:
    """A start after the end fills in, and does not run again."""
    span = recorded(
        start(), end(status="failed", end_ms=7, error="e"), start(name="late", tags={"k": 1})
    ).span()

    assert (span.status, span.end_ms, span.error) == ("failed", 7.0, "e")
    assert (span.name, span.tags) == ("late", {"k": 1})


def test_rule_2_a_second_start_in_a_later_batch_finds_the_row() -> None:
    """What was written and forgotten is read back."""
    recording = recorded(start(**EVERY_FIELD), log(ts_ms=1), end(end_ms=8))

    recording.send(start(name="again"))

    assert len(recording.spans) == 1
    span = recording.span()
    assert (span.name, span.start_ms, span.end_ms, span.logs) == ("again", 5.25, 8.0, "[1] t")


# Rule 3


def test_rule_3_tags_merge_key_by_key() -> None:
    """The new value replaces the old one whole; nested objects are not merged."""
    recording = recorded(
        start(tags={"a": 1, "b": {"x": 1, "y": 2}, "c": [1, 2]}), tag(b={"x": 9}, c=[], d="new")
    )

    assert recording.span().tags == {"a": 1, "b": {"x": 9}, "c": [], "d": "new"}


def test_rule_3_null_is_a_value() -> None:
    """``null`` deletes nothing."""
    assert recorded(start(tags={"a": 1, "b": None}), tag(a=None)).span().tags == {"a": None, "b": None}


def test_rule_3_tags_of_an_ended_span_merge() -> None:
    """An end closes the span, not its tags."""
    recording = recorded(start(tags={"a": 1}), end())

    recording.send(tag(b=2))

    assert recording.span().tags == {"a": 1, "b": 2}
    assert recording.span().status == "ok"


def test_rule_3_distinct_keys_give_the_same_tags_in_any_order() -> None:
    """Tag events that do not touch each other may come in any order."""
    orders = itertools.permutations([tag(a=1), tag(b=2), tag(c=3, d=4)])

    results = [recorded(start(), *events).span().tags for events in orders]

    assert results == [{"a": 1, "b": 2, "c": 3, "d": 4}] * 6


# Rule 4


def test_rule_4_logs_are_appended_in_order_of_arrival() -> None:
    """Their times do not sort them; a log of an ended span is appended as well."""
    recording = recorded(start(), log(text="two", ts_ms=2), log(text="one", ts_ms=1), end())

    recording.send(log(text="late", ts_ms=3), log(text="last", ts_ms=3))

    assert recording.span().logs == "[2] two\n[1] one\n[3] late\n[3] last"


@pytest.mark.parametrize(
    ("level", "shown"),
    [("info", "INFO t"), ("WARN", "WARN t"), ("my level", "MY LEVEL t"), ("straße", "STRASSE t"), ("", "t")],
)
def test_a_level_is_shown_in_upper_case(level: str, shown: str) -> None:
    """``[ts_ms] LEVEL text``, unless the level is empty."""
    assert recorded(log(ts_ms=1, level=level)).span().logs == f"[1] {shown}"


def test_a_log_without_a_level_is_time_and_text() -> None:
    """``[ts_ms] text``."""
    assert recorded(log(ts_ms=1)).span().logs == "[1] t"


@pytest.mark.parametrize(
    ("ts_ms", "shown"),
    [
        (0.5, "0"),
        (1.5, "2"),
        (2.5, "2"),
        (-0.5, "0"),
        (-1.5, "-2"),
        (1700000000000.7, "1700000000001"),
        (1e20, "1" + "0" * 20),
    ],
)
def test_the_time_of_a_log_is_rounded_half_to_even(ts_ms: float, shown: str) -> None:
    """A whole number; a half goes to the even one."""
    assert recorded(log(ts_ms=ts_ms)).span().logs == f"[{shown}] t"


def test_a_log_without_a_time_has_the_time_of_receipt() -> None:
    """A time that is missing is the time of receipt."""
    assert recorded(log()).span().logs == "[100] t"


@pytest.mark.parametrize("text", ["", " ", "a\nb", "\r\n", "\x1b[31m", "[1] x", "\t", "\U0001f600"])
def test_the_text_of_a_log_stands_as_it_came(text: str) -> None:
    """Newlines and controls included."""
    recording = recorded(log(text=text, ts_ms=1), log(text=text, ts_ms=2))

    assert recording.span().logs == f"[1] {text}\n[2] {text}"


# Rule 5


@pytest.mark.parametrize("status", ["ok", "failed", "timed_out", "cancelled"])
def test_rule_5_an_end_sets_time_status_and_error(status: str) -> None:
    """The four statuses are kept as they came, and no tag is made of them."""
    span = recorded(start(), end(status=status, end_ms=7.5, error="why")).span()

    assert (span.status, span.end_ms, span.error, span.tags) == (status, 7.5, "why", {})


def test_rule_5_the_first_end_stands() -> None:
    """A later end changes nothing, within a batch and after it; it is an event all the same."""
    recording = recorded(start(), end(status="failed", end_ms=2, error="first"), end(status="ok", end_ms=9))

    recording.send(end(status="what", end_ms=10, error="third"))

    span = recording.span()
    assert (span.status, span.end_ms, span.error, span.tags) == ("failed", 2.0, "first", {})
    assert recording.rows.counters == Counters(events=4)


def test_an_end_without_a_time_ends_when_it_was_received() -> None:
    """A time that is missing is the time of receipt; an error that is missing is empty."""
    span = recorded(start(start_ms=1), end()).span()

    assert (span.start_ms, span.end_ms, span.error) == (1.0, RECEIVED_MS, "")


@pytest.mark.parametrize(
    "status", ["pending", "running", "success", "OK", "ok ", "", "null", "a\nb", "\ufffd"]
)
def test_status_mapping_makes_an_unknown_status_failed(status: str) -> None:
    """A drift between writer and reader shows, and never looks like success."""
    span = recorded(
        start(tags={"hero.unknown_status": "mine"}), end(status=status, end_ms=2, error="e")
    ).span()

    assert (span.status, span.end_ms, span.error) == ("failed", 2.0, "e")
    assert span.tags == {"hero.unknown_status": status}


# Rule 6


@pytest.mark.parametrize(
    ("event", "start_ms"),
    [
        (tag(k=1), RECEIVED_MS),
        (log(ts_ms=7), 7.0),
        (log(), RECEIVED_MS),
        (end(end_ms=8), 8.0),
        (end(), RECEIVED_MS),
    ],
    ids=["tag", "log", "log without time", "end", "end without time"],
)
def test_rule_6_an_event_of_a_span_never_started_creates_it(event: dict[str, Any], start_ms: float) -> None:
    """It is a root without a name, and starts at that event's time."""
    span = recorded(event).span()

    assert (span.name, span.parent_id, span.kind, span.start_ms) == ("", "", "step", start_ms)


def test_rule_6_a_later_start_fills_it_in() -> None:
    """By rule 2; nothing that came before is lost."""
    recording = recorded(tag(k=1), log(ts_ms=3), end(end_ms=8, error="e", status="failed"))

    recording.send(start(**EVERY_FIELD))

    span = recording.span()
    assert {name: getattr(span, name) for name in EVERY_FIELD} == EVERY_FIELD
    assert (span.tags, span.logs, span.status, span.end_ms) == ({"k": 1}, "[3] t", "failed", 8.0)


def test_rule_6_a_later_start_without_a_time_keeps_the_first_events_time() -> None:
    """The time is a field that a start may not carry."""
    assert recorded(log(ts_ms=3), start()).span().start_ms == 3.0


def test_rule_6_only_the_event_that_creates_the_span_gives_its_start() -> None:
    """The events after it have their own times."""
    assert recorded(log(ts_ms=7), log(ts_ms=3), end(end_ms=1)).span().start_ms == 7.0


# Rule 7


def test_rule_7_an_end_before_the_start_is_kept() -> None:
    """A clock that jumped is a fact."""
    span = recorded(start(start_ms=1000), end(end_ms=-3.5)).span()

    assert (span.start_ms, span.end_ms) == (1000.0, -3.5)


# Rule 8 and the order of the list


def test_rule_8_order_across_connections_is_that_of_arrival() -> None:
    """Connections are no order of their own."""
    recording = Recording()
    for connection, text in [(1, "one"), (2, "two"), (1, "three")]:
        recording.send(log(text=text, ts_ms=0), source=str(connection))

    assert recording.span().logs == "[0] one\n[0] two\n[0] three"


def test_spans_are_listed_as_they_were_first_heard_of() -> None:
    """Whatever the first event was, and whatever changes later."""
    recording = recorded(end("c"), log("a"), start("b"))
    recording.send(start("d"), start("a"), start("c"))
    recording.restart()
    recording.send(start("0"), tag("d"))

    assert [span.span_id for span in recording.spans] == ["c", "a", "b", "d", "0"]


# Rule 9


def test_rule_9_a_seq_that_is_not_higher_is_a_repeat() -> None:
    """Counted and ignored; the highest counts, not the last."""
    recording = recorded(
        hello(),
        log(text="1", ts_ms=0, seq=1),
        log(text="5", ts_ms=0, seq=5),
        log(text="again", seq=5),
        log(text="3", seq=3),
    )

    assert recording.span().logs == "[0] 1\n[0] 5"
    assert recording.rows.counters == Counters(events=2, repeated=2)


def test_rule_9_a_repeat_on_a_new_connection_of_the_same_writer_is_a_repeat() -> None:
    """A reconnect sends hello, and then again what may not have arrived."""
    recording = recorded(hello(), start(seq=1), log(ts_ms=0, seq=2))

    recording.send(hello(), log(ts_ms=0, seq=2), end(seq=3), source="1")

    assert recording.span().logs == "[0] t"
    assert recording.span().status == "ok"
    assert recording.rows.counters == Counters(events=3, repeated=1)


def test_rule_9_the_highest_seq_outlives_the_process() -> None:
    """What was seen before a restart is a repeat after it."""
    recording = recorded(hello(), log(ts_ms=0, seq=2))
    recording.restart()

    recording.send(hello(), log(ts_ms=0, seq=2), log(ts_ms=1, seq=3))

    assert recording.span().logs == "[0] t\n[1] t"
    assert recording.rows.counters == Counters(events=2, repeated=1)


def test_rule_9_two_writers_have_their_own_numbers() -> None:
    """A forked child counts from 1 again, under its own name."""
    recording = recorded(hello("parent"), log(ts_ms=0, seq=9))

    recording.send(hello("child"), log(ts_ms=1, seq=1), source="1")
    recording.send(log(ts_ms=2, seq=10))

    assert recording.span().logs == "[0] t\n[1] t\n[2] t"
    assert recording.rows.counters.repeated == 0


def test_rule_9_a_second_hello_names_the_writer_of_what_follows() -> None:
    """A connection may be handed on."""
    recording = recorded(hello("one"), log(ts_ms=0, seq=5), hello("two"), log(ts_ms=1, seq=5), log(seq=5))

    assert recording.span().logs == "[0] t\n[1] t"
    assert recording.rows.writers == {"one": 5, "two": 5}


@pytest.mark.parametrize(
    "events",
    [[log(ts_ms=0, seq=1), log(ts_ms=0, seq=1)], [hello(), log(ts_ms=0), log(ts_ms=0)]],
    ids=["without hello", "without seq"],
)
def test_rule_9_without_hello_or_seq_nothing_is_a_repeat(events: list[dict[str, Any]]) -> None:
    """Logs are appended, then."""
    recording = recorded(*events)

    assert recording.span().logs == "[0] t\n[0] t"
    assert recording.rows.counters == Counters(events=2)


def test_rule_9_a_hello_on_another_connection_says_nothing_of_this_one() -> None:
    """A writer is known by connection, and before its hello not at all."""
    recording = recorded(log(ts_ms=0, seq=1), hello(), log(ts_ms=1, seq=1))

    recording.send(log(ts_ms=2, seq=1), source="1")

    assert recording.span().logs == "[0] t\n[1] t\n[2] t"


def test_a_connection_that_ended_takes_its_writer_along() -> None:
    """Its number may be given to a connection that says no hello."""
    recording = recorded(hello(), log(ts_ms=0, seq=1))
    recording.tree.disconnected("")
    recording.tree.disconnected("7")

    recording.send(log(ts_ms=1, seq=1))

    assert recording.span().logs == "[0] t\n[1] t"


def test_the_seq_of_a_hello_is_ignored() -> None:
    """It neither repeats nor raises the highest."""
    recording = recorded(hello(seq=7), log(ts_ms=0, seq=1), hello(seq=1), log(ts_ms=1, seq=2))

    assert recording.span().logs == "[0] t\n[1] t"
    assert recording.rows.counters == Counters(events=2)


def test_another_protocol_is_noted_and_its_lines_are_folded() -> None:
    """By version 1 all the same, seq included."""
    recording = recorded(hello(protocol=2), start(seq=1), start(seq=1), {**hello("v"), "protocol": 1})

    assert recording.tree.foreign_protocols == [2]
    assert recording.rows.counters == Counters(events=1, repeated=1)


# Rule 13


@pytest.mark.parametrize(
    ("status", "closed_as"),
    [("timed_out", "timed_out"), ("cancelled", "cancelled"), ("failed", "failed"), ("ok", "failed")],
)
def test_rule_13_a_span_open_at_the_end_is_closed(status: str, closed_as: str) -> None:
    """With the play's end, and its status where it was timed out or cancelled, else ``failed``."""
    recording = recorded(start("a"), tag("b", k=1), end("c", status="ok", end_ms=1), log("b", ts_ms=1))

    recording.close(status, 50.0)

    ends = [(span.span_id, span.status, span.end_ms, span.error) for span in recording.spans]
    assert ends == [
        ("a", closed_as, 50.0, OPEN_AT_END),
        ("b", closed_as, 50.0, OPEN_AT_END),
        ("c", "ok", 1.0, ""),
    ]
    assert (recording.span("b").tags, recording.span("b").logs) == ({"k": 1}, "[1] t")
    assert OPEN_AT_END == "the play ended while this span was open"


def test_rule_13_the_close_is_no_event() -> None:
    """The counters say what the flow sent."""
    recording = recorded(start("a"), start("b"))

    recording.close("failed", 50.0)

    assert recording.rows.counters == Counters(events=2)


def test_rule_13_an_end_after_the_close_changes_nothing() -> None:
    """The close is the first end, and the first end stands."""
    recording = recorded(start())
    recording.close("cancelled", 50.0)

    recording.send(end(end_ms=60))

    assert (recording.span().status, recording.span().end_ms) == ("cancelled", 50.0)


# Counters and deltas


def test_counters_add_up_what_the_reader_counted() -> None:
    """Malformed and oversize lines come in with their batch."""
    tree = SpanTree()
    tree.apply(Batch([], RECEIVED_MS, malformed=2))
    tree.apply(Batch([], RECEIVED_MS, malformed=1, oversize=4))

    delta = tree.delta()

    assert delta is not None
    assert tree.counters == delta.counters == Counters(malformed=3, oversize=4)


def test_a_malformed_line_is_counted_and_the_stream_goes_on() -> None:
    """Rule 10."""
    recording = Recording()

    recording.send_bytes(b'%%%\n{"type":"span_end","span_id":"a","status":"ok"}\n]\n')

    assert recording.rows.counters == Counters(events=1, malformed=2)


def test_a_delta_has_each_changed_row_once_in_order() -> None:
    """And only those that changed since the last was committed."""
    recording = recorded(start("a"), start("b"), start("c"))

    recording.tree.apply(Batch(decode_lines(b"").events, RECEIVED_MS))
    unchanged = recording.tree.delta()
    stream = b"".join(
        b'{"type":"span_tag","span_id":"%s","tags":{}}\n' % span_id for span_id in (b"c", b"a", b"c")
    )
    recording.tree.apply(Batch(decode_lines(stream).events, RECEIVED_MS))
    delta = recording.tree.delta()

    assert unchanged is None
    assert delta is not None
    assert [row.span_id for row in delta.rows] == ["a", "c"]
    assert (delta.span_count, delta.writers) == (3, {})


def test_a_hello_alone_changes_nothing() -> None:
    """It is no event, and there is nothing to write."""
    tree = SpanTree()

    tree.apply(Batch(decode_lines(b'{"type":"hello","protocol":1,"writer":"w"}').events, RECEIVED_MS))

    assert tree.delta() is None


def test_a_delta_that_was_not_written_comes_again_with_what_came_meanwhile() -> None:
    """A write that failed loses nothing and doubles nothing."""
    recording = recorded(start(), log(text="0", ts_ms=0))
    for text in (b"1", b"2"):
        line = b'{"type":"span_log","span_id":"a","text":"%s","ts_ms":0}' % text
        recording.tree.apply(Batch(decode_lines(line).events, RECEIVED_MS))
        recording.tree.delta()

    recording.commit()
    recording.send(log(text="3", ts_ms=0))

    assert recording.span().logs == "[0] 0\n[0] 1\n[0] 2\n[0] 3"


def test_the_state_that_a_tree_starts_from_is_not_changed() -> None:
    """A tree works on its own copy."""
    recording = recorded(hello(), start(seq=1))
    state = recording.rows.state()
    tree = SpanTree(state, load=recording.rows.load)

    stream = (
        b'{"type":"hello","protocol":1,"writer":"w"}\n{"type":"span_tag","span_id":"a","tags":{},"seq":4}'
    )
    tree.apply(Batch(decode_lines(stream).events, RECEIVED_MS))

    assert state == recording.rows.state()


def test_a_tree_without_a_loader_knows_what_it_has_at_hand() -> None:
    """Spans that run are; what else a later batch speaks of is new to it."""
    tree = SpanTree()
    tree.apply(Batch(decode_lines(b'{"type":"span_start","span_id":"a","name":"n"}').events, RECEIVED_MS))
    tree.committed()

    stream = b'{"type":"span_tag","span_id":"a","tags":{}}\n{"type":"span_tag","span_id":"b","tags":{}}'
    tree.apply(Batch(decode_lines(stream).events, RECEIVED_MS))
    delta = tree.delta()

    assert delta is not None
    assert [(row.ordinal, row.span_id, row.name) for row in delta.rows] == [(0, "a", "n"), (1, "b", "")]
