"""Plays over JSON-RPC: a server in a process of its own runs them, or has workers run them."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from httpx_sse import connect_sse

from hero_logic.core.records import PlayOrder
from support.command import hero_logic
from support.serving import Server, begin_play, end_play, serving, session_over, span_end, span_start
from support.waiting import wait_until
from support.working import PATIENT, QUICK, STUBBORN

CREWS = {"in its process": (), "by workers": ("--workers", "2")}
GRACE_S = 5.0


@pytest.fixture(scope="module", params=CREWS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that runs plays, with the flows of these tests."""
    with serving(tmp_path_factory.mktemp("s") / "home", *CREWS[request.param]) as started:
        for name, body in {"quick": QUICK, "stubborn": STUBBORN, "patient": PATIENT}.items():
            started.publish(name, body)
        yield started


@pytest.fixture
def pooled(tmp_path: Path) -> Iterator[Server]:
    """A server that runs one play at a time, in its process."""
    with serving(tmp_path / "home", "--plays", "1") as started:
        for name, body in {"quick": QUICK, "stubborn": STUBBORN, "patient": PATIENT}.items():
            started.publish(name, body)
        yield started


class Patient:
    """A play that lasts until it is let go."""

    def __init__(self, server: Server, directory: Path, **params: Any) -> None:
        self.up_path = directory / "up"
        self._go_path = directory / "go"
        os.mkfifo(self._go_path)
        self.play: dict[str, Any] = server.call(
            "play_start",
            flow_sid="patient",
            input_data={"up_path": str(self.up_path), "go_path": str(self._go_path)},
            **params,
        )
        self.sid: str = self.play["sid"]
        wait_until(self.up_path.exists, "the flow")

    def let_go(self) -> None:
        """It may end."""
        self._go_path.write_text("go")


def stubborn(server: Server, directory: Path) -> str:
    """A play that runs and ignores SIGTERM."""
    up_path = directory / "up"
    play = server.call("play_start", flow_sid="stubborn", input_data={"up_path": str(up_path)})
    wait_until(up_path.exists, "the flow")
    return str(play["sid"])


def test_a_published_flow_is_started_and_watched_to_its_end(server: Server, tmp_path: Path) -> None:
    """The stream tells all of it live, whichever process runs it, and ends with the play."""
    play = Patient(server, tmp_path)
    told: dict[str, str] = {}
    names = []
    with connect_sse(server.http(), "GET", f"/plays/{play.sid}/events?after=0") as source:
        for event in source.iter_sse():
            names.append(event.event)
            for row in json.loads(event.data).get("spans", ()):
                told[row["span_id"]] = row["status"]
            if told and play.up_path.exists():
                play.up_path.unlink()
                play.let_go()

    assert play.play["status"] == "running"
    assert names[-1] == "end"
    assert set(told.values()) == {"ok"}
    ended = server.call("play_wait", play_sid=play.sid)
    assert (ended["status"], ended["output"], ended["flow"]) == ("ok", "done", "patient")
    assert ended["asked_by"] == "a client of the server"


def test_one_that_is_asked_for_runs_by_itself(server: Server) -> None:
    """Its sid is answered at once, and it needs nobody who waits for it."""
    sid = server.call("play_run_async", flow_sid="quick", input_data={"n": 7})

    assert server.call("play_wait", play_sid=sid, timeout_ms=20_000)["output"] == 7


def test_one_that_ignores_sigterm_is_cancelled(server: Server, tmp_path: Path) -> None:
    """It is killed after its grace; its end says who wanted it."""
    sid = stubborn(server, tmp_path)
    began_s = time.monotonic()
    server.call("play_cancel", play_sid=sid)
    ended = server.call("play_wait", play_sid=sid, timeout_ms=20_000)

    assert ended["status"] == "cancelled"
    assert "a client of the server" in ended["error"]
    # The machine that runs the tests may be busy; benchmarks/plays.py has the figure.
    assert GRACE_S * 0.9 < time.monotonic() - began_s < GRACE_S + 3


def test_what_it_is_run_with_can_be_said(server: Server) -> None:
    """Its time, its grace, and what it is kept in; a retry has the same."""
    limits = {"play_timeout_ms": 300, "grace_ms": 100, "sandbox": "best"}
    began_s = time.monotonic()
    first = server.call("play_run_async", flow_sid="stubborn", **limits)
    ended = server.call("play_wait", play_sid=first, timeout_ms=20_000)
    again = server.call("play_wait", play_sid=server.call("play_retry", play_sid=first), timeout_ms=20_000)
    started = server.call("play_start", flow_sid="stubborn", **limits)
    third = server.call("play_wait", play_sid=started["sid"], timeout_ms=20_000)

    assert [play["status"] for play in (ended, again, third)] == ["timed_out"] * 3
    # With the grace of every play it would have been three times five seconds more.
    assert time.monotonic() - began_s < 3 * GRACE_S
    with session_over(server.home) as session:
        orders = [session.store.read_order(play["sid"]) for play in (ended, again, third)]
    assert [found and found[0].sandbox for found in orders] == ["best"] * 3


@pytest.mark.parametrize(
    "limits",
    [
        {"play_timeout_ms": 0},
        {"grace_ms": -1},
        {"grace_ms": 1e9},
        {"sandbox": "castle"},
        {"python": "/bin/sh"},
    ],
    ids=str,
)
def test_what_no_play_can_be_run_with_is_refused(server: Server, limits: dict[str, Any]) -> None:
    """With what is wrong of it; an interpreter of the server's is not for a caller to choose."""
    for method in ("play_start", "play_run_async"):
        code, message = server.refused(method, flow_sid="quick", **limits)

        assert (code, next(iter(limits)) in message) == ("invalid_params", True)


def test_no_play_is_kept_in_less_than_the_server_says(server: Server) -> None:
    """It is refused when it is asked for, and so is a retry of one that was run elsewhere with less."""
    server.call("play_wait", play_sid=(sid := server.call("play_run_async", flow_sid="quick")))
    with session_over(server.home) as session:
        play = session.store.get_play(sid)
        made = session.store.get_version(play.version_sid)
        order = PlayOrder("main", sandbox="none", published_name="quick")
        less = session.plays.create_waiting(
            "less", version=made, flow="quick", input_json="{}", access=play.access, order=order
        )
    server.call("play_wait", play_sid=less.sid)

    for code, message in (
        server.refused("play_run_async", flow_sid="quick", sandbox="none"),
        server.refused("play_retry", play_sid=less.sid),
    ):
        assert (code, "nothing in less than tier0" in message) == ("sandbox_unavailable", True)


def test_a_retry_is_linked_to_the_first(server: Server) -> None:
    """It runs the same version with the same input."""
    first = server.call("play_run_async", flow_sid="quick", input_data={"n": 3})
    server.call("play_wait", play_sid=first)
    server.publish("quick", QUICK.replace("return n", "return -n"))
    again = server.call("play_retry", play_sid=first)
    ended = server.call("play_wait", play_sid=again)
    server.publish("quick", QUICK)

    assert (ended["output"], ended["retry_of"], ended["flow"]) == (3, first, "quick")
    assert [play["sid"] for play in server.call("play_links", play_sid=first)["retries"]] == [again]
    assert server.call("play_links", play_sid=again)["retry_of"] == first


def test_a_play_that_asks_is_the_parent(server: Server) -> None:
    """The two find each other."""
    parent = server.call("play_run_async", flow_sid="quick")
    child = server.call("play_run_async", flow_sid="quick", parent_play_sid=parent, parent_span_id="a1")
    links = server.call("play_links", play_sid=child)

    assert (links["parent_play_sid"], links["parent_span_id"]) == (parent, "a1")
    assert [play["sid"] for play in server.call("play_links", play_sid=parent)["children"]] == [child]
    server.call("play_wait", play_sid=child)


def test_plays_are_found_by_what_they_are(server: Server) -> None:
    """By flow, status, time and text, all of them together, in pages."""
    server.publish("failing", "@flow\ndef main(word: str):\n    raise ValueError(word)\n")
    sids = []
    for word in ("one", "two", "three"):
        sids.append(server.call("play_run_async", flow_sid="failing", input_data={"word": f"find {word}"}))
        server.call("play_wait", play_sid=sids[-1])
    server.call("play_wait", play_sid=server.call("play_run_async", flow_sid="quick"))
    second = server.call("play_get", play_sid=sids[1])

    def found(**wanted: Any) -> list[str]:
        return [play["sid"] for play in server.call("play_list", **wanted)["plays"]]

    assert found(flow="failing") == sids[::-1]
    assert found(flow="failing", statuses=["ok"]) == []
    assert found(flow="failing", statuses=["failed", "ok"]) == sids[::-1]
    assert found(text="FIND TW") == [sids[1]]
    assert found(flow="failing", since_ms=second["created_ms"]) == [sids[2], sids[1]]
    assert found(flow="failing", until_ms=second["created_ms"]) == [sids[0]]
    page = server.call("play_list", flow="failing", limit=2)
    rest = server.call("play_list", flow="failing", limit=2, before=page["next"])
    assert [play["sid"] for play in [*page["plays"], *rest["plays"]]] == sids[::-1]
    assert rest["next"] is None
    assert server.refused("play_list", statuses=["done"])[0] == "invalid_params"


def test_a_play_that_has_ended_can_be_deleted(server: Server, tmp_path: Path) -> None:
    """One that runs cannot."""
    play = Patient(server, tmp_path)
    assert server.refused("play_delete", play_sid=play.sid)[0] == "illegal_move"
    play.let_go()
    server.call("play_wait", play_sid=play.sid)

    assert server.call("play_delete", play_sid=play.sid)["status"] == "ok"
    assert server.refused("play_get", play_sid=play.sid)[0] == "not_found"


def test_who_waits_hears_of_the_end(server: Server, tmp_path: Path) -> None:
    """Woken by it, and not by the end of its patience."""
    play = Patient(server, tmp_path)
    answers: list[tuple[dict[str, Any], float]] = []

    def wait() -> None:
        answers.append((server.call("play_wait", play_sid=play.sid), time.time() * 1000))

    waiter = threading.Thread(target=wait)
    waiter.start()
    wait_until(lambda: waiting_calls(server) == 1, "the call that waits")
    play.let_go()
    waiter.join(20)

    [(ended, heard_ms)] = answers
    assert ended["status"] == "ok"
    assert heard_ms - ended["end_ms"] < 1500


def waiting_calls(server: Server) -> int:
    """How many calls wait for a play."""
    page = server.http().get("/metrics").text
    [line] = [line for line in page.splitlines() if line.startswith("hero_logic_calls_waiting")]
    return int(float(line.split()[1]))


def test_what_cannot_run_is_refused_when_it_is_asked_for(server: Server) -> None:
    """With the reason, and nothing on record."""
    server.publish("archived", QUICK)
    server.call("flow_archive", flow_sid="archived")
    before = server.call("play_list")["plays"]

    assert server.refused("play_start", flow_sid="nobody")[0] == "not_found"
    assert server.refused("play_run_async", flow_sid="archived")[0] == "flow_archived"
    assert server.refused("play_run_async", flow_sid="quick", input_data={"n": "x"})[0] == "bad_input"
    assert server.refused("play_run_async", flow_sid="quick", parent_span_id="a")[0] == "usage"
    assert server.refused("play_run_async", flow_sid="quick", parent_play_sid="nobody")[0] == "not_found"
    assert server.call("play_list")["plays"] == before


def test_a_workflow_of_before_is_refused_by_who_names_the_way(server: Server) -> None:
    """Nothing runs those; the error says what makes a flow of one."""
    server.call("flow_put", name="old", legacy_dag='{"nodes": []}')
    code, message = server.refused("play_start", flow_sid="old")

    assert code == "legacy_flow"
    assert "hero-logic migrate" in message


CLASSES = """
import dataclasses, enum
class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"
@dataclasses.dataclass
class Point:
    x: int
    y: int = 2
@flow
def main(colour: Colour, point: Point):
    return [colour.name, type(point).__name__, point.x + point.y]
"""


def test_inputs_of_classes_are_made_of_json(server: Server) -> None:
    """Members of enumerations and data classes, as the one-shot command makes them."""
    server.publish("classes", CLASSES)
    play = server.call("play_start", flow_sid="classes", input_data={"colour": "blue", "point": {"x": 1}})

    assert server.call("play_wait", play_sid=play["sid"])["output"] == ["BLUE", "Point", 3]


NOSY = """from hero_tracing import flow
@flow
def main():
    try:
        import beside
    except ImportError:
        return "alone"
    return beside.__name__
"""


def test_a_published_flow_never_sees_the_directory_of_a_file_with_its_text(
    server: Server, tmp_path: Path
) -> None:
    """It has the name that it was published under, and nothing lies beside it; so has its retry."""
    (tmp_path / "beside.py").touch()
    (tmp_path / "nosy.py").write_text(NOSY)
    done = hero_logic("run", str(tmp_path / "nosy.py"), "--quiet", **server.variables)
    assert done.stdout == b'"beside"\n', done.stderr
    server.call("flow_put", name="published", python_source=NOSY)
    sid = server.call("play_run_async", flow_sid="published")
    ended = server.call("play_wait", play_sid=sid)
    again = server.call("play_wait", play_sid=server.call("play_retry", play_sid=sid))

    assert [(play["flow"], play["output"]) for play in (ended, again)] == [("published", "alone")] * 2


def test_a_play_of_another_process_has_what_was_pushed_by_its_end(server: Server) -> None:
    """Though that process looked for nothing before it; after it, the play takes nothing more."""
    with session_over(server.home) as session:
        sid = begin_play(session, "elsewhere")
        server.call("span_push", play_sid=sid, event_json=span_start("a").decode())
        server.call("span_push", play_sid=sid, event_json=span_end("a").decode())
        end_play(session, sid)
    code, message = server.refused("span_push", play_sid=sid, event_json=span_start("b").decode())

    assert [
        (span["span_id"], span["status"]) for span in server.call("play_spans", play_sid=sid)["spans"]
    ] == [("a", "ok")]
    assert (code, "has ended" in message) == ("illegal_move", True)


def test_a_full_inbox_is_told(server: Server) -> None:
    """And takes events again once its runtime has taken in what waits."""
    with session_over(server.home) as session:
        sid = begin_play(session, "slow")
        large = span_start("a", tags={"text": "x" * 1_000_000}).decode()
        for _ in range(4):
            server.call("span_push", play_sid=sid, event_json=large)
        code, _ = server.refused("span_push", play_sid=sid, event_json=large)
        session.ingest.open(sid)
        session.take_in_pushed()
        session.ingest.flush(sid)
        server.call("span_push", play_sid=sid, event_json=large)
        end_play(session, sid)

    assert code == "inbox_full"


def test_a_play_of_the_server_takes_events(pooled: Server, tmp_path: Path) -> None:
    """They are on record when it answers, and told to who watches."""
    play = Patient(pooled, tmp_path)
    with connect_sse(pooled.http(), "GET", f"/plays/{play.sid}/events") as source:
        events = source.iter_sse()
        next(events)
        pushed = pooled.call("span_push", play_sid=play.sid, event_json=span_start("pushed").decode())
        found = pooled.call("play_spans", play_sid=play.sid)["spans"]
        told = [json.loads(event.data) for event in (next(events), next(events))]
    play.let_go()

    assert "pushed" in [span["span_id"] for span in found]
    assert any(row["span_id"] == "pushed" for page in told for row in page.get("spans", ()))
    assert pushed["revision"] > 0


def test_a_play_that_waited_in_vain_has_its_place_again(pooled: Server, tmp_path: Path) -> None:
    """As soon as its call is answered; and nobody waits in the name of a play that does not run."""
    play = Patient(pooled, tmp_path)
    with session_over(pooled.home) as session:
        child = begin_play(session, "child")
        waited = pooled.call("play_wait", play_sid=child, timeout_ms=50, parent_play_sid=play.sid)
        runtime_sid = session.store.brief_play(play.sid).runtime_sid
        waiting = session.store.waiting_parents(runtime_sid)
        play.let_go()
        pooled.call("play_wait", play_sid=play.sid)
        code, message = pooled.refused("play_wait", play_sid=child, parent_play_sid=play.sid)
        end_play(session, child)

    assert (waited["status"], waiting) == ("running", [])
    assert (code, "only a play that runs" in message) == ("illegal_move", True)


def test_one_for_which_there_is_no_place_waits_and_says_so(pooled: Server, tmp_path: Path) -> None:
    """It is still pending at the timeout; one that waits is cancelled at once."""
    play = Patient(pooled, tmp_path)
    waiting = pooled.call("play_start", flow_sid="quick", timeout_ms=50)
    measures = pooled.http().get("/metrics").text
    listed = hero_logic("ls", **pooled.variables).stderr
    cancelled = pooled.call("play_cancel", play_sid=waiting["sid"])
    play.let_go()

    assert (waiting["status"], waiting["is_waiting"]) == ("pending", True)
    assert "hero_logic_plays_waiting 1.0" in measures
    assert "hero_logic_plays_running 1.0" in measures
    assert b"; 1 run, 1 wait" in listed
    assert cancelled["status"] == "cancelled"
    assert pooled.call("play_wait", play_sid=play.sid)["status"] == "ok"
