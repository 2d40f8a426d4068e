"""Scripts that run under a real listener, in real processes, for the tests of the SDK."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

SOURCE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "src")
CACHE = os.path.join(tempfile.gettempdir(), f"hero-tracing-bytecode-{os.getuid()}")
IMPORTS = "from hero_tracing import flow, instrument, propagate\nimport hero_tracing\n"
EventDict = dict[str, Any]

# What a script may begin with, to have a listener within itself: it is gone when ``ours`` is closed.
OWN_LISTENER = (
    "import os, socket; ours, theirs = socket.socketpair(); "
    "os.environ['HERO_FLOW_SPAN_FD'] = str(theirs.detach())"
)


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
    spool: bytes = b""

    @property
    def lines(self) -> list[bytes]:
        """All lines, connection by connection and then the spool's, without blank ones."""
        return [
            line for data in (*self.connections, self.spool) for line in data.split(b"\n") if line.strip()
        ]

    @property
    def events(self) -> list[EventDict]:
        """All events but the hellos."""
        return [event for event in map(json.loads, self.lines) if event["type"] != "hello"]

    @property
    def hellos(self) -> list[EventDict]:
        """The first line of each connection."""
        return [event for event in map(json.loads, self.lines) if event["type"] == "hello"]

    @property
    def logs(self) -> list[str]:
        """The text of every log, in order; a line that a connection left unfinished is left out."""
        events = [event for data in (*self.connections, self.spool) for event in whole_lines(data)]
        return [event["text"] for event in events if event["type"] == "span_log"]

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
        self.connected: list[socket.socket] = []
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
        self.connected.append(connection)
        selector.register(connection, selectors.EVENT_READ, self.received[-1])

    def _read(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        connection: Any = key.fileobj
        data = connection.recv(1 << 18)
        if not data:
            selector.unregister(connection)
        with self.changed:
            if not data:
                self.connected.remove(connection)
                connection.close()
            key.data.extend(data)
            self.changed.notify_all()

    def wait_for(self, text: bytes, timeout_s: float = 30) -> bool:
        """Wait until some connection has brought this text."""
        with self.changed:
            return self.changed.wait_for(lambda: any(text in data for data in self.received), timeout_s)

    def hang_up(self) -> None:
        """Be gone: every later send and connect fails. What was sent before is kept."""
        os.unlink(self.path)
        with self.changed:
            for connection in self.connected:
                connection.shutdown(socket.SHUT_RD)  # it fails the writer, and what is queued stays readable

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
    spool: str = "",
    hang_up_at: str = "",
    **variables: str,
) -> Play:
    """Run a script under a listener to its end.

    Args:
        script: Python source; it is dedented, and the names of the SDK are imported first.
        options: of the interpreter.
        first: a line of source that comes before the SDK is imported.
        python: the interpreter.
        by_descriptor: hand over a connected socket instead of a path.
        spool: the path of a spool, if there is to be one.
        hang_up_at: once this text has come the listener hangs up; then the script gets a line on its stdin.
        variables: of the environment, besides.
    """
    ours, theirs = socket.socketpair()
    listener = Listener(ours) if by_descriptor else Listener()
    variables.setdefault("HERO_FLOW_SPAN_SOCK", listener.path)
    descriptors = [theirs.fileno()] if by_descriptor else []
    if by_descriptor:
        variables["HERO_FLOW_SPAN_FD"] = str(theirs.fileno())
    if spool:
        variables["HERO_FLOW_SPAN_SPOOL"] = spool
    try:
        done = subprocess.Popen(
            [python, *options, "-c", f"{first}\n{IMPORTS}{textwrap.dedent(script)}"],
            env=clean_environment(**variables),
            pass_fds=descriptors,
            stdin=subprocess.PIPE if hang_up_at else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        theirs.close()
        if hang_up_at:
            listener.wait_for(hang_up_at.encode())
            listener.hang_up()
        stdout, stderr = done.communicate("go on\n" if hang_up_at else None, timeout=90)
    finally:
        connections = listener.close()
        ours.close()
    return Play(done.returncode, stdout, stderr, connections, read_file(spool))


def whole_lines(data: bytes) -> list[EventDict]:
    """The events of those lines that have their newline."""
    return [json.loads(line) for line in data.split(b"\n")[:-1] if line.strip()]


def lost_counts(data: bytes) -> list[int]:
    """Each number of lost events that was told, in order."""
    tags = [event["tags"] for event in whole_lines(data) if event["type"] == "span_tag"]
    return [tag["hero.lost"] for tag in tags if "hero.lost" in tag]


def read_file(path: str) -> bytes:
    """What is in a file; nothing where there is none."""
    if not os.path.isfile(path):
        return b""
    with open(path, "rb") as file:
        return file.read()


def read_all(connection: socket.socket) -> bytes:
    """Everything that comes until the other end is closed."""
    with connection:
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


@contextlib.contextmanager
def deaf_listener(backlog: int = 64, **variables: str) -> Iterator[tuple[socket.socket, dict[str, str]]]:
    """A listener that reads nothing of its own accord, and the environment that leads to it."""
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{directory}/s")
        listener.listen(backlog)
        yield listener, clean_environment(HERO_FLOW_SPAN_SOCK=f"{directory}/s", **variables)


def run_stalled(script: str, *, spool: str = "") -> Play:
    """Run a script whose listener reads nothing until the script has printed a line, then everything."""
    with deaf_listener(**({"HERO_FLOW_SPAN_SPOOL": spool} if spool else {})) as (listener, environment):
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", IMPORTS + textwrap.dedent(script)],
            env=environment,
            bufsize=0,  # a line is read, and no more than that
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        listener.settimeout(30)
        connection, _ = listener.accept()
        assert process.stdin
        assert process.stdout
        first = process.stdout.readline().decode()
        with contextlib.suppress(BrokenPipeError):  # a script that does not wait may have ended
            process.stdin.write(b"x")
        process.stdin.close()
        process.stdin = None
        connections = [read_all(connection)]
        stdout, stderr = process.communicate(timeout=60)
        listener.setblocking(False)
        with contextlib.suppress(BlockingIOError):  # a line that was cut takes its connection with it
            while True:
                connections.append(read_all(listener.accept()[0]))
    return Play(process.returncode, first + stdout.decode(), stderr.decode(), connections, read_file(spool))


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
