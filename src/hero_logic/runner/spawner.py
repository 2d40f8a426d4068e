"""Makes every supervisor, from a process of its own that never has a second thread.

The runtime may have threads; forking from it would be a gamble, and a parent-death signal follows the
thread that forked. So the spawner is a fresh interpreter, started before it is needed, that does nothing
but fork supervisors. It is a subreaper too: should a supervisor be killed, its orphans come here and are
ended. It ends when the runtime is gone and the last supervisor with it.

Source: docs/design/0005-processes.md.
"""

from __future__ import annotations

import _socket
import errno
import os
import signal
import sys
import time

from hero_logic.core.errors import LaunchFailed
from hero_logic.runner.descriptors import ancillary, receive
from hero_logic.runner.orders import MAX_ORDERS_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hero_logic.runner.orders import Orders, Preparation
    from hero_logic.runner.play_process import Candidate
    from hero_logic.runner.spare import Spare

_STUB = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from hero_logic.runner.spawner import serve; serve(int(sys.argv[2]), spares=int(sys.argv[3]))"
)
# What serve_warm() gives is called with nothing of ours on the stack: it is the beginning of a play.
_WARM_STUB = (
    # Before what is installed, which may be another release.
    "import sys; sys.path.insert(0, sys.argv[1]); from hero_logic.runner.spawner import serve_warm; "
    "serve_warm(int(sys.argv[2]), spares=int(sys.argv[3]))()"
)
_MAX_PREPARATION_BYTES = 64 * 1024
_DESCRIPTORS = 16_384
_MAX_WAIT_S = 3.0
_WAIT_S = 0.02
SPARES = 2
_IDLE_MS = 25.0
"""How long nothing is asked for before a spare supervisor is made: the play that begins has the processor."""


class Spawner:
    """The runtime's end of the spawner; :meth:`launch` may be called from any thread."""

    def __init__(self, channel: _socket.socket, pid: int, *, is_warm: bool) -> None:
        self._channel = channel
        self._pid = pid
        self.is_warm = is_warm
        """Whether a play of our own interpreter can be forked from it, rather than started anew."""

    @classmethod
    def start(cls, *, is_warm: bool = False, spares: int | None = None) -> Spawner:
        """Start the process; it gets ready while the caller goes on.

        A warm one loads what an interpreter loads for a play as well, which takes longer, once: for whoever
        runs many plays. It has as many supervisors ready for the next plays as ``spares`` says, by default
        ``SPARES`` of them where it is warm, and none where it is for one play.
        Source: docs/design/0014-warm-plays.md.
        """
        _raise_own_limit()
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        try:
            os.set_inheritable(theirs.fileno(), True)
            source_dir = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
            pid = os.posix_spawn(
                sys.executable,
                [
                    sys.executable,
                    "-I",
                    *(["-c", _WARM_STUB] if is_warm else ["-S", "-c", _STUB]),
                    source_dir,
                    str(theirs.fileno()),
                    str((SPARES if is_warm else 0) if spares is None else spares),
                ],
                {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
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
        return cls(ours, pid, is_warm=is_warm)

    def launch(
        self, preparation: Preparation, orders: Orders, inherited: Sequence[int] = ()
    ) -> _socket.socket:
        """Have a supervisor see to a play; give the runtime's end of its control socket.

        Args:
            preparation: all that its process can know before it; where the last play had the same, there may
                be one that is ready.
            orders: what it is to do.
            inherited: the descriptors that the play inherits: its way to the span listener, and then those
                that ``orders.connected`` names.

        Raises:
            LaunchFailed: the spawner is gone, or the orders are too long to hand over.
        """
        data = orders.dump()
        if len(data) > MAX_ORDERS_BYTES:
            raise LaunchFailed(
                f"the play's arguments and environment take {len(data)} bytes, "
                f"and {MAX_ORDERS_BYTES} is the most. Let"
                " fewer or shorter variables through with --env."
            )
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        try:
            # Past the spawner, which plays are forked from: what one play is told is not for the next.
            ours.send(data)
            self._hand_over(preparation.dump(), [theirs.fileno(), *inherited])
        except OSError as error:
            ours.close()
            if error.errno == errno.ETOOMANYREFS:
                raise LaunchFailed(
                    "too many descriptors of this user are on their way through Unix sockets, so that none "
                    "can be handed to a new play. Another play may keep them there: end it, or wait."
                ) from error
            raise LaunchFailed(
                f"the process that starts plays is gone: {error}. Start the command again."
            ) from error
        finally:
            theirs.close()
        return ours

    def _hand_over(self, prepared: bytes, handed: list[int]) -> None:
        """Send descriptors to the spawner; wait a little where too many of the user's are on their way."""
        until_s = time.monotonic() + _MAX_WAIT_S
        while True:
            try:
                self._channel.sendmsg([prepared], ancillary(handed))
            except OSError as error:
                if error.errno != errno.ETOOMANYREFS or time.monotonic() >= until_s:
                    raise
                time.sleep(_WAIT_S)
            else:
                return

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


def _raise_own_limit() -> None:
    """Let this process have more descriptors than any play may have.

    The kernel counts descriptors that are on their way through Unix sockets by user, and holds whoever sends
    one to its own limit: a play could leave so many on their way that no other could be started.
    """
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def serve(channel_descriptor: int, *, spares: int = 0) -> None:
    """What the process of the spawner does; it is called in a fresh interpreter and never returns.

    It keeps so many supervisors ready for the next plays that are prepared as the last one was.
    """
    import select

    # All that a play is started with, so that no process of a play loads any of it for itself: inside a view
    # of its own it could not.
    from hero_logic.runner.sandbox import bubblewrap, doors, first_process, limits, native, seccomp  # noqa: F401
    from hero_logic.runner.supervisor import end_everything

    for has_namespaces in (True, False):
        # Made once, and not in each process of a play.
        seccomp.build(has_namespaces=has_namespaces)
    os.set_inheritable(channel_descriptor, False)
    channel = _socket.socket(fileno=channel_descriptor)
    limits.become_subreaper()
    wake, wake_in = os.pipe()
    os.set_blocking(wake, False)
    _wake_at_child_end(wake_in)
    supervisors = _Supervisors(channel, spares=spares)
    poll = select.poll()
    poll.register(channel_descriptor, select.POLLIN)
    poll.register(wake, select.POLLIN)
    is_open = True
    while is_open or supervisors.pids:
        ready = poll.poll(_IDLE_MS if is_open and supervisors.wants_spare else None)
        if not ready:
            supervisors.make_spare()
        for descriptor, _ in ready:
            if descriptor == wake:
                os.read(wake, 4096)
            else:
                is_open = supervisors.take_orders()
                if not is_open:
                    poll.unregister(channel_descriptor)
        supervisors.reap()
    end_everything()
    os._exit(0)


def serve_warm(channel_descriptor: int, *, spares: int) -> Callable[[], None]:
    """:func:`serve`, with all that a play needs loaded; it returns in a process that becomes a play.

    What it returns begins the play, in an interpreter that looks like one that was started for it.
    """
    from hero_logic.runner import warm
    from hero_logic.runner.play_process import PlayBegins

    warm.load()
    try:
        serve(channel_descriptor, spares=spares)
    except PlayBegins as begins:
        orders = begins.orders
    # Outside the block, so that the exception is gone, and with it every frame of ours.
    return lambda: warm.begin(orders)


def _wake_at_child_end(wake_in: int) -> None:
    os.set_blocking(wake_in, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_in, warn_on_full_buffer=False)
    # The terminal's interrupt goes to its foreground group, to which we do not belong; a stray one is no
    # order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Supervisors:
    """The supervisors of a spawner: those that have a play, and those that wait for theirs."""

    def __init__(self, channel: _socket.socket, *, spares: int) -> None:
        self.pids: set[int] = set()
        self._channel = channel
        self._wanted = spares
        self._spares: list[Spare] = []
        self._last = b""
        """What the last play was prepared with."""

    @property
    def wants_spare(self) -> bool:
        """Whether one should be made, once there is nothing else to do."""
        return len(self._spares) < self._wanted and bool(self._last)

    def take_orders(self) -> bool:
        """Have a supervisor for the play that has come; False at the end of the runtime."""
        try:
            prepared, handed = receive(self._channel, _MAX_PREPARATION_BYTES)
        except InterruptedError:
            return True
        except OSError:
            prepared = b""
        if not prepared:
            self._dismiss_spares()
            return False
        if prepared != self._last:
            self._dismiss_spares()
        self._last = prepared
        if not self._take_spare(prepared, handed):
            self._fork(prepared, handed)
        for descriptor in handed:
            os.close(descriptor)
        return True

    def _take_spare(self, prepared: bytes, handed: list[int]) -> bool:
        while self._spares:
            if self._spares.pop(0).take(prepared, handed):
                return True
        return False

    def _dismiss_spares(self) -> None:
        while self._spares:
            self._spares.pop().dismiss()

    def _leave(self) -> None:
        """In a supervisor: let go of the spawner's, of other spare ones' channels too: they would not end."""
        self._channel.close()
        self._dismiss_spares()

    def _fork(self, prepared: bytes, handed: list[int]) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            _refuse(handed[0], error)
            return
        if pid == 0:
            self._leave()
            _supervise(prepared, handed)
        self.pids.add(pid)

    def make_spare(self) -> None:
        """Fork a supervisor for the next play, which gets as far as it goes without one."""
        from hero_logic.runner.spare import Spare

        try:
            ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
            pid = os.fork()
        except OSError:
            # It is made when it is needed, or told then that it cannot be.
            self._last = b""
            return
        if pid == 0:
            self._leave()
            ours.close()
            _wait_and_supervise(self._last, theirs.detach())
        theirs.close()
        self.pids.add(pid)
        self._spares.append(Spare(ours, self._last))

    def reap(self) -> None:
        """Take the status of those that have ended; end the orphans of one that did not end well."""
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
            elif pid in self.pids:
                self.pids.discard(pid)
                orphaned = orphaned or status != 0
            else:
                orphaned = True
        if orphaned:
            self._end_orphans()

    def _end_orphans(self) -> None:
        """Kill the children that are no supervisors: the plays of supervisors that were killed."""
        from hero_logic.runner.supervisor import children_of

        for pid in children_of(os.getpid()):
            if pid not in self.pids:
                os.kill(pid, signal.SIGKILL)


def _refuse(control_descriptor: int, error: OSError) -> None:
    """Tell the runtime that no supervisor can be had: the system has no room for another process."""
    import marshal

    control = _socket.socket(fileno=control_descriptor)
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
    control.detach()


def _supervise(prepared: bytes, handed: list[int]) -> None:
    """Be the supervisor of a play that is here."""
    from hero_logic.runner.orders import Preparation

    with _Supervising():
        _see_to_play(Preparation.load(prepared), handed)


def _wait_and_supervise(prepared: bytes, channel: int) -> None:
    """Be the supervisor of a play that comes later, with a process that is ready to become it."""
    from hero_logic.runner.orders import Preparation
    from hero_logic.runner.spare import candidate_of, wait_for_play

    with _Supervising():
        candidate = candidate_of(Preparation.load(prepared))
        _see_to_play(candidate, wait_for_play(channel, candidate))


class _Supervising:
    """Around all that a supervisor does: its process ends with it, but goes on where a play begins in it."""

    def __enter__(self) -> None:
        from hero_logic.runner.play_process import PlayBegins
        from hero_logic.runner.sandbox import limits

        # Now: where a play begins, nothing of ours can be imported any more.
        self._begins = PlayBegins
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        limits.become_subreaper()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, self._begins):
            return
        if error is not None:
            # Our own fault: it goes to standard error, and the play ends all the same.
            sys.excepthook(type(error), error, error.__traceback__)
        os._exit(0 if error is None else 1)


def _see_to_play(candidate: Candidate | Preparation, handed: list[int]) -> None:
    from hero_logic.runner.orders import Orders
    from hero_logic.runner.play_process import PlayBegins
    from hero_logic.runner.supervisor import Supervisor

    control = _socket.socket(fileno=handed[0])
    orders = Orders.load(control.recv(MAX_ORDERS_BYTES + 1))
    try:
        Supervisor(orders, control, handed[1:]).run(candidate)
    except PlayBegins:
        # Its number is the play's by now.
        control.detach()
        raise
