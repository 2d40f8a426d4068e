"""What became of a play: one function for a normal end, a timeout, a cancel and a recovery alike.

Source: docs/design/0005-processes.md, "The outcome".
"""

from __future__ import annotations

import signal
from typing import Any

import msgspec

from hero_logic.core.denials import Denied
from hero_logic.core.policy import default
from hero_logic.core.records import Artifact, PlayStatus, RootSpan

RUNTIME_ENDED = "the runtime ended while this play ran"
ROOT_END_LOST = "the flow returned, but the end of its root span never came: events were lost"
_TAIL_CHARS = 4000


class ExitRecord(msgspec.Struct, frozen=True):
    """How the process of a play ended, as its supervisor saw it."""

    reason: str
    """``exited lingered over_limit timed_out cancelled runtime_gone launch_failed sandbox_failed
    supervisor_gone not_started``."""
    end_ms: float
    exit_code: int | None = None
    signal: int | None = None
    launch_error: str = ""
    limit: tuple[str, float, float] | None = None
    """Of all its processes together, which was passed: (its name, used, allowed)."""
    dropped_stdout_bytes: int = 0
    dropped_stderr_bytes: int = 0


class FlowResult(msgspec.Struct, frozen=True):
    """What the stub reported of the flow; ``outcome`` is ``none`` where it came to say nothing."""

    outcome: str = "none"
    output: Any = None
    error: str = ""
    traceback: str = ""
    denied: Denied | None = None
    """What it was denied, where the error says so."""


class Leavings(msgspec.Struct, frozen=True):
    """What is there of a play when all its processes are gone."""

    record: ExitRecord
    result: FlowResult = FlowResult()
    stdout: str = ""
    stderr: str = ""
    artifacts: list[Artifact] = []
    hint: str = ""
    """What would have allowed what the flow was denied (core/denials.py)."""


class Outcome(msgspec.Struct, frozen=True):
    """The end of a play: its status, the reason a person needs first, its output as JSON text."""

    status: PlayStatus
    error: str = ""
    output_json: str | None = None


def read_result(data: bytes) -> FlowResult:
    """What the stub wrote; what cannot be read is told as an error, since a play can write anything there.

    >>> read_result(b'{"outcome":"returned","output":[1]}').output
    [1]
    >>> read_result(b"").outcome
    'none'
    """
    if not data:
        return FlowResult()
    if len(data) > default("output_bytes"):
        return FlowResult(
            "unfit",
            error=f"the output is longer than {default('output_bytes')} bytes; "
            "write it to artifacts/ instead.",
        )
    try:
        return msgspec.json.decode(data, type=FlowResult)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError) as error:
        return FlowResult("unfit", error=f"the flow's result cannot be read: {error}.")


def decide(
    leavings: Leavings, root: RootSpan | None, *, timeout_s: float | None = None, cancelled_by: str = ""
) -> Outcome:
    """The end of a play.

    It is ok only if the process exited 0 and no root span ended otherwise, so that the same events mean
    the same when they are ingested from a file.

    Args:
        leavings: what is there of it. The tail of stderr is kept with an error that does not explain itself.
        root: the first root span that did not end ok, or None.
        timeout_s: the limit that was set, for the message.
        cancelled_by: who or what cancelled it, for the message.
    """
    record = leavings.record
    result = leavings.result
    if record.reason == "timed_out":
        limit = "its limit" if timeout_s is None else f"its limit of {timeout_s:g} s"
        return Outcome("timed_out", f"the play ran longer than {limit}")
    if record.reason == "cancelled":
        return Outcome("cancelled", f"cancelled by {cancelled_by}" if cancelled_by else "cancelled")
    if record.reason in ("runtime_gone", "supervisor_gone"):
        return Outcome("failed", RUNTIME_ENDED if record.reason == "runtime_gone" else _SUPERVISOR_GONE)
    if record.reason == "over_limit" and record.limit is not None:
        return Outcome("failed", _over_limit(*record.limit))
    if record.reason == "sandbox_failed":
        return Outcome(
            "failed",
            f"SandboxUnavailable: the play could not be kept from this host as was promised, and was not "
            f"started: {record.launch_error}. `hero-logic doctor` tells what this host can do.",
        )
    if record.reason == "not_started":
        return Outcome("failed", _bounded(record.launch_error))
    if record.reason == "launch_failed":
        return Outcome("failed", f"the play's process could not be started: {record.launch_error}")
    has_returned = result.outcome in ("returned", "none")
    if has_returned and (record.exit_code == 0 or record.reason == "lingered"):
        return _after_good_exit(result, root)
    if result.outcome in ("raised", "unfit"):
        hint = f"\n{leavings.hint}" if leavings.hint else ""
        trace = f"\n\n{result.traceback.rstrip()}" if result.traceback else ""
        return Outcome("failed", _bounded(result.error + hint + trace))
    return Outcome("failed", _bounded(_how_it_exited(record) + _tail(leavings.stderr)))


_OF_THE_TREE = {
    "tree_memory_bytes": "of memory",
    "tree_disk_bytes": "on disk",
    "tree_files": "files",
    "tree_processes": "processes and threads",
    "tree_open_files": "open descriptors",
    "tree_cpu_s": "of processor time",
}


def _over_limit(name: str, used: float, allowed: float) -> str:
    """Which limit a play passed, for a person.

    >>> _over_limit("tree_memory_bytes", 5 * 1024**3, 4 * 1024**3)
    'the play was ended: all its processes together took 5,120 MiB of memory, and its limit is 4,096 MiB'
    """
    unit, scale = "", 1
    if name.endswith("_bytes"):
        unit, scale = " MiB", 1024 * 1024
    elif name.endswith("_s"):
        unit = " s"
    # Rounded up: what has passed a limit must not be told to be just what it is.
    told = f"{-(-used // scale):,.0f}{unit} {_OF_THE_TREE.get(name, name)}"
    limit = f"{allowed / scale:,.0f}{unit}"
    return f"the play was ended: all its processes together took {told}, and its limit is {limit}"


_SUPERVISOR_GONE = "the process that supervises this play was killed, so its end is not known"


def _after_good_exit(result: FlowResult, root: RootSpan | None) -> Outcome:
    output = None
    if result.outcome == "returned":
        output = msgspec.json.encode(result.output).decode()
    if root is None:
        return Outcome("ok", "", output)
    return Outcome("failed", _bounded(root_error(root)), output)


def root_error(root: RootSpan) -> str:
    """Why a play whose root did not end ok is failed: the same words for a run and for a recorded stream."""
    told = f": {root.error}" if root.error else ""
    return f"the root span {root.name!r} ended {root.status}{told}"


def _how_it_exited(record: ExitRecord) -> str:
    if record.signal is not None:
        try:
            name = signal.Signals(record.signal).name
        except ValueError:
            name = f"signal {record.signal}"
        hints = {
            "SIGXCPU": " (it used up its processor time)",
            "SIGXFSZ": " (a file grew past its limit)",
            "SIGKILL": " (something killed it; when memory runs out, the kernel does)",
            "SIGSEGV": " (a crash in native code)",
        }
        return f"the flow was ended by {name}{hints.get(name, '')}"
    return f"the flow exited with status {record.exit_code}"


def _tail(stderr: str) -> str:
    text = stderr.strip()[-_TAIL_CHARS:]
    return f"\n\nThe end of its stderr:\n{text}" if text else ""


def _bounded(text: str) -> str:
    limit = default("error_bytes")
    data = text.encode("utf-8", "replace")
    if len(data) <= limit:
        return data.decode()
    half = limit // 2
    head, tail = data[:half].decode("utf-8", "ignore"), data[-half:].decode("utf-8", "ignore")
    return f"{head}\n... ({len(data) - limit} bytes left out)\n{tail}"
