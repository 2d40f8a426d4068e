"""Plays in a row leave nothing behind: no process, no socket, no directory, no descriptor, no mount."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from hero_logic.core.tiers import ISOLATIONS
from hero_logic.runner.proof import Prover
from hero_logic.runner.spawner import SPARES, Spawner
from hero_logic.runner.supervisor import children_of
from support.staged import Stage
from support.waiting import wait_until

FLOW = b"""
import os, subprocess
from hero_tracing import flow

@flow
def main():
    # A daemon that would outlive it, a file in each place where one can be made, and a step.
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.read(os.pipe()[0], 1)
        os._exit(0)
    os.wait()
    with flow.step("write"):
        for directory in (os.environ["TMPDIR"], "artifacts", "/dev/shm"):
            try:
                open(os.path.join(directory, "left"), "w").close()
            except OSError:
                pass
"""
IN_A_ROW = 20


def run(stage: Stage, isolation: str) -> None:
    plan = stage.plan("", isolation=isolation, resources="rlimits" if isolation == "none" else "watcher")
    plan.source = FLOW
    with stage.begun(plan) as play:
        assert play.step(60), "the play did not end"
        play.drain()
        leavings = play.leavings()
    assert leavings.result.outcome == "returned", leavings
    # What it left on purpose is its artifacts' directory, which is the operator's.
    shutil.rmtree(play.paths.root)


def traces(spawner: Spawner) -> tuple[object, ...]:
    """All that a play could have left in this system."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        mounts = len(file.readlines())
    return (
        len(os.listdir("/proc/self/fd")),
        len(os.listdir(f"/proc/{spawner._pid}/fd")),
        len(children_of(spawner._pid)),
        [name for name in os.listdir("/tmp") if f"-staged-{os.getpid()}-" in name],  # where sockets are
        # Without an isolation it is the host's, and stays: there before, as it is after.
        os.path.exists("/dev/shm/left"),
        mounts,
    )


def check_in_a_row(home: Path, isolation: str, *, is_warm: bool, plays: int) -> None:
    spawner = Spawner.start(is_warm=is_warm)
    try:
        prove = Prover(
            spawner,
            python=sys.executable,
            cache_dir=str(home / "cache"),
            new_name=lambda: os.urandom(4).hex(),
        )
        if isolation != "none" and not prove(isolation).is_granted:
            pytest.skip(f"this host has no {isolation}: {prove(isolation).problem}")
        stage = Stage(home, spawner)
        run(stage, isolation)
        # A warm spawner has supervisors ready for the next plays, once it has nothing else to do.
        spares = SPARES if is_warm else 0

        def has_its_spares() -> bool:
            # One that ends its play is a child too, and no spare: it has no candidate.
            supervisors = children_of(spawner._pid)
            return len(supervisors) == spares and all(map(children_of, supervisors))

        wait_until(has_its_spares, "the spare supervisors")
        before = traces(spawner)
        for _ in range(plays):
            run(stage, isolation)
        wait_until(has_its_spares, "the spare supervisors")

        assert traces(spawner) == before
        assert os.listdir(home / "plays") == []
    finally:
        spawner.close()


@pytest.mark.parametrize("is_warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize("isolation", ["none", *ISOLATIONS])
def test_plays_in_a_row_leave_nothing_behind(tmp_path: Path, isolation: str, is_warm: bool) -> None:
    """Whatever they started and made."""
    check_in_a_row(tmp_path, isolation, is_warm=is_warm, plays=IN_A_ROW)


@pytest.mark.soak
@pytest.mark.parametrize("is_warm", [False, True], ids=["cold", "warm"])
def test_five_hundred_plays_in_a_row_leave_nothing_behind(tmp_path: Path, is_warm: bool) -> None:
    """In the isolation that plays have by default."""
    check_in_a_row(tmp_path, "native", is_warm=is_warm, plays=500)
