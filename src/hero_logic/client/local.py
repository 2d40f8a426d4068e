"""What a face can ask for: a function here is a verb. In this process; a server comes behind the same calls.

What a call does not need it does not load: docs/design/0004-start-up.md.
"""

from __future__ import annotations

import os
import sys

from hero_logic.client.wanted import RunRequest, ToPublish, check_timeout, is_meant_as_file
from hero_logic.core.errors import ArtifactsNotKept, NotFound, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from hero_logic.client.against import ServerClient
    from hero_logic.client.on_record import Asking, Reading
    from hero_logic.client.serving import EnterCrew, ServeOptions
    from hero_logic.config import Config
    from hero_logic.core.flow_source import FlowEntry
    from hero_logic.core.records import Play
    from hero_logic.core.tiers import Proof
    from hero_logic.crew import PoolCrew, WorkersCrew
    from hero_logic.pool import Pool
    from hero_logic.preparing import Preparer
    from hero_logic.runner.granting import Permits
    from hero_logic.runner.proof import Prover
    from hero_logic.runner.sandbox.namespaces import Owner
    from hero_logic.runner.spawner import Spawner
    from hero_logic.service.liveness import Runtimes
    from hero_logic.service.play_verbs import PlayVerbs
    from hero_logic.service.retention import Pruned, Retention
    from hero_logic.service.session import Session
    from hero_logic.worker import Face, RunOrder


class Client:
    """hero_logic in this process."""

    def __init__(
        self,
        config: Config,
        environment: dict[str, str],
        *,
        new_sid: Callable[[], str],
        new_runtimes: Callable[[], Runtimes],
        open_session: Callable[..., Session],
        start_spawner: Callable[[], Spawner],
        serve: Callable[[ServeOptions, EnterCrew], None],
        load_token: Callable[[], str],
        start_warm_spawner: Callable[[], Spawner],
    ) -> None:
        self._config = config
        self._environment = environment
        self._new_sid = new_sid
        self._new_runtimes = new_runtimes
        self._open_session_of = open_session
        self._start_spawner = start_spawner
        self._serve = serve
        self._load_token = load_token
        self._start_warm_spawner = start_warm_spawner

    said_server = ""
    """What has to be said beside a verb to ask here again."""

    def against(self, server: str, *, said: str) -> ServerClient:
        """The same calls of a server: ``http://HOST:PORT`` or ``unix:PATH``.

        Args:
            server: where it is.
            said: what has to be said beside a verb to ask it again.

        Raises:
            UsageError: that is no server.
        """
        from hero_logic.client.against import ServerClient
        from hero_logic.client.link import Link

        link = Link.to(server, home=self._config.home, environment=self._environment)
        return ServerClient(self, link, said_server=said)

    def prepare(self, request: RunRequest) -> RunOrder:
        """Read and check what is to be run; nothing is recorded, nothing of the flow is run.

        Raises:
            UsageError: the file, the flow, its input, or its interpreter cannot be used, and why; NotGranted
                among them, where the flow asks for more than it is granted.
        """
        from hero_logic.core.flow_source import choose_entry, decode_source, read_flow_file
        from hero_logic.core.policy import PlayLimits
        from hero_logic.core.tiers import DEFAULT as DEFAULT_SANDBOX
        from hero_logic.core.tiers import SANDBOX_VARIABLE, check_wanted
        from hero_logic.runner.interpreter import check_requirements, choose_python
        from hero_logic.worker import RunOrder

        path, source, published_name = self._read_source(request.path)
        flow_file = read_flow_file(decode_source(source, path), path)
        entry = choose_entry(flow_file, request.entry)
        check_timeout(request.timeout_s)
        for name in request.let_through:
            if "=" in name:
                raise UsageError(
                    f"--env {name.partition('=')[0]}=...: give the name alone, of a variable that is set."
                )
        input_json = _read_input(entry, request)
        python = choose_python(request.python, self._environment)
        if flow_file.metadata is not None:
            check_requirements(flow_file.metadata, python, request.path)
        permits = self._permits(entry, published_name or entry.name, path, python, request)
        return RunOrder(
            path=path,
            source=source,
            entry=entry,
            input_json=input_json,
            python=python,
            environment=self._environment,
            let_through=request.let_through if permits is None else permits.env,
            permits=permits,
            limits=PlayLimits(timeout_s=request.timeout_s),
            imports=flow_file.imports,
            published_name=published_name,
            sandbox=check_wanted(
                request.sandbox or self._environment.get(SANDBOX_VARIABLE) or DEFAULT_SANDBOX
            ),
        )

    def _read_source(self, flow: str) -> tuple[str, bytes, str]:
        """A flow's path, its source, and its name in the library: "" for a file, which comes first.

        A published flow has a path for messages alone: nothing lies there, nor beside it.

        Raises:
            BadFlowFile: the file cannot be read.
            UsageError: the flow of the library cannot be run.
            NotFound: there is neither a file nor a flow of that name.
        """
        from hero_logic.worker import read_flow

        path = os.path.abspath(flow)
        is_there = os.path.lexists(path)
        if is_meant_as_file(flow):
            return path, read_flow(path), ""
        from hero_logic.core.flow_source import encode_source
        from hero_logic.core.publishing import file_name

        try:
            with self.read() as reading:
                found = reading.flows.to_run(flow)
        except NotFound as error:
            if is_there:
                return path, read_flow(path), ""
            raise NotFound(f"there is no file {flow!r:.200}; and {error}") from error
        name = found.flow.name
        path = os.path.join(self._config.home, "library", found.flow.flow_sid, file_name(name))
        return path, encode_source(found.version.source, path), name

    def read_to_publish(self, path: str, name: str | None) -> ToPublish:
        """Read a file that is to be published; ``-`` is standard input. Nothing of it is run.

        Args:
            path: the file.
            name: what to call it; None for what it calls itself: its name, else that of its function, or
            where
                that is main, of the file.

        Raises:
            BadFlowFile: it cannot be read or decoded.
        """
        from hero_logic.core.flow_source import decode_source
        from hero_logic.core.publishing import looks_legacy, own_name
        from hero_logic.core.syntax import MAX_SOURCE_BYTES
        from hero_logic.runner.flow_modules import modules_beside
        from hero_logic.worker import read_flow

        is_input = path == "-"
        data = sys.stdin.buffer.read(MAX_SOURCE_BYTES + 1) if is_input else read_flow(os.path.abspath(path))
        source = decode_source(data, path)
        stem = "flow" if is_input else os.path.splitext(os.path.basename(path))[0]
        called, imports = own_name(source, stem)
        directory = os.path.dirname(os.path.abspath(path))
        return ToPublish(
            called if name is None else name,
            source,
            beside=set() if is_input else modules_beside(directory, imports),
            is_legacy=looks_legacy(source),
        )

    def _permits(
        self, entry: FlowEntry, name: str, path: str, python: str, request: RunRequest
    ) -> Permits | None:
        """What the flow is given beside its own directory; None where nothing is asked for or granted."""
        if entry.needs is None and request.grants is None:
            return None
        from hero_logic.core.grants import Said
        from hero_logic.runner.granting import decide_grants

        said = request.grants or Said()
        said.env = request.let_through
        return decide_grants(
            entry.needs,
            said,
            flow_name=name,
            flow_path=path,
            python=python,
            environment=self._environment,
            data_dir=self._config.home,
        )

    def prepare_again(self, play: Play) -> RunOrder:
        """What a play was run with, to be run again in this process, by the operator in person.

        Raises:
            IllegalMove: nobody ran it here.
            UsageError: it cannot be run any more, and why.
        """
        with self.ask() as verbs:
            version, order = verbs.order_of(play)
        return self._preparer().run_order(play, version, order)

    def ready(self, request: RunRequest) -> Callable[[Face], Play]:
        """What runs what is wanted, shown by a face: read and checked as :meth:`prepare` does."""
        order = self.prepare(request)
        return lambda face: self.run(order, face)

    def ready_again(self, play: Play) -> Callable[[Face], Play]:
        """What runs a play again, shown by a face: the errors are those of :meth:`prepare_again`."""
        order = self.prepare_again(play)
        return lambda face: self.run(order, face, retry_of=play.sid)

    def run(self, order: RunOrder, face: Face, *, retry_of: str = "") -> Play:
        """Run what was prepared, to its end.

        Raises:
            SandboxUnavailable: this host cannot keep it from itself as was asked; nothing was recorded.
            LaunchFailed: it could not be started.
            StoreError: the store failed.
        """
        from hero_logic.core.tiers import TIER_ZERO, choose
        from hero_logic.runner.owner import find_owner
        from hero_logic.worker import run_play, warn_of_variables

        owner = find_owner(self._config.play_user)
        for warning in warn_of_variables(order.let_through, self._environment):
            face.note(warning)
        for note in order.permits.notes if order.permits is not None else ():
            face.note(note)
        spawner = self._start_spawner()
        try:
            prove = self._prover(spawner, order.python, owner)
            choice = choose(order.sandbox, prove, is_as_other=owner is not None)
            if order.sandbox == "best" and choice is TIER_ZERO:
                face.note(_UNCONFINED)
            runtimes = self._new_runtimes()
            return run_play(
                order,
                choice,
                sid=self._new_sid(),
                config=self._config,
                spawner=spawner,
                owner=owner,
                runtimes=runtimes,
                open_session=lambda: self._open_session_of(runtimes),
                face=face,
                retry_of=retry_of,
            )
        finally:
            spawner.close()

    def work(
        self,
        *,
        plays_at_once: int | None = None,
        stop_s: float,
        is_attached: bool = False,
        note: Callable[[str], None],
        is_ready: Callable[[], None] = lambda: None,
    ) -> None:
        """Claim plays that wait and run them, until SIGINT or SIGTERM, or the end of who it is attached to.

        Args:
            plays_at_once: how many at a time; None for the default.
            stop_s: how long what runs may go on at the end, in seconds.
            is_attached: whether the end of standard input ends it at once.
            note: told what the operator should know.
            is_ready: called when it claims.
        """
        from hero_logic.pool import work

        with self.working(plays_at_once=plays_at_once, note=note) as (_, pool):
            work(pool, stop_s=stop_s, is_attached=is_attached, note=note, is_ready=is_ready)

    def working(
        self, *, plays_at_once: int | None = None, note: Callable[[str], None]
    ) -> AbstractContextManager[tuple[Session, Pool]]:
        """A session of a process that lives long, and a pool over it that was not started.

        Enter it before there is a second thread, and stop the pool before leaving it.
        """
        from hero_logic.core.tiers import DEFAULT, SANDBOX_VARIABLE, check_wanted
        from hero_logic.pool import PLAYS_AT_ONCE, working
        from hero_logic.runner.owner import find_owner

        return working(
            runtimes=self._new_runtimes(),
            open_session=lambda runtimes: self._open_session_of(runtimes, recovers=False),
            start_spawner=self._start_warm_spawner,
            prover=self._prover,
            owner=find_owner(self._config.play_user),
            minimum=check_wanted(self._environment.get(SANDBOX_VARIABLE) or DEFAULT),
            config=self._config,
            preparer=self._preparer(),
            retention=self.retention(),
            remove_files=self._remove_files,
            plays_at_once=plays_at_once or PLAYS_AT_ONCE,
            note=note,
        )

    def ask(self) -> Asking:
        """What can be asked of plays, whoever runs them; a context manager."""
        from hero_logic.client.on_record import Asking

        return Asking(self._open_session(), self.verbs)

    def retention(
        self, *, days: float | None = None, plays: int | None = None, megabytes: float | None = None
    ) -> Retention:
        """Which plays are wanted kept: by what is given, else by the environment.

        Raises:
            UsageError: a variable has a value that means nothing.
        """
        from hero_logic.service.retention import Retention, read_retention

        if days is None and plays is None and megabytes is None:
            return read_retention(self._environment)
        max_bytes = None if megabytes is None else int(megabytes * 1_000_000)
        return Retention(max_age_days=days, max_plays=plays, max_bytes=max_bytes)

    def pruned_document(self, pruned: Pruned) -> bytes:
        """What was removed as one JSON document."""
        import msgspec

        return msgspec.json.encode(pruned)

    def list_document(self, plays: list[Play], next_cursor: str | None) -> bytes:
        """Plays as one JSON document, without what is heavy."""
        from hero_logic.service.document import list_document

        return list_document(plays, next_cursor)

    def verbs(self, session: Session) -> PlayVerbs:
        """What can be asked of plays, over a session that is open."""
        from hero_logic.service.play_verbs import PlayVerbs

        return PlayVerbs(
            session,
            prepare=lambda version, wanted: self._preparer().prepare(version, wanted),
            new_sid=self._new_sid,
            remove_files=self._remove_files,
            find_version=lambda flow_sid: session.flows.to_run(flow_sid).version,
        )

    def _preparer(self) -> Preparer:
        from hero_logic.preparing import Preparer

        return Preparer(self._environment, self._config.home)

    def _remove_files(self, sid: str) -> None:
        from hero_logic.runner.collection import remove_tree
        from hero_logic.runner.staging import PlayPaths

        remove_tree(PlayPaths(self._config.plays_dir, sid).root)

    def _open_session(self) -> Session:
        return self._open_session_of(self._new_runtimes())

    def prove(self, python: str | None = None) -> Iterator[Proof]:
        """Try anew what this host can keep a play from, one thing after the other.

        Raises:
            LaunchFailed: this is not a system that plays can run on.
        """
        from hero_logic.core.tiers import ISOLATIONS, WATCHER
        from hero_logic.runner.interpreter import choose_python
        from hero_logic.runner.owner import find_owner

        spawner = self._start_spawner()
        try:
            chosen = choose_python(python, self._environment)
            prove = self._prover(spawner, chosen, find_owner(self._config.play_user), forget_first=True)
            yield from map(prove, (*ISOLATIONS, WATCHER))
        finally:
            spawner.close()

    def _prover(
        self, spawner: Spawner, python: str, owner: Owner | None, *, forget_first: bool = False
    ) -> Prover:
        from hero_logic.runner.proof import Prover

        return Prover(
            spawner,
            python=python,
            cache_dir=self._config.cache_dir,
            new_name=self._new_sid,
            owner=owner,
            forget_first=forget_first,
        )

    def listen(
        self,
        *,
        socket_path: str | None,
        idle_s: float,
        note: Callable[[str], None],
        is_listening: Callable[[str], None],
    ) -> Play:
        """Record what comes to a span socket as a new play.

        Raises:
            SocketInUse: the path is taken.
        """
        from hero_logic.worker import listen

        with self._open_session() as session:
            return listen(
                self._new_sid(),
                socket_path=socket_path,
                idle_s=idle_s,
                session=session,
                note=note,
                is_listening=is_listening,
            )

    def ingest(self, stream: BinaryIO, *, note: Callable[[str], None]) -> Play:
        """Record a stream of events as a new play."""
        from hero_logic.playing import LineTeller
        from hero_logic.service.recording import record_stream

        teller = LineTeller(note)
        with self._open_session() as session:
            play = record_stream(self._new_sid(), stream, session=session, on_bad_line=teller.tell, note=note)
        teller.finish()
        return play

    def serve(self, options: ServeOptions) -> None:
        """Serve until a signal ends it.

        Raises:
            UsageError: what was asked for cannot be.
            SocketInUse: an address or the socket's path is taken.
            StoreError: the store cannot be opened.
        """
        self._serve(options, lambda note: self._crew(options, note))

    def _crew(
        self, options: ServeOptions, note: Callable[[str], None]
    ) -> AbstractContextManager[PoolCrew | WorkersCrew]:
        from hero_logic.client.serving import enter_crew

        return enter_crew(
            options,
            working=lambda: self.working(plays_at_once=options.plays_at_once, note=note),
            make_verbs=self.verbs,
            runtimes=self._new_runtimes,
            open_session=lambda runtimes: self._open_session_of(runtimes, recovers=False),
            retention=self.retention,
            remove_files=self._remove_files,
            environment=self._environment,
            note=note,
        )

    def token(self) -> str:
        """The token of servers over this data; made where there is none.

        Raises:
            UsageError: its file cannot be used.
        """
        return self._load_token()

    def login_url(self) -> str:
        """An address that logs a browser in to the server that runs, once, within five minutes.

        Raises:
            ServerUnreachable: no server runs over this data.
        """
        from hero_logic.client.remote import login_url

        return login_url(self._config.home)

    def read(self) -> Reading:
        """Plays to read from; a context manager."""
        from hero_logic.client.on_record import Reading

        return Reading(self._open_session(), open_session=self._open_session)

    def artifacts_dir(self, sid: str) -> str:
        """Where the artifacts of a play lie."""
        from hero_logic.runner.staging import PlayPaths

        return PlayPaths(self._config.plays_dir, sid).artifacts

    def prepare_keeping(self, target_dir: str) -> None:
        """Make the directory that artifacts are to be copied to, before anything is run.

        Raises:
            UsageError: it cannot be made or written.
        """
        try:
            os.makedirs(target_dir, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--keep {target_dir}: {error.strerror}.") from error
        if not os.access(target_dir, os.W_OK | os.X_OK):
            raise UsageError(f"--keep {target_dir}: nothing can be written there.")

    def keep_artifacts(self, play: Play, target_dir: str) -> None:
        """Copy the artifacts of a play to a directory.

        Raises:
            ArtifactsNotKept: not all of them could be written.
        """
        from hero_logic.runner.collection import copy_artifacts

        try:
            copy_artifacts(
                self.artifacts_dir(play.sid), [artifact.path for artifact in play.artifacts], target_dir
            )
        except OSError as error:
            raise ArtifactsNotKept(
                f"--keep {target_dir}: {error.strerror}. "
                f"The artifacts are still in {self.artifacts_dir(play.sid)}."
            ) from error


_UNCONFINED = (
    "--sandbox best: this host can keep no play from itself (`hero-logic doctor` says why): "
    "the flow can do what you can do"
)


def _read_input(entry: FlowEntry, request: RunRequest) -> bytes:
    from hero_logic.core.inputs import input_text

    return input_text(entry, document=request.document, assignments=request.assignments).encode()
