"""``hero-logic serve``: everything that the command line can do, for programs and pages."""

from __future__ import annotations

import argparse

from hero_logic.cli.main import EXIT_OK
from hero_logic.cli.running_options import add_running_options, check_running_options
from hero_logic.client import Client, ServeOptions
from hero_logic.core.errors import UsageError

_MAX_PORT = 65535
_MAX_WORKERS = 100


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to listen at (default 127.0.0.1: this machine alone)"
    )
    parser.add_argument("--port", type=int, default=8420, help="the port; 0 for a free one (default 8420)")
    parser.add_argument(
        "--uds", metavar="PATH", help="the Unix socket (default: one for the data, in HERO_LOGIC_RUNTIME_DIR)"
    )
    parser.add_argument(
        "--no-token",
        action="store_true",
        help="ask for no token: every user of this machine may do everything",
    )
    parser.add_argument(
        "--allow-host",
        metavar="NAME",
        action="append",
        default=[],
        help="a host name under which the server is reached; may be repeated",
    )
    parser.add_argument(
        "--rate",
        metavar="N",
        type=float,
        default=0.0,
        help="at most so many requests a second of each client",
    )
    parser.add_argument(
        "--log-requests", action="store_true", help="log each request, and not only what is refused"
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=0,
        metavar="N",
        help="run plays in so many processes of their own (default 0: in the server's)",
    )
    add_running_options(
        parser,
        plays_help="how many plays the server, or each worker, runs at a time",
        stop_help="how long plays that run may go on once the server is told to stop",
    )


def execute(arguments: argparse.Namespace, client: Client) -> int:
    """Serve until SIGTERM or SIGINT."""
    if not 0 <= arguments.port <= _MAX_PORT:
        raise UsageError(f"--port {arguments.port}: it is a number from 0 to {_MAX_PORT}.")
    if not 0 <= arguments.rate < float("inf"):
        raise UsageError(
            f"--rate {arguments.rate:g}: it is a number of requests a second, or 0 for no limit."
        )
    if not 0 <= arguments.workers <= _MAX_WORKERS:
        raise UsageError(
            f"--workers {arguments.workers}: it is a number of processes, from 0 to {_MAX_WORKERS}."
        )
    check_running_options(arguments)
    client.serve(
        ServeOptions(
            host=arguments.host,
            port=arguments.port,
            socket_path=arguments.uds,
            wants_token=not arguments.no_token,
            allowed_hosts=tuple(arguments.allow_host),
            rate=arguments.rate,
            logs_requests=arguments.log_requests,
            workers=arguments.workers,
            plays_at_once=arguments.plays,
            stop_s=arguments.stop_after,
        )
    )
    return EXIT_OK
