"""The seam between a supervisor and what keeps its play from the host.

A supervisor asks an isolation to leave the host, before it forks. Of the child it asks, while no play is
known yet, to enter and to get ready; and once it knows its play, to admit what is this play's, to confine
itself, and what to execute. Each can refuse with :class:`SandboxNotEntered`, and then the play is not
started: a play is never kept in less than was promised for it.

What is to be done comes as plain data (:func:`none`, :func:`native`, :func:`landlock`, and the orders of the
play), since the runtime knows what to show, and the supervisor has no modules to find it out with.

The runtime loads this module for that data alone, so the mechanisms are imported where they are entered:
ctypes below them takes as long as a quarter of Python's own start (docs/design/0004-start-up.md).

Left room for, and not built: macOS's sandbox-exec, scopes of systemd with control groups, an operator's own
runner such as gVisor or a microVM; tables of seccomp for arm64.

Source: docs/design/0012-native-isolation.md.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from hero_logic.runner.orders import Orders
    from hero_logic.runner.sandbox.namespaces import Owner
    from hero_logic.runner.sandbox.native import Walls
    from hero_logic.runner.sandbox.view import Entry

_KEPT_FROM = 80
"""Descriptors that an isolation keeps have numbers from here, out of the way of the play's."""


class SandboxNotEntered(Exception):
    """The play could not be kept from the host as was promised, and was not started; says what failed."""


class Isolation:
    """None at all: what Tier 0 has. The others say where they differ."""

    name = "none"
    can_stay_in_process = True
    """Whether a play can begin in the process that was confined, without executing anything."""
    kept_descriptors: tuple[int, ...] = ()
    """What the child still needs when its descriptors are put in order."""

    def leave_host(self) -> None:
        """In the supervisor, once, before it forks the child."""

    def enter(self, parent_pid: int) -> None:
        """In the child, first of all; it may return in another process than it was called in."""
        from hero_logic.runner.sandbox import limits

        limits.die_with_parent(parent_pid)

    def get_ready(self) -> None:
        """In the child, then: what can be done of the rest while no play is known."""

    def admit(self, orders: Orders, line: int) -> None:
        """In the child, once its play is known: what is this play's; doors go out by the line."""

    def outer_limits(self, limits: dict[str, int]) -> dict[str, int]:
        """In the child: those of a play's limits that can be set before it confines itself."""
        return limits

    def confine(self, orders: Orders) -> None:
        """In the child, last of all; what it takes away is gone."""

    def argv(self, orders: Orders) -> list[str]:
        """What to execute."""
        return orders.argv

    def await_entry(self, pid: int) -> None:
        """In the supervisor, once its child executes something: wait until the play is where it should be."""

    def signal(self, pid: int, number: int) -> None:
        """In the supervisor: a signal for the play and its group, given the pid of its own child.

        Raises:
            ProcessLookupError: there is nobody any more.
        """
        os.killpg(pid, number)

    def take_doors(self, line: int) -> list[int]:
        """In the supervisor, once the play is there: the sockets that listen in its network, to be closed.

        Closes the line.
        """
        os.close(line)
        return []

    def wait_status(self, status: int) -> int:
        """In the supervisor: how the play ended, given how its own child did."""
        return status


class Landlock(Isolation):
    """Rules on the host's own files, and no socket: for a host that forbids namespaces."""

    name = "landlock"

    def __init__(self, entries: list[Entry]) -> None:
        self._entries = entries
        self._walls: Walls | None = None

    def get_ready(self) -> None:  # noqa: D102  # the seam's
        from hero_logic.runner.sandbox.native import Walls

        try:
            self._walls = Walls(self._entries)
        except OSError as error:
            raise _not_entered(error) from error

    def confine(self, orders: Orders) -> None:  # noqa: D102  # the seam's
        assert self._walls is not None, "get_ready() came first"
        try:
            self._walls.close(orders.entries, sockets=[])
        except OSError as error:
            raise _not_entered(error) from error


class Native(Isolation):
    """A world of its own, by namespaces; bounded by Landlock and seccomp."""

    name = "native"

    def __init__(
        self, entries: list[Entry], root: str, shared_memory_bytes: int, owner: Owner | None = None
    ) -> None:
        self._entries = entries
        self._root = root
        self._owner = owner
        self._shared_memory_bytes = shared_memory_bytes
        self._walls: Walls | None = None
        self._enter_view: Any = None
        self._make_doors: Any = None
        self._become: Any = None

    def leave_host(self) -> None:  # noqa: D102  # the seam's
        from hero_logic.runner.sandbox import namespaces

        try:
            namespaces.leave_host(self._owner)
        except OSError as error:
            raise _not_entered(error) from error
        self._status, self._status_in = _pipe_to_keep()
        self.kept_descriptors = (self._status_in,)

    def enter(self, parent_pid: int) -> None:  # noqa: D102  # the seam's
        from hero_logic.runner.sandbox import first_process, kernel, namespaces

        try:
            kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
            if _has_no_reader(self._status_in):
                # The supervisor, which nobody here can see, had ended before that was asked for.
                os._exit(1)
            # It is signalled by its group, as a play without a first process is.
            os.setsid()
            namespaces.raise_loopback()
            namespaces.build_view(
                self._entries,
                root=self._root,
                shared_memory_bytes=self._shared_memory_bytes,
                owner=self._owner,
            )
            # A SIGTERM waits until there is somebody to pass it on to: pid 1 without a handler never gets it.
            signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
            pid = os.fork()
        except OSError as error:
            raise _not_entered(error) from error
        if pid:
            if self._owner is not None:
                # The play is of that user, and is signalled by this process.
                namespaces.become(self._owner)
                kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
                if _has_no_reader(self._status_in):
                    os._exit(1)
            first_process.see_to_the_end(pid, self._status_in)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
        # A play that stays in this process would have it, and could tell its own end.
        os.close(self._status_in)

    def get_ready(self) -> None:  # noqa: D102  # the seam's
        from hero_logic.runner.sandbox.doors import make_doors
        from hero_logic.runner.sandbox.namespaces import become, enter_view
        from hero_logic.runner.sandbox.native import Walls

        # Where the play begins in this process, nothing of ours can be imported soon.
        self._enter_view, self._make_doors, self._become = enter_view, make_doors, become
        try:
            self._walls = Walls(self._entries, root=self._root)
        except OSError as error:
            raise _not_entered(error) from error

    def admit(self, orders: Orders, line: int) -> None:  # noqa: D102  # the seam's
        try:
            self._enter_view(self._root, orders.entries, work_dir=orders.work_dir, sockets=orders.sockets)
            if orders.doors:
                self._make_doors(line, orders.doors)
        except OSError as error:
            raise _not_entered(error) from error

    def confine(self, orders: Orders) -> None:  # noqa: D102  # the seam's
        assert self._walls is not None, "get_ready() came first"
        try:
            if self._owner is not None:
                self._become(self._owner)
            self._walls.close(orders.entries, sockets=[inside for _, inside in orders.sockets])
        except OSError as error:
            raise _not_entered(error) from error

    def take_doors(self, line: int) -> list[int]:  # noqa: D102  # the seam's
        from hero_logic.runner.sandbox.doors import take_doors

        return take_doors(line)

    def wait_status(self, status: int) -> int:  # noqa: D102  # the seam's
        os.close(self._status_in)
        told = os.read(self._status, 4)
        os.close(self._status)
        # Where the first process was killed it told nothing, and the play was killed with it.
        return int.from_bytes(told, "little") if len(told) == 4 else status


class Bubblewrap(Isolation):
    """A world of its own, by the program bwrap; see runner/sandbox/bubblewrap.py for its laws."""

    name = "bubblewrap"
    can_stay_in_process = False

    def __init__(self, entries: list[Entry], program: str, shared_memory_bytes: int) -> None:
        self._entries = entries
        self._program = program
        self._shared_memory_bytes = shared_memory_bytes
        self._processes = 0

    def leave_host(self) -> None:  # noqa: D102  # the seam's
        if not self._program:
            from hero_logic.runner.sandbox import bubblewrap

            raise SandboxNotEntered(bubblewrap.missing_program())
        self._told, self._told_in = _pipe_to_keep()
        # No pipe: that could be opened, and written to, through the guard's /proc entry.
        self._channel, self._channel_in = _socket_to_keep()
        self.kept_descriptors = (self._told_in, self._channel_in)

    def outer_limits(self, limits: dict[str, int]) -> dict[str, int]:
        """All but the number of processes: outside it counts the user's, and bwrap itself would fail."""
        self._processes = limits.get("RLIMIT_NPROC", 0)
        return {name: value for name, value in limits.items() if name != "RLIMIT_NPROC"}

    def argv(self, orders: Orders) -> list[str]:  # noqa: D102  # the seam's
        from hero_logic.runner.sandbox import bubblewrap, seccomp
        from hero_logic.runner.sandbox.view import without_what_is_inside

        try:
            outputs = [fcntl.fcntl(number, fcntl.F_DUPFD, _KEPT_FROM) for number in (1, 2)]
            for number in (1, 2):
                os.dup2(self._told_in, number)
            os.set_inheritable(self._channel_in, True)
            bubblewrap.shield_devices()
            guard = [str(number) for number in (self._channel_in, *outputs, self._processes)]
            guard += [f"{address}:{port}" for address, port in orders.doors]
            return bubblewrap.command(
                self._program,
                [*orders.argv, *guard],
                entries=without_what_is_inside([*self._entries, *orders.entries]),
                work_dir=orders.work_dir,
                shared_memory_bytes=self._shared_memory_bytes,
                sockets=orders.sockets,
                filter_program=seccomp.build(has_namespaces=True),
            )
        except OSError as error:
            raise _not_entered(error) from error

    def await_entry(self, pid: int) -> None:  # noqa: D102  # the seam's
        from hero_logic.runner.sandbox import bubblewrap

        os.close(self._told_in)
        os.close(self._channel_in)
        problem = bubblewrap.problem_of_entry(self._told)
        os.close(self._told)
        if problem:
            raise SandboxNotEntered(problem)
        try:
            self._first = os.pidfd_open(bubblewrap.first_process_of(pid))
        except OSError:
            # It was there, and has ended since.
            self._first = -1

    def signal(self, pid: int, number: int) -> None:
        """To the guard, which passes SIGTERM on: bwrap itself would die of it, and take the play along."""
        if self._first < 0:
            raise ProcessLookupError
        signal.pidfd_send_signal(self._first, number)

    def take_doors(self, line: int) -> list[int]:
        """By the guard's own channel: the line ends where bwrap is executed."""
        from hero_logic.runner.sandbox.doors import take_doors

        os.close(line)
        return take_doors(os.dup(self._channel))

    def wait_status(self, status: int) -> int:  # noqa: D102  # the seam's
        told = _read_what_is_there(self._channel)
        # Where the guard was killed it told nothing, and the play was killed with it.
        return int.from_bytes(told, "little") if len(told) == 4 else status


def none() -> dict[str, object]:
    """What prepares for no isolation."""
    return {"name": Isolation.name}


def landlock(entries: list[Entry]) -> dict[str, object]:
    """What prepares for :class:`Landlock`."""
    return {"name": Landlock.name, "entries": entries}


def native(
    entries: list[Entry], *, root: str, shared_memory_bytes: int, owner: Owner | None = None
) -> dict[str, object]:
    """What prepares for :class:`Native`.

    Args:
        entries: what every play sees, the outer paths first (runner/sandbox/view.py).
        root: an empty directory, to build the view on.
        shared_memory_bytes: the size of a play's /dev/shm.
        owner: the user that plays run as, where this is root and that is somebody else.
    """
    return {
        "name": Native.name,
        "entries": entries,
        "root": root,
        "shared_memory_bytes": shared_memory_bytes,
        "owner": owner,
    }


def bubblewrap(entries: list[Entry], *, program: str, shared_memory_bytes: int) -> dict[str, object]:
    """What prepares for :class:`Bubblewrap`: what does for :func:`native`, but for one.

    Args:
        entries: what every play sees, the outer paths first (runner/sandbox/view.py).
        program: the path of bwrap, or "" where there is none.
        shared_memory_bytes: the size of a play's /dev/shm.
    """
    return {
        "name": Bubblewrap.name,
        "entries": entries,
        "program": program,
        "shared_memory_bytes": shared_memory_bytes,
    }


_KINDS: dict[str, Callable[..., Isolation]] = {
    kind.name: kind for kind in (Isolation, Landlock, Native, Bubblewrap)
}


def isolation_of(prepared: dict[str, object]) -> Isolation:
    """The isolation that a preparation asks for."""
    arguments: dict[str, Any] = dict(prepared)
    kind = _KINDS[arguments.pop("name")]
    return kind(**arguments)


def _pipe_to_keep() -> tuple[int, int]:
    """A pipe whose inner end has a number that is out of the play's way."""
    outer, inner = os.pipe()
    kept = fcntl.fcntl(inner, fcntl.F_DUPFD_CLOEXEC, _KEPT_FROM)
    os.close(inner)
    return outer, kept


def _socket_to_keep() -> tuple[int, int]:
    """A pair of connected sockets whose inner end has a number that is out of the play's way."""
    import _socket

    outer, inner = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    kept = fcntl.fcntl(inner.fileno(), fcntl.F_DUPFD_CLOEXEC, _KEPT_FROM)
    inner.close()
    return outer.detach(), kept


def _read_what_is_there(descriptor: int) -> bytes:
    """Four bytes, if they are there; closes the descriptor."""
    os.set_blocking(descriptor, False)
    try:
        return os.read(descriptor, 4)
    except BlockingIOError:
        return b""
    finally:
        os.close(descriptor)


def _has_no_reader(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, 0)
    return bool(poll.poll(0))


def _not_entered(error: OSError) -> SandboxNotEntered:
    return SandboxNotEntered(f"{error.filename or 'a system call'}: {error.strerror}")
