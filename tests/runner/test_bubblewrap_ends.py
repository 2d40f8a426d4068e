"""How a play ends that bubblewrap keeps from the host, and what happens where it cannot."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hero_logic.core.policy import PlayLimits
from hero_logic.runner.proof import Prover
from hero_logic.runner.sandbox import bubblewrap
from hero_logic.runner.supervisor import children_of
from support.bubblewrapped import (
    Stage,
    leavings_of,
    monitor_of,
    needs_bwrap,
    opened_stage,
    wait_until_up,
)
from support.listening import Sink
from support.processes import pids_with, wait_until_gone
from support.waiting import wait_until


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    yield from opened_stage(tmp_path)


@pytest.fixture
def bwrap_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put a program in bwrap's place: a shell script."""

    def put(script: str) -> None:
        places = tmp_path / "places"
        places.mkdir()
        program = places / "bwrap"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setattr(bubblewrap, "PLACES", (str(places),))

    return put


# How it ends


@needs_bwrap
@pytest.mark.parametrize("status", [0, 7, 137, 255])
def test_an_exit_status_is_the_plays_own(stage: Stage, status: int) -> None:
    """Also one that a shell would take for a signal."""
    record = stage.run(f"@flow\ndef main():\n    os._exit({status})").record

    assert (record.exit_code, record.signal) == (status, None)


@needs_bwrap
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_signal_is_told_as_a_signal(stage: Stage, number: int) -> None:
    """bwrap would make an exit status of it."""
    record = stage.run(f"@flow\ndef main():\n    os.kill(os.getpid(), {int(number)})").record

    assert (record.reason, record.exit_code, record.signal) == ("exited", None, number)


@needs_bwrap
def test_a_cancelled_play_has_its_grace(stage: Stage) -> None:
    """SIGTERM reaches the flow, and not bwrap, whose death would be the play's."""
    body = """
        @flow
        def main():
            def end(*_):
                print("bye")
                sys.exit(3)
            signal.signal(signal.SIGTERM, end)
            open("artifacts/up", "w").close()
            while True:
                signal.pause()
    """
    with stage.play(body) as play:
        play.begin(Sink())
        wait_until_up(play)
        play.cancel()
        assert play.step(10)
        leavings = leavings_of(play)

    assert leavings.stdout == "bye\n"
    assert (leavings.record.reason, leavings.record.exit_code) == ("cancelled", 3)


@needs_bwrap
def test_a_stopped_play_ends_when_it_is_cancelled(stage: Stage) -> None:
    """It is made to go on, so that SIGTERM reaches it within the grace."""
    body = """
        @flow
        def main():
            open("artifacts/up", "w").close()
            os.kill(os.getpid(), signal.SIGSTOP)
            while True:
                signal.pause()
    """
    with stage.play(body, limits=PlayLimits(grace_s=20.0)) as play:
        play.begin(Sink())
        wait_until_up(play)
        play.cancel()
        assert play.step(10)
        leavings = leavings_of(play)

    assert (leavings.record.reason, leavings.record.signal) == ("cancelled", signal.SIGTERM)


STUBBORN = """
    @flow
    def main():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        reader, writer = os.pipe()
        for stop in (False, True):
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    os.write(writer, b"x")
                    if stop:
                        os.kill(os.getpid(), signal.SIGSTOP)
                    while True:
                        signal.pause()
                os._exit(0)
        os.read(reader, 1), os.read(reader, 1)
        open("artifacts/up", "w").close()
        while True:
            signal.pause()
"""


@needs_bwrap
def test_what_ignores_sigterm_is_killed_after_the_grace_and_its_daemons_with_it(stage: Stage) -> None:
    """Double-forked, stopped, in sessions of their own."""
    with stage.play(STUBBORN, limits=PlayLimits(grace_s=0.2)) as play:
        play.begin(Sink())
        wait_until_up(play)
        play.cancel()
        assert play.step(10)
        left = pids_with(stage.marker)
        leavings = leavings_of(play)

    assert left == []
    assert (leavings.record.reason, leavings.record.signal) == ("cancelled", signal.SIGKILL)


@needs_bwrap
def test_daemons_end_with_a_play_that_returns(stage: Stage) -> None:
    """They are not waited for: the first process of their world ends with the play."""
    body = STUBBORN[: STUBBORN.rindex("        while True")] + "        return 1\n"
    leavings = stage.run(body)

    assert (leavings.result.output, leavings.record.reason) == (1, "exited")
    assert pids_with(stage.marker) == []


@needs_bwrap
@pytest.mark.parametrize("whom", ["supervisor", "bwrap", "guard"])
def test_whoever_is_killed_the_play_is_gone(stage: Stage, whom: str) -> None:
    """Its daemons too; and the runtime hears of an end."""
    with stage.play(STUBBORN) as play:
        play.begin(Sink())
        wait_until_up(play)
        monitor = monitor_of(stage)
        [supervisor] = children_of(stage.spawner._pid)
        [guard] = children_of(monitor)
        os.kill({"supervisor": supervisor, "bwrap": monitor, "guard": guard}[whom], signal.SIGKILL)
        assert play.step(10)
        record = leavings_of(play).record
    wait_until_gone(stage.marker, timeout_s=2)

    if whom == "supervisor":
        assert record.reason == "supervisor_gone"
    else:
        assert (record.reason, record.exit_code == 0) == ("exited", False)


@needs_bwrap
def test_a_play_whose_runtime_is_gone_ends(stage: Stage) -> None:
    """Its supervisor ends it, daemons and all, and leaves the record."""
    play = stage.play(STUBBORN).__enter__()
    play.begin(Sink())
    wait_until_up(play)
    assert play._control is not None

    play._control.close()

    wait_until_gone(stage.marker, timeout_s=3)
    wait_until(Path(play.paths.exit_record).exists, "the exit record")
    play._control = None
    play.is_end_recorded = True
    play.__exit__()


@needs_bwrap
def test_a_play_cannot_tell_its_end_in_the_guards_name(stage: Stage) -> None:
    """What the guard tells it by cannot be opened by the play."""
    record = stage.run(
        """
        @flow
        def main():
            for name in os.listdir("/proc/1/fd"):
                try:
                    os.write(os.open(f"/proc/1/fd/{name}", os.O_WRONLY), bytes(4))
                except OSError:
                    continue
            os._exit(9)
        """
    ).record

    assert (record.reason, record.exit_code) == ("exited", 9)


# Where it cannot be had


def test_a_missing_bwrap_fails_closed(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The flow does not run, and the reason names the program."""
    monkeypatch.setattr(bubblewrap, "PLACES", (str(tmp_path),))
    leavings = stage.run("@flow\ndef main():\n    print('ran')")

    assert leavings.record.reason == "sandbox_failed"
    assert leavings.record.launch_error.startswith("bubblewrap is not installed: there is no bwrap in /")
    assert leavings.stdout == ""


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo 'bwrap: no namespaces for you' >&2; exit 1", "bwrap: no namespaces for you"),
        ("echo one >&2; echo two; exit 1", "one; two"),
        ("exit 0", "bwrap ended, and said nothing"),
        ("kill -9 $$", "bwrap ended, and said nothing"),
        ("head -c 100000 /dev/zero | tr '\\0' x >&2", "x" * 4096),
        ("printf '\\377\\n' >&2", "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_whatever_bwrap_says_instead_of_starting_the_play_is_the_reason(
    stage: Stage, bwrap_says: Any, script: str, told: str
) -> None:
    """Its words are not the play's outputs, and its exit is not the play's, whatever its status."""
    bwrap_says(script)
    leavings = stage.run("@flow\ndef main():\n    print('ran')")

    assert (leavings.record.reason, leavings.record.launch_error) == ("sandbox_failed", told)
    assert (leavings.stdout, leavings.stderr, leavings.record.exit_code) == ("", "", None)


def test_what_a_failing_bwrap_leaves_behind_is_ended(stage: Stage, bwrap_says: Any) -> None:
    """A process of its own that holds none of our pipes does not outlive the play."""
    bwrap_says("sleep 100 >/dev/null 2>&1 &\nexit 1")
    record = stage.run("@flow\ndef main():\n    print('ran')").record

    assert record.reason == "sandbox_failed"
    assert pids_with(stage.marker) == []


def test_a_program_that_cannot_be_executed_is_no_sandbox(stage: Stage, bwrap_says: Any) -> None:
    """The error of the system is the reason, and the play was not started."""
    bwrap_says("")
    Path(bubblewrap.PLACES[0], "bwrap").write_bytes(b"\x7fELF")
    record = stage.run("@flow\ndef main():\n    print('ran')").record

    assert record.reason in ("sandbox_failed", "launch_failed")
    assert "Exec format error" in record.launch_error


def test_a_bwrap_that_does_nothing_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it said until then is told."""
    monkeypatch.setattr(bubblewrap, "_ENTRY_S", 0.05)
    told, told_in = os.pipe()
    os.write(told_in, b"bwrap: thinking\n")
    try:
        problem = bubblewrap.problem_of_entry(told)
    finally:
        os.close(told)
        os.close(told_in)

    assert problem == "bwrap did not start the play within 0.05 s; bwrap: thinking"


def prover(stage: Stage) -> Prover:
    names = iter(range(100))
    return Prover(
        stage.spawner,
        python=sys.executable,
        cache_dir=str(stage.tmp_path / "cache"),
        new_name=lambda: f"{stage.sid}-{next(names)}",
    )


@needs_bwrap
def test_the_proof_of_bubblewrap_is_granted_here(stage: Stage) -> None:
    """A canary flow tried, and nothing got through."""
    proof = prover(stage)("bubblewrap")

    assert (proof.is_granted, proof.problem) == (True, "")


def test_the_proof_of_an_unusable_bwrap_says_what_to_do(stage: Stage, bwrap_says: Any) -> None:
    """Not granted; with its own words, and one line of advice."""
    bwrap_says("echo 'bwrap: setting up uid map: Permission denied' >&2; exit 1")
    proof = prover(stage)("bubblewrap")

    assert not proof.is_granted
    assert proof.problem == "bwrap: setting up uid map: Permission denied"
    assert "AppArmor" in proof.remedy
    assert "\n" not in proof.remedy
