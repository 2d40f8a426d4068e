"""Classes of a flow's own file as types."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hero_logic.core.class_types import MAX_DEPTH
from hero_logic.core.errors import BadInput
from hero_logic.core.flow_source import FlowEntry, choose_entry, read_flow_file
from hero_logic.core.inputs import check_inputs, json_schema, staged_input

HEAD = """\
import dataclasses, enum
from dataclasses import KW_ONLY, InitVar, dataclass, field
from enum import Enum, IntEnum, StrEnum, auto
from typing import ClassVar, Generic, Optional
from hero_tracing import flow
"""


def entry_of(classes: str, parameters: str) -> FlowEntry:
    source = f"{HEAD}{classes}\n@flow\ndef f({parameters}): pass\n"
    return choose_entry(read_flow_file(source, "f.py"), None)


def described(classes: str, annotation: str) -> str:
    return entry_of(classes, f"x: {annotation}").parameters[0].type.describe()


def refusal(entry: FlowEntry, value: object) -> str:
    with pytest.raises(BadInput) as caught:
        check_inputs(entry, {"x": value})
    return str(caught.value).split("\n")[1].strip()


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("class C(Enum):\n A = 'a'\n B = 'b'", 'C["a", "b"]'),
        ("class C(enum.Enum):\n 'doc'\n A = 1\n B: int = 2\n def m(self): ...", "C[1, 2]"),
        ("class C(str, Enum):\n A = 'a'", 'C["a"]'),
        ("class C(StrEnum):\n A = 'a'", 'C["a"]'),
        ("class C(IntEnum):\n A = 1\n B = A2 = 2", "C[1, 2]"),
        ("@enum.unique\nclass C(Enum):\n A = 'a'", 'C["a"]'),
        ("class C(Enum):\n A = 'a'\n ALSO = 'a'", 'C["a"]'),
        ("class C(Enum):\n A = auto()\n B = auto()", 'C["A", "B"]'),
        ("class C(Enum):\n A = (1, 2)\n B = True", 'C["A", "B"]'),
        ("class C(Enum):\n A = 1.5\n B = None", 'C["A", "B"]'),
    ],
)
def test_an_enumeration_is_told_by_its_values(body: str, found: str) -> None:
    """By its members' names where not every value is a text or a whole number."""
    assert described(body, "C") == found


@pytest.mark.parametrize(
    "body",
    [
        "class C(Enum): pass",
        "class C(Enum):\n A = f()",
        "class C(Enum):\n A = lambda: 0",
        "class C(Enum):\n _A = 1",
        "class C(Enum):\n A, B = 1, 2",
        "class C(Enum):\n for n in range(3): locals()[n] = n",
        "class C(Enum):\n A = 1\n def __init__(self, x): ...",
        "class C(Enum):\n A = 1\n @classmethod\n def _missing_(cls, value): ...",
        "class C(int, Enum):\n A = '1'",
        "class C(Base, Enum):\n A = 1",
        "class C(float, Enum):\n A = 1",
        "class C(enum.IntFlag):\n A = 1",
        "class C(Enum, boundary=x):\n A = 1",
        "@registered\nclass C(Enum):\n A = 1",
        "class C(Enum):\n A = 1\nC = C",
        "class C(Enum):\n A = 1\nclass C(Enum):\n B = 1",
        "class C:\n A = 1",
        "def C(): ...",
        "@dataclass\nclass C:\n def __init__(self): ...",
        "@dataclass(init=False)\nclass C:\n a: int",
        "@dataclass(**options)\nclass C:\n a: int",
        "@dataclass\n@registered\nclass C:\n a: int",
        "@dataclass\nclass C(Base):\n a: int",
        "@dataclass\nclass C(C):\n a: int",
        "@dataclass\nclass C:\n if x:\n  a: int",
        "@dataclass\nclass C:\n a: int = field(**options)",
        "@dataclass\nclass C:\n a: int = field(init=maybe)",
        "@dataclass\nclass C:\n a: 'ClassVar[int]' = 1",
        "class B:\n a: int\n@dataclass\nclass C(B):\n b: int",
    ],
)
def test_a_class_that_is_not_known_for_certain_takes_anything(body: str) -> None:
    """A wrong refusal would make a good flow unusable."""
    assert described(body, "C") == "any"
    assert "$defs" not in json_schema(entry_of(body, "x: C"))


POINT = """
@dataclass(frozen=True)
class Point:
    '''A place.

    Attributes:
        x: to the right
    '''
    x: float
    y: float = 0
    tags: list[str] = field(default_factory=list)
    kind: ClassVar[str] = "point"
    seen: int = field(init=False, default=0)
    _: KW_ONLY
    scale: InitVar[int] = 1
    def __post_init__(self, scale): ...
"""


def test_a_dataclass_is_an_object_of_its_fields() -> None:
    """Those that its ``__init__`` takes, with their types, and what its docstring says of them."""
    schema = json_schema(entry_of(POINT, "x: Point"))

    assert schema["properties"] == {"x": {"$ref": "#/$defs/Point"}}
    assert schema["$defs"] == {
        "Point": {
            "type": "object",
            "properties": {
                "x": {"type": "number", "description": "to the right"},
                "y": {"type": "number"},
                "tags": {"type": "array", "items": {"type": "string"}},
                "scale": {"type": "integer"},
            },
            "required": ["x"],
            "additionalProperties": False,
        }
    }


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({}, "x: Point needs the field x"),
        ({"x": 1, "z": 2}, 'x: Point has no field "z"; it has x, y, tags, scale'),
        ({"x": "a"}, 'x["x"]: expected float, got "a" (str)'),
        ({"x": 1, "tags": ["a", 1]}, 'x["tags"][1]: expected str, got 1 (int)'),
        ([1], "x: expected Point, got [1] (list)"),
    ],
)
def test_what_is_no_such_object_is_refused_with_its_place(value: object, told: str) -> None:
    """The field that is missing, unknown or wrong is named."""
    assert refusal(entry_of(POINT, "x: Point"), value) == told


def test_an_int_of_a_field_that_is_a_float_becomes_one() -> None:
    """As everywhere: the one conversion there is."""
    checked = check_inputs(entry_of(POINT, "x: Point"), {"x": {"x": 1}})

    assert repr(checked) == "{'x': {'x': 1.0}}"


def test_a_dataclass_has_the_fields_of_its_bases() -> None:
    """The bases' first; a field that is said again is the last one."""
    classes = "@dataclass\nclass A:\n a: int\n b: int = 1\n@dataclass\nclass B(A):\n b: str = ''\n c: int = 2"
    (definition,) = json_schema(entry_of(classes, "x: B"))["$defs"].values()  # type: ignore[attr-defined]

    assert [*definition["properties"]] == ["a", "b", "c"]
    assert definition["properties"]["b"] == {"type": "string"}
    assert definition["required"] == ["a"]


def test_a_dataclass_may_hold_itself() -> None:
    """Its schema refers to itself, and each level of a value is checked."""
    entry = entry_of("@dataclass\nclass Node:\n next: 'Optional[Node]' = None", "x: Node")

    assert check_inputs(entry, {"x": {"next": {"next": None}}})
    assert refusal(entry, {"next": {"next": 1}}) == 'x["next"]["next"]: expected Node | None, got 1 (int)'
    assert json.dumps(json_schema(entry))


def test_a_deep_value_of_a_class_that_holds_itself_takes_no_more_time() -> None:
    """Nesting does not double the work."""
    entry = entry_of("@dataclass\nclass Node:\n next: 'Node | list[Node] | None' = None", "x: Node")
    value: dict[str, Any] = {}
    for _ in range(150):
        value = {"next": value}

    staged = json.loads(staged_input(entry, json.dumps(check_inputs(entry, {"x": value})).encode()))

    assert len(staged[1]) == 151


def test_a_chain_of_classes_is_read_to_a_bound() -> None:
    """Past it they read as any; and bases that are named over and over cost nothing."""
    chain = "\n".join(f"@dataclass\nclass C{n}:\n a: 'C{n + 1} | None' = None" for n in range(2000))
    bases = "\n".join(
        f"@dataclass\nclass B{n}({', '.join([f'B{n - 1}'] * 10)}):\n a: int" for n in range(1, 19)
    )

    definitions = json_schema(entry_of(chain, "x: C0"))["$defs"]

    assert isinstance(definitions, dict)
    assert len(definitions) == MAX_DEPTH + 1
    assert described(f"@dataclass\nclass B0:\n a: int\n{bases}", "B18") == "B18"


def test_what_is_to_be_made_is_told_innermost_first() -> None:
    """By place and class; of a union, the member that takes the value."""
    classes = POINT + "class Colour(Enum):\n RED = 'red'\nclass Size(Enum):\n S = auto()"
    entry = entry_of(classes, "at: dict[str, list[Point]], by: tuple[Size, int | Colour], n: Point | None")
    values = {"at": {"a": [{"x": 1}]}, "by": ["S", "red"], "n": None}

    staged = json.loads(staged_input(entry, json.dumps(values).encode()))

    assert staged == [
        values,
        [[["at", "a", 0], "Point", False], [["by", 0], "Size", True], [["by", 1], "Colour", False]],
    ]


def test_an_input_without_classes_is_staged_as_it_is() -> None:
    """Byte for byte."""
    assert staged_input(entry_of("", "x: int"), b'{"x":1}') == b'{"x":1}'
    assert staged_input(entry_of(POINT, "x: Point | None = None"), b"{}") == b"{}"


def test_a_word_of_an_enumeration_needs_no_quotes() -> None:
    """As one of a Literal."""
    from hero_logic.core.inputs import read_inputs

    entry = entry_of("class C(Enum):\n A = 'a'", "x: C, **more: C")

    assert read_inputs(entry, assignments=["x=a", "y=a"]) == {"x": "a", "y": "a"}
