"""What has just been written is told: each change once, in order, to whoever listens, slow or broken."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hero_logic.core.errors import StoreError
from hero_logic.core.records import Changes, Play, SpanRow
from hero_logic.service import feed as feed_module
from hero_logic.service.feed import Feed, Overflow, Subscription
from hero_logic.store.contract import Commit, Store
from hero_logic.store.memory import MemoryStore
from hero_logic.store.sqlite import SqliteStore
from support.span_writer import Writer


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else SqliteStore.open(str(tmp_path / "db"))
    yield made
    made.close()


def taken(subscription: Subscription) -> Changes:
    """All that waits, in one."""
    all_of_it = Changes(0, [], [], is_all=True)
    while (changes := subscription.take(timeout_s=0)) is not None:
        assert isinstance(changes, Changes)
        all_of_it.plays += changes.plays
        all_of_it.spans += changes.spans
        all_of_it.revision = changes.revision
        if changes.is_all:
            break
    return all_of_it


def names(changes: Changes) -> list[str]:
    return [row.span_id for _, row in changes.spans]


def level(feed: Feed, store: Store, sid: str | None = "p", **options: object) -> Subscription:
    """A subscription that has caught up."""
    subscription = feed.subscribe(sid, since=store.revision(), **options)  # type: ignore[arg-type]
    taken(subscription)
    return subscription


# --- Called by the writer ------------------------------------------------------------------------------


def test_rows_are_told_when_they_can_be_read(store: Store) -> None:
    """By the thread that wrote them, before its write returns."""
    writer = Writer(store)
    read: list[int] = []
    Feed(store).call("p", lambda sid, rows: read.append(store.load_rows(sid, [rows[0].span_id])[0].revision))
    writer.write("a")

    assert read == [writer.rows["a"].revision]


def test_the_rows_told_are_the_folds_own(store: Store) -> None:
    """Nothing is copied for a face in the same process."""
    writer = Writer(store)
    told: list[SpanRow] = []
    Feed(store).call("p", lambda _, rows: told.extend(rows))
    writer.write("a")

    assert told[0] is writer.rows["a"]


def test_revisions_are_told_in_their_order(store: Store) -> None:
    """However many threads write."""
    writers = [Writer(store, f"p{number}") for number in range(4)]
    told: list[int] = []
    Feed(store).call(None, lambda _, rows: told.extend(row.revision for row in rows))
    threads = [
        threading.Thread(target=lambda one=one: [one.write(f"s{i % 7}") for i in range(50)])
        for one in writers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(told) == 200
    assert told == sorted(told)


def test_who_asks_for_one_play_hears_of_no_other(store: Store) -> None:
    """Who asks for all hears of both."""
    one, other = Writer(store, "p"), Writer(store, "q")
    feed = Feed(store)
    told: list[str] = []
    told_all: list[str] = []
    feed.call("p", lambda sid, _: told.append(sid))
    feed.call(None, lambda sid, _: told_all.append(sid))
    one.write("a")
    other.write("b")

    assert (told, told_all) == (["p"], ["p", "q"])


def test_who_has_had_enough_is_told_nothing_more(store: Store) -> None:
    """What :meth:`Feed.call` gave ends it."""
    writer = Writer(store)
    told: list[str] = []
    end = Feed(store).call("p", lambda sid, _: told.append(sid))
    writer.write("a")
    end()
    writer.write("b")

    assert told == ["p"]


def test_a_call_that_fails_fails_nobody_else(store: Store) -> None:
    """It is not called again, and that is told once; the writer and the other go on."""
    writer = Writer(store)
    feed = Feed(store)
    troubles: list[str] = []
    calls: list[str] = []
    told: list[str] = []
    feed.on_trouble = troubles.append

    def fail(*_: object) -> None:
        calls.append("failing")
        raise ValueError("no screen")

    feed.call("p", fail)
    feed.call("p", lambda sid, _: told.append(sid))
    writer.write("a")
    writer.write("b")

    assert (calls, told) == (["failing"], ["p", "p"])
    assert troubles == ["what shows the play p has failed, and shows no more: ValueError('no screen')"]


def test_trouble_that_nobody_can_be_told_of_is_no_trouble(store: Store) -> None:
    """The writer goes on even so."""
    writer = Writer(store)
    feed = Feed(store)

    def fail(*_: object) -> None:
        raise ValueError

    feed.on_trouble = fail
    feed.call("p", fail)

    assert writer.write("a") == store.revision()


# --- From a buffer -------------------------------------------------------------------------------------


def test_what_changes_waits_until_it_is_taken(store: Store) -> None:
    """In the order of its revisions, with the play as it stands, without what is heavy of it."""
    writer = Writer(store)
    subscription = level(Feed(store), store)
    writer.write("a", "b")
    writer.write("c")
    changes = taken(subscription)

    assert names(changes) == ["a", "b", "c"]
    assert [row.revision for _, row in changes.spans] == sorted(row.revision for row in writer.rows.values())
    assert [(play.sid, play.span_count, play.counters.events) for play in changes.plays] == [("p", 3, 3)]
    assert (changes.plays[0].input_json, changes.revision, changes.is_all) == ("{}", store.revision(), True)
    assert subscription.take(timeout_s=0) is None


def test_a_span_that_changes_again_is_there_once(store: Store) -> None:
    """As it is then, at its new place, with all of its new logs."""
    writer = Writer(store)
    subscription = level(Feed(store), store)
    writer.write("a", logs="[1] one")
    writer.write("b")
    writer.write("a", logs="\n[2] two", status="ok", end_ms=2.0)
    changes = taken(subscription)

    assert names(changes) == ["b", "a"]
    assert (changes.spans[1][1].status, changes.spans[1][1].new_logs) == ("ok", "[1] one\n[2] two")


def test_what_waits_does_not_change_with_the_fold(store: Store) -> None:
    """Neither a field, nor its tags, nor what another subscriber joined to it."""
    writer = Writer(store)
    feed = Feed(store)
    first, second = level(feed, store), level(feed, store)
    writer.write("a", logs="x", tags={"n": 1})
    before = taken(first)
    writer.rows["a"].tags["n"] = 2
    writer.write("a", logs="y", name="later")
    after = taken(first)

    assert [(row.name, row.tags, row.new_logs) for _, row in before.spans] == [("", {"n": 1}, "x")]
    assert [row.new_logs for _, row in after.spans] == ["y"]
    assert [row.new_logs for _, row in taken(second).spans] == ["xy"]


def test_one_copy_serves_all_who_buffer(store: Store) -> None:
    """However many watch a play, the writer copies a row once."""
    writer = Writer(store)
    feed = Feed(store)
    subscriptions = [level(feed, store) for _ in range(3)]
    writer.write("a")
    rows = [taken(one).spans[0][1] for one in subscriptions]

    assert rows[0] is rows[1] is rows[2]
    assert rows[0] is not writer.rows["a"]


def test_a_play_is_told_when_it_is_made_begins_and_ends(store: Store) -> None:
    """To those who want all plays, and at most once each time."""
    feed = Feed(store)
    subscription = feed.subscribe(None, since=store.revision())
    writer = Writer(store)
    begun = taken(subscription)
    writer.end()
    ended = taken(subscription)

    assert [(play.sid, play.status) for play in begun.plays] == [("p", "running")]
    assert [(play.status, play.output_json) for play in ended.plays] == [("ok", None)]


def test_nobody_hears_of_an_end_before_the_last_span(store: Store) -> None:
    """Who stops at the end of a play has seen all of it."""
    writer = Writer(store)
    subscription = feed_level = level(Feed(store), store)
    done = threading.Event()

    def write() -> None:
        for number in range(300):
            writer.write(f"s{number}")
        writer.end()
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    seen: set[str] = set()
    is_ended = False
    while not is_ended:
        changes = feed_level.take(timeout_s=10)
        assert isinstance(changes, Changes), changes
        seen |= set(names(changes))
        is_ended = any(play.status == "ok" for play in changes.plays)
    thread.join()

    assert len(seen) == 300
    subscription.close()


@pytest.mark.parametrize("options", [{"max_rows": 10}, {"max_bytes": 10_000}])
def test_who_is_too_slow_is_told_so_and_takes_no_more_memory(store: Store, options: dict[str, int]) -> None:
    """What waited is gone; it says so until its owner has read anew, and nothing is missing after that."""
    writer = Writer(store)
    subscription = level(Feed(store), store, **options)
    for number in range(50):
        writer.write(f"s{number}", logs="x" * 100)
    answers = [subscription.take(timeout_s=0), subscription.take(timeout_s=0)]
    revision = store.revision()
    writer.write("meanwhile")
    subscription.go_on(since=revision)
    writer.write("later")

    assert answers == [Overflow(), Overflow()]
    assert names(taken(subscription)) == ["meanwhile", "later"]


def test_a_span_that_changes_often_takes_the_room_of_one(store: Store) -> None:
    """Progress does not push anything out."""
    writer = Writer(store)
    subscription = level(Feed(store), store, max_rows=2)
    for number in range(50):
        writer.write("a", tags={"hero.progress": number})

    assert [row.tags for _, row in taken(subscription).spans] == [{"hero.progress": 49}]


def test_who_comes_late_is_told_from_where_it_was(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """First what the store has after that revision, page by page, then what comes."""
    monkeypatch.setattr(feed_module, "PAGE_ROWS", 3)
    writer = Writer(store)
    writer.write("old")
    revision = store.revision()
    for number in range(10):
        writer.write(f"s{number}")
    subscription = Feed(store).subscribe("p", since=revision)
    first = subscription.take(timeout_s=0)
    writer.write("new")
    rest = taken(subscription)
    writer.write("newer")

    assert isinstance(first, Changes)
    assert (names(first), first.is_all) == (["s0", "s1", "s2"], False)
    assert names(rest) == [*(f"s{number}" for number in range(3, 10)), "new"]
    assert names(taken(subscription)) == ["newer"]


@pytest.mark.parametrize("seed", range(4))
def test_each_change_is_told_once_wherever_one_begins(
    store: Store, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what was read before, the changes make what is on record: every row, and every log once."""
    dice = random.Random(seed)
    monkeypatch.setattr(feed_module, "PAGE_ROWS", 20)
    writer, other = Writer(store), Writer(store, "q")
    feed = Feed(store)
    begin_at = dice.randrange(150)
    begins, done = threading.Event(), threading.Event()

    def write() -> None:
        for number in range(300):
            if number == begin_at:
                begins.set()
            writer.write(*{f"s{dice.randrange(40)}" for _ in range(3)}, logs=f"[{number}]")
            other.write("x")
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    begins.wait()
    revision = store.revision()
    with feed.subscribe("p", since=revision) as subscription:
        logs = {span.span_id: "" for span in store.read_spans("p")}
        revisions: dict[str, int] = {}
        is_over = False
        while not is_over:
            was_done = done.is_set()
            changes = subscription.take(timeout_s=0.01)
            is_over = was_done and changes is None
            for _, row in changes.spans if isinstance(changes, Changes) else ():
                assert row.revision > revision
                assert row.revision >= revisions.get(row.span_id, 0)
                revisions[row.span_id] = row.revision
                logs[row.span_id] = logs.get(row.span_id, "") + row.new_logs
    thread.join()
    ends = {span.span_id: span.logs for span in store.read_spans("p")}

    assert {name for name, row in writer.rows.items() if row.revision > revision} == set(revisions)
    assert all(ends[name].endswith(logs[name]) for name in revisions)
    assert all(revisions[name] == writer.rows[name].revision for name in revisions)


def held_back(store: Store) -> Callable[[], None]:
    """Have commits told only when this is called: as if their thread had been stopped after it wrote."""
    tell = store.on_commit
    commits: list[Commit] = []
    store.on_commit = commits.append

    def release() -> None:
        while commits:
            tell(commits.pop(0))

    return release


def test_what_was_read_from_the_store_is_not_told_again(store: Store) -> None:
    """A commit that was readable before it was told is no news by then."""
    writer = Writer(store)
    feed = Feed(store)
    subscription = feed.subscribe("p", since=store.revision())
    release = held_back(store)
    writer.write("a", logs="x")
    read = taken(subscription)
    release()
    writer.write("b")
    release()

    assert (names(read), names(taken(subscription))) == (["a"], ["b"])


def test_a_play_that_was_read_before_its_commit_was_told_comes_once(store: Store) -> None:
    """The spans of that commit come all the same."""
    writer = Writer(store)
    subscription = level(Feed(store), store)
    writer.write("a")
    release = held_back(store)
    writer.write("b")
    first = taken(subscription)
    release()
    second = taken(subscription)

    assert (names(first), [play.revision for play in first.plays]) == (["a"], [store.revision()])
    assert (names(second), second.plays) == (["b"], [])


def test_a_play_that_changed_while_it_was_read_is_read_again(store: Store) -> None:
    """What was read is not kept for others: it is old by then."""
    writer = Writer(store)
    subscription = level(Feed(store), store)
    read_play = store.brief_play

    def read_and_write(sid: str) -> Play:
        play = read_play(sid)
        if len(writer.rows) < 2:
            writer.write("b")
        return play

    store.brief_play = read_and_write  # type: ignore[method-assign]
    writer.write("a")
    counts = [play.span_count for _ in range(2) for play in taken(subscription).plays]

    assert counts == [1, 2]


def test_a_store_that_cannot_be_read_loses_nothing(store: Store) -> None:
    """The next call has the play as well as its spans."""
    writer = Writer(store)
    subscription = level(Feed(store), store)
    read_play = store.brief_play
    failures = [StoreError("locked")]

    def fail_once(sid: str) -> Play:
        if failures:
            raise failures.pop()
        return read_play(sid)

    store.brief_play = fail_once  # type: ignore[method-assign]
    writer.write("a")
    with pytest.raises(StoreError):
        subscription.take(timeout_s=0)
    changes = taken(subscription)

    assert (names(changes), [play.sid for play in changes.plays]) == (["a"], ["p"])


def test_who_catches_up_while_much_is_written_misses_nothing(store: Store) -> None:
    """What was told between two readings of the store is read from there."""
    writer = Writer(store)
    subscription = Feed(store).subscribe("p", since=store.revision())
    read_changes = store.changes

    def read_and_write(**options: Any) -> Changes:
        changes = read_changes(**options)
        if len(writer.rows) < 4:
            writer.write(f"s{len(writer.rows)}")
        return changes

    store.changes = read_and_write  # type: ignore[method-assign]

    assert names(taken(subscription)) == ["s0", "s1", "s2", "s3"]


def test_waiting_ends_with_what_comes(store: Store) -> None:
    """At once, not at a tick."""
    writer = Writer(store)
    subscription = level(Feed(store), store)
    answers: list[object] = []
    thread = threading.Thread(target=lambda: answers.append(subscription.take(timeout_s=30)))
    thread.start()
    writer.write("a")
    thread.join(timeout=20)

    assert [names(answer) for answer in answers if isinstance(answer, Changes)] == [["a"]]


def test_waiting_ends_when_the_subscription_does(store: Store) -> None:
    """With nothing."""
    Writer(store)
    subscription = level(Feed(store), store)
    answers: list[object] = []
    thread = threading.Thread(target=lambda: answers.append(subscription.take()))
    thread.start()
    subscription.close()
    thread.join(timeout=20)

    assert (answers, subscription.is_closed) == ([None], True)


def test_who_has_left_takes_no_memory(store: Store) -> None:
    """Nothing is buffered for it any more."""
    writer = Writer(store)
    with level(Feed(store), store) as subscription:
        pass
    writer.write("a")

    assert subscription.take(timeout_s=0) is None


def test_an_event_loop_is_told_when_there_is_something_again(store: Store) -> None:
    """Once, however much comes until it takes that."""
    writer = Writer(store)
    ready: list[int] = []
    subscription = level(Feed(store), store, on_ready=lambda: ready.append(store.revision()))
    first = writer.write("a")
    writer.write("b")
    taken(subscription)
    second = writer.write("c")

    assert ready == [first, second]


def test_an_event_loop_that_is_gone_fails_nobody_else(store: Store) -> None:
    """Its subscription is closed, and that is told; the writer and the other go on."""
    writer = Writer(store)
    feed = Feed(store)
    troubles: list[str] = []
    feed.on_trouble = troubles.append

    def fail() -> None:
        raise RuntimeError("loop is closed")

    broken = level(feed, store, None, on_ready=fail)
    other = level(feed, store)
    writer.write("a")

    assert (broken.is_closed, names(taken(other))) == (True, ["a"])
    assert troubles == ["what shows all plays has failed, and shows no more: RuntimeError('loop is closed')"]
