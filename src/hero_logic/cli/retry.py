"""``hero-logic retry``: run a play again, with the same source and input."""

from __future__ import annotations

import argparse

from hero_logic.cli.main import EXIT_OK, as_text, put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hero_logic.client.seam import Asked


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("sid", metavar="SID", help="the play's id, or last")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument(
        "--queue", action="store_true", help="leave it to a worker, and print the new play's id alone"
    )
    shape.add_argument(
        "--json", action="store_true", help="print the play as one JSON document, and nothing else"
    )
    shape.add_argument("--quiet", action="store_true", help="print the output alone")


def execute(arguments: argparse.Namespace, client: Asked) -> int:
    """Run it here and show it, or have it wait for a worker; the exit status is that of ``run``."""
    sid = as_text(arguments.sid)
    if arguments.queue:
        with client.ask() as verbs:
            put(f"{verbs.play_retry(sid, keeps_grants=True, asked_by='hero-logic retry')}\n")
        return EXIT_OK
    from hero_logic.cli.run import run_ready

    with client.read() as reading:
        play = reading.play(sid)
    return run_ready(arguments, client, client.ready_again(play))
