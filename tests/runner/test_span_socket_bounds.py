"""The span listener's end and its bounds: slow sinks, endless lines, too many connections, idleness."""

from __future__ import annotations

import os
import resource
import select
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hero_logic.runner.span_socket import SpanListener
from support.listening import MIB, Listening, Sink, event
from support.runtime import SOURCE_DIR
from support.waiting import wait_until

# Draining


def test_finish_reads_what_is_still_in_the_sockets(directory: Path) -> None:
    """Also of connections that still wait in the backlog, when nobody has read anything yet."""
    sink = Sink()
    listener = SpanListener("s", sink)
    listener.bind()
    for index in range(50):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(listener.path)
            client.sendall(event(str(index)))
    listener.request_end(10.0)
    report = listener.run().wait()

    assert (report.connections, sorted(map(int, sink.span_ids))) == (50, list(range(50)))


def test_a_writer_that_never_closes_cannot_hold_the_end(listening: Listening) -> None:
    """The time to drain bounds it, and what the writer had sent is kept."""
    with listening.connect() as client:
        client.sendall(event("a") + b'{"half')
        before_s = time.monotonic()
        report = listening.handle.finish(0.2)
        took_s = time.monotonic() - before_s

    assert (listening.sink.span_ids, report.malformed) == (["a"], 1)
    assert 0.2 <= took_s < 2


def test_a_writer_that_never_stops_cannot_hold_the_end(listening: Listening) -> None:
    """Nor can one that writes without pause."""
    stop = threading.Event()

    def flood() -> None:
        with listening.connect() as client:
            try:
                while not stop.is_set():
                    client.sendall(event("x") * 100)
            except OSError:
                return

    writer = threading.Thread(target=flood)
    writer.start()
    wait_until(lambda: listening.sink.batches, "the first batch")
    before_s = time.monotonic()
    listening.handle.finish(0.2)
    took_s = time.monotonic() - before_s
    stop.set()
    writer.join()

    assert took_s < 3


def test_a_slow_sink_reaches_the_writer_as_back_pressure(listening: Listening) -> None:
    """While the sink waits, the writer's buffer fills up: nothing piles up here, and nothing is lost."""
    listening.sink.gate.clear()
    client = listening.connect()
    client.setblocking(False)
    sent = 0
    while select.select([], [client], [], 0.2)[1]:
        sent += client.send(event("a"))
        assert sent < 16 * MIB, "no back-pressure"
    listening.sink.gate.set()
    client.close()
    report = listening.handle.finish()

    assert report.bytes == sent


def test_what_a_slow_sink_takes_does_not_count_as_time_to_drain(listening: Listening) -> None:
    """A store that is locked longer than the time to drain loses no events of a play that has ended."""
    listening.sink.gate.clear()
    with listening.connect() as client:
        client.setblocking(False)
        sent = 0
        while select.select([], [client], [], 0.2)[1]:
            sent += client.send(event("a"))
    listening.listener.request_end(0.1)
    assert not threading.Event().wait(0.3)
    listening.sink.gate.set()
    report = listening.handle.wait()

    assert report.bytes == sent


# Bounds

_ENDLESS = """
import resource, socket, sys, threading
sys.path.insert(0, sys.argv[1])
from hero_logic.runner.span_socket import SpanListener
import hero_logic.core.fold, hero_logic.core.wire
class Sink:
    def write(self, batch): pass
    def disconnected(self, connection): pass
listener = SpanListener.with_socket_path("s", Sink(), sys.argv[2])
listener.bind()
handle = listener.run()
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
chunk = b"x" * (1 << 20)
for _ in range(256):
    client.sendall(chunk)
if sys.argv[3] == "newline":
    client.sendall(b"\\n")
client.close()
report = handle.finish()
print(report.oversize, report.malformed, report.events, report.bytes)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("end", ["newline", "end of file"])
def test_an_endless_line_is_discarded_in_bounded_memory(directory: Path, end: str) -> None:
    """256 MiB of one line cost a few, and count once, whether the line ever ends or not."""
    ran = subprocess.run(
        [sys.executable, "-I", "-c", _ENDLESS, SOURCE_DIR, str(directory / "s"), end],
        check=True,
        capture_output=True,
        text=True,
    )
    counts, grown_mib = ran.stdout.splitlines()

    assert counts == f"1 0 0 {256 * MIB + (end == 'newline')}"
    assert int(grown_mib) < 16


def test_unfinished_lines_of_all_connections_share_a_budget(directory: Path) -> None:
    """Past it the longest of them is discarded as oversize; the others go on."""
    opened = Listening(directory, max_line_bytes=1000, max_unfinished_bytes=2000)
    clients = [opened.connect() for _ in range(5)]
    wait_until(lambda: opened.listener.report.connections == 5, "five connections")
    lines = [event(str(index), tags={"t": "x" * (400 + index)}) for index in range(5)]
    for client, line in zip(clients, lines, strict=True):
        client.sendall(line[:-2])
    wait_until(lambda: opened.listener.report.oversize, "the longest line's end")
    for client, line in zip(clients, lines, strict=True):
        client.sendall(line[-2:])
        client.close()
    report = opened.handle.finish()

    assert (report.oversize, sorted(opened.sink.span_ids)) == (1, ["0", "1", "2", "3"])


def test_the_default_budget_holds_for_many_connections(directory: Path) -> None:
    """A hundred connections with just under a mebibyte each hold 64 MiB at most."""
    opened = Listening(directory)
    clients = [opened.connect() for _ in range(100)]
    for client in clients:
        client.sendall(b"x" * (MIB - 10))
    wait_until(lambda: opened.listener.report.bytes == 100 * (MIB - 10), "all bytes")
    held = sum(one.lines.unfinished_bytes for one in opened.listener._connections.values())
    for client in clients:
        client.close()
    report = opened.handle.finish()

    assert held <= 64 * MIB
    assert report.oversize + report.malformed == 100
    assert report.oversize >= 36


def test_more_connections_than_descriptors_leave_the_runtime_its_own(directory: Path) -> None:
    """Who comes when there is no room waits in the backlog until another one ends; no event is lost."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        opened = Listening(directory)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    clients = [opened.connect() for _ in range(150)]
    for index, client in enumerate(clients):
        client.sendall(event(str(index)))
    room = 200 - 128
    wait_until(lambda: opened.listener.report.events == room, "as many as have room")
    before_s = time.process_time()
    assert not threading.Event().wait(0.1)
    spent_s = time.process_time() - before_s
    assert opened.listener.report.connections == room
    for client in clients:
        client.close()
    report = opened.handle.finish()

    assert (report.connections, report.events) == (150, 150)
    assert spent_s < 0.05, "it spins while it has no room"


def test_a_listener_out_of_descriptors_goes_on_when_there_are_some(directory: Path) -> None:
    """Whoever used them up: the listener waits without spinning, and accepts later."""
    opened = Listening(directory)
    opened.send(event("first"))
    wait_until(lambda: opened.sink.batches, "the first event")
    client = socket.socket(socket.AF_UNIX)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used - 1, hard))
    try:
        client.connect(opened.path)
        client.sendall(event("second"))
        before_s = time.process_time()
        threading.Event().wait(0.2)
        spent_s = time.process_time() - before_s
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    client.close()
    opened.handle.finish()

    assert opened.sink.span_ids == ["first", "second"]
    assert spent_s < 0.1


# The end of a recording


def test_idle_begins_when_the_last_connection_has_closed(directory: Path) -> None:
    """Before anybody came it waits for ever; after the last one it ends by itself."""
    opened = Listening(directory, idle_s=0.05)
    assert not threading.Event().wait(0.15)
    assert opened.handle._thread.is_alive()
    with opened.connect() as client:
        client.sendall(event("a"))
        assert not threading.Event().wait(0.15)
        assert opened.handle._thread.is_alive()
    report = opened.handle.wait()

    assert (report.events, opened.sink.span_ids) == (1, ["a"])
