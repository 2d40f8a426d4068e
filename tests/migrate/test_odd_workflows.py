"""Odd workflows that are valid, each played: what random ones are hardly ever."""

from __future__ import annotations

import builtins
import json
from collections.abc import Iterator
from typing import Any

import pytest

from hero_logic.migrate import translate
from migrate.legacy import condition, edge, script, transform, workflow
from migrate.legacy import given as an_input
from migrate.plays import Stage, stage
from migrate.reference import run
from migrate.services import LIBRARY, MODULES, beside, called, running
from migrate.test_same_behaviour import difference

ONE = "output = {'n': 1}"
FAILS = "raise ValueError('x')"
NOT_YET = "if (inputs.get('n') or 0) < {}:\n    raise LookupError('too low')\noutput = inputs\n"
UP = "output = {'n': (inputs.get('n') or 0) + 1}"
NAMES = ("getattr", "str", "self", "type", "print", "given", "Any", "json", "_", "w", "is-it", "in")
HANDLED = edge("a", "b", condition="failed")
BASH = {"node_type": "script_execution", "config": {"language": "bash", "script": "ls"}}


def action(node_id: str = "a", **params: Any) -> dict[str, Any]:
    """A call that is answered with what it was given."""
    config = {"service": "store_2", "method": "get-it", "params": params}
    return {"node_id": node_id, "node_type": "action", "config": config}


def retry(start: str, end: str, **more: Any) -> dict[str, Any]:
    """A way back."""
    return edge(start, end, kind="retry", **more)


ODD: dict[str, tuple[str, dict[str, Any]]] = {
    # What an expression looks at
    "a node that looks at itself finds null": (
        workflow([transform({"x": "{{nodes.a.x}}", "y": 1})]),
        {},
    ),
    "a node that looks at what depends on it finds null": (
        workflow([transform({"x": "{{nodes.b.n}}"}), script(ONE, "b")], [edge("a", "b", data_mapping={})]),
        {},
    ),
    "in each pass a node finds null where something has not run again": (
        workflow(
            [
                script("output = {'x': inputs.get('x')}"),
                script(NOT_YET.format(3), "b"),
                script(UP, "h"),
                transform(["{{nodes.a.x}}", "{{nodes.b}}", "{{nodes.h}}"], "look"),
                transform("{{inputs}}", "last"),
            ],
            [
                edge("a", "look"),
                edge("look", "b", data_mapping={"n": "nodes.look.2.n"}),
                edge("b", "h", condition="failed", data_mapping={"n": "inputs.n"}),
                retry("h", "a", data_mapping={"x": "outputs.n"}, max_retries=2),
                edge("a", "b", data_mapping={"n": "outputs.x"}),
                edge("h", "last"),
                edge("b", "last"),
            ],
        ),
        {},
    ),
    "an edge may look at what its end waits for by another way": (
        workflow(
            [script(ONE), script(UP, "b"), transform("{{inputs.n}}", "c")],
            [
                edge("a", "b"),
                edge("b", "c", data_mapping={}),
                edge("a", "c", condition="nodes.b.n == 2", data_mapping={"n": "nodes.b.n"}),
            ],
        ),
        {},
    ),
    "an edge that is the only way looks at a node that is not there": (
        workflow([script(ONE), transform(1, "b")], [edge("a", "b", condition="nodes.nobody == null")]),
        {},
    ),
    "all nodes are those that have finished: not one that failed, nor itself": (
        workflow(
            [script(FAILS), transform("{{nodes}}", "b"), transform(["{{nodes}}"], "c")],
            [HANDLED, edge("b", "c")],
        ),
        {},
    ),
    "all nodes are also those that gave null, or went on with an error": (
        workflow(
            [
                script("output = None"),
                script(FAILS, "b", on_error="continue"),
                transform("{{nodes}}", "c"),
                transform("{{inputs.all}}", "d"),
            ],
            [edge("a", "b"), edge("b", "c"), edge("c", "d", data_mapping={"all": "nodes"})],
        ),
        {},
    ),
    "in each pass all nodes are those that have finished in it": (
        workflow(
            [
                script("output = {'n': (inputs.get('n') or 0) + 1}"),
                transform({"seen": "{{nodes}}", "n": "{{inputs.n}}"}, "look"),
                script(NOT_YET.format(3), "b"),
                script("output = {'n': inputs['n']}", "h"),
                transform(["{{nodes}}"], "last"),
            ],
            [
                edge("a", "look"),
                edge("look", "b"),
                edge("b", "h", condition="failed", data_mapping={"n": "inputs.n"}),
                retry("h", "a", max_retries=5),
                edge("b", "last"),
            ],
        ),
        {},
    ),
    "in loops that overlap all nodes are those that have finished since": (
        workflow(
            [
                script("output = {'n': (inputs.get('n') or 0) + 1}"),
                transform({"seen": "{{nodes}}", "n": "{{inputs.n}}"}, "look"),
                script(NOT_YET.format(4), "b"),
                script("output = {'n': inputs['n'] + 1}", "h"),
            ],
            [
                edge("a", "look"),
                edge("look", "b"),
                edge("b", "h", condition="failed", data_mapping={"n": "inputs.n"}),
                retry("h", "look", condition="outputs.n < 3", data_mapping={"n": "outputs.n"}),
                retry("h", "a", max_retries=5),
            ],
        ),
        {},
    ),
    "a script that fails because of sys.exit() fails with what it raises": (
        workflow(
            [
                script(
                    "import sys\ntry:\n    sys.exit('x')\nexcept SystemExit as stop:\n"
                    "    raise ValueError('v') from stop\n"
                ),
                transform("{{inputs.error}}", "b"),
            ],
            [HANDLED],
        ),
        {},
    ),
    "a script that ends its process fails with that": (
        workflow(
            [script("import sys\noutput = 1\nsys.exit('x')"), transform("{{inputs.error}}", "b")], [HANDLED]
        ),
        {},
    ),
    "a script that raises what is no Exception fails with that": (
        workflow(
            [
                script("import asyncio\nraise asyncio.CancelledError('x')\noutput = 1"),
                script("class Stop(BaseException):\n    pass\nraise Stop('y')", "b"),
                transform(["{{nodes.a}}", "{{inputs.error}}"], "c"),
            ],
            [edge("a", "b", condition="failed"), edge("b", "c", condition="failed")],
        ),
        {},
    ),
    "an error of a function of a script calls it by its name": (
        workflow(
            [script("def need(n):\n    return n\noutput = need()"), transform("{{inputs.error}}", "b")],
            [HANDLED],
        ),
        {},
    ),
    "an error of a function in a function calls both by their names": (
        workflow(
            [
                script("def outer():\n    return lambda n: n\noutput = outer()()"),
                transform("{{inputs.error}}", "b"),
            ],
            [HANDLED],
        ),
        {},
    ),
    # Parts that cannot be migrated
    "a script in another language fails with its name, and is handled": (
        workflow([{"node_id": "a", "retry_count": 2, **BASH}, transform("{{inputs.error}}", "b")], [HANDLED]),
        {},
    ),
    "a script in another language goes on with its error, beside others": (
        workflow([{"node_id": "a", "on_error": "continue", **BASH}, script(ONE, "b")]),
        {},
    ),
    # Edges
    "two edges with the same ends, one of which is for failure": (
        workflow([script(FAILS), script("output = inputs", "b")], [HANDLED, edge("a", "b")]),
        {},
    ),
    "of edges with the same ends those that are taken map, in their order": (
        workflow(
            [script(ONE), script("output = inputs", "b")],
            [
                edge("a", "b", data_mapping={"n": "2", "m": "1"}),
                edge("a", "b", condition="outputs.n == 2"),
                edge("a", "b", condition="outputs.n == 1", data_mapping={"m": "outputs.n == 1"}),
                edge("a", "b"),
            ],
        ),
        {},
    ),
    "an edge that looks for failure otherwise is of no failure": (
        workflow(
            [script(ONE), transform(1, "b"), transform(2, "c"), transform(3, "d")],
            [
                edge("a", "b", condition="failed or outputs.n == 1"),
                edge("a", "c", condition="not failed"),
                edge("a", "d", condition="failed == true"),
            ],
        ),
        {},
    ),
    "a mapping knows whether its source failed": (
        workflow(
            [script(FAILS), transform("{{inputs.f}}", "b")],
            [edge("a", "b", condition="failed", data_mapping={"f": "failed and outputs.error != null"})],
        ),
        {},
    ),
    "names of inputs that mean something to Python": (
        workflow(
            [
                script("output = sorted(inputs.items())", "b", retry_count=1, timeout_ms=30_000),
                action(a="{{inputs.getattr}}", self="{{inputs.self}}", str="<{{inputs.str}}>"),
            ],
            inputs=[an_input(name, "integer") for name in NAMES],
        ),
        dict.fromkeys(NAMES, 1),
    ),
    # Inputs
    "an integer with a fraction is refused, whatever the input is called": (
        workflow([transform("{{inputs.max-length}}")], inputs=[an_input("max-length", "integer")]),
        {"max-length": 1.5},
    ),
    "an integer with a fraction of zero is one, whatever the input is called": (
        workflow([transform("{{inputs.max-length}}")], inputs=[an_input("max-length", "integer")]),
        {"max-length": 2.0},
    ),
    "null is no value of an optional input": (
        workflow([transform("{{inputs.x}}")], inputs=[an_input("x", "object", required=False)]),
        {"x": None},
    ),
    "an input that is required has no default": (
        workflow([transform("{{inputs.x}}")], inputs=[an_input("x", "integer", default="5")]),
        {},
    ),
    "a default that is a list is nobody's to change": (
        workflow(
            [script("inputs['x'].append(1)\noutput = inputs"), script("output = inputs", "b")],
            [edge("a", "b", data_mapping={})],
            [an_input("x", "array", required=False, default="[0]")],
        ),
        {},
    ),
    "a boolean is no number, in a workflow that is called too": (
        workflow(
            [
                {
                    "node_id": "a",
                    "node_type": "subworkflow",
                    "on_error": "continue",
                    "config": {"workflow": "double", "inputs": {"level": True}},
                },
                transform("{{inputs.level}}", "b"),
            ],
            [edge("a", "b")],
        ),
        {},
    ),
    # Literals and paths
    "literals are JSON without spaces too": (
        workflow(
            [
                condition("inputs.x in [true,false,null]"),
                condition("{'a':true,\"b\":[null,-1.5e0]} contains 'b'", "b"),
            ],
            inputs=[an_input("x", "boolean")],
        ),
        {"x": False},
    ),
    "segments of paths may look like anything": (
        workflow(
            [
                script("output = {'a,b': 1, 'and': 2, '-1': [3], '00': 4, 'é:x': 5, 'true': 6, '0': 7}"),
                transform(
                    [f"{{{{nodes.a.{key}}}}}" for key in ("a,b", "and", "-1.0", "00", "é:x", "true", "0")],
                    "b",
                ),
                condition(
                    "nodes.a.a,b == 1 and nodes.a.and == 2 and nodes.a.true > 5 and nodes.a.é:x in [5]", "c"
                ),
            ],
            [edge("a", "b"), edge("a", "c", data_mapping={"in": "outputs.and", "not": "outputs.-1"})],
        ),
        {},
    ),
    "texts with braces and percent signs": (
        workflow(
            [transform(["{0} {{inputs.x}} {}", "}}{{", "{{inputs.x", "%s {{inputs.x}} {{ inputs.y }}"])],
            inputs=[an_input("x")],
        ),
        {"x": "{{inputs.x}} {0} %s"},
    ),
    "halves of surrogates stay what they are": (
        workflow(
            [
                script("output = sorted(inputs)", "b"),
                script("output = ascii(inputs['y'])", "c"),
                transform("{{inputs.x}}\udfff"),
            ],
            [
                edge("a", "c", data_mapping={"y": "outputs"}),
                edge("a", "b", condition="false", data_mapping={"\ud83d": "'\ud800'"}),
            ],
            [an_input("x")],
        ),
        {"x": "y"},
    ),
    # Outputs
    "a workflow without nodes gives an empty object": (workflow([]), {}),
    "nothing at the end ran": (
        workflow([script(ONE), transform(1, "b")], [edge("a", "b", condition="false")]),
        {},
    ),
    "an only end that gives null": (workflow([script("output = None")]), {}),
    "keys that are no texts, and tuples, become JSON": (
        workflow(
            [script("output = {1: (1, 2), None: True}"), transform("{{inputs.1.0}} {{inputs.null}}", "b")],
            [edge("a", "b")],
        ),
        {},
    ),
    # Ways back
    "two ways back of one handler, to different places": (
        workflow(
            [
                script(UP),
                script(UP, "b"),
                script(NOT_YET.format(6), "c"),
                script("output = inputs", "h"),
                script("output = inputs", "last"),
            ],
            [
                edge("a", "b"),
                edge("b", "c"),
                edge("c", "h", condition="failed", data_mapping={"n": "inputs.n"}),
                retry("h", "a", condition="inputs.n < 4"),
                retry("h", "b", max_retries=2),
                edge("b", "last"),
                edge("c", "last"),
            ],
        ),
        {},
    ),
    "two ways back that are the same": (
        workflow(
            [script(UP), script(NOT_YET.format(5), "b"), script("output = inputs", "h")],
            [
                edge("a", "b"),
                edge("b", "h", condition="failed", data_mapping={"n": "inputs.n"}),
                retry("h", "a"),
                retry("h", "a"),
            ],
        ),
        {},
    ),
    "three ways back, one of which leads into the middle of another one's loop": (
        workflow(
            [script(ONE), transform({"n": "{{inputs.n}}"}, "b"), script(UP, "h"), script(UP, "last")],
            [
                edge("a", "b"),
                edge("b", "h", condition="failed"),
                edge("a", "h", data_mapping={}),
                edge("b", "last"),
                edge("h", "last", condition="failed"),
                edge("h", "last"),
                retry("last", "b", max_retries=2),
                retry("h", "a"),
                retry("last", "a"),
            ],
        ),
        {},
    ),
    "a handler that is also reached without failure goes back all the same": (
        workflow(
            [script(UP), script("output = {'k': 1}", "b"), script("output = inputs", "h")],
            [
                edge("a", "b"),
                edge("b", "h", condition="failed"),
                edge("a", "h", data_mapping={"n": "outputs.n"}),
                retry("h", "a", max_retries=3),
            ],
        ),
        {},
    ),
    "a way back to the handler's own source, which has tries of its own": (
        workflow(
            [
                script(NOT_YET.format(2), retry_count=2),
                script("output = {'n': (inputs.get('n') or 0) + 1}", "h"),
            ],
            [
                edge("a", "h", condition="failed", data_mapping={"n": "inputs.n"}),
                retry("h", "a", max_retries=9),
            ],
        ),
        {},
    ),
    "seven loops, each in the next one": (
        workflow(
            [
                *(script("output = {'n': inputs.get('n', 0)}", f"n{n}") for n in range(7)),
                script("raise ValueError('x')", "x"),
                *(script(f"output = {{'n': {n}}}", f"h{n}", on_error="continue") for n in range(1)),
            ],
            [
                *(edge(f"n{n}", f"n{n + 1}") for n in range(6)),
                edge("n6", "x"),
                edge("x", "h0", condition="failed"),
                *(retry("h0", f"n{n}") for n in range(7)),
            ],
        ),
        {},
    ),
    # Depth and width
    "twelve conditions, each behind the one before": (
        workflow(
            [condition(f"inputs.n != {n}", f"c{n}") for n in range(12)]
            + [script(f"output = {n}", f"no{n}") for n in range(12)]
            + [script("output = sorted(inputs)", "last")],
            [edge(f"c{n}", f"c{n + 1}", condition="outputs.result") for n in range(11)]
            + [edge(f"c{n}", f"no{n}", condition="not outputs.result") for n in range(12)]
            + [edge(f"no{n}", "last", data_mapping={f"no{n}": "outputs"}) for n in range(0, 12, 3)],
            [an_input("n", "integer")],
        ),
        {"n": 9},
    ),
    "a workflow that calls itself, with an input that is called like it": (
        workflow(
            [
                condition("inputs.w > 0", "goes_on"),
                script("output = {'w': inputs['w'] - 1}", "less"),
                {
                    "node_id": "deeper",
                    "node_type": "subworkflow",
                    "config": {"workflow": "w", "inputs": {"w": "{{inputs.w}}"}},
                },
            ],
            [edge("goes_on", "less", condition="outputs.result", data_mapping={}), edge("less", "deeper")],
            [an_input("w", "integer")],
        ),
        {"w": 2},
    ),
    "another workflow that calls itself": (
        workflow(
            [
                {
                    "node_id": "a",
                    "node_type": "subworkflow",
                    "config": {"workflow": "down", "inputs": {"level": "{{inputs.n}}"}},
                }
            ],
            inputs=[an_input("n", "number")],
        ),
        {"n": 3.5},
    ),
}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage for all of them."""
    with running() as services, stage(tmp_path_factory.mktemp("stage"), services, beside()) as opened:
        yield opened


@pytest.mark.parametrize("rule", ODD)
def test_an_odd_workflow_comes_to_what_it_came_to(played: Stage, rule: str) -> None:
    """However odd a workflow is, its flow gives the same output and tries the same nodes as often."""
    text, inputs = ODD[rule]
    builtins.__dict__.pop("seen_tries", None)
    due = run(json.loads(text), inputs, call_service=called, library={**LIBRARY, "w": json.loads(text)})
    migration = translate(text, known={**MODULES, "w": "w"})

    done = played.play(migration.source, inputs)

    assert not migration.report.needs_person
    assert difference(done, due) == [], (done.error, migration.source)
