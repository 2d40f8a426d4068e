"""``hero-logic worker``: run the plays that wait."""

from __future__ import annotations

import argparse

from hero_logic.cli.main import EXIT_OK, flush, note, put
from hero_logic.client import Client
from hero_logic.core.errors import UsageError

_MAX_PLAYS = 1000
_MAX_S = 1e6


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        "--plays", type=int, default=4, metavar="N", help="how many plays run at a time (default 4)"
    )
    parser.add_argument(
        "--stop-after",
        type=float,
        default=30.0,
        metavar="S",
        help="how long what runs may go on once the worker is told to stop (default 30)",
    )
    parser.add_argument(
        "--attached",
        action="store_true",
        help="end at once, with all that runs, at the end of standard input",
    )


def execute(arguments: argparse.Namespace, client: Client) -> int:
    """Claim and run plays until SIGINT or SIGTERM; a second one ends what runs."""
    if not 1 <= arguments.plays <= _MAX_PLAYS:
        raise UsageError(f"--plays {arguments.plays}: it is a number of plays, from 1 to {_MAX_PLAYS}.")
    if not 0 <= arguments.stop_after < _MAX_S:
        raise UsageError(
            f"--stop-after {arguments.stop_after:g}: it is a number of seconds, from 0 up, below {_MAX_S:g}."
        )
    client.work(
        plays_at_once=arguments.plays,
        stop_s=arguments.stop_after,
        is_attached=arguments.attached,
        note=note,
        is_ready=_say_ready,
    )
    return EXIT_OK


def _say_ready() -> None:
    put("working\n")
    flush()
