"""Tier 0 as a flow finds it: limits, privileges, descriptors, environment, directories."""

from __future__ import annotations

import os
import resource
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hero_logic.core.policy import PLAY_PATH, PlayLimits
from support.runtime import Ran, run_flow, write_flow

Played = Callable[..., Ran]


def test_the_resource_limits_are_those_of_the_table(played: Played) -> None:
    """Soft and hard, so that a flow cannot raise them; never above what the host allows."""
    ran = played("""
        import resource
        @flow
        def main():
            names = [name for name in dir(resource) if name.startswith("RLIMIT_")]
            return {name: resource.getrlimit(getattr(resource, name)) for name in names}
    """)

    for name, value in PlayLimits().resource_limits.items():
        hard = resource.getrlimit(getattr(resource, name))[1]
        wanted = value if hard == resource.RLIM_INFINITY else min(value, hard)
        assert ran["output"][name] == [wanted, wanted + (name == "RLIMIT_CPU")], name


@pytest.mark.parametrize(
    ("limit", "value", "statement", "says"),
    [
        ("RLIMIT_CPU", 1, "while True: pass", "ended by SIGXCPU (it used up its processor time)"),
        ("RLIMIT_AS", 512 * 2**20, "bytearray(2**30)", "MemoryError"),
        ("RLIMIT_NOFILE", 64, "[open('/dev/null') for _ in range(100)]", "Too many open files"),
        ("RLIMIT_FSIZE", 2**20, "open('f', 'wb').write(bytes(2**21))", "SIGXFSZ"),
    ],
)
def test_a_flow_over_a_limit_fails_and_is_told_why(
    played: Played, limit: str, value: int, statement: str, says: str
) -> None:
    """The reason is the one that a person needs first."""
    ran = played(
        f"""
        @flow
        def main():
            {statement}
        """,
        limits={limit: value},
        grace_s=0.5,
    )

    assert ran["status"] == "failed"
    assert says in ran["error"] or "File too large" in ran["error"]


@pytest.mark.skipif(os.geteuid() == 0, reason="the kernel does not hold root to RLIMIT_NPROC")
def test_a_flow_cannot_start_more_processes_than_its_limit(played: Played) -> None:
    """The kernel counts all of the user's."""
    ran = played(
        """
        import os
        @flow
        def main():
            os.fork()
        """,
        limits={"RLIMIT_NPROC": 1},
    )

    assert "BlockingIOError" in ran["error"]


def test_a_flow_has_no_way_to_new_privileges(played: Played) -> None:
    """no_new_privs is set, and holds for what it starts."""
    ran = played("""
        import subprocess
        @flow
        def main():
            with open("/proc/self/status") as status:
                mine = [line.split()[1] for line in status if line.startswith("NoNewPrivs")]
            child = subprocess.check_output(["grep", "NoNewPrivs", "/proc/self/status"], text=True)
            return mine + child.split()
    """)

    assert ran["output"] == ["1", "NoNewPrivs:", "1"]


def test_a_flow_inherits_only_the_descriptors_it_is_meant_to(tmp_path: Path) -> None:
    """Standard ones, gate, result, span socket; not what the operator had open."""
    path = write_flow(
        tmp_path,
        """
        import os
        @flow
        def main():
            found = {}
            for name in os.listdir("/proc/self/fd"):
                try:
                    found[name] = os.readlink(f"/proc/self/fd/{name}").split(":")[0]
                except OSError:
                    continue
            return found
        """,
    )
    secret = os.open(path, os.O_RDONLY)
    high = os.dup2(secret, 200)
    os.set_inheritable(secret, True)
    try:
        ran = run_flow(tmp_path / "home", path)
    finally:
        os.close(secret)
        os.close(high)

    found = ran["output"]
    assert {name: found[name] for name in "0124"} == {
        "0": "/dev/null",
        "1": "pipe",
        "2": "pipe",
        "4": found["4"],
    }
    assert found["4"].endswith("/result")
    assert sorted(found) == ["0", "1", "2", "3", "4", "5"]
    assert (found["3"], found["5"]) == ("socket", "socket")


def test_a_play_has_its_standard_output(played: Played) -> None:
    """Closing what is not wanted closes nothing that is."""
    ran = played("""
        import os, sys
        @flow
        def main():
            os.write(1, b"out"); os.write(2, b"err")
            return [sys.stdin.read(), os.read(0, 10).decode()]
    """)

    assert (ran["stdout"], ran["stderr"], ran["output"]) == ("out", "err", ["", ""])


def test_the_environment_is_exactly_the_allowlist(tmp_path: Path) -> None:
    """PATH fixed, HOME the work directory, LANG, TRACEPARENT, HERO_FLOW_*; nothing more."""
    path = write_flow(
        tmp_path,
        """
        import os
        @flow
        def main():
            return dict(os.environ)
        """,
    )
    operator = {
        "PATH": "/evil",
        "HOME": "/root",
        "TRACEPARENT": "00-a-b-01",
        "HERO_FLOW_MINE": "1",
        "HERO_FLOW_SPAN_FD": "99",
        "HERO_FLOW_SPAN_SOCK": "/evil.sock",
        "HERO_FLOW_SPAN_SPOOL": "/evil.jsonl",
        "PYTHONPATH": "/evil",
        "PYTHONSTARTUP": "/evil.py",
        "LD_PRELOAD": "/evil.so",
        "AWS_SECRET": "x",
        "LANG": "xx_XX",
        "TMPDIR": "/evil",
        "WANTED": "let through",
    }
    ran = run_flow(tmp_path / "home", path, variables=operator, let_through=("WANTED", "ABSENT"))

    work = str(tmp_path / "home" / "plays" / ran["sid"] / "work")
    found = ran["output"]
    assert found.pop("HERO_FLOW_SPAN_SOCK").endswith(f"spans-{ran['sid']}.sock")
    assert found.pop("HERO_FLOW_SPAN_SPOOL") == f"{work}/.hero-spans.jsonl"
    assert found == {
        "PATH": PLAY_PATH,
        "HOME": work,
        "TMPDIR": f"{work}/tmp",
        "LANG": "C.UTF-8",
        "TRACEPARENT": "00-a-b-01",
        "HERO_FLOW_MINE": "1",
        "HERO_FLOW_PLAY_SID": ran["sid"],
        "WANTED": "***",
    }


def test_the_work_directory_is_the_plays_own(played: Played, tmp_path: Path) -> None:
    """Private, the place it starts in, with artifacts/ and tmp/; gone at the end."""
    ran = played("""
        import os, stat, tempfile
        @flow
        def main():
            os.mkdir("made"); open("file", "w").close()
            modes = [stat.S_IMODE(os.stat(p).st_mode) for p in (".", "made", "file", "artifacts", "tmp")]
            return [os.getcwd(), os.environ["HOME"], tempfile.gettempdir(), modes]
    """)

    cwd, home, temporary, modes = ran["output"]
    assert cwd == home == str(tmp_path / "home" / "plays" / ran["sid"] / "work")
    assert temporary == f"{cwd}/tmp"
    assert modes == [0o700, 0o700, 0o600, 0o700, 0o700]
    assert not os.path.exists(cwd)
    assert stat.S_IMODE(os.stat(tmp_path / "home" / "plays").st_mode) == 0o700


def test_a_play_has_a_session_of_its_own_and_no_terminal(played: Played) -> None:
    """It is the leader of its session and group."""
    ran = played("""
        import os
        @flow
        def main():
            try:
                os.open("/dev/tty", os.O_RDWR)
                terminal = True
            except OSError:
                terminal = False
            return [os.getpid() == os.getsid(0) == os.getpgid(0), terminal]
    """)

    assert ran["output"] == [True, False]


def test_no_signal_is_ignored_or_blocked_for_the_operators_sake(tmp_path: Path) -> None:
    """``nohup`` and ``trap '' TERM`` of the operator's shell do not reach the flow."""
    import signal

    path = write_flow(
        tmp_path,
        """
        import signal
        @flow
        def main():
            ignored = [n for n in signal.valid_signals() if signal.getsignal(n) == signal.SIG_IGN]
            return [sorted(ignored), sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ()))]
        """,
    )
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGHUP, signal.SIGUSR1)}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    try:
        ran = run_flow(tmp_path / "home", path)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    assert ran["output"] == [[signal.SIGPIPE, signal.SIGXFSZ], []]  # Python ignores these two itself


def test_the_interpreter_is_isolated(played: Played, tmp_path: Path) -> None:
    """``-I``: nothing of the operator's site or of the current directory is imported."""
    ran = played("""
        import sys
        @flow
        def main():
            return [sys.flags.isolated, sys.flags.ignore_environment, sys.flags.no_user_site, "" in sys.path]
    """)

    assert ran["output"] == [1, 1, 1, False]
    assert sys.executable
