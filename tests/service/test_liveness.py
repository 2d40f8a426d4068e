"""A runtime lives exactly as long as it holds its lock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hero_logic.core.errors import StoreError
from hero_logic.service.liveness import Runtimes
from support.runtime import SOURCE_DIR
from support.waiting import wait_until

HOLDER = """
import os, sys
sys.path.insert(0, sys.argv[1])
from hero_logic.service.liveness import Runtimes
Runtimes(sys.argv[2], "other").enter()
os.write(1, b"up")
sys.stdin.read()
"""


def test_a_runtime_that_entered_lives_until_it_leaves(tmp_path: Path) -> None:
    """For itself and for others; its file goes with it."""
    mine, seen = Runtimes(str(tmp_path / "r"), "mine"), Runtimes(str(tmp_path / "r"), "seer")
    assert seen.is_gone("mine")
    mine.enter()
    assert (mine.is_gone("mine"), seen.is_gone("mine")) == (False, False)
    mine.leave()
    mine.leave()

    assert (mine.is_gone("mine"), seen.is_gone("mine")) == (True, True)
    assert os.listdir(tmp_path / "r") == []


def test_looking_does_not_take_the_lock(tmp_path: Path) -> None:
    """Two that look at the same moment see the same."""
    (tmp_path / "dead.lock").touch()
    seers = [Runtimes(str(tmp_path), f"s{number}") for number in range(4)]
    barrier = threading.Barrier(4)
    wrong: list[bool] = []

    def look(runtimes: Runtimes) -> None:
        barrier.wait()
        wrong.extend(True for _ in range(300) if not runtimes.is_gone("dead"))

    threads = [threading.Thread(target=look, args=(seer,)) for seer in seers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_a_killed_runtime_is_gone(tmp_path: Path) -> None:
    """The kernel lets go of its lock; its file stays until it is swept."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, SOURCE_DIR, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.read(2)
    mine = Runtimes(str(tmp_path), "mine")
    is_gone_before = mine.is_gone("other")
    mine.sweep()
    is_swept_before = not (tmp_path / "other.lock").exists()
    process.kill()
    process.communicate()

    assert (is_gone_before, is_swept_before) == (False, False)
    assert mine.is_gone("other")
    mine.sweep()
    assert os.listdir(tmp_path) == []


def test_sweeping_never_takes_the_file_of_a_runtime_that_is_starting(tmp_path: Path) -> None:
    """However close they come: who has entered lives for everyone."""
    stop = threading.Event()
    sweeper = Runtimes(str(tmp_path), "sweeper")

    def sweep() -> None:
        while not stop.is_set():
            sweeper.sweep()

    threads = [threading.Thread(target=sweep) for _ in range(2)]
    for thread in threads:
        thread.start()
    lost = 0
    for number in range(400):
        runtimes = Runtimes(str(tmp_path), f"r{number}")
        runtimes.enter()
        lost += sweeper.is_gone(f"r{number}")
        runtimes.leave()
    stop.set()
    for thread in threads:
        thread.join()

    assert lost == 0


def test_the_lock_is_not_inherited(tmp_path: Path) -> None:
    """A child that outlives the runtime does not keep it alive."""
    mine, seen = Runtimes(str(tmp_path), "mine"), Runtimes(str(tmp_path), "seer")
    mine.enter()
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False)
    assert mine._lock is not None
    os.close(mine._lock)
    is_gone = seen.is_gone("mine")
    child.communicate()

    assert is_gone


def test_a_lock_that_cannot_be_looked_at_counts_as_held(tmp_path: Path) -> None:
    """A play of a runtime that may live is never touched."""
    (tmp_path / "odd.lock").mkdir()

    assert not Runtimes(str(tmp_path), "mine").is_gone("odd")


def test_a_directory_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    """It says what to do."""
    (tmp_path / "r").write_text("in the way")
    with pytest.raises(StoreError, match="HERO_LOGIC_HOME"):
        Runtimes(str(tmp_path / "r"), "mine").enter()
    with pytest.raises(StoreError, match="HERO_LOGIC_HOME"), Runtimes(str(tmp_path / "r"), "m").recovering():
        raise AssertionError

    assert (tmp_path / "r").read_text() == "in the way"


def test_one_process_recovers_at_a_time(tmp_path: Path) -> None:
    """The second waits for the first."""
    order: list[str] = []
    is_in = threading.Event()
    go_on = threading.Event()

    def first() -> None:
        with Runtimes(str(tmp_path), "a").recovering():
            is_in.set()
            go_on.wait()
            order.append("first")

    def second() -> None:
        is_in.wait()
        with Runtimes(str(tmp_path), "b").recovering():
            order.append("second")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    for thread in threads:
        thread.start()
    is_in.wait()
    assert not threading.Event().wait(0.1)
    assert order == []
    go_on.set()
    for thread in threads:
        thread.join()

    assert order == ["first", "second"]


def test_a_family_lives_as_long_as_any_of_it(tmp_path: Path) -> None:
    """What was started inside keeps the lock, however the runtime itself went; what came later does not."""
    code = (
        "import os, subprocess, sys; sys.path.insert(0, sys.argv[1]); "
        "from hero_logic.service.liveness import Runtimes; r = Runtimes(sys.argv[2], 'r'); r.enter()\n"
        "cat = lambda: subprocess.Popen(['cat'], stdin=0, close_fds=False)\n"
        "with r.founding(): inside = cat()\n"
        "later = cat(); print(inside.pid, later.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    runtime = subprocess.Popen(
        [sys.executable, "-c", code, SOURCE_DIR, str(tmp_path / "runtimes")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert runtime.stdout is not None
    inside, later = map(int, runtime.stdout.readline().split())
    runtime.wait()
    looker = Runtimes(str(tmp_path / "runtimes"), "looker")
    found = [(looker.is_gone("r"), looker.is_family_gone("r"))]
    os.kill(inside, signal.SIGKILL)
    wait_until(lambda: looker.is_family_gone("r"), "the end of the family")
    os.kill(later, signal.SIGKILL)
    runtime.communicate()

    assert found == [(True, False)]


def test_a_runtime_that_has_left_has_no_family(tmp_path: Path) -> None:
    """And no file of it is there."""
    runtimes = Runtimes(str(tmp_path / "runtimes"), "r")
    runtimes.enter()
    with runtimes.founding():
        assert not Runtimes(str(tmp_path / "runtimes"), "looker").is_family_gone("r")
    runtimes.leave()

    assert Runtimes(str(tmp_path / "runtimes"), "looker").is_family_gone("r")
    assert os.listdir(tmp_path / "runtimes") == []
