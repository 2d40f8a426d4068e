"""The command line: which verbs there are, and how an error becomes a message and an exit status.

A verb's module is loaded when it is called; docs/design/0004-start-up.md says what that is worth.
Exit statuses: docs/exit-statuses.md.
"""

from __future__ import annotations

import argparse
import sys

from hero_logic import __version__
from hero_logic.core.errors import HeroLogicError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from hero_logic.client import Client

    class Verb(Protocol):
        """A module of this package that is a verb."""

        def configure(self, parser: argparse.ArgumentParser) -> None:
            """Declare the verb's arguments."""
            ...

        def execute(self, arguments: argparse.Namespace, client: Client) -> int:
            """Do it; the exit status."""
            ...


VERBS = {
    "run": "run a flow, show its steps live, record them",
    "show": "show a play again",
    "ls": "list plays, the newest first",
    "ingest": "record a file of span events as a play",
    "listen": "record what comes to a span socket as a play",
}

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_TIMED_OUT = 124
EXIT_CANCELLED = 130

STATUS_EXITS = {
    "ok": EXIT_OK,
    "failed": EXIT_FAILED,
    "timed_out": EXIT_TIMED_OUT,
    "cancelled": EXIT_CANCELLED,
}


def build_parser(configured: str | None = None) -> argparse.ArgumentParser:
    """The parser of the whole command line; only the verb ``configured`` knows its arguments.

    ``"*"`` configures all of them, for completions and documentation.
    """
    parser = argparse.ArgumentParser(
        prog="hero-logic",
        description="Run plain Python flows sandboxed, recorded span by span, and watch them live.",
        epilog="hero-logic VERB --help tells of one verb. Data lies under HERO_LOGIC_HOME.",
    )
    parser.add_argument("--version", action="version", version=f"hero-logic {__version__}")
    verbs = parser.add_subparsers(title="verbs", dest="verb", metavar="VERB", required=True)
    for name, says in VERBS.items():
        verb = verbs.add_parser(
            name, help=says, description=says[0].upper() + says[1:] + ".", allow_abbrev=False
        )
        if configured in (name, "*"):
            _load(name).configure(verb)
    return parser


def run_command(arguments: list[str], make_client: Callable[[], Client]) -> int:
    """Run one command; its exit status. Every error that is ours becomes one message on standard error."""
    name = next((argument for argument in arguments if not argument.startswith("-")), None)
    try:
        parsed = build_parser(name).parse_args(arguments)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else EXIT_USAGE
    try:
        status = _load(parsed.verb).execute(parsed, make_client())
        sys.stdout.flush()
    except HeroLogicError as error:
        say(f"hero-logic: {error}")
        return error.exit_status
    except KeyboardInterrupt:
        return EXIT_CANCELLED
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python must not complain of it at exit either.
        sys.stdout = None
        return EXIT_FAILED
    return status


def say(text: str) -> None:
    """A message to the person, on standard error."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def note(text: str) -> None:
    """A warning to the person, on standard error."""
    say(f"hero-logic: warning: {text}")


def _load(name: str) -> Verb:
    import importlib

    module: Verb = importlib.import_module(f"hero_logic.cli.{name}")
    return module
