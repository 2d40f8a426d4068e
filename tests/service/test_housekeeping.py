"""What a process that lives long does beside its work, and what is to be read meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hero_logic.app import open_session
from hero_logic.config import Config
from hero_logic.core.errors import NotFound, StoreError
from hero_logic.core.fold import OPEN_AT_END
from hero_logic.core.records import Play, PlayEnd, PlayOrder, Sandbox
from hero_logic.service.housekeeping import Housekeeping
from hero_logic.service.recovery import MAX_CLAIMS
from hero_logic.service.retention import Retention
from hero_logic.service.session import Session
from store.facts import VERSION, delta, row
from support.waiting import wait_until

ORDER = PlayOrder("main")


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """One that leaves recovery to its housekeeping."""
    made = open_session(Config(str(tmp_path / "home")), recovers=False)
    made.__enter__()
    yield made
    made.__exit__()


def add_lost(session: Session, sid: str = "lost", *, open_spans: int = 0, has_begun: bool = True) -> None:
    """A play whose runtime is gone."""
    session.store.create_play(Play(sid=sid, runtime_sid="gone", flow="f"))
    if has_begun:
        session.store.begin_play(sid, start_ms=1.0, sandbox=Sandbox())
    if open_spans:
        rows = [
            row(number, status="running", parent_id="s0" if number else "") for number in range(open_spans)
        ]
        session.store.write_spans({sid: delta(*rows, span_count=open_spans)})


def keep_house(session: Session, **options: object) -> Housekeeping:
    notes: list[str] = []
    return Housekeeping(session, note=notes.append, **options)  # type: ignore[arg-type]  # as they are


def tidy_all(session: Session) -> None:
    """All that there is to do, in this thread."""
    house = keep_house(session)
    while house.tidy():
        pass


def test_a_lost_play_gets_its_end_beside_the_work(session: Session) -> None:
    """Nobody waits for it."""
    add_lost(session)
    with keep_house(session):
        wait_until(lambda: session.store.brief_play("lost").status == "failed", "its end")

    assert session.store.get_play("lost").error == "the runtime ended while this play ran"


def test_the_status_comes_before_the_spans(session: Session) -> None:
    """However many spans are open: one step ends the play, and others close them."""
    add_lost(session, open_spans=12_000)
    session.recover()

    play = session.store.brief_play("lost")
    assert play.status == "failed"
    assert len(session.store.running_spans("lost", limit=20_000)) == 12_000
    tidy_all(session)
    assert session.store.running_spans("lost", limit=1) == []
    assert session.store.status_counts("lost") == {"failed": 12_000}


def test_spans_that_are_still_to_be_closed_are_read_as_closed(session: Session) -> None:
    """In the document, among what failed, in the outline, in numbers: the same before as after."""
    add_lost(session, open_spans=7_000)
    session.recover()
    plays = session.plays

    def look() -> tuple[object, ...]:
        outline = plays.outline(plays.get("lost"))
        assert outline is not None
        failed, around = plays.failed("lost", limit=50)
        return (
            [(span.span_id, span.status, span.end_ms, span.error) for span in plays.spans("lost")],
            [(one.span_id, one.status, one.end_ms) for one in failed],
            {one.status for one in (*outline.rows, *around)},
            outline.counts,
            plays.status_counts("lost"),
            [span.span_id for span in plays.failed_whole("lost")],
        )

    before = look()
    tidy_all(session)

    assert before == look()
    assert before[0][0][1:] == ("failed", session.store.brief_play("lost").end_ms, OPEN_AT_END)  # type: ignore[index]
    assert before[3] == before[4] == {"failed": 7_000}


def test_closing_goes_on_while_others_write(session: Session) -> None:
    """In batches, between which a writer has its turn."""
    add_lost(session, open_spans=30_000)
    session.store.create_play(Play(sid="busy", runtime_sid="gone-too"))
    session.recover()
    written = 0
    with keep_house(session):
        while session.store.running_spans("lost", limit=1):
            session.store.create_play(Play(sid=f"p{written}", status="ok"))
            written += 1

    assert written > 0


def test_who_recovers_elsewhere_is_left_to_it(session: Session) -> None:
    """Closing waits for nobody: it is done where it was begun."""
    add_lost(session, open_spans=10)
    session.recover()
    with session.runtimes.recovering():
        assert session.close_some(for_s=5.0) is True
        assert session.store.running_spans("lost", limit=1)

    assert session.close_some(for_s=5.0) is False


def add_claimed(session: Session, claims: int) -> None:
    """A play that was claimed so often, each time by a worker that is gone."""
    session.store.create_play(Play(sid="p", flow="f", version_sid=VERSION.version_sid), VERSION, ORDER)
    for number in range(claims):
        session.store.claim_play(f"gone-{number}")
        if number < claims - 1:
            session.store.release_play("p", runtime_sid=f"gone-{number}")


def test_a_play_that_never_waited_for_a_worker_is_never_ended(session: Session) -> None:
    """What waits is nobody's loss."""
    session.store.create_play(Play(sid="p"), None, ORDER)
    tidy_all(session)

    assert session.store.get_play("p").is_waiting


@pytest.mark.parametrize("claims", range(1, MAX_CLAIMS))
def test_a_play_that_had_not_begun_waits_again(session: Session, claims: int) -> None:
    """It has done nothing."""
    add_claimed(session, claims)
    tidy_all(session)

    assert session.store.get_play("p").is_waiting


def test_a_play_that_ends_its_workers_is_given_up(session: Session) -> None:
    """After three that were lost before it began; the message says so."""
    add_claimed(session, MAX_CLAIMS)
    tidy_all(session)

    play = session.store.get_play("p")
    assert play.status == "failed"
    assert "lost 3 times before it could begin" in play.error


def test_a_play_waits_again_once_its_worker_has_left_nothing_behind(session: Session, tmp_path: Path) -> None:
    """A supervisor that still clears up after it would clear away what is new."""
    add_claimed(session, 1)
    other = open_session(Config(str(tmp_path / "home"))).runtimes
    other.own_sid = "gone-0"
    with other.founding():
        pass
    session.recover()
    assert not session.store.get_play("p").is_waiting
    other.enter()
    other.leave()
    session.recover()

    assert session.store.get_play("p").is_waiting


def test_what_is_left_of_deleted_plays_is_removed(session: Session) -> None:
    """Also where who deleted them was killed half way."""
    add_lost(session, open_spans=2_000)
    session.recover()
    session.store.delete_play("lost")
    tidy_all(session)

    assert session.store.sweep_deleted(limit=1) is False


@pytest.mark.parametrize("days_set", [-40, 0, 40])
def test_a_clock_that_is_set_makes_no_play_old(session: Session, days_set: int) -> None:
    """An age has passed, or has not; a clock that is set forward is told of, once."""
    notes: list[str] = []
    now_ms = session.now_ms
    for sid, days_old in {"old": 50, "new": 10}.items():
        session.store.create_play(Play(sid=sid, created_ms=now_ms() - days_old * 86_400_000.0, status="ok"))
    session.now_ms = lambda: now_ms() - 30 * 86_400_000.0
    house = Housekeeping(session, note=notes.append, retention=Retention(max_age_days=15))
    session.now_ms = lambda: now_ms() + (days_set - 30) * 86_400_000.0
    while house.tidy():
        pass
    house._pruned_s = None
    house.tidy()

    left = {play.sid for play in session.store.list_plays(limit=10)}
    # Of the one that is old by the clock with which the process began, a clock that went back is not sure.
    assert left == ({"new"} if days_set >= 0 else {"old", "new"})
    assert len(notes) == (days_set > 0)


def test_a_retention_is_followed(session: Session) -> None:
    """Once a minute, and at the beginning."""
    removed: list[str] = []
    for sid in "abc":
        session.store.create_play(Play(sid=sid, runtime_sid="r"))
        session.store.end_play(sid, PlayEnd("failed", 1.0))
    with keep_house(session, retention=Retention(max_plays=1), remove_files=removed.append):
        wait_until(lambda: session.store.size().plays == 1, "the removal")

    assert removed == ["a", "b"]
    with pytest.raises(NotFound):
        session.store.get_play("a")


def test_trouble_is_told_once_and_tried_again(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that cannot be written is no reason to give up."""
    told: list[str] = []
    calls = threading.Semaphore(0)

    def fail() -> list[str]:
        calls.release()
        raise StoreError("the disk is full")

    monkeypatch.setattr(session, "recover", fail)
    with Housekeeping(session, note=told.append):
        for _ in range(3):
            assert calls.acquire(timeout=20)

    assert told == ["housekeeping waits: the disk is full"]


def test_threads_that_recover_at_once_end_each_play_once(session: Session) -> None:
    """Who cancels a play of a runtime that is gone may come at the moment of the housekeeping."""
    sids = {f"lost{number}" for number in range(100)}
    for sid in sids:
        add_lost(session, sid)
    meeting = threading.Barrier(4)
    ended: list[str] = []
    failures: list[BaseException] = []

    def recover() -> None:
        meeting.wait(10)
        try:
            ended.extend(session.recover())
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=recover) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert sorted(ended) == sorted(sids)
