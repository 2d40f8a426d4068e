"""The OpenRPC document: valid, the same everywhere, and true of what is answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import msgspec
import pytest

from hero_logic.server.methods import table
from hero_logic.server.openrpc import document
from support.openrpc_rules import violations
from support.serving import Server

DOCUMENT = document()
METHODS = DOCUMENT["methods"]


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with the components that it refers to."""
    return {**schema, "components": DOCUMENT["components"]}


def test_it_is_what_the_specification_says() -> None:
    """Every object of it has the keys that it must have and no others, every reference leads somewhere."""
    assert violations(json.loads(json.dumps(DOCUMENT))) == []
    assert DOCUMENT["openrpc"].startswith("1.3.")
    assert len(METHODS) == len(table())


def break_method(**changes: Any) -> Callable[[dict[str, Any]], None]:
    """Change a method of several parameters."""

    def change(found: dict[str, Any]) -> None:
        [method] = [method for method in found["methods"] if method["name"] == "play_start"]
        method.update(changes)

    return change


BROKEN: dict[str, Callable[[dict[str, Any]], object]] = {
    "no version of OpenRPC": lambda found: found.pop("openrpc"),
    "a version that is none": lambda found: found.update(openrpc="2"),
    "no title": lambda found: found["info"].pop("title"),
    "a key of nobody": lambda found: found.update(paths={}),
    "a key of nobody in a method": break_method(returns={}),
    "no parameters": lambda found: found["methods"][0].pop("params"),
    "parameters by name": break_method(params={"a": {}}),
    "a parameter without a schema": break_method(params=[{"name": "a"}]),
    "a parameter without a name": break_method(params=[{"name": "", "schema": {}}]),
    "a parameter twice": break_method(params=[{"name": "a", "schema": {}}] * 2),
    "a required one after an optional one": break_method(
        params=[{"name": "a", "schema": {}}, {"name": "b", "schema": {}, "required": True}]
    ),
    "a structure of nobody": break_method(paramStructure="any"),
    "a result without a name": break_method(result={"schema": {}}),
    "an error with a code that is a text": break_method(errors=[{"code": "-1", "message": "m"}]),
    "an error without a message": break_method(errors=[{"code": -1}]),
    "an error twice": break_method(errors=[{"code": -1, "message": "m"}] * 2),
    "a method twice": lambda found: found["methods"].append(found["methods"][0]),
    "a reference that leads nowhere": break_method(
        result={"name": "result", "schema": {"$ref": "#/components/schemas/Nobody"}}
    ),
    "a schema that is none": break_method(result={"name": "result", "schema": {"type": "thing"}}),
    "a schema of a later draft": break_method(result={"name": "result", "schema": {"prefixItems": [{}]}}),
    "a component of a kind that is none": lambda found: found["components"].update(types={}),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_document_that_breaks_the_specification_is_found_out(name: str) -> None:
    """Else the test before this one would say nothing."""
    found = json.loads(json.dumps(DOCUMENT))
    BROKEN[name](found)

    assert violations(found)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method["name"])
def test_every_schema_is_one(method: dict[str, Any]) -> None:
    """Of JSON Schema, with all that it refers to."""
    for schema in (method["result"]["schema"], *(param["schema"] for param in method["params"])):
        jsonschema.Draft202012Validator.check_schema(resolved(schema))
        # A reference that leads nowhere shows itself when something is validated.
        list(jsonschema.Draft202012Validator(resolved(schema)).iter_errors(object()))


def test_it_is_given_by_both_ways(server: Server) -> None:
    """rpc.discover and GET /openrpc.json."""
    got = server.http().get("/openrpc.json").json()

    assert got == server.call("rpc.discover") == json.loads(json.dumps(DOCUMENT))


def test_every_method_has_a_summary_and_a_description() -> None:
    """And every parameter one; what its struct says."""
    for method in METHODS:
        assert method["summary"]
        assert method["description"]
        assert all(param["description"] for param in method["params"])


CALLS: list[tuple[str, dict[str, Any]]] = [
    ("play_get", {"play_sid": "last"}),
    ("play_get", {"play_sid": "last", "spans": False}),
    ("play_list", {}),
    ("play_status", {"play_sid": "last"}),
    ("play_wait", {"play_sid": "last"}),
    ("play_spans", {"play_sid": "last"}),
    ("rpc.discover", {}),
]


@pytest.mark.parametrize(("name", "params"), CALLS, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_answered_is_of_the_type_that_is_documented(
    server: Server, name: str, params: dict[str, Any]
) -> None:
    """By its schema, with no key that the type does not have: a result that grows has to grow its type."""
    result = server.call(name, **params)
    [method] = [method for method in METHODS if method["name"] == name]

    jsonschema.validate(result, resolved(method["result"]["schema"]), jsonschema.Draft202012Validator)
    kind = table()[name].result
    assert msgspec.to_builtins(msgspec.convert(result, kind)) == result
