"""A stream of events that is read from a file, as one play (docs/protocol.md, "Commands")."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from hero_logic.core.fold import Batch
from hero_logic.core.lines import LineBuffer
from hero_logic.core.records import Play, Sandbox
from hero_logic.core.wire import BadLine, decode_lines
from hero_logic.service.endings import end_recording
from hero_logic.service.session import Session

_READ_BYTES = 256 * 1024


def record_stream(
    sid: str,
    stream: BinaryIO,
    *,
    session: Session,
    on_bad_line: Callable[[BadLine], None],
    note: Callable[[str], None],
) -> Play:
    """Fold a stream of events into a new play, to its end; the play as it then stands."""
    session.enter_runtime()
    session.ingest.on_trouble = note
    session.plays.create(sid)
    session.plays.begin(sid, Sandbox())
    sink = session.ingest.open(sid)
    lines = LineBuffer()
    told_oversize = 0
    is_open = True
    while is_open:
        data = stream.read(_READ_BYTES)
        is_open = bool(data)
        decoded = decode_lines(lines.feed(data) if data else lines.finish())
        oversize = lines.oversize - told_oversize
        told_oversize += oversize
        for bad_line in decoded.bad_lines:
            on_bad_line(bad_line)
        for _ in range(oversize):
            on_bad_line(BadLine("a line that is too long", ""))
        sink.write(
            Batch(
                decoded.events,
                received_ms=session.now_ms(),
                connection=1,
                malformed=len(decoded.bad_lines),
                oversize=oversize,
                size_bytes=len(data),
            )
        )
    sink.disconnected(1)
    return end_recording(session.store, session.ingest, sid, end_ms=session.now_ms())
