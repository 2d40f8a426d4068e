"""What the names of expressions stand for: the plainest Python that is surely right."""

from __future__ import annotations

import ast
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hero_logic.migrate import translate
from hero_logic.migrate.code import AND, COMPARISON, NOT, OR, Code, chained, constant, in_brackets
from hero_logic.migrate.read import read
from hero_logic.migrate.values import View, can_be_parameter, opposite, shape_of
from migrate.legacy import condition, edge, script, transform, workflow
from migrate.legacy import given as an_input
from support.scale import SCALED

SERVICE = {"node_id": "a", "node_type": "action", "config": {"service": "s", "method": "m", "params": {}}}


def lines_of(nodes: list[Any], edges: Any = (), inputs: Any = ()) -> list[str]:
    """The lines of a flow, without its functions."""
    source = translate(workflow(nodes, edges, inputs)).source
    return [line.strip() for line in source.partition("\n@flow\n")[2].partition("\n\n\n")[0].split("\n")]


# --- What is known of outputs --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "keys", "is_object", "is_something"),
    [
        (transform({"a": 1, "b": "{{inputs.x}}", "c": "<{{inputs.x}}>"}), "abc", True, True),
        (transform({}), "", True, True),
        (transform("{{inputs.x}}"), None, False, False),
        (transform("<{{inputs.x}}>"), None, False, True),
        (transform([1]), None, False, True),
        (transform(None), None, False, False),
        (transform(0), None, False, True),
        (condition("1"), ["result"], True, True),
        (script("output = {'a': 1}"), "a", True, True),
        (script("output = {'a': 1, **inputs}"), None, True, True),
        (script("output = inputs"), None, False, False),
        (script("output = {'a': 1}", on_error="continue"), None, True, True),
        (SERVICE, None, False, False),
        ({"node_id": "a", "node_type": "wait", "config": {"duration_ms": 1}}, "", True, True),
    ],
)
def test_what_is_known_of_an_output(
    node: dict[str, Any], keys: Any, is_object: bool, is_something: bool
) -> None:
    """All of its keys, or that it is an object, or that it is not null; of an error nothing more is."""
    shape = shape_of(read(workflow([node])).nodes[0])

    assert (shape.is_object, shape.is_something) == (is_object, is_something)
    assert (shape.keys if shape.keys is None else sorted(shape.keys)) == (
        keys if keys is None else sorted(keys)
    )


def test_the_types_of_values_are_known_where_the_template_says_them() -> None:
    """A text with a value in it is a text; a value alone is anything."""
    output = {
        "t": "<{{inputs.x}}>",
        "v": "{{inputs.x}}",
        "o": {"k": "{{inputs.x}}"},
        "l": [],
        "n": 1,
        "z": None,
    }

    shape = shape_of(read(workflow([transform(output)])).nodes[0])

    assert shape.keys == {"t": "string", "v": "any", "o": "object", "l": "list", "n": "number", "z": "null"}


# --- What is known of inputs ---------------------------------------------------------------------------


def test_what_is_surely_set_is_known_until_something_may_set_it_again() -> None:
    """A value that would be long is there, and stands nowhere else."""
    view = View()
    view.sets("a", Code("x"))
    view.sets("long", Code("x" * 200))
    kept = view.copy()
    kept.may_set(["a", "b"])

    assert (view.known, view.present, view.is_exact) == ({"a": Code("x")}, {"a", "long"}, True)
    assert (kept.known, kept.present, kept.unsure) == ({}, {"a", "long"}, {"a", "b"})


def test_any_key_may_be_set_by_what_nothing_is_known_of() -> None:
    """Those that are there stay there."""
    view = View()
    view.sets("a", Code("x"))
    view.may_set(None)

    assert (view.known, view.present, view.is_exact) == ({}, {"a"}, False)


def test_an_input_that_is_sure_stands_by_its_name() -> None:
    """A parameter is a variable already."""
    lines = lines_of([transform("{{inputs.who}}")], inputs=[an_input("who")])

    assert "return who" in lines
    assert not any("inputs" in line for line in lines)


def test_an_input_that_may_be_absent_is_looked_for() -> None:
    """Its parameter has no value that the workflow knows."""
    lines = lines_of([transform("{{inputs.who}}")], inputs=[an_input("who", required=False)])

    assert 'return inputs.get("who")' in lines


def test_a_key_that_nothing_sets_is_null() -> None:
    """Where all keys are known."""
    assert "return None" in lines_of([transform("{{inputs.nobody}}")], inputs=[an_input("who")])


def test_of_edges_that_set_the_same_key_the_last_one_counts() -> None:
    """In the order of the file, whichever node is done last."""
    nodes = [transform({"k": 1}), transform({"k": 2}, "b"), transform("{{inputs.k}}", "c")]

    assert 'return b["k"]' in lines_of(nodes, [edge("a", "c"), edge("b", "c")])
    assert 'return a["k"]' in lines_of(nodes, [edge("b", "c"), edge("a", "c")])


def test_what_an_edge_maps_stands_in_its_place() -> None:
    """An expression of the source's names."""
    nodes = [transform({"k": [1]}), condition("inputs.x == 'a'", "b")]

    lines = lines_of(nodes, [edge("a", "b", data_mapping={"x": "outputs.k.0"})])

    assert 'return {"result": at(a["k"], 0) == "a"}' in lines


def test_an_edge_that_may_not_be_taken_sets_nothing_for_sure() -> None:
    """Its key is looked for."""
    nodes = [script("output = {'k': 1}"), transform({"j": 2}, "b"), transform("{{inputs.k}}", "c")]

    lines = lines_of(nodes, [edge("a", "c", condition="outputs.k == 2"), edge("b", "c")])

    assert any('.get("k")' in line for line in lines)


# --- Other nodes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "nodes", "edges"),
    [
        ("nodes.b.x", [transform("{{nodes.b.x}}", "b")], []),
        ("nodes.nobody", [transform("{{nodes.nobody}}", "b")], []),
        ("nodes.c", [transform("{{nodes.c}}", "b"), script("output = 1", "c")], [edge("b", "c")]),
        (
            "nodes.c of a node that never runs",
            [transform("{{nodes.c}}", "b"), transform(1, "a"), transform(1, "c")],
            [edge("a", "c", condition="false")],
        ),
    ],
)
def test_a_node_that_cannot_have_finished_is_null(
    path: str, nodes: list[dict[str, Any]], edges: list[dict[str, Any]]
) -> None:
    """Itself, one that depends on it, one that is not there or never runs; and the report says so."""
    migration = translate(workflow(nodes, edges))

    assert any(
        line.strip() in ("return None", "b = None", "pass") for line in migration.source.split("\n")
    ), path
    assert "loose_reference" in {entry.code for entry in migration.report.entries}


def test_a_node_that_failed_is_null_and_its_error_is_not() -> None:
    """``nodes`` has what finished; the edge to the handler has the error."""
    nodes = [script("raise ValueError"), transform(["{{nodes.a}}", "{{inputs.error}}"], "b")]

    lines = lines_of(nodes, [edge("a", "b", condition="failed")])

    assert '[(None if a_failed else a), a["error"]]' in " ".join(lines)


# --- Tests ---------------------------------------------------------------------------------------------

LEAVES = {
    "x": Code("x"),
    "y": Code("y"),
    "z is not None": Code("z is not None", COMPARISON, "bool"),
    "not x": Code("not x", NOT, "bool"),
    "x and y": Code("x and y", AND),
    "y or z": Code("y or z", OR),
    "True": constant(True),
    "None": constant(None),
    "[]": constant([]),
}
TREES = st.recursive(
    st.sampled_from([*LEAVES]).map(lambda text: (text, LEAVES[text])),
    lambda inner: (
        st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=1, max_size=3)).map(
            lambda parts: (
                f" {parts[0]} ".join(f"({text})" for text, _ in parts[1]),
                chained(parts[0], [code for _, code in parts[1]]),
            )
        )
        | inner.map(lambda part: (f"not ({part[0]})", opposite(part[1])))
    ),
    max_leaves=6,
)


@pytest.mark.property
@SCALED
@given(TREES)
def test_joined_tests_and_opposites_are_as_true_as_what_they_are_made_of(case: tuple[str, Code]) -> None:
    """In every line of the truth table; brackets, constants and ``is not`` are what could go wrong."""
    text, code = case

    for x, y, z in product((True, False), (1, 0), ("z", None)):
        names = {"x": x, "y": y, "z": z}
        assert bool(eval(code.text, names)) == bool(eval(text, names)), names


@pytest.mark.property
@SCALED
@given(TREES, TREES)
def test_a_test_holds_together_as_tightly_as_it_says(one: tuple[str, Code], other: tuple[str, Code]) -> None:
    """What is put beside it does not take it apart."""
    sides = [code.text if code.level > AND else in_brackets(code) for _, code in (one, other)]

    tree = ast.parse(" and ".join(sides), mode="eval").body

    assert isinstance(tree, ast.BoolOp)
    assert len(tree.values) == 2


def test_what_is_decided_is_not_asked() -> None:
    """A constant decides, or it does not count."""
    x = Code("x")

    assert chained("and", [x, constant(1)]).text == "x"
    assert chained("and", [x, constant(0)]).text == "False"
    assert chained("or", [x, constant("")]).text == "x"
    assert chained("or", [x, constant("a")]).text == "True"
    assert opposite(constant([])).text == "True"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("not x", "x"), ("x is not None", "x is None"), ("x == 1", "not (x == 1)"), ("x", "not x")],
)
def test_the_opposite_reads_as_a_person_says_it(text: str, expected: str) -> None:
    """Without two negations in a row."""
    levels = {"not x": NOT, "x": Code("x").level}

    assert opposite(Code(text, levels.get(text, COMPARISON))).text == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, True) for name in ("who", "_x", "print", "w", "match")),
        *((name, False) for name in ("_", "__", "inputs", "flow", "len", "getattr", "max-length", "class")),
    ],
)
def test_which_inputs_are_parameters(name: str, expected: bool) -> None:
    """Those whose names the flow needs for nothing else."""
    assert can_be_parameter(name) is expected
