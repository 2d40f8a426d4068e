"""Running plays in tests through the real runtime: real processes, a real store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from hero_logic.app import make_client
from hero_logic.client import Client, RunRequest
from hero_logic.core.records import Play, SpanRow

SOURCE_DIR = str(Path(__file__).resolve().parents[2] / "src")


class QuietFace:
    """A face that remembers what it was told."""

    interval_s: float | None = None

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.sid = ""

    def begin(self, play: Play, *, sandbox_line: str) -> None:
        self.sid = play.sid
        self.sandbox_line = sandbox_line

    def changed(self, rows: list[SpanRow], now_ms: float) -> None:
        pass

    def tick(self, now_ms: float) -> None:
        pass

    def note(self, text: str) -> None:
        self.notes.append(text)

    def end(self, play: Play) -> None:
        self.status = play.status


def write_flow(directory: Path, body: str, *, name: str = "a_flow.py") -> str:
    """A flow's file: the import of the SDK, then the body as it stands."""
    path = directory / name
    path.write_text("from hero_tracing import flow\n" + textwrap.dedent(body))
    return str(path)


def client_at(home: Path, **variables: str) -> Client:
    """A client whose data lies in ``home``, with only these variables as its operator's environment.

    Its plays run in tier 0 unless another sandbox is named, as those of all tests do.
    """
    return make_client({"HERO_LOGIC_HOME": str(home), "HERO_LOGIC_SANDBOX": "tier0", **variables})


class Ran:
    """A play that was run: its document, and what its face was told."""

    def __init__(self, document: dict[str, Any], notes: list[str]) -> None:
        self.document = document
        self.notes = notes

    def __getitem__(self, key: str) -> Any:
        return self.document[key]

    def span(self, name: str) -> dict[str, Any]:
        """The only span of that name."""
        [found] = [span for span in self["spans"] if span["name"] == name]
        return dict(found)


def run_flow(
    home: Path,
    path: str,
    *inputs: str,
    document: bytes | None = None,
    grace_s: float | None = None,
    timeout_s: float | None = None,
    python: str | None = None,
    let_through: tuple[str, ...] = (),
    variables: dict[str, str] | None = None,
    limits: dict[str, int] | None = None,
    sandbox: str | None = None,
) -> Ran:
    """Run a flow in this process to its end.

    ``limits`` replaces ``RLIMIT_*``, those of the whole tree, or ``captured_bytes``.
    """
    client = client_at(home, **(variables or {}))
    request = RunRequest(
        path,
        assignments=list(inputs),
        document=document,
        let_through=let_through,
        python=python or sys.executable,
        timeout_s=timeout_s,
        sandbox=sandbox,
    )
    order = client.prepare(request)
    if grace_s is not None:
        order.limits.grace_s = grace_s
    for name, value in (limits or {}).items():
        if name == "captured_bytes":
            order.limits.captured_bytes = value
        elif name in order.limits.tree_limits:
            order.limits.tree_limits[name] = value
        else:
            order.limits.resource_limits[name] = value
    face = QuietFace()
    play = client.run(order, face)
    return Ran(read_document(client, play.sid), face.notes)


def read_document(client: Client, sid: str) -> dict[str, Any]:
    """The document of a play on record."""
    with client.read() as reading:
        document = json.loads(b"".join(reading.document(reading.play(sid))))
    assert isinstance(document, dict)
    return document


_RUNTIME = """
import os, sys
sys.path[:0] = [{source_dir!r}, {tests_dir!r}]
from hero_logic.app import make_client
from hero_logic.client import RunRequest
from support.runtime import QuietFace
client = make_client(dict(os.environ))
order = client.prepare(RunRequest(sys.argv[1], assignments=sys.argv[3:], python=sys.executable))
order.limits.grace_s = float(sys.argv[2])
class Face(QuietFace):
    def begin(self, play, *, sandbox_line):
        sys.stdout.write(play.sid + "\\n")
        sys.stdout.flush()
play = client.run(order, Face())
sys.stdout.write(play.status + "\\n")
"""


def start_runtime(
    home: Path, path: str, *inputs: str, marker: str = "", grace_s: float = 5.0, runtime_dir: str = ""
) -> subprocess.Popen[str]:
    """Run a flow in a process of its own, which prints the play's sid when it begins, its status at its end.

    ``marker`` goes to the play's environment as ``HERO_FLOW_MARKER``, and from there to all it starts.
    """
    environment = {
        "HERO_LOGIC_HOME": str(home),
        "HERO_LOGIC_SANDBOX": "tier0",
        "HERO_FLOW_MARKER": marker,
        "PATH": os.environ["PATH"],
    }
    if runtime_dir:
        environment["HERO_LOGIC_RUNTIME_DIR"] = runtime_dir
    code = _RUNTIME.format(source_dir=SOURCE_DIR, tests_dir=str(Path(SOURCE_DIR).parent / "tests"))
    return subprocess.Popen(
        [sys.executable, "-I", "-c", code, path, str(grace_s), *inputs],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
