"""One loop for many plays: they do not hold each other up, whatever one of them does."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hero_logic.core.lines import Chunk
from hero_logic.runner.readiness import EpollReadiness, PollReadiness
from hero_logic.runner.span_loop import SpanLoop
from support.listening import Listening, Sink, event
from support.runtime import SOURCE_DIR
from support.waiting import wait_until

if TYPE_CHECKING:
    from hero_logic.runner.readiness import Readiness


def loop_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "span-loop"]


@pytest.fixture(params=[EpollReadiness, PollReadiness], ids=["epoll", "poll"])
def loop(request: pytest.FixtureRequest) -> Iterator[SpanLoop]:
    opened = SpanLoop(readiness=request.param)
    yield opened
    opened.close()
    assert loop_threads() == []


class Gate(Sink):
    """Holds up the loop itself in its first write, so that what comes next begins at once for all plays."""

    def __init__(self) -> None:
        super().__init__()
        self.is_open = threading.Event()

    def write(self, chunk: Chunk) -> bool:
        super().write(chunk)
        assert self.is_open.wait(20)
        return True


def hold(directory: Path, loop: SpanLoop) -> Gate:
    gate = Gate()
    held = Listening(directory, "gate", sink=gate, loop=loop)
    held.send(event("gate"))
    wait_until(lambda: gate.chunks, "the loop at its gate")
    return gate


# The thread


def test_the_thread_runs_while_there_are_plays(directory: Path, loop: SpanLoop) -> None:
    """It starts with the first listener, ends with the last one, and starts again with the next."""
    assert loop_threads() == []
    for _ in range(2):
        first = Listening(directory, "first", loop=loop)
        second = Listening(directory, "second", loop=loop)
        assert len(loop_threads()) == 1
        first.handle.finish()
        assert len(loop_threads()) == 1
        second.handle.finish()
        wait_until(lambda: not loop_threads(), "the end of the thread")

    assert loop._room.plays == 0


def test_closing_a_loop_ends_all_its_plays(directory: Path, loop: SpanLoop) -> None:
    """Their sockets are gone, their handles say what they had read, and the thread has ended."""
    plays = [Listening(directory, f"p{number}", loop=loop) for number in range(3)]
    plays[1].sink.fill()
    with plays[1].connect() as client:
        client.sendall(event("a"))
        wait_until(lambda: plays[1].sink.chunks, "the event")
        loop.close()
        loop.close()

    assert loop_threads() == []
    assert not any(os.path.exists(play.path) for play in plays)
    assert [play.handle.wait().connections for play in plays] == [0, 1, 0]


def test_a_loop_that_was_never_used_leaves_no_descriptor_open() -> None:
    """Closing is enough."""
    before = len(os.listdir("/proc/self/fd"))
    SpanLoop().close()

    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_thread_takes_no_signals(directory: Path, loop: SpanLoop) -> None:
    """A signal that the kernel gave to it would not wake the thread that acts on it."""
    opened = Listening(directory, loop=loop)
    with open(f"/proc/self/task/{loop_threads()[0].native_id}/status", encoding="ascii") as file:
        blocked = next(int(line.split()[1], 16) for line in file if line.startswith("SigBlk"))
    opened.handle.finish()

    assert all(blocked >> (number - 1) & 1 for number in (signal.SIGINT, signal.SIGTERM))
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & {signal.SIGINT, signal.SIGTERM}


# Plays that do not hold each other up


def test_two_plays_have_their_own_streams(directory: Path, loop: SpanLoop) -> None:
    """Each begins with the connection 1, and gets what was sent to it."""
    plays = [Listening(directory, f"p{number}", loop=loop) for number in range(2)]
    for number, play in enumerate(plays):
        play.send(event(f"of {number}"))
        play.handle.finish()

    assert [play.sink.span_ids for play in plays] == [["of 0"], ["of 1"]]
    assert [play.sink.ended for play in plays] == [["1"], ["1"]]


def test_a_full_sink_holds_up_no_other_play(directory: Path, loop: SpanLoop) -> None:
    """The others are read to their ends; the full one goes on once it has room."""
    full = Listening(directory, "full", sink=Sink(is_full=True), loop=loop)
    other = Listening(directory, "other", loop=loop)
    full_clients = [full.connect() for _ in range(5)]
    for client in full_clients:
        client.sendall(event("waits"))
    wait_until(lambda: full.sink.chunks, "the chunk that fills it")
    for number in range(50):
        other.send(event(str(number)))
    other.handle.finish()
    before_room = len(full.sink.chunks)
    full.sink.make_room()
    for client in full_clients:
        client.close()
    full.handle.finish()

    assert other.sink.span_ids == [str(number) for number in range(50)]
    assert (before_room, full.sink.span_ids) == (1, ["waits"] * 5)


def test_the_time_to_drain_stands_still_while_a_sink_is_full(directory: Path, loop: SpanLoop) -> None:
    """Also where other plays make the loop look at the clock meanwhile; what is there is read after that."""
    full = Listening(directory, "full", sink=Sink(is_full=True), loop=loop)
    other = Listening(directory, "other", loop=loop)
    clients = [full.connect() for _ in range(5)]
    for client in clients:
        client.sendall(event("a"))
    wait_until(lambda: full.sink.chunks, "the chunk that fills it")
    full.listener.request_end(0.3)
    assert not threading.Event().wait(0.4)
    for number in range(3):
        other.send(event(str(number)))
        wait_until(lambda: len(other.sink.ended) > number, "its end")  # noqa: B023
    is_there = os.path.exists(full.path)
    for client in clients:
        client.close()
    full.sink.make_room()
    full.handle.wait()

    assert is_there
    assert full.sink.span_ids == ["a"] * 5


class Counted:
    """The readiness of this system, which counts how often the loop has waited."""

    def __init__(self, make: Callable[[], Readiness]) -> None:
        inner = make()
        self.waits = 0
        self.add, self.group, self.close = inner.add, inner.group, inner.close
        self._wait = inner.wait

    def wait(self, timeout_s: float | None) -> list[int]:
        self.waits += 1
        return self._wait(timeout_s)


@pytest.mark.parametrize("make", [EpollReadiness, PollReadiness])
def test_a_full_sink_costs_no_turns(directory: Path, make: Callable[[], Readiness]) -> None:
    """However much its play has to say meanwhile, and whoever connects, it does not wake the loop."""
    counted = Counted(make)
    loop = SpanLoop(readiness=lambda: counted)
    full = Listening(directory, "full", sink=Sink(is_full=True), loop=loop)
    other = Listening(directory, "other", loop=loop)
    clients = [full.connect() for _ in range(20)]
    for client in clients:
        client.sendall(event("a"))
    wait_until(lambda: full.sink.chunks, "the chunk that fills it")
    with other.connect() as writer:
        for number in range(10):
            for client in clients:
                client.sendall(event("b"))
            writer.sendall(event(str(number)))
            wait_until(lambda: len(other.sink.chunks) > number, "its line")  # noqa: B023
            if number == 0:
                before = counted.waits
        waits = counted.waits - before
    loop.close()
    for client in clients:
        client.close()

    assert waits <= 9 * 2, "one turn for each line of the other play, and perhaps one that found nothing"


def test_a_play_that_ends_while_its_sink_is_full_costs_no_turns(directory: Path) -> None:
    """Its time stands still: there is nothing to look at before there is room."""
    counted = Counted(EpollReadiness)
    loop = SpanLoop(readiness=lambda: counted)
    full = Listening(directory, "full", sink=Sink(is_full=True), loop=loop)
    with full.connect() as client:
        client.sendall(event("a"))
        wait_until(lambda: full.sink.chunks, "the chunk that fills it")
        before = counted.waits
        full.listener.request_end(0.05)
        assert not threading.Event().wait(0.2)
        waits = counted.waits - before
    full.sink.make_room()
    full.handle.wait()
    loop.close()

    assert waits <= 3


def test_who_has_connected_in_time_is_not_left_out_by_a_loop_that_is_late(
    directory: Path, loop: SpanLoop
) -> None:
    """Where the time to wait for the next one is up, who waits already is read."""
    idle = Listening(directory, "idle", loop=loop, idle_s=0.4)
    gate = Gate()
    held = Listening(directory, "gate", sink=gate, loop=loop)
    with held.connect() as client:
        idle.send(event("a"))
        wait_until(lambda: idle.sink.ended, "the last one to go")
        client.sendall(event("gate"))
        wait_until(lambda: gate.chunks, "the loop at its gate")
        idle.send(event("b"))
        assert not threading.Event().wait(0.5)
        gate.is_open.set()
        idle.handle.wait()
    held.handle.finish()

    assert idle.sink.span_ids == ["a", "b"]


def test_a_play_with_a_thousand_connections_takes_as_many_turns_as_one_with_few(
    directory: Path, loop: SpanLoop
) -> None:
    """Each turn every play is read once, at most eight of its connections, and at most 32 KiB."""
    order: list[tuple[str, int]] = []

    class Recording(Sink):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def write(self, chunk: Chunk) -> bool:
            order.append((self.name, len(chunk.data)))
            return super().write(chunk)

    many = Listening(directory, "many", sink=Recording("many"), loop=loop)
    few = Listening(directory, "few", sink=Recording("few"), loop=loop)
    lines = b"".join(event(str(number)) for number in range(1000))
    clients = [many.connect() for _ in range(1000)]
    few_clients = [few.connect() for _ in range(8)]
    wait_until(lambda: many.handle.report.connections + few.handle.report.connections == 1008, "them all")
    gate = hold(directory, loop)
    for client in clients:
        client.sendall(event("a") * 20)
    for client in few_clients:
        client.sendall(lines)
    gate.is_open.set()
    wait_until(lambda: len(many.sink.chunks) >= 1000, "all of the many")
    wait_until(lambda: few.handle.report.bytes == 8 * len(lines), "all of the few")
    for client in (*clients, *few_clients):
        client.close()
    few.handle.finish()
    many.handle.finish()

    last_of_few = max(index for index, (name, _) in enumerate(order) if name == "few")
    of_many = [size for name, size in order[:last_of_few] if name == "many"]
    of_few = [size for name, size in order if name == "few"]
    turns = 8 * len(lines) / (32 * 1024)
    assert len(of_many) <= 8 * (turns + 3), "the few were read in their turns"
    assert of_many, "and the many in theirs"
    assert sum(of_few[:8]) <= 32 * 1024, "the eight that were ready have shared a turn"
    assert sorted(set(many.sink.ended), key=int) == [str(number) for number in range(1, 1001)]


def test_a_busy_writer_is_read_in_large_pieces(directory: Path, loop: SpanLoop) -> None:
    """Each reading costs as much as some thirty lines; 20,000 lines written one by one take far fewer."""
    listening = Listening(directory, "busy", loop=loop)
    with listening.connect() as client:
        for number in range(20_000):
            client.sendall(event(f"{number:016x}"))
    listening.handle.finish()

    assert len(listening.sink.span_ids) == 20_000
    assert len(listening.sink.chunks) < 2_000


def test_connections_of_a_play_are_read_in_rotation(directory: Path, loop: SpanLoop) -> None:
    """One that floods is not read twice before the others were read once."""
    gate = hold(directory, loop)
    opened = Listening(directory, loop=loop)
    flood = opened.connect()
    flood.setblocking(False)
    while select.select([], [flood], [], 0.1)[1]:
        flood.send(event("flood") * 1000)
    clients = [opened.connect() for _ in range(30)]
    for client in clients:
        client.sendall(event("a"))
    gate.is_open.set()
    wait_until(lambda: len({chunk.source for chunk in opened.sink.chunks}) == 31, "a chunk of each")
    sources = [chunk.source for chunk in opened.sink.chunks]
    for client in (flood, *clients):
        client.close()
    opened.handle.finish()

    until_all = sources[: max(sources.index(str(number)) for number in range(1, 32)) + 1]
    # 8 are accepted a turn: who came first may be read while the last ones are not there yet.
    assert until_all.count("1") <= 10


# What goes wrong with one play


@pytest.mark.parametrize("method", ["write", "disconnected"])
def test_a_sink_that_raises_ends_its_own_listener_alone(directory: Path, loop: SpanLoop, method: str) -> None:
    """Its handle raises what ended it, its socket is gone; the others go on."""

    class Broken(Sink):
        pass

    def fail(self: Sink, _: object) -> bool:
        raise ZeroDivisionError("the sink")

    setattr(Broken, method, fail)
    broken = Listening(directory, "broken", sink=Broken(), loop=loop)
    other = Listening(directory, "other", loop=loop)
    others_client = other.connect()
    others_client.sendall(event("before"))
    with broken.connect() as one, broken.connect() as two:
        two.sendall(event("x"))
        one.sendall(event("x"))
        one.shutdown(socket.SHUT_WR)
        with pytest.raises(ZeroDivisionError, match="the sink"):
            broken.handle.wait()
        with pytest.raises(ZeroDivisionError):
            broken.handle.finish()
    others_client.sendall(event("after"))
    others_client.close()
    other.handle.finish()

    assert not os.path.exists(broken.path)
    assert other.sink.span_ids == ["before", "after"]


def test_a_listener_that_is_closed_leaves_the_others_alone(directory: Path, loop: SpanLoop) -> None:
    """Closing waits until it is done; the others are read on."""
    closed = Listening(directory, "closed", loop=loop)
    other = Listening(directory, "other", loop=loop)
    with closed.connect() as client, other.connect() as others_client:
        client.sendall(event("a"))
        others_client.sendall(event("before"))
        wait_until(lambda: closed.sink.chunks and other.sink.chunks, "both")
        closed.listener.close()
        is_gone = not os.path.exists(closed.path)
        others_client.sendall(event("after"))
    other.handle.finish()

    assert is_gone
    assert (closed.sink.ended, other.sink.span_ids) == (["1"], ["before", "after"])


def test_room_for_a_play_that_has_ended_is_nothing(directory: Path, loop: SpanLoop) -> None:
    """Its sink may be worked off long after that."""
    opened = Listening(directory, "ended", sink=Sink(is_full=True), loop=loop)
    opened.send(event("a"))
    wait_until(lambda: opened.sink.chunks, "the event")
    opened.handle.finish(0.0)
    opened.sink.make_room()
    left = len(loop._posts)
    other = Listening(directory, "other", loop=loop)
    opened.sink.make_room()
    other.send(event("b"))
    other.handle.finish()

    assert (opened.sink.span_ids, other.sink.span_ids, left) == (["a"], ["b"], 0)


def test_word_that_was_left_for_a_play_that_has_ended_is_not_heeded(directory: Path, loop: SpanLoop) -> None:
    """An error ends it; what was asked of it meanwhile is nothing any more."""
    heeded: list[str] = []

    def fail() -> None:
        heeded.append("first")
        raise ZeroDivisionError

    gate = hold(directory, loop)
    opened = Listening(directory, loop=loop)
    reader = opened.handle._reader
    loop.post(reader, fail)
    loop.post(reader, lambda: heeded.append("second"))
    gate.is_open.set()
    with pytest.raises(ZeroDivisionError):
        opened.handle.wait()
    loop.close()

    assert heeded == ["first"]


def test_a_loop_that_breaks_lets_nobody_wait(directory: Path) -> None:
    """Where the system refuses to wait at all, every handle raises that, and nothing is left behind."""

    class Breaks(Counted):
        def wait(self, timeout_s: float | None) -> list[int]:
            super().wait(timeout_s)
            raise OSError("no more waiting")

    loop = SpanLoop(readiness=lambda: Breaks(EpollReadiness))
    opened = Listening(directory, loop=loop)
    with pytest.raises(OSError, match="no more waiting"):
        opened.handle.wait()
    loop.close()

    assert not os.path.exists(opened.path)


# Descriptors

_EXHAUSTED = """
import json, os, resource, socket, sys, threading
sys.path.insert(0, sys.argv[1])
from hero_logic.runner import readiness
from hero_logic.runner.span_loop import SpanLoop
from hero_logic.runner.span_socket import SpanListener
class Sink:
    def __init__(self): self.data = b""
    def write(self, chunk):
        self.data += chunk.data
        return True
    def disconnected(self, source): pass
def wait_for(look):
    for _ in range(4000):
        if look(): return
        threading.Event().wait(0.005)
    raise SystemExit("not within 20 s")
loop = SpanLoop(readiness=getattr(readiness, sys.argv[3]))
def listen(sid):
    sink = Sink()
    listener = SpanListener.with_socket_path(sid, sink, f"{sys.argv[2]}/{sid}")
    listener.bind()
    return sink, listener, listener.run(loop)
sink, listener, handle = listen("open")
late_sink, late_listener, late_handle = listen("late")
client, late = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
client.connect(listener.path)
client.sendall(b"first\\n")
wait_for(lambda: sink.data)
resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
taken = []
try:
    while True:
        taken.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
late.connect(late_listener.path)
late.sendall(b"late\\n")
for number in range(100):
    client.sendall(b"%d\\n" % number)
    wait_for(lambda: sink.data.endswith(b"\\n%d\\n" % number))
while_exhausted = late_sink.data
before = resource.getrusage(resource.RUSAGE_SELF)
threading.Event().wait(0.3)
after = resource.getrusage(resource.RUSAGE_SELF)
os.close(taken.pop())
wait_for(lambda: late_sink.data)
while taken:
    os.close(taken.pop())
print(json.dumps([while_exhausted.decode(), late_sink.data.decode(), sink.data.count(b"\\n")]))
print(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
client.close()
late.close()
handle.finish()
late_handle.finish()
loop.close()
"""


@pytest.mark.parametrize("readiness", ["EpollReadiness", "PollReadiness"])
def test_a_process_out_of_descriptors_reads_on_whom_it_has(directory: Path, readiness: str) -> None:
    """Who connects then waits, without keeping the loop busy, and is served once there is a descriptor."""
    ran = subprocess.run(
        [sys.executable, "-I", "-c", _EXHAUSTED, SOURCE_DIR, str(directory), readiness],
        check=True,
        capture_output=True,
        text=True,
    )
    told, spent_s = ran.stdout.splitlines()

    assert json.loads(told) == ["", "late\n", 101]
    assert float(spent_s) < 0.1, "it spins while it has no descriptor"


def test_a_play_that_takes_all_connections_it_can_leaves_some_for_the_next(directory: Path) -> None:
    """There is always a place for a play that has none yet."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (250, hard))
    try:
        loop = SpanLoop()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    greedy = Listening(directory, "greedy", loop=loop)
    modest = Listening(directory, "modest", loop=loop)
    clients = [greedy.connect() for _ in range(200)]
    for client in clients:
        client.sendall(event("g"))
    wait_until(lambda: len(greedy.sink.chunks) > 80, "as many as it may have")
    modest.send(event("m"))
    wait_until(lambda: modest.sink.chunks, "the modest one's event")
    had = greedy.handle.report.connections
    for client in clients:
        client.close()
    greedy.handle.finish()
    modest.handle.finish()
    loop.close()

    assert had < 250 - 128
    assert (len(greedy.sink.span_ids), modest.sink.span_ids) == (200, ["m"])
