"""``hero-logic run``: run a flow, show its steps live, record them."""

from __future__ import annotations

import argparse
import os
import sys
from threading import Event

from hero_logic.cli.main import (
    EXIT_FAILED,
    EXIT_OK,
    STATUS_EXITS,
    drop_output,
    flush,
    note,
    put,
    put_bytes,
    put_json,
    say,
)
from hero_logic.client import RunRequest
from hero_logic.core.errors import BadFlowFile, UsageError
from hero_logic.core.tiers import DEFAULT, WANTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from hero_logic.cli.faces import Face
    from hero_logic.cli.forest import SpanForest
    from hero_logic.client.seam import Asked
    from hero_logic.core.grants import Said
    from hero_logic.core.records import Play, SpanRow


_EPILOG = """\
The exit status is 0 if the play ended well, 1 if it failed, 124 if its time was over, 130 if it was
cancelled; 2 if it was refused before it began: then standard error says why, and nothing is on record.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "flow",
        metavar="FLOW",
        help="the file with the flow, or the name of a flow of the library, with @ and the beginning of a "
        "version for that one; a file that is there comes first",
    )
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
        help="let this variable through to the flow; its value is redacted in the record; may be repeated",
    )
    _configure_grants(parser)
    parser.add_argument(
        "--sandbox",
        choices=WANTED,
        metavar="NAME",
        help=f"what the flow is kept in: {', '.join(WANTED)} (default: {DEFAULT}, the best that this host "
        "proves, and nothing below tier1)",
    )
    parser.add_argument(
        "--keep", metavar="DIR", help="copy what the flow put into artifacts/ to this directory"
    )
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument(
        "--json", action="store_true", help="print the play as one JSON document, and nothing else"
    )
    shape.add_argument("--quiet", action="store_true", help="print the output alone")


def _configure_grants(parser: argparse.ArgumentParser) -> None:
    for name, shape, says in (
        ("--allow-read", "PATH", "let the flow read this file, or all of this directory; may be repeated"),
        ("--allow-write", "PATH", "let it write there, and read"),
        (
            "--allow-net",
            "HOST:PORT",
            "let it reach this host at this port; *.SUFFIX:PORT for all below a name",
        ),
        ("--rpc", "NAME=PATH", "let it connect to the Unix socket of a service"),
    ):
        parser.add_argument(name, action="append", default=[], metavar=shape, help=says)
    parser.add_argument(
        "--policy",
        metavar="FILE",
        help="a file of what which flows are granted, of what they ask for (default: HERO_LOGIC_POLICY)",
    )


def _grants(arguments: argparse.Namespace) -> Said | None:
    """What the flags grant; None where there are none of them."""
    said = (arguments.allow_read, arguments.allow_write, arguments.allow_net, arguments.rpc)
    if arguments.policy is None and not any(said):
        return None
    from hero_logic.core.grants import Said

    read, write, net, rpc = map(tuple, said)
    return Said(read=read, write=write, net=net, rpc=rpc, policy=arguments.policy)


def execute(arguments: argparse.Namespace, client: Asked) -> int:
    """Run the flow; the exit status says how it ended."""
    _check_path(arguments.flow)
    run = client.ready(
        RunRequest(
            arguments.flow,
            assignments=arguments.assignments,
            document=None if arguments.input is None else _read_document(arguments.input),
            entry=arguments.entry,
            let_through=tuple(arguments.let_through),
            python=arguments.python,
            timeout_s=arguments.timeout,
            sandbox=arguments.sandbox,
            grants=_grants(arguments),
        )
    )
    if arguments.keep is None:
        return run_ready(arguments, client, run)
    client.prepare_keeping(arguments.keep)
    return run_ready(arguments, client, run, keep=lambda play: client.keep_artifacts(play, arguments.keep))


def run_ready(
    arguments: argparse.Namespace,
    client: Asked,
    run: Callable[[_LateFace], Play],
    *,
    keep: Callable[[Play], None] = lambda _: None,
) -> int:
    """Run what is ready, shown as the arguments say; its exit status.

    ``keep`` is called at the end, whether what there is to print could be printed or not.
    """
    face = _LateFace(is_silent=arguments.json or arguments.quiet)
    try:
        play = run(face)
    finally:
        face.close()
    status = STATUS_EXITS.get(play.status, EXIT_FAILED)
    try:
        _print_play(arguments, client, play, face)
        flush()
    except BrokenPipeError:
        # Whoever read our output has seen enough; how the play ended stands.
        drop_output()
    finally:
        keep(play)
    return status


def _print_play(arguments: argparse.Namespace, client: Asked, play: Play, face: _LateFace) -> None:
    """What was asked for of a play that has ended."""
    if arguments.json:
        with client.read() as reading:
            put_json(reading.document(reading.play(play.sid)))
        return
    if not arguments.quiet:
        print_end(client, play, face.forest)
    _print_output(play)
    if arguments.quiet and STATUS_EXITS.get(play.status) != EXIT_OK:
        reason = play.error.partition("\n")[0]
        say(f"hero-logic: the play {play.sid} ended {play.status}: {reason}")


class _LateFace:
    """The face that was asked for, made once the play has started: drawing takes longer to load than that."""

    def __init__(self, *, is_silent: bool) -> None:
        self._is_silent = is_silent
        self._face: Face | None = None
        self._is_there = Event()

    @property
    def interval_s(self) -> float | None:
        return None if self._face is None else self._face.interval_s

    @property
    def forest(self) -> SpanForest:
        from hero_logic.cli.forest import SpanForest

        return SpanForest() if self._face is None else self._face.forest

    def begin(self, play: Play, *, sandbox_line: str) -> None:
        try:
            from hero_logic.cli.faces import make_face

            self._face = make_face(sys.stdout, sys.stderr, is_silent=self._is_silent)
            self._face.begin(play, sandbox_line=sandbox_line)
        finally:
            self._is_there.set()

    def changed(self, rows: list[SpanRow], now_ms: float) -> None:
        self._is_there.wait()
        if self._face is not None:
            self._face.changed(rows, now_ms)

    def tick(self, now_ms: float) -> None:
        if self._face is not None:
            self._face.tick(now_ms)

    def note(self, text: str) -> None:
        if self._face is None:
            note(text)
        else:
            self._face.note(text)

    def end(self, play: Play) -> None:
        if self._face is not None:
            self._face.end(play)

    def close(self) -> None:
        """Give the terminal back, however the run went."""
        self._is_there.set()
        if self._face is not None:
            self._face.close()


def _check_path(path: str) -> None:
    try:
        os.path.abspath(path).encode()
    except UnicodeEncodeError as error:
        raise BadFlowFile(
            f"{path!r}: a path that is not UTF-8 cannot be recorded. Rename the file, or its directory."
        ) from error


def _read_document(path: str) -> bytes:
    try:
        if path == "-":
            return sys.stdin.buffer.read()
        with open(path, "rb") as file:
            return file.read()
    except (OSError, ValueError) as error:
        # ValueError: a name that no file can have.
        raise UsageError(f"--input {path}: {getattr(error, 'strerror', error)}.") from error


def print_end(client: Asked, play: Play, forest: SpanForest) -> None:
    """How a play ended, and how to see it again."""
    from hero_logic.cli import faces, report

    lines = report.final_lines(
        play,
        forest,
        width=faces.width_of(sys.stdout),
        artifacts_dir=client.artifacts_dir(play.sid),
        said_server=client.said_server,
        ascii_only=report.wants_ascii(sys.stdout),
    )
    put(report.to_text(lines, colour=report.wants_colour(sys.stdout, dict(os.environ))))


def _print_output(play: Play) -> None:
    """The output, last: as it is for a program that reads it, spread over lines for a person."""
    if play.output_json is None or play.output_json == "null":
        return
    if not sys.stdout.isatty():
        put_bytes([play.output_json.encode(), b"\n"])
        return
    from hero_logic.cli import report

    put(report.output_text(play.output_json, sys.stdout))
