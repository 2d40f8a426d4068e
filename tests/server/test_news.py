"""What changed, as events: in the order of revisions, each row once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hero_logic.server.news import Page, is_over, read_page
from hero_logic.store.contract import Store
from hero_logic.store.memory import MemoryStore
from hero_logic.store.sqlite import SqliteStore
from support.span_writer import Writer


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else SqliteStore.open(str(tmp_path / "db"))
    yield made
    made.close()


def events(page: Page) -> list[tuple[int, str, dict[str, Any]]]:
    """The events of a page: id, name and data."""
    found = []
    for block in (page.text + page.ended).decode().split("\n\n"):
        if block:
            lines = dict(line.split(": ", 1) for line in block.split("\n"))
            found.append((int(lines["id"]), lines["event"], json.loads(lines["data"])))
    return found


def test_ids_say_up_to_where_all_is_told(store: Store) -> None:
    """They rise, are those of what the event holds, and the last one is that of the page."""
    one, other = Writer(store, "p"), Writer(store, "q")
    for writer in (one, other, one):
        writer.write("a", "b")
    found = events(read_page(store, None, since=0))

    ids = [number for number, _, _ in found]
    assert ids == sorted(set(ids))
    assert ids[-1] == store.revision()
    for number, name, data in found[:-1]:
        rows = data["spans"] if name == "span" else [data["play"]]
        assert max(row["revision"] for row in rows) == number
        assert data["revision"] == number


@pytest.mark.parametrize("limit", [1, 100])
def test_a_deletion_is_told_in_its_place(store: Store, limit: int) -> None:
    """To who watches all plays, once; by then nothing else is told of that play."""
    for sid in "abc":
        Writer(store, sid).end()
    since = store.revision()
    store.delete_play("b")
    Writer(store, "d").end()
    store.delete_play("a")
    found: list[tuple[str, str]] = []
    page = None
    while page is None or not page.is_all:
        page = read_page(store, None, since=page.revision if page else since, limit=limit)
        found += [(name, data.get("play_sid") or data["play"]["sid"]) for _, name, data in events(page)]

    assert found == [("deleted", "b"), ("play", "d"), ("deleted", "a")]
    assert page.revision == store.revision()
    assert read_page(store, None, since=page.revision).text == b""


def test_a_play_that_is_deleted_while_it_is_read_is_left_out(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its rows and their logs: the stream of all plays goes on with the others."""
    doomed, other = Writer(store, "doomed"), Writer(store, "other")
    doomed.write("a", logs="one\n", log_bytes=4)
    since = store.revision()
    doomed.write("a", logs="two\n", log_bytes=8)
    doomed.end()
    other.write("b")
    read_logs = store.read_logs

    def delete_first(sid: str, span_id: str) -> str:
        store.delete_play("doomed")
        while store.sweep_deleted(limit=100):
            pass
        return read_logs(sid, span_id)

    monkeypatch.setattr(store, "read_logs", delete_first)
    page = read_page(store, None, since=since)

    assert [data["play_sid"] for _, name, data in events(page) if name == "span"] == ["other"]
    assert page.revision >= since


def test_a_page_that_is_cut_leaves_nothing_out(store: Store) -> None:
    """Pages of any size hold each row once."""
    writer = Writer(store)
    for number in range(30):
        writer.write(f"s{number % 11}", logs="x\n", log_bytes=2 * (number // 11 + 1))
    found: list[str] = []
    since = 0
    while True:
        page = read_page(store, "p", since=since, limit=3)
        found += [row["span_id"] for _, name, data in events(page) if name == "span" for row in data["spans"]]
        since = page.revision
        if page.is_all:
            break

    assert sorted(found) == sorted(writer.rows)


def test_logs_are_told_whole(store: Store) -> None:
    """However they came; also where only the last piece is new."""
    writer = Writer(store)
    writer.write("a", logs="é1\n", log_bytes=4)
    since = store.revision()
    writer.write("a", logs="é2", log_bytes=7)
    [(_, _, data)] = [event for event in events(read_page(store, "p", since=since)) if event[1] == "span"]

    assert data["spans"][0]["logs"] == "é1\né2"


def test_what_lies_beyond_is_left_to_who_tells_it(store: Store) -> None:
    """``until`` is the end of the page, though there is more."""
    writer = Writer(store)
    writer.write("a")
    until = store.revision()
    writer.write("b")
    page = read_page(store, "p", since=0, until=until)

    assert page.revision == until
    assert not page.is_all
    assert "b" not in [
        row["span_id"] for _, name, data in events(page) if name == "span" for row in data["spans"]
    ]


def test_the_end_comes_when_all_of_it_is_told(store: Store) -> None:
    """Not with a page that is cut, nor while a span runs: it will be closed."""
    writer = Writer(store)
    writer.write("a", "b", status="ok")
    writer.write("c")
    writer.end()
    assert not read_page(store, "p", since=0).ended
    assert not is_over(store, "p", after=store.revision())
    writer.rows["c"].status = "ok"
    from hero_logic.core.records import Counters, SpanDelta

    store.write_spans({"p": SpanDelta([writer.rows["c"]], Counters(), 3, {})}, closing=True)

    assert not read_page(store, "p", since=0, limit=1).ended
    last = events(read_page(store, "p", since=0))[-1]
    assert (last[0], last[1], last[2]["status"]) == (store.revision(), "end", "ok")
    assert is_over(store, "p", after=store.revision())
    assert not is_over(store, "p", after=store.revision() - 1)


def test_nothing_new_is_an_empty_page(store: Store) -> None:
    """Up to now."""
    Writer(store)
    page = read_page(store, "p", since=store.revision())

    assert (page.text, page.revision, page.is_all) == (b"", store.revision(), True)
