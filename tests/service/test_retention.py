"""Which plays are kept, and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hero_logic.core.errors import UsageError
from hero_logic.core.records import Artifact, Play, PlayEnd
from hero_logic.service.retention import Pruned, Retention, prune, read_retention
from hero_logic.store.sqlite import SqliteStore
from store.facts import delta, row

DAY_MS = 86_400_000.0
NOW_MS = 100 * DAY_MS


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore.open(str(tmp_path / "db"))
    yield made
    made.close()


def add(
    store: SqliteStore, sid: str, *, days_old: float = 0.0, artifact_bytes: int = 0, ends: bool = True
) -> None:
    store.create_play(Play(sid=sid, created_ms=NOW_MS - days_old * DAY_MS, runtime_sid="r"))
    if ends:
        artifacts = [Artifact("a", artifact_bytes)] if artifact_bytes else []
        store.end_play(sid, PlayEnd("failed", NOW_MS, artifacts=artifacts))


def pruned(store: SqliteStore, retention: Retention, *, is_dry: bool = False) -> Pruned:
    return prune(store, retention, now_ms=NOW_MS, remove_files=lambda _: None, is_dry=is_dry)


def left(store: SqliteStore) -> list[str]:
    return [play.sid for play in store.list_plays(limit=100)][::-1]


def test_all_plays_are_kept_unless_somebody_says_otherwise(store: SqliteStore) -> None:
    """However old they are."""
    add(store, "old", days_old=5000)

    assert pruned(store, Retention()).sids == []
    assert left(store) == ["old"]


@pytest.mark.parametrize("is_dry", [False, True])
def test_what_is_too_old_goes(store: SqliteStore, is_dry: bool) -> None:
    """By when it was created; what runs stays."""
    for sid, days_old in (("a", 9), ("b", 8), ("c", 1)):
        add(store, sid, days_old=days_old)
    add(store, "runs", days_old=9, ends=False)

    assert pruned(store, Retention(max_age_days=5), is_dry=is_dry).sids == ["a", "b"]
    assert left(store) == (["a", "b", "c", "runs"] if is_dry else ["c", "runs"])


@pytest.mark.parametrize("is_dry", [False, True])
def test_what_is_too_many_goes(store: SqliteStore, is_dry: bool) -> None:
    """The oldest first."""
    for sid in "abcd":
        add(store, sid)

    assert pruned(store, Retention(max_plays=1), is_dry=is_dry).sids == ["a", "b", "c"]
    assert left(store) == (list("abcd") if is_dry else ["d"])


def test_what_is_too_large_goes(store: SqliteStore) -> None:
    """Spans and artifacts count; until what is left has room."""
    for sid in "abc":
        add(store, sid, ends=False)
        store.write_spans({sid: delta(*[row(number, new_logs="x" * 300) for number in range(1000)])})
        store.end_play(sid, PlayEnd("failed", NOW_MS, artifacts=[Artifact("a", 1_000_000)]))
    limit = store.size().total_bytes - 1_100_000

    found = pruned(store, Retention(max_bytes=limit))

    assert found.sids == ["a"]
    assert found.freed_bytes > 1_100_000
    assert store.size().total_bytes <= limit


def test_a_bound_that_cannot_be_kept_ends_all_the_same(store: SqliteStore) -> None:
    """What runs is never removed, however much it is."""
    add(store, "runs", ends=False)
    add(store, "ended")

    assert pruned(store, Retention(max_bytes=0)).sids == ["ended"]
    assert left(store) == ["runs"]


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({}, Retention()),
        ({"HERO_LOGIC_KEEP_DAYS": ""}, Retention()),
        ({"HERO_LOGIC_KEEP_DAYS": "30"}, Retention(max_age_days=30)),
        (
            {"HERO_LOGIC_KEEP_PLAYS": "1000", "HERO_LOGIC_KEEP_MB": "0.5"},
            Retention(max_plays=1000, max_bytes=500_000),
        ),
    ],
)
def test_the_environment_says_what_is_kept(variables: dict[str, str], found: Retention) -> None:
    """In days, plays and megabytes."""
    assert read_retention(variables) == found


@pytest.mark.parametrize("text", ["x", "-1", "nan", "inf", "1e999"])
def test_a_bound_that_is_no_number_is_refused(text: str) -> None:
    """The message names the variable."""
    with pytest.raises(UsageError, match="HERO_LOGIC_KEEP_DAYS"):
        read_retention({"HERO_LOGIC_KEEP_DAYS": text})
