"""``hero-logic ingest``: record a file of span events as a play."""

from __future__ import annotations

import argparse
import sys

from hero_logic.cli.main import EXIT_OK, note
from hero_logic.client import Client
from hero_logic.core.errors import UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("file", metavar="FILE", help="events as JSON Lines; - is standard input")


def execute(arguments: argparse.Namespace, client: Client) -> int:
    """Record the file; the sid of the new play is the last line of standard output."""
    if arguments.file == "-":
        play = client.ingest(sys.stdin.buffer, note=note)
    else:
        try:
            stream = open(arguments.file, "rb", buffering=0)
        except OSError as error:
            raise UsageError(f"{arguments.file} cannot be read: {error.strerror}.") from error
        with stream:
            play = client.ingest(stream, note=note)
    sys.stdout.write(f"{play.sid}\n")
    return EXIT_OK
