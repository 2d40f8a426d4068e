"""The span listener's end and its bounds: full sinks, endless lines, too many connections, idleness."""

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

from hero_logic.runner.span_loop import SpanLoop
from hero_logic.runner.span_socket import SpanListener
from support.listening import MIB, Listening, Sink, event
from support.runtime import SOURCE_DIR
from support.waiting import wait_until


def send_until_blocked(client: socket.socket) -> int:
    """Fill the buffer of a connection that nobody reads; how many bytes that took."""
    client.setblocking(False)
    sent = 0
    while select.select([], [client], [], 0.2)[1]:
        sent += client.send(event("a") * 500)
        assert sent < 16 * MIB, "no back-pressure"
    return sent


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
        listening.handle.finish(0.2)
        took_s = time.monotonic() - before_s

    assert (listening.sink.span_ids, listening.sink.malformed) == (["a"], 1)
    assert listening.sink.ended == ["1"]
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
    wait_until(lambda: listening.sink.chunks, "the first chunk")
    before_s = time.monotonic()
    listening.handle.finish(0.2)
    took_s = time.monotonic() - before_s
    stop.set()
    writer.join()

    assert took_s < 3


def test_a_full_sink_reaches_the_writer_as_back_pressure(listening: Listening) -> None:
    """While it is full, the writer's buffer fills up: nothing piles up here, and nothing is lost."""
    listening.sink.fill()
    with listening.connect() as client:
        sent = send_until_blocked(client)
    held_back = len(listening.sink.chunks)
    listening.sink.make_room()
    report = listening.handle.finish()

    assert held_back == 1, "it was told that there is no room, and no chunk came after that"
    assert (report.bytes, len(listening.sink.data_of("1"))) == (sent, sent)


def test_a_sink_that_is_full_again_after_each_chunk_gets_those_of_every_connection(
    listening: Listening,
) -> None:
    """Who was not read when it got full is the next: no connection starves behind another one."""
    listening.sink.fill()
    clients = [listening.connect() for _ in range(3)]
    wait_until(lambda: listening.handle.report.connections == 3, "three connections")
    for client in clients:
        send_until_blocked(client)
        wait_until(lambda: listening.sink.chunks, "the chunk of the first one, which fills it")
    for number in range(1, 8):
        wait_until(lambda: len(listening.sink.chunks) == number, "the next chunk")  # noqa: B023
        listening.sink.on_room()
    for client in clients:
        client.close()
    sources = [chunk.source for chunk in listening.sink.chunks[1:7]]

    assert sources == ["1", "2", "3"] * 2


def test_a_full_sink_does_not_use_up_the_time_to_drain(listening: Listening) -> None:
    """A store that is locked longer than the time to drain loses no events of a play that has ended."""
    listening.sink.fill()
    with listening.connect() as client:
        sent = send_until_blocked(client)
    listening.listener.request_end(0.3)
    assert not threading.Event().wait(0.5)
    listening.sink.make_room()
    report = listening.handle.wait()

    assert report.bytes == sent


def test_no_time_to_drain_ends_a_listener_whose_sink_is_full(listening: Listening) -> None:
    """Who wants it to end at once does not wait for the sink."""
    listening.sink.fill()
    with listening.connect() as client:
        send_until_blocked(client)
        report = listening.handle.finish(0.0)

    assert (report.connections, listening.sink.ended) == (1, ["1"])


def test_last_lines_without_newline_reach_a_sink_that_is_full(directory: Path) -> None:
    """What is in memory at the end is handed over, of each connection."""
    opened = Listening(directory)
    clients = [opened.connect() for _ in range(100)]
    for index, client in enumerate(clients):
        client.sendall(event(str(index))[:-1])
    wait_until(lambda: opened.handle.report.bytes == sum(len(event(str(i))) - 1 for i in range(100)), "all")
    opened.sink.fill()
    opened.handle.finish(0.0)
    for client in clients:
        client.close()

    assert sorted(map(int, opened.sink.span_ids)) == list(range(100))
    assert sorted(map(int, opened.sink.ended)) == list(range(1, 101))


# Bounds

_MEMORY = """
import resource, socket, sys, threading
sys.path.insert(0, sys.argv[1])
from hero_logic.runner.span_socket import SpanListener
class Sink:
    kept = 0
    def write(self, chunk):
        self.kept += len(chunk.data)
        return True
    def disconnected(self, source): pass
def peak_mib(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
sink = Sink()
listener = SpanListener.with_socket_path("s", sink, sys.argv[2])
listener.bind()
handle = listener.run()
def connect():
    client = socket.socket(socket.AF_UNIX)
    client.connect(sys.argv[2])
    return client
connect().close()
while not handle.report.connections: threading.Event().wait(0.005)
before = peak_mib()
"""

_ENDLESS = """
client = connect()
chunk = b"x" * (1 << 20)
for _ in range(int(sys.argv[3])):
    client.sendall(chunk)
if sys.argv[4] == "newline":
    client.sendall(b"\\n")
client.close()
report = handle.finish()
print(report.oversize, sink.kept, report.bytes, peak_mib() - before)
"""

_MANY_UNFINISHED = """
clients = [connect() for _ in range(int(sys.argv[3]))]
for client in clients:
    client.sendall(b"x" * ((1 << 20) - 10))
while handle.report.bytes < len(clients) * ((1 << 20) - 10): threading.Event().wait(0.005)
peak = peak_mib() - before
for client in clients:
    client.close()
report = handle.finish()
print(report.oversize, sink.kept // ((1 << 20) - 10), peak)
"""


def in_a_child(code: str, directory: Path, *arguments: object) -> list[int]:
    """Run code in a fresh process, whose peak of memory is its own; the numbers that it prints."""
    argv = [sys.executable, "-I", "-c", _MEMORY + code, SOURCE_DIR, str(directory / "s")]
    ran = subprocess.run([*argv, *map(str, arguments)], check=True, capture_output=True, text=True)
    return [int(word) for word in ran.stdout.split()]


@pytest.mark.parametrize("end", ["newline", "end of file"])
@pytest.mark.parametrize("mib", [128, pytest.param(1024, marks=pytest.mark.soak)])
def test_an_endless_line_is_discarded_in_bounded_memory(directory: Path, mib: int, end: str) -> None:
    """A line of any length costs a few MiB, and counts once, whether it ever ends or not."""
    oversize, kept, read, grown_mib = in_a_child(_ENDLESS, directory, mib, end)

    assert (oversize, kept, read) == (1, 0, mib * MIB + (end == "newline"))
    assert grown_mib < 16


@pytest.mark.parametrize("connections", [150, pytest.param(1000, marks=pytest.mark.soak)])
def test_the_default_budget_holds_for_many_connections(directory: Path, connections: int) -> None:
    """However many connections send just under a mebibyte each, they hold 64 MiB together at most."""
    oversize, kept, grown_mib = in_a_child(_MANY_UNFINISHED, directory, connections)

    assert oversize + kept == connections
    assert 60 <= kept <= 64
    assert grown_mib < 64 * 1.125 + 20, "a line that grows takes an eighth more than it has"


def test_unfinished_lines_of_all_connections_of_all_plays_share_a_budget(directory: Path) -> None:
    """Past it the longest of them is discarded as oversize, whose ever it is; the others go on."""
    loop = SpanLoop(max_unfinished_bytes=2000)
    plays = [Listening(directory, f"play-{number}", loop=loop, max_line_bytes=1000) for number in range(2)]
    lines = [event(str(index), tags={"t": "x" * (400 - index)}) for index in range(5)]
    clients = [plays[index % 2].connect() for index in range(5)]
    for client, line in zip(clients, lines, strict=True):
        client.sendall(line[:-2])
    reports = [play.handle.report for play in plays]
    wait_until(lambda: sum(r.bytes for r in reports) == sum(len(line) - 2 for line in lines), "all")
    for client, line in zip(clients, lines, strict=True):
        client.sendall(line[-2:])
        client.close()
    for play in plays:
        play.handle.finish()
    loop.close()

    assert [(play.handle.report.oversize, play.sink.oversize) for play in plays] == [(1, 1), (0, 0)]
    assert [sorted(play.sink.span_ids) for play in plays] == [["2", "4"], ["1", "3"]]


def test_what_has_ended_holds_nothing_of_the_budget(directory: Path) -> None:
    """Whatever way a line ends (whole, oversize, with its connection, its play, an error), it is free."""

    class Broken(Sink):
        def disconnected(self, source: str) -> None:
            super().disconnected(source)
            if source == "4":
                raise ZeroDivisionError

    loop = SpanLoop(max_unfinished_bytes=3000)
    stays = Listening(directory, "stays", loop=loop, max_line_bytes=1000)
    for number in range(20):
        sink = Broken() if number % 2 else Sink()
        play = Listening(directory, f"p-{number}", sink=sink, loop=loop, max_line_bytes=1000)
        play.send(b"x" * 900)
        play.send(b"x" * 1100)
        play.send(b"x" * 900 + b"\n")
        with play.connect() as one, play.connect() as two:
            for client in (one, two):
                client.sendall(b"x" * 900)
            wait_until(lambda: play.handle.report.bytes == 4701, "all")  # noqa: B023
            if number % 2:
                one.shutdown(socket.SHUT_WR)
                with pytest.raises(ZeroDivisionError):
                    play.handle.wait()
            else:
                play.handle.finish(0.0)
    with stays.connect() as client:
        line = event("a", tags={"t": "x" * 800})
        client.sendall(line[:-1])
        wait_until(lambda: stays.handle.report.bytes == len(line) - 1, "the line without its end")
        client.sendall(b"\n")
    report = stays.handle.finish()
    held = loop._unfinished.held_bytes
    loop.close()

    assert (report.oversize, stays.sink.span_ids) == (0, ["a"])
    assert held == 0


def test_descriptors_that_a_writer_passes_along_are_not_kept(listening: Listening) -> None:
    """They are nobody's, and what is written beside and after them is read."""
    with listening.connect() as client:
        client.sendall(event("before"))
        wait_until(lambda: listening.sink.chunks, "the first event")
        before = len(os.listdir("/proc/self/fd"))
        for number in range(50):
            socket.send_fds(client, [event(str(number))], [client.fileno()] * 20)
        wait_until(lambda: len(listening.sink.span_ids) == 51, "the events beside them")
        after = len(os.listdir("/proc/self/fd"))

    assert after == before
    assert listening.sink.span_ids == ["before", *map(str, range(50))]


def test_room_that_nobody_waited_for_is_nothing(listening: Listening) -> None:
    """A sink may say so too often."""
    for _ in range(100):
        listening.sink.on_room()
    listening.send(event("a"))
    listening.handle.finish()

    assert listening.sink.span_ids == ["a"]


def test_more_connections_than_descriptors_leave_the_runtime_its_own(directory: Path) -> None:
    """Who comes when there is no room waits in the backlog until another one ends; no event is lost."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, hard))
    try:
        opened = Listening(directory)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    clients = [opened.connect() for _ in range(200)]
    for index, client in enumerate(clients):
        client.sendall(event(str(index)))
    room = 300 - 128
    wait_until(lambda: len(opened.sink.chunks) > room * 0.8, "as many as have room")
    before_s = time.process_time()
    assert not threading.Event().wait(0.1)
    spent_s = time.process_time() - before_s
    assert opened.handle.report.connections <= room
    for client in clients:
        client.close()
    report = opened.handle.finish()

    assert (report.connections, len(opened.sink.span_ids)) == (200, 200)
    assert spent_s < 0.05, "it spins while it has no room"


# The end of a recording


def test_idle_begins_when_the_last_connection_has_closed(directory: Path) -> None:
    """Before anybody came it waits for ever; after the last one it ends by itself."""
    opened = Listening(directory, idle_s=0.05)
    assert not threading.Event().wait(0.15)
    assert os.path.exists(opened.path)
    with opened.connect() as client:
        client.sendall(event("a"))
        assert not threading.Event().wait(0.15)
        assert os.path.exists(opened.path)
    report = opened.handle.wait()

    assert (report.connections, opened.sink.span_ids) == (1, ["a"])


def test_a_full_sink_is_not_idle(directory: Path) -> None:
    """Who has connected meanwhile is not left out."""
    opened = Listening(directory, idle_s=0.05)
    opened.sink.fill()
    opened.send(event("a"))
    wait_until(lambda: opened.sink.chunks, "the first event")
    opened.send(event("b"))
    assert not threading.Event().wait(0.15)
    opened.sink.make_room()
    opened.handle.wait()

    assert opened.sink.span_ids == ["a", "b"]
