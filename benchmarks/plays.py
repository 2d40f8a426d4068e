"""The way of a play through the queue: how many a second, how soon its end is seen, how soon it is cancelled.

    python benchmarks/plays.py [--quick] [--json FILE]

Two workers, each a process that runs two plays at a time, over one store; who asks is a third process.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from measure import Claim, arguments, finish

from hero_logic.app import make_client
from hero_logic.core.records import FlowVersion
from hero_logic.service.play_verbs import PlayVerbs, Wanted
from hero_logic.service.versions import content_sid

PLAYS = 400
WAITS = 60
CANCELS = 10
GRACE_S = 0.2
_LATEST_MS = 60_000.0

QUICK = """\
from hero_tracing import flow

@flow
def main():
    with flow.step("a step"):
        pass
    return 1
"""
STUBBORN = """\
import signal
from hero_tracing import flow

@flow
def main():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with flow.step("open"):
        while True:
            signal.pause()
"""


def version(source: str) -> FlowVersion:
    """A flow as its library has it."""
    return FlowVersion(content_sid(source), "main", "", source, 1.0)


@contextmanager
def workers(environment: dict[str, str]) -> Iterator[None]:
    """Two of them, ready to claim."""
    command = [sys.executable, "-m", "hero_logic", "worker", "--plays", "2"]
    processes = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.communicate()


def plays_a_second(verbs: PlayVerbs, count: int) -> float:
    """From the first that is asked for to the last that has ended ok."""
    flow = version(QUICK)
    began_s = time.perf_counter()
    sids = [verbs.queue_version(flow, Wanted()) for _ in range(count)]
    for sid in sids:
        assert verbs.play_wait(sid, timeout_ms=_LATEST_MS).status == "ok"
    return count / (time.perf_counter() - began_s)


def starts_a_second(count: int) -> float:
    """Python, two at a time, that does nothing."""
    command = [sys.executable, "-I", "-c", "pass"]
    began_s = time.perf_counter()
    for _ in range(count // 2):
        both = [subprocess.Popen(command), subprocess.Popen(command)]
        for process in both:
            process.wait()
    return count / (time.perf_counter() - began_s)


def wait_ms(verbs: PlayVerbs) -> float:
    """From the end of the last process of a play until who waits for it has it."""
    play = verbs.play_wait(verbs.queue_version(version(QUICK), Wanted()), timeout_ms=_LATEST_MS)
    assert play.end_ms is not None
    return time.time() * 1000 - play.end_ms


def wake_ms() -> float:
    """A datagram to another process and back."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    code = (
        "import socket, sys; s = socket.socket(fileno=int(sys.argv[1]))\n"
        "while s.recv(9) != b'E': s.send(b'R')"
    )
    with subprocess.Popen(
        [sys.executable, "-I", "-c", code, str(theirs.fileno())], pass_fds=[theirs.fileno()]
    ) as process:
        took_ms = 0.0
        for _ in range(20):
            began_s = time.perf_counter()
            ours.send(b"S")
            ours.recv(9)
            took_ms = (time.perf_counter() - began_s) * 1000
        ours.send(b"E")
        process.wait()
    ours.close()
    theirs.close()
    return took_ms


def cancel_ms(verbs: PlayVerbs) -> float:
    """How long a play that ignores SIGTERM outlives its grace, once it is cancelled."""
    sid = verbs.queue_version(version(STUBBORN), Wanted(grace_s=GRACE_S))
    while verbs.play_status(sid).span_count < 2:
        time.sleep(0.01)
    began_s = time.perf_counter()
    verbs.play_cancel(sid, asked_by="the benchmark")
    play = verbs.play_wait(sid, timeout_ms=_LATEST_MS)
    assert play.status == "cancelled", play.status
    return (time.perf_counter() - began_s - GRACE_S) * 1000


def kill_ms() -> float:
    """SIGKILL of a process that sleeps, until its end is known."""
    with subprocess.Popen([sys.executable, "-I", "-c", "import signal; signal.pause()"]) as process:
        time.sleep(0.1)
        began_s = time.perf_counter()
        process.kill()
        process.wait()
        return (time.perf_counter() - began_s) * 1000


def main() -> int:
    """Measure; 1 if a goal was missed."""
    options = arguments(__doc__ or "")
    plays, waits, cancels = (20, 5, 2) if options.quick else (PLAYS, WAITS, CANCELS)
    with tempfile.TemporaryDirectory() as directory:
        environment = {
            **os.environ,
            "HERO_LOGIC_HOME": os.path.join(directory, "home"),
            "HERO_LOGIC_SANDBOX": "best",
        }
        client = make_client(environment)
        with client.ask() as verbs, workers(environment):
            plays_a_second(verbs, 8)
            rates = [plays_a_second(verbs, plays // 4) for _ in range(4)]
            late = [wait_ms(verbs) for _ in range(waits)]
            outlived = [cancel_ms(verbs) for _ in range(cancels)]
    claims = [
        Claim(
            "plays a second through the queue, two workers", values=rates,
            floor=[starts_a_second(max(plays // 4, 2)) for _ in range(4)],
            floor_name="starts of Python, two at a time", unit="plays/s", goal=None, better="more",
        ),
        Claim(
            "from the end of a play to who waits for it", values=late, floor=[wake_ms() for _ in range(3)],
            floor_name="a datagram there and back", unit="ms", goal=None, limit=20.0,
        ),
        Claim(
            "a cancelled play that ignores SIGTERM, past its grace", values=outlived,
            floor=[kill_ms() for _ in range(3)],
            floor_name="a SIGKILL of a process", unit="ms", goal=None, limit=200.0,
        ),
    ]  # fmt: skip
    return finish("Plays: the way through the queue", claims, options)


if __name__ == "__main__":
    sys.exit(main())
