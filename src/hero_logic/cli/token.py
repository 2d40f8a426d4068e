"""``hero-logic token``: what a program has to send to a server."""

from __future__ import annotations

import argparse

from hero_logic.cli.main import EXIT_OK, put
from hero_logic.client import Client


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments: there are none."""


def execute(arguments: argparse.Namespace, client: Client) -> int:
    """Print it."""
    put(client.token() + "\n")
    return EXIT_OK
