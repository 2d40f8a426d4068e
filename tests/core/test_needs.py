"""What a flow asks for: read as it is written out, and refused where it is not what can be asked."""

from __future__ import annotations

from typing import Any

import pytest

from hero_logic.core.errors import BadFlowFile
from hero_logic.core.flow_source import read_flow_file
from hero_logic.core.needs import KINDS, Needs, name_problem, read_needs


def needs_of(argument: str, *, decorator: str = "@flow(needs={})") -> Needs | None:
    """What the flow of a file asks for whose decorator has this argument."""
    source = f"from hero_tracing import flow\nNEEDS = 1\n{decorator.format(argument)}\ndef main(): ...\n"
    [entry] = read_flow_file(source, "a_flow.py").candidates
    return entry.needs


def test_all_kinds_are_read_from_the_source() -> None:
    """As they are written, in their order."""
    found = needs_of('{"read": ["a", "b"], "write": ("c",), "net": ["x.y:1"], "rpc": ["ai"], "env": ["K"]}')

    assert found is not None
    assert [found.of(kind) for kind in KINDS] == [("a", "b"), ("c",), ("x.y:1",), ("ai",), ("K",)]


def test_a_flow_that_says_nothing_asks_for_nothing() -> None:
    """None is not the same as an empty request: nothing was said."""
    assert needs_of("", decorator="@flow") is None
    assert needs_of("None") is None
    found = needs_of("{}")
    assert found is not None
    assert all(found.of(kind) == () for kind in KINDS)


def test_a_flow_that_is_assigned_asks_as_well() -> None:
    """``main = flow(needs=...)(fn)`` is read like a decorator."""
    source = 'from hero_tracing import flow\ndef fn(): ...\nmain = flow("m", needs={"env": ["K"]})(fn)\n'
    [entry] = read_flow_file(source, "f.py").candidates

    assert entry.needs is not None
    assert entry.needs.env == ("K",)


def test_an_entry_that_stands_twice_counts_once() -> None:
    """The first place stands."""
    found = needs_of('{"read": ["b", "a", "b"]}')

    assert found is not None
    assert found.read == ("b", "a")


@pytest.mark.parametrize(
    "argument",
    [
        "NEEDS",
        "dict(read=['a'])",
        '{"read": NEEDS}',
        '{"read": ["a" + "b"]}',
        '{"read": [f"a"]}',
        "{**NEEDS}",
    ],
)
def test_what_is_not_written_out_is_refused_with_its_place(argument: str) -> None:
    """Nothing of a flow is run to learn what it asks for."""
    with pytest.raises(BadFlowFile, match=r"a_flow\.py:3: needs= has to be written out"):
        needs_of(argument)


HORRORS: list[tuple[Any, str]] = [
    ([], "it is a dict"),
    ("read", "it is a dict"),
    ({"reads": ["a"]}, "asks for 'reads'"),
    ({1: ["a"]}, "asks for 1"),
    ({"read": "a"}, "it is a list of texts"),
    ({"read": [1]}, "that is no text"),
    ({"read": [""]}, "a path is needed"),
    ({"read": ["a\x1b[2J"]}, "do not print"),
    ({"read": ["a\nb"]}, "do not print"),
    ({"write": ["a\0"]}, "do not print"),
    ({"read": ["\udc80"]}, "do not print"),
    ({"read": ["a\u202eb"]}, "do not print"),
    ({"read": ["x" * 5000]}, "at most 4096"),
    ({"read": ["x"] * 1000}, "200 is the most"),
    ({"net": ["example.com"]}, "a host and a port"),
    ({"net": ["*:443"]}, "no host name"),
    ({"net": ["169.254.169.254:80"]}, "never granted"),
    ({"net": ["a.b:443\x1b"]}, "no host and port"),
    ({"env": ["A=B"]}, "letters, digits"),
    ({"env": ["1A"]}, "letters, digits"),
    ({"rpc": ["../docker"]}, "letters, digits"),
    ({"rpc": ["x" * 200]}, "at most 128"),
]


@pytest.mark.parametrize(("value", "says"), HORRORS, ids=[repr(value)[:40] for value, _ in HORRORS])
def test_what_cannot_be_asked_for_is_refused_with_its_reason(value: Any, says: str) -> None:
    """The message has the place, the entry and the reason, and nothing that a terminal would act on."""
    with pytest.raises(BadFlowFile) as caught:
        read_needs(value, "f.py:1")

    assert str(caught.value).startswith("f.py:1: needs")
    assert says in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_name_of_letters_is_a_name() -> None:
    """The longest one included."""
    assert name_problem("_API_KEY2") == ""
    assert name_problem("x" * 128) == ""
