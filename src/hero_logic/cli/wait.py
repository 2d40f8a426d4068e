"""``hero-logic wait``: wait for the end of plays, whoever runs them."""

from __future__ import annotations

import argparse
import time

from hero_logic.cli.main import EXIT_FAILED, EXIT_TIMED_OUT, STATUS_EXITS, as_text, put, put_json, say
from hero_logic.core.errors import UsageError
from hero_logic.core.lifecycle import is_terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hero_logic.client.seam import Asked

_MAX_S = 1e6


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("sids", metavar="SID", nargs="+", help="the play's id, or last")
    parser.add_argument("--timeout", type=float, metavar="S", help="wait no longer than so many seconds")
    parser.add_argument("--json", action="store_true", help="print one JSON document, and nothing else")


def execute(arguments: argparse.Namespace, client: Asked) -> int:
    """Wait for all of them; the exit status is that of the first that did not end ``ok``."""
    timeout_s = arguments.timeout
    if timeout_s is not None and not 0 < timeout_s < _MAX_S:
        raise UsageError(f"--timeout {timeout_s:g}: it is a number of seconds, above 0 and below {_MAX_S:g}.")
    until_s = None if timeout_s is None else time.monotonic() + timeout_s
    with client.ask() as verbs:
        plays = []
        for sid in arguments.sids:
            # 0 would be for ever.
            left_ms = 0.0 if until_s is None else max((until_s - time.monotonic()) * 1000, 0.001)
            plays.append(verbs.play_wait(as_text(sid), timeout_ms=left_ms))
            if not arguments.json:
                put(f"{plays[-1].sid} {plays[-1].status}\n")
        if arguments.json:
            put_json([client.list_document(plays, None)])
    exits = [STATUS_EXITS.get(play.status, EXIT_FAILED) for play in plays if is_terminal(play.status)]
    if len(exits) < len(plays):
        say(f"hero-logic: not all of them ended within {timeout_s:g} s")
        exits.append(EXIT_TIMED_OUT)
    return next((status for status in exits if status), 0)
