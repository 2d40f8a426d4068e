"""From annotations to the types that they ask for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hero_logic.core.annotations import MAX_DEPTH, read_type
from hero_logic.core.input_types import ANY, InputType
from hero_logic.core.syntax import parse_annotation

NAMES = {
    "t": "typing",
    "typing": "typing",
    "abc": "collections.abc",
    "collections": "collections",
    "Opt": "typing.Optional",
    "np": "numpy",
    "Own": "",
    "List": "models.List",
    "builtins": "builtins",
}


def type_of(text: str) -> InputType:
    node = parse_annotation(text)
    assert node is not None, text
    return read_type(node, NAMES)


@pytest.mark.parametrize(
    ("text", "described"),
    [
        ("str", "str"),
        ("int", "int"),
        ("float", "float"),
        ("bool", "bool"),
        ("None", "None"),
        ("builtins.int", "int"),
        ("list", "list"),
        ("list[int]", "list[int]"),
        ("t.List[int]", "list[int]"),
        ("Sequence[str]", "Sequence[str]"),
        ("abc.Iterable", "Iterable"),
        ("collections.abc.Sequence[int]", "Sequence[int]"),
        ("tuple", "tuple"),
        ("tuple[int, ...]", "tuple[int]"),
        ("tuple[int, str]", "tuple[int, str]"),
        ("tuple[()]", "tuple[()]"),
        ("tuple[int, *x]", "tuple"),
        ("dict", "dict"),
        ("dict[str, int]", "dict[str, int]"),
        ("t.Mapping[str, list[int]]", "dict[str, list[int]]"),
        ("dict[int, float]", "dict[str, float]"),
        ("Optional[str]", "str | None"),
        ("Opt[int]", "int | None"),
        ("Union[int, str, None]", "int | str | None"),
        ("Union[int]", "int"),
        ("int | str | None", "int | str | None"),
        ("int | (str | None)", "int | str | None"),
        ("int | int", "int"),
        ("Literal['a', 1, True, None, -1]", 'Literal["a", 1, True, None, -1]'),
        ("t.Literal['a']", 'Literal["a"]'),
        ("Annotated[int, f(x)]", "int"),
        ("'int'", "int"),
        ("' list[\"int\"] '", "list[int]"),
        ("'int' | None", "int | None"),
        ("Optional['int']", "int | None"),
    ],
)
def test_what_python_writes_is_understood(text: str, described: str) -> None:
    """The builtin types and those of typing are read, however they are imported or quoted."""
    assert type_of(text).describe() == described


@pytest.mark.parametrize(
    "text",
    [
        "Any",
        "t.Any",
        "object",
        "bytes",
        "set[int]",
        "np.int",
        "Own",
        "Own[int]",
        "List",
        "List[int]",
        "np.List[int]",
        "list[int, str]",
        "dict[int]",
        "Optional[int, str]",
        "Optional[Any]",
        "int | Own",
        "Union[int, object]",
        "Union[()]",
        "Literal[b'a']",
        "Literal[Color.RED]",
        "Literal[1.5]",
        "Literal[()]",
        "Annotated[()]",
        "1",
        "'not an expression'",
        "''",
        "f()",
        "int + str",
        "lambda: 0",
        "[int]",
        "...",
    ],
)
def test_what_is_not_known_takes_anything(text: str) -> None:
    """A class of the flow's own, of a library, or anything that cannot be read is any."""
    assert type_of(text) is ANY


def test_no_annotation_takes_anything() -> None:
    """A parameter without an annotation is any."""
    assert read_type(None, {}) is ANY


def test_nesting_is_read_to_a_bounded_depth() -> None:
    """Past the limit the inside of an annotation is any."""
    found = type_of("list[" * (MAX_DEPTH + 5) + "int" + "]" * (MAX_DEPTH + 5))

    assert found.describe() == "list[" * MAX_DEPTH + "list" + "]" * MAX_DEPTH


def test_a_union_of_many_members_is_read_whole() -> None:
    """A | B | C is a deep tree, and still flat to its reader."""
    found = type_of(" | ".join(f"list[Literal[{number}]]" for number in range(500)))

    assert found.accepts([499]) is None
    assert found.accepts([500]) is not None


annotations = st.recursive(
    st.sampled_from(["int", "str", "Own", "None", "'int'", "...", "()", "1", "np.x", "Literal['a']"]),
    lambda inner: st.one_of(
        st.tuples(
            st.sampled_from(["list", "dict", "tuple", "Optional", "Union", "Literal", "Annotated"]), inner
        ).map(lambda pair: f"{pair[0]}[{pair[1]}]"),
        st.tuples(inner, inner).map(", ".join),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}) | ({pair[1]})"),
        inner.map(repr),
    ),
)


@given(annotations)
def test_any_annotation_has_a_type(text: str) -> None:
    """Whatever an annotation says, it is read, and what it takes can be described."""
    node = parse_annotation(text)

    assert node is None or read_type(node, NAMES).describe()
