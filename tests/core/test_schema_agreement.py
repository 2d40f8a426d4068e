"""The JSON Schema of a flow's inputs takes what the check of inputs takes: held against another validator."""

from __future__ import annotations

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hero_logic.core.errors import BadInput
from hero_logic.core.flow_source import FlowEntry, choose_entry, read_flow_file
from hero_logic.core.inputs import check_inputs, json_schema

pytestmark = pytest.mark.property

CLASSES = """\
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Literal, Optional, Union
from hero_tracing import flow

class Colour(Enum):
    RED = "red"
    ONE = 1

class Size(Enum):
    a = auto()
    b = auto()

@dataclass
class Point:
    a: int
    b: "Optional[Point]" = None

@dataclass
class Line(Point):
    c: list[Colour] = ()
"""

leaves = (
    st.sampled_from(["str", "int", "float", "bool", "None", "list", "dict", "Any", "np.array"])
    | st.sampled_from(["Colour", "Size", "Point", "Line", "tuple[()]"])
    | st.sampled_from(["Literal['a', 1]", "Literal[True, None]"])
)
annotations = st.recursive(
    leaves,
    lambda inner: (
        inner.map("list[{}]".format)
        | inner.map("dict[str, {}]".format)
        | inner.map("Optional[{}]".format)
        | inner.map("tuple[{}, ...]".format)
        | st.tuples(inner, inner).map(lambda two: f"Union[{two[0]}, {two[1]}]")
        | st.tuples(inner, inner).map(lambda two: f"tuple[{two[0]}, {two[1]}]")
    ),
    max_leaves=4,
)
names = st.sampled_from(["a", "b", "c", "x"])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.5, -1.5, "a", "b", "red", "", "é"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)

# A schema cannot say that an int has no fraction that is zero: to its validator 1.0 is one, to us it is none.
_CHECKER = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
    "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
)
Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, type_checker=_CHECKER)


def entry_of(parameters: str) -> FlowEntry:
    source = f"{CLASSES}\n@flow\ndef f({parameters}): pass\n"
    return choose_entry(read_flow_file(source, "f.py"), None)


def is_taken(entry: FlowEntry, given_values: dict[str, object]) -> bool:
    try:
        check_inputs(entry, given_values)
    except BadInput:
        return False
    return True


@given(annotations, annotations, st.dictionaries(names, values, max_size=3))
def test_a_schema_takes_what_the_flow_takes(first: str, second: str, given_values: dict[str, object]) -> None:
    """For any types of a required and of an optional parameter, and any values."""
    entry = entry_of(f"a: {first}, b: {second} = None")
    schema = json_schema(entry)

    Validator.check_schema(schema)
    assert Validator(schema).is_valid(given_values) == is_taken(entry, given_values)


@given(annotations, st.dictionaries(names, values, max_size=3))
def test_a_schema_takes_the_further_inputs_that_the_flow_takes(
    annotation: str, given_values: dict[str, object]
) -> None:
    """Those of ``**kwargs``, of any type."""
    entry = entry_of(f"**more: {annotation}")

    assert Validator(json_schema(entry)).is_valid(given_values) == is_taken(entry, given_values)


@given(annotations, values)
def test_a_value_that_fits_is_often_found(annotation: str, value: object) -> None:
    """The same with one value, so that many examples are taken and not refused for another's sake."""
    entry = entry_of(f"a: {annotation}")

    assert Validator(json_schema(entry)).is_valid({"a": value}) == is_taken(entry, {"a": value})
