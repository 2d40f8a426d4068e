"""The process in which attempts are made: a runtime as one user, with plants, told what to play line by line.

It is a process of its own so that it can be another user than the tests, and so that its environment and its
memory are those of a real runtime. One JSON object a line comes in, one goes out.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from escape.plants import SECRET, Plants
from hero_logic.core.errors import HeroLogicError
from hero_logic.core.lines import Chunk
from hero_logic.core.policy import PlayLimits, play_environment
from hero_logic.runner.play import PlayPlan, StagedPlay
from hero_logic.runner.proof import Prover
from hero_logic.runner.span_socket import play_socket_path
from hero_logic.runner.spawner import Spawner
from support.processes import pids_with
from support.waiting import wait_until

_TIMEOUT_S = 30.0
_OTHER_FLOW = b"""
import signal
from hero_tracing import flow

@flow
def main():
    open("private", "w").write("planted-5c1f")
    while True:
        signal.pause()
"""
_NEIGHBOUR = """
from hero_tracing import flow

@flow
def main(plants: dict):
    return 1
"""
_BARE = "import sys; sys.path.insert(0, sys.argv[1]); exec(compile(sys.stdin.read(), 'flow', 'exec'))"
_BARE_CALL = """
_told = json.dumps(main(json.loads({plants!r})))
with open({result!r}, "w") as _file:
    _file.write(_told)
"""


class CountingSink:
    """Counts what comes of a play's spans, and keeps nothing."""

    def __init__(self) -> None:
        self.on_room: Callable[[], None] = lambda: None
        self.bytes = 0
        self.longest_bytes = 0
        self.oversize = 0
        self.has_secret = False

    def write(self, chunk: Chunk) -> bool:
        self.bytes += len(chunk.data)
        self.longest_bytes = max(self.longest_bytes, *map(len, chunk.data.split(b"\n")))
        self.oversize += chunk.oversize
        self.has_secret = self.has_secret or SECRET.encode() in chunk.data
        return True

    def disconnected(self, source: str) -> None:
        pass


class Ground:
    """One spawner, one set of plants, and a play of somebody else's that goes on all the while."""

    def __init__(self, directory: Path, plants: Plants, *, is_warm: bool) -> None:
        self._directory = directory
        self._plants = plants
        self._numbers = itertools.count(1)
        # As many as a process has where nobody gave it more.
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, hard), hard))
        self._spawner = Spawner.start(is_warm=is_warm)
        self._prover = Prover(
            self._spawner,
            python=sys.executable,
            cache_dir=str(directory / "cache"),
            new_name=self._new_name,
        )
        self._other_sink = CountingSink()
        self._other = self._staged(
            _OTHER_FLOW, sid=self._new_name(), marker="other", limits=PlayLimits(), input_json=None
        )

    def __enter__(self) -> Ground:
        self._other.__enter__()
        self._other.begin(self._other_sink)
        private = Path(self._other.paths.work) / "private"
        wait_until(private.exists, "the play of somebody else's")
        return self

    def __exit__(self, *_: object) -> None:
        self._other.is_end_recorded = True
        self._other.__exit__()
        self._spawner.close()

    def _new_name(self) -> str:
        return f"{self._plants.name}-{next(self._numbers)}"

    def proof(self, name: str) -> dict[str, object]:
        """Whether an isolation, or the watcher, is to be had here."""
        proof = self._prover(name)
        return {"is_granted": proof.is_granted, "problem": proof.problem}

    def play(self, order: dict[str, Any]) -> dict[str, object]:
        """Play one flow under an isolation; what became of it, and of the plants."""
        self._plants.restore()
        self._plants.touched()
        marker = f"marker-{self._new_name()};"
        began_s = time.monotonic()
        peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        descriptors = len(os.listdir("/proc/self/fd"))
        input_json = json.dumps({"plants": self._told(marker)})
        if order["isolation"] == "bare":
            found = self._play_bare(order["source"], input_json, marker)
        else:
            found = self._play_staged(order, input_json.encode(), marker)
        found["seconds"] = time.monotonic() - began_s
        found["grown_kib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak_kib
        found["descriptors"] = len(os.listdir("/proc/self/fd")) - descriptors
        found["touched"] = self._plants.touched()
        if self._other_sink.has_secret:
            self._other_sink.has_secret = False
            found["touched"].append("another play's record was written")
        return found

    def _told(self, marker: str) -> dict[str, object]:
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        parents = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in map(int, children)}
        return {
            **self._plants.told(),
            "marker": marker,
            "spawner": next(pid for pid, line in parents.items() if b"spawner" in line),
            "other_play": self._other.paths.root,
            "other_socket": play_socket_path(os.path.basename(self._other.paths.root)),
            "other_pid": next(iter(pids_with("marker=other")), 0),
        }

    def _staged(
        self,
        source: bytes,
        *,
        sid: str,
        marker: str,
        limits: PlayLimits,
        input_json: bytes | None,
        isolation: str = "none",
        resources: str = "rlimits",
    ) -> StagedPlay:
        plan = PlayPlan(
            sid=sid,
            source=source,
            flow_path=str(self._directory / "attempt.py"),
            function="main",
            input_json=input_json,
            python=sys.executable,
            environment=lambda work_dir, channel: play_environment(
                {"HERO_FLOW_MARKER": f"marker={marker}"}, sid=sid, work_dir=work_dir, span_channel=channel
            ),
            limits=limits,
            isolation=isolation,
            resources=resources,
        )
        return StagedPlay(
            plan,
            self._spawner,
            plays_dir=str(self._directory / "plays"),
            cache_dir=str(self._directory / "cache"),
        )

    def _play_staged(self, order: dict[str, Any], input_json: bytes, marker: str) -> dict[str, Any]:
        limits = PlayLimits(timeout_s=order["timeout_s"], grace_s=0.3)
        for name, value in order["limits"].items():
            if name == "captured_bytes":
                limits.captured_bytes = value
            else:
                (limits.tree_limits if name.startswith("tree_") else limits.resource_limits)[name] = value
        sink = CountingSink()
        staged = self._staged(
            order["source"].encode(),
            sid=self._new_name(),
            marker=marker,
            limits=limits,
            input_json=input_json,
            isolation=order["isolation"],
            resources=order["resources"],
        )
        with staged:
            staged.begin(sink)
            beside = self._beside(staged, order) if order.get("has_neighbour") else ""
            staged.step()
            survivors = pids_with(marker)
            staged.drain()
            found = self._found(staged, sink)
            staged.is_end_recorded = True
        found["survivors"] = survivors
        found["beside"] = beside
        left = [name for name in _listed(staged.paths.root) if name != "artifacts"]
        found["left"] = left
        return found

    def _beside(self, staged: StagedPlay, order: dict[str, Any]) -> str:
        """Play another flow while this one is up; how that went, ``returned`` where nothing is amiss."""
        up = Path(staged.paths.work) / "up"
        wait_until(lambda: up.exists() or staged.step(0), "the flow is up")
        try:
            neighbour = {**order, "source": _NEIGHBOUR, "limits": {}, "has_neighbour": False}
            return str(self._play_staged(neighbour, b'{"plants": {}}', "marker-neighbour")["outcome"])
        except HeroLogicError as error:
            return str(error)

    def _found(self, staged: StagedPlay, sink: CountingSink) -> dict[str, Any]:
        spool = staged.open_spool()
        spooled = 0
        if spool is not None:
            while data := spool.read(1 << 16):
                spooled += len(data)
                sink.has_secret = sink.has_secret or SECRET.encode() in data
            spool.close()
        leavings = staged.leavings()
        record, result = leavings.record, leavings.result
        bits = [
            artifact.path
            for artifact in leavings.artifacts
            if os.stat(os.path.join(staged.paths.artifacts, artifact.path)).st_mode & 0o6000
        ]
        return {
            "outcome": result.outcome,
            "output": result.output,
            "error": record.launch_error or result.error or result.traceback,
            "traceback": result.traceback,
            "reason": record.reason,
            "signal": record.signal,
            "limit": record.limit and record.limit[0],
            "stdout_bytes": len(leavings.stdout),
            "stderr": leavings.stderr[-2000:],
            "artifacts": [artifact.path for artifact in leavings.artifacts[:20]],
            "artifact_count": len(leavings.artifacts),
            "set_id": bits,
            "span_bytes": sink.bytes,
            "longest_line_bytes": sink.longest_bytes,
            "oversize": sink.oversize,
            "told_secret": sink.has_secret,
        }

    def _play_bare(self, source: str, input_json: str, marker: str) -> dict[str, Any]:
        """The same flow as a plain program, with nobody to see to its end; what it leaves is ended here."""
        directory = self._directory / f"bare-{self._new_name()}"
        (directory / "artifacts").mkdir(parents=True)
        result = directory / "result"
        sdk = str(Path(sys.modules["hero_logic"].__file__ or "").parents[1])
        plants = json.dumps(json.loads(input_json)["plants"])
        program = subprocess.Popen(
            [sys.executable, "-I", "-c", _BARE, sdk],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"HERO_FLOW_MARKER": f"marker={marker}", "PATH": "/usr/bin:/bin", "HOME": str(directory)},
            cwd=directory,
            start_new_session=True,
        )
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write((source + _BARE_CALL.format(result=str(result), plants=plants)).encode())
        program.stdin.close()
        program.wait(timeout=_TIMEOUT_S)
        os.set_blocking(program.stdout.fileno(), False)
        survivors = pids_with(marker)
        for pid in survivors:
            os.kill(pid, signal.SIGKILL)
        return {
            "outcome": "returned" if result.exists() else "none",
            "output": json.loads(result.read_text()) if result.exists() else None,
            "error": "",
            "reason": "exited",
            "signal": -program.returncode if program.returncode < 0 else None,
            "limit": None,
            "survivors": survivors,
            "cores": [name for name in os.listdir(directory) if name.startswith("core")],
        }


def _listed(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except FileNotFoundError:
        return []


def serve(directory: str, name: str, start: str) -> None:
    """Answer until standard input ends: ``{"prove": NAME}``, or an order for :meth:`Ground.play`."""
    home = Path(directory)
    # The plants are the user's own, wherever its umask comes from.
    os.umask(0o022)
    with Plants(home, name) as plants, Ground(home, plants, is_warm=start == "warm") as ground:
        for line in sys.stdin:
            order = json.loads(line)
            try:
                answer = ground.proof(order["prove"]) if "prove" in order else ground.play(order)
            except (HeroLogicError, OSError, ValueError, subprocess.SubprocessError, AssertionError) as error:
                answer = {"failed": f"{type(error).__name__}: {error}"}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
