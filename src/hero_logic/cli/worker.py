"""``hero-logic worker``: run the plays that wait."""

from __future__ import annotations

import argparse

from hero_logic.cli.main import EXIT_OK, flush, note, put
from hero_logic.cli.running_options import add_running_options, check_running_options
from hero_logic.client import Client


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add_running_options(
        parser,
        plays_help="how many plays run at a time",
        stop_help="how long what runs may go on once the worker is told to stop",
    )
    parser.add_argument(
        "--attached",
        action="store_true",
        help="end at once, with all that runs, at the end of standard input",
    )


def execute(arguments: argparse.Namespace, client: Client) -> int:
    """Claim and run plays until SIGINT or SIGTERM; a second one ends what runs."""
    check_running_options(arguments)
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
