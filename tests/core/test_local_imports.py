"""Which modules a source names: by its import statements, wherever they stand."""

from __future__ import annotations

import pytest

from hero_logic.core.local_imports import imported_modules
from hero_logic.core.syntax import parse_module


def names(source: str, package: str = "") -> set[str]:
    return imported_modules(parse_module(source, "f.py"), package)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import a", {"a"}),
        ("import a.b.c as d", {"a", "a.b", "a.b.c"}),
        ("import a, b", {"a", "b"}),
        ("from a import b, c as d", {"a", "a.b", "a.c"}),
        ("from a.b import *", {"a", "a.b", "a.b.*"}),
        ("x = 'import a'", set()),
    ],
)
def test_each_form_of_import_names_its_modules_and_those_around_them(source: str, found: set[str]) -> None:
    """What is imported from a module may be a module itself."""
    assert names(source) == found


@pytest.mark.parametrize(
    "block",
    [
        "def f():\n    import a",
        "class C:\n    import a",
        "async def f():\n    async with x:\n        import a",
        "if x:\n    pass\nelif y:\n    import a",
        "for x in y:\n    pass\nelse:\n    import a",
        "while x:\n    import a",
        "try:\n    pass\nexcept E:\n    import a",
        "try:\n    pass\nexcept* E:\n    import a",
        "try:\n    pass\nfinally:\n    import a",
        "match x:\n    case 1:\n        import a",
        "def f():\n    def g():\n        with x:\n            import a",
    ],
)
def test_an_import_counts_in_whatever_block_it_stands(block: str) -> None:
    """A flow may import late, or only if something else cannot be."""
    assert names(block) == {"a"}


@pytest.mark.parametrize(
    ("source", "package", "found"),
    [
        ("from . import a", "p", {"p", "p.a"}),
        ("from .a import b", "p.q", {"p", "p.q", "p.q.a", "p.q.a.b"}),
        ("from .. import a", "p.q", {"p", "p.a"}),
        ("from ... import a", "p.q", set()),
        ("from . import a", "", set()),
    ],
)
def test_a_relative_import_starts_from_its_package(source: str, package: str, found: set[str]) -> None:
    """One that leads out of it names nothing: Python refuses it too."""
    assert names(source, package) == found


def test_a_long_chain_is_walked_without_the_stack() -> None:
    """The source may be anybody's."""
    chain = "if x:\n    pass\n" + "elif x:\n    pass\n" * 2000 + "else:\n    import a\n"

    assert names(chain) == {"a"}
