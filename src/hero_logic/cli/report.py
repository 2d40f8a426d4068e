"""What is printed of plays that are recorded: the end of a run, a play shown again, the list of plays.

Everything here gives lines (tree.py); :func:`to_text` makes the text that goes to a stream.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, TextIO

import msgspec

from hero_logic.cli.forest import SpanForest
from hero_logic.cli.tables import table_lines
from hero_logic.cli.tree import (
    Glyphs,
    Line,
    clean,
    cut,
    draw,
    duration_text,
    fit,
    glyphs_for,
    joined,
    lines_under,
    render,
    tally_segments,
    text_width,
    wrap,
)
from hero_logic.cli.wording import split_log_time
from hero_logic.core.wire import escape_controls

if TYPE_CHECKING:
    from hero_logic.core.records import Play, Span

DEFAULT_WIDTH = 80

STYLES = {
    "ok": "green",
    "failed": "bold red",
    "running": "cyan",
    "timed_out": "bold red",
    "cancelled": "magenta",
    "pending": "dim",
    "dim": "dim",
    "name": "",
    "head": "bold",
    "error": "red",
    "warn": "magenta",
    "tag": "dim",
    "bar": "cyan",
    "bar_rest": "dim",
}
"""What each style looks like, in words of rich. Only colours that read on light and on dark backgrounds:
yellow and white vanish on one of them, blue on many of the other."""

_SGR = {"bold": "1", "dim": "2", "red": "31", "green": "32", "magenta": "35", "cyan": "36"}
_CODES = {name: ";".join(_SGR[word] for word in words.split()) for name, words in STYLES.items()}

_MIN_FLOW_CELLS = 8
_FLOW = 2
"""Which column of the list of plays it is."""
_MAX_ERROR_LINES = 40
_ERROR_HEAD_LINES = 12
_MAX_HEADLINE_CHARS = 1000
_MAX_EXPLAINED_LINES = 5
_MAX_ARTIFACTS = 20
_TAIL_LINES = 20
_MAX_TAIL_LINE_CHARS = 1000
_MAX_OUTPUT_LINES = 400
_SECOND_MS = 1000
_MINUTE_MS = 60 * _SECOND_MS
_HOUR_MS = 60 * _MINUTE_MS


def header(
    play: Play, *, width: int = DEFAULT_WIDTH, now_ms: float | None = None, ascii_only: bool = False
) -> Line:
    """A play in one line: how it stands, what and which it is, how long, how it was kept in, when it began.

    Args:
        play: the play.
        width: cells; the flow's name gives way first.
        now_ms: for how long it has been running, where it still is.
        ascii_only: see :func:`hero_logic.cli.tree.render`.
    """
    glyphs = glyphs_for(ascii_only=ascii_only)
    style = play.status if play.status in STYLES else "failed"
    parts = [
        (clean(play.sid, glyphs), "name"),
        (clean(status_words(play), glyphs), style),
        (_play_duration(play, now_ms), "dim"),
        (clean(play.sandbox.line, glyphs), "dim"),
        (_local_time(play.start_ms or play.created_ms, "%Y-%m-%d %H:%M"), "dim"),
    ]
    rest = joined(parts, glyphs)
    room = width - 2 - sum(text_width(text) for text, _ in rest) - len(glyphs.between)
    name = cut(clean(play.flow, glyphs), max(room, _MIN_FLOW_CELLS), glyphs)
    line = [(glyphs.mark(play.status), style), (" ", ""), *joined([(name, "head"), *parts], glyphs)]
    return fit(line, width, glyphs)


def final_lines(
    play: Play,
    forest: SpanForest,
    *,
    width: int,
    artifacts_dir: str = "",
    said_server: str = "",
    ascii_only: bool = False,
) -> list[Line]:
    """What a person needs after a run: how it ended and why, what it left and where, how to see it again."""
    glyphs = glyphs_for(ascii_only=ascii_only)
    style = play.status if play.status in STYLES else "failed"
    status: Line = [(glyphs.mark(play.status), style), (" ", "")]
    parts = [
        (cut(clean(play.flow, glyphs), width // 3, glyphs), "head"),
        (clean(status_words(play), glyphs), style),
        (_play_duration(play, None), "dim"),
    ]
    status.extend(joined(parts, glyphs))
    counts = forest.counts if forest.span_count else {"": play.span_count}
    status.extend(_span_counts(counts, glyphs))
    lines = [status]
    lines.extend(_error_lines(play, width, glyphs))
    lines.extend(_artifact_lines(play, artifacts_dir, width, glyphs))
    lines.extend(_counter_lines(play, width, glyphs))
    again: Line = [
        ("  see it again: ", "dim"),
        (f"hero-logic show {clean(play.sid + said_server, glyphs)}", "name"),
    ]
    # A command of which a part is missing is none, and an address may be long.
    return [
        *(fit(line, width, glyphs) for line in lines),
        again if said_server else fit(again, width, glyphs),
    ]


def show_lines(
    play: Play,
    forest: SpanForest,
    *,
    width: int,
    max_lines: int,
    logs_of: Callable[[str], str] | None = None,
    now_ms: float | None = None,
    path: str = "",
    artifacts_dir: str = "",
    ascii_only: bool = False,
) -> list[Line]:
    """A play as it is recorded, from its header to its output.

    Args:
        play: the play.
        forest: its spans, or of a large play a part of them.
        width: cells of a line.
        max_lines: of the tree; what is left out of it is said there. Logs count apart.
        logs_of: given the id of a span, all of its logs, to be shown under it; None for none.
        now_ms: for the durations of what still runs.
        path: the file that the flow came from.
        artifacts_dir: where the artifacts lie.
        ascii_only: see :func:`hero_logic.cli.tree.render`.
    """
    glyphs = glyphs_for(ascii_only=ascii_only)
    lines = [header(play, width=width, now_ms=now_ms, ascii_only=ascii_only)]
    if path:
        lines.append([("  file  ", "dim"), (clean(path, glyphs), "name")])
    if play.input_json.strip() not in ("", "{}"):
        text = clean(_compact_json(play.input_json), glyphs)
        lines.append([("  input ", "dim"), (text, "name")])
    lines.extend(_access_lines(play, glyphs))
    lines.append([])
    if logs_of is not None:
        lines.extend(_tree_with_logs(forest, logs_of, width, max_lines, now_ms, glyphs))
    else:
        lines.extend(render(forest, width=width, max_lines=max_lines, now_ms=now_ms, ascii_only=ascii_only))
    lines.extend(_total_lines(forest))
    lines.extend(_section([*_error_lines(play, width, glyphs)]))
    left = _artifact_lines(play, artifacts_dir, width, glyphs)
    lines.extend(_section([*left, *_counter_lines(play, width, glyphs)]))
    for label, text in (("stdout", play.stdout), ("stderr", play.stderr)):
        lines.extend(_section(_tail_lines(label, text, width, glyphs)))
    lines.extend(_section(_output_lines(play, width, glyphs)))
    return [fit(line, width, glyphs) for line in lines]


def _access_lines(play: Play, glyphs: Glyphs) -> Iterator[Line]:
    """What the flow asked for, and what it was granted; nothing where there is nothing of it."""
    for label, said in (("  asks  ", play.access.needs), ("  given ", play.access.grants)):
        parts = [f"{kind} {', '.join(entries)}" for kind, entries in said.items()]
        if parts:
            yield [(label, "dim"), (clean(glyphs.between.join(parts), glyphs), "name")]


def output_text(output_json: str, stream: TextIO) -> str:
    """A play's output, ended by a newline: one line for a program that reads it, readable for a person."""
    if not is_terminal(stream):
        return f"{output_json}\n"
    text = msgspec.json.format(output_json, indent=2)
    return "".join(f"{escape_controls(line)}\n" for line in text.split("\n"))


def status_words(play: Play) -> str:
    """How a play stands, for a person.

    >>> from hero_logic.core.records import Play
    >>> status_words(Play("p", status="timed_out")), status_words(Play("p"))
    ('timed out', 'waiting')
    """
    return "waiting" if play.is_waiting else play.status.replace("_", " ")


def ls_lines(plays: list[Play], *, width: int, now_ms: float, ascii_only: bool = False) -> list[Line]:
    """Plays as a table, in the order given; columns that do not fit are left out from the right."""
    glyphs = glyphs_for(ascii_only=ascii_only)
    rows: list[list[tuple[str, str]]] = [
        [(title, "dim") for title in ("sid", "status", "flow", "started", "took", "spans")]
    ]
    for play in plays:
        style = play.status if play.status in STYLES else "failed"
        words = clean(status_words(play), glyphs)
        rows.append(
            [
                (clean(play.sid, glyphs), "name"),
                (f"{glyphs.mark(play.status)} {words}", style),
                (clean(play.flow, glyphs), "head"),
                (started(play.start_ms or play.created_ms, now_ms), "dim"),
                (_play_duration(play, now_ms), "dim"),
                (f"{play.span_count:,}", "dim"),
            ]
        )
    return table_lines(rows, flexible=_FLOW, right_aligned=(4, 5), width=width, glyphs=glyphs)


def to_text(lines: Iterable[Line], *, colour: bool) -> str:
    """The lines as text, each ended by a newline, with the escape sequences of their styles if asked for.

    >>> to_text([[("ok", "ok"), (" done", "")]], colour=True)
    '\\x1b[32mok\\x1b[0m done\\n'
    """
    if not colour:
        return "".join("".join(text for text, _ in line).rstrip() + "\n" for line in lines)
    return "".join("".join(_coloured(text, style) for text, style in line) + "\n" for line in lines)


def wants_colour(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether a stream is a terminal that shows colours, and nobody asked for none (``NO_COLOR``)."""
    return not environ.get("NO_COLOR") and environ.get("TERM") != "dumb" and is_terminal(stream)


def wants_ascii(stream: TextIO) -> bool:
    """Whether a stream cannot carry what the tree is drawn with."""
    try:
        "✓└─…⠋".encode(stream.encoding or "utf-8")
    except (UnicodeError, LookupError):
        return True
    return False


def is_terminal(stream: TextIO) -> bool:
    """Whether a stream is a terminal; one that is closed is none."""
    try:
        return stream.isatty()
    except ValueError:
        return False


def terminal_width(stream: TextIO, environ: Mapping[str, str]) -> int:
    """The cells of a line: ``COLUMNS``, else what the terminal says, else 80."""
    columns = environ.get("COLUMNS", "")
    if columns.isascii() and columns.isdigit() and int(columns) > 0:
        return int(columns)
    try:
        return os.get_terminal_size(stream.fileno()).columns or DEFAULT_WIDTH
    except (OSError, ValueError, AttributeError):
        return DEFAULT_WIDTH


def _coloured(text: str, style: str) -> str:
    codes = _CODES.get(style, "")
    return f"\x1b[{codes}m{text}\x1b[0m" if codes and text else text


def _section(lines: list[Line]) -> list[Line]:
    return [[], *lines] if lines else []


def _play_duration(play: Play, now_ms: float | None) -> str:
    if play.start_ms is None:
        return ""
    end_ms = play.end_ms if play.end_ms is not None else now_ms
    return "" if end_ms is None else duration_text(end_ms - play.start_ms)


def _local_time(time_ms: float, form: str) -> str:
    try:
        return time.strftime(form, time.localtime(time_ms / 1000))
    except (ValueError, OverflowError, OSError):
        return "?"


def started(start_ms: float, now_ms: float) -> str:
    """A moment as a list has it: the time for today's, the date for others."""
    """When a play began, as short as it can be told."""
    age_ms = now_ms - start_ms
    if 0 <= age_ms < _MINUTE_MS:
        return f"{int(age_ms // _SECOND_MS)} s ago"
    if 0 <= age_ms < _HOUR_MS:
        return f"{int(age_ms // _MINUTE_MS)} m ago"
    today = _local_time(now_ms, "%Y-%m-%d")
    day = _local_time(start_ms, "%Y-%m-%d")
    return _local_time(start_ms, "%H:%M") if day == today else day


def _span_counts(counts: dict[str, int], glyphs: Glyphs) -> Line:
    total = sum(counts.values())
    if not total:
        return []
    line: Line = [(glyphs.between, "dim"), (f"{total:,} span{'' if total == 1 else 's'}", "dim")]
    if any(status not in ("ok", "") and count for status, count in counts.items()):
        line.append((": ", "dim"))
        line.extend(tally_segments(counts))
    return line


def _total_lines(forest: SpanForest) -> list[Line]:
    """What the tree cannot say of itself: that it is empty, or only a part of all there is."""
    if not forest.span_count:
        return [[("no spans", "dim")]]
    if not forest.unread:
        return []
    totals: Line = [(f"  {forest.span_count:,} spans: ", "dim"), *tally_segments(forest.counts)]
    rest = f"  {forest.unread:,} of them are not read for this; --failed lists those that failed"
    return [[], totals, [(rest, "dim")]]


def _error_lines(play: Play, width: int, glyphs: Glyphs) -> list[Line]:
    """Why a play is not ok: its first line whole, then the rest, the middle of a long one left out."""
    if play.status == "ok" or not play.error.strip():
        return []
    head, *rest = play.error.strip().splitlines()
    lines: list[Line] = [
        [("  ", ""), (piece, "error")] for piece in wrap(clean(head[:_MAX_HEADLINE_CHARS], glyphs), width - 2)
    ]
    if len(head) > _MAX_HEADLINE_CHARS:
        lines.append(
            [("  ", ""), (f"{glyphs.ellipsis} {len(head) - _MAX_HEADLINE_CHARS:,} more characters", "dim")]
        )
    # What explains it (a denial, and the flag against it) has to be read to its end as well.
    for text in _explanation(rest):
        pieces = wrap(clean(text[:_MAX_HEADLINE_CHARS].expandtabs(4), glyphs), width - 2)
        lines.extend([("  ", ""), (piece, "name")] for piece in pieces)
        rest.pop(0)
    while rest and not rest[0].strip():
        rest.pop(0)
    if rest and rest[-1].strip() == head.strip():
        # A traceback ends in the line that stands above it already.
        rest.pop()
    left_out = len(rest) - _MAX_ERROR_LINES
    if left_out > 0:
        tail = rest[_ERROR_HEAD_LINES + left_out :]
        rest = [*rest[:_ERROR_HEAD_LINES], f"{glyphs.ellipsis} {left_out:,} lines left out", *tail]
    texts = (clean(text.expandtabs(4), glyphs) for text in rest)
    lines.extend([("  ", ""), (text, "dim")] for text in texts)
    return lines


def _explanation(lines: list[str]) -> list[str]:
    """The lines before the first empty one, if they are few."""
    before = next((at for at, line in enumerate(lines) if not line.strip()), len(lines))
    return lines[:before] if before <= _MAX_EXPLAINED_LINES else []


def _artifact_lines(play: Play, directory: str, width: int, glyphs: Glyphs) -> list[Line]:
    if not play.artifacts:
        return []
    where = f" in {clean(directory, glyphs)}" if directory else ""
    lines: list[Line] = [[(f"  artifacts{where}", "dim")]]
    listed = play.artifacts[:_MAX_ARTIFACTS]
    paths = [cut(clean(artifact.path, glyphs), max(width - 18, 8), glyphs) for artifact in listed]
    widest = max(map(text_width, paths))
    for artifact, path in zip(listed, paths, strict=True):
        padding = " " * (widest - text_width(path))
        size = f"{padding}  {size_text(artifact.size_bytes):>10}"
        lines.append([("    ", ""), (path, "name"), (size, "dim")])
    more = len(play.artifacts) - _MAX_ARTIFACTS
    if more > 0:
        lines.append([(f"    {glyphs.ellipsis} and {more:,} more", "dim")])
    return lines


def _counter_lines(play: Play, width: int, glyphs: Glyphs) -> list[Line]:
    """What of the play's events was not kept as it came, where there is any."""
    counters = play.counters
    parts = []
    last_noun = ""
    for count, noun, words in (
        (counters.malformed, "line", "malformed"),
        (counters.oversize, "line", "oversize"),
        (counters.repeated, "event", "repeated"),
        (counters.truncated, "event", "not kept whole"),
    ):
        if count:
            nouns = "" if noun == last_noun else f"{noun} " if count == 1 else f"{noun}s "
            parts.append(f"{count:,} {nouns}{words}")
            last_noun = noun
    return [[("  ! ", "warn"), (", ".join(parts), "warn")]] if parts else []


def size_text(size_bytes: int) -> str:
    """A size for a person.

    >>> size_text(512), size_text(3 * 1024 * 1024)
    ('512 B', '3.0 MiB')
    """
    size = float(size_bytes)
    if size < 1024:
        return f"{size_bytes} B"
    for unit in ("KiB", "MiB", "GiB"):
        size /= 1024
        if size < 1024:
            return f"{size:.1f} {unit}"
    return f"{size / 1024:,.1f} TiB"


def _compact_json(text: str) -> str:
    try:
        return msgspec.json.format(text, indent=-1)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return text


def noting_logs(spans: Iterable[Span], logs: dict[str, str]) -> Iterator[Span]:
    """The spans as they come; their logs are put aside."""
    for span in spans:
        if span.logs:
            logs[span.span_id] = span.logs
        yield span


def _tree_with_logs(
    forest: SpanForest,
    logs_of: Callable[[str], str],
    width: int,
    max_lines: int,
    now_ms: float | None,
    glyphs: Glyphs,
) -> list[Line]:
    drawing = draw(forest, width=width, max_lines=max_lines, ascii_only=glyphs.is_ascii)
    lines = []
    for entry in drawing.entries:
        lines.append(drawing.line(entry, width=width, now_ms=now_ms, ascii_only=glyphs.is_ascii))
        node = entry.node
        if node is None:
            continue
        if node.status != "running":
            lines.extend(lines_under(entry, drawing.selection, width=width, ascii_only=glyphs.is_ascii))
        lead = entry.lead_under(width, glyphs)
        logs = _log_lines(logs_of(node.span_id), width - text_width(lead), glyphs)
        lines.extend([(lead, "dim"), *line] for line in logs)
    return lines


def _log_lines(logs: str, width: int, glyphs: Glyphs) -> Iterator[Line]:
    """Each log with its local time; what follows of a longer text stands under its beginning."""
    if not logs:
        return
    for raw in logs.split("\n"):
        time_ms, text = split_log_time(raw)
        stamp = " " * 12 if time_ms is None else _clock_text(time_ms)
        for piece in wrap(clean(text.expandtabs(4), glyphs), width - 13):
            yield [(f"{stamp:12} ", "dim"), (piece, "name")]
            stamp = " " * 12


def _clock_text(time_ms: float) -> str:
    clock = _local_time(time_ms, "%H:%M:%S")
    return clock if clock == "?" else f"{clock}.{int(time_ms % 1000):03}"


def _tail_lines(label: str, text: str, width: int, glyphs: Glyphs) -> list[Line]:
    if not text.strip():
        return []
    every = text.rstrip().split("\n")
    shown = every[-_TAIL_LINES:]
    told = (
        f"  {label}"
        if len(shown) == len(every)
        else f"  {label}, the last {len(shown)} of {len(every):,} lines"
    )
    lines: list[Line] = [[(told, "dim")]]
    for raw in shown:
        line = raw.rstrip("\r").expandtabs(4)
        more = len(line) - _MAX_TAIL_LINE_CHARS
        line = (
            line if more <= 0 else f"{line[:_MAX_TAIL_LINE_CHARS]}{glyphs.ellipsis} {more:,} more characters"
        )
        lines.extend([("    ", ""), (piece, "name")] for piece in wrap(clean(line, glyphs), width - 4))
    return lines


def _output_lines(play: Play, width: int, glyphs: Glyphs) -> list[Line]:
    if play.output_json is None:
        return []
    try:
        text = msgspec.json.format(play.output_json, indent=2)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        text = play.output_json
    every = text.split("\n")
    lines: list[Line] = [[("  output", "dim")]]
    for index, raw in enumerate(every):
        indent = " " * (len(raw) - len(raw.lstrip(" ")))
        indent = indent[: width // 2]
        pieces = wrap(clean(raw.lstrip(" "), glyphs), width - 4 - len(indent))
        lines.extend([("    ", ""), (indent + piece, "name")] for piece in pieces)
        if len(lines) > _MAX_OUTPUT_LINES:
            left = len(every) - index - 1
            again = f"hero-logic show {clean(play.sid, glyphs)} --json"
            if left:
                lines.append(
                    fit([(f"    {glyphs.ellipsis} {left:,} more lines: {again}", "dim")], width, glyphs)
                )
            break
    return lines
