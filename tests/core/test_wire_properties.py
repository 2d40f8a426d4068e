"""What holds of reading for any bytes: two readers, any split, any text."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from hero_logic.core.lines import LineBuffer
from hero_logic.core.wire import Event, decode_line, decode_lines, preview, tags_from_text, tags_to_text
from support.json_text import chunks, hostile_lines, json_values, unsure_lines
from support.reference_decoder import Malformed, reference_decode
from support.scale import SCALED


def shown(event: Event | dict[str, Any]) -> str:
    """An event of either reader as text that shows types; integers past 64 bits as their doubles."""
    keys = event if isinstance(event, dict) else msgspec.to_builtins(event)
    return repr(sorted((key, doubles(value)) for key, value in keys.items()))


def doubles(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: doubles(item) for key, item in value.items()}
    if isinstance(value, list):
        return [doubles(item) for item in value]
    if type(value) is int and not -(2**63) <= value < 2**63:
        return float(value)
    return value


def by_reference(lines: list[bytes]) -> tuple[list[str], list[str]]:
    events = []
    bad = []
    for line in lines:
        try:
            event = reference_decode(line)
        except Malformed:
            bad.append(preview(line))
        else:
            events += [] if event is None else [shown(event)]
    return events, bad


def by_decode_lines(chunk: bytes) -> tuple[list[str], list[str]]:
    decoded = decode_lines(chunk)
    return [shown(event) for event in decoded.events], [bad.preview for bad in decoded.bad_lines]


@SCALED
@given(chunks(hostile_lines))
def test_a_hostile_chunk_reads_as_the_reference_reads_its_lines(chunk: bytes) -> None:
    """Events and bad lines, for what a flow might write to confuse a reader."""
    assert by_decode_lines(chunk) == by_reference(chunk.split(b"\n"))


@SCALED
@given(unsure_lines)
def test_a_line_that_is_nearly_plain_reads_as_the_reference_reads_it(line: bytes) -> None:
    """A chunk of one such line is what the fast reader is most tempted to take."""
    assert by_decode_lines(line) == by_reference(line.split(b"\n"))


@SCALED
@given(chunks(unsure_lines), st.data())
def test_a_chunk_with_bytes_changed_reads_as_the_reference_reads_it(
    chunk: bytes, data: st.DataObject
) -> None:
    """Any byte in any place, newlines taken out and put in among them."""
    changed = bytearray(chunk)
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.integers(0, len(changed)))
        byte = data.draw(st.sampled_from(b'\n\r\t "{}[]:,\\u0\x00\x1f\x7f\xc3\xff') | st.integers(0, 255))
        changed[place : place + data.draw(st.integers(0, 1))] = bytes([byte])

    assert by_decode_lines(bytes(changed)) == by_reference(bytes(changed).split(b"\n"))


@SCALED
@given(st.binary(max_size=200))
def test_any_bytes_read_as_the_reference_reads_them(chunk: bytes) -> None:
    """Whatever the bytes are, reading ends."""
    assert by_decode_lines(chunk) == by_reference(chunk.split(b"\n"))


@SCALED
@given(st.lists(unsure_lines.filter(lambda line: b"\n" not in line), max_size=4))
def test_a_line_reads_alone_as_it_reads_among_others(lines: list[bytes]) -> None:
    """What a line is does not depend on its neighbours."""
    alone = [decode_lines(line) for line in lines]

    together = decode_lines(b"\n".join(lines))

    assert together.events == [event for decoded in alone for event in decoded.events]
    assert together.bad_lines == [bad for decoded in alone for bad in decoded.bad_lines]


@SCALED
@given(unsure_lines)
def test_what_is_read_is_read_again_from_what_it_encodes_to(line: bytes) -> None:
    """An event that was taken is an event of the protocol, and means the same."""
    for event in decode_lines(line).events:
        assert shown(decode_line(msgspec.json.encode(event)) or {}) == shown(event)


@SCALED
@given(
    st.lists(st.binary(max_size=8) | st.just(b"\n") | st.integers(3, 7).map(lambda n: b"x" * n), max_size=40),
    st.integers(1, 8),
)
def test_any_split_of_the_bytes_gives_the_same_lines(pieces: list[bytes], max_line_bytes: int) -> None:
    """The lines within the limit come out whole and in order, the others are counted."""
    lines = LineBuffer(max_line_bytes)

    out = b"".join(lines.feed(piece) for piece in pieces) + lines.finish()

    *whole, last = b"".join(pieces).split(b"\n")
    kept = [
        line
        for line in (*[line + b"\n" for line in whole], last)
        if len(line.rstrip(b"\n")) <= max_line_bytes
    ]
    assert (out, lines.oversize) == (b"".join(kept), len(whole) + 1 - len(kept))


@SCALED
@given(
    st.binary(max_size=2000) | st.text(max_size=600).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
def test_a_preview_is_short_and_printable(line: bytes) -> None:
    """At most 200 characters, none of which a terminal would act on."""
    text = preview(line)

    assert len(text) <= 200
    assert text.isprintable()


@SCALED
@given(st.dictionaries(st.text(), json_values))
def test_any_tags_come_back_from_their_text(tags: dict[str, Any]) -> None:
    """Types, order and every digit."""
    assert repr(tags_from_text(tags_to_text(tags))) == repr(tags)


@SCALED
@given(st.text() | st.dictionaries(st.text(), json_values).map(lambda tags: tags_to_text(tags)[:-1]))
def test_any_stored_text_reads_as_tags(text: str) -> None:
    """Damage on disk never stops a reader."""
    assert isinstance(tags_from_text(text), dict)
