"""Streams that are read from a file: a whole play (docs/protocol.md, "Commands"), or the spool of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, Protocol

from hero_logic.core.lines import Chunk, LineBuffer
from hero_logic.core.records import Play, Sandbox
from hero_logic.core.wire import BadLine
from hero_logic.service.endings import end_recording
from hero_logic.service.ingest import Ingest, PlaySink
from hero_logic.store.contract import Store

if TYPE_CHECKING:
    from hero_logic.service.session import Session

_READ_BYTES = 128 * 1024


class Readable(Protocol):
    """What bytes can be read from."""

    def read(self, size: int, /) -> bytes:
        """At most so many; none at the end."""
        ...


class Spool(Readable, Protocol):
    """The events that a play kept in a file, opened (runner/spool.py)."""

    problem: str
    """Why it is not read, or not to its end; else ""."""

    def seek(self, offset: int, /) -> int:
        """Go on reading at that byte."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


_SPOOL = "spool"


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
    sink = session.ingest.open(sid, on_bad_line=on_bad_line)
    take_in(sink, stream, source="file", now_ms=session.now_ms)
    return end_recording(session.store, session.ingest, sid, end_ms=session.now_ms())


def take_in_spool(
    store: Store, ingest: Ingest, sid: str, spool: Spool | None, *, now_ms: Callable[[], float]
) -> str:
    """Fold what a play wrote while nobody listened, if anything; what is to be told about it, or "".

    Goes on where an earlier try was killed: how far that came is on record together with its spans.
    """
    if spool is None:
        return ""
    try:
        position = store.load_position(sid, _SPOOL)
        spool.seek(position)
        sink = ingest.sink(sid) or ingest.open(sid)
        take_in(sink, spool, source=_SPOOL, now_ms=now_ms, position=position)
        return spool.problem
    finally:
        spool.close()


def take_in(
    sink: PlaySink, stream: Readable, *, source: str, now_ms: Callable[[], float], position: int = 0
) -> None:
    """Read a stream to its end into a play, as fast as it is folded.

    Args:
        sink: the play's.
        stream: at ``position``.
        source: what it is called among the play's sources.
        now_ms: the time of receipt.
        position: how many bytes of it are folded already, and on disk.
    """
    lines = LineBuffer()
    told_oversize = 0
    is_open = True
    while is_open:
        data = stream.read(_READ_BYTES)
        is_open = bool(data)
        whole = lines.feed(data) if data else lines.finish()
        # A line that is too long is told of when all of it was read: who goes on here reads it again.
        oversize = lines.oversize - lines.is_discarding - told_oversize
        told_oversize += oversize
        if whole or oversize:
            end = position + lines.settled_position
            chunk = Chunk(whole, source=source, position=end, received_ms=now_ms(), oversize=oversize)
            if not sink.write(chunk):
                sink.wait_for_room()
    sink.disconnected(source)
