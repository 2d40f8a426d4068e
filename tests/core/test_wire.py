"""Reading lines and text that a flow wrote: docs/protocol.md, "Events" and rule 10."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import UNSET

from hero_logic.core.errors import MalformedEvent
from hero_logic.core.wire import (
    Hello,
    SpanEnd,
    SpanLog,
    SpanStart,
    SpanTag,
    decode_line,
    decode_lines,
    tags_from_text,
    tags_to_text,
)

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)


def line_of(event_type: str, /, **keys: Any) -> bytes:
    return json.dumps({"type": event_type, **keys}).encode()


def tag_line(tags_json: str, rest: str = "") -> bytes:
    return ('{"type":"span_tag","span_id":"a","tags":' + tags_json + rest + "}").encode()


def tags_of(tags_json: str) -> dict[str, Any]:
    event = decode_line(tag_line(tags_json))
    assert isinstance(event, SpanTag)
    return event.tags


def is_malformed(line: bytes) -> bool:
    """Whether both doors refuse it: alone, and between two good lines of a chunk."""
    good = b'{"type":"span_end","span_id":"a","status":"ok"}\n'
    decoded = decode_lines(good + line + b"\n" + good)
    try:
        decode_line(line)
    except MalformedEvent:
        assert (len(decoded.events), len(decoded.bad_lines)) == (2, 1)
        return True
    assert len(decoded.bad_lines) == 0
    return False


# Parsing


def test_parsing_reads_every_key_of_a_hello() -> None:
    """A hello has protocol, writer and pid."""
    event = decode_line(line_of("hello", protocol=1, writer="w", pid=7, seq=1))

    assert event == Hello(protocol=1, writer="w", pid=7, seq=1)


def test_parsing_reads_every_key_of_a_start() -> None:
    """A start has thirteen keys, seq among them."""
    keys: dict[str, Any] = {
        "span_id": "a",
        "name": "n",
        "start_ms": 1.5,
        "parent_id": "p",
        "kind": "rpc",
        "tags": {"k": [1, None, {"x": True}]},
        "rpc_service": "S",
        "rpc_method": "m",
        "child_play_sid": "c",
        "source_file": "f.py",
        "source_line": 3,
        "seq": 9,
    }

    event = decode_line(line_of("span_start", **keys))

    assert event == SpanStart(**keys)


def test_parsing_reads_every_key_of_a_tag_a_log_and_an_end() -> None:
    """The three other events have the keys of the table."""
    chunk = b"\n".join(
        [
            line_of("span_tag", span_id="a", tags={"k": 1}, seq=1),
            line_of("span_log", span_id="a", text="t", ts_ms=2, level="info", seq=2),
            line_of("span_end", span_id="a", status="ok", end_ms=3.25, error="e", seq=3),
        ]
    )

    events = decode_lines(chunk).events

    assert events == [
        SpanTag(span_id="a", tags={"k": 1}, seq=1),
        SpanLog(span_id="a", text="t", ts_ms=2.0, level="info", seq=2),
        SpanEnd(span_id="a", status="ok", end_ms=3.25, error="e", seq=3),
    ]


@pytest.mark.parametrize(
    ("line", "optional"),
    [
        (line_of("hello", protocol=1, writer="w"), ["pid", "seq"]),
        (
            line_of("span_start", span_id="a", name=""),
            ["start_ms", "parent_id", "kind", "tags", "source_line"],
        ),
        (line_of("span_tag", span_id="a", tags={}), ["seq"]),
        (line_of("span_log", span_id="a", text=""), ["ts_ms", "level"]),
        (line_of("span_end", span_id="a", status=""), ["end_ms", "error"]),
    ],
)
def test_optional_keys_that_did_not_come_are_unset(line: bytes, optional: list[str]) -> None:
    """A key that is absent is told apart from one that is empty or zero."""
    event = decode_line(line)

    assert [getattr(event, key) for key in optional] == [UNSET] * len(optional)


def test_times_are_floats_whatever_number_came() -> None:
    """A JSON number without a fraction is a time as well."""
    event = decode_line(b'{"type":"span_end","span_id":"a","status":"ok","end_ms":5,"new":0}')

    assert isinstance(event, SpanEnd)
    assert isinstance(event.end_ms, float)


@pytest.mark.parametrize(
    "time_text", ["-0", "0", "-5.5", "1E5", "1e-400", str(2**70), "9" * 308, "0." + "1" * 500]
)
@pytest.mark.parametrize("rest", [b"}", b',"unknown":0}'])
def test_any_finite_number_is_a_time(time_text: str, rest: bytes) -> None:
    """A time is any number that is finite as a double; both readers make a float of it."""
    line = b'{"type":"span_log","span_id":"a","text":"","ts_ms":' + time_text.encode() + rest

    event = decode_line(line)

    assert isinstance(event, SpanLog)
    assert (event.ts_ms, type(event.ts_ms)) == (float(time_text), float)


def test_a_status_is_read_as_it_came() -> None:
    """Status mapping is the fold's; the reader changes nothing."""
    event = decode_line(line_of("span_end", span_id="a", status="Sucess!"))

    assert isinstance(event, SpanEnd)
    assert event.status == "Sucess!"


def test_a_protocol_other_than_one_is_read() -> None:
    """A hello of another version is a hello."""
    event = decode_line(line_of("hello", protocol=-2, writer="w"))

    assert isinstance(event, Hello)
    assert event.protocol == -2


# Refusing

HORRORS = {
    "no JSON": b"%%%",
    "a bracket alone": b"]",
    "an object cut short": b'{"type":"span_start","span_id"',
    "an object and a half": b'{"type":"span_end","span_id":"a","status":"ok"}}',
    "two objects": b'{"type":"span_end","span_id":"a","status":"ok"}' * 2,
    "a comma after": b'{"type":"span_end","span_id":"a","status":"ok"},',
    "a comma within": b'{"type":"span_end","span_id":"a","status":"ok",}',
    "single quotes": b"{'type':'span_end','span_id':'a','status':'ok'}",
    "a comment": b'{"type":"span_end","span_id":"a","status":"ok"}//',
    "an empty object": b"{}",
    "an array": b'[{"type":"span_end","span_id":"a","status":"ok"}]',
    "an empty array": b"[]",
    "a number": b"7",
    "a string": b'"span_end"',
    "null": b"null",
    "true": b"true",
    "not UTF-8": b'{"type":"span_end","span_id":"\xff","status":"ok"}',
    "not UTF-8 in an unknown key": b'{"type":"span_end","span_id":"a","status":"ok","\xff":1}',
    "a surrogate in raw UTF-8": b'{"type":"span_end","span_id":"\xed\xa0\x80","status":"ok"}',
    "overlong UTF-8": b'{"type":"span_end","span_id":"\xc0\x80","status":"ok"}',
    "UTF-8 cut short": b'{"type":"span_end","span_id":"\xe2\x82","status":"ok"}',
    "a blank that is not UTF-8": b" \xff ",
    "a byte order mark": b'\xef\xbb\xbf{"type":"span_end","span_id":"a","status":"ok"}',
    "a byte order mark alone": b"\xef\xbb\xbf",
    "UTF-16": '{"type":"span_end","span_id":"a","status":"ok"}'.encode("utf-16-le"),
    "a raw NUL": b'{"type":"span_end","span_id":"a\x00","status":"ok"}',
    "a NUL alone": b"\x00",
    "a form feed alone": b"\x0c",
    "a no-break space alone": b"\xc2\xa0",
    "a raw control in a string": b'{"type":"span_end","span_id":"a\x1f","status":"ok"}',
    "a raw tab in a string": b'{"type":"span_end","span_id":"a\t","status":"ok"}',
    "a raw control in an unknown key": b'{"type":"span_end","span_id":"a","status":"ok","k\x01":0}',
    "a bad escape": b'{"type":"span_end","span_id":"\\x41","status":"ok"}',
    "an escape cut short": b'{"type":"span_end","span_id":"\\u00","status":"ok"}',
    "NaN": b'{"type":"span_end","span_id":"a","status":"ok","end_ms":NaN}',
    "Infinity": b'{"type":"span_end","span_id":"a","status":"ok","end_ms":Infinity}',
    "-Infinity": b'{"type":"span_tag","span_id":"a","tags":{"k":-Infinity}}',
    "NaN in an unknown key": b'{"type":"span_end","span_id":"a","status":"ok","k":[NaN]}',
    "a leading zero": b'{"type":"span_end","span_id":"a","status":"ok","end_ms":01}',
    "a leading plus": b'{"type":"span_end","span_id":"a","status":"ok","end_ms":+1}',
    "a bare fraction": b'{"type":"span_end","span_id":"a","status":"ok","end_ms":.5}',
    "a dot without digits": b'{"type":"span_end","span_id":"a","status":"ok","end_ms":1.}',
    "a hexadecimal number": b'{"type":"span_end","span_id":"a","status":"ok","end_ms":0x1}',
    "two hundred thousand brackets": b"[" * 200_000,
    "two hundred thousand objects": b'{"a":' * 200_000,
    "closing brackets alone": b"}" * 200_000,
    "a string that never ends": b'{"' + b"[" * 100_000,
}


@pytest.mark.parametrize("line", HORRORS.values(), ids=HORRORS.keys())
def test_what_is_not_an_event_is_malformed(line: bytes) -> None:
    """Whatever a flow writes, reading ends in an event or in MalformedEvent (rule 10)."""
    assert is_malformed(line)


@pytest.mark.parametrize(
    "kind", ["", "span", "SPAN_END", "span_end ", "span_end\0", "play_end", None, 1, ["span_end"]]
)
def test_an_unknown_type_is_refused(kind: object) -> None:
    """An unknown type is malformed, and so is one that is no string."""
    assert is_malformed(json.dumps({"type": kind, "span_id": "a", "status": "ok"}).encode())


def test_an_object_without_a_type_is_refused() -> None:
    """What has no type is no event."""
    assert is_malformed(b'{"span_id":"a","status":"ok"}')


MINIMAL: dict[str, dict[str, Any]] = {
    "hello": {"protocol": 1, "writer": "w"},
    "span_start": {"span_id": "a", "name": "n"},
    "span_tag": {"span_id": "a", "tags": {}},
    "span_log": {"span_id": "a", "text": "t"},
    "span_end": {"span_id": "a", "status": "ok"},
}


@pytest.mark.parametrize(("kind", "key"), [(kind, key) for kind, keys in MINIMAL.items() for key in keys])
def test_a_required_key_that_is_missing_makes_the_line_malformed(kind: str, key: str) -> None:
    """Each key with a star has to be there."""
    keys = {name: value for name, value in MINIMAL[kind].items() if name != key}

    assert is_malformed(line_of(kind, **keys))


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("hello", "writer"),
        ("span_start", "span_id"),
        ("span_tag", "span_id"),
        ("span_log", "span_id"),
        ("span_end", "span_id"),
    ],
)
def test_an_empty_id_makes_the_line_malformed(kind: str, key: str) -> None:
    """A span id and a writer are not empty."""
    assert is_malformed(line_of(kind, **{**MINIMAL[kind], key: ""}))


WRONG_VALUES: dict[str, tuple[object, ...]] = {
    "str": (None, 1, True, [], {}),
    "int": (None, "1", True, 1.0, [], {}, 2**63, -(2**63) - 1),
    "number": (None, "1", True, False, [], {}),
    "object": (None, "{}", 1, False, []),
}
KEYS_BY_SHAPE: dict[str, tuple[tuple[str, str], ...]] = {
    "str": (
        ("hello", "writer"),
        *(
            ("span_start", key)
            for key in ("span_id", "name", "parent_id", "kind", "rpc_service", "rpc_method")
        ),
        ("span_start", "child_play_sid"),
        ("span_start", "source_file"),
        ("span_tag", "span_id"),
        ("span_log", "text"),
        ("span_log", "level"),
        ("span_end", "status"),
        ("span_end", "error"),
    ),
    "int": (
        ("hello", "protocol"),
        ("hello", "pid"),
        ("span_start", "source_line"),
        *((kind, "seq") for kind in MINIMAL),
    ),
    "number": (("span_start", "start_ms"), ("span_log", "ts_ms"), ("span_end", "end_ms")),
    "object": (("span_start", "tags"), ("span_tag", "tags")),
}


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        (kind, key, value)
        for shape, places in KEYS_BY_SHAPE.items()
        for kind, key in places
        for value in WRONG_VALUES[shape]
    ],
)
def test_a_key_of_the_wrong_json_type_makes_the_line_malformed(kind: str, key: str, value: object) -> None:
    """Any key of the wrong type, required or not; true is no number, 1.0 no int, null nothing at all."""
    assert is_malformed(line_of(kind, **{**MINIMAL[kind], key: value}))


@pytest.mark.parametrize(
    "int_text", ["1.0", "1e0", "10E-1", "1.5", "9223372036854775808", "-9223372036854775809"]
)
def test_an_int_has_no_fraction_no_exponent_and_fits_64_bits(int_text: str) -> None:
    """What only equals an integer is none."""
    start = b'{"type":"span_start","span_id":"a","name":"n","source_line":'

    assert is_malformed(start + int_text.encode() + b"}")


@pytest.mark.parametrize("source_line", [0, -1, INT64_MAX, INT64_MIN])
@pytest.mark.parametrize("extra", [{}, {"new_key": 1}])
def test_an_int_reaches_to_the_edges_of_64_bits(source_line: int, extra: dict[str, int]) -> None:
    """The whole signed range is read, by both readers."""
    line = line_of("span_start", span_id="a", name="n", source_line=source_line, **extra)

    event = decode_line(line)

    assert isinstance(event, SpanStart)
    assert event.source_line == source_line


@pytest.mark.parametrize("kind", MINIMAL)
@pytest.mark.parametrize(
    ("seq", "is_bad"), [(0, True), (-1, True), (1, False), (INT64_MAX, False), (INT64_MAX + 1, True)]
)
def test_a_seq_is_from_1_to_the_largest_int_in_every_event(kind: str, seq: int, is_bad: bool) -> None:
    """Below 1 is malformed; a hello's seq is checked as well."""
    assert is_malformed(line_of(kind, **MINIMAL[kind], seq=seq)) is is_bad


# Unknown keys, repeated keys


@pytest.mark.parametrize("kind", MINIMAL)
def test_unknown_keys_are_ignored(kind: str) -> None:
    """A newer writer's keys change nothing."""
    old = decode_line(line_of(kind, **MINIMAL[kind]))

    new = decode_line(line_of(kind, **MINIMAL[kind], new_key={"deep": [None, "x"]}, other=None))

    assert new == old


def test_a_key_of_another_event_is_an_unknown_key() -> None:
    """``tags`` says nothing in a log, so its type does not matter there."""
    event = decode_line(line_of("span_log", span_id="a", text="t", tags=7, status=None, end_ms="x"))

    assert event == SpanLog(span_id="a", text="t")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"type":"span_end","span_id":"a","span_id":"b","status":"ok"}', SpanEnd("b", "ok")),
        (b'{"type":"span_end","span_id":7,"span_id":"b","status":"ok"}', SpanEnd("b", "ok")),
        (b'{"type":"span_end","span_id":"","span_id":"b","status":"ok"}', SpanEnd("b", "ok")),
        (b'{"type":"span_log","type":"span_end","span_id":"b","status":"ok"}', SpanEnd("b", "ok")),
        (b'{"type":7,"span_id":"b","status":"ok","type":"span_end"}', SpanEnd("b", "ok")),
        (b'{"type":"span_tag","span_id":"b","tags":{"k":1,"k":2}}', SpanTag("b", {"k": 2})),
        (b'{"type":"span_tag","span_id":"b","tags":{"k":1},"tags":{"l":2}}', SpanTag("b", {"l": 2})),
        (
            b'{"type":"span_tag","span_id":"b","tags":{"o":{"k":1,"k":{}}},"x":0}',
            SpanTag("b", {"o": {"k": {}}}),
        ),
        (b'{"type":"span_tag","span_id":"b","tag\\u0073":{"k":1},"tags":{}}', SpanTag("b", {})),
    ],
)
def test_of_a_key_given_twice_the_last_counts(line: bytes, expected: object) -> None:
    """At every level, and whatever the one before was."""
    assert decode_line(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"span_end","span_id":"a","status":"ok","status":7}',
        b'{"type":"span_end","span_id":"a","span_id":"","status":"ok"}',
        b'{"type":"span_end","span_id":"a","status":"ok","type":"span_log"}',
        b'{"type":"span_tag","span_id":"a","tags":{},"tags":null}',
    ],
)
def test_a_bad_value_that_comes_last_makes_the_line_malformed(line: bytes) -> None:
    """The last counts where it is the bad one, too."""
    assert is_malformed(line)


# Numbers


NOT_FINITE = [
    "1e999",
    "-1e999",
    "1" + "0" * 400,
    "-" + "9" * 309,
    "1" * 5000,
    "1" + "0" * 309 + ".5",
    "2e308",
]


@pytest.mark.parametrize("number", NOT_FINITE)
@pytest.mark.parametrize(
    "place",
    [
        '{"type":"span_end","span_id":"a","status":"ok","end_ms":%s}',
        '{"type":"span_end","span_id":"a","status":"ok","end_ms":%s,"end_ms":1}',
        '{"type":"span_tag","span_id":"a","tags":{"k":%s}}',
        '{"type":"span_tag","span_id":"a","tags":{"k":%s,"k":1}}',
        '{"type":"span_tag","span_id":"a","tags":{"k":%s},"tags":{}}',
        '{"type":"span_tag","span_id":"a","tags":{"k":[[{"l":%s}]]}}',
        '{"type":"span_end","span_id":"a","status":"ok","unknown":[%s]}',
    ],
)
def test_a_number_that_is_not_finite_makes_its_line_malformed(place: str, number: str) -> None:
    """Wherever it stands: in a time, in tags, in an unknown key, under a key that is given again."""
    assert is_malformed((place % number).encode())


@pytest.mark.parametrize("number", [0, -1, INT64_MAX, INT64_MIN, 2**53 + 1])
@pytest.mark.parametrize("rest", ["", ',"unknown":0'])
def test_integers_in_tags_are_exact_within_64_bits(number: int, rest: str) -> None:
    """Not a digit is lost, by either reader."""
    event = decode_line(tag_line(json.dumps({"k": number}), rest))

    assert isinstance(event, SpanTag)
    assert (event.tags["k"], type(event.tags["k"])) == (number, int)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**64, 10**308, -(10**308)])
def test_integers_past_64_bits_in_tags_are_kept_as_near_as_a_double(number: int) -> None:
    """Past 64 bits the value is exact or the nearest double, and can be stored either way."""
    tags = tags_of(json.dumps({"k": number}))

    assert float(tags["k"]) == float(number)
    assert float(tags_from_text(tags_to_text(tags))["k"]) == float(number)


def test_true_and_one_stay_apart_in_tags() -> None:
    """A tag's JSON type is kept."""
    tags = tags_of('{"a":true,"b":1,"c":1.0,"d":null,"e":"1"}')

    assert [type(value) for value in tags.values()] == [bool, int, float, type(None), str]


# Nesting


def nested(levels: int, opening: str = "[", closing: str = "]") -> str:
    return opening * levels + ("1" if opening != "[" else "") + closing * levels


@pytest.mark.parametrize(
    ("before", "levels_outside", "after"),
    [
        ('{"type":"span_tag","span_id":"a","tags":{"k":', 2, "}}"),
        ('{"type":"span_tag","span_id":"a","tags":{"k":', 2, ',"k":1}}'),
        ('{"type":"span_tag","span_id":"a","tags":{"k":', 2, '},"tags":{}}'),
        ('{"type":"span_end","span_id":"a","status":"ok","unknown":', 1, "}"),
        ('{"type":"span_log","span_id":"a","text":"\\"{[[","ts_ms":1,"u":', 1, "}"),
    ],
)
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"k":', "}")])
@pytest.mark.parametrize(
    ("depth", "is_bad"), [(63, False), (64, False), (65, True), (66, True), (900, True), (5000, True)]
)
def test_64_levels_are_read_and_65_are_malformed(
    before: str, levels_outside: int, after: str, opening: str, closing: str, depth: int, is_bad: bool
) -> None:
    """The line's own object is level 1; unknown keys and keys given again are counted as any other."""
    line = before + nested(depth - levels_outside, opening, closing) + after

    assert is_malformed(line.encode()) is is_bad


def test_brackets_in_strings_are_no_levels() -> None:
    """A log may be full of brackets."""
    text = '[{"\\' * 500

    event = decode_line(line_of("span_log", span_id="a", text=text, unknown=1))

    assert event == SpanLog(span_id="a", text=text)


def test_many_brackets_side_by_side_are_no_levels() -> None:
    """What counts is how deep, not how many."""
    tags: dict[str, Any] = {"k": [[], {}] * 1000}

    assert tags_of(json.dumps(tags)) == tags


# White space


@pytest.mark.parametrize("blank", [b"", b" ", b"\t", b"\r", b" \t\r \r"])
def test_a_blank_line_is_ignored(blank: bytes) -> None:
    """Spaces, tabs and CR alone are neither an event nor malformed."""
    assert decode_line(blank) is None
    assert decode_lines(blank + b"\n" + blank) == decode_lines(b"")


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\r", b" \t\r\n"])
def test_a_line_may_end_in_any_white_space(end: bytes) -> None:
    """CRLF is tolerated, and a last line without its newline counts."""
    line = line_of("span_end", span_id="a", status="ok")

    assert decode_lines(line + end).events == [SpanEnd("a", "ok")]


def test_white_space_within_an_object_is_json() -> None:
    """A writer that spaces its JSON is read."""
    event = decode_line(b' \t{ "type" :\t"span_end" , "span_id":"a",\r"status" : "ok" }\t ')

    assert event == SpanEnd("a", "ok")


def test_an_object_over_two_lines_is_two_malformed_lines() -> None:
    """A line holds a whole object, even where two lines would."""
    decoded = decode_lines(b'{"type":"span_end","span_id":"a",\n"status":"ok"}\n')

    assert (decoded.events, len(decoded.bad_lines)) == ([], 2)


def test_objects_are_not_counted_across_lines() -> None:
    """Two objects on one line are not made up for by an object over two."""
    end = line_of("span_end", span_id="a", status="ok")

    decoded = decode_lines(end + end + b"\n" + end[:-1] + b"\n" + end[-1:] + b"\n")

    assert (decoded.events, len(decoded.bad_lines)) == ([], 3)


# Chunks


def test_one_bad_line_costs_no_good_one() -> None:
    """The stream goes on (rule 10), in order."""
    chunk = b"\n".join(
        [
            line_of("span_end", span_id="a", status="ok"),
            b"%%%",
            line_of("span_end", span_id="b", status="ok", new_key=1),
            b"",
            b'{"type":"span_end"}',
            line_of("span_end", span_id="c", status="ok"),
        ]
    )

    decoded = decode_lines(chunk)

    assert [event.span_id for event in decoded.events if isinstance(event, SpanEnd)] == ["a", "b", "c"]
    assert [bad.preview for bad in decoded.bad_lines] == ["%%%", '{"type":"span_end"}']


def test_a_bad_line_says_why() -> None:
    """What is logged has a reason for a person, on one line."""
    chunk = b'%%%\n{"type":"span_end","span_id":"a"}\n{"type":"\\n\\u001b"}\n[]\n{\xff\n{"k":1e999}'

    reasons = [bad.reason for bad in decode_lines(chunk).bad_lines]

    expected = ["not JSON", "status", "unknown type", "not an object", "not UTF-8", "not finite"]
    assert [word for word, reason in zip(expected, reasons, strict=True) if word not in reason] == []
    assert all(reason.isprintable() for reason in reasons)
