"""What every store promises of spans; a part of contract_suite.py."""

import copy

import msgspec
import pytest

from hero_logic.core.errors import NotFound, StoreError
from hero_logic.core.records import Counters, RootSpan, Span
from hero_logic.store.contract import Store
from store.facts import FULL_PLAY, FULL_ROW, HORRORS, UNKNOWN_PLAY, add_running_play, delta, row


class SpanContract:
    """Spans and what the fold needs of them."""

    def test_a_span_is_read_back_whole(self, store: Store) -> None:
        """Every field of a span is kept."""
        add_running_play(store)
        store.write_spans({"p": delta(copy.deepcopy(FULL_ROW))})

        [span] = store.read_spans("p")

        expected = {name: getattr(FULL_ROW, name) for name in Span.__struct_fields__ if name != "logs"}
        assert span == Span(**expected, logs="hello")

    def test_a_row_is_loaded_as_it_was_written(self, store: Store) -> None:
        """A loaded row is the written one, stored, with no new logs and the size of its tags."""
        add_running_play(store)
        given = copy.deepcopy(FULL_ROW)
        store.write_spans({"p": delta(given)})

        [loaded] = store.load_rows("p", ["s0"])

        size = len(msgspec.json.encode(FULL_ROW.tags))
        assert loaded == msgspec.structs.replace(given, new_logs="", is_stored=True, tags_bytes=size)

    @pytest.mark.parametrize("text", HORRORS)
    def test_a_span_keeps_any_text(self, store: Store, text: str) -> None:
        """Whatever a script calls its things is kept as it came."""
        add_running_play(store)
        one = row(0, new_logs=text)
        one.span_id, one.name, one.error, one.tags = f"s{text}", text, text, {text: text}
        store.write_spans({"p": delta(one)})

        [span] = store.read_spans("p")
        assert (span.span_id, span.name, span.error, span.logs) == (f"s{text}", text, text, text)
        assert span.tags == {text: text}
        assert [found.span_id for found in store.load_rows("p", [f"s{text}"])] == [f"s{text}"]

    @pytest.mark.parametrize("field", ["span_id", "name", "error", "source_file", "new_logs"])
    @pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
    def test_text_that_no_store_can_hold_is_refused(self, store: Store, field: str, text: str) -> None:
        """A NUL or a lone surrogate fails the whole batch with an error of ours."""
        add_running_play(store)
        bad = row(1)
        setattr(bad, field, text)

        with pytest.raises(StoreError, match=r"NUL|surrogate"):
            store.write_spans({"p": delta(row(0), bad)})

        assert store.read_spans("p") == []

    @pytest.mark.parametrize("field", ["error", "new_logs", "name"])
    @pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
    def test_no_later_write_brings_such_text_either(self, store: Store, field: str, text: str) -> None:
        """What changes of a span that is stored is held against the same rule."""
        add_running_play(store)
        one = row(0, status="running")
        store.write_spans({"p": delta(one)})
        setattr(one, field, text)
        one.is_start_stored = field != "name"

        with pytest.raises(StoreError, match=r"NUL|surrogate"):
            store.write_spans({"p": delta(one, row(1))})

        assert [span.error for span in store.read_spans("p")] == [""]

    def test_a_lone_surrogate_in_tags_is_refused(self, store: Store) -> None:
        """Tags are text too."""
        add_running_play(store)
        bad = row(0)
        bad.tags = {"k": "\udfff"}

        with pytest.raises(StoreError, match="surrogate"):
            store.write_spans({"p": delta(bad)})

        assert store.read_spans("p") == []

    def test_a_stored_row_is_replaced(self, store: Store) -> None:
        """A second write of a row replaces all but its logs, and adds no second row."""
        add_running_play(store)
        store.write_spans({"p": delta(row(0, status="running"))})
        [loaded] = store.load_rows("p", ["s0"])
        loaded.is_start_stored = False
        for field in (
            "start_ms",
            "parent_id",
            "name",
            "kind",
            "end_ms",
            "status",
            "tags",
            "error",
            "source_line",
        ):
            setattr(loaded, field, getattr(FULL_ROW, field))
        for field in (
            "rpc_service",
            "rpc_method",
            "child_play_sid",
            "source_file",
            "log_bytes",
            "protected_tags",
        ):
            setattr(loaded, field, getattr(FULL_ROW, field))

        store.write_spans({"p": delta(loaded)})

        [again] = store.load_rows("p", ["s0"])
        size = len(msgspec.json.encode(FULL_ROW.tags))
        expected = msgspec.structs.replace(
            FULL_ROW,
            new_logs="",
            is_stored=True,
            is_start_stored=True,
            tags_bytes=size,
            revision=loaded.revision,
        )
        assert again == expected
        assert len(store.read_spans("p")) == 1

    def test_rows_are_marked_as_stored(self, store: Store) -> None:
        """After a write its rows are stored and have their revisions; nothing else of them is touched."""
        add_running_play(store)
        before = store.revision()
        one = row(0, new_logs="x")

        store.write_spans({"p": delta(one)})

        expected = msgspec.structs.replace(
            row(0, new_logs="x"), is_stored=True, is_start_stored=True, revision=before + 1
        )
        assert one == expected

    @pytest.mark.parametrize("first", ["", "[1] a", "x" * 100_000])
    def test_logs_are_appended(self, store: Store, first: str) -> None:
        """The logs of a span are all that its writes brought, in their order."""
        add_running_play(store)
        one = row(0, status="running", new_logs=first)
        other = row(1, new_logs="[9] other")
        store.write_spans({"p": delta(one, other)})
        for number in range(12):
            one.new_logs = f"\n[{number}] more"
            store.write_spans({"p": delta(one)})
        one.new_logs = ""
        store.write_spans({"p": delta(one)})

        logs = [span.logs for span in store.read_spans("p")]
        assert logs == [first + "".join(f"\n[{number}] more" for number in range(12)), "[9] other"]

    def test_a_batch_may_hold_new_and_stored_rows(self, store: Store) -> None:
        """Rows are told apart one by one."""
        add_running_play(store)
        old = row(0, status="running")
        store.write_spans({"p": delta(old)})
        old.status = "ok"

        store.write_spans({"p": delta(old, row(1))})

        assert [(span.span_id, span.status) for span in store.read_spans("p")] == [("s0", "ok"), ("s1", "ok")]

    def test_spans_of_other_plays_are_others(self, store: Store) -> None:
        """The same span id and ordinal in two plays are two spans."""
        for sid in ("p", "q"):
            add_running_play(store, sid)
            one = row(0)
            one.name = f"of {sid}"
            store.write_spans({sid: delta(one)})

        assert [store.read_spans(sid)[0].name for sid in ("p", "q")] == ["of p", "of q"]
        assert store.load_rows("q", ["s0"])[0].name == "of q"

    def test_totals_are_written_with_the_rows(self, store: Store) -> None:
        """Counters, the number of spans and the writers are what the last batch said."""
        add_running_play(store)
        counters = Counters(1, 2, 3, 4, 5)
        batch = delta(row(0), span_count=1, writers={"a": 3, "b": 1})
        batch.counters = counters
        store.write_spans({"p": batch})
        store.write_spans({"p": delta(span_count=1, events=8, writers={"a": 7})})

        state = store.load_fold_state("p")

        assert state.counters == Counters(events=8)
        assert (state.span_count, state.writers) == (1, {"a": 7, "b": 1})
        assert store.get_play("p").counters == Counters(events=8)
        assert store.get_play("p").span_count == 1

    def test_writing_spans_leaves_the_rest_of_a_play_alone(self, store: Store) -> None:
        """A batch changes the totals of its play and nothing else."""
        store.create_play(FULL_PLAY)
        revision = store.write_spans({"full": delta(row(0), events=9, span_count=7)})

        expected = msgspec.structs.replace(
            FULL_PLAY, counters=Counters(events=9), span_count=7, revision=revision
        )
        assert store.get_play("full") == expected

    def test_a_new_play_has_nothing_to_fold_on(self, store: Store) -> None:
        """The state of a play without spans is all zeros."""
        add_running_play(store)

        state = store.load_fold_state("p")

        assert (state.counters, state.span_count, state.writers) == (Counters(), 0, {})

    @pytest.mark.parametrize("call", ["load_fold_state", "read_spans", "write_spans"])
    def test_spans_of_an_unknown_play_are_not_found(self, store: Store, call: str) -> None:
        """Reading or writing a play that is not there is NotFound."""
        argument = {"gone": delta(row(0))} if call == "write_spans" else "gone"

        with pytest.raises(NotFound, match=UNKNOWN_PLAY):
            getattr(store, call)(argument)

    def test_rows_of_an_unknown_play_are_none(self, store: Store) -> None:
        """Those of these spans that are there: none."""
        assert store.load_rows("gone", ["s0"]) == []
        assert store.load_open_rows("gone", limit=9) == []
        assert store.first_root_not_ok("gone") is None

    def test_rows_are_found_among_thousands(self, store: Store) -> None:
        """Any number of ids can be asked for; unknown ones and repeats add nothing."""
        add_running_play(store)
        store.write_spans({"p": delta(*(row(number) for number in range(3000)))})
        wanted = [f"s{number}" for number in range(0, 6000, 2)]

        loaded = store.load_rows("p", [*wanted, "s0", "", "nobody"])

        assert sorted(one.ordinal for one in loaded) == list(range(0, 3000, 2))

    def test_open_rows_are_those_that_run(self, store: Store) -> None:
        """In the order of their ordinals, at most ``limit``."""
        add_running_play(store)
        store.write_spans({"p": delta(*(row(n, status="running" if n % 2 else "ok") for n in range(10)))})

        assert [one.ordinal for one in store.load_open_rows("p", limit=3)] == [1, 3, 5]
        assert [one.ordinal for one in store.load_open_rows("p", limit=99)] == [1, 3, 5, 7, 9]
        assert all(one.is_stored for one in store.load_open_rows("p", limit=99))

    def test_open_rows_come_only_so_many_as_their_text_allows(self, store: Store) -> None:
        """Up to and with the one that passes the number of bytes, so that there is always one."""
        add_running_play(store)
        store.write_spans({"p": delta(*(row(n, status="running", parent_id="p" * 100) for n in range(5)))})

        assert [one.ordinal for one in store.load_open_rows("p", limit=9, max_bytes=0)] == [0]
        assert [one.ordinal for one in store.load_open_rows("p", limit=9, max_bytes=250)] == [0, 1, 2]
        assert len(store.load_open_rows("p", limit=9, max_bytes=10_000)) == 5

    def test_a_span_that_ended_is_open_no_more(self, store: Store) -> None:
        """What is open follows the status."""
        add_running_play(store)
        one = row(0, status="running")
        store.write_spans({"p": delta(one)})
        one.status = "failed"
        store.write_spans({"p": delta(one)})

        assert store.load_open_rows("p", limit=9) == []

    def test_a_page_is_of_the_asked_ordinals(self, store: Store) -> None:
        """From ``start`` on, at most ``limit``, by ordinal, whatever the order of the writes and gaps."""
        add_running_play(store)
        store.write_spans({"p": delta(row(5), row(8))})
        store.write_spans({"p": delta(row(0), row(2))})

        def page(**asked: int) -> list[str]:
            return [span.span_id for span in store.read_spans("p", **asked)]

        assert page() == ["s0", "s2", "s5", "s8"]
        assert page(start=2, limit=2) == ["s2", "s5"]
        assert page(start=6) == ["s8"]
        assert page(start=9) == page(limit=0) == []

    def test_a_page_is_of_2000_spans(self, store: Store) -> None:
        """That is the limit where none is given."""
        add_running_play(store)
        store.write_spans({"p": delta(*(row(number) for number in range(2001)))})

        assert len(store.read_spans("p")) == 2000

    def test_the_first_root_that_is_not_ok_is_found(self, store: Store) -> None:
        """The first by ordinal among the spans without a parent; a running one counts."""
        add_running_play(store)
        failed_root = row(3, parent_id="", status="failed")
        failed_root.error = "why"
        ok_root, failed_child = row(0, parent_id=""), row(1, status="failed")
        open_root = row(4, parent_id="", status="running")
        store.write_spans({"p": delta(ok_root, failed_child, failed_root, open_root)})

        assert store.first_root_not_ok("p") == RootSpan("step 3", "failed", "why")

    def test_roots_that_are_ok_are_no_reason(self, store: Store) -> None:
        """Where all roots ended ok there is nothing to find."""
        add_running_play(store)
        late = row(0, parent_id="", status="running")
        store.write_spans({"p": delta(late, row(1, status="failed"))})
        late.status = "ok"
        store.write_spans({"p": delta(late)})

        assert store.first_root_not_ok("p") is None

    def test_loaded_rows_are_copies(self, store: Store) -> None:
        """Changing a row that was written or loaded changes nothing in the store."""
        add_running_play(store)
        given = copy.deepcopy(FULL_ROW)
        store.write_spans({"p": delta(given)})
        given.tags["o"]["k"] = "changed"
        store.load_rows("p", ["s0"])[0].tags["o"]["k"] = "changed"
        store.read_spans("p")[0].tags["o"]["k"] = "changed"

        assert store.load_rows("p", ["s0"])[0].tags == store.read_spans("p")[0].tags == FULL_ROW.tags
