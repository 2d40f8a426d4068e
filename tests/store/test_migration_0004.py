"""The library of flows: stores of before get an empty one, and keep what they have."""

import os
import shutil
from pathlib import Path

import pytest

from hero_logic.core.errors import StoreError
from hero_logic.store import migrations
from hero_logic.store.sqlite import SqliteStore
from store.flow_contract import put, search, version
from support.old_stores import old_store

FLOW = "INSERT INTO flows VALUES (1, 'report', '/flows/report.py', 1.0)"
VERSION = "INSERT INTO versions (version_sid, flow_sid, created_ms, source) VALUES (?, 1, 1.0, 'a')"
PLAY = """
    INSERT INTO plays (
        id, sid, flow, status, created_ms, events, malformed, oversize, repeated, truncated,
        span_count, revision, version_sid, runtime_sid,
        sandbox_tier, sandbox_isolation, sandbox_resources, error, artifacts
    ) VALUES (1, 'p', 'report', 'ok', 1.5, 0, 0, 0, 0, 0, 0, 1, ?, '', 'none', 'none', 'none', '', '[]')
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A store of the release before, with a play of a file."""
    path = os.path.join(tmp_path, "plays.db")
    with old_store(path, 3) as connection:
        sid = version("a").version_sid
        connection.execute(FLOW)
        connection.execute(VERSION, (sid,))
        connection.execute(PLAY, (sid,))
        connection.execute("INSERT INTO play_texts VALUES (1, '{}', '7', 'out', '')")
    return path


def test_a_version_of_before_is_python(path: str) -> None:
    """And is read as it was, with its play."""
    store = SqliteStore.open(path)

    kept = store.get_version(store.get_play("p").version_sid)
    store.close()

    assert (kept.kind, kept.source, kept.path) == ("python", "a", "/flows/report.py")


def test_a_file_that_was_run_is_in_no_library(path: str) -> None:
    """Until it is published: then its plays are plays of the flow."""
    store = SqliteStore.open(path)

    assert store.list_flows(limit=9) == []
    put(store, "report", "a", says="words")
    assert search(store, "words") == ["report"]
    assert store.count_plays("report", limit=9) == 1
    store.close()


def test_an_sqlite_without_full_text_search_is_told(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names what is missing; the store is left as it was."""
    directory = tmp_path / "migrations"
    shutil.copytree(migrations._DIRECTORY, directory)
    script = directory / "0004_flow_library.sql"
    script.write_text(script.read_text().replace("USING fts5 (", "USING fts5_that_is_not_there ("))
    with monkeypatch.context() as without:
        without.setattr(migrations, "_DIRECTORY", str(directory))
        with pytest.raises(StoreError, match=r"built without FTS5.*Use a Python whose SQLite has it"):
            SqliteStore.open(path)

    store = SqliteStore.open(path)
    assert store.get_play("p").status == "ok"
    store.close()
