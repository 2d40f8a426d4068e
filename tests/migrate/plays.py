"""Migrated flows as real plays: checked, staged, kept in what this host has, from a warm spawner.

They reach the services that the stage was given, and import the flows that lie beside them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from hero_logic.core.errors import BadInput
from hero_logic.core.flow_source import choose_entry, read_flow_file
from hero_logic.core.grants import socket_path, socket_variable
from hero_logic.core.inputs import input_text, staged_input
from hero_logic.core.policy import PlayLimits, play_environment
from hero_logic.runner.flow_modules import find_modules
from hero_logic.runner.play import PlayPlan, StagedPlay
from hero_logic.runner.sandbox import view
from hero_logic.runner.spawner import Spawner
from support.folding import Recording
from support.forked import has_landlock, has_namespaces
from support.listening import Sink

_TIMEOUT_S = 60.0
NOTHING: Mapping[str, str] = {}


@dataclass
class Played:
    """What became of a play, in the words of the legacy format."""

    status: str
    output: Any = None
    tries: dict[str, int] = field(default_factory=dict)
    skipped_at_least_once: set[str] = field(default_factory=set)
    error: str = ""

    @property
    def ran(self) -> set[str]:
        """The nodes that ran at least once."""
        return set(self.tries)


class Stage:
    """Where flows are played one after another."""

    def __init__(
        self, directory: Path, spawner: Spawner, services: Mapping[str, str], beside: Mapping[str, str]
    ) -> None:
        self._directory = directory
        self._spawner = spawner
        self._numbers = count(1)
        self._isolation = "native" if has_namespaces() and has_landlock() else "none"
        is_own_view = self._isolation == "native"
        self._sockets = [(path, socket_path(name)) for name, path in services.items()] if is_own_view else []
        self._reach = {
            socket_variable(name): socket_path(name) if is_own_view else path
            for name, path in services.items()
        }
        for module, source in beside.items():
            (directory / f"{module}.py").write_text(source)

    def play(self, source: str, inputs: dict[str, Any]) -> Played:
        """Play the only flow of a source to its end."""
        path = str(self._directory / "flow.py")
        file = read_flow_file(source, path)
        entry = choose_entry(file, None)
        try:
            input_json = staged_input(entry, input_text(entry, document=json.dumps(inputs).encode()).encode())
        except BadInput as error:
            return Played("failed", error=str(error))
        sid = f"migrated-{id(self)}-{next(self._numbers)}"
        plan = PlayPlan(
            sid=sid,
            source=source.encode(),
            flow_path=path,
            function=entry.function,
            input_json=None if input_json == b"{}" else input_json,
            python=sys.executable,
            environment=lambda work_dir, channel: (
                play_environment({}, sid=sid, work_dir=work_dir, span_channel=channel) | self._reach
            ),
            limits=PlayLimits(timeout_s=_TIMEOUT_S, grace_s=0.5),
            isolation=self._isolation,
            granted=[(module, view.READ) for module in find_modules(str(self._directory), file.imports)],
            sockets=self._sockets,
        )
        return self._run(plan)

    def _run(self, plan: PlayPlan) -> Played:
        sink = Sink()
        plays, cache = str(self._directory / "plays"), str(self._directory / "cache")
        with StagedPlay(plan, self._spawner, plays_dir=plays, cache_dir=cache) as play:
            play.begin(sink)
            assert play.step(_TIMEOUT_S + 30), "the play did not end"
            play.drain()
            leavings = play.leavings()
            play.is_end_recorded = True
        played = Played("ok" if leavings.result.outcome == "returned" else "failed", leavings.result.output)
        played.error = f"{leavings.result}\n{leavings.stderr}"
        recording = Recording()
        for chunk in sink.chunks:
            recording.send_bytes(chunk.data, chunk.source)
        for span in recording.spans:
            node_id = span.tags.get("node_id")
            if "skipped" in span.tags:
                played.skipped_at_least_once.add(str(node_id))
            elif node_id is not None:
                played.tries[str(node_id)] = played.tries.get(str(node_id), 0) + 1
        return played


@contextmanager
def stage(
    directory: Path, services: Mapping[str, str] = NOTHING, beside: Mapping[str, str] = NOTHING
) -> Iterator[Stage]:
    """A stage over a warm spawner of its own.

    Args:
        directory: where the flows lie.
        services: those that all of them are granted: {name: path of its socket}.
        beside: what lies beside them: {module: source}.
    """
    spawner = Spawner.start(is_warm=True)
    try:
        yield Stage(directory, spawner, services, beside)
    finally:
        spawner.close()
