"""What the page takes the service's documents for, against the OpenRPC document that the server gives."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from hero_logic.core.records import SpanRow
from hero_logic.server.openrpc import document
from hero_logic.service.extracts import span_news

SOURCES = Path(__file__).parents[2] / "web" / "src"
SCHEMAS: dict[str, Any] = document()["components"]["schemas"]
COUNT = {"type": "integer"}
EVENT = {"revision": COUNT, "ordinal": COUNT}
"""What an event has beside the document that it tells of."""

KNOWN = [
    ("rpc/documents.ts", "PlaySummary", "PlaySummary", {}),
    ("rpc/documents.ts", "PlayFacts", "PlayFacts", {}),
    ("rpc/documents.ts", "PlayNews", "PlaySummary", EVENT),
    ("rpc/documents.ts", "SpanNews", "Span", EVENT),
    ("rpc/documents.ts", "Flow", "Flow", {}),
    ("rpc/documents.ts", "FlowDetails", "FlowDetails", {}),
    ("play/view.tsx", "Links", "PlayRelations", {}),
    ("library/flow.tsx", "Version", "PublishedVersion", {}),
    ("plays/list.ts", "Page", "PlayPage", {}),
    ("timeline/finding.ts", "FoundSpans", "FoundSpans", {}),
]
"""File, interface, schema, and what is known beside the schema."""

HEAD = r"^(?:export )?interface {name}\b(?: extends (\w+))? {{\n(.*?)^}}"
FIELD = re.compile(r"^  (?:readonly )?(\w+)(\??): (.+);$", re.MULTILINE)
INSIDE = re.compile(r"(\w+)\??: ")


def fields_of(file: str, interface: str) -> dict[str, tuple[str, bool]]:
    """Type and optionality of each field of an interface, with those that it extends."""
    source = (SOURCES / file).read_text()
    found = re.search(HEAD.format(name=interface), source, re.MULTILINE | re.DOTALL)
    assert found, f"{file} has no interface {interface}"
    above = fields_of(file, found[1]) if found[1] else {}
    own = {name: (kind, mark == "?") for name, mark, kind in FIELD.findall(found[2])}
    lines = [
        line for line in found[2].splitlines() if line.strip() and not line.strip().startswith(("/", "*"))
    ]
    assert len(own) == len(lines), f"{interface} has a field in a form that this test does not read"
    return above | own


def kinds_of_page(kind: str) -> set[str]:
    """What JSON has for a type of TypeScript."""
    if kind.endswith("[]"):
        return {"array"}
    if kind.startswith(("{", "Record<")):
        return {"object"}
    kinds: set[str] = set()
    for part in kind.split(" | "):
        named = {"PlayStatus": "string", "JsonSchema": "object", "unknown": "any"}
        kinds.add(named.get(part, "string" if part.startswith('"') else part))
    return kinds


def kinds_of_service(schema: dict[str, Any]) -> set[str]:
    """What JSON has for a schema."""
    if "$ref" in schema:
        return kinds_of_service(SCHEMAS[schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return set().union(*map(kinds_of_service, schema["anyOf"]))
    if "enum" in schema:
        return {"string"}
    kind = schema.get("type", "any")
    return {"number" if kind == "integer" else kind}


@pytest.mark.parametrize(("file", "interface", "name", "beside"), KNOWN, ids=lambda it: str(it)[:20])
def test_the_page_knows_a_document_as_it_is(
    file: str, interface: str, name: str, beside: dict[str, Any]
) -> None:
    """Each field that it reads is one that the service gives, of that kind, and null where that may be."""
    schema = SCHEMAS[name]
    given = schema["properties"] | beside
    known = fields_of(file, interface)

    assert known
    assert [field for field in known if field not in given] == []
    for field, (kind, is_optional) in known.items():
        assert kinds_of_page(kind) == kinds_of_service(given[field]), field
        assert is_optional == (field not in schema["required"] and field not in beside), field


def test_the_values_of_a_status_and_a_kind_are_those_of_the_service() -> None:
    """A status that the page does not know would have no word and no filter."""
    source = (SOURCES / "rpc" / "documents.ts").read_text()
    statuses = re.search(r"type PlayStatus = (.+);", source)
    kinds = re.search(r"^  kind: (\".+\");", source, re.MULTILINE)
    assert statuses
    assert kinds

    assert (
        sorted(re.findall(r'"(\w+)"', statuses[1])) == SCHEMAS["PlaySummary"]["properties"]["status"]["enum"]
    )
    assert sorted(re.findall(r'"(\w+)"', kinds[1])) == SCHEMAS["Flow"]["properties"]["kind"]["enum"]


def test_what_stands_in_a_document_is_known_as_it_is() -> None:
    """Objects that are written out in place: artifacts, the sandbox, problems of a source."""
    written = {
        (interface, field): kind
        for interface in ("PlaySummary", "FlowDetails")
        for field, (kind, _) in fields_of("rpc/documents.ts", interface).items()
        if kind.startswith("{")
    }

    assert written
    for (interface, field), kind in written.items():
        schema = SCHEMAS[interface]["properties"][field]
        inside = schema.get("items", schema)
        given = SCHEMAS[inside["$ref"].rpartition("/")[2]]["properties"]
        assert [name for name in INSIDE.findall(kind) if name not in given] == [], (interface, field)


def test_a_span_is_told_by_an_event_with_the_keys_that_are_known() -> None:
    """Those of the document of a span, with its place and its revision."""
    row = SpanRow(ordinal=1, span_id="s", start_ms=0.0)

    assert set(fields_of("rpc/documents.ts", "SpanNews")) <= set(span_news(row, ""))
