"""From spans to lines: what a line says, how wide it is, and that no text of a play can break it."""

import pytest

from hero_logic.cli.tree import SpanForest, cut, cut_middle, duration_text, fit, render, text_width, wrap
from hero_logic.core.records import Span, SpanRow
from support.forests import NOW_MS, drawn, forest_of, measured, row


def styles_of(forest: SpanForest, piece: str) -> set[str]:
    lines = render(forest, width=80, max_lines=100, now_ms=NOW_MS)
    return {style for line in lines for text, style in line if piece in text}


# --- One line a span -----------------------------------------------------------------------------------


def test_each_span_is_a_line_below_its_parent():
    """Branches show whose child a span is, marks how it ended."""
    forest = forest_of(
        row("r", status="failed"),
        row("a", "r", status="ok"),
        row("b", "a", status="timed_out"),
        row("c", "a", status="cancelled"),
        row("d", "r", status="running"),
    )

    assert drawn(forest) == [
        "✗ r  12 ms",
        "├─ ✓ a  12 ms",
        "│  ├─ ◔ b  12 ms",
        "│  └─ ⊘ c  12 ms",
        "└─ ⠋ d  10.00 s",
    ]


def test_ascii_needs_no_character_past_ascii_whatever_the_play_wrote():
    """A terminal that cannot show more still shows the same tree; what it cannot show is escaped."""
    forest = forest_of(
        row("r", status="failed"),
        row("a", "r", name="né", tags={"é": "ü"}),
        row("b", "a", status="timed_out"),
        row("c", "a", status="cancelled"),
        row("d", "r", status="running"),
    )

    assert drawn(forest, ascii_only=True) == [
        "x r  12 ms",
        "|- + n\\xe9  12 ms  \\xe9=\\xfc",
        "|  |- t b  12 ms",
        "|  `- - c  12 ms",
        "`- * d  10.00 s",
    ]


@pytest.mark.parametrize(
    ("duration_ms", "said"),
    [
        (0.0, "0.0 ms"),
        (0.42, "0.4 ms"),
        (9.94, "9.9 ms"),
        (9.96, "10 ms"),
        (12.4, "12 ms"),
        (999.4, "999 ms"),
        (999.6, "1.00 s"),
        (1240, "1.24 s"),
        (59_994, "59.99 s"),
        (59_996, "1 m 00 s"),
        (123_000, "2 m 03 s"),
        (3_599_600, "1 h 00 m"),
        (3_720_000, "1 h 02 m"),
        (86_399_000, "23 h 59 m"),
        (100_000_000, "1 d 03 h"),
        (-12.4, "-12 ms"),
        (1e300, "thousands of years"),
        (float("inf"), "thousands of years"),
    ],
)
def test_durations_read_like_speech(duration_ms, said):
    """Three digits at most, the unit that fits, and no number makes it fail."""
    assert duration_text(duration_ms) == said


def test_a_running_span_shows_the_time_so_far():
    """Its duration goes on with the clock; a clock behind the span's shows none at all."""
    forest = forest_of(row("a", status="running", start_ms=1000.0))

    assert drawn(forest, now_ms=2500.0) == ["⠴ a  1.50 s"]
    assert drawn(forest, now_ms=0.0) == ["⠋ a  0.0 ms"]


def test_a_running_span_turns_with_the_clock():
    """The mark is another frame each tenth of a second."""
    forest = forest_of(row("a", status="running"))

    marks = [drawn(forest, now_ms=now_ms)[0][0] for now_ms in (0.0, 100.0, 200.0, 1000.0)]

    assert marks == ["⠋", "⠙", "⠹", "⠋"]


def test_a_picture_that_stands_still_has_neither_spinner_nor_elapsed_time():
    """Without a clock a running span has a mark that does not look like a frame of something."""
    assert drawn(forest_of(row("a", status="running")), now_ms=None) == ["● a"]


def test_an_end_before_the_start_is_shown_as_it_is():
    """A clock that jumped is a fact."""
    assert drawn(forest_of(row("a", start_ms=50.0, end_ms=20.0))) == ["✓ a  -30 ms"]


def test_tags_follow_as_key_and_value():
    """Compact JSON; a string is bare where nobody can take it for anything else."""
    forest = forest_of(
        row("a", tags={"n": 3, "f": 0.5, "t": True, "z": None, "l": [1, {"k": "v"}], "s": "eu-1", "q": "a b"})
    )

    assert drawn(forest) == ['✓ a  12 ms  n=3 f=0.5 t=true z=null l=[1,{"k":"v"}] s=eu-1 q="a b"']


def test_tags_of_the_runtime_are_not_listed():
    """What begins with hero., rpc. or error. is shown otherwise or not here."""
    forest = forest_of(row("a", tags={"rpc.response": "x", "error.type": "E", "hero.other": 1, "own": 1}))

    assert drawn(forest) == ["✓ a  12 ms  own=1"]


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"hero.lost": 3}, "3 events lost"),
        ({"hero.lost": 1}, "1 event lost"),
        ({"hero.lost": "\x1b"}, '"\\u001b" events lost'),
        ({"hero.truncated": True}, "not kept whole"),
        ({"hero.unknown_status": "meh"}, "unknown status meh"),
        ({"hero.damaged": "{x"}, "tags damaged on disk"),
        ({"hero.lost": 2, "hero.truncated": True}, "2 events lost, not kept whole"),
    ],
)
def test_what_was_not_kept_is_a_warning(tags, said):
    """What the runtime says of a loss is seen, and before the tags of the play."""
    forest = forest_of(row("a", tags={**tags, "own": 1}))

    assert drawn(forest) == [f"✓ a  12 ms  ! {said}  own=1"]
    assert styles_of(forest, said) == {"warn"}


@pytest.mark.parametrize(
    ("tags", "width", "shown"),
    [
        ({"hero.progress": 512, "hero.total": 1024}, 80, "[#####-----] 512/1,024 50%"),
        ({"hero.progress": 512, "hero.total": 1024}, 120, "[##########----------] 512/1,024 50%"),
        ({"hero.progress": 1023, "hero.total": 1024}, 80, "[#########-] 1,023/1,024 99%"),
        ({"hero.progress": 9, "hero.total": 3}, 80, "[##########] 9/3 100%"),
        ({"hero.progress": -1, "hero.total": 3}, 80, "[----------] -1/3 0%"),
        ({"hero.progress": 0.5, "hero.total": 2.25}, 80, "[##--------] 0.5/2.25 22%"),
        ({"hero.progress": 1300}, 80, "1,300"),
        ({"hero.progress": 0, "hero.total": 0}, 80, "0"),
        ({"hero.progress": 3, "hero.total": "many"}, 80, "3"),
    ],
)
def test_a_tracked_loop_has_a_bar(tags, width, shown):
    """How much of how many is done; a counter where nobody knows of how many."""
    forest = forest_of(row("a", status="running", tags=tags))

    assert drawn(forest, width=width) == [f"⠋ a  10.00 s  {shown}"]


@pytest.mark.parametrize("value", [True, None, "3", [1], 1e300, 10**400])
def test_progress_that_is_no_number_is_left_alone(value):
    """Any JSON may stand in a tag."""
    assert drawn(forest_of(row("a", tags={"hero.progress": value, "hero.total": value}))) == ["✓ a  12 ms"]


def test_the_last_log_stands_under_a_running_span():
    """The last line that came, without its time; gone when the span has ended."""
    forest = forest_of(row("a", status="running", new_logs="[1] one"), row("b", "a", status="running"))
    forest.update([row("a", status="running", new_logs="\n[2] two\n[3] WARNING three\n")])
    while_running = drawn(forest)
    forest.update([row("a", status="running")])
    after_other_news = drawn(forest)
    forest.update([row("a")])

    assert while_running == ["⠋ a  10.00 s", "│  WARNING three", "└─ ⠋ b  10.00 s"]
    assert after_other_news == while_running
    assert drawn(forest) == ["✓ a  12 ms", "└─ ⠋ b  10.00 s"]


def test_the_logs_of_a_recorded_span_serve_as_well():
    """A span as it is read from the store has all of its logs in one string."""
    span = Span("a", "", "n", "step", 0.0, None, "running", {}, "[1] x\n[2] last", "", "", "", "", "", 0)
    forest = SpanForest()
    forest.update([span])

    assert drawn(forest) == ["⠋ n  10.00 s", "   last"]


# --- Errors --------------------------------------------------------------------------------------------


def test_an_error_stands_where_it_happened_and_only_there():
    """Its first line, under the innermost span; ancestors that say the same say it once."""
    forest = forest_of(
        row("r", status="failed", error="E: no\nTraceback"),
        row("a", "r", status="failed", error="E: no\nTraceback"),
        row("b", "a", status="failed", error="E: no\nTraceback"),
        row("c", "r"),
    )

    assert drawn(forest) == [
        "✗ r  12 ms",
        "├─ ✗ a  12 ms",
        "│  └─ ✗ b  12 ms",
        "│        E: no",
        "└─ ✓ c  12 ms",
    ]
    assert styles_of(forest, "E: no") == {"error"}


def test_an_ancestor_with_another_error_tells_its_own():
    """An error that was wrapped on its way is two facts."""
    forest = forest_of(
        row("r", status="failed", error="E: no"),
        row("a", "r", status="failed", error="Wrapped"),
        row("b", "a", status="failed", error="E: no"),
    )

    assert drawn(forest) == [
        "✗ r  12 ms",
        "└─ ✗ a  12 ms",
        "   │  Wrapped",
        "   └─ ✗ b  12 ms",
        "         E: no",
    ]


def test_a_cancelled_span_needs_no_error_line():
    """That it was cancelled says it all; a span that timed out says what closed it."""
    forest = forest_of(
        row("a", status="cancelled", error="the play ended"),
        row("b", status="timed_out", error="the play ended"),
    )

    assert drawn(forest) == ["⊘ a  12 ms", "◔ b  12 ms", "   the play ended"]


# --- Width ---------------------------------------------------------------------------------------------


def test_a_long_name_gives_way_to_the_duration_and_some_of_the_tags():
    """What is known of a span stays in sight at 80 columns; at 120 there is more of each."""
    forest = forest_of(row("a", name="n" * 90, tags={"key": "v" * 30}))

    assert drawn(forest) == ["✓ " + "n" * 54 + "…  12 ms  key=vvvvvvvvv…"]
    assert drawn(forest, width=120) == ["✓ " + "n" * 86 + "…  12 ms  key=" + "v" * 17 + "…"]
    assert [text_width(drawn(forest, width=width)[0]) for width in (80, 120)] == [80, 120]


def test_tags_are_cut_at_the_end_of_the_line():
    """They are the last thing on it."""
    forest = forest_of(row("a", tags={f"key{index}": index for index in range(20)}))

    assert drawn(forest) == [
        "✓ a  12 ms  key0=0 key1=1 key2=2 key3=3 key4=4 key5=5 key6=6 key7=7 key8=8 key9…"
    ]


def test_wide_characters_count_twice():
    """A line of Chinese or Japanese is as wide as it looks."""
    assert drawn(forest_of(row("a", name="日本" * 30)), width=20) == ["✓ 日本日本日…  12 ms"]


def test_a_deep_tree_shows_its_innermost_branches_and_how_deep_they_are():
    """The branches take at most half of the line."""
    forest = forest_of(*(row(f"s{depth}", f"s{depth - 1}" if depth else "") for depth in range(60)))

    lines = drawn(forest, width=40)

    assert lines[5] == " " * 12 + "└─ ✓ s5  12 ms"
    assert lines[59] == "…59 " + " " * 12 + "└─ ✓ s59  12 ms"


@pytest.mark.parametrize(
    "hostile",
    [
        "\x1b[2J\x1b]0;title\x07",
        "a\nb\rc\td",
        "\u202eevil\u2066",
        "\x9b31m",
        "\x00\x7f",
        "\ud800",
        "e" + "\u0301" * 5000,
        "👨\u200d👩\u200d👧",
        "ﷺ" * 500,
        "\ufe0f" * 500,
        "[bold red]no markup[/]",
    ],
)
@pytest.mark.parametrize("width", [80, 120])
def test_hostile_text_stays_one_printable_line(hostile, width):
    """Whatever a play writes, nothing reaches the terminal that it would act on."""
    forest = forest_of(
        row(
            "a",
            name=hostile,
            status="running",
            new_logs=hostile,
            tags={hostile: hostile, "hero.unknown_status": hostile},
        ),
        row("b", name=hostile, status="failed", error=hostile),
    )

    lines = drawn(forest, width=width)

    assert all(line.isprintable() and len(line) < 2000 for line in lines)
    assert all(measured(line) <= width for line in lines)


def test_a_name_that_is_empty_is_said_to_be():
    """Rule 6 of the protocol makes spans whose name is not known yet."""
    assert drawn(forest_of(SpanRow(0, "a", 0.0))) == ["⠋ (unnamed)  10.00 s"]


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("abc", 1, "…"),
        ("abc", 0, ""),
    ],
)
def test_cut_leaves_out_the_end(text, width, shown):
    """At most so many cells, the sign for what is missing among them; half a wide character is none."""
    assert cut(text, width) == shown


def test_cut_keeps_marks_with_the_letter_that_they_belong_to():
    """A combining mark takes no cell of its own."""
    assert cut("e\u0301e\u0301e\u0301", 2) == "e\u0301…"


@pytest.mark.parametrize(
    ("width", "shown"), [(20, "root › step › leaf"), (11, "root …leaf"), (1, "…"), (0, "")]
)
def test_cut_middle_keeps_both_ends(width, shown):
    """Of a path the root and the leaf say most."""
    assert text_width(cut_middle("root › step › leaf", width)) <= width
    assert cut_middle("root › step › leaf", width).startswith(shown[:3])


@pytest.mark.parametrize(
    ("text", "width", "pieces"),
    [
        ("", 10, [""]),
        ("no such file: a.csv", 10, ["no such", "file:", "a.csv"]),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        ("日本語", 4, ["日本", "語"]),
        ("  ab", 3, ["  a", "b"]),
        ("ab ", 2, ["ab", ""]),
    ],
)
def test_wrap_breaks_at_spaces_where_it_can(text, width, pieces):
    """And anywhere in a word that is longer than the line; no character is lost but spaces."""
    assert wrap(text, width) == pieces


def test_fit_cuts_the_segment_that_crosses_the_edge():
    """Those before keep their style, those after are gone."""
    assert fit([("abc", "ok"), ("def", "dim"), ("ghi", "tag")], 5) == [("abc", "ok"), ("d…", "dim")]
