"""From any database to the schema of this release, or to a refusal that leaves it as it is."""

import hashlib
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from hero_logic.core.errors import StoreDamaged, StoreError, StoreVersionMismatch
from hero_logic.store import migrations
from hero_logic.store.sqlite import SqliteStore
from store.facts import add_running_play

NEXT = migrations.SCHEMA_VERSION + 1
"""The schema of the next release."""


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where the store lies."""
    return str(tmp_path / "plays.db")


def run(path: str, *statements: str) -> list[tuple[object, ...]]:
    """Run statements with a connection of our own; give the answer to the last."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        answer: list[tuple[object, ...]] = []
        for statement in statements:
            answer = connection.execute(statement).fetchall()
        return answer
    finally:
        connection.close()


def marks(path: str) -> tuple[object, object, object]:
    """The application_id, user_version and journal mode of a database."""
    return (
        run(path, "PRAGMA application_id")[0][0],
        run(path, "PRAGMA user_version")[0][0],
        run(path, "PRAGMA journal_mode")[0][0],
    )


def digest(path: str) -> str:
    """What tells whether a file was changed."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@pytest.fixture
def next_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A release with one more migration, of the given directory."""
    directory = tmp_path / "migrations"
    shutil.copytree(migrations._DIRECTORY, directory)
    (directory / f"{NEXT:04d}_stars.sql").write_text(
        "-- Stars; of plays.\nCREATE TABLE stars (play INTEGER);\nINSERT INTO stars SELECT id FROM plays;\n"
    )
    monkeypatch.setattr(migrations, "_DIRECTORY", str(directory))
    monkeypatch.setattr(migrations, "SCHEMA_VERSION", NEXT)
    return directory / f"{NEXT:04d}_stars.sql"


def test_the_last_migration_is_the_schema_of_this_release() -> None:
    """The migrations are numbered from 1 without a gap, up to SCHEMA_VERSION."""
    names = sorted(name for name in os.listdir(migrations._DIRECTORY) if name.endswith(".sql"))

    assert [int(name[:4]) for name in names] == list(range(1, migrations.SCHEMA_VERSION + 1))


def test_a_new_database_is_marked_as_ours(path: str) -> None:
    """It has our application_id, the number of its schema, and a write-ahead log."""
    SqliteStore.open(path).close()

    assert marks(path) == (migrations.APPLICATION_ID, migrations.SCHEMA_VERSION, "wal")


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_an_empty_file_becomes_a_store(path: str, mode: str) -> None:
    """A file without a table, made by anyone or left by a crash between two steps, is as good as none."""
    Path(path).touch()
    run(path, f"PRAGMA journal_mode = {mode}")

    store = SqliteStore.open(path)

    assert store.last_play_sid() is None
    store.close()
    assert marks(path) == (migrations.APPLICATION_ID, migrations.SCHEMA_VERSION, "wal")


def test_an_older_database_is_migrated(
    path: str, next_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database of the release before gets what it lacks, and keeps what it has."""
    with monkeypatch.context() as before:
        before.setattr(migrations, "SCHEMA_VERSION", NEXT - 1)
        old = SqliteStore.open(path)
        add_running_play(old)
        old.close()

    store = SqliteStore.open(path)

    assert store.last_play_sid() == "p"
    store.close()
    assert run(path, "SELECT play FROM stars") == [(1,)]
    assert marks(path)[1] == NEXT


def test_a_new_database_gets_every_migration(path: str, next_release: Path) -> None:
    """From nothing to the last schema in one opening."""
    SqliteStore.open(path).close()

    assert run(path, "SELECT count(*) FROM stars") == [(0,)]
    assert marks(path) == (migrations.APPLICATION_ID, NEXT, "wal")


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_database_that_another_made_meanwhile_is_ours(path: str, mode: str) -> None:
    """What a process reads half before and half after another made the store is not taken for foreign."""
    run(path, f"PRAGMA journal_mode = {mode}")
    connection = sqlite3.connect(path, isolation_level=None, timeout=0.1)
    others: list[SqliteStore] = []

    def make_it_now(statement: str) -> None:
        if statement == "PRAGMA user_version" and not others:
            others.append(SqliteStore.open(path))

    connection.set_trace_callback(make_it_now)
    migrations.migrate(connection, path=path, busy_timeout_s=0.1)

    assert migrations._read_marks(connection) == (migrations.APPLICATION_ID, migrations.SCHEMA_VERSION)
    connection.close()
    others[0].close()


@pytest.mark.parametrize("first", ["CREATE TABLE stars (play);", "ROLLBACK;"])
def test_a_failed_migration_leaves_the_schema_before_it(path: str, next_release: Path, first: str) -> None:
    """A migration is whole or not there, even one that ends its own transaction; earlier ones stay."""
    next_release.write_text(f"{first}\nINSERT INTO nowhere VALUES (1);\n")

    with pytest.raises(StoreError, match="no such table: nowhere"):
        SqliteStore.open(path)

    assert marks(path)[1] == NEXT - 1
    assert run(path, "SELECT count(*) FROM sqlite_schema WHERE name = 'stars'") == [(0,)]


def test_an_opening_after_a_failed_migration_goes_on(path: str, next_release: Path) -> None:
    """What failed once is done when it can be."""
    good = next_release.read_text()
    next_release.write_text("INSERT INTO nowhere VALUES (1);\n")
    with pytest.raises(StoreError):
        SqliteStore.open(path)
    next_release.write_text(good)

    SqliteStore.open(path).close()

    assert marks(path)[1] == NEXT


def test_a_missing_migration_is_said(path: str, next_release: Path) -> None:
    """An installation that lost a file says so, not that the database is at fault."""
    next_release.unlink()

    with pytest.raises(StoreError, match=f"has no migration {NEXT:04d}"):
        SqliteStore.open(path)


def test_a_newer_database_is_refused(path: str) -> None:
    """The message names both schemas and says to upgrade; the file is left as it is."""
    SqliteStore.open(path).close()
    newer = migrations.SCHEMA_VERSION + 6
    run(path, f"PRAGMA user_version = {newer}", "PRAGMA wal_checkpoint(TRUNCATE)")
    before = digest(path)

    with pytest.raises(StoreVersionMismatch) as caught:
        SqliteStore.open(path)

    assert f"schema {newer}" in str(caught.value)
    assert f"schema {migrations.SCHEMA_VERSION} " in str(caught.value)
    assert "Upgrade hero-logic" in str(caught.value)
    assert digest(path) == before


@pytest.mark.parametrize(
    "statement",
    [
        "PRAGMA application_id = 77",
        "CREATE TABLE plays (id INTEGER PRIMARY KEY, sid TEXT)",
        "PRAGMA user_version = 1",
        "CREATE VIEW v AS SELECT 1",
    ],
)
def test_a_database_of_something_else_is_refused(path: str, statement: str) -> None:
    """A foreign mark, or tables and no mark: not one of ours, and left as it is."""
    run(path, statement)
    before = digest(path)

    with pytest.raises(StoreVersionMismatch, match="not one of ours"):
        SqliteStore.open(path)

    assert digest(path) == before
    assert os.listdir(os.path.dirname(path)) == ["plays.db"]


@pytest.mark.parametrize(
    "content", [b"xy", b"hello\n" * 10_000, b"SQLite format 3\0" + b"\xff" * 5000, bytes(8192)]
)
def test_a_file_that_is_no_database_is_refused(path: str, content: bytes) -> None:
    """The message names the file and says that it was left as it is; and it was."""
    Path(path).write_bytes(content)

    with pytest.raises(StoreDamaged) as caught:
        SqliteStore.open(path)

    assert path in str(caught.value)
    assert "left as it is" in str(caught.value)
    assert Path(path).read_bytes() == content


def test_a_database_without_a_log_is_refused() -> None:
    """Where SQLite can have no write-ahead log, readers would wait for writers: that is said at once."""
    connection = sqlite3.connect(":memory:", isolation_level=None)

    with pytest.raises(StoreError, match="Put the store on a local disk"):
        migrations.migrate(connection, path=":memory:", busy_timeout_s=0.1)

    connection.close()


def test_a_directory_is_no_store(tmp_path: Path) -> None:
    """A path that is a directory is an error that names it."""
    with pytest.raises(StoreError, match=r"cannot be opened .* It must be a file"):
        SqliteStore.open(str(tmp_path))


@pytest.mark.parametrize("place", ["file/plays.db", "/proc/plays.db", "nul\0.db"])
def test_a_path_that_cannot_be_made_is_an_error(tmp_path: Path, place: str) -> None:
    """Whatever stands in the way of making the file, the message says what, and what to do."""
    (tmp_path / "file").touch()

    with pytest.raises(StoreError, match=r"cannot be made .* Give it a path"):
        SqliteStore.open(os.path.join(tmp_path, place))


def test_a_refused_opening_lets_go_of_the_file(path: str) -> None:
    """After a refusal the file can be moved and replaced at once, by this process too."""
    run(path, "CREATE TABLE other (a)")
    with pytest.raises(StoreVersionMismatch):
        SqliteStore.open(path)
    os.unlink(path)

    SqliteStore.open(path).close()

    assert marks(path)[0] == migrations.APPLICATION_ID


@pytest.mark.parametrize("size", [20, 99, 700])
def test_a_store_that_was_cut_short_is_damaged(path: str, size: int) -> None:
    """A database that lost its end is refused, not begun anew."""
    SqliteStore.open(path).close()
    run(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    os.truncate(path, size)

    with pytest.raises(StoreDamaged):
        SqliteStore.open(path)

    assert os.path.getsize(path) == size
