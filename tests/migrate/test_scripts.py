"""Which scripts may stand in a function, and that the others stand as texts that hold what they said."""

from __future__ import annotations

import ast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hero_logic.migrate.scripts import ScriptFault, as_text, indented, read


@pytest.mark.parametrize(
    "text",
    [
        "output = 1",
        "import json\noutput = json.loads('1')",
        "def f():\n    return g()\ndef g():\n    return 1\noutput = f()",
        "total = 0\nfor n in inputs:\n    total += n\noutput = total",
        "try:\n    output = 1\nexcept ValueError as error:\n    output = str(error)",
        "while True:\n    x = 1\n    break\noutput = x",
        "names = {}\nexec(inputs['code'], names)\noutput = 1",
        "with open('x') as file:\n    data = file.read()\noutput = data",
        "if (m := inputs.get('a')):\n    output = m\nelse:\n    output = None",
        "raise ValueError('x')",
    ],
)
def test_a_script_that_means_the_same_stands_in_a_function(text: str) -> None:
    """Every name is surely set where it is read, and nothing asks which module it is in."""
    assert read(text).as_text == ""


@pytest.mark.parametrize(
    "text",
    [
        "output = x",
        "for x in inputs:\n    y = x\noutput = y",
        "def f():\n    return g()\noutput = f()\ndef g():\n    return 1",
        "list = list(inputs)\noutput = 1",
        "if inputs:\n    output = 1",
        "output = '''a\nb'''",
        "output = 'a\\\nb'",
        "class A:\n    pass\noutput = 1",
        "exec('x = 1')\noutput = 1",
        "names = globals()\nexec('x = 1', names)\noutput = 1",
        "from math import *\noutput = pi",
        "output = 1  # type: ignore",
        "output = 1\x0c",
        "output = '\u202e'",
        "count = 0\ndef up():\n    global count\n    count = 1\nup()\noutput = count",
        "output = __name__",
        "def f():\n    pass\noutput = f.__qualname__",
        "import sys\noutput = sys._getframe().f_code.co_name",
        "# nothing",
        "x = 1\ndel x\noutput = x",
        "n: missing = 1\noutput = n",
    ],
)
def test_a_script_that_would_mean_something_else_stays_a_text(text: str) -> None:
    """What a function changes, or may change, keeps a script out of it, and the reason is told."""
    assert read(text).as_text


@pytest.mark.parametrize(
    "text", ["x =", "return 1", "yield 1", "await x", "break", "nonlocal x", "x\0", "\ud800"]
)
def test_what_is_no_module_is_refused(text: str) -> None:
    """The parser takes some of it; a module could not run it."""
    with pytest.raises(ScriptFault):
        read(text)


@given(st.text(alphabet="\"'\\\nax#\t\u202e\x00 /:myp", max_size=30))
@example('"""\n"""')
@example('\\"\n\\"')
@example('x\\"""')
@example("# /// script\n# mypy: x")
def test_a_text_holds_what_the_script_said(text: str) -> None:
    """Inside of its three quotes a script is what it was, whatever it is, and ends where it ended."""
    source = 'TEXT = """\\\n' + "\n".join(as_text(text)) + "\n"

    tree = ast.parse(source)

    assert len(tree.body) == 1
    assert isinstance(tree.body[0], ast.Assign)
    assert ast.literal_eval(tree.body[0].value) == text
    assert "\n# ///" not in source


def test_indenting_leaves_blank_lines_blank() -> None:
    """The body of a function is the script, four columns further, without spaces on blank lines."""
    assert indented("a\n\n  b  # c\n") == ["    a", "", "      b  # c"]


def test_the_keys_of_an_output_are_known_where_the_last_line_says_them() -> None:
    """A dict that is set last has its keys; with others spread in, those are not all."""
    plain, spread, none = (read(f"x = {{}}\noutput = {text}") for text in ("{'a': 1}", "{'a': 1, **x}", "x"))

    assert (plain.keys, plain.is_exact) == (("a",), True)
    assert (spread.keys, spread.is_exact) == (("a",), False)
    assert none.keys is None
