"""A store whose files were damaged or lost: it says so, and no byte of what is left is changed."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hero_logic.core.errors import StoreDamaged
from hero_logic.store.sqlite import SqliteStore
from store.facts import add_ended_play, row


def overwrite(start: int, size: int) -> Callable[[Path], None]:
    """Damage: so many bytes from there on."""

    def damage(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(start)
            file.write(b"\xff" * size)

    return damage


def cut(share: float) -> Callable[[Path], None]:
    """Damage: what lies behind a share of the file."""
    return lambda path: os.truncate(path, int(path.stat().st_size * share))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with a play in its database file, and another one in its log."""
    path = tmp_path / "plays.db"
    store = SqliteStore.open(str(path))
    add_ended_play(store, *(row(number) for number in range(300)))
    assert store._writer is not None
    store._writer.execute("PRAGMA wal_checkpoint(FULL)")
    add_ended_play(store, row(0), sid="in the log")
    store.close()
    return path


def contents(path: Path) -> dict[str, bytes]:
    """What the files of a store hold; the index of its log is left out, for it is made anew each time."""
    return {entry.name: entry.read_bytes() for entry in path.parent.iterdir() if entry.suffix != ".db-shm"}


DAMAGES = [overwrite(0, 100), overwrite(100, 3000), overwrite(4096, 80_000), cut(0.01), cut(0.5)]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_store_is_left_as_it_is(path: Path, damage: Callable[[Path], None]) -> None:
    """Neither the file nor its log is changed; the message names the file and says how to go on."""
    damage(path)
    before = contents(path)

    with pytest.raises(StoreDamaged) as caught:
        SqliteStore.open(str(path))

    assert str(path) in str(caught.value)
    assert "It was left as it is" in str(caught.value)
    assert "move it aside, with the -wal file beside it, and a new one is made" in str(caught.value)
    assert contents(path) == before


@pytest.mark.parametrize("loss", ["gone", "empty"])
def test_a_lost_file_does_not_take_its_log_with_it(path: Path, loss: str) -> None:
    """SQLite would throw the log away with the plays in it: it is kept, and no file is made beside it."""
    if loss == "gone":
        path.unlink()
    else:
        os.truncate(path, 0)
    before = contents(path)

    with pytest.raises(StoreDamaged) as caught:
        SqliteStore.open(str(path))

    assert f"{path}-wal" in str(caught.value)
    assert "move the log aside" in str(caught.value)
    assert contents(path) == before


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_store_moved_aside_makes_room_for_a_new_one(
    path: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """What the message says can be done: the old files stay as they were, and a new store is made."""
    damage(path)
    before = contents(path)
    aside = tmp_path / "aside"
    aside.mkdir()
    for name in before:
        (tmp_path / name).rename(aside / name)

    store = SqliteStore.open(str(path))

    assert store.last_play_sid() is None
    store.close()
    assert contents(aside / "plays.db") == before


def test_a_store_without_its_log_is_what_was_copied_from_it(path: Path) -> None:
    """A database file alone is whole: a backup of it can be put in the place of a damaged one."""
    os.unlink(f"{path}-wal")

    store = SqliteStore.open(str(path))

    assert store.last_play_sid() == "p"
    assert len(store.read_spans("p")) == 300
    store.close()
