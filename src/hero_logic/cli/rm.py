"""``hero-logic rm``: remove plays, with all that they left."""

from __future__ import annotations

import argparse

from hero_logic.cli.main import EXIT_OK, as_text, put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hero_logic.client.seam import Asked


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("sids", metavar="SID", nargs="+", help="the play's id")


def execute(arguments: argparse.Namespace, client: Asked) -> int:
    """Remove them one after the other; the first that cannot be removed ends it."""
    with client.ask() as verbs:
        for sid in map(as_text, arguments.sids):
            verbs.play_delete(sid)
            put(f"{sid} removed\n")
    return EXIT_OK
