"""The lifetime of one play: whatever happens in between, leaving it leaves nothing behind."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hero_logic.core.errors import LaunchFailed, SocketInUse
from hero_logic.core.policy import PlayLimits, play_environment
from hero_logic.runner.play import PlayPlan, StagedPlay, read_aftermath
from hero_logic.runner.span_socket import play_socket_path
from hero_logic.runner.spawner import Spawner
from hero_logic.runner.staging import PlayPaths
from hero_logic.runner.supervisor import children_of
from support.listening import Sink
from support.processes import pids_with, wait_until_gone
from support.waiting import wait_until


class Stage:
    """Plays in a directory of the test's, of one spawner."""

    def __init__(self, tmp_path: Path) -> None:
        self.tmp_path = tmp_path
        self.spawner = Spawner.start()
        self.sid = f"test-{os.getpid()}-{abs(hash(str(tmp_path))) % 10**9}"
        self.marker = f"marker-{self.sid}"

    def play(
        self, body: str, *, limits: PlayLimits | None = None, python: str = sys.executable
    ) -> StagedPlay:
        def environment(work_dir: str, span_channel: str | int) -> dict[str, str]:
            operator = {"HERO_FLOW_MARKER": self.marker, "HERO_FLOW_TMP": str(self.tmp_path)}
            return play_environment(operator, sid=self.sid, work_dir=work_dir, span_channel=span_channel)

        plan = PlayPlan(
            sid=self.sid,
            source=f"from hero_tracing import flow\nimport os, signal\n{body}\n".encode(),
            flow_path=str(self.tmp_path / "flow.py"),
            function="main",
            input_json=None,
            python=python,
            environment=environment,
            limits=limits or PlayLimits(grace_s=0.3),
        )
        return StagedPlay(
            plan,
            self.spawner,
            plays_dir=str(self.tmp_path / "plays"),
            cache_dir=str(self.tmp_path / "cache"),
        )

    def is_clear(self) -> bool:
        """Whether nothing of the play is left: no process, no socket, no supervisor, no directory."""
        plays = self.tmp_path / "plays"
        return (
            pids_with(self.marker) == []
            and not os.path.exists(play_socket_path(self.sid))
            and (not plays.exists() or os.listdir(plays) == [])
        )


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    opened = Stage(tmp_path)
    yield opened
    opened.spawner.close()
    wait_until_gone(opened.marker, timeout_s=2)


RETURNS = "@flow\ndef main():\n    print('ran')\n    return 7"
ENDLESS = (
    "@flow\ndef main():\n"
    "    open(os.environ['HERO_FLOW_TMP'] + '/up', 'w').close()\n"
    "    while True:\n        signal.pause()"
)


def test_a_play_goes_from_its_stage_to_its_leavings(stage: Stage) -> None:
    """Its events, its output, its result; then nothing of it is left."""
    sink = Sink()
    with stage.play(RETURNS) as play:
        play.begin(sink)
        while not play.step():
            pass
        report = play.drain()
        leavings = play.leavings()
        play.is_end_recorded = True

    assert (leavings.result.output, leavings.stdout, leavings.record.exit_code) == (7, "ran\n", 0)
    assert sum(len(chunk.data) for chunk in sink.chunks) == report.bytes > 0
    assert sink.ended == ["1"]
    assert stage.is_clear()


def test_nothing_of_a_flow_runs_before_the_gate_opens(stage: Stage) -> None:
    """The interpreter waits, connected; leaving without opening ends it."""
    touch = "open(os.environ['HERO_FLOW_TMP'] + '/ran', 'w').close()\n" + RETURNS
    with stage.play(touch) as play:
        wait_until(lambda: pids_with(stage.marker), "the interpreter")
        assert not play.step(0.3)
        has_run = (stage.tmp_path / "ran").exists()

    assert not has_run
    assert stage.is_clear()


def fail_at(stage: Stage, play: StagedPlay, at: str) -> None:
    with play:
        if at != "staged":
            play.begin(Sink())
        if at == "begun":
            wait_until((stage.tmp_path / "up").exists, "the flow")
        if at in ("ended", "drained"):
            while not play.step():
                pass
        if at == "drained":
            play.drain()
        raise ZeroDivisionError


@pytest.mark.parametrize("at", ["staged", "begun", "ended", "drained"])
def test_an_error_at_any_moment_leaves_no_process_and_no_socket(stage: Stage, at: str) -> None:
    """The files stay once its flow may have run: recovery goes by them."""
    play = stage.play(ENDLESS if at == "begun" else RETURNS)
    with pytest.raises(ZeroDivisionError):
        fail_at(stage, play, at)

    assert pids_with(stage.marker) == []
    assert not os.path.exists(play_socket_path(stage.sid))
    assert stage.is_clear() == (at == "staged")
    leavings = read_aftermath(play.paths)
    assert leavings is not None
    assert leavings.record.reason == {"staged": "runtime_gone", "begun": "cancelled"}.get(at, "exited")


def test_waiting_for_a_play_can_be_bounded(stage: Stage) -> None:
    """It has not ended yet."""
    with stage.play(ENDLESS) as play:
        play.begin(Sink())

        assert not play.step(0.05)
        assert not play.step(0.0)


@pytest.mark.parametrize(("how", "reason"), [("cancel", "cancelled"), ("kill", "cancelled")])
def test_a_play_can_be_ended(stage: Stage, how: str, reason: str) -> None:
    """Asked or killed; once it has ended, asking again is harmless."""
    with stage.play(ENDLESS) as play:
        play.begin(Sink())
        wait_until((stage.tmp_path / "up").exists, "the flow")
        getattr(play, how)()
        assert play.step(10)
        play.drain()
        getattr(play, how)()

        assert play.leavings().record.reason == reason


def test_a_supervisor_that_is_killed_is_the_end_of_its_play(stage: Stage) -> None:
    """The runtime is not left waiting."""
    with stage.play(ENDLESS) as play:
        play.begin(Sink())
        wait_until((stage.tmp_path / "up").exists, "the flow")
        [supervisor] = children_of(stage.spawner._pid)
        os.kill(supervisor, 9)
        assert play.step(10)

        assert play.leavings().record.reason == "supervisor_gone"
    wait_until_gone(stage.marker, timeout_s=2)


def test_a_socket_that_is_taken_is_an_error_before_anything_runs(stage: Stage) -> None:
    """What was staged is undone, and what is at the path stays."""
    path = Path(play_socket_path(stage.sid))
    path.write_text("precious")
    try:
        with pytest.raises(SocketInUse), stage.play(RETURNS):
            raise AssertionError
        left = path.read_text()
    finally:
        path.unlink()

    assert left == "precious"
    assert stage.is_clear()


def test_a_spawner_that_is_gone_is_an_error_that_leaves_nothing(stage: Stage) -> None:
    """Neither a directory nor a socket."""
    os.kill(stage.spawner._pid, 9)
    os.waitid(os.P_PID, stage.spawner._pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(LaunchFailed), stage.play(RETURNS):
        raise AssertionError

    assert stage.is_clear()


def test_an_interpreter_that_is_not_there_is_a_play_that_could_not_be_launched(stage: Stage) -> None:
    """It ends by itself, and says why."""
    with stage.play(RETURNS, python="/none/python") as play:
        play.begin(Sink())
        assert play.step(10)
        play.drain()
        record = play.leavings().record

    assert (record.reason, record.launch_error) == (
        "launch_failed",
        "No such file or directory: /none/python",
    )


def test_a_play_that_is_still_supervised_has_no_aftermath_yet(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes waits a moment, and then comes again later."""
    import hero_logic.runner.play as module

    monkeypatch.setattr(module, "_SUPERVISOR_WAIT_S", 0.1)
    with stage.play(ENDLESS) as play:
        play.begin(Sink())
        wait_until((stage.tmp_path / "up").exists, "the flow")

        assert read_aftermath(play.paths) is None


def test_the_aftermath_of_a_play_that_never_was_is_that_of_a_lost_runtime(stage: Stage) -> None:
    """There is nothing to read."""
    leavings = read_aftermath(PlayPaths(str(stage.tmp_path / "plays"), stage.sid))

    assert leavings is not None
    assert (leavings.record.reason, leavings.stdout, leavings.artifacts) == ("runtime_gone", "", [])


def test_a_play_that_never_began_leaves_nothing_when_its_runtime_is_killed(stage: Stage) -> None:
    """It is on no record, so that nobody else would ever clear its directory and its socket away."""
    staged = stage.play("@flow\ndef main(): pass").__enter__()
    assert staged._control is not None
    wait_until(lambda: pids_with(stage.marker), "the interpreter waits at its gate")

    staged._control.close()

    wait_until(lambda: not os.path.exists(staged.paths.root), "its directory is gone")
    # Gone first: whoever is killed in between leaves the directory, by which others know of both.
    assert not os.path.exists(play_socket_path(stage.sid))
    wait_until_gone(stage.marker, timeout_s=2)
    staged._control = None
    staged._listener.close()
