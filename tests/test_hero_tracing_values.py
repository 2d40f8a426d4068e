"""Any value may be a tag, a name, a log, a reason: the line is always JSON, and always bounded."""

from __future__ import annotations

import collections
import json
import math
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hero_tracing
from support.sdk_plays import run_play

BIG = 300_000


class Hostile:
    """Raises wherever it is touched."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


class Mute:
    """Has no text, but can be shown by hypothesis."""

    def __str__(self) -> str:
        raise RuntimeError("no")


class LyingText(str):
    """Says that it is short, and is not."""

    __slots__ = ()

    def __len__(self) -> int:
        return 1

    def __str__(self) -> str:
        raise RuntimeError("no")


class BrokenMapping(collections.UserDict):  # type: ignore[type-arg]  # of anything
    """Breaks in the middle of being read."""

    def __getitem__(self, key: object) -> object:
        raise KeyError(key)


def cycle() -> list[Any]:
    """A list that holds itself, twice."""
    items: list[Any] = [1]
    items += [items, items]
    return items


def deep(levels: int) -> Any:
    """A list in a list in a list."""
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


def depth(value: Any) -> int:
    """Levels of nesting of a decoded value."""
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth, children), default=0) if isinstance(value, (dict, list)) else 0


@pytest.fixture(autouse=True)
def _encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The string encoder that a play has; without the runtime it is not imported."""
    monkeypatch.setattr(hero_tracing, "_q", json.encoder.encode_basestring_ascii, raising=False)


def encode(**tags: Any) -> Any:
    """Tags as a listener reads them."""
    return json.loads(hero_tracing._tags_json(tags), parse_constant=lambda name: pytest.fail(name))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("é\n\x00\ud800", "é\n\x00\ud800"),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63)),
        (2**63, str(2**63)),
        (-(2**63) - 1, str(-(2**63) - 1)),
        (10**5000, "<int of 16610 bits>"),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (-0.0, -0.0),
        (1e300, 1e300),
        (True, True),
        (None, None),
        (b"by\xfftes", "by\\xfftes"),
        ((1, "a"), [1, "a"]),
        ({3}, [3]),
        ({1: 2, None: 3, (4, 5): 6}, {"1": 2, "None": 3, "(4, 5)": 6}),
        (MappingProxyType({"a": [1]}), {"a": [1]}),
        (range(3), "range(0, 3)"),
        (Hostile(), "<unprintable Hostile>"),
        ([Hostile(), 1], ["<unprintable Hostile>", 1]),
        (BrokenMapping({"a": 1}), {"…": "…"}),
        (ValueError("x"), "x"),
        (1 + 2j, "(1+2j)"),
        (cycle(), [1, "<cycle>", "<cycle>"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_becomes_json(value: object, expected: object) -> None:
    """JSON values stay what they are, and everything else becomes text."""
    for nested in (value, [value], {"k": value}):
        wanted = expected if nested is value else [expected] if isinstance(nested, list) else {"k": expected}

        assert encode(a=nested) == {"a": wanted}


@pytest.mark.parametrize(
    "value",
    [
        "é" * BIG,
        "\U0001f600" * BIG,
        LyingText("x" * BIG),
        b"x" * BIG,
        bytearray(BIG),
        list(range(BIG)),
        [["x" * 50] * 100] * 1000,
        dict.fromkeys(range(BIG), "x"),
        {"k" * BIG: 1},
        set(range(BIG)),
        collections.deque(range(BIG)),
        range(BIG),
        10**BIG,
        deep(900),
        [deep(900)] * 50,
        [cycle()] * 1000,
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_huge_value_is_cut(value: object) -> None:
    """However large a value is, its tags stay within what the listener keeps, and within 20 levels."""
    text = hero_tracing._tags_json({"a": value, "b": 1})

    assert len(text) < 64 * 1024
    assert depth(json.loads(text)) <= 20
    assert "a" in json.loads(text)


def test_many_tags_are_cut_to_what_a_listener_keeps() -> None:
    """So are many tags, each of them small."""
    tags = encode(**{f"k{n}": "x" * 500 for n in range(1000)})

    assert 50 < len(tags) < 150
    assert tags["…"] == "…"


JSON_LIKE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=[]))
    | st.binary()
    | st.builds(Mute),
    lambda children: (
        st.lists(children)
        | st.dictionaries(st.text() | st.integers() | st.none() | st.binary(), children)
        | st.tuples(children, children)
        | st.builds(collections.deque, st.lists(children))
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON_LIKE, max_size=4))
@settings(deadline=None, max_examples=60)
def test_tags_of_any_values_are_one_line_of_strict_json(tags: dict[str, Any]) -> None:
    """Whatever the values are, the line is JSON in ASCII without NaN, and bounded."""
    hero_tracing._q = json.encoder.encode_basestring_ascii
    text = hero_tracing._tags_json(tags)

    decoded = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert text.isascii()
    assert "\n" not in text
    assert len(text) < 64 * 1024
    assert set(tags) == set(decoded) or any("…" in key for key in decoded)


@given(st.text(st.characters(exclude_categories=[]), max_size=200), st.integers(10, 300))
@settings(deadline=None)
def test_a_text_is_cut_between_characters(text: str, limit: int) -> None:
    """A cut text is a beginning of the whole one with an ellipsis, and fits."""
    hero_tracing._q = json.encoder.encode_basestring_ascii
    quoted = hero_tracing._quote(text, limit)

    kept = json.loads(quoted)
    assert len(quoted) <= limit + 8
    assert kept == text or (kept.endswith("…") and text.startswith(kept.rstrip("…")))


def test_hostile_values_lose_no_event_and_raise_nothing() -> None:
    """Names, tags, logs, levels and reasons may be anything."""
    play = run_play("""
        class Hostile:
            def __str__(self): raise RuntimeError('no')
            __repr__ = __str__
            @property
            def __class__(self): raise RuntimeError('no')
            def __getattr__(self, name): raise RuntimeError('no')
            def __eq__(self, other): raise RuntimeError('no')
            __hash__ = None
        h = Hostile()
        with flow.step(h, a=h, b=[h], c={'k': h}) as s:
            s.tag(d=h); s.log(h); s.log('x', level=h); flow.log(b'bytes'); s.fail(h)
        with flow.step('n' * 1_000_000) as s: s.log('é' * 1_000_000)
        with flow.step('\\ud800\\n'): pass
        try:
            with flow.step('failed'): raise flow.Failed(h)
        except flow.Failed: pass
        print(hero_tracing._writer.faults, hero_tracing._writer.lost)
    """)

    assert play.stdout.split() == ["0", "0"], play.stderr
    assert [span.ends for span in play.spans] == [1] * 4
    assert play.spans[0].error == "<unprintable Hostile>"
    assert max(map(len, play.lines)) < 256 * 1024
    assert play.spans[1].logs[0].startswith("é" * 10_000)


def test_a_value_that_prints_or_traces_while_it_is_encoded_does_no_harm() -> None:
    """A __str__ may itself print, log and open spans."""
    play = run_play("""
        class Busy:
            def __str__(self):
                print('printed')
                with flow.step('inner'): return 'busy'
        with flow.step('root') as root:
            root.tag(a=Busy())
    """)

    assert play.span("root").tags == {"a": "busy"}
    assert play.span("root").logs == ["printed"]
    assert play.parent_name("inner") == "root"


def test_a_container_that_changes_while_it_is_encoded_does_no_harm() -> None:
    """What another thread (or the value's own __str__) changes meanwhile is cut, and the event written."""
    play = run_play("""
        d = {n: n for n in range(10)}
        class Grows:
            def __str__(self): d[len(d)] = 1; return 'x'
        d['grows'] = Grows()
        d['last'] = 1
        with flow.step('s', d=d): pass
    """)

    assert play.span("s").tags["d"]["grows"] == "x"
    assert play.span("s").tags["d"]["…"] == "…"


def test_an_interpreter_without_the_c_encoder_writes_the_same() -> None:
    """Without _json the lines are the same, only slower."""
    script = "with flow.step('é\\n\\U0001f600', a='\\x7f') as s: s.log('x')"
    slow = run_play(script, first="import sys; sys.modules['_json'] = None")
    quick = run_play(script)

    def texts(play: Any) -> list[Any]:
        return [(span.name, span.tags, span.logs) for span in play.spans]

    assert texts(slow) == texts(quick) == [("é\n\U0001f600", {"a": "\x7f"}, ["x"])]
