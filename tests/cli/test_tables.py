"""Tables: as wide as their cells, and never wider than there is room."""

import pytest

from hero_logic.cli.tables import table_lines
from hero_logic.cli.tree import glyphs_for, line_width
from support.forests import texts

ROWS = [["sid", "name", "count"], ["a", "fetch the page", "7"], ["b", "日本", "1,000"]]


def table(width: int) -> list[str]:
    rows = [[(cell, "") for cell in cells] for cells in ROWS]
    glyphs = glyphs_for(ascii_only=False)
    return texts(table_lines(rows, flexible=1, right_aligned={2}, width=width, glyphs=glyphs))


def test_columns_are_as_wide_as_what_is_in_them():
    """Numbers stand at the right, wide characters take two cells."""
    assert table(80) == [
        "sid  name            count",
        "a    fetch the page      7",
        "b    日本            1,000",
    ]


def test_one_column_gives_way():
    """Where there is not enough room, it is cut."""
    assert table(20) == ["sid  name      count", "a    fetch t…      7", "b    日本      1,000"]


def test_columns_that_have_no_room_are_left_out():
    """From the right."""
    assert table(15) == ["sid  name      ", "a    fetch the…", "b    日本      "]


@pytest.mark.parametrize("width", range(1, 40))
def test_no_line_is_wider_than_there_is_room(width: int):
    """However narrow."""
    rows = [[(cell, "") for cell in cells] for cells in ROWS]
    lines = table_lines(rows, flexible=1, right_aligned={2}, width=width, glyphs=glyphs_for(ascii_only=False))

    assert max(map(line_width, lines)) <= width
