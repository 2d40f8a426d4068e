"""``hero-logic ingest``: record a file of span events as a play."""

from __future__ import annotations

import argparse
import sys

from hero_logic.cli.main import EXIT_OK, note
from hero_logic.client import Client
from hero_logic.core.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("file", metavar="FILE", help="events as JSON Lines; - is standard input")


def execute(arguments: argparse.Namespace, client: Client) -> int:
    """Record the file; the sid of the new play is the last line of standard output."""
    if arguments.file == "-":
        play = client.ingest(sys.stdin.buffer, note=note)
    else:
        with _opened(arguments.file) as stream:
            play = client.ingest(stream, note=note)
    sys.stdout.write(f"{play.sid}\n")
    return EXIT_OK


def _opened(path: str) -> BinaryIO:
    try:
        return open(path, "rb", buffering=0)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
