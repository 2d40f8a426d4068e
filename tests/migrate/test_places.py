"""Where the values of a JSON text stand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hero_logic.migrate.places import Places, joined
from support.scale import SCALED

KEYS = st.one_of(
    st.sampled_from(["a", "", "/", "~", "a/b", "~1", '"', "\\", "ü\n", "0"]), st.text(max_size=3)
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


def everywhere(value: Any, pointer: str = "") -> list[tuple[str, Any]]:
    """All values in a value, with their pointers."""
    found = [(pointer, value)]
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        found += everywhere(item, pointer + joined(key))
    return found


def offset_of(text: str, line: int, column: int) -> int:
    """Slow and obvious: lines end with a newline and nothing else."""
    return sum(len(one) + 1 for one in text.split("\n")[: line - 1]) + column - 1


@pytest.mark.property
@SCALED
@given(VALUES, st.sampled_from([None, 0, 1, "\t"]), st.booleans(), st.sampled_from(["", " \n\r\n\t"]))
def test_a_place_is_where_its_value_begins(value: Any, indent: Any, is_ascii: bool, margin: str) -> None:
    """Whatever the keys are, however the text is set: what stands at the place reads as the value."""
    text = margin + json.dumps(value, indent=indent, ensure_ascii=is_ascii) + margin
    values = everywhere(value)
    places = Places(text, [pointer for pointer, _ in values])

    for pointer, expected in values:
        offset = offset_of(text, *places.of(pointer))
        assert json.JSONDecoder().raw_decode(text, offset)[0] == expected, pointer


def test_of_what_is_not_there_it_is_the_value_around_it() -> None:
    """A missing key stands where its object does."""
    places = Places('{"a":\n  [1, {"b": 2}]}', ["/a/1/missing/c", "/x"])

    assert places.of("/a/1/missing/c") == (2, 7)
    assert places.of("/x") == (1, 1)


def test_a_pointer_escapes_what_would_end_a_segment() -> None:
    """As JSON pointers do: the tilde first."""
    assert joined("a/b", "~1", 0, "") == "/a~1b/~01/0/"


def test_a_key_that_is_written_with_escapes_is_found() -> None:
    """Keys are compared as they read, not as they are written."""
    assert Places('{"\\u0061\\"": 1}', [joined('a"')]).of(joined('a"')) == (1, 14)


def test_of_a_key_that_stands_twice_the_last_place_counts() -> None:
    """As the last value does for the parser."""
    assert Places('{"a": 1, "a": 2}', ["/a"]).of("/a") == (1, 15)


def test_a_text_of_any_depth_is_walked() -> None:
    """Without recursion, which the parser of JSON itself would stop at sooner."""
    depth = 5_000

    places = Places("[" * depth + "]" * depth, ["/0" * 40])

    assert places.of("/0" * 40) == (1, 41)
