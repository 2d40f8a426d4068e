"""Reading back from the embedded store: by which index, at what cost, and what damage does to it."""

import gc
import os
import sqlite3
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hero_logic.core.records import SpanRow
from hero_logic.store import queries, reading
from hero_logic.store.contract import Store
from hero_logic.store.sqlite import SqliteStore
from store.facts import add_ended_play, add_running_play, delta, row


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """An empty store in a file."""
    made = SqliteStore.open(os.path.join(tmp_path, "plays.db"))
    yield made
    made.close()


def writer_of(store: SqliteStore) -> sqlite3.Connection:
    """The connection that writes: some tests have to look behind the store."""
    assert store._writer is not None
    return store._writer


# --- plans -----------------------------------------------------------------------------------------------

PLAY_OF_SID = "SEARCH plays USING COVERING INDEX sqlite_autoindex_plays_1 (sid=?)"
LEVEL_AND_START = "(play=? AND <expr>=? AND start_ms>? AND start_ms<?)"
PLANS = {
    "LOAD_SEQ": ["SEARCH writers USING PRIMARY KEY (play=? AND writer=?)", PLAY_OF_SID],
    "LOAD_POSITION": ["SEARCH sources USING PRIMARY KEY (play=? AND source=?)", PLAY_OF_SID],
    "CHILDREN": [
        "SEARCH spans USING INDEX spans_by_parent (play=? AND parent_id=? AND ordinal>?)",
        PLAY_OF_SID,
    ],
    "CHILD_COUNT": [
        "SEARCH spans USING COVERING INDEX spans_by_parent (play=? AND parent_id=?)",
        PLAY_OF_SID,
    ],
    "FAILED_SPANS": ["SEARCH spans USING INDEX spans_failed (play=? AND ordinal>?)", PLAY_OF_SID],
    "OPEN_SPANS": ["SEARCH spans USING INDEX spans_open (play=? AND ordinal>?)", PLAY_OF_SID],
    "SPAN_COUNT": ["SEARCH plays USING INDEX sqlite_autoindex_plays_1 (sid=?)"],
    "OPEN_COUNT": ["SEARCH spans USING COVERING INDEX spans_open (play=?)"],
    "FAILED_COUNTS": ["SEARCH spans USING COVERING INDEX spans_failed (play=?)"],
    "SPANS_BETWEEN": [f"SEARCH spans USING INDEX spans_by_time {LEVEL_AND_START}"],
    "NAMED_DURATIONS": ["SEARCH spans USING PRIMARY KEY (play=?)"],
    "TOP_NAMES": [
        "SEARCH spans USING PRIMARY KEY (play=?)",
        "USE TEMP B-TREE FOR GROUP BY",
        "USE TEMP B-TREE FOR ORDER BY",
    ],
    "FIND_LOGS": ["SEARCH spans USING INDEX spans_by_id (play=? AND span_id=?)", PLAY_OF_SID],
    "CHANGED_PLAYS": ["SEARCH plays USING INDEX plays_by_revision (revision>?)"],
    "CHANGED_PLAY": ["SEARCH plays USING INTEGER PRIMARY KEY (rowid=?)"],
    "CHANGED_PLAY_IDS": ["SEARCH plays USING COVERING INDEX plays_by_revision (revision>?)"],
    "CHANGED_SPANS": [
        "SEARCH spans USING COVERING INDEX spans_by_revision (play=? AND revision>? AND revision<?)",
        "SEARCH span_logs USING COVERING INDEX span_logs_by_chunk (play=? AND chunk>? AND chunk<?)",
    ],
    "SPANS_OF_ORDINALS": [
        "SEARCH spans USING PRIMARY KEY (play=? AND ordinal=?)",
        "SCAN json_each VIRTUAL TABLE INDEX 1:",
    ],
    "CHANGED_LOGS": ["SEARCH span_logs USING INDEX span_logs_by_chunk (play=? AND chunk>? AND chunk<?)"],
}
"""What each statement reads, step by step: no other table, no other index, and nothing is sorted."""


def plan(store: SqliteStore, name: str) -> list[str]:
    """What SQLite would read for a statement, and what it would sort."""
    statement = getattr(queries, name)
    arguments = (None,) * statement.count("?")
    steps = [step[3] for step in writer_of(store).execute(f"EXPLAIN QUERY PLAN {statement}", arguments)]
    return [step for step in steps if step.startswith(("SEARCH", "SCAN", "USE"))]


def fill(store: SqliteStore) -> None:
    """A few plays, of which one has most spans, most of them of one parent and one name."""
    for sid in ("small", "p", "other"):
        add_running_play(store, sid)
        count = 3000 if sid == "p" else 3
        rows = [row(number, status="running" if number % 1000 == 2 else "ok") for number in range(count)]
        store.write_spans({sid: delta(*rows, span_count=count, writers={"w": 1})})
        for one in rows[:2]:
            one.new_logs, one.status = "more", "failed"
        store.write_spans({sid: delta(*rows[:2], span_count=count)})


@pytest.mark.parametrize("name", sorted(PLANS))
@pytest.mark.parametrize("state", ["empty", "filled", "analysed"])
def test_a_statement_reads_what_it_was_written_to_read(store: SqliteStore, name: str, state: str) -> None:
    """In an empty store, in one whose tables SQLite knows nothing of, and in one that it has measured."""
    if state != "empty":
        fill(store)
    if state == "analysed":
        writer_of(store).execute("ANALYZE")

    assert plan(store, name) == PLANS[name]


def test_the_expression_of_a_level_is_that_of_its_index(store: SqliteStore) -> None:
    """The levels that a window is asked by are the levels that the index has."""
    made = writer_of(store).execute("SELECT sql FROM sqlite_schema WHERE name = 'spans_by_time'").fetchone()

    assert queries.DURATION_LEVEL in " ".join(made[0].split())


# --- cost ------------------------------------------------------------------------------------------------


def steps_of(store: SqliteStore, read: Callable[[], object]) -> int:
    """How many steps of SQLite's virtual machine a reading takes."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    store.revision()  # opens the connection
    assert store._reader is not None
    store._reader.set_progress_handler(step, 1)
    read()
    store._reader.set_progress_handler(None, 0)
    return count


def few(first: int) -> list[SpanRow]:
    """Thirty spans that every question below is for."""
    rows = [row(first + number, parent_id="few") for number in range(30)]
    for number, one in enumerate(rows):
        one.status = ("ok", "failed", "running")[number % 3]
        one.start_ms, one.end_ms = 5e9, None if one.status == "running" else 5e9 + 10
    return rows


def many(first: int, count: int) -> list[SpanRow]:
    """Spans that no question below is for."""
    return [row(first + number, parent_id="many") for number in range(count)]


READINGS: dict[str, Callable[[Store, int], object]] = {
    "children": lambda store, _: store.children("p", "few", limit=10),
    "child_counts": lambda store, _: store.child_counts("p", ["few"]),
    "failed_spans": lambda store, _: store.failed_spans("p", limit=10),
    "running_spans": lambda store, _: store.running_spans("p", limit=10),
    "spans_between": lambda store, _: store.spans_between("p", from_ms=5e9, to_ms=5e9 + 1, limit=50),
    "status_counts": lambda store, _: store.status_counts("p"),
    "read_logs": lambda store, _: store.read_logs("p", "s7"),
    "changes of one": lambda store, since: store.changes(since=since, sid="p", limit=10),
    "changes of all": lambda store, since: store.changes(since=since, limit=10),
    "load_seqs": lambda store, _: store.load_seqs("p", ["w"]),
    "load_position": lambda store, _: store.load_position("p", "c"),
}


@pytest.mark.parametrize("reading", sorted(READINGS))
def test_a_reading_costs_the_same_in_a_large_play(store: SqliteStore, reading: str) -> None:
    """As many steps with 20,000 spans and 50 plays around what is asked for as with none."""
    small = SqliteStore.open(store._path + ".small")
    add_running_play(small)
    since = small.revision()
    small.write_spans({"p": delta(*many(0, 10), *few(10), *many(40, 10))})
    expected = steps_of(small, lambda: READINGS[reading](small, since))
    small.close()
    for number in range(50):
        add_ended_play(store, row(0), sid=f"other{number}")
    add_running_play(store)
    store.write_spans({"p": delta(*many(50, 10_000))})
    since = store.revision()
    store.write_spans({"p": delta(*many(0, 10), *few(10), *many(40, 10), *many(20_000, 10_000))})

    assert steps_of(store, lambda: READINGS[reading](store, since)) == expected


def test_a_follower_looks_at_no_play_that_did_not_change(store: SqliteStore) -> None:
    """Asking again after everything was seen takes as many steps in a store of 200 plays as in one of one."""
    add_ended_play(store, row(0), sid="first")
    alone = steps_of(store, lambda: store.changes(since=store.revision(), limit=9))
    for number in range(200):
        add_ended_play(store, row(0), sid=f"p{number}")

    assert steps_of(store, lambda: store.changes(since=store.revision(), limit=9)) == alone


def test_a_page_of_all_plays_is_not_a_page_of_each(store: SqliteStore) -> None:
    """Once a page is full, the other plays are only asked for what would be in it."""
    for number in range(50):
        add_ended_play(store, *(row(number) for number in range(40)), sid=f"p{number}")

    page = store.changes(since=0, limit=30)
    steps = steps_of(store, lambda: store.changes(since=0, limit=30))
    one_play = steps_of(store, lambda: store.changes(since=0, sid="p0", limit=30))

    assert len(page.spans) == 30
    assert steps < one_play + 50 * 100


# --- names -----------------------------------------------------------------------------------------------


def test_very_many_names_give_the_same_answer(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a play has more names than are held at once, those asked for are found first."""
    rows = [row(number) for number in range(200)]
    for number, one in enumerate(rows):
        one.name, one.end_ms = f"name {number % 50}", one.start_ms + number
        one.status = "failed" if number % 7 == 0 else "ok"
    add_ended_play(store, *rows)
    expected = store.name_stats("p", limit=5)

    monkeypatch.setattr(reading, "_MANY_NAMES", 49)

    assert store.name_stats("p", limit=5) == expected
    assert [one.name for one in expected] == [f"name {number}" for number in range(49, 44, -1)]
    assert store.name_stats("p", limit=0) == []


def test_names_are_not_all_held_at_once(store: SqliteStore) -> None:
    """A play with as many names as spans takes no more memory than the names that are held at once."""
    rows = [row(number) for number in range(40_000)]
    for number, one in enumerate(rows):
        one.name = f"a name that no other span has: {number}"
    add_ended_play(store, *rows)
    del rows
    store.name_stats("p", limit=1)
    gc.collect()

    tracemalloc.start()
    store.name_stats("p", limit=1)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 10_000 * 400


# --- logs that move --------------------------------------------------------------------------------------


def test_a_log_in_a_row_moves_with_the_revision_that_it_had(store: SqliteStore) -> None:
    """A span that ended keeps its log in its row until the row changes; then the log lies beside it."""
    add_running_play(store)
    one = row(0, new_logs="[1] a")
    store.write_spans({"p": delta(one)})
    first = one.revision
    held = writer_of(store).execute("SELECT logs FROM spans").fetchall()
    one.new_logs = "\n[2] b"
    store.write_spans({"p": delta(one)})

    assert held == [("[1] a",)]
    assert writer_of(store).execute("SELECT logs FROM spans").fetchall() == [("",)]
    pieces = writer_of(store).execute("SELECT chunk, text FROM span_logs ORDER BY chunk").fetchall()
    assert pieces == [(first, "[1] a"), (one.revision, "\n[2] b")]


def test_a_span_that_runs_has_no_log_in_its_row(store: SqliteStore) -> None:
    """It is going to be written again: its log would only have to move."""
    add_running_play(store)
    store.write_spans({"p": delta(row(0, status="running", new_logs="[1] a"))})

    assert writer_of(store).execute("SELECT logs FROM spans").fetchall() == [("",)]
    assert store.read_logs("p", "s0") == "[1] a"


# --- damage ----------------------------------------------------------------------------------------------


def test_damaged_tags_fail_no_page(store: SqliteStore) -> None:
    """Whichever way a span is read, its damaged tags are shown as what they are, and the others come too."""
    add_running_play(store)
    rows = [row(number, status="running" if number < 2 else "failed") for number in range(4)]
    store.write_spans({"p": delta(*rows, span_count=4)})
    writer_of(store).execute("UPDATE spans SET tags = CAST(x'ff7b' AS TEXT) WHERE ordinal IN (0, 2)")

    pages = [
        store.children("p", "root", limit=9),
        store.running_spans("p", limit=9) + store.failed_spans("p", limit=9),
        sorted(store.spans_between("p", from_ms=0, to_ms=9, limit=9), key=lambda one: one.ordinal),
        [one for _, one in store.changes(since=0, limit=9).spans],
    ]

    expected = [{"hero.damaged": "\ufffd{"}, {}, {"hero.damaged": "\ufffd{"}, {}]
    assert [[one.tags for one in page] for page in pages] == [expected] * 4
