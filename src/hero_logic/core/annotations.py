"""From an annotation in the source to the type that it asks for.

Names are resolved through the module's imports, so a class of the flow's own that is called ``List`` is
not taken for Python's. What is not known for certain is ``any``: a wrong refusal would make a good
flow unusable, and a wrong acceptance is found by the flow itself.
"""

from __future__ import annotations

import _ast

from hero_logic.core.input_types import (
    ANY,
    BOOL,
    FLOAT,
    INT,
    NONE,
    STR,
    Choice,
    DictOf,
    InputType,
    ListOf,
    TupleOf,
    one_of,
)
from hero_logic.core.syntax import dotted_name, literal_value, parse_annotation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from hero_logic.core.class_types import Classes
    from hero_logic.core.input_types import LiteralValue

MAX_DEPTH = 32
"""Nesting past this reads as ``any``: nobody writes it, and our own stack is bounded."""

_MODULES = ("builtins", "typing", "typing_extensions", "collections.abc", "types")
_SCALARS = {"str": STR, "int": INT, "float": FLOAT, "bool": BOOL, "None": NONE, "NoneType": NONE}
_LISTS = {
    "list": "list",
    "List": "list",
    "Sequence": "Sequence",
    "MutableSequence": "MutableSequence",
    "Collection": "Collection",
    "Iterable": "Iterable",
}
_DICTS = ("dict", "Dict", "Mapping", "MutableMapping")
_TUPLES = ("tuple", "Tuple")


def read_type(
    node: _ast.expr | None, names: dict[str, str], depth: int = 0, classes: Classes | None = None
) -> InputType:
    """Give the type that an annotation asks for.

    Args:
        node: the annotation; None where there is none.
        names: what the module's names stand for, as ``bound_names`` gives it.
        depth: how far inside of another annotation this one stands.
        classes: those of the module, where it has any.

    >>> read_type(parse_annotation("dict[str, list[int]] | None"), {}).describe()
    'dict[str, list[int]] | None'
    >>> read_type(parse_annotation("np.ndarray"), {"np": "numpy"}).describe()
    'any'
    """
    if node is None or depth > MAX_DEPTH:
        return ANY
    if isinstance(node, _ast.Constant):
        if isinstance(node.value, str):
            return read_type(parse_annotation(node.value.strip()), names, depth + 1, classes)
        return NONE if node.value is None else ANY
    if isinstance(node, _ast.BinOp) and isinstance(node.op, _ast.BitOr):
        return one_of([read_type(member, names, depth + 1, classes) for member in _union_members(node)])
    if isinstance(node, _ast.Subscript):
        return _read_subscript(node, names, depth, classes)
    if classes is not None and isinstance(node, _ast.Name) and names.get(node.id) == "":
        return classes.type_of(node.id)
    return _read_name(_plain_name(node, names))


def _union_members(node: _ast.expr) -> list[_ast.expr]:
    """Give the members of ``A | B | C``, which is as deep a tree as it has members, without recursion."""
    members: list[_ast.expr] = []
    while isinstance(node, _ast.BinOp) and isinstance(node.op, _ast.BitOr):
        members.append(node.right)
        node = node.left
    return [node, *reversed(members)]


def _plain_name(node: _ast.AST, names: dict[str, str]) -> str:
    """Give the last part of the name of something of Python's own; "" for everything else."""
    module, _, name = dotted_name(node, names).rpartition(".")
    return name if not module or module in _MODULES else ""


def _read_name(name: str) -> InputType:
    if name in _LISTS:
        return ListOf(ANY, _LISTS[name])
    if name in _TUPLES:
        return ListOf(ANY, "tuple")
    if name in _DICTS:
        return DictOf(ANY)
    return _SCALARS.get(name, ANY)


def _read_subscript(
    node: _ast.Subscript, names: dict[str, str], depth: int, classes: Classes | None
) -> InputType:
    name = _plain_name(node.value, names)
    arguments = node.slice.elts if isinstance(node.slice, _ast.Tuple) else [node.slice]
    if name == "Literal":
        return _read_choice(arguments)
    if name == "Annotated":
        return read_type(arguments[0], names, depth + 1, classes) if arguments else ANY
    if name in _TUPLES:
        return _read_tuple(arguments, names, depth, classes)
    types = [read_type(argument, names, depth + 1, classes) for argument in arguments]
    if name == "Union" and types:
        return one_of(types)
    if name == "Optional" and len(types) == 1:
        return one_of([types[0], NONE])
    if name in _LISTS and len(types) == 1:
        return ListOf(types[0], _LISTS[name])
    if name in _DICTS and len(types) == 2:
        return DictOf(types[1])
    return ANY


def _read_tuple(
    arguments: Sequence[_ast.expr], names: dict[str, str], depth: int, classes: Classes | None
) -> InputType:
    if len(arguments) == 2 and isinstance(arguments[1], _ast.Constant) and arguments[1].value is ...:
        return ListOf(read_type(arguments[0], names, depth + 1, classes), "tuple")
    if any(isinstance(argument, _ast.Starred) for argument in arguments):
        return ListOf(ANY, "tuple")
    return TupleOf([read_type(argument, names, depth + 1, classes) for argument in arguments])


def _read_choice(arguments: Sequence[_ast.expr]) -> InputType:
    values: list[LiteralValue] = []
    for argument in arguments:
        value = literal_value(argument)
        # Bytes and members of enumerations are lawful here, and nothing that JSON can say.
        if value is not None and not isinstance(value, (str, int)):
            return ANY
        values.append(value)
    return Choice(values) if values else ANY
