"""What an OpenRPC document may be, by its specification: which objects have which keys, and of which kinds.

Nothing of ours is in it, but what the specification says of every document. Keys that begin with ``x-`` are
free.

Source: https://spec.open-rpc.org/, version 1.3.
"""

from __future__ import annotations

from typing import Any

import jsonschema

TEXT: dict[str, Any] = {"type": "string"}
NAME: dict[str, Any] = {"type": "string", "minLength": 1}
FLAG: dict[str, Any] = {"type": "boolean"}
ANYTHING: dict[str, Any] = {}
SCHEMA: dict[str, Any] = {"type": ["object", "boolean"]}


def _one(name: str) -> dict[str, Any]:
    return {"$ref": f"#/definitions/{name}"}


def _or_reference(name: str) -> dict[str, Any]:
    return {"oneOf": [_one(name), _one("reference")]}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _object(required: tuple[str, ...], /, **keys: dict[str, Any]) -> dict[str, Any]:
    """An object that has these keys, and no others but extensions."""
    return {
        "type": "object",
        "required": list(required),
        "properties": keys,
        "patternProperties": {"^x-": ANYTHING},
        "additionalProperties": False,
    }


def _components(name: str) -> dict[str, Any]:
    """Reusable objects of one kind, by name."""
    return {
        "type": "object",
        "patternProperties": {r"^[a-zA-Z0-9._-]+$": _one(name)},
        "additionalProperties": False,
    }


DOCUMENT: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    **_object(
        ("openrpc", "info", "methods"),
        openrpc={"type": "string", "pattern": r"^1\.[0-3]\.\d+$"},
        info=_one("info"),
        servers=_list(_one("server")),
        methods=_list(_or_reference("method")),
        components=_object(
            (),
            schemas=_components("schema"),
            links=_components("link"),
            errors=_components("error"),
            examples=_components("example"),
            examplePairings=_components("pairing"),
            contentDescriptors=_components("descriptor"),
            tags=_components("tag"),
        ),
        externalDocs=_one("external"),
    ),
    "definitions": {
        "schema": SCHEMA,
        "reference": _object(("$ref",), **{"$ref": TEXT}),
        "info": _object(
            ("title", "version"),
            title=TEXT,
            description=TEXT,
            termsOfService=TEXT,
            contact=_object((), name=TEXT, email=TEXT, url=TEXT),
            license=_object((), name=TEXT, url=TEXT),
            version=TEXT,
        ),
        "server": _object(
            ("url",),
            url=TEXT,
            name=TEXT,
            summary=TEXT,
            description=TEXT,
            variables={"type": "object"},
        ),
        "method": _object(
            ("name", "params"),
            name=NAME,
            tags=_list(_or_reference("tag")),
            summary=TEXT,
            description=TEXT,
            externalDocs=_one("external"),
            params=_list(_or_reference("descriptor")),
            result=_or_reference("descriptor"),
            deprecated=FLAG,
            servers=_list(_one("server")),
            errors=_list(_or_reference("error")),
            links=_list(_or_reference("link")),
            paramStructure={"enum": ["by-name", "by-position", "either"]},
            examples=_list(_or_reference("pairing")),
        ),
        "descriptor": _object(
            ("name", "schema"),
            name=NAME,
            summary=TEXT,
            description=TEXT,
            required=FLAG,
            schema=SCHEMA,
            deprecated=FLAG,
        ),
        "error": _object(("code", "message"), code={"type": "integer"}, message=TEXT, data=ANYTHING),
        "example": _object(
            ("name", "value"), name=TEXT, summary=TEXT, description=TEXT, value=ANYTHING, externalValue=TEXT
        ),
        "pairing": _object(
            ("name", "params"),
            name=TEXT,
            description=TEXT,
            summary=TEXT,
            params=_list(_or_reference("example")),
            result=_or_reference("example"),
        ),
        "link": _object(
            (),
            name=TEXT,
            summary=TEXT,
            description=TEXT,
            method=TEXT,
            params={"type": "object"},
            server=_one("server"),
        ),
        "tag": _object(("name",), name=TEXT, summary=TEXT, description=TEXT, externalDocs=_one("external")),
        "external": _object(("url",), url=TEXT, description=TEXT),
    },
}
"""The objects, as a JSON Schema."""


def violations(document: dict[str, Any]) -> list[str]:
    """What of a document breaks the specification, in words."""
    validator = jsonschema.Draft7Validator(DOCUMENT)
    found = [f"{list(error.path)}: {error.message[:200]}" for error in validator.iter_errors(document)]
    if found:
        return found  # what follows goes by the shape
    names = [method["name"] for method in document["methods"] if "name" in method]
    found += [f"the method {name} is there twice" for name in _repeated(names)]
    for method in document["methods"]:
        found += [f"{method.get('name')}: {problem}" for problem in _of_method(method)]
    found += [
        f"{place} leads nowhere" for place in sorted(_references(document)) if not _leads(document, place)
    ]
    found += _of_schemas(document)
    return found


def _of_method(method: dict[str, Any]) -> list[str]:
    """What an array of objects alone does not say."""
    if "$ref" in method:
        return []
    params = [param for param in method["params"] if "$ref" not in param]
    found = [f"the parameter {name} is there twice" for name in _repeated([one["name"] for one in params])]
    required = [bool(param.get("required")) for param in params]
    if method.get("paramStructure", "either") != "by-name" and required != sorted(required, reverse=True):
        found.append("a required parameter stands after an optional one")
    codes = [str(error["code"]) for error in method.get("errors", ()) if "$ref" not in error]
    return found + [f"the error {code} is there twice" for code in _repeated(codes)]


def _of_schemas(document: dict[str, Any]) -> list[str]:
    """Every schema has to be one of draft 7."""
    found = []
    for place, schema in _schemas(document):
        try:
            jsonschema.Draft7Validator.check_schema(schema)
        except jsonschema.SchemaError as error:
            found.append(f"the schema of {place} is none: {error.message[:200]}")
        found += [f"the schema of {place} has {key}, which draft 7 does not" for key in _newer_keys(schema)]
    return found


def _schemas(document: dict[str, Any]) -> list[tuple[str, Any]]:
    found = list(document.get("components", {}).get("schemas", {}).items())
    for method in document["methods"]:
        described = (*method.get("params", ()), method.get("result", {}))
        found += [(f"{method['name']}, {one['name']}", one["schema"]) for one in described if "schema" in one]
    return found


_NEWER = {
    "$anchor", "$defs", "$dynamicAnchor", "$dynamicRef", "dependentRequired", "dependentSchemas",
    "maxContains", "minContains", "prefixItems", "unevaluatedItems", "unevaluatedProperties",
}  # fmt: skip
"""Keywords that came after draft 7: who reads by that passes over them, and they hold nobody to anything."""


def _newer_keys(schema: Any) -> list[str]:
    if isinstance(schema, list):
        return [key for one in schema for key in _newer_keys(one)]
    if not isinstance(schema, dict):
        return []
    inner = [value for key, value in schema.items() if key not in ("properties", "default", "enum", "const")]
    inner += list(schema.get("properties", {}).values())
    return sorted(_NEWER & set(schema)) + [key for one in inner for key in _newer_keys(one)]


def _references(value: Any) -> set[str]:
    """Every ``$ref`` there is."""
    if isinstance(value, list):
        return {found for one in value for found in _references(one)}
    if not isinstance(value, dict):
        return set()
    own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
    return own | {found for one in value.values() for found in _references(one)}


def _leads(document: dict[str, Any], place: str) -> bool:
    """Whether there is something where a reference points to."""
    found: Any = document
    if not place.startswith("#/"):
        return False
    for part in place[2:].split("/"):
        part = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or part not in found:
            return False
        found = found[part]
    return True


def _repeated(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
