"""What processes leave for each other: a store of before has none of it, and takes all of it."""

import os
import sqlite3
from pathlib import Path

from hero_logic.core.records import PUSHED
from hero_logic.store import migrations
from hero_logic.store.sqlite import SqliteStore


def test_a_play_of_before_takes_events(tmp_path: Path) -> None:
    """One that ran while its store was brought up to date is sent events like any other."""
    path = os.path.join(tmp_path, "plays.db")
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    for number in range(1, 7):
        connection.executescript(migrations._read_migration(number))
    connection.execute(f"PRAGMA application_id = {migrations.APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 6")
    connection.execute(
        """INSERT INTO plays (
            id, sid, flow, status, created_ms, events, malformed, oversize, repeated, truncated,
            span_count, revision, version_sid, runtime_sid,
            sandbox_tier, sandbox_isolation, sandbox_resources, error, artifacts
        ) VALUES (
            1, 'p', 'report', 'running', 1.5, 0, 0, 0, 0, 0, 0, 1, '', 'r', 'tier0', 'none', 'none', '', '[]'
        )"""
    )
    connection.execute("INSERT INTO play_texts VALUES (1, '{}', NULL, '', '')")
    connection.close()

    store = SqliteStore.open(path)
    store.push_event("p", b"{}\n", source=PUSHED, received_ms=1.0, max_events=1, max_bytes=9)
    found = store.pushed_plays("r")
    store.close()

    assert found == ["p"]
