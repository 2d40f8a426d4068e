"""The function that a workflow becomes: its head, and what it takes from the file around it."""

from __future__ import annotations

from typing import Any

from hero_logic.migrate.function import FlowFunction
from hero_logic.migrate.read import read
from migrate.legacy import given, script, transform, workflow


def function(nodes: list[Any], *, inputs: Any = (), **more: Any) -> FlowFunction:
    """What becomes of some nodes."""
    return FlowFunction(read(workflow(nodes, inputs=inputs), name="w"), {}, "w", **more)


def test_the_docstring_says_what_the_hints_do_not() -> None:
    """Which numbers have to be whole, and which services are to be granted."""
    asks = {
        "node_id": "a", "node_type": "action", "config": {"service": "mail", "method": "send", "params": {}}
    }  # fmt: skip
    lines = function(
        [asks], inputs=[given("n", "integer", description="how many"), given("m", "integer")]
    ).lines

    assert "        n: how many (a whole number)" in lines
    assert "        m: a whole number" in lines
    assert "    It calls services: --rpc mail=SOCKET" in lines


def test_a_function_that_the_flow_calls_is_no_flow() -> None:
    """A file has one flow: what it runs as a part of itself is called and not played."""
    assert function([transform(1)]).lines[0] == "@flow"
    assert function([transform(1)], is_flow=False).lines[0] == "def w() -> Any:"


def test_a_name_that_something_else_has_in_the_file_is_not_given_again() -> None:
    """Scripts of two functions may be called alike; what they become is not."""
    alone = function([script("output = 1")]).steps.works.script_names
    beside = function([script("output = 1")], taken=alone).steps.works.script_names

    assert set(alone).isdisjoint(beside)


def test_a_node_is_found_where_its_step_stands() -> None:
    """By its line, counted from the first one of the function."""
    made = function([transform(1, "a"), transform(2, "b")])

    assert [made.lines[made.lines_of[node_id] - 1].strip() for node_id in ("a", "b")] == [
        'with flow.step("a", node_id="a"):',
        'with flow.step("b", node_id="b"):',
    ]
