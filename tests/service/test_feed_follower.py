"""What another process writes is found in the store: each change once, looked for no more than need be."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hero_logic.core.records import Changes
from hero_logic.service.feed import Follower
from hero_logic.store.contract import Store
from hero_logic.store.memory import MemoryStore
from hero_logic.store.sqlite import SqliteStore
from support.span_writer import Writer
from support.waiting import wait_until


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else SqliteStore.open(str(tmp_path / "db"))
    yield made
    made.close()


def test_what_another_process_writes_is_found_in_the_store(tmp_path: Path) -> None:
    """Each change once, as it is by then."""
    theirs = SqliteStore.open(str(tmp_path / "db"))
    ours = SqliteStore.open(str(tmp_path / "db"))
    writer = Writer(theirs)
    follower = Follower(ours, "p", since=ours.revision())
    writer.write("a", logs="one")
    first = follower.changes()
    writer.write("a", logs="two")
    writer.end()
    second = follower.changes()

    assert first is not None
    assert [(row.span_id, row.new_logs) for _, row in first.spans] == [("a", "one")]
    assert second is not None
    assert [(row.span_id, row.new_logs) for _, row in second.spans] == [("a", "two")]
    assert [play.status for play in second.plays] == ["ok"]
    assert follower.changes() is None
    theirs.close()
    ours.close()


def test_what_other_plays_do_is_nothing_to_a_follower(store: Store) -> None:
    """And it is not read again and again."""
    writer, other = Writer(store), Writer(store, "q")
    follower = Follower(store, "p", since=store.revision())
    other.write("x")

    assert follower.changes() is None
    assert follower.revision == store.revision()
    writer.write("a")
    assert follower.changes() is not None


def test_a_follower_reads_page_by_page(store: Store) -> None:
    """Every log once, also of a span that changed again and so comes on a later page."""
    writer = Writer(store)
    for number in range(10):
        writer.write(f"s{number}", logs="1")
    writer.write("s0", logs="2")
    follower = Follower(store, "p", since=0)
    logs: dict[str, str] = {}
    pages = 0
    while (changes := follower.changes(limit=3)) is not None:
        pages += 1
        for _, row in changes.spans:
            logs[row.span_id] = logs.get(row.span_id, "") + row.new_logs
        if pages == 2:
            writer.write("s1", "s9", logs="3")

    assert pages > 3
    assert logs == {
        **{f"s{number}": "1" for number in range(10)},
        "s0": "12",
        "s1": "13",
        "s9": "13",
    }


def test_a_follower_waits_without_reading_more_than_a_number(store: Store) -> None:
    """It looks at its interval, and ends at once when it is closed."""
    Writer(store)
    looks: list[int] = []
    counting = _Counting(store, looks)
    follower = Follower(counting, "p", since=store.revision())  # type: ignore[arg-type]
    answers: list[object] = []
    thread = threading.Thread(target=lambda: answers.append(follower.take(60, interval_s=0.01)))
    thread.start()
    wait_until(lambda: len(looks) > 5, "some looks")
    follower.close()
    thread.join(timeout=20)

    assert answers == [None]
    assert counting.readings <= 1


def test_a_follower_gives_up_when_its_time_is_over(store: Store) -> None:
    """Nothing came."""
    Writer(store)

    assert Follower(store, "p", since=store.revision()).take(0.01, interval_s=0.001) is None


class _Counting:
    """A store that counts how often it is asked."""

    def __init__(self, store: Store, looks: list[int]) -> None:
        self._store = store
        self._looks = looks
        self.readings = 0

    def revision(self) -> int:
        self._looks.append(1)
        return self._store.revision()

    def changes(self, *, since: int, sid: str | None = None, limit: int) -> Changes:
        self.readings += 1
        return self._store.changes(since=since, sid=sid, limit=limit)
