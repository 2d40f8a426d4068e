"""Runs plays: each is put on record, claimed, run by ``runner.play``, and its events fed to ingest.

One path for every place: on one machine the worker is in the process of the command.
"""

from __future__ import annotations

import os
import signal
import stat
from contextlib import contextmanager

from hero_logic.core.errors import BadFlowFile, SandboxUnavailable
from hero_logic.core.inputs import staged_input
from hero_logic.core.policy import MIN_REDACTED_CHARS, PlayLimits, play_environment
from hero_logic.core.syntax import MAX_SOURCE_BYTES
from hero_logic.runner.play import PlayPlan, StagedPlay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType
    from typing import Any, Protocol

    from hero_logic.config import Config
    from hero_logic.core.flow_source import FlowEntry
    from hero_logic.core.grants import Network
    from hero_logic.core.outcome import Leavings
    from hero_logic.core.records import Access, Play, SpanRow
    from hero_logic.core.redaction import Redactor
    from hero_logic.core.tiers import Choice
    from hero_logic.core.wire import BadLine
    from hero_logic.runner.granting import Permits
    from hero_logic.runner.play import Attended
    from hero_logic.runner.sandbox.doors import Door
    from hero_logic.runner.sandbox.view import Entry
    from hero_logic.runner.spawner import Spawner
    from hero_logic.service.ingest import PlaySink
    from hero_logic.service.liveness import Runtimes
    from hero_logic.service.net_log import NetLog
    from hero_logic.service.session import Session

    SignalHandler = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None

    class Face(Protocol):
        """Whoever watches a play while it runs."""

        @property
        def interval_s(self) -> float | None:
            """How often to call :meth:`tick`, in seconds; None for never."""
            ...

        def begin(self, play: Play, *, sandbox_line: str) -> None:
            """The play runs from now on."""
            ...

        def changed(self, rows: list[SpanRow], now_ms: float) -> None:
            """These rows are on disk; called by the ingest thread, which waits here until :meth:`begin`."""
            ...

        def tick(self, now_ms: float) -> None:
            """A moment has passed; called by the main thread."""
            ...

        def note(self, text: str) -> None:
            """Something that the operator should know."""
            ...

        def end(self, play: Play) -> None:
            """The play has ended."""
            ...


_MAX_TOLD_LINES = 100
_LAST_READ_S = 0.2
_LOOK_S = 0.25
"""How often to look whether a signal came, where a face wants no ticks."""
_SIGNALS = {int(signal.SIGINT): "SIGINT", int(signal.SIGTERM): "SIGTERM"}


class RunOrder:
    """What somebody wants run: a flow that was read and checked, with its input and its conditions."""

    __slots__ = (
        "entry",
        "environment",
        "imports",
        "input_json",
        "let_through",
        "limits",
        "path",
        "permits",
        "published_name",
        "python",
        "sandbox",
        "source",
    )

    def __init__(
        self,
        *,
        path: str,
        source: bytes,
        entry: FlowEntry,
        input_json: bytes,
        python: str,
        environment: dict[str, str],
        let_through: tuple[str, ...] = (),
        permits: Permits | None = None,
        limits: PlayLimits,
        sandbox: str,
        imports: set[str],
        published_name: str = "",
    ) -> None:
        self.path = path
        self.source = source
        self.entry = entry
        self.input_json = input_json
        """The input as a JSON object; ``{}`` where there is none."""
        self.python = python
        self.environment = environment
        """The operator's."""
        self.let_through = let_through
        """Names of variables that go through to the play; their values are redacted."""
        self.permits = permits
        """What it is given beside its own directory; None where nothing was asked for or granted."""
        self.limits = limits
        self.imports = imports
        """What the flow imports, dotted: those that lie beside it are all that it sees of its directory."""
        self.published_name = published_name
        """That of the flow of the library that it is; "" for a file. Then nothing lies at its path."""
        self.sandbox = sandbox
        """What was asked for to keep it in, one of ``core.tiers.WANTED``."""


class LineTeller:
    """Tells a face of lines that were not kept: the first of them one by one, the rest as a number."""

    def __init__(self, note: Callable[[str], None], redactor: Redactor | None = None) -> None:
        self._note = note
        self._clean = str if redactor is None else redactor.text
        self._lines = 0

    def tell(self, bad_line: BadLine) -> None:
        """One line was not kept."""
        self._lines += 1
        if self._lines <= _MAX_TOLD_LINES:
            shown = f": {self._clean(bad_line.preview)}" if bad_line.preview else ""
            self._note(f"malformed line ({bad_line.reason}){shown}")

    def finish(self) -> None:
        """Say how many more there were."""
        if self._lines > _MAX_TOLD_LINES:
            self._note(f"{self._lines - _MAX_TOLD_LINES} more lines were malformed or too long")


def run_play(
    order: RunOrder,
    choice: Choice,
    *,
    sid: str,
    config: Config,
    spawner: Spawner,
    owner: tuple[int, int] | None = None,
    runtimes: Runtimes,
    open_session: Callable[[], Session],
    face: Face,
) -> Play:
    """Run one play to its end, whatever that is; the play as it stands on record.

    ``choice`` is what this host has proven that it can keep the play in, ``runtimes`` that of the session,
    ``owner`` whom it runs as where that is somebody else.

    Raises:
        LaunchFailed: it could not be started; there is no record of it.
        StoreError: the store failed; the play has no end yet, and gets one at the next command.
    """
    redactor = _redactor(order)
    teller = LineTeller(face.note, redactor)
    reach = _Reach(order.permits, choice)
    staged = StagedPlay(
        _plan(order, choice, reach, sid, runtimes.own_sid, owner),
        spawner,
        plays_dir=config.plays_dir,
        cache_dir=config.cache_dir,
    )
    interruption = _Interruption(staged, order.limits.grace_s)
    # The store is opened while the play's interpreter starts.
    with _alive(runtimes), staged, _SignalHandlers(interruption), open_session() as session:
        _record_and_begin(order, choice, sid, session, staged, reach, face, redactor, teller)
        _watch(session, staged, face, interruption)
        session.ingest.hurry(sid)
        staged.drain()
        reach.finish()
        from hero_logic.service.endings import end_play
        from hero_logic.service.recording import take_in_spool

        problem = take_in_spool(
            session.store, session.ingest, sid, staged.open_spool(), now_ms=session.now_ms
        )
        leavings = reach.explained(staged.leavings(), order, config.home)
        if leavings.record.reason == "sandbox_failed":
            from hero_logic.runner.proof import forget

            forget(config.cache_dir)
        play = end_play(
            session.store,
            session.ingest,
            sid,
            leavings,
            timeout_s=order.limits.timeout_s,
            cancelled_by=interruption.signal_name,
            redactor=redactor,
            problem=problem,
        )
        staged.is_end_recorded = True
        teller.finish()
        face.end(play)
    return play


@contextmanager
def _alive(runtimes: Runtimes) -> Iterator[None]:
    """Be seen to live from before the play has files until after it has none."""
    runtimes.enter()
    try:
        yield
    finally:
        runtimes.leave()


class _Reach:
    """What a play reaches of the network and of services, how it finds them, and what came of it.

    Raises:
        SandboxUnavailable: it was granted what cannot be had in what it is kept in.
    """

    def __init__(self, permits: Permits | None, choice: Choice) -> None:
        self._isolation = choice.isolation
        self.sockets: list[tuple[str, str]] = []
        self.variables: dict[str, str] = {}
        self._network: Network | None = None
        self._log: NetLog | None = None
        if permits is None or not (permits.net or permits.sockets):
            return
        from hero_logic.core.grants import Network, socket_path, socket_variable

        if choice.isolation == "landlock":
            raise SandboxUnavailable(_NO_SOCKETS)
        has_view = choice.isolation != "none"
        for name, path in permits.sockets.items():
            self.variables[socket_variable(name)] = socket_path(name) if has_view else path
            self.sockets.append((path, socket_path(name)))
        # Without a network of its own it needs no way out of it.
        if permits.net and has_view:
            self._network = Network(permits.net)
            self.variables |= self._network.variables()

    @property
    def doors(self) -> list[Door]:
        """Where in its own network sockets listen for it."""
        return [] if self._network is None else self._network.doors

    def attended_into(
        self, sink: PlaySink, now_ms: Callable[[], float]
    ) -> Callable[[list[int]], Attended] | None:
        """What attends to the doors, and writes what it decides into the record."""
        network = self._network
        if network is None:
            return None
        from hero_logic.service.net_log import NetLog

        log = self._log = NetLog(sink, now_ms=now_ms)

        def attend(doors: list[int]) -> Attended:
            from hero_logic.runner.proxy import Proxy

            return Proxy(doors, granted=network.granted, services=network.services, tell=log.tell)

        return attend

    def finish(self) -> None:
        """The play has ended, and nobody attends to its doors any more."""
        if self._log is not None:
            self._log.finish()

    def explained(self, leavings: Leavings, order: RunOrder, data_dir: str) -> Leavings:
        """What a play left; and where it was denied something, what would have allowed that."""
        refusals = [] if self._log is None else list(self._log.refusals.values())
        if leavings.result.outcome != "raised" or not (leavings.result.denied or refusals):
            return leavings
        import msgspec

        from hero_logic.core.denials import explain
        from hero_logic.runner.granting import path_facts

        hint = explain(
            leavings.result.denied,
            isolation=self._isolation,
            granted_net=order.permits.net if order.permits is not None else (),
            look_at=lambda path: path_facts(path, order.permits, order.environment, data_dir, order.python),
            refusals=refusals,
        )
        return msgspec.structs.replace(leavings, hint=hint)


_NO_SOCKETS = (
    "the flow was granted network, or the socket of a service, and the isolation that this host can have, "
    "landlock, has no sockets at all; it was not started. `hero-logic doctor` says what native and "
    "bubblewrap, which have them, need. For a flow that you trust: --sandbox tier0."
)


def _plan(
    order: RunOrder,
    choice: Choice,
    reach: _Reach,
    sid: str,
    runtime_sid: str,
    owner: tuple[int, int] | None,
) -> PlayPlan:
    return PlayPlan(
        sid=sid,
        source=order.source,
        flow_path=order.path,
        function=order.entry.function,
        input_json=None if order.input_json == b"{}" else staged_input(order.entry, order.input_json),
        python=order.python,
        environment=lambda work_dir, span_channel: (
            play_environment(
                order.environment,
                sid=sid,
                work_dir=work_dir,
                span_channel=span_channel,
                let_through=order.let_through,
            )
            | reach.variables
        ),
        limits=order.limits,
        has_secrets=bool(_secrets(order)),
        isolation=choice.isolation,
        resources=choice.resources,
        granted=[*_own_modules(order, choice), *([] if order.permits is None else order.permits.files)],
        sockets=reach.sockets,
        doors=reach.doors,
        runtime_sid=runtime_sid,
        owner=owner,
    )


def _record_and_begin(
    order: RunOrder,
    choice: Choice,
    sid: str,
    session: Session,
    staged: StagedPlay,
    reach: _Reach,
    face: Face,
    redactor: Redactor | None,
    teller: LineTeller,
) -> None:
    """Put the play on record, open its gate, and take in its events from then on."""
    from hero_logic.core.flow_source import decode_source
    from hero_logic.core.records import Sandbox

    session.enter_runtime()
    play = session.plays.create(
        sid,
        flow=order.published_name or order.entry.name,
        path="" if order.published_name else order.path,
        source=decode_source(order.source, order.path),
        input_json=order.input_json.decode(),
        access=_access(order),
    )
    sandbox = Sandbox(choice.tier, choice.isolation, choice.resources)
    session.plays.begin(sid, sandbox)
    # It runs from here on: what only its events and its end need is loaded meanwhile.
    staged.open_gate()
    session.ingest.on_trouble = face.note
    session.feed.on_trouble = face.note
    session.feed.call(sid, lambda _, rows: face.changed(rows, session.now_ms()))
    sink = session.ingest.open(sid, redactor=redactor, on_bad_line=teller.tell)
    staged.begin(sink, attend=reach.attended_into(sink, session.now_ms))
    face.begin(play, sandbox_line=sandbox.line)


def _watch(session: Session, staged: StagedPlay, face: Face, interruption: _Interruption) -> None:
    """Wait for the end of the play, while the face shows it."""
    while not staged.step(face.interval_s or _LOOK_S):
        face.tick(session.now_ms())
        interruption.tell(face)


def _own_modules(order: RunOrder, choice: Choice) -> list[Entry]:
    """What a confined play sees of the directory that its flow lies in."""
    if choice.isolation == "none":
        return []
    from hero_logic.runner.flow_modules import find_modules
    from hero_logic.runner.sandbox import view

    directory = os.path.dirname(order.path)
    entries = [(path, view.READ) for path in find_modules(directory, order.imports)]
    if choice.isolation == "landlock" and entries:
        # Python looks for modules by listing directories, and these are the host's own.
        entries.append((directory, view.LIST))
    # Its own file: a process that multiprocessing starts afresh imports the flow from there.
    entries.append((order.path, view.READ))
    return view.without_links(entries)


def _access(order: RunOrder) -> Access:
    """What was asked for and what was granted, as it is recorded."""
    from hero_logic.core.records import Access

    if order.permits is None:
        return Access(grants={"env": list(order.let_through)} if order.let_through else {})
    return Access(needs=order.permits.asked_record(), grants=order.permits.granted_record())


def _secrets(order: RunOrder) -> list[str]:
    """The values that nobody may read in what is recorded."""
    return [order.environment[name] for name in order.let_through if order.environment.get(name)]


def _redactor(order: RunOrder) -> Redactor | None:
    values = _secrets(order)
    if not values:
        return None
    from hero_logic.core.redaction import Redactor

    return Redactor(values)


class _Interruption:
    """What a signal does to a play: the first one cancels it, the second one ends it without a grace."""

    def __init__(self, staged: StagedPlay, grace_s: float) -> None:
        self.signal_name = ""
        self._staged = staged
        self._grace_s = grace_s
        self._is_told = False

    def tell(self, face: Face) -> None:
        """Say that the play is ending, once; not in the handler, where nothing may be written."""
        if self.signal_name and not self._is_told:
            self._is_told = True
            face.note(
                f"{self.signal_name}: the play has {self._grace_s:g} s to end; once more ends it at once"
            )

    def __call__(self, name: str) -> None:
        if self.signal_name:
            self._staged.kill()
            return
        self.signal_name = name
        self._staged.cancel()


class _SignalHandlers:
    """SIGINT and SIGTERM call a function with their name, inside a ``with`` block."""

    def __init__(self, act: Callable[[str], None]) -> None:
        self._act = act
        self._before: dict[int, SignalHandler] = {}

    def __enter__(self) -> None:
        try:
            for number, name in _SIGNALS.items():
                self._before[number] = signal.signal(number, self._called(name))
        except ValueError:
            # Not the main thread: whoever owns that one decides what a signal means.
            self._before.clear()

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _called(self, name: str) -> Callable[[int, object], None]:
        return lambda *_: self._act(name)


def warn_of_variables(names: tuple[str, ...], environment: dict[str, str]) -> Iterator[str]:
    """A sentence for each variable that is let through and is not set, or is too short to be redacted."""
    for name in names:
        if name not in environment:
            yield f"--env {name}: it is not set, so the flow does not find it either"
        elif 0 < len(environment.get(name, "")) < MIN_REDACTED_CHARS:
            yield (
                f"the value of {name} has fewer than {MIN_REDACTED_CHARS} characters and is not redacted: "
                "it would blot out other text"
            )


def listen(
    sid: str,
    *,
    socket_path: str | None,
    idle_s: float,
    session: Session,
    note: Callable[[str], None],
    is_listening: Callable[[str], None],
) -> Play:
    """Record what comes to a span socket as one play, until nobody is connected any more.

    Raises:
        SocketInUse: the path is taken.
    """
    from hero_logic.core.records import Sandbox
    from hero_logic.runner.span_socket import SpanListener, play_socket_path
    from hero_logic.service.endings import end_recording

    path = play_socket_path(sid) if socket_path is None else os.path.abspath(socket_path)
    teller = LineTeller(note)
    session.enter_runtime()
    session.ingest.on_trouble = note
    listener = SpanListener.with_socket_path(sid, None, path, idle_s=idle_s)
    listener.bind()

    def end_input(_: str) -> None:
        listener.request_end(_LAST_READ_S)
        session.ingest.hurry(sid)

    try:
        session.plays.create(sid)
        session.plays.begin(sid, Sandbox())
        listener.sink = session.ingest.open(sid, on_bad_line=teller.tell)
        with _SignalHandlers(end_input):
            handle = listener.run()
            is_listening(path)
            handle.wait()
    finally:
        listener.close()
    play = end_recording(session.store, session.ingest, sid, end_ms=session.now_ms())
    teller.finish()
    return play


def read_flow(path: str) -> bytes:
    """The bytes of a flow's file, and no more than a flow may have.

    Raises:
        BadFlowFile: it is no file, or cannot be read.
    """
    try:
        # A pipe is not waited for, and a device not read until there is no memory left.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise BadFlowFile(f"{path} is no regular file. Name the file that the flow is in.")
            return file.read(MAX_SOURCE_BYTES + 1)
    except (OSError, ValueError) as error:
        # ValueError: a name that no file can have.
        raise BadFlowFile(f"{path} cannot be read: {getattr(error, 'strerror', error)}.") from error
