"""What lies in a data directory, looked at from outside: by commands, and by SQLite itself."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.command import hero_logic

SPAN = b'{"type":"span_start","span_id":"a","name":"n"}\n{"type":"span_end","span_id":"a","status":"ok"}\n'
"""A play of one span."""


def events_on_record() -> int:
    """Of the only play there is; 0 while there is none, or no store."""
    try:
        connection = sqlite3.connect(f"file:{database()}?mode=ro", uri=True)
        try:
            found = connection.execute("SELECT sum(events) FROM plays").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.OperationalError:
        return 0
    return found or 0


def database() -> Path:
    return Path(os.environ["HERO_LOGIC_HOME"]) / "hero_logic.db"


def plays() -> list[dict[str, Any]]:
    """All plays on record, by a command that finds what the kill has left."""
    result = hero_logic("ls", "--json", "--limit", "10000")
    assert (result.returncode, result.stderr) == (0, b"")
    found = json.loads(result.stdout)["plays"]
    assert isinstance(found, list)
    return found


def check_store() -> None:
    """The database is sound, and no span of it runs on."""
    connection = sqlite3.connect(database())
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT count(*) FROM spans WHERE status = 'running'").fetchone() == (0,)
    finally:
        connection.close()


@contextmanager
def held_store(statement: str = "BEGIN IMMEDIATE", *, path: Path | None = None) -> Iterator[None]:
    """The store's only place for a writer is ours."""
    connection = sqlite3.connect(path or database(), isolation_level=None)
    try:
        connection.execute(statement)
        yield
    finally:
        connection.close()
