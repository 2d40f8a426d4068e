"""``hero-logic show``: show a play again."""

from __future__ import annotations

import argparse
import os
import sys
import time

from hero_logic.cli.main import EXIT_OK, as_text, put, put_json
from hero_logic.client import Client

_MAX_LINES = 400


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("sid", metavar="SID", help="the play's id, or last")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument(
        "--json", action="store_true", help="print the play as one JSON document, and nothing else"
    )
    shape.add_argument("--logs", action="store_true", help="print the logs of each span too")


def execute(arguments: argparse.Namespace, client: Client) -> int:
    """Print the play."""
    with client.read() as reading:
        play = reading.play(as_text(arguments.sid))
        if arguments.json:
            put_json(reading.document(play))
            return EXIT_OK
        from hero_logic.cli import report

        environment = dict(os.environ)
        lines = report.show_lines(
            play,
            reading.spans(play.sid),
            width=report.terminal_width(sys.stdout, environment),
            with_logs=arguments.logs,
            max_lines=_MAX_LINES,
            now_ms=time.time() * 1000,
            path=reading.path_of(play),
            artifacts_dir=client.artifacts_dir(play.sid),
            ascii_only=report.wants_ascii(sys.stdout),
        )
        put(report.to_text(lines, colour=report.wants_colour(sys.stdout, environment)))
    return EXIT_OK
