"""Text on its way in and out: rule 12, previews of bad lines, tags as they are stored."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from hero_logic.core.errors import MalformedEvent
from hero_logic.core.wire import (
    SpanEnd,
    SpanLog,
    SpanTag,
    decode_line,
    escape_controls,
    preview,
    storable_text,
    tags_from_text,
    tags_to_text,
)

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)


def tags_of(tags_json: str) -> dict[str, Any]:
    event = decode_line(('{"type":"span_tag","span_id":"a","tags":' + tags_json + "}").encode())
    assert isinstance(event, SpanTag)
    return event.tags


# Rule 12


@pytest.mark.parametrize(
    ("escaped", "kept"),
    [
        ("a\\u0000b", "a\ufffdb"),
        ("\\ud800", "\ufffd"),
        ("\\uDFFFx", "\ufffdx"),
        ("\\udc00\\ud800", "\ufffd\ufffd"),
        ("\\ud800\\ud800\\udc00", "\ufffd\U00010000"),
        ("\\ud83d\\ude00", "\U0001f600"),
        ("\\uD83D\\uDE00", "\U0001f600"),
        ("\\\\u0000", "\\u0000"),
        ("\\\\ud800", "\\ud800"),
        ("\\ud800\\n", "\ufffd\n"),
        ("\\ud800\\\\udc00", "\ufffd\\udc00"),
        ("\\u001b\\u007f\\b", "\x1b\x7f\b"),
    ],
)
def test_text_that_no_store_can_hold_is_replaced(escaped: str, kept: str) -> None:
    """Each NUL and each lone surrogate becomes U+FFFD; a pair, and any other control, is kept."""
    line = '{"type":"span_log","span_id":"?","text":"?","level":"?"}'.replace("?", escaped)

    assert decode_line(line.encode()) == SpanLog(span_id=kept, text=kept, level=kept)


def test_text_is_replaced_in_tags_at_every_level_and_in_keys() -> None:
    """Rule 12 holds in values and in keys."""
    tags = tags_of('{"a\\u0000":["\\ud800",{"\\udc00":{"k":"\\u0000"}}]}')

    assert tags == {"a\ufffd": ["\ufffd", {"\ufffd": {"k": "\ufffd"}}]}


def test_text_is_replaced_before_keys_are_compared() -> None:
    """Keys that become the same are one key given twice or thrice: the last in the text counts."""
    tags = tags_of('{"a\\u0000":1,"a\ufffd":2,"a\\ud800":3,"b\\u0000":1,"b\ufffd":2,"b\\u0000":3}')

    assert tags == {"a\ufffd": 3, "b\ufffd": 3}


def test_a_key_is_known_only_as_it_was_written() -> None:
    """``span_id`` and a NUL is another key, and so unknown."""
    with pytest.raises(MalformedEvent, match="span_id"):
        decode_line(b'{"type":"span_end","span_id\\u0000":"a","status":"ok"}')


def test_an_escaped_key_is_the_key() -> None:
    """Escapes are another spelling, no other text."""
    event = decode_line(b'{"\\u0074ype":"span\\u005fend","span_id":"\\u0061","status":"ok"}')

    assert event == SpanEnd("a", "ok")


def test_storable_text_changes_nothing_else() -> None:
    """Only NUL and surrogates go."""
    text = "\x01\t\x7f\x85\u2028\ufeff\uffff\U0010ffff"

    assert storable_text(text) == text


# Previews of malformed lines


def test_a_preview_is_truncated_at_200_characters() -> None:
    """The log preview of a malformed line has at most 200 characters, and its first ones."""
    assert preview(b"x" * 200) == "x" * 200
    assert preview(b"y" * 1_000_000) == "y" * 200


def test_a_preview_counts_characters_and_not_bytes() -> None:
    """200 characters of four bytes each are shown whole."""
    assert preview(("a" + "\U0001f600" * 300).encode()) == "a" + "\U0001f600" * 199


@pytest.mark.parametrize(
    "control", ["\x00", "\x07", "\x1b", "\x7f", "\r", "\t", "\n", "\x85", "\x9b", "\u2028", "\u202e"]
)
def test_a_preview_escapes_controls(control: str) -> None:
    """No terminal acts on what a flow wrote."""
    shown = preview(f"a{control}b".encode())

    assert shown.isprintable()
    assert shown == "a" + control.encode("unicode_escape").decode() + "b"


def test_a_preview_of_controls_is_no_longer_than_others() -> None:
    """The limit holds for what is shown, escapes included."""
    assert len(preview(b"\x1b" * 10_000)) == 200


def test_a_preview_shows_bytes_that_are_no_text() -> None:
    """What is not UTF-8 is shown as escapes."""
    assert preview(b"\xff\xfe{") == "\\xff\\xfe{"


def test_printable_text_is_not_escaped() -> None:
    """Spaces and letters of any script stay."""
    assert escape_controls("Größe 日本 \\ x") == "Größe 日本 \\ x"


# Tags to text and back


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"k": None, "t": True, "f": False, "i": 1, "x": 1.5, "s": "a"},
        {"": {"": []}},
        {"big": INT64_MAX, "small": INT64_MIN, "past": 2**64, "huge": 10**308, "tiny": 5e-324},
        {"text": '"\\\x01\x1b\n\u2028\U0001f600\ufffd'},
        {"deep": json.loads("[" * 62 + "]" * 62)},
    ],
)
def test_tags_to_text_and_back(tags: dict[str, Any]) -> None:
    """What was stored is what is read, types included."""
    text = tags_to_text(tags)

    assert json.loads(text) == tags
    assert repr(tags_from_text(text)) == repr(tags)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "{",
        '{"a": 1',
        "[]",
        "7",
        "null",
        '"x"',
        "{}{}",
        '{"a":\x00}',
        '{"a":"\ud800"}',
        "{'a':1}",
        '{"a":1e999}',
        '{"a":' + "1" * 5000 + "}",
        '{"a":' * 100_000,
        "[" * 100_000,
        "\ufeff{}",
        "{1:2}",
    ],
)
def test_damaged_stored_tags_are_survived(text: str) -> None:
    """Reading goes on: the tags are then one tag that shows how the damaged text begins."""
    tags = tags_from_text(text)

    assert list(tags) == ["hero.damaged"]
    assert len(tags["hero.damaged"]) <= 200
    assert tags["hero.damaged"].isprintable()
    msgspec.json.encode(tags)
