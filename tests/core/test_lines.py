"""From bytes to whole lines: docs/protocol.md, "Transport" and rule 11."""

from __future__ import annotations

import tracemalloc

import pytest

from hero_logic.core.lines import DEFAULT_MAX_LINE_BYTES, LineBuffer


def test_a_line_may_be_one_mebibyte_by_default() -> None:
    """1 MiB before the newline is kept, one byte more is not."""
    lines = LineBuffer()
    at_edge = b"x" * 1024 * 1024 + b"\n"

    kept = lines.feed(at_edge + b"x" + at_edge)

    assert DEFAULT_MAX_LINE_BYTES == 1024 * 1024
    assert (kept, lines.oversize) == (at_edge, 1)


def test_whole_lines_come_out_with_their_newlines() -> None:
    """What is whole comes at once; what is not waits."""
    lines = LineBuffer()

    assert lines.feed(b"a\n\nb\r\nc") == b"a\n\nb\r\n"
    assert lines.feed(b"") == b""
    assert lines.feed(b"d") == b""
    assert lines.feed(b"\n") == b"cd\n"
    assert lines.finish() == b""


def test_the_last_line_may_have_no_newline() -> None:
    """At the end of the stream the rest is given as it is, once."""
    lines = LineBuffer()
    lines.feed(b"a\nlast")

    assert lines.finish() == b"last"
    assert lines.finish() == b""


def test_unfinished_bytes_are_those_after_the_last_newline() -> None:
    """What the budget of all connections counts."""
    lines = LineBuffer()

    sizes = []
    for data in (b"abc", b"d", b"\nef", b"\n"):
        lines.feed(data)
        sizes.append(lines.unfinished_bytes)

    assert sizes == [3, 4, 2, 0]


@pytest.mark.parametrize("line", [b"12345", b"1234\r", b"     ", b"\r\r\r\r\r"])
def test_a_line_at_the_limit_is_kept(line: bytes) -> None:
    """The limit counts the bytes before the newline, a CR and blanks among them."""
    lines = LineBuffer(max_line_bytes=5)

    assert lines.feed(line + b"\n") == line + b"\n"
    assert lines.oversize == 0


@pytest.mark.parametrize("line", [b"123456", b"12345\r", b"      ", b"\r\r\r\r\r\r"])
def test_a_line_past_the_limit_is_discarded_and_counted(line: bytes) -> None:
    """One byte more is too long, blank or not; the stream goes on."""
    lines = LineBuffer(max_line_bytes=5)

    assert lines.feed(b"a\n" + line + b"\nb\n") == b"a\nb\n"
    assert lines.oversize == 1


@pytest.mark.parametrize("piece_bytes", [1, 2, 3, 5, 7, 100])
def test_an_oversize_line_is_counted_once_however_it_comes(piece_bytes: int) -> None:
    """In one piece or in many, with good lines around it."""
    lines = LineBuffer(max_line_bytes=5)
    stream = b"one\n" + b"x" * 40 + b"\ntwo\n" + b"y" * 6 + b"\n12345\n\nlast"

    kept = b"".join(lines.feed(stream[i : i + piece_bytes]) for i in range(0, len(stream), piece_bytes))

    assert kept + lines.finish() == b"one\ntwo\n12345\n\nlast"
    assert lines.oversize == 2


def test_memory_is_bounded_while_a_line_never_ends() -> None:
    """What is known to be too long is not held."""
    lines = LineBuffer(max_line_bytes=1000)

    most = 0
    for _ in range(1000):
        lines.feed(b"x" * 100)
        most = max(most, lines.unfinished_bytes)

    assert most <= 1000
    assert (lines.oversize, lines.finish()) == (1, b"")


def test_an_oversize_line_is_counted_before_its_newline_comes() -> None:
    """It is known to be too long as soon as it is."""
    lines = LineBuffer(max_line_bytes=5)

    lines.feed(b"123456")

    assert lines.oversize == 1


def test_a_last_line_at_the_limit_is_given_whole() -> None:
    """A last line without its newline has the same limit."""
    lines = LineBuffer(max_line_bytes=5)
    lines.feed(b"12345")

    assert (lines.finish(), lines.oversize) == (b"12345", 0)


def test_discarding_gives_up_the_unfinished_line_up_to_its_newline() -> None:
    """How the shared budget makes room: the line is oversize, the next is not."""
    lines = LineBuffer()
    lines.feed(b"a\nlong")

    lines.discard()

    assert (lines.oversize, lines.unfinished_bytes) == (1, 0)
    assert lines.feed(b"er\nb\n") == b"b\n"


def test_discarding_twice_counts_a_line_once() -> None:
    """A line that is given up already is not given up again."""
    lines = LineBuffer()
    lines.feed(b"long")

    lines.discard()
    lines.discard()
    lines.feed(b"er")
    lines.discard()

    assert lines.oversize == 1


def test_discarding_nothing_takes_no_line() -> None:
    """Where no line is unfinished there is none to give up."""
    lines = LineBuffer()
    lines.feed(b"a\n")

    lines.discard()

    assert lines.feed(b"b\n") == b"b\n"
    assert lines.oversize == 0


def test_a_line_of_single_bytes_costs_no_more_than_its_bytes() -> None:
    """A hostile writer of one byte a call cannot make us copy the line at each."""
    lines = LineBuffer()

    for _ in range(300_000):
        lines.feed(b"x")

    assert lines.feed(b"\n") == b"x" * 300_000 + b"\n"


MIB = 1024 * 1024


def peak_bytes(pieces: int, piece: bytes, end: bytes = b"") -> int:
    """The most memory that was in use while so many pieces and an end were fed, the pieces not counted."""
    lines = LineBuffer()
    tracemalloc.start()
    try:
        for _ in range(pieces):
            lines.feed(piece)
        lines.feed(end)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_an_endless_line_takes_the_memory_of_one_that_is_just_too_long() -> None:
    """However long it gets: what is known to be too long is not held."""
    piece = b"x" * (MIB // 8)

    assert peak_bytes(1000, piece) <= 2.5 * MIB


def test_a_long_line_is_in_memory_twice_at_most() -> None:
    """Once as what was held, once as what is given out."""
    piece = b"x" * (MIB // 32)

    assert peak_bytes(31, piece, b"\n" + b"y" * 100) <= 2.5 * MIB


def test_oversize_lines_among_very_short_ones_cost_no_more_than_their_bytes_many_times() -> None:
    """Where a chunk has to be looked through line by line, its lines are not all kept as objects for long."""
    held = b"x" * (MIB - 1)

    assert peak_bytes(1, held, b"x\n" + b"abc\n" * 8192) <= 6 * MIB


# Where a stream is


@pytest.mark.parametrize(
    ("pieces", "positions"),
    [
        ([b"ab", b"c\n", b"\n"], [0, 4, 5]),
        ([b"a\nb", b"c", b"d\ne"], [2, 2, 6]),
        ([b"123456", b"7", b"8\n", b"9"], [6, 7, 9, 9]),
        ([b"a\n123456\nb\n12", b"345"], [11, 16]),
    ],
    ids=["blank", "cut", "too long", "too long within"],
)
def test_the_position_is_behind_what_was_given_out_or_discarded(
    pieces: list[bytes], positions: list[int]
) -> None:
    """What is held still is not counted; what is known to be too long is, at once."""
    lines = LineBuffer(max_line_bytes=4)

    seen = []
    for piece in pieces:
        lines.feed(piece)
        seen.append(lines.position)

    assert seen == positions


def test_the_position_at_the_end_is_the_length_of_the_stream() -> None:
    """The last line without its newline counts."""
    lines = LineBuffer()
    lines.feed(b"a\nlast")
    lines.finish()

    assert lines.position == 6


def test_who_goes_on_at_a_settled_position_reads_a_line_that_was_being_discarded_again() -> None:
    """From its start; once its newline has come, or the stream has ended, from behind it."""
    lines = LineBuffer(max_line_bytes=5)
    lines.feed(b"ab\ntoo long a")
    within = (lines.is_discarding, lines.settled_position)
    lines.feed(b" line\ncd\nlong again")
    behind = (lines.is_discarding, lines.settled_position)
    lines.finish()

    assert within == (True, 3)
    assert behind == (True, 22)
    assert (lines.is_discarding, lines.settled_position, lines.oversize) == (False, 32, 2)
