"""Doing something in a process of its own, which a test may confine as it likes."""

from __future__ import annotations

import marshal
import os
import socket
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hero_logic.runner.orders import Orders
from hero_logic.runner.sandbox import kernel, namespaces
from hero_logic.runner.sandbox.doors import Door
from hero_logic.runner.sandbox.isolation import Isolation, SandboxNotEntered, isolation_of
from hero_logic.runner.sandbox.view import KEEP, Entry, without_what_is_inside


def in_child(act: Callable[[], Any]) -> Any:
    """What a function gives in a forked process; anything that ``marshal`` writes.

    Raises:
        AssertionError: it raised, with its traceback; or its process ended without a word.
    """
    reader, writer = os.pipe()
    pid = fork()
    if pid == 0:
        _report(act, writer)
    os.close(writer)
    with open(reader, "rb") as file:
        told = file.read()
    _, status = os.waitpid(pid, 0)
    assert told, f"the process said nothing; its wait status was {status:#x}"
    error, value = marshal.loads(told)
    assert not error, error
    return value


def in_new_world(act: Callable[[], Any]) -> Any:
    """The same in the first process of a new pid namespace, outside the host's other namespaces too."""

    def leave() -> Any:
        namespaces.leave_host()
        return in_child(act)

    return in_child(leave)


class Kept:
    """What came of something that was done in an isolation: its value, or why it was not begun."""

    def __init__(self, value: Any, problem: str, status: int) -> None:
        self.value = value
        self.problem = problem
        self.status = status


def placed(
    work_dir: Path, *entries: Entry, sockets: Sequence[tuple[str, str]] = (), doors: Sequence[Door] = ()
) -> Orders:
    """A play's orders, of which an isolation looks at some; the work directory is one of the entries."""
    orders = Orders()
    for name in Orders.__slots__:
        setattr(orders, name, None)
    orders.work_dir = str(work_dir)
    orders.entries = without_what_is_inside([(str(work_dir), KEEP), *entries])
    orders.sockets, orders.doors = list(sockets), list(doors)
    orders.argv, orders.connected = [], []
    return orders


def enter(kept: Isolation, parent_pid: int, orders: Orders) -> None:
    """All steps of an isolation, in the process that is to be kept in it."""
    line, line_in = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with line, line_in:
        kept.enter(parent_pid)
        kept.get_ready()
        kept.admit(orders, line_in.fileno())
        kept.confine(orders)


def kept_in(prepared: dict[str, object], orders: Orders, act: Callable[[], Any]) -> Kept:
    """Do something where a play would be, in the isolation prepared for, as a supervisor has it done."""

    def supervise() -> tuple[str, int]:
        kept = isolation_of(prepared)
        try:
            kept.leave_host()
        except SandboxNotEntered as error:
            return str(error), 0
        own_pid = os.getpid()
        pid = fork()
        if pid == 0:
            os.close(reader)
            _be_kept(kept, own_pid, orders, act, writer)
        os.close(writer)
        return "", kept.wait_status(os.waitpid(pid, 0)[1])

    reader, writer = os.pipe()
    problem, status = in_child(supervise)
    os.close(writer)
    with open(reader, "rb") as file:
        told = file.read()
    if problem or not told:
        return Kept(None, problem, status)
    where, value = marshal.loads(told)
    assert where != "raised", value
    return Kept(value, "", status) if where == "gave" else Kept(None, value, status)


def _be_kept(kept: Isolation, parent_pid: int, orders: Orders, act: Callable[[], Any], writer: int) -> None:
    code = 1
    try:
        try:
            enter(kept, parent_pid, orders)
        except SandboxNotEntered as error:
            os.write(writer, marshal.dumps(("refused", str(error))))
        else:
            try:
                told = marshal.dumps(("gave", act()))
                code = 0
            except BaseException:
                told = marshal.dumps(("raised", traceback.format_exc()))
            with open(writer, "wb") as file:
                file.write(told)
    finally:
        os._exit(code)


def can(act: Callable[[], Any]) -> bool:
    """Whether a call goes through, as far as the system is concerned."""
    try:
        act()
    except OSError:
        return False
    return True


def refusal(act: Callable[[], Any]) -> int:
    """The number of the error that a call ends in; 0 where it goes through."""
    try:
        act()
    except OSError as error:
        return error.errno or -1
    return 0


def has_landlock() -> bool:
    """Whether this host has the Landlock that is needed; without it nothing can be tested here."""
    return kernel.landlock_version() >= 6


def has_namespaces() -> bool:
    """Whether this host lets its user leave for namespaces of their own."""
    return bool(in_child(lambda: can(namespaces.leave_host)))


def fork() -> int:
    """Fork this process, whose other threads hold nothing that a forked test needs."""
    with warnings.catch_warnings():
        # The runner of the tests has threads, of which newer versions of Python warn.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _report(act: Callable[[], Any], writer: int) -> None:
    try:
        try:
            told = marshal.dumps(("", act()))
        except BaseException:
            told = marshal.dumps((traceback.format_exc(), None))
        with open(writer, "wb") as file:
            file.write(told)
    finally:
        os._exit(0)
