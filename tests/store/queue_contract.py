"""What every store promises of plays that wait, are to end, are looked for, or are to go."""

import threading

import pytest

from hero_logic.core.errors import IllegalMove, NotFound
from hero_logic.core.finding import PlayFilter
from hero_logic.core.records import Artifact, Play, PlayEnd, PlayOrder, Sandbox
from hero_logic.store import memory_queue, sqlite_queue
from hero_logic.store.contract import Commit, Store
from store.facts import UNKNOWN_PLAY, add_ended_play, add_running_play, delta, row
from store.inbox_contract import push

ORDER = PlayOrder("main", "/usr/bin/python3", "tier1", 5.0, 0.5, "retry", 2, "/flows/f.py", "published")


def add_waiting(store: Store, sid: str, flow: str = "") -> None:
    """A play that waits for a worker."""
    store.create_play(Play(sid=sid, flow=flow), order=ORDER)


def claim_all(store: Store) -> list[str]:
    """Every play that waits, in the order in which they are given out; each is over before the next one."""
    claimed = []
    while (sid := store.claim_play("r")) is not None:
        claimed.append(sid)
        store.begin_play(sid, start_ms=1.0, sandbox=Sandbox())
        store.end_play(sid, PlayEnd("ok", 2.0))
    return claimed


class QueueContract:
    """Plays that wait, and those who take them."""

    def test_an_order_is_read_back_whole(self, store: Store) -> None:
        """With how often it was claimed."""
        store.create_play(Play(sid="p"), order=ORDER)

        assert store.read_order("p") == (ORDER, 0)

    def test_a_play_may_have_no_order(self, store: Store) -> None:
        """What was recorded from a file is run by nobody."""
        store.create_play(Play(sid="p"))

        assert store.read_order("p") is None
        assert store.read_order("gone") is None

    def test_where_a_play_comes_from_is_kept(self, store: Store) -> None:
        """What it runs again, what asked for it, and who."""
        given = Play(sid="p", retry_of="a", parent_play_sid="b", parent_span_id="c", asked_by="d")
        given.revision = store.create_play(given)

        assert store.get_play("p") == given
        assert store.list_plays(limit=1) == [given]

    def test_a_claim_gives_a_play_to_one_runtime(self, store: Store) -> None:
        """It takes a revision, is counted, and is told."""
        add_waiting(store, "p")
        told: list[Commit] = []
        store.on_commit = told.append

        assert store.claim_play("me") == "p"
        assert store.claim_play("other") is None

        play = store.get_play("p")
        assert (play.status, play.runtime_sid, play.is_waiting) == ("pending", "me", False)
        assert told == [Commit(play.revision, plays=("p",))]
        assert store.revision() == play.revision
        assert store.read_order("p") == (ORDER, 1)

    def test_only_what_waits_is_claimed(self, store: Store) -> None:
        """Not what a runtime has, and not what has ended."""
        store.create_play(Play(sid="mine", runtime_sid="r"))
        add_ended_play(store, sid="ended")
        before = store.revision()

        assert store.claim_play("me") is None

        assert store.revision() == before

    def test_what_waits_is_counted(self, store: Store) -> None:
        """Until it is claimed."""
        counts = [(store.has_waiting(), store.waiting_count())]
        for sid in "ab":
            add_waiting(store, sid)
            counts.append((store.has_waiting(), store.waiting_count()))
        store.claim_play("r")
        counts.append((store.has_waiting(), store.waiting_count()))

        assert counts == [(False, 0), (True, 1), (True, 2), (True, 1)]

    def test_what_runs_is_counted(self, store: Store) -> None:
        """From its beginning to its end."""
        counts = []
        store.create_play(Play(sid="p", runtime_sid="r"))
        for act in (
            lambda: None,
            lambda: store.begin_play("p", start_ms=1.0, sandbox=Sandbox()),
            lambda: store.end_play("p", PlayEnd("ok", 2.0)),
        ):
            act()
            counts.append(store.running_count())

        assert counts == [0, 1, 0]

    def test_of_one_flow_the_oldest_is_first(self, store: Store) -> None:
        """In the order in which they were created."""
        for sid in ("c", "a", "b"):
            add_waiting(store, sid, "f")

        assert claim_all(store) == ["c", "a", "b"]

    def test_flows_take_turns(self, store: Store) -> None:
        """A flow with many plays holds up nobody who has one, however late that came."""
        for number in range(4):
            add_waiting(store, f"many-{number}", "many")
        first = store.claim_play("r")
        add_waiting(store, "one", "one")
        store.begin_play("many-0", start_ms=1.0, sandbox=Sandbox())
        store.end_play("many-0", PlayEnd("ok", 2.0))
        add_waiting(store, "other", "other")

        assert first == "many-0"
        assert claim_all(store) == ["one", "other", "many-1", "many-2", "many-3"]

    def test_the_flow_with_the_fewest_plays_in_hand_is_next(self, store: Store) -> None:
        """Whatever was served when: one that runs long does not take every place in the end."""
        for sid in ("long-0", "long-1", "long-2"):
            add_waiting(store, sid, "long")
        store.claim_play("r")
        for sid in ("short-0", "short-1"):
            add_waiting(store, sid, "short")
        claimed = [store.claim_play("r")]
        store.begin_play("short-0", start_ms=1.0, sandbox=Sandbox())
        store.end_play("short-0", PlayEnd("ok", 2.0))
        claimed.append(store.claim_play("r"))

        assert claimed == ["short-0", "short-1"]

    def test_no_play_is_claimed_twice(self, store: Store) -> None:
        """However many ask at once."""
        for number in range(40):
            add_waiting(store, f"p{number}", f"f{number % 3}")
        claimed: list[str] = []

        def work(runtime_sid: str) -> None:
            while (sid := store.claim_play(runtime_sid)) is not None:
                claimed.append(sid)

        threads = [threading.Thread(target=work, args=(f"r{number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(claimed) == sorted(f"p{number}" for number in range(40))

    def test_what_a_play_waits_for_is_claimed_first(self, store: Store) -> None:
        """The deepest first, of one parent the oldest; whatever else waits, and for how long."""
        for number in range(3):
            add_waiting(store, f"other-{number}", "other")
        for sid in ("a", "b"):
            add_running_play(store, sid)
        for sid in ("b1", "a1", "a2"):
            add_waiting(store, sid, "other")
        for parent, child in (("a", "a2"), ("a", "a1"), ("b", "b1")):
            store.begin_wait(parent, child, max_chain=9)

        assert claim_all(store) == ["b1", "a1", "a2", "other-0", "other-1", "other-2"]

    def test_a_play_waits_until_each_of_its_calls_has_ended(self, store: Store) -> None:
        """Its runtime is told of it, and nobody else's."""
        for sid, runtime_sid in (("p", "me"), ("q", "them")):
            store.create_play(Play(sid=sid, runtime_sid=runtime_sid))
            store.begin_play(sid, start_ms=1.0, sandbox=Sandbox())
        add_waiting(store, "c")
        waiting = []
        for act in (store.begin_wait, store.begin_wait, store.end_wait, store.end_wait, store.end_wait):
            act("p", "c", **({"max_chain": 9} if act == store.begin_wait else {}))
            waiting.append(store.waiting_parents("me"))

        assert waiting == [["p"], ["p"], ["p"], [], []]
        store.begin_wait("q", "c", max_chain=9)
        assert (store.waiting_parents("me"), store.waiting_parents("them")) == ([], ["q"])

    @pytest.mark.parametrize("end", ["child", "parent", "cancel", "before"])
    def test_nobody_waits_for_what_has_ended(self, store: Store, end: str) -> None:
        """Nor does what has ended: a server that was killed in between has left nothing."""
        store.create_play(Play(sid="p", runtime_sid="me"))
        store.begin_play("p", start_ms=1.0, sandbox=Sandbox())
        add_waiting(store, "c")
        if end == "before":
            store.ask_cancel("c", asked_by="x", now_ms=1.0)
        store.begin_wait("p", "c", max_chain=9)
        if end == "cancel":
            store.ask_cancel("c", asked_by="x", now_ms=1.0)
        elif end == "child":
            store.claim_play("me")
            store.end_play("c", PlayEnd("failed", 2.0))
        elif end == "parent":
            store.end_play("p", PlayEnd("failed", 2.0))

        assert store.waiting_parents("me") == []

    def test_a_play_does_not_wait_for_itself(self, store: Store) -> None:
        """However long the way round: nobody would ever end."""
        for sid in "abc":
            add_running_play(store, sid)
        store.begin_wait("a", "b", max_chain=9)
        store.begin_wait("b", "c", max_chain=9)

        for parent, child in (("c", "a"), ("c", "b"), ("c", "c")):
            with pytest.raises(IllegalMove, match="wait for itself"):
                store.begin_wait(parent, child, max_chain=9)

    def test_so_many_plays_wait_for_each_other_and_no_more(self, store: Store) -> None:
        """A flow that runs itself for ever comes to an end."""
        for number in range(5):
            add_running_play(store, f"p{number}")
        for number in range(3):
            store.begin_wait(f"p{number}", f"p{number + 1}", max_chain=3)

        assert [store.wait_chain(f"p{number}", limit=2) for number in range(5)] == [0, 1, 2, 2, 0]
        with pytest.raises(IllegalMove, match="3 plays wait already"):
            store.begin_wait("p3", "p4", max_chain=3)

    @pytest.mark.parametrize("status", ["waiting", "ended"])
    def test_only_a_play_that_runs_waits(self, store: Store, status: str) -> None:
        """Who says so is somebody else."""
        if status == "waiting":
            add_waiting(store, "p")
        else:
            add_ended_play(store, sid="p")
        add_running_play(store, "c")

        with pytest.raises(IllegalMove, match="only a play that runs"):
            store.begin_wait("p", "c", max_chain=9)

    def test_a_claim_is_given_back(self, store: Store) -> None:
        """By its own runtime, while nothing has run."""
        add_waiting(store, "p")
        store.claim_play("me")

        given_back = [store.release_play("p", runtime_sid=runtime) for runtime in ("other", "me", "me")]

        assert given_back == [False, True, False]
        assert store.claim_play("other") == "p"
        assert store.read_order("p") == (ORDER, 2)

    def test_a_play_that_has_begun_is_not_given_back(self, store: Store) -> None:
        """It may have done anything by then."""
        store.create_play(Play(sid="p", runtime_sid="me"))
        store.begin_play("p", start_ms=1.0, sandbox=Sandbox())

        assert store.release_play("p", runtime_sid="me") is False
        assert store.get_play("p").runtime_sid == "me"

    def test_a_play_that_waits_is_cancelled_at_once(self, store: Store) -> None:
        """No worker gets it any more."""
        add_waiting(store, "p")

        assert store.ask_cancel("p", asked_by="somebody", now_ms=7.0) == ""

        play = store.get_play("p")
        assert (play.status, play.end_ms) == ("cancelled", 7.0)
        assert play.error == "cancelled by somebody before it began"
        assert play.revision == store.revision()
        assert store.claim_play("r") is None

    @pytest.mark.parametrize("has_begun", [False, True])
    def test_a_runtime_is_told_which_of_its_plays_to_end(self, store: Store, has_begun: bool) -> None:
        """Who asked first is named; the play is as it was until that runtime ends it."""
        for sid, runtime_sid in (("p", "me"), ("q", "me"), ("other", "them")):
            store.create_play(Play(sid=sid, runtime_sid=runtime_sid))
            if has_begun:
                store.begin_play(sid, start_ms=1.0, sandbox=Sandbox())
        before = store.get_play("p")

        told = [store.ask_cancel(sid, asked_by=sid * 2, now_ms=2.0) for sid in ("p", "other")]
        store.ask_cancel("p", asked_by="later", now_ms=3.0)

        assert told == ["me", "them"]
        assert store.asked_cancels("me") == [("p", "pp")]
        assert store.asked_cancels("nobody") == []
        assert store.get_play("p") == before

    def test_a_play_that_has_ended_is_not_cancelled(self, store: Store) -> None:
        """And nobody is told of one that ends meanwhile."""
        store.create_play(Play(sid="p", runtime_sid="me"))
        store.ask_cancel("p", asked_by="x", now_ms=1.0)
        store.end_play("p", PlayEnd("failed", 2.0))
        before = store.get_play("p")

        assert store.ask_cancel("p", asked_by="x", now_ms=3.0) == ""
        assert store.asked_cancels("me") == []
        assert store.get_play("p") == before

    @pytest.mark.parametrize("call", ["cancel", "release", "brief", "delete", "push", "close", "wait"])
    def test_an_unknown_play_is_not_found_by_the_queue(self, store: Store, call: str) -> None:
        """The message says which play."""
        calls = {
            "cancel": lambda: store.ask_cancel("gone", asked_by="x", now_ms=1.0),
            "release": lambda: store.release_play("gone", runtime_sid="r"),
            "brief": lambda: store.brief_play("gone"),
            "delete": lambda: store.delete_play("gone"),
            "push": lambda: push(store, "gone"),
            "close": lambda: store.close_inbox("gone"),
            "wait": lambda: store.begin_wait("gone", "gone", max_chain=9),
        }

        with pytest.raises(NotFound, match=UNKNOWN_PLAY):
            calls[call]()


def add_found(store: Store) -> None:
    """Plays to look for."""
    for number, (sid, flow, status) in enumerate(
        [("a", "sales", "ok"), ("b", "stock", "failed"), ("c", "sales", "failed"), ("d", "sales", "ok")]
    ):
        store.create_play(
            Play(
                sid=sid,
                flow=flow,
                status=status,  # type: ignore[arg-type] # from the list above
                created_ms=float(number),
                error="No such SHELF" if sid == "b" else "",
                input_json='{"day":"Monday"}' if sid == "c" else "{}",
                runtime_sid="r",
            )
        )


class FindingContract:
    """Plays by what is known of them."""

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            (PlayFilter(), "dcba"),
            (PlayFilter(flow="sales"), "dca"),
            (PlayFilter(flow="none"), ""),
            (PlayFilter(statuses=("failed",)), "cb"),
            (PlayFilter(statuses=("failed", "ok", "failed")), "dcba"),
            (PlayFilter(flow="sales", statuses=("failed",)), "c"),
            (PlayFilter(since_ms=1.0), "dcb"),
            (PlayFilter(since_ms=1.0, until_ms=3.0), "cb"),
            (PlayFilter(text="shelf"), "b"),
            (PlayFilter(text="MONDAY"), "c"),
            (PlayFilter(text="stock"), "b"),
            (PlayFilter(text="%"), ""),
            (PlayFilter(text="'"), ""),
            (PlayFilter(text="s", statuses=("ok",), flow="sales", until_ms=3.0), "a"),
        ],
    )
    def test_plays_are_found_by_all_that_is_given(self, store: Store, wanted: PlayFilter, found: str) -> None:
        """The one created last first."""
        add_found(store)

        assert [play.sid for play in store.find_plays(wanted, limit=10)] == list(found)

    @pytest.mark.parametrize(
        "wanted", [PlayFilter(), PlayFilter(flow="f"), PlayFilter(statuses=("ok", "failed"))]
    )
    def test_pages_of_what_is_found_have_each_play_once(self, store: Store, wanted: PlayFilter) -> None:
        """``before`` goes on after the last play of the page before."""
        for number in range(7):
            status = ("ok", "failed")[number % 3 == 0]
            store.create_play(Play(sid=f"{number}", flow="f", status=status))  # type: ignore[arg-type] # these
        pages: list[list[str]] = []
        before = None
        while not pages or pages[-1]:
            page = store.find_plays(wanted, limit=3, before=before)
            pages.append([play.sid for play in page])
            before = pages[-1][-1] if page else before

        assert pages == [["6", "5", "4"], ["3", "2", "1"], ["0"], []]

    def test_a_page_of_what_is_found_after_an_unknown_play_is_not_found(self, store: Store) -> None:
        """As in a list."""
        with pytest.raises(NotFound, match=UNKNOWN_PLAY):
            store.find_plays(PlayFilter(flow="f"), limit=1, before="gone")

    def test_a_brief_play_is_one_of_a_list(self, store: Store) -> None:
        """Without what is heavy."""
        store.create_play(Play(sid="p", input_json='{"a":1}', stdout="x" * 10))

        assert [store.brief_play("p")] == store.list_plays(limit=1)

    def test_what_changed_is_told_in_few_words(self, store: Store) -> None:
        """Each play once, as it is now, in the order of revisions."""
        add_running_play(store, "p")
        since = store.revision()
        add_running_play(store, "q")
        store.end_play("p", PlayEnd("ok", 2.0))

        revision = store.revision()
        assert store.changed_statuses(since) == [("q", revision - 1, "running"), ("p", revision, "ok")]
        assert store.changed_statuses(revision) == []

    def test_linked_plays_are_found_from_both_ends(self, store: Store) -> None:
        """Those that a play asked for, and those that run it again, the oldest first."""
        for sid, parent, retried in (("p", "", ""), ("a", "p", ""), ("b", "p", "p"), ("c", "", "p")):
            store.create_play(Play(sid=sid, parent_play_sid=parent, retry_of=retried))

        assert [play.sid for play in store.child_plays("p", limit=9)] == ["a", "b"]
        assert [play.sid for play in store.child_plays("p", limit=1)] == ["a"]
        assert [play.sid for play in store.retries("p", limit=9)] == ["b", "c"]
        assert store.child_plays("", limit=9) == store.retries("", limit=9) == []


def sweep(store: Store, *, limit: int) -> int:
    """Remove all that is left of plays that were deleted; in how many steps."""
    steps = 0
    while store.sweep_deleted(limit=limit):
        steps += 1
        assert steps < 1000
    return steps


class DeletingContract:
    """Plays that are to go."""

    def test_a_deleted_play_is_not_there(self, store: Store) -> None:
        """At once, whatever of it is still to be removed."""
        add_ended_play(store, row(0), row(1), sid="p")
        add_ended_play(store, sid="q")

        store.delete_play("p")

        with pytest.raises(NotFound):
            store.get_play("p")
        with pytest.raises(NotFound):
            store.read_spans("p")
        assert [play.sid for play in store.list_plays(limit=9)] == ["q"]
        assert store.plays_with_open_spans() == []
        assert store.read_order("p") is None

    @pytest.mark.parametrize("status", ["waiting", "pending", "running"])
    def test_only_what_has_ended_is_deleted(self, store: Store, status: str) -> None:
        """The message says how to end it."""
        store.create_play(Play(sid="p", runtime_sid="" if status == "waiting" else "r"))
        if status == "running":
            store.begin_play("p", start_ms=1.0, sandbox=Sandbox())
        before = store.get_play("p")

        with pytest.raises(IllegalMove, match="hero-logic cancel p"):
            store.delete_play("p")

        assert store.get_play("p") == before

    @pytest.mark.parametrize("limit", [1, 7, 1000])
    def test_a_new_play_finds_nothing_of_a_deleted_one(self, store: Store, limit: int) -> None:
        """However much of that is removed by then, and whatever its sid is."""
        rows = [row(number, new_logs="said" if number % 2 else "") for number in range(20)]
        add_ended_play(store, *rows, sid="p")
        store.delete_play("p")
        store.sweep_deleted(limit=limit)
        add_running_play(store, "p")
        sweep(store, limit=limit)
        store.write_spans({"p": delta(row(0), span_count=1)})

        assert [span.span_id for span in store.read_spans("p")] == ["s0"]
        assert store.read_logs("p", "s0") == ""
        assert [span.span_id for _, span in store.changes(since=0, limit=99).spans] == ["s0"]

    def test_a_deletion_takes_a_revision_and_is_told(self, store: Store) -> None:
        """As any other change: who watches hears of it."""
        for sid in "pqr":
            add_ended_play(store, sid=sid)
        since = store.revision()
        told: list[Commit] = []
        store.on_commit = told.append
        store.delete_play("q")
        store.delete_play("p")

        assert told == [Commit(since + 1, plays=("q",)), Commit(since + 2, plays=("p",))]
        assert store.revision() == since + 2
        assert store.deletions(since=since, until=since + 2) == [("q", since + 1), ("p", since + 2)]
        assert store.deletions(since=since + 1, until=since + 9) == [("p", since + 2)]
        assert store.deletions(since=since, until=since + 1) == [("q", since + 1)]
        assert store.changed_statuses(since) == [("q", since + 1, "deleted"), ("p", since + 2, "deleted")]
        assert store.deletions_since() == 0

    def test_so_many_deletions_are_remembered(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """And it is known how long ago the others were."""
        for module in (sqlite_queue, memory_queue):
            monkeypatch.setattr(module, "KEPT_DELETIONS", 2)
        for sid in "abcd":
            add_ended_play(store, sid=sid)
        since = store.revision()
        for sid in "abcd":
            store.delete_play(sid)

        assert store.deletions(since=0, until=10**9) == [("c", since + 3), ("d", since + 4)]
        assert store.deletions_since() == since + 2

    def test_other_plays_lose_nothing(self, store: Store) -> None:
        """Whether they came before or after."""
        for sid in ("before", "p", "after"):
            add_ended_play(store, row(0), row(1, new_logs="said"), sid=sid)
        before = {sid: (store.get_play(sid), store.read_spans(sid)) for sid in ("before", "after")}

        store.delete_play("p")
        sweep(store, limit=1)

        assert {sid: (store.get_play(sid), store.read_spans(sid)) for sid in ("before", "after")} == before

    def test_the_oldest_that_ended_are_told(self, store: Store) -> None:
        """With when they were created; what runs or waits is not among them."""
        for number, sid in enumerate("abcd"):
            store.create_play(Play(sid=sid, created_ms=float(number), runtime_sid="r"))
            if sid != "b":
                store.end_play(sid, PlayEnd("failed", 9.0))

        assert store.oldest_ended(limit=2) == [("a", 0.0), ("c", 2.0)]

    def test_how_much_there_is_is_counted(self, store: Store) -> None:
        """Plays and what they left, as they come and go."""
        sizes = [store.size()]
        add_running_play(store, "p")
        store.end_play("p", PlayEnd("ok", 2.0, artifacts=[Artifact("a", 5), Artifact("b", 7)]))
        store.create_play(Play(sid="q", artifacts=[Artifact("c", 3)]))
        sizes.append(store.size())
        store.delete_play("p")
        sizes.append(store.size())

        assert [(size.plays, size.artifact_bytes) for size in sizes] == [(0, 0), (2, 15), (1, 3)]
        assert all(size.total_bytes == size.database_bytes + size.artifact_bytes for size in sizes)

    def test_what_is_removed_makes_the_store_smaller(self, store: Store) -> None:
        """What is free in the database counts for nothing."""
        empty = store.size().database_bytes
        add_ended_play(store, *[row(number, new_logs="x" * 200) for number in range(2000)], sid="p")
        full = store.size().database_bytes
        store.delete_play("p")
        sweep(store, limit=500)

        assert full > empty + 400_000
        assert store.size().database_bytes < empty + (full - empty) / 2
