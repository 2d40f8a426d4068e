"""``hero-logic watch``: follow a play that runs, in whichever process, to its end."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time

from hero_logic.cli.main import (
    EXIT_CANCELLED,
    EXIT_FAILED,
    STATUS_EXITS,
    as_text,
    flush,
    put,
    put_json_lines,
    say,
)
from hero_logic.core.lifecycle import is_terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hero_logic.cli.faces import Face
    from hero_logic.client.seam import Asked, Reading
    from hero_logic.core.records import Play

_LOOK_S = 0.1
"""How often something is heard, where a face does not say: that somebody reads what is shown is noticed."""
_MAX_LINES = 200


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("sid", metavar="SID", help="the play's id, or last")
    parser.add_argument(
        "--json", action="store_true", help="print each change as a line of JSON, and nothing else"
    )


def execute(arguments: argparse.Namespace, client: Asked) -> int:
    """Show what the play does until it ends; the exit status is that of ``run``."""
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        with client.read() as reading:
            play = reading.play(as_text(arguments.sid))
            try:
                if arguments.json:
                    play = _put_changes(reading, play)
                elif is_terminal(play.status):
                    _put_ended(client, reading, play)
                else:
                    play = _show(client, reading, play)
            except KeyboardInterrupt:
                say(f"hero-logic: not watching any more; the play {play.sid} goes on")
                return EXIT_CANCELLED
    finally:
        signal.signal(signal.SIGTERM, before)
    return STATUS_EXITS.get(play.status, EXIT_FAILED)


def _leave(*_: object) -> None:
    raise KeyboardInterrupt


def _put_changes(reading: Reading, play: Play) -> Play:
    """Print changes as lines of JSON; the play as it ended, which is the last of them."""
    outline = reading.outline(play)
    since = 0
    if outline is not None:
        since = outline.revision
        put_json_lines(reading.change_lines([play], outline.rows))
    for changes in reading.changes(play.sid, since=since, interval_s=_LOOK_S):
        if changes is not None:
            put_json_lines(reading.change_lines(changes.plays, [row for _, row in changes.spans]))
    play = reading.play(play.sid)
    put_json_lines([reading.play_line(play)])
    return play


def _put_ended(client: Asked, reading: Reading, play: Play) -> None:
    """What is to be seen of a play that has ended already."""
    from hero_logic.cli import report
    from hero_logic.cli.faces import first_line, width_of
    from hero_logic.cli.run import print_end
    from hero_logic.cli.show import read_forest
    from hero_logic.cli.tree import glyphs_for, render

    width = width_of(sys.stdout)
    ascii_only = report.wants_ascii(sys.stdout)
    forest = read_forest(reading, play)
    lines = [first_line(play, play.sandbox.line, width, glyphs_for(ascii_only=ascii_only))]
    lines.extend(render(forest, width=width, max_lines=_MAX_LINES, now_ms=None, ascii_only=ascii_only))
    put(report.to_text(lines, colour=report.wants_colour(sys.stdout, dict(os.environ))))
    print_end(client, play, forest)


def _show(client: Asked, reading: Reading, play: Play) -> Play:
    """Show a play that runs; it as it ended."""
    from hero_logic.cli.faces import make_face
    from hero_logic.cli.run import print_end

    outline = reading.outline(play)
    face = make_face(sys.stdout, sys.stderr)
    try:
        face.begin(play, sandbox_line=play.sandbox.line)
        if outline is not None:
            face.load(outline)
        _show_changes(reading, play.sid, 0 if outline is None else outline.revision, face)
        play = reading.play(play.sid)
        if outline is not None and (ended := reading.outline(play)) is not None:
            # What was left out of a tree that grew meanwhile is only nearly right.
            face.load(ended)
        face.end(play)
    finally:
        face.close()
    print_end(client, play, face.forest)
    return play


def _show_changes(reading: Reading, sid: str, since: int, face: Face) -> None:
    interval_s = face.interval_s or _LOOK_S
    drawn_s = 0.0
    for changes in reading.changes(sid, since=since, interval_s=interval_s):
        now_ms = time.time() * 1000
        if changes is not None and changes.spans:
            face.changed([row for _, row in changes.spans], now_ms)
        if time.monotonic() - drawn_s >= interval_s:
            drawn_s = time.monotonic()
            face.tick(now_ms)
        if face.is_silent:
            flush()
            raise BrokenPipeError
