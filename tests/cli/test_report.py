"""What is printed of recorded plays: the end of a run, a play shown again, the list."""

import io
import os
import time
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hero_logic.cli import report
from hero_logic.cli.report import (
    STYLES,
    final_lines,
    header,
    ls_lines,
    output_text,
    show_lines,
    terminal_width,
    to_text,
    wants_ascii,
    wants_colour,
)
from hero_logic.cli.tree import Line, SpanForest, line_width
from hero_logic.core.records import Artifact, Counters, Play, Sandbox, Span, SpanRow

START_MS = 1_795_183_331_250.0  # 2026-11-20 14:02:11.250 UTC
SID = "3f9a0c1d2e4b5a67"


@pytest.fixture(autouse=True)
def _utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def play_of(**fields) -> Play:
    fields = {
        "sid": SID,
        "flow": "nightly",
        "status": "ok",
        "created_ms": START_MS,
        "start_ms": START_MS,
        "end_ms": START_MS + 1240,
        "sandbox": Sandbox("tier0"),
        **fields,
    }
    return Play(**fields)


def span_of(span_id: str, parent_id: str = "", **fields) -> Span:
    values = {
        "name": span_id,
        "kind": "step",
        "start_ms": START_MS,
        "end_ms": START_MS + 12,
        "status": "ok",
        "tags": {},
        "logs": "",
        "error": "",
        "rpc_service": "",
        "rpc_method": "",
        "child_play_sid": "",
        "source_file": "",
        "source_line": 0,
        **fields,
    }
    return Span(span_id=span_id, parent_id=parent_id, **values)


def text_of(lines) -> list[str]:
    return to_text(lines, colour=False).splitlines()


def play_lines(play: Play, spans: Iterable[Span], *, with_logs: bool = False, **options) -> list[Line]:
    logs: dict[str, str] = {}
    forest = SpanForest()
    forest.update(report.noting_logs(spans, logs))
    logs_of = (lambda span_id: logs.get(span_id, "")) if with_logs else None
    return show_lines(play, forest, logs_of=logs_of, **options)


def shown(play: Play, *spans: Span, width: int = 80, with_logs: bool = False, **options) -> list[str]:
    return text_of(play_lines(play, spans, width=width, with_logs=with_logs, max_lines=100, **options))


def ended(play: Play, forest: SpanForest | None = None, *, width: int = 80) -> list[str]:
    return text_of(final_lines(play, forest or SpanForest(), width=width))


# --- The header -----------------------------------------------------------------------------------------


def test_a_header_says_what_became_of_which_play():
    """Mark, flow, sid, status, duration, tier and when, in the time of where one is."""
    line = header(play_of())

    assert text_of([line]) == [f"✓ nightly · {SID} · ok · 1.24 s · tier0 · 2026-11-20 14:02"]
    assert line[0] == ("✓", "ok")


def test_a_header_leaves_out_what_there_is_not():
    """A play that waits has no duration, one that was ingested no flow and no sandbox."""
    play = play_of(flow="", status="pending", start_ms=None, end_ms=None, sandbox=Sandbox())

    assert text_of([header(play)]) == [f"○ {SID} · waiting · 2026-11-20 14:02"]


def test_a_running_play_shows_the_time_so_far():
    """As long as somebody says what time it is."""
    play = play_of(status="running", end_ms=None)

    assert " · running · 3.00 s · " in text_of([header(play, now_ms=START_MS + 3000)])[0]
    assert " · running · tier0 · " in text_of([header(play)])[0]


def test_a_long_flow_name_gives_way_in_the_header():
    """All else of it stays in sight at 80 columns."""
    line = header(play_of(flow="f" * 100, status="timed_out"))

    assert text_of([line]) == [f"◔ ffffffffff… · {SID} · timed out · 1.24 s · tier0 · 2026-11-20 14:02"]


@pytest.mark.parametrize("start_ms", [1e300, -1e300, float("inf")])
def test_a_time_that_no_calendar_has_is_a_question_mark(start_ms):
    """A record that was damaged can still be shown."""
    assert text_of([header(play_of(start_ms=start_ms))])[0].endswith(" · ?")


# --- The end of a run -----------------------------------------------------------------------------------


def test_a_run_that_went_well_ends_in_two_lines():
    """How it ended, and how to see it again."""
    forest = SpanForest()
    forest.update(
        [SpanRow(0, "a", 0.0, status="ok", end_ms=1.0), SpanRow(1, "b", 0.0, status="ok", end_ms=1.0)]
    )

    assert ended(play_of(), forest) == [
        "✓ nightly · ok · 1.24 s · 2 spans",
        f"  see it again: hero-logic show {SID}",
    ]


def test_spans_that_did_not_end_well_are_counted():
    """By status; without a forest, as with --quiet, the play's own count serves."""
    forest = SpanForest()
    forest.update([SpanRow(0, "a", 0.0, status="ok"), SpanRow(1, "b", 0.0, status="failed")])
    play = play_of(status="failed", span_count=7)

    assert ended(play, forest)[0] == "✗ nightly · failed · 1.24 s · 2 spans: 1 ok, 1 failed"
    assert ended(play)[0] == "✗ nightly · failed · 1.24 s · 7 spans"


def test_the_error_is_told_in_full_and_its_traceback_below():
    """The first line in red and never cut, the rest dim."""
    message = "ValueError: " + " ".join(["row"] * 30)
    play = play_of(status="failed", error=f"{message}\n\nTraceback:\n  File x\n\tcode")

    lines = final_lines(play, SpanForest(), width=80)

    assert text_of(lines)[1:6] == [
        "  ValueError: " + " ".join(["row"] * 16),
        "  " + " ".join(["row"] * 14),
        "  Traceback:",
        "    File x",
        "      code",
    ]
    assert [line[1][1] for line in lines[1:6]] == ["error", "error", "dim", "dim", "dim"]


def test_the_last_line_of_a_traceback_is_not_said_twice():
    """It is the error itself, which stands above."""
    play = play_of(status="failed", error="E: no\n\nTraceback:\n  File x\nE: no\n")

    assert ended(play)[1:-1] == ["  E: no", "  Traceback:", "    File x"]


def test_an_error_of_one_endless_line_is_bounded():
    """A thousand characters of it, and how many more there are."""
    lines = ended(play_of(status="failed", error="x" * 5000))

    assert len(lines) < 20
    assert lines[-2] == "  … 4,000 more characters"


def test_a_long_traceback_loses_its_middle():
    """Forty lines at most, and how many are missing; where it began and where it ended tell most."""
    play = play_of(status="failed", error="E\n" + "\n".join(f"line {index}" for index in range(100)))

    lines = ended(play)[2:-1]

    assert len(lines) == 41
    assert lines[11:14] == ["  line 11", "  … 60 lines left out", "  line 72"]
    assert lines[-1] == "  line 99"


def test_a_play_that_is_ok_shows_no_error():
    """Whatever its record holds."""
    assert len(ended(play_of(error="old"))) == 2


def test_artifacts_are_listed_with_their_sizes():
    """Twenty of them, then how many more; sizes stand under each other."""
    artifacts = [
        Artifact("report.csv", 123_456),
        Artifact("b", 12),
        *(Artifact(f"f{i}", 0) for i in range(20)),
    ]

    lines = ended(play_of(artifacts=artifacts))

    assert lines[1:4] == ["  artifacts", "    report.csv   120.6 KiB", "    b                 12 B"]
    assert lines[22] == "    … and 2 more"


def test_artifacts_are_told_with_their_place():
    """A person wants to open them."""
    play = play_of(artifacts=[Artifact("a.txt", 1)])
    lines = final_lines(play, SpanForest(), width=80, artifacts_dir="/data/plays/p/artifacts")

    assert "  artifacts in /data/plays/p/artifacts" in text_of(lines)


@pytest.mark.parametrize(
    ("size_bytes", "said"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (5 * 1024**2, "5.0 MiB"),
        (3 * 1024**3, "3.0 GiB"),
        (2**41, "2.0 TiB"),
    ],
)
def test_sizes_have_the_unit_that_fits(size_bytes, said):
    """In powers of 1024, and named so."""
    assert ended(play_of(artifacts=[Artifact("f", size_bytes)]))[2].split(None, 1)[1].strip() == said


@pytest.mark.parametrize(
    ("counters", "said"),
    [
        (Counters(5, 2, 1, 0, 0), "  ! 2 lines malformed, 1 oversize"),
        (Counters(5, 1, 0, 0, 0), "  ! 1 line malformed"),
        (Counters(5, 0, 3, 0, 0), "  ! 3 lines oversize"),
        (Counters(5, 0, 1, 2, 1), "  ! 1 line oversize, 2 events repeated, 1 not kept whole"),
        (Counters(5, 0, 0, 0, 1200), "  ! 1,200 events not kept whole"),
    ],
)
def test_what_was_not_kept_is_told_as_a_warning(counters, said):
    """In words, and only where there is any."""
    lines = final_lines(play_of(counters=counters), SpanForest(), width=80)

    assert text_of(lines)[1] == said
    assert lines[1][0][1] == "warn"


# --- A play shown again ---------------------------------------------------------------------------------


def test_a_play_is_shown_from_its_header_to_its_output():
    """In the order of what happened: what came in, the tree, why it ended so, what it left."""
    play = play_of(
        status="failed",
        input_json='{"day": "2026-11-20"}',
        output_json='{"n":1}',
        error="E: no",
        artifacts=[Artifact("a", 1)],
        counters=Counters(3, 1, 0, 0, 0),
        stdout="out 1\nout 2\n",
        stderr="err\r\n",
    )
    spans = [span_of("r", status="failed", error="E: no"), span_of("a", "r", tags={"k": 1})]

    assert shown(play, *spans) == [
        f"✗ nightly · {SID} · failed · 1.24 s · tier0 · 2026-11-20 14:02",
        '  input {"day":"2026-11-20"}',
        "",
        "✗ r  12 ms",
        "│  E: no",
        "└─ ✓ a  12 ms  k=1",
        "",
        "  E: no",
        "",
        "  artifacts",
        "    a         1 B",
        "  ! 1 line malformed",
        "",
        "  stdout",
        "    out 1",
        "    out 2",
        "",
        "  stderr",
        "    err",
        "",
        "  output",
        "    {",
        '      "n": 1',
        "    }",
    ]


def test_a_play_that_left_nothing_says_so():
    """No section without anything in it."""
    assert shown(play_of())[1:] == ["", "no spans"]


def test_logs_stand_under_their_span():
    """With their local time; a long one goes on under its beginning, and so does one of several lines."""
    logs = f"[{START_MS:.0f}] start\n[{START_MS + 1000:.0f}] WARNING {'slow ' * 8}\nsecond line"
    spans = [span_of("r", logs=logs), span_of("a", "r", logs="no time")]

    assert shown(play_of(), *spans, width=48, with_logs=True)[2:] == [
        "✓ r  12 ms",
        "│  14:02:11.250 start",
        "│  14:02:12.250 WARNING slow slow slow slow slow",
        "│               slow slow slow",
        "│               second line",
        "└─ ✓ a  12 ms",
        "                   no time",
    ]


def test_all_logs_are_there():
    """They are bounded by what there is, and by nothing else."""
    logs = "\n".join(f"[{index}] line {index}" for index in range(5000))

    lines = shown(play_of(), span_of("r", logs=logs), with_logs=True)

    assert sum(line.endswith(f"line {index}") for index, line in enumerate(lines[3:])) == 5000


def test_a_running_span_shows_its_last_log_once():
    """Where all logs are shown, the last one is among them."""
    span = span_of("r", status="running", end_ms=None, logs="[1000] hi")

    lines = shown(play_of(status="running", end_ms=None), span, with_logs=True)

    assert lines[2:] == ["● r", "   00:00:01.000 hi"]


def test_a_tree_past_its_lines_says_what_it_left_out():
    """With and without logs."""
    spans = [span_of("r"), *(span_of(f"s{index}", "r") for index in range(50))]

    trees = [
        text_of(play_lines(play_of(), spans, width=80, with_logs=with_logs, max_lines=4))[2:]
        for with_logs in (True, False)
    ]

    assert trees[0] == trees[1] == ["✓ r  12 ms", "├─ ✓ s0  12 ms", "├─ … 48 more: 48 ok", "└─ ✓ s49  12 ms"]


def test_of_what_was_printed_the_last_twenty_lines_are_shown():
    """And how many there were."""
    lines = shown(play_of(stdout="".join(f"line {index}\n" for index in range(50))))

    assert lines[4:6] == ["  stdout, the last 20 of 50 lines", "    line 30"]
    assert lines[-1] == "    line 49"


def test_a_very_long_line_that_was_printed_is_bounded():
    """A megabyte without a newline is no page of text."""
    lines = shown(play_of(stderr="x" * 100_000))

    assert len(lines) < 25
    assert lines[-1].endswith("99,000 more characters")


def test_a_very_long_output_ends_in_how_to_see_all_of_it():
    """Four hundred lines of it."""
    lines = shown(play_of(output_json=str(list(range(1000)))))

    assert len(lines) < 410
    assert lines[-1] == f"    … 602 more lines: hero-logic show {SID} --json"


@pytest.mark.parametrize("text", ["{", "null", "[" * 100_000, '"\x1b[2J"', ""])
def test_stored_json_that_cannot_be_read_is_shown_as_it_is(text):
    """A damaged record is still a record."""
    lines = shown(play_of(output_json=text, input_json=text))

    assert all(line.isprintable() and len(line) <= 80 for line in lines)
    assert "  output" in lines


# --- The list -------------------------------------------------------------------------------------------


def test_plays_are_a_table():
    """Numbers to the right, and nothing cut that there is room for."""
    plays = [
        play_of(span_count=12),
        play_of(sid="b" * 16, flow="x", status="running", end_ms=None, span_count=1234),
        play_of(sid="c" * 16, flow="日本", status="pending", start_ms=None, end_ms=None),
    ]

    assert text_of(ls_lines(plays, width=80, now_ms=START_MS + 12_000)) == [
        "sid               status     flow     started      took  spans",
        "3f9a0c1d2e4b5a67  ✓ ok       nightly  12 s ago   1.24 s     12",
        "bbbbbbbbbbbbbbbb  ● running  x        12 s ago  12.00 s  1,234",
        "cccccccccccccccc  ○ waiting  日本     12 s ago               0",
    ]


@pytest.mark.parametrize(
    ("age_s", "said"),
    [
        (0, "0 s ago"),
        (59.9, "59 s ago"),
        (61, "1 m ago"),
        (3599, "59 m ago"),
        (3600, "13:02"),
        (50_000, "00:08"),
        (86_400, "2026-11-19"),
        (-5, "14:02"),
        (-86_400, "2026-11-21"),
    ],
)
def test_when_a_play_started_is_as_short_as_it_can_be_told(age_s, said):
    """So long ago within the hour, the time of day today, else the day; so is one that is yet to come."""
    play = play_of(start_ms=START_MS - age_s * 1000)

    assert said in text_of(ls_lines([play], width=80, now_ms=START_MS))[1]


def test_the_flow_gives_way_at_80_columns():
    """The sid is whole: it is what one copies."""
    play = play_of(flow="f" * 200, status="timed_out", span_count=2_000_000, start_ms=START_MS - 1e8)

    line = text_of(ls_lines([play], width=80, now_ms=START_MS))[1]

    assert line.startswith(f"{SID}  ◔ timed out  fff")
    assert line.endswith("2,000,000")
    assert len(line) == 80


def test_columns_that_do_not_fit_are_left_out_from_the_right():
    """A sid of 64 characters leaves room for little."""
    lines = text_of(ls_lines([play_of(sid="s" * 64)], width=80, now_ms=START_MS))

    assert lines == [f"{'sid':64}  status  flow", f"{'s' * 64}  ✓ ok    night…"]


# --- Streams --------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 7


def test_text_without_colour_holds_no_escape():
    """What goes into a file is text."""
    assert to_text([[("a", "ok"), (" b ", "dim")], []], colour=False) == "a b\n\n"


def test_text_with_colour_ends_every_colour_it_begins():
    """By codes that every terminal knows."""
    assert to_text([[("a", "failed"), ("b", "name")]], colour=True) == "\x1b[1;31ma\x1b[0mb\n"


def test_no_style_vanishes_on_a_light_or_a_dark_background():
    """No yellow, no white, no black, nothing bright, nothing behind the text."""
    words = {word for style in STYLES.values() for word in style.split()}

    assert words <= {"bold", "dim", "red", "green", "magenta", "cyan"}


@pytest.mark.parametrize(
    ("stream", "environ", "wanted"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colour_is_for_terminals_where_nobody_minds(stream, environ, wanted):
    """NO_COLOR counts where it is not empty."""
    assert wants_colour(stream, environ) is wanted


def test_an_output_is_one_line_for_a_program_and_several_for_a_person():
    """To a terminal nothing goes that it would act on."""
    texts = [output_text('{"a":"\x9b2J"}', stream) for stream in (io.StringIO(), Terminal())]

    assert texts == ['{"a":"\x9b2J"}\n', '{\n  "a": "\\x9b2J"\n}\n']


def test_a_closed_stream_is_no_terminal():
    """Asking must not fail."""
    stream = Terminal()
    stream.close()
    closed = io.StringIO()
    closed.close()

    assert wants_colour(closed, {}) is False


@pytest.mark.parametrize(
    ("encoding", "wanted"), [("utf-8", False), ("ascii", True), ("latin-1", True), ("odd", True)]
)
def test_a_stream_that_cannot_carry_the_branches_wants_ascii(encoding, wanted):
    """By its encoding."""
    stream = io.StringIO()
    stream_class = type("Stream", (), {"encoding": encoding})

    assert wants_ascii(stream_class()) is wanted
    assert wants_ascii(stream) is False


def test_the_width_is_that_of_the_terminal(monkeypatch):
    """COLUMNS wins; without a terminal, or one that says 0, it is 80."""
    sizes = [os.terminal_size((132, 40)), os.terminal_size((0, 0))]
    monkeypatch.setattr(report.os, "get_terminal_size", lambda _: sizes.pop(0))

    widths = [
        terminal_width(Terminal(), {"COLUMNS": "100"}),
        terminal_width(Terminal(), {"COLUMNS": "x"}),
        terminal_width(Terminal(), {"COLUMNS": "0"}),
        terminal_width(io.StringIO(), {}),
    ]

    assert widths == [100, 132, 80, 80]


# --- Whatever comes -------------------------------------------------------------------------------------

TEXTS = st.text(max_size=60) | st.sampled_from(
    ["\x1b[2J", "日本語" * 30, "e" + "\u0301" * 40, "\n\n\n", "\ud800"]
)
PLAYS = st.builds(
    Play,
    sid=TEXTS,
    flow=TEXTS,
    status=st.sampled_from(["pending", "running", "ok", "failed", "timed_out", "cancelled"]),
    input_json=TEXTS,
    output_json=st.none() | TEXTS,
    error=TEXTS,
    created_ms=st.floats(allow_nan=False),
    start_ms=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    end_ms=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    stdout=TEXTS,
    stderr=TEXTS,
    artifacts=st.lists(st.builds(Artifact, path=TEXTS, size_bytes=st.integers(0, 2**60)), max_size=3),
    sandbox=st.builds(Sandbox, tier=TEXTS),
    span_count=st.integers(0, 10**7),
)
SPANS = st.lists(
    st.builds(span_of, span_id=TEXTS, parent_id=TEXTS, name=TEXTS, logs=TEXTS, error=TEXTS, status=TEXTS),
    max_size=5,
)


@given(PLAYS, SPANS, st.integers(1, 130), st.booleans(), st.booleans())
def test_any_record_can_be_shown_at_any_width(play, spans, width, with_logs, ascii_only):
    """Never an exception, never too wide, and nothing that a terminal acts on."""
    lines = [
        header(play, width=width, ascii_only=ascii_only),
        *final_lines(play, SpanForest(), width=width, ascii_only=ascii_only),
        *play_lines(play, spans, width=width, with_logs=with_logs, max_lines=9, ascii_only=ascii_only),
        *ls_lines([play, play], width=width, now_ms=0.0, ascii_only=ascii_only),
    ]

    assert all(line_width(line) <= width for line in lines)
    assert all(text.isprintable() for line in lines for text, _ in line)
    assert not ascii_only or all(text.isascii() for line in lines for text, _ in line)
