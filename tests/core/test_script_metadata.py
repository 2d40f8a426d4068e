"""Reading the PEP 723 block of a source."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hero_logic.core import script_metadata
from hero_logic.core.errors import BadFlowFile
from hero_logic.core.script_metadata import ScriptMetadata, read_metadata


def block(*lines: str) -> str:
    return "\n".join(["# /// script", *lines, "# ///", ""])


def test_a_block_says_python_and_dependencies() -> None:
    """Both fields are read, and comments, empty lines and other tables are passed over."""
    source = block(
        '# requires-python = ">=3.11"',
        "#",
        "# dependencies = [  # two",
        '#   "rich>=13",',
        '#   "attrs",',
        "# ]",
        "# [tool.other]",
        "# x = 1",
    )
    found = read_metadata(f"#!/usr/bin/env python\n{source}import rich\n", "f.py")

    assert found is not None
    assert (found.requires_python, found.dependencies) == (">=3.11", ["rich>=13", "attrs"])


def test_what_is_not_said_is_empty() -> None:
    """A block without the fields asks for nothing."""
    found = read_metadata(block("#"), "f.py")

    assert found is not None
    assert (found.requires_python, found.dependencies) == ("", [])
    assert ScriptMetadata().dependencies == []


@pytest.mark.parametrize(
    "source",
    [
        "",
        "x = 1\n",
        "# /// script\n# x = 1\n",
        "# /// script\nx = 1\n# ///\n",
        "# /// script\n#x = 1\n# ///\n",
        "# /// script\n# ///\n",
        "# /// script\n# x = 1\n# /// \n",
        " # /// script\n # x = 1\n # ///\n",
        "# /// script \n# x = 1\n# ///\n",
        "#/// script\n# x = 1\n# ///\n",
        "# /// scripts\n# x = 1\n# ///\n",
        "# /// other\n# /// script\n# x = 1\n# ///\n",
    ],
)
def test_what_is_no_script_block_is_passed_over(source: str) -> None:
    """A block that is not closed, empty, indented, of another type or inside of another is none."""
    assert read_metadata(source, "f.py") is None


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_any_line_ending_will_do(newline: str) -> None:
    """A file from another system has its block too."""
    found = read_metadata(block("# dependencies = ['a']").replace("\n", newline), "f.py")

    assert found is not None
    assert found.dependencies == ["a"]


def test_a_closing_line_that_content_follows_is_content() -> None:
    """The last closing line of the comment counts."""
    found = read_metadata(block("# requires-python = '''", "# ///", "# '''"), "f.py")

    assert found is not None
    assert found.requires_python == "///\n"


def test_a_block_may_be_the_end_of_the_file() -> None:
    """No newline is needed after the closing line."""
    assert read_metadata(block("#").removesuffix("\n"), "f.py") is not None


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (block("#") + "\n" + block("#"), r"f\.py:5:1: a second script block; the first is in line 1"),
        ("\n" + block("# x = 1 2"), r"f\.py:2:1: the script block is not TOML: .*line 1, column 7"),
        (block("# x = 1", "# x = 2"), "not TOML"),
        (block("# requires-python = 3.11"), "requires-python is to be text"),
        (block("# dependencies = 'rich'"), "dependencies is to be a list of text"),
        (block("# dependencies = ['rich', 1]"), "dependencies is to be a list of text"),
        (block("# x = " + "[" * 100_000), "not TOML: it is nested too deeply"),
        (block("# x = " + "9" * 10_000), "not TOML"),
    ],
)
def test_a_malformed_block_is_a_bad_flow_file(source: str, message: str) -> None:
    """What is wrong with a block is told with the line in which it starts."""
    with pytest.raises(BadFlowFile, match=message):
        read_metadata(source, "f.py")


def test_openings_without_an_end_take_linear_time() -> None:
    """Hundreds of thousands of opening lines are read once, not once for each."""
    assert read_metadata("# /// script\n" * 80_000, "f.py") is None


lines = st.sampled_from(
    ["# /// a", "# /// script", "# ///", "# ", "#", "# x", "#x", "x", "", "# /// a b", "# /// -", "# /// é"]
)


@given(st.lists(lines, max_size=20).map("\n".join))
def test_blocks_are_those_that_the_specification_describes(source: str) -> None:
    """The scanner agrees with the specification said as a greedy pattern."""
    content = r"(?:#(?: [^\n]*)?\n)+"
    pattern = re.compile(rf"^# /// ([a-zA-Z0-9-]+)\n({content})# ///$", re.MULTILINE)
    wanted = [
        (source.count("\n", 0, found.start()) + 1, found[1], [line[2:] for line in found[2].splitlines()])
        for found in pattern.finditer(source)
    ]
    seen = [(line, kind, text.split("\n")) for line, kind, text in script_metadata._blocks(source)]

    assert seen == wanted
