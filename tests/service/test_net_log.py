"""The decisions of a play's proxy as a span of the play's."""

from __future__ import annotations

import json
from typing import Any

from hero_logic.core.lines import Chunk
from hero_logic.service.net_log import NetLog


class Sink:
    """Remembers the events that come."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def write(self, chunk: Chunk) -> bool:
        self.events += [json.loads(line) for line in chunk.data.splitlines()]
        return True


class Decision:
    """One attempt."""

    def __init__(self, verdict: str, endpoint: str = "a.example:443", why: str = "1.1.1.1") -> None:
        self.verdict = verdict
        self.endpoint = endpoint
        self.why = why
        self.allow = endpoint if verdict == "denied" else ""


def log_of() -> tuple[NetLog, list[dict[str, Any]]]:
    sink = Sink()
    return NetLog(sink, now_ms=lambda: 1000.5), sink.events  # type: ignore[arg-type]  # what it uses of one


def test_a_play_that_reaches_for_nothing_has_no_span_of_it() -> None:
    """Its record is what it was."""
    log, events = log_of()

    log.finish()

    assert events == []


def test_each_decision_is_a_log_and_the_tags_count_them() -> None:
    """The span ends ok: a denial is not its failure."""
    log, events = log_of()

    log.tell(Decision("allowed"))
    log.tell(Decision("denied", why="it was not granted"))
    log.tell(Decision("failed", why="Connection refused"))
    log.finish()

    assert [event["type"] for event in events] == ["span_start", *["span_log"] * 3, "span_tag", "span_end"]
    assert (events[0]["name"], events[0]["kind"], events[0]["parent_id"]) == ("network", "other", "")
    assert [(event["text"], event.get("level")) for event in events[1:4]] == [
        ("allowed a.example:443 (1.1.1.1)", None),
        (
            "denied a.example:443: it was not granted; --allow-net a.example:443 would allow it",
            "warning",
        ),
        ("failed a.example:443: Connection refused", "warning"),
    ]
    assert events[4]["tags"] == {"allowed": 1, "denied": 1, "failed": 1}
    assert (events[5]["status"], events[5]["end_ms"]) == ("ok", 1000.5)


def test_two_plays_have_spans_that_nobody_can_guess() -> None:
    """A flow that knows its own sid cannot write into it."""
    ids = set()
    for _ in range(2):
        log, events = log_of()
        log.tell(Decision("allowed"))
        ids.add(events[0]["span_id"])

    assert len(ids) == 2
    assert all(len(one) > len("network-") + 15 for one in ids)


def test_a_flow_that_asks_without_end_fills_no_record() -> None:
    """What comes after the first two thousand is counted."""
    log, events = log_of()

    for number in range(2100):
        log.tell(Decision("denied", f"h{number}.example:443", "it was not granted"))
    log.finish()

    assert len(events) == 1 + 2000 + 3
    assert events[-3]["text"] == "and 100 more"
    assert events[-2]["tags"] == {"denied": 2100}
    assert list(log.refusals) == [f"h{number}.example:443" for number in range(10)]
