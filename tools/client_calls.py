"""Makes the calls of the typed clients from the server's table of methods: src/hero_logic/client/calls.py."""

from __future__ import annotations

import os
import subprocess
import sys
import types
import typing
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import msgspec

from hero_logic.server.methods import Method, table

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PATH = os.path.join(ROOT, "src", "hero_logic", "client", "calls.py")

_HEAD = '''"""The methods of the service as calls.

Made by `make docs` from the server's table of methods; do not edit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, TypeVar

'''


def module() -> str:
    """The text of the module, formatted as everything else is."""
    methods = list(table().values())
    parts = [_HEAD, *_imports(methods), '\n_Result = TypeVar("_Result")\n']
    parts += ["\n\nclass Calls(ABC):\n", '    """In blocking calls."""\n\n', _base("def")]
    parts += [_call(method, "def", "") for method in methods]
    parts += ["\n\nclass AsyncCalls(ABC):\n", '    """On an event loop."""\n\n', _base("async def")]
    parts += [_call(method, "async def", "await ") for method in methods]
    return _formatted("".join(parts))


def _base(define: str) -> str:
    return (
        "    @abstractmethod\n"
        f"    {define} _call(self, method: str, params: dict[str, Any], result: type[_Result]) -> _Result:\n"
        '        """Send a call; what it gives, as that type."""\n\n'
    )


def _call(method: Method, define: str, wait: str) -> str:
    """One call: the first parameter by position or name, all others by name."""
    fields = msgspec.structs.fields(method.params)
    hints = typing.get_type_hints(method.params, include_extras=True)
    parameters = ["self"]
    for number, field in enumerate(fields):
        text = f"{field.name}: {text_of(hints[field.name])}"
        if not field.required:
            text += f" = {default_of(field)!r}"
        if number == 1:
            parameters.append("*")
        parameters.append(text)
    sent = ", ".join(f'"{field.encode_name}": {field.name}' for field in fields)
    result = text_of(method.result)
    name = method.name.replace(".", "_")
    says = method.summary[0].upper() + method.summary[1:]
    return (
        f"    {define} {name}({', '.join(parameters)}) -> {result}:\n"
        f'        """{says}: docs/rpc.md has more."""\n'
        f'        return {wait}self._call("{method.name}", {{{sent}}}, {result})\n\n'
    )


def default_of(field: msgspec.structs.FieldInfo) -> object:
    """What a parameter is where it is not given."""
    return field.default_factory() if field.default is msgspec.NODEFAULT else field.default


def text_of(kind: object) -> str:
    """A type as it is written.

    >>> text_of(dict[str, typing.Any]), text_of(str | None), text_of(list[int])
    ('dict[str, Any]', 'str | None', 'list[int]')
    """
    if get_origin(kind) is typing.Annotated:
        return text_of(get_args(kind)[0])
    if get_origin(kind) in (typing.Union, types.UnionType):
        return " | ".join(map(text_of, get_args(kind)))
    if get_origin(kind) is typing.Literal:
        return f"Literal[{', '.join(map(repr, get_args(kind)))}]"
    if get_args(kind):
        return f"{getattr(get_origin(kind), '__name__', '')}[{', '.join(map(text_of, get_args(kind)))}]"
    if kind is type(None):
        return "None"
    return "Any" if kind is Any else str(getattr(kind, "__name__", kind))


def _types(kind: object) -> Iterator[type]:
    """The structs that a type is made of."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
    for part in get_args(kind):
        yield from _types(part)


def _imports(methods: list[Method]) -> Iterator[str]:
    by_module: dict[str, set[str]] = {}
    kinds: list[object] = [method.result for method in methods]
    for method in methods:
        kinds.extend(typing.get_type_hints(method.params, include_extras=True).values())
    if any("Literal[" in text_of(kind) for kind in kinds):
        by_module["typing"] = {"Literal"}
    for kind in kinds:
        for struct in _types(kind):
            by_module.setdefault(struct.__module__, set()).add(struct.__name__)
    for name, names in sorted(by_module.items()):
        yield f"from {name} import {', '.join(sorted(names))}\n"


def _formatted(text: str) -> str:
    ruff = os.path.join(os.path.dirname(sys.executable), "ruff")
    for command in (["check", "--select", "I", "--fix", "--quiet"], ["format"]):
        done = subprocess.run(
            [ruff, *command, "--stdin-filename", PATH, "-"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
        )
        text = done.stdout
    return text


if __name__ == "__main__":
    sys.exit("`make docs` runs this")
