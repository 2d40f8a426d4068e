"""Bytes that nobody would send on purpose: streams of the vectors, damaged at random.

What is drawn in ``test_wire_properties.py`` is built from JSON; what is drawn here begins as a real stream.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.test_wire_properties import by_decode_lines, by_reference, shown
from hero_logic.core.errors import MalformedEvent
from hero_logic.core.lines import LineBuffer
from hero_logic.core.wire import decode_line, decode_lines
from support.fuzzing import fuzz, mutated_streams
from support.scale import SCALE, SCALED

MORE = settings(SCALED, max_examples=400 * SCALE)


def check_reading(stream: bytes) -> None:
    """Reading a chunk raises nothing, and gives what the exact reader gives line by line."""
    assert by_decode_lines(stream) == by_reference(stream.split(b"\n"))


def check_line_by_line(stream: bytes) -> None:
    """A line read alone is what it is in a chunk: the same event, or malformed."""
    events, bad_lines = [], 0
    for line in stream.split(b"\n"):
        try:
            event = decode_line(line)
        except MalformedEvent:
            bad_lines += 1
        else:
            events += [] if event is None else [shown(event)]
    decoded = decode_lines(stream)

    assert [shown(event) for event in decoded.events] == events
    assert len(decoded.bad_lines) == bad_lines


class NaiveSplitter:
    """Lines, a byte at a time."""

    def __init__(self, max_line_bytes: int) -> None:
        self.max_line_bytes = max_line_bytes
        self.line = b""
        self.is_over = False
        self.oversize = 0
        self.taken = 0

    def feed(self, data: bytes) -> bytes:
        whole = b""
        for number in data:
            byte = bytes([number])
            self.taken += 1
            if byte == b"\n":
                whole += b"" if self.is_over else self.line + byte
                self.line, self.is_over = b"", False
            elif not self.is_over:
                self.line += byte
                if len(self.line) > self.max_line_bytes:
                    self.discard()
        return whole

    def discard(self) -> None:
        if self.line:
            self.line, self.is_over = b"", True
            self.oversize += 1

    def finish(self) -> bytes:
        rest, self.line, self.is_over = self.line, b"", False
        return rest


Reads = tuple[int, list[bytes | None]]

reads: st.SearchStrategy[Reads] = st.tuples(
    st.integers(1, 12),
    st.lists(
        st.none()
        | st.just(b"\n")
        | st.binary(max_size=6)
        | st.lists(st.sampled_from([b"\n", b"\r\n", b"a", b"bcd", b"x" * 11, b"y" * 14]), max_size=8).map(
            b"".join
        ),
        max_size=30,
    ),
)
"""(the limit of a line, what is read: None where the unfinished line is given up for the memory it takes)."""


def check_splitting(given_reads: Reads) -> None:
    """After each read: the same lines, as many too long, as much unfinished, the same place in the stream."""
    max_line_bytes, pieces = given_reads
    lines = LineBuffer(max_line_bytes)
    naive = NaiveSplitter(max_line_bytes)
    for piece in pieces:
        if piece is None:
            lines.discard()
            naive.discard()
        else:
            assert lines.feed(piece) == naive.feed(piece)
        assert (lines.oversize, lines.unfinished_bytes) == (naive.oversize, len(naive.line))
        assert lines.position == naive.taken - len(naive.line)

    assert lines.finish() == naive.finish()
    assert (lines.unfinished_bytes, lines.position) == (0, naive.taken)


@MORE
@given(mutated_streams())
def test_a_damaged_stream_reads_as_the_reference_reads_its_lines(stream: bytes) -> None:
    """Never an exception, never another event, never another line that is malformed."""
    check_reading(stream)


@MORE
@given(mutated_streams())
def test_a_line_of_a_damaged_stream_reads_alone_as_it_reads_among_others(stream: bytes) -> None:
    """Where the quick reader gives up on a chunk, the slow one takes over without a difference."""
    check_line_by_line(stream)


@MORE
@given(reads)
def test_lines_are_those_of_a_naive_splitter_after_every_read(given_reads: Reads) -> None:
    """However the bytes are cut, and whatever is given up on the way."""
    check_splitting(given_reads)


@pytest.mark.soak
@pytest.mark.parametrize("target", [check_reading, check_line_by_line, check_splitting])
def test_a_minute_of_damage_finds_no_difference(target: object) -> None:
    """The same for a fixed time, with other seeds each time."""
    if target is check_splitting:
        fuzz(reads, check_splitting)
    else:
        fuzz(mutated_streams(), target)  # type: ignore[arg-type]  # the other two take a stream
