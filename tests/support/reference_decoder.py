"""A second reader of lines, slow and obvious, written from docs/protocol.md alone.

It shares no code with ``hero_logic.core.wire``, and knows no more than the standard library's JSON.
An event is a dictionary of the keys that came, its ``type`` among them.
"""

from __future__ import annotations

import json
import math
from typing import Any

MAX_LEVELS = 64
REPLACEMENT = "\ufffd"

# key -> (what it has to be, whether it is required)
EVENTS: dict[str, dict[str, tuple[str, bool]]] = {
    "hello": {"protocol": ("int", True), "writer": ("id", True), "pid": ("int", False)},
    "span_start": {
        "span_id": ("id", True),
        "name": ("str", True),
        "start_ms": ("number", False),
        "parent_id": ("str", False),
        "kind": ("str", False),
        "tags": ("object", False),
        "rpc_service": ("str", False),
        "rpc_method": ("str", False),
        "child_play_sid": ("str", False),
        "source_file": ("str", False),
        "source_line": ("int", False),
    },
    "span_tag": {"span_id": ("id", True), "tags": ("object", True)},
    "span_log": {
        "span_id": ("id", True),
        "text": ("str", True),
        "ts_ms": ("number", False),
        "level": ("str", False),
    },
    "span_end": {
        "span_id": ("id", True),
        "status": ("str", True),
        "end_ms": ("number", False),
        "error": ("str", False),
    },
}


class Malformed(Exception):
    """The line is not an event."""


class _Number:
    def __init__(self, text: str) -> None:
        if not math.isfinite(float(text)):
            raise Malformed("not finite")
        self.is_int = not any(character in text for character in ".eE")
        self.value: Any = int(text) if self.is_int else float(text)


class _Object:
    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs


def reference_decode(line: bytes) -> dict[str, Any] | None:
    """The event of one line without its newline, or None for a blank one."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("not UTF-8") from None
    if all(character in " \t\r" for character in text):
        return None
    if text.startswith("\ufeff"):
        raise Malformed("byte order mark")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_Object,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_no_constant,
        )
    except (ValueError, RecursionError):
        raise Malformed("not JSON") from None
    if not isinstance(value, _Object):
        raise Malformed("not an object")
    if _levels(value) > MAX_LEVELS:
        raise Malformed("too deep")
    return _event({_cleaned(key): item for key, item in value.pairs})


def _no_constant(name: str) -> Any:
    raise Malformed(name)


def _levels(value: Any) -> int:
    if isinstance(value, _Object):
        return 1 + max([_levels(item) for _, item in value.pairs], default=0)
    if isinstance(value, list):
        return 1 + max([_levels(item) for item in value], default=0)
    return 0


def _cleaned(text: str) -> str:
    return "".join(REPLACEMENT if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in text)


def _event(keys: dict[str, Any]) -> dict[str, Any]:
    kind = _plain(keys.get("type"))
    if not isinstance(kind, str) or kind not in EVENTS:
        raise Malformed("unknown type")
    event: dict[str, Any] = {"type": kind}
    for key, (shape, is_required) in {**EVENTS[kind], "seq": ("seq", False)}.items():
        if key in keys:
            event[key] = _checked(keys[key], shape)
        elif is_required:
            raise Malformed(f"no {key}")
    return event


def _checked(value: Any, shape: str) -> Any:
    if shape in {"int", "seq"}:
        lowest = 1 if shape == "seq" else -(2**63)
        is_right = isinstance(value, _Number) and value.is_int and lowest <= value.value < 2**63
    elif shape == "number":
        is_right = isinstance(value, _Number)
    elif shape == "object":
        is_right = isinstance(value, _Object)
    else:
        is_right = isinstance(value, str) and (shape != "id" or value != "")
    if not is_right:
        raise Malformed(f"not {shape}")
    plain = _plain(value)
    return float(plain) if shape == "number" else plain


def _plain(value: Any) -> Any:
    if isinstance(value, _Number):
        return value.value
    if isinstance(value, str):
        return _cleaned(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, _Object):
        return {_cleaned(key): _plain(item) for key, item in value.pairs}
    return value
