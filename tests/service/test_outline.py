"""A part of a large play: bounded, what matters first, and what is left out counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hero_logic.core.errors import NotFound
from hero_logic.core.records import Counters, Play, Sandbox, SpanDelta, SpanRow
from hero_logic.service.outline import MAX_ROWS, Outline, read_outline, with_ancestors
from hero_logic.store.contract import Store
from hero_logic.store.sqlite import SqliteStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = SqliteStore.open(str(tmp_path / "db"))
    yield made
    made.close()


def record(store: Store, rows: Iterable[tuple[str, str, str]], sid: str = "p") -> None:
    """A play of these spans, each given as its id, its parent and its status."""
    store.create_play(Play(sid))
    store.begin_play(sid, start_ms=0.0, sandbox=Sandbox())
    spans = [
        SpanRow(
            ordinal,
            span_id,
            1.0,
            parent_id=parent_id,
            status=status,
            end_ms=None if status == "running" else 2.0,
        )
        for ordinal, (span_id, parent_id, status) in enumerate(rows)
    ]
    store.write_spans({sid: SpanDelta(spans, Counters(), len(spans), {})})


def flat(count: int) -> Iterator[tuple[str, str, str]]:
    """One root and all others below it."""
    yield "root", "", "ok"
    for number in range(1, count):
        yield f"s{number}", "root", "ok"


def nested(count: int) -> Iterator[tuple[str, str, str]]:
    """A root, batches of twenty below it; of forty spans one failed, of fifty one has no parent."""
    yield "root", "", "failed"
    batch = "root"
    for number in range(1, count):
        if number % 21 == 1:
            batch = f"b{number}"
            yield batch, "root", "ok"
        else:
            parent = f"lost{number}" if number % 50 == 49 else batch
            yield f"s{number}", parent, "failed" if number % 40 == 39 else "ok"


def counted(outline: Outline) -> dict[str, int]:
    """How many children of each span are in the outline, and told as left out."""
    found: dict[str, int] = {}
    for row in outline.rows:
        parent = "" if row.parent_id in outline.lost_parents else row.parent_id
        found[parent] = found.get(parent, 0) + 1
    for parent, (more, _) in outline.left_out.items():
        found[parent] = found.get(parent, 0) + more
    return found


class Counting:
    """A store that counts the rows that are read of it, and the calls."""

    def __init__(self, store: Store) -> None:
        self.rows = 0
        self.calls = 0
        self._store = store

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self._store, name)

        def call(*arguments: Any, **options: Any) -> Any:
            self.calls += 1
            found = asked(*arguments, **options)
            if isinstance(found, list):
                self.rows += len(found)
            return found

        return call


@pytest.mark.parametrize("shape", [flat, nested])
def test_what_is_read_does_not_grow_with_the_play(store: Store, shape: Any) -> None:
    """Ten times the spans are the same number of rows, and of queries."""
    read = []
    for number, count in enumerate((10_000, 100_000)):
        record(store, shape(count), f"p{number}")
        counting = Counting(store)
        outline = read_outline(counting, f"p{number}")  # type: ignore[arg-type]
        assert sum(outline.counts.values()) == count
        assert len(outline.rows) <= counting.rows <= MAX_ROWS + 200
        read.append((counting.rows, counting.calls))

    assert read[0] == read[1]


@pytest.mark.parametrize("shape", [flat, nested])
def test_what_is_left_out_is_counted_where_it_stands(store: Store, shape: Any) -> None:
    """Of every span that was read, its children are all there or counted."""
    spans = list(shape(20_000))
    record(store, spans)
    outline = read_outline(store, "p")
    children: dict[str, int] = {}
    for _, parent_id, _ in spans:
        children[parent_id] = children.get(parent_id, 0) + 1
    read = {row.span_id for row in outline.rows}
    found = counted(outline)

    assert {parent: count for parent, count in found.items() if parent} == {
        span_id: children[span_id] for span_id in read if span_id in children
    }
    assert found[""] == children[""] + sum(children[lost] for lost in outline.lost_parents)


def test_what_failed_and_what_runs_comes_with_the_spans_around_it(store: Store) -> None:
    """However deep and late."""
    spans = [("root", "", "running"), *((f"s{n}", "root", "ok") for n in range(5000))]
    spans += [("d0", "root", "running"), *((f"d{n}", f"d{n - 1}", "running") for n in range(1, 30))]
    spans += [("bad", "d29", "failed"), *((f"t{n}", "root", "ok") for n in range(5000))]
    record(store, spans)
    outline = read_outline(store, "p", max_rows=400)

    assert {"bad", *(f"d{n}" for n in range(30)), "root"} <= {row.span_id for row in outline.rows}
    assert outline.counts == {"ok": 10_000, "running": 31, "failed": 1}


def test_more_that_failed_than_there_is_room_for_leaves_room_for_the_tree(store: Store) -> None:
    """The first of them are there, and the spans that they are in."""
    record(store, [("r", "", "failed"), *((f"f{n}", "r", "failed") for n in range(3000)), ("last", "", "ok")])
    outline = read_outline(store, "p", max_rows=400)
    read = {row.span_id for row in outline.rows}

    assert {"r", "f0", "f10", "last"} <= read
    assert len(read) <= 400


def test_the_last_spans_are_there_beside_the_first(store: Store) -> None:
    """A long row of siblings shows both of its ends; what is left out stands between them."""
    record(store, flat(50_000))
    outline = read_outline(store, "p")
    read = [row.span_id for row in outline.rows]
    (more, after) = outline.left_out["root"]

    assert read[:3] == ["root", "s1", "s2"]
    assert read[-1] == "s49999"
    assert outline.rows[read.index(f"s{after}") + 1].ordinal == after + more + 1


def test_rows_come_in_the_order_of_the_play(store: Store) -> None:
    """Whichever way they were found."""
    record(store, nested(20_000))
    ordinals = [row.ordinal for row in read_outline(store, "p").rows]

    assert ordinals == sorted(set(ordinals))


def test_a_parent_that_never_came_is_known_as_such(store: Store) -> None:
    """Its children that were not read are counted among the roots."""
    spans = [("r", "", "ok"), *((f"o{n}", "gone", "failed" if n == 7 else "ok") for n in range(20))]
    record(store, spans)
    outline = read_outline(store, "p")

    assert outline.lost_parents == {"gone"}
    assert {row.span_id for row in outline.rows} == {"r", "o7"}
    assert outline.left_out[""][0] == 19


def test_parents_without_end_are_read_as_far_as_there_is_room(store: Store) -> None:
    """A failure a thousand levels down does not take a thousand queries; nor does a loop go on for ever."""
    spans = [("s0", "", "ok"), *((f"s{n}", f"s{n - 1}", "ok") for n in range(1, 3000))]
    spans += [("bad", "s2999", "failed"), ("a", "b", "failed"), ("b", "a", "failed")]
    record(store, spans)
    counting = Counting(store)
    outline = read_outline(counting, "p")  # type: ignore[arg-type]
    read = {row.span_id for row in outline.rows}

    assert {"s0", "bad", "s2999", "a", "b"} <= read
    assert counting.calls < 700
    assert "s1500" not in outline.lost_parents


def test_later_changes_have_a_higher_revision(store: Store) -> None:
    """Who goes on from there misses none."""
    record(store, flat(100))
    before = store.revision()

    assert read_outline(store, "p").revision == before


def test_a_play_without_spans_has_an_empty_outline(store: Store) -> None:
    """Nothing is left out of nothing."""
    record(store, [])
    outline = read_outline(store, "p")

    assert (outline.rows, outline.counts, outline.left_out) == ([], {}, {})


def test_a_play_that_is_not_there_is_an_error(store: Store) -> None:
    """It is told as such."""
    with pytest.raises(NotFound):
        read_outline(store, "none")


def test_spans_are_read_with_those_around_them(store: Store) -> None:
    """To say where in the play they are."""
    record(store, [("r", "", "ok"), ("other", "r", "ok"), ("a", "r", "ok"), ("b", "a", "failed")])
    rows = with_ancestors(store, "p", store.failed_spans("p", limit=5))

    assert [row.span_id for row in rows] == ["r", "a", "b"]
