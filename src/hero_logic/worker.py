"""Runs a play for a command, in its process, and listens for one. A pool of many is in pool.py."""

from __future__ import annotations

import os
import signal
import stat
from contextlib import contextmanager

from hero_logic.core.errors import BadFlowFile
from hero_logic.core.policy import MIN_REDACTED_CHARS, PlayLimits
from hero_logic.core.syntax import MAX_SOURCE_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType
    from typing import Any, Protocol

    from hero_logic.config import Config
    from hero_logic.core.flow_source import FlowEntry
    from hero_logic.core.records import Play, SpanRow
    from hero_logic.core.tiers import Choice
    from hero_logic.playing import PlayRun
    from hero_logic.runner.granting import Permits
    from hero_logic.runner.sandbox.namespaces import Owner
    from hero_logic.runner.spawner import Spawner
    from hero_logic.service.liveness import Runtimes
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
        self.published_name = published_name
        """That of the flow of the library that it is; "" for a file. Then nothing lies at its path."""
        self.environment = environment
        """The operator's."""
        self.let_through = let_through
        """Names of variables that go through to the play; their values are redacted."""
        self.permits = permits
        """What it is given beside its own directory; None where nothing was asked for or granted."""
        self.limits = limits
        self.imports = imports
        """What the flow imports, dotted: those that lie beside it are all that it sees of its directory."""
        self.sandbox = sandbox
        """What was asked for to keep it in, one of ``core.tiers.WANTED``."""


def run_play(
    order: RunOrder,
    choice: Choice,
    *,
    sid: str,
    config: Config,
    spawner: Spawner,
    runtimes: Runtimes,
    open_session: Callable[[], Session],
    face: Face,
    owner: Owner | None = None,
    retry_of: str = "",
) -> Play:
    """Run one play to its end, whatever that is; the play as it stands on record.

    ``choice`` is what this host has proven that it can keep the play in, ``runtimes`` that of the session,
    ``owner`` whom it runs as where that is somebody else.

    Raises:
        LaunchFailed: it could not be started; there is no record of it.
        StoreError: the store failed; the play has no end yet, and gets one at the next command.
    """
    from hero_logic.playing import PlayRun

    run = PlayRun(
        order,
        choice,
        sid=sid,
        config=config,
        spawner=spawner,
        runtime_sid=runtimes.own_sid,
        owner=owner,
        note=face.note,
    )
    interruption = _Interruption(run, order.limits.grace_s)
    # The store is opened while the play's interpreter starts.
    with _alive(runtimes), run, SignalHandlers(interruption), open_session() as session:
        session.enter_runtime()
        play = run.put_on_record(session, retry_of=retry_of)
        session.plays.begin(sid, run.sandbox)
        # It runs from here on: what only its events and its end need is loaded meanwhile.
        run.open_gate()
        session.ingest.on_trouble = face.note
        session.feed.on_trouble = face.note
        session.feed.call(sid, lambda _, rows: face.changed(rows, session.now_ms()))
        run.take_events(session)
        face.begin(play, sandbox_line=run.sandbox.line)
        session.ring_at_commits()
        session.ears.listen(lambda: interruption.look(session))
        session.ears.listen(session.take_in_pushed)
        _watch(session, run, face, interruption)
        session.ingest.hurry(sid)
        run.collect(session)
        play = run.record_end(session, cancelled_by=interruption.asked_by)
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


def _watch(session: Session, run: PlayRun, face: Face, interruption: _Interruption) -> None:
    """Wait for the end of the play, while the face shows it."""
    while not run.step(face.interval_s or _LOOK_S):
        face.tick(session.now_ms())
        interruption.tell(face)


class _Interruption:
    """What ends a play before its time: a signal, or whoever asked for it by ``hero-logic cancel``.

    The first one cancels it, a second signal ends it without a grace.
    """

    def __init__(self, run: PlayRun, grace_s: float) -> None:
        self.asked_by = ""
        self._run = run
        self._grace_s = grace_s
        self._is_told = False

    def look(self, session: Session) -> None:
        """Look whether somebody asked for it, in another process."""
        if not self.asked_by:
            for sid, asked_by in session.store.asked_cancels(session.runtimes.own_sid):
                if sid == self._run.sid:
                    self.asked_by = asked_by
                    self._run.cancel()

    def tell(self, face: Face) -> None:
        """Say that the play is ending, once; not in the handler, where nothing may be written."""
        if self.asked_by and not self._is_told:
            self._is_told = True
            again = "; once more ends it at once" if self.asked_by in _SIGNALS.values() else ""
            face.note(f"{self.asked_by}: the play has {self._grace_s:g} s to end{again}")

    def __call__(self, name: str) -> None:
        if self.asked_by:
            self._run.kill()
            return
        self.asked_by = name
        self._run.cancel()


class SignalHandlers:
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
    from hero_logic.playing import LineTeller

    teller = LineTeller(note)
    session.enter_runtime()
    session.ingest.on_trouble = note
    listener = SpanListener.with_socket_path(sid, None, path, idle_s=idle_s)
    listener.bind()

    def end_input(_: str) -> None:
        listener.request_end(_LAST_READ_S)
        session.ingest.hurry(sid)

    def look() -> None:
        if any(asked_sid == sid for asked_sid, _ in session.store.asked_cancels(session.runtimes.own_sid)):
            end_input("")

    try:
        session.plays.create(sid)
        session.plays.begin(sid, Sandbox())
        listener.sink = session.ingest.open(sid, on_bad_line=teller.tell)
        with SignalHandlers(end_input):
            handle = listener.run()
            session.ears.listen(look)
            session.ears.listen(session.take_in_pushed)
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
