"""``kill -9`` of a worker at any moment: every play ends, nothing lives on, nothing acknowledged is lost."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
from pathlib import Path

import pytest

from hero_logic.core.records import Play
from hero_logic.service.play_verbs import PlayVerbs
from support.processes import wait_until_gone
from support.scale import SCALE
from support.waiting import wait_until
from support.working import asking, queue, working

KILLS = 10
SOAK_KILLS = 100
WAIT_MS = 30_000.0

STEPS = """
@flow
def main(steps: int):
    for number in range(steps):
        with flow.step(f"step {number}"):
            pass
    return steps
"""


def kill_a_worker(tmp_path: Path, delay_s: float, *, seen: set[str]) -> None:
    """Queue plays, kill their worker so much later, and look what another one makes of it."""
    home = tmp_path / "home"
    marker = f"marker-{os.getpid()}-{random.randrange(10**12)}"
    with asking(home) as verbs:
        with working(home, "--plays", "2", marker=marker) as worker:
            sids = [queue(verbs, STEPS, input_json=b'{"steps":40}') for _ in range(6)]
            threading.Event().wait(delay_s)
            worker.kill()
        wait_until_gone(marker, timeout_s=5)
        before = {sid: on_record(verbs, sid) for sid in sids}
        with working(home, "--plays", "2"):
            for sid in sids:
                verbs.play_wait(sid, timeout_ms=WAIT_MS)
            # The last of them is cleared away once its end is on record.
            wait_until(lambda: not list((home / "plays").iterdir()), "an empty directory")
            # And the spans of those that were lost are closed beside the work.
            wait_until(lambda: not verbs._store.plays_with_open_spans(), "the last closed span")
        for sid in sids:
            check_end(before[sid], on_record(verbs, sid))
            seen.add(before[sid][0].status)
    check_store(home)


def on_record(verbs: PlayVerbs, sid: str) -> tuple[Play, list[str]]:
    """A play, and the names of its spans."""
    return verbs.play_get(sid), [span.name for span in verbs._plays.spans(sid)]


def check_end(before: tuple[Play, list[str]], after: tuple[Play, list[str]]) -> None:
    """What became of a play, by how it stood when its worker was killed."""
    (was, had), (play, names) = before, after
    if was.status == "pending":
        # Nothing of it had run: it is run as if nothing had happened.
        assert (play.status, len(names)) == ("ok", 41), play
    elif was.status == "running":
        # As its supervisor saw it end; all that was on record is there still.
        assert play.status == "ok" or play.error == "the runtime ended while this play ran", play
        assert names[: len(had)] == had
    else:
        # What had ended had ended well.
        assert was.status == "ok", was.error
        assert (play, names) == (was, had)


def check_store(home: Path) -> None:
    connection = sqlite3.connect(home / "hero_logic.db")
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT count(*) FROM spans WHERE status = 'running'").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM cancels").fetchone() == (0,)
    finally:
        connection.close()


def test_killing_a_worker_leaves_every_play_with_an_end(tmp_path: Path) -> None:
    """At any moment: what had not begun is run by the next worker, what had begun has failed."""
    delays = random.Random(5)
    seen: set[str] = set()
    for number in range(KILLS):
        (tmp_path / str(number)).mkdir()
        kill_a_worker(tmp_path / str(number), delays.uniform(0, 0.25), seen=seen)

    assert seen == {"pending", "running", "ok"}


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_killing_a_worker_leaves_every_play_with_an_end_long(tmp_path: Path) -> None:
    """The same, a hundred times, at every moment."""
    delays = random.Random()
    for number in range(SOAK_KILLS * max(1, SCALE // 20)):
        (tmp_path / str(number)).mkdir()
        kill_a_worker(tmp_path / str(number), delays.expovariate(8), seen=set())


RETRIED = """
import os, signal
@flow(on_lost="retry")
def main(up_path: str, directory: str):
    open(os.path.join(directory, str(os.getpid())), "w").close()
    if len(os.listdir(directory)) < 2:
        open(up_path, "w").close()
        while True:
            signal.pause()
    return "at last"
"""


def test_a_flow_that_says_so_is_run_again_where_its_worker_was_killed(tmp_path: Path) -> None:
    """As a new play, which is linked to the one that was lost."""
    home = tmp_path / "home"
    runs = tmp_path / "runs"
    runs.mkdir()
    up_path = tmp_path / "up"
    with asking(home) as verbs:
        with working(home) as worker:
            sid = queue(verbs, RETRIED, input_json=f'{{"up_path":"{up_path}","directory":"{runs}"}}'.encode())
            wait_until(up_path.exists, "the flow")
            worker.kill()
        with working(home):
            lost = verbs.play_wait(sid, timeout_ms=WAIT_MS)
            [again] = verbs.play_links(sid).retries
            done = verbs.play_wait(again.sid, timeout_ms=WAIT_MS)

    assert (lost.status, lost.error) == ("failed", "the runtime ended while this play ran")
    assert (done.status, done.output_json, done.retry_of) == ("ok", '"at last"', sid)


HOPELESS = """
import signal
@flow(on_lost="retry")
def main(up_path: str):
    with open(up_path, "a") as up:
        up.write(".")
    while True:
        signal.pause()
"""


def test_a_flow_is_run_again_so_often_and_no_more(tmp_path: Path) -> None:
    """One that takes its worker with it each time does not do so for ever."""
    home = tmp_path / "home"
    up_path = tmp_path / "up"
    with asking(home) as verbs:
        queue(verbs, HOPELESS, input_json=f'{{"up_path":"{up_path}"}}'.encode())
        for number in range(1, 4):
            with working(home) as worker:
                wait_until(lambda n=number: up_path.exists() and up_path.stat().st_size == n, "the flow")
                worker.kill()
        with working(home):
            wait_until(
                lambda: all(play.status == "failed" for play in verbs.play_list().plays), "the last end"
            )
        plays = verbs.play_list().plays

    assert [play.status for play in plays] == ["failed"] * 3
    assert [bool(play.retry_of) for play in plays] == [True, True, False]
