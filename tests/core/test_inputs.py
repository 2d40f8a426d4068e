"""The values that a flow is started with."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hero_logic.core.errors import BadInput
from hero_logic.core.flow_source import FlowEntry, choose_entry, read_flow_file
from hero_logic.core.inputs import check_inputs, json_schema, parse_assignment, parse_document, read_inputs


def entry_with(parameters: str, *, said: str = "") -> FlowEntry:
    source = f"from hero_tracing import flow\n@flow({said})\ndef greet({parameters}): pass\n"
    return choose_entry(read_flow_file(source, "f.py"), None)


ENTRY = entry_with(
    "name: str, count: int = 3, sizes: list[float] = [1], free=None, nick: 'str | None' = None, made=f()",
    said="inputs={'name': 'who  to\\ngreet'}",
)
TAKES = """greet takes:
  name: str (required) - who to greet
  count: int = 3
  sizes: list[float] = [1]
  free: any = null
  nick: str | None = null
  made: any = ..."""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("name=World", "World"),
        ("name=", ""),
        ("name=3", "3"),
        ('name="World"', '"World"'),
        ("name=a=b", "a=b"),
        ("nick=null", "null"),
        ("count=3", 3),
        ("count=3.5", 3.5),
        ('count="3"', "3"),
        ("count= 3 ", 3),
        ("sizes=[1, 2.5]", [1, 2.5]),
        ('free={"a": 1, "a": 2}', {"a": 2}),
        ('free="World"', "World"),
        ('free="\\ud83d\\ude00"', "\U0001f600"),
        ("free=null", None),
    ],
)
def test_a_value_is_text_for_a_str_and_json_for_all_else(text: str, value: object) -> None:
    """The declared type alone decides how a value of the command line is read."""
    name = text.partition("=")[0]

    assert parse_assignment(text, ENTRY) == (name, value)


def test_a_further_input_is_read_by_the_type_of_kwargs() -> None:
    """An unknown name of a flow with **kwargs is read as their annotation says."""
    assert parse_assignment("x=1", entry_with("**more")) == ("x", 1)
    assert parse_assignment("x=1", entry_with("**more: str")) == ("x", "1")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("name", ['"name" is no input', "-i name=value", TAKES]),
        ("=x", ["is no input", TAKES]),
        ("nam=x", ['"nam": greet takes no such input; did you mean name?', TAKES]),
        ("zzz=x", ['"zzz": greet takes no such input\n', TAKES]),
        ("x" * 1000 + "=x", ["takes no such input\n", TAKES]),
        ("free=World", ['"World" is not JSON', "line 1, column 1", "-i 'free=\"World\"'", "free: str"]),
        ("free=it's", ["A text needs quotes: -i 'free=\"it'\"'\"'s\"'"]),
        ("free=" + "[" * 100_000, ["is not JSON", "nested deeper than 200 levels", 'free="..."']),
        ("count=many", ['count: "many" is not JSON', "it takes int."]),
        ("count=" + "9" * 5000, ["too many digits"]),
        ("count=", ["is not JSON"]),
        ("count=01", ["is not JSON"]),
        ("count=NaN", ["NaN is no number of JSON"]),
        ("count=-Infinity", ["-Infinity is no number of JSON"]),
        ("sizes=[1e999]", ["1e999 is past the largest number"]),
        ('free="\\ud800"', ["half of a surrogate pair"]),
        ('free=[{"\\udc00": 1}]', ["half of a surrogate pair"]),
        ("name=\udcff", ["not UTF-8"]),
    ],
)
def test_a_bad_assignment_says_what_to_write_instead(text: str, parts: list[str]) -> None:
    """What is wrong is told with the value, and what the flow takes or how it is quoted."""
    with pytest.raises(BadInput) as caught:
        parse_assignment(text, ENTRY)

    assert [part for part in parts if part not in str(caught.value)] == []


def test_only_a_type_that_takes_text_is_told_of_quotes() -> None:
    """Quotes would not help where an int is asked; an annotation helps only where there is none."""
    with pytest.raises(BadInput) as for_int:
        parse_assignment("count=many", ENTRY)
    with pytest.raises(BadInput) as for_union:
        parse_assignment("mode=fast", entry_with("mode: str | int"))

    assert "quotes" not in str(for_int.value)
    assert "quotes" in str(for_union.value)
    assert "annotate" not in str(for_union.value)


@pytest.mark.parametrize("annotation", ["Literal['fast', 1]", "Literal['fast'] | None"])
def test_a_word_of_a_literal_needs_no_quotes(annotation: str) -> None:
    """The bare word is what a person types; what is JSON is still read as JSON."""
    entry = entry_with(f"mode: {annotation}")

    assert parse_assignment("mode=fast", entry) == ("mode", "fast")
    assert parse_assignment('mode="fast"', entry) == ("mode", "fast")
    assert parse_assignment("mode=1", entry) == ("mode", 1)
    with pytest.raises(BadInput):
        read_inputs(entry, assignments=["mode=slow"])


def test_a_document_is_one_object() -> None:
    """Of a key given twice the last counts, as everywhere."""
    assert parse_document(b' {"a": [1.5, null], "b": 1, "b": 2}\r\n') == {"a": [1.5, None], "b": 2}


def test_a_document_may_nest_to_the_limit() -> None:
    """The limit is on depth, not on the number of brackets."""
    assert parse_document(b'{"a":' + b"[" * 198 + b"1" + b"]" * 198 + b"}")["a"]
    assert parse_document(b'{"a": [' + b"[], " * 1000 + b"[]]}")["a"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1, column 1"),
        (b'{"a": 1,\n "b": }', "line 2, column 7"),
        (b'{"a": 1}\n{}', "line 2, column 1"),
        (b'{"a":\n"\xff"}', "line 2, column 2 is the byte 0xff"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ("{}".encode("utf-16"), "not UTF-8"),
        (b"[1]", r"the input is \[1\], and not an object"),
        (b"null", "the input is null"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": 1e400}', "past the largest number"),
        (b'{"a": ' + b"9" * 5000 + b"}", "too many digits"),
        (b'{"a":' * 100_000, "nested deeper than 200 levels"),
        (b'{"a":' + b"[" * 200 + b"]" * 200 + b"}", "nested deeper than 200 levels"),
        (b'{"a": "\\ud800"}', "half of a surrogate pair"),
        (b'{"a": "\t"}', "line 1, column 8"),
        (b"{'a': 1}", "line 1, column 2"),
    ],
)
def test_anything_but_an_object_is_bad_input(data: bytes, message: str) -> None:
    """What is wrong with a document is told, with line and column where they are known."""
    with pytest.raises(BadInput, match=message) as caught:
        parse_document(data)

    assert len(str(caught.value)) < 400


@given(st.binary())
def test_any_bytes_end_in_an_object_or_bad_input(data: bytes) -> None:
    """Whatever the bytes of a document, reading ends in a dict or in BadInput."""
    found: object
    try:
        found = parse_document(data)
    except BadInput as error:
        found = error

    assert isinstance(found, dict | BadInput)


@pytest.mark.parametrize(
    ("values", "checked"),
    [
        ({"name": "World"}, {"name": "World"}),
        ({"name": "a", "count": 2, "nick": None}, {"name": "a", "count": 2, "nick": None}),
        ({"name": "a", "sizes": [1, 2.5]}, {"name": "a", "sizes": [1.0, 2.5]}),
        ({"name": "a", "free": {"x": [1]}}, {"name": "a", "free": {"x": [1]}}),
    ],
)
def test_good_values_come_back_as_the_flow_gets_them(
    values: dict[str, object], checked: dict[str, object]
) -> None:
    """Ints become floats where floats are asked; nothing else changes, and no default is filled in."""
    assert repr(check_inputs(ENTRY, values)) == repr(checked)


def test_further_inputs_are_held_against_the_type_of_kwargs() -> None:
    """A flow with **kwargs takes names that it does not declare, of the type that it does."""
    entry = entry_with("**more: float")

    assert repr(check_inputs(entry, {"x": 1})) == "{'x': 1.0}"
    with pytest.raises(BadInput, match='"x": expected float, got "a"'):
        check_inputs(entry, {"x": "a"})


def test_all_that_is_wrong_is_told_at_once() -> None:
    """Unknown, missing and wrongly typed inputs are each on a line, and then what the flow takes."""
    with pytest.raises(BadInput) as caught:
        check_inputs(ENTRY, {"nme": "x", "count": True, "sizes": [1, "x"]})

    assert str(caught.value) == (
        "greet cannot start with these inputs:\n"
        '  "nme": greet takes no such input; did you mean name?\n'
        "  name: missing, it is required\n"
        "  count: expected int, got true (bool)\n"
        '  sizes[1]: expected float, got "x" (str)\n' + TAKES
    )


def test_a_flow_without_inputs_says_so() -> None:
    """The list of what is taken is never just empty."""
    with pytest.raises(BadInput, match="greet takes no inputs"):
        check_inputs(entry_with(""), {"x": 1})


def test_the_listing_names_further_inputs() -> None:
    """A flow with **kwargs says what its further inputs take."""
    with pytest.raises(BadInput, match="any other name: int"):
        check_inputs(entry_with("a, **more: int"), {})


def test_a_message_stays_short_for_hostile_values_and_flows() -> None:
    """Thousands of problems or parameters do not fill the screen."""
    many = entry_with(", ".join(f"p{number}" for number in range(200)))

    with pytest.raises(BadInput, match="and 1180 more") as caught:
        check_inputs(many, {"\n" * 1000 + str(number): 1 for number in range(1000)})

    assert len(str(caught.value)) < 10_000


types = st.sampled_from(
    [
        "int",
        "float",
        "str",
        "bool",
        "list[int]",
        "dict[str, float]",
        "int | None",
        "Literal['a', 1]",
        "tuple[int, str]",
    ]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(types, values)
def test_a_value_that_its_type_refuses_is_never_accepted(annotation: str, value: object) -> None:
    """check_inputs takes a value if, and only if, its type does."""
    entry = entry_with(f"x: {annotation}")
    refused = entry.parameters[0].type.accepts(value) is not None
    try:
        check_inputs(entry, {"x": value})
        raised = False
    except BadInput:
        raised = True

    assert raised == refused


@given(st.text(), st.text())
def test_any_assignment_ends_in_a_value_or_bad_input(name: str, value: str) -> None:
    """Whatever the command line says, reading it ends in a pair or in BadInput."""
    found: object
    try:
        found = parse_assignment(f"{name}={value}", entry_with("**more"))
    except BadInput as error:
        found = error

    assert isinstance(found, tuple | BadInput)


def test_the_schema_says_types_descriptions_and_defaults() -> None:
    """A form or an agent can fill it in; a default that JSON cannot say is left out."""
    assert json_schema(ENTRY) == {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "who  to\ngreet"},
            "count": {"type": "integer", "default": 3},
            "sizes": {"type": "array", "items": {"type": "number"}, "default": [1]},
            "free": {"default": None},
            "nick": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
            "made": {},
        },
        "required": ["name"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("parameters", "extra"), [("", False), ("**a", True), ("**a: int", {"type": "integer"})]
)
def test_the_schema_says_what_further_inputs_take(parameters: str, extra: object) -> None:
    """Without **kwargs there are none; with them, their annotation is the schema."""
    assert json_schema(entry_with(parameters))["additionalProperties"] == extra


@pytest.mark.parametrize("default", ["(1, [2])", "{'a': (1.5, None)}", "True", "-1"])
def test_a_default_that_json_can_say_is_in_the_schema(default: str) -> None:
    """Tuples are told as lists."""
    properties = json_schema(entry_with(f"x={default}"))["properties"]

    assert isinstance(properties, dict)
    assert properties["x"]["default"] == json.loads(json.dumps(eval(default)))


@pytest.mark.parametrize(
    "default", ["b'x'", "...", "1j", "1e999", "[1e999]", "{1: 2}", "{'a': b''}", "0x1" + "0" * 5000]
)
def test_a_default_that_json_cannot_say_is_left_out(default: str) -> None:
    """The schema can always be written as JSON."""
    schema = json_schema(entry_with(f"x={default}"))

    assert schema["properties"] == {"x": {}}
    assert json.dumps(schema, allow_nan=False)


def test_every_problem_of_the_command_line_is_told_at_once() -> None:
    """What cannot be read, is unknown, missing or of the wrong type; then what the flow takes."""
    entry = entry_with("day: str, orders: list[int], dry: bool = False")

    with pytest.raises(BadInput) as caught:
        read_inputs(entry, assignments=["dya=x", 'orders="a"', "dry=yes"])

    message = str(caught.value)
    parts = ["dya", "orders: expected", "is not JSON", "day: missing", "takes:"]
    assert [part for part in parts if part not in message] == []
    assert "dry: missing" not in message


def test_a_wrong_word_of_a_literal_is_told_as_one() -> None:
    """It is a word that is not among them, and not JSON that went wrong."""
    entry = entry_with("unit: Literal['cm', 'in']")

    with pytest.raises(BadInput, match="expected Literal") as caught:
        read_inputs(entry, assignments=["unit=mm"])

    assert "JSON" not in str(caught.value)


def test_assignments_win_over_the_document() -> None:
    """What was typed last is meant."""
    entry = entry_with("a: int, b: int")

    assert read_inputs(entry, document=b'{"a": 1, "b": 2}', assignments=["b=3"]) == {"a": 1, "b": 3}
