"""The service as an OpenRPC document, made from the table of methods.

Source: https://spec.open-rpc.org/, docs/rpc.md.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from hero_logic import __version__
from hero_logic.server.methods import Method, table
from hero_logic.server.refusals import INVALID_PARAMS, STANDARD, refusal_of

OPENRPC_VERSION = "1.3.2"
_REFERENCE = "#/components/schemas/{name}"


@cache
def document_bytes() -> bytes:
    """The document as JSON."""
    return msgspec.json.encode(document())


def document() -> dict[str, Any]:
    """The document."""
    methods = list(table().values())
    types: list[Any] = []
    for method in methods:
        types.extend((method.params, method.result))
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    described = []
    for number, method in enumerate(methods):
        params = _resolved(schemas[2 * number], components)
        described.append(_method(method, params, schemas[2 * number + 1]))
    kept = {name: schema for name, schema in components.items() if not _is_params(name, methods)}
    return {
        "openrpc": OPENRPC_VERSION,
        "info": {
            "title": "hero-logic",
            "version": __version__,
            "description": "Plays, their spans, flows: what a hero-logic server does. JSON-RPC 2.0 "
            "at POST /rpc.",
        },
        "methods": described,
        "components": {"schemas": kept},
    }


def description(method: Method) -> str:
    """What a method does, in more than a line: the docstring of its parameters."""
    return "\n".join(line.strip() for line in (method.params.__doc__ or "").strip().splitlines())


def errors_of(method: Method) -> list[dict[str, Any]]:
    """The errors that a method names, and the one that wrong parameters get; each number once."""
    code, hint = STANDARD[INVALID_PARAMS]
    found = {INVALID_PARAMS: ("Parameters that are not those of the method.", [code], hint)}
    for kind in method.errors:
        refusal = refusal_of(kind)
        says = (kind.__doc__ or "").strip().splitlines()[0]
        before, codes, _ = found.get(refusal.number, ("", [], ""))
        found[refusal.number] = (f"{before} {says}".strip(), [*codes, kind.code], refusal.hint)
    return [
        {"code": number, "message": says, "data": {"code": " or ".join(codes), "hint": hint}}
        for number, (says, codes, hint) in found.items()
    ]


def _method(method: Method, params: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    required = set(params.get("required", ()))
    return {
        "name": method.name,
        "summary": method.summary,
        "description": description(method),
        "paramStructure": "either",
        "params": [
            {"name": name, "required": name in required, "schema": schema}
            | ({"description": schema["description"]} if "description" in schema else {})
            for name, schema in params.get("properties", {}).items()
        ],
        "result": {"name": "result", "schema": result},
        "errors": errors_of(method),
    }


def _resolved(schema: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = components[schema["$ref"].rpartition("/")[2]]
    return found


def _is_params(name: str, methods: list[Method]) -> bool:
    return any(method.params.__name__ == name for method in methods)
