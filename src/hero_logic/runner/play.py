"""The lifetime of one play: stage, bind, spawn, hold at the gate, run, drain, collect, unlink.

This module alone owns it. The interpreter of a play is started as soon as its flow was checked, and held
at a gate before any of the flow's code runs: so it starts while the store opens, and nothing of a flow
runs that is not on record. Leaving the ``with`` block undoes everything, in reverse, wherever it stood.

Source: docs/design/0005-processes.md.
"""

from __future__ import annotations

import marshal
import os
import select
import sys

from hero_logic.core.errors import LaunchFailed
from hero_logic.core.policy import PlayLimits, default
from hero_logic.runner import collection
from hero_logic.runner.descriptors import receive
from hero_logic.runner.orders import (
    CANCEL,
    GATE_DESCRIPTOR,
    KILL,
    OPEN_GATE,
    RESULT_DESCRIPTOR,
    SPAN_DESCRIPTOR,
    Orders,
    Preparation,
    read_exit_record,
)
from hero_logic.runner.sandbox import isolation, view
from hero_logic.runner.span_socket import SpanListener
from hero_logic.runner.spool import Spool, open_spool
from hero_logic.runner.staging import PlayPaths, shared_code_dir, stage_play, view_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from hero_logic.core.outcome import Leavings
    from hero_logic.runner.sandbox.doors import Door
    from hero_logic.runner.sandbox.namespaces import Owner
    from hero_logic.runner.sandbox.view import Entry
    from hero_logic.runner.span_loop import SpanLoop
    from hero_logic.runner.span_reader import ListenReport, SpanSink
    from hero_logic.runner.span_socket import ListenerHandle
    from hero_logic.runner.spawner import Spawner

    class Attended(Protocol):
        """Whoever attends to the doors of a play."""

        def close(self) -> None:
            """End it, and close them; harmless twice."""
            ...


_MAX_MESSAGE_BYTES = 65536
_SUPERVISOR_WAIT_S = 3.0
_SUPERVISOR_POLL_S = 0.01
_WITHHELD_SPOOL = (
    "the events in its spool are withheld, as the runtime that knew what to redact in them was killed"
)
_WITHHELD = "[hero-logic: withheld, as the runtime that knew what to redact in it was killed]"


class PlayPlan:
    """What is to be run: all that is known of a play before it exists."""

    __slots__ = (
        "connected",
        "doors",
        "environment",
        "flow_path",
        "function",
        "granted",
        "has_secrets",
        "input_json",
        "isolation",
        "limits",
        "owner",
        "python",
        "resources",
        "runtime_sid",
        "sid",
        "sockets",
        "source",
    )

    def __init__(
        self,
        *,
        sid: str,
        source: bytes,
        flow_path: str,
        function: str,
        input_json: bytes | None,
        python: str,
        environment: Callable[[str, str | int], dict[str, str]],
        limits: PlayLimits,
        has_secrets: bool = False,
        isolation: str = "none",
        resources: str = "rlimits",
        granted: Sequence[Entry] = (),
        sockets: Sequence[tuple[str, str]] = (),
        connected: Sequence[tuple[str, str]] = (),
        doors: Sequence[Door] = (),
        runtime_sid: str = "",
        owner: Owner | None = None,
    ) -> None:
        self.sid = sid
        self.source = source
        self.flow_path = flow_path
        self.function = function
        self.input_json = input_json
        self.python = python
        self.environment = environment
        """Given the work directory, and the socket's path or the descriptor that is connected to it, the
        play's whole environment."""
        self.limits = limits
        self.has_secrets = has_secrets
        """Whether its text is redacted before it is kept; nobody but this runtime could do that."""
        self.isolation = isolation
        """``none``, ``landlock`` or ``native``: one that the host has proven."""
        self.runtime_sid = runtime_sid
        self.owner = owner
        """(user, group) that it runs as, where this is root and that is somebody else: in ``native``."""
        self.resources = resources
        """``none``, ``rlimits``, or ``watcher``, which is both."""
        self.granted = granted
        """What the play may see beside the system, its interpreter and its own directory."""
        self.sockets = sockets
        """(path on the host, path in the view) of the Unix sockets that it may connect to."""
        self.connected = connected
        """(variable, path on the host) of those that it finds connected, where it can connect to none."""
        self.doors = doors
        """Where in its own network sockets listen that are accepted here."""


class StagedPlay:
    """One play from its staging to its end; a context manager.

    Entering stages and spawns it, held at the gate. :meth:`open_gate` lets it run, :meth:`begin` reads its
    events; :meth:`step` waits for its end; :meth:`leavings` reads what it left. Leaving ends whatever still
    runs, and clears up.
    """

    def __init__(
        self,
        plan: PlayPlan,
        spawner: Spawner,
        *,
        plays_dir: str,
        cache_dir: str,
    ) -> None:
        self._plan = plan
        self._spawner = spawner
        self._cache_dir = cache_dir
        self.paths = PlayPaths(plays_dir, plan.sid)
        self._shared_code = None if plan.isolation == "none" else shared_code_dir(cache_dir)
        # It is bound before there is a store to write to, and reads once there is.
        self._listener = SpanListener(plan.sid, None)
        self._handle: ListenerHandle | None = None
        self._listened: ListenReport | None = None
        self._control: _socket.socket | None = None
        self._attend: Callable[[list[int]], Attended] | None = None
        self._attended: Attended | None = None
        self._is_gate_open = False
        self._record: dict[str, object] | None = None
        self.is_end_recorded = False
        """Set once the play's end is on record: until then its files are what recovery goes by."""

    def __enter__(self) -> StagedPlay:
        try:
            stub = stage_play(
                self.paths,
                source=self._plan.source,
                input_json=self._plan.input_json,
                python=self._plan.python,
                cache_dir=self._cache_dir,
                redacts=self._plan.has_secrets,
                runtime_sid=self._plan.runtime_sid,
                shared_code=self._shared_code,
                owner=self._plan.owner,
            )
            self._listener.bind()
            self._control = self._launch(stub)
        except BaseException:
            self._clear_up()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._clear_up()

    def open_gate(self) -> None:
        """The play is on record: its flow may run. Its events wait in the socket until :meth:`begin`."""
        assert self._control is not None, "the play was entered"
        if not self._is_gate_open:
            self._is_gate_open = True
            self._say(OPEN_GATE)

    def begin(
        self,
        sink: SpanSink,
        loop: SpanLoop | None = None,
        *,
        attend: Callable[[list[int]], Attended] | None = None,
    ) -> None:
        """Open the gate, if it is not open, and have a loop read the play's events into the sink.

        ``attend`` is given the sockets that the plan's doors have become, and has them from then on.
        """
        self._attend = attend
        self.open_gate()
        self._listener.sink = sink
        self._handle = self._listener.run(loop)

    def cancel(self) -> None:
        """Ask the play to end: SIGTERM, and SIGKILL after the grace. May be called from a signal handler."""
        self._say(CANCEL)

    def kill(self) -> None:
        """End the play without a grace. May be called from a signal handler."""
        self._say(KILL)

    def step(self, timeout_s: float | None = None) -> bool:
        """Wait for the play's end, at most so long; whether it has ended."""
        assert self._control is not None, "the play was entered"
        timeout_ms = None if timeout_s is None else timeout_s * 1000
        poll = select.poll()
        poll.register(self._control.fileno(), select.POLLIN)
        while self._record is None and poll.poll(timeout_ms):
            self._hear()
        return self._record is not None

    def drain(self) -> ListenReport:
        """Once the play has ended: read what is still in its sockets, and close them."""
        assert self._handle is not None, "the play was begun"
        self._close_doors()
        self._listened = self._handle.finish()
        return self._listened

    def open_spool(self) -> Spool | None:
        """Once the play has ended: the events that its listener did not take, if there are any."""
        return open_spool(self.paths.work)

    def leavings(self) -> Leavings:
        """Once the play has ended: its result, its output, its artifacts."""
        assert self._record is not None, "the play has ended"
        return read_leavings(self.paths, self._record)

    def _launch(self, stub: str) -> _socket.socket:
        preparation = self._preparation()
        if self._plan.isolation == "none":
            return self._spawner.launch(preparation, self._orders(stub, self._listener.path))
        # No path to squat on or to forge through: the one connection there will ever be is inherited.
        inherited = [self._listener.connect_once()]
        try:
            inherited += map(_connect, (path for _, path in self._plan.connected))
            numbers = [connection.fileno() for connection in inherited]
            return self._spawner.launch(preparation, self._orders(stub, SPAN_DESCRIPTOR), numbers)
        finally:
            for connection in inherited:
                connection.close()

    def _orders(self, stub: str, span_channel: str | int) -> Orders:
        plan = self._plan
        orders = Orders()
        orders.argv = [
            plan.python,
            "-I",
            stub,
            self.paths.stage,
            plan.flow_path,
            plan.function,
            str(plan.limits.grace_s),
            str(GATE_DESCRIPTOR),
            str(RESULT_DESCRIPTOR),
        ]
        orders.environment = plan.environment(self.paths.work, span_channel)
        orders.entries = self._own_entries()
        orders.sockets = list(plan.sockets)
        orders.connected = [variable for variable, _ in plan.connected]
        orders.doors = list(plan.doors)
        orders.work_dir = self.paths.work
        orders.stdout_path = self.paths.stdout
        orders.stderr_path = self.paths.stderr
        orders.result_path = self.paths.result
        orders.exit_path = self.paths.exit_record
        orders.lock_path = self.paths.lock
        orders.resource_limits = {} if plan.resources == "none" else plan.limits.resource_limits
        orders.tree_limits = plan.limits.tree_limits if plan.resources == "watcher" else {}
        orders.captured_bytes = plan.limits.captured_bytes
        orders.grace_s = plan.limits.grace_s
        orders.orphan_grace_s = plan.limits.orphan_grace_s
        orders.timeout_s = plan.limits.timeout_s
        return orders

    def _own_entries(self) -> list[Entry]:
        """What the play sees beside what every play of its interpreter does."""
        if self._shared_code is None:
            return []
        base = view.base_entries(self._plan.python, self._shared_code)
        own = [(self.paths.stage, view.READ), (self.paths.work, view.KEEP)]
        return view.beyond(base, [*own, *self._plan.granted])

    def _preparation(self) -> Preparation:
        preparation = Preparation()
        preparation.isolation = self._isolation()
        preparation.is_warm = self._spawner.is_warm and self._plan.python == sys.executable
        return preparation

    def _isolation(self) -> dict[str, object]:
        """What runner/sandbox/isolation.py takes."""
        plan = self._plan
        if self._shared_code is None:
            return isolation.none()
        entries = view.base_entries(plan.python, self._shared_code)
        if plan.isolation == "landlock":
            return isolation.landlock(entries)
        shared_memory_bytes = default("shared_memory_bytes")
        if plan.isolation == "bubblewrap":
            from hero_logic.runner.sandbox.bubblewrap import find_program

            program = find_program()
            return isolation.bubblewrap(entries, program=program, shared_memory_bytes=shared_memory_bytes)
        if plan.isolation != "native":
            raise LaunchFailed(f"there is no isolation {plan.isolation} in this release.")
        root = view_root(self._cache_dir)
        return isolation.native(entries, root=root, shared_memory_bytes=shared_memory_bytes, owner=plan.owner)

    def _hear(self) -> None:
        assert self._control is not None, "the play was entered"
        try:
            data, doors = receive(self._control, _MAX_MESSAGE_BYTES)
        except InterruptedError:
            return
        except OSError:
            data, doors = b"", []
        if doors:
            self._attend_to(doors)
        if not data:
            import time

            # The supervisor was killed: its record is not coming any more, if it is not there.
            self._record = read_exit_record(self.paths.exit_record) or {
                "reason": "supervisor_gone",
                "end_ms": time.time() * 1000,
            }
            return
        message = marshal.loads(data)  # noqa: S302  # from our own supervisor, on a private socket
        if message.pop("event") == "ended":
            self._record = message

    def _say(self, order: bytes) -> None:
        if self._control is None:
            return
        try:
            self._control.send(order)
        except OSError:
            # The supervisor has ended; what it has to say is read by step().
            return

    def _attend_to(self, doors: list[int]) -> None:
        if self._attend is None or self._attended is not None:
            # The play is being given up.
            for door in doors:
                os.close(door)
        else:
            self._attended = self._attend(doors)

    def _close_doors(self) -> None:
        if self._attended is not None:
            self._attended.close()

    def _clear_up(self) -> None:
        """In reverse: the processes, the network, the socket, the files."""
        if self._control is not None:
            self._say(KILL)
            while self._record is None:
                self.step()
            self._control.close()
            self._control = None
        self._close_doors()
        if self._handle is not None and self._listened is None:
            self._handle.finish(0.0)
        self._listener.close()
        if self.is_end_recorded or not self._is_gate_open:
            clear_directory(self.paths)


def _connect(path: str) -> _socket.socket:
    """A connection to the socket of a service, for a play to inherit.

    Raises:
        LaunchFailed: nobody accepts one there.
    """
    import _socket

    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        # One that accepts none would keep the runtime waiting as long as it likes.
        connection.setblocking(False)
        connection.connect(path)
        connection.setblocking(True)
    except OSError as error:
        connection.close()
        raise LaunchFailed(
            f"the service at {path} takes no connection: {error.strerror}. In the isolation landlock the "
            "runtime connects to it before the play begins: start the service, then run the flow again."
        ) from error
    return connection


def read_leavings(paths: PlayPaths, record: dict[str, object]) -> Leavings:
    """What a play left on disk, given its exit record; recovery reads the same."""
    # After the play's end: msgspec costs more than the play's start (docs/design/0004-start-up.md).
    import msgspec

    from hero_logic.core.outcome import ExitRecord, Leavings, read_result
    from hero_logic.core.records import Artifact

    exit_record = msgspec.convert(record, ExitRecord)
    return Leavings(
        record=exit_record,
        result=read_result(collection.read_bounded(paths.result, default("output_bytes") + 1)),
        stdout=_captured(paths.stdout, exit_record.dropped_stdout_bytes),
        stderr=_captured(paths.stderr, exit_record.dropped_stderr_bytes),
        artifacts=[Artifact(*found) for found in collection.collect_artifacts(paths.work, paths.artifacts)],
    )


def _captured(path: str, dropped_bytes: int) -> str:
    """What was kept of an output; what was not is said at its end, on a line of its own."""
    text = _text(collection.read_bounded(path, default("captured_bytes")))
    if dropped_bytes:
        text += f"\n[hero-logic: {dropped_bytes} more bytes were not kept]\n"
    return text


def read_aftermath(paths: PlayPaths) -> Leavings | None:
    """What a play left whose runtime is gone; None while its supervisor still lives.

    Without an exit record there is none to come: the supervisor was killed too, or never was.
    """
    if _is_supervised(paths):
        return None
    record = read_exit_record(paths.exit_record) or {
        "reason": "runtime_gone",
        "end_ms": _last_change_ms(paths),
    }
    leavings = read_leavings(paths, record)
    return _withheld(leavings) if os.path.exists(paths.redacts) else leavings


def open_lost_spool(paths: PlayPaths) -> Spool | None:
    """The spool of a play whose runtime is gone, if there is one."""
    spool = open_spool(paths.work)
    if spool is None or not os.path.exists(paths.redacts):
        return spool
    spool.close()
    return Spool(os.devnull, problem=_WITHHELD_SPOOL)


def _withheld(leavings: Leavings) -> Leavings:
    """The leavings without any text of the play: the values to redact in it went with its runtime."""
    import msgspec

    from hero_logic.core.outcome import FlowResult

    result = leavings.result
    output = None if result.output is None else _WITHHELD
    return msgspec.structs.replace(
        leavings,
        result=FlowResult(result.outcome, output=output, error=_WITHHELD if result.error else ""),
        stdout=_WITHHELD if leavings.stdout else "",
        stderr=_WITHHELD if leavings.stderr else "",
    )


def _is_supervised(paths: PlayPaths) -> bool:
    """Whether the supervisor of a play lives: it holds a lock until its end; so long it is waited for."""
    import fcntl
    import time

    try:
        lock = os.open(paths.lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        until_s = time.monotonic() + _SUPERVISOR_WAIT_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if time.monotonic() >= until_s:
                    return True
                time.sleep(_SUPERVISOR_POLL_S)
            else:
                return False
    finally:
        os.close(lock)


def _last_change_ms(paths: PlayPaths) -> float:
    import time

    found_s = []
    for path in (paths.result, paths.stdout, paths.stderr):
        try:
            found_s.append(os.stat(path).st_mtime)
        except OSError:
            # It printed nothing there, or had not begun.
            continue
    return max(found_s, default=time.time()) * 1000


def clear_directory(paths: PlayPaths) -> None:
    """Remove everything of a play but its artifacts, and its directory if there are none."""
    for path in (
        paths.work,
        paths.stage,
        paths.stdout,
        paths.stderr,
        paths.result,
        paths.lock,
        paths.exit_record,
        paths.redacts,
        # The last: until it is gone, the rest is known to be left over.
        paths.runtime,
    ):
        collection.remove_tree(path)
    try:
        os.rmdir(paths.root)
    except OSError:
        return


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


def spawner_for_this_process(*, is_warm: bool = False) -> Spawner:
    """Start what makes supervisors; a warm one for whoever runs many plays.

    Raises:
        LaunchFailed: this is not a system that plays can run on.
    """
    from hero_logic.runner.spawner import Spawner

    if sys.platform != "linux":
        raise LaunchFailed(
            f"plays run on Linux, and this is {sys.platform}; `ingest` and `listen` work here too."
        )
    return Spawner.start(is_warm=is_warm)
