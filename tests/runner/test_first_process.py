"""The first process of a world: it reaps, passes SIGTERM on, tells the play's end, and takes all along."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hero_logic.runner.play_process import forget_signals
from hero_logic.runner.sandbox import first_process, kernel, namespaces
from support.forked import fork, has_namespaces
from support.waiting import wait_until


class First:
    """A first process over a play; outside of a pid namespace, as a subreaper, it does the same."""

    def __init__(self, play: Callable[[], int | None], *, in_new_world: bool = False) -> None:
        self.status, status_in = os.pipe()
        told, telling = os.pipe()
        self.pid = fork()
        if self.pid == 0:
            self._be(play, status_in, telling, in_new_world=in_new_world)
        os.close(status_in)
        os.close(telling)
        with open(told, "rb") as file:
            self.play_pid = int(file.read())

    def _be(
        self, play: Callable[[], int | None], status_in: int, telling: int, *, in_new_world: bool
    ) -> None:
        try:
            forget_signals()
            if in_new_world:
                namespaces.leave_host()
                if pid := os.fork():
                    os.close(status_in)
                    os.close(telling)
                    os.waitpid(pid, 0)
                    return
            else:
                kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
            pid = os.fork()
            if pid == 0:
                os.close(telling)
                os._exit(play() or 0)
            os.write(telling, b"%d" % pid)
            first_process.see_to_the_end(pid, status_in)
        finally:
            os._exit(99)

    def end(self) -> tuple[bytes, int]:
        """What it told, and how it ended itself."""
        with open(self.status, "rb") as file:
            told = file.read()
        self.status = -1
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return told, status

    def close(self) -> None:
        if self.pid:
            for pid in (self.play_pid, self.pid):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            os.waitpid(self.pid, 0)
        if self.status >= 0:
            os.close(self.status)


@pytest.fixture
def first() -> Iterator[Callable[..., First]]:
    made: list[First] = []

    def make(play: Callable[[], int | None], **options: bool) -> First:
        made.append(First(play, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("code", [0, 1, 3, 255])
def test_it_tells_the_exit_code_of_the_play_and_ends_well(first: Callable[..., First], code: int) -> None:
    """As the kernel gave it: four bytes."""
    told, status = first(lambda: code).end()

    assert len(told) == 4
    assert os.waitstatus_to_exitcode(int.from_bytes(told, "little")) == code
    assert status == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGXCPU])
def test_it_tells_the_signal_that_ended_the_play(first: Callable[..., First], number: int) -> None:
    """One that no handler of anybody's has seen."""
    told, _ = first(lambda: os.kill(os.getpid(), number)).end()

    assert os.waitstatus_to_exitcode(int.from_bytes(told, "little")) == -number


def test_it_reaps_what_it_is_left_with_while_the_play_goes_on(first: Callable[..., First]) -> None:
    """An orphan of the play is its child; ended, it is no zombie that takes a number."""
    going, go = os.pipe()
    reader, writer = os.pipe()

    def play() -> None:
        os.close(go)
        if os.fork() == 0:
            if orphan := os.fork():
                os.write(writer, b"%d" % orphan)
            else:
                os.read(going, 1)
            os._exit(0)
        os.wait()
        signal.pause()

    one = first(play)
    os.close(writer)
    orphan = int(os.read(reader, 100))
    was_there = os.path.exists(f"/proc/{orphan}")
    os.close(go)
    wait_until(lambda: not os.path.exists(f"/proc/{orphan}"), "the orphan is reaped")
    for descriptor in (going, reader):
        os.close(descriptor)

    assert was_there
    assert os.path.exists(f"/proc/{one.play_pid}")


def test_it_passes_sigterm_on_to_the_plays_group(first: Callable[..., First]) -> None:
    """And SIGCONT after it: a play that was stopped hears of it too."""
    reader, writer = os.pipe()

    def play() -> int:
        os.setsid()
        signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
        os.write(writer, b"x")
        os.kill(os.getpid(), signal.SIGSTOP)
        signal.pause()
        return 1

    one = first(play)
    os.read(reader, 1)
    wait_until(lambda: state(one.play_pid) == "T", "the play is stopped")
    wait_until(lambda: catches(one.pid, signal.SIGTERM), "it is ready")
    os.kill(one.pid, signal.SIGTERM)
    told, _ = one.end()
    for descriptor in (reader, writer):
        os.close(descriptor)

    assert os.waitstatus_to_exitcode(int.from_bytes(told, "little")) == 7


def test_a_play_that_has_made_no_group_yet_is_told_alone(first: Callable[..., First]) -> None:
    """SIGTERM can come between its fork and its session: nobody else's group is meant."""
    one = first(lambda: signal.pause())
    wait_until(lambda: catches(one.pid, signal.SIGTERM), "it is ready")
    os.kill(one.pid, signal.SIGTERM)
    told, status = one.end()

    assert os.waitstatus_to_exitcode(int.from_bytes(told, "little")) == -signal.SIGTERM
    assert status == 0


def test_a_signal_that_comes_when_the_play_is_gone_is_no_error() -> None:
    """Its number is nobody's any more."""
    child = fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)

    first_process._pass_on(child)


def test_it_keeps_nothing_that_is_the_plays(first: Callable[..., First]) -> None:
    """A pipe that the play closes is closed: who reads it is not kept waiting by anybody else."""
    reader, writer = os.pipe()

    def play() -> None:
        os.close(writer)
        signal.pause()

    one = first(play)
    os.close(writer)
    is_over = select.select([reader], [], [], 20)[0] == [reader] and os.read(reader, 1) == b""
    open_ones = os.listdir(f"/proc/{one.pid}/fd")
    os.close(reader)

    assert is_over
    assert len(open_ones) == 1


def test_it_has_no_capability(first: Callable[..., First]) -> None:
    """What it had in its world it needs no more."""
    one = first(lambda: signal.pause())
    wait_until(lambda: catches(one.pid, signal.SIGTERM), "it is ready")
    lines = dict(
        line.split(":\t")
        for line in Path(f"/proc/{one.pid}/status").read_text().splitlines()
        if ":\t" in line
    )

    assert {lines[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}


def test_nothing_of_it_is_for_the_play_to_read(first: Callable[..., First]) -> None:
    """The play is of the same user, and has as little to say."""

    def play() -> int:
        kernel.drop_capabilities()
        parent = os.getppid()
        wait_until(lambda: catches(parent, signal.SIGTERM), "it is ready")
        paths = [f"/proc/{parent}/{name}" for name in ("environ", "mem")]
        return sum(map(is_read, paths))

    told, _ = first(play).end()

    assert os.waitstatus_to_exitcode(int.from_bytes(told, "little")) == 0


def test_one_that_could_not_do_its_work_does_not_end_well() -> None:
    """It told nothing: whoever goes by its end alone must not take that for the play's good end."""
    reader, writer = os.pipe()
    pid = fork()
    if pid == 0:
        # There is no play to wait for.
        first_process.see_to_the_end(2**22 + 1, writer)
    os.close(writer)
    with open(reader, "rb") as file:
        told = file.read()
    _, status = os.waitpid(pid, 0)

    assert told == b""
    assert os.waitstatus_to_exitcode(status) == 1


@pytest.mark.skipif(not has_namespaces(), reason="this host lets nobody leave for namespaces")
def test_with_the_play_everything_that_it_started_ends(first: Callable[..., First]) -> None:
    """Daemons in sessions of their own that ignore every signal, stopped ones, and their children."""
    reader, writer = os.pipe()

    def play() -> int:
        ready, ready_in = os.pipe()
        for number in range(4):
            if os.fork() == 0:
                os.setsid()
                for each in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
                    signal.signal(each, signal.SIG_IGN)
                if os.fork() == 0:
                    os.write(ready_in, b"x")
                    if number % 2:
                        os.kill(os.getpid(), signal.SIGSTOP)
                    while True:
                        signal.pause()
                os._exit(0)
        for _ in range(4):
            os.wait()
            os.read(ready, 1)
        return 5

    one = first(play, in_new_world=True)
    os.close(writer)
    told, _ = one.end()
    # They all have the other end of this pipe.
    is_over = select.select([reader], [], [], 5)[0] == [reader] and os.read(reader, 1) == b""
    os.close(reader)

    assert os.waitstatus_to_exitcode(int.from_bytes(told, "little")) == 5
    assert is_over


@pytest.mark.skipif(not has_namespaces(), reason="this host lets nobody leave for namespaces")
def test_the_play_cannot_end_it(first: Callable[..., First]) -> None:
    """The kernel gives it no signal from within but one that it handles; and that is passed on."""

    def play() -> int:
        for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGINT, signal.SIGSEGV):
            os.kill(1, number)
        return 6

    told, _ = first(play, in_new_world=True).end()

    assert os.waitstatus_to_exitcode(int.from_bytes(told, "little")) == 6


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) & 1 << (number - 1))
    return False


def is_read(path: str) -> bool:
    try:
        with open(path, "rb"):
            return True
    except OSError:
        return False
