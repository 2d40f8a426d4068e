"""The one process through which a play is started and ended.

It has one thread, is forked by the spawner (runner/spawner.py), and outlives the play by the moment that
it takes to write the exit record. Laws:

1. It is a subreaper: whatever the play starts, however it hides, ends up below it, and it ends when
   nothing is left.
2. It hears the runtime through a socket. An end of file there means that the runtime is gone: then it
   ends the play, within a second.
3. It never waits for anyone but the kernel: the play's output is always read, kept up to a limit and
   counted past it.
4. The exit record is on disk before the runtime is told: who comes later reads what happened.

Modules of the standard library alone, the small ones: docs/design/0004-start-up.md.
"""

from __future__ import annotations

import _socket
import fcntl
import marshal
import os
import select
import signal
import stat
import time

from hero_logic.core.policy import SPAN_SOCKET_VARIABLE
from hero_logic.runner.collection import remove_tree
from hero_logic.runner.descriptors import ancillary
from hero_logic.runner.orders import CANCEL, KILL, OPEN_GATE, Orders, write_exit_record
from hero_logic.runner.play_process import Candidate
from hero_logic.runner.sandbox.isolation import SandboxNotEntered
from hero_logic.runner.sandbox.watcher import LOOK_S, Watcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from hero_logic.runner.orders import Preparation

_RETURNED = b"R"
_READ_BYTES = 65536
_GIVE_UP_S = 10.0
_MAX_POLL_MS = 2.0**31 - 1000


class _Capture:
    """One output of the play: read always, kept in a file up to a limit, counted past it."""

    __slots__ = ("descriptor", "dropped_bytes", "file", "path", "room")

    def __init__(self, descriptor: int, path: str, limit_bytes: int) -> None:
        self.descriptor = descriptor
        self.path = path
        self.file = -1
        """Opened when there is something to keep: many a play prints nothing."""
        self.room = limit_bytes
        self.dropped_bytes = 0

    def read(self) -> bool:
        """Take what is there; False at its end."""
        try:
            data = os.read(self.descriptor, _READ_BYTES)
        except BlockingIOError:
            return True
        if not data:
            return False
        kept = data[: self.room]
        self.room -= len(kept)
        self.dropped_bytes += len(data) - len(kept)
        while kept:
            try:
                if self.file < 0:
                    # Anew: in tier 0 the play itself could have put something in its place.
                    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                    self.file = os.open(self.path, flags, 0o600)
                kept = kept[os.write(self.file, kept) :]
            except OSError:  # a full disk must not end the play: what is not kept is counted
                self.dropped_bytes += len(kept)
                self.room = 0
                break
        return True


class Supervisor:
    """Starts one play and sees it to its end; see the laws of this module."""

    def __init__(
        self,
        orders: Orders,
        control: _socket.socket,
        inherited: list[int],
    ) -> None:
        self._orders = orders
        self._control = control
        self._inherited = inherited
        self._poll = select.poll()
        self._captures: dict[int, _Capture] = {}
        self._reason = "exited"
        self._deadline_s: float | None = None
        self._deadline_does: str = ""
        self._wait_status: int | None = None
        self._is_gate_open = False
        self._limit: tuple[str, float, float] | None = None
        self._watcher: Watcher | None = None
        if orders.tree_limits:
            self._watcher = Watcher(orders.tree_limits, orders.work_dir, also=(orders.result_path,))
        self._look_at_s = time.monotonic()

    def run(self, candidate: Candidate | Preparation) -> None:
        """Have the play begin, see it to its end, write the record, tell the runtime.

        Args:
            candidate: the process that becomes the play; or what it is to be prepared with, if there is none.
        """
        lock = os.open(self._orders.lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            doors = self._start(candidate if isinstance(candidate, Candidate) else Candidate(candidate))
        except SandboxNotEntered as error:
            end_everything()
            self._reason = "sandbox_failed"
            self._finish(str(error))
            return
        except OSError as error:
            end_everything()
            self._reason = "launch_failed"
            self._finish(f"{error.strerror}: {error.filename or self._orders.argv[0]}")
            return
        self._tell({"event": "spawned", "pid": self._pid}, doors)
        while self._wait_status is None:
            self._step()
        end_everything()
        self._drain_captures()
        self._finish("")
        if self._reason == "runtime_gone" and not self._is_gate_open:
            self._clear_what_never_began()

    def _clear_what_never_began(self) -> None:
        """The runtime was killed before the play was on record: nobody else would know of its files."""
        path = self._orders.environment.get(SPAN_SOCKET_VARIABLE, "")
        try:
            if stat.S_ISSOCK(os.lstat(path).st_mode):
                os.unlink(path)
        except OSError:
            # Gone, or never made.
            pass
        # Last: were we killed in between, its directory says to whoever comes that there was such a play.
        remove_tree(os.path.dirname(self._orders.exit_path))

    def _start(self, candidate: Candidate) -> list[int]:
        """Make a play of the process; its doors, to be closed."""
        self._pid = candidate.pid
        self._isolation = candidate.isolation
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        result = os.open(self._orders.result_path, flags, 0o600)
        # Our copies would keep the channel open when the play is gone.
        handed = [result, *self._inherited]
        candidate.give(self._orders, handed)
        for descriptor in handed:
            os.close(descriptor)
        # While it gets there.
        self._gate = _socket.socket(fileno=candidate.gate)
        for descriptor, path in (
            (candidate.stdout, self._orders.stdout_path),
            (candidate.stderr, self._orders.stderr_path),
        ):
            os.set_blocking(descriptor, False)
            self._captures[descriptor] = _Capture(descriptor, path, self._orders.captured_bytes)
            self._poll.register(descriptor, select.POLLIN)
        self._pidfd = os.pidfd_open(self._pid)
        self._poll.register(self._pidfd, select.POLLIN)
        self._poll.register(self._control.fileno(), select.POLLIN)
        self._poll.register(self._gate.fileno(), select.POLLIN)
        if select.select([self._control.fileno()], [], [], 0)[0]:
            self._hear()
        return candidate.await_play()

    def _step(self) -> None:
        for descriptor, _ in self._poll.poll(self._milliseconds_left()):
            if descriptor == self._pidfd:
                self._wait_status = self._isolation.wait_status(_reap(self._pid))
            elif descriptor == self._control.fileno():
                self._hear()
            elif descriptor == self._gate.fileno():
                self._hear_gate()
            elif not self._captures[descriptor].read():
                self._poll.unregister(descriptor)
        if self._deadline_s is not None and time.monotonic() >= self._deadline_s:
            self._deadline_passed()
        if self._watcher is not None and time.monotonic() >= self._look_at_s:
            self._look(self._watcher)

    def _milliseconds_left(self) -> float | None:
        times_s = [self._look_at_s] if self._watcher is not None else []
        if self._deadline_s is not None:
            times_s.append(self._deadline_s)
        if not times_s:
            return None
        # poll() takes no more than 24 days at once; it comes back, and waits for the rest.
        return min(max(0.0, (min(times_s) - time.monotonic()) * 1000 + 1), _MAX_POLL_MS)

    def _look(self, watcher: Watcher) -> None:
        """Hold the whole tree to its limits: past one of them it ends, without a grace."""
        self._look_at_s = time.monotonic() + LOOK_S
        if self._wait_status is None and self._limit is None:
            # All that is below us: without a pid namespace the play's daemons are our children, not its.
            self._limit = watcher.exceeded(_descendants(os.getpid()), self._pid)
            if self._limit is not None:
                if self._reason == "exited":
                    self._reason = "over_limit"
                _send(self._pid, signal.SIGKILL)

    def _hear(self) -> None:
        try:
            order = self._control.recv(16)
        except OSError:
            order = b""
        if order == OPEN_GATE and not self._is_gate_open:
            self._is_gate_open = True
            if self._orders.timeout_s is not None:
                self._set_deadline(self._orders.timeout_s, "time_out")
            self._send_to_gate()
        elif order == CANCEL:
            self._end_play("cancelled", self._orders.grace_s)
        elif order == KILL:
            self._end_play("cancelled", 0.0)
        elif order == b"":
            self._poll.unregister(self._control.fileno())
            self._end_play("runtime_gone", self._orders.orphan_grace_s)

    def _send_to_gate(self) -> None:
        try:
            self._gate.send(OPEN_GATE)
        except OSError:
            # The process has ended already; its pidfd says so in this same round.
            return

    def _hear_gate(self) -> None:
        """The flow has returned: what lingers has the grace, and a moment more than the stub gives it."""
        try:
            word = self._gate.recv(16)
        except OSError:
            word = b""
        if word[:1] == _RETURNED and self._reason == "exited" and self._deadline_does != "linger":
            self._set_deadline(self._orders.grace_s + 1.0, "linger")
        if not word:
            self._poll.unregister(self._gate.fileno())

    def _set_deadline(self, seconds: float, does: str) -> None:
        self._deadline_s = time.monotonic() + seconds
        self._deadline_does = does

    def _deadline_passed(self) -> None:
        if self._deadline_does == "time_out":
            self._end_play("timed_out", self._orders.grace_s)
        else:
            if self._deadline_does == "linger":
                self._reason = "lingered"
            self._deadline_s = None
            _send(self._pid, signal.SIGKILL)

    def _end_play(self, reason: str, grace_s: float) -> None:
        """SIGTERM now, SIGKILL after the grace; the first reason stands, a shorter grace wins."""
        if self._reason == "exited":
            self._reason = reason
        # A stopped process acts on nothing but SIGKILL until it goes on.
        for number in (signal.SIGTERM, signal.SIGCONT):
            try:
                self._isolation.signal(self._pid, number)
            except (ProcessLookupError, PermissionError):
                break
        new_deadline_s = time.monotonic() + grace_s
        if self._deadline_does != "kill" or self._deadline_s is None or new_deadline_s < self._deadline_s:
            self._deadline_s = new_deadline_s
            self._deadline_does = "kill"

    def _drain_captures(self) -> None:
        """Nothing that could write is left: read each output to its end, or to where it has no more."""
        for capture in self._captures.values():
            until_s = time.monotonic() + 1.0
            while capture.read() and time.monotonic() < until_s:
                if not select.select([capture.descriptor], [], [], 0)[0]:
                    break

    def _finish(self, launch_error: str) -> None:
        status = self._wait_status
        record: dict[str, object] = {
            "reason": self._reason,
            "exit_code": os.WEXITSTATUS(status) if status is not None and os.WIFEXITED(status) else None,
            "signal": os.WTERMSIG(status) if status is not None and os.WIFSIGNALED(status) else None,
            "end_ms": time.time() * 1000,
            "launch_error": launch_error,
            "limit": self._limit,
            "dropped_stdout_bytes": self._dropped_bytes(self._orders.stdout_path),
            "dropped_stderr_bytes": self._dropped_bytes(self._orders.stderr_path),
        }
        try:
            write_exit_record(self._orders.exit_path, record)
        except OSError as error:
            # A full disk, or a flow that removed its own directory: a living runtime is told all the same.
            os.write(2, f"hero-logic: the exit record of a play was not written: {error}\n".encode())
        self._tell({"event": "ended", **record})

    def _dropped_bytes(self, path: str) -> int:
        return sum(capture.dropped_bytes for capture in self._captures.values() if capture.path == path)

    def _tell(self, message: dict[str, object], descriptors: Sequence[int] = ()) -> None:
        """Tell the runtime something; descriptors go along, and are closed here."""
        try:
            self._control.sendmsg([marshal.dumps(message)], ancillary(descriptors))
        except OSError:
            # The runtime is gone, which the next poll sees; the exit record is for whoever comes after.
            return
        finally:
            for descriptor in descriptors:
                os.close(descriptor)


def end_everything() -> None:
    """Kill all that is below this process, until nothing is, daemons and their children included.

    Everything is stopped before anything is killed, so that nothing forks faster than it is found.
    """
    until_s = time.monotonic() + _GIVE_UP_S
    while _reap_ended() and time.monotonic() < until_s:
        below = _descendants(os.getpid())
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in below:
                _send(pid, number)


def _reap_ended() -> bool:
    """Take the status of every child that has ended; False when there are no children any more."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True


def _descendants(pid: int) -> list[int]:
    found = []
    unseen = [pid]
    while unseen:
        for child in children_of(unseen.pop()):
            found.append(child)
            unseen.append(child)
    return found


def children_of(pid: int) -> list[int]:
    """The children of a process, those of all its threads."""
    children = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                children += [int(word) for word in file.read().split()]
        except OSError:
            continue
    return children


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _reap(pid: int) -> int:
    _, status = os.waitpid(pid, 0)
    return status
