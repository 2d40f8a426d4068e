"""What is kept of a play that sends too much: rule 14, every limit at its edge."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hero_logic.core.fold import FoldLimits
from hero_logic.core.records import Counters
from support.folding import Recording, end, hello, log, start, tag


def limited(*events: dict[str, Any], **limits: int) -> Recording:
    recording = Recording(FoldLimits(**limits))
    recording.send(*events)
    return recording


def one_by_one(*events: dict[str, Any], **limits: int) -> Recording:
    """The same in batches of one event, each folded by a new tree from the rows."""
    recording = Recording(FoldLimits(**limits))
    for event in events:
        recording.send(event)
        recording.restart()
    return recording


def text_bytes(tags: dict[str, Any]) -> int:
    return len(json.dumps(tags, separators=(",", ":"), ensure_ascii=False).encode())


def test_the_limits_have_the_defaults_of_the_protocol() -> None:
    """2,000,000 spans, 64 KiB of tags, 1 MiB of logs."""
    assert FoldLimits() == FoldLimits(max_spans=2_000_000, max_tags_bytes=65_536, max_log_bytes=1_048_576)


# Spans


def test_events_of_a_span_past_the_limit_are_dropped() -> None:
    """Each counts once in truncated and not in events; spans that are there go on."""
    late = [start("c"), tag("c", k=1), log("d"), end("c")]
    recording = limited(start("a"), start("b"), *late, log("a", ts_ms=0), end("b", end_ms=2), max_spans=2)

    assert [span.span_id for span in recording.spans] == ["a", "b"]
    assert [span.tags for span in recording.spans] == [{}, {}]
    assert (recording.span("a").logs, recording.span("b").status) == ("[0] t", "ok")
    assert recording.rows.counters == Counters(events=4, truncated=4)


def test_the_span_limit_holds_across_batches_and_processes() -> None:
    """The count of spans is part of what was written."""
    recording = one_by_one(start("a"), start("b"), start("c"), start("a"), max_spans=2)

    assert [span.span_id for span in recording.spans] == ["a", "b"]
    assert recording.rows.counters == Counters(events=3, truncated=1)


def test_a_repeat_past_the_span_limit_is_a_repeat() -> None:
    """What was dropped has been seen: sent again, it is not dropped again."""
    recording = limited(hello(), start("a", seq=1), start("b", seq=2), start("b", seq=2), max_spans=1)

    assert recording.rows.counters == Counters(events=1, repeated=1, truncated=1)


# Tags


@pytest.mark.parametrize("record", [limited, one_by_one])
@pytest.mark.parametrize("spare", [0, 1])
def test_tags_at_the_limit_are_kept_whole(record: Any, spare: int) -> None:
    """The limit is what the tags are as JSON text, to the byte."""
    tags: dict[str, Any] = {"a": 1, "text": 'é"\n', "o": {"k": [None]}}

    recording = record(start(), tag(a=1), tag(**tags), max_tags_bytes=text_bytes(tags) + spare)

    assert recording.span().tags == tags
    assert recording.rows.counters == Counters(events=3)


@pytest.mark.parametrize("record", [limited, one_by_one])
def test_a_tag_that_would_pass_the_limit_is_dropped_whole(record: Any) -> None:
    """The other tags of its event, and those that were there, are kept."""
    kept = {"a": 1, "c": 3}
    recording = record(start(tags={"a": 1}), tag(b="x" * 10, c=3), max_tags_bytes=text_bytes(kept))

    assert recording.span().tags == {**kept, "hero.truncated": True}
    assert recording.rows.counters == Counters(events=2, truncated=1)


@pytest.mark.parametrize("record", [limited, one_by_one])
def test_a_value_that_would_pass_the_limit_leaves_the_old_one(record: Any) -> None:
    """Dropped whole is not deleted."""
    recording = record(start(tags={"a": 1}), tag(a=22), max_tags_bytes=text_bytes({"a": 1}))

    assert recording.span().tags == {"a": 1, "hero.truncated": True}


@pytest.mark.parametrize("record", [limited, one_by_one])
def test_a_tag_replaced_makes_room(record: Any) -> None:
    """Only what is there now is counted, however often it was replaced."""
    events = [tag(a="x" * n) for n in (9, 8, 9, 1)]
    recording = record(start(), *events, tag(b=1), max_tags_bytes=text_bytes({"a": "x" * 9}))

    assert recording.span().tags == {"a": "x", "b": 1}
    assert recording.rows.counters == Counters(events=6)


@pytest.mark.parametrize("record", [limited, one_by_one])
def test_a_tag_event_of_which_nothing_is_kept_is_no_event(record: Any) -> None:
    """Dropped whole: in truncated, and not in events."""
    recording = record(start(), tag(a=1, b=2), tag(), max_tags_bytes=2)

    assert recording.span().tags == {"hero.truncated": True}
    assert recording.rows.counters == Counters(events=2, truncated=1)


def test_a_start_is_an_event_even_if_its_tags_are_dropped() -> None:
    """The span is there, so it was not dropped whole."""
    recording = limited(start(tags={"a": 1}), max_tags_bytes=2)

    assert recording.span().tags == {"hero.truncated": True}
    assert recording.rows.counters == Counters(events=1, truncated=1)


@pytest.mark.parametrize("event", [tag(a=1), log()])
def test_an_event_that_makes_its_span_is_an_event_even_if_its_text_is_dropped(event: dict[str, Any]) -> None:
    """A span that is there was not dropped whole (rule 6: nothing is dropped)."""
    recording = limited(event, max_tags_bytes=2, max_log_bytes=0)

    assert (recording.span().tags, recording.span().logs) == ({"hero.truncated": True}, "")
    assert recording.rows.counters == Counters(events=1, truncated=1)


def test_the_tag_limit_is_per_span() -> None:
    """One span's tags leave the other's room alone."""
    recording = limited(tag("a", k=1), tag("b", k=1), max_tags_bytes=text_bytes({"k": 1}))

    assert [span.tags for span in recording.spans] == [{"k": 1}, {"k": 1}]


def test_an_event_that_lost_several_tags_counts_once() -> None:
    """Each event, not each tag."""
    recording = limited(start(), tag(a="xxxx", b="xxxx", c=1), max_tags_bytes=7)

    assert recording.rows.counters == Counters(events=2, truncated=1)


@pytest.mark.parametrize("record", [limited, one_by_one])
def test_tags_of_the_runtime_count_towards_no_limit(record: Any) -> None:
    """Neither the mark of a loss nor an unknown status takes room from the writer, or needs any."""
    tags: dict[str, Any] = {"k": 1}
    recording = record(
        tag(long="x" * 99), end(status="?" * 99), tag(**tags), tag(more=1), max_tags_bytes=text_bytes(tags)
    )

    assert recording.span().tags == {"hero.truncated": True, "hero.unknown_status": "?" * 99, **tags}


@pytest.mark.parametrize("record", [limited, one_by_one])
@pytest.mark.parametrize("again", [tag, start])
def test_no_writers_value_replaces_a_tag_that_the_runtime_has_set(record: Any, again: Any) -> None:
    """Not by a tag, not by a start; other tags of the same event are kept."""
    mine: dict[str, Any] = {"hero.truncated": "no", "hero.unknown_status": "ok", "k": 1}
    event = start(tags=mine) if again is start else tag(**mine)
    recording = record(end(status="meh"), tag(long="x" * 99), event, max_tags_bytes=text_bytes(mine))

    assert recording.span().tags == {"hero.truncated": True, "hero.unknown_status": "meh", "k": 1}


@pytest.mark.parametrize("record", [limited, one_by_one])
def test_a_writers_tag_of_that_name_is_a_tag_until_the_runtime_sets_it(record: Any) -> None:
    """Before, it is kept like any other; then it gives way, and its room with it."""
    mine = {"hero.truncated": "mine"}
    recording = record(start(tags=mine), max_tags_bytes=text_bytes(mine))
    before = recording.span().tags
    recording.send(tag(x=1), tag(y=2))

    assert before == mine
    assert recording.span().tags == {"hero.truncated": True, "y": 2}


# Logs


@pytest.mark.parametrize("record", [limited, one_by_one])
def test_logs_at_the_limit_are_kept_whole(record: Any) -> None:
    """The limit is the size of all logs with their times and newlines, in UTF-8."""
    logs = "[0] é\n[1] X t"
    recording = record(log(text="é", ts_ms=0), log(ts_ms=1, level="x"), max_log_bytes=len(logs.encode()))

    assert recording.span().logs == logs
    assert recording.rows.counters == Counters(events=2)
    assert recording.span().tags == {}


@pytest.mark.parametrize("record", [limited, one_by_one])
def test_logs_past_the_limit_are_cut_and_then_dropped(record: Any) -> None:
    """One that is cut is an event, one that is dropped whole is not; both count in truncated."""
    recording = record(
        log(ts_ms=0), log(text="abc", ts_ms=1), log(ts_ms=2), max_log_bytes=len("[0] t\n[1] ab")
    )

    assert recording.span().logs == "[0] t\n[1] ab"
    assert recording.span().tags == {"hero.truncated": True}
    assert recording.rows.counters == Counters(events=2, truncated=2)


@pytest.mark.parametrize(
    ("room", "kept"), [(0, ""), (1, ""), (2, "é"), (3, "é"), (4, "éé"), (7, "éé"), (8, "éé\U0001f600")]
)
def test_logs_are_cut_at_a_character(room: int, kept: str) -> None:
    """No half of a character is kept."""
    recording = limited(start(), log(text="éé\U0001f600", ts_ms=0), max_log_bytes=len("[0] ") + room)

    assert recording.span().logs == "[0] " + kept


def test_what_a_cut_character_leaves_is_still_within_the_limit() -> None:
    """The newline before a log that was cut is counted like any other."""
    limit = len("[0] t\n[0] ") + len("\n")
    recording = limited(log(ts_ms=0), log(text="é", ts_ms=0), log(ts_ms=0), max_log_bytes=limit)

    assert recording.span().logs == "[0] t\n[0] "
    assert recording.rows.counters == Counters(events=2, truncated=2)


def test_no_newline_is_left_where_a_log_does_not_fit() -> None:
    """A log of which no character fits leaves nothing."""
    recording = limited(log(ts_ms=0), log(ts_ms=1), max_log_bytes=len("[0] t") + 1)

    assert recording.span().logs == "[0] t"
    assert recording.rows.counters == Counters(events=1, truncated=1)


def test_the_log_limit_is_per_span() -> None:
    """One span's logs leave the other's room alone."""
    recording = limited(log("a", ts_ms=0), log("b", ts_ms=0), max_log_bytes=5)

    assert [span.logs for span in recording.spans] == ["[0] t", "[0] t"]
    assert recording.rows.counters.truncated == 0


def test_a_loss_after_the_end_is_marked_too() -> None:
    """The mark is of the span, whatever its status; ended it stays."""
    recording = limited(end(end_ms=1), max_log_bytes=0)

    recording.send(log())

    assert (recording.span().status, recording.span().tags) == ("ok", {"hero.truncated": True})


def test_a_repeat_is_not_truncated() -> None:
    """What is ignored is not lost."""
    recording = limited(hello(), log(ts_ms=0, seq=1), log(ts_ms=0, seq=1), max_log_bytes=5)

    assert recording.rows.counters == Counters(events=1, repeated=1)
    assert recording.span().tags == {}
