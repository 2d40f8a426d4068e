"""Wires the parts together: the only file that picks concrete classes, and the command's entry point."""

from __future__ import annotations

import os
import sys

from hero_logic.config import Config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hero_logic.client import Client
    from hero_logic.core.outcome import Leavings
    from hero_logic.runner.spawner import Spawner
    from hero_logic.service.session import Session

_RUNS_PLAYS = ("run",)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; its exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    spawner = _early_spawner(arguments)
    from hero_logic.cli.main import run_command

    return run_command(arguments, lambda: make_client(dict(os.environ), spawner))


def make_client(environment: dict[str, str], spawner: Spawner | None = None) -> Client:
    """A client over the configuration that the environment asks for.

    Raises:
        UsageError: a variable has a value that means nothing.
    """
    from hero_logic.client import Client
    from hero_logic.runner.play import spawner_for_this_process

    config = Config.from_environment(environment)
    return Client(
        config,
        environment,
        new_sid=new_sid,
        open_session=lambda: open_session(config),
        start_spawner=lambda: spawner or spawner_for_this_process(),
    )


def open_session(config: Config) -> Session:
    """The services over the embedded store; enter it to use it.

    Raises:
        StoreError: the store cannot be opened.
    """
    import time

    from hero_logic.runner.play import clear_directory, read_aftermath
    from hero_logic.runner.staging import PlayPaths
    from hero_logic.service.liveness import Runtimes
    from hero_logic.service.session import Session
    from hero_logic.store.sqlite import SqliteStore

    def aftermath(sid: str) -> Leavings | None:
        return read_aftermath(PlayPaths(config.plays_dir, sid))

    def clear(sid: str) -> None:
        clear_directory(PlayPaths(config.plays_dir, sid))

    return Session(
        SqliteStore.open(config.database, synchronous=config.synchronous),
        Runtimes(config.runtimes_dir, new_sid()),
        now_ms=lambda: time.time() * 1000,
        aftermath=aftermath,
        clear=clear,
    )


def new_sid() -> str:
    """A name that no other play or runtime has: 16 hexadecimal digits."""
    return os.urandom(8).hex()


def _early_spawner(arguments: list[str]) -> Spawner | None:
    """Start what starts plays before anything else is loaded: it gets ready meanwhile."""
    if not arguments or arguments[0] not in _RUNS_PLAYS or sys.platform != "linux":
        return None
    from hero_logic.core.errors import LaunchFailed
    from hero_logic.runner.spawner import Spawner

    try:
        return Spawner.start()
    except LaunchFailed:
        # It is tried again when it is needed, and told then, if the command gets that far.
        return None
