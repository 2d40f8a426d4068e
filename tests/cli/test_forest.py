"""What is known of the spans of a play while they come in, and in how much memory."""

import pytest

from hero_logic.cli import forest as forest_module
from hero_logic.cli.forest import SpanForest
from hero_logic.cli.tree import draw
from support.forests import counted, drawn, forest_of, part_of, row

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


def test_more_spans_than_can_be_remembered_are_counted_once_each(monkeypatch):
    """Past a bound it is no longer known what became of those that are not kept."""
    monkeypatch.setattr(forest_module, "_MAX_REMEMBERED", 2)
    rows = [row(f"s{i}") for i in range(10)]
    forest = forest_of(*rows, max_kept=4)
    forest.update(rows)

    assert forest.counts == {"ok": 10}


def test_spans_past_what_is_kept_are_counted_as_they_come():
    """They are told from those that were kept and change again, however a store has marked them."""
    rows = [row(f"s{i}", is_stored=True) for i in range(50)]

    assert forest_of(*rows, max_kept=4).counts == {"ok": 50}


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


# --- A part of a large play ----------------------------------------------------------------------------


def loaded(*rows, **options) -> SpanForest:
    forest = SpanForest()
    forest.load(part_of(*rows, **options))
    return forest


def test_what_was_not_read_is_counted_where_it_stands():
    """After the last of the first siblings, before the last ones; its statuses are not known there."""
    forest = loaded(
        row("r", ordinal=0),
        row("a", "r", ordinal=1),
        row("z", "r", ordinal=99),
        counts={"ok": 100},
        left_out={"r": (97, 1)},
    )

    assert drawn(forest) == ["✓ r  12 ms", "├─ ✓ a  12 ms", "├─ … 97 more", "└─ ✓ z  12 ms"]
    assert (forest.span_count, forest.unread, forest.counts) == (100, 97, {"ok": 100})


def test_a_span_none_of_whose_children_was_read_says_that_there_are_some():
    """What is inside these is not known: so many, or more."""
    forest = loaded(row("r"), row("b", "r"), counts={"ok": 52}, left_out={"b": (50, 52)})

    assert drawn(forest) == ["✓ r  12 ms", "└─ ✓ b  12 ms  … 50+ inside"]


def test_what_is_left_out_of_a_drawing_is_told_apart_from_what_was_not_read():
    """Of the one the statuses are known."""
    rows = [row("r"), *(row(f"s{n}", "r") for n in range(10))]
    forest = loaded(*rows, counts={"ok": 31}, left_out={"r": (20, 10)})

    assert drawn(forest, max_lines=3) == [
        "✓ r  12 ms",
        "├─ ✓ s0  12 ms",
        "└─ … 29 more: 9 ok, 20 not read",
    ]


def test_a_span_that_was_not_read_comes_to_its_place_when_it_changes():
    """Between those that stand before and after it; the totals stay."""
    forest = loaded(
        row("r", ordinal=0, status="running"),
        row("a", "r", ordinal=1),
        row("z", "r", ordinal=9),
        counts={"ok": 8, "running": 2},
        left_out={"r": (7, 1)},
    )
    forest.update([row("m", "r", ordinal=5)])

    assert drawn(forest) == [
        "⠋ r  10.00 s",
        "├─ ✓ a  12 ms",
        "├─ … 6 more",
        "├─ ✓ m  12 ms",
        "└─ ✓ z  12 ms",
    ]
    assert {status: count for status, count in forest.counts.items() if count} == {"ok": 9, "running": 1}


def test_the_last_that_was_not_read_takes_the_count_with_it():
    """No line counts nothing."""
    forest = loaded(row("r", ordinal=0), counts={"ok": 2}, left_out={"r": (1, 1)})
    forest.update([row("a", "r", ordinal=1)])

    assert drawn(forest) == ["✓ r  12 ms", "└─ ✓ a  12 ms"]
    assert (forest.span_count, forest.unread) == (2, 0)


def test_a_new_span_is_one_more():
    """It is not taken for one of those that were not read."""
    forest = loaded(row("r", ordinal=0), counts={"ok": 50}, left_out={"r": (49, 49)})
    forest.update([row("new", "r", ordinal=50)])

    assert drawn(forest) == ["✓ r  12 ms", "├─ … 49 more", "└─ ✓ new  12 ms"]
    assert forest.counts == {"ok": 51}


def test_a_parent_that_was_not_read_is_not_called_unknown():
    """One that never came is."""
    forest = loaded(row("a", "deep"), row("b", "gone"), counts={"ok": 90}, lost_parents=frozenset({"gone"}))

    assert drawn(forest) == ["✓ a  12 ms  (parent not shown)", "✓ b  12 ms  (parent unknown)"]


def test_a_part_is_bounded_like_any_other_forest():
    """What is dropped of it leaves its count beside that of what was not read."""
    forest = SpanForest(max_kept=6)
    rows = [row("r", status="running"), *(row(f"s{n}", "r") for n in range(10))]
    forest.load(part_of(*rows, counts={"ok": 30, "running": 1}, left_out={"r": (20, 10)}))
    forest.update([row(f"t{n}", "r", ordinal=31 + n) for n in range(10)])

    assert forest.span_count == 41
    assert counted(forest, max_lines=100) == 41
