"""``kill -9`` of ``hero-logic run`` at any moment: nothing is left, and the record is truthful."""

from __future__ import annotations

import json
import os
import random
import threading
from pathlib import Path
from typing import Any

import pytest

from support.command import hero_logic, start
from support.processes import pids_with, wait_until_gone
from support.runtime import write_flow
from support.scale import SCALE

KILLS = 12
LIFE_S = 0.15
"""What a whole run takes, roughly: some kills come while the interpreter starts, some when all is over."""

FLOW = """
import subprocess, sys
@flow
def main():
    lingers = "import signal; signal.pause()"
    lingering = subprocess.Popen([sys.executable, "-c", lingers], start_new_session=True)
    for number in flow.track(range(200)):
        with flow.step(f"step {number}") as step:
            step.log("said")
    return "done"
"""


def kill_after(path: str, marker: str, delay_s: float) -> None:
    """Start a run and kill it so much later; nothing of its play may be there two seconds after."""
    with start("run", path, "--quiet", HERO_FLOW_MARKER=marker) as process:
        threading.Event().wait(delay_s)
        process.kill()
        wait_until_gone(marker, timeout_s=2)
        # The processes between have these pipes open, too: they are gone when the pipes are at their end.
        process.communicate(timeout=2)


def listed() -> list[dict[str, Any]]:
    """The plays, by the next command; it has to get along with what the kill left."""
    result = hero_logic("ls", "--json", "--limit", "10000")
    assert (result.returncode, result.stderr) == (0, b"")
    plays = json.loads(result.stdout)["plays"]
    assert isinstance(plays, list)
    return plays


def check_record() -> None:
    """Every play has its end, and none of its spans runs on."""
    for play in listed():
        assert play["status"] in ("ok", "failed"), play
        # One that was killed between its record and its gate has an end, and never began.
        assert play["start_ms"] is None or play["end_ms"] >= play["start_ms"]
        assert (play["status"] == "failed") == bool(play["error"])
        document = json.loads(hero_logic("show", play["sid"], "--json").stdout)
        assert {span["status"] for span in document["spans"]} <= {"ok", "failed"}
        assert all(span["end_ms"] is not None for span in document["spans"])
        # A flow may have returned while the end of its spans was lost with the runtime.
        assert document["output"] == "done" or play["status"] == "failed"
        ids = {span["span_id"] for span in document["spans"]}
        assert all(span["parent_id"] in ids | {""} for span in document["spans"])


def kill_often(tmp_path: Path, delays: list[float]) -> None:
    path = write_flow(tmp_path, FLOW)
    marker = f"kills-{os.getpid()}-{tmp_path.name}"
    for delay_s in delays:
        kill_after(path, marker, delay_s)
        listed()
    check_record()
    assert hero_logic("run", path, "--quiet").stdout == b'"done"\n'
    assert pids_with(marker) == []


def test_a_run_that_is_killed_leaves_nothing_and_a_truthful_record(tmp_path: Path) -> None:
    """From its first moment to past its last; the database opens each time, and the next run is ok."""
    dice = random.Random(17)

    kill_often(tmp_path, [dice.uniform(0, LIFE_S) for _ in range(KILLS)])


def test_runs_that_are_killed_beside_one_that_goes_on_do_not_touch_it(tmp_path: Path) -> None:
    """A play of a living runtime is nobody else's business."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    waiting = write_flow(
        tmp_path, f"@flow\ndef main():\n    return open({str(gate)!r}).read()\n", name="wait.py"
    )
    path = write_flow(tmp_path, FLOW)
    marker = f"kills-{os.getpid()}-{tmp_path.name}"
    with start("run", waiting, "--json") as process:
        with open(gate, "w") as writer:
            for delay_s in (0.06, 0.1, 0.14):
                kill_after(path, marker, delay_s)
                assert [play["status"] for play in listed() if play["flow"] == "main"].count("running") == 1
            writer.write("done")
        output, errors = process.communicate(timeout=30)

    assert (process.returncode, errors) == (0, b"")
    assert json.loads(output)["output"] == "done"


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_run_that_is_killed_leaves_nothing_and_a_truthful_record_long(tmp_path: Path) -> None:
    """The same at every moment, more often."""
    dice = random.Random()

    kill_often(tmp_path, [dice.uniform(0, 2 * LIFE_S) for _ in range(KILLS * SCALE)])
