"""From spans to styled lines: the tree of a play as a person sees it.

Pure: no clock, no stream, no terminal. A :data:`Line` is a list of (text, style); what a style looks like
is decided where it is written (report.py, live.py). Nothing that a play sent gets into a line unescaped.

Laws:

1. Never more than ``max_lines`` lines, never wider than ``width`` cells.
2. What is left out is counted where it would have stood.
3. A forest that has not changed is not walked again: only its running spans are drawn anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from unicodedata import category, east_asian_width

from hero_logic.cli.forest import UNREAD, Node, SpanForest
from hero_logic.cli.selection import Selection
from hero_logic.cli.wording import number_tag, tags_text, warnings_text
from hero_logic.core.wire import escape_controls

__all__ = [
    "Entry",
    "Glyphs",
    "Line",
    "Segment",
    "SpanForest",
    "clean",
    "cut",
    "cut_middle",
    "draw",
    "duration_text",
    "fit",
    "glyphs_for",
    "joined",
    "line_width",
    "lines_under",
    "path_lines",
    "render",
    "tally_segments",
    "text_width",
    "wrap",
]

Segment = tuple[str, str]
Line = list[Segment]

_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_SPINNER_FRAME_MS = 100
_STATUS_WORDS = {"timed_out": "timed out", UNREAD: "not read"}
_STATUS_ORDER = ("ok", "failed", "timed_out", "cancelled", "running", UNREAD)
_MIN_NAME_CELLS = 12
_MIN_PATH_CELLS = 24
_WIDE_TERMINAL = 100


class Glyphs:
    """The characters that a drawing is made of; each mark is one cell wide."""

    __slots__ = (
        "between",
        "blank",
        "corner",
        "ellipsis",
        "is_ascii",
        "marks",
        "path",
        "pipe",
        "spinner",
        "tee",
    )

    def __init__(
        self, marks: str, tee: str, corner: str, pipe: str, ellipsis: str, between: str, path: str
    ) -> None:
        self.marks = dict(
            zip(("ok", "failed", "running", "timed_out", "cancelled", "pending"), marks, strict=True)
        )
        self.tee = tee
        self.corner = corner
        self.pipe = pipe
        self.blank = " " * len(pipe)
        self.ellipsis = ellipsis
        self.between = between
        self.path = path
        self.is_ascii = ellipsis.isascii()
        self.spinner = self.marks["running"] if self.is_ascii else _SPINNER

    def mark(self, status: str) -> str:
        """The mark of a status; one that nobody knows looks like a failure."""
        return self.marks.get(status, self.marks["failed"])


_UNICODE = Glyphs("✓✗●◔⊘○", "├─ ", "└─ ", "│  ", "…", " · ", " › ")
_ASCII = Glyphs("+x*t-.", "|- ", "`- ", "|  ", "...", " - ", " > ")


def glyphs_for(*, ascii_only: bool) -> Glyphs:
    """What to draw with."""
    return _ASCII if ascii_only else _UNICODE


class Entry:
    """One line of the drawing: a span or a group of spans left out, and the branches before it."""

    __slots__ = ("branch", "depth", "line", "node", "under")

    def __init__(self, node: Node | None, branch: str, under: str, depth: int) -> None:
        self.node = node
        self.branch = branch
        self.under = under
        """What stands before the lines under it."""
        self.depth = depth
        self.line: Line = []
        """Already drawn, where time does not change it."""

    def lead_under(self, width: int, glyphs: Glyphs) -> str:
        """The branches before a line under this one."""
        branch = _clip_branch(self.branch, self.depth, width, glyphs)
        return self.under if branch == self.branch else " " * (len(branch) + 3)


class Drawing:
    """What was drawn of a version of a forest, to be drawn again."""

    __slots__ = ("entries", "key", "selection")

    def __init__(self, key: tuple[int, int, int, bool], selection: Selection, entries: list[Entry]) -> None:
        self.key = key
        self.selection = selection
        self.entries = entries

    def line(self, entry: Entry, *, width: int, now_ms: float | None, ascii_only: bool) -> Line:
        """The line of an entry at this moment."""
        pen = _Pen(glyphs_for(ascii_only=ascii_only), max(width, 1), now_ms)
        return entry.line or _span_line(entry, self.selection, pen)


class _Pen:
    __slots__ = ("glyphs", "now_ms", "width")

    def __init__(self, glyphs: Glyphs, width: int, now_ms: float | None) -> None:
        self.glyphs = glyphs
        self.width = width
        self.now_ms = now_ms


def render(
    forest: SpanForest, *, width: int, max_lines: int, now_ms: float | None, ascii_only: bool = False
) -> list[Line]:
    """The forest as lines: one for a span, one under it for what a person needs to know of it.

    Args:
        forest: the spans.
        width: cells of a line.
        max_lines: what there is room for; roots, running and failed spans get it first.
        now_ms: for the durations of running spans; None for a picture that stands still.
        ascii_only: for terminals that cannot show more, whatever the play wrote.
    """
    drawing = draw(forest, width=width, max_lines=max_lines, ascii_only=ascii_only)
    lines = []
    for entry in drawing.entries:
        lines.append(drawing.line(entry, width=width, now_ms=now_ms, ascii_only=ascii_only))
        lines.extend(lines_under(entry, drawing.selection, width=width, ascii_only=ascii_only))
    return lines


def draw(forest: SpanForest, *, width: int, max_lines: int, ascii_only: bool = False) -> Drawing:
    """Which spans are shown, in order, with all lines drawn but those of running spans."""
    key = (forest.version, width, max_lines, ascii_only)
    if forest.drawing is not None and forest.drawing.key == key:
        return forest.drawing
    pen = _Pen(glyphs_for(ascii_only=ascii_only), max(width, 1), None)
    selection = Selection(forest, max_lines)
    entries = _entries(forest, selection, pen) if max_lines > 0 else []
    forest.drawing = Drawing(key, selection, entries)
    return forest.drawing


def lines_under(entry: Entry, selection: Selection, *, width: int, ascii_only: bool) -> list[Line]:
    """The error or the last log of a span, below its own line."""
    node = entry.node
    if node is None or node not in selection.extras:
        return []
    glyphs = glyphs_for(ascii_only=ascii_only)
    text, style = (node.last_log, "dim") if node.status == "running" else (node.error, "error")
    return [
        fit([(entry.lead_under(width, glyphs), "dim"), (clean(text, glyphs), style)], max(width, 1), glyphs)
    ]


def path_lines(node: Node, forest: SpanForest, *, width: int, glyphs: Glyphs) -> list[Line]:
    """A span that has ended, by itself: its way from the root in one line, its error in another.

    An error that one of its children has too is told there.
    """
    style = node.status if node.status in glyphs.marks else "failed"
    duration = "" if node.end_ms is None else f"  {duration_text(node.end_ms - node.start_ms)}"
    line: Line = [(glyphs.mark(node.status), style), (" ", "")]
    names = (clean(name, glyphs) for name in forest.path(node))
    room = max(width - line_width(line) - len(duration), _MIN_PATH_CELLS)
    line.append((cut_middle(glyphs.path.join(names), room, glyphs), "name"))
    line.append((duration, "dim"))
    warnings = warnings_text(node.tags)
    if warnings:
        line.append((f"  ! {clean(warnings, glyphs)}", "warn"))
    tags = clean(tags_text(node.tags), glyphs)
    room = width - line_width(line) - 2
    if tags and room > len(glyphs.ellipsis):
        line.append((f"  {cut(tags, room, glyphs)}", "tag"))
    lines = [fit(line, width, glyphs)]
    if node.error and not any(child.error == node.error for child in node.below.values()):
        error: Line = [("    ", ""), (clean(node.error, glyphs), "error")]
        lines.append(fit(error, width, glyphs))
    return lines


def duration_text(duration_ms: float) -> str:
    """A duration as people say it.

    >>> [duration_text(ms) for ms in (0.42, 12.3, 1240, 123_000, 3_720_000, 100_000_000)]
    ['0.4 ms', '12 ms', '1.24 s', '2 m 03 s', '1 h 02 m', '1 d 03 h']
    """
    if duration_ms < 0:
        return f"-{duration_text(-duration_ms)}"
    if not duration_ms < 1e14:
        return "thousands of years"
    if duration_ms < 9.95:
        return f"{duration_ms:.1f} ms"
    if duration_ms < 999.5:
        return f"{duration_ms:.0f} ms"
    if duration_ms < 59_995:
        return f"{duration_ms / 1000:.2f} s"
    seconds = round(duration_ms / 1000)
    if seconds < 3600:
        return f"{seconds // 60} m {seconds % 60:02} s"
    minutes = seconds // 60
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60:02} m"
    hours = minutes // 60
    return f"{hours // 24} d {hours % 24:02} h"


def text_width(text: str) -> int:
    """How many cells of a terminal an escaped text takes.

    >>> text_width("né"), text_width("ne\\u0301"), text_width("日本")
    (2, 2, 4)
    """
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(char: str) -> int:
    if char.isascii():
        return 1
    if category(char) in ("Mn", "Me"):
        # The selector of the coloured form makes the sign before it wide on most terminals.
        return 1 if char == "\N{VARIATION SELECTOR-16}" else 0
    return 2 if east_asian_width(char) in "WF" else 1


def line_width(line: Line) -> int:
    """The cells that a line takes."""
    return sum(text_width(text) for text, _ in line)


def clean(text: str, glyphs: Glyphs) -> str:
    """The text with nothing in it that a terminal would act on, or cannot show."""
    text = escape_controls(text)
    if glyphs.is_ascii and not text.isascii():
        text = text.replace("…", glyphs.ellipsis).encode("ascii", "backslashreplace").decode()
    return text


def cut(text: str, width: int, glyphs: Glyphs = _UNICODE) -> str:
    """The text in at most ``width`` cells, its end left out where it is longer.

    >>> cut("日本語", 5), cut("abc", 3), cut("abcd", 3)
    ('日本…', 'abc', 'ab…')
    """
    if len(text) * 2 <= width or text_width(text) <= width:
        return text
    room = width - len(glyphs.ellipsis)
    if room < 0:
        return glyphs.ellipsis[: max(width, 0)]
    return _head(text, room) + glyphs.ellipsis


def cut_middle(text: str, width: int, glyphs: Glyphs = _UNICODE) -> str:
    """The text in at most ``width`` cells, its middle left out where it is longer.

    >>> cut_middle("nightly › load › parse", 15)
    'nightly…› parse'
    """
    if text_width(text) <= width:
        return text
    room = width - len(glyphs.ellipsis)
    if room < 0:
        return glyphs.ellipsis[: max(width, 0)]
    head = _head(text, room // 2)
    tail = _head(text[::-1], room - text_width(head))[::-1]
    return head + glyphs.ellipsis + tail


def wrap(text: str, width: int) -> list[str]:
    """The text in pieces of at most ``width`` cells, broken at a space where there is one.

    >>> wrap("no such file: a.csv", 10)
    ['no such', 'file:', 'a.csv']
    """
    width = max(width, 2)
    pieces = []
    start = 0
    while True:
        end = _end_of(text, start, width)
        if end == len(text):
            pieces.append(text[start:])
            return pieces
        space = text.rfind(" ", start, end + 1)
        if space > start and text[start:space].strip():
            end = space
        pieces.append(text[start:end].rstrip())
        start = end
        while start < len(text) and text[start] == " ":
            start += 1


def _end_of(text: str, start: int, width: int) -> int:
    """Where the part of a text ends that begins at ``start`` and takes at most ``width`` cells."""
    piece = text[start : start + width]
    if piece.isascii():
        # What has no width may follow, and belongs to what it follows.
        start, width = start + len(piece), width - len(piece)
    used = 0
    for index in range(start, len(text)):
        used += _cells(text[index])
        if used > width:
            return index
    return len(text)


def _head(text: str, width: int) -> str:
    return text[: _end_of(text, 0, width)]


def fit(line: Line, width: int, glyphs: Glyphs = _UNICODE) -> Line:
    """The line in at most ``width`` cells, its end left out where it is longer."""
    if line_width(line) <= width:
        return line
    kept: Line = []
    room = max(0, width - len(glyphs.ellipsis))
    for text, style in line:
        cells = text_width(text)
        if cells > room:
            kept.append((_head(text, room) + glyphs.ellipsis[:width], style))
            break
        kept.append((text, style))
        room -= cells
    return kept


def tally_segments(tally: dict[str, int], style: str = "dim") -> Line:
    """How many there are of each status, the bad ones in their own colour: ``95 ok, 2 failed``."""
    line: Line = []
    known = [status for status in _STATUS_ORDER if tally.get(status)]
    for status in [*known, *(status for status in tally if status not in _STATUS_ORDER and tally[status])]:
        if line:
            line.append((", ", style))
        word = escape_controls(_STATUS_WORDS.get(status, status))
        line.append((f"{tally[status]:,} {word}", status if status in ("failed", "timed_out") else style))
    return line


def _entries(forest: SpanForest, selection: Selection, pen: _Pen) -> list[Entry]:
    """Every line in order, from the top: a walk without recursion, as a play may nest without end."""
    entries: list[Entry] = []
    # (what to draw, the branches of its parent, whether it is its parent's last, depth)
    stack: list[tuple[Node | list[Node], str, bool, int]] = []
    _push(stack, selection.parts(forest.root), "", 0)
    longest = 3 * pen.width
    while stack:
        part, lead, is_last, depth = stack.pop()
        branch, below = "", ""
        if depth:
            branch = lead + (pen.glyphs.corner if is_last else pen.glyphs.tee)
            below = lead + (pen.glyphs.blank if is_last else pen.glyphs.pipe)
            below = below[-(longest // 3 * 3) :]
        if isinstance(part, list):
            entry = Entry(None, branch, below, depth)
            entry.line = _group_line(entry, part, selection, pen)
            entries.append(entry)
            continue
        parts = selection.parts(part)
        under = below + (pen.glyphs.pipe if parts else pen.glyphs.blank)
        entry = Entry(part, branch, under, depth)
        if part.status != "running":
            entry.line = _span_line(entry, selection, pen)
        entries.append(entry)
        _push(stack, parts, below, depth + 1)
    return entries


def _push(
    stack: list[tuple[Node | list[Node], str, bool, int]],
    parts: list[Node | list[Node]],
    lead: str,
    depth: int,
) -> None:
    last = len(parts) - 1
    stack.extend((parts[index], lead, index == last, depth) for index in range(last, -1, -1))


def _clip_branch(branch: str, depth: int, width: int, glyphs: Glyphs) -> str:
    """The branches before a name, in at most half of the line; how deep it is, where they are longer."""
    room = width // 2
    if len(branch) <= room:
        return branch
    marker = f"{glyphs.ellipsis}{depth} "
    kept = max(0, (room - len(marker)) // 3 * 3)
    return marker + branch[len(branch) - kept :]


def _group_line(entry: Entry, nodes: list[Node], selection: Selection, pen: _Pen) -> Line:
    """What stands for siblings that are left out: how many, how they ended, how many are inside them."""
    glyphs = pen.glyphs
    siblings, inside = selection.tally(nodes)
    count = sum(siblings.values())
    word = "more" if selection.has_shown_sibling(nodes[0]) else "spans" if count != 1 else "span"
    line: Line = [(_clip_branch(entry.branch, entry.depth, pen.width, glyphs), "dim")]
    line.append((f"{glyphs.ellipsis} {count:,} {word}", "dim"))
    if siblings.get(UNREAD) != count:
        line.extend([(": ", "dim"), *tally_segments(siblings)])
    if inside:
        line.extend(_inside_segments("; ", inside))
    return fit(line, pen.width, glyphs)


def _inside_segments(lead: str, tally: dict[str, int]) -> Line:
    """How many spans are inside others that are shown without them; that all went well needs no words.

    Those that were not read may have more inside them.
    """
    count = sum(tally.values())
    unread = tally.get(UNREAD, 0)
    if tally.get("ok", 0) + unread == count:
        return [(f"{lead}{count:,}{'+' if unread else ''} inside", "dim")]
    return [(f"{lead}{count:,} inside: ", "dim"), *tally_segments(tally)]


def _span_line(entry: Entry, selection: Selection, pen: _Pen) -> Line:
    node, glyphs = entry.node, pen.glyphs
    assert node is not None
    branch = _clip_branch(entry.branch, entry.depth, pen.width, glyphs)
    line: Line = [(branch, "dim"), _mark(node, pen), (" ", "")]
    tags = clean(tags_text(node.tags), glyphs)
    tail = _after_name(node, selection, pen)
    for_tags = min(text_width(tags) + 2, pen.width // 5) if tags else 0
    room = pen.width - line_width(line) - line_width(tail) - for_tags
    name = cut(clean(node.name, glyphs), max(room, _MIN_NAME_CELLS), glyphs)
    line.append((name, "name" if entry.depth else "head"))
    line.extend(tail)
    room = pen.width - line_width(line) - 2
    if tags and room > len(glyphs.ellipsis):
        line.append((f"  {cut(tags, room, glyphs)}", "tag"))
    return fit(line, pen.width, glyphs)


def _after_name(node: Node, selection: Selection, pen: _Pen) -> Line:
    """What is worth more than the end of a long name: duration, progress, what is inside, warnings."""
    tail: Line = []
    duration = _duration(node, pen.now_ms)
    if duration:
        tail.append((f"  {duration}", "dim"))
    tail.extend(_progress(node, pen))
    inside = selection.inside(node)
    if inside:
        tail.append(("  ", ""))
        tail.extend(_inside_segments(f"{pen.glyphs.ellipsis} ", inside))
    warnings = warnings_text(node.tags)
    for warning in filter(None, (node.note, warnings and f"! {warnings}")):
        tail.append((f"  {clean(warning, pen.glyphs)}", "warn"))
    return tail


def _mark(node: Node, pen: _Pen) -> Segment:
    glyphs = pen.glyphs
    if node.status == "running" and pen.now_ms is not None:
        return glyphs.spinner[int(pen.now_ms / _SPINNER_FRAME_MS) % len(glyphs.spinner)], "running"
    known = node.status if node.status in glyphs.marks else "failed"
    return glyphs.mark(node.status), known


def _duration(node: Node, now_ms: float | None) -> str:
    end_ms = node.end_ms
    if end_ms is None:
        if node.status != "running" or now_ms is None:
            return ""
        end_ms = max(now_ms, node.start_ms)
    return duration_text(end_ms - node.start_ms)


def _progress(node: Node, pen: _Pen) -> Line:
    """A bar for a loop whose length is known, a count for one whose is not."""
    done, total = number_tag(node.tags, "hero.progress"), number_tag(node.tags, "hero.total")
    if done is None:
        return []
    if total is None or total <= 0:
        return [(f"  {_number(done)}", "bar")]
    share = min(max(done / total, 0.0), 1.0)
    cells = 20 if pen.width >= _WIDE_TERMINAL else 10
    full = int(share * cells)
    return [
        ("  [", "dim"),
        ("#" * full, "bar"),
        ("-" * (cells - full), "bar_rest"),
        ("]", "dim"),
        (f" {_number(done)}/{_number(total)} {int(share * 100)}%", "name"),
    ]


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:,.6g}"


def joined(parts: Iterable[Segment], glyphs: Glyphs) -> Line:
    """Parts of one line with a dot between them, those without text left out."""
    line: Line = []
    for text, style in parts:
        if text:
            if line:
                line.append((glyphs.between, "dim"))
            line.append((text, style))
    return line
