"""What ``hero-logic show`` prints instead of the whole play: what failed, and what its spans took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hero_logic.cli.forest import SpanForest
from hero_logic.cli.tables import table_lines
from hero_logic.cli.tree import Line, Segment, clean, duration_text, fit, glyphs_for, path_lines

if TYPE_CHECKING:
    from hero_logic.core.records import NameStats, SpanRow

_NAME = 0
_HEAD = ("name", "spans", "failed", "total", "p50", "p95", "max")


def failed_lines(
    failed: list[SpanRow],
    around: list[SpanRow],
    *,
    count: int,
    width: int,
    ascii_only: bool = False,
) -> list[Line]:
    """Spans that failed, each with its way from the root and its error.

    Args:
        failed: the spans, in their order.
        around: these spans and those around them.
        count: how many failed in all.
        width: cells of a line.
        ascii_only: see :func:`hero_logic.cli.tree.render`.
    """
    glyphs = glyphs_for(ascii_only=ascii_only)
    if not count:
        return [[("no span failed", "dim")]]
    forest = SpanForest(max_kept=len(around))
    nodes = {node.span_id: node for node in forest.update(around).ended}
    lines = []
    for row in failed:
        lines.extend(path_lines(nodes[row.span_id], forest, width=width, glyphs=glyphs))
    more = count - len(failed)
    if more > 0:
        told: Line = [(f"{glyphs.ellipsis} {more:,} more failed; --failed --json has all of them", "dim")]
        lines.append(fit(told, width, glyphs))
    return lines


def stats_lines(names: list[NameStats], *, is_more: bool, width: int, ascii_only: bool = False) -> list[Line]:
    """What the ended spans of each name took, as a table."""
    glyphs = glyphs_for(ascii_only=ascii_only)
    if not names:
        return [[("no span has ended", "dim")]]
    rows: list[list[Segment]] = [[(title, "dim") for title in _HEAD]]
    for one in names:
        times = (one.total_ms, one.p50_ms, one.p95_ms, one.max_ms)
        rows.append(
            [
                (clean(one.name, glyphs) or "(unnamed)", "name"),
                (f"{one.count:,}", ""),
                (f"{one.failed:,}", "failed" if one.failed else "dim"),
                *((duration_text(time_ms), "") for time_ms in times),
            ]
        )
    numbers = range(_NAME + 1, len(_HEAD))
    lines = table_lines(rows, flexible=_NAME, right_aligned=numbers, width=width, glyphs=glyphs)
    if is_more:
        told: Line = [(f"{glyphs.ellipsis} more names took less; --json has them", "dim")]
        lines.append(fit(told, width, glyphs))
    return lines
