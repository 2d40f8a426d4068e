"""Which spans are shown where there is no room for all of them."""

import itertools
import string
import time

from hypothesis import given
from hypothesis import strategies as st

from hero_logic.cli.forest import Node
from hero_logic.cli.tree import SpanForest, draw, line_width, render
from hero_logic.core.records import SpanRow
from support.forests import NOW_MS, counted, drawn, forest_of, measured, row, texts


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


# --- Speed ---------------------------------------------------------------------------------------------


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


# --- Whatever comes ------------------------------------------------------------------------------------


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
)


def numbered(batches):
    """The same rows, each span with an ordinal of its own, which need not be the order in which they come."""
    rows = list(itertools.chain.from_iterable(batches))
    ordinals = {span_id: n for n, span_id in enumerate(sorted({one.span_id for one in rows}))}
    for one in rows:
        one.ordinal = ordinals[one.span_id]
    return batches


BATCHES = st.lists(st.lists(ROWS, max_size=12), max_size=4).map(numbered)


@given(
    BATCHES,
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


@given(BATCHES, st.integers(1, 12), st.integers(1, 20))
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
    forest.update(numbered([rows])[0])
    shown = draw(forest, width=80, max_lines=100).entries

    assert {entry.node.span_id for entry in shown} == {row.span_id for row in rows}


def test_a_forest_without_room_is_still_counted():
    """A single line is enough for that."""
    forest = forest_of(row("a"), row("b"), row("c", "a"))

    assert counted(forest, max_lines=1) == 3


def test_many_spans_that_run_are_tried_until_there_is_no_room():
    """Chains too long for the room are passed over, and in the end given up."""
    rows = []
    for chain in range(100):
        rows += [row(f"s{chain}.{depth}", f"s{chain}.{depth - 1}" if depth else "") for depth in range(9)]
        rows.append(row(f"leaf{chain}", f"s{chain}.8", status="running"))
    forest = forest_of(*rows)

    assert len(drawn(forest, max_lines=8)) <= 8
    assert counted(forest, max_lines=8) == 1000
