"""Events that were pushed to a play: kept, folded once and in their order, by whoever has the play."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hero_logic.app import open_session
from hero_logic.config import Config
from hero_logic.core.errors import IllegalMove, InboxFull, MalformedEvent, StoreLocked
from hero_logic.core.policy import default
from hero_logic.core.records import Play, Sandbox
from hero_logic.service import inbox
from hero_logic.service.endings import end_recording
from hero_logic.service.session import Session
from support.serving import session_over, span_end, span_start
from support.waiting import wait_until

LATER_MS = 2e12


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with session_over(tmp_path) as opened:
        yield opened


def begin(session: Session, *, runtime_sid: str | None = None) -> None:
    """A play ``p`` that runs."""
    own = session.runtimes.own_sid
    session.store.create_play(Play(sid="p", runtime_sid=own if runtime_sid is None else runtime_sid))
    session.store.begin_play("p", start_ms=1.0, sandbox=Sandbox())


def push(session: Session, line: bytes, writer: str = "") -> None:
    inbox.push(session.store, "p", line, writer=writer, received_ms=7.0)


def log(text: str, seq: int | None = None) -> bytes:
    more = {} if seq is None else {"seq": seq}
    return json.dumps({"type": "span_log", "span_id": "a", "text": text, **more}).encode()


def logs(session: Session) -> list[str]:
    """What was logged, without its times."""
    return [line.partition("] ")[2] for line in session.plays.logs("p", "a").splitlines()]


def take_in(session: Session) -> None:
    """As a runtime does that was rung."""
    session.take_in_pushed()
    session.ingest.flush("p")


def test_what_is_taken_in_is_written_and_waits_no_more(session: Session) -> None:
    """In one transaction: whoever looks sees it waiting or in its place."""
    begin(session)
    session.ingest.open("p")
    push(session, span_start("a"))
    waiting = session.store.pushed_plays(session.runtimes.own_sid)
    take_in(session)

    assert waiting == ["p"]
    assert session.store.pushed_plays(session.runtimes.own_sid) == []
    assert [span.span_id for span in session.plays.spans("p")] == ["a"]


def test_events_are_folded_in_the_order_in_which_they_came(session: Session) -> None:
    """Those of senders that say who they are, and of those that do not, between each other."""
    begin(session)
    session.ingest.open("p")
    for number in range(30):
        push(session, log(str(number)), writer=("", "one", "two")[number % 3])
        if number % 7 == 0:
            session.take_in_pushed()
    take_in(session)

    assert logs(session) == [str(number) for number in range(30)]


def test_a_repeat_of_a_sender_changes_nothing(session: Session) -> None:
    """Each counts for itself, whoever else sends in between; who does not say who it is repeats nothing."""
    begin(session)
    session.ingest.open("p")
    for writer, seq in (
        ("one", 1),
        ("two", 1),
        ("one", 1),
        ("one", 2),
        ("two", 2),
        ("one", 2),
        ("", 1),
        ("", 1),
    ):
        push(session, log(f"{writer}{seq}", seq), writer)
    take_in(session)

    assert logs(session) == ["one1", "two1", "one2", "two2", "1", "1"]
    assert session.store.brief_play("p").counters.repeated == 2


def test_threads_that_take_in_at_once_take_each_event_once(session: Session) -> None:
    """Who is rung and who pushes may be two."""
    begin(session)
    session.ingest.open("p")
    takers = [
        threading.Thread(target=lambda: [session.take_in_pushed() for _ in range(20)]) for _ in range(4)
    ]
    for taker in takers:
        taker.start()
    for number in range(100):
        push(session, log(str(number)))
    for taker in takers:
        taker.join()
    take_in(session)

    assert logs(session) == [str(number) for number in range(100)]


@pytest.mark.parametrize("is_heavy", [False, True])
def test_what_was_queued_and_not_written_waits_still(session: Session, is_heavy: bool) -> None:
    """A runtime that is killed between the two has lost nothing; whoever follows takes each event once."""
    begin(session)
    sink = session.ingest.open("p")
    sink.is_heavy = is_heavy
    push(session, span_start("a"))
    take_in(session)
    for number in range(200):
        push(session, log(f"{number} {'x' * 100}"), writer="me")
    before = session.store.revision()
    with session_over(Path(session.store._path).parent) as other:  # type: ignore[attr-defined]  # the embedded store
        held = other.store._writing()  # type: ignore[attr-defined]
        with held:
            session.take_in_pushed()
            wait_until(lambda: not sink._items, "the queue")
            assert session.store.revision() == before
            assert len(session.store.pushed_events("p", after=0)) == 200
        session.ingest.flush("p")

    assert [line.split()[0] for line in logs(session)] == [str(number) for number in range(200)]
    assert session.store.pushed_events("p", after=0) == []


def test_the_end_of_a_play_takes_in_what_is_left(session: Session) -> None:
    """Though nobody was rung; after that nothing is taken."""
    begin(session)
    push(session, span_start("a"))
    push(session, span_end("a"))
    end_recording(session.store, session.ingest, "p", end_ms=LATER_MS)

    assert [(span.span_id, span.status) for span in session.plays.spans("p")] == [("a", "ok")]
    with pytest.raises(IllegalMove, match="has ended"):
        push(session, span_start("b"))


def test_a_play_that_is_about_to_end_takes_nothing_more(session: Session) -> None:
    """Else its end could never be written while somebody pushes."""
    begin(session)
    push(session, span_start("a"))
    inbox.take_in_last(session.store, session.ingest, "p")
    with pytest.raises(IllegalMove, match="about to end"):
        push(session, span_start("b"))
    session.ingest.flush("p")

    assert [span.span_id for span in session.plays.spans("p")] == ["a"]


def test_recovery_takes_in_what_a_lost_runtime_has_not(tmp_path: Path) -> None:
    """Before it writes the end, which is what these events say then."""
    with session_over(tmp_path) as session:
        begin(session, runtime_sid="0123456789abcdef")
        for line in (span_start("a", parent_id=""), span_end("a")):
            push(session, line)
    config = Config(str(tmp_path))
    with open_session(config) as recovering:
        play = recovering.store.get_play("p")
        spans = [(span.span_id, span.status) for span in recovering.plays.spans("p")]

    assert (play.status, spans) == ("failed", [("a", "ok")])


def test_an_end_that_could_not_be_written_is_tried_again_from_the_store(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the first try has queued and lost is still there for the second."""
    begin(session)
    push(session, span_start("a"))
    push(session, span_end("a"))

    def refuse(*_: object, **__: object) -> int:
        raise StoreLocked("held by a test")

    with monkeypatch.context() as failing:
        failing.setattr(session.store, "write_spans", refuse)
        with pytest.raises(StoreLocked):
            end_recording(session.store, session.ingest, "p", end_ms=LATER_MS)
    play = end_recording(session.store, session.ingest, "p", end_ms=LATER_MS)

    assert play.status == "ok"
    assert [(span.span_id, span.status) for span in session.plays.spans("p")] == [("a", "ok")]


def test_no_more_events_wait_than_may(session: Session) -> None:
    """Of a play; the message says how many, and others are not held up."""
    begin(session)
    for number in range(default("pushed_events")):
        push(session, log(str(number)))

    with pytest.raises(InboxFull, match=r"1,001 events"):
        push(session, log("one too many"))
    session.ingest.open("p")
    take_in(session)
    push(session, log("room again"))


@pytest.mark.parametrize(
    "line",
    [b"", b" ", b"{", b"7", b"[" * 200_000, b'{"type":"span_start"}', b"\xff", b"x" * (1024 * 1024 + 1)],
)
def test_what_is_no_event_is_refused(session: Session, line: bytes) -> None:
    """Nothing is kept of it."""
    begin(session)
    with pytest.raises(MalformedEvent):
        push(session, line)

    assert session.store.pushed_events("p", after=0) == []


def test_several_lines_are_no_event(session: Session) -> None:
    """One of them could be anything."""
    begin(session)
    with pytest.raises(MalformedEvent, match="one by one"):
        push(session, span_start("a") + b"\n" + span_start("b"))
