"""Forests of spans for tests, and what is drawn of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from unicodedata import category, east_asian_width

from hero_logic.cli.forest import Node
from hero_logic.cli.selection import Selection
from hero_logic.cli.tree import Line, SpanForest, draw, render
from hero_logic.core.records import SpanRow
from hero_logic.service.outline import Outline

NOW_MS = 10_000.0

ordinals = count()
"""Of the rows that tests make; tests/cli/conftest.py begins anew with each test."""


def row(span_id: str, parent_id: str = "", name: str = "", status: str = "ok", **fields) -> SpanRow:
    """A span that began at 0 and took 12 ms, unless told otherwise; one that runs has no end."""
    fields.setdefault("start_ms", 0.0)
    fields.setdefault("end_ms", None if status == "running" else fields["start_ms"] + 12.0)
    fields.setdefault("ordinal", next(ordinals))
    return SpanRow(span_id=span_id, parent_id=parent_id, name=name or span_id, status=status, **fields)


def forest_of(*rows: SpanRow, **options) -> SpanForest:
    """A forest that has heard of these spans, in this order."""
    forest = SpanForest(**options)
    forest.update(rows)
    return forest


def part_of(
    *rows: SpanRow,
    counts: dict[str, int],
    left_out: dict[str, tuple[int, int]] | None = None,
    lost_parents: frozenset[str] = frozenset(),
) -> Outline:
    """A part of a large play."""
    return Outline(1, list(rows), counts, left_out or {}, lost_parents)


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


def counted(forest: SpanForest, *, max_lines: int) -> int:
    """How many spans a drawing shows or counts."""
    drawing = draw(forest, width=80, max_lines=max_lines)
    count = 0
    for part in _parts(drawing.selection, forest.root):
        if isinstance(part, list):
            count += sum(sum(tally.values()) for tally in drawing.selection.tally(part))
        else:
            count += 1 + sum(drawing.selection.inside(part).values())
    return count


def _parts(selection: Selection, node: Node) -> Iterator[Node | list[Node]]:
    for part in selection.parts(node):
        yield part
        if isinstance(part, Node):
            yield from _parts(selection, part)
