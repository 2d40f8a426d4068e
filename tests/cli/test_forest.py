"""What is known of the spans of a play while they come in, and in how much memory."""

import pytest

from hero_logic.cli import forest as forest_module
from hero_logic.cli.forest import first_line, last_log_line, split_log_time, tags_text, value_text
from hero_logic.cli.tree import draw
from support.forests import counted, drawn, forest_of, row

# --- Parents -------------------------------------------------------------------------------------------


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


def test_a_parent_so_deep_that_it_would_take_long_to_look_for_a_loop_is_refused():
    """A play that moves spans about at great depth must not hold up what is written."""
    forest = forest_of(
        *(row(f"s{i}", f"s{i - 1}" if i else "") for i in range(1500)), row("a"), row("b", "a")
    )
    forest.update([row("a", "s1400")])

    assert drawn(forest)[-2:] == ["✓ a  12 ms  (its parents form a loop)", "└─ ✓ b  12 ms"]


def test_a_loop_made_by_later_news_is_one_too():
    """A parent that is moved below its own child."""
    forest = forest_of(row("a"), row("b", "a"), row("c", "b"))
    forest.update([row("a", "c")])

    assert drawn(forest) == ["✓ a  12 ms  (its parents form a loop)", "└─ ✓ b  12 ms", "   └─ ✓ c  12 ms"]


# --- Bounds --------------------------------------------------------------------------------------------


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


def test_the_count_holds_for_more_than_can_be_remembered(monkeypatch):
    """Past a bound only the number of those that run is known, not their names."""
    monkeypatch.setattr(forest_module, "_MAX_REMEMBERED", 2)
    rows = [row(f"s{i}", status="running") for i in range(10)]
    forest = forest_of(*rows, max_kept=4)
    for ended in rows:
        ended.is_stored = True
    forest.update(rows)
    for ended in rows:
        ended.status, ended.end_ms = "failed", 12.0
    forest.update(rows)

    assert forest.counts == {"running": 0, "failed": 10}


def test_a_span_that_ended_is_only_counted_where_all_that_are_kept_run():
    """There is nothing that could go for it."""
    forest = forest_of(*(row(f"s{i}", status="running") for i in range(4)), row("late"), max_kept=4)

    assert drawn(forest)[-1] == "… 1 more: 1 ok"


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


# --- Text ----------------------------------------------------------------------------------------------


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


def test_an_error_of_many_lines_is_its_first_that_says_anything():
    """Blank lines before it do not hide it."""
    assert first_line("\n  \n E: \x1b[0m no \nmore") == "E: \\x1b[0m no"


def test_tags_are_written_out_as_far_as_a_line_could_hold_them():
    """A few hundred characters, and a sign that there are more."""
    written = tags_text({f"key{index}": "v" * 90 for index in range(40)})

    assert len(written) < 600
    assert written.endswith(" …")


def test_a_call_is_listed_with_its_arguments():
    """They are what tells it from those beside it; its answer is not."""
    tags = {"rpc.request": '{"city":"Rome"}', "rpc.response": '{"degrees":21}'}

    assert drawn(forest_of(row("ask", tags=tags))) == ['✓ ask  12 ms  {"city":"Rome"}']
