"""Whom a play ran as: those of before ran as who ran them."""

import os
from pathlib import Path

from hero_logic.core.records import Play, Sandbox
from hero_logic.store.sqlite import SqliteStore
from support.old_stores import old_store


def test_a_play_of_before_ran_as_who_ran_it(tmp_path: Path) -> None:
    """And is read as it was, beside one of now."""
    path = os.path.join(tmp_path, "plays.db")
    with old_store(path, 5) as connection:
        connection.execute(
            """INSERT INTO plays (
                id, sid, flow, status, created_ms, events, malformed, oversize, repeated, truncated,
                span_count, revision, version_sid, runtime_sid,
                sandbox_tier, sandbox_isolation, sandbox_resources, error, artifacts
            ) VALUES (
                1, 'p', 'report', 'ok', 1.5, 0, 0, 0, 0, 0, 0, 1, '',
                '', 'tier2', 'native', 'watcher', '', '[]'
            )"""
        )
        connection.execute("INSERT INTO play_texts VALUES (1, '{}', '7', 'out', '')")

    store = SqliteStore.open(path)
    store.create_play(Play(sid="q"))
    store.begin_play("q", start_ms=1.0, sandbox=Sandbox("tier2", "native", "watcher", "nobody"))
    found = [store.get_play(sid).sandbox.user for sid in ("p", "q")]
    store.close()

    assert found == ["", "nobody"]
