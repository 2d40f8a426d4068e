"""The report: every part is in it, with its place in both files."""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hero_logic.migrate import Entry, Report, translate
from hero_logic.migrate.report import NEEDS_PERSON, REMARKS, Outcome, placed
from migrate.graphs import Graph, graphs
from migrate.legacy import edge, script, transform, workflow
from migrate.legacy import given as an_input
from migrate.services import MODULES
from support.scale import SCALE, SCALED


def parts_of(text: str) -> list[tuple[str, str]]:
    """All parts of a workflow, in the order of the file: what each is called, and its pointer."""
    found = json.loads(text)
    parts = [("workflow", "")]
    parts += [(f"input {one['name']}", f"/inputs/{n}") for n, one in enumerate(found.get("inputs", []))]
    parts += [(one["node_id"], f"/nodes/{n}") for n, one in enumerate(found["nodes"])]
    parts += [
        (f"edge {one['from_node']} -> {one['to_node']}", f"/edges/{n}")
        for n, one in enumerate(found.get("edges", []))
    ]
    return parts


def at(text: str, pointer: str) -> Any:
    """What stands at a pointer, step by step."""
    value = json.loads(text)
    for segment in pointer.split("/")[1:]:
        key = segment.replace("~1", "/").replace("~0", "~")
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


def steps_of(source: str) -> dict[int, str]:
    """Of each line on which a step begins, the node that it is of."""
    found = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.With) and isinstance(call := node.items[0].context_expr, ast.Call):
            [node_id] = [word.value for word in call.keywords if word.arg == "node_id"]
            assert isinstance(node_id, ast.Constant)
            found[node.lineno] = str(node_id.value)
    return found


@pytest.mark.property
@settings(SCALED, max_examples=25 * SCALE)
@given(graphs(), st.lists(st.sampled_from(["workflow", "nodes", "edges", "inputs", "config"]), max_size=3))
def test_nothing_is_left_out_and_everything_is_placed(graph: Graph, kept: list[str]) -> None:
    """Each part has its entries, in the order of the file; each with its place there, and with its step."""
    document = json.loads(graph.text)
    for number, where in enumerate(kept):
        parts = document["nodes"] if where == "config" else document.get(where, [document])
        for part in parts:
            (part["config"] if where == "config" else part)[f"odd/{number}"] = {"#": number}
    text = json.dumps(document, indent=2)

    migration = translate(text, known=MODULES)

    entries, steps = migration.report.entries, steps_of(migration.source)
    assert list(dict.fromkeys(entry.part for entry in entries)) == list(
        dict.fromkeys(part for part, _ in parts_of(text))
    )
    assert [
        place for _, place in parts_of(text) if not any(e.pointer.startswith(place) for e in entries)
    ] == []
    for entry in entries:
        line = text.split("\n")[entry.line - 1][entry.column - 1 :]
        assert json.dumps(at(text, entry.pointer), indent=2).startswith(line.rstrip(",").split("\n")[0])
        assert steps.get(entry.target_line, entry.part) in (entry.part, entry.part.rpartition(" -> ")[2])
        is_step = entry.part in steps.values() and not entry.part.startswith(("edge ", "input "))
        assert not is_step or steps[entry.target_line] == entry.part
        words = {"translated": [""], "remark": REMARKS, "person": NEEDS_PERSON}
        assert entry.code in words[entry.outcome]
        assert bool(entry.says) == (entry.outcome != "translated")
    odd = [entry for entry in entries if entry.code == "kept_key"]
    assert len(odd) == text.count('"odd/')


def test_a_part_is_translated_or_remarked_upon_and_not_both() -> None:
    """What is said of it stands alone."""
    nodes = [transform(1, timeout_ms=5, position=3), script("output = 1", "b")]

    report = translate(workflow(nodes, [edge("a", "b", color="red")])).report

    assert [(entry.part, entry.code) for entry in report.entries] == [
        ("workflow", ""),
        ("a", "instant_timeout"),
        ("a", "kept_key"),
        ("b", ""),
        ("edge a -> b", "kept_key"),
    ]


def test_what_came_out_how_often_is_counted() -> None:
    """Each entry once."""
    outcomes: list[Outcome] = ["translated", "remark", "remark", "translated", "person"]
    entries = tuple(Entry(outcome, "", "a", "", "/a") for outcome in outcomes)
    report = Report("w", "w", entries)

    counts = [report.count(outcome) for outcome in ("translated", "remark", "person")]

    assert (counts, report.needs_person) == ([2, 2, 1], True)
    assert not Report("w", "w", entries[:4]).needs_person


def test_a_report_says_what_its_flow_cannot_do_without() -> None:
    """Inputs, services, other flows: of all of them what an operator has to give."""
    nodes = [
        {"node_id": "a", "node_type": "action", "config": {"service": "s", "method": "m", "params": {}}},
        {"node_id": "b", "node_type": "subworkflow", "config": {"workflow": "Other one", "inputs": {}}},
        {"node_id": "c", "node_type": "subworkflow", "config": {"workflow": "nobody", "inputs": {}}},
    ]
    inputs = [an_input("who"), an_input("max-n", "integer"), an_input("may", required=False)]

    report = translate(workflow(nodes, [], inputs), known={"Other one": "other_one"}).report

    assert report.required == (("who", "string"), ("max-n", "integer"))
    assert (report.services, report.flows) == (("s",), ("other_one",))
    assert [entry.part for entry in report.entries if entry.outcome == "person"] == ["c"]


def test_a_report_is_json_with_all_that_it_knows() -> None:
    """The same keys for each entry."""
    report = translate(workflow([transform(1, odd=1)], [], [an_input("x")])).report

    document = json.loads(json.dumps(report.as_document()))

    assert set(document) == {"workflow", "flow", "required", "services", "flows", "entries"}
    assert document["required"] == [{"name": "x", "type": "string"}]
    assert [list(entry) for entry in document["entries"]] == [
        ["outcome", "code", "part", "says", "pointer", "line", "column", "target_line"]
    ] * len(report.entries)


def test_places_are_those_of_the_text_that_was_given() -> None:
    """However it is set."""
    entries = [Entry("remark", "kept_key", "a", "x", "/nodes/0"), Entry("translated", "", "workflow", "", "")]

    found = placed(entries, '\n {"nodes":\n   [ 7]}')

    assert [(entry.line, entry.column) for entry in found] == [(3, 6), (2, 2)]
    assert [entry.pointer for entry in found] == ["/nodes/0", ""]


def test_every_code_is_of_one_kind() -> None:
    """A remark, or something for a person to do."""
    assert set(REMARKS) & set(NEEDS_PERSON) == set()
    assert all(text and text[0].islower() for text in [*REMARKS.values(), *NEEDS_PERSON.values()])
