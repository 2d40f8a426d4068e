"""What every store promises of reading a play back; a part of contract_suite.py."""

import json
from collections.abc import Callable

import pytest

from hero_logic.core.errors import NotFound
from hero_logic.core.records import COLUMNS, NameStats, SpanRow
from hero_logic.store.contract import Store
from store.facts import UNKNOWN_PLAY, add_running_play, delta, row

DAY_MS = 86_400_000.0


def span(
    ordinal: int, start_ms: float, end_ms: float | None, *, name: str = "n", status: str = ""
) -> SpanRow:
    """A span of a stretch of time; it runs where it has no end."""
    made = row(ordinal, status=status or ("running" if end_ms is None else "ok"))
    made.name, made.start_ms, made.end_ms = name, start_ms, end_ms
    return made


def write(store: Store, *rows: SpanRow, sid: str = "p") -> None:
    """These spans, of a play of their own."""
    add_running_play(store, sid)
    store.write_spans({sid: delta(*rows, span_count=len(rows))})


def ordinals(rows: list[SpanRow]) -> list[int]:
    """Which spans these are."""
    return [one.ordinal for one in rows]


class PagesContract:
    """Children, failed and running spans."""

    def test_children_are_those_of_their_parent(self, store: Store) -> None:
        """By ordinal; those of other spans and of other plays are others."""
        write(store, *(row(number, parent_id=f"s{number % 3}") for number in range(12)))
        write(store, row(0, parent_id="s1"), sid="q")

        assert ordinals(store.children("p", "s1", limit=99)) == [1, 4, 7, 10]
        assert store.children("p", "nobody", limit=99) == []

    def test_columns_are_what_spans_are(self, store: Store) -> None:
        """All of a row but its logs, by page, with tags as JSON."""
        made = [row(number) for number in range(5)]
        made[2].tags = {"a": ["é", 1.5, None]}
        write(store, *made)
        pages = [store.read_columns("p", start=start, limit=2) for start in (0, 2, 4, 5)]

        assert [len(page) for page in pages] == [2, 2, 1, 0]
        spans = store.read_spans("p")
        for values, span in zip([one for page in pages for one in page], spans, strict=True):
            named = dict(zip(COLUMNS, values, strict=True))
            assert json.loads(named.pop("tags")) == span.tags
            assert {key: value for key, value in named.items() if hasattr(span, key)} == {
                key: getattr(span, key) for key in named if hasattr(span, key)
            }
        assert store.read_columns("nobody", start=0, limit=9) == []

    def test_roots_are_the_children_of_none(self, store: Store) -> None:
        """The parent ``""`` is asked for like any other."""
        write(store, row(0, parent_id=""), row(1, parent_id="s0"), row(2, parent_id=""))

        assert ordinals(store.children("p", "", limit=99)) == [0, 2]

    def test_a_child_that_moves_is_found_where_it_is(self, store: Store) -> None:
        """A later start may give a span another parent."""
        one = row(0, parent_id="before", status="running")
        write(store, one)
        one.parent_id = "after"
        one.is_start_stored = False
        store.write_spans({"p": delta(one)})

        assert (ordinals(store.children("p", "before", limit=9)), store.child_counts("p", ["before"])) == (
            [],
            {},
        )
        assert ordinals(store.children("p", "after", limit=9)) == [0]

    def test_rows_come_whole_but_for_their_logs(self, store: Store) -> None:
        """As the fold would load them."""
        one = row(0, parent_id="", status="failed", new_logs="[1] log")
        one.tags = {"k": 1}
        write(store, one)

        [loaded] = store.load_rows("p", ["s0"])

        assert loaded.revision > 0
        assert store.children("p", "", limit=9) == store.failed_spans("p", limit=9) == [loaded]
        assert loaded.new_logs == ""

    def test_children_are_counted(self, store: Store) -> None:
        """Of many spans at once; those without any are left out or 0, as are unknown ones."""
        write(store, *(row(number, parent_id=f"s{number // 4}") for number in range(10)))

        counts = store.child_counts("p", ["s0", "s2", "s9", "gone", "s0"])

        assert {parent: count for parent, count in counts.items() if count} == {"s0": 4, "s2": 2}
        assert store.child_counts("p", []) == {}

    def test_failed_spans_are_those_that_ended_not_ok(self, store: Store) -> None:
        """In the order of their ordinals, whatever they ended as."""
        statuses = ["ok", "failed", "running", "timed_out", "cancelled", "ok"]
        write(store, *(row(number, status=status) for number, status in enumerate(statuses)))

        assert ordinals(store.failed_spans("p", limit=9)) == [1, 3, 4]
        assert ordinals(store.running_spans("p", limit=9)) == [2]

    @pytest.mark.parametrize("which", ["children", "failed_spans", "running_spans"])
    def test_pages_go_on_after_an_ordinal(self, store: Store, which: str) -> None:
        """At most ``limit``, and the next page begins after the last one."""
        status = {"children": "ok", "failed_spans": "failed", "running_spans": "running"}[which]
        write(store, *(row(number, status=status, parent_id="a") for number in range(7)), sid="p")
        read: Callable[..., list[SpanRow]] = getattr(store, which)
        of = ("p", "a") if which == "children" else ("p",)

        assert ordinals(read(*of, limit=3)) == [0, 1, 2]
        assert ordinals(read(*of, after=2, limit=3)) == [3, 4, 5]
        assert ordinals(read(*of, after=5, limit=3)) == [6]
        assert read(*of, after=6, limit=3) == read(*of, limit=0) == read(*of, limit=-1) == []

    def test_an_unknown_play_has_empty_pages(self, store: Store) -> None:
        """Pages of a play that is not there are empty, as its rows are."""
        assert store.children("gone", "", limit=9) == []
        assert store.child_counts("gone", ["", "s0"]) == {}
        assert store.failed_spans("gone", limit=9) == store.running_spans("gone", limit=9) == []
        assert store.spans_between("gone", from_ms=0, to_ms=9, limit=9) == []
        assert store.name_stats("gone", limit=9) == []


class TimelineContract:
    """Spans by the time that they took."""

    def test_any_moment_within_counts(self, store: Store) -> None:
        """Both times are included; what ended before or began after is left out."""
        spans = [(0, 4.9), (0, 5), (5, 6), (6, 7), (9, 10), (10, 11), (10.1, 12), (0, 20)]
        write(store, *(span(number, *times) for number, times in enumerate(spans)))

        found = store.spans_between("p", from_ms=5, to_ms=10, limit=99)

        assert sorted(ordinals(found)) == [1, 2, 3, 4, 5, 7]

    def test_what_runs_comes_first_then_the_longest(self, store: Store) -> None:
        """By powers of ten of what they took, within one by their start."""
        lasted_ms = [0.5, 5, 50, 500, 5_000, 50_000, 500_000, 5_000_000, 50_000_000, 2 * DAY_MS]
        ended = [span(number, 1e9 - ms, 1e9) for number, ms in enumerate(lasted_ms)]
        same = [span(20, 1e9 - 0.3, 1e9 + 5), span(21, 1e9 - 0.7, 1e9 + 4)]
        runs = [span(30, 1e9 + 1, None), span(31, 1e9 - 1, None)]
        write(store, *ended, *same, *runs)

        found = store.spans_between("p", from_ms=1e9, to_ms=1e9 + 1, limit=99)

        assert ordinals(found) == [31, 30, 9, 8, 7, 6, 5, 4, 3, 2, 1, 21, 20, 0]
        for limit in (0, 1, 2, 3, 7, 11, 13):
            assert store.spans_between("p", from_ms=1e9, to_ms=1e9 + 1, limit=limit) == found[:limit]

    @pytest.mark.parametrize("edge_ms", [1, 10, 100, 1000, 1e4, 1e5, 1e6, 1e7, 1e8, 30 * DAY_MS])
    def test_a_long_span_that_began_long_before_is_found(self, store: Store, edge_ms: float) -> None:
        """Wherever the powers of ten begin: a span is found in a window at its very end."""
        start_ms = 1_700_000_000_000.0
        lasts = [edge_ms - 0.125, edge_ms, edge_ms + 0.125]
        write(store, *(span(number, start_ms, start_ms + ms) for number, ms in enumerate(lasts)))

        for number, ms in enumerate(lasts):
            found = store.spans_between("p", from_ms=start_ms + ms, to_ms=start_ms + ms, limit=9)
            assert sorted(ordinals(found)) == list(range(number, 3))

    @pytest.mark.parametrize("least_ms", [0.0, 0.5, 1.0, 9.99, 10.0, 250.0, 1e7, 1e9])
    def test_short_spans_can_be_left_out(self, store: Store, least_ms: float) -> None:
        """Those that took at least so long come; what runs is held back by nothing."""
        lasted_ms = [0, 0.5, 1, 9.99, 10, 250, 1e7, 1e9]
        write(store, *(span(number, 0, ms) for number, ms in enumerate(lasted_ms)), span(9, 0, None))

        found = store.spans_between("p", from_ms=0, to_ms=2e9, min_duration_ms=least_ms, limit=99)

        expected = {number for number, ms in enumerate(lasted_ms) if ms >= least_ms}
        assert set(ordinals(found)) == expected | {9}

    def test_an_end_before_the_start_is_a_moment(self, store: Store) -> None:
        """A clock that jumped: the span counts as lasting no time, at its start."""
        write(store, span(0, 100, 50), span(1, 100, -1e12))

        def at(moment_ms: float) -> list[int]:
            return ordinals(store.spans_between("p", from_ms=moment_ms, to_ms=moment_ms, limit=9))

        assert (at(100), at(75), at(50)) == ([0, 1], [], [])
        assert store.spans_between("p", from_ms=0, to_ms=200, min_duration_ms=0.1, limit=9) == []

    def test_what_runs_began_before_the_end_of_the_window(self, store: Store) -> None:
        """A span that still runs lies in every window but those before its start."""
        one = span(0, 100, None)
        write(store, one)

        assert store.spans_between("p", from_ms=0, to_ms=99, limit=9) == []
        assert ordinals(store.spans_between("p", from_ms=1e15, to_ms=1e16, limit=9)) == [0]
        one.status, one.end_ms = "ok", 200.0
        store.write_spans({"p": delta(one)})
        assert store.spans_between("p", from_ms=1e15, to_ms=1e16, limit=9) == []

    def test_a_window_that_ends_before_it_begins_is_empty(self, store: Store) -> None:
        """No moment lies in it."""
        write(store, span(0, 0, 100), span(1, 0, None))

        assert store.spans_between("p", from_ms=60, to_ms=50, limit=9) == []


class TotalsContract:
    """What is counted and added up."""

    def test_statuses_are_counted(self, store: Store) -> None:
        """How many spans have which; those of none are left out."""
        statuses = ["ok"] * 4 + ["failed"] * 3 + ["running", "timed_out", "timed_out", "cancelled"]
        write(store, *(row(number, status=status) for number, status in enumerate(statuses)))

        expected = {"ok": 4, "failed": 3, "running": 1, "timed_out": 2, "cancelled": 1}
        assert store.status_counts("p") == expected

    def test_counts_follow_the_statuses(self, store: Store) -> None:
        """A span that ends is counted as what it ended as."""
        one = row(0, status="running")
        write(store, one, row(1))
        one.status = "failed"
        store.write_spans({"p": delta(one, span_count=2)})

        assert store.status_counts("p") == {"ok": 1, "failed": 1}

    def test_a_play_without_spans_counts_none(self, store: Store) -> None:
        """An empty play has no statuses; an unknown one is not found."""
        write(store)

        assert store.status_counts("p") == {}
        with pytest.raises(NotFound, match=UNKNOWN_PLAY):
            store.status_counts("gone")

    def test_names_are_added_up(self, store: Store) -> None:
        """Of the spans that ended: how many, how many not ok, and what they took."""
        fetch = [span(number, 100, 100 + ms, name="fetch") for number, ms in enumerate([8, 2, 4, 16])]
        fetch[1].status, fetch[3].status = "failed", "cancelled"
        write(store, *fetch, span(4, 0, 64, name="parse"), span(5, 0, None, name="parse"), span(6, 0, None))

        assert store.name_stats("p", limit=9) == [
            NameStats("parse", 1, 0, 64.0, 64.0, 64.0, 64.0, 64.0),
            NameStats("fetch", 4, 2, 30.0, 2.0, 16.0, 4.0, 16.0),
        ]

    @pytest.mark.parametrize(
        ("count", "p50_ms", "p95_ms"),
        [(1, 1, 1), (2, 1, 2), (19, 10, 19), (20, 10, 19), (21, 11, 20), (100, 50, 95)],
    )
    def test_percentiles_are_values_that_were_measured(
        self, store: Store, count: int, p50_ms: float, p95_ms: float
    ) -> None:
        """The nearest rank: the smallest duration that so many percent of them do not pass."""
        lasted_ms = [(number * 37) % 101 for number in range(1, 101)]
        order = sorted(range(100), key=lambda number: lasted_ms[number])
        rank = {number: place + 1 for place, number in enumerate(order)}
        write(store, *(span(number, 0, rank[number]) for number in range(100) if rank[number] <= count))

        [stats] = store.name_stats("p", limit=9)

        assert (stats.count, stats.p50_ms, stats.p95_ms) == (count, p50_ms, p95_ms)

    def test_the_highest_totals_come_first(self, store: Store) -> None:
        """At most ``limit`` names; those of the same total by name."""
        took = {"b": 8, "a": 8, "long": 32, "short": 1}
        write(store, *(span(number, 0, ms, name=name) for number, (name, ms) in enumerate(took.items())))

        assert [one.name for one in store.name_stats("p", limit=9)] == ["long", "a", "b", "short"]
        assert [one.name for one in store.name_stats("p", limit=2)] == ["long", "a"]
        assert store.name_stats("p", limit=0) == []

    def test_a_negative_duration_counts_as_none(self, store: Store) -> None:
        """A clock that jumped takes nothing from the total."""
        write(store, span(0, 100, 0), span(1, 0, 4))

        assert store.name_stats("p", limit=9) == [NameStats("n", 2, 0, 4.0, 0.0, 4.0, 0.0, 4.0)]


class LogsContract:
    """The logs of one span."""

    @pytest.mark.parametrize("status", ["ok", "running"])
    @pytest.mark.parametrize("first", ["", "[1] a", "x" * 100_000])
    def test_logs_are_read_whole(self, store: Store, first: str, status: str) -> None:
        """All pieces of that span alone, in the order in which they came, whatever it was when they came."""
        one, other = row(0, status=status, new_logs=first), row(1, status="running", new_logs="[9] other")
        write(store, one, other)
        for number in range(12):
            one.new_logs, other.new_logs = f"\n[{number}] more", "!"
            store.write_spans({"p": delta(one, other)})

        expected = first + "".join(f"\n[{number}] more" for number in range(12))
        assert store.read_logs("p", "s0") == expected
        assert [spans.logs for spans in store.read_spans("p")] == [expected, "[9] other" + "!" * 12]

    def test_logs_of_an_unknown_span_are_not_found(self, store: Store) -> None:
        """Nor are those of a span of an unknown play."""
        write(store, row(0, new_logs="[1] a"))

        for sid, span_id in (("p", "s1"), ("p", ""), ("gone", "s0")):
            with pytest.raises(NotFound, match=rf"no span '{span_id}' in a play '{sid}'"):
                store.read_logs(sid, span_id)


class ReadingContract(PagesContract, TimelineContract, TotalsContract, LogsContract):
    """All of it."""
