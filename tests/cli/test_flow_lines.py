"""What is printed of flows."""

from __future__ import annotations

from typing import Any

import pytest

from hero_logic.cli.flow_lines import flow_lines, table, type_text
from hero_logic.cli.tree import Line
from hero_logic.core.library import FlowDetails, Problem, PublishedVersion

FLOW: dict[str, Any] = {
    "flow_sid": "0" * 16,
    "name": "nightly",
    "description": "Loads a day.\n\nAnd more of it.",
    "tags": ["sales", "daily"],
    "is_archived": False,
    "version_sid": "abcdef0123456789" * 2,
    "kind": "python",
    "versions": 12,
    "created_ms": 0.0,
    "published_ms": 0.0,
    "revision": 1,
}


def details(**said: Any) -> FlowDetails:
    more = {"source": "", "inputs": None, "outputs": {}, "needs": {}, "function": "main", "problems": []}
    return FlowDetails(**{**FLOW, **more, **said})


def text(lines: list[Line]) -> list[str]:
    return ["".join(part for part, _ in line).rstrip() for line in lines]


def version(number: int, *, is_current: bool = False) -> PublishedVersion:
    return PublishedVersion(
        version_sid=f"{number:032x}"[::-1],
        number=number,
        kind="python",
        created_ms=0.0,
        is_current=is_current,
        source_bytes=1234,
    )


def test_a_flow_is_shown_with_all_that_a_person_asks() -> None:
    """What it says of itself, what it takes and asks for, its versions, what is wrong with it."""
    schema = {
        "properties": {
            "day": {"type": "string", "description": "which\n  day"},
            "limit": {"type": "integer", "default": 3},
        },
        "required": ["day"],
    }
    problem = Problem("warning", "unknown_import", "httpx is not of the standard library", 1, 1)
    shown = flow_lines(
        details(inputs=schema, needs={"net": ["a.example:443"]}, problems=[problem]),
        [version(12, is_current=True), version(11)],
        plays=1234,
        width=80,
        ascii_only=True,
    )

    assert text(shown) == [
        "nightly - 0000000000000000 - version abcdef01 - 1,234 plays",
        "  tags  sales, daily",
        "  Loads a day.",
        "",
        "  And more of it.",
        "",
        "  inputs",
        "    day: string (required) - which day",
        "    limit: integer = 3",
        "  asks to net  a.example:443",
        "",
        "  versions (12)",
        "    12  c0000000  1,234 bytes current",
        "    11  b0000000  1,234 bytes",
        "    and 10 before them",
        "  1:1: httpx is not of the standard library",
    ]


def test_what_a_flow_says_is_shown_without_what_a_terminal_would_act_on() -> None:
    """Whatever a source has in its texts; and no line is wider than there is room."""
    hostile = "\x1b[31m" + "x" * 500
    schema = {"properties": {hostile: {"enum": [hostile], "default": hostile}}, "required": []}
    shown = text(
        flow_lines(
            details(name=hostile, description=hostile, tags=[hostile], inputs=schema),
            [version(1)],
            plays=0,
            width=60,
        )
    )

    assert not any("\x1b" in line for line in shown)
    assert max(map(len, shown)) <= 60


def test_a_flow_that_is_archived_or_of_before_says_so() -> None:
    """In its first line, and in a list."""
    flow = details(is_archived=True, kind="legacy_dag")

    assert "archived" in text(flow_lines(flow, [], plays=0, width=120))[0]
    assert "legacy_dag" in text(flow_lines(flow, [], plays=0, width=120))[0]
    assert "nightly (legacy)" in text(table([flow], now_ms=0.0, width=120))[1]


def test_a_table_has_the_first_line_of_a_description() -> None:
    """With the tags behind it."""
    head, row = text(table([details()], now_ms=0.0, width=120))

    assert head.split() == ["name", "version", "of", "published", "description"]
    assert row.endswith("Loads a day. #sales #daily")


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({}, "any"),
        (True, "any"),
        ({"type": "string"}, "string"),
        ({"type": "array"}, "array"),
        ({"type": "object", "additionalProperties": {"type": "number"}}, "object of number"),
        ({"type": "object", "additionalProperties": False}, "object"),
        ({"enum": ["a", 1, None]}, '"a" | 1 | null'),
        ({"$ref": "#/$defs/Point"}, "Point"),
        ({"anyOf": [{"$ref": "#/$defs/Point"}, {"type": "null"}]}, "Point | null"),
    ],
)
def test_a_schema_is_told_in_a_few_words(schema: object, words: str) -> None:
    """As a person would say it."""
    assert type_text(schema) == words
