"""A pool of workers: real processes, a real store, plays that other processes ask for."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from hero_logic.core.errors import NotFound
from hero_logic.core.records import Play, Sandbox
from hero_logic.service.play_verbs import Wanted
from support.processes import wait_until_gone
from support.runtime import client_at, read_document
from support.waiting import wait_until
from support.working import PATIENT, QUICK, STUBBORN, asking, queue, version, working

FOR_EVER_MS = 30_000.0


def begun(up_path: Path) -> None:
    wait_until(up_path.exists, "the flow")


def test_a_play_that_waits_is_run(tmp_path: Path) -> None:
    """With its input, its source and its spans; and its files are cleared away."""
    home = tmp_path / "home"
    with asking(home) as verbs, working(home):
        sid = queue(verbs, QUICK, input_json=b'{"n":7}')
        play = verbs.play_wait(sid, timeout_ms=FOR_EVER_MS)

    document = read_document(client_at(home), sid)
    assert (play.status, play.output_json, play.sandbox.tier) == ("ok", "7", "tier0")
    assert [(span["name"], span["status"]) for span in document["spans"]] == [
        ("main", "ok"),
        ("a step", "ok"),
    ]
    assert not (home / "plays" / sid).exists()


def test_what_waited_before_there_was_a_worker_is_run(tmp_path: Path) -> None:
    """The queue is on record: it waits for whoever comes."""
    home = tmp_path / "home"
    with asking(home) as verbs:
        sid = queue(verbs, QUICK)
        assert verbs.play_status(sid).is_waiting
    with working(home), asking(home) as verbs:
        play = verbs.play_wait(sid, timeout_ms=FOR_EVER_MS)

    assert (play.status, play.is_waiting) == ("ok", False)


def test_a_play_that_waits_gives_its_place_back_until_the_end_of_the_other(tmp_path: Path) -> None:
    """What it waits for goes before what has waited longer; then it has its place again, and nobody else."""
    home = tmp_path / "home"
    up_path, go_path = tmp_path / "up", tmp_path / "go"
    os.mkfifo(go_path)
    with asking(home) as verbs, working(home, "--plays", "1"):
        data = f'{{"up_path":"{up_path}","go_path":"{go_path}"}}'.encode()
        parent = queue(verbs, PATIENT, input_json=data)
        begun(up_path)
        other, child = queue(verbs, QUICK), queue(verbs, QUICK)
        verbs.begin_wait(parent, child)
        first = verbs.play_wait(child, timeout_ms=FOR_EVER_MS)
        still = verbs.play_wait(other, timeout_ms=700)
        go_path.write_text("go")
        ended = verbs.play_wait(parent, timeout_ms=FOR_EVER_MS)
        last = verbs.play_wait(other, timeout_ms=FOR_EVER_MS)

    assert (first.status, still.status, ended.status, last.status) == ("ok", "pending", "ok", "ok")


def test_a_play_that_asks_for_less_than_a_worker_runs_is_not_run(tmp_path: Path) -> None:
    """It ends, and says what the least is; nobody weakens a server by asking."""
    home = tmp_path / "home"
    with asking(home, HERO_LOGIC_SANDBOX="none") as verbs, working(home):
        sid = queue(verbs, QUICK, sandbox="none")
        play = verbs.play_wait(sid, timeout_ms=FOR_EVER_MS)

    assert (play.status, play.sandbox.tier) == ("failed", "none")
    assert "runs nothing in less than tier0" in play.error
    assert play.span_count == 0


def test_no_more_plays_run_than_there_are_places(tmp_path: Path) -> None:
    """What has none waits, and says so; it is run when there is one."""
    home = tmp_path / "home"
    go_path = tmp_path / "go"
    os.mkfifo(go_path)
    ups = [tmp_path / f"up-{number}" for number in range(3)]
    with asking(home) as verbs, working(home, "--plays", "2"):
        sids = [
            queue(verbs, PATIENT, input_json=f'{{"up_path":"{up}","go_path":"{go_path}"}}'.encode())
            for up in ups
        ]
        for up in ups[:2]:
            begun(up)
        states = [verbs.play_status(sid) for sid in sids]
        with go_path.open("w"):
            pass
        begun(ups[2])
        with go_path.open("w"):
            pass
        plays = [verbs.play_wait(sid, timeout_ms=FOR_EVER_MS) for sid in sids]

    assert [state.status for state in states] == ["running", "running", "pending"]
    assert [state.is_waiting for state in states] == [False, False, True]
    assert [play.status for play in plays] == ["ok"] * 3


def test_a_play_that_cannot_be_run_any_more_says_why(tmp_path: Path) -> None:
    """It ends; its worker goes on."""
    home = tmp_path / "home"
    python = tmp_path / "python"
    python.symlink_to("/usr/bin/env")
    with asking(home) as verbs:
        lost = verbs.queue_version(version(QUICK), Wanted(python="/usr/bin/env"))
        store = verbs._store
        with pytest.raises(NotFound):
            store.get_play("gone")
        store.create_play(Play(sid="bare", flow="bare"))
    with working(home) as worker, asking(home) as verbs:
        bare = verbs.play_wait("bare", timeout_ms=FOR_EVER_MS)
        play = verbs.play_wait(lost, timeout_ms=FOR_EVER_MS)
        good = verbs.play_wait(queue(verbs, QUICK), timeout_ms=FOR_EVER_MS)
        assert worker.process.poll() is None

    assert (bare.status, good.status, play.status) == ("failed", "ok", "failed")
    assert "nothing says what the play bare is to be run with" in bare.error


def test_cancelling_a_play_ends_it_within_its_grace(tmp_path: Path) -> None:
    """One that ignores SIGTERM, run by another process: its grace, and no more than a moment."""
    home = tmp_path / "home"
    up_path = tmp_path / "up"
    with asking(home) as verbs, working(home):
        sid = queue(verbs, STUBBORN, input_json=f'{{"up_path":"{up_path}"}}'.encode(), grace_s=0.4)
        begun(up_path)
        began_s = time.monotonic()
        verbs.play_cancel(sid, asked_by="the test")
        play = verbs.play_wait(sid, timeout_ms=FOR_EVER_MS)
        took_s = time.monotonic() - began_s

    assert (play.status, play.error) == ("cancelled", "cancelled by the test")
    assert 0.4 <= took_s < 2.4


def test_a_play_is_waited_for_by_its_event_and_not_by_a_clock(tmp_path: Path) -> None:
    """Many ends are seen sooner than one look without a ring would take."""
    home = tmp_path / "home"
    late_ms = []
    with asking(home) as verbs, working(home):
        verbs.play_wait(queue(verbs, QUICK), timeout_ms=FOR_EVER_MS)
        for _ in range(8):
            play = verbs.play_wait(queue(verbs, QUICK), timeout_ms=FOR_EVER_MS)
            assert play.end_ms is not None
            late_ms.append(time.time() * 1000 - play.end_ms)

    # The supervisor's end is before the drain and the commit: what is claimed in milliseconds is measured in
    # benchmarks/plays.py.
    assert sorted(late_ms)[len(late_ms) // 2] < 125, late_ms


def test_a_stop_lets_what_runs_come_to_its_end(tmp_path: Path) -> None:
    """And claims nothing more: what waits is there for the next worker."""
    home = tmp_path / "home"
    go_path, up_path = tmp_path / "go", tmp_path / "up"
    os.mkfifo(go_path)
    with asking(home) as verbs, working(home, "--plays", "1") as worker:
        sid = queue(verbs, PATIENT, input_json=f'{{"up_path":"{up_path}","go_path":"{go_path}"}}'.encode())
        begun(up_path)
        worker.process.terminate()
        assert worker.process.stderr is not None
        assert "no new plays" in worker.process.stderr.readline()
        other = queue(verbs, QUICK)
        with go_path.open("w"):
            pass
        status, _ = worker.end()
        plays = [verbs.play_get(one) for one in (sid, other)]

    assert status == 0
    assert [play.status for play in plays] == ["ok", "pending"]
    assert plays[1].is_waiting


def test_a_stop_cancels_what_does_not_come_to_its_end(tmp_path: Path) -> None:
    """After the time that it was given."""
    home = tmp_path / "home"
    up_path = tmp_path / "up"
    with asking(home) as verbs, working(home, "--stop-after", "0.1") as worker:
        sid = queue(verbs, STUBBORN, input_json=f'{{"up_path":"{up_path}"}}'.encode(), grace_s=0.2)
        begun(up_path)
        status, _ = worker.stop()
        play = verbs.play_get(sid)

    assert (status, play.status, play.error) == (0, "cancelled", "cancelled by the stop of its worker")


def test_a_second_signal_ends_what_runs(tmp_path: Path) -> None:
    """Without its grace."""
    home = tmp_path / "home"
    up_path = tmp_path / "up"
    with asking(home) as verbs, working(home) as worker:
        sid = queue(verbs, STUBBORN, input_json=f'{{"up_path":"{up_path}"}}'.encode(), grace_s=60)
        begun(up_path)
        worker.process.send_signal(signal.SIGINT)
        assert worker.process.stderr is not None
        worker.process.stderr.readline()
        worker.process.send_signal(signal.SIGINT)
        status, _ = worker.end()
        play = verbs.play_get(sid)

    assert (status, play.status) == (0, "cancelled")


def test_an_attached_worker_ends_with_who_started_it(tmp_path: Path) -> None:
    """At the end of its standard input, with all that it runs."""
    home = tmp_path / "home"
    up_path = tmp_path / "up"
    marker = f"marker-{os.getpid()}-attached"
    with asking(home) as verbs, working(home, marker=marker, attached=True) as worker:
        sid = queue(verbs, STUBBORN, input_json=f'{{"up_path":"{up_path}"}}'.encode(), grace_s=60)
        begun(up_path)
        assert worker.process.stdin is not None
        worker.process.stdin.close()
        worker.process.stdin = None
        worker.end()
        wait_until_gone(marker, timeout_s=5)
        play = verbs.play_get(sid)

    assert play.status == "cancelled"


def test_a_store_that_is_held_delays_an_end_and_loses_none(tmp_path: Path) -> None:
    """A worker that lives is the only one who can end its plays: it does not give up."""
    home = tmp_path / "home"
    go_path, up_path = tmp_path / "go", tmp_path / "up"
    os.mkfifo(go_path)
    with asking(home) as verbs, working(home):
        sid = queue(verbs, PATIENT, input_json=f'{{"up_path":"{up_path}","go_path":"{go_path}"}}'.encode())
        begun(up_path)
        wait_until(lambda: verbs.play_status(sid).span_count, "its first span")
        holder = sqlite3.connect(home / "hero_logic.db", isolation_level=None, timeout=20)
        holder.execute("BEGIN IMMEDIATE")
        with go_path.open("w"):
            pass
        assert not threading.Event().wait(0.4)
        assert verbs.play_status(sid).status == "running"
        holder.execute("ROLLBACK")
        holder.close()
        play = verbs.play_wait(sid, timeout_ms=FOR_EVER_MS)

    assert (play.status, play.output_json) == ("ok", '"done"')


def test_workers_share_what_waits(tmp_path: Path) -> None:
    """Each play is run once, whoever runs it."""
    home = tmp_path / "home"
    with asking(home) as verbs:
        sids = [queue(verbs, QUICK, input_json=b'{"n":%d}' % number) for number in range(24)]
        with working(home, "--plays", "2"), working(home, "--plays", "2"):
            plays = [verbs.play_wait(sid, timeout_ms=FOR_EVER_MS) for sid in sids]
            runtimes = {play.runtime_sid for play in plays}

    assert [(play.status, play.output_json, play.span_count) for play in plays] == [
        ("ok", str(number), 2) for number in range(24)
    ]
    assert len(runtimes) == 2


def test_a_flow_that_begins_elsewhere_is_left_alone(tmp_path: Path) -> None:
    """A worker touches no play of another runtime that lives."""
    home = tmp_path / "home"
    with asking(home) as verbs, working(home):
        verbs._session.enter_runtime()
        verbs._plays.create("mine")
        verbs._plays.begin("mine", Sandbox())
        verbs.play_wait(queue(verbs, QUICK), timeout_ms=FOR_EVER_MS)
        state = verbs.play_status("mine")

    assert state.status == "running"


def test_a_flow_of_the_library_is_run_by_its_name(tmp_path: Path) -> None:
    """As the version that is current when it is asked for."""
    home = tmp_path / "home"
    with asking(home) as verbs, working(home):
        verbs._session.flows.put(name="numbers", python_source=version(QUICK).source)
        sid = verbs.play_run_async("numbers", {"n": 9})
        play = verbs.play_wait(sid, timeout_ms=FOR_EVER_MS)

    assert (play.status, play.output_json, play.flow) == ("ok", "9", "numbers")
