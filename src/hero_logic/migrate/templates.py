"""Templates: JSON whose texts may hold ``{{path}}``, as a tree and as Python."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hero_logic.migrate.code import Code, constant, filled, keyed, listed
from hero_logic.migrate.expressions import ExpressionFault, Path, read_path
from hero_logic.migrate.places import joined

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hero_logic.migrate.expressions import Scope

_PLACE = re.compile(r"\{\{([^{}]*)\}\}")


@dataclass(frozen=True, slots=True)
class Filled:
    """A text with values in it: texts and paths in turn, as they stand."""

    parts: tuple[str | Path, ...]


def read(value: object, pointer: str, faults: list[tuple[str, str]]) -> object:
    """JSON with each text that has places for values as a :class:`Filled`.

    Args:
        value: JSON of bounded depth.
        pointer: where it stands.
        faults: what is wrong, and where, is added here.
    """
    if isinstance(value, str):
        return _read_text(value, pointer, faults)
    if isinstance(value, list):
        return [read(item, f"{pointer}/{number}", faults) for number, item in enumerate(value)]
    if isinstance(value, dict):
        return {key: read(item, pointer + joined(key), faults) for key, item in value.items()}
    return value


def _read_text(text: str, pointer: str, faults: list[tuple[str, str]]) -> object:
    if "{{" not in text:
        return text
    parts: list[str | Path] = []
    behind = 0
    for found in _PLACE.finditer(text):
        try:
            path = read_path(found[1].strip())
            if path.root == "outputs":
                raise ExpressionFault(f"{found[0]!r}: a template has the roots inputs and nodes")
        except ExpressionFault as fault:
            faults.append((str(fault), pointer))
            continue
        parts += [text[behind : found.start()], path]
        behind = found.end()
    return Filled((*parts, text[behind:])) if parts else text


def paths(template: object) -> Iterator[Path]:
    """All paths of a template."""
    if isinstance(template, Filled):
        yield from (part for part in template.parts if isinstance(part, Path))
    elif isinstance(template, list):
        for item in template:
            yield from paths(item)
    elif isinstance(template, dict):
        for item in template.values():
            yield from paths(item)


def write(template: object, scope: Scope) -> Code:
    """The Python of a template."""
    if isinstance(template, list):
        return listed([write(item, scope) for item in template])
    if isinstance(template, dict):
        return keyed([(key, write(item, scope)) for key, item in template.items()])
    if not isinstance(template, Filled):
        return constant(template)
    match template.parts:
        case ("", Path() as path, ""):
            return scope.path(path)
        case parts:
            return filled([scope.path(part) if isinstance(part, Path) else part for part in parts])
