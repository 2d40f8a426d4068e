"""The process that becomes a play: from the fork in the supervisor to the play's interpreter.

One thread, and every step either succeeds or ends it: what went wrong goes through a pipe that closes by
itself when the interpreter is there.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal

from hero_logic.runner.sandbox import limits
from hero_logic.runner.sandbox.isolation import SandboxNotEntered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hero_logic.runner.orders import Orders
    from hero_logic.runner.sandbox.isolation import Isolation

_NOT_STARTED = 127
_FAILED_DESCRIPTOR = 63
_SPARE_DESCRIPTOR = 64
_MAX_FAILURE_BYTES = 4096
_IN_SANDBOX = b"S"
_IN_LAUNCH = b"L"


class PlayBegins(BaseException):
    """This process is a play from now on: thrown to leave every frame of the spawner behind."""

    def __init__(self, orders: Orders) -> None:
        super().__init__()
        self.orders = orders


def become_play(
    orders: Orders, isolation: Isolation, parent_pid: int, wanted: dict[int, int], failed: int
) -> None:
    """In the child: everything that its tier promises, then the interpreter. Never returns.

    Raises:
        PlayBegins: the interpreter is the one that is here already.

    Args:
        orders: the play's.
        isolation: how it is kept from the host, which the supervisor has left already.
        parent_pid: the supervisor's.
        wanted: {number: descriptor}: what the play finds under which number, beside its standard input.
        failed: where the error goes that ends this, for :func:`read_failure`.
    """
    is_play = False
    try:
        os.chdir(orders.work_dir)
        os.umask(0o077)
        _place({0: os.open("/dev/null", os.O_RDONLY), **wanted}, failed, isolation.kept_descriptors)
        failed = _FAILED_DESCRIPTOR
        forget_signals()
        isolation.enter(parent_pid)
        os.setsid()
        limits.renounce_privileges()
        limits.limit_resources(isolation.outer_limits(orders.resource_limits))
        isolation.confine()
        if orders.is_warm and isolation.can_stay_in_process:
            os.close(failed)
            raise PlayBegins(orders)
        argv = isolation.argv(orders.argv)
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


def _place(wanted: dict[int, int], failed: int, also_kept: tuple[int, ...]) -> None:
    """Put each descriptor under its number, and close every other one, inherited by accident or not."""
    # Those that keep their number get one that is out of the way of all that is wanted.
    spared = {
        number: fcntl.fcntl(descriptor, fcntl.F_DUPFD, _SPARE_DESCRIPTOR)
        for number, descriptor in wanted.items()
    }
    os.dup2(failed, _FAILED_DESCRIPTOR, inheritable=False)
    for number, descriptor in spared.items():
        os.dup2(descriptor, number)
    kept = {*wanted, _FAILED_DESCRIPTOR, *also_kept}
    low = 0
    for number in sorted(kept):
        # Not for an empty range: closerange(0, 0) closes everything (the system call takes the last number).
        if low < number:
            os.closerange(low, number)
        low = number + 1
    os.closerange(low, os.sysconf("SC_OPEN_MAX"))
