"""What a fold holds in memory and asks of the store: the cost of an event does not grow with its play."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from hero_logic.core import fold
from hero_logic.core.errors import StoreLocked
from hero_logic.core.fold import Batch, SpanTree
from hero_logic.core.records import Counters
from hero_logic.core.wire import Event, Hello, SpanEnd, SpanLog, SpanStart, SpanTag
from support.rows import RowStore

BATCHES = 50_000
RUNNING_SPANS = 7


class CountingRows(RowStore):
    """Rows that know which spans a batch spoke of."""

    def __init__(self) -> None:
        super().__init__()
        self.tree = SpanTree(load=self.load)

    def fold(self, *events: Event, source: str = "") -> None:
        self.tree.apply(Batch(list(events), 1.0, source))
        self.write(self.tree.delta())
        self.tree.committed()


def test_fifty_thousand_batches_leave_only_the_spans_that_run() -> None:
    """A span that ended is forgotten once it is written (law 2 of the fold)."""
    rows = CountingRows()
    for number in range(RUNNING_SPANS):
        rows.fold(SpanStart(f"root{number}", "root"))

    for number in range(BATCHES):
        rows.fold(
            SpanStart(f"s{number}", "n", tags={"k": number}),
            SpanLog(f"s{number}", "t"),
            SpanEnd(f"s{number}", "ok"),
        )

    tree = rows.tree
    assert sorted(tree._rows) == [f"root{number}" for number in range(RUNNING_SPANS)]
    assert (tree._changed, tree._new_logs, tree._recalled, tree._risen_writers) == ({}, {}, [], set())
    assert rows.span_count == BATCHES + RUNNING_SPANS


def test_the_loader_is_asked_only_about_spans_of_the_batch() -> None:
    """Each once, those at hand and those that are certainly new not at all, and never the whole play."""
    rows = CountingRows()
    rows.fold(
        SpanStart("root", "root"),
        SpanStart("a", "n"),
        SpanEnd("a", "ok"),
        SpanStart("b", "n"),
        SpanEnd("b", "ok"),
    )
    asked_at_first = list(rows.asked)

    rows.fold(SpanTag("root", {}), SpanTag("a", {}), SpanLog("a", "t"), SpanStart("new", "n"))
    rows.fold(Hello(1, "w"))
    rows.fold(SpanTag("root", {}), SpanTag("new", {}))

    assert asked_at_first == []
    assert [sorted(ids) for ids in rows.asked] == [["a"]]


def test_repeats_of_spans_that_ended_are_not_kept_in_memory() -> None:
    """A writer that sends everything again costs reads, and no memory."""
    rows = CountingRows()
    rows.fold(Hello(1, "w"))
    for number in range(100):
        rows.fold(
            SpanStart(f"s{number}", "n", seq=2 * number + 1), SpanEnd(f"s{number}", "ok", seq=2 * number + 2)
        )

    for number in range(100):
        rows.fold(SpanStart(f"s{number}", "n", seq=2 * number + 1))

    assert rows.tree._rows == {}
    assert rows.counters.repeated == 100


def test_no_more_than_so_many_running_spans_are_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were first are forgotten first, and read back when their events come."""
    monkeypatch.setattr(fold, "_MAX_CACHED_ROWS", 3)
    rows = CountingRows()

    for number in range(10):
        rows.fold(SpanStart(f"s{number}", "n", tags={"k": number}))
    kept = sorted(rows.tree._rows)
    rows.fold(SpanEnd("s0", "ok"), SpanTag("s9", {"l": 1}))

    assert kept == ["s7", "s8", "s9"]
    assert [span.span_id for span in rows.spans()] == [f"s{number}" for number in range(10)]
    assert [rows.spans()[number].tags for number in (0, 9)] == [{"k": 0}, {"k": 9, "l": 1}]


def test_very_many_running_spans_are_forgotten_in_one_go() -> None:
    """A batch that starts a hundred thousand takes time in proportion."""
    rows = CountingRows()

    rows.fold(*[SpanStart(f"s{number}", "n") for number in range(100_000)])

    assert len(rows.tree._rows) == 5_000


@pytest.mark.parametrize(
    "key", ["span_id", "name", "parent_id", "rpc_service", "rpc_method", "child_play_sid", "source_file"]
)
def test_a_heavy_span_is_not_kept_in_memory(key: str) -> None:
    """A line may have a mebibyte of text, and a play thousands of running spans."""
    rows = CountingRows()
    heavy = SpanStart(**{"span_id": "a", "name": "n", key: "x" * 5000})  # type: ignore[arg-type]  # keys by name

    rows.fold(heavy)
    kept = list(rows.tree._rows)
    rows.fold(SpanEnd(heavy.span_id, "ok"))

    assert kept == []
    assert [(getattr(span, key), span.status) for span in rows.spans()] == [("x" * 5000, "ok")]


def test_a_span_with_heavy_tags_is_not_kept_in_memory() -> None:
    """Tags may be 64 KiB a span."""
    rows = CountingRows()

    rows.fold(SpanTag("a", {"k": "x" * 5000}))
    kept = list(rows.tree._rows)
    rows.fold(SpanTag("a", {"l": 1}))

    assert kept == []
    assert rows.spans()[0].tags == {"k": "x" * 5000, "l": 1}


def test_a_loader_that_fails_leaves_the_tree_as_it_was() -> None:
    """The batch can come again: nothing of it was folded, nothing is folded twice."""
    rows = CountingRows()
    rows.fold(SpanStart("a", "n"), SpanEnd("a", "ok"))
    batch = Batch([SpanLog("new", "t", ts_ms=0.0), SpanLog("a", "t", ts_ms=0.0)], 1.0, malformed=1)
    with (
        patch.object(rows.tree, "_load", side_effect=StoreLocked("busy")),
        pytest.raises(StoreLocked),
    ):
        rows.tree.apply(batch)
    delta_after_failure = rows.tree.delta()

    rows.tree.apply(batch)
    rows.write(rows.tree.delta())

    assert delta_after_failure is None
    assert [(span.span_id, span.logs) for span in rows.spans()] == [("a", "[0] t"), ("new", "[0] t")]
    assert rows.counters == Counters(events=4, malformed=1)
