"""What every store promises of events that are pushed to a play; a part of contract_suite.py."""

import pytest

from hero_logic.core.errors import IllegalMove, InboxFull, StoreError
from hero_logic.core.records import PUSHED, PUSHED_BY, Play, PlayEnd, Sandbox
from hero_logic.store.contract import Store
from store.facts import add_ended_play, add_running_play, delta, row


def push(store: Store, sid: str, lines: bytes = b"{}\n", *, source: str = PUSHED, **more: int) -> None:
    """An event for a play."""
    bounds = {"max_events": 3, "max_bytes": 100, **more}
    store.push_event(sid, lines, source=source, received_ms=5.0, **bounds)


def pushed(store: Store, sid: str, *, after: int = 0) -> list[tuple[bytes, str, int, float]]:
    """What there is for a play."""
    return [
        (chunk.data, chunk.source, chunk.position, chunk.received_ms)
        for chunk in store.pushed_events(sid, after=after)
    ]


class InboxContract:
    """Events that were pushed to a play by whoever does not run it."""

    def test_what_is_pushed_is_kept_in_its_order(self, store: Store) -> None:
        """With where it ends, as if all of it were one stream; nothing that is shown has changed."""
        add_running_play(store)
        before = store.revision()
        push(store, "p", b"{1}\n")
        push(store, "p", b"{23}\n", source=PUSHED_BY)

        assert pushed(store, "p") == [(b"{1}\n", PUSHED, 4, 5.0), (b"{23}\n", PUSHED_BY, 9, 5.0)]
        assert pushed(store, "p", after=4) == [(b"{23}\n", PUSHED_BY, 9, 5.0)]
        assert pushed(store, "gone") == []
        assert store.revision() == before

    def test_what_is_folded_is_gone_with_what_came_of_it(self, store: Store) -> None:
        """Up to the position of either source; what comes after goes on behind that, whatever waits."""
        add_running_play(store)
        for source in (PUSHED, PUSHED_BY, PUSHED):
            push(store, "p", source=source)
        written = delta(row(0))
        written.positions = {"spool": 99, PUSHED: 3, PUSHED_BY: 6}
        store.write_spans({"p": written})
        left = pushed(store, "p")
        written.rows, written.positions = [], {PUSHED: 9}
        store.write_spans({"p": written})
        push(store, "p")

        assert left == [(b"{}\n", PUSHED, 9, 5.0)]
        assert pushed(store, "p") == [(b"{}\n", PUSHED, 12, 5.0)]

    def test_a_write_that_fails_removes_nothing(self, store: Store) -> None:
        """Law 2 of the contract."""
        add_running_play(store)
        push(store, "p")
        bad = delta(row(0), row(0))
        bad.positions = {PUSHED: 3}

        with pytest.raises(StoreError):
            store.write_spans({"p": bad})

        assert len(pushed(store, "p")) == 1

    def test_a_runtime_hears_which_of_its_plays_have_events(self, store: Store) -> None:
        """And of nobody else's."""
        for sid, runtime_sid in (("a", "me"), ("b", "them"), ("c", "me"), ("d", "me")):
            store.create_play(Play(sid=sid, runtime_sid=runtime_sid))
            store.begin_play(sid, start_ms=1.0, sandbox=Sandbox())
        for sid in "cabca":
            push(store, sid)

        assert sorted(store.pushed_plays("me")) == ["a", "c"]
        assert store.pushed_plays("them") == ["b"]
        assert store.pushed_plays("nobody") == []

    @pytest.mark.parametrize("bounds", [{"max_events": 2}, {"max_bytes": 8}])
    def test_no_more_is_kept_than_may_wait(self, store: Store, bounds: dict[str, int]) -> None:
        """Of one play; another is not held up by it."""
        for sid in "pq":
            add_running_play(store, sid)
        push(store, "p", **bounds)
        push(store, "p", **bounds)

        with pytest.raises(InboxFull, match="'p'"):
            push(store, "p", **bounds)

        push(store, "q", **bounds)
        assert len(pushed(store, "p")) == 2

    def test_only_a_play_that_runs_is_pushed_to(self, store: Store) -> None:
        """Who would fold it?"""
        store.create_play(Play(sid="waits"))
        store.create_play(Play(sid="pending", runtime_sid="r"))
        add_ended_play(store, sid="ended")

        for sid in ("waits", "pending", "ended"):
            with pytest.raises(IllegalMove, match=sid):
                push(store, sid)

    def test_nothing_is_pushed_to_a_closed_inbox(self, store: Store) -> None:
        """What is in it stays until it is folded, or the play has ended."""
        add_running_play(store)
        push(store, "p")
        had_any = [store.close_inbox("p"), store.close_inbox("p")]
        with pytest.raises(IllegalMove, match="about to end"):
            push(store, "p")
        kept = pushed(store, "p")
        store.end_play("p", PlayEnd("ok", 2.0))

        assert (had_any, len(kept)) == ([True, True], 1)
        assert pushed(store, "p") == []
        assert store.close_inbox("p") is False
