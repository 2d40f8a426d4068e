"""``hero-logic show``: show a play again."""

from __future__ import annotations

import argparse
import os
import sys
import time

from hero_logic.cli.main import EXIT_OK, as_text, put, put_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from hero_logic.cli.forest import SpanForest
    from hero_logic.cli.tree import Line
    from hero_logic.client.seam import Asked, Reading
    from hero_logic.core.records import Play

_MAX_LINES = 400
_MAX_FAILED = 100
_MAX_NAMES = 100
_MAX_NAMES_AS_JSON = 100_000


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("sid", metavar="SID", help="the play's id, or last")
    parser.add_argument("--json", action="store_true", help="print one JSON document, and nothing else")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument(
        "--logs", action="store_true", help="print the logs of each span too, as --json always does"
    )
    shape.add_argument("--failed", action="store_true", help="list the spans that failed, and nothing else")
    shape.add_argument("--stats", action="store_true", help="list what spans took, by name, and nothing else")


def execute(arguments: argparse.Namespace, client: Asked) -> int:
    """Print the play."""
    with client.read() as reading:
        play = reading.play(as_text(arguments.sid))
        if arguments.json:
            _put_document(arguments, reading, play)
            return EXIT_OK
        from hero_logic.cli import report

        width = report.terminal_width(sys.stdout, dict(os.environ))
        if arguments.failed:
            lines = _failed_lines(reading, play, width)
        elif arguments.stats:
            lines = _stats_lines(reading, play, width)
        else:
            lines = _lines(arguments, client, reading, play, width)
        put(report.to_text(lines, colour=report.wants_colour(sys.stdout, dict(os.environ))))
    return EXIT_OK


def read_forest(reading: Reading, play: Play, logs: dict[str, str] | None = None) -> SpanForest:
    """The spans of a play to be drawn: all of them, or a part of very many.

    Args:
        reading: where the play is.
        play: the play.
        logs: where the logs of the spans are to be put, by span id, if they were read.
    """
    from hero_logic.cli import report
    from hero_logic.cli.forest import SpanForest

    forest = SpanForest()
    outline = reading.outline(play)
    if outline is not None:
        forest.load(outline)
    else:
        spans = reading.spans(play.sid)
        forest.update(spans if logs is None else report.noting_logs(spans, logs))
    return forest


def _put_document(arguments: argparse.Namespace, reading: Reading, play: Play) -> None:
    if arguments.failed:
        put_json(reading.failed_document(play.sid))
    elif arguments.stats:
        put_json([reading.stats_document(play.sid, limit=_MAX_NAMES_AS_JSON)])
    else:
        put_json(reading.document(play))


def _lines(
    arguments: argparse.Namespace, client: Asked, reading: Reading, play: Play, width: int
) -> list[Line]:
    from hero_logic.cli import report

    logs: dict[str, str] = {}
    forest = read_forest(reading, play, logs if arguments.logs else None)
    logs_of: Callable[[str], str] | None = None
    if arguments.logs:
        # Of a large play only those that are drawn are read.
        logs_of = (lambda id: reading.logs(play.sid, id)) if forest.unread else (lambda id: logs.get(id, ""))
    return report.show_lines(
        play,
        forest,
        width=width,
        max_lines=_MAX_LINES,
        logs_of=logs_of,
        now_ms=time.time() * 1000,
        path=reading.path_of(play),
        artifacts_dir=client.artifacts_dir(play.sid),
        ascii_only=report.wants_ascii(sys.stdout),
    )


def _failed_lines(reading: Reading, play: Play, width: int) -> list[Line]:
    from hero_logic.cli import extracts, report

    counts = reading.status_counts(play.sid)
    failed, around = reading.failed(play.sid, limit=_MAX_FAILED)
    return extracts.failed_lines(
        failed,
        around,
        count=sum(count for status, count in counts.items() if status not in ("ok", "running")),
        width=width,
        ascii_only=report.wants_ascii(sys.stdout),
    )


def _stats_lines(reading: Reading, play: Play, width: int) -> list[Line]:
    from hero_logic.cli import extracts, report

    names, is_more = reading.stats(play.sid, limit=_MAX_NAMES)
    return extracts.stats_lines(
        names, is_more=is_more, width=width, ascii_only=report.wants_ascii(sys.stdout)
    )
