"""Workers in processes of their own: started, looked after, ended with who started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hero_logic.workers import Workers
from support.command import environment
from support.processes import pids_with, wait_until_gone
from support.runtime import SOURCE_DIR
from support.waiting import wait_until
from support.working import QUICK, STUBBORN, asking, queue


class Started:
    """Two workers, and what they said."""

    def __init__(self, home: Path, marker: str) -> None:
        self.said: list[str] = []
        self.workers = Workers(
            2,
            plays_at_once=2,
            stop_s=5.0,
            environment=environment(
                HERO_LOGIC_HOME=str(home), HERO_LOGIC_SANDBOX="tier0", HERO_FLOW_MARKER=marker
            ),
            note=self.said.append,
        )


@pytest.fixture
def marker() -> Iterator[str]:
    word = f"marker-{os.getpid()}-workers"
    yield word
    wait_until_gone(word, timeout_s=10)


def test_workers_run_what_waits(tmp_path: Path, marker: str) -> None:
    """As many as were asked for; none is left at the end."""
    started = Started(tmp_path / "home", marker)
    with started.workers, asking(tmp_path / "home") as verbs:
        wait_until(lambda: len(started.workers.pids) == 2, "the workers")
        plays = [verbs.play_wait(queue(verbs, QUICK), timeout_ms=30_000) for _ in range(4)]

    assert [play.status for play in plays] == ["ok"] * 4
    assert started.workers.pids == []


def test_plays_of_workers_hear_the_order_to_end(tmp_path: Path, marker: str) -> None:
    """No signal is blocked in them that was blocked in the thread that started their worker."""
    home = tmp_path / "home"
    body = """
    import signal
    @flow
    def main():
        return sorted(signal.pthread_sigmask(signal.SIG_BLOCK, []))
    """
    with Started(home, marker).workers, asking(home) as verbs:
        play = verbs.play_wait(queue(verbs, body), timeout_ms=30_000)

    assert (play.status, play.output_json) == ("ok", "[]")


def test_a_worker_that_is_killed_is_started_again(tmp_path: Path, marker: str) -> None:
    """That is told; and what it ran gets its end from the other one."""
    home = tmp_path / "home"
    up_path = tmp_path / "up"
    started = Started(home, marker)
    with started.workers, asking(home) as verbs:
        sid = queue(verbs, STUBBORN, input_json=f'{{"up_path":"{up_path}"}}'.encode())
        wait_until(up_path.exists, "the flow")
        before = started.workers.pids
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        lost = verbs.play_wait(sid, timeout_ms=30_000)
        good = verbs.play_wait(queue(verbs, QUICK), timeout_ms=30_000)

    assert (lost.status, good.status) == ("failed", "ok")
    assert sum("is started again" in text for text in started.said) == 2


STARTER = """
import os, sys
sys.path[:0] = [{source_dir!r}]
from hero_logic.workers import Workers
with Workers(2, plays_at_once=1, stop_s=5.0, environment=dict(os.environ), note=lambda text: None):
    print("up", flush=True)
    sys.stdin.read()
"""


def test_workers_end_with_who_started_them(tmp_path: Path, marker: str) -> None:
    """Who was killed could tell them nothing; what they run goes too."""
    home = tmp_path / "home"
    up_path = tmp_path / "up"
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER.format(source_dir=SOURCE_DIR)],
        env=environment(HERO_LOGIC_HOME=str(home), HERO_LOGIC_SANDBOX="tier0", HERO_FLOW_MARKER=marker),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with asking(home) as verbs:
        sid = queue(verbs, STUBBORN, input_json=f'{{"up_path":"{up_path}"}}'.encode(), grace_s=60)
        wait_until(up_path.exists, "the flow")
        starter.kill()
        starter.communicate()
        wait_until_gone(marker, timeout_s=5)
        status = verbs.play_get(sid).status

    assert pids_with(marker) == []
    assert status == "cancelled"
