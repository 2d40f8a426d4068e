"""The parts of docs/rpc.md that are made from the code: methods and errors."""

from __future__ import annotations

import typing
from collections.abc import Callable

import msgspec
from client_calls import default_of, text_of

from hero_logic.core import errors
from hero_logic.core.errors import HeroLogicError
from hero_logic.server.methods import Method, table
from hero_logic.server.openrpc import description
from hero_logic.server.refusals import REFUSALS, STANDARD, refusal_of


def methods() -> str:
    """A heading for each method: what it does, takes, gives and refuses."""
    return "\n".join(_method(method) for method in table().values())


def _method(method: Method) -> str:
    lines = [
        f"### {method.name}",
        "",
        f"{method.summary[0].upper()}{method.summary[1:]}.",
        "",
        description(method),
        "",
    ]
    fields = msgspec.structs.fields(method.params)
    if fields:
        lines += ["| parameter | type | default | |", "|---|---|---|---|"]
        hints = typing.get_type_hints(method.params, include_extras=True)
        for field in fields:
            default = "" if field.required else f"`{msgspec.json.encode(default_of(field)).decode()}`"
            shown = text_of(hints[field.name]).replace("|", "or")
            lines.append(f"| `{field.encode_name}` | {shown} | {default} | {_says(hints[field.name])} |")
        lines.append("")
    refused = ", ".join(f"[`{kind.code}`](errors.md)" for kind in method.errors)
    lines.append(f"Gives {_result(method)}." + (f" Refuses with {refused}." if refused else ""))
    return "\n".join(lines) + "\n"


def _says(kind: object) -> str:
    for part in typing.get_args(kind)[1:]:
        if isinstance(part, msgspec.Meta) and part.description:
            return part.description
    return ""


def _result(method: Method) -> str:
    """What a method gives: the struct, with its keys and its docstring."""
    kind = method.result
    if kind is str:
        return "a text"
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return "an object"
    keys = ", ".join(f"`{field.encode_name}`" for field in msgspec.structs.fields(kind))
    says = " ".join((kind.__doc__ or "").split()).replace("``", "`")
    return f"`{kind.__name__}`: {says} Its keys are {keys}"


def numbers() -> str:
    """A heading for each number of an error: its string codes, and what to do."""
    parts = []
    for number, (code, hint) in STANDARD.items():
        parts.append(f"### {number}\n\n`{code}`: {hint}.\n")
    by_number: dict[int, list[type[HeroLogicError]]] = {}
    for kind in _kinds():
        by_number.setdefault(refusal_of(kind).number, []).append(kind)
    for number in sorted(by_number, reverse=True):
        lines = [
            f"- [`{kind.code}`](errors.md): {_first_line(kind)} {_hint(kind)}" for kind in by_number[number]
        ]
        parts.append(f"### {number}\n\n" + "\n".join(lines) + "\n")
    assert {refusal.number for refusal in REFUSALS.values()} == set(by_number)
    return "\n".join(parts)


def _kinds() -> list[type[HeroLogicError]]:
    return [
        found
        for found in vars(errors).values()
        if isinstance(found, type) and issubclass(found, HeroLogicError)
    ]


def _first_line(kind: type[HeroLogicError]) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0].replace("``", "`")


def _hint(kind: type[HeroLogicError]) -> str:
    return f"({refusal_of(kind).hint})"


PARTS: dict[str, Callable[[], str]] = {"methods": methods, "errors": numbers}
"""What stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``."""
