"""Values held against types."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hero_logic.core.input_types import (
    ANY,
    BOOL,
    FLOAT,
    INT,
    NONE,
    STR,
    Choice,
    DictOf,
    InputType,
    ListOf,
    TupleOf,
    one_of,
    shown,
)

OPTIONAL_STR = one_of([STR, NONE])


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (ANY, object()),
        (STR, ""),
        (INT, -1),
        (INT, 10**400),
        (BOOL, False),
        (NONE, None),
        (FLOAT, 1.5),
        (FLOAT, 1),
        (ListOf(ANY), []),
        (ListOf(INT), [1, 2]),
        (ListOf(INT), (1, 2)),
        (TupleOf([INT, STR]), [1, "a"]),
        (TupleOf([]), []),
        (DictOf(ANY), {}),
        (DictOf(INT), {"a": 1}),
        (OPTIONAL_STR, None),
        (one_of([INT, ListOf(INT)]), [1]),
        (Choice(["a", 1, None]), None),
        (Choice(["a", True]), True),
    ],
)
def test_a_value_of_the_type_is_accepted(kind: InputType, value: object) -> None:
    """What the annotation says is taken."""
    assert kind.accepts(value) is None


@pytest.mark.parametrize(
    ("kind", "value", "problem"),
    [
        (STR, 1, "expected str, got 1 (int)"),
        (INT, True, "expected int, got true (bool)"),
        (INT, 1.0, "expected int, got 1.0 (float)"),
        (INT, "1", 'expected int, got "1" (str)'),
        (BOOL, 1, "expected bool, got 1 (int)"),
        (NONE, 0, "expected None, got 0 (int)"),
        (FLOAT, True, "expected float, got true (bool)"),
        (FLOAT, None, "expected float, got null (None)"),
        (FLOAT, 10**400, "expected float, got a number of 1329 bits (int), which is past the largest float"),
        (ListOf(INT), "12", 'expected list[int], got "12" (str)'),
        (ListOf(INT), [1, 2, "x"], '[2]: expected int, got "x" (str)'),
        (ListOf(ListOf(INT)), [[1], [2, None]], "[1][1]: expected int, got null (None)"),
        (TupleOf([INT, STR]), [1], "expected tuple[int, str], got [1] (list)"),
        (TupleOf([INT, STR]), [1, 2], "[1]: expected str, got 2 (int)"),
        (DictOf(INT), [], "expected dict[str, int], got [] (list)"),
        (DictOf(INT), {"a": "x"}, '["a"]: expected int, got "x" (str)'),
        (DictOf(INT), {1: 1}, "expected keys of text, got the key 1 (int)"),
        (OPTIONAL_STR, 3, "expected str | None, got 3 (int)"),
        (one_of([INT, STR]), True, "expected int | str, got true (bool)"),
        (one_of([NONE, ListOf(INT)]), [1, "x"], '[1]: expected int, got "x" (str)'),
        (one_of([ListOf(STR), ListOf(INT)]), [None], "expected list[str] | list[int], got [null] (list)"),
        (Choice(["a", 1]), "b", 'expected Literal["a", 1], got "b" (str)'),
        (Choice([1]), True, "expected Literal[1], got true (bool)"),
    ],
)
def test_a_value_of_another_type_is_refused_with_its_place(
    kind: InputType, value: object, problem: str
) -> None:
    """A message says where in the value, what was expected and what was there."""
    assert kind.accepts(value) == problem


def test_the_place_goes_before_the_path() -> None:
    """The name of the parameter and the path within its value read as one expression."""
    assert ListOf(INT).accepts(["x"], "items") == 'items[0]: expected int, got "x" (str)'


def test_a_long_type_is_cut_in_a_message() -> None:
    """The message on a hostile annotation stays short."""
    kind = TupleOf([ListOf(Choice([f"{n}" * 50 for n in range(20)])) for _ in range(1000)])

    assert len(kind.accepts(1) or "") < 300


def test_deep_types_cost_no_more_than_their_values() -> None:
    """Each part of a value is looked at once, in refused ones too: nesting does not double the work."""
    kind: InputType = INT
    value: object = "x"
    for _ in range(30):
        kind, value = one_of([DictOf(kind), ListOf(INT), NONE]), {"a": value}

    assert kind.accepts(value) == '["a"]' * 30 + ': expected int, got "x" (str)'


@pytest.mark.parametrize(
    ("kind", "value", "converted"),
    [
        (FLOAT, 1, 1.0),
        (INT, 1, 1),
        (ListOf(FLOAT), [1, 2.5], [1.0, 2.5]),
        (ListOf(ListOf(FLOAT)), [[1]], [[1.0]]),
        (TupleOf([INT, FLOAT]), [1, 1], [1, 1.0]),
        (DictOf(FLOAT), {"a": 1}, {"a": 1.0}),
        (one_of([FLOAT, NONE]), 1, 1.0),
        (one_of([FLOAT, INT]), 1, 1),
        (one_of([ListOf(FLOAT), ListOf(INT)]), [1], [1]),
        (one_of([DictOf(FLOAT), DictOf(INT)]), {"a": 1}, {"a": 1}),
        (one_of([ListOf(FLOAT), DictOf(FLOAT)]), {"a": 1}, {"a": 1.0}),
        (one_of([FLOAT, BOOL]), True, True),
        (ANY, [1], [1]),
        (Choice([1]), 1, 1),
    ],
)
def test_an_int_is_a_float_only_where_a_float_is_asked(
    kind: InputType, value: object, converted: object
) -> None:
    """Nothing is converted but an int for a float, and a union keeps what a member takes as it is."""
    found = kind.converted(value)

    assert repr(found) == repr(converted)


@pytest.mark.parametrize(
    ("kind", "is_text"),
    [
        (STR, True),
        (OPTIONAL_STR, True),
        (one_of([NONE, STR]), True),
        (INT, False),
        (ANY, False),
        (NONE, False),
        (one_of([STR, INT]), False),
        (one_of([INT, NONE]), False),
        (ListOf(STR), False),
        (Choice(["a"]), False),
    ],
)
def test_text_is_str_and_optional_str_alone(kind: InputType, is_text: bool) -> None:
    """Only where nothing but text can be meant is the command line's value taken as it is."""
    assert kind.is_text is is_text


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (ANY, {}),
        (STR, {"type": "string"}),
        (FLOAT, {"type": "number"}),
        (NONE, {"type": "null"}),
        (ListOf(ANY), {"type": "array"}),
        (ListOf(INT), {"type": "array", "items": {"type": "integer"}}),
        (
            TupleOf([INT, BOOL]),
            {
                "type": "array",
                "minItems": 2,
                "maxItems": 2,
                "prefixItems": [{"type": "integer"}, {"type": "boolean"}],
            },
        ),
        (TupleOf([]), {"type": "array", "minItems": 0, "maxItems": 0}),
        (DictOf(ANY), {"type": "object"}),
        (DictOf(INT), {"type": "object", "additionalProperties": {"type": "integer"}}),
        (OPTIONAL_STR, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        (Choice(["a", 1]), {"enum": ["a", 1]}),
    ],
)
def test_the_schema_says_the_same(kind: InputType, schema: dict[str, object]) -> None:
    """A type's JSON Schema is what a form or an agent needs to fill it in."""
    assert kind.schema() == schema


@pytest.mark.parametrize(
    ("kind", "described"),
    [
        (ANY, "any"),
        (ListOf(ANY, "Sequence"), "Sequence"),
        (DictOf(ANY), "dict"),
        (TupleOf([]), "tuple[()]"),
        (Choice(list(range(20))), "Literal[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ...]"),
        (one_of([Choice([n]) for n in range(13)]), " | ".join(f"Literal[{n}]" for n in range(12)) + " | ..."),
    ],
)
def test_a_type_is_described_as_python_writes_it(kind: InputType, described: str) -> None:
    """The description is an annotation, cut where it would fill a screen."""
    assert kind.describe() == described


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("é", '"é"'),
        ("\x1b[31m", '"\\u001b[31m"'),
        ("\x9b", '"\\u009b"'),
        ("\ud800", '"\\ud800"'),
        ([], "[]"),
        ({}, "{}"),
        ([[[[1]]]], "[[[...]]]"),
        ({"a": {"b": {"c": 1}}}, '{"a": {"b": {...}}}'),
        ([1, 2, 3, 4], "[1, 2, 3, ...]"),
        (dict.fromkeys("abcd"), '{"a": null, "b": null, "c": null, ...}'),
        (b"x", "a value of type bytes"),
        ([10**5000], "[a number of 16610 bits]"),
    ],
)
def test_a_value_is_shown_short_and_printable(value: object, text: str) -> None:
    """A message never carries a control character, and never more than a glance of the value."""
    assert shown(value) == text


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
types: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([ANY, STR, INT, FLOAT, BOOL, NONE, Choice(["a", 1, True])]),
    lambda inner: (
        inner.map(ListOf)
        | inner.map(DictOf)
        | st.lists(inner, max_size=3).map(TupleOf)
        | st.lists(inner, min_size=1, max_size=3).map(one_of)
    ),
    max_leaves=5,
)


@given(types, values)
def test_a_value_is_converted_once_and_for_all(kind: InputType, value: object) -> None:
    """What a type accepts it still accepts after conversion, and a second conversion changes nothing."""
    if kind.accepts(value) is not None:
        return
    converted = kind.converted(value)

    assert kind.accepts(converted) is None
    assert repr(kind.converted(converted)) == repr(converted)


@given(types, values)
def test_a_refusal_is_one_short_line(kind: InputType, value: object) -> None:
    """Whatever the value, a message about it is one line of bounded length."""
    problem = kind.accepts(value) or "fine"

    assert "\n" not in problem
    assert len(problem) < 2000


@given(st.text())
def test_text_is_shown_as_json(text: str) -> None:
    """A text that is not cut is shown so that it can be copied into a document."""
    assert len(text) > 60 or json.loads(shown(text)) == text
