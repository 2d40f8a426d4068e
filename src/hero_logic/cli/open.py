"""``hero-logic open``: a browser, logged in to the server that runs."""

from __future__ import annotations

import argparse

from hero_logic.cli.main import EXIT_OK, flush, put
from hero_logic.client import Client


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--print", action="store_true", help="print the address, and start no browser")


def execute(arguments: argparse.Namespace, client: Client) -> int:
    """Print an address that works once, and start a browser with it."""
    url = client.login_url()
    put(url + "\n")
    flush()
    if not arguments.print:
        # Loads what knows of browsers, which nothing else needs.
        import webbrowser

        webbrowser.open(url)
    return EXIT_OK
