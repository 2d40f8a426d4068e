"""The process that becomes a play: from the fork in the supervisor to the play's interpreter.

It gets as far as it can while no play is known, and waits at its line for the orders: they come at once where
the supervisor was made for its play, and later where it was made ahead of it. There is one way for both.

One thread, and every step either succeeds or ends it: what went wrong goes through a pipe that closes by
itself when the interpreter is there.

Source: docs/design/0015-plays-are-made-ready-for.md.
"""

from __future__ import annotations

import _socket
import errno
import fcntl
import os
import signal

from hero_logic.runner.descriptors import hand_over, receive
from hero_logic.runner.orders import (
    GATE_DESCRIPTOR,
    MAX_ORDERS_BYTES,
    RESULT_DESCRIPTOR,
    SPAN_DESCRIPTOR,
    Orders,
)
from hero_logic.runner.sandbox import limits
from hero_logic.runner.sandbox.isolation import SandboxNotEntered, isolation_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hero_logic.runner.orders import Preparation
    from hero_logic.runner.sandbox.isolation import Isolation

_NOT_STARTED = 127
_FAILED_DESCRIPTOR = 63
_LINE_DESCRIPTOR = 64
_SPARE_DESCRIPTOR = 65
_MAX_FAILURE_BYTES = 4096
_IN_SANDBOX = b"S"
_IN_LAUNCH = b"L"


class PlayBegins(BaseException):
    """This process is a play from now on: thrown to leave every frame of the spawner behind."""

    def __init__(self, orders: Orders) -> None:
        super().__init__()
        self.orders = orders


class Candidate:
    """A process that will become a play, as the supervisor holds it; forked when it is made.

    Raises:
        SandboxNotEntered: the host does not allow its isolation.
        OSError: there is no room for it.
        PlayBegins: in the process itself, once it is a play.
    """

    def __init__(self, preparation: Preparation) -> None:
        self.isolation = isolation_of(preparation.isolation)
        self.stdout, stdout_in = os.pipe()
        self.stderr, stderr_in = os.pipe()
        self.gate, gate_in = _socket_pair(_socket.SOCK_STREAM)
        self.failed, failed_in = os.pipe()
        """Where it is told that it will not become a play; at its end once it has."""
        self._lost: OSError | None = None
        self._line, line_in = _socket_pair(_socket.SOCK_SEQPACKET)
        self.isolation.leave_host()
        own_pid = os.getpid()
        self.pid = os.fork()
        """Of our own child, which may be another process's parent."""
        if self.pid == 0:
            wanted = {1: stdout_in, 2: stderr_in, GATE_DESCRIPTOR: gate_in}
            become_play(preparation, self.isolation, own_pid, wanted, failed_in, line_in)
        for descriptor in (stdout_in, stderr_in, gate_in, failed_in, line_in):
            os.close(descriptor)

    def give(self, orders: Orders, handed: list[int]) -> None:
        """Let it become a play; with the file for its result, and what else it inherits."""
        try:
            hand_over(self._line, orders.dump(), handed)
        except OSError as error:
            self._lost = error  # it has ended, and may have said why

    def await_play(self) -> list[int]:
        """Wait until it is a play; its doors, to be closed.

        Raises:
            SandboxNotEntered: the play could not be kept from the host, and was not started.
            OSError: something else did not let it start.
        """
        read_failure(self.failed)
        if self._lost is not None:
            raise self._lost
        self.isolation.await_entry(self.pid)
        return self.isolation.take_doors(self._line)


def become_play(
    preparation: Preparation,
    isolation: Isolation,
    parent_pid: int,
    wanted: dict[int, int],
    failed: int,
    line: int,
) -> None:
    """In the child: everything that its tier promises, then the interpreter. Never returns.

    Raises:
        PlayBegins: the interpreter is the one that is here already.

    Args:
        preparation: all that is known by now.
        isolation: how the play is kept from the host, which the supervisor has left already.
        parent_pid: the supervisor's.
        wanted: {number: descriptor}: what the play finds under which number, beside its standard input.
        failed: where the error goes that ends this, for :func:`read_failure`.
        line: where the orders come from.
    """
    is_play = False
    try:
        _place_known(wanted, failed, line, isolation.kept_descriptors)
        failed, line = _FAILED_DESCRIPTOR, _LINE_DESCRIPTOR
        is_warm = preparation.is_warm and isolation.can_stay_in_process
        _get_ready(isolation, parent_pid, is_warm=is_warm)
        orders = _await_orders(line)
        isolation.admit(orders, line)
        os.close(line)
        os.chdir(orders.work_dir)
        limits.limit_resources(isolation.outer_limits(orders.resource_limits))
        isolation.confine(orders)
        if is_warm:
            os.close(failed)
            raise PlayBegins(orders)
        argv = isolation.argv(orders)
        os.execve(argv[0], argv, orders.environment)  # noqa: S606  # the arguments are ours
    except PlayBegins:
        is_play = True
        raise
    except SandboxNotEntered as error:
        _tell(failed, _IN_SANDBOX, error)
    except (OSError, ValueError) as error:
        # ValueError is how setrlimit says that it is not permitted.
        _tell(failed, _IN_LAUNCH, error)
    finally:
        if not is_play:
            os._exit(_NOT_STARTED)


def _place_known(wanted: dict[int, int], failed: int, line: int, also_kept: tuple[int, ...]) -> None:
    """Put in order what a play has before its orders come."""
    null = os.open("/dev/null", os.O_RDONLY)
    # The numbers of what comes with the orders are taken until then: nothing else may get them.
    own = {0: null, RESULT_DESCRIPTOR: null, SPAN_DESCRIPTOR: null}
    _place({**own, **wanted, _FAILED_DESCRIPTOR: failed, _LINE_DESCRIPTOR: line}, also_kept)


def _get_ready(isolation: Isolation, parent_pid: int, *, is_warm: bool) -> None:
    os.umask(0o077)
    forget_signals()
    isolation.enter(parent_pid)
    os.setsid()
    limits.renounce_privileges()
    isolation.get_ready()
    if is_warm:
        from hero_logic.runner import warm

        warm.get_ready()


def _await_orders(line: int) -> Orders:
    """Wait for the play, and put what comes with it in its place; ends the process where none comes."""
    channel = _socket.socket(fileno=line)
    try:
        data, handed = receive(channel, MAX_ORDERS_BYTES + 1)
    finally:
        channel.detach()
    if not data:
        os._exit(_NOT_STARTED)
    for number, descriptor in zip((RESULT_DESCRIPTOR, SPAN_DESCRIPTOR), handed, strict=False):
        os.dup2(descriptor, number)
        os.close(descriptor)
    if len(handed) == 1:
        os.close(SPAN_DESCRIPTOR)
    orders = Orders.load(data)
    # Under the numbers that they came with: those that are free differ with what it is kept in.
    for variable, descriptor in zip(orders.connected, handed[2:], strict=True):
        os.set_inheritable(descriptor, True)
        orders.environment[variable] = str(descriptor)
    return orders


def _tell(failed: int, where: bytes, error: Exception) -> None:
    number = getattr(error, "errno", None) or errno.EPERM
    named = getattr(error, "filename", None)
    text = str(error) if where == _IN_SANDBOX or named is None else str(named)
    os.write(failed, where + b"%d " % number + text.encode("utf-8", "replace")[: _MAX_FAILURE_BYTES - 64])


def read_failure(failed: int) -> None:
    """Wait until the interpreter is there: end of file says so. Closes the descriptor.

    Raises:
        SandboxNotEntered: the play could not be kept from the host, and was not started.
        OSError: something else did not let it start.
    """
    try:
        told = os.read(failed, _MAX_FAILURE_BYTES)
    finally:
        os.close(failed)
    if not told:
        return
    number, _, text = told[1:].decode("utf-8", "replace").partition(" ")
    if told[:1] == _IN_SANDBOX:
        raise SandboxNotEntered(text)
    raise OSError(int(number), os.strerror(int(number)), text)


def forget_signals() -> None:
    """What Python ignores, and the operator's shell (``nohup``, ``trap '' TERM``), the play does not."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _socket_pair(kind: int) -> tuple[int, int]:
    """Descriptors and no objects: a play that begins in this process would close them when they are freed."""
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, kind)
    return ours.detach(), theirs.detach()


def _place(wanted: dict[int, int], also_kept: tuple[int, ...]) -> None:
    """Put each descriptor under its number, and close every other one, inherited by accident or not."""
    # Those that keep their number get one that is out of the way of all that is wanted.
    spared = {
        number: fcntl.fcntl(descriptor, fcntl.F_DUPFD, _SPARE_DESCRIPTOR)
        for number, descriptor in wanted.items()
    }
    for number, descriptor in spared.items():
        os.dup2(descriptor, number, inheritable=number < _FAILED_DESCRIPTOR)
    low = 0
    for number in sorted({*wanted, *also_kept}):
        # Not for an empty range: closerange(0, 0) closes everything (the system call takes the last number).
        if low < number:
            os.closerange(low, number)
        low = number + 1
    os.closerange(low, os.sysconf("SC_OPEN_MAX"))
