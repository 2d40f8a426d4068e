"""``hero-logic listen``: record what comes to a span socket as a play."""

from __future__ import annotations

import argparse
import os

from hero_logic.cli.main import EXIT_OK, drop_output, note, put_bytes
from hero_logic.client import Client
from hero_logic.core.errors import UsageError

_DEFAULT_IDLE_S = 0.2
_MAX_IDLE_S = 1_000_000


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
    if not 0 <= arguments.idle <= _MAX_IDLE_S:
        raise UsageError(
            f"--idle {arguments.idle:g}: it is a number of seconds, from 0 to {_MAX_IDLE_S:,}. "
            "SIGINT and SIGTERM end it at any time."
        )
    play = client.listen(
        socket_path=arguments.socket, idle_s=arguments.idle, note=note, is_listening=_tell_path
    )
    _put_line(play.sid.encode())
    return EXIT_OK


def _tell_path(path: str) -> None:
    _put_line(b"listening on " + os.fsencode(path))


def _put_line(line: bytes) -> None:
    """Print a line at once; that nobody reads it is no reason to record nothing."""
    try:
        put_bytes([line, b"\n"])
    except BrokenPipeError:
        drop_output()
