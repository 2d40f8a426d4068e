"""A file of events as one play."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from hero_logic.app import open_session
from hero_logic.config import Config
from hero_logic.core.records import Play, Span
from hero_logic.core.wire import BadLine
from hero_logic.service.recording import record_stream

START = b'{"type":"span_start","span_id":"%d","name":"n"}\n'
END = b'{"type":"span_end","span_id":"%d","status":"ok"}\n'


class Dribble(io.RawIOBase):
    """A stream that gives a few bytes a read."""

    def __init__(self, data: bytes, step: int) -> None:
        self._left = data
        self._step = step

    def read(self, size: int = -1, /) -> bytes:
        piece, self._left = self._left[: self._step], self._left[self._step :]
        return piece


def record(tmp_path: Path, stream: io.IOBase) -> tuple[Play, list[Span], list[BadLine]]:
    bad: list[BadLine] = []
    with open_session(Config(str(tmp_path / "home"))) as session:
        play = record_stream("p", stream, session=session, on_bad_line=bad.append, note=lambda _: None)  # type: ignore[arg-type]
        return play, list(session.plays.spans("p")), bad


@pytest.mark.parametrize("step", [1, 7, 10**6])
def test_a_stream_is_recorded_whatever_the_pieces_it_comes_in(tmp_path: Path, step: int) -> None:
    """The same spans, counters and status."""
    data = b"garbage\n" + b"".join(START % n + END % n for n in range(20))
    play, spans, bad = record(tmp_path, Dribble(data, step))

    assert (play.status, [span.span_id for span in spans]) == ("ok", [str(n) for n in range(20)])
    assert (play.counters.events, play.counters.malformed, len(bad)) == (40, 1, 1)


def test_a_line_that_is_too_long_is_told_and_counted(tmp_path: Path) -> None:
    """The stream goes on after it."""
    data = START % 1 + b"x" * 1_100_000 + b"\n" + END % 1
    play, [span], [bad] = record(tmp_path, Dribble(data, 100_000))

    assert (play.status, span.status, play.counters.oversize) == ("ok", "ok", 1)
    assert "too long" in bad.reason


def test_an_empty_stream_is_an_ok_play_without_spans(tmp_path: Path) -> None:
    """There is no root that failed."""
    play, spans, bad = record(tmp_path, io.BytesIO(b""))

    assert (play.status, spans, bad) == ("ok", [], [])


def test_what_is_open_at_the_end_of_the_input_has_failed(tmp_path: Path) -> None:
    """Rule 13 applies at that moment."""
    play, [span], _ = record(tmp_path, io.BytesIO(START % 1))

    assert (play.status, span.status, span.end_ms) == ("failed", "failed", play.end_ms)
    assert span.error == "the play ended while this span was open"


def test_a_last_line_without_its_newline_counts(tmp_path: Path) -> None:
    """If it is a whole object."""
    play, spans, _ = record(tmp_path, io.BytesIO(START % 1 + (END % 1).rstrip()))

    assert (play.status, spans[0].status, play.counters.malformed) == ("ok", "ok", 0)


def test_a_stream_that_breaks_leaves_a_play_for_recovery(tmp_path: Path) -> None:
    """What came before it broke is on record, and the next command gives it its end."""

    class Broken(Dribble):
        def read(self, size: int = -1, /) -> bytes:
            return super().read(size) or self._fail()

        def _fail(self) -> bytes:
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        record(tmp_path, Broken(START % 1, 10))
    with open_session(Config(str(tmp_path / "home"))) as session:
        play = session.plays.get("p")
        spans = list(session.plays.spans("p"))

    assert (play.status, play.error) == ("failed", "the runtime ended while this play ran")
    assert [span.status for span in spans] == ["failed"]
