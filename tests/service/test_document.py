"""A play as one JSON document."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hero_logic.core.finding import StoreSize
from hero_logic.core.records import Artifact, Counters, Play, Sandbox, Span
from hero_logic.service.document import list_document, play_document

FULL = Play(
    sid="p",
    flow="census",
    status="ok",
    input_json='{"a":1,"big":123456789012345678901234567890}',
    output_json='{"t":[1,null]}',
    error="",
    created_ms=1.0,
    start_ms=10.25,
    end_ms=20.5,
    exit_code=0,
    stdout="ä\n",
    stderr="\x1b[0m",
    artifacts=[Artifact("a/b", 3)],
    sandbox=Sandbox("tier0", "none", "rlimits"),
    counters=Counters(1, 2, 3, 4, 5),
)

FACTS = [
    "schema",
    "sid",
    "flow",
    "status",
    "error",
    "start_ms",
    "end_ms",
    "duration_ms",
    "exit_code",
    "artifacts",
    "sandbox",
    "needs",
    "grants",
    "counters",
    "created_ms",
    "is_waiting",
    "retry_of",
    "parent_play_sid",
    "parent_span_id",
    "asked_by",
    "span_count",
]
HEAVY = ["input", "output", "stdout", "stderr"]


def span(number: int) -> Span:
    return Span(str(number), "", "n", "step", 1.0, None, "running", {"k": number}, "", "", "", "", "", "", 0)


def document(play: Play, spans: list[Span]) -> dict[str, Any]:
    found = json.loads(b"".join(play_document(play, spans)))
    assert isinstance(found, dict)
    return found


def test_the_document_has_exactly_its_fields() -> None:
    """Those that docs/json.md names."""
    assert set(document(FULL, [])) == {*FACTS, *HEAVY, "spans"}


def test_the_values_are_those_of_the_play() -> None:
    """Input and output as they are, to the last digit."""
    found = document(FULL, [])

    assert (found["schema"], found["duration_ms"], found["exit_code"]) == (1, 10.25, 0)
    assert found["input"] == {"a": 1, "big": 123456789012345678901234567890}
    assert (found["output"], found["stdout"], found["stderr"]) == ({"t": [1, None]}, "ä\n", "\x1b[0m")
    assert found["artifacts"] == [{"path": "a/b", "size_bytes": 3}]
    assert found["sandbox"] == {"tier": "tier0", "isolation": "none", "resources": "rlimits", "user": ""}
    assert found["counters"] == {
        "events": 1,
        "malformed": 2,
        "oversize": 3,
        "repeated": 4,
        "truncated": 5,
    }


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2500])
def test_any_number_of_spans_makes_a_valid_document(count: int) -> None:
    """Whatever the pieces that it is made of."""
    assert [one["span_id"] for one in document(FULL, [span(n) for n in range(count)])["spans"]] == [
        str(number) for number in range(count)
    ]


def test_a_span_has_exactly_the_fields_of_the_protocol() -> None:
    """In the document under their names on the wire."""
    [found] = document(FULL, [span(1)])["spans"]

    assert list(found) == list(Span.__struct_fields__)
    assert (found["end_ms"], found["status"]) == (None, "running")


def test_a_play_that_runs_has_no_duration_and_no_output() -> None:
    """They are null."""
    found = document(Play(sid="p", status="running", start_ms=1.0), [])

    assert [found[key] for key in ("end_ms", "duration_ms", "output", "exit_code")] == [None] * 4


@pytest.mark.parametrize("cursor", [None, "p"])
def test_a_list_leaves_out_what_is_heavy(cursor: str | None) -> None:
    """And says where the next page begins."""
    found = json.loads(list_document([FULL], cursor))

    assert found["next"] == cursor
    assert set(found["plays"][0]) == set(FACTS)


def test_a_list_says_how_much_there_is_on_record_where_that_is_known() -> None:
    """In bytes, and in plays."""
    found = json.loads(list_document([], None, StoreSize(3, 4, 5, plays_waiting=6, plays_running=7)))

    assert found["store"] == {
        "plays": 3,
        "database_bytes": 4,
        "artifact_bytes": 5,
        "plays_waiting": 6,
        "plays_running": 7,
    }
