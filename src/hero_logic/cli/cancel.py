"""``hero-logic cancel``: end plays that run or wait, whoever runs them."""

from __future__ import annotations

import argparse

from hero_logic.cli.main import EXIT_FAILED, EXIT_OK, as_text, put, put_json, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hero_logic.client.seam import Asked

_WAIT_S = 60.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("sids", metavar="SID", nargs="+", help="the play's id, or last")
    parser.add_argument("--no-wait", action="store_true", help="do not wait until they have ended")
    parser.add_argument("--json", action="store_true", help="print one JSON document, and nothing else")


def execute(arguments: argparse.Namespace, client: Asked) -> int:
    """Ask for the end of each, then wait for them; 1 if one ended otherwise, or has not ended in a minute."""
    from hero_logic.core.lifecycle import is_terminal

    with client.ask() as verbs:
        # All are asked before any is waited for: their graces run at the same time.
        plays = [verbs.play_cancel(as_text(sid), asked_by="hero-logic cancel") for sid in arguments.sids]
        if not arguments.no_wait:
            plays = [verbs.play_wait(play.sid, timeout_ms=_WAIT_S * 1000) for play in plays]
        if arguments.json:
            put_json([client.list_document(plays, None)])
        else:
            for play in plays:
                put(f"{play.sid} {play.status}\n")
    if arguments.no_wait:
        return EXIT_OK
    for play in plays:
        if not is_terminal(play.status):
            say(f"hero-logic: the play {play.sid} has not ended yet; hero-logic wait {play.sid}")
    return EXIT_OK if all(play.status == "cancelled" for play in plays) else EXIT_FAILED
