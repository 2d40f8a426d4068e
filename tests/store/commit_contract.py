"""What every store promises of writing several plays, and of telling it; a part of contract_suite.py."""

import threading

import msgspec
import pytest

from hero_logic.core.errors import IllegalMove, NotFound, StoreError
from hero_logic.core.records import Play, PlayEnd, Sandbox
from hero_logic.store.contract import Commit, Store
from store.facts import add_ended_play, add_running_play, delta, row


class SeveralPlaysContract:
    """One transaction for what changed in several plays."""

    def test_several_plays_are_written_at_once(self, store: Store) -> None:
        """Rows, totals, writers and positions of each play are there, under revisions that rise."""
        add_running_play(store, "p")
        add_running_play(store, "q")
        before = store.revision()
        p, q = delta(row(0), row(1), span_count=2), delta(row(0), span_count=1, writers={"w": 3})

        revision = store.write_spans({"p": p, "q": q})

        assert [one.revision for one in p.rows] == [before + 1, before + 2]
        assert store.get_play("p").revision == before + 3
        assert [one.revision for one in q.rows] == [before + 4]
        assert store.get_play("q").revision == before + 5 == revision == store.revision()
        assert [one.revision for one in store.load_rows("p", ["s0", "s1"])] == [before + 1, before + 2]
        assert [len(store.read_spans(sid)) for sid in "pq"] == [2, 1]
        assert [store.load_fold_state(sid).writers for sid in "pq"] == [{}, {"w": 3}]

    @pytest.mark.parametrize("trouble", ["ended", "unknown", "clash"])
    def test_one_play_that_cannot_be_written_fails_them_all(self, store: Store, trouble: str) -> None:
        """Nothing changed: neither in the store nor in the rows, so that the same deltas can come again."""
        add_running_play(store, "p")
        add_ended_play(store, row(0), sid="ended")
        add_running_play(store, "clash")
        store.write_spans({"clash": delta(row(0))})
        before = (store.revision(), store.list_plays(limit=9))
        known = store.load_rows("clash", ["s0"])[0]
        good, bad = delta(row(0), writers={"w": 1}), delta(row(0))
        good.positions = {"c": 5}
        held = msgspec.structs.replace(good.rows[0])

        with pytest.raises((IllegalMove, NotFound, StoreError)):
            store.write_spans({"p": good, "clash": delta(known), trouble: bad})

        assert (store.revision(), store.list_plays(limit=9)) == before
        assert store.read_spans("p") == []
        assert store.load_fold_state("p").writers == store.load_fold_state("p").positions == {}
        assert good.rows[0] == held
        assert bad.rows[0].is_stored is False
        store.write_spans({"p": good})
        assert good.rows[0].revision == before[0] + 1

    def test_nothing_to_write_changes_nothing(self, store: Store) -> None:
        """No play, no revision."""
        add_running_play(store)
        before = store.revision()

        assert store.write_spans({}) == before == store.revision()

    @pytest.mark.parametrize("count", [1, 24, 25, 26, 50, 63])
    def test_any_number_of_rows_is_written(self, store: Store, count: int) -> None:
        """However many there are, each is there once and whole."""
        add_running_play(store)
        rows = [row(number, new_logs=f"[{number}]") for number in range(count)]

        store.write_spans({"p": delta(*rows)})

        found = store.load_rows("p", [one.span_id for one in rows])
        assert sorted(found, key=lambda one: one.ordinal) == [
            msgspec.structs.replace(one, new_logs="", tags_bytes=2) for one in rows
        ]
        assert [span.logs for span in store.read_spans("p")] == [one.new_logs for one in rows]


class MarksContract:
    """How far writers and sources have come, and how much is read back at once."""

    def test_positions_are_written_with_the_rows(self, store: Store) -> None:
        """What the last batch said of a source stands; other sources and other plays keep theirs."""
        add_running_play(store, "p")
        add_running_play(store, "q")
        for positions in ({"a": 10, "b": 5}, {"a": 4_000_000_000}, {}):
            batch = delta()
            batch.positions = positions
            store.write_spans({"p": batch})

        assert store.load_fold_state("p").positions == {"a": 4_000_000_000, "b": 5}
        assert store.load_fold_state("q").positions == {}
        assert [store.load_position("p", source) for source in ("a", "b", "new")] == [4_000_000_000, 5, 0]
        assert [store.load_position(sid, "a") for sid in ("q", "gone")] == [0, 0]

    def test_seqs_are_those_of_the_asked_writers(self, store: Store) -> None:
        """Unknown writers are left out, and so are those nobody asked for."""
        add_running_play(store)
        store.write_spans({"p": delta(writers={"a": 3, "b": 1, "c": 2})})

        assert store.load_seqs("p", ["a", "c", "new"]) == {"a": 3, "c": 2}
        assert store.load_seqs("p", []) == store.load_seqs("gone", ["a"]) == {}

    def test_reading_rows_back_stops_where_it_is_told(self, store: Store) -> None:
        """Up to and with the row whose text passes the limit; that there are more is known by their size."""
        add_running_play(store)
        rows = [row(number) for number in range(10)]
        for one in rows:
            one.tags = {"k": "x" * 1000}
        store.write_spans({"p": delta(*rows)})
        asked = [one.span_id for one in rows]

        found = store.load_rows("p", asked, max_bytes=2500)

        assert len(found) == 3
        assert sum(one.text_bytes for one in found) > 2500, "the fold would take the others for new spans"
        assert len(store.load_rows("p", asked, max_bytes=1_000_000)) == 10


class CommitContract:
    """Law 7: who listens hears of each transaction, in their order, once it is on disk."""

    def test_each_change_of_a_play_is_told(self, store: Store) -> None:
        """Created, begun, ended: the sid, and the revision that the call gave."""
        told: list[Commit] = []
        store.on_commit = told.append

        revisions = [
            store.create_play(Play(sid="p")),
            store.begin_play("p", start_ms=1.0, sandbox=Sandbox()),
            store.end_play("p", PlayEnd("ok", 2.0)) and store.revision(),
        ]

        assert told == [Commit(revision, plays=("p",)) for revision in revisions]

    def test_spans_are_told_with_their_deltas(self, store: Store) -> None:
        """The deltas are those that were given, their rows marked as stored, with their new logs."""
        add_running_play(store, "p")
        add_running_play(store, "q")
        seen: list[list[tuple[bool, int, str]]] = []
        told: list[Commit] = []

        def listen(commit: Commit) -> None:
            told.append(commit)
            rows = [one for batch in commit.spans.values() for one in batch.rows]
            seen.append([(one.is_stored, one.revision, one.new_logs) for one in rows])

        store.on_commit = listen
        before = store.revision()
        deltas = {"p": delta(row(0, new_logs="a")), "q": delta(row(0, new_logs="b"))}
        revision = store.write_spans(deltas)

        assert told == [Commit(revision, spans=deltas)]
        assert seen == [[(True, before + 1, "a"), (True, before + 3, "b")]]

    def test_what_changes_nothing_is_not_told(self, store: Store) -> None:
        """Reads, refused writes, second ends and empty writes are silent."""
        add_ended_play(store, row(0))
        told: list[Commit] = []
        store.on_commit = told.append

        store.end_play("p", PlayEnd("failed", 3.0))
        store.write_spans({})
        store.changes(since=0, limit=9)
        for refused in (
            lambda: store.create_play(Play(sid="p")),
            lambda: store.begin_play("p", start_ms=1.0, sandbox=Sandbox()),
            lambda: store.write_spans({"p": delta(row(1))}),
        ):
            with pytest.raises((StoreError, IllegalMove)):
                refused()

        assert told == []

    def test_who_listens_reads_what_was_told(self, store: Store) -> None:
        """While the hook runs the commit is there for readers: it could not be taken back any more."""
        add_running_play(store)
        seen: list[tuple[int, int, list[str]]] = []

        def listen(commit: Commit) -> None:
            found = store.changes(since=commit.revision - 2, sid="p", limit=9)
            seen.append((commit.revision, store.revision(), [one.span_id for _, one in found.spans]))

        store.on_commit = listen
        revision = store.write_spans({"p": delta(row(0))})

        assert seen == [(revision, revision, ["s0"])]

    def test_commits_are_told_in_their_order(self, store: Store) -> None:
        """However many threads write: each hook has ended before the next transaction begins."""
        sids = [add_running_play(store, f"play{number}") for number in range(4)]
        revisions: list[int] = []
        at_once: list[int] = []
        inside = 0

        def listen(commit: Commit) -> None:
            nonlocal inside
            inside += 1
            at_once.append(inside)
            revisions.append(commit.revision)
            assert store.revision() == commit.revision
            inside -= 1

        store.on_commit = listen

        def write(sid: str) -> None:
            for number in range(25):
                store.write_spans({sid: delta(row(number))})

        threads = [threading.Thread(target=write, args=(sid,)) for sid in sids]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert revisions == sorted(revisions)
        assert len(revisions) == 100
        assert set(at_once) == {1}

    def test_a_listener_that_fails_takes_nothing_back(
        self, store: Store, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Its error is printed; the write stands and looks like it, and the next one is told again."""
        add_running_play(store)
        told: list[int] = []

        def fail(commit: Commit) -> None:
            told.append(commit.revision)
            raise ValueError("a fault of who listens")

        store.on_commit = fail
        one = row(0)
        first = store.write_spans({"p": delta(one)})
        second = store.write_spans({"p": delta(row(1))})

        assert [span.span_id for span in store.read_spans("p")] == ["s0", "s1"]
        assert one.is_stored
        assert told == [first, second]
        assert "a fault of who listens" in capsys.readouterr().err
