"""What a flow says to linters: what it needs, each word once, and no more."""

from __future__ import annotations

import pytest

from hero_logic.migrate.linters import spared

IN_LOOP = "for _ in range(2):\n    x = 1\n    {}\n"


@pytest.mark.parametrize(
    ("source", "codes"),
    [
        ("x = 1\n", ""),
        ("try:\n    f()\nexcept Exception as error:\n    x = error\n", "BLE001"),
        ("try:\n    f()\nexcept BaseException:\n    pass\n", "BLE001, S110"),
        ("try:\n    f()\nexcept Exception:\n    if last:\n        raise\n", ""),
        ("try:\n    f()\nexcept SystemExit:\n    x = 1\n", ""),
        ("def w(n: int | float) -> Any:\n    return n\n", "PYI041"),
        ("def w(n: int) -> Any:\n    return n\n", ""),
        ("def w(n: list[Any] = [1]) -> Any:\n    return n\n", "B006"),
        ("def w(n: dict[str, Any] = {}) -> Any:\n    return n\n", "B006"),
        ("def w(n: str = '[]') -> Any:\n    return n\n", ""),
        ("if a:\n    if b:\n        f()\n", "SIM102"),
        ("if a:\n    if b:\n        f()\n    f()\n", ""),
        ("if a:\n    if b:\n        f()\nelse:\n    f()\n", ""),
        ("if a:\n    if b:\n        f()\n    else:\n        f()\n", ""),
        ("if False:\n    if b:\n        f()\n", ""),
        (IN_LOOP.format("within(1, lambda: x)"), "B023"),
        (IN_LOOP.format("within(1, lambda: y)"), ""),
        (IN_LOOP.format("def f():\n        g(x)"), "B023"),
        (IN_LOOP.format("def f():\n        nonlocal x\n        x = 2"), ""),
        ("x = 1\nwithin(1, lambda: x)\n", ""),
        ("while True:\n    for x in y:\n        within(1, lambda: x)\n", "B023"),
    ],
)
def test_a_word_is_said_for_what_is_there(source: str, codes: str) -> None:
    """And for nothing else: linters find a word that spares nothing."""
    assert spared(source) == (f"  # ruff: noqa: {codes}" if codes else "")
