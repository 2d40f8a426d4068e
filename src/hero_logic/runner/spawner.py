"""Makes every supervisor, from a process of its own that never has a second thread.

The runtime may have threads; forking from it would be a gamble, and a parent-death signal follows the
thread that forked. So the spawner is a fresh interpreter, started before it is needed, that does nothing
but fork supervisors. It is a subreaper too: should a supervisor be killed, its orphans come here and are
ended. It ends when the runtime is gone and the last supervisor with it.

Source: docs/design/0005-processes.md.
"""

from __future__ import annotations

import _socket
import os
import sys

from hero_logic.core.errors import LaunchFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hero_logic.runner.orders import Orders

_STUB = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from hero_logic.runner.spawner import serve; serve(int(sys.argv[2]))"
)
_MAX_ORDERS_BYTES = 160 * 1024


class Spawner:
    """The runtime's end of the spawner; :meth:`launch` may be called from any thread."""

    def __init__(self, channel: _socket.socket, pid: int) -> None:
        self._channel = channel
        self._pid = pid

    @classmethod
    def start(cls) -> Spawner:
        """Start the process; it gets ready while the caller goes on."""
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        try:
            os.set_inheritable(theirs.fileno(), True)
            source_dir = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
            pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", "-c", _STUB, source_dir, str(theirs.fileno())],
                {"PATH": "/usr/bin:/bin"},
                file_actions=[(os.POSIX_SPAWN_CLOSE, ours.fileno())],
                setsid=True,
            )
        except OSError as error:
            ours.close()
            raise LaunchFailed(
                f"the process that starts plays could not be started: {error}. "
                f"Check that {sys.executable} can run."
            ) from error
        finally:
            theirs.close()
        return cls(ours, pid)

    def launch(self, orders: Orders) -> _socket.socket:
        """Have a supervisor made for a play; give the runtime's end of its control socket.

        Raises:
            LaunchFailed: the spawner is gone, or the orders are too long to hand over.
        """
        data = orders.dump()
        if len(data) > _MAX_ORDERS_BYTES:
            raise LaunchFailed(
                f"the play's arguments and environment take {len(data)} bytes, "
                f"and {_MAX_ORDERS_BYTES} is the most. Let"
                " fewer or shorter variables through with --env."
            )
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        try:
            descriptor = theirs.fileno().to_bytes(4, sys.byteorder)
            self._channel.sendmsg([data], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptor)])
        except OSError as error:
            ours.close()
            raise LaunchFailed(
                f"the process that starts plays is gone: {error}. Start the command again."
            ) from error
        finally:
            theirs.close()
        return ours

    def close(self) -> None:
        """Let the spawner go; it ends once its supervisors have. Harmless twice."""
        if self._pid == 0:
            return
        self._channel.close()
        pid, self._pid = self._pid, 0
        try:
            os.waitpid(pid, 0)
        except ChildProcessError:
            return


def serve(channel_descriptor: int) -> None:
    """What the process of the spawner does; it is called in a fresh interpreter and never returns."""
    import select

    from hero_logic.runner.sandbox import limits
    from hero_logic.runner.supervisor import end_everything

    os.set_inheritable(channel_descriptor, False)
    channel = _socket.socket(fileno=channel_descriptor)
    limits.become_subreaper()
    wake, wake_in = os.pipe()
    os.set_blocking(wake, False)
    _wake_at_child_end(wake_in)
    supervisors: set[int] = set()
    poll = select.poll()
    poll.register(channel_descriptor, select.POLLIN)
    poll.register(wake, select.POLLIN)
    is_open = True
    while is_open or supervisors:
        for descriptor, _ in poll.poll():
            if descriptor == wake:
                os.read(wake, 4096)
            else:
                is_open = _take_orders(channel, supervisors)
                if not is_open:
                    poll.unregister(channel_descriptor)
        _reap_supervisors(supervisors)
    end_everything()
    os._exit(0)


def _wake_at_child_end(wake_in: int) -> None:
    import signal

    os.set_blocking(wake_in, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_in, warn_on_full_buffer=False)
    # The terminal's interrupt goes to its foreground group, to which we do not belong; a stray one is no
    # order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _take_orders(channel: _socket.socket, supervisors: set[int]) -> bool:
    """Fork a supervisor for the orders that have come; False at the end of the runtime."""
    try:
        data, ancillary, _, _ = channel.recvmsg(
            _MAX_ORDERS_BYTES + 1, _socket.CMSG_SPACE(4), _socket.MSG_CMSG_CLOEXEC
        )
    except InterruptedError:
        return True
    except OSError:
        return False
    if not data:
        return False
    control = _socket.socket(fileno=int.from_bytes(ancillary[0][2][:4], sys.byteorder))
    try:
        pid = os.fork()
    except OSError as error:
        _refuse(control, error)
        return True
    if pid == 0:
        channel.close()
        _supervise(data, control)
    control.close()
    supervisors.add(pid)
    return True


def _refuse(control: _socket.socket, error: OSError) -> None:
    """Tell the runtime that no supervisor can be had: the system has no room for another process."""
    import marshal
    import time

    control.send(
        marshal.dumps(
            {
                "event": "ended",
                "reason": "launch_failed",
                "end_ms": time.time() * 1000,
                "launch_error": error.strerror,
            }
        )
    )
    control.close()


def _supervise(data: bytes, control: _socket.socket) -> None:
    import signal

    from hero_logic.runner.orders import Orders
    from hero_logic.runner.supervisor import Supervisor

    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    status = 1
    try:
        os.setsid()
        Supervisor(Orders.load(data), control).run()
        status = 0
    finally:
        # What a supervisor raises is our own fault: it goes to standard error, and the play ends all the
        # same.
        if status:
            sys.excepthook(*sys.exc_info())
        os._exit(status)


def _reap_supervisors(supervisors: set[int]) -> None:
    """Take the status of supervisors that have ended; end the orphans of one that did not end well."""
    import signal

    orphaned = False
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
        except ChildProcessError:
            return
        if pid == 0:
            break
        if os.WIFSTOPPED(status):
            # Its play runs as the same user and may stop it: then no deadline would be kept.
            os.kill(pid, signal.SIGCONT)
        elif pid in supervisors:
            supervisors.discard(pid)
            orphaned = orphaned or status != 0
        else:
            orphaned = True
    if orphaned:
        _end_orphans(supervisors)


def _end_orphans(supervisors: set[int]) -> None:
    """Kill the children that are no supervisors: the plays of supervisors that were killed."""
    import signal

    from hero_logic.runner.supervisor import children_of

    for pid in children_of(os.getpid()):
        if pid not in supervisors:
            os.kill(pid, signal.SIGKILL)
