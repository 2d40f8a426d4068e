"""The end of a play: its spans closed, its outcome decided, its record written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hero_logic.core.outcome import ExitRecord, FlowResult, Leavings
from hero_logic.core.records import Artifact, Play, Sandbox
from hero_logic.core.redaction import Redactor
from hero_logic.service.endings import end_play, end_recording
from hero_logic.service.ingest import Ingest
from hero_logic.store.sqlite import SqliteStore


class Running:
    """A play that runs, over a real store."""

    def __init__(self, path: Path) -> None:
        self.store = SqliteStore.open(str(path / "db"))
        self.ingest = Ingest(self.store, now_ms=lambda: 2.0)
        self.store.create_play(Play(sid="p"), None)
        self.store.begin_play("p", start_ms=1.0, sandbox=Sandbox())

    def apply(self, **event: object) -> None:
        self.ingest.apply_event_json("p", json.dumps(event).encode())

    def start(self, span_id: str, **more: object) -> None:
        self.apply(type="span_start", span_id=span_id, name=span_id, **more)

    def finish(self, span_id: str, status: str) -> None:
        self.apply(type="span_end", span_id=span_id, status=status)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    found = Running(tmp_path)
    yield found
    found.ingest.__exit__()
    found.store.close()


def left(reason: str = "exited", output: object = None, **more: object) -> Leavings:
    return Leavings(ExitRecord(reason, 9.0, 0), FlowResult("returned", output), **more)  # type: ignore[arg-type]


def test_all_that_a_play_left_is_on_record(running: Running) -> None:
    """Once, at the time of its end."""
    leavings = left(output=[1], stdout="out", stderr="err", artifacts=[Artifact("a", 1)])
    play = end_play(running.store, running.ingest, "p", leavings)

    assert (play.status, play.end_ms, play.exit_code, play.output_json) == ("ok", 9.0, 0, "[1]")
    assert (play.stdout, play.stderr, play.artifacts) == ("out", "err", [Artifact("a", 1)])


@pytest.mark.parametrize(
    ("status", "found"), [("ok", "ok"), ("failed", "failed"), ("timed_out", "failed"), ("odd", "failed")]
)
def test_a_play_is_ok_only_if_its_roots_are(running: Running, status: str, found: str) -> None:
    """A child may fail without it."""
    running.start("root")
    running.start("child", parent_id="root")
    running.finish("child", "failed")
    running.finish("root", status)

    assert end_play(running.store, running.ingest, "p", left()).status == found


def test_a_root_that_is_open_makes_a_play_failed(running: Running) -> None:
    """Where the flow returned, it is not the flow's doing: events were lost, and that is what is told."""
    running.start("root")
    play = end_play(running.store, running.ingest, "p", left())

    assert play.status == "failed"
    assert play.error == "the flow returned, but the end of its root span never came: events were lost"


@pytest.mark.parametrize("reason", ["timed_out", "cancelled"])
def test_open_spans_end_as_their_play_did(running: Running, reason: str) -> None:
    """Timed out or cancelled."""
    running.start("root")
    play = end_play(running.store, running.ingest, "p", left(reason))
    [span] = running.store.read_spans("p")

    assert (play.status, span.status, span.end_ms) == (reason, reason, 9.0)


def test_the_first_end_of_a_play_stands(running: Running) -> None:
    """A terminal status is final, whoever comes later."""
    end_play(running.store, running.ingest, "p", left("timed_out"))
    again = end_play(running.store, running.ingest, "p", left(output=1, stdout="late"))

    assert (again.status, again.output_json, again.stdout) == ("timed_out", None, "")


def test_a_lost_play_whose_root_is_open_was_lost_with_its_runtime(running: Running) -> None:
    """Its last events were: that is told, and not what the flow did not do."""
    running.start("root")
    play = end_play(running.store, running.ingest, "p", left(output=1), is_runtime_gone=True)

    assert (play.status, play.error) == ("failed", "the runtime ended while this play ran")


@pytest.mark.parametrize(
    "output",
    ["a s3cret b", {"s3cret": ["s3cret"]}, ["x", {"deep": {"k": "S=s3cret"}}]],
)
def test_no_value_that_was_let_through_is_on_record(running: Running, output: object) -> None:
    """Neither in the output, nor in what was printed, nor in the error."""
    leavings = Leavings(
        ExitRecord("exited", 9.0, 1),
        FlowResult("raised", output, "ValueError: s3cret", "Traceback s3cret"),
        stdout="s3cret",
        stderr="x s3cret",
    )
    failed = end_play(running.store, running.ingest, "p", leavings, redactor=Redactor(["s3cret"]))

    assert "s3cret" not in repr(failed)
    assert failed.error.startswith("ValueError: ***")


@pytest.mark.parametrize(
    ("secret", "output", "found"),
    [
        ("8080", {"port": 8080, "text": "8080", "n": 80801}, {"port": "***", "text": "***", "n": 80801}),
        ('","b', ["a", "b"], ["a", "b"]),
        ("a s3cret", "a s3cret", "***"),
    ],
)
def test_an_output_without_the_value_is_json_still(
    running: Running, secret: str, output: object, found: object
) -> None:
    """A number becomes text, and the marks of JSON are not the value."""
    play = end_play(running.store, running.ingest, "p", left(output=output), redactor=Redactor([secret]))

    assert json.loads(play.output_json or "") == found


@pytest.mark.parametrize(
    ("statuses", "found"), [([], "ok"), (["ok", "ok"], "ok"), (["ok", "failed"], "failed"), ([""], "failed")]
)
def test_a_recording_is_ok_if_every_root_is_or_there_is_none(
    running: Running, statuses: list[str], found: str
) -> None:
    """docs/protocol.md, "Commands"; an empty status here stands for none: a span left open."""
    for number, status in enumerate(statuses):
        running.start(str(number))
        if status:
            running.finish(str(number), status)

    assert end_recording(running.store, running.ingest, "p", end_ms=9.0).status == found
