"""Whatever comes, in whatever order, and whenever the process is killed: the rows are those of the model.

The model is the slow fold of ``support/reference_fold.py``, fed line by line. A kill is an ingest that is
abandoned: what it had not written is lost, and another one goes on over the same file. Then the positions on
record say how far it had come, and the rows have to be those of the model at that very line.
"""

from __future__ import annotations

import copy
import json
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from hero_logic.core import fold
from hero_logic.core.fold import FoldLimits
from hero_logic.core.lines import Chunk, LineBuffer
from hero_logic.core.records import Play, Sandbox, SpanDelta
from hero_logic.service import ingest as ingest_module
from hero_logic.service.endings import end_recording
from hero_logic.service.ingest import Ingest, PlaySink
from hero_logic.service.recording import take_in
from hero_logic.store.sqlite import SqliteStore
from support.event_streams import event_streams, hello_of, limits, numbered_streams
from support.json_text import hostile_lines
from support.reference_decoder import Malformed, reference_decode
from support.reference_fold import ReferenceFold
from support.scale import SCALE

NOW_MS = 7.0
MAX_LINE_BYTES = 2000
SPOOL = "spool"
# One that is known by its digest alone is a writer like any other.
WRITERS = ["w", "w" * 300]


Positions = dict[str, tuple[int, int]]
"""Where each source may stand on record: after the last line that changed anything, up to the last of all."""


class Killed(BaseException):
    """What a thread of a process that was killed would have done next."""


class Mortal:
    """A store that can be held up, and for good."""

    def __init__(self, path: Path) -> None:
        self._store = SqliteStore.open(str(path))
        self._lock = threading.Lock()
        self._is_dead = False
        self.gate = threading.Event()
        self.gate.set()

    def write_spans(self, deltas: Mapping[str, SpanDelta], *, closing: bool = False) -> int:
        self.gate.wait()
        with self._lock:
            if self._is_dead:
                raise Killed
            return self._store.write_spans(deltas, closing=closing)

    def die(self) -> None:
        """From now on nothing is written, not even what waits at the gate."""
        with self._lock:
            self._is_dead = True
        self.gate.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class Source:
    """One connection, or the spool: its bytes on their way, and the lines that the model makes of them."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self.lines = LineBuffer(MAX_LINE_BYTES)
        self.told_oversize = 0
        self.sent = 0
        self.rest = b""
        self.is_over = False

    def chunk(self, whole: bytes) -> Chunk | None:
        """What a reader hands over, if anything."""
        oversize = self.lines.oversize - self.told_oversize
        self.told_oversize += oversize
        if not whole and not oversize:
            return None
        position = self.lines.position
        return Chunk(whole, source=self.name, position=position, received_ms=NOW_MS, oversize=oversize)

    def split(self, data: bytes) -> list[tuple[bytes | None, int]]:
        """The lines that end with these bytes (None: it is too long), each with the position after it."""
        found: list[tuple[bytes | None, int]] = []
        *whole, rest = (self.rest + data).split(b"\n")
        place = self.sent - len(self.rest)
        for line in whole:
            place += len(line) + 1
            if self.is_over:
                self.is_over = False
            else:
                found.append((line if len(line) <= MAX_LINE_BYTES else None, place))
        self.sent += len(data)
        self.rest = rest
        if len(rest) > MAX_LINE_BYTES or self.is_over:
            if not self.is_over:
                found.append((None, self.sent))
            self.is_over, self.rest = True, b""
        return found


class Model:
    """A play: its sink, what it should hold, and what it held after each line that may be lost."""

    def __init__(self, sid: str, fold_limits: FoldLimits) -> None:
        self.sid = sid
        self.sink: PlaySink
        self.fold = ReferenceFold(
            fold_limits.max_spans, fold_limits.max_tags_bytes, fold_limits.max_log_bytes
        )
        self.positions: Positions = {}
        self.unsure: list[tuple[Positions, ReferenceFold]] = []
        self.sources: list[Source] = []
        self.numbered: dict[str, list[dict[str, Any]]] = {writer: [] for writer in WRITERS}
        self.spool = b""

    def take(self, source: Source, lines: list[tuple[bytes | None, int]]) -> None:
        """Fold lines of a source; each may be the last that was written."""
        for line, position in lines:
            lowest = self.positions.get(source.name, (0, 0))[0]
            if line is None:
                self.fold.counters["oversize"] += 1
            if line is None or self.take_line(line, source.number):
                lowest = position
            self.positions = {**self.positions, source.name: (lowest, position)}
            self.unsure.append((self.positions, copy.deepcopy(self.fold)))

    def take_line(self, line: bytes, number: int) -> bool:
        """Fold a line; whether there is anything to be written of it."""
        try:
            event = reference_decode(line)
        except Malformed:
            self.fold.counters["malformed"] += 1
            return True
        if event is not None:
            self.fold.fold(event, number, NOW_MS)
        return event is not None and event["type"] != "hello"

    def settle(self) -> None:
        """All that came is on disk."""
        self.unsure = [(self.positions, copy.deepcopy(self.fold))]


def are_at(positions: Positions, found: dict[str, int]) -> bool:
    """Whether what is on record is where the model is."""
    return positions.keys() >= found.keys() and all(
        lowest <= found.get(source, 0) <= highest for source, (lowest, highest) in positions.items()
    )


class IngestMachine(RuleBasedStateMachine):
    """Two plays in one process, which is killed now and then."""

    @initialize(fold_limits=limits, is_tight=st.booleans())
    def begin(self, fold_limits: FoldLimits, is_tight: bool) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "db"
        self.limits = fold_limits
        self.patches = [
            patch.object(fold, "_MAX_CACHED_ROWS", 1 if is_tight else 5_000),
            patch.object(fold, "_MAX_CACHED_ROW_BYTES", 10 if is_tight else 1024),
            patch.object(fold, "_MAX_RECALLED_BYTES", 50 if is_tight else 2**22),
            patch.object(ingest_module, "_PIECE_BYTES", 100 if is_tight else 4096),
        ]
        for each in self.patches:
            each.start()
        self.names = 0
        self.plays: list[Model] = []
        self.ended: list[Model] = []
        self.is_held = False
        self.open_process()
        for _ in range(2):
            self.add_play()

    def open_process(self) -> None:
        self.store = Mortal(self.path)
        self.ingest = Ingest(self.store, now_ms=lambda: NOW_MS, limits=self.limits)  # type: ignore[arg-type]
        self.is_held = False
        for play in self.plays:
            play.sink = self.ingest.open(play.sid)

    def add_play(self) -> None:
        self.names += 1
        play = Model(f"play-{self.names}", self.limits)
        self.store.create_play(Play(sid=play.sid), None)
        self.store.begin_play(play.sid, start_ms=1.0, sandbox=Sandbox())
        play.sink = self.ingest.open(play.sid)
        play.settle()
        self.plays.append(play)

    def teardown(self) -> None:
        if not hasattr(self, "ingest"):
            return
        self.store.gate.set()
        try:
            for play in self.plays:
                self.flush_and_check(play)
        finally:
            self.ingest.__exit__()
            self.store.close()
            for each in self.patches:
                each.stop()
            self.directory.cleanup()

    # What writers do

    @rule(of=st.integers(0, 1), writer=st.sampled_from(["", *WRITERS]))
    def connect(self, of: int, writer: str) -> None:
        """A process connects, or a second one of the same play: a fork, or an old connection's successor."""
        play = self.plays[of]
        source = self.connected(play)
        if writer:
            self.send(play, source, line_of(hello_of(writer)))

    def connected(self, play: Model) -> Source:
        self.names += 1
        source = Source(str(self.names), self.names)
        play.sources.append(source)
        return source

    @rule(
        of=st.integers(0, 1),
        which=st.integers(0, 3),
        stream=event_streams,
        cut=st.integers(0, 300),
        is_whole=st.booleans(),
    )
    def send_events(
        self, of: int, which: int, stream: list[dict[str, Any]], cut: int, is_whole: bool
    ) -> None:
        """Events, hellos among them, in two pieces that end anywhere; or the first of them alone."""
        play, source = self.chosen(of, which)
        data = b"".join(map(line_of, stream))
        self.send(play, source, data[:cut])
        if is_whole:
            self.send(play, source, data[cut:])

    @rule(of=st.integers(0, 1), writer=st.sampled_from(WRITERS), stream=numbered_streams)
    def send_numbered(self, of: int, writer: str, stream: list[dict[str, Any]]) -> None:
        """A writer says hello and goes on counting from where it was."""
        play = self.plays[of]
        source = self.connected(play)
        self.send(play, source, line_of(hello_of(writer)))
        self.send_more(play, source, writer, stream)

    def send_more(self, play: Model, source: Source, writer: str, stream: list[dict[str, Any]]) -> None:
        earlier = play.numbered[writer]
        begin = earlier[-1]["seq"] if earlier else 0
        numbered = [{**event, "seq": begin + event["seq"]} for event in stream]
        play.numbered[writer] = [*earlier, *numbered]
        self.send(play, source, b"".join(map(line_of, numbered)))

    @rule(
        of=st.integers(0, 1),
        writer=st.sampled_from(WRITERS),
        last=st.integers(1, 12),
        stream=numbered_streams,
        is_gone=st.booleans(),
    )
    def send_again(
        self, of: int, writer: str, last: int, stream: list[dict[str, Any]], is_gone: bool
    ) -> None:
        """A writer connects again and sends what it sent last, then more: what is there is a repeat."""
        play = self.plays[of]
        if is_gone and not self.is_held:
            # So that it has to be remembered by the store alone.
            while play.sources:
                self.disconnect(of, 0)
            self.flush_and_check(play)
        source = self.connected(play)
        again = play.numbered[writer][-last:]
        self.send(play, source, line_of(hello_of(writer)) + b"".join(map(line_of, again)))
        self.send_more(play, source, writer, stream)

    @rule(
        of=st.integers(0, 1), which=st.integers(0, 3), line=hostile_lines, end=st.sampled_from([b"\n", b""])
    )
    def send_anything(self, of: int, which: int, line: bytes, end: bytes) -> None:
        """Garbage, or nearly an event; its line may still go on."""
        self.send(*self.chosen(of, which), line + end)

    @rule(of=st.integers(0, 1), which=st.integers(0, 3), size=st.integers(-60, 60), is_ended=st.booleans())
    def send_too_much(self, of: int, which: int, size: int, is_ended: bool) -> None:
        """A line about as long as one may be."""
        self.send(*self.chosen(of, which), b"x" * (MAX_LINE_BYTES + size) + b"\n" * is_ended)

    @rule(of=st.integers(0, 1), which=st.integers(0, 3))
    def disconnect(self, of: int, which: int) -> None:
        """A connection ends; its last line needs no newline."""
        play, source = self.chosen(of, which)
        play.sources.remove(source)
        if source.rest:
            play.take(source, [(source.rest, source.sent)])
        self.hand_over(play, source, source.lines.finish())
        play.sink.disconnected(source.name)
        play.fold.writer_of.pop(source.number, None)

    def chosen(self, of: int, which: int) -> tuple[Model, Source]:
        play = self.plays[of]
        return play, play.sources[which % len(play.sources)] if play.sources else self.connected(play)

    def send(self, play: Model, source: Source, data: bytes) -> None:
        play.take(source, source.split(data))
        self.hand_over(play, source, source.lines.feed(data))

    def hand_over(self, play: Model, source: Source, whole: bytes) -> None:
        chunk = source.chunk(whole)
        if chunk is not None:
            assert play.sink.write(chunk)

    @precondition(lambda self: not self.is_held)
    @rule(of=st.integers(0, 1), stream=event_streams)
    def push_single_events(self, of: int, stream: list[dict[str, Any]]) -> None:
        """Through the door for single events; each is on disk when the call returns, with all before it."""
        play = self.plays[of]
        self.ingest.flush(play.sid)
        for event in (event for event in stream if event["type"] != "hello"):
            self.ingest.apply_event_json(play.sid, json.dumps(event).encode())
            play.take_line(json.dumps(event).encode(), -1)
        play.settle()
        self.check(play)

    @rule(of=st.integers(0, 1), stream=event_streams)
    def write_spool(self, of: int, stream: list[dict[str, Any]]) -> None:
        """What nobody took goes to a file."""
        self.plays[of].spool += b"".join(map(line_of, stream))

    @precondition(lambda self: not self.is_held)
    @rule(of=st.integers(0, 1))
    def take_in_spool(self, of: int) -> None:
        """The file is read from where it was read to, in reads that end anywhere."""
        play = self.plays[of]
        self.flush_and_check(play)
        position = self.store.load_position(play.sid, SPOOL)
        source = Source(SPOOL, -2)
        source.sent = position
        play.take(source, source.split(play.spool[position:]))
        play.fold.writer_of.pop(-2, None)
        stream = ShortReads(play.spool[position:])
        take_in(play.sink, stream, source=SPOOL, now_ms=lambda: NOW_MS, position=position)

    # What happens to the process

    @precondition(lambda self: not self.is_held)
    @rule(of=st.integers(0, 1))
    def flush(self, of: int) -> None:
        self.flush_and_check(self.plays[of])

    @rule()
    def hold(self) -> None:
        """Another process has the store: all that comes waits."""
        self.store.gate.clear()
        self.is_held = True

    @precondition(lambda self: self.is_held)
    @rule()
    def let_go(self) -> None:
        self.store.gate.set()
        self.is_held = False

    @rule()
    def kill(self) -> None:
        """The process is gone; another one opens the same file."""
        self.store.die()
        self.ingest.__exit__()
        self.store.close()
        for play in self.plays:
            play.sources = []
        self.open_process()
        for play in self.plays:
            self.recover(play)
            self.check(play)

    def recover(self, play: Model) -> None:
        """Have the model forget what was not written, as the positions on record tell it."""
        found = self.store.load_fold_state(play.sid).positions
        agreeing = [state for positions, state in play.unsure if are_at(positions, found)]
        assert agreeing, f"{found} is no place where {play.sid} has ever been"
        play.fold = copy.deepcopy(agreeing[-1])
        play.positions = {source: (position, position) for source, position in found.items()}
        # Who connects again has to say again who it is.
        play.fold.writer_of = {}
        play.settle()

    @precondition(lambda self: not self.is_held)
    @rule(of=st.integers(0, 1), end_ms=st.sampled_from([0.0, 1e6]))
    def end_play(self, of: int, end_ms: float) -> None:
        """A play ends, and another one takes its place."""
        play = self.plays.pop(of)
        end_recording(self.store, self.ingest, play.sid, end_ms=end_ms)  # type: ignore[arg-type]
        play.fold.close("failed", end_ms)
        is_ok = all(span["status"] == "ok" for span in play.fold.spans.values() if not span["parent_id"])
        self.check(play)
        assert self.store.get_play(play.sid).status == ("ok" if is_ok else "failed")
        self.ended.append(play)
        self.add_play()

    # What has to hold

    def flush_and_check(self, play: Model) -> None:
        self.ingest.flush(play.sid)
        play.settle()
        self.check(play)

    def check(self, play: Model) -> None:
        found = self.store.read_spans(play.sid, limit=1000)
        assert [msgspec.to_builtins(span) for span in found] == list(play.fold.spans.values())
        record = self.store.get_play(play.sid)
        assert msgspec.to_builtins(record.counters) == play.fold.counters
        assert record.span_count == len(play.fold.spans)
        assert are_at(play.positions, self.store.load_fold_state(play.sid).positions)

    @invariant()
    def what_has_ended_stays_as_it_is(self) -> None:
        for play in getattr(self, "ended", [])[-1:]:
            self.check(play)


class ShortReads(BytesIO):
    """A file of which a read gives little."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(100)


def line_of(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode() + b"\n"


@pytest.mark.property
@pytest.mark.timeout(900)
def test_the_rows_are_those_of_the_model_whatever_comes_and_whenever_it_is_killed() -> None:
    """Spans, their order, logs, tags, counters, positions: after each flush, each kill, each end."""
    run_state_machine_as_test(
        IngestMachine,
        settings=settings(
            max_examples=80 * SCALE,
            stateful_step_count=30,
            deadline=None,
            derandomize=SCALE == 1,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


class Interrupted(BytesIO):
    """A spool whose reader is killed after so many bytes."""

    def __init__(self, data: bytes, until: int) -> None:
        super().__init__(data)
        self.until = until

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() >= self.until:
            raise Killed
        return super().read(size)


def test_a_line_that_is_too_long_counts_once_though_its_reader_is_killed_within_it(tmp_path: Path) -> None:
    """Who goes on in the middle of it neither counts its rest again nor takes it for a line of its own."""
    line = b"x" * (3 << 20) + b"\n"
    stream = line + line_of({"type": "span_start", "span_id": "a", "name": "n"})
    for until in (2 << 20, len(stream)):
        store = SqliteStore.open(str(tmp_path / "db"))
        if store.last_play_sid() is None:
            store.create_play(Play(sid="p"), None)
            store.begin_play("p", start_ms=1.0, sandbox=Sandbox())
        with Ingest(store, now_ms=lambda: NOW_MS) as ingest:
            sink = ingest.open("p")
            position = store.load_position("p", SPOOL)
            spool = Interrupted(stream, until)
            spool.seek(position)
            with suppress(Killed):
                take_in(sink, spool, source=SPOOL, now_ms=lambda: NOW_MS, position=position)
            ingest.flush("p")
        counters, spans = store.get_play("p").counters, store.read_spans("p")
        store.close()

    assert [span.span_id for span in spans] == ["a"]
    assert (counters.events, counters.malformed, counters.oversize) == (1, 0, 1)
