"""A bell at every commit: for those who read the store themselves."""

from __future__ import annotations

from hero_logic.service.feed import Feed
from hero_logic.store.contract import Commit
from hero_logic.store.memory import MemoryStore
from support.span_writer import Writer


def test_every_commit_rings_until_that_is_ended() -> None:
    """With what changed, plays without spans too, when it can be read."""
    store = MemoryStore()
    heard: list[tuple[tuple[str, ...], list[str], bool]] = []

    def on_commit(commit: Commit) -> None:
        heard.append((commit.plays, list(commit.spans), store.revision() >= commit.revision))

    end = Feed(store).ring(on_commit)
    writer = Writer(store)
    writer.write("a")
    end()
    writer.write("b")

    assert heard == [(("p",), [], True), (("p",), [], True), ((), ["p"], True)]


def test_a_bell_that_fails_is_rung_no_more() -> None:
    """The writer and all others go on."""
    store = MemoryStore()
    feed = Feed(store)
    troubles: list[str] = []
    feed.on_trouble = troubles.append
    heard: list[int] = []
    feed.ring(lambda commit: 1 // 0)  # type: ignore[arg-type,return-value]
    feed.ring(lambda commit: heard.append(commit.revision))
    writer = Writer(store)
    writer.write("a")

    assert len(troubles) == 1
    assert "ZeroDivisionError" in troubles[0]
    assert len(heard) == 3
