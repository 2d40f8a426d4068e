"""The plays on record, as the command line reads them and asks something of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hero_logic.client import Client, Reading
from hero_logic.client.on_record import Asking
from hero_logic.core.errors import NotFound, StoreError
from hero_logic.core.finding import PlayFilter
from hero_logic.core.records import Play, Sandbox
from hero_logic.service.session import Session
from hero_logic.store.sqlite import SqliteStore
from store.facts import add_ended_play, delta, row
from support.runtime import client_at


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A store of three plays: one that failed in part, one that is lost, one that waits."""
    path = tmp_path / "home"
    path.mkdir()
    store = SqliteStore.open(str(path / "hero_logic.db"))
    add_ended_play(store, row(0, parent_id=""), row(1, status="failed", new_logs="why"), sid="ended")
    store.create_play(Play("lost", flow="f", runtime_sid="gone"))
    store.begin_play("lost", start_ms=1.0, sandbox=Sandbox())
    store.write_spans({"lost": delta(row(0, status="running"), span_count=1)})
    store.create_play(Play("waits", flow="g"))
    store.close()
    return path


@pytest.fixture
def client(home: Path) -> Client:
    return client_at(home)


@pytest.fixture
def reading(client: Client) -> Iterator[Reading]:
    with client.read() as opened:
        yield opened


def test_a_page_goes_on_where_the_one_before_ended(reading: Reading) -> None:
    """By its cursor; one that names nobody is not found."""
    first, cursor = reading.page(limit=2, before=None)
    rest, end = reading.page(limit=2, before=cursor)

    assert [play.sid for play in (*first, *rest)] == ["waits", "lost", "ended"]
    assert (cursor, end) == ("lost", None)
    with pytest.raises(NotFound):
        reading.page(limit=2, before="nobody")


def test_a_page_is_of_the_plays_that_are_wanted(reading: Reading) -> None:
    """As all of the filter says."""
    found, _ = reading.page(limit=10, before=None, wanted=PlayFilter(flow="f"))

    assert [play.sid for play in found] == ["lost"]


def test_who_reads_gives_lost_plays_their_end(reading: Reading) -> None:
    """And their spans are shown closed."""
    assert reading.play("lost").status == "failed"
    assert [span.status for span in reading.spans("lost")] == ["failed"]


def test_a_play_that_is_lost_meanwhile_gets_its_end_when_it_is_asked_for(
    home: Path, reading: Reading
) -> None:
    """Who watches for long asks again and again."""
    store = SqliteStore.open(str(home / "hero_logic.db"))
    store.create_play(Play("later", runtime_sid="gone-too"))
    store.begin_play("later", start_ms=1.0, sandbox=Sandbox())
    store.close()
    before = reading.play("later").status
    reading.end_lost()

    assert (before, reading.play("later").status) == ("running", "failed")


def test_what_changes_of_a_play_is_followed(home: Path, reading: Reading) -> None:
    """After a revision, whoever writes it."""
    store = SqliteStore.open(str(home / "hero_logic.db"))
    store.create_play(Play("live", runtime_sid="r"))
    follower = reading.follow("live", since=store.revision())
    store.begin_play("live", start_ms=1.0, sandbox=Sandbox())
    store.write_spans({"live": delta(row(0), span_count=1)})
    store.close()
    changes = follower.changes(10)

    assert changes is not None
    assert [play.status for play in changes.plays] == ["running"]
    assert [span.span_id for _, span in changes.spans] == ["s0"]


def test_what_failed_is_a_document(reading: Reading) -> None:
    """With its logs; and the rows around it are given with it."""
    document = json.loads(b"".join(reading.failed_document("ended")))
    rows, around = reading.failed("ended", limit=5)

    assert [span["span_id"] for span in document["spans"]] == ["s1"]
    assert document["spans"][0]["logs"] == reading.logs("ended", "s1") == "why"
    assert [one.span_id for one in rows] == ["s1"]
    assert {"s1"} <= {one.span_id for one in around}


def test_statistics_say_whether_they_are_all(reading: Reading) -> None:
    """Those of the highest total come first, and fewer than there are say so."""
    some = json.loads(reading.stats_document("ended", limit=1))
    whole = json.loads(reading.stats_document("ended", limit=10))

    assert (len(some["names"]), len(whole["names"])) == (1, 2)
    assert (some["is_all"], whole["is_all"]) == (False, True)


def test_a_list_says_how_much_there_is(reading: Reading) -> None:
    """Of all that is on record, however short the page."""
    plays, cursor = reading.page(limit=1, before=None)
    document = json.loads(reading.list_document(plays, cursor))

    assert len(document["plays"]) == 1
    assert reading.size().plays == 3


def test_a_play_that_came_from_no_file_has_no_path(reading: Reading) -> None:
    """Nor has one that was recorded from a stream."""
    assert reading.path_of(reading.play("ended")) == ""


def test_what_was_opened_is_closed_though_the_block_raises(client: Client) -> None:
    """To read, and to ask."""
    opened: list[Session] = []

    def fail(block: Reading | Asking) -> None:
        with block:
            opened.append(block._session)
            raise ValueError

    for block in (client.read(), client.ask()):
        with pytest.raises(ValueError):
            fail(block)

    for session in opened:
        with pytest.raises(StoreError):
            session.store.revision()


def test_what_is_asked_is_on_record_at_once(client: Client, reading: Reading) -> None:
    """Another block sees it."""
    with client.ask() as verbs:
        verbs.play_cancel("waits", asked_by="a test")

    assert reading.play("waits").status == "cancelled"
