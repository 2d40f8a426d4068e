"""The seam between a supervisor and an isolation: orders that travel, steps that refuse, ends told."""

from __future__ import annotations

import errno
import marshal
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from hero_logic.runner.orders import Orders
from hero_logic.runner.sandbox import isolation, kernel, namespaces, view
from hero_logic.runner.sandbox.isolation import Isolation, SandboxNotEntered, isolation_of
from support.forked import Kept, enter, has_landlock, has_namespaces, in_child, kept_in, placed, refusal

needs_landlock = pytest.mark.skipif(not has_landlock(), reason="this kernel has no Landlock of ABI 6")
needs_native = pytest.mark.skipif(
    not (has_landlock() and has_namespaces()), reason="this host lets nobody leave for namespaces"
)
ISOLATIONS = [
    "none",
    pytest.param("landlock", marks=needs_landlock),
    pytest.param("native", marks=needs_native),
]


def prepared_for(tmp_path: Path, name: str) -> dict[str, object]:
    """What prepares for plays of an isolation."""
    root = tmp_path / "view"
    root.mkdir(exist_ok=True)
    entries = view.without_what_is_inside(view.system_entries())
    if name == "none":
        return isolation.none()
    if name == "landlock":
        return isolation.landlock(entries)
    return isolation.native(entries, root=str(root), shared_memory_bytes=1 << 20)


def orders_for(tmp_path: Path) -> Orders:
    """Those of a play that has a work directory below the test's."""
    (tmp_path / "work" / "tmp").mkdir(parents=True, exist_ok=True)
    return placed(tmp_path / "work")


def run(tmp_path: Path, name: str, act: Any) -> Kept:
    return kept_in(prepared_for(tmp_path, name), orders_for(tmp_path), act)


# Preparations


@pytest.mark.parametrize("name", ["none", "landlock", "native"])
def test_a_preparation_travels_as_plain_data_and_makes_what_it_names(tmp_path: Path, name: str) -> None:
    """Between two processes, by ``marshal``."""
    prepared = marshal.loads(marshal.dumps(prepared_for(tmp_path, name)))
    before = dict(prepared)

    made = isolation_of(prepared)

    assert made.name == name
    assert prepared == before


def test_an_isolation_that_is_not_known_is_never_none() -> None:
    """It is an error, and the play is not started."""
    with pytest.raises(KeyError):
        isolation_of({"name": "nothing like it"})


def test_each_isolation_has_a_name_of_its_own() -> None:
    """By which orders and records know it."""
    names = [kind.name for kind in (Isolation, isolation.Landlock, isolation.Native, isolation.Bubblewrap)]

    assert names == ["none", "landlock", "native", "bubblewrap"]
    assert set(names) == set(isolation._KINDS)


def test_no_isolation_changes_nothing() -> None:
    """What is to be executed, the limits, and the end are what they were."""
    none = isolation_of(isolation.none())
    orders = Orders()
    orders.connected = []
    orders.argv = ["python", "x"]
    line, kept_line = os.pipe()
    none.leave_host()
    none.get_ready()
    none.admit(orders, line)
    none.confine(orders)
    none.await_entry(1)

    assert none.argv(orders) == ["python", "x"]
    assert none.outer_limits({"RLIMIT_AS": 1}) == {"RLIMIT_AS": 1}
    assert (none.wait_status(256), none.kept_descriptors, none.take_doors(line)) == (256, (), [])
    os.close(kept_line)


# Ends


@pytest.mark.parametrize("name", ISOLATIONS)
@pytest.mark.parametrize("code", [0, 3, 255])
def test_the_exit_code_of_a_play_is_told(tmp_path: Path, name: str, code: int) -> None:
    """Also where its parent is a first process, which ends by itself."""
    status = run(tmp_path, name, lambda: os._exit(code)).status

    assert os.waitstatus_to_exitcode(status) == code


@pytest.mark.parametrize("name", ISOLATIONS)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGABRT])
def test_the_signal_that_ended_a_play_is_told(tmp_path: Path, name: str, number: int) -> None:
    """Not as an exit code that happens to have its number."""

    def act() -> None:
        signal.signal(signal.SIGABRT, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    assert os.waitstatus_to_exitcode(run(tmp_path, name, act).status) == -number


@needs_native
def test_a_first_process_that_was_killed_is_no_good_end(tmp_path: Path) -> None:
    """It told nothing: how it ended itself is the end of the play, which was killed with it."""

    def supervise() -> int:
        native = isolation_of(prepared_for(tmp_path, "native"))
        native.leave_host()
        own_pid = os.getpid()
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            native.enter(own_pid)
            os.write(writer, b"x")
            signal.pause()
        os.read(reader, 1)
        os.kill(pid, signal.SIGKILL)
        return native.wait_status(os.waitpid(pid, 0)[1])

    assert os.waitstatus_to_exitcode(in_child(supervise)) == -signal.SIGKILL


@pytest.mark.parametrize("name", ISOLATIONS)
def test_a_play_ends_with_its_supervisor(tmp_path: Path, name: str) -> None:
    """However that ended, and whatever the play ignores."""
    reader, writer = os.pipe()

    def supervise() -> None:
        orders = orders_for(tmp_path)
        kept = isolation_of(prepared_for(tmp_path, name))
        kept.leave_host()
        own_pid = os.getpid()
        ready, ready_in = os.pipe()
        if os.fork() == 0:
            enter(kept, own_pid, orders)
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            os.write(ready_in, b"x")
            while True:
                signal.pause()
        os.read(ready, 1)
        os.kill(own_pid, signal.SIGKILL)

    with pytest.raises(AssertionError, match="said nothing"):
        in_child(supervise)
    os.close(writer)
    # The play has the other end, and nobody else is left who does.
    assert os.read(reader, 1) == b""
    os.close(reader)


@needs_native
def test_a_supervisor_that_had_ended_before_is_noticed(tmp_path: Path) -> None:
    """From within a world the parent cannot be seen; the pipe that it would read tells."""
    native = isolation.Native([], str(tmp_path), 1)
    reader, native._status_in = os.pipe()
    os.close(reader)

    with pytest.raises(AssertionError, match=r"said nothing; its wait status was 0x100$"):
        in_child(lambda: native.enter(os.getpid()))
    os.close(native._status_in)


@needs_native
def test_a_play_cannot_tell_its_own_end(tmp_path: Path) -> None:
    """What its end is told through is not among what it has."""

    def supervise() -> int:
        native = isolation_of(prepared_for(tmp_path, "native"))
        native.leave_host()
        own_pid = os.getpid()
        pid = os.fork()
        if pid == 0:
            native.enter(own_pid)
            numbers = [refusal(lambda number=number: os.fstat(number)) for number in native.kept_descriptors]  # type: ignore[misc]
            os._exit(numbers == [errno.EBADF])
        return native.wait_status(os.waitpid(pid, 0)[1])

    assert os.waitstatus_to_exitcode(in_child(supervise)) == 1


# Refusals


@pytest.mark.parametrize(
    ("step", "name"),
    [
        ("leave_host", "native"),
        ("enter", "native"),
        ("get_ready", "native"),
        ("get_ready", "landlock"),
        ("admit", "native"),
        ("confine", "native"),
        ("confine", "landlock"),
    ],
)
@needs_native
def test_a_step_that_fails_is_a_play_that_is_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, name: str
) -> None:
    """With what failed, and why; nothing of a sandbox is optional."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", f"the {step}")

    targets = {
        "leave_host": (kernel, "unshare"),
        "enter": (namespaces, "build_view"),
        "get_ready": (kernel, "landlock_create_ruleset"),
        "admit": (namespaces, "enter_view"),
        "confine": (kernel, "landlock_restrict_self"),
    }
    module, function = targets[step]
    monkeypatch.setattr(module, function, refuse)
    kept = run(tmp_path, name, lambda: "it began")

    assert kept.value is None
    assert kept.problem == f"the {step}: No space left on device"


@needs_native
@pytest.mark.parametrize(
    "call", ["bound_capabilities", "empty_capabilities", "prctl", "load_filter", "landlock_restrict_self"]
)
@pytest.mark.parametrize("name", ["landlock", "native"])
def test_no_step_of_confining_is_optional(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, name: str
) -> None:
    """Each of the kernel's refusals is one of the whole."""
    whole = getattr(kernel, call)

    def refuse(*arguments: int) -> None:
        if call == "prctl" and arguments[0] != kernel.PR_SET_NO_NEW_PRIVS:
            whole(*arguments)
            return
        raise OSError(1, "Operation not permitted", call)

    monkeypatch.setattr(kernel, call, refuse)
    kept = run(tmp_path, name, lambda: "it began")

    assert kept.value is None
    # The first process gives up its capabilities too, and may take the play along before that can say so.
    is_said = name != "native" or "capabilities" not in call
    assert kept.problem == f"{call}: Operation not permitted" or not is_said
    assert kept.status != 0


@needs_native
def test_a_root_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    """As it would be where somebody removed it meanwhile."""
    prepared = prepared_for(tmp_path, "native")
    prepared["root"] = str(tmp_path / "none")
    kept = kept_in(prepared, orders_for(tmp_path), lambda: "it began")

    assert kept.value is None
    assert kept.problem == f"mount tmpfs on {tmp_path / 'none'}: No such file or directory"


def test_an_error_without_a_name_is_told_all_the_same() -> None:
    """It happens in the middle of a fork."""
    assert str(isolation._not_entered(OSError(11, "try again"))) == "a system call: try again"


def test_what_was_not_entered_is_no_error_of_the_system() -> None:
    """Nobody who handles those takes it for one and goes on."""
    assert not issubclass(SandboxNotEntered, OSError)
    assert issubclass(isolation.Native, Isolation)
