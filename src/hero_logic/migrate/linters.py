"""What a flow without scripts says to linters: the rules that following a graph breaks, and no others.

A word that spares nothing is itself something that linters find.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_FUNCTIONS = (ast.FunctionDef, ast.Lambda)


def spared(source: str) -> str:
    """The word to linters that a flow needs, as a comment; "" if it needs none.

    It catches what any node may raise, and may have nothing to do then; an int is made no float, and a
    default is nobody's to change; ``if`` follows the graph, and work that a loop begins ends in it.
    """
    tree = ast.parse(source)
    codes = {code for node in ast.walk(tree) for code in _codes(node)}
    return f"  # ruff: noqa: {', '.join(sorted(codes))}" if codes else ""


def _codes(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.ExceptHandler(type=ast.Name(id="Exception" | "BaseException"), body=body):
            if not any(isinstance(inner, ast.Raise) for part in body for inner in ast.walk(part)):
                yield "BLE001"
            if isinstance(body[0], ast.Pass):
                yield "S110"
        case ast.arg(annotation=ast.expr() as annotation) if _is_any_number(annotation):
            yield "PYI041"
        case ast.arguments(defaults=defaults):
            if any(isinstance(default, ast.List | ast.Dict) for default in defaults):
                yield "B006"
        case ast.If(test=test, body=[ast.If(orelse=[])], orelse=[]) if not isinstance(test, ast.Constant):
            yield "SIM102"
        case ast.For() | ast.While():
            if _is_bound_late(node):
                yield "B023"
        case _:
            pass


def _is_any_number(annotation: ast.expr) -> bool:
    return ast.unparse(annotation) == "int | float"


def _is_bound_late(loop: ast.For | ast.While) -> bool:
    """Whether a function that a loop makes reads what the loop sets."""
    set_here: set[str] = set()
    functions: list[ast.AST] = []
    left: list[ast.AST] = list(ast.iter_child_nodes(loop))
    while left:
        part = left.pop()
        if isinstance(part, _FUNCTIONS):
            functions.append(part)
            continue
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            set_here.add(part.id)
        left.extend(ast.iter_child_nodes(part))
    return any(set_here & _read_in(function) for function in functions)


def _read_in(function: ast.AST) -> set[str]:
    names = [part for part in ast.walk(function) if isinstance(part, ast.Name)]
    own = {name.id for name in names if isinstance(name.ctx, ast.Store)}
    return {name.id for name in names} - own
