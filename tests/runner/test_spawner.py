"""The process that makes supervisors."""

from __future__ import annotations

import marshal
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hero_logic.core.errors import LaunchFailed
from hero_logic.core.policy import PlayLimits
from hero_logic.runner.orders import KILL, OPEN_GATE, Orders, Preparation
from hero_logic.runner.sandbox import isolation
from hero_logic.runner.spawner import Spawner
from hero_logic.runner.supervisor import children_of
from support.waiting import wait_until


@pytest.fixture
def spawner() -> Iterator[Spawner]:
    started = Spawner.start()
    yield started
    started.close()


def orders_for(tmp_path: Path, *argv: str, name: str = "play") -> Orders:
    root = tmp_path / name
    (root / "work").mkdir(parents=True)
    limits = PlayLimits()
    orders = Orders()
    orders.argv = list(argv)
    orders.environment = {"PATH": "/usr/bin:/bin"}
    orders.work_dir = str(root / "work")
    orders.stdout_path = str(root / "stdout")
    orders.stderr_path = str(root / "stderr")
    orders.result_path = str(root / "result")
    orders.exit_path = str(root / "exit")
    orders.lock_path = str(root / "lock")
    orders.resource_limits = limits.resource_limits
    orders.captured_bytes = limits.captured_bytes
    orders.grace_s = 0.2
    orders.orphan_grace_s = 0.2
    orders.timeout_s = None
    orders.tree_limits = {}
    orders.entries, orders.sockets, orders.connected, orders.doors = [], [], [], []
    return orders


def unprepared() -> Preparation:
    preparation = Preparation()
    preparation.isolation = isolation.none()
    preparation.is_warm = False
    return preparation


def hear(control: Any) -> dict[str, Any]:
    assert select.select([control.fileno()], [], [], 20)[0], "no word from the supervisor"
    message = marshal.loads(control.recv(65536))
    assert isinstance(message, dict)
    return message


def is_gone(pid: int) -> bool:
    return not os.path.exists(f"/proc/{pid}")


def test_a_supervisor_runs_a_process_and_tells_its_end(spawner: Spawner, tmp_path: Path) -> None:
    """With the record that it left on disk."""
    control = spawner.launch(unprepared(), orders_for(tmp_path, "/bin/sh", "-c", "echo out; exit 3"))
    spawned, ended = hear(control), hear(control)
    control.close()

    assert (spawned["event"], ended["event"]) == ("spawned", "ended")
    assert (ended["reason"], ended["exit_code"], ended["signal"]) == ("exited", 3, None)
    assert (tmp_path / "play" / "stdout").read_text() == "out\n"
    assert marshal.loads((tmp_path / "play" / "exit").read_bytes()) == {
        key: value for key, value in ended.items() if key != "event"
    }


def test_one_spawner_runs_many_plays_at_once(spawner: Spawner, tmp_path: Path) -> None:
    """Each has a supervisor of its own; the end of one is the end of no other."""
    controls = [
        spawner.launch(unprepared(), orders_for(tmp_path, "/bin/sh", "-c", "read line <&3", name=str(number)))
        for number in range(5)
    ]
    pids = [hear(control)["pid"] for control in controls]
    controls[0].send(KILL)
    first = hear(controls[0])
    others_live = not any(is_gone(pid) for pid in pids[1:])
    for control in controls:
        control.close()
    spawner.close()

    assert (first["reason"], others_live) == ("cancelled", True)
    assert all(map(is_gone, pids))


def test_the_end_of_the_runtimes_end_ends_the_play(spawner: Spawner, tmp_path: Path) -> None:
    """A socket that is closed is a runtime that is gone."""
    control = spawner.launch(
        unprepared(), orders_for(tmp_path, "/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done")
    )
    pid = hear(control)["pid"]
    control.send(OPEN_GATE)
    control.close()
    wait_until(lambda: (tmp_path / "play" / "exit").exists(), "the exit record", timeout_s=5)

    assert marshal.loads((tmp_path / "play" / "exit").read_bytes())["reason"] == "runtime_gone"
    assert is_gone(pid)


def test_a_spawner_ends_when_it_is_let_go(tmp_path: Path) -> None:
    """With the last of its supervisors; closing twice is harmless."""
    spawner = Spawner.start()
    pid = spawner._pid
    spawner.close()
    spawner.close()

    assert is_gone(pid)


def test_the_terminals_interrupt_is_no_order(spawner: Spawner, tmp_path: Path) -> None:
    """It goes to the runtime, which decides; the spawner is in a session of its own."""
    control = spawner.launch(unprepared(), orders_for(tmp_path, "/bin/sh", "-c", "read line <&3"))
    hear(control)
    [supervisor] = children_of(spawner._pid)
    os.kill(spawner._pid, signal.SIGINT)
    control.send(OPEN_GATE)
    control.send(KILL)
    ended = hear(control)
    control.close()

    assert ended["reason"] == "cancelled"
    assert os.getsid(spawner._pid) == spawner._pid
    assert supervisor != spawner._pid


@pytest.mark.parametrize(
    ("argv", "says"),
    [("/none/python", "No such file"), ("/etc", "Permission denied"), ("/dev/null", "Permission denied")],
)
def test_what_cannot_be_executed_is_told(spawner: Spawner, tmp_path: Path, argv: str, says: str) -> None:
    """By the exit record too."""
    control = spawner.launch(unprepared(), orders_for(tmp_path, argv))
    ended = hear(control)
    control.close()

    assert ended["reason"] == "launch_failed"
    assert says in ended["launch_error"]


def test_a_play_directory_that_is_gone_ends_the_supervisor_and_not_the_spawner(
    spawner: Spawner, tmp_path: Path
) -> None:
    """The runtime hears the end of file; the next play is run."""
    orders = orders_for(tmp_path, "/bin/true")
    orders.lock_path = "/none/lock"
    lost = spawner.launch(unprepared(), orders)
    assert select.select([lost.fileno()], [], [], 20)[0]
    lost_data = lost.recv(100)
    control = spawner.launch(unprepared(), orders_for(tmp_path, "/bin/true", name="next"))
    hear(control)
    ended = hear(control)
    lost.close()
    control.close()

    assert (lost_data, ended["exit_code"]) == (b"", 0)


def test_orders_that_are_too_long_are_refused_with_advice(spawner: Spawner, tmp_path: Path) -> None:
    """Before anything is started."""
    orders = orders_for(tmp_path, "/bin/true")
    orders.environment["BIG"] = "x" * 200_000
    with pytest.raises(LaunchFailed, match="--env"):
        spawner.launch(unprepared(), orders)


def test_orders_up_to_the_limit_go_through(spawner: Spawner, tmp_path: Path) -> None:
    """An environment of a hundred kilobytes arrives whole."""
    orders = orders_for(tmp_path, "/bin/sh", "-c", "echo ${#BIG}")
    orders.environment["BIG"] = "x" * 100_000
    control = spawner.launch(unprepared(), orders)
    hear(control)
    hear(control)
    control.close()

    assert (tmp_path / "play" / "stdout").read_text() == "100000\n"


def test_a_spawner_that_was_killed_is_a_clear_error(tmp_path: Path) -> None:
    """Not a play that never ends."""
    spawner = Spawner.start()
    os.kill(spawner._pid, signal.SIGKILL)
    os.waitid(os.P_PID, spawner._pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(LaunchFailed, match="is gone"):
        spawner.launch(unprepared(), orders_for(tmp_path, "/bin/true"))
    spawner.close()


def test_the_orphans_of_a_killed_supervisor_are_ended(spawner: Spawner, tmp_path: Path) -> None:
    """The spawner is their reaper: daemons in sessions of their own included, and their children."""
    script = "for i in 1 2 3; do setsid sh -c 'trap \"\" TERM; sleep 1000 & echo $$; wait' & done; wait"
    control = spawner.launch(unprepared(), orders_for(tmp_path, "/bin/sh", "-c", script))
    main = hear(control)["pid"]
    stdout = tmp_path / "play" / "stdout"
    pids = wait_until(
        lambda: stdout.exists() and len(stdout.read_text().split()) == 3 and stdout.read_text().split(),
        "the daemons",
    )
    [supervisor] = children_of(spawner._pid)
    os.kill(supervisor, signal.SIGKILL)
    everyone = [main, *map(int, pids or [])]
    wait_until(lambda: all(map(is_gone, everyone)), "the end of the orphans", timeout_s=5)
    wait_until(lambda: children_of(spawner._pid) == [], "the end of their children", timeout_s=5)
    control.close()

    assert not is_gone(spawner._pid)
