"""Wires the parts together: the only file that picks concrete classes, and the command's entry point."""

from __future__ import annotations

import os
import sys

from hero_logic.config import Config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from hero_logic.client import AsyncServiceClient, Client, ServeOptions, ServiceClient
    from hero_logic.client.serving import EnterCrew
    from hero_logic.core.outcome import Leavings
    from hero_logic.runner.spawner import Spawner
    from hero_logic.runner.spool import Spool
    from hero_logic.server.in_process import InProcess
    from hero_logic.service.liveness import Runtimes
    from hero_logic.service.session import Session

_RUNS_PLAYS = ("run", "doctor")
_EXIT_CANCELLED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; its exit status."""
    try:
        return _main(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        return _EXIT_CANCELLED


def _main(arguments: list[str]) -> int:
    spawner = _early_spawner(arguments)
    from hero_logic.cli.main import run_command

    return run_command(
        arguments, lambda: make_client(dict(os.environ), spawner, before_services=_load_msgspec)
    )


def make_client(
    environment: dict[str, str],
    spawner: Spawner | None = None,
    *,
    before_services: Callable[[], None] = lambda: None,
) -> Client:
    """A client over the configuration that the environment asks for.

    Args:
        environment: the operator's.
        spawner: one that was started before; else one is started when a play is run.
        before_services: called before the services are loaded, which is as late as can be.

    Raises:
        UsageError: a variable has a value that means nothing.
    """
    from hero_logic.client import Client

    config = Config.from_environment(environment)

    def _open_session(runtimes: Runtimes, *, recovers: bool = True) -> Session:
        before_services()
        return open_session(config, runtimes, recovers=recovers)

    return Client(
        config,
        environment,
        new_sid=new_sid,
        new_runtimes=lambda: new_runtimes(config),
        open_session=_open_session,
        start_spawner=lambda: spawner or _start_spawner(),
        serve=lambda options, enter: _serve(config, options, enter),
        load_token=lambda: _load_token(config),
        start_warm_spawner=_start_warm_spawner,
    )


def open_service(environment: dict[str, str] | None = None) -> ServiceClient:
    """The service over this user's data, in this process: the calls of :func:`hero_logic.client.connect`.

    Raises:
        UsageError: a variable has a value that means nothing.
        StoreError: the store cannot be opened.
    """
    from hero_logic.client.remote import LoopCarrier, ServiceClient

    service = _in_process(environment)
    return ServiceClient(LoopCarrier(service.loop, service.answer, service.close))


def open_service_async(environment: dict[str, str] | None = None) -> AsyncServiceClient:
    """The same for an event loop."""
    from hero_logic.client.remote import AsyncLoopCarrier, AsyncServiceClient

    service = _in_process(environment)
    return AsyncServiceClient(AsyncLoopCarrier(service.loop, service.answer, service.close))


def _in_process(environment: dict[str, str] | None) -> InProcess:
    from hero_logic.server.in_process import InProcess

    variables = dict(os.environ) if environment is None else environment
    config = Config.from_environment(variables)
    return InProcess(lambda: open_session(config), make_client(variables).verbs)


def _serve(config: Config, options: ServeOptions, enter: EnterCrew) -> None:
    # What serves HTTP is loaded by this command alone.
    from hero_logic.config import RUNTIME_DIR_VARIABLE
    from hero_logic.server.serving import ServeOrder, serve

    order = ServeOrder(
        home=config.home,
        host=options.host,
        port=options.port,
        socket_path=os.path.abspath(options.socket_path) if options.socket_path else config.server_socket,
        path_variable="--uds" if options.socket_path else RUNTIME_DIR_VARIABLE,
        is_own_directory=not options.socket_path,
        wants_token=options.wants_token,
        allowed_hosts=options.allowed_hosts,
        rate=options.rate,
        logs_requests=options.logs_requests,
    )
    serve(order, enter=enter)


def _load_token(config: Config) -> str:
    from hero_logic.server.gate import load_token

    return load_token(config.home)


def new_runtimes(config: Config) -> Runtimes:
    """This process as one that may run plays, and a look at the others that do."""
    from hero_logic.service.liveness import Runtimes

    return Runtimes(config.runtimes_dir, new_sid())


def open_session(config: Config, runtimes: Runtimes | None = None, *, recovers: bool = True) -> Session:
    """The services over the embedded store, for a runtime (default: a new one); enter it to use it.

    One that does not recover has somebody who does so beside it (service/housekeeping.py).

    Raises:
        StoreError: the store cannot be opened.
    """
    import time

    from hero_logic.service.session import Session
    from hero_logic.store.sqlite import SqliteStore

    # The runner is loaded only where a play of another runtime has to be ended.
    def aftermath(sid: str) -> Leavings | None:
        from hero_logic.runner.play import read_aftermath
        from hero_logic.runner.staging import PlayPaths

        return read_aftermath(PlayPaths(config.plays_dir, sid))

    def clear(sid: str) -> None:
        from hero_logic.runner.play import clear_directory
        from hero_logic.runner.span_socket import remove_stale_socket
        from hero_logic.runner.staging import PlayPaths

        remove_stale_socket(sid)
        clear_directory(PlayPaths(config.plays_dir, sid))

    def open_spool(sid: str) -> Spool | None:
        from hero_logic.runner.play import open_lost_spool
        from hero_logic.runner.staging import PlayPaths

        return open_lost_spool(PlayPaths(config.plays_dir, sid))

    def leftovers() -> list[tuple[str, str]]:
        from hero_logic.runner.staging import staged_plays

        return staged_plays(config.plays_dir)

    return Session(
        SqliteStore.open(config.database, synchronous=config.synchronous),
        runtimes or new_runtimes(config),
        now_ms=lambda: time.time() * 1000,
        aftermath=aftermath,
        clear=clear,
        open_spool=open_spool,
        leftovers=leftovers,
        new_sid=new_sid,
        recovers=recovers,
    )


def new_sid() -> str:
    """A name that no other play or runtime has: 16 hexadecimal digits."""
    return os.urandom(8).hex()


def _load_msgspec() -> None:
    """Load msgspec without typing_extensions, if that is installed: only where this process is the command.

    msgspec takes from it what Python 3.11 has itself, and loading it costs as much as Python's own start.
    Source: docs/design/0004-start-up.md.
    """
    if "typing_extensions" in sys.modules:
        return
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]  # how an import is made to fail
    try:
        import msgspec  # noqa: F401  # for those who import it after this
    finally:
        del sys.modules["typing_extensions"]


def _start_spawner() -> Spawner:
    from hero_logic.runner.play import spawner_for_this_process

    return spawner_for_this_process()


def _start_warm_spawner() -> Spawner:
    from hero_logic.runner.play import spawner_for_this_process

    return spawner_for_this_process(is_warm=True)


def _early_spawner(arguments: list[str]) -> Spawner | None:
    """Start what starts plays before anything else is loaded: it gets ready meanwhile."""
    if not arguments or arguments[0] not in _RUNS_PLAYS or sys.platform != "linux":
        return None
    if any(argument.startswith("--server") for argument in arguments):
        # Another process runs it.
        return None
    from hero_logic.core.errors import LaunchFailed
    from hero_logic.runner.spawner import Spawner

    try:
        return Spawner.start()
    except LaunchFailed:
        # It is tried again when it is needed, and told then, if the command gets that far.
        return None
