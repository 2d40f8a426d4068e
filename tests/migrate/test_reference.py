"""The reference interpreter does what the examples' cases say, and the rules that they do not show."""

from __future__ import annotations

from typing import Any

import pytest

from migrate.cases import Answers, Case, cases
from migrate.reference import Refused, Run, Stuck, check_inputs, has_type, run
from migrate.reference_expressions import Unreadable, evaluate


def script(node_id: str, text: str, **more: Any) -> dict[str, Any]:
    """A node that runs a script."""
    config = {"language": "python", "script": text}
    return {"node_id": node_id, "node_type": "script_execution", "config": config, **more}


def edge(source: str, target: str, **more: Any) -> dict[str, Any]:
    """An edge."""
    return {"from_node": source, "to_node": target, **more}


def ran(nodes: list[dict[str, Any]], edges: list[dict[str, Any]], **inputs: Any) -> Run:
    """A run of a workflow that declares the inputs that it is given."""
    declared = [{"name": name, "type": "integer", "required": True} for name in inputs]
    return run({"name": "w", "inputs": declared, "nodes": nodes, "edges": edges}, inputs)


@pytest.mark.parametrize("case", cases(), ids=str)
def test_each_case_of_the_examples_comes_to_what_it_says(case: Case) -> None:
    """Status, output, what ran and what was skipped, and how often each was tried."""
    answers = Answers(case)
    done = run(
        case.workflow,
        case.facts["inputs"],
        call_service=lambda _service, _method, _, node_id: answers.next(node_id),
    )

    assert done.status == case.facts["status"]
    assert done.output == case.facts.get("output")
    assert done.tries == case.facts["tries"]
    assert (done.ran, done.skipped) == (set(case.facts["ran"]), set(case.facts["skipped"]))
    assert not any(answers.left.values())


@pytest.mark.parametrize(
    ("value", "kinds"),
    [
        (None, ""),
        (True, "boolean"),
        (1, "number integer"),
        (1.0, "number integer"),
        (1.5, "number"),
        ("", "string"),
        ([], "array"),
        ({}, "object"),
    ],
)
def test_a_value_has_these_types_and_no_others(value: object, kinds: str) -> None:
    """A whole number with a fraction of zero is an integer; null is nothing."""
    every = ["string", "number", "integer", "boolean", "object", "array"]

    assert {kind for kind in every if has_type(value, kind)} == set(kinds.split())


def test_inputs_that_are_missing_mistyped_or_not_declared_are_refused() -> None:
    """And one without a default that is left out is not there at all."""
    workflow = {
        "inputs": [
            {"name": "a", "type": "integer", "required": True, "default": ""},
            {"name": "b", "type": "string", "required": False, "default": '"x"'},
            {"name": "c", "type": "string", "required": False, "default": ""},
        ]
    }

    assert check_inputs(workflow, {"a": 1}) == {"a": 1, "b": "x"}
    for wrong in ({}, {"a": "1"}, {"a": 1, "d": 2}, {"a": 1, "b": None}):
        with pytest.raises(Refused):
            check_inputs(workflow, wrong)


ROOTS = {
    "inputs": {
        "n": 1,
        "f": 1.0,
        "t": True,
        "s": "abc",
        "l": [1, "a", {"k": None}],
        "o": {"a": [1]},
        "0": "zero",
    },
    "outputs": {"error": "x"},
    "nodes": {"some": {"text": "y"}},
}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("inputs.n == inputs.f", True),
        ("inputs.t == 1", False),
        ("[1, [true]] == [1.0, [1]]", False),
        ('{"a": 1} == {"a": 1.0}', True),
        ("inputs.nothing.at.all == null", True),
        ("inputs.l.2.k", None),
        ("inputs.l.1 == 'a'", True),
        ("inputs.l.3", None),
        ("inputs.l.x", None),
        ("inputs.0", "zero"),
        ("'\"\\u00e9\\n\\'' == \"\\\"\\u00e9\\n'\"", True),
        ("1 < 1.5", True),
        ("'a' < 'b'", True),
        ("'a' < 1", False),
        ("true < 2", False),
        ("null <= null", False),
        ("inputs.s contains 'bc'", True),
        ("inputs.s contains 1", False),
        ("inputs.l contains true", False),
        ("inputs.l contains 1.0", True),
        ("inputs.o contains 'a'", True),
        ("'a' in inputs.o", True),
        ("1 contains 1", False),
        ("not inputs.n == 2 and inputs.s or false", True),
        ("1 or 0 and 0", True),
        ("'' or []", False),
        ("not not 'x'", True),
        ("0", 0),
        ("outputs.error contains 'x' and nodes.some.text == 'y'", True),
    ],
)
def test_an_expression_comes_to(expression: str, value: object) -> None:
    """Equality by type, order of like with like, and everything else by what binds how."""
    found = evaluate(expression, ROOTS)

    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    "expression", ["", "1 2", "inputs.a ==", "other.a", "1 == 1 == 1", "and", "(1)", "'"]
)
def test_what_is_no_expression_is_not_read(expression: str) -> None:
    """Comparisons do not chain, and there are three roots."""
    with pytest.raises(Unreadable):
        evaluate(expression, ROOTS)


def test_of_a_failed_node_only_the_edges_to_its_handlers_are_taken() -> None:
    """Which get its error; and of one that finished only the others."""
    nodes = [script(name, "output = inputs") for name in ("start", "next", "handler")]
    nodes[0] = script("start", "output = 6 // inputs['n']")
    edges = [edge("start", "next"), edge("start", "handler", condition="failed")]

    failed = ran(nodes, edges, n=0)
    finished = ran(nodes, edges, n=1)

    assert failed.output == {"n": 0, "error": "ZeroDivisionError: integer division or modulo by zero"}
    assert (failed.ran, failed.skipped) == ({"start", "handler"}, {"next"})
    assert (finished.output, finished.skipped) == ({"n": 1}, {"handler"})


def test_a_node_that_goes_on_in_spite_of_an_error_is_finished() -> None:
    """For its handler too."""
    nodes = [script("start", "raise ValueError('x')", on_error="continue", retry_count=1)]
    nodes += [script(name, "output = inputs") for name in ("next", "handler")]

    done = ran(nodes, [edge("start", "next"), edge("start", "handler", condition="failed")])

    assert (done.output, done.tries) == ({"error": "ValueError: x"}, {"start": 2, "next": 1})


def test_a_node_without_a_handler_fails_the_run() -> None:
    """Nothing that depends on it starts."""
    done = ran([script("a", "pass"), script("b", "output = 1")], [edge("a", "b")])

    assert (done.status, done.failed, done.ran) == ("failed", ["a"], {"a"})


def test_what_depends_on_where_a_retry_leads_waits_for_its_handler() -> None:
    """Also a join with what does not: it runs once, after the last pass."""
    nodes = [
        script("start", "output = {'level': inputs.get('level', 0)}"),
        script("work", "assert inputs['level'] > 1\noutput = {'done': inputs['level']}", retry_count=1),
        script("mend", "output = {'level': inputs['level'] + 1}"),
        script("aside", "output = {'aside': inputs['level']}"),
        script("other", "output = {'other': True}"),
        script("join", "output = inputs"),
    ]
    edges = [
        edge("start", "work"),
        edge("work", "mend", condition="failed", data_mapping={"level": "inputs.level"}),
        edge("mend", "start", kind="retry", max_retries=5),
        edge("start", "aside"),
        edge("aside", "join"),
        edge("other", "join"),
        edge("work", "join"),
    ]

    done = ran(nodes, edges)

    assert done.output == {"aside": 2, "other": True, "done": 2}
    assert done.tries == {"start": 3, "work": 5, "mend": 2, "aside": 1, "other": 1, "join": 1}
    assert done.skipped == set()


def test_the_last_pass_decides_what_ran_at_the_end() -> None:
    """A handler that ran in an earlier one is skipped in it, and its output is nobody's."""
    nodes = [script("work", "assert 'level' in inputs\noutput = 1"), script("mend", "output = {'level': 1}")]
    edges = [edge("work", "mend", condition="failed"), edge("mend", "work", kind="retry")]

    done = ran(nodes, edges)

    assert (done.output, done.tries, done.skipped) == ({}, {"work": 2, "mend": 1}, set())


def test_a_handler_does_not_wait_for_one_that_waits_for_it() -> None:
    """Two nodes in a row, each with a handler that goes back to the first: the earlier one comes first."""
    nodes = [
        script("a", "assert inputs.get('a')\noutput = inputs"),
        script("b", "assert inputs.get('b')\noutput = 'done'"),
        script("mend_a", "output = {'a': 1}"),
        script("mend_b", "output = {'b': 1}"),
    ]
    edges = [edge("a", "b")]
    for name in "ab":
        edges.append(edge(name, f"mend_{name}", condition="failed", data_mapping={}))
        edges.append(edge(f"mend_{name}", "a", kind="retry"))

    done = ran(nodes, edges)

    assert (done.output, done.tries) == ({}, {"a": 3, "b": 2, "mend_a": 1, "mend_b": 1})


def test_handlers_that_wait_for_each_other_are_told() -> None:
    """The format does not say what such a graph does."""
    nodes = [script("start", "output = 1")]
    nodes += [script(name, "raise ValueError") for name in ("a", "b")]
    nodes += [script(name, "output = 1") for name in ("mend_a", "mend_b")]
    edges = [edge("start", name) for name in "ab"]
    for name in "ab":
        edges.append(edge(name, f"mend_{name}", condition="failed"))
        edges.append(edge(f"mend_{name}", "start", kind="retry"))

    with pytest.raises(Stuck):
        ran(nodes, edges)


def test_a_template_alone_keeps_its_type_and_others_become_text() -> None:
    """A value is put in once; keys are no templates."""
    nodes = [
        script("a", "output = {'o': {'x': [1, None, 'ü']}, 's': '{{inputs.n}}'}"),
        {
            "node_id": "b",
            "node_type": "transform",
            "config": {
                "output": {"{{inputs.n}}": ["{{ inputs.o.x }}", "<{{inputs.o}}> {{nodes.a.s}} {{inputs.no}}"]}
            },
        },
    ]

    done = ran(nodes, [edge("a", "b")], n=3)

    assert done.output == {"{{inputs.n}}": [[1, None, "ü"], '<{"x": [1, null, "ü"]}> {{inputs.n}} null']}
