"""What processes leave for each other: a store of before has none of it, and takes all of it."""

import os
from pathlib import Path

from hero_logic.core.records import PUSHED
from hero_logic.store.sqlite import SqliteStore
from support.old_stores import old_store


def test_a_play_of_before_takes_events(tmp_path: Path) -> None:
    """One that ran while its store was brought up to date is sent events like any other."""
    path = os.path.join(tmp_path, "plays.db")
    with old_store(path, 6) as connection:
        connection.execute(
            """INSERT INTO plays (
                id, sid, flow, status, created_ms, events, malformed, oversize, repeated, truncated,
                span_count, revision, version_sid, runtime_sid,
                sandbox_tier, sandbox_isolation, sandbox_resources, error, artifacts
            ) VALUES (
                1, 'p', 'report', 'running', 1.5, 0, 0, 0, 0, 0, 0, 1, '',
                'r', 'tier0', 'none', 'none', '', '[]'
            )"""
        )
        connection.execute("INSERT INTO play_texts VALUES (1, '{}', NULL, '', '')")

    store = SqliteStore.open(path)
    store.push_event("p", b"{}\n", source=PUSHED, received_ms=1.0, max_events=1, max_bytes=9)
    found = store.pushed_plays("r")
    store.close()

    assert found == ["p"]
