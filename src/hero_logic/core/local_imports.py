"""Which modules a source names in its import statements, wherever they stand; nothing is run or looked up.

A name that is only made at run time (``importlib.import_module(name)``) cannot be known here.
"""

from __future__ import annotations

import _ast

_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


def imported_modules(module: _ast.Module, package: str = "") -> set[str]:
    """The dotted names of the modules that may be imported, those around them included.

    Args:
        module: the tree of the source.
        package: the package that the source is in, for its relative imports; "" for a program.

    ``from a import b`` names ``a`` and ``a.b``, as ``b`` may be a module.

    >>> from hero_logic.core.syntax import parse_module
    >>> sorted(imported_modules(parse_module("import os.path\\nfrom a import b", "f.py")))
    ['a', 'a.b', 'os', 'os.path']
    >>> sorted(imported_modules(parse_module("from ..x import y", "f.py"), "p.q"))
    ['p', 'p.x', 'p.x.y']
    """
    found: set[str] = set()
    waiting: list[object] = [module]
    while waiting:
        node = waiting.pop()
        if isinstance(node, _ast.Import):
            for alias in node.names:
                _add(found, alias.name)
        elif isinstance(node, _ast.ImportFrom):
            base = _base(node, package)
            for name in () if base is None else [base, *(f"{base}.{alias.name}" for alias in node.names)]:
                _add(found, name.strip("."))
        else:
            # Imports are statements: they stand in blocks of statements alone.
            for block in _BLOCKS:
                waiting.extend(getattr(node, block, None) or ())
    return found


def _base(node: _ast.ImportFrom, package: str) -> str | None:
    """What a ``from`` starts from; None where it leads out of the package."""
    if not node.level:
        return node.module or ""
    around = package.split(".") if package else []
    if node.level > len(around):
        return None
    kept = around[: len(around) - node.level + 1]
    return ".".join([*kept, *([node.module] if node.module else [])])


def _add(found: set[str], name: str) -> None:
    """Add a module and the packages around it, which are imported first."""
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        found.add(".".join(parts[:end]))
