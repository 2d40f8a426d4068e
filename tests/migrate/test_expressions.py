"""The expression language, as Python: what it reads, what it refuses, what it means."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hero_logic.migrate.expressions import Bare, ExpressionFault, read, write
from hero_logic.migrate.prelude import PIECES

PRELUDE: dict[str, Any] = {"Any": Any, "json": json}
for _name in ("at", "same", "ordered", "less", "at_most", "contains"):
    exec(PIECES[_name].source, PRELUDE)
INPUTS = {
    "n": 1,
    "t": "abc",
    "l": [1, True, "a", None],
    "o": {"k": 0, "0": "zero"},
    "yes": True,
    "none": None,
}


def value_of(text: str, **roots: Any) -> Any:
    """What an expression comes to."""
    names = {**PRELUDE, "inputs": INPUTS, "outputs": {}, "nodes": {}, "failed": False, **roots}
    return eval(write(read(text), Bare()).text, names)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("inputs.n", 1),
        ("inputs", INPUTS),
        ("inputs.l.2", "a"),
        ("inputs.o.0", "zero"),
        ("inputs.l.9", None),
        ("inputs.l.x", None),
        ("inputs.t.0", None),
        ("inputs.no.where", None),
        ("1 == 1.0", True),
        ("true == 1", False),
        ("true != 1", True),
        ("[1, {\"a\": true}] == [1.0, {'a': 1}]", False),
        ("inputs.yes == 1", False),
        ("inputs.n == true", False),
        ("inputs.none == null", True),
        ("inputs.gone == null", True),
        ("null == 0", False),
        ("'1' == 1", False),
        ("inputs.n < 2", True),
        ("inputs.n >= 1.0", True),
        ("inputs.t < 'abd'", True),
        ("inputs.t < 5", False),
        ("inputs.t >= 5", False),
        ("inputs.yes < 2", False),
        ("inputs.none <= null", False),
        ("inputs.t contains 'bc'", True),
        ("'bc' in inputs.t", True),
        ("inputs.l contains 1", True),
        ("inputs.l contains false", False),
        ("inputs.o contains 'k'", True),
        ("inputs.o contains 0", False),
        ("inputs.n contains 1", False),
        ("1 in inputs.t", False),
        ("not inputs.n == 2 and inputs.yes", True),
        ("false and true or true", True),
        ("true or true and false", True),
        ("(true or true) and false", False),
        ("inputs.n and inputs.t", True),
        ("inputs.none or inputs.l.9", False),
        ("not ''", True),
        ("not []", True),
        ("not {}", True),
        ("not 0.0", True),
        ("not '0'", False),
        ("failed", False),
        ("'it\\'s \"so\"\\n'", 'it\'s "so"\n'),
        ("-1.5e3", -1500.0),
        ("[]", []),
        ("inputs.n>0", True),
        ("inputs.yes in [true,false]", True),
        ("inputs.o=={'k':0,\"0\":'zero'}", True),
        ("[null,1,{'a':true,'b':[false,null]}]", [None, 1, {"a": True, "b": [False, None]}]),
        ("inputs.true,false", None),
    ],
)
def test_what_an_expression_means(text: str, value: Any) -> None:
    """Each rule of the language, in Python: the same value, of the same type."""
    found = value_of(text)

    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    "text",
    ["", " ", "a", "input.x", "inputs.", "inputs..a", "inputs. a", "1 == 1 == 1", "1 <", "== 1", "(1", "1)",
     "not", "not in inputs", "1 2", "'a", '"a', "'\\q'", "[1,]", "[,1]", "[inputs.a]", "{1: 2}", "{'a' 1}",
     "01", "1.", "+1", "a = 1", "1 = 1", "inputs['a']", "inputs.a()", "x.y", "__import__('os')", "1 and",
     "or 1", "NaN", "1e999", "(" * 5000, "not " * 5000 + "1", "[" * 5000, "9" * 5000],
)  # fmt: skip
def test_what_is_no_expression(text: str) -> None:
    """Everything else is refused, however long or deep it is."""
    with pytest.raises(ExpressionFault):
        read(text)


def test_plain_python_stands_where_it_means_the_same() -> None:
    """Functions of the prelude are called only where Python lacks the meaning."""
    plain = [
        "inputs == 'a'",
        "inputs != null",
        "inputs == true",
        "inputs in ['a', 'b']",
        "not inputs",
        "inputs == []",
    ]
    other = ["inputs == 1", "inputs == [1]", "inputs < 1", "inputs contains 'a'", "inputs in [1]"]

    assert [write(read(text), Bare()).uses for text in plain] == [frozenset()] * len(plain)
    assert all(write(read(text), Bare()).uses for text in other)


def test_long_chains_are_flat() -> None:
    """Thousands of terms nest no deeper than two."""
    text = " or ".join(["inputs.no and inputs.n"] * 3000 + ["true"])

    assert value_of(text) is True


@given(st.text(alphabet="inputsodea.andornt ()[]{}'\"\\=!<>0123456789,:\n_", max_size=40))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    """Whatever stands there, reading ends in a tree or an ExpressionFault, and a tree is one expression."""
    try:
        tree = read(text)
    except ExpressionFault:
        return

    compile(write(tree, Bare()).text, "expression", "eval")
