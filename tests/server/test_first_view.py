"""The first view: pages of JSON and binary columns, both exact."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hero_logic.core.errors import NotFound
from hero_logic.server import first_view
from hero_logic.server.first_view import LAYOUT, Columns, snapshot_page
from hero_logic.store.contract import Store
from hero_logic.store.memory import MemoryStore
from hero_logic.store.sqlite import SqliteStore
from support.span_writer import Writer


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else SqliteStore.open(str(tmp_path / "db"))
    yield made
    made.close()


def frames(text: bytes) -> Iterator[tuple[str, bytes]]:
    """The frames of a stream of columns, read as docs/rpc.md has them and by nothing of ours."""
    assert text[:8] == b"HEROCOL1"
    place = 8
    while place < len(text):
        kind, size = struct.unpack_from("<4sI", text, place)
        yield kind.decode(), text[place + 8 : place + 8 + size]
        place += 8 + (size + 7) // 8 * 8
    assert place == len(text)


def read_columns(text: bytes) -> tuple[list[dict[str, Any]], int]:
    """The rows of a stream of columns, and its revision."""
    names: list[str] = []
    rows: list[dict[str, Any]] = []
    head: dict[str, Any] = {}
    for kind, payload in frames(text):
        if kind == "head":
            head = json.loads(payload)
        elif kind == "name":
            names += json.loads(payload)
        elif kind == "rows":
            rows += read_block(payload, head["columns"], names)
        else:
            assert kind == "done"
            done = json.loads(payload)
            assert done["rows"] == len(rows)
            return rows, done["revision"]
    raise AssertionError("the stream broke off")


def read_block(block: bytes, columns: list[dict[str, str]], names: list[str]) -> list[dict[str, Any]]:
    """The rows of one block."""
    (count,) = struct.unpack_from("<Q", block)
    place = 8
    found: dict[str, list[Any]] = {}
    for column in columns:
        code = {"u64": "Q", "f64": "d", "u32": "I", "name": "I", "text": "I"}[column["type"]]
        length = count + 1 if column["type"] == "text" else count
        values: list[Any] = list(struct.unpack_from(f"<{length}{code}", block, place))
        place += (struct.calcsize(f"<{length}{code}") + 7) // 8 * 8
        if column["type"] == "name":
            values = [names[value] for value in values]
        if column["type"] == "text":
            texts = block[place : place + values[-1]]
            place += (values[-1] + 7) // 8 * 8
            values = [texts[begin:end].decode() for begin, end in pairwise(values)]
        found[column["name"]] = values
    assert place == len(block)
    made = [dict(zip(found, values, strict=True)) for values in zip(*found.values(), strict=True)]
    for row in made:
        row["tags"] = json.loads(row["tags"])
        if math.isnan(row["end_ms"]):
            row["end_ms"] = None
    return made


def all_columns(store: Store, sid: str) -> bytes:
    """The whole stream."""
    columns = Columns(store, sid)
    pieces = []
    while not columns.is_over:
        pieces.append(columns.next(store))
    return b"".join(pieces)


def fill(store: Store, count: int) -> Writer:
    """A play with spans of all kinds."""
    writer = Writer(store)
    for number in range(count):
        more: dict[str, Any] = {"tags": {"n": number, "text": "é\n"}} if number % 3 == 0 else {}
        if number % 2:
            more |= {"end_ms": 2.0 + number / 7, "status": "ok"}
        writer.write(
            f"s{number}", name=f"name {number % 5}", parent_id=f"s{number // 2}" if number else "", **more
        )
    return writer


def test_columns_hold_what_the_play_has(store: Store) -> None:
    """All spans in their order, with everything but their logs."""
    fill(store, 50)
    rows, revision = read_columns(all_columns(store, "p"))

    assert revision == store.revision()
    assert [row["span_id"] for row in rows] == [f"s{number}" for number in range(50)]
    for row, span in zip(rows, store.read_spans("p", limit=99), strict=True):
        assert {key: row[key] for key in row if hasattr(span, key)} == {
            key: getattr(span, key) for key in row if hasattr(span, key)
        }


def test_columns_come_in_blocks_that_share_their_names(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each name is sent once, before the first block that needs it."""
    monkeypatch.setattr(first_view, "BLOCK_ROWS", 7)
    fill(store, 40)
    text = all_columns(store, "p")
    kinds = [kind for kind, _ in frames(text)]
    names = [name for kind, payload in frames(text) if kind == "name" for name in json.loads(payload)]

    assert kinds.count("rows") == 6
    assert len(names) == len(set(names))
    assert len(read_columns(text)[0]) == 40


def test_columns_are_laid_out_as_their_head_says(store: Store) -> None:
    """Every column of the layout, under its type."""
    fill(store, 1)
    kind, payload = next(frames(all_columns(store, "p")))
    head = json.loads(payload)

    assert kind == "head"
    assert [(column["name"], column["type"]) for column in head["columns"]] == list(LAYOUT)
    assert head["play"]["sid"] == "p"


def test_a_play_without_spans_has_no_block(store: Store) -> None:
    """Its stream is a head and an end."""
    Writer(store)

    assert [kind for kind, _ in frames(all_columns(store, "p"))] == ["head", "done"]
    assert read_columns(all_columns(store, "p")) == ([], store.revision())


def test_what_changes_between_blocks_is_left_to_the_stream(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The revision at the end is that of the beginning: what comes after it is told from there."""
    monkeypatch.setattr(first_view, "BLOCK_ROWS", 3)
    writer = fill(store, 6)
    columns = Columns(store, "p")
    since = store.revision()
    text = columns.next(store)
    writer.write("s0", "s5", "new", error="changed")
    while not columns.is_over:
        text += columns.next(store)
    rows, revision = read_columns(text)

    assert [row["span_id"] for row in rows] == ["s0", "s1", "s2", "s3", "s4"]
    assert revision == since
    assert [row.span_id for _, row in store.changes(since=since, sid="p", limit=9).spans] == [
        "s0",
        "s5",
        "new",
    ]


def test_a_snapshot_is_whole_in_pages(store: Store) -> None:
    """Spans as in the document of a play, each with its place and its revision."""
    writer = fill(store, 25)
    writer.write("s3", logs="one\n", log_bytes=4)
    writer.write("s3", logs="two", log_bytes=7)
    after: int | None = 0
    rows: list[dict[str, Any]] = []
    pages = 0
    while after is not None:
        page = json.loads(snapshot_page(store, "p", after=after, limit=4))
        rows += page["spans"]
        after = page["next"]
        pages += 1

    assert pages == 7
    assert page["revision"] == store.revision()
    assert len({row["span_id"] for row in rows}) == len(rows) == 25
    assert next(row for row in rows if row["span_id"] == "s3")["logs"] == "one\ntwo"


def test_a_page_is_bounded_in_bytes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the logs: a page that has enough goes on in the next one."""
    monkeypatch.setattr(first_view, "_MAX_PAGE_BYTES", 10_000)
    writer = Writer(store)
    for number in range(6):
        writer.write(f"s{number}", logs="x" * 6000, log_bytes=6000)
    after: int | None = 0
    sizes = []
    while after is not None:
        page = json.loads(snapshot_page(store, "p", after=after, limit=100))
        sizes.append(len(page["spans"]))
        after = page["next"]

    assert sizes == [2, 2, 2]


def test_a_play_that_is_not_there_has_no_view(store: Store) -> None:
    """It is not found, before anything is sent."""
    with pytest.raises(NotFound):
        snapshot_page(store, "nobody", after=0, limit=1)
    with pytest.raises(NotFound):
        Columns(store, "nobody")
