"""Pieces of Python source."""

from __future__ import annotations

import ast

import pytest

from hero_logic.migrate.code import closed


@pytest.mark.parametrize(
    "line", ["", "it", '"', '"it"', '""', r"\"", r"say \"", r"say \\", r"\"\"\"", r"\\\""]
)
def test_a_text_ends_with_its_quotes_and_not_before(line: str) -> None:
    """Whatever stands last: quotes, escaped ones, backslashes."""
    source = '"""' + closed(line)

    assert isinstance(ast.parse(source, mode="eval").body, ast.Constant)


def test_a_quote_at_the_end_is_part_of_the_text() -> None:
    """It is escaped once, if it was not."""
    assert ast.literal_eval('"""' + closed('say "it"')) == 'say "it"'
    assert ast.literal_eval('"""' + closed(r"say \"")) == 'say "'
    assert ast.literal_eval('"""' + closed(r'say \\"')) == 'say \\"'
