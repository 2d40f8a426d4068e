"""A disk that is full or read-only, a store that another process holds or that is damaged.

Nothing is lost while there is somebody to wait, the flow goes on, and what is lost is told.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.command import COMMAND, environment, hero_logic, shown
from support.disk import Disk
from support.records import SPAN, check_store, database, events_on_record, held_store, plays
from support.runtime import write_flow
from support.waiting import wait_until

# Disks

WAITING_FLOW = """
import os
@flow
def main(before: int, after: int, gate_path: str, done_path: str, size: int = 100):
    for number in range(before):
        with flow.step(f"before {number}", text="x" * size):
            pass
    with open(gate_path) as gate:
        gate.read()
    for number in range(after):
        with flow.step(f"after {number}", text="x" * size):
            pass
    with open(done_path, "w") as done:
        done.write(f"{os.getpid()}\\n")
    with open(gate_path) as gate:
        gate.read()
    return "done"
"""


class Waiting:
    """A run of the flow above: it waits at its gate twice, before and after the second half of its steps."""

    def __init__(self, directory: Path, *, before: int = 50, after: int, size: int = 100) -> None:
        self.gate = directory / "gate"
        os.mkfifo(self.gate)
        self.done = directory / "done"
        self.steps = before + after
        self.first_events = 1 + 2 * before
        path = write_flow(directory, WAITING_FLOW)
        inputs = [f"before={before}", f"after={after}", f"size={size}"]
        inputs += [f"gate_path={self.gate}", f"done_path={self.done}"]
        flags = [flag for value in inputs for flag in ("-i", value)]
        self.errors = directory / "errors"
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(
                [*COMMAND, "run", path, "--quiet", *flags],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment(),
            )

    def pass_gate(self) -> None:
        """Let the flow go on from where it waits; waits for it to come there."""
        with open(self.gate, "w"):
            pass

    def wait_until_unharmed(self) -> int:
        """Wait until the flow has made all its steps; its pid."""
        wait_until(lambda: self.done.exists() and self.done.read_text().endswith("\n"), "the last step")
        return int(self.done.read_text())

    def end(self) -> tuple[int, str, str]:
        """Its exit status, standard output and standard error."""
        output, _ = self.process.communicate(timeout=60)
        return self.process.returncode, output.decode(), self.errors.read_text()

    def said(self) -> str:
        return self.errors.read_text()


@contextmanager
def waiting(directory: Path, **options: int) -> Iterator[Waiting]:
    run = Waiting(directory, **options)
    try:
        yield run
    finally:
        run.process.kill()
        run.process.wait()


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    made = Disk(tmp_path / "disk")
    monkeypatch.setenv("HERO_LOGIC_HOME", str(made.home))
    yield made
    made.unmount()


def check_nothing_was_lost(run: Waiting) -> None:
    """The play is ok, and has every step of its flow."""
    [play] = plays()
    spans = shown(play["sid"])["spans"]
    assert (play["status"], play["counters"]["events"]) == ("ok", 2 * (run.steps + 1))
    assert {span["status"] for span in spans} == {"ok"}
    assert len(spans) == run.steps + 1
    check_store()


def test_a_full_disk_that_has_room_again_while_the_play_goes_on_loses_nothing(
    disk: Disk, tmp_path: Path
) -> None:
    """The trouble is told, the flow goes on meanwhile, and all of it is on record in the end."""
    with waiting(tmp_path, after=2000) as run:
        wait_until(lambda: events_on_record() == run.first_events, "the first half")
        disk.fill()
        run.pass_gate()
        run.wait_until_unharmed()
        wait_until(lambda: "is full" in run.said(), "the warning")
        disk.free()
        run.pass_gate()
        status, output, errors = run.end()

    assert (status, output) == (0, '"done"\n')
    assert str(database()) in errors
    check_nothing_was_lost(run)


def test_a_disk_that_stays_full_costs_the_record_and_is_told(disk: Disk, tmp_path: Path) -> None:
    """The flow runs to its end; the command fails and says why, and the store opens once there is room."""
    with waiting(tmp_path, after=2000) as run:
        wait_until(lambda: events_on_record() == run.first_events, "the first half")
        disk.fill()
        run.pass_gate()
        run.wait_until_unharmed()
        run.pass_gate()
        status, output, errors = run.end()
        disk.free()
    [play] = plays()
    document = shown(play["sid"])

    assert (status, output) == (1, "")
    assert f"the disk of the store {database()} is full" in errors
    assert "Traceback" not in errors
    assert play["status"] == "failed"
    assert document["error"]
    assert document["counters"]["events"] >= run.first_events
    assert {span["status"] for span in document["spans"]} <= {"ok", "failed"}
    check_store()
    assert hero_logic("ingest", "-", stdin=b"").returncode == 0


def test_a_full_disk_is_told_to_who_begins(disk: Disk) -> None:
    """Nothing runs, nothing is recorded, and the message names the place."""
    disk.home.mkdir()
    disk.fill()
    path = write_flow(disk.path.parent, "@flow\ndef main():\n    raise SystemExit(9)\n")
    for command in (["run", path], ["ingest", "-"], ["ls"]):
        result = hero_logic(*command)

        assert result.returncode == 1, result
        assert str(disk.home) in result.stderr.decode()
        assert b"Traceback" not in result.stderr
        assert result.stdout == b""
    disk.free()
    assert plays() == []


@pytest.mark.parametrize("has_plays", [False, True], ids=["fresh", "used"])
def test_a_read_only_data_directory_is_told(disk: Disk, has_plays: bool) -> None:
    """What writes fails with a message that names it; what is there can be shown."""
    path = write_flow(disk.path.parent, "@flow\ndef main():\n    raise SystemExit(9)\n")
    if has_plays:
        assert hero_logic("ingest", "-", stdin=SPAN).returncode == 0
    disk.make_read_only()
    for command in (["run", path], ["ingest", "-"], ["listen"]):
        result = hero_logic(*command)

        assert (result.returncode, result.stdout) == (1, b""), result
        assert str(disk.home) in result.stderr.decode()
        assert b"Traceback" not in result.stderr
    for command in (["ls"], ["show", "last"]):
        result = hero_logic(*command)

        assert (result.returncode == 0) == has_plays, result
        assert has_plays or str(disk.home) in result.stderr.decode()
        assert b"Traceback" not in result.stderr


# A store that another process holds


def test_a_store_that_is_held_in_the_middle_of_a_play_loses_nothing(tmp_path: Path) -> None:
    """The flow goes on, and what waits is written when the store is free."""
    with waiting(tmp_path, after=5000) as run:
        wait_until(lambda: events_on_record() == run.first_events, "the first half")
        with held_store():
            run.pass_gate()
            run.wait_until_unharmed()
            assert events_on_record() == run.first_events
        run.pass_gate()
        status, output, errors = run.end()

    assert (status, output, errors) == (0, '"done"\n', "")
    check_nothing_was_lost(run)


def test_a_store_that_is_held_at_the_end_of_a_play_loses_nothing(tmp_path: Path) -> None:
    """The end waits for it, the flow does not."""
    with waiting(tmp_path, after=5000) as run:
        wait_until(lambda: events_on_record() == run.first_events, "the first half")
        with held_store():
            run.pass_gate()
            pid = run.wait_until_unharmed()
            run.pass_gate()
            wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "the end of the flow")
            assert run.process.poll() is None
        status, output, errors = run.end()

    assert (status, output, errors) == (0, '"done"\n', "")
    check_nothing_was_lost(run)


@pytest.mark.soak
def test_a_store_that_is_held_for_longer_than_anybody_waits_loses_nothing(tmp_path: Path) -> None:
    """Past the wait of half a minute it is told, and tried again."""
    with waiting(tmp_path, after=5000) as run:
        wait_until(lambda: events_on_record() == run.first_events, "the first half")
        with held_store():
            run.pass_gate()
            wait_until(lambda: "another process held the store" in run.said(), "the warning", timeout_s=90)
        run.pass_gate()
        status, output, _ = run.end()

    assert (status, output) == (0, '"done"\n')
    check_nothing_was_lost(run)


# A store that is damaged


def overwritten(data: bytes) -> bytes:
    return data[: len(data) // 4] + bytes([0x5A]) * (len(data) // 2) + data[-(len(data) // 4) :]


def overwritten_in_every_page(data: bytes) -> bytes:
    pages = [data[place : place + 4096] for place in range(0, len(data), 4096)]
    return pages[0] + b"".join(page[:50] + b"\xff" * 200 + page[250:] for page in pages[1:])


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "header": lambda data: bytes(100) + data[100:],
    "schema": lambda data: data[:200] + bytes([0x5A]) * 3896 + data[4096:],
    "middle": overwritten,
    "pages": overwritten_in_every_page,
    "truncated": lambda data: data[: len(data) // 2],
    "cut in a page": lambda data: data[: len(data) // 2 + 100],
    "first page alone": lambda data: data[:4096],
    "text": lambda _: b"this is no database\n" * 500,
    "short text": lambda _: b"plays\n",
}
NOTICED_LATER = ("middle", "pages")
"""What reads or writes none of the damaged pages does not see them."""


@pytest.fixture(scope="module")
def healthy_database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A store of a play with 300 spans, in one file."""
    home = tmp_path_factory.mktemp("healthy")
    spans = b"".join(SPAN.replace(b'"a"', b'"%d"' % number) for number in range(300))
    assert hero_logic("ingest", "-", stdin=spans, HERO_LOGIC_HOME=str(home)).returncode == 0
    connection = sqlite3.connect(home / "hero_logic.db")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return (home / "hero_logic.db").read_bytes()


@pytest.mark.parametrize("damage", sorted(DAMAGES))
def test_a_damaged_store_is_told_and_left_as_it_is(
    healthy_database: bytes, tmp_path: Path, damage: str
) -> None:
    """By whatever command: a message that names the file, no traceback, and not one byte written over."""
    damaged = DAMAGES[damage](healthy_database)
    path = write_flow(tmp_path, "@flow\ndef main():\n    with flow.step('s'):\n        pass\n")
    for verb in (["ls"], ["show", "last"], ["run", path, "--quiet"], ["ingest", "-"]):
        shutil.rmtree(database().parent, ignore_errors=True)
        database().parent.mkdir()
        database().write_bytes(damaged)
        result = hero_logic(*verb, stdin=SPAN)

        assert database().read_bytes() == damaged, verb
        assert b"Traceback" not in result.stderr
        if result.returncode == 0:
            assert damage in NOTICED_LATER
            assert verb[0] != "show"
            assert result.stderr == b""
        else:
            assert result.returncode == 1
            assert str(database()) in result.stderr.decode()
