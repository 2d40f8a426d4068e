"""Plays that are staged without a store: what the runner alone does of them, in any isolation."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hero_logic.core.outcome import Leavings
from hero_logic.core.policy import PlayLimits, play_environment
from hero_logic.runner.play import PlayPlan, StagedPlay
from hero_logic.runner.sandbox.view import Entry
from hero_logic.runner.spawner import Spawner
from support.listening import Sink

HEAD = "import os, signal, subprocess, sys\nfrom hero_tracing import flow\n"


class Stage:
    """Plays in a directory of the test's, of one spawner."""

    def __init__(self, directory: Path, spawner: Spawner) -> None:
        self.directory = directory
        self.spawner = spawner
        self.count = 0

    def plan(
        self,
        body: str,
        *,
        isolation: str = "none",
        resources: str = "rlimits",
        tree_limits: dict[str, int | None] | None = None,
        resource_limits: dict[str, int] | None = None,
        granted: Sequence[Entry] = (),
        timeout_s: float | None = 30.0,
        inputs: dict[str, Any] | None = None,
    ) -> PlayPlan:
        """The plan of a play whose flow is HEAD and this body; ``tree_limits`` are all of them it has."""
        limits = PlayLimits(timeout_s=timeout_s, grace_s=0.5)
        if tree_limits is not None:
            limits.tree_limits = tree_limits
        limits.resource_limits.update(resource_limits or {})
        self.count += 1
        sid = f"staged-{os.getpid()}-{abs(hash(str(self.directory))) % 10**9}-{self.count}"
        return PlayPlan(
            sid=sid,
            source=(HEAD + body).encode(),
            flow_path=str(self.directory / "flow.py"),
            function="main",
            input_json=None if inputs is None else json.dumps(inputs).encode(),
            python=sys.executable,
            environment=lambda work_dir, span_channel: play_environment(
                {}, sid=sid, work_dir=work_dir, span_channel=span_channel
            ),
            limits=limits,
            isolation=isolation,
            resources=resources,
            granted=granted,
        )

    @contextmanager
    def begun(self, plan: PlayPlan) -> Iterator[StagedPlay]:
        """A play that runs; what is left of it when the block is left is removed."""
        play = StagedPlay(
            plan,
            self.spawner,
            plays_dir=str(self.directory / "plays"),
            cache_dir=str(self.directory / "cache"),
        )
        with play:
            play.begin(Sink())
            yield play
            play.is_end_recorded = True

    def run(self, body: str, **options: Any) -> Leavings:
        """What a play leaves that runs to its end."""
        with self.begun(self.plan(body, **options)) as play:
            assert play.step(60), "the play did not end"
            play.drain()
            return play.leavings()

    def output_of(self, body: str, **options: Any) -> Any:
        """What a flow returns."""
        leavings = self.run(body, **options)
        assert leavings.result.outcome == "returned", (leavings.result, leavings.record, leavings.stderr)
        return leavings.result.output


Running = Callable[..., Leavings]
