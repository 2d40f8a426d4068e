"""Plays that bubblewrap keeps from the host, or that something in its place does."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from hero_logic.core.outcome import Leavings
from hero_logic.core.policy import PlayLimits, play_environment
from hero_logic.runner.play import PlayPlan, StagedPlay
from hero_logic.runner.sandbox import bubblewrap
from hero_logic.runner.sandbox.view import Entry
from hero_logic.runner.spawner import Spawner
from hero_logic.runner.supervisor import children_of
from support.listening import Sink
from support.processes import wait_until_gone
from support.waiting import wait_until

needs_bwrap = pytest.mark.skipif(not bubblewrap.find_program(), reason="bubblewrap is not installed")
needs_no_root = pytest.mark.skipif(
    os.geteuid() == 0, reason="the kernel holds root to no number of processes"
)

ENDLESS = """
    @flow
    def main():
        open("artifacts/up", "w").close()
        while True:
            signal.pause()
"""


class Stage:
    """Plays in a directory of the test's, of one spawner, in the isolation that is named."""

    def __init__(self, tmp_path: Path, *, is_warm: bool = False) -> None:
        self.tmp_path = tmp_path
        self.spawner = Spawner.start(is_warm=is_warm)
        self.sid = f"bwrap-{os.getpid()}-{abs(hash(str(tmp_path))) % 10**9}"
        self.marker = f"marker-{self.sid}"

    def play(
        self,
        body: str,
        *,
        isolation: str = "bubblewrap",
        limits: PlayLimits | None = None,
        sockets: Sequence[tuple[str, str]] = (),
        doors: Sequence[tuple[str, int]] = (),
        granted: Sequence[Entry] = (),
    ) -> StagedPlay:
        def environment(work_dir: str, channel: str | int) -> dict[str, str]:
            operator = {"HERO_FLOW_MARKER": self.marker}
            return play_environment(operator, sid=self.sid, work_dir=work_dir, span_channel=channel)

        plan = PlayPlan(
            sid=self.sid,
            source=f"from hero_tracing import flow\nimport os, signal, sys\n{textwrap.dedent(body)}".encode(),
            flow_path=str(self.tmp_path / "flow.py"),
            function="main",
            input_json=None,
            python=sys.executable,
            environment=environment,
            limits=limits or PlayLimits(grace_s=3.0),
            isolation=isolation,
            sockets=sockets,
            doors=doors,
            granted=granted,
        )
        plays, cache = str(self.tmp_path / "plays"), str(self.tmp_path / "cache")
        return StagedPlay(plan, self.spawner, plays_dir=plays, cache_dir=cache)

    def run(self, body: str, **options: Any) -> Leavings:
        """Run a play to its end."""
        with self.play(body, **options) as play:
            play.begin(Sink())
            assert play.step(20)
            return leavings_of(play)

    def output(self, body: str, **options: Any) -> Any:
        """What a flow with this body returns."""
        leavings = self.run(
            "@flow\ndef main():\n" + textwrap.indent(textwrap.dedent(body), "    "), **options
        )
        assert leavings.result.outcome == "returned", (leavings.record, leavings.result, leavings.stderr)
        return leavings.result.output


def leavings_of(play: StagedPlay) -> Leavings:
    play.drain()
    leavings = play.leavings()
    play.is_end_recorded = True
    return leavings


def wait_until_up(play: StagedPlay) -> None:
    wait_until(Path(play.paths.work, "artifacts", "up").exists, "the flow")


def monitor_of(stage: Stage) -> int:
    """The process of bwrap that stands outside: the child of the play's supervisor."""
    [supervisor] = children_of(stage.spawner._pid)
    [monitor] = children_of(supervisor)
    return monitor


def opened_stage(directory: Path) -> Iterator[Stage]:
    """A stage, for a fixture: nothing of its plays is left when the test ends."""
    opened = Stage(directory)
    yield opened
    opened.spawner.close()
    wait_until_gone(opened.marker, timeout_s=2)
