"""What every store promises to who follows it; a part of contract_suite.py."""

import random
import threading

import msgspec
import pytest

from hero_logic.core.errors import NotFound
from hero_logic.core.records import Changes, Play, PlayEnd, Sandbox, SpanRow
from hero_logic.store.contract import Store
from store.facts import FULL_PLAY, UNKNOWN_PLAY, add_ended_play, add_running_play, delta, row


def span_ids(changes: Changes) -> list[tuple[str, str]]:
    """Which spans these are."""
    return [(sid, one.span_id) for sid, one in changes.spans]


class Follower:
    """Who keeps a picture of a store, or of one play, by asking for what changed."""

    def __init__(self, store: Store, *, sid: str | None, limit: int) -> None:
        self.plays: dict[str, Play] = {}
        self.spans: dict[tuple[str, str], SpanRow] = {}
        self.logs: dict[tuple[str, str], str] = {}
        self.since = 0
        self._store = store
        self._sid = sid
        self._limit = limit

    def ask(self) -> bool:
        """Take in one answer; whether it was all there is."""
        changes = self._store.changes(since=self.since, sid=self._sid, limit=self._limit)
        assert changes.revision > self.since or changes.is_all, "an answer that leads nowhere"
        assert len(changes.plays) <= self._limit
        assert len(changes.spans) <= self._limit
        assert changes.is_all or changes.plays or changes.spans
        self.since = changes.revision
        for play in changes.plays:
            self.plays[play.sid] = play
        for sid, one in changes.spans:
            key = (sid, one.span_id)
            self.logs[key] = self.logs.get(key, "") + one.new_logs
            self.spans[key] = msgspec.structs.replace(one, new_logs="")
        return changes.is_all

    def check(self) -> None:
        """The picture is the store."""
        listed = {play.sid: play for play in self._store.list_plays(limit=99)}
        sids = list(listed) if self._sid is None else [self._sid]
        assert self.plays == {sid: listed[sid] for sid in sids}
        spans = {(sid, one.span_id): one for sid in sids for one in self._store.read_spans(sid)}
        assert self.logs == {key: one.logs for key, one in spans.items()}
        rows = {
            (sid, one.span_id): one
            for sid in sids
            for one in self._store.load_rows(sid, [span_id for of, span_id in spans if of == sid])
        }
        assert self.spans == rows


class Writer:
    """Changes plays at random: new spans and old ones, with and without logs, of one play or several."""

    def __init__(self, store: Store, seed: int) -> None:
        self._random = random.Random(seed)
        self._store = store
        self._rows: dict[str, list[SpanRow]] = {}
        self._plays = 0
        self._pieces = 0

    def step(self) -> None:
        """One change."""
        if not self._rows or self._random.random() < 0.05:
            sid = add_running_play(self._store, f"p{self._plays}")
            self._plays += 1
            self._rows[sid] = []
        elif self._random.random() < 0.03 and len(self._rows) > 2:
            sid = self._random.choice(list(self._rows))
            self._store.end_play(sid, PlayEnd("ok", 1.0))
            self._rows.pop(sid)
        else:
            sids = self._random.sample(list(self._rows), self._random.randint(1, min(2, len(self._rows))))
            self._store.write_spans({sid: delta(*self._touch(sid)) for sid in sids})

    def _touch(self, sid: str) -> list[SpanRow]:
        rows = self._rows[sid]
        old = self._random.sample(rows, self._random.randint(0, min(3, len(rows))))
        new = [
            row(len(rows) + number, status=self._random.choice(["running", "ok"]))
            for number in range(self._random.randint(0, 3))
        ]
        rows += new
        for one in (*old, *new):
            self._pieces += 1
            one.new_logs = self._random.choice(["", f"[{self._pieces}]", f"<{self._pieces}{'x' * 5000}>"])
            if one in old and self._random.random() < 0.5:
                one.status = "ok"
        return sorted([*old, *new], key=lambda one: one.ordinal)


class ChangesContract:
    """What changed after a revision."""

    def test_an_empty_store_has_no_changes(self, store: Store) -> None:
        """Nothing, and nothing left out."""
        assert store.changes(since=0, limit=9) == Changes(0, [], [], is_all=True)

    def test_what_changed_is_given_once_as_it_is(self, store: Store) -> None:
        """Each play and span that changed after the revision, in the order of their last changes."""
        add_running_play(store, "p")
        add_running_play(store, "q")
        store.write_spans({"p": delta(row(0), row(1, status="running"), row(2))})
        since = store.revision()
        [one] = store.load_rows("p", ["s1"])
        for status in ("running", "ok"):
            one.status = status
            store.write_spans({"q": delta(row(0 if status == "running" else 1)), "p": delta(one)})

        changes = store.changes(since=since, limit=99)

        assert span_ids(changes) == [("q", "s0"), ("q", "s1"), ("p", "s1")]
        assert [found.status for _, found in changes.spans] == ["ok", "ok", "ok"]
        assert [play.sid for play in changes.plays] == ["q", "p"]
        assert (changes.revision, changes.is_all) == (store.revision(), True)

    def test_rows_come_as_they_are_loaded(self, store: Store) -> None:
        """With their revisions, and with what was added to their logs."""
        add_running_play(store)
        store.write_spans({"p": delta(row(0, new_logs="[1] a"))})

        [(_, found)] = store.changes(since=0, limit=9).spans

        assert [msgspec.structs.replace(found, new_logs="")] == store.load_rows("p", ["s0"])
        assert found.new_logs == "[1] a"

    def test_plays_come_without_what_is_heavy(self, store: Store) -> None:
        """As a list has them."""
        store.create_play(FULL_PLAY)

        assert store.changes(since=0, limit=9).plays == store.list_plays(limit=9)

    def test_each_change_of_a_play_is_a_change(self, store: Store) -> None:
        """Its creation, its begin, its totals and its end."""
        seen = []
        since = 0
        for change in (
            lambda: store.create_play(Play(sid="p")),
            lambda: store.begin_play("p", start_ms=1.0, sandbox=Sandbox()),
            lambda: store.write_spans({"p": delta(events=3)}),
            lambda: store.end_play("p", PlayEnd("ok", 2.0)),
        ):
            change()
            changes = store.changes(since=since, limit=9)
            since = changes.revision
            seen += [(play.status, play.counters.events) for play in changes.plays]

        assert seen == [("pending", 0), ("running", 0), ("running", 3), ("ok", 3)]
        assert store.changes(since=since, limit=9) == Changes(since, [], [], is_all=True)

    def test_one_play_is_followed_alone(self, store: Store) -> None:
        """Neither spans nor plays of others come; the revision is the store's all the same."""
        for sid in "pqr":
            add_ended_play(store, row(0), row(1), sid=sid)

        changes = store.changes(since=0, sid="q", limit=9)

        assert span_ids(changes) == [("q", "s0"), ("q", "s1")]
        assert [play.sid for play in changes.plays] == ["q"]
        assert (changes.revision, changes.is_all) == (store.revision(), True)

    def test_an_unknown_play_cannot_be_followed(self, store: Store) -> None:
        """It is not found, rather than silent for ever."""
        with pytest.raises(NotFound, match=UNKNOWN_PLAY):
            store.changes(since=0, sid="gone", limit=9)

    @pytest.mark.parametrize("sid", ["p", None])
    def test_a_limit_says_where_to_go_on(self, store: Store, sid: str | None) -> None:
        """The revision of the last span given; the play, which changed after all of them, comes with them."""
        add_running_play(store)
        begun = store.revision()
        store.write_spans({"p": delta(*(row(number) for number in range(5)))})

        first = store.changes(since=begun, sid=sid, limit=2)
        second = store.changes(since=first.revision, sid=sid, limit=2)
        third = store.changes(since=second.revision, sid=sid, limit=2)

        assert [span_ids(one) for one in (first, second, third)] == [
            [("p", "s0"), ("p", "s1")],
            [("p", "s2"), ("p", "s3")],
            [("p", "s4")],
        ]
        assert [one.revision for one in (first, second, third)] == [begun + 2, begun + 4, begun + 6]
        assert [one.is_all for one in (first, second, third)] == [False, False, True]
        assert [len(one.plays) for one in (first, second, third)] == [0, 0, 1]

    def test_a_limit_holds_for_plays_too(self, store: Store) -> None:
        """At most so many plays, and no span of a later revision."""
        for sid in "pqrs":
            add_ended_play(store, *([row(0)] if sid in "ps" else []), sid=sid)

        first = store.changes(since=0, limit=3)
        second = store.changes(since=first.revision, limit=3)

        assert [play.sid for play in first.plays] == ["p", "q", "r"]
        assert span_ids(first) == [("p", "s0")]
        assert first.revision == first.plays[-1].revision
        assert ([play.sid for play in second.plays], span_ids(second)) == (["s"], [("s", "s0")])
        assert (first.is_all, second.is_all) == (False, True)

    def test_a_limit_of_nothing_gives_nothing(self, store: Store) -> None:
        """It does not lead on, and does not say that this was all."""
        add_running_play(store)

        assert store.changes(since=0, limit=0) == Changes(0, [], [], is_all=False)

    def test_new_logs_are_those_after_the_revision(self, store: Store) -> None:
        """Whatever came before it is not given again, whether it came with the first write or later."""
        add_running_play(store)
        one, other = row(0, status="running", new_logs="a"), row(1, new_logs="A")
        store.write_spans({"p": delta(one, other)})
        first = store.revision()
        one.new_logs, other.new_logs = "b", ""
        store.write_spans({"p": delta(one, other)})
        second = store.revision()
        one.new_logs, other.new_logs = "c", "B"
        store.write_spans({"p": delta(one, other)})

        def new_logs(since: int) -> dict[str, str]:
            return {found.span_id: found.new_logs for _, found in store.changes(since=since, limit=9).spans}

        assert new_logs(0) == {"s0": "abc", "s1": "AB"}
        assert new_logs(first) == {"s0": "bc", "s1": "B"}
        assert new_logs(second) == {"s0": "c", "s1": "B"}

    def test_a_log_comes_with_the_answer_that_holds_its_moment(self, store: Store) -> None:
        """A span that changed again after the limit is given for the log before it, and comes again later."""
        add_running_play(store)
        one = row(0, status="running", new_logs="early")
        store.write_spans({"p": delta(one, row(1), row(2))})
        one.new_logs, one.status = " late", "ok"
        store.write_spans({"p": delta(one)})

        first = store.changes(since=0, sid="p", limit=2)
        second = store.changes(since=first.revision, sid="p", limit=2)

        found = [(found.span_id, found.status, found.new_logs) for _, found in first.spans]
        assert found == [("s1", "ok", ""), ("s0", "ok", "early")]
        assert [(one.span_id, one.new_logs) for _, one in second.spans] == [("s2", ""), ("s0", " late")]

    @pytest.mark.parametrize("seed", range(12))
    def test_a_follower_has_everything_once(self, store: Store, seed: int) -> None:
        """Whenever it asks and however little it takes at once: all rows, and each piece of a log once."""
        writer = Writer(store, seed)
        writer.step()
        followers = [
            Follower(store, sid=sid, limit=limit)
            for sid, limit in [(None, 1), (None, 7), ("p0", 2), (None, 99)]
        ]
        asks = random.Random(seed)
        for _ in range(120):
            writer.step()
            for one in followers:
                if asks.random() < 0.3:
                    one.ask()

        for one in followers:
            while not one.ask():
                pass
            one.check()

    def test_the_plays_that_changed_are_told_with_their_revisions(self, store: Store) -> None:
        """A play changes with its spans; what is not above the revision is left out."""
        add_running_play(store, "p")
        add_running_play(store, "q")
        since = store.revision()
        store.write_spans({"p": delta(row(0))})

        assert store.changed_statuses(since) == [("p", store.brief_play("p").revision, "running")]
        assert [sid for sid, _, _ in store.changed_statuses(0)] == ["q", "p"]
        assert store.changed_statuses(store.revision()) == []

    def test_a_stamp_stays_the_same_only_while_nothing_is_written(self, store: Store) -> None:
        """Whatever is written through another object over the same store changes it; reading does not."""
        add_running_play(store, "p")
        reader = store.reader()
        seen = reader.stamp()
        reader.get_play("p")

        assert reader.stamp() == seen
        store.write_spans({"p": delta(row(0))})
        written = reader.stamp()
        assert written != seen
        store.end_play("p", PlayEnd("ok", 5.0))
        assert reader.stamp() != written
        reader.close()

    def test_a_reader_sees_what_is_written_and_is_closed_apart(self, store: Store) -> None:
        """It has what was written before and after it was made; its end is not that of the store."""
        add_running_play(store, "p")
        reader = store.reader(busy_timeout_s=0.0)
        store.write_spans({"p": delta(row(0), span_count=1)})

        assert reader.revision() == store.revision()
        assert reader.changes(since=0, sid="p", limit=9) == store.changes(since=0, sid="p", limit=9)
        reader.close()
        assert store.brief_play("p").span_count == 1

    def test_a_follower_beside_a_writer_has_everything_once(self, store: Store) -> None:
        """No answer is torn by what is written while it is read."""
        writer = Writer(store, seed=99)
        writer.step()
        follower = Follower(store, sid=None, limit=5)
        thread = threading.Thread(target=lambda: [writer.step() for _ in range(150)])
        thread.start()
        while thread.is_alive():
            follower.ask()
        thread.join()

        while not follower.ask():
            pass
        follower.check()
