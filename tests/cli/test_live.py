"""The tree on a terminal: what the screen shows, and that the terminal is itself again afterwards."""

import io
import itertools
import os
import re

import pytest

from hero_logic.cli import live
from hero_logic.cli.live import MAX_FINAL_LINES, LiveFace
from hero_logic.core.records import Play, SpanRow
from support.forests import part_of

PLAY = Play(sid="3f9a0c1d2e4b5a67", flow="nightly", status="running", start_ms=0.0)
ORDINALS = itertools.count()
FIRST_LINE = "play 3f9a0c1d2e4b5a67 · flow nightly · tier0"

_TOKENS = re.compile(r"\x1b\[(\?*)([0-9;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


class Terminal(io.StringIO):
    """As much of a terminal as is written to here: lines, the cursor, and whether it can be seen."""

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        super().__init__()
        self.columns = columns
        self.rows = rows
        self.is_gone = False
        self.writes = 0

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return id(self)

    def write(self, text: str) -> int:
        if self.is_gone:
            raise OSError(5, "Input/output error")
        self.writes += 1
        return super().write(text)

    def screen(self) -> list[str]:
        """What can be read on it now."""
        lines = [""]
        at = column = 0
        for _, count, command, move, text in _TOKENS.findall(self.getvalue()):
            if text:
                lines[at] = lines[at][:column].ljust(column) + text + lines[at][column + len(text) :]
                column += len(text)
            elif move == "\r":
                column = 0
            elif move == "\n":
                at, column = at + 1, 0
                lines.extend([""] * (at + 1 - len(lines)))
            elif command == "A":
                at -= int(count or 1)
                assert at >= 0
            elif command == "K":
                lines[at] = ""
            else:
                assert command in "mhl", command
        return [line.rstrip() for line in lines]

    def has_cursor(self) -> bool:
        shown, hidden = self.getvalue().rfind("\x1b[?25h"), self.getvalue().rfind("\x1b[?25l")
        return shown >= hidden


@pytest.fixture(autouse=True)
def _terminals(monkeypatch):
    """Terminals of the size that they say, whatever this runs in."""
    known = {}
    init = Terminal.__init__

    def remember(self, columns: int = 80, rows: int = 24) -> None:
        init(self, columns, rows)
        known[id(self)] = self

    def size_of(descriptor: int) -> os.terminal_size:
        if descriptor not in known:
            raise OSError(25, "Inappropriate ioctl for device")
        return os.terminal_size((known[descriptor].columns, known[descriptor].rows))

    monkeypatch.setattr(Terminal, "__init__", remember)
    monkeypatch.setattr(live.os, "get_terminal_size", size_of)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)


def row(span_id: str, parent_id: str = "", status: str = "running", **fields) -> SpanRow:
    fields.setdefault("end_ms", None if status == "running" else 12.0)
    return SpanRow(next(ORDINALS), span_id, 0.0, name=span_id, parent_id=parent_id, status=status, **fields)


def begun(terminal: Terminal, err: io.StringIO | None = None, **options) -> LiveFace:
    options.setdefault("clock_s", lambda: 0.0)
    face = LiveFace(terminal, terminal if err is None else err, **options)
    face.begin(PLAY, sandbox_line="tier0")
    return face


def test_the_tree_is_drawn_below_the_first_line():
    """With the last log of what runs."""
    terminal = Terminal()
    face = begun(terminal)
    face.changed([row("r"), row("a", "r", "ok"), row("b", "r", new_logs="[1] hi")], 0.0)
    face.tick(1000.0)

    assert terminal.screen() == [FIRST_LINE, "⠋ r  1.00 s", "├─ ✓ a  12 ms", "└─ ⠋ b  1.00 s", "      hi"]
    face.close()


def test_a_tick_draws_in_the_place_of_the_last():
    """Also where the tree has become shorter."""
    terminal = Terminal()
    face = begun(terminal)
    face.changed([row("r", new_logs="[1] hi")], 0.0)
    face.tick(1000.0)
    face.changed([row("r", status="ok")], 0.0)
    face.tick(2000.0)

    assert terminal.screen()[:2] == [FIRST_LINE, "✓ r  12 ms"]
    assert not any(terminal.screen()[2:])
    face.close()


def test_before_the_first_span_it_says_that_it_waits():
    """An interpreter may take a while to load what a flow needs."""
    terminal = Terminal()
    face = begun(terminal)
    face.tick(400.0)

    assert terminal.screen() == [FIRST_LINE, "… no span yet  400 ms"]
    face.close()


def test_changes_are_drawn_by_the_next_tick_alone():
    """The thread that writes spans does not wait for a terminal."""
    terminal = Terminal()
    face = begun(terminal)
    writes = terminal.writes
    face.changed([row("r")], 0.0)

    assert terminal.writes == writes
    face.close()


def test_nothing_is_drawn_while_nothing_moves():
    """A tree without a running span stays as it is until something changes."""
    terminal = Terminal()
    face = begun(terminal)
    face.changed([row("r", status="ok")], 0.0)
    face.tick(1000.0)
    writes = terminal.writes
    face.tick(2000.0)

    assert terminal.writes == writes
    face.close()


def test_the_tree_is_never_higher_than_the_terminal():
    """Two lines less; what is left out is counted, and how many there are in all is said."""
    terminal = Terminal(rows=10)
    face = begun(terminal)
    face.changed([row("r"), *(row(f"s{index}", "r", "ok") for index in range(100))], 0.0)
    face.tick(0.0)

    assert terminal.screen()[1:] == [
        "⠋ r  0.0 ms",
        "├─ ✓ s0  12 ms",
        "├─ ✓ s1  12 ms",
        "├─ ✓ s2  12 ms",
        "├─ … 95 more: 95 ok",
        "├─ ✓ s98  12 ms",
        "└─ ✓ s99  12 ms",
        "101 spans: 100 ok, 1 running",
    ]
    face.close()


def test_a_terminal_that_becomes_wider_is_used():
    """The next tick draws for its new size."""
    terminal = Terminal(columns=20)
    face = begun(terminal)
    face.changed([row("r", tags={"key": "v" * 40})], 0.0)
    face.tick(0.0)
    narrow = terminal.screen()[-1]
    terminal.columns = 80
    face.tick(0.0)

    assert (len(narrow), terminal.screen()[-1]) == (20, "⠋ r  0.0 ms  key=" + "v" * 40)
    face.close()


def test_a_terminal_that_becomes_narrower_is_cleared_of_broken_lines():
    """Each of the old lines that now takes three rows is taken back as three."""
    terminal = Terminal()
    face = begun(terminal)
    face.changed([row("r" * 80, status="ok"), row("s" * 80, status="ok")], 0.0)
    face.tick(0.0)
    drawn = len(terminal.getvalue())
    terminal.columns = 30
    face.tick(0.0)

    again = terminal.getvalue()[drawn:]

    assert again.count("\x1b[1A") == 2 * 2 + 1
    face.close()


def test_a_drawing_that_takes_long_is_made_less_often():
    """At most a fifth of the time goes into it."""
    terminal = Terminal()
    times_s = iter([10.0, 11.0, 11.1, 14.9, 15.0, 15.0])
    face = begun(terminal, clock_s=lambda: next(times_s))
    face.changed([row("r")], 0.0)
    shown = []
    for now_ms in (1000.0, 2000.0, 3000.0, 4000.0):
        face.tick(now_ms)
        shown.append(terminal.screen()[1])

    assert shown == ["⠋ r  1.00 s", "⠋ r  1.00 s", "⠋ r  1.00 s", "⠋ r  4.00 s"]
    face.close()


def test_notes_stand_above_the_tree():
    """They stay, and the tree goes on below them."""
    terminal = Terminal()
    face = begun(terminal)
    face.changed([row("r")], 0.0)
    face.tick(0.0)
    face.note("bad \x1b[2J line")
    face.tick(0.0)
    face.tick(1000.0)

    assert terminal.screen() == [FIRST_LINE, "! bad \\x1b[2J line", "⠋ r  1.00 s"]
    face.close()


def test_notes_go_to_standard_error_where_that_leads_elsewhere():
    """A file of warnings does not miss them."""
    terminal, err = Terminal(), io.StringIO()
    face = begun(terminal, err)
    face.note("bad line")
    face.tick(0.0)

    assert err.getvalue() == "hero-logic: warning: bad line\n"
    assert "bad line" not in terminal.getvalue()
    face.close()


def test_a_note_that_was_not_shown_yet_is_not_lost():
    """Neither at the end nor when the face is closed."""
    terminal = Terminal()
    face = begun(terminal)
    face.note("first")
    face.close()
    face.note("second")

    assert terminal.screen()[-3:] == ["hero-logic: warning: first", "hero-logic: warning: second", ""]


def test_a_part_of_a_large_play_is_drawn_with_what_was_left_out_of_it():
    """And with all spans, by status, below."""
    terminal = Terminal()
    face = begun(terminal)
    part = part_of(
        row("r"), row("a", "r", "ok"), counts={"ok": 900, "running": 1}, left_out={"r": (899, 10_000)}
    )
    face.load(part)
    face.tick(0.0)

    assert terminal.screen()[1:] == [
        "⠋ r  0.0 ms",
        "├─ ✓ a  12 ms",
        "└─ … 899 more",
        "901 spans: 900 ok, 1 running",
    ]
    face.close()


def test_the_end_leaves_the_whole_tree():
    """More of it than the terminal is high, where it stays, and the cursor below it."""
    terminal = Terminal(rows=10)
    face = begun(terminal)
    rows = [row("r"), *(row(f"s{index}", "r", "ok") for index in range(100))]
    face.changed(rows, 0.0)
    face.tick(0.0)
    face.note("late")
    face.changed([row("r", status="ok")], 0.0)
    face.end(PLAY)

    screen = terminal.screen()

    assert screen[:4] == [FIRST_LINE, "! late", "✓ r  12 ms", "├─ ✓ s0  12 ms"]
    assert screen[-2:] == ["└─ ✓ s99  12 ms", ""]
    assert terminal.has_cursor()


def test_the_tree_that_stays_is_bounded():
    """What is left out is said."""
    terminal = Terminal()
    face = begun(terminal)
    face.changed([row("r", status="ok"), *(row(f"s{index}", "r", "ok") for index in range(500))], 0.0)
    face.end(PLAY)

    screen = terminal.screen()

    assert len(screen) == 1 + MAX_FINAL_LINES + 1
    assert any(line.startswith("├─ … ") for line in screen)


def test_the_end_comes_once():
    """A second one draws nothing."""
    terminal = Terminal()
    face = begun(terminal)
    face.end(PLAY)
    written = terminal.getvalue()
    face.end(PLAY)
    face.close()
    face.tick(0.0)

    assert terminal.getvalue() == written


def test_the_cursor_is_given_back_when_the_play_could_not_be_run_to_its_end():
    """A block that ends in an exception takes the tree away, too."""
    terminal = Terminal()
    face = begun(terminal)
    face.changed([row("r")], 0.0)
    face.tick(0.0)
    had_cursor = terminal.has_cursor()

    with pytest.raises(KeyboardInterrupt), face:
        raise KeyboardInterrupt

    assert (had_cursor, terminal.has_cursor()) == (False, True)
    assert terminal.screen()[:2] == [FIRST_LINE, ""]


def test_the_cursor_is_given_back_at_exit(monkeypatch):
    """Where nobody closed the face."""
    registered = []
    monkeypatch.setattr(live.atexit, "register", registered.append)
    terminal = Terminal()
    begun(terminal)
    for function in registered:
        function()

    assert terminal.has_cursor()


def test_a_terminal_that_is_gone_does_not_fail_the_play():
    """It is left alone from then on, whatever comes."""
    terminal = Terminal()
    face = begun(terminal)
    terminal.is_gone = True
    face.changed([row("r")], 0.0)
    face.tick(0.0)
    face.note("x")
    face.tick(1.0)
    face.end(PLAY)

    assert face.forest.span_count == 1
    assert "⠋ r" not in terminal.getvalue()


def test_no_colour_where_nobody_wants_any(monkeypatch):
    """NO_COLOR takes the colours, not the tree."""
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    face = begun(terminal)
    face.changed([row("r", status="failed")], 0.0)
    face.tick(0.0)
    face.close()

    assert "✗" in terminal.getvalue()
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", terminal.getvalue())


def test_text_of_a_play_is_no_markup():
    """rich would take square brackets for styles, and colons for pictures."""
    terminal = Terminal()
    face = begun(terminal)
    face.changed([row("[bold]:smile:[/bold]")], 0.0)
    face.tick(0.0)

    assert terminal.screen()[1].startswith("⠋ [bold]:smile:[/bold]")
    face.close()


def test_it_wants_about_twelve_ticks_a_second():
    """More than the eye follows costs the play its time."""
    assert LiveFace.interval_s == pytest.approx(1 / 12)


def test_a_terminal_that_does_not_say_its_size_has_the_usual_one():
    """80 columns of 24 rows."""
    out = io.StringIO()
    face = begun(out)
    face.changed([row("r", tags={"key": "v" * 100})], 0.0)
    face.tick(0.0)
    face.close()

    assert max(map(len, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue()).splitlines())) == 80
