"""What a workflow's file may say, and that every fault is told at once, each with its place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hero_logic.core.errors import InvalidWorkflow
from hero_logic.migrate.read import is_of, read
from migrate.legacy import condition, edge, script, transform, workflow
from migrate.legacy import given as an_input

A, B, C = (transform(0, name) for name in "abc")
DEEP = "[" * 60 + "]" * 60


def faults(text: str) -> list[tuple[str, str]]:
    """What is wrong with a text: the places and what is said."""
    with pytest.raises(InvalidWorkflow) as caught:
        read(text, name="f.json")
    return [(fault.pointer, fault.says) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("text", "pointer", "says"),
    [
        ("", "", "not JSON"),
        ("{", "", "not JSON"),
        ('{"name": "w", "nodes": [NaN]}', "", "no JSON"),
        ('{"name": "w", "nodes": [1e999]}', "", "no JSON"),
        ("[" * 100_000, "", "nested"),
        ("[]", "", "has to be an object"),
        ('{"nodes": []}', "", "has no 'name'"),
        ('{"name": "w"}', "", "has no 'nodes'"),
        ('{"name": "w", "name": "v", "nodes": []}', "", "stands here twice"),
        (workflow([A, A]), "/nodes/1/node_id", "two nodes"),
        (workflow([A], inputs=[an_input("x"), an_input("x")]), "/inputs/1/name", "two inputs"),
        (workflow([A], inputs=[an_input("x", "text")]), "/inputs/0/type", "it may be string"),
        (workflow([A], inputs=[an_input("x", default="{")]), "/inputs/0/default", "not JSON"),
        (workflow([A], inputs=[an_input("x", "integer", default="1.5")]), "/inputs/0/default", "type"),
        (workflow([{**A, "node_type": "loop"}]), "/nodes/0/node_type", "it may be"),
        (workflow([{"node_id": "a", "node_type": "wait"}]), "/nodes/0", "has no 'config'"),
        (workflow([{**A, "config": {}}]), "/nodes/0/config", "has no 'output'"),
        (workflow([{**A, "retry_count": -1}]), "/nodes/0/retry_count", "0 to"),
        (workflow([{**A, "retry_count": True}]), "/nodes/0/retry_count", "whole number"),
        (workflow([{**A, "on_error": "ignore"}]), "/nodes/0/on_error", "fail, continue"),
        (workflow([transform({"k": ["{{here.x}}"]})]), "/nodes/0/config/output/k/0", "begins with none"),
        (workflow([transform("{{outputs.x}}")]), "/nodes/0/config/output", "inputs and nodes"),
        (workflow([transform(json.loads(DEEP))]), "/nodes/0/config/output" + "/0" * 41, "nested"),
        (workflow([script("x = ")]), "/nodes/0/config/script", "line 1"),
        (workflow([script("return 1")]), "/nodes/0/config/script", "outside function"),
        (workflow([script("x\0")]), "/nodes/0/config/script", "not Python"),
        (workflow([condition("1 = 1")]), "/nodes/0/config/expression", "no expression"),
        (workflow([A], [edge("a", "z")]), "/edges/0/to_node", "no node 'z'"),
        (workflow([A, B], [edge("a", "b", kind="back")]), "/edges/0/kind", "normal, retry"),
        (workflow([A, B], [edge("a", "b", condition="a b")]), "/edges/0/condition", "no expression"),
        (workflow([A, B], [edge("a", "b", data_mapping={"k": 1})]), "/edges/0/data_mapping/k", "by a text"),
        (workflow([A], [edge("a", "a")]), "/edges/0", "a cycle"),
        (workflow([A, B], [edge("a", "b"), edge("b", "a", kind="retry")]), "/edges/1", "at a handler"),
        (
            workflow([A, B, C], [edge("a", "b", condition="failed"), edge("b", "c", kind="retry")]),
            "/edges/1",
            "ends before its start",
        ),
    ],
)
def test_a_fault_is_told_with_its_place(text: str, pointer: str, says: str) -> None:
    """Each thing that makes a workflow mean nothing: where it stands, and what is wrong there."""
    found = faults(text)

    assert [place for place, _ in found] == [pointer]
    assert says in found[0][1]


def test_all_faults_are_told_at_once_in_the_order_of_the_file() -> None:
    """A person mends a file once, not once for each fault."""
    text = json.dumps(json.loads(workflow([script("="), condition("=", "b")], [edge("x", "y")])), indent=1)

    with pytest.raises(InvalidWorkflow) as caught:
        read(text, name="f.json")

    assert [fault.pointer for fault in caught.value.faults] == [
        "/nodes/0/config/script",
        "/nodes/1/config/expression",
        "/edges/0/from_node",
        "/edges/0/to_node",
    ]
    fault = caught.value.faults[1]
    assert text.splitlines()[fault.line - 1][fault.column - 1 :].startswith('"="')
    assert f"f.json:{fault.line}:{fault.column}: /nodes/1/config/expression" in str(caught.value)


def test_what_may_be_left_out_has_its_default() -> None:
    """A workflow may say as little as its name and its nodes."""
    found = read(workflow([A, B], [edge("a", "b")], description="d"))

    node, link = found.nodes[0], found.edges[0]
    assert (node.name, node.retry_count, node.timeout_ms, node.continues) == ("a", 0, 0, False)
    assert (link.kind, link.condition, link.mapping, link.max_retries) == ("normal", None, None, 0)


def test_a_whole_number_may_have_a_fraction_of_zero() -> None:
    """As it may in an input."""
    nodes = [script("1", retry_count=2.0), transform(1, "h")]
    edges = [edge("a", "h", condition="failed"), edge("h", "a", kind="retry", max_retries=3.0)]

    found = read(workflow(nodes, edges))

    assert (found.nodes[0].retry_count, found.edges[1].max_retries) == (2, 3)
    assert faults(workflow([script("1", retry_count=1.5)]))[0][0] == "/nodes/0/retry_count"


def test_keys_that_the_format_does_not_know_are_kept() -> None:
    """They are no fault, and nothing of them is lost."""
    found = read(workflow([{**A, "x": 1}], owner={"a": 2}))

    assert found.kept == (("owner", {"a": 2}, "/owner"),)
    assert found.nodes[0].kept == (("x", 1, "/nodes/0/x"),)


@pytest.mark.parametrize(
    ("value", "kinds"),
    [
        (None, []),
        (True, ["boolean"]),
        (1, ["number", "integer"]),
        (1.0, ["number", "integer"]),
        (1.5, ["number"]),
        ("", ["string"]),
        ([], ["array"]),
        ({}, ["object"]),
    ],
)
def test_types_of_inputs(value: Any, kinds: list[str]) -> None:
    """Null has no type, a boolean is no number, and 1.0 is an integer."""
    every = ["string", "number", "integer", "boolean", "object", "array"]

    assert sorted(kind for kind in every if is_of(value, kind)) == sorted(kinds)


@pytest.mark.property
@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["name", "nodes", "edges", "inputs", "node_id", "node_type", "config", "kind"]
                ),
                inner,
                max_size=5,
            )
        ),
    )
)
def test_any_json_is_a_workflow_or_refused(value: Any) -> None:
    """Whatever the file holds, reading ends in a workflow or in an InvalidWorkflow."""
    told: object = "a workflow"
    try:
        read(json.dumps(value))
    except InvalidWorkflow as error:
        told = error.faults
    assert told
