"""The tree of a running play on a terminal, drawn again in place: the only module that loads rich.

rich moves the cursor and gives it back; what is drawn, how wide and how high, is decided in tree.py.
"""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, TextIO

from rich.console import Console, Group
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType
from rich.text import Text

from hero_logic.cli.faces import Face, first_line
from hero_logic.cli.report import DEFAULT_WIDTH, STYLES, is_terminal, wants_ascii
from hero_logic.cli.tree import (
    Line,
    clean,
    duration_text,
    fit,
    glyphs_for,
    joined,
    line_width,
    render,
    tally_segments,
)

if TYPE_CHECKING:
    from hero_logic.cli.forest import Part
    from hero_logic.core.records import Play, SpanRow

FRAMES_PER_SECOND = 12
MAX_FINAL_LINES = 200
SPARE_LINES = 2
"""Of the terminal's height, so that the line above the tree stays in sight."""

_DEFAULT_HEIGHT = 24
_MAX_SHARE_OF_TIME = 0.2


class LiveFace(Face):
    """Draws the tree in place while it changes, and once more at the end, to stay.

    Args:
        out: the terminal.
        err: for warnings; they go above the tree where this is a terminal, too.
        clock_s: to keep the drawing of a very large tree from taking the play's time.
    """

    interval_s: float | None = 1 / FRAMES_PER_SECOND

    def __init__(self, out: TextIO, err: TextIO, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__(out, err)
        self._clock_s = clock_s
        self._ascii_only = wants_ascii(out)
        self._glyphs = glyphs_for(ascii_only=self._ascii_only)
        self._is_note_above = is_terminal(err)
        self._notes: list[str] = []
        self._size = _terminal_size(out)
        self._console = Console(
            file=out,
            force_terminal=True,
            legacy_windows=False,
            width=self._size[0],
            height=self._size[1],
            markup=False,
            emoji=False,
            highlight=False,
            no_color=bool(os.environ.get("NO_COLOR")) or None,
        )
        self._forest_lock = Lock()
        self._live: Live | None = None
        self._drawn: list[Line] = []
        self._drawn_version = -1
        self._start_ms: float | None = None
        self._rest_until_s = 0.0

    def begin(self, play: Play, *, sandbox_line: str) -> None:
        """Say which play it is; from now on the tree is below that line."""
        self._start_ms = play.start_ms
        with self._lock:
            line = first_line(play, sandbox_line, self._size[0], self._glyphs)
            self._guarded(lambda: self._print([line]))
            live = Live(
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
                vertical_overflow="crop",
            )
            self._live = live
            # Whatever ends this process must not leave a terminal without a cursor.
            atexit.register(self.close)
            self._guarded(live.start)

    def load(self, part: Part) -> None:
        """The same; the next tick draws it."""
        with self._lock, self._forest_lock:
            super().load(part)

    def changed(self, rows: list[SpanRow], now_ms: float) -> None:
        """Take what changed; the next tick draws it. Never waits for the terminal, which may be stopped."""
        with self._forest_lock:
            self.forest.update(rows)

    def note(self, text: str) -> None:
        """Warn of something: above the tree with the next tick, or where standard error leads elsewhere."""
        if self._is_note_above and self._live is not None:
            self._notes.append(text)
        else:
            super().note(text)

    def tick(self, now_ms: float) -> None:
        """Draw again, if there is anything new to see."""
        with self._lock:
            if self._live is None or self._is_silent:
                return
            self._guarded(lambda: self._tick(now_ms))

    def end(self, play: Play) -> None:
        """Draw the whole tree, to stay."""
        with self._lock:
            if self._live is None:
                return
            self._guarded(self._print_notes)
            self.close()
            width = self._resized()[0]
            with self._forest_lock:
                lines = render(
                    self.forest,
                    width=width,
                    max_lines=MAX_FINAL_LINES,
                    now_ms=None,
                    ascii_only=self._ascii_only,
                )
            self._guarded(lambda: self._print(lines))

    def close(self) -> None:
        """Take the tree away and give the cursor back."""
        with self._lock:
            live, self._live = self._live, None
            if live is None:
                return
            atexit.unregister(self.close)
            live.update(Text())
            was_silent, self._is_silent = self._is_silent, False
            self._guarded(live.stop)
            self._is_silent = self._is_silent or was_silent
            self._drawn = []
            notes, self._notes = self._notes, []
            for text in notes:
                super().note(text)

    def _tick(self, now_ms: float) -> None:
        self._print_notes()
        is_resized = self._size != _terminal_size(self._out)
        is_moving = bool(self.forest.running) or not self.forest.span_count
        if not (is_resized or is_moving or self.forest.version != self._drawn_version):
            return
        now_s = self._clock_s()
        if now_s < self._rest_until_s and not is_resized:
            return
        self._draw(now_ms)
        took_s = self._clock_s() - now_s
        self._rest_until_s = now_s + took_s / _MAX_SHARE_OF_TIME

    def _draw(self, now_ms: float) -> None:
        assert self._live is not None
        old_width = self._size[0]
        width, height = self._resized()
        with self._forest_lock:
            lines = self._lines(width, max(height - SPARE_LINES, 1), now_ms)
            version = self.forest.version
        if width < old_width:
            self._take_back_wrapped(width)
        if lines != self._drawn or width != old_width:
            self._live.update(Group(*map(self._rich_text, lines)), refresh=True)
        self._drawn = lines
        self._drawn_version = version

    def _lines(self, width: int, max_lines: int, now_ms: float) -> list[Line]:
        """The tree; and how many spans there are, where not all of them are in it."""
        forest = self.forest
        if not forest.span_count:
            age = "" if self._start_ms is None else f"  {duration_text(max(0.0, now_ms - self._start_ms))}"
            waiting: Line = [(self._glyphs.ellipsis, "running"), (" no span yet", "dim"), (age, "dim")]
            return [fit(waiting, width, self._glyphs)]
        needs_totals = forest.span_count > max_lines > 1
        lines = render(
            forest,
            width=width,
            max_lines=max_lines - needs_totals,
            now_ms=now_ms,
            ascii_only=self._ascii_only,
        )
        if needs_totals:
            totals = [(f"{forest.span_count:,} spans: ", "dim"), *tally_segments(forest.counts)]
            lines.append(fit(totals, width, self._glyphs))
        return lines

    def _resized(self) -> tuple[int, int]:
        """The terminal's size now; rich is told of it."""
        size = _terminal_size(self._out)
        if size != self._size:
            self._size = size
            self._console.size = size
        return size

    def _take_back_wrapped(self, width: int) -> None:
        """A terminal that became narrower has broken lines in two: rich goes back over too few of them."""
        extra = sum(max(0, (line_width(line) - 1) // width) for line in self._drawn)
        erase = (ControlType.ERASE_IN_LINE, 2)
        self._console.control(
            Control(ControlType.CARRIAGE_RETURN, *((erase, (ControlType.CURSOR_UP, 1)) * extra))
        )

    def _print_notes(self) -> None:
        notes, self._notes = self._notes, []
        for text in notes:
            line = joined([(f"! {clean(text.rstrip(), self._glyphs)}", "warn")], self._glyphs)
            self._console.print(self._rich_text(line), soft_wrap=True)

    def _print(self, lines: list[Line]) -> None:
        for line in lines:
            self._console.print(self._rich_text(line), soft_wrap=True)

    def _rich_text(self, line: Line) -> Text:
        text = Text(no_wrap=True, overflow="crop")
        for piece, style in line:
            text.append(piece, STYLES.get(style, ""))
        return text

    def _guarded(self, show: Callable[[], None]) -> None:
        """Show something, unless the terminal is gone."""
        if self._is_silent:
            return
        try:
            show()
            self._out.flush()
        except (OSError, ValueError):
            # ValueError: the stream is closed.
            self._is_silent = True


def _terminal_size(out: TextIO) -> tuple[int, int]:
    try:
        size = os.get_terminal_size(out.fileno())
    except (OSError, ValueError, AttributeError):
        return DEFAULT_WIDTH, _DEFAULT_HEIGHT
    return size.columns or DEFAULT_WIDTH, size.lines or _DEFAULT_HEIGHT


__all__ = ["FRAMES_PER_SECOND", "MAX_FINAL_LINES", "LiveFace"]
