"""Stores as releases of before have left them: brought up to a migration, and no further."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hero_logic.store import migrations


@contextmanager
def old_store(path: str | Path, version: int) -> Iterator[sqlite3.Connection]:
    """A new store of that schema version, to be filled in a ``with`` block."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    for number in range(1, version + 1):
        connection.executescript(migrations._read_migration(number))
    connection.execute(f"PRAGMA application_id = {migrations.APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {version}")
    yield connection
    connection.close()
