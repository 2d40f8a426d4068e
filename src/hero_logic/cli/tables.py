"""Tables of lines: as wide as what is in them, and never wider than there is room."""

from __future__ import annotations

from collections.abc import Collection

from hero_logic.cli.tree import Glyphs, Line, Segment, cut, fit, text_width

_MIN_FLEXIBLE_CELLS = 8


def table_lines(
    rows: list[list[Segment]], *, flexible: int, right_aligned: Collection[int], width: int, glyphs: Glyphs
) -> list[Line]:
    """A line for each row of cells.

    Args:
        rows: cells, as many in each row; the first row is the head.
        flexible: the column that gives way first. Where that is not enough, those after it are left out from
            the right.
        right_aligned: the columns of numbers.
        width: cells of a line.
        glyphs: what to draw with.

    >>> from hero_logic.cli.tree import glyphs_for
    >>> rows = [[("name", ""), ("count", "")], [("fetch the page", ""), ("7", "")]]
    >>> lines = table_lines(rows, flexible=0, right_aligned={1}, width=17, glyphs=glyphs_for(ascii_only=True))
    >>> ["".join(text for text, _ in line) for line in lines]
    ['name        count', 'fetch t...      7']
    """
    widths = _column_widths(rows, flexible, width)
    return [fit(_table_line(row, widths, right_aligned, glyphs), width, glyphs) for row in rows]


def _column_widths(rows: list[list[Segment]], flexible: int, width: int) -> list[int]:
    """Cells of each column; those that have no room are missing at the end."""
    widths = [max(text_width(row[index][0]) for row in rows) for index in range(len(rows[0]))]
    while sum(widths) + 2 * (len(widths) - 1) > width and len(widths) > flexible + 1:
        others = sum(widths) - widths[flexible] + 2 * (len(widths) - 1)
        if width - others >= min(widths[flexible], _MIN_FLEXIBLE_CELLS):
            break
        widths.pop()
    others = sum(widths) - widths[flexible] + 2 * (len(widths) - 1)
    widths[flexible] = max(min(widths[flexible], width - others), 1)
    return widths


def _table_line(
    row: list[Segment], widths: list[int], right_aligned: Collection[int], glyphs: Glyphs
) -> Line:
    line: Line = []
    for index, cells in enumerate(widths):
        text, style = row[index]
        text = cut(text, cells, glyphs)
        padding = " " * (cells - text_width(text))
        if index:
            line.append(("  ", ""))
        if index in right_aligned:
            line.extend([(padding, ""), (text, style)])
        else:
            line.extend([(text, style), (padding, "")])
    return line
