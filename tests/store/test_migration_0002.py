"""From the first release's schema to one that can be read back: nothing is lost, and its writer may go on."""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from hero_logic.core.errors import StoreDamaged
from hero_logic.store.sqlite import SqliteStore
from store.changes_contract import Follower
from store.facts import add_running_play, delta, row
from support.old_stores import old_store

PLAY = """
    INSERT INTO plays (
        id, sid, flow, status, created_ms, events, malformed, oversize, repeated, truncated,
        span_count, revision, version_sid, runtime_sid,
        sandbox_tier, sandbox_isolation, sandbox_resources, error, artifacts
    ) VALUES (?, ?, 'report', ?, 1.5, 9, 0, 0, 0, 0, ?, ?, '', '', 'none', 'none', 'none', '', '[]')
"""
SPAN = """
    INSERT INTO spans (
        play, ordinal, span_id, parent_id, name, kind, start_ms, end_ms, status, error,
        rpc_service, rpc_method, child_play_sid, source_file, source_line,
        log_bytes, protected_tags, revision, tags, logs
    ) VALUES (1, ?, 's' || ?, '', 'step', 'step', 1.0, ?, ?, '', '', '', '', '', 0, 0, 0, ?, '{"k":1}', ?)
"""
UPDATE = """
    UPDATE spans SET
        parent_id = '', name = 'step', kind = 'step', start_ms = 1.0, end_ms = 2.0, status = 'ok', error = '',
        rpc_service = '', rpc_method = '', child_play_sid = '', source_file = '', source_line = 0,
        log_bytes = 0, protected_tags = 0, revision = ?, tags = '{}'
    WHERE play = 1 AND ordinal = ?
"""
"""How the first release writes a span again: it leaves ``logs`` alone."""
PIECE = "INSERT INTO span_logs (play, ordinal, chunk, text) VALUES (1, ?, ?, ?)"


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A store of the first release: an ended play of four spans, and one that was never begun."""
    path = os.path.join(tmp_path, "plays.db")
    with old_store(path, 1) as connection:
        connection.execute(PLAY, (1, "p", "ok", 4, 40))
        connection.execute(PLAY, (2, "q", "pending", 0, 41))
        connection.execute("INSERT INTO play_texts VALUES (1, '{}', '7', 'out', ''), (2, '{}', NULL, '', '')")
        connection.execute("INSERT INTO writers VALUES (1, 'w', 12)")
        for ordinal, end_ms, status, revision, logs in [
            (0, 2.0, "ok", 10, "[1] first"),  # written once
            (1, 2.0, "ok", 30, "[1] first"),  # written again, with more logs twice
            (2, 2.0, "failed", 31, "[1] first"),  # written again, with no more logs
            (3, None, "running", 32, ""),  # its first log came later
        ]:
            connection.execute(SPAN, (ordinal, ordinal, end_ms, status, revision, logs))
        for ordinal, chunk, text in [(1, 20, "\n[2] more"), (1, 30, "\n[3] most"), (3, 32, "[9] late")]:
            connection.execute(PIECE, (ordinal, chunk, text))
        connection.execute("UPDATE store_state SET revision = 41")
    return path


@pytest.fixture
def store(path: str) -> Iterator[SqliteStore]:
    """That store, opened by this release."""
    made = SqliteStore.open(path)
    yield made
    made.close()


LOGS = ["[1] first", "[1] first\n[2] more\n[3] most", "[1] first", "[9] late"]


def test_an_old_store_keeps_its_plays(store: SqliteStore) -> None:
    """Plays, spans, logs, writers and revisions are what they were."""
    play = store.get_play("p")

    assert (play.status, play.output_json, play.stdout, play.counters.events) == ("ok", "7", "out", 9)
    assert [span.logs for span in store.read_spans("p")] == LOGS
    assert [span.tags for span in store.read_spans("p")] == [{"k": 1}] * 4
    assert store.load_fold_state("p").writers == {"w": 12}
    assert (store.revision(), store.last_play_sid()) == (41, "q")


def test_an_old_store_can_be_read_back(store: SqliteStore) -> None:
    """Its spans are in the indexes that they did not have."""
    assert [one.ordinal for one in store.children("p", "", limit=9)] == [0, 1, 2, 3]
    assert [one.ordinal for one in store.failed_spans("p", limit=9)] == [2]
    assert [one.ordinal for one in store.running_spans("p", limit=9)] == [3]
    assert store.status_counts("p") == {"ok": 2, "failed": 1, "running": 1}
    assert len(store.spans_between("p", from_ms=0, to_ms=9, limit=9)) == 4
    assert [stats.count for stats in store.name_stats("p", limit=9)] == [3]
    assert [store.read_logs("p", f"s{number}") for number in range(4)] == LOGS
    assert store.plays_with_open_spans() == ["p"]


@pytest.mark.parametrize("limit", [1, 2, 3, 99])
def test_who_follows_an_old_store_has_each_log_once(store: SqliteStore, limit: int) -> None:
    """In the order in which the pieces came, however little is taken at once."""
    follower = Follower(store, sid=None, limit=limit)

    while not follower.ask():
        pass

    follower.check()


def test_an_old_store_is_written_on(store: SqliteStore) -> None:
    """New plays, new spans, and old spans that are closed with a log in their row."""
    open_rows = store.load_open_rows("p", limit=9)
    [closed] = store.load_rows("p", ["s0"])
    for one in (*open_rows, closed):
        one.status, one.end_ms, one.new_logs = "failed", 9.0, "\n[9] end"
    store.write_spans({"p": delta(closed, *open_rows, span_count=4)}, closing=True)
    store.begin_play("q", start_ms=1.0, sandbox=store.get_play("q").sandbox)
    store.write_spans({"q": delta(row(0), span_count=1)})
    add_running_play(store, "new")

    expected = ["[1] first\n[9] end", *LOGS[1:3], "[9] late\n[9] end"]
    assert [span.logs for span in store.read_spans("p")] == expected
    assert len(store.read_spans("q")) == 1


def test_a_writer_of_the_first_release_may_go_on(path: str, store: SqliteStore) -> None:
    """A process that opened the store before it was brought up to date writes its spans as it always did."""
    old = sqlite3.connect(path, isolation_level=None)
    follower = Follower(store, sid=None, limit=2)
    for revision, statement, arguments in [
        (42, SPAN, (4, 4, None, "running", 42, "[1] in the row")),
        (43, UPDATE, (43, 4)),
        (43, PIECE, (4, 43, "\n[2] beside it")),
        (44, UPDATE, (44, 4)),
        (45, UPDATE, (45, 0)),
    ]:
        old.execute("BEGIN IMMEDIATE")
        old.execute(statement, arguments)
        old.execute("UPDATE plays SET revision = ? WHERE id = 1", (revision,))
        old.execute("UPDATE store_state SET revision = ?", (revision,))
        old.execute("COMMIT")
        follower.ask()
    old.close()

    while not follower.ask():
        pass
    follower.check()
    assert [span.logs for span in store.read_spans("p")] == [*LOGS, "[1] in the row\n[2] beside it"]


def test_an_old_store_whose_log_has_lost_its_span_is_brought_up_to_date(path: str) -> None:
    """A piece of a log that belongs to no span is no reason to refuse all the others."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(PIECE, (77, 40, "lost"))
    connection.close()

    store = SqliteStore.open(path)

    assert [span.logs for span in store.read_spans("p")] == LOGS
    store.close()


def test_an_old_store_that_is_damaged_stays_as_it_is(path: str) -> None:
    """A page that cannot be read: the store is refused, and no byte of it was changed."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'spans'").fetchone()[0]
    connection.close()
    with open(path, "r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xff" * 4096)
    before = Path(path).read_bytes()

    with pytest.raises(StoreDamaged, match="left as it is"):
        SqliteStore.open(path)

    assert Path(path).read_bytes() == before
