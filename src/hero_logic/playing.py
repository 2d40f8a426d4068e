"""One play from its staging to its end on record: the same for a command and for a pool of workers.

What is done to it in between, in which order, and who else looks on, is for its caller (worker.py, pool.py).
"""

from __future__ import annotations

import os

from hero_logic.core.errors import SandboxUnavailable
from hero_logic.core.inputs import staged_input
from hero_logic.core.policy import play_environment
from hero_logic.runner.play import PlayPlan, StagedPlay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from hero_logic.config import Config
    from hero_logic.core.grants import Network
    from hero_logic.core.outcome import Leavings
    from hero_logic.core.records import Access, Play, PlayOrder, Sandbox
    from hero_logic.core.redaction import Redactor
    from hero_logic.core.tiers import Choice
    from hero_logic.core.wire import BadLine
    from hero_logic.runner.granting import Permits
    from hero_logic.runner.play import Attended
    from hero_logic.runner.sandbox.doors import Door
    from hero_logic.runner.sandbox.namespaces import Owner
    from hero_logic.runner.sandbox.view import Entry
    from hero_logic.runner.span_loop import SpanLoop
    from hero_logic.runner.spawner import Spawner
    from hero_logic.service.ingest import PlaySink
    from hero_logic.service.net_log import NetLog
    from hero_logic.service.session import Session
    from hero_logic.worker import RunOrder

_MAX_TOLD_LINES = 100


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


class PlayRun:
    """One play that is run; a context manager.

    Entering it stages the play and starts its interpreter, which waits at its gate. Leaving it ends what
    still runs, and clears up. In between: it is put on record and begun there by the caller, its gate is
    opened, its events are taken, its end is waited for and recorded.

    Raises:
        LaunchFailed: it could not be started.
        SandboxUnavailable: it was granted what cannot be had in what it is kept in.
    """

    def __init__(
        self,
        order: RunOrder,
        choice: Choice,
        *,
        sid: str,
        config: Config,
        spawner: Spawner,
        runtime_sid: str,
        owner: Owner | None = None,
        note: Callable[[str], None],
    ) -> None:
        self.sid = sid
        self._order = order
        self._choice = choice
        self._config = config
        self._user = "" if owner is None else config.play_user
        self._redactor = _redactor(order)
        self._teller = LineTeller(note, self._redactor)
        self._reach = _Reach(order.permits, choice)
        self._staged = StagedPlay(
            _plan(order, choice, self._reach, sid, runtime_sid, owner),
            spawner,
            plays_dir=config.plays_dir,
            cache_dir=config.cache_dir,
        )
        self._leavings: Leavings | None = None
        self._problem = ""

    def __enter__(self) -> PlayRun:
        self._staged.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._staged.__exit__(*error)

    @property
    def sandbox(self) -> Sandbox:
        """What it is really kept in."""
        from hero_logic.core.records import Sandbox

        choice = self._choice
        return Sandbox(choice.tier, choice.isolation, choice.resources, self._user)

    def put_on_record(self, session: Session, *, retry_of: str = "") -> Play:
        """Record it as a play of this runtime: one that nobody waited for."""
        from hero_logic.core.flow_source import decode_source

        order = self._order
        return session.plays.create(
            self.sid,
            flow=order.published_name or order.entry.name,
            path="" if order.published_name else order.path,
            source=decode_source(order.source, order.path),
            input_json=order.input_json.decode(),
            access=_access(order),
            order=kept_order(order),
            retry_of=retry_of,
        )

    def open_gate(self) -> None:
        """It has begun, on record: its flow may run."""
        self._staged.open_gate()

    def take_events(self, session: Session, loop: SpanLoop | None = None) -> None:
        """Have its events read by a loop (default: one of its own) and written."""
        sink = session.ingest.open(self.sid, redactor=self._redactor, on_bad_line=self._teller.tell)
        self._staged.begin(sink, loop, attend=self._reach.attended_into(sink, session.now_ms))

    def step(self, timeout_s: float | None = None) -> bool:
        """Wait for its end, at most so long; whether it has ended."""
        return self._staged.step(timeout_s)

    def cancel(self) -> None:
        """Ask it to end: SIGTERM, and SIGKILL after the grace. May be called from a signal handler."""
        self._staged.cancel()

    def kill(self) -> None:
        """End it without a grace. May be called from a signal handler."""
        self._staged.kill()

    def close_inbox(self, session: Session) -> None:
        """It has ended: nothing more is pushed to it, and what was is taken in.

        Raises:
            StoreError: the store failed; it can be tried again.
        """
        from hero_logic.service.inbox import take_in_last

        take_in_last(session.store, session.ingest, self.sid)

    def collect(self, session: Session) -> None:
        """It has ended: take in the last of its events, and read what it left.

        Raises:
            StoreError: the store failed.
        """
        staged = self._staged
        staged.drain()
        self._reach.finish()
        from hero_logic.service.recording import take_in_spool

        self._problem = take_in_spool(
            session.store, session.ingest, self.sid, staged.open_spool(), now_ms=session.now_ms
        )
        leavings = self._reach.explained(staged.leavings(), self._order, self._config.home)
        if leavings.record.reason == "sandbox_failed":
            from hero_logic.runner.proof import forget

            forget(self._config.cache_dir)
        self._leavings = leavings

    def record_end(self, session: Session, *, cancelled_by: str = "") -> Play:
        """What it left was read: record its end; as it then stands on record.

        Raises:
            StoreError: the store failed; the play has no end yet.
        """
        from hero_logic.service.endings import end_play

        assert self._leavings is not None, "what it left was read"
        play = end_play(
            session.store,
            session.ingest,
            self.sid,
            self._leavings,
            timeout_s=self._order.limits.timeout_s,
            cancelled_by=cancelled_by,
            redactor=self._redactor,
            problem=self._problem,
        )
        self._staged.is_end_recorded = True
        self._teller.finish()
        return play

    @property
    def has_lost_sandbox(self) -> bool:
        """Whether what this host had proven turned out not to be so."""
        return self._leavings is not None and self._leavings.record.reason == "sandbox_failed"


def kept_order(order: RunOrder) -> PlayOrder:
    """What a play is run with, as it is kept: so that it can be run again."""
    from hero_logic.core.records import PlayOrder

    return PlayOrder(
        function=order.entry.function,
        python=order.python,
        sandbox=order.sandbox,
        timeout_s=order.limits.timeout_s,
        grace_s=order.limits.grace_s,
        on_lost=order.entry.on_lost,
        path="" if order.published_name else order.path,
        published_name=order.published_name,
    )


class _Reach:
    """What a play reaches of the network and of services, how it finds them, and what came of it.

    Raises:
        SandboxUnavailable: it was granted what cannot be had in what it is kept in.
    """

    def __init__(self, permits: Permits | None, choice: Choice) -> None:
        self._isolation = choice.isolation
        self.sockets: list[tuple[str, str]] = []
        self.connected: list[tuple[str, str]] = []
        self.variables: dict[str, str] = {}
        self._network: Network | None = None
        self._log: NetLog | None = None
        if permits is None or not (permits.net or permits.sockets):
            return
        from hero_logic.core.grants import Network, socket_path, socket_variable

        if choice.isolation == "landlock":
            if permits.net:
                raise SandboxUnavailable(_NO_SOCKETS)
            self.connected = [(socket_variable(name), path) for name, path in permits.sockets.items()]
            return
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
    "the flow was granted network, and the isolation that this host can have, landlock, has no sockets at "
    "all; it was not started. `hero-logic doctor` says what native and "
    "bubblewrap, which have them, need. For a flow that you trust: --sandbox tier0."
)


def _plan(
    order: RunOrder,
    choice: Choice,
    reach: _Reach,
    sid: str,
    runtime_sid: str,
    owner: Owner | None,
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
        connected=reach.connected,
        doors=reach.doors,
        runtime_sid=runtime_sid,
        owner=owner,
    )


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
