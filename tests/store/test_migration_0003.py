"""What plays asked for and were granted: those of before asked for nothing, and stay as they were."""

import os
from pathlib import Path

import pytest

from hero_logic.core.records import Access, Play
from hero_logic.store.sqlite import SqliteStore
from support.old_stores import old_store

PLAY = """
    INSERT INTO plays (
        id, sid, flow, status, created_ms, events, malformed, oversize, repeated, truncated,
        span_count, revision, version_sid, runtime_sid,
        sandbox_tier, sandbox_isolation, sandbox_resources, error, artifacts
    ) VALUES (1, 'p', 'report', 'ok', 1.5, 0, 0, 0, 0, 0, 0, 1, '', '', 'none', 'none', 'none', '', '[]')
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A store of the release before, with a play."""
    path = os.path.join(tmp_path, "plays.db")
    with old_store(path, 2) as connection:
        connection.execute(PLAY)
        connection.execute("INSERT INTO play_texts VALUES (1, '{}', '7', 'out', '')")
    return path


def test_a_play_of_before_asked_for_nothing(path: str) -> None:
    """And is read as it was."""
    store = SqliteStore.open(path)

    play = store.get_play("p")
    store.close()

    assert (play.status, play.output_json, play.stdout) == ("ok", "7", "out")
    assert play.access == Access()


def test_a_play_of_now_is_kept_beside_it(path: str) -> None:
    """With all that it asked for and was granted."""
    access = Access({"net": ["a.example:443"]}, {"net": ["a.example:443"], "read": ["/data"]})
    store = SqliteStore.open(path)

    store.create_play(Play(sid="q", access=access))
    found = [(play.sid, play.access) for play in store.list_plays(limit=10)]
    store.close()

    assert found == [("q", access), ("p", Access())]
