"""The one door for events, over a real store: folded, written, then shown; nothing is lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hero_logic.core.errors import IllegalMove, MalformedEvent, NotFound, StoreError, StoreLocked
from hero_logic.core.fold import Batch
from hero_logic.core.records import Play, Sandbox, Span, SpanDelta
from hero_logic.core.redaction import Redactor
from hero_logic.core.wire import decode_lines
from hero_logic.service.endings import end_recording
from hero_logic.service.ingest import Ingest
from hero_logic.store.sqlite import SqliteStore
from support.waiting import wait_until


class Failing:
    """A store whose writes fail while ``error`` is set."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.error: Exception | None = None
        self.failures = 0

    def write_spans(self, sid: str, delta: SpanDelta, *, closing: bool = False) -> int:
        if self.error is not None:
            self.failures += 1
            raise self.error
        return self._store.write_spans(sid, delta, closing=closing)

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


def batch(*lines: bytes, connection: int = 1) -> Batch:
    decoded = decode_lines(b"".join(line + b"\n" for line in lines))
    return Batch(decoded.events, received_ms=5.0, connection=connection, malformed=len(decoded.bad_lines))


def heavy_batch(*lines: bytes) -> Batch:
    """As if its lines had a mebibyte."""
    heavy = batch(*lines)
    heavy.size_bytes = 1024 * 1024
    return heavy


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
        opened.ingest.open("p").write(batch(start("stream")))
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
        sink.write(batch(start(str(number))))
    opened.ingest.flush("p")

    assert list(opened.spans()) == [str(number) for number in range(500)]


def test_what_is_shown_is_on_disk_already(opened: Opened) -> None:
    """Written, then seen: in the order of the store, each row as it stands there."""
    shown: list[str] = []

    def show(sid: str, delta: SpanDelta) -> None:
        stored = opened.spans(sid)
        shown.extend(row.span_id for row in delta.rows if stored[row.span_id].status == row.status)

    opened.ingest.on_commit = show
    sink = opened.ingest.open("p")
    for number in range(50):
        sink.write(batch(start(str(number))))
    opened.ingest.flush("p")

    assert shown == [str(number) for number in range(50)]


def test_plays_do_not_mix(opened: Opened) -> None:
    """Spans of the same id belong to their own plays."""
    opened.add_play("q")
    first, second = opened.ingest.open("p"), opened.ingest.open("q")
    first.write(batch(start("s", tags={"of": "p"})))
    second.write(batch(start("s", tags={"of": "q"})))
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
    sink.write(batch(start("open"), start("done"), b'{"type":"span_end","span_id":"done","status":"ok"}'))
    opened.ingest.close("p", status=status, end_ms=99.0)
    spans = opened.spans()

    assert (spans["open"].status, spans["open"].end_ms) == (found, 99.0)
    assert spans["open"].error == "the play ended while this span was open"
    assert spans["done"].status == "ok"


def test_a_value_that_nobody_may_read_never_reaches_the_disk(opened: Opened, tmp_path: Path) -> None:
    """It is replaced before anything is queued."""
    sink = opened.ingest.open("p", redactor=Redactor(["s3cret-value"]))
    sink.write(batch(start("s", tags={"k": ["a s3cret-value"]})))
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
    sink.write(batch(start("a")))
    wait_until(lambda: opened.store.failures >= 2, "the second try")
    sink.write(batch(start("b")))
    opened.store.error = None
    opened.ingest.flush("p")

    assert list(opened.spans()) == ["a", "b"]
    assert "the spans of the play p wait: locked by another process" in told


def test_the_queue_is_bounded_and_its_writer_waits(opened: Opened) -> None:
    """While nothing can be written, a writer is held up before memory grows; then all of it is there."""
    opened.store.error = StoreLocked("locked")
    sink = opened.ingest.open("p")
    written = 0
    done = threading.Event()

    def write() -> None:
        nonlocal written
        for number in range(300):
            sink.write(heavy_batch(start(str(number))))
            written += 1
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert not done.wait(0.5)
    held_up_at = written
    opened.store.error = None
    writer.join()
    opened.ingest.flush("p")

    assert held_up_at < 150, "a batch may be a mebibyte"
    assert len(opened.spans()) == 300


def test_a_flush_tells_that_it_could_not_be_written(opened: Opened) -> None:
    """It does not wait for ever, and what was not written is written later."""
    opened.store.error = StoreLocked("locked")
    sink = opened.ingest.open("p")
    sink.write(batch(start("a")))
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
        for number in range(300):
            sink.write(heavy_batch(start(str(number))))
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
    opened.ingest.open("p").write(batch(start("a")))
    wait_until(lambda: opened.store.failures, "the first try")
    opened.close()

    assert not opened.ingest._thread.is_alive()


@pytest.mark.parametrize("name", ["on_commit", "on_trouble"])
def test_a_face_that_fails_stops_nothing(opened: Opened, name: str) -> None:
    """Its trouble is its own: a pipe that nobody reads must not cost the record."""

    def fail(*_: object) -> None:
        raise BrokenPipeError

    told: list[str] = []
    opened.ingest.on_trouble = told.append
    setattr(opened.ingest, name, fail)
    sink = opened.ingest.open("p")
    sink.write(batch(b'{"type":"hello","protocol":9,"writer":"w"}', start("a")))
    opened.ingest.flush("p")
    sink.write(batch(start("b")))
    opened.ingest.flush("p")

    assert list(opened.spans()) == ["a", "b"]
    assert (name == "on_trouble") or any("BrokenPipeError" in text for text in told)


def test_a_foreign_protocol_is_told_once(opened: Opened) -> None:
    """Its lines are read as version 1."""
    told: list[str] = []
    opened.ingest.on_trouble = told.append
    sink = opened.ingest.open("p")
    sink.write(batch(b'{"type":"hello","protocol":9,"writer":"w"}', start("a")))
    sink.write(batch(start("b")))
    opened.ingest.flush("p")

    assert told == ["a writer of the play p speaks protocol 9; it is read as version 1"]


def test_nobody_waits_for_a_thread_that_has_failed(tmp_path: Path) -> None:
    """An error that is a bug of ours reaches every caller, and no caller hangs."""
    opened = Opened(tmp_path)
    opened.store.error = ZeroDivisionError("a bug")
    sink = opened.ingest.open("p")
    calls: list[Callable[[], object]] = [
        lambda: opened.ingest.flush("p"),
        lambda: sink.write(batch(start("b"))),
        lambda: opened.ingest.close("p", status="exited", end_ms=1.0),
    ]
    sink.write(batch(start("a")))
    wait_until(lambda: not opened.ingest._thread.is_alive(), "the end of the thread")
    for call in calls:
        with pytest.raises(StoreError, match="ZeroDivisionError"):
            call()
    opened.close()

    assert opened.ingest._broken is not None
