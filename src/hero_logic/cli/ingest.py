"""``hero-logic ingest``: record a file of span events as a play."""

from __future__ import annotations

import argparse
import io
import select
import sys

from hero_logic.cli.main import EXIT_OK, drop_output, flush, note, put
from hero_logic.client import Client
from hero_logic.core.errors import UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("file", metavar="FILE", help="events as JSON Lines; - is standard input")


def execute(arguments: argparse.Namespace, client: Client) -> int:
    """Record the file; the sid of the new play is the last line of standard output."""
    with _open(arguments.file) as stream:
        play = client.ingest(stream, note=note)
    try:
        put(f"{play.sid}\n")
        flush()
    except BrokenPipeError:
        # The play is on record all the same.
        drop_output()
    return EXIT_OK


class _Source(io.FileIO):
    """A file that gives what is there as it comes, so that an event is received when it was sent."""

    def read(self, size: int | None = -1) -> bytes:
        """Some bytes, at most so many; none at the end."""
        try:
            # None comes of standard input that another program has set not to block.
            while (data := super().read(size)) is None:
                select.select([self], [], [])
        except OSError as error:
            raise UsageError(
                f"{_name(self.name)} cannot be read any further: {error.strerror}. "
                "What came before is on record: hero-logic ls lists the play."
            ) from error
        return data


def _open(path: str) -> _Source:
    if path == "-":
        return _Source(sys.stdin.fileno(), closefd=False)
    try:
        return _Source(path)
    except (OSError, ValueError) as error:
        # ValueError: a name that no file can have.
        raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', error)}.") from error


def _name(opened: str | int) -> str:
    return opened if isinstance(opened, str) else "standard input"
