"""A span listener that runs, with a sink that keeps what it is given."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

from hero_logic.core.fold import Batch
from hero_logic.core.wire import BadLine
from hero_logic.runner.span_socket import ListenerHandle, SpanListener

MIB = 1024 * 1024


class Sink:
    """Keeps what it is given; ``gate`` holds up every write while it is clear."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.ended: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def write(self, batch: Batch) -> None:
        self.gate.wait()
        self.batches.append(batch)

    def disconnected(self, connection: int) -> None:
        self.ended.append(connection)

    @property
    def span_ids(self) -> list[str]:
        return [event.span_id for batch in self.batches for event in batch.events]  # type: ignore[union-attr]


def event(span_id: str, **more: object) -> bytes:
    return json.dumps({"type": "span_start", "span_id": span_id, "name": "n", **more}).encode() + b"\n"


class Listening:
    """A listener that runs, with its sink."""

    def __init__(self, directory: Path, **options: object) -> None:
        self.bad: list[BadLine] = []
        self.sink = Sink()
        self.listener = SpanListener("play", self.sink, on_bad_line=self.bad.append, **options)  # type: ignore[arg-type]
        self.listener.bind()
        self.path = self.listener.path
        self.handle: ListenerHandle = self.listener.run()

    def connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.connect(self.path)
        return client

    def send(self, data: bytes) -> None:
        with self.connect() as client:
            client.sendall(data)
