"""A span listener that runs, with a sink that keeps what it is given."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

from hero_logic.core.lines import Chunk
from hero_logic.core.wire import decode_lines
from hero_logic.runner.span_loop import SpanLoop
from hero_logic.runner.span_socket import ListenerHandle, SpanListener

MIB = 1024 * 1024


class Sink:
    """Keeps what it is given; full from :meth:`fill` until :meth:`make_room`."""

    def __init__(self, *, is_full: bool = False) -> None:
        self.on_room: Callable[[], None] = lambda: None
        self.chunks: list[Chunk] = []
        self.ended: list[str] = []
        self.is_full = is_full

    def write(self, chunk: Chunk) -> bool:
        self.chunks.append(chunk)
        return not self.is_full

    def disconnected(self, source: str) -> None:
        self.ended.append(source)

    def fill(self) -> None:
        """From now on every write is told that it was the last one."""
        self.is_full = True

    def make_room(self) -> None:
        self.is_full = False
        self.on_room()

    def data_of(self, source: str = "1") -> bytes:
        return b"".join(chunk.data for chunk in self.chunks if chunk.source == source)

    @property
    def oversize(self) -> int:
        return sum(chunk.oversize for chunk in self.chunks)

    @property
    def span_ids(self) -> list[str]:
        events = (event for chunk in list(self.chunks) for event in decode_lines(chunk.data).events)
        return [event.span_id for event in events]  # type: ignore[union-attr]

    @property
    def malformed(self) -> int:
        return sum(len(decode_lines(chunk.data).bad_lines) for chunk in self.chunks)


def event(span_id: str, **more: object) -> bytes:
    return json.dumps({"type": "span_start", "span_id": span_id, "name": "n", **more}).encode() + b"\n"


class Listening:
    """A listener that runs, with its sink."""

    def __init__(
        self,
        directory: Path,
        sid: str = "play",
        *,
        sink: Sink | None = None,
        loop: SpanLoop | None = None,
        max_line_bytes: int | None = None,
        idle_s: float | None = None,
    ) -> None:
        self.sink = Sink() if sink is None else sink
        self.listener = SpanListener.with_socket_path(
            sid, self.sink, str(directory / f"spans-{sid}.sock"), max_line_bytes=max_line_bytes, idle_s=idle_s
        )
        self.listener.bind()
        self.path = self.listener.path
        self.handle: ListenerHandle = self.listener.run(loop)

    def connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.connect(self.path)
        return client

    def send(self, data: bytes) -> None:
        with self.connect() as client:
            client.sendall(data)
