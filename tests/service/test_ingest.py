"""The one door for events, over a real store: folded, written, then shown; nothing is lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hero_logic.core.errors import IllegalMove, MalformedEvent, NotFound, StoreError, StoreLocked
from hero_logic.core.lines import Chunk
from hero_logic.core.records import Counters, Play, PlayEnd, Sandbox, Span, SpanDelta
from hero_logic.core.redaction import Redactor
from hero_logic.core.wire import BadLine
from hero_logic.service.endings import end_recording
from hero_logic.service.ingest import Ingest, PlaySink
from hero_logic.store.contract import Commit
from hero_logic.store.sqlite import SqliteStore
from support.waiting import wait_until


class Failing:
    """A store in which writes of the plays ``failing`` fail while ``error`` is set."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.error: Exception | None = None
        self.failures = 0
        self.failing = {"p"}
        self.written: list[list[str]] = []

    def write_spans(self, deltas: Mapping[str, SpanDelta], *, closing: bool = False) -> int:
        self.written.append(sorted(deltas))
        if self.error is not None and self.failing.intersection(deltas):
            self.failures += 1
            raise self.error
        return self._store.write_spans(deltas, closing=closing)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class Opened:
    """An ingest over a real store with a play that runs."""

    def __init__(self, path: Path) -> None:
        self.real = SqliteStore.open(str(path / "db"))
        self.store = Failing(self.real)
        self.ingest = Ingest(self.store, now_ms=lambda: 7.0)  # type: ignore[arg-type]
        self.add_play("p")

    def add_play(self, sid: str) -> None:
        self.real.create_play(Play(sid=sid), None)
        self.real.begin_play(sid, start_ms=1.0, sandbox=Sandbox())

    def apply(self, *events: dict[str, Any], sid: str = "p") -> None:
        for event in events:
            self.ingest.apply_event_json(sid, json.dumps(event).encode())

    def spans(self, sid: str = "p") -> dict[str, Span]:
        return {span.span_id: span for span in self.real.read_spans(sid)}

    def close(self) -> None:
        self.ingest.__exit__()
        self.real.close()


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    found = Opened(tmp_path)
    yield found
    found.store.error = None
    found.close()


def chunk(*lines: bytes, source: str = "1", position: int = 0) -> Chunk:
    return Chunk(b"".join(line + b"\n" for line in lines), source=source, position=position, received_ms=5.0)


def heavy_chunk(*lines: bytes) -> Chunk:
    """With a mebibyte of blank lines."""
    return chunk(*lines, b" " * 1023 * 1024)


def write_all(sink: PlaySink, chunks: Iterable[Chunk]) -> None:
    """As who reads a file does."""
    for one in chunks:
        if not sink.write(one):
            sink.wait_for_room()


def start(span_id: str, **more: object) -> bytes:
    return json.dumps({"type": "span_start", "span_id": span_id, "name": span_id, **more}).encode()


# The behaviours that the listener was first specified by, on a real store


def test_the_full_life_of_a_span(opened: Opened) -> None:
    """Start, tag, log, end: each is on disk when the call returns."""
    opened.apply({"type": "span_start", "span_id": "s", "name": "work", "start_ms": 1000, "kind": "step"})
    assert (opened.spans()["s"].status, opened.spans()["s"].end_ms) == ("running", None)
    opened.apply({"type": "span_tag", "span_id": "s", "tags": {"a": 1, "b": [True, None]}})
    assert opened.spans()["s"].tags == {"a": 1, "b": [True, None]}
    opened.apply({"type": "span_log", "span_id": "s", "text": "hello", "ts_ms": 1500})
    opened.apply({"type": "span_log", "span_id": "s", "text": "bad", "ts_ms": 1600, "level": "warning"})
    assert opened.spans()["s"].logs == "[1500] hello\n[1600] WARNING bad"
    opened.apply({"type": "span_end", "span_id": "s", "status": "ok", "end_ms": 2000})
    span = opened.spans()["s"]

    assert (span.name, span.kind, span.start_ms, span.end_ms, span.status, span.error) == (
        "work",
        "step",
        1000.0,
        2000.0,
        "ok",
        "",
    )


def test_nested_parents(opened: Opened) -> None:
    """A span names its parent, and they are listed in the order in which they were first heard of."""
    opened.apply(
        {"type": "span_start", "span_id": "root", "name": "root"},
        {"type": "span_start", "span_id": "child", "name": "child", "parent_id": "root"},
        {"type": "span_start", "span_id": "leaf", "name": "leaf", "parent_id": "child"},
    )

    assert [(s.span_id, s.parent_id) for s in opened.spans().values()] == [
        ("root", ""),
        ("child", "root"),
        ("leaf", "child"),
    ]


def test_a_failed_span_with_its_message(opened: Opened) -> None:
    """The error stands beside the status."""
    opened.apply(
        {"type": "span_start", "span_id": "s", "name": "s"},
        {"type": "span_end", "span_id": "s", "status": "failed", "error": "ValueError: no\n  line"},
    )

    assert (opened.spans()["s"].status, opened.spans()["s"].error) == ("failed", "ValueError: no\n  line")


def test_rpc_service_and_method_are_kept(opened: Opened) -> None:
    """As they came."""
    opened.apply(
        {"type": "span_start", "span_id": "s", "name": "rpc:Db.get", "kind": "rpc"}
        | {"rpc_service": "Db", "rpc_method": "get"}
    )
    span = opened.spans()["s"]

    assert (span.kind, span.rpc_service, span.rpc_method) == ("rpc", "Db", "get")


@pytest.mark.parametrize("line", [b"", b"  ", b"{", b"[]", b"\xff", b'{"type":"unknown","span_id":"s"}'])
def test_a_malformed_line_is_dropped_without_harm(opened: Opened, line: bytes) -> None:
    """It is refused, and what is there stays."""
    opened.apply({"type": "span_start", "span_id": "s", "name": "s"})
    before = opened.spans()
    with pytest.raises(MalformedEvent):
        opened.ingest.apply_event_json("p", line)
    opened.apply({"type": "span_end", "span_id": "s", "status": "ok"})

    assert before["s"].status == "running"
    assert opened.spans()["s"].status == "ok"


@pytest.mark.parametrize("is_open", [False, True])
def test_single_events_and_a_stream_come_through_the_same_door(opened: Opened, is_open: bool) -> None:
    """Whether the play's stream is open here or not."""
    if is_open:
        opened.ingest.open("p").write(chunk(start("stream")))
    opened.apply({"type": "span_tag", "span_id": "stream", "tags": {"k": 1}})

    assert opened.spans()["stream"].tags == {"k": 1}
    assert opened.real.get_play("p").counters.events == 1 + is_open


def test_an_event_of_a_play_that_is_not_there_is_refused(opened: Opened) -> None:
    """No play is made for it."""
    with pytest.raises(NotFound):
        opened.apply({"type": "span_start", "span_id": "s", "name": "s"}, sid="none")


def test_an_event_of_a_play_that_has_ended_is_refused(opened: Opened) -> None:
    """A terminal status is final."""
    end_recording(opened.real, opened.ingest, "p", end_ms=9.0)
    with pytest.raises(IllegalMove, match="has ended"):
        opened.apply({"type": "span_start", "span_id": "s", "name": "s"})

    assert opened.spans() == {}


# Streams


def test_a_stream_is_on_disk_after_a_flush(opened: Opened) -> None:
    """All that was queued before."""
    sink = opened.ingest.open("p")
    for number in range(500):
        sink.write(chunk(start(str(number))))
    opened.ingest.flush("p")

    assert list(opened.spans()) == [str(number) for number in range(500)]


def test_what_is_shown_is_on_disk_already(opened: Opened) -> None:
    """Written, then seen: in the order of the store, each row as it stands there."""
    shown: list[str] = []

    def show(commit: Commit) -> None:
        for sid, delta in commit.spans.items():
            stored = opened.spans(sid)
            shown.extend(row.span_id for row in delta.rows if stored[row.span_id].status == row.status)

    opened.real.on_commit = show
    sink = opened.ingest.open("p")
    for number in range(50):
        sink.write(chunk(start(str(number))))
    opened.ingest.flush("p")

    assert shown == [str(number) for number in range(50)]


def test_plays_do_not_mix(opened: Opened) -> None:
    """Spans of the same id belong to their own plays."""
    opened.add_play("q")
    first, second = opened.ingest.open("p"), opened.ingest.open("q")
    first.write(chunk(start("s", tags={"of": "p"})))
    second.write(chunk(start("s", tags={"of": "q"})))
    opened.ingest.flush("p")
    opened.ingest.flush("q")

    assert [opened.spans(sid)["s"].tags for sid in "pq"] == [{"of": "p"}, {"of": "q"}]


@pytest.mark.parametrize(
    ("status", "found"),
    [("exited", "failed"), ("ok", "failed"), ("timed_out", "timed_out"), ("cancelled", "cancelled")],
)
def test_closing_ends_what_is_open(opened: Opened, status: str, found: str) -> None:
    """Rule 13, at the play's end and with its status; a span that has ended stays as it is."""
    sink = opened.ingest.open("p")
    sink.write(chunk(start("open"), start("done"), b'{"type":"span_end","span_id":"done","status":"ok"}'))
    opened.ingest.close("p", status=status, end_ms=99.0)
    spans = opened.spans()

    assert (spans["open"].status, spans["open"].end_ms) == (found, 99.0)
    assert spans["open"].error == "the play ended while this span was open"
    assert spans["done"].status == "ok"


def test_a_value_that_nobody_may_read_never_reaches_the_disk(opened: Opened, tmp_path: Path) -> None:
    """It is replaced before anything is queued."""
    sink = opened.ingest.open("p", redactor=Redactor(["s3cret-value"]))
    sink.write(chunk(start("s", tags={"k": ["a s3cret-value"]})))
    opened.ingest.flush("p")
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())

    assert opened.spans()["s"].tags == {"k": ["a ***"]}
    assert b"s3cret-value" not in files


# Trouble


def test_a_store_that_cannot_be_written_for_a_while_loses_nothing(opened: Opened) -> None:
    """It is tried again, the trouble is told, and the writer waits."""
    told: list[str] = []
    opened.ingest.on_trouble = told.append
    opened.store.error = StoreLocked("locked by another process")
    sink = opened.ingest.open("p")
    sink.write(chunk(start("a")))
    wait_until(lambda: opened.store.failures >= 2, "the second try")
    sink.write(chunk(start("b")))
    opened.store.error = None
    opened.ingest.flush("p")

    assert list(opened.spans()) == ["a", "b"]
    assert "the spans of the play p wait: locked by another process" in told


def test_a_full_sink_says_so_and_when_it_has_room_again(opened: Opened) -> None:
    """While nothing can be written its reader is held up before memory grows; nothing is lost."""
    opened.store.error = StoreLocked("locked")
    sink = opened.ingest.open("p")
    has_room = threading.Event()
    sink.on_room = has_room.set
    written = 0
    while sink.write(heavy_chunk(start(str(written)))):
        written += 1
    was_full = not has_room.is_set()
    opened.store.error = None

    assert written < 20, "a chunk has a mebibyte"
    assert was_full
    assert has_room.wait(30)
    opened.ingest.flush("p")
    assert len(opened.spans()) == written + 1


def test_a_full_play_leaves_room_to_the_others(opened: Opened) -> None:
    """What one play may queue is not all that there is."""
    opened.store.error = StoreLocked("locked")
    opened.add_play("q")
    full, other = opened.ingest.open("p"), opened.ingest.open("q")
    while full.write(heavy_chunk(start("a"))):
        pass

    assert other.write(chunk(start("b")))


def test_a_flush_tells_that_it_could_not_be_written(opened: Opened) -> None:
    """It does not wait for ever, and what was not written is written later."""
    opened.store.error = StoreLocked("locked")
    sink = opened.ingest.open("p")
    sink.write(chunk(start("a")))
    wait_until(lambda: opened.store.failures, "the first try")
    with pytest.raises(StoreLocked):
        opened.ingest.flush("p")
    opened.store.error = None
    opened.ingest.flush("p")

    assert list(opened.spans()) == ["a"]


def test_the_end_of_a_play_does_not_wait_for_a_store_that_never_comes_back(opened: Opened) -> None:
    """A writer that is held up is let go, and closing tells the error."""
    opened.store.error = StoreError("the disk is full")
    sink = opened.ingest.open("p")
    done = threading.Event()

    def write() -> None:
        write_all(sink, (heavy_chunk(start(str(number))) for number in range(300)))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert not done.wait(0.2)
    opened.ingest.hurry("p")
    assert done.wait(10)
    writer.join()
    with pytest.raises(StoreError, match="the disk is full"):
        opened.ingest.close("p", status="exited", end_ms=9.0)

    assert opened.real.get_play("p").status == "running"


def test_leaving_does_not_wait_for_a_store_that_never_comes_back(tmp_path: Path) -> None:
    """The thread ends."""
    opened = Opened(tmp_path)
    opened.store.error = StoreError("the disk is full")
    opened.ingest.open("p").write(chunk(start("a")))
    wait_until(lambda: opened.store.failures, "the first try")
    opened.close()

    assert not opened.ingest._thread.is_alive()


@pytest.mark.parametrize("name", ["on_bad_line", "on_trouble"])
def test_a_face_that_fails_stops_nothing(opened: Opened, name: str) -> None:
    """Its trouble is its own: a pipe that nobody reads must not cost the record."""

    def fail(*_: object) -> None:
        raise BrokenPipeError

    opened.ingest.on_trouble = fail
    sink = opened.ingest.open("p", on_bad_line=fail if name == "on_bad_line" else None)
    sink.write(chunk(b'{"type":"hello","protocol":9,"writer":"w"}', b"%%%", start("a")))
    opened.ingest.flush("p")
    sink.write(chunk(b"%%%", start("b")))
    opened.ingest.flush("p")

    assert list(opened.spans()) == ["a", "b"]
    assert opened.real.get_play("p").counters.malformed == 2


def test_a_line_that_is_not_kept_is_told(opened: Opened) -> None:
    """With why and how it begins; of one that was too long there is nothing to show."""
    told: list[BadLine] = []
    sink = opened.ingest.open("p", on_bad_line=told.append)
    one = chunk(start("a"), b"%%%")
    one.oversize = 1
    sink.write(one)
    opened.ingest.flush("p")

    assert [bad_line.preview for bad_line in told] == ["%%%", ""]
    assert opened.real.get_play("p").counters == Counters(events=1, malformed=1, oversize=1)


def test_a_foreign_protocol_is_told_once(opened: Opened) -> None:
    """Its lines are read as version 1."""
    told: list[str] = []
    opened.ingest.on_trouble = told.append
    sink = opened.ingest.open("p")
    sink.write(chunk(b'{"type":"hello","protocol":9,"writer":"w"}', start("a")))
    sink.write(chunk(start("b")))
    opened.ingest.flush("p")

    assert told == ["a writer of the play p speaks protocol 9; it is read as version 1"]


def test_nobody_waits_for_a_thread_that_has_failed(tmp_path: Path) -> None:
    """An error that is a bug of ours reaches every caller, and no caller hangs."""
    opened = Opened(tmp_path)
    opened.store.error = ZeroDivisionError("a bug")
    sink = opened.ingest.open("p")
    calls: list[Callable[[], object]] = [
        lambda: opened.ingest.flush("p"),
        lambda: sink.write(chunk(start("b"))),
        lambda: opened.ingest.close("p", status="exited", end_ms=1.0),
    ]
    sink.write(chunk(start("a")))
    wait_until(lambda: not opened.ingest._thread.is_alive(), "the end of the thread")
    for call in calls:
        with pytest.raises(StoreError, match="ZeroDivisionError"):
            call()
    opened.close()

    assert opened.ingest._turns._broken is not None


# Many plays


def test_what_waits_of_all_plays_is_one_transaction(opened: Opened) -> None:
    """However many plays there are, the disk is waited for once."""
    sids = [f"q{number}" for number in range(10)]
    for sid in sids:
        opened.add_play(sid)
    sinks = [opened.ingest.open(sid) for sid in ["p", *sids]]
    opened.store.error = StoreLocked("locked")
    sinks[0].write(chunk(start("a")))
    wait_until(lambda: opened.store.failures, "the first try")
    for sink in sinks[1:]:
        sink.write(chunk(start("a")))
    opened.store.error = None
    for sid in sids:
        opened.ingest.flush(sid)

    assert sorted(sids) in opened.store.written


def test_a_play_that_is_refused_is_given_up_alone(opened: Opened) -> None:
    """Another process ended it: the other plays are written, and whoever asks for this one is told."""
    told: list[str] = []
    opened.ingest.on_trouble = told.append
    opened.add_play("q")
    refused, other = opened.ingest.open("p"), opened.ingest.open("q")
    opened.real.end_play("p", PlayEnd("failed", 2.0))
    for number in range(20):
        refused.write(chunk(start(str(number))))
        other.write(chunk(start(str(number))))
    opened.ingest.flush("q")
    with pytest.raises(IllegalMove):
        opened.ingest.flush("p")

    assert len(opened.spans("q")) == 20
    assert opened.spans("p") == {}
    assert len(told) == 1
    assert "the spans of the play p are not kept any more" in told[0]


def test_a_play_whose_write_fails_does_not_keep_the_others_from_disk(opened: Opened) -> None:
    """They are tried one by one."""
    opened.add_play("q")
    opened.store.error = StoreError("a row of p cannot be written")
    failing, other = opened.ingest.open("p"), opened.ingest.open("q")
    opened.ingest.hurry("p")
    failing.write(chunk(start("a")))
    other.write(chunk(start("a")))
    opened.ingest.flush("q")

    assert list(opened.spans("q")) == ["a"]


# Positions


def test_the_position_of_a_source_is_on_disk_with_its_events(opened: Opened) -> None:
    """So that who goes on after a crash neither repeats nor leaves out a line."""
    sink = opened.ingest.open("p")
    sink.write(chunk(start("a"), source="1", position=100))
    sink.write(chunk(start("b"), source="spool", position=70))
    opened.ingest.flush("p")

    assert [opened.real.load_position("p", source) for source in ("1", "spool", "2")] == [100, 70, 0]


def test_spans_with_very_much_text_are_read_back_a_few_at_a_time(opened: Opened) -> None:
    """What a batch speaks of may be a hundred times its own size; all of it is folded, each line once."""
    sink = opened.ingest.open("p")
    ids = [f"s{number}" for number in range(200)]
    write_all(sink, (chunk(start(span_id, tags={"t": "x" * 60_000})) for span_id in ids))
    opened.ingest.flush("p")
    logs = [json.dumps({"type": "span_log", "span_id": i, "text": "t", "ts_ms": 1}).encode() for i in ids]
    sink.write(chunk(*logs, position=9))
    opened.ingest.flush("p")

    assert sink.is_heavy
    assert {span.logs for span in opened.spans().values()} == {"[1] t"}
    assert opened.real.load_position("p", "1") == 9
