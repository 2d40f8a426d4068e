"""The command line: which verbs there are, and how an error becomes a message and an exit status.

Laws:

1. A verb's module is loaded when it is called; docs/design/0004-start-up.md says what that is worth.
2. Verbs print by :func:`put` and :func:`put_json` alone: a standard output that is closed, full or read by
   nobody ends in an exit status or a message, never in a traceback.
3. A message has no character that a terminal would act on, and none can fail what it tells of.

Exit statuses: docs/exit-statuses.md.
"""

from __future__ import annotations

import argparse
import os
import sys

from hero_logic import __version__
from hero_logic.core.errors import HeroLogicError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Protocol

    from hero_logic.client import Client
    from hero_logic.client.seam import Asked

    class Verb(Protocol):
        """A module of this package that is a verb; those of SERVER_VERBS take any ``Asked``."""

        def configure(self, parser: argparse.ArgumentParser) -> None:
            """Declare the verb's arguments."""
            ...

        def execute(self, arguments: argparse.Namespace, client: Any) -> int:  # noqa: ANN401  # see above
            """Do it; the exit status."""
            ...


VERBS = {
    "run": "run a flow, show its steps live, record them",
    "watch": "follow a play that runs, whoever started it",
    "show": "show a play again",
    "ls": "list plays, the newest first",
    "cancel": "end plays that run or wait, whoever runs them",
    "wait": "wait for the end of plays, whoever runs them",
    "retry": "run a play again, with the same source and input",
    "rm": "remove plays, with all that they left",
    "prune": "remove the oldest plays, by age, number or size",
    "worker": "run the plays that wait",
    "flows": "keep flows in the library, and find them",
    "migrate": "make flows of legacy workflows",
    "ingest": "record a file of span events as a play",
    "listen": "record what comes to a span socket as a play",
    "serve": "serve plays to programs and pages, over HTTP and a Unix socket",
    "token": "print the token that a server asks for",
    "open": "log a browser in to the server that runs",
    "doctor": "try what this host can keep a play from",
}

SERVER_VERBS = ("run", "watch", "show", "ls", "cancel", "wait", "retry", "rm", "flows")
"""Those that can be asked of a server."""
SERVER_VARIABLE = "HERO_LOGIC_SERVER"

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
    parser = _Parser(
        prog="hero-logic",
        description="Run plain Python flows in supervised processes, recorded step by step, seen live.",
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
            if name in SERVER_VERBS and name != "flows":
                offer_server(verb, is_by_variable=name != "run")
    return parser


def offer_server(parser: argparse.ArgumentParser, *, is_by_variable: bool = True) -> None:
    """Declare the option that has a verb, or an action of one, ask a server in place of this process."""
    default = f" (default: {SERVER_VARIABLE})" if is_by_variable else ""
    parser.add_argument(
        "--server",
        metavar="SERVER",
        help=f"ask this server, http://HOST:PORT or unix:PATH, and not this process{default}",
    )


class _Parser(argparse.ArgumentParser):
    """Prints help and errors as all else is printed; argparse itself is silent where that fails."""

    def _print_message(self, message: str, file: object = None) -> None:
        if file is sys.stdout:
            put(message)
        else:
            say(message.rstrip("\n"))


class OutputRefused(Exception):
    """Standard output does not take what is to be printed."""


def run_command(arguments: list[str], make_client: Callable[[], Client]) -> int:
    """Run one command; its exit status. Every error that is ours becomes one message on standard error."""
    _open_closed_streams()
    try:
        status = _run_verb(arguments, make_client)
        flush()
    except HeroLogicError as error:
        say(f"hero-logic: {error}")
        return error.exit_status
    except KeyboardInterrupt:
        return EXIT_CANCELLED
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        drop_output()
        return EXIT_FAILED
    except OutputRefused as error:
        drop_output()
        say(f"hero-logic: {error}")
        return EXIT_FAILED
    return status


def _run_verb(arguments: list[str], make_client: Callable[[], Client]) -> int:
    name = next((argument for argument in arguments if not argument.startswith("-")), None)
    try:
        parsed = build_parser(name).parse_args(arguments)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else EXIT_USAGE
    client = make_client()
    asked = _asked(parsed, client) if parsed.verb in SERVER_VERBS else client
    return _load(parsed.verb).execute(parsed, asked)


def _asked(parsed: argparse.Namespace, client: Client) -> Asked:
    """Who is asked: a server, where the option or the variable names one. Nothing after this knows."""
    if parsed.server is not None:
        # Nothing of this process needs it.
        from shlex import quote

        return client.against(parsed.server, said=f" --server {quote(parsed.server)}")
    server = "" if parsed.verb == "run" else os.environ.get(SERVER_VARIABLE, "")
    # Whoever asks again asks the same one: the variable says so.
    return client.against(server, said="") if server else client


def _open_closed_streams() -> None:
    """Give a standard stream that was closed (``>&-``) nothing to read, and nobody to read it."""
    # None is what Python has for a stream that is closed.
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115  # as long as the process
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # the same
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # the same


def put(text: str) -> None:
    """Print text on standard output; what its encoding does not have is escaped.

    Raises:
        BrokenPipeError: nobody reads it.
        OutputRefused: it cannot be written.
    """
    encoding = sys.stdout.encoding or "utf-8"
    try:
        text.encode(encoding, sys.stdout.errors or "strict")
    except UnicodeError:
        text = text.encode(encoding, "backslashreplace").decode(encoding)
    try:
        sys.stdout.write(text)
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        raise _refused(error) from error


def put_bytes(pieces: Iterable[bytes]) -> None:
    """Print bytes as they are, on their way at once; the same errors as :func:`put`."""
    flush()
    try:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _refused(error) from error
    flush()


def put_json(pieces: Iterable[bytes]) -> None:
    """Print a JSON document, which comes in pieces, and a newline; the same errors as :func:`put`.

    It is UTF-8 wherever it goes. A terminal gets it without the controls that JSON lets stand (DEL and C1).
    """
    is_seen = sys.stdout.isatty()
    put_bytes(_without_controls(piece) if is_seen else piece for piece in pieces)
    put_bytes([b"\n"])


def put_json_lines(lines: Iterable[bytes]) -> None:
    """Print JSON documents of a line each, which end in newlines, at once; else as :func:`put_json`."""
    is_seen = sys.stdout.isatty()
    put_bytes(_without_controls(line) if is_seen else line for line in lines)


def flush() -> None:
    """Have all that was printed on its way; the same errors as :func:`put`."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        raise _refused(error) from error


def drop_output() -> None:
    """Print nothing more: Python must not complain at exit of what could not be written."""
    # Below Python, so that what is buffered goes there too.
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def as_text(argument: str) -> str:
    """An argument as a record can hold it: bytes that are no UTF-8 become U+FFFD, and match nothing."""
    return os.fsencode(argument).decode("utf-8", "replace")


def _refused(error: Exception) -> OutputRefused:
    reason = getattr(error, "strerror", None) or error
    return OutputRefused(f"standard output cannot be written: {reason}.")


def _without_controls(piece: bytes) -> bytes:
    import re

    # 0xC2 begins a character wherever it stands, so that no other one is cut in two.
    return re.sub(rb"\x7f|\xc2[\x80-\x9f]", lambda found: b"\\u00%02x" % found[0][-1], piece)


def say(text: str) -> None:
    """A message to the person, on standard error; control characters but newlines are escaped."""
    lines = text.split("\n")
    if not all(map(str.isprintable, lines)):
        from hero_logic.core.wire import escape_controls

        text = "\n".join(map(escape_controls, lines))
    try:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        # Nobody reads it, which is no reason to stop what it tells of.
        return


def note(text: str) -> None:
    """A warning to the person, on standard error."""
    say(f"hero-logic: warning: {text}")


def _load(name: str) -> Verb:
    import importlib

    module: Verb = importlib.import_module(f"hero_logic.cli.{name}")
    return module
