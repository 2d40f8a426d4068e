"""The options of what runs plays that wait: those of ``worker``, and of ``serve``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hero_logic.core.errors import UsageError

if TYPE_CHECKING:
    import argparse

_MAX_PLAYS = 1000
_MAX_S = 1e6


def add_running_options(parser: argparse.ArgumentParser, *, plays_help: str, stop_help: str) -> None:
    """Declare ``--plays`` and ``--stop-after``; their defaults are added to what they say."""
    parser.add_argument("--plays", type=int, default=4, metavar="N", help=f"{plays_help} (default 4)")
    parser.add_argument(
        "--stop-after", type=float, default=30.0, metavar="S", help=f"{stop_help} (default 30)"
    )


def check_running_options(arguments: argparse.Namespace) -> None:
    """Raise UsageError where one of them has a value that means nothing."""
    if not 1 <= arguments.plays <= _MAX_PLAYS:
        raise UsageError(f"--plays {arguments.plays}: it is a number of plays, from 1 to {_MAX_PLAYS}.")
    if not 0 <= arguments.stop_after < _MAX_S:
        raise UsageError(
            f"--stop-after {arguments.stop_after:g}: it is a number of seconds, from 0 up, below {_MAX_S:g}."
        )
