"""From spans to lines: what is drawn, what is left out, and that no text of a play can break it."""

import string
import time
from unicodedata import category, east_asian_width

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hero_logic.cli.forest import Node, first_line, last_log_line, split_log_time, value_text
from hero_logic.cli.tree import (
    Line,
    SpanForest,
    cut,
    cut_middle,
    draw,
    duration_text,
    fit,
    line_width,
    render,
    text_width,
    wrap,
)
from hero_logic.core.records import Span, SpanRow

NOW_MS = 10_000.0


def row(span_id: str, parent_id: str = "", name: str = "", status: str = "ok", **fields) -> SpanRow:
    """A span that began at 0 and took 12 ms, unless told otherwise."""
    fields.setdefault("start_ms", 0.0)
    fields.setdefault("end_ms", None if status == "running" else fields["start_ms"] + 12.0)
    return SpanRow(0, span_id, parent_id=parent_id, name=name or span_id, status=status, **fields)


def forest_of(*rows: SpanRow, **options) -> SpanForest:
    forest = SpanForest(**options)
    forest.update(rows)
    return forest


def texts(lines: list[Line]) -> list[str]:
    return ["".join(text for text, _ in line) for line in lines]


def drawn(forest: SpanForest, *, width: int = 80, max_lines: int = 100, **options) -> list[str]:
    options.setdefault("now_ms", NOW_MS)
    return texts(render(forest, width=width, max_lines=max_lines, **options))


def styles_of(forest: SpanForest, piece: str) -> set[str]:
    lines = render(forest, width=80, max_lines=100, now_ms=NOW_MS)
    return {style for line in lines for text, style in line if piece in text}


# --- One line a span ------------------------------------------------------------------------------------


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
        "│  ├─ ⏱ b  12 ms",
        "│  └─ ⊘ c  12 ms",
        "└─ ⠋ d  10.00 s",
    ]


def test_ascii_needs_no_character_past_ascii_whatever_the_play_wrote():
    """A terminal that cannot show more still shows the same tree; what it cannot show is escaped."""
    forest = forest_of(
        row("r", status="failed"),
        row("a", "r", name="café", tags={"é": "ü"}),
        row("b", "a", status="timed_out"),
        row("c", "a", status="cancelled"),
        row("d", "r", status="running"),
    )

    assert drawn(forest, ascii_only=True) == [
        "x r  12 ms",
        "|- + caf\\xe9  12 ms  \\xe9=\\xfc",
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


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", "plain"),
        ("2026-11-20", "2026-11-20"),
        ("./a/b.csv", "./a/b.csv"),
        ("日本", "日本"),
        ("", '""'),
        ("12", '"12"'),
        ("1e5", '"1e5"'),
        ("true", '"true"'),
        ("null", '"null"'),
        ("a=b", '"a=b"'),
        ('say "hi"', '"say \\"hi\\""'),
        ("\x1b[2J", '"\\u001b[2J"'),
        ("a\u202eb", '"a\\u202eb"'),
        ("x" * 101, "x" * 100 + "…"),
        ("x" * 100, "x" * 100),
        (2**70, str(2**70)),
        ("\ud800", "'\\ud800'"),
        ({"a": [1, 2]}, '{"a":[1,2]}'),
    ],
)
def test_a_value_cannot_be_taken_for_another(value, shown):
    """Text that looks like a number, a word of JSON or several values stands in quotes."""
    assert value_text(value) == shown


def test_tags_of_the_runtime_are_not_listed():
    """What begins with hero., rpc. or error. is shown otherwise or not here."""
    forest = forest_of(row("a", tags={"rpc.request": "x", "error.type": "E", "hero.other": 1, "own": 1}))

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


@pytest.mark.parametrize(
    ("logs", "shown"),
    [
        ("", ""),
        ("\n\n", ""),
        ("[1] a\nmore of it", "more of it"),
        ("[x] a", "[x] a"),
        ("[-5] a", "a"),
        ("[1] \x1b[31mred\tx", "\\x1b[31mred\\tx"),
        ("[1] " + "y" * 500, "y" * 200),
    ],
)
def test_the_last_line_of_logs(logs, shown):
    """Escaped, at most 200 characters, its time left out."""
    assert last_log_line(logs) == shown


def test_only_a_whole_number_in_brackets_is_the_time_of_a_log():
    """What else stands at the beginning of a line is text."""
    assert [split_log_time(line) for line in ("[12] a", "[1.5] a", "[²] a", "[12]a", "12")] == [
        (12.0, "a"),
        (None, "[1.5] a"),
        (None, "[²] a"),
        (None, "[12]a"),
        (None, "12"),
    ]


# --- Errors ---------------------------------------------------------------------------------------------


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

    assert drawn(forest) == ["⊘ a  12 ms", "⏱ b  12 ms", "   the play ended"]


def test_an_error_of_many_lines_is_its_first_that_says_anything():
    """Blank lines before it do not hide it."""
    assert first_line("\n  \n E: \x1b[0m no \nmore") == "E: \\x1b[0m no"


# --- Parents --------------------------------------------------------------------------------------------


def test_an_orphan_is_a_root_until_its_parent_comes():
    """It says that its parent is unknown, and moves below it in the order of arrival."""
    forest = forest_of(row("child", "late"), row("other"))
    before = drawn(forest)
    forest.update([row("late"), row("second", "late")])

    assert before == ["✓ child  12 ms  (parent unknown)", "✓ other  12 ms"]
    assert drawn(forest) == ["✓ other  12 ms", "✓ late  12 ms", "├─ ✓ child  12 ms", "└─ ✓ second  12 ms"]


def test_a_span_that_learns_of_its_parent_moves_to_its_place():
    """Rule 2 of the protocol: a start may come after other news of a span."""
    forest = forest_of(row("r"), row("a"), row("b", "r"))
    forest.update([row("a", "r")])

    assert drawn(forest) == ["✓ r  12 ms", "├─ ✓ a  12 ms", "└─ ✓ b  12 ms"]


@pytest.mark.parametrize(
    "parents",
    [{"a": "a"}, {"a": "b", "b": "a"}, {"a": "b", "b": "c", "c": "a"}, {"b": "a", "a": "b", "c": "b"}],
)
def test_parents_that_form_a_loop_lose_no_span(parents):
    """One of them is a root and says so; all are there."""
    forest = forest_of(*(row(span_id, parent_id) for span_id, parent_id in parents.items()))

    shown = draw(forest, width=80, max_lines=100).entries

    assert sorted(entry.node.span_id for entry in shown) == sorted(parents)
    assert sum("(its parents form a loop)" in line for line in drawn(forest)) == 1


def test_a_loop_made_by_later_news_is_one_too():
    """A parent that is moved below its own child."""
    forest = forest_of(row("a"), row("b", "a"), row("c", "b"))
    forest.update([row("a", "c")])

    assert drawn(forest) == ["✓ a  12 ms  (its parents form a loop)", "└─ ✓ b  12 ms", "   └─ ✓ c  12 ms"]


# --- What there is no room for --------------------------------------------------------------------------


def test_siblings_left_out_are_counted_in_their_place():
    """The first and the last stay; the line says how many are between and how they ended."""
    statuses = ["cancelled" if index in (40, 41) else "ok" for index in range(100)]
    forest = forest_of(row("r"), *(row(f"s{i}", "r", status=s) for i, s in enumerate(statuses)))

    assert drawn(forest, max_lines=5) == [
        "✓ r  12 ms",
        "├─ ✓ s0  12 ms",
        "├─ ✓ s1  12 ms",
        "├─ … 97 more: 95 ok, 2 cancelled",
        "└─ ✓ s99  12 ms",
    ]


def test_what_runs_and_what_failed_is_kept_with_its_ancestors():
    """However many others there are; those are counted before and after it."""
    rows = [row("r", status="running")]
    rows += [row(f"s{i}", "r", status="running" if i == 30 else "ok") for i in range(60)]
    rows += [row(f"x{i}", "s40", status="failed" if i == 5 else "ok", error="E: x") for i in range(10)]

    assert drawn(forest_of(*rows), max_lines=10) == [
        "⠋ r  10.00 s",
        "├─ … 30 more: 30 ok",
        "├─ ⠋ s30  10.00 s",
        "├─ … 9 more: 9 ok",
        "├─ ✓ s40  12 ms",
        "│  ├─ … 5 more: 5 ok",
        "│  ├─ ✗ x5  12 ms",
        "│  │     E: x",
        "│  └─ … 4 more: 4 ok",
        "└─ … 19 more: 19 ok",
    ]


def test_a_span_shown_without_its_children_counts_them_itself():
    """In its own line, with all that is below them; how they ended, unless all is well."""
    rows = [row("r"), *(row(f"s{i}", "r") for i in range(3))]
    rows += [row(f"x{i}", "s1") for i in range(20)] + [
        row("deep", "x1"),
        row("y", "s2"),
        row("z", "s2", status="cancelled"),
    ]

    assert drawn(forest_of(*rows), max_lines=4) == [
        "✓ r  12 ms",
        "├─ ✓ s0  12 ms",
        "├─ ✓ s1  12 ms  … 21 inside",
        "└─ ✓ s2  12 ms  … 2 inside: 1 ok, 1 cancelled",
    ]


def test_a_group_counts_what_is_inside_its_spans():
    """Nothing that is left out goes unsaid, however deep it is."""
    rows = [
        row("r"),
        *(row(f"s{i}", "r") for i in range(9)),
        row("x", "s4"),
        row("y", "x", status="cancelled"),
    ]

    assert drawn(forest_of(*rows), max_lines=4) == [
        "✓ r  12 ms",
        "├─ ✓ s0  12 ms",
        "├─ … 7 more: 7 ok; 2 inside: 1 ok, 1 cancelled",
        "└─ ✓ s8  12 ms",
    ]


def test_one_span_left_out_alone_is_shown_instead_of_counted():
    """A line that says that one is missing takes the room of the one."""
    forest = forest_of(row("r"), *(row(f"s{i}", "r") for i in range(3)))

    assert drawn(forest, max_lines=4) == ["✓ r  12 ms", "├─ ✓ s0  12 ms", "├─ ✓ s1  12 ms", "└─ ✓ s2  12 ms"]


def test_a_single_line_says_how_much_there_is():
    """Even where there is room for nothing."""
    forest = forest_of(row("a"), row("b", status="failed"), row("c", "b", status="running"))

    assert drawn(forest, max_lines=1) == ["… 2 spans: 1 ok, 1 failed; 1 inside: 1 running"]
    assert drawn(forest, max_lines=0) == []


def test_a_failure_in_a_group_is_red():
    """What went wrong is seen even where it is only counted."""
    forest = forest_of(*(row(f"s{i}", status="failed") for i in range(9)))

    line = render(forest, width=80, max_lines=1, now_ms=NOW_MS)[0]

    assert ("9 failed", "failed") in line


def test_the_error_is_the_first_to_go_where_room_is_short():
    """A span is worth more than the line under it, an error more than a sibling that ended well."""
    rows = [row("r"), row("a", "r", status="failed", error="E: x"), *(row(f"s{i}", "r") for i in range(9))]

    assert drawn(forest_of(*rows), max_lines=3) == ["✓ r  12 ms", "├─ ✗ a  12 ms", "└─ … 9 more: 9 ok"]
    assert drawn(forest_of(*rows), max_lines=4) == [
        "✓ r  12 ms",
        "├─ ✗ a  12 ms",
        "│     E: x",
        "└─ … 9 more: 9 ok",
    ]


# --- Width ----------------------------------------------------------------------------------------------


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


# --- Bounds and speed -----------------------------------------------------------------------------------


def test_counts_hold_all_spans_by_status():
    """Each once, as it stands now."""
    forest = forest_of(row("a", status="running"), row("b", status="running"), row("c", status="failed"))
    forest.update([row("a")])

    assert {status: count for status, count in forest.counts.items() if count} == {
        "ok": 1,
        "running": 1,
        "failed": 1,
    }
    assert forest.span_count == 3


def test_a_forest_keeps_so_many_spans_and_says_what_it_dropped():
    """Those that ended go first, from the middle, and are counted in their place."""
    forest = forest_of(row("r", status="running"), *(row(f"s{i}", "r") for i in range(50)), max_kept=12)

    assert forest.dropped == 39
    assert forest.span_count == 51
    assert drawn(forest)[:4] == ["⠋ r  10.00 s", "├─ ✓ s0  12 ms", "├─ ✓ s1  12 ms", "├─ … 39 more: 39 ok"]
    assert drawn(forest)[-1] == "└─ ✓ s49  12 ms"


def test_what_failed_is_dropped_after_what_ended_well():
    """And what runs never is."""
    rows = [row("r", status="running"), *(row(f"f{i}", "r", status="failed") for i in range(5))]
    rows += [row(f"s{i}", "r") for i in range(50)]

    forest = forest_of(*rows, max_kept=12)

    assert len(forest.failed) == 5
    assert "r" in forest.running


def test_a_dropped_span_that_changes_again_is_counted_once():
    """A tag after the end of a span that is no longer kept makes no second span of it."""
    rows = [row("r", status="running"), *(row(f"s{i}", "r") for i in range(50))]
    forest = forest_of(*rows, max_kept=12)
    rows[20].is_stored = True
    forest.update([rows[20]])

    assert forest.span_count == 51


def test_a_subtree_that_is_dropped_leaf_by_leaf_stays_counted():
    """What was dropped below a span goes into the count of what was dropped with it."""
    rows = [row("r", status="running")]
    for index in range(20):
        rows += [row(f"x{index}", f"s{index}"), row(f"s{index}", "r")]

    forest = forest_of(*rows, max_kept=8)

    assert forest.span_count == 41
    assert counted(forest, max_lines=100) == 41


def test_more_spans_that_run_than_can_be_kept_are_counted():
    """Nothing is lost from the count, nor when they end."""
    rows = [row(f"s{i}", status="running") for i in range(10)]
    forest = forest_of(*rows, max_kept=4)
    while_running = drawn(forest)
    for ended in rows:
        ended.status, ended.end_ms, ended.is_stored = "ok", 12.0, True
    forest.update(rows)

    assert while_running[-1] == "… 6 more: 6 running"
    assert drawn(forest)[-1] == "… 6 more: 6 ok"
    assert forest.counts == {"running": 0, "ok": 10}


def test_a_child_of_a_dropped_parent_does_not_call_it_unknown():
    """We did hear of it."""
    forest = forest_of(*(row(f"s{i}") for i in range(20)), max_kept=4)
    forest.update([row("late", "s10")])

    assert drawn(forest)[-1] == "✓ late  12 ms  (parent not kept)"


def test_rows_are_copied():
    """The fold uses its rows again: what happens to them later is none of ours."""
    used_again = row("a", tags={"k": [1]})
    forest = forest_of(used_again)
    used_again.name = "other"
    used_again.tags["k"] = 2
    used_again.tags["new"] = 1

    assert drawn(forest) == ["✓ a  12 ms  k=[1]"]


def test_a_span_of_very_many_tags_is_drawn_from_a_few():
    """Memory for what no line can hold is not taken."""
    forest = forest_of(row("a", tags={f"k{i}": "v" * 1000 for i in range(5000)}))

    node = forest.root.children()[0]

    assert sum(len(key) + len(str(value)) for key, value in node.tags.items()) < 10_000


def test_a_forest_that_has_not_changed_is_not_walked_again(monkeypatch):
    """Only the lines of running spans are drawn anew."""
    forest = forest_of(row("r", status="running"), *(row(f"s{i}", "r") for i in range(50)))
    first = drawn(forest, max_lines=10, now_ms=1000.0)
    monkeypatch.setattr(Node, "children", None)

    second = drawn(forest, max_lines=10, now_ms=2000.0)

    assert (first[0], second[0]) == ("⠋ r  1.00 s", "⠋ r  2.00 s")
    assert first[1:] == second[1:]


def test_drawing_a_large_forest_is_quick():
    """20,000 spans into 50 lines; the bound is 50 ms, and this leaves room for a slow machine."""
    rows = [row("r", status="running")]
    rows += [row(f"s{i}", "r" if i % 20 == 0 else f"s{i // 20 * 20}", status="ok") for i in range(19_999)]
    forest = forest_of(*rows)
    took_s = []
    for _ in range(5):
        forest.version += 1
        start_s = time.perf_counter()
        drawn(forest, max_lines=50)
        took_s.append(time.perf_counter() - start_s)

    assert min(took_s) < 0.25


def test_a_chain_as_deep_as_the_forest_is_drawn():
    """Depth costs neither the stack nor the square of its length."""
    forest = forest_of(
        *(row(f"s{i}", f"s{i - 1}" if i else "", status="failed", error="E") for i in range(19_000))
    )

    assert drawn(forest, max_lines=5)[-1].endswith("… 18,995 inside: 18,995 failed")


# --- Whatever comes -------------------------------------------------------------------------------------

IDS = st.sampled_from([*string.ascii_lowercase[:8], ""])
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.text(max_size=4) | st.sampled_from(
    ["hero.progress", "hero.total", "hero.lost", "hero.unknown_status"]
)
TIMES = st.floats(allow_nan=False, allow_infinity=False)
STATUSES = st.sampled_from(["ok", "failed", "running", "timed_out", "cancelled", "odd"])
ROWS = st.builds(
    SpanRow,
    ordinal=st.just(0),
    span_id=IDS.filter(bool),
    start_ms=TIMES,
    parent_id=IDS,
    name=st.text(max_size=30),
    end_ms=st.none() | TIMES,
    status=STATUSES,
    tags=st.dictionaries(KEYS, JSON, max_size=4),
    error=st.text(max_size=20),
    new_logs=st.text(max_size=20),
    is_stored=st.booleans(),
)


def measured(line: str) -> int:
    """The cells of a line, by another way than the one under test."""
    return sum(
        0 if category(c) in ("Mn", "Me") else 2 if east_asian_width(c) in ("W", "F") else 1 for c in line
    )


def counted(forest: SpanForest, *, max_lines: int) -> int:
    """How many spans a drawing shows or counts."""
    drawing = draw(forest, width=80, max_lines=max_lines)
    count = 0
    for part in walk(drawing.selection, forest.root):
        if isinstance(part, list):
            count += sum(sum(tally.values()) for tally in drawing.selection.tally(part))
        else:
            count += 1 + sum(drawing.selection.inside(part).values())
    return count


def walk(selection, node):
    for part in selection.parts(node):
        yield part
        if isinstance(part, Node):
            yield from walk(selection, part)


@given(
    st.lists(st.lists(ROWS, max_size=12), max_size=4),
    st.integers(1, 130),
    st.integers(0, 12),
    st.booleans(),
    st.integers(1, 20),
    st.none() | TIMES,
)
def test_any_forest_fits_any_room(batches, width, max_lines, ascii_only, max_kept, now_ms):
    """Never an exception, never too many lines, never too wide, and nothing that a terminal acts on."""
    forest = SpanForest(max_kept=max_kept)
    for batch in batches:
        forest.update(batch)
        lines = render(forest, width=width, max_lines=max_lines, now_ms=now_ms, ascii_only=ascii_only)

        assert len(lines) <= max_lines
        assert all(line_width(line) <= width for line in lines)
        assert all(measured(text) <= width and text.isprintable() for text in texts(lines))
        assert not ascii_only or all(text.isascii() for text in texts(lines))


@given(st.lists(st.lists(ROWS, max_size=12), max_size=4), st.integers(1, 12), st.integers(1, 20))
def test_every_span_of_any_forest_is_shown_or_counted(batches, max_lines, max_kept):
    """What is left out, dropped or in a loop of parents is said."""
    forest = SpanForest(max_kept=max_kept)
    for batch in batches:
        forest.update(batch)

        assert counted(forest, max_lines=max_lines) == forest.span_count


@given(st.lists(ROWS, max_size=20))
def test_a_forest_that_fits_is_shown_whole(rows):
    """Nothing is left out while there is room."""
    forest = SpanForest()
    forest.update(rows)
    shown = draw(forest, width=80, max_lines=100).entries

    assert {entry.node.span_id for entry in shown} == {row.span_id for row in rows}
