"""Finding the flows of a file without running it."""

import codecs
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hero_logic.core.errors import BadFlowFile, HeroLogicError, NoEntry
from hero_logic.core.flow_source import (
    NO_DEFAULT,
    FlowEntry,
    choose_entry,
    decode_source,
    encode_source,
    read_flow_file,
)
from hero_logic.core.syntax import MAX_SOURCE_BYTES, NOT_LITERAL

IMPORT = "from hero_tracing import flow\n"


def flows_of(source: str) -> list[tuple[str, str]]:
    return [(entry.function, entry.name) for entry in read_flow_file(source, "f.py").candidates]


def only_entry(source: str) -> FlowEntry:
    return choose_entry(read_flow_file(IMPORT + source, "f.py"), None)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        ("é".encode(), "é"),
        (codecs.BOM_UTF8 + "é".encode(), "é"),
        (codecs.BOM_UTF8 + b"# coding: utf-8\n", "# coding: utf-8\n"),
        (b"# -*- coding: latin-1 -*-\n\xe9", "# -*- coding: latin-1 -*-\né"),
        (b"#!/usr/bin/env python\n# vim: set fileencoding=cp1252 :\n\x80", None),
        (b"\n \t\f# coding=latin-1\n\xe9", None),
        (b"\r# coding=latin-1\r\xe9", None),
        (b"# coding: iso-8859-1-unix\n\xe9", None),
        (b"# coding: UTF_8-mac\n\xc3\xa9", None),
        (b"# coding : nothing\n# coding: latin-1\n\xe9", None),
        (b"x = 1\n# coding: nothing\n\xc3\xa9", None),
        (b"\n\n# coding: nothing\n\xc3\xa9", None),
        (b"'coding: nothing'\n\xc3\xa9", None),
        (b"# coding:\n\xc3\xa9", None),
    ],
)
def test_a_source_is_decoded_as_python_does(data: bytes, text: str | None) -> None:
    """A byte order mark, a comment in one of the first two lines, else UTF-8."""
    decoded = decode_source(data, "f.py")

    assert decoded == text if text is not None else decoded[-1] in "é€"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"x = 1\ny = '\xff'", r"f\.py:2:6: the byte 0xff is not utf-8"),
        ("x = 1".encode("utf-16"), r"f\.py:1:1: the byte 0xff"),
        (b"# coding: nothing", r"f\.py:1:1: unknown encoding 'nothing'"),
        (b"\n# coding: base64", r"f\.py:2:1: unknown encoding 'base64'"),
        (b"# coding: rot13", "unknown encoding"),
        (b"# coding: undefined", "encoding"),
        (b"# coding: " + b"a" * 100_000, "unknown encoding aaa"),
        (b"# coding: utf-16", "no encoding for source"),
        (b"# coding: utf-32-le", "no encoding for source"),
        (b"# coding: utf7", "no encoding for source"),
        (b"# coding: unicode_escape", "no encoding for source"),
        (b"# coding: punycode", "no encoding for source"),
        (b"# coding: idna", "no encoding for source"),
        (b"# coding: ascii\n\xe9", r"f\.py:2:1: the byte 0xe9 is not ascii"),
        (codecs.BOM_UTF8 + b"# coding: latin-1", "byte order mark"),
        (b"\n" * (MAX_SOURCE_BYTES + 1), str(MAX_SOURCE_BYTES)),
    ],
)
def test_what_cannot_be_decoded_is_a_bad_flow_file(data: bytes, message: str) -> None:
    """An unknown encoding, one not for source, and bytes that are not in it are told with their place."""
    with pytest.raises(BadFlowFile, match=message) as caught:
        decode_source(data, "f.py")

    assert len(str(caught.value)) < 300


def test_an_encoding_that_fails_in_its_own_way_is_a_bad_flow_file() -> None:
    """A codec may raise something else than UnicodeDecodeError."""
    codec = codecs.lookup("latin-1")
    failing = mock.Mock(side_effect=ValueError("odd"))

    def search(name: str) -> codecs.CodecInfo | None:
        return codecs.CodecInfo(codec.encode, failing, name=name) if name == "failing_on_purpose" else None

    codecs.register(search)
    try:
        with pytest.raises(BadFlowFile, match="cannot be decoded"):
            decode_source(b"# coding: failing-on-purpose\n", "f.py")
    finally:
        codecs.unregister(search)


@given(st.binary() | st.binary().map(lambda tail: b"# coding: " + tail))
def test_any_bytes_end_in_text_or_a_bad_flow_file(data: bytes) -> None:
    """Whatever the bytes, decoding ends in text or in a BadFlowFile."""
    try:
        decoded = decode_source(data, "f.py")
    except BadFlowFile as error:
        decoded = str(error)

    assert isinstance(decoded, str)


@pytest.mark.parametrize(
    "source",
    [
        "from hero_tracing import flow\n@flow\ndef main(): pass",
        "from hero_tracing import flow as f\n@f\ndef main(): pass",
        "from hero_tracing import *\n@flow\ndef main(): pass",
        "import hero_tracing\n@hero_tracing.flow\ndef main(): pass",
        "import hero_tracing as ht\n@ht.flow()\ndef main(): pass",
        IMPORT + "@flow()\nasync def main(): pass",
        IMPORT + "@other\n@flow(description='x')\n@another(1)\ndef main(): pass",
        IMPORT + "if x:\n @flow\n def main(): pass",
        IMPORT + "if x:\n pass\nelif y:\n pass\nelse:\n @flow\n def main(): pass",
        IMPORT + "with x:\n try:\n  pass\n except A:\n  @flow\n  def main(): pass",
        "try:\n from hero_tracing import flow\nexcept A:\n def flow(f): return f\n@flow\ndef main(): pass",
        "try:\n from hero_tracing import flow\nexcept ImportError:\n flow = None\n@flow\ndef main(): pass",
        IMPORT + "def main(): pass\nmain = flow(main)",
        IMPORT + "@flow\ndef main(): pass\n@flow\ndef main(): pass",
    ],
)
def test_a_flow_is_found_however_it_is_decorated(source: str) -> None:
    """Every usual way of importing flow and laying it upon a module-level function is seen."""
    assert flows_of(source) == [("main", "main")]


@pytest.mark.parametrize(
    "source",
    [
        "",
        "@flow\ndef main(): pass",
        "from other import flow\n@flow\ndef main(): pass",
        "from .hero_tracing import flow\n@flow\ndef main(): pass",
        "import hero_tracing\n@hero_tracing.instrument\ndef main(): pass",
        IMPORT + "@flow.step('x')\ndef main(): pass",
        IMPORT + "def outer():\n @flow\n def main(): pass",
        IMPORT + "class C:\n @flow\n def main(self): pass",
        IMPORT + "@flow\nclass C: pass",
        IMPORT + "@flow\ndef main(): pass\ndef main(): pass",
        IMPORT + "main = flow(unknown)",
        IMPORT + "main = flow()",
        IMPORT + "main = flow",
        IMPORT + "main: object",
        IMPORT + "def fn(): pass\nmain = other(fn)",
        IMPORT + "def fn(): pass\nmain.x = flow(fn)",
        IMPORT + "main = flow(lambda: 1)",
        "'from hero_tracing import flow'",
    ],
)
def test_what_is_no_flow_is_not_taken_for_one(source: str) -> None:
    """Another flow, a function inside of something, and what only running could tell are not flows."""
    assert flows_of(source) == []


@pytest.mark.parametrize(
    ("source", "function", "name"),
    [
        ("@flow('Greet all')\ndef greet(): pass", "greet", "Greet all"),
        ("@flow(name='Greet all')\ndef greet(): pass", "greet", "Greet all"),
        ("@flow(name=NAME)\ndef greet(): pass", "greet", "greet"),
        ("@flow(*args, **kwargs)\ndef greet(): pass", "greet", "greet"),
        ("@flow('')\ndef greet(): pass", "greet", "greet"),
        ("@flow(3)\ndef greet(): pass", "greet", "greet"),
        ("@flow('a\\ud800\\0')\ndef greet(): pass", "greet", "a\ufffd\ufffd"),
        ("def greet(): pass\nmain = flow(greet)", "main", "greet"),
        ("def greet(): pass\nmain: object = flow(greet)", "main", "greet"),
        ("def greet(): pass\nmain = flow('Hello')(greet)", "main", "Hello"),
        ("def greet(): pass\nmain = flow(name='Hello')(greet)", "main", "Hello"),
        ("def greet(): pass\nmain = flow(greet, name='Hello')", "main", "Hello"),
    ],
)
def test_a_flow_has_the_name_that_it_is_given(source: str, function: str, name: str) -> None:
    """The function is the module's name for it; the name is the literal one, else the function's own."""
    entry = only_entry(source)

    assert (entry.function, entry.name) == (function, name)


@pytest.mark.parametrize(
    ("source", "description"),
    [
        ("@flow\ndef f():\n '''Say hello.\n\n More.'''", "Say hello."),
        ("@flow\ndef f():\n '''\n   Say hello.   \n More.'''", "Say hello."),
        ("@flow(description='Greet.')\ndef f():\n '''Say hello.'''", "Greet."),
        ("@flow(description=TEXT)\ndef f():\n '''Say hello.'''", "Say hello."),
        ("@flow\ndef f():\n ''", ""),
        ("@flow\ndef f():\n b'x'", ""),
        ("@flow\ndef f(): pass", ""),
    ],
)
def test_a_description_is_what_flow_says_or_the_docstring(source: str, description: str) -> None:
    """A literal description comes first, else the first line of the docstring."""
    assert only_entry(source).description == description


def test_line_and_kind_of_function_are_told() -> None:
    """The line is that of the def, and an async def is told from a def."""
    entry = only_entry("@flow\n\nasync def f(): pass")

    assert (entry.line, entry.is_async) == (4, True)
    assert not only_entry("@flow\ndef f(): pass").is_async


def test_descriptions_of_inputs_and_outputs_are_read_where_they_are_literal() -> None:
    """Pairs of literal text are kept, the others are left out."""
    entry = only_entry(
        "@flow(inputs={'a': 'the a', 'b': B, C: 'c', **D, 'e': 1}, outputs={'o': 'out'})\ndef f(): pass"
    )

    assert (entry.inputs, entry.outputs) == ({"a": "the a"}, {"o": "out"})
    assert only_entry("@flow(inputs=INPUTS)\ndef f(): pass").inputs == {}


def test_parameters_are_read_in_order_with_types_and_defaults() -> None:
    """Each parameter has its type, its literal default or a marker, and what kind of parameter it is."""
    entry = only_entry(
        "@flow\ndef f(a, b: int=1, /, c: 'str'='x', *args, d: list[int], e=f(), g=None, **more): pass"
    )
    found = [
        (p.name, p.type.describe(), p.required, p.default, p.is_positional_only) for p in entry.parameters
    ]

    assert found == [
        ("a", "any", True, NO_DEFAULT, True),
        ("b", "int", False, 1, True),
        ("c", "str", False, "x", False),
        ("d", "list[int]", True, NO_DEFAULT, False),
        ("e", "any", False, NOT_LITERAL, False),
        ("g", "any", False, None, False),
    ]
    assert entry.accepts_any


def test_the_type_of_further_inputs_is_that_of_kwargs() -> None:
    """The annotation of **kwargs is what each further input takes; without kwargs none is taken."""
    entry = only_entry("@flow\ndef f(**more: int): pass")

    assert (entry.accepts_any, entry.extra_type.describe()) == (True, "int")
    assert not only_entry("@flow\ndef f(): pass").accepts_any


def test_annotations_are_resolved_through_the_modules_imports() -> None:
    """A name of typing's is understood under another name, and a class of the module's own is not."""
    source = (
        "import typing as t\nfrom typing import Optional as O\nclass List: pass\n"
        "@flow\ndef f(a: t.List[int], b: O[str], c: List): pass"
    )

    assert [p.type.describe() for p in only_entry(source).parameters] == ["list[int]", "str | None", "any"]


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (": list[ int ]", "list[int]"),
        (': Literal["a"]', "Literal['a']"),
        (": 'int'", "'int'"),
        (": f(x=[1])", "f(x=[1])"),
        ("", ""),
        (": 0x" + "f" * 5000, "..."),
        (": a" + "+ a" * 900, "..."),
    ],
)
def test_an_annotation_is_given_as_text(annotation: str, text: str) -> None:
    """The text is the annotation's source in normal form; what defeats printing is "..."."""
    parameter = only_entry(f"@flow\ndef f(x{annotation}): pass").parameters[0]

    assert parameter.annotation == text


def test_markers_show_themselves_by_name() -> None:
    """A marker in a message or a debugger says what it is."""
    assert (repr(NO_DEFAULT), repr(NOT_LITERAL)) == ("NO_DEFAULT", "NOT_LITERAL")


def test_a_script_block_is_read_with_the_flows() -> None:
    """The file's metadata is that of its PEP 723 block."""
    flow_file = read_flow_file('# /// script\n# dependencies = ["rich"]\n# ///\n', "f.py")

    assert flow_file.metadata is not None
    assert flow_file.metadata.dependencies == ["rich"]
    assert read_flow_file("", "f.py").metadata is None


TWO = IMPORT + "@flow('Load it')\ndef load(): pass\n@flow\ndef clean(): pass\ndef plain(): pass\n"


@pytest.mark.parametrize(
    ("source", "path", "entry", "function"),
    [
        (TWO, "f.py", "load", "load"),
        (TWO, "f.py", "Load it", "load"),
        (IMPORT + "@flow\ndef only(): pass", "f.py", None, "only"),
        (TWO + "@flow\ndef main(): pass", "f.py", None, "main"),
        (TWO + "@flow('main')\ndef last(): pass", "f.py", None, "last"),
        (TWO + "@flow('main')\ndef last(): pass\n@flow\ndef main(): pass", "load.py", None, "main"),
        (TWO, "some/where/clean.py", None, "clean"),
        (TWO + "@flow\ndef load_all(): pass", "load-all.py", None, "load_all"),
        (TWO + "@flow('clean')\ndef last(): pass", "f.py", "clean", "clean"),
    ],
)
def test_the_entry_is_the_one_named_or_the_one_that_stands_out(
    source: str, path: str, entry: str | None, function: str
) -> None:
    """The named one, else the only one, else main, else the one called like the file."""
    assert choose_entry(read_flow_file(source, path), entry).function == function


@pytest.mark.parametrize(
    ("source", "entry", "parts"),
    [
        ("", None, ["f.py has no flow.", "from hero_tracing import flow\n", "@flow\n", "def main():"]),
        ("def main(): pass", None, ["function main is not one yet", "has no @flow", "def main():"]),
        ("def work(): pass", "work", ["has no flow", "def work():"]),
        (TWO, None, ["2 flows", 'load "Load it" (line 3)', "clean (line 5)", "--entry NAME"]),
        (TWO, "laod", ['no flow "laod"; did you mean "load"?', "--entry NAME"]),
        (TWO, "plain", ["that function has no @flow", "--entry NAME"]),
        (TWO, "x" * 1000, ["has no flow", "--entry NAME"]),
        (
            IMPORT + "@flow('a')\ndef f(): pass\n@flow('a')\ndef g(): pass",
            "a",
            ['more than one flow "a"', "f ", "g "],
        ),
    ],
)
def test_a_refusal_says_what_there_is_and_what_to_do(
    source: str, entry: str | None, parts: list[str]
) -> None:
    """NoEntry names the candidates and --entry, or shows how a flow is made."""
    with pytest.raises(NoEntry) as caught:
        choose_entry(read_flow_file(source, "f.py"), entry)

    assert [part for part in parts if part not in str(caught.value)] == []


def test_a_long_list_of_candidates_is_cut() -> None:
    """A hostile file does not fill the screen, neither by many names nor by long ones."""
    source = IMPORT + "".join(
        f"@flow('{'n' * 500}')\ndef f{number}{'x' * 500}(): pass\n" for number in range(100)
    )

    with pytest.raises(NoEntry, match="and 80 more") as caught:
        choose_entry(read_flow_file(source, "f.py"), None)

    assert len(str(caught.value)) < 5000


pieces = st.lists(
    st.sampled_from(
        [
            "from hero_tracing import flow",
            "import hero_tracing as ht",
            "@flow",
            "@flow('x', inputs={'a': 'b'})",
            "@ht.flow(name=f())",
            "def f(a, b: 'int' = 3, *, c: list[f] = [1], **d: str): pass",
            "async def main(x: int | None = -1): 'doc'",
            "main = flow(f)",
            "main = flow(name='\\ud800')(f)",
            "if x:",
            " def f(): pass",
            "try:",
            "except A:",
            "# /// script",
            "# dependencies = ['a']",
            "# ///",
        ]
    )
    | st.text()
).map("\n".join)


@given(pieces, st.none() | st.sampled_from(["main", "f", "x"]))
def test_any_text_ends_in_a_flow_file_or_an_error_of_ours(source: str, name: str | None) -> None:
    """Whatever the source, reading and choosing ends in an entry or in a HeroLogicError."""
    found: object
    try:
        found = choose_entry(read_flow_file(source, "f.py"), name)
    except HeroLogicError as error:
        found = error

    assert isinstance(found, FlowEntry | HeroLogicError)


@pytest.mark.parametrize(
    ("said", "found"),
    [("", "fail"), ('on_lost="fail"', "fail"), ('on_lost="retry"', "retry"), ("on_lost=None", "fail")],
)
def test_what_becomes_of_a_lost_play_is_read(said: str, found: str) -> None:
    """Without running anything."""
    source = f"from hero_tracing import flow\n@flow({said})\ndef main(): ...\n"

    assert choose_entry(read_flow_file(source, "f.py"), None).on_lost == found


@pytest.mark.parametrize("said", ['"maybe"', "word()", "3", "[]"])
def test_a_word_that_is_none_for_a_lost_play_is_refused(said: str) -> None:
    """With the line, and the words that there are."""
    with pytest.raises(BadFlowFile, match=r"f\.py:2: on_lost= is .*'fail' or 'retry'"):
        read_flow_file(f"from hero_tracing import flow\n@flow(on_lost={said})\ndef main(): ...\n", "f.py")


@pytest.mark.parametrize(
    "data",
    [
        b"name = 'x'\n",
        "name = 'é'\n".encode(),
        "# coding: latin-1\nname = 'é'\n".encode("latin-1"),
        "#!/usr/bin/python\n# -*- coding: cp1252 -*-\nname = '€'\n".encode("cp1252"),
    ],
)
def test_a_source_is_encoded_as_it_was(data: bytes) -> None:
    """So that what is run from the record is what was read from the file."""
    assert encode_source(decode_source(data, "f.py"), "f.py") == data
