"""What every store promises: a store's own test file runs this class with its fixture ``store``."""

import copy
import threading

import msgspec
import pytest

from hero_logic.core.errors import IllegalMove, NotFound, StoreError
from hero_logic.core.lifecycle import MOVES, TERMINAL
from hero_logic.core.records import Artifact, Play, PlayEnd, Sandbox
from hero_logic.store.contract import Store
from store.changes_contract import ChangesContract
from store.commit_contract import CommitContract, MarksContract, SeveralPlaysContract
from store.facts import (
    FULL_PLAY,
    HORRORS,
    UNKNOWN_PLAY,
    VERSION,
    add_ended_play,
    add_running_play,
    delta,
    row,
)
from store.flow_contract import FlowContract
from store.inbox_contract import InboxContract
from store.queue_contract import DeletingContract, FindingContract, QueueContract
from store.reading_contract import ReadingContract
from store.span_contract import SpanContract


class PlayContract:
    """Plays and versions."""

    def test_a_play_is_read_back_whole(self, store: Store) -> None:
        """Every field of a play is kept; its revision is the one that create_play gave."""
        revision = store.create_play(FULL_PLAY)

        assert store.get_play("full") == msgspec.structs.replace(FULL_PLAY, revision=revision)

    def test_a_play_is_found_without_what_is_heavy(self, store: Store) -> None:
        """brief_play gives what a list gives: all but the inputs, the output and what was printed."""
        store.create_play(FULL_PLAY)

        assert [store.brief_play("full")] == store.list_plays(limit=1)

    def test_a_play_that_is_not_there_is_not_found(self, store: Store) -> None:
        """brief_play says so as get_play does."""
        with pytest.raises(NotFound, match="nobody"):
            store.brief_play("nobody")

    @pytest.mark.parametrize("text", [*HORRORS, "\0"])
    def test_a_play_keeps_any_text(self, store: Store, text: str) -> None:
        """What a play printed is no reason to fail its record, NUL included."""
        play = Play(sid="p", flow=text, error=text, stdout=text, stderr=text, output_json=text)
        play.revision = store.create_play(play)

        assert store.get_play("p") == play

    def test_a_sid_is_given_once(self, store: Store) -> None:
        """A second play of the same sid is refused, and nothing changed, its version included."""
        before = store.create_play(Play(sid="p", flow="first"))

        with pytest.raises(StoreError, match="there is a play 'p' already"):
            store.create_play(Play(sid="p", flow="second"), VERSION)

        assert store.get_play("p").flow == "first"
        assert store.revision() == before
        with pytest.raises(NotFound):
            store.get_version(VERSION.version_sid)

    def test_a_lone_surrogate_is_refused(self, store: Store) -> None:
        """Text that is no Unicode fails with an error of ours, and nothing is recorded."""
        with pytest.raises(StoreError, match="surrogate"):
            store.create_play(Play(sid="p", stdout="\ud800"))

        assert store.last_play_sid() is None
        assert store.revision() == 0

    def test_a_version_is_kept_with_the_play_that_runs_it(self, store: Store) -> None:
        """The version given with a play is there afterwards."""
        store.create_play(Play(sid="p", version_sid=VERSION.version_sid), VERSION)

        assert store.get_version(VERSION.version_sid) == VERSION

    def test_a_known_version_is_left_alone(self, store: Store) -> None:
        """Two plays of one version keep one version: the first."""
        store.create_play(Play(sid="p"), VERSION)
        store.create_play(Play(sid="q"), msgspec.structs.replace(VERSION, created_ms=5.0))

        assert store.get_version(VERSION.version_sid) == VERSION

    def test_versions_of_one_flow_are_told_apart(self, store: Store) -> None:
        """A flow may have several versions."""
        second = msgspec.structs.replace(VERSION, version_sid="f" * 32, source="pass")
        store.create_play(Play(sid="p"), VERSION)
        store.create_play(Play(sid="q"), second)

        assert store.get_version(second.version_sid) == second

    def test_an_unknown_version_is_not_found(self, store: Store) -> None:
        """A version that nobody gave is NotFound."""
        with pytest.raises(NotFound, match="no version 'gone'"):
            store.get_version("gone")

    def test_an_unknown_play_is_not_found(self, store: Store) -> None:
        """The message says which play, and how to find the others."""
        with pytest.raises(NotFound, match=UNKNOWN_PLAY):
            store.get_play("gone")

    def test_a_pending_play_begins(self, store: Store) -> None:
        """begin_play sets the status, the time, and what the play is kept in."""
        store.create_play(Play(sid="p"))
        kept_in = Sandbox("tier1", "native", "limits", "nobody")

        revision = store.begin_play("p", start_ms=2.5, sandbox=kept_in)

        play = store.get_play("p")
        assert (play.status, play.start_ms) == ("running", 2.5)
        assert play.sandbox == kept_in
        assert play.revision == revision == store.revision()

    @pytest.mark.parametrize("status", [one for one in MOVES if one != "pending"])
    def test_only_a_pending_play_begins(self, store: Store, status: str) -> None:
        """A play in any other status stays as it is."""
        store.create_play(msgspec.structs.replace(FULL_PLAY, status=status))
        before = store.get_play("full")

        with pytest.raises(IllegalMove):
            store.begin_play("full", start_ms=99.0, sandbox=Sandbox())

        assert store.get_play("full") == before

    def test_an_unknown_play_does_not_begin(self, store: Store) -> None:
        """begin_play of a play that is not there is NotFound."""
        with pytest.raises(NotFound, match=UNKNOWN_PLAY):
            store.begin_play("gone", start_ms=1.0, sandbox=Sandbox())

    def test_an_end_is_kept_whole(self, store: Store) -> None:
        """Every field of an end is in the play afterwards, and the play's other fields are as they were."""
        play = store.get_play(add_running_play(store))
        end = PlayEnd("failed", 7.5, "boom", 3, "[1]", "out", "err", [Artifact("a", 1)])

        assert store.end_play("p", end) is True

        for field in PlayEnd.__struct_fields__:
            setattr(play, field, getattr(end, field))
        play.revision += 1
        assert store.get_play("p") == play
        assert store.revision() == play.revision

    @pytest.mark.parametrize("first", sorted(TERMINAL))
    @pytest.mark.parametrize("second", ["ok", "cancelled"])
    def test_the_first_end_stands(self, store: Store, first: str, second: str) -> None:
        """An end of a play that has one is False, and changes nothing."""
        add_ended_play(store, status=first)
        before = store.get_play("p")

        assert store.end_play("p", PlayEnd(second, 99.0, "late")) is False  # type: ignore[arg-type]

        assert store.get_play("p") == before
        assert store.revision() == before.revision

    @pytest.mark.parametrize("status", ["pending", "running", "meh"])
    def test_an_end_is_terminal(self, store: Store, status: str) -> None:
        """A play cannot end in a status that is no end, whether it has ended or not."""
        add_running_play(store)

        with pytest.raises(IllegalMove, match=f"cannot end as {status}"):
            store.end_play("p", PlayEnd(status, 9.0))  # type: ignore[arg-type]

        assert store.get_play("p").status == "running"

    def test_a_play_that_never_ran_is_not_ok(self, store: Store) -> None:
        """The table of moves holds for ends: from pending there is no way to ok."""
        store.create_play(Play(sid="p"))

        with pytest.raises(IllegalMove, match="pending cannot become ok"):
            store.end_play("p", PlayEnd("ok", 9.0))

        assert store.get_play("p").status == "pending"

    def test_a_pending_play_can_be_cancelled(self, store: Store) -> None:
        """A play may end before it began."""
        store.create_play(Play(sid="p"))

        assert store.end_play("p", PlayEnd("cancelled", 9.0)) is True
        assert store.get_play("p").status == "cancelled"

    def test_an_unknown_play_does_not_end(self, store: Store) -> None:
        """end_play of a play that is not there is NotFound."""
        with pytest.raises(NotFound, match=UNKNOWN_PLAY):
            store.end_play("gone", PlayEnd("ok", 1.0))

    def test_an_empty_store_has_no_last_play(self, store: Store) -> None:
        """No play, no sid."""
        assert store.last_play_sid() is None

    def test_the_last_play_is_the_one_created_last(self, store: Store) -> None:
        """Neither the time that a play says nor its later changes count."""
        store.create_play(Play(sid="first", created_ms=9.0))
        store.create_play(Play(sid="second", created_ms=1.0))
        store.begin_play("first", start_ms=1.0, sandbox=Sandbox())

        assert store.last_play_sid() == "second"

    def test_plays_are_listed_the_newest_first(self, store: Store) -> None:
        """At most ``limit`` of them."""
        for sid in "abcde":
            store.create_play(Play(sid=sid))

        assert [play.sid for play in store.list_plays(limit=3)] == ["e", "d", "c"]
        assert [play.sid for play in store.list_plays(limit=9)] == ["e", "d", "c", "b", "a"]
        assert store.list_plays(limit=0) == []

    def test_the_next_page_of_plays_begins_after_the_last_one(self, store: Store) -> None:
        """``before`` is the sid of the last play of the page before, whatever came since."""
        for sid in "abcde":
            store.create_play(Play(sid=sid))

        assert [play.sid for play in store.list_plays(limit=2, before="d")] == ["c", "b"]
        assert store.list_plays(limit=2, before="a") == []

    def test_a_page_after_an_unknown_play_is_not_found(self, store: Store) -> None:
        """An unknown ``before`` is NotFound, not an empty page."""
        with pytest.raises(NotFound, match=UNKNOWN_PLAY):
            store.list_plays(limit=2, before="gone")

    @pytest.mark.parametrize("read", ["list", "unfinished"])
    def test_lists_leave_out_what_is_heavy(self, store: Store, read: str) -> None:
        """Input, output and what was printed are at their defaults in a list; all else is there."""
        store.create_play(FULL_PLAY)
        whole = store.get_play("full")

        [listed] = store.list_plays(limit=1) if read == "list" else store.unfinished_plays()

        light = {"input_json": "{}", "output_json": None, "stdout": "", "stderr": ""}
        assert listed == msgspec.structs.replace(whole, **light)

    def test_unfinished_plays_are_those_that_a_runtime_has(self, store: Store) -> None:
        """Pending and running ones, oldest first; what waits for a worker is not lost with any."""
        for sid, status in zip("abcdef", MOVES, strict=True):
            store.create_play(Play(sid=sid, status=status, runtime_sid="r"))  # type: ignore[arg-type] # the keys
        store.create_play(Play(sid="waits"))
        store.create_play(Play(sid="g", runtime_sid="r"))

        assert [play.sid for play in store.unfinished_plays()] == ["a", "b", "g"]

    def test_what_a_store_gives_out_is_a_copy(self, store: Store) -> None:
        """Changing a play that was given to the store or by it changes nothing in the store."""
        given = copy.deepcopy(FULL_PLAY)
        store.create_play(given)
        given.counters.events = 77
        given.artifacts.append(Artifact("new", 1))
        got = store.get_play("full")
        got.counters.events = 78
        got.artifacts.clear()

        assert store.get_play("full").counters == FULL_PLAY.counters
        assert store.get_play("full").artifacts == FULL_PLAY.artifacts


class LawContract:
    """The laws at the top of contract.py."""

    def test_each_changed_row_takes_a_revision(self, store: Store) -> None:
        """A batch of three spans takes four: theirs, and the last one for its play."""
        add_running_play(store)
        before = store.revision()

        revision = store.write_spans({"p": delta(row(0), row(1), row(2))})

        assert revision == before + 4
        assert store.get_play("p").revision == store.revision() == revision

    def test_revisions_rise_through_the_whole_store(self, store: Store) -> None:
        """Whichever play changes, the number rises; reading takes none."""
        assert store.revision() == 0
        seen = [store.create_play(Play(sid="p")), store.create_play(Play(sid="q"))]
        seen += [store.begin_play(sid, start_ms=1.0, sandbox=Sandbox()) for sid in "pq"]
        seen += [store.write_spans({sid: delta(row(0))}) for sid in "qp"]
        store.read_spans("p")
        store.end_play("q", PlayEnd("ok", 1.0))
        seen.append(store.get_play("q").revision)

        assert seen == sorted(set(seen))
        assert store.revision() == seen[-1]

    @pytest.mark.parametrize("status", sorted(TERMINAL))
    def test_a_play_that_has_ended_takes_no_spans(self, store: Store, status: str) -> None:
        """A terminal status is final: late spans are refused, and nothing changed."""
        add_ended_play(store, row(0), status=status)
        before = store.get_play("p")
        late = row(1)

        with pytest.raises(IllegalMove, match=rf"'p' has ended \({status}\)"):
            store.write_spans({"p": delta(late, events=9, writers={"w": 1})})

        assert store.get_play("p") == before
        assert len(store.read_spans("p")) == 1
        assert store.load_fold_state("p").writers == {}
        assert late.is_stored is False

    def test_open_spans_can_be_closed_after_the_end(self, store: Store) -> None:
        """The one write that a play takes after its end; its status stays."""
        add_ended_play(store, row(0, status="running"), status="timed_out")
        [one] = store.load_open_rows("p", limit=9)
        one.status, one.end_ms = "timed_out", 9.0

        store.write_spans({"p": delta(one, span_count=1)}, closing=True)

        assert [span.status for span in store.read_spans("p")] == ["timed_out"]
        assert store.get_play("p").status == "timed_out"
        assert store.plays_with_open_spans() == []

    def test_plays_that_ended_with_open_spans_are_found(self, store: Store) -> None:
        """In the order of their creation; neither plays that run nor those whose spans have all ended."""
        add_ended_play(store, row(0, status="running"), row(1, status="running"), sid="open")
        add_ended_play(store, row(0), sid="closed")
        store.write_spans({add_running_play(store, "running"): delta(row(0, status="running"))})
        add_ended_play(store, row(0), row(1, status="running"), sid="also")

        assert store.plays_with_open_spans() == ["open", "also"]

    @pytest.mark.parametrize("clash", ["ordinal", "span_id"])
    @pytest.mark.parametrize("where", ["stored", "same batch"])
    def test_a_row_is_never_replaced_by_a_new_one(self, store: Store, clash: str, where: str) -> None:
        """A new row with the place or the id of another fails its batch, and nothing changed."""
        add_running_play(store)
        first, second, third = row(0), row(1), row(2)
        setattr(second, clash, getattr(first, clash))
        if where == "stored":
            store.write_spans({"p": delta(first, span_count=1)})
        batch = [third, second] if where == "stored" else [third, first, second]
        before = (store.get_play("p"), store.read_spans("p"), store.revision())

        with pytest.raises(StoreError):
            store.write_spans({"p": delta(*batch, events=9, span_count=9, writers={"w": 1})})

        assert (store.get_play("p"), store.read_spans("p"), store.revision()) == before
        assert store.load_fold_state("p").writers == {}
        assert not third.is_stored
        assert not second.is_stored

    def test_a_row_that_is_not_there_is_not_updated(self, store: Store) -> None:
        """A row that says it is stored, and is not, fails its batch: its span would be lost in silence."""
        add_running_play(store)
        one = row(0)
        one.is_stored = True

        with pytest.raises(StoreError, match="1 spans were to be changed that are not in the store"):
            store.write_spans({"p": delta(one, row(1))})

        assert store.read_spans("p") == []

    def test_threads_may_write_at_once(self, store: Store) -> None:
        """Each call is one transaction: no revision is given twice, and no row is lost."""
        revisions: list[int] = []

        def record(sid: str) -> None:
            add_running_play(store, sid)
            for number in range(20):
                revisions.append(store.write_spans({sid: delta(row(number), span_count=number + 1)}))
                store.read_spans(sid)

        threads = [threading.Thread(target=record, args=(f"play{number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(set(revisions)) == 80
        assert store.revision() == max(revisions) == 4 * (2 + 20 * 2)
        assert [play.span_count for play in store.list_plays(limit=9)] == [20] * 4

    def test_closing_twice_is_harmless(self, store: Store) -> None:
        """The second close does nothing."""
        store.revision()

        store.close()
        store.close()

    @pytest.mark.parametrize(
        "call",
        ["revision", "last_play_sid", "unfinished_plays", "plays_with_open_spans", "has_waiting", "size"],
    )
    def test_a_closed_store_says_so(self, store: Store, call: str) -> None:
        """A call after the close is an error of ours."""
        store.close()

        with pytest.raises(StoreError, match="is closed"):
            getattr(store, call)()

    def test_a_closed_store_writes_nothing(self, store: Store) -> None:
        """A write after the close is an error of ours."""
        store.close()

        with pytest.raises(StoreError, match="is closed"):
            store.create_play(Play(sid="p"))


class StoreContract(
    PlayContract,
    SpanContract,
    LawContract,
    SeveralPlaysContract,
    MarksContract,
    CommitContract,
    ReadingContract,
    ChangesContract,
    QueueContract,
    InboxContract,
    FindingContract,
    DeletingContract,
    FlowContract,
):
    """All of it."""
