"""What programs and people ask of plays, over a store of their own; pools have tests of their own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hero_logic.app import open_session
from hero_logic.config import Config
from hero_logic.core.errors import (
    BadInput,
    IllegalMove,
    MalformedEvent,
    NoEntry,
    NotFound,
    NotGranted,
    UsageError,
)
from hero_logic.core.finding import PlayFilter
from hero_logic.core.records import Access, Play, PlayEnd, Sandbox
from hero_logic.core.redaction import Redactor
from hero_logic.preparing import Preparer
from hero_logic.service.play_verbs import PlayVerbs, Wanted
from hero_logic.service.retention import Retention
from hero_logic.service.session import Session
from support.waiting import wait_until
from support.working import QUICK, version

PUSHED = '{"type":"span_start","span_id":"a","name":"pushed"}'


class Desk:
    """A session, and what can be asked over it."""

    def __init__(self, home: Path, environment: dict[str, str] | None = None) -> None:
        self.session: Session = open_session(Config(str(home)))
        self.session.__enter__()
        self.removed: list[str] = []
        self.sids = iter(f"sid{number}" for number in range(1000))
        self.verbs = PlayVerbs(
            self.session,
            prepare=Preparer(environment or {"HERO_LOGIC_SANDBOX": "tier0"}, str(home)).prepare,
            new_sid=lambda: next(self.sids),
            remove_files=self.removed.append,
        )
        self.store = self.session.store

    def add_version(self, body: str) -> str:
        """A flow that is on record; its version's sid."""
        found = version(body)
        self.store.create_play(Play(sid=f"first-{found.version_sid[:6]}", status="ok"), found)
        return found.version_sid


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "home")
    yield made
    made.session.__exit__()


def test_a_play_that_is_asked_for_is_on_record_and_waits(desk: Desk) -> None:
    """With all that a worker needs, and who asked."""
    flow_sid = desk.add_version(QUICK)
    sid = desk.verbs.play_run_async(flow_sid, {"n": 3}, asked_by="a test")

    play = desk.verbs.play_get(sid)
    found = desk.store.read_order(sid)
    assert found is not None
    assert (play.status, play.is_waiting, play.flow, play.version_sid) == ("pending", True, "main", flow_sid)
    assert (play.input_json, play.asked_by) == ('{"n":3}', "a test")
    assert (found[0].function, found[0].sandbox, found[0].on_lost) == ("main", "tier0", "fail")


@pytest.mark.parametrize(
    ("body", "data", "wanted", "error"),
    [
        (QUICK, {"n": "x"}, Wanted(), BadInput),
        (QUICK, {"m": 1}, Wanted(), BadInput),
        ("x = 1\n", {}, Wanted(), NoEntry),
        (QUICK, {}, Wanted(entry="other"), NoEntry),
        (QUICK, {}, Wanted(timeout_s=0.0), UsageError),
        (QUICK, {}, Wanted(sandbox="castle"), UsageError),
        ('@flow(needs={"net": ["a.example:443"]})\ndef main(): ...\n', {}, Wanted(), NotGranted),
    ],
)
def test_what_cannot_be_run_is_told_when_it_is_asked_for(
    desk: Desk, body: str, data: dict[str, object], wanted: Wanted, error: type[Exception]
) -> None:
    """And nothing is on record."""
    flow_sid = desk.add_version(body)
    before = desk.store.revision()

    with pytest.raises(error):
        desk.verbs.play_run_async(flow_sid, data, wanted=wanted)

    assert desk.store.revision() == before


def test_a_policy_decides_what_is_granted(tmp_path: Path) -> None:
    """Of what the flow asks for; the decision is on record with the play."""
    policy = tmp_path / "policy.toml"
    policy.write_text('[flows.main]\nnet = ["a.example:443"]\n')
    desk = Desk(tmp_path / "home", {"HERO_LOGIC_SANDBOX": "tier0", "HERO_LOGIC_POLICY": str(policy)})
    flow_sid = desk.add_version('@flow(needs={"net": ["a.example:443"]}, on_lost="retry")\ndef main(): ...\n')
    sid = desk.verbs.play_run_async(flow_sid)
    play, found = desk.verbs.play_get(sid), desk.store.read_order(sid)
    desk.session.__exit__()

    assert found is not None
    assert play.access.grants == {"net": ["a.example:443"]}
    assert found[0].on_lost == "retry"


def test_an_unknown_flow_or_parent_is_not_found(desk: Desk) -> None:
    """Nothing is on record."""
    with pytest.raises(NotFound):
        desk.verbs.play_run_async("gone")
    with pytest.raises(NotFound):
        desk.verbs.play_run_async(desk.add_version(QUICK), parent_play_sid="gone")


def test_child_plays_are_found_from_both_ends(desk: Desk) -> None:
    """The parent by its child, the child by its parent."""
    flow_sid = desk.add_version(QUICK)
    parent = desk.verbs.play_run_async(flow_sid)
    child = desk.verbs.play_run_async(flow_sid, parent_play_sid=parent, parent_span_id="s1")

    links = desk.verbs.play_links(child)
    assert (links.parent_play_sid, links.parent_span_id) == (parent, "s1")
    assert [play.sid for play in desk.verbs.play_links(parent).children] == [child]


def test_a_play_that_does_not_begin_in_time_is_given_as_it_waits(desk: Desk) -> None:
    """Still ``pending``."""
    play = desk.verbs.play_start(desk.add_version(QUICK), {"n": 1}, timeout_ms=1)

    assert (play.status, play.is_waiting) == ("pending", True)


def test_a_start_waits_for_the_begin(desk: Desk) -> None:
    """And no longer."""
    flow_sid = desk.add_version(QUICK)
    started: list[Play] = []
    thread = threading.Thread(
        target=lambda: started.append(desk.verbs.play_start(flow_sid, timeout_ms=20_000))
    )
    thread.start()
    sid = wait_until(lambda: desk.store.claim_play("r"), "the play")
    desk.store.begin_play(sid, start_ms=1.0, sandbox=Sandbox())
    thread.join(20)

    assert [play.status for play in started] == ["running"]


@pytest.mark.parametrize("timeout_ms", [-1, float("nan"), float("inf")])
def test_a_time_that_is_none_is_refused(desk: Desk, timeout_ms: float) -> None:
    """The message says what 0 means."""
    desk.store.create_play(Play(sid="p", status="ok"))
    with pytest.raises(UsageError, match="0 for ever"):
        desk.verbs.play_wait("p", timeout_ms=timeout_ms)


def test_a_play_that_waits_is_cancelled_at_once(desk: Desk) -> None:
    """By whom is on record; to cancel it again changes nothing."""
    sid = desk.verbs.play_run_async(desk.add_version(QUICK))
    first = desk.verbs.play_cancel(sid, asked_by="me")
    second = desk.verbs.play_cancel(sid, asked_by="another")

    assert (first.status, first.error) == ("cancelled", "cancelled by me before it began")
    assert first == second
    assert desk.store.claim_play("r") is None


def test_cancelling_a_play_whose_runtime_is_gone_ends_it(desk: Desk) -> None:
    """A cancel always ends terminal."""
    desk.store.create_play(Play(sid="p", runtime_sid="gone"))
    desk.store.begin_play("p", start_ms=1.0, sandbox=Sandbox())

    assert desk.verbs.play_cancel("p").status == "failed"


def test_a_retry_is_another_play_of_the_same(desk: Desk) -> None:
    """Version, input and conditions; linked from both ends."""
    sid = desk.verbs.play_run_async(desk.add_version(QUICK), {"n": 5}, wanted=Wanted(timeout_s=7.0))
    again = desk.verbs.play_retry(sid)
    kept = desk.verbs.play_retry(sid, keeps_grants=True)

    first, second, third = (desk.verbs.play_get(one) for one in (sid, again, kept))
    assert len({sid, again, kept}) == 3
    for play in (second, third):
        assert (play.version_sid, play.input_json, play.retry_of) == (first.version_sid, '{"n":5}', sid)
        found = desk.store.read_order(play.sid)
        assert found is not None
        assert found[0].timeout_s == 7.0
    assert [play.sid for play in desk.verbs.play_links(sid).retries] == [again, kept]


def test_what_nobody_ran_is_not_run_again(desk: Desk) -> None:
    """A play that was recorded from a stream has nothing to run."""
    desk.store.create_play(Play(sid="p", status="ok"))
    with pytest.raises(IllegalMove, match="recorded from a stream"):
        desk.verbs.play_retry("p")


def test_a_status_is_told_in_few_words(desk: Desk) -> None:
    """What a program asks again and again."""
    sid = desk.verbs.play_run_async(desk.add_version(QUICK))
    state = desk.verbs.play_status(sid)

    assert (state.sid, state.status, state.is_waiting, state.start_ms, state.error) == (
        sid,
        "pending",
        True,
        None,
        "",
    )
    assert desk.verbs.play_status("last").sid == sid


def test_lists_are_filtered_and_paged(desk: Desk) -> None:
    """By the cursor of the page before."""
    flow_sid = desk.add_version(QUICK)
    sids = [desk.verbs.play_run_async(flow_sid) for _ in range(5)]
    wanted = PlayFilter(flow="main", statuses=("pending",))
    first = desk.verbs.play_list(wanted, limit=3)
    second = desk.verbs.play_list(wanted, limit=3, before=first.next)

    assert [play.sid for play in (*first.plays, *second.plays)] == sids[::-1]
    assert second.next is None


@pytest.mark.parametrize(
    "options", [{"limit": 0}, {"limit": 10**6}, {"wanted": PlayFilter(statuses=("meh",))}]
)
def test_a_list_that_cannot_be_is_refused(desk: Desk, options: dict[str, object]) -> None:
    """And says what can."""
    with pytest.raises(UsageError):
        desk.verbs.play_list(**options)  # type: ignore[arg-type]  # wrong on purpose


def test_an_event_is_pushed_into_a_play_that_runs_here(desk: Desk) -> None:
    """It is on record when the call returns."""
    desk.session.enter_runtime()
    desk.session.plays.create("p")
    desk.session.plays.begin("p", Sandbox())
    desk.session.ingest.open("p")
    desk.verbs.span_push("p", PUSHED)

    assert [span.name for span in desk.session.plays.spans("p")] == ["pushed"]
    with pytest.raises(MalformedEvent):
        desk.verbs.span_push("p", b"{")


def test_an_event_for_a_play_of_another_process_waits_for_it(desk: Desk) -> None:
    """Two that number the spans of one play would spoil it: it is on disk, and folded there."""
    desk.store.create_play(Play(sid="p", runtime_sid="other"))
    desk.store.begin_play("p", start_ms=1.0, sandbox=Sandbox())
    desk.verbs.span_push("p", PUSHED)

    assert [chunk.data for chunk in desk.store.pushed_events("p", after=0)] == [PUSHED.encode() + b"\n"]
    assert list(desk.session.plays.spans("p")) == []


def test_an_event_is_refused_before_a_play_begins_and_after_its_end(desk: Desk) -> None:
    """Nobody would fold it."""
    desk.store.create_play(Play(sid="waits"))
    desk.store.create_play(Play(sid="ended", status="ok"))

    for sid in ("waits", "ended"):
        with pytest.raises(IllegalMove):
            desk.verbs.span_push(sid, PUSHED)


def test_a_play_with_variables_takes_events_only_where_they_are_known(desk: Desk) -> None:
    """Their values are taken out before anything is on disk, which only the process that runs it can."""
    desk.session.enter_runtime()
    for sid, runtime_sid in (("here", desk.session.runtimes.own_sid), ("there", "other")):
        desk.store.create_play(Play(sid=sid, runtime_sid=runtime_sid, access=Access(grants={"env": ["KEY"]})))
        desk.store.begin_play(sid, start_ms=1.0, sandbox=Sandbox())
    desk.session.ingest.open("here", redactor=Redactor(["hunter2"]))
    desk.verbs.span_push("here", '{"type":"span_start","span_id":"a","name":"hunter2"}')

    with pytest.raises(IllegalMove, match="variables"):
        desk.verbs.span_push("there", PUSHED)
    assert "hunter2" not in [span.name for span in desk.session.plays.spans("here")]
    assert desk.store.pushed_events("there", after=0) == []


def test_a_play_is_deleted_with_its_files(desk: Desk) -> None:
    """Where it has ended."""
    desk.store.create_play(Play(sid="p", status="ok"))
    desk.store.create_play(Play(sid="q", runtime_sid="r"))
    desk.verbs.play_delete("p")
    with pytest.raises(IllegalMove):
        desk.verbs.play_delete("q")
    with pytest.raises(NotFound):
        desk.verbs.play_delete("p")

    assert desk.removed == ["p"]
    assert [play.sid for play in desk.store.list_plays(limit=9)] == ["q"]


def test_pruning_removes_what_is_not_to_be_kept(desk: Desk) -> None:
    """With its files."""
    for number in range(4):
        desk.store.create_play(Play(sid=f"p{number}", runtime_sid="r"))
        desk.store.end_play(f"p{number}", PlayEnd("failed", 1.0))
    pruned = desk.verbs.play_prune(Retention(max_plays=1))

    assert pruned.sids == desk.removed == ["p0", "p1", "p2"]
