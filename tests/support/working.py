"""Plays that wait and workers that run them, in processes of their own."""

from __future__ import annotations

import hashlib
import subprocess
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hero_logic.client import Client
from hero_logic.client.on_record import Asking
from hero_logic.core.records import FlowVersion
from hero_logic.service.play_verbs import PlayVerbs, Wanted
from support.command import COMMAND, environment
from support.runtime import client_at

QUICK = """
@flow
def main(n: int = 1):
    with flow.step("a step", n=n):
        pass
    return n
"""

STUBBORN = """
import signal
@flow
def main(up_path: str = ""):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with flow.step("open"):
        if up_path:
            open(up_path, "w").close()
        while True:
            signal.pause()
"""

PATIENT = """
import os
@flow
def main(up_path: str, go_path: str):
    open(up_path, "w").close()
    with open(go_path) as go:
        go.read()
    return "done"
"""


def version(body: str, *, name: str = "main", path: str = "") -> FlowVersion:
    """A flow as its library has it: it came from no file."""
    source = "from hero_tracing import flow\n" + textwrap.dedent(body)
    return FlowVersion(hashlib.sha256(source.encode()).hexdigest()[:32], name, path, source, 1.0)


@contextmanager
def asking(home: Path, **variables: str) -> Iterator[PlayVerbs]:
    """What can be asked of plays, in this process, which runs none."""
    with ask(client_at(home, **variables)) as verbs:
        yield verbs


def ask(client: Client) -> Asking:
    return client.ask()


def queue(
    verbs: PlayVerbs,
    body: str,
    *,
    input_json: bytes = b"{}",
    grace_s: float | None = None,
    sandbox: str | None = None,
) -> str:
    """Have a flow wait for a worker; the sid of its play."""
    wanted = Wanted(input_json=input_json, grace_s=grace_s, sandbox=sandbox)
    return verbs.queue_version(version(body), wanted)


class Worker:
    """``hero-logic worker`` in a process of its own, ready to claim."""

    def __init__(self, home: Path, *arguments: str, marker: str = "", attached: bool = False) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "worker", *arguments, *(["--attached"] if attached else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(HERO_LOGIC_HOME=str(home), HERO_LOGIC_SANDBOX="tier0", HERO_FLOW_MARKER=marker),
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "working\n", self.process.communicate()[1]

    def end(self) -> tuple[int, str]:
        """Wait for its end; its exit status, and what it said."""
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said

    def stop(self) -> tuple[int, str]:
        """Have it stop, and wait for that."""
        self.process.terminate()
        return self.end()

    def kill(self) -> None:
        """End it as the kernel would."""
        self.process.kill()
        self.process.communicate()


@contextmanager
def working(home: Path, *arguments: str, marker: str = "", attached: bool = False) -> Iterator[Worker]:
    """A worker, which is killed at the end where it is still there."""
    worker = Worker(home, *arguments, marker=marker, attached=attached)
    try:
        yield worker
    finally:
        worker.kill()
