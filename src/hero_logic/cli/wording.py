"""What is said of one span: its tags, its error, its last log; escaped, and cut to what a line can hold."""

from __future__ import annotations

from typing import Any

import msgspec

from hero_logic.core.wire import escape_controls

MAX_TEXT_CHARS = 200

_MAX_ERROR_CHARS = 400
_MAX_KEY_CHARS = 40
_MAX_VALUE_CHARS = 100
_MAX_TAGS_CHARS = 400
_MAX_TAGS = 40
_RUNTIME_TAGS = (
    "hero.progress",
    "hero.total",
    "hero.lost",
    "hero.truncated",
    "hero.unknown_status",
    "hero.damaged",
)
_REQUEST_TAG = "rpc.request"
_UNLISTED = ("hero.", "rpc.", "error.")
_PLAIN = frozenset("_-./:@+%*#~")


class _Written(str):
    """A value of a tag that is already as it is shown."""

    __slots__ = ()


def value_text(value: Any) -> str:  # noqa: ANN401  # any JSON value
    """A value of a tag in a few characters: compact JSON, and a string bare where nobody can misread it.

    >>> value_text("eu-west-1"), value_text("two words"), value_text("12"), value_text([1, {"a": None}])
    ('eu-west-1', '"two words"', '"12"', '[1,{"a":null}]')
    """
    if isinstance(value, _Written):
        return value
    if isinstance(value, str):
        head = value[: _MAX_VALUE_CHARS + 1]
        text = head if _is_plain(head) else _json(head)
        if len(value) > _MAX_VALUE_CHARS:
            return escape_controls(text[:_MAX_VALUE_CHARS]) + "…"
    else:
        text = _json(value)
    text = escape_controls(text[: _MAX_VALUE_CHARS + 1])
    return text if len(text) <= _MAX_VALUE_CHARS else f"{text[:_MAX_VALUE_CHARS]}…"


def first_line(text: str) -> str:
    """The first line of a text that holds anything, escaped and bounded.

    >>> first_line("\\nValueError: no\\nTraceback ...")
    'ValueError: no'
    """
    line = text.lstrip().split("\n", 1)[0].rstrip()
    return escape_controls(line[:_MAX_ERROR_CHARS])


def last_log_line(logs: str) -> str:
    """The last line of a span's logs without its time, escaped and bounded.

    >>> last_log_line("[1] one\\n[2] WARNING two")
    'WARNING two'
    """
    line = logs.rstrip().rsplit("\n", 1)[-1]
    _, text = split_log_time(line)
    return escape_controls(text.strip()[:MAX_TEXT_CHARS])


def split_log_time(line: str) -> tuple[float | None, str]:
    """The time in milliseconds and the text of a line of logs; a line of a longer text has no time.

    >>> split_log_time("[1700000000000] hi"), split_log_time("  more")
    ((1700000000000.0, 'hi'), (None, '  more'))
    """
    if not line.startswith("["):
        return None, line
    stamp, bracket, _ = line[1:40].partition("] ")
    digits = stamp.removeprefix("-")
    if not bracket or not digits.isascii() or not digits.isdigit():
        return None, line
    return float(stamp), line[len(stamp) + 3 :]


def bounded_tags(tags: dict[str, Any]) -> dict[str, Any]:
    """A copy of what is shown of tags: to write it out costs more, and most spans are never drawn."""
    kept = {key: _bounded(tags[key]) for key in _RUNTIME_TAGS if key in tags}
    for key, value in tags.items():
        if len(kept) > _MAX_TAGS:
            break
        if key == _REQUEST_TAG or not key.startswith(_UNLISTED):
            kept[key[:_MAX_KEY_CHARS]] = _bounded(value)
    return kept


def _bounded(value: Any) -> Any:  # noqa: ANN401  # any JSON value
    if isinstance(value, str):
        return value[: _MAX_VALUE_CHARS + 1]
    return _Written(value_text(value)) if isinstance(value, (dict, list)) else value


def tags_text(tags: dict[str, Any]) -> str:
    """Tags as ``key=value``, those left out that are shown otherwise or of no interest here.

    >>> tags_text({"rows": 7, "region": "eu", "hero.progress": 3})
    'rows=7 region=eu'
    """
    parts = []
    room = _MAX_TAGS_CHARS
    for key, value in tags.items():
        if key == _REQUEST_TAG:
            # The arguments of a call are what tells it from those beside it.
            parts.append(escape_controls(value) if isinstance(value, str) else value_text(value))
            continue
        if key.startswith(_UNLISTED):
            continue
        if room <= 0:
            parts.append("…")
            break
        part = f"{escape_controls(key[:_MAX_KEY_CHARS])}={value_text(value)}"
        parts.append(part)
        room -= len(part) + 1
    return " ".join(parts)


def warnings_text(tags: dict[str, Any]) -> str:
    """What the runtime says in a span's tags that it could not keep.

    >>> warnings_text({"hero.lost": 3, "hero.truncated": True})
    '3 events lost, not kept whole'
    """
    parts = []
    if "hero.lost" in tags:
        lost = tags["hero.lost"]
        parts.append(f"{value_text(lost)} {'event' if lost == 1 else 'events'} lost")
    if tags.get("hero.truncated"):
        parts.append("not kept whole")
    if "hero.unknown_status" in tags:
        parts.append(f"unknown status {value_text(tags['hero.unknown_status'])}")
    if "hero.damaged" in tags:
        parts.append("tags damaged on disk")
    return ", ".join(parts)


def number_tag(tags: dict[str, Any], key: str) -> float | None:
    """A tag that is a number a person can read, or None."""
    value = tags.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if -1e15 < value < 1e15 else None


def _is_plain(text: str) -> bool:
    """Whether a string without quotes reads as that string, and as no number or word of JSON."""
    if text in ("", "true", "false", "null") or not all(c.isalnum() or c in _PLAIN for c in text):
        return False
    try:
        float(text)
    except ValueError:
        return True
    return False


def _json(value: Any) -> str:  # noqa: ANN401  # any JSON value
    try:
        return msgspec.json.encode(value).decode()
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError):
        # An integer past 64 bits, half a surrogate pair, or nesting without end: shown, not judged.
        return repr(value) if isinstance(value, (int, str)) else "(cannot be shown)"
