"""``hero-logic ls``: list plays, the newest first."""

from __future__ import annotations

import argparse
import os
import sys
import time

from hero_logic.cli.main import EXIT_OK, as_text, put, put_json, say
from hero_logic.client import Client
from hero_logic.core.errors import UsageError

_MAX_LIMIT = 2**62
"""More than there can be; a store counts in 64 bits."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--json", action="store_true", help="print one JSON document, and nothing else")
    parser.add_argument(
        "--limit", type=int, default=20, metavar="N", help="how many plays at the most (default 20)"
    )
    parser.add_argument("--before", metavar="SID", help="go on after this play, the last of the page before")


def execute(arguments: argparse.Namespace, client: Client) -> int:
    """Print a page of plays."""
    if arguments.limit < 1:
        raise UsageError(f"--limit {arguments.limit}: it is a number of plays, from 1 up.")
    with client.read() as reading:
        before = None if arguments.before is None else as_text(arguments.before)
        plays, next_cursor = reading.page(limit=min(arguments.limit, _MAX_LIMIT), before=before)
        if arguments.json:
            put_json([reading.list_document(plays, next_cursor)])
            return EXIT_OK
    from hero_logic.cli import report

    if not plays:
        say("There is no play yet; `hero-logic run FLOW.py` makes one.")
        return EXIT_OK
    environment = dict(os.environ)
    lines = report.ls_lines(
        plays,
        width=report.terminal_width(sys.stdout, environment),
        now_ms=time.time() * 1000,
        ascii_only=report.wants_ascii(sys.stdout),
    )
    put(report.to_text(lines, colour=report.wants_colour(sys.stdout, environment)))
    if next_cursor is not None:
        say(f"There are more: hero-logic ls --before {next_cursor}")
    return EXIT_OK
