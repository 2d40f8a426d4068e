"""Bring a database to the schema of this release, and refuse what is none of ours.

Laws:

1. Each migration is one transaction together with its ``user_version``: a crash leaves the schema before
   it or after it.
2. What is refused is left as it is.
3. Opening a database that is up to date costs two PRAGMAs: no file of ``migrations/`` is looked for.
"""

from __future__ import annotations

import os
import sqlite3
import time

from hero_logic.core.errors import StoreError, StoreVersionMismatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

APPLICATION_ID = 0x4845524C
"""What marks a database as ours: "HERL" in ASCII (https://www.sqlite.org/pragma.html#pragma_application_id)."""

SCHEMA_VERSION = 7
"""The number of the last file in ``migrations/``."""

_DIRECTORY = os.path.join(os.path.dirname(__file__), "migrations")
_WAL_RETRY_S = 0.005


def migrate(connection: sqlite3.Connection, *, path: str, busy_timeout_s: float) -> None:
    """Make the database ready for this release: new, older or up to date.

    Args:
        connection: in autocommit mode, with its busy timeout set.
        path: the file, for messages.
        busy_timeout_s: how long to go on trying while another process makes the same database.

    Raises:
        StoreVersionMismatch: it is of a newer release, or holds something else.
        sqlite3.Error: it is no database, damaged, locked for too long, or cannot be written.
    """
    if _read_marks(connection) == (APPLICATION_ID, SCHEMA_VERSION):
        return
    if _look(connection, path) == 0:
        _turn_wal_on(connection, path=path, until_s=time.monotonic() + busy_timeout_s)
    while _apply_next(connection, path):
        pass


def _read_marks(connection: sqlite3.Connection) -> tuple[int, int]:
    """The application_id and the user_version of the database."""
    application_id: int = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return application_id, version


def _look(connection: sqlite3.Connection, path: str) -> int:
    """The schema number of the database: 0 for an empty one.

    One transaction: another process may be making the same database, and half of what it was before
    with half of what it became looks like a database of something else.
    """
    connection.execute("BEGIN")
    try:
        return _check_ours(connection, path)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _check_ours(connection: sqlite3.Connection, path: str) -> int:
    """The schema number of the database, 0 for an empty one; call it in a transaction."""
    application_id, version = _read_marks(connection)
    if application_id == APPLICATION_ID:
        if version > SCHEMA_VERSION:
            raise StoreVersionMismatch(
                f"the store {path} has schema {version}, and this hero-logic knows schema {SCHEMA_VERSION} "
                "and older. Upgrade hero-logic, or give it another store."
            )
        return version
    tables: int = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if application_id or version or tables:
        raise StoreVersionMismatch(
            f"{path} is a database, but not one of ours (application_id {application_id:#x}, {tables} tables "
            "and indexes). It was left as it is: give hero-logic another path for its store."
        )
    return 0


def _turn_wal_on(connection: sqlite3.Connection, *, path: str, until_s: float) -> None:
    """Let readers and the writer of the database work at once; the file remembers it.

    It comes before the first table, so that every database of ours has it, whenever its maker died.
    SQLite does not wait for a process that is doing the same: it fails at once, since the two could wait
    for each other. Hence the loop.
    """
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until_s:
                raise
            time.sleep(_WAL_RETRY_S)
            continue
        if mode != "wal":
            raise StoreError(
                f"the file system of {path} cannot hold a store: SQLite has no write-ahead log there "
                f"(journal_mode stays {mode}). Put the store on a local disk."
            )
        return


def _apply_next(connection: sqlite3.Connection, path: str) -> bool:
    """Apply the first migration that the database does not have; False where it has them all."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _check_ours(connection, path)
        if version < SCHEMA_VERSION:
            for statement in _statements(_read_migration(version + 1)):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {version + 1}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return version < SCHEMA_VERSION


def _read_migration(number: int) -> str:
    for name in os.listdir(_DIRECTORY):
        if name.startswith(f"{number:04d}_"):
            with open(os.path.join(_DIRECTORY, name), encoding="utf-8") as file:
                return file.read()
    raise StoreError(
        f"hero-logic is not installed whole: {_DIRECTORY} has no migration {number:04d}. Install it again."
    )


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, each ending at the end of a line.

    ``executescript`` would commit the transaction that it runs in.

    >>> list(_statements("CREATE TABLE a (b); -- it; it\\nDROP\\nTABLE a;\\n-- end\\n"))
    ['CREATE TABLE a (b); -- it; it\\n', 'DROP\\nTABLE a;\\n']
    """
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
