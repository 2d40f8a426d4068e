"""``hero-logic run``: run a flow, show its steps live, record them."""

from __future__ import annotations

import argparse
import sys

from hero_logic.cli.main import EXIT_FAILED, STATUS_EXITS, note
from hero_logic.client import Client, RunRequest
from hero_logic.core.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hero_logic.cli.faces import Face
    from hero_logic.core.records import Play


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("flow", metavar="FLOW.py", help="the file with the flow")
    parser.add_argument(
        "-i",
        dest="assignments",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an input: text for a str parameter, JSON for any other; may be repeated, and wins over --input",
    )
    parser.add_argument(
        "--input", metavar="FILE", help="a file with the input as a JSON object; - is standard input"
    )
    parser.add_argument("--entry", metavar="NAME", help="which flow of the file, where it has several")
    parser.add_argument("--timeout", type=float, metavar="S", help="end the play after so many seconds")
    parser.add_argument(
        "--python", metavar="PATH", help="the interpreter to run it (default: the active environment's)"
    )
    parser.add_argument(
        "--env",
        dest="let_through",
        action="append",
        default=[],
        metavar="NAME",
        help="let this variable through to the flow, its value redacted in all that is recorded; may be repeated",
    )
    parser.add_argument(
        "--keep", metavar="DIR", help="copy what the flow put into artifacts/ to this directory"
    )
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument(
        "--json", action="store_true", help="print the play as one JSON document, and nothing else"
    )
    shape.add_argument("--quiet", action="store_true", help="print the output alone")


def execute(arguments: argparse.Namespace, client: Client) -> int:
    """Run the flow; the exit status says how it ended."""
    order = client.prepare(
        RunRequest(
            arguments.flow,
            assignments=arguments.assignments,
            document=None if arguments.input is None else _read_document(arguments.input),
            entry=arguments.entry,
            let_through=tuple(arguments.let_through),
            python=arguments.python,
            timeout_s=arguments.timeout,
        )
    )
    face = _LateFace(arguments)
    play = client.run(order, face)
    if arguments.keep is not None:
        client.keep_artifacts(play, arguments.keep)
    if arguments.json:
        _print_document(client, play.sid)
    else:
        _print_end(play, face.face, is_quiet=arguments.quiet)
    return STATUS_EXITS.get(play.status, EXIT_FAILED)


class _LateFace:
    """The face that was asked for, made when the play has started: drawing costs more to load than it to start."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self.face: Face | None = None

    @property
    def interval_s(self) -> float | None:
        return None if self.face is None else self.face.interval_s

    def begin(self, play: Play, *, sandbox_line: str) -> None:
        self.face = _make_face(self._arguments)
        self.face.begin(play, sandbox_line=sandbox_line)

    def changed(self, rows: list[SpanRow], now_ms: float) -> None:
        if self.face is not None:
            self.face.changed(rows, now_ms)

    def tick(self, now_ms: float) -> None:
        if self.face is not None:
            self.face.tick(now_ms)

    def note(self, text: str) -> None:
        if self.face is None:
            note(text)
        else:
            self.face.note(text)

    def end(self, play: Play) -> None:
        if self.face is not None:
            self.face.end(play)


def _read_document(path: str) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read()
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise UsageError(f"--input {path}: {error.strerror}.") from error


def _print_document(client: Client, sid: str) -> None:
    with client.read() as reading:
        for piece in reading.document(reading.play(sid)):
            sys.stdout.buffer.write(piece)
    sys.stdout.buffer.write(b"\n")
    sys.stdout.buffer.flush()
