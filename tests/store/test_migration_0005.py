"""The queue: plays of the release before are counted, and none of them waits."""

import os
from pathlib import Path

import pytest

from hero_logic.store.sqlite import SqliteStore
from support.old_stores import old_store

PLAY = """
    INSERT INTO plays (
        id, sid, flow, status, created_ms, events, malformed, oversize, repeated, truncated,
        span_count, revision, version_sid, runtime_sid,
        sandbox_tier, sandbox_isolation, sandbox_resources, error, artifacts
    ) VALUES (?, ?, 'report', ?, 1.5, 0, 0, 0, 0, 0, 0, 1, '', 'r', 'none', 'none', 'none', '', ?)
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A store of the release before, with plays."""
    path = os.path.join(tmp_path, "plays.db")
    with old_store(path, 4) as connection:
        files = '[{"path":"a","size_bytes":5},{"path":"b","size_bytes":7}]'
        for number, (sid, status, artifacts) in enumerate(
            [("p", "ok", files), ("q", "running", "[]"), ("r", "pending", "[]")], 1
        ):
            connection.execute(PLAY, (number, sid, status, artifacts))
            connection.execute("INSERT INTO play_texts VALUES (?, '{}', NULL, '', '')", (number,))
    return path


def test_plays_of_before_are_counted(path: str) -> None:
    """With the size of what they left."""
    store = SqliteStore.open(path)

    size = store.size()
    store.close()

    assert (size.plays, size.artifact_bytes) == (3, 12)


def test_plays_of_before_are_of_their_runtimes(path: str) -> None:
    """None of them waits, and recovery finds those that have no end."""
    store = SqliteStore.open(path)

    found = (store.has_waiting(), [play.sid for play in store.unfinished_plays()], store.read_order("q"))
    store.close()

    assert found == (False, ["q", "r"], None)
