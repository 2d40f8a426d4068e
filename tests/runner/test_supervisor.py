"""The end of a play: nothing that it started outlives it, and how it ended is told truly."""

from __future__ import annotations

import os
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hero_logic.runner.supervisor import children_of
from support.processes import pids_with
from support.runtime import Ran

Played = Callable[..., Ran]

DAEMON = textwrap.dedent("""
    import os, signal, sys, threading
    def daemonize(keep=()):
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                signal.signal(signal.SIGHUP, signal.SIG_IGN)
                for descriptor in range(256):
                    if descriptor != writer and descriptor not in keep:
                        try:
                            os.close(descriptor)
                        except OSError:
                            pass
                os.write(writer, b"up")
                while True:
                    signal.pause()
            os._exit(0)
        os.wait()
        os.read(reader, 2)
""")


def marker_of(tmp_path: Path) -> dict[str, str]:
    """The operator's variables by which the processes of a test's play are known."""
    return {"HERO_FLOW_MARKER": f"marker-{os.getpid()}-{tmp_path.name}"}


def nothing_is_left(tmp_path: Path) -> bool:
    return pids_with(marker_of(tmp_path)["HERO_FLOW_MARKER"]) == []


@pytest.mark.parametrize("keep", ["()", "(1, 2)", "range(3, 9)", "range(9)"])
def test_daemons_that_ignore_sigterm_do_not_outlive_their_play(
    played: Played, tmp_path: Path, keep: str
) -> None:
    """Double-forked, in sessions of their own, whatever of the play's descriptors they hold."""
    before_s = time.monotonic()
    ran = played(
        DAEMON
        + textwrap.dedent(f"""
        @flow
        def main():
            for _ in range(5):
                daemonize({keep})
            return "over"
        """),
        variables=marker_of(tmp_path),
    )

    assert (ran["status"], ran["output"]) == ("ok", "over")
    assert nothing_is_left(tmp_path)
    assert time.monotonic() - before_s < 4


@pytest.mark.parametrize("end", ["return 1", "os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_stopped_children_do_not_outlive_their_play(played: Played, tmp_path: Path, end: str) -> None:
    """A process that was stopped acts on SIGKILL alone."""
    played(
        f"""
        import os, signal, subprocess
        @flow
        def main():
            child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
            child.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
            {end}
        """,
        variables=marker_of(tmp_path),
    )

    assert nothing_is_left(tmp_path)


def test_a_storm_of_forks_is_ended(played: Played, tmp_path: Path) -> None:
    """Two hundred processes that start others as they die do not get away."""
    ran = played(
        """
        import os, signal
        def storm(depth):
            for _ in range(6):
                if os.fork() == 0:
                    os.setsid()
                    signal.signal(signal.SIGTERM, signal.SIG_IGN)
                    if depth:
                        storm(depth - 1)
                    os.write(up, b".")
                    while True:
                        signal.pause()
        down, up = os.pipe()
        @flow
        def main():
            storm(2)
            seen = 0
            while seen < 6 + 36 + 216:
                seen += len(os.read(down, 500))
            return seen
        """,
        variables=marker_of(tmp_path),
    )

    assert ran["output"] == 258
    assert nothing_is_left(tmp_path)


def test_processes_that_go_on_forking_while_they_are_killed_are_ended(played: Played, tmp_path: Path) -> None:
    """A chain in which each process starts its successor and ends is stopped before it is killed."""
    ran = played(
        """
        import os
        @flow
        def main():
            if os.fork() == 0:
                os.setsid()
                while True:
                    if os.fork():
                        os._exit(0)
            return "over"
        """,
        variables=marker_of(tmp_path),
    )

    assert ran["output"] == "over"
    assert nothing_is_left(tmp_path)


def test_a_timeout_ends_everything_within_the_grace(played: Played, tmp_path: Path) -> None:
    """A flow that ignores SIGTERM is killed when the grace is over; its open spans say so."""
    before_s = time.monotonic()
    ran = played(
        DAEMON
        + textwrap.dedent("""
        @flow
        def main():
            daemonize()
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            with flow.step("endless"):
                while True:
                    signal.pause()
        """),
        variables=marker_of(tmp_path),
        timeout_s=0.3,
        grace_s=0.2,
    )

    assert (ran["status"], ran["error"]) == ("timed_out", "the play ran longer than its limit of 0.3 s")
    assert {span["status"] for span in ran["spans"]} == {"timed_out"}
    assert nothing_is_left(tmp_path)
    assert 0.5 <= time.monotonic() - before_s < 4


def test_a_flow_may_clear_up_within_the_grace(played: Played) -> None:
    """SIGTERM comes first; what the flow does then is recorded, and the play has timed out all the same."""
    ran = played(
        """
        import signal
        @flow
        def main():
            def stop(*_):
                raise InterruptedError("clearing up")
            signal.signal(signal.SIGTERM, stop)
            try:
                signal.pause()
            finally:
                with flow.step("clear up"):
                    print("cleared", flush=True)
        """,
        timeout_s=0.2,
    )

    assert (ran["status"], ran["stdout"]) == ("timed_out", "cleared\n")
    assert ran.span("clear up")["status"] == "ok"


def test_a_stopped_flow_is_ended_by_its_timeout(played: Played) -> None:
    """Within the grace, since it is told to go on."""
    ran = played(
        """
        import os, signal
        @flow
        def main():
            os.kill(os.getpid(), signal.SIGSTOP)
            return 1
        """,
        timeout_s=0.2,
        grace_s=30.0,
    )

    assert ran["status"] == "timed_out"


def test_a_flood_of_output_is_kept_up_to_the_limit_and_never_blocks(played: Played) -> None:
    """Fifty megabytes pass while the flow runs; the first of them are kept, and the rest is told."""
    ran = played("""
        import os
        @flow
        def main():
            for _ in range(800):
                os.write(1, b"o" * 65536)
                os.write(2, b"e" * 1000)
            return "through"
    """)

    assert ran["output"] == "through"
    dropped = 800 * 65536 - 2**20
    assert ran["stdout"] == "o" * 2**20 + f"\n[hero-logic: {dropped} more bytes were not kept]\n"
    assert ran["stderr"] == "e" * 800_000


def test_the_limit_of_output_is_the_plays_own(played: Played) -> None:
    """What is under it is kept to the byte; invalid UTF-8 and NUL are replaced."""
    ran = played(
        r"""
        import os
        @flow
        def main():
            os.write(1, b"a\xffb\0c" + b"x" * 100)
        """,
        limits={"captured_bytes": 8},
    )

    kept, _, told = ran["stdout"].partition("\n")
    assert kept == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}cxxx"
    assert "97 more bytes" in told


def test_output_that_comes_just_before_the_end_is_kept(played: Played) -> None:
    """A full pipe is read to its end when the process is gone."""
    ran = played("""
        import os
        @flow
        def main():
            os.write(1, b"x" * 65536)
            os.kill(os.getpid(), 9)
    """)

    assert len(ran["stdout"]) == 65536


@pytest.mark.parametrize("what", ["missing", "a directory", "not executable"])
def test_a_process_that_cannot_be_started_is_a_failed_play(
    played: Played, tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The play is on record with why."""
    import hero_logic.runner.interpreter as interpreter

    program = tmp_path / "python"
    if what == "a directory":
        program.mkdir()
    elif what == "not executable":
        program.write_bytes(b"\0\0")
        program.chmod(0o755)
    monkeypatch.setattr(interpreter, "choose_python", lambda *_: str(program))
    ran = played("@flow\ndef main():\n    pass\n")

    assert ran["status"] == "failed"
    assert ran["error"].startswith("the play's process could not be started: ")


def test_a_play_that_removed_its_own_directory_ends_as_it_did(
    played: Played, capfd: pytest.CaptureFixture[str]
) -> None:
    """The runtime is told, though no record can be left."""
    ran = played("""
        import os, shutil
        @flow
        def main():
            shutil.rmtree(os.path.dirname(os.environ["HOME"]))
            with flow.step("after"):
                return 1
    """)

    assert (ran["status"], ran["exit_code"], ran.span("after")["status"]) == ("ok", 0, "ok")
    assert "exit record of a play was not written" in capfd.readouterr().err


def test_a_flow_that_kills_its_supervisor_ends_with_it(played: Played, tmp_path: Path) -> None:
    """In tier 0 a flow can signal all of its user's processes; its end is told truly, and nothing is left."""
    ran = played(
        """
        import os, signal
        @flow
        def main():
            if os.fork() == 0:
                os.setsid()
                while True:
                    signal.pause()
            os.kill(os.getppid(), signal.SIGKILL)
            while True:
                signal.pause()
        """,
        variables=marker_of(tmp_path),
    )

    assert ran["status"] == "failed"
    assert "supervises this play was killed" in ran["error"]
    assert nothing_is_left(tmp_path)


def test_the_children_of_a_process_are_those_of_all_its_threads() -> None:
    """A process that a thread forked is a child too."""
    import subprocess
    import threading

    children: list[subprocess.Popen[bytes]] = []
    done = threading.Event()

    def fork() -> None:
        children.append(subprocess.Popen(["cat"], stdin=subprocess.PIPE))
        done.wait()

    thread = threading.Thread(target=fork)
    thread.start()
    while not children:
        threading.Event().wait(0.01)
    found = children_of(os.getpid())
    done.set()
    thread.join()
    children[0].communicate()

    assert children[0].pid in found
    assert children_of(2**22) == []


def test_a_flow_that_stops_its_supervisor_is_ended_at_its_deadline_all_the_same(played: Played) -> None:
    """The spawner lets a stopped supervisor go on."""
    ran = played(
        """
        import os, signal
        @flow
        def main():
            os.kill(os.getppid(), signal.SIGSTOP)
            signal.pause()
        """,
        timeout_s=1.0,
        grace_s=0.3,
    )

    assert ran["status"] == "timed_out"


def test_a_reason_that_a_flow_gave_is_the_plays_whole_error(played: Played) -> None:
    """Raised out of the flow itself, ``flow.Failed`` is told without a traceback."""
    ran = played("""
        @flow
        def main():
            raise flow.Failed("no rows today")
    """)

    assert ran["error"] == "no rows today"
