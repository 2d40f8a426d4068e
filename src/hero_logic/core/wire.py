"""From the bytes of a line to a typed event: the only trust boundary for what a play sends.

Two readers give the same answer for every line. The exact one (:func:`decode_line`) follows the
protocol word for word on the standard library's parser. The fast one (inside :func:`decode_lines`)
takes a chunk of lines at once, typed by msgspec, and takes only what it can be sure of: a chunk that
holds anything unusual (an unknown key, an escape that may be a NUL or is half a surrogate pair, tags
that nest deeper than most or hold an integer past 64 bits, a line that is not one object from ``{`` to
``}``) is read again, line by line, by the exact one.

Source: docs/protocol.md, "Events" and "Malformed lines".
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import msgspec
from msgspec import UNSET, Meta, UnsetType

from hero_logic.core.errors import MalformedEvent

PROTOCOL_VERSION: Final = 1
MAX_NESTING: Final = 64
MAX_PREVIEW_CHARS: Final = 200

_INT64_MIN: Final = -(2**63)
_INT64_MAX: Final = 2**63 - 1

Int64 = Annotated[int, Meta(ge=_INT64_MIN, le=_INT64_MAX)]
Seq = Annotated[int, Meta(ge=1, le=_INT64_MAX)]
NonEmpty = Annotated[str, Meta(min_length=1)]

_PLAIN_LEVELS: Final = 2
"""Of nesting below the tags themselves; each doubles the types that msgspec prepares at import."""


def _plain_json(levels: int) -> Any:  # noqa: ANN401  # a type
    plain: Any = bool | Int64 | float | str | None
    for _ in range(levels):
        plain = bool | Int64 | float | str | list[plain] | dict[str, plain] | None
    return plain


if TYPE_CHECKING:
    Tags = dict[str, Any]
else:
    # What the fast reader takes. As a type and not as a check of what was read, because that does not
    # show what stood under a key that was given again, and costs more than all the rest.
    Tags = dict[str, _plain_json(_PLAIN_LEVELS)]


class Hello(msgspec.Struct, gc=False, forbid_unknown_fields=True, tag_field="type", tag="hello"):
    """A writer says who it is; what follows on its connection is by it."""

    protocol: Int64
    writer: NonEmpty
    pid: Int64 | UnsetType = UNSET
    seq: Seq | UnsetType = UNSET


class SpanStart(msgspec.Struct, gc=False, forbid_unknown_fields=True, tag_field="type", tag="span_start"):
    """A span begins, or more is said of one that did."""

    span_id: NonEmpty
    name: str
    start_ms: float | UnsetType = UNSET
    parent_id: str | UnsetType = UNSET
    kind: str | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    rpc_service: str | UnsetType = UNSET
    rpc_method: str | UnsetType = UNSET
    child_play_sid: str | UnsetType = UNSET
    source_file: str | UnsetType = UNSET
    source_line: Int64 | UnsetType = UNSET
    seq: Seq | UnsetType = UNSET


class SpanTag(msgspec.Struct, gc=False, forbid_unknown_fields=True, tag_field="type", tag="span_tag"):
    """Tags of a span, each the whole new value of its key."""

    span_id: NonEmpty
    tags: Tags
    seq: Seq | UnsetType = UNSET


class SpanLog(msgspec.Struct, gc=False, forbid_unknown_fields=True, tag_field="type", tag="span_log"):
    """A line, or several, for the log of a span."""

    span_id: NonEmpty
    text: str
    ts_ms: float | UnsetType = UNSET
    level: str | UnsetType = UNSET
    seq: Seq | UnsetType = UNSET


class SpanEnd(msgspec.Struct, gc=False, forbid_unknown_fields=True, tag_field="type", tag="span_end"):
    """A span ends; ``status`` is what came, which the fold reads."""

    span_id: NonEmpty
    status: str
    end_ms: float | UnsetType = UNSET
    error: str | UnsetType = UNSET
    seq: Seq | UnsetType = UNSET


Event = Hello | SpanStart | SpanTag | SpanLog | SpanEnd

EventType = type[Hello] | type[SpanStart] | type[SpanTag] | type[SpanLog] | type[SpanEnd]

_EVENT_TYPES: Final[dict[str, EventType]] = {
    "hello": Hello,
    "span_start": SpanStart,
    "span_tag": SpanTag,
    "span_log": SpanLog,
    "span_end": SpanEnd,
}
_KNOWN_KEYS: Final = {name: frozenset(cls.__struct_fields__) for name, cls in _EVENT_TYPES.items()}

_fast_decoder: Final = msgspec.json.Decoder(Event)

# A NUL can only arrive as an escape, as JSON has no raw one. Half a surrogate pair needs no such look:
# msgspec refuses it.
_BLANK: Final = b" \t\r\n"
_OPEN_BRACE: Final = ord("{")
_NUL_ESCAPE: Final = b"\\u0000"
_without_strings: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?').sub
_TO_SQUARE: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"{}[]"))

_REPLACED: Final = {0: 0xFFFD, **dict.fromkeys(range(0xD800, 0xE000), 0xFFFD)}


class BadLine(msgspec.Struct, frozen=True):
    """A line that is not an event: why, and how it begins (:func:`preview`)."""

    reason: str
    preview: str


class Decoded(msgspec.Struct):
    """What a chunk of lines held, in order; blank lines are in neither list."""

    events: list[Event]
    bad_lines: list[BadLine]


def decode_lines(chunk: bytes) -> Decoded:
    """Read whole lines, each ended by ``\\n`` (the last one may go without).

    Never raises, whatever the bytes are: a line that is not an event is in ``bad_lines``.

    >>> decoded = decode_lines(b'{"type":"span_end","span_id":"a","status":"ok"}\\n%%%\\n')
    >>> decoded.events[0].status, decoded.bad_lines[0].preview
    ('ok', '%%%')
    """
    events = _decode_canonical(chunk)
    if events is not None:
        return Decoded(events, [])
    events = []
    bad_lines = []
    for line in chunk.split(b"\n"):
        try:
            event = decode_line(line)
        except MalformedEvent as error:
            bad_lines.append(BadLine(str(error), preview(line)))
        else:
            if event is not None:
                events.append(event)
    return Decoded(events, bad_lines)


def decode_line(line: bytes) -> Event | None:
    """Read one line, with or without its newline; None for a blank one (spaces, tabs and CR alone).

    Raises:
        MalformedEvent: it is not an event, and why.

    >>> decode_line(b'{"type":"span_log","span_id":"a","text":"hi","new_key":1}').text
    'hi'
    >>> decode_line(b" \\t\\r") is None
    True
    """
    events = _decode_canonical(line)
    if events is not None and len(events) == 1:
        return events[0]
    rest = line.lstrip(_BLANK)
    if not rest:
        return None
    if rest[0] != _OPEN_BRACE:
        # Before anything that costs: a writer may send ten million lines of one byte.
        raise MalformedEvent("not JSON, or not an object: it does not begin with {")
    text = _utf8(line)
    if _is_too_deep(line):
        raise MalformedEvent(f"more than {MAX_NESTING} levels of nesting, or brackets that do not match")
    return _event_of(_parse_object(text))


def preview(line: bytes) -> str:
    """How a line begins, in at most 200 characters, none of which a terminal would act on.

    >>> preview(b"\\x1b[31mred\\xff")
    '\\\\x1b[31mred\\\\xff'
    """
    text = line[: MAX_PREVIEW_CHARS * 4].decode("utf-8", "backslashreplace")
    return escape_controls(text)[:MAX_PREVIEW_CHARS]


def escape_controls(text: str) -> str:
    """The text with every character that is not printable written as an escape; spaces stay."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def storable_text(text: str) -> str:
    """The text with each NUL and lone surrogate replaced by U+FFFD, which no store refuses."""
    return text.translate(_REPLACED)


def tags_to_text(tags: dict[str, Any]) -> str:
    """Tags as the JSON text that is stored."""
    return msgspec.json.encode(tags).decode()


def tags_from_text(text: str) -> dict[str, Any]:
    """Tags from stored JSON text; what was damaged on disk reads as ``{"hero.damaged": preview}``.

    >>> tags_from_text('{"a": 1')
    {'hero.damaged': '{"a": 1'}
    """
    try:
        tags = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        tags = None
    if isinstance(tags, dict):
        return tags
    return {"hero.damaged": preview(text.encode("utf-8", "surrogatepass"))}


def _decode_canonical(chunk: bytes) -> list[Event] | None:
    """The events of a chunk in which every line is one plain object, or None where that is not sure."""
    if not chunk.startswith(b"{"):
        return None
    body_end = -1 if chunk.endswith(b"\n") else len(chunk)
    lines = chunk.count(b"\n") + (body_end != -1)
    # A newline is either between two lines or white space inside an object. Only the first stands
    # between } and {; when all do, and there are as many objects as lines, each line is one object.
    if chunk.count(b"}\n{") != lines - 1:
        return None
    if _NUL_ESCAPE in chunk:
        return None
    try:
        events: list[Event] = _fast_decoder.decode_lines(chunk)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
        return None
    return events if len(events) == lines else None


def _utf8(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedEvent(f"not UTF-8 at byte {error.start}") from error


def _is_too_deep(line: bytes) -> bool:
    """Whether a line nests more than 64 levels, its own object being level 1; what is no JSON may, too."""
    if line.count(b"{") + line.count(b"[") <= MAX_NESTING:
        return False
    brackets = _without_strings(b"", line).translate(_TO_SQUARE, _NO_BRACKETS)
    for _ in range(MAX_NESTING):
        # What holds nothing more goes: each round takes the innermost level from every branch.
        rest = brackets.replace(b"[]", b"")
        if len(rest) == len(brackets):
            break
        brackets = rest
    return bool(brackets)


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedEvent(f"{name} is not JSON")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise MalformedEvent(f"the number {text[:40]} is not finite")
    return value


def _finite_int(text: str) -> int:
    # Past 309 digits no integer is a finite double; int() itself refuses more than a few thousand.
    if len(text) > len("-") + 309:
        raise MalformedEvent(f"the number {text[:40]}... is not finite")
    value = int(text)
    if not _INT64_MIN <= value <= _INT64_MAX:
        _finite_float(text)
    return value


def _storable(value: Any) -> Any:  # noqa: ANN401  # any JSON value
    """The value with its text made storable; objects in it have been through :func:`_storable_object`."""
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, list):
        return [_storable(item) for item in value]
    return value


def _storable_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # In the order of the text: keys may become the same only here, and then too the last one counts.
    return {storable_text(key): _storable(value) for key, value in pairs}


_exact_decoder: Final = json.JSONDecoder(
    parse_constant=_refuse_constant,
    parse_float=_finite_float,
    parse_int=_finite_int,
    object_pairs_hook=_storable_object,
)


def _parse_object(text: str) -> dict[str, Any]:
    try:
        value = _exact_decoder.decode(text)
    except (ValueError, RecursionError) as error:
        raise MalformedEvent(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise MalformedEvent(f"not an object but {type(value).__name__}")
    return value


def _event_of(raw: dict[str, Any]) -> Event:
    """The event that a parsed line is, its unknown keys left out."""
    kind = raw.pop("type", None)
    event_type = _EVENT_TYPES.get(kind) if isinstance(kind, str) else None
    if event_type is None:
        raise MalformedEvent(f"unknown type {kind!r:.80}")
    known = _KNOWN_KEYS[str(kind)]
    kept = {key: value for key, value in raw.items() if key in known}
    kept["type"] = kind
    tags = kept.get("tags")
    if isinstance(tags, dict):
        kept["tags"] = {}
    try:
        event = msgspec.convert(kept, event_type)
    except msgspec.ValidationError as error:
        raise MalformedEvent(str(error)) from error
    if isinstance(tags, dict) and isinstance(event, (SpanStart, SpanTag)):
        # Any JSON, checked by now; the type of the field is that of the fast reader.
        event.tags = tags
    return event
