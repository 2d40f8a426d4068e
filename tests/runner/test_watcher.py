"""Limits of all processes of a play together: one that passes them is ended, and what it hides is counted."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hero_logic.core.outcome import Leavings
from hero_logic.core.policy import TREE_LIMITS
from hero_logic.runner.collection import remove_tree
from hero_logic.runner.sandbox import watcher
from hero_logic.runner.sandbox.watcher import LOOK_S, Watcher, memory_bytes
from hero_logic.runner.spawner import Spawner
from support.forked import fork, has_landlock, has_namespaces
from support.staged import Stage
from support.waiting import wait_until

MIB = 1024 * 1024
LOOKS_S = 4 * LOOK_S
"""Long enough for the watcher to have seen everything that a play keeps so long."""

GONE = 2**22 + 1
"""No process: pids end below it."""


@pytest.fixture(scope="module")
def spawner() -> Iterator[Spawner]:
    started = Spawner.start()
    yield started
    started.close()


@pytest.fixture
def stage(tmp_path: Path, spawner: Spawner) -> Stage:
    return Stage(tmp_path, spawner)


def watched(
    stage: Stage,
    body: str,
    tree_limits: dict[str, int | None],
    *,
    isolation: str = "none",
    timeout_s: float = 30,
) -> Leavings:
    """What a flow leaves that is held to these limits; it may say STAY to be looked at, and END to wait."""
    body = body.replace("STAY", f"signal.sigtimedwait([], {LOOKS_S})").replace("END", "signal.sigwait([10])")
    return stage.run(
        body, isolation=isolation, resources="watcher", tree_limits=tree_limits, timeout_s=timeout_s
    )


# Each limit, by a real flow

FORKS_WITH_MEMORY = """
@flow
def main():
    ready, ready_in = os.pipe()
    for _ in range({count}):
        if not os.fork():
            pages = bytearray(b"x") * ({mib} << 20)
            os.write(ready_in, b"x")
            END
    for _ in range({count}):
        os.read(ready, 1)
    {then}
"""
FORKS = """
@flow
def main():
    for _ in range({count}):
        if not os.fork():
            END
    {then}
"""
THREADS = """
import threading
@flow
def main():
    stop = threading.Event()
    for _ in range({count}):
        threading.Thread(target=stop.wait).start()
    {then}
    stop.set()
"""
FILES = """
@flow
def main():
    for number in range({count}):
        open(f"tmp/{{number}}", "w").close()
    {then}
"""
DISK = """
@flow
def main():
    for number in range({count}):
        with open(f"tmp/{{number}}", "wb") as file:
            file.write(bytes(1 << 20))
    {then}
"""
BURN = """
import time
@flow
def main():
    children = []
    for _ in range(2):
        pid = os.fork()
        if not pid:
            while time.process_time() < {seconds}:
                pass
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
    {then}
"""


@pytest.mark.parametrize(
    ("name", "limit", "body"),
    [
        ("tree_memory_bytes", 90 * MIB, FORKS_WITH_MEMORY.format(count=3, mib=40, then="END")),
        ("tree_processes", 5, FORKS.format(count=6, then="END")),
        ("tree_processes", 5, THREADS.format(count=6, then="END")),
        ("tree_files", 20, FILES.format(count=30, then="END")),
        ("tree_disk_bytes", 4 * MIB, DISK.format(count=8, then="END")),
        ("tree_cpu_s", 1, BURN.format(seconds=0.8, then="END")),
    ],
    ids=["memory", "processes", "threads", "files", "disk", "cpu"],
)
def test_a_play_that_passes_a_limit_is_ended_and_the_numbers_are_told(
    stage: Stage, name: str, limit: int, body: str
) -> None:
    """Though each of its processes is within its own limits."""
    record = watched(stage, body, {name: limit}).record

    assert record.reason == "over_limit"
    assert record.limit is not None
    told, used, allowed = record.limit
    assert (told, allowed) == (name, limit)
    assert limit < used < 4 * limit


@pytest.mark.parametrize(
    ("name", "limit", "body"),
    [
        ("tree_memory_bytes", 200 * MIB, FORKS_WITH_MEMORY.format(count=3, mib=40, then="STAY")),
        ("tree_processes", 6, FORKS.format(count=4, then="STAY")),
        ("tree_processes", 6, THREADS.format(count=4, then="STAY")),
        ("tree_files", 20, FILES.format(count=17, then="STAY")),
        ("tree_disk_bytes", 9 * MIB, DISK.format(count=8, then="STAY")),
        ("tree_cpu_s", 4, BURN.format(seconds=0.8, then="STAY")),
    ],
    ids=["memory", "processes", "threads", "files", "disk", "cpu"],
)
def test_a_play_that_stays_below_a_limit_is_left_alone(
    stage: Stage, name: str, limit: int, body: str
) -> None:
    """A limit is what is allowed; of files two are there when it begins, and its spool; a thread ends it."""
    leavings = watched(stage, body, {name: limit})

    assert (leavings.record.reason, leavings.record.limit) == ("exited", None)
    assert leavings.result.outcome == "returned"


def test_a_limit_that_is_none_is_not_held(stage: Stage) -> None:
    """Nor is one that is not named."""
    leavings = watched(
        stage, FORKS.format(count=6, then="STAY"), {"tree_processes": None, "tree_files": 1000}
    )

    assert leavings.record.reason == "exited"


def test_without_tree_limits_nobody_watches(stage: Stage) -> None:
    """Tiers 0 and 1 have no watcher, whatever limits are set."""
    body = FORKS.format(count=6, then=f"signal.sigtimedwait([], {LOOKS_S})").replace("END", "signal.pause()")

    leavings = stage.run(body, resources="rlimits", tree_limits={"tree_processes": 2})

    assert (leavings.record.reason, leavings.record.limit) == ("exited", None)


def test_memory_that_processes_share_is_counted_once(stage: Stage) -> None:
    """Forks of one big process are not several big ones: 4 times 80 MiB are below 160 MiB."""
    body = """
@flow
def main():
    pages = bytearray(b"x") * (80 << 20)
    for _ in range(3):
        if not os.fork():
            END
    STAY
    return len(pages)
"""

    assert watched(stage, body, {"tree_memory_bytes": 160 * MIB}).record.reason == "exited"


ISOLATIONS = [
    "none",
    pytest.param("landlock", marks=pytest.mark.skipif(not has_landlock(), reason="no Landlock here")),
    pytest.param(
        "native",
        marks=pytest.mark.skipif(not (has_landlock() and has_namespaces()), reason="no namespaces here"),
    ),
]


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_daemons_are_counted_wherever_they_hide(stage: Stage, isolation: str) -> None:
    """Double-forked, in sessions of their own, they are not the flow's children any more."""
    body = """
@flow
def main():
    ready, ready_in = os.pipe()
    for _ in range(4):
        if not os.fork():
            os.setsid()
            if not os.fork():
                pages = bytearray(b"x") * (40 << 20)
                os.write(ready_in, b"x")
                END
            os._exit(0)
        os.wait()
    for _ in range(4):
        os.read(ready, 1)
    END
"""
    record = watched(stage, body, {"tree_memory_bytes": 100 * MIB}, isolation=isolation).record

    assert record.reason == "over_limit"


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_what_ended_processes_used_of_the_processor_counts(stage: Stage, isolation: str) -> None:
    """Each lives for a moment, and none is there when the limit is passed."""
    body = """
import time
@flow
def main():
    for _ in range(40):
        if not os.fork():
            while time.process_time() < 0.1:
                pass
            os._exit(0)
        os.wait()
    END
"""
    record = watched(stage, body, {"tree_cpu_s": 1}, isolation=isolation).record

    assert record.reason == "over_limit"
    assert record.limit is not None
    assert record.limit[0] == "tree_cpu_s"


@pytest.mark.parametrize("isolation", ["none", "landlock"])
def test_orphans_that_have_ended_are_no_processes_of_the_play(stage: Stage, isolation: str) -> None:
    """Without a pid namespace they are the supervisor's, whom the play has no say in; their time counts."""
    if isolation == "landlock" and not has_landlock():
        pytest.skip("this host has no Landlock of ABI 6")
    body = """
import time
@flow
def main():
    for _ in range(40):
        ended, ended_in = os.pipe()
        if not os.fork():
            if not os.fork():
                until = time.process_time() + 0.05
                while time.process_time() < until:
                    pass
            os._exit(0)
        os.close(ended_in)
        os.wait()
        os.read(ended, 1)
        os.close(ended)
    STAY
    return "well"
"""

    assert watched(stage, body, {"tree_processes": 20}, isolation=isolation).result.output == "well"
    limit = watched(stage, body, {"tree_cpu_s": 1}, isolation=isolation).record.limit
    assert limit is not None
    assert limit[0] == "tree_cpu_s"


def test_a_flow_that_ignores_every_signal_is_ended_all_the_same(stage: Stage) -> None:
    """Past a limit there is no grace."""
    body = """
@flow
def main():
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    for _ in range(6):
        if not os.fork():
            os.setsid()
            END
    END
"""
    record = watched(stage, body, {"tree_processes": 3}).record

    assert (record.reason, record.exit_code) == ("over_limit", None)


def test_every_limit_of_the_table_is_looked_at(tmp_path: Path) -> None:
    """None is named that nobody holds a play to."""
    (tmp_path / "file").write_bytes(b"x" * 10_000)
    for name in TREE_LIMITS:
        found = looked(Watcher({name: -1}, str(tmp_path)), [os.getpid()])

        assert found is not None
        assert (found[0], found[2]) == (name, -1)
        assert found[1] >= 0


# The work directory


def looked(watching: Watcher, pids: list[int] | None = None) -> tuple[str, float, float] | None:
    """What is found in the end, by as many looks as a play of a second gets."""
    found = None
    for _ in range(5):
        found = found or watching.exceeded([] if pids is None else pids)
    return found


def counted(directory: Path) -> tuple[int, int]:
    """(files, bytes) of a directory, as a whole walk finds them."""
    watching = Watcher({}, str(directory))
    looked(watching)
    return max(watching._files, watching._walked_files), max(watching._disk_bytes, watching._walked_bytes)


def blocks(*paths: Path) -> int:
    return sum(path.lstat().st_blocks * 512 for path in paths)


def test_files_and_directories_below_the_work_directory_count(tmp_path: Path) -> None:
    """At every depth, with the room that they take; the work directory itself is not the play's."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "big").write_bytes(b"x" * 100_000)
    (tmp_path / "a" / "empty").touch()
    everything = list(tmp_path.rglob("*"))

    assert counted(tmp_path) == (4, blocks(*everything))


def test_a_file_with_holes_counts_by_what_it_takes(tmp_path: Path) -> None:
    """A sparse file is no full disk."""
    with (tmp_path / "holes").open("wb") as file:
        file.truncate(1 << 40)

    assert counted(tmp_path)[1] < MIB


def test_several_names_of_one_file_take_its_room_once(tmp_path: Path) -> None:
    """Each is a file all the same: names are not endless either."""
    (tmp_path / "one").write_bytes(b"x" * 100_000)
    for number in range(5):
        os.link(tmp_path / "one", tmp_path / f"link{number}")

    assert counted(tmp_path) == (6, blocks(tmp_path / "one"))


def test_no_link_is_followed(tmp_path: Path) -> None:
    """Out of the work directory, in a circle, or to nowhere: each is one small file."""
    work, outside = tmp_path / "work", tmp_path / "outside"
    work.mkdir()
    outside.mkdir()
    for number in range(10):
        (outside / str(number)).write_bytes(b"x" * 100_000)
    (work / "out").symlink_to(outside)
    (work / "file").symlink_to(outside / "0")
    (work / "circle").symlink_to(work)
    (work / "nowhere").symlink_to("/none")

    assert counted(work) == (4, blocks(*work.iterdir()))


def test_pipes_and_sockets_are_counted_and_not_opened(tmp_path: Path) -> None:
    """To open a pipe that nobody writes to would be to wait for ever."""
    os.mkfifo(tmp_path / "pipe")

    assert counted(tmp_path)[0] == 1


def test_a_directory_that_vanishes_is_nothing(tmp_path: Path) -> None:
    """Before it is opened, and while it is read; what was counted of it counts until the next walk."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(3000):
            (tmp_path / name / f"{number:0200}").touch()
    watching = Watcher({}, str(tmp_path))
    walk = watching._walked()
    for _ in range(20):
        next(walk)

    shutil.rmtree(tmp_path / "a")
    shutil.rmtree(tmp_path / "b")
    for _ in walk:
        pass

    assert 0 < watching._walked_files < 3002


def test_a_work_directory_that_is_gone_is_nothing(tmp_path: Path) -> None:
    """A play may remove its own."""
    assert looked(Watcher({"tree_files": 0}, str(tmp_path / "gone"))) is None


def test_a_look_is_short_however_many_files_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that takes too long goes on where it was, at the next look; what it has seen so far counts."""
    for number in range(30):
        (tmp_path / str(number)).touch()
    monkeypatch.setattr(watcher, "_WALK_S", 0.0)
    watching = Watcher({"tree_files": 25}, str(tmp_path))

    looks = 0
    while (found := watching.exceeded([])) is None:
        looks += 1
        assert looks < 100

    assert looks >= 25
    assert found == ("tree_files", 26, 25)


def test_what_was_counted_stands_until_more_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new walk begins at nothing, and a play is not better off for that."""
    for number in range(30):
        (tmp_path / str(number)).touch()
    watching = Watcher({"tree_files": 29}, str(tmp_path))
    watching.exceeded([])
    watching.exceeded([])
    monkeypatch.setattr(watcher, "_WALK_S", 0.0)

    assert watching.exceeded([]) == ("tree_files", 30, 29)


def test_a_file_that_was_removed_counts_while_it_is_open(stage: Stage) -> None:
    """It takes as much room as before."""
    body = """
@flow
def main():
    for _ in range(8):
        kept = os.open("tmp/x", os.O_RDWR | os.O_CREAT)
        os.unlink("tmp/x")
        os.posix_fallocate(kept, 0, 1 << 20)
    END
"""
    record = watched(stage, body, {"tree_disk_bytes": 4 * MIB}, timeout_s=LOOKS_S).record

    assert record.reason == "over_limit"


def test_what_lies_deeper_than_a_path_is_long_is_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody looks in there: it may be anything. The work directory is removed in the end, however deep."""
    monkeypatch.chdir(tmp_path)
    for _ in range(25):
        Path("d" * 200).mkdir()
        os.chdir("d" * 200)
    monkeypatch.undo()

    try:
        found = looked(Watcher({"tree_files": 1000}, str(tmp_path)))
    finally:
        remove_tree(str(tmp_path / ("d" * 200)))

    assert found is not None
    assert found[0] == "tree_files"


# Processes


def test_processes_that_are_gone_count_as_nothing(tmp_path: Path) -> None:
    """They end between being listed and being looked at."""
    limits: dict[str, int | None] = {"tree_processes": 0, "tree_cpu_s": 0, "tree_memory_bytes": 0}

    assert Watcher(limits, str(tmp_path)).exceeded([GONE, GONE + 1]) is None
    assert memory_bytes([f"/proc/{GONE}"], 0) == 0


def test_a_process_that_has_ended_and_was_not_reaped_has_no_memory(tmp_path: Path) -> None:
    """It is a process all the same, since it takes a number."""
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    try:
        processes = Watcher({"tree_processes": 0}, str(tmp_path)).exceeded([child.pid])
        memory = memory_bytes([f"/proc/{child.pid}"], 0)
    finally:
        child.wait()

    assert processes == ("tree_processes", 1, 0)
    assert memory == 0


@pytest.mark.parametrize("name", ["plain", "a) S 1 (b", ") R 0 0 0 0 0 0 0 0 0 0 9999"])
def test_a_process_may_be_named_anything(tmp_path: Path, name: str) -> None:
    """Its name stands among its numbers, as it likes."""
    code = "import sys; open('/proc/self/comm', 'w').write(sys.argv[1]); print(flush=True); sys.stdin.read()"
    child = subprocess.Popen(
        [sys.executable, "-c", code, name[:15]], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    try:
        processes = Watcher({"tree_processes": 0}, str(tmp_path)).exceeded([child.pid])
        cpu = Watcher({"tree_cpu_s": 60}, str(tmp_path)).exceeded([child.pid])
    finally:
        child.communicate()

    assert processes == ("tree_processes", 1, 0)
    assert cpu is None


def test_below_the_limit_nobody_asks_what_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """That takes milliseconds a process, and what is resident is never less."""
    asked: list[str] = []

    def proportional(place: str) -> int:
        asked.append(place)
        return 7

    monkeypatch.setattr(watcher, "_proportional_bytes", proportional)
    resident = memory_bytes(["/proc/self"], 1 << 60)

    assert resident > 0
    assert asked == []
    assert memory_bytes(["/proc/self"] * 2, resident // 2) == 14
    assert asked == ["/proc/self"] * 2


def test_what_is_shared_is_less_than_what_is_resident() -> None:
    """A child that has just been forked shares nearly everything."""
    pages = bytearray(b"x") * (60 * MIB)
    ready, ready_in = os.pipe()
    pid = fork()
    if pid == 0:
        os.close(ready_in)
        os.read(ready, 1)
        os._exit(len(pages) % 2)
    try:
        places = ["/proc/self", f"/proc/{pid}"]
        wait_until(lambda: memory_bytes(places[1:], 0) > 0, "the child")
        both = memory_bytes(places, 0)
        resident = sum(watcher._resident_bytes(one) for one in places)
    finally:
        os.close(ready_in)
        os.waitpid(pid, 0)
        os.close(ready)

    assert both < resident - 50 * MIB


def test_a_process_whose_first_thread_has_ended_is_looked_into_all_the_same(tmp_path: Path) -> None:
    """It looks as if it had ended, and has its memory and its descriptors by another of its threads."""
    code = """
import ctypes, threading
def stay():
    pages = bytearray(b"x") * (64 << 20)
    files = [open("/dev/null") for _ in range(100)]
    print(flush=True)
    threading.Event().wait()
threading.Thread(target=stay).start()
ctypes.CDLL(None).syscall(60, 0)
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    stat_path = Path(f"/proc/{child.pid}/stat")
    try:
        wait_until(lambda: ") Z " in stat_path.read_text(), "the end of the first thread")
        found = [
            Watcher({name: limit}, str(tmp_path)).exceeded([child.pid], os.getpid())
            for name, limit in (
                ("tree_processes", 1),
                ("tree_open_files", 90),
                ("tree_memory_bytes", 60 * MIB),
            )
        ]
    finally:
        child.kill()
        child.communicate()

    assert [limit and limit[0] for limit in found] == [
        "tree_processes",
        "tree_open_files",
        "tree_memory_bytes",
    ]
