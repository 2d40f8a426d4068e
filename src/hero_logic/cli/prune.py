"""``hero-logic prune``: remove the oldest plays, by their age, their number or their size."""

from __future__ import annotations

import argparse

from hero_logic.cli.main import EXIT_OK, put, put_json, say
from hero_logic.client import Client
from hero_logic.core.errors import UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--days", type=float, metavar="N", help="keep what is no older than so many days")
    parser.add_argument("--plays", type=int, metavar="N", help="keep the newest so many plays")
    parser.add_argument("--mb", type=float, metavar="N", help="keep no more than so many megabytes")
    parser.add_argument(
        "--dry-run", action="store_true", help="print which plays --days and --plays would remove"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document, and nothing else")


def execute(arguments: argparse.Namespace, client: Client) -> int:
    """Remove plays that have ended, the oldest first, until what is left is as wanted."""
    for name in ("days", "plays", "mb"):
        value = getattr(arguments, name)
        if value is not None and not 0 <= value < float("inf"):
            raise UsageError(f"--{name} {value:g}: it is a number, from 0 up.")
    wanted = client.retention(days=arguments.days, plays=arguments.plays, megabytes=arguments.mb)
    if wanted.keeps_all:
        raise UsageError(
            "nothing says which plays to keep: give --days, --plays or --mb, or set HERO_LOGIC_KEEP_DAYS, "
            "HERO_LOGIC_KEEP_PLAYS or HERO_LOGIC_KEEP_MB."
        )
    with client.ask() as verbs:
        pruned = verbs.play_prune(wanted, is_dry=arguments.dry_run)
    if arguments.json:
        put_json([client.pruned_document(pruned)])
        return EXIT_OK
    for sid in pruned.sids:
        put(f"{sid}\n")
    what = "would be removed" if arguments.dry_run else "removed"
    say(f"{len(pruned.sids)} plays {what}")
    return EXIT_OK
