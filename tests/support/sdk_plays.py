"""Scripts that run under a real listener, in real processes, for the tests of the SDK."""

from __future__ import annotations

import json
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
from dataclasses import dataclass, field
from typing import Any

SOURCE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "src")
CACHE = os.path.join(tempfile.gettempdir(), f"hero-tracing-bytecode-{os.getuid()}")
IMPORTS = "from hero_tracing import flow, instrument, propagate\nimport hero_tracing\n"
EventDict = dict[str, Any]


def clean_environment(**variables: str) -> dict[str, str]:
    """The environment of a script: it finds the SDK, and nothing of ours leaks into it."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("HERO_", "PYTHON", "COVERAGE"))}
    return {**clean, "PYTHONPATH": SOURCE, "PYTHONPYCACHEPREFIX": CACHE, **variables}


@dataclass
class Span:
    """What a listener would keep of one span, as far as the tests ask."""

    span_id: str = ""
    name: str = ""
    kind: str = ""
    parent_id: str = ""
    tags: EventDict = field(default_factory=dict)
    logs: list[str] = field(default_factory=list)
    levels: list[str | None] = field(default_factory=list)
    status: str = "running"
    error: str = ""
    ends: int = 0
    start: EventDict = field(default_factory=dict)


@dataclass
class Play:
    """A script that has run, and every line that its processes wrote."""

    returncode: int
    stdout: str
    stderr: str
    connections: list[bytes]

    @property
    def lines(self) -> list[bytes]:
        """All lines, connection by connection, without blank ones."""
        return [line for data in self.connections for line in data.split(b"\n") if line.strip()]

    @property
    def events(self) -> list[EventDict]:
        """All events but the hellos."""
        return [event for event in map(json.loads, self.lines) if event["type"] != "hello"]

    @property
    def hellos(self) -> list[EventDict]:
        """The first line of each connection."""
        return [event for event in map(json.loads, self.lines) if event["type"] == "hello"]

    @property
    def spans(self) -> list[Span]:
        """The spans, in the order of their first event."""
        spans: dict[str, Span] = {}
        for event in self.events:
            _fold(spans.setdefault(event["span_id"], Span(event["span_id"])), event)
        return list(spans.values())

    def span(self, name: str) -> Span:
        """The only span of that name."""
        (found,) = [span for span in self.spans if span.name == name]
        return found

    def parent_name(self, name: str) -> str:
        """The name of the span around the only span of that name; "" for a root."""
        parent_id = self.span(name).parent_id
        return next((span.name for span in self.spans if span.span_id == parent_id), "")


def _fold(span: Span, event: EventDict) -> None:
    span.tags.update(event.get("tags", {}))
    if event["type"] == "span_start":
        span.name, span.kind, span.parent_id = event["name"], event["kind"], event["parent_id"]
        span.start = event
    elif event["type"] == "span_log":
        span.logs.append(event["text"])
        span.levels.append(event.get("level"))
    elif event["type"] == "span_end":
        span.ends += 1
        if span.ends == 1:
            span.status, span.error = event["status"], event.get("error", "")


class Listener:
    """A Unix socket that keeps whatever comes, connection by connection, until every writer is gone."""

    def __init__(self, *adopted: socket.socket) -> None:
        self.adopted = adopted  # connections made elsewhere, before the script starts
        self.directory = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.directory.name, "s")
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(self.path)
        self.socket.listen(64)
        self.received: list[bytearray] = []
        self.changed = threading.Condition()
        self._finished = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self.socket, selectors.EVENT_READ)
            for connection in self.adopted:
                self._open(selector, connection)
            while True:
                ready = selector.select(timeout=0.02)
                for key, _ in ready:
                    if key.fileobj is self.socket:
                        self._open(selector, self.socket.accept()[0])
                    else:
                        self._read(selector, key)
                if not ready and self._finished and len(selector.get_map()) == 1:
                    return

    def _open(self, selector: selectors.BaseSelector, connection: socket.socket) -> None:
        self.received.append(bytearray())
        selector.register(connection, selectors.EVENT_READ, self.received[-1])

    def _read(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        connection: Any = key.fileobj
        data = connection.recv(1 << 18)
        if not data:
            selector.unregister(connection)
            connection.close()
        with self.changed:
            key.data.extend(data)
            self.changed.notify_all()

    def wait_for(self, text: bytes, timeout_s: float = 30) -> bool:
        """Wait until some connection has brought this text."""
        with self.changed:
            return self.changed.wait_for(lambda: any(text in data for data in self.received), timeout_s)

    def close(self) -> list[bytes]:
        """Wait until every writer is gone; what they wrote."""
        self._finished = True
        self._thread.join(timeout=60)
        self.socket.close()
        self.directory.cleanup()
        return [bytes(data) for data in self.received]


def run_play(
    script: str,
    *options: str,
    first: str = "",
    python: str = sys.executable,
    by_descriptor: bool = False,
    **variables: str,
) -> Play:
    """Run a script under a listener to its end.

    Args:
        script: Python source; it is dedented, and the names of the SDK are imported first.
        options: of the interpreter.
        first: a line of source that comes before the SDK is imported.
        python: the interpreter.
        by_descriptor: hand over a connected socket instead of a path.
        variables: of the environment, besides.
    """
    ours, theirs = socket.socketpair()
    listener = Listener(ours) if by_descriptor else Listener()
    variables.setdefault("HERO_FLOW_SPAN_SOCK", listener.path)
    descriptors = [theirs.fileno()] if by_descriptor else []
    if by_descriptor:
        variables["HERO_FLOW_SPAN_FD"] = str(theirs.fileno())
    try:
        done = subprocess.Popen(
            [python, *options, "-c", f"{first}\n{IMPORTS}{textwrap.dedent(script)}"],
            env=clean_environment(**variables),
            pass_fds=descriptors,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        theirs.close()
        stdout, stderr = done.communicate(timeout=90)
    finally:
        connections = listener.close()
        ours.close()
    return Play(done.returncode, stdout, stderr, connections)


def run_standalone(
    script: str, *options: str, python: str = sys.executable
) -> subprocess.CompletedProcess[str]:
    """Run a script without the runtime to its end."""
    return subprocess.run(
        [python, *options, "-c", IMPORTS + textwrap.dedent(script)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
