"""Killed processes, a clock that is set back, no descriptors left: the record stays whole and truthful."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from support.clock import HOUR_S, Clock
from support.command import COMMAND, environment, hero_logic, last_line, shown, start
from support.processes import wait_until_gone
from support.records import SPAN, check_store, database, events_on_record, held_store, plays
from support.runtime import write_flow
from support.scale import SCALE
from support.waiting import wait_until

KILLS = {"flow": 7, "runtime": 7, "both": 6}
LONG = 2 * SCALE
"""So many times as many kills in the long version: 200 at the scale of a soak."""

OPEN_AT_END = "the play ended while this span was open"
START_S = 0.3
"""What a command takes, roughly, until its flow has begun."""


# Kills: each call of the SDK that has returned is counted in memory that outlives the process.

FLOW = """
import mmap, os
@flow
def main(calls_path: str):
    with open(calls_path, "r+b") as file:
        # One store a number: struct.pack_into clears it first, and a kill may come in between.
        shared = memoryview(mmap.mmap(file.fileno(), 16)).cast("Q")
    shared[1] = os.getpid()
    def has_returned():
        shared[0] += 1
    number = 0
    while True:
        with flow.step(f"step {number}") as step:
            has_returned()
            step.tag(n=number)
            has_returned()
            step.log(f"log {number}")
            has_returned()
        has_returned()
        number += 1
"""


class Counted:
    """A run of the flow above, and what it has counted."""

    def __init__(self, directory: Path, number: int, marker: str) -> None:
        self.calls_path = directory / f"calls-{number}"
        self.calls_path.write_bytes(bytes(16))
        path = write_flow(directory, FLOW)
        self.process = start(
            "run", path, "--quiet", "-i", f"calls_path={self.calls_path}", HERO_FLOW_MARKER=marker
        )

    def counted(self) -> tuple[int, int]:
        """(calls that have returned, the pid of the flow or 0)."""
        calls, pid = struct.unpack("=QQ", self.calls_path.read_bytes())
        return calls, pid

    def wait_for_first_call(self) -> None:
        wait_until(lambda: self.counted()[0], "the first call")

    def kill(self, kind: str, dice: random.Random) -> None:
        """Kill the flow, the runtime, or both within microseconds of each other."""
        pids = {"flow": [self.counted()[1]], "runtime": [self.process.pid]}.get(kind)
        if pids is None:
            pids = [self.process.pid, *([flow] if (flow := self.counted()[1]) else [])]
            dice.shuffle(pids)
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                # The runtime was first, and its supervisor quicker than we are.
                assert kind == "both"


def kill_at_random(directory: Path, kind: str, kills: int, seed: int) -> None:
    """Kill so many plays, half of them while they start (the flow alone: never), and check each record."""
    print(f"{kind}: the seed is {seed}")
    dice = random.Random(seed)
    marker = f"faults-{os.getpid()}-{directory.name}-{kind}"
    seen: set[str] = set()
    for number in range(kills):
        run = Counted(directory, number, marker)
        if kind == "flow" or number % 2:
            run.wait_for_first_call()
            threading.Event().wait(dice.uniform(0, START_S / 4))
        else:
            threading.Event().wait(dice.uniform(0, START_S))
        run.kill(kind, dice)
        _, errors = run.process.communicate(timeout=30)
        wait_until_gone(marker, timeout_s=5)
        check_kill(run, kind, seen, errors.decode())


def check_kill(run: Counted, kind: str, seen: set[str], errors: str) -> None:
    """Check the record of a play that was killed, and that nothing else of it is left."""
    calls, flow_pid = run.counted()
    sids = [play["sid"] for play in plays() if play["sid"] not in seen]
    seen.update(sids)
    check_store()
    if not sids:
        assert flow_pid == 0, "a flow ran that is not on record"
        return
    [sid] = sids
    assert not os.path.exists(database().parent / "plays" / sid)
    play = shown(sid)
    assert (play["status"], play["output"]) == ("failed", None)
    assert play["start_ms"] is None or play["end_ms"] >= play["start_ms"]
    check_rows(play)
    if kind == "flow":
        assert run.process.returncode == 1, errors
        assert play["error"].startswith("the flow was ended by SIGKILL")
        check_prefix(play, calls)
    else:
        endings = ("the runtime ended while this play ran", "the flow was ended by SIGKILL")
        assert play["error"].startswith(endings)


def check_rows(play: dict[str, Any]) -> None:
    """Each row is what some of its events make, in the order of the flow, and the counters say how many.

    Where the runtime was killed, what was on its way to it is missing, and nothing but that one stretch.
    """
    told = 0
    numbers = []
    for span in play["spans"]:
        told += bool(span["name"]) + (span["status"] == "ok") + bool(span["logs"]) + ("n" in span["tags"])
        if span["status"] != "ok":
            assert (span["status"], span["error"]) == ("failed", OPEN_AT_END)
        assert span["end_ms"] is not None
        if span["name"] != "main":
            numbers += numbers_of(span)
    assert numbers == sorted(set(numbers))
    assert sum(after > before + 1 for before, after in itertools.pairwise([-1, *numbers])) <= 1
    lost_is_told = sum("hero.lost" in span["tags"] for span in play["spans"])
    assert told + lost_is_told <= play["counters"]["events"]
    assert lost_is_told or told == play["counters"]["events"]
    # A kill may cut what is written to a file where it crosses a page: that call had not returned.
    assert play["counters"]["malformed"] <= 1
    assert {**play["counters"], "events": 0, "malformed": 0} == dict.fromkeys(play["counters"], 0)


def numbers_of(span: dict[str, Any]) -> list[int]:
    """Which step a span is, as every field says that came; none where only its end did."""
    said = {span["tags"]["n"]} if "n" in span["tags"] else set()
    said |= {int(text.rpartition(" ")[2]) for text in (span["name"], span["logs"]) if text}
    assert set(span["tags"]) <= {"n", "hero.lost"}
    if not said:
        assert (span["parent_id"], span["status"]) == ("", "ok"), span
        return []
    [number] = said
    assert span["name"] in ("", f"step {number}")
    assert span["logs"] == "" or span["logs"].endswith(f"] log {number}")
    return [number]


def check_prefix(play: dict[str, Any], calls: int) -> None:
    """All that had returned is there, at most one call that had not, and nothing between them is missing."""
    assert play["counters"]["malformed"] == 0
    # The root's start comes before the first call that is counted.
    assert play["counters"]["events"] - 1 in (calls, calls + 1)
    steps = [span for span in play["spans"] if span["name"] != "main"]
    assert [numbers_of(span) for span in steps] == [[number] for number in range(len(steps))]
    for span in steps[:-1]:
        assert (span["status"], "n" in span["tags"], bool(span["logs"])) == ("ok", True, True)


@pytest.mark.parametrize("kind", sorted(KILLS))
def test_a_play_whose_processes_are_killed_has_a_whole_and_truthful_record(tmp_path: Path, kind: str) -> None:
    """The flow, its runtime, or both at once: the store opens, and has what was written as it was."""
    kill_at_random(tmp_path, kind, KILLS[kind], seed=29)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", sorted(KILLS))
def test_a_play_whose_processes_are_killed_has_a_whole_and_truthful_record_long(
    tmp_path: Path, kind: str
) -> None:
    """The same, ten times as often, and at other moments each time."""
    kill_at_random(tmp_path, kind, KILLS[kind] * LONG, seed=time.time_ns() % 2**32)


def test_a_runtime_that_is_killed_before_it_has_a_record_leaves_no_files(tmp_path: Path) -> None:
    """What it had laid out for its play is gone after the next command."""
    path = write_flow(tmp_path, "@flow\ndef main():\n    pass\n")
    marker = f"faults-{os.getpid()}-{tmp_path.name}"
    staged = database().parent / "plays"
    database().parent.mkdir()
    # Who makes a new store waits for us: the kill comes when the play is staged, and not yet on record.
    with held_store("BEGIN EXCLUSIVE"), start("run", path, HERO_FLOW_MARKER=marker) as process:
        wait_until(lambda: staged.exists() and os.listdir(staged), "the play's directory")
        process.kill()
        process.communicate()
        wait_until_gone(marker, timeout_s=5)
    assert hero_logic("ls").returncode == 0

    assert os.listdir(staged) == []


# Clocks


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


def test_a_clock_that_is_set_back_while_a_flow_runs_changes_nothing_else(
    clock: Clock, tmp_path: Path
) -> None:
    """The play is ok, nothing of it is lost, and it does not end before it began."""
    path = write_flow(
        tmp_path,
        """
        import struct
        @flow
        def main(clock_path: str):
            with flow.step("before"):
                with open(clock_path, "r+b", buffering=0) as clock:
                    clock.write(struct.pack("<q", -3600))
            with flow.step("after"):
                pass
            return "done"
        """,
    )
    result = hero_logic("run", path, "--quiet", "-i", f"clock_path={clock.path}", **clock.variables)
    [play] = plays()

    assert (result.returncode, result.stdout, result.stderr) == (0, b'"done"\n', b"")
    assert (play["status"], play["counters"]["events"]) == ("ok", 6)
    assert play["end_ms"] >= play["start_ms"]


def test_a_clock_that_is_set_back_while_a_socket_is_recorded_costs_nothing(
    clock: Clock, tmp_path: Path
) -> None:
    """Spans have the times that came, a play an end that is not before its start."""
    path = str(tmp_path / "s.sock")
    with start("listen", "--socket", path, **clock.variables) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with socket.socket(socket.AF_UNIX) as writer:
            writer.connect(path)
            writer.sendall(b'{"type":"span_start","span_id":"a","name":"n","start_ms":5000}\n')
            wait_until(lambda: events_on_record() == 1, "the start")
            clock.set(-HOUR_S)
            writer.sendall(b'{"type":"span_end","span_id":"a","status":"ok","end_ms":2000}\n')
            writer.sendall(b'{"type":"span_log","span_id":"b","text":"t"}\n')
        output, errors = process.communicate(timeout=30)
    play = shown(last_line(output))
    first, second = play["spans"]
    clock.set(0)

    assert (process.returncode, errors) == (0, b"")
    assert (first["start_ms"], first["end_ms"], first["status"]) == (5000, 2000, "ok")
    assert second["start_ms"] < time.time() * 1000 - HOUR_S * 500, "the time of receipt is the clock's"
    assert play["end_ms"] >= play["start_ms"]
    assert play["duration_ms"] >= 0


def test_events_whose_times_jump_back_are_kept_as_they_came() -> None:
    """In the order of arrival, whatever their clock said; commands show them without a stumble."""
    times = [1.7e12, 0, -5.5e12, 8.64e15, 1.7e12 - 86_400_000, 1e300, -1e300]
    lines = []
    for number, now_ms in enumerate(times):
        lines.append({"type": "span_start", "span_id": f"{number}", "name": f"{number}", "start_ms": now_ms})
        lines.append({"type": "span_log", "span_id": "0", "text": f"{number}", "ts_ms": now_ms})
        lines.append(
            {"type": "span_end", "span_id": f"{number}", "status": "ok", "end_ms": times[-1 - number]}
        )
    result = hero_logic("ingest", "-", stdin="\n".join(map(json.dumps, lines)).encode())
    play = shown(last_line(result.stdout))

    assert (result.returncode, result.stderr) == (0, b"")
    assert [span["start_ms"] for span in play["spans"]] == times
    assert [span["end_ms"] for span in play["spans"]] == times[::-1]
    assert [line.rpartition(" ")[2] for line in play["spans"][0]["logs"].split("\n")] == list("0123456")
    for verb, says in ((["show", "last"], b""), (["show", "last", "--logs"], b""), (["ls"], b"on record")):
        page = hero_logic(*verb)
        assert (page.returncode, says in page.stderr, page.stderr.count(b"\n")) == (0, True, bool(says))


# Descriptors


@pytest.mark.parametrize("open_files", [30, 64])
def test_a_listener_with_few_descriptors_serves_everybody_in_the_end(tmp_path: Path, open_files: int) -> None:
    """Five hundred writers at once, each with lines in pieces: those who wait are served when others end."""
    path = str(tmp_path / "s.sock")
    limit = [sys.executable, "-c", LIMITED, str(open_files)]
    with subprocess.Popen(
        [*limit, *COMMAND, "listen", "--socket", path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"listening on {path}\n".encode()
        writers = []
        for number in range(500):
            writers.append(socket.socket(socket.AF_UNIX))
            writers[-1].connect(path)
            writers[-1].sendall(SPAN.replace(b'"a"', b'"%d"' % number)[:60])
        for number, writer in enumerate(writers):
            writer.sendall(SPAN.replace(b'"a"', b'"%d"' % number)[60:])
            writer.close()
        output, errors = process.communicate(timeout=60)
    play = shown(last_line(output))

    assert (process.returncode, errors) == (0, b"")
    assert (play["status"], play["counters"]["events"]) == ("ok", 1000)
    assert sorted(int(span["span_id"]) for span in play["spans"]) == list(range(500))


LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[1])))
os.execv(sys.argv[2], sys.argv[2:])
"""
