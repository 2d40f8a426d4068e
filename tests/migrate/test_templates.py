"""Templates: JSON whose texts may hold paths."""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hero_logic.migrate.expressions import Bare, Path
from hero_logic.migrate.prelude import PIECES
from hero_logic.migrate.templates import Filled, paths, read, write
from migrate.graphs import TEMPLATE, placed
from migrate.reference import Interpreter
from support.scale import SCALED

PRELUDE: dict[str, Any] = {"Any": Any, "json": json}
for _name in ("at", "shown"):
    exec(PIECES[_name].source, PRELUDE)
INPUTS = {
    "level": 1,
    "text": 'q"{{inputs.level}}',
    "items": ["a", None],
    "obj": {"a": {"b": [0.5]}},
    "flag": True,
}
NODES = {"a": {"level": 2.0, "text": "ü {} %s \\"}, "b": None}


def read_well(value: Any) -> object:
    """A template that has no faults."""
    faults: list[tuple[str, str]] = []
    template = read(value, "", faults)
    assert faults == []
    return template


def value_of(value: Any) -> Any:
    """What a template comes to in a flow."""
    code = write(read_well(value), Bare())
    return eval(code.text, {**PRELUDE, "inputs": INPUTS, "nodes": NODES})


def due(value: Any) -> Any:
    """What it comes to by the reference interpreter."""
    one = Interpreter({"nodes": [], "edges": []}, {}, None, {})
    one.state, one.outputs = dict.fromkeys(NODES, "finished"), dict(NODES)
    return one.filled(value, dict(INPUTS))


@pytest.mark.property
@SCALED
@given(TEMPLATE)
def test_a_template_comes_to_what_it_came_to(value: Any) -> None:
    """Held against the reference interpreter: of the same types, all of it."""
    template = placed(value, ["inputs"], list(NODES))

    assert json.dumps(value_of(template)) == json.dumps(due(template))


@pytest.mark.property
@SCALED
@given(st.text(alphabet="{}\"'\\ \n%inputs.level#!:=", max_size=30))
def test_any_text_is_a_template_or_a_fault(text: str) -> None:
    """Whatever stands in the braces; and what it becomes is one expression, of texts and paths alone."""
    faults: list[tuple[str, str]] = []
    template = read(text, "/x", faults)
    if faults:
        assert {pointer for _, pointer in faults} == {"/x"}
        return

    tree = ast.parse(write(template, Bare()).text, mode="eval")

    assert {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} <= {
        "inputs",
        "nodes",
        "at",
        "shown",
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{inputs.level}}", 1),
        ("{{ \t inputs.level\n}}", 1),
        (" {{inputs.level}}", " 1"),
        ("{{inputs.level}}{{inputs.level}}", "11"),
        ("{{inputs.flag}}!", "true!"),
        ("{{inputs.nothing}}!", "null!"),
        ("{{inputs.nothing}}", None),
        ("{{inputs.obj}}!", '{"a": {"b": [0.5]}}!'),
        ("{{inputs.text}}!", 'q"{{inputs.level}}!'),
        ("{{nodes.a.text}}!", "ü {} %s \\!"),
        ("{{inputs.items.0}}", "a"),
        ("{{inputs}}", INPUTS),
        ("{inputs.level}", "{inputs.level}"),
        ("{{inputs.level", "{{inputs.level"),
        ("inputs.level}}", "inputs.level}}"),
        ("{0} {} %s", "{0} {} %s"),
        ("{{inputs.level}} {0} {{", "1 {0} {{"),
        ("", ""),
    ],
)
def test_what_a_text_comes_to(text: str, value: Any) -> None:
    """Alone a path keeps its type; else texts stand as they are, and all else as JSON, once."""
    found = value_of(text)

    assert (type(found), found) == (type(value), value)
    assert due(text) == value


@pytest.mark.parametrize(
    "text",
    ["{{}}", "{{ }}", "{{x}}", "{{outputs.a}}", "{{failed}}", "{{inputs.}}", "{{inputs a}}", "{{1}}",
     "{{inputs['a']}}"],
)  # fmt: skip
def test_what_is_no_path_of_a_template_is_a_fault(text: str) -> None:
    """Of other roots too: a node's own output is not there yet."""
    faults: list[tuple[str, str]] = []
    read({"k": ["x", f"a {text} b {text}"]}, "/config/output", faults)

    assert [pointer for _, pointer in faults] == ["/config/output/k/1"] * 2


def test_keys_are_no_templates() -> None:
    """Whatever they look like."""
    assert value_of({"{{inputs.level}}": "{{inputs.level}}", "{{x}}": 1}) == {
        "{{inputs.level}}": 1,
        "{{x}}": 1,
    }


def test_all_paths_of_a_template_are_found() -> None:
    """However deep they are; in their order."""
    template = read_well({"a": ["{{inputs.x}}", {"b": "1 {{nodes.n.y}} {{inputs}}"}], "c": 1})

    assert list(paths(template)) == [Path("inputs", ("x",)), Path("nodes", ("n", "y")), Path("inputs")]


def test_a_text_without_paths_is_no_template() -> None:
    """It stays what it is, as all other JSON does."""
    assert [read_well(value) for value in ("a", "{x}", 1, None, [True])] == ["a", "{x}", 1, None, [True]]
    assert isinstance(read_well("{{inputs}}"), Filled)
