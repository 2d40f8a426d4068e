"""Forests of spans for tests, and what is drawn of them."""

from __future__ import annotations

from unicodedata import category, east_asian_width

from hero_logic.cli.tree import Line, SpanForest, render
from hero_logic.core.records import SpanRow

NOW_MS = 10_000.0


def row(span_id: str, parent_id: str = "", name: str = "", status: str = "ok", **fields) -> SpanRow:
    """A span that began at 0 and took 12 ms, unless told otherwise; one that runs has no end."""
    fields.setdefault("start_ms", 0.0)
    fields.setdefault("end_ms", None if status == "running" else fields["start_ms"] + 12.0)
    return SpanRow(0, span_id, parent_id=parent_id, name=name or span_id, status=status, **fields)


def forest_of(*rows: SpanRow, **options) -> SpanForest:
    """A forest that has heard of these spans, in this order."""
    forest = SpanForest(**options)
    forest.update(rows)
    return forest


def texts(lines: list[Line]) -> list[str]:
    """Lines without their styles."""
    return ["".join(text for text, _ in line) for line in lines]


def drawn(forest: SpanForest, *, width: int = 80, max_lines: int = 100, **options) -> list[str]:
    """The text of a forest's lines, ten seconds after the spans began."""
    options.setdefault("now_ms", NOW_MS)
    return texts(render(forest, width=width, max_lines=max_lines, **options))


def measured(line: str) -> int:
    """The cells of a line, by another way than the one under test."""
    return sum(
        0 if category(c) in ("Mn", "Me") else 2 if east_asian_width(c) in ("W", "F") else 1 for c in line
    )
