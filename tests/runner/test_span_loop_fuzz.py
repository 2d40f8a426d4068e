"""Any bytes, in any pieces, over any number of connections: what arrives is what was sent, line by line."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hero_logic.core.lines import Chunk
from hero_logic.core.wire import decode_lines
from hero_logic.runner.readiness import EpollReadiness, PollReadiness
from hero_logic.runner.span_loop import SpanLoop
from support.fuzzing import fuzz, mutated_streams
from support.listening import Listening, Sink
from support.scale import SCALED

MAX_LINE_BYTES = 200
LITTLE_BYTES = 300
"""What a loop may hold of unfinished lines where memory is short."""

Pieces = list[bytes]


class FickleSink(Sink):
    """Full now and then, and free again before its reader knows that it was full."""

    def __init__(self, is_full: list[bool]) -> None:
        super().__init__()
        self.turns = itertools.cycle(is_full)

    def write(self, chunk: Chunk) -> bool:
        self.chunks.append(chunk)
        if next(self.turns):
            self.on_room()
            return False
        return True


@st.composite
def cut(draw: st.DrawFn, streams: st.SearchStrategy[bytes]) -> Pieces:
    """A stream in the pieces in which it is written."""
    data = draw(streams)
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=5)))
    return [data[begin:end] for begin, end in itertools.pairwise([0, *places, len(data)])]


_anything = st.lists(
    st.sampled_from([b"\n", b"\r\n", b"{}", b"x" * 60, b"y" * MAX_LINE_BYTES, b"{", b"\xff"])
    | st.binary(max_size=9),
    max_size=12,
).map(b"".join)
examples = st.tuples(
    st.lists(cut(_anything | mutated_streams()), min_size=1, max_size=4),
    st.lists(st.booleans(), min_size=1, max_size=4),
)
"""(what each connection writes, when the sink is full)."""

Example = tuple[list[Pieces], list[bool]]


def received(example: Example, loop: SpanLoop) -> Listening:
    """What a listener makes of it, with the pieces of all connections in turns."""
    connections, is_full = example
    with tempfile.TemporaryDirectory() as directory:
        listening = Listening(
            Path(directory), sink=FickleSink(is_full), loop=loop, max_line_bytes=MAX_LINE_BYTES
        )
        writers = [listening.connect() for _ in connections]
        for pieces in itertools.zip_longest(*connections, fillvalue=b""):
            for writer, piece in zip(writers, pieces, strict=True):
                writer.sendall(piece)
        for writer in writers:
            writer.close()
        listening.handle.finish()
    return listening


def kept_lines(data: bytes) -> tuple[bytes, int]:
    """The lines that may be kept, and how many may not."""
    *whole, last = data.split(b"\n")
    lines = [*(line + b"\n" for line in whole), last]
    kept = [line for line in lines if len(line.removesuffix(b"\n")) <= MAX_LINE_BYTES]
    return b"".join(kept), len(lines) - len(kept)


def check_lines(example: Example, loop: SpanLoop) -> None:
    """Each connection's lines are there, in their order; the others are counted; both ends agree on bytes."""
    listening = received(example, loop)
    sink = listening.sink
    sent = {f"{number}": b"".join(pieces) for number, pieces in enumerate(example[0], 1)}

    for source, data in sent.items():
        kept, oversize = kept_lines(data)
        chunks = [chunk for chunk in sink.chunks if chunk.source == source]
        assert sink.data_of(source) == kept
        assert sum(chunk.oversize for chunk in chunks) == oversize
        check_chunks(chunks, data)
    assert sorted(sink.ended) == sorted(sent)
    report = listening.handle.report
    assert (report.connections, report.bytes) == (len(sent), sum(map(len, sent.values())))
    assert report.oversize == sink.oversize


def check_chunks(chunks: list[Chunk], data: bytes) -> None:
    """Whole lines with rising positions; together they read as the whole does."""
    positions = [chunk.position for chunk in chunks]
    assert positions == sorted(set(positions))
    for chunk in chunks[:-1]:
        assert chunk.data.endswith(b"\n") or (chunk.data == b"" and chunk.oversize)
    # A line that is too long is told of when it is known; its rest may bring nothing more.
    left = data[positions[-1] if positions else 0 :]
    assert b"\n" not in left[:-1]
    decoded = [decode_lines(chunk.data) for chunk in chunks]
    whole = decode_lines(kept_lines(data)[0])
    assert [event for each in decoded for event in each.events] == whole.events
    assert [bad for each in decoded for bad in each.bad_lines] == whole.bad_lines


def check_little_memory(example: Example, loop: SpanLoop) -> None:
    """Where memory is short lines are given up: what is kept is some of what was sent; the rest counts."""
    sink = received(example, loop).sink
    for number, pieces in enumerate(example[0], 1):
        data = b"".join(pieces)
        chunks = [chunk for chunk in sink.chunks if chunk.source == f"{number}"]
        sent = [line for line in data.split(b"\n") if line]
        kept = [line for line in sink.data_of(f"{number}").split(b"\n") if line]
        remaining = iter(sent)
        assert all(line in remaining for line in kept), "in their order, and whole"
        assert sum(chunk.oversize for chunk in chunks) == len(sent) - len(kept)


@pytest.fixture(params=[EpollReadiness, PollReadiness], ids=["epoll", "poll"])
def loop(request: pytest.FixtureRequest) -> Iterator[SpanLoop]:
    yield from opened(SpanLoop(readiness=request.param))


@pytest.fixture
def short_loop() -> Iterator[SpanLoop]:
    yield from opened(SpanLoop(max_unfinished_bytes=LITTLE_BYTES))


def opened(loop: SpanLoop) -> Iterator[SpanLoop]:
    yield loop
    loop.close()


# A loop serves one play after another: that it is the same one for all examples is part of the test.
WITH_LOOP = settings(SCALED, suppress_health_check=list(HealthCheck))


@WITH_LOOP
@given(examples)
def test_any_bytes_in_any_pieces_arrive_as_their_lines(loop: SpanLoop, example: Example) -> None:
    """Whatever a read ends with, and whether or not the sink has room."""
    check_lines(example, loop)


@WITH_LOOP
@given(examples)
def test_lines_that_are_given_up_for_memory_are_counted(short_loop: SpanLoop, example: Example) -> None:
    """Nothing is cut, and nothing is lost in silence."""
    check_little_memory(example, short_loop)


@pytest.mark.soak
def test_a_minute_of_bytes_arrives_as_its_lines(loop: SpanLoop) -> None:
    """The same for a fixed time."""
    fuzz(examples, lambda example: check_lines(example, loop))


@pytest.mark.soak
def test_a_minute_of_lines_that_are_given_up_is_counted(short_loop: SpanLoop) -> None:
    """The same for a fixed time."""
    fuzz(examples, lambda example: check_little_memory(example, short_loop))
