"""``hero-logic ls``: list plays, the newest first."""

from __future__ import annotations

import argparse
import os
import sys
import time

from hero_logic.cli.main import EXIT_OK, as_text, flush, put, put_json, say
from hero_logic.core.errors import UsageError
from hero_logic.core.lifecycle import MOVES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hero_logic.client.seam import Asked
    from hero_logic.core.finding import PlayFilter

_DAY_MS = 86_400_000.0
_MAX_LIMIT = 2**62
"""More than there can be; a store counts in 64 bits."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--json", action="store_true", help="print one JSON document, and nothing else")
    parser.add_argument(
        "--limit", type=int, default=20, metavar="N", help="how many plays at the most (default 20)"
    )
    parser.add_argument("--before", metavar="SID", help="go on after this play, the last of the page before")
    parser.add_argument("--flow", metavar="NAME", help="plays of this flow alone")
    parser.add_argument(
        "--status",
        action="append",
        default=[],
        choices=list(MOVES),
        metavar="STATUS",
        help=f"plays of this status alone: {', '.join(MOVES)}; may be repeated",
    )
    parser.add_argument("--days", type=float, metavar="N", help="plays of the last so many days alone")
    parser.add_argument(
        "--text", default="", metavar="TEXT", help="plays with this in their id, flow, error or input"
    )


def execute(arguments: argparse.Namespace, client: Asked) -> int:
    """Print a page of plays."""
    if arguments.limit < 1:
        raise UsageError(f"--limit {arguments.limit}: it is a number of plays, from 1 up.")
    with client.read() as reading:
        before = None if arguments.before is None else as_text(arguments.before)
        limit = min(arguments.limit, _MAX_LIMIT)
        wanted = _wanted(arguments)
        plays, next_cursor = reading.page(limit=limit, before=before, wanted=wanted)
        if arguments.json:
            put_json([reading.list_document(plays, next_cursor)])
            return EXIT_OK
        size = reading.size()
    from hero_logic.cli import report

    if not plays:
        say(
            "There is no play yet; `hero-logic run FLOW.py` makes one."
            if wanted is None
            else "There is no such play."
        )
        return EXIT_OK
    environment = dict(os.environ)
    lines = report.ls_lines(
        plays,
        width=report.terminal_width(sys.stdout, environment),
        now_ms=time.time() * 1000,
        ascii_only=report.wants_ascii(sys.stdout),
    )
    put(report.to_text(lines, colour=report.wants_colour(sys.stdout, environment)))
    flush()
    if next_cursor is not None:
        say(f"There are more: hero-logic ls --before {next_cursor}{client.said_server}")
    word = "play" if size.plays == 1 else "plays"
    now = (
        f"; {size.plays_running:,} run, {size.plays_waiting:,} wait"
        if size.plays_running or size.plays_waiting
        else ""
    )
    say(f"{size.plays:,} {word} on record, {report.size_text(size.total_bytes)} in all{now}")
    return EXIT_OK


def _wanted(arguments: argparse.Namespace) -> PlayFilter | None:
    """Which plays are asked for; None for all of them."""
    if arguments.days is not None and not 0 <= arguments.days < float("inf"):
        raise UsageError(f"--days {arguments.days:g}: it is a number of days, from 0 up.")
    if arguments.flow is None and not arguments.status and arguments.days is None and not arguments.text:
        return None

    from hero_logic.core.finding import PlayFilter

    return PlayFilter(
        flow=None if arguments.flow is None else as_text(arguments.flow),
        statuses=tuple(arguments.status),
        since_ms=None if arguments.days is None else time.time() * 1000 - arguments.days * _DAY_MS,
        text=as_text(arguments.text),
    )
