"""What ``hero-logic run`` and ``hero-logic watch`` show while a play runs.

Laws:

1. A face never fails a play: a stream that is gone or refuses makes it silent, nothing else.
2. :meth:`Face.changed` is called by the thread that writes spans, all else by the main thread, except
   :meth:`Face.note`, which may come from any. None of them waits for whoever reads what is shown: a pager
   that is not scrolled must not keep a span from its record.
3. Nothing that a play sent reaches a terminal unescaped (tree.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from queue import SimpleQueue
from threading import RLock, Thread
from typing import TYPE_CHECKING, TextIO

from hero_logic.cli.forest import Node, SpanForest
from hero_logic.cli.report import is_terminal, terminal_width, to_text, wants_ascii
from hero_logic.cli.tree import (
    Glyphs,
    Line,
    clean,
    cut,
    fit,
    glyphs_for,
    joined,
    path_lines,
    tally_segments,
)

if TYPE_CHECKING:
    from hero_logic.cli.forest import Part
    from hero_logic.core.records import Play, SpanRow

MAX_PRINTED_SPANS = 1000
DEFAULT_PIPE_WIDTH = 120
"""Cells of a line that goes into a file or another program: nothing says how wide its reader is."""

_NOTE_PREFIX = "hero-logic: warning: "


class BackgroundWriter:
    """Does what it is given, in order, in its own thread: nobody else waits for a slow reader."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="face", daemon=True)
        self._thread.start()

    def put(self, job: Callable[[], None]) -> None:
        """Have it done; returns at once."""
        self._jobs.put(job)

    def close(self) -> None:
        """Wait until all is done."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


class Face:
    """What every face does; a context manager, so that a terminal is itself again whatever happens."""

    interval_s: float | None = None
    """How often :meth:`tick` is wanted; None for never."""

    def __init__(self, out: TextIO, err: TextIO, *, writer: BackgroundWriter | None = None) -> None:
        self.forest = SpanForest()
        """All that is known of the spans."""
        self._writer = writer
        self._lock = RLock()
        self._out = out
        self._err = err
        self._is_silent = False

    def __enter__(self) -> Face:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_silent(self) -> bool:
        """Whether nothing more can be shown: nobody reads it, or it cannot be written."""
        return self._is_silent

    def begin(self, play: Play, *, sandbox_line: str) -> None:
        """The play starts, kept in as ``sandbox_line`` says."""

    def load(self, part: Part) -> None:
        """A part of a large play as it stands, in the place of all that came before."""
        with self._lock:
            self.forest = SpanForest()
            self.forest.load(part)

    def changed(self, rows: list[SpanRow], now_ms: float) -> None:
        """These spans are new or have changed; the rows are used again once this returns."""

    def tick(self, now_ms: float) -> None:
        """Time has passed."""

    def note(self, text: str) -> None:
        """Warn of something on standard error."""
        self._write(self._err, _note_text(text, self._err))

    def end(self, play: Play) -> None:
        """The play has ended; nothing comes after this."""
        self.close()

    def close(self) -> None:
        """Give back what was taken of the terminal; may be called again and at any time."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _write(self, stream: TextIO, text: str) -> None:
        """Write and flush, or leave it to the writer that there is."""
        if self._writer is not None:
            self._writer.put(lambda: self._write_now(stream, text))
        else:
            self._write_now(stream, text)

    def _write_now(self, stream: TextIO, text: str) -> None:
        """Write and flush; a reader that is gone is nobody's fault."""
        try:
            stream.write(text)
            stream.flush()
        except (OSError, ValueError):
            # ValueError: the stream is closed.
            self._is_silent = self._is_silent or stream is self._out


class QuietFace(Face):
    """Shows nothing but warnings."""


class PlainFace(Face):
    """A line for each span that ends: for pipes, files and terminals that cannot move their cursor."""

    def __init__(
        self,
        out: TextIO,
        err: TextIO,
        *,
        width: int = DEFAULT_PIPE_WIDTH,
        colour: bool = False,
        writer: BackgroundWriter | None = None,
    ) -> None:
        super().__init__(out, err, writer=writer)
        self._width = width
        self._colour = colour
        self._glyphs = glyphs_for(ascii_only=wants_ascii(out))
        self._sid = ""
        self._room = MAX_PRINTED_SPANS

    def begin(self, play: Play, *, sandbox_line: str) -> None:
        """Say which play it is."""
        self._sid = play.sid
        with self._lock:
            self._print([first_line(play, sandbox_line, self._width, self._glyphs)])

    def load(self, part: Part) -> None:
        """The same; before anything else was shown it says how much there is already."""
        with self._lock:
            is_first = not self.forest.span_count
            super().load(part)
            if not is_first:
                return
            counts: Line = [(f"{self._glyphs.ellipsis} {self.forest.span_count:,} spans so far: ", "dim")]
            again = f"; hero-logic show {clean(self._sid, self._glyphs)} shows them"
            line = [*counts, *tally_segments(self.forest.counts), (again, "dim")]
            self._print([fit(line, self._width, self._glyphs)])

    def changed(self, rows: list[SpanRow], now_ms: float) -> None:
        """Print the roots that began and the spans that ended, in the order in which they did."""
        with self._lock:
            changes = self.forest.update(rows)
            if self._room <= 0 or self._is_silent:
                return
            roots = [node for node in changes.started if not node.parent_id]
            lines: list[Line] = []
            self._print_spans(roots, self._start_lines, lines)
            ended = sorted(changes.ended, key=_end_order)
            self._print_spans(ended, self._end_lines, lines)
            self._print(lines)

    def _print_spans(
        self, nodes: list[Node], lines_of: Callable[[Node], list[Line]], lines: list[Line]
    ) -> None:
        for node in nodes:
            if self._room <= 0:
                return
            lines.extend(lines_of(node))
            self._room -= 1
            if self._room == 0:
                told = "further spans are recorded but not printed; "
                again = f"hero-logic show {clean(self._sid, self._glyphs)} shows them"
                line: Line = [(f"{self._glyphs.ellipsis} {told}{again}", "dim")]
                lines.append(fit(line, self._width, self._glyphs))

    def _start_lines(self, node: Node) -> list[Line]:
        name = clean(node.name, self._glyphs)
        line: Line = [(self._glyphs.mark("running"), "running"), (" ", ""), (name, "name")]
        return [fit(line, self._width, self._glyphs)]

    def _end_lines(self, node: Node) -> list[Line]:
        return path_lines(node, self.forest, width=self._width, glyphs=self._glyphs)

    def _print(self, lines: list[Line]) -> None:
        if lines and not self._is_silent:
            self._write(self._out, to_text(lines, colour=self._colour))


def make_face(out: TextIO, err: TextIO, *, is_silent: bool = False) -> Face:
    """The face for these streams: drawn in place on a terminal, a line a span anywhere else."""
    if is_silent:
        return QuietFace(out, err, writer=BackgroundWriter())
    if is_terminal(out) and os.environ.get("TERM") != "dumb":
        # rich is loaded for a terminal alone: docs/design/0004-start-up.md.
        from hero_logic.cli.live import LiveFace

        return LiveFace(out, err)
    return PlainFace(out, err, width=width_of(out), writer=BackgroundWriter())


def width_of(out: TextIO) -> int:
    """Cells of a line: as everywhere, but that a pipe is wider than a terminal of which nothing is known."""
    environment = dict(os.environ)
    if not is_terminal(out):
        environment.setdefault("COLUMNS", str(DEFAULT_PIPE_WIDTH))
    return terminal_width(out, environment)


def first_line(play: Play, sandbox_line: str, width: int, glyphs: Glyphs) -> Line:
    """Which play it is, of which flow, and how it is kept in."""
    sid = f"play {clean(play.sid, glyphs)}"
    kept_in = clean(sandbox_line, glyphs)
    room = max(width - len(sid) - len(kept_in) - 2 * len(glyphs.between) - len("flow "), 8)
    flow = f"flow {cut(clean(play.flow, glyphs), room, glyphs)}" if play.flow else ""
    return fit(joined([(sid, "name"), (flow, "head"), (kept_in, "dim")], glyphs), width, glyphs)


def _end_order(node: Node) -> tuple[float, int]:
    """By time; of two that ended at once, the one that began later is inside the other."""
    return (node.start_ms if node.end_ms is None else node.end_ms, -node.order)


def _note_text(text: str, stream: TextIO) -> str:
    """A warning as one line."""
    glyphs = glyphs_for(ascii_only=wants_ascii(stream))
    return f"{_NOTE_PREFIX}{clean(text.rstrip(), glyphs)}\n"
