"""From the fork to the play: what it finds, and how it is told that it was not started."""

from __future__ import annotations

import errno
import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hero_logic.runner import warm
from hero_logic.runner.orders import GATE_DESCRIPTOR, Orders, Preparation
from hero_logic.runner.play_process import PlayBegins, become_play, forget_signals, read_failure
from hero_logic.runner.sandbox import isolation, limits
from hero_logic.runner.sandbox.isolation import Isolation, SandboxNotEntered
from support.forked import fork, in_child, placed


def orders_for(tmp_path: Path, *argv: str) -> Orders:
    (tmp_path / "work").mkdir(exist_ok=True)
    orders = placed(tmp_path / "work")
    orders.argv = list(argv)
    orders.environment = {"ONLY": "this"}
    orders.resource_limits = {}
    return orders


def preparation(*, is_warm: bool = False) -> Preparation:
    prepared = Preparation()
    prepared.isolation = isolation.none()
    prepared.is_warm = is_warm
    return prepared


class Started:
    """What became of a play that was forked: why it did not begin, or its end and its output.

    ``handed`` come with the orders: its result and its span channel.
    """

    def __init__(
        self,
        orders: Orders,
        kept: Isolation,
        extra: dict[int, int] | None = None,
        handed: Sequence[int] = (),
    ) -> None:
        self.problem: Exception | None = None
        reader, writer = os.pipe()
        failed, failed_in = os.pipe()
        line, line_in = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        own_pid = os.getpid()
        pid = fork()
        if pid == 0:
            wanted = {1: writer, 2: writer, **(extra or {})}
            become_play(preparation(), kept, own_pid, wanted, failed_in, line_in.fileno())
        line_in.close()
        os.close(writer)
        os.close(failed_in)
        with line, suppress(BrokenPipeError):
            # It may have failed before it could hear.
            socket.send_fds(line, [orders.dump()], list(handed))
        try:
            read_failure(failed)
        except (SandboxNotEntered, OSError) as error:
            self.problem = error
        with open(reader, "rb") as file:
            self.output = file.read().decode()
        self.exit_code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def shell(tmp_path: Path, script: str, isolation: Isolation | None = None, **extra: Any) -> Started:
    return Started(orders_for(tmp_path, "/bin/sh", "-c", script), isolation or Isolation(), **extra)


# What a play finds


def test_it_is_executed_where_it_belongs_with_what_it_was_given(tmp_path: Path) -> None:
    """Its directory, its environment and nothing else, files for nobody but its owner."""
    started = shell(tmp_path, "pwd; env; umask")

    assert started.problem is None
    # The shell sets PWD, OLDPWD, SHLVL and _ for itself.
    told = [
        line for line in started.output.splitlines() if line.partition("=")[0] not in ("PWD", "SHLVL", "_")
    ]
    assert told == [str(tmp_path / "work"), "ONLY=this", "0077"]


def test_it_finds_each_connection_that_it_inherits_by_its_variable(tmp_path: Path) -> None:
    """Whatever the numbers are: those that are free differ with what it is kept in."""
    orders = orders_for(tmp_path, "/bin/sh", "-c", "echo to a >&$A; echo to b >&$B")
    orders.connected = ["A", "B"]
    with open(tmp_path / "a", "w") as a, open(tmp_path / "b", "w") as b, open(os.devnull) as null:
        handed = [null.fileno(), null.fileno(), a.fileno(), b.fileno()]
        started = Started(orders, Isolation(), handed=handed)

    assert (started.problem, started.exit_code) == (None, 0)
    assert [(tmp_path / name).read_text() for name in "ab"] == ["to a\n", "to b\n"]


def test_it_leads_a_session_of_its_own(tmp_path: Path) -> None:
    """So that signals for it reach all that it has not sent away, and no terminal is its."""
    code = "import os; print(os.getpid() == os.getsid(0) == os.getpgid(0))"
    started = Started(orders_for(tmp_path, sys.executable, "-ISc", code), Isolation())

    assert started.output == "True\n"


def test_it_has_the_descriptors_that_are_wanted_and_no_other(tmp_path: Path) -> None:
    """Though others were open, at numbers that are wanted, and to be inherited."""
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_text(path.name)
    opened = [os.open(path, os.O_RDONLY) for path in paths]
    high = os.dup2(opened[0], 300)
    code = """
import os
found = {}
for name in os.listdir("/proc/self/fd"):
    try:
        found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    except OSError:
        pass
print(sorted(found), os.read(3, 9), os.read(4, 9), os.read(0, 9), found[0])
"""
    try:
        started = Started(
            orders_for(tmp_path, sys.executable, "-ISc", code),
            Isolation(),
            {GATE_DESCRIPTOR: opened[1]},
            [opened[2]],
        )
    finally:
        for descriptor in (*opened, high):
            os.close(descriptor)

    assert started.output == "[0, 1, 2, 3, 4] b'b' b'c' b'' /dev/null\n"


def test_descriptors_are_crossed_over_without_loss(tmp_path: Path) -> None:
    """Two that are to have each other's number."""

    def crossed() -> str:
        low, high = (os.open(tmp_path / name, os.O_RDONLY) for name in "ab")
        os.dup2(low, 6)
        os.dup2(high, 7)
        code = "import os; print(os.read(6, 9), os.read(7, 9))"
        return Started(orders_for(tmp_path, sys.executable, "-ISc", code), Isolation(), {6: 7, 7: 6}).output

    for name in "ab":
        (tmp_path / name).write_text(name)

    assert in_child(crossed) == "b'b' b'a'\n"


def test_what_an_isolation_keeps_stays_open_until_the_play_is_there(tmp_path: Path) -> None:
    """And not a moment longer: it is not inherited."""
    kept, other = os.pipe()
    moved = 90
    os.dup2(other, moved, inheritable=False)

    class Keeping(Isolation):
        kept_descriptors = (moved,)

        def confine(self, orders: Orders) -> None:
            os.write(moved, b"still there")

    try:
        started = shell(tmp_path, "ls /proc/self/fd | grep -c 90", Keeping())
        said = os.read(kept, 100)
    finally:
        for descriptor in (kept, other, moved):
            os.close(descriptor)

    assert started.output == "0\n"
    assert said == b"still there"


def test_it_has_its_limits_and_no_way_to_new_privileges(tmp_path: Path) -> None:
    """Before anything of an isolation could stand in the way of them."""
    orders = orders_for(tmp_path, "/bin/sh", "-c", "ulimit -n; grep NoNewPrivs /proc/self/status")
    orders.resource_limits = {"RLIMIT_NOFILE": 123}

    assert Started(orders, Isolation()).output == "123\nNoNewPrivs:\t1\n"


def test_its_steps_come_in_their_order(tmp_path: Path) -> None:
    """Ready before the play is known; then its limits, what confines it, the isolation's last word."""
    steps = tmp_path / "steps"

    class Telling(Isolation):
        def enter(self, parent_pid: int) -> None:
            tell(f"enter {resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 200}")
            super().enter(parent_pid)

        def get_ready(self) -> None:
            tell("get ready")

        def admit(self, orders: Orders, line: int) -> None:
            tell(f"admit {orders.argv}")

        def outer_limits(self, limits: dict[str, int]) -> dict[str, int]:
            tell("limits")
            return limits

        def confine(self, orders: Orders) -> None:
            tell(f"confine {resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 200}")

        def argv(self, orders: Orders) -> list[str]:
            tell("argv")
            return ["/bin/echo", "instead"]

    def tell(text: str) -> None:
        with steps.open("a") as file:
            file.write(text + "\n")

    orders = orders_for(tmp_path, "/none")
    orders.resource_limits = {"RLIMIT_NOFILE": 200}
    started = Started(orders, Telling())

    assert steps.read_text().splitlines() == [
        "enter False",
        "get ready",
        "admit ['/none']",
        "limits",
        "confine True",
        "argv",
    ]
    assert started.output == "instead\n"


def test_what_comes_with_its_orders_has_its_number_and_what_does_not_come_is_closed(tmp_path: Path) -> None:
    """The result and the span channel; nothing that was opened meanwhile has taken their place."""
    for name in "ab":
        (tmp_path / name).write_text(name)
    code = "import os; print(os.read(4, 9), os.path.exists('/proc/self/fd/5') and os.read(5, 9))"
    opened = [os.open(tmp_path / name, os.O_RDONLY) for name in "ab"]
    again = os.open(tmp_path / "a", os.O_RDONLY)
    both = Started(orders_for(tmp_path, sys.executable, "-ISc", code), Isolation(), handed=opened)
    one = Started(orders_for(tmp_path, sys.executable, "-ISc", code), Isolation(), handed=[again])
    for descriptor in (*opened, again):
        os.close(descriptor)

    assert both.output == "b'a' b'b'\n"
    assert one.output == "b'a' False\n"


def test_a_candidate_without_a_play_ends_without_a_word(tmp_path: Path) -> None:
    """Its supervisor has let it go."""
    failed, failed_in = os.pipe()
    line, line_in = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    own_pid = os.getpid()
    pid = fork()
    if pid == 0:
        line.close()
        become_play(preparation(), Isolation(), own_pid, {}, failed_in, line_in.fileno())
    line_in.close()
    os.close(failed_in)
    line.close()

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 127
    with open(failed, "rb") as file:
        assert file.read() == b""


def test_a_warm_play_begins_in_this_very_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it is confined; whoever waits for it is told so by the end of the pipe."""
    monkeypatch.setattr(warm, "get_ready", lambda: None)
    failed, failed_in = os.pipe()
    line, line_in = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    orders = orders_for(tmp_path, "/none")
    own_pid = os.getpid()
    pid = fork()
    if pid == 0:
        try:
            become_play(
                preparation(is_warm=True), Isolation(), own_pid, {}, failed_in, os.dup(line_in.fileno())
            )
        except PlayBegins as begins:
            os._exit(42 if begins.orders.argv == ["/none"] else 1)
    os.close(failed_in)
    line.send(orders.dump())
    read_failure(failed)
    line.close()
    line_in.close()

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 42


# What was not started


@pytest.mark.parametrize(
    ("program", "number"),
    [("/none/python", errno.ENOENT), ("/etc", errno.EACCES), ("/dev/null", errno.EACCES)],
)
def test_what_cannot_be_executed_is_an_error_of_the_system(tmp_path: Path, program: str, number: int) -> None:
    """With its path."""
    started = Started(orders_for(tmp_path, program), Isolation())

    assert isinstance(started.problem, OSError)
    assert (started.problem.errno, started.problem.filename) == (number, program)
    assert started.exit_code == 127


def test_a_directory_that_is_gone_is_an_error_of_the_system(tmp_path: Path) -> None:
    """Before anything else is done."""
    orders = orders_for(tmp_path, "/bin/true")
    orders.work_dir = str(tmp_path / "gone")
    started = Started(orders, Isolation())

    assert isinstance(started.problem, FileNotFoundError)
    assert started.problem.filename == str(tmp_path / "gone")


@pytest.mark.parametrize("step", ["enter", "confine", "argv"])
def test_a_sandbox_that_could_not_be_entered_is_told_apart(tmp_path: Path, step: str) -> None:
    """From a program that could not be executed: it makes what was proven forgotten."""

    def refuse(*_: object) -> None:
        raise SandboxNotEntered(f"no {step}: ünmöglich")

    kept = Isolation()
    setattr(kept, step, refuse)
    started = Started(orders_for(tmp_path, "/bin/echo", "ran"), kept)

    assert isinstance(started.problem, SandboxNotEntered)
    assert str(started.problem) == f"no {step}: ünmöglich"
    assert (started.output, started.exit_code) == ("", 127)


def test_a_limit_that_cannot_be_set_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is executed without its limits."""

    def refuse(_: dict[str, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(limits, "limit_resources", refuse)
    started = shell(tmp_path, "echo ran")

    assert isinstance(started.problem, OSError)
    assert (started.problem.errno, started.output) == (errno.EPERM, "")


def test_a_reason_that_is_endless_is_cut(tmp_path: Path) -> None:
    """It has to go through a pipe at one stroke."""

    class Endless(Isolation):
        def confine(self, orders: Orders) -> None:
            raise SandboxNotEntered("x" * 100_000)

    started = Started(orders_for(tmp_path, "/bin/echo", "ran"), Endless())

    assert isinstance(started.problem, SandboxNotEntered)
    assert 1000 < len(str(started.problem)) < 4096


def test_an_end_without_a_word_is_a_start() -> None:
    """The pipe closes by itself when the interpreter is there."""
    failed, failed_in = os.pipe()
    os.close(failed_in)
    read_failure(failed)

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(failed)


# Signals


def test_every_signal_is_as_the_kernel_gives_it() -> None:
    """Neither ignored nor handled nor blocked, whatever was before."""

    def act() -> list[Any]:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGUSR1, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR2})
        forget_signals()
        handled = [
            int(number)
            for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
            if signal.getsignal(number) != signal.SIG_DFL
        ]
        return [handled, [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())]]

    assert in_child(act) == [[], []]
