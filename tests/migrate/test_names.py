"""Names of Python for the names that people gave."""

from __future__ import annotations

import keyword
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hero_logic.migrate.names import (
    BUILTINS,
    MAX_NAME_CHARACTERS,
    TAKEN,
    Names,
    cleaned,
    flow_name,
    is_parameter,
)
from hero_logic.migrate.prelude import PIECES, RESERVED
from support.scale import SCALED

WISHES = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["class", "Class", "print", "match", "None", "7th", "a_2", "a 2", "a", "A!", "ﬁ", "_", "__", "é"]
    ),
)


@pytest.mark.property
@SCALED
@given(st.lists(WISHES, max_size=12))
def test_any_wishes_become_names_of_which_no_two_are_the_same(wishes: list[str]) -> None:
    """Small letters, digits and underscores; no word of the language, no builtin, nothing that is hidden."""
    names = Names(RESERVED)

    given = [names.give(wish, "node") for wish in wishes]

    assert len(set(given)) == len(given)
    for name in given:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
        assert not keyword.iskeyword(name)
        assert name not in TAKEN | RESERVED
        assert len(name) <= MAX_NAME_CHARACTERS + len("node_") + 4


@pytest.mark.property
@SCALED
@given(st.lists(WISHES, max_size=12))
def test_names_come_in_the_order_of_the_wishes_and_of_nothing_else(wishes: list[str]) -> None:
    """The same workflow gives the same file."""
    first, second = Names(), Names()

    assert [first.give(wish, "n") for wish in wishes] == [second.give(wish, "n") for wish in wishes]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Say hello", "say_hello"),
        ("  Résumé (2nd try)!", "resume_2nd_try"),
        ("snake_case-and-dashes", "snake_case_and_dashes"),
        ("ﬁnd", "find"),
        ("日本", ""),
        ("", ""),
        ("x" * 90, "x" * 40),
        ("word " * 20, "word_word_word_word_word_word_word_word"),
        ("\u202eevil", "evil"),
    ],
)
def test_a_name_is_made_of_the_words_of_a_text(text: str, expected: str) -> None:
    """Whole words, as many as a reader can take in."""
    assert cleaned(text) == expected


def test_what_has_no_letters_is_called_like_the_next_best() -> None:
    """Its id, or what it is."""
    names = Names()

    assert names.give("日本", "node", "first_one") == "first_one"
    assert names.give("日本", "node", "本") == "node"
    assert names.give("7th", "node") == "node_7th"


def test_numbers_are_given_where_a_name_is_taken_already() -> None:
    """Also where somebody has asked for the very name with the number."""
    names = Names()

    assert [names.give(wish, "n") for wish in ("a 2", "a", "a", "a", "A")] == [
        "a_2",
        "a",
        "a_3",
        "a_4",
        "a_5",
    ]


def test_thousands_of_equal_wishes_take_no_time() -> None:
    """No number is tried twice."""
    names = Names()

    given = [names.give("same", "n") for _ in range(20_000)]

    assert given[-1] == "same_20000"


def test_what_is_reserved_is_given_to_nobody() -> None:
    """Nor is what the caller has taken."""
    names = Names(frozenset(["mine"]))
    names.reserve("yours", "ours")

    assert [names.give(wish, "n") for wish in ("mine", "yours", "ours")] == ["mine_2", "yours_2", "ours_2"]


@pytest.mark.parametrize("name", sorted([*PIECES, "flow", "inputs", "Any", "hero_tracing"]))
def test_no_flow_is_called_like_what_stands_in_its_file(name: str) -> None:
    """It would be called instead of itself, or it instead of that."""
    assert flow_name(name) not in {*RESERVED, "hero_tracing"}


@pytest.mark.parametrize("name", ["json", "typing", "string", "signal", "code", "platform"])
def test_no_flow_is_called_like_a_module_of_python(name: str) -> None:
    """Its file would be imported instead of that."""
    assert flow_name(name) == f"{name}_flow"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a", True),
        ("max_length", True),
        ("A", True),
        ("_a", True),
        ("__a", False),
        ("class", False),
        ("None", False),
        ("match", True),
        ("a-b", False),
        ("", False),
        ("1a", False),
        ("é", False),
        ("a b", False),
    ],
)
def test_what_a_parameter_may_be_called(name: str, expected: bool) -> None:
    """What Python and the command line both take as it is."""
    assert is_parameter(name) is expected


@pytest.fixture(scope="module")
def of_python() -> set[str]:
    """The builtins of an interpreter that nobody has added to."""
    done = subprocess.run(
        [sys.executable, "-c", "import builtins; print(*dir(builtins))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_every_builtin_is_known(of_python: set[str]) -> None:
    """Those of the interpreter that runs the tests, too."""
    assert {name for name in of_python if not name.startswith("_")} - TAKEN == set()


def test_no_builtin_is_known_that_python_does_not_have(of_python: set[str]) -> None:
    """A name that is spared for nothing reads worse."""
    assert of_python >= BUILTINS
