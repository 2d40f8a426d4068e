"""``kill -9`` at any moment: what a play leaves, and what the next command makes of it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from hero_logic.app import open_session
from hero_logic.config import Config
from hero_logic.core.lines import Chunk
from hero_logic.core.outcome import ExitRecord, FlowResult, Leavings
from hero_logic.core.records import Play, Sandbox
from hero_logic.runner.supervisor import children_of
from hero_logic.service.ingest import Ingest
from hero_logic.service.liveness import Runtimes
from hero_logic.service.plays import Plays
from hero_logic.service.recovery import recover
from hero_logic.store.memory import MemoryStore
from support.processes import pids_with, wait_until_gone
from support.runtime import SOURCE_DIR, client_at, read_document, start_runtime, write_flow
from support.scale import SCALE
from support.waiting import wait_until

KILLS = 8

COUNTING = """
import os, sys
@flow
def main(count_path: str):
    with open(count_path, "wb", buffering=0) as counter:
        n = 0
        while True:
            with flow.step(f"step {n}", n=n) as step:
                step.log(f"log {n}")
            n += 1
            counter.seek(0)
            counter.write(b"%d" % n)
"""

DAEMONS = """
import os, signal
def daemonize():
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.write(writer, b"up")
            while True:
                signal.pause()
        os._exit(0)
    os.wait()
    os.read(reader, 2)
@flow
def main(up_path: str):
    daemonize()
    daemonize()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with flow.step("open"):
        open(up_path, "w").close()
        while True:
            signal.pause()
"""


def descendants(pid: int) -> list[int]:
    """The processes below one, as they are now."""
    found = []
    unseen = [pid]
    while unseen:
        for child in children_of(unseen.pop()):
            found.append(child)
            unseen.append(child)
    return found


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def list_plays(home: Path, environment: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """What ``hero-logic ls --json`` says."""
    ran = subprocess.run(
        [sys.executable, "-m", "hero_logic", "ls", "--json"],
        env={"HERO_LOGIC_HOME": str(home), "PYTHONPATH": SOURCE_DIR, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    plays = json.loads(ran.stdout)["plays"]
    assert isinstance(plays, list)
    return plays


@pytest.fixture
def marker(tmp_path: Path) -> Iterator[str]:
    """A word in the environment of all that a test's plays start; at its end nothing of it may be left."""
    word = f"marker-{os.getpid()}-{random.randrange(10**12)}"
    yield word
    wait_until_gone(word, timeout_s=5)


@pytest.fixture
def runtime_dir(tmp_path: Path) -> Iterator[str]:
    """A short directory for the sockets, to see whether one is left."""
    path = Path(f"/tmp/hl-{os.getpid()}-{random.randrange(10**9)}")
    path.mkdir()
    yield str(path)
    for left in path.iterdir():
        left.unlink()
    path.rmdir()


# kill -9 of the flow


def kill_flow_after(tmp_path: Path, marker: str, delay_s: float) -> tuple[int, dict[str, Any]]:
    """Kill a flow so long after its first step; the number that it had counted to, and its document."""
    path = write_flow(tmp_path, COUNTING)
    counter = tmp_path / "count"
    home = tmp_path / "home"
    runtime = start_runtime(home, path, f"count_path={counter}", marker=marker)
    assert runtime.stdout is not None
    sid = runtime.stdout.readline().strip()
    wait_until(lambda: counter.exists() and counter.read_bytes(), "the first step")
    threading.Event().wait(delay_s)
    [flow] = [pid for pid in pids_with(marker) if pid != runtime.pid]
    os.kill(flow, signal.SIGKILL)
    runtime.communicate()
    counted = int(counter.read_bytes())
    counter.unlink()
    return counted, read_document(client_at(home), sid)


def check_nothing_emitted_was_lost(counted: int, document: dict[str, Any]) -> None:
    steps = [span for span in document["spans"] if span["name"] != "main"]
    assert len(steps) in (counted, counted + 1)
    for number, span in enumerate(steps[:counted]):
        assert (span["name"], span["tags"], span["status"]) == (f"step {number}", {"n": number}, "ok")
        assert span["logs"].endswith(f"log {number}")
    assert document["status"] == "failed"
    assert document["error"].startswith("the flow was ended by SIGKILL")
    assert document["counters"]["truncated"] == document["counters"]["oversize"] == 0


def test_killing_the_flow_loses_nothing_that_it_emitted(tmp_path: Path, marker: str) -> None:
    """At any moment: each event that was emitted before is on record."""
    delays = random.Random(7)
    for number in range(KILLS):
        (tmp_path / str(number)).mkdir()
        found = kill_flow_after(tmp_path / str(number), marker, delays.uniform(0, 0.1))
        check_nothing_emitted_was_lost(*found)


@pytest.mark.soak
def test_killing_the_flow_loses_nothing_long(tmp_path: Path, marker: str) -> None:
    """The same, more often and at every moment."""
    delays = random.Random()
    for number in range(KILLS * SCALE):
        (tmp_path / str(number)).mkdir()
        found = kill_flow_after(tmp_path / str(number), marker, delays.expovariate(3))
        check_nothing_emitted_was_lost(*found)


# kill -9 of the runtime


def kill_runtime_after(tmp_path: Path, marker: str, runtime_dir: str, delay_s: float) -> None:
    """Kill a runtime so long after its start; nothing of its play may be left, on record as well."""
    path = write_flow(tmp_path, DAEMONS)
    home = tmp_path / "home"
    up_path = tmp_path / "up"
    runtime = start_runtime(home, path, f"up_path={up_path}", marker=marker, runtime_dir=runtime_dir)
    threading.Event().wait(delay_s)
    before_kill = descendants(runtime.pid)
    runtime.kill()
    runtime.communicate()
    wait_until_gone(marker, timeout_s=2)
    wait_until(lambda: not any(map(is_alive, before_kill)), "the supervisor's end", timeout_s=3)
    plays = list_plays(home, {"HERO_LOGIC_RUNTIME_DIR": runtime_dir})
    assert len(plays) <= 1
    for play in plays:
        assert (play["status"], play["error"]) == ("failed", "the runtime ended while this play ran")
        assert play["end_ms"] >= (play["start_ms"] or 0)
        document = read_document(client_at(home), play["sid"])
        assert {span["status"] for span in document["spans"]} <= {"failed"}
        assert not (home / "plays" / play["sid"]).exists()
        assert f"spans-{play['sid']}.sock" not in os.listdir(runtime_dir)
    assert plays or not up_path.exists()


def test_killing_the_runtime_leaves_no_process_and_a_truthful_record(
    tmp_path: Path, marker: str, runtime_dir: str
) -> None:
    """At any moment, with daemons that ignore SIGTERM, and the next command says what happened."""
    delays = random.Random(11)
    for number in range(KILLS):
        (tmp_path / str(number)).mkdir()
        kill_runtime_after(tmp_path / str(number), marker, runtime_dir, delays.uniform(0.02, 0.5))


@pytest.mark.soak
def test_killing_the_runtime_leaves_no_process_long(tmp_path: Path, marker: str, runtime_dir: str) -> None:
    """The same, more often, and most of all while it starts."""
    delays = random.Random()
    for number in range(KILLS * SCALE):
        (tmp_path / str(number)).mkdir()
        kill_runtime_after(tmp_path / str(number), marker, runtime_dir, delays.uniform(0, 0.4))


def test_a_play_that_ended_well_while_its_runtime_was_gone_is_told_by_its_exit_record(
    tmp_path: Path, marker: str
) -> None:
    """What the supervisor saw, not a guess; its output and what it wrote are there."""
    path = write_flow(
        tmp_path,
        """
        import signal, threading
        @flow
        def main(up_path: str):
            done = threading.Event()
            signal.signal(signal.SIGTERM, lambda *_: done.set())
            print("begun", flush=True)
            open(up_path, "w").close()
            done.wait()
            print("ended", flush=True)
            return "in time"
        """,
    )
    up_path = tmp_path / "up"
    runtime = start_runtime(tmp_path / "home", path, f"up_path={up_path}", marker=marker)
    wait_until(up_path.exists, "the flow")
    runtime.kill()
    runtime.communicate()
    [play] = list_plays(tmp_path / "home")
    document = read_document(client_at(tmp_path / "home"), play["sid"])

    assert (play["status"], play["error"]) == ("failed", "the runtime ended while this play ran")
    assert (document["stdout"], document["exit_code"]) == ("begun\nended\n", 0)


@pytest.mark.parametrize(
    "victims", ["supervisor", "spawner", "supervisor and runtime", "spawner and runtime"]
)
def test_killing_what_stands_between_leaves_no_process_and_a_truthful_record(
    tmp_path: Path, marker: str, victims: str
) -> None:
    """The spawner ends the orphans of a supervisor; a supervisor goes on without its spawner."""
    path = write_flow(tmp_path, DAEMONS)
    up_path = tmp_path / "up"
    home = tmp_path / "home"
    runtime = start_runtime(home, path, f"up_path={up_path}", marker=marker, grace_s=0.2)
    wait_until(up_path.exists, "the flow")
    [spawner] = children_of(runtime.pid)
    [supervisor] = children_of(spawner)
    os.kill(supervisor if "supervisor" in victims else spawner, signal.SIGKILL)
    if "runtime" in victims:
        runtime.kill()
    elif victims == "spawner":
        runtime.terminate()
    out, err = runtime.communicate()
    wait_until_gone(marker, timeout_s=2)
    [play] = list_plays(home)

    wanted = {
        "supervisor": ("failed", "the process that supervises this play was killed, so its end is not known"),
        "spawner": ("cancelled", "cancelled by SIGTERM"),
    }.get(victims, ("failed", "the runtime ended while this play ran"))
    assert (play["status"], play["error"]) == wanted, (out, err)


# Recovery itself


def test_a_play_of_a_living_runtime_is_never_touched(tmp_path: Path, marker: str) -> None:
    """Other commands look at it while it runs, and it ends as it would have."""
    path = write_flow(
        tmp_path,
        """
        import os
        @flow
        def main(go_path: str, up_path: str):
            os.mkfifo(go_path)
            open(up_path, "w").close()
            with flow.step("waits"):
                open(go_path).read()
            return "unharmed"
        """,
    )
    home, go, up_path = tmp_path / "home", tmp_path / "go", tmp_path / "up"
    runtime = start_runtime(home, path, f"go_path={go}", f"up_path={up_path}", marker=marker)
    wait_until(up_path.exists, "the flow")
    with ThreadPoolExecutor(4) as pool:
        seen = [plays[0]["status"] for plays in pool.map(lambda _: list_plays(home), range(6))]
    second = subprocess.run(
        [sys.executable, "-m", "hero_logic", "ingest", "-"],
        input=b"",
        env={"HERO_LOGIC_HOME": str(home), "PYTHONPATH": SOURCE_DIR},
        capture_output=True,
        check=False,
    )
    assert second.returncode == 0, second.stderr
    go.write_text("go")
    out, _ = runtime.communicate()

    assert seen == ["running"] * 6
    assert out.splitlines()[1] == "ok"


def test_many_commands_at_once_recover_a_play_once(tmp_path: Path, marker: str) -> None:
    """They wait for the one that does; all of them see the same end, and nothing that it left is lost."""
    path = write_flow(
        tmp_path,
        """
        import signal
        @flow
        def main(up_path: str):
            with open("artifacts/kept.txt", "w") as file:
                file.write("kept")
            print("said", flush=True)
            open(up_path, "w").close()
            signal.pause()
        """,
    )
    up_path = tmp_path / "up"
    runtime = start_runtime(tmp_path / "home", path, f"up_path={up_path}", marker=marker)
    wait_until(up_path.exists, "the flow")
    runtime.kill()
    runtime.communicate()
    with ThreadPoolExecutor(6) as pool:
        seen = list(pool.map(lambda _: list_plays(tmp_path / "home"), range(6)))

    assert all(plays == seen[0] for plays in seen)
    [play] = seen[0]
    assert (play["status"], play["artifacts"]) == ("failed", [{"path": "kept.txt", "size_bytes": 4}])
    assert read_document(client_at(tmp_path / "home"), play["sid"])["stdout"] == "said\n"


class Spooled(BytesIO):
    """What a play wrote while nobody listened."""

    problem = ""


class Gone:
    """A memory store with a play that runs, and services whose runtimes are in a directory of the test's."""

    def __init__(self, tmp_path: Path, *, is_owner_alive: bool = False) -> None:
        self.store = MemoryStore()
        self.runtimes = Runtimes(str(tmp_path / "runtimes"), "me")
        self.plays = Plays(self.store, now_ms=lambda: 5.0, runtime_sid="me")
        self.ingest = Ingest(self.store, now_ms=lambda: 5.0)
        self.owner = Runtimes(str(tmp_path / "runtimes"), "owner")
        if is_owner_alive:
            self.owner.enter()
        self.store.create_play(Play(sid="p", runtime_sid="owner"), None)
        self.cleared: list[str] = []
        self.spool: Spooled | None = None

    def recover(self, aftermath: Callable[[str], Leavings | None]) -> list[str]:
        return recover(
            self.plays,
            self.ingest,
            self.runtimes,
            aftermath=aftermath,
            clear=self.cleared.append,
            open_spool=lambda _: self.spool,
            now_ms=lambda: 5.0,
        )

    def close(self) -> None:
        self.ingest.__exit__()
        self.owner.leave()


@pytest.fixture
def gone(tmp_path: Path) -> Iterator[Gone]:
    opened = Gone(tmp_path)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("record", "result", "status"),
    [
        (ExitRecord("exited", 7.0, 0), FlowResult("returned", 1), "ok"),
        (ExitRecord("timed_out", 7.0, None, 9), FlowResult(), "timed_out"),
        (ExitRecord("cancelled", 7.0, None, 15), FlowResult(), "cancelled"),
        (ExitRecord("exited", 7.0, 1), FlowResult("raised", error="ValueError: x"), "failed"),
        (ExitRecord("runtime_gone", 7.0, None, 15), FlowResult(), "failed"),
    ],
)
def test_a_lost_play_ends_as_its_exit_record_says(
    gone: Gone, record: ExitRecord, result: FlowResult, status: str
) -> None:
    """Truthfully, once, at the time it had ended."""
    gone.plays.begin("p", Sandbox())
    ended = gone.recover(lambda _: Leavings(record, result))
    again = gone.recover(lambda _: Leavings(record, result))
    play = gone.store.get_play("p")

    assert (ended, again, gone.cleared) == (["p"], [], ["p"])
    assert (play.status, play.end_ms) == (status, 7.0)


def spooled_line(number: int) -> bytes:
    return b'{"type":"span_log","span_id":"s","text":"%d","ts_ms":1}\n' % number


def test_what_a_lost_play_spooled_is_taken_in(gone: Gone) -> None:
    """Before its spans are closed and its end is decided; what is wrong with the file is told."""
    gone.plays.begin("p", Sandbox())
    gone.spool = Spooled(spooled_line(1) + b"%%%\n" + spooled_line(2))
    gone.spool.problem = "only half of it is read"
    gone.recover(lambda _: Leavings(ExitRecord("runtime_gone", 3.0), stderr="said\n"))
    play = gone.store.get_play("p")

    assert [span.logs for span in gone.store.read_spans("p")] == ["[1] 1\n[1] 2"]
    assert (play.counters.events, play.counters.malformed) == (2, 1)
    assert play.stderr == "said\n[hero-logic: only half of it is read]\n"
    assert gone.spool.closed


def test_a_spool_that_was_taken_in_half_is_read_on_from_there(gone: Gone) -> None:
    """Whoever was at it was killed: no line is folded twice."""
    gone.plays.begin("p", Sandbox())
    sink = gone.ingest.open("p")
    first = spooled_line(1)
    sink.write(Chunk(first, source="spool", position=len(first), received_ms=1.0))
    gone.ingest.flush("p")
    gone.spool = Spooled(first + spooled_line(2))
    gone.recover(lambda _: Leavings(ExitRecord("runtime_gone", 3.0)))

    assert [span.logs for span in gone.store.read_spans("p")] == ["[1] 1\n[1] 2"]


def test_a_lost_play_that_never_began_is_failed(gone: Gone) -> None:
    """Its runtime died between the record and the gate."""
    gone.recover(lambda _: Leavings(ExitRecord("runtime_gone", 3.0)))

    assert gone.store.get_play("p").status == "failed"


def test_no_play_ends_before_it_began(gone: Gone) -> None:
    """One that was cancelled at its gate has an end from before its start."""
    gone.plays.begin("p", Sandbox())
    gone.recover(lambda _: Leavings(ExitRecord("cancelled", 3.0, None, 15)))
    play = gone.store.get_play("p")

    assert (play.start_ms, play.end_ms) == (5.0, 5.0)


def test_what_a_killed_runtime_did_not_clear_away_is_cleared(gone: Gone, tmp_path: Path) -> None:
    """It may be killed between the end that it recorded and the clearing; plays of the living are left."""
    gone.plays.begin("p", Sandbox())
    gone.recover(lambda _: Leavings(ExitRecord("exited", 7.0, 0)))
    gone.cleared.clear()
    gone.store.create_play(Play(sid="mine", runtime_sid="me"), None)
    gone.runtimes.enter()
    (tmp_path / "runtimes" / "owner.lock").touch()

    recover(
        gone.plays,
        gone.ingest,
        gone.runtimes,
        aftermath=lambda _: None,
        clear=gone.cleared.append,
        leftovers=lambda: [("p", "owner"), ("mine", "me"), ("unknown", "me")],
        now_ms=lambda: 5.0,
    )

    assert gone.cleared == ["p"]
    assert not (tmp_path / "runtimes" / "owner.lock").exists()
    gone.runtimes.leave()


@pytest.mark.parametrize("is_supervised", [True, False])
def test_what_was_staged_and_never_on_record_is_cleared_once_nobody_supervises_it(
    gone: Gone, tmp_path: Path, is_supervised: bool
) -> None:
    """Its runtime was killed in between; that is remembered until it is cleared."""
    (tmp_path / "runtimes").mkdir(exist_ok=True)
    (tmp_path / "runtimes" / "owner.lock").touch()
    gone.plays.begin("p", Sandbox())
    gone.recover(lambda _: Leavings(ExitRecord("exited", 7.0, 0)))
    (tmp_path / "runtimes" / "owner.lock").touch()
    gone.cleared.clear()
    left = None if is_supervised else Leavings(ExitRecord("runtime_gone", 7.0))

    recover(
        gone.plays,
        gone.ingest,
        gone.runtimes,
        aftermath=lambda _: left,
        clear=gone.cleared.append,
        leftovers=lambda: [("never", "owner")],
        now_ms=lambda: 5.0,
    )

    assert gone.cleared == ([] if is_supervised else ["never"])
    assert (tmp_path / "runtimes" / "owner.lock").exists() == is_supervised


def test_a_play_whose_supervisor_still_ends_it_is_left_for_the_next_time(gone: Gone) -> None:
    """There is no end to tell yet."""
    gone.plays.begin("p", Sandbox())

    assert gone.recover(lambda _: None) == []
    assert gone.store.get_play("p").status == "running"


def test_a_living_owner_is_not_even_asked_for(tmp_path: Path) -> None:
    """A play of a living runtime is never touched."""
    living = Gone(tmp_path, is_owner_alive=True)

    def refuse(sid: str) -> Leavings:
        raise AssertionError(sid)

    try:
        ended = living.recover(refuse)
    finally:
        living.close()

    assert (ended, living.store.get_play("p").status) == ([], "pending")


def test_a_database_of_a_killed_runtime_opens(tmp_path: Path, marker: str) -> None:
    """And takes new plays."""
    path = write_flow(tmp_path, COUNTING)
    counter = tmp_path / "count"
    runtime = start_runtime(tmp_path / "home", path, f"count_path={counter}", marker=marker)
    wait_until(lambda: counter.exists() and counter.read_bytes() > b"50", "some steps")
    runtime.kill()
    runtime.communicate()
    with open_session(Config(str(tmp_path / "home"))) as session:
        session.plays.create("new")
        found = [play.status for play in session.plays.list(limit=5)[0]]

    assert found == ["pending", "failed"]


def test_a_lost_play_shows_no_value_that_was_let_through(tmp_path: Path, marker: str) -> None:
    """The runtime that could have replaced it is gone, so what may hold it is withheld."""
    path = write_flow(
        tmp_path,
        """
        import os, signal
        @flow
        def main(up_path: str):
            secret = os.environ["TOKEN"]
            with flow.step("s", tag=secret):
                print(secret, flush=True)
            open(up_path, "w").close()
            signal.pause()
        """,
    )
    up_path = tmp_path / "up"
    runtime = subprocess.Popen(
        [sys.executable, "-m", "hero_logic", "run", path, "--env", "TOKEN", "-i", f"up_path={up_path}"],
        env={
            "HERO_LOGIC_HOME": str(tmp_path / "home"),
            "HERO_LOGIC_SANDBOX": "tier0",
            "PYTHONPATH": SOURCE_DIR,
            "TOKEN": "s3cret-value",
            "HERO_FLOW_MARKER": marker,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_until(up_path.exists, "the flow")
    runtime.kill()
    out, err = runtime.communicate()
    [play] = list_plays(tmp_path / "home")
    document = read_document(client_at(tmp_path / "home"), play["sid"])
    on_disk = b"".join(item.read_bytes() for item in (tmp_path / "home").rglob("*") if item.is_file())

    assert play["status"] == "failed"
    assert "withheld" in document["stdout"]
    assert b"s3cret-value" not in json.dumps(document).encode() + on_disk + out + err
