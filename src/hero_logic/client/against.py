"""The calls of local.py, of a server: what the command line asks with ``--server``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

import msgspec

from hero_logic.client.server_record import ServerAsking, ServerReading
from hero_logic.client.wanted import check_timeout, is_meant_as_file
from hero_logic.core.errors import BadFlowFile, NotFound, ServerStopping, ServerUnreachable, UsageError
from hero_logic.core.flow_source import choose_entry, read_flow_file
from hero_logic.core.inputs import input_text
from hero_logic.core.publishing import check_name, check_source, file_name
from hero_logic.worker import SignalHandlers

if TYPE_CHECKING:
    from collections.abc import Callable

    from hero_logic.client.link import Link
    from hero_logic.client.local import Client
    from hero_logic.client.wanted import RunRequest, ToPublish
    from hero_logic.core.flow_source import FlowEntry
    from hero_logic.core.records import Changes, Play
    from hero_logic.worker import Face

_Found = TypeVar("_Found")
_LOOK_S = 0.25
"""How often to look whether a signal came, where a face wants no ticks."""
_WAITING_S = 1.0
"""After how long somebody hears that a play still waits for its place."""


class ServerClient:
    """hero_logic on a server; seam.py has what each call does.

    Args:
        near: this process, for what lies here: files that are to be published.
        link: the server.
        said_server: what has to be said beside a verb to ask it again.
    """

    def __init__(self, near: Client, link: Link, *, said_server: str) -> None:
        self._near = near
        # Closed by one block after another, which closes what is idle and no more.
        self._link = link
        self.said_server = said_server

    def ready(self, request: RunRequest) -> Callable[[Face], Play]:
        """Read and check what is to be run: a file that is published first, or a flow of the server's.

        Raises:
            UsageError: it cannot be run so, and why.
            NotFound: there is neither a file nor a flow of that name.
        """
        _refuse_grants(request)
        check_timeout(request.timeout_s)
        if is_meant_as_file(request.path):
            return self._ready_file(request)
        name, _, prefix = request.path.partition("@")
        try:
            found = self._link.flow_get(name, version_sid=prefix)
        except NotFound as error:
            raise NotFound(f"there is no file {request.path!r:.200}; and {error}") from error
        entry = None
        if found.kind == "python":
            entry = choose_entry(read_flow_file(found.source, file_name(found.name)), None)
        params = _params(request, entry)
        # That very version, whatever is published meanwhile.
        flow_sid = f"{found.flow_sid}@{found.version_sid}"
        return lambda face: self._run(lambda: self._link.run(flow_sid, **params), face)

    def ready_again(self, play: Play) -> Callable[[Face], Play]:
        """What runs a play of the server again; what that is granted the server decides anew."""
        return lambda face: self._run(lambda: self._link.play_retry(play.sid), face)

    def read(self) -> ServerReading:
        """What the server has on record."""
        return ServerReading(self._link)

    def ask(self) -> ServerAsking:
        """What can be asked of the server's plays."""
        return ServerAsking(self._link)

    def list_document(self, plays: list[Play], next_cursor: str | None) -> bytes:
        """Plays as one JSON document, without what is heavy."""
        return self._near.list_document(plays, next_cursor)

    def artifacts_dir(self, sid: str) -> str:
        """Nowhere here: they lie on the server's machine."""
        return ""

    def prepare_keeping(self, target_dir: str) -> None:
        """Refused: what a play leaves stays with the server.

        Raises:
            UsageError: always.
        """
        raise _not_to_a_server("--keep", "what a play leaves stays on the server's machine")

    def keep_artifacts(self, play: Play, target_dir: str) -> None:
        """The same."""
        self.prepare_keeping(target_dir)

    def read_to_publish(self, path: str, name: str | None) -> ToPublish:
        """Read a file of this machine that is to be published there."""
        return self._near.read_to_publish(path, name)

    # --- running -----------------------------------------------------------------------------------------

    def _ready_file(self, request: RunRequest) -> Callable[[Face], Play]:
        published = self._near.read_to_publish(request.path, None)
        name = check_name(published.name)
        checked = check_source(published.source, name, published.beside)
        if checked.entry is None or not checked.is_fit:
            raise BadFlowFile(
                "\n".join(
                    [
                        f"{request.path} cannot be published to the server; nothing was run:",
                        *(
                            f"  {problem.line}:{problem.column}: " + problem.message.replace("\n", "\n  ")
                            for problem in checked.problems
                            if problem.severity == "error"
                        ),
                    ]
                )
            )
        params = _params(request, checked.entry)

        def start() -> str:
            put = self._link.flow_put(name, python_source=published.source)
            if put.flow_sid is None:
                problems = "; ".join(problem.message for problem in put.problems)
                raise BadFlowFile(f"the server does not take {request.path}; nothing was run: {problems}")
            return self._link.run(f"{put.flow_sid}@{put.version_sid}", **params)

        return lambda face: self._run(start, face)

    def _run(self, start: Callable[[], str], face: Face) -> Play:
        """Have a play begin, and show it to its end; a signal cancels it on the server."""
        run = _Watched(self._link, face)
        try:
            with SignalHandlers(run.interrupt):
                return run.to_its_end(run.begin(start))
        finally:
            self._link.close()


class _Watched:
    """A play on a server that this process shows, and answers for."""

    def __init__(self, link: Link, face: Face) -> None:
        self._link = link
        self._face = face
        self._signals: list[str] = []
        self._is_asking = False
        self._is_cancelled = False
        self._has_begun = False
        self._is_waiting = False
        self._is_told_waiting = False
        self._asked_s = time.monotonic()

    def interrupt(self, name: str) -> None:
        """A signal came; what it means is done where it is safe, or by the second one at once."""
        self._signals.append(name)
        if self._is_asking and len(self._signals) > 1:
            raise KeyboardInterrupt

    def begin(self, start: Callable[[], str]) -> str:
        """Have the play put on record; its sid. The first signal waits for that: then it can be cancelled."""
        try:
            return self._ask(start)
        except KeyboardInterrupt:
            self._face.note("whether the play was put on record is not known: hero-logic ls tells")
            raise

    def _ask(self, ask: Callable[[], _Found]) -> _Found:
        """Ask the server; who does not answer is left by a second signal."""
        self._is_asking = True
        try:
            return ask()
        finally:
            self._is_asking = False

    def to_its_end(self, sid: str) -> Play:
        """Show the play; as it ended."""
        face = self._face
        drawn_s = 0.0
        with self._link.events(sid, after=0) as events:
            while not events.is_over:
                interval_s = face.interval_s or _LOOK_S
                changes = events.take(interval_s)
                self._heed_signals(sid)
                if changes is not None:
                    self._show(sid, changes)
                elif self._is_waiting:
                    self._tell_waiting(sid)
                if time.monotonic() - drawn_s >= interval_s:
                    drawn_s = time.monotonic()
                    face.tick(time.time() * 1000)
        play = self._ask(lambda: self._link.patiently(lambda: self._link.play(sid)))
        face.end(play)
        return play

    def _show(self, sid: str, changes: Changes) -> None:
        for play in changes.plays:
            self._is_waiting = play.is_waiting
        begun = next((play for play in changes.plays if play.status != "pending"), None)
        if not self._has_begun and begun is None and changes.spans:
            # Its spans are told before its own row, which changes with each of them.
            begun = self._ask(lambda: self._link.patiently(lambda: self._link.play(sid)))
        if not self._has_begun and begun is not None:
            self._begin(begun)
        if changes.spans:
            self._face.changed([row for _, row in changes.spans], time.time() * 1000)

    def _begin(self, play: Play) -> None:
        self._has_begun = True
        self._face.begin(play, sandbox_line=play.sandbox.line)

    def _tell_waiting(self, sid: str) -> None:
        if not self._is_told_waiting and time.monotonic() - self._asked_s > _WAITING_S:
            self._is_told_waiting = True
            self._face.note(f"the play {sid} waits for a place on the server")

    def _heed_signals(self, sid: str) -> None:
        """The first one cancels the play, a second one leaves its end to the server."""
        if len(self._signals) > 1:
            self._face.note(f"the play {sid} is left to the server")
            raise KeyboardInterrupt
        if not self._signals or self._is_cancelled:
            return
        try:
            self._ask(lambda: self._link.play_cancel(sid))
        except (ServerUnreachable, ServerStopping):
            # It is gone for a moment, and asked again with the next look.
            return
        self._is_cancelled = True
        self._face.note(
            f"{self._signals[0]}: the play has its grace to end; once more leaves it to the server"
        )


def _params(request: RunRequest, entry: FlowEntry | None) -> dict[str, object]:
    """What is said of a play beside its flow; what has no entry is refused by the server."""
    params: dict[str, object] = {}
    if entry is not None:
        text = input_text(entry, document=request.document, assignments=request.assignments)
        # As it stands: a number that was read and written again could be another one.
        params["input_data"] = msgspec.Raw(text.encode())
    if request.timeout_s is not None:
        params["play_timeout_ms"] = request.timeout_s * 1000
    if request.sandbox is not None:
        params["sandbox"] = request.sandbox
    return params


def _refuse_grants(request: RunRequest) -> None:
    """Refuse what no caller of a server may say; see docs/rpc.md, "Running a server".

    Raises:
        UsageError: something of it was said.
    """
    if request.entry is not None:
        raise _not_to_a_server("--entry", "a published flow is the only one of its source")
    if request.python is not None:
        raise _not_to_a_server("--python", "its operator says which interpreter runs plays")
    if request.let_through or request.grants is not None:
        said = (
            "--env" if request.let_through else "--allow-read, --allow-write, --allow-net, --rpc or --policy"
        )
        raise _not_to_a_server(said, "the policy of its operator alone grants something to a flow")


def _not_to_a_server(flag: str, why: str) -> UsageError:
    return UsageError(f"{flag} cannot be said to a server: {why}. Leave it out, or run it here.")
