"""Reading Python source into a tree: hostile text, names, literals."""

import ast
import sys
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hero_logic.core.errors import BadFlowFile
from hero_logic.core.syntax import (
    MAX_LITERAL_DEPTH,
    MAX_SOURCE_BYTES,
    NOT_LITERAL,
    bound_names,
    dotted_name,
    literal_text,
    literal_value,
    module_statements,
    parse_annotation,
    parse_module,
)

HORRORS = {
    "half a statement": "def",
    "brackets": "(" * 100_000,
    "closed brackets": "(" * 150 + ")" * 150,
    "minus signs": "-" * 100_000 + "1",
    "attributes": "a" + ".b" * 100_000,
    "calls": "a" + "()" * 100_000,
    "sums": "a" + "+a" * 100_000,
    "not not not": "not " * 100_000,
    "lambdas": "lambda:" * 50_000 + "1",
    "elifs": "if x:\n p\n" + "elif x:\n p\n" * 5_000,
    "indentation": "".join(" " * depth + "if x:\n" for depth in range(200)),
    "digits": "x = " + "9" * 10_000,
    "half a surrogate pair": "x = '\ud800'",
    "half a surrogate pair as a name": "\udfff",
    "byte order mark": "\ufeffx = 1",
    "mixed tabs": "if x:\n\ta\n        b\n",
    "open string": "'''" + "x\n" * 1000,
    "form feeds": "\f" * 1000 + "(",
    "continuation at the end": "x = \\",
    "NUL": "x = 1\0",
}


@pytest.mark.parametrize("source", HORRORS.values(), ids=HORRORS.keys())
def test_any_horror_ends_in_a_tree_or_a_bad_flow_file(source: str) -> None:
    """Whatever the source does to the compiler, the caller gets a tree or a BadFlowFile."""
    read: object
    try:
        read = parse_module(source, "f.py")
    except BadFlowFile as error:
        read = str(error)[:4]

    assert isinstance(read, ast.Module) or read == "f.py"


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("x = 1\ny = (\n", "f.py:2:5:"),
        ("x = 1\ny = 'a\0b'\n", "f.py:2:7:"),
        ("x = 1\n  y = '\udc00'", "f.py:2:8:"),
        ("def f():\nreturn 1", "f.py:2:1:"),
    ],
)
def test_a_message_says_line_and_column(source: str, place: str) -> None:
    """Where the place of a mistake is known, the message starts with path:line:column."""
    with pytest.raises(BadFlowFile) as caught:
        parse_module(source, "f.py")

    assert str(caught.value).startswith(place)


@pytest.mark.parametrize("name", ["attributes", "minus signs", "not not not", "elifs"])
def test_a_tree_too_deep_for_the_compiler_says_so(name: str) -> None:
    """RecursionError and MemoryError of the compiler become a BadFlowFile that names the cause."""
    with pytest.raises(BadFlowFile, match="nested too deeply"):
        parse_module(HORRORS[name], "f.py")


def test_a_file_past_the_limit_is_refused_unread() -> None:
    """A source larger than the limit is not given to the compiler at all."""
    with pytest.raises(BadFlowFile, match=str(MAX_SOURCE_BYTES)):
        parse_module("(" * (MAX_SOURCE_BYTES + 1), "f.py")


@pytest.mark.parametrize(
    "failure", [SystemError("x"), OverflowError("x"), ValueError("x"), MemoryError(), SyntaxError("x")]
)
def test_what_else_the_compiler_raises_is_a_bad_flow_file(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No internal trouble of a compiler of another version comes through as it is."""

    def failing(*args: object) -> object:
        raise failure

    monkeypatch.setattr("hero_logic.core.syntax._compile", failing)
    with pytest.raises(BadFlowFile):
        parse_module("x", "f.py")

    assert parse_annotation("x") is None


def test_a_syntax_error_opens_no_file(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The compiler is not told the path, since it would open it to quote the line."""
    path = tmp_path_factory.mktemp("flows") / "f.py"
    path.write_text("the line in the file")

    with pytest.raises(BadFlowFile) as caught:
        parse_module("the line given", str(path))

    assert isinstance(caught.value.__cause__, SyntaxError)
    assert caught.value.__cause__.filename == ""


def test_warnings_of_the_compiler_are_not_shown() -> None:
    """A doubtful escape is told when the flow runs; reading it says nothing, under -W error too."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        parse_module(r"x = '\d'", "f.py")

    assert seen == []


def test_a_source_without_backslashes_needs_no_warnings_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain flow is read without importing warnings where nothing has imported it."""
    monkeypatch.delitem(sys.modules, "warnings")

    parse_module("x = 1", "f.py")

    assert "warnings" not in sys.modules


@given(st.text())
def test_any_text_ends_in_a_tree_or_a_bad_flow_file(source: str) -> None:
    """Whatever the text, reading ends in a tree or a BadFlowFile."""
    read: object
    try:
        read = parse_module(source, "f.py")
    except BadFlowFile as error:
        read = str(error)[:4]

    assert isinstance(read, ast.Module) or read == "f.py"


def test_statements_in_blocks_are_the_modules() -> None:
    """Statements in if, try and with blocks are given in the order of the source; those of a def are not."""
    source = """
a
if x:
    b
elif y:
    c
else:
    d
try:
    e
except A:
    f
else:
    g
finally:
    h
try:
    i
except* A:
    j
with k:
    l
def m():
    no
class n:
    no
o
"""
    statements = module_statements(parse_module(source, ""))
    found = [ast.unparse(node) for node in statements if isinstance(node, ast.Expr)]

    assert "".join(found) == "abcdefghijlo"


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import a.b", {"a": "a"}),
        ("import a.b as c", {"c": "a.b"}),
        ("from a import b, c as d", {"b": "a.b", "d": "a.c"}),
        ("from . import b", {"b": "..b"}),
        ("from .a import b", {"b": ".a.b"}),
        ("from a import *", {}),
        ("from hero_tracing import *", {"flow": "hero_tracing.flow"}),
        ("def f(): pass\nasync def g(): pass\nclass C: pass", {"f": "", "g": "", "C": ""}),
        ("a = b = 1\nc: int = 2\nd.e = 3\nd.e: int = 4", {"a": "", "b": "", "c": ""}),
        ("from a import b\nb = 1", {"b": "a.b"}),
        ("try:\n from hero_tracing import flow\nexcept ImportError:\n from x import flow", None),
    ],
)
def test_a_name_stands_for_what_it_was_imported_as(source: str, names: dict[str, str] | None) -> None:
    """Imports give full names, definitions "", and an import of hero_tracing wins over its stand-in."""
    assert bound_names(parse_module(source, "")) == (
        {"flow": "hero_tracing.flow"} if names is None else names
    )


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("int", "int"),
        ("t.List", "typing.List"),
        ("t.a.b", "typing.a.b"),
        ("Own", ""),
        ("Own.x", ""),
        ("f().x", ""),
    ],
)
def test_a_dotted_name_is_resolved_through_the_imports(text: str, full: str) -> None:
    """What an import brought has its full name, a builtin its own, and what the module defines none."""
    node = parse_annotation(text)

    assert node is not None
    assert dotted_name(node, {"t": "typing", "Own": ""}) == full


@pytest.mark.parametrize(
    "text",
    [
        "None",
        "True",
        "1",
        "-1",
        "+1",
        "-2.5",
        "'a'",
        "b'a'",
        "...",
        "[]",
        "[1, [2]]",
        "()",
        "(1, 'a')",
        "{}",
        "{'a': [1]}",
    ],
)
def test_a_literal_has_its_value(text: str) -> None:
    """The value is the one that running the literal gives."""
    node = parse_annotation(text)

    assert node is not None
    assert literal_value(node) == ast.literal_eval(text)


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "f()",
        "[f()]",
        "(1, a)",
        "{**a}",
        "{'a': a}",
        "{a: 1}",
        "{(1, []): 1}",
        "-a",
        "not 1",
        "~1",
        "-'a'",
        "-True",
    ],
)
def test_what_only_running_could_tell_is_no_literal(text: str) -> None:
    """Names, calls and operators are not evaluated."""
    node = parse_annotation(text)

    assert node is not None
    assert literal_value(node) is NOT_LITERAL


def test_a_literal_is_read_to_a_bounded_depth() -> None:
    """A literal nested past the limit is none, so that our own stack bears every source."""
    node = parse_annotation("[" * (MAX_LITERAL_DEPTH + 2) + "]" * (MAX_LITERAL_DEPTH + 2))

    assert node is not None
    assert literal_value(node) is NOT_LITERAL


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("'a'", "a"), (r"'\0\ud800\udfff'", "\ufffd" * 3), ("1", None), ("b'a'", None), ("a", None)],
)
def test_literal_text_is_what_a_store_can_hold(text: str, wanted: str | None) -> None:
    """Only a str literal is text, and each character that no store can hold becomes U+FFFD."""
    assert literal_text(parse_annotation(text)) == wanted


@pytest.mark.parametrize("text", ["", "a b", "\0", "\ud800", "(" * 1000, "-" * 100_000 + "1", "x = 1"])
def test_a_string_that_is_no_expression_is_no_annotation(text: str) -> None:
    """A string annotation that cannot be read gives None, never an error."""
    assert parse_annotation(text) is None
