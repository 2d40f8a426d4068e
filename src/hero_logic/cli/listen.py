"""``hero-logic listen``: record what comes to a span socket as a play."""

from __future__ import annotations

import argparse
import sys

from hero_logic.cli.main import EXIT_OK, note
from hero_logic.client import Client
from hero_logic.core.errors import UsageError

_DEFAULT_IDLE_S = 0.2


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        "--socket", metavar="PATH", help="where to listen (default: the socket path of the new play)"
    )
    parser.add_argument(
        "--idle",
        type=float,
        default=_DEFAULT_IDLE_S,
        metavar="S",
        help=f"end when nobody has been connected for so many seconds (default {_DEFAULT_IDLE_S})",
    )


def execute(arguments: argparse.Namespace, client: Client) -> int:
    """Listen until it is over; the sid of the new play is the last line of standard output."""
    if not arguments.idle >= 0:
        raise UsageError(f"--idle {arguments.idle:g}: it is a number of seconds, from 0 up.")
    play = client.listen(
        socket_path=arguments.socket, idle_s=arguments.idle, note=note, is_listening=_tell_path
    )
    sys.stdout.write(f"{play.sid}\n")
    return EXIT_OK


def _tell_path(path: str) -> None:
    sys.stdout.write(f"listening on {path}\n")
    sys.stdout.flush()
