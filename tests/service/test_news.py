"""Who waits for something to become of a play is woken when it has."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hero_logic.core.errors import NotFound
from hero_logic.core.records import Play, PlayEnd, Sandbox
from hero_logic.service.bells import Bells, Ears
from hero_logic.service.feed import Feed
from hero_logic.service.news import News
from hero_logic.store.sqlite import SqliteStore
from support.waiting import wait_until


class Process:
    """What one process has over the store."""

    def __init__(self, tmp_path: Path, name: str, *, look_s: float = 3600) -> None:
        self.store = SqliteStore.open(str(tmp_path / "db"))
        self.ears = Ears(Bells(str(tmp_path / "runtimes"), name), look_s=look_s)
        self.feed = Feed(self.store)
        self.news = News(self.store, self.feed, self.ears)

    def close(self) -> None:
        self.news.close()
        self.ears.close()
        self.store.close()


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Process]:
    made = Process(tmp_path, "ours")
    yield made
    made.close()


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[Process]:
    made = Process(tmp_path, "theirs")
    made.feed.ring(lambda _: made.ears.bells.ring())
    yield made
    made.close()


class Waiting:
    """A thread that waits for a play."""

    def __init__(self, process: Process, sid: str, **options: Any) -> None:
        self.found: list[Play] = []
        self.errors: list[Exception] = []
        options = {"timeout_s": 20.0, "is_enough": lambda play: False, **options}

        def wait() -> None:
            try:
                self.found.append(
                    process.news.wait(sid, options["is_enough"], timeout_s=options["timeout_s"])
                )
            except NotFound as error:
                self.errors.append(error)

        self.thread = threading.Thread(target=wait)
        self.thread.start()
        wait_until(lambda: sid in process.news._calls or not self.thread.is_alive(), "the waiting")

    def end(self) -> Play:
        self.thread.join(20)
        [found] = self.found
        return found


def run_play(store: SqliteStore, sid: str) -> None:
    store.create_play(Play(sid=sid, runtime_sid="r"))
    store.begin_play(sid, start_ms=1.0, sandbox=Sandbox())


@pytest.mark.parametrize("writer", ["ours", "theirs"])
def test_who_waits_is_woken_by_the_end(ours: Process, theirs: Process, writer: str) -> None:
    """Whichever process writes it, and without a clock: no look comes within an hour."""
    process = ours if writer == "ours" else theirs
    run_play(process.store, "p")
    waiting = Waiting(ours, "p", timeout_s=None)
    assert waiting.thread.is_alive()
    process.store.end_play("p", PlayEnd("failed", 2.0))

    assert waiting.end().status == "failed"


def test_who_waits_for_less_than_the_end_is_woken_by_that(ours: Process) -> None:
    """Such as the beginning."""
    ours.store.create_play(Play(sid="p", runtime_sid="r"))
    waiting = Waiting(ours, "p", is_enough=lambda play: play.status != "pending")
    ours.store.begin_play("p", start_ms=1.0, sandbox=Sandbox())

    assert waiting.end().status == "running"


def test_a_play_that_has_ended_is_not_waited_for(ours: Process) -> None:
    """It is given at once."""
    ours.store.create_play(Play(sid="p", status="ok"))

    assert ours.news.wait("p", lambda play: False, timeout_s=None).status == "ok"


def test_when_the_time_is_over_the_play_is_given_as_it_stands(ours: Process) -> None:
    """It still runs."""
    run_play(ours.store, "p")

    assert ours.news.wait("p", lambda play: False, timeout_s=0.01).status == "running"


def test_a_play_that_is_not_there_is_not_waited_for(ours: Process) -> None:
    """It is NotFound."""
    with pytest.raises(NotFound):
        ours.news.wait("gone", lambda play: False, timeout_s=None)


def test_each_wakes_who_waits_for_it(ours: Process) -> None:
    """A hundred who wait, each for its own play, are woken by that."""
    for number in range(50):
        run_play(ours.store, str(number))
    waiting = [Waiting(ours, str(number % 50), timeout_s=None) for number in range(100)]
    for number in range(50):
        ours.store.end_play(str(number), PlayEnd("ok", 2.0))

    assert [one.end().sid for one in waiting] == [str(number % 50) for number in range(100)]


def test_who_does_not_wait_any_more_is_forgotten(ours: Process) -> None:
    """Nothing is left of it."""
    run_play(ours.store, "p")
    ours.news.wait("p", lambda play: False, timeout_s=0.001)

    assert ours.news._calls == {}


def test_a_lost_ring_costs_a_look_and_nothing_else(tmp_path: Path) -> None:
    """Who writes without ringing is found out by looking."""
    ours, silent = Process(tmp_path, "ours", look_s=0.01), Process(tmp_path, "silent")
    run_play(silent.store, "p")
    waiting = Waiting(ours, "p", timeout_s=None)
    silent.store.end_play("p", PlayEnd("ok", 2.0))

    assert waiting.end().status == "ok"
    ours.close()
    silent.close()


def test_a_call_that_fails_keeps_the_news_from_nobody(ours: Process) -> None:
    """It is not called again; the writer goes on."""
    run_play(ours.store, "p")
    calls: list[int] = []

    def fail() -> None:
        calls.append(1)
        raise ValueError

    ours.news.call("p", fail)
    waiting = Waiting(ours, "p")
    calls.clear()
    ours.store.end_play("p", PlayEnd("ok", 2.0))

    assert waiting.end().status == "ok"
    assert len(calls) <= 1


def test_a_play_that_is_deleted_ends_the_waiting(ours: Process) -> None:
    """With NotFound, at the next look of who waits."""
    ours.store.create_play(Play(sid="p", runtime_sid="r"))
    waiting = Waiting(ours, "p", is_enough=lambda play: False)
    ours.store.end_play("p", PlayEnd("failed", 1.0))
    waiting.thread.join(20)

    assert waiting.found
    ours.store.delete_play("p")
    with pytest.raises(NotFound):
        ours.news.wait("p", lambda play: False, timeout_s=None)
