"""What became of a play, from what it left."""

from __future__ import annotations

import json

import pytest

from hero_logic.core.outcome import ExitRecord, FlowResult, Leavings, decide, read_result
from hero_logic.core.policy import TREE_LIMITS, default
from hero_logic.core.records import RootSpan

RETURNED = FlowResult("returned", {"a": 1})
RAISED = FlowResult("raised", error="ValueError: x", traceback="Traceback ...\nValueError: x\n")
UNFIT = FlowResult("unfit", error="output is nan.")
FAILED_ROOT = RootSpan("main", "failed", "why")


def left(
    reason: str = "exited",
    *,
    code: int | None = 0,
    signal: int | None = None,
    result: FlowResult = RETURNED,
    stderr: str = "",
    launch_error: str = "",
    limit: tuple[str, float, float] | None = None,
) -> Leavings:
    return Leavings(ExitRecord(reason, 1.0, code, signal, launch_error, limit), result, stderr=stderr)


@pytest.mark.parametrize(
    ("leavings", "root", "status", "error"),
    [
        (left(), None, "ok", ""),
        (left(result=FlowResult()), None, "ok", ""),
        (left("lingered", code=None, signal=9), None, "ok", ""),
        (left(), FAILED_ROOT, "failed", "the root span 'main' ended failed: why"),
        (left("lingered", code=None, signal=9), FAILED_ROOT, "failed", "the root span 'main' ended failed"),
        (left(), RootSpan("r", "cancelled", ""), "failed", "the root span 'r' ended cancelled"),
        (left(code=3), None, "failed", "the flow exited with status 3"),
        (left(code=1, result=RAISED), FAILED_ROOT, "failed", "ValueError: x\n\nTraceback"),
        (left(code=0, result=RAISED), None, "failed", "ValueError: x"),
        (left("lingered", code=None, signal=9, result=RAISED), None, "failed", "ValueError: x"),
        (left(code=1, result=UNFIT), None, "failed", "output is nan."),
        (left(code=None, signal=9), None, "failed", "the flow was ended by SIGKILL"),
        (left(code=None, signal=11), None, "failed", "SIGSEGV (a crash in native code)"),
        (left(code=None, signal=24), None, "failed", "SIGXCPU (it used up its processor time)"),
        (left(code=None, signal=25), None, "failed", "SIGXFSZ (a file grew past its limit)"),
        (left(code=None, signal=63), None, "failed", "ended by signal 63"),
        (left("timed_out", code=0), None, "timed_out", "its limit of 2.5 s"),
        (left("timed_out", code=1, result=RAISED), FAILED_ROOT, "timed_out", "the play ran longer"),
        (left("cancelled", code=0), None, "cancelled", "cancelled by SIGINT"),
        (left("runtime_gone", code=0), None, "failed", "the runtime ended while this play ran"),
        (left("supervisor_gone", code=None), None, "failed", "the process that supervises this play"),
        (left("launch_failed", code=None, launch_error="no such"), None, "failed", "be started: no such"),
        (left("sandbox_failed", code=None, launch_error="mount: no"), None, "failed", "started: mount: no. "),
        (left("over_limit", code=None, limit=("tree_files", 21.0, 20.0)), None, "failed", "took 21 files"),
        (left("over_limit", code=0, limit=("tree_files", 21.0, 20.0)), None, "failed", "its limit is 20"),
    ],
)
def test_the_end_of_a_play_follows_from_what_it_left(
    leavings: Leavings, root: RootSpan | None, status: str, error: str
) -> None:
    """Ok only if the process exited 0 and no root failed; else the reason that a person needs first."""
    outcome = decide(leavings, root, timeout_s=2.5, cancelled_by="SIGINT")

    assert outcome.status == status
    assert error in outcome.error
    assert (outcome.error == "") == (status == "ok")


@pytest.mark.parametrize(("root", "status"), [(None, "ok"), (FAILED_ROOT, "failed")])
def test_a_returned_value_is_kept_also_where_the_root_failed(root: RootSpan | None, status: str) -> None:
    """It was returned, whatever the spans say."""
    outcome = decide(left(), root)

    assert (outcome.status, outcome.output_json) == (status, '{"a":1}')


@pytest.mark.parametrize(
    "reason", ["timed_out", "cancelled", "runtime_gone", "launch_failed", "over_limit", "sandbox_failed"]
)
def test_a_play_that_was_ended_has_no_output(reason: str) -> None:
    """What it may have reported did not come to its end."""
    assert decide(left(reason, limit=("tree_files", 2, 1)), None).output_json is None


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        (("tree_memory_bytes", 5 << 30, 4 << 30), "5,120 MiB of memory, and its limit is 4,096 MiB"),
        (("tree_memory_bytes", (4 << 30) + 1, 4 << 30), "4,097 MiB of memory, and its limit is 4,096 MiB"),
        (("tree_disk_bytes", 9 << 30, 8 << 30), "9,216 MiB on disk, and its limit is 8,192 MiB"),
        (("tree_files", 1_000_001, 1_000_000), "1,000,001 files, and its limit is 1,000,000"),
        (("tree_processes", 1025, 1024), "1,025 processes and threads, and its limit is 1,024"),
        (("tree_cpu_s", 86_400.2, 86_400), "86,401 s of processor time, and its limit is 86,400 s"),
        (("of_a_later_release", 2, 1), "2 of_a_later_release, and its limit is 1"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_limit_that_was_passed_is_told_with_both_numbers(
    limit: tuple[str, float, float], says: str
) -> None:
    """In the unit that a person reads; what has passed a limit is never told to be just what it is."""
    error = decide(left("over_limit", code=None, signal=9, limit=limit), None).error

    assert error == f"the play was ended: all its processes together took {says}"


def test_every_limit_of_the_whole_tree_has_its_words() -> None:
    """None is told by its name in the code."""
    for name in TREE_LIMITS:
        assert name not in decide(left("over_limit", limit=(name, 2, 1)), None).error


def test_a_record_that_does_not_say_which_limit_is_told_by_its_end() -> None:
    """It may have been cut short; that is no reason to have no reason."""
    outcome = decide(left("over_limit", code=None, signal=9), None)

    assert (outcome.status, outcome.error.partition(" (")[0]) == ("failed", "the flow was ended by SIGKILL")


def test_a_sandbox_that_was_not_entered_says_so_by_its_code_and_what_to_do() -> None:
    """The flow has not run, which is what a person wants to know first."""
    error = decide(left("sandbox_failed", code=None, launch_error="mount tmpfs: no"), None).error

    assert error.startswith("SandboxUnavailable: ")
    assert "was not started: mount tmpfs: no." in error
    assert "hero-logic doctor" in error


def test_the_tail_of_stderr_explains_an_exit_that_does_not_explain_itself() -> None:
    """The end of it, since that is where the reason is."""
    outcome = decide(left(code=2, result=FlowResult(), stderr="x" * 10_000 + "the reason\n"), None)

    assert outcome.error.startswith("the flow exited with status 2\n\nThe end of its stderr:\n")
    assert outcome.error.endswith("xthe reason")
    assert len(outcome.error) < 5000


@pytest.mark.parametrize("character", ["x", "ä", "𝄞"])
def test_an_error_is_bounded_and_keeps_both_its_ends(character: str) -> None:
    """The limit is that of the table; a character is never cut."""
    long = FlowResult("raised", error="first", traceback=character * 200_000 + "last")
    error = decide(left(code=1, result=long), None).error

    assert error.startswith("first\n\n")
    assert error.endswith("last")
    assert "bytes left out" in error
    assert len(error.encode()) < default("error_bytes") + 100
    assert "\N{REPLACEMENT CHARACTER}" not in error


@pytest.mark.parametrize(
    "output", [None, True, 1.5, "ä\0", 2**70, [[], {}], {"a": {"b": [None]}}, "\U0010ffff"]
)
def test_an_output_is_what_was_returned(output: object) -> None:
    """Any JSON value."""
    result = read_result(json.dumps({"outcome": "returned", "output": output}).encode())

    assert json.loads(decide(left(result=result), None).output_json or "") == output


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"\xff",
        b"[]",
        b"7",
        b'{"outcome":1}',
        b'{"outcome":"returned","output":1}{"outcome":"returned","output":2}',
        b'{"outcome":"returned","output":' + b"[" * 100_000,
        b'{"outcome":"returned","output":' + b"9" * 5000 + b"}",
        b'{"outcome":"returned","output":NaN}',
    ],
    ids=range(9),
)
def test_a_result_that_cannot_be_read_is_a_failure_and_no_crash(data: bytes) -> None:
    """A play can write anything there."""
    result = read_result(data)

    assert result.outcome == "unfit"
    assert decide(left(code=0, result=result), None).status == "failed"


def test_a_result_over_the_limit_is_a_clear_failure() -> None:
    """It tells what to do instead."""
    result = read_result(b" " * (default("output_bytes") + 1))

    assert "artifacts/" in result.error
