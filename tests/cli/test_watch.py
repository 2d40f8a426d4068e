"""``hero-logic watch``: a play of another process, followed to its end."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from support.command import COMMAND, environment, hero_logic, shown, start
from support.runtime import write_flow
from support.terminal import into_nobody
from support.waiting import wait_until

GATED = """
@flow
def main(gate: str, before: int = 0):
    for number in range(before):
        with flow.step("before"):
            pass
    with open(gate) as lines:
        for line in lines:
            with flow.step(line.strip()) as step:
                step.log(f"said {line}")
                if "bad" in line:
                    raise ValueError("a bad step")
    return "done"
"""


class Gated:
    """A flow that runs in a process of its own, and takes a step for each line that it is given."""

    def __init__(self, directory: Path) -> None:
        self.path = write_flow(directory, GATED)
        self.fifo = str(directory / "gate")
        os.mkfifo(self.fifo)
        # Open at both ends, so that nobody waits for the other to open it.
        self._gate: IO[bytes] | None = open(os.open(self.fifo, os.O_RDWR), "wb", buffering=0)  # noqa: SIM115
        self.process: subprocess.Popen[bytes] | None = None
        self.sid = ""

    def run(self, *options: str, span_count: int = 1) -> None:
        """Start it, and wait until so many spans of it are on record."""
        self.process = start("run", self.path, "-i", f"gate={self.fifo}", *options)
        wait_until(lambda: self._spans() >= span_count, "the play on record")

    def _spans(self) -> int:
        plays = json.loads(hero_logic("ls", "--json").stdout)["plays"]
        if not plays or plays[0]["status"] != "running":
            return 0
        self.sid = plays[0]["sid"]
        return len(shown(self.sid)["spans"])

    def step(self, name: str) -> None:
        assert self._gate is not None
        self._gate.write(f"{name}\n".encode())

    def end(self) -> tuple[int, list[str]]:
        """Let it return; its exit status, and what ``run`` printed."""
        self.close_gate()
        assert self.process is not None
        output, _ = self.process.communicate(timeout=30)
        return self.process.returncode, output.decode().splitlines()

    def close_gate(self) -> None:
        if self._gate is not None:
            self._gate.close()
            self._gate = None

    def close(self) -> None:
        self.close_gate()
        if self.process is not None:
            self.process.kill()
            self.process.communicate()


@pytest.fixture
def gated(tmp_path: Path) -> Iterator[Gated]:
    made = Gated(tmp_path)
    yield made
    made.close()


@contextmanager
def watch(*arguments: str, stdout: int = subprocess.PIPE, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """Watch in a process of its own, which does not outlive the test, however that ends."""
    process = subprocess.Popen(
        [*COMMAND, "watch", *arguments],
        # What were buffered behind a line that is read, communicate would never see.
        bufsize=0,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=environment(**more),
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def lines_until(process: subprocess.Popen[bytes], wanted: str) -> list[str]:
    """What a command prints, up to the line that has this in it."""
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or wanted not in lines[-1]:
        line = process.stdout.readline().decode()
        assert line, (wanted, lines)
        lines.append(line.rstrip("\n"))
    return lines


def test_steps_are_seen_as_they_end_and_the_end_as_run_has_it(gated: Gated) -> None:
    """Into a pipe both print the same lines, but for the output, which is that of ``run`` alone."""
    gated.run()
    with watch("last") as watching:
        gated.step("one")
        seen = lines_until(watching, "main › one")
        gated.step("two")
        seen += lines_until(watching, "main › two")
        status, printed = gated.end()
        rest, errors = watching.communicate(timeout=30)

    assert (watching.returncode, status, errors) == (0, 0, b"")
    assert [*seen, *rest.decode().splitlines()] == printed[:-1]
    assert printed[-1] == '"done"'


def test_on_a_terminal_the_tree_is_drawn_and_stays(gated: Gated) -> None:
    """It moves while the play runs; at the end it stands still, and the cursor is given back."""
    gated.run()
    ours, theirs = os.openpty()
    with watch(gated.sid, stdout=theirs, TERM="xterm-256color") as watching:
        os.close(theirs)
        drawn = read_until(ours, b"main")
        gated.step("one")
        drawn += read_until(ours, b"one")
        gated.end()
        drawn += read_until(ours, None)
        watching.wait(timeout=30)
    os.close(ours)
    lines = re.sub(rb"\x1b\[[?0-9;]*[A-Za-z]|\r", b"", drawn).decode().splitlines()

    assert watching.returncode == 0
    assert lines[0].startswith(f"play {gated.sid} · flow main")
    assert lines[-1] == f"  see it again: hero-logic show {gated.sid}"
    assert lines[-3].startswith("└─ ✓ one  ")
    assert drawn.rfind(b"\x1b[?25h") > drawn.find(b"\x1b[?25l") > 0


def read_until(terminal: int, wanted: bytes | None) -> bytes:
    """What is drawn, up to this; or to the end."""
    drawn = b""
    while wanted is None or wanted not in drawn:
        assert select.select([terminal], [], [], 30)[0], drawn
        try:
            data = os.read(terminal, 65536)
        except OSError:
            # How Linux says that nobody has the terminal open any more.
            data = b""
        if not data:
            assert wanted is None, drawn
            return drawn
        drawn += data
    return drawn


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_watches_may_leave(gated: Gated, number: int) -> None:
    """The play goes on; that is said, and the exit status is that of an interrupted command."""
    gated.run()
    with watch(gated.sid) as watching:
        lines_until(watching, "● main")
        watching.send_signal(number)
        _, errors = watching.communicate(timeout=30)

    assert (watching.returncode, errors.decode()) == (
        130,
        f"hero-logic: not watching any more; the play {gated.sid} goes on\n",
    )
    assert gated.end()[0] == 0


def test_a_play_that_is_cancelled_ends_the_watching(gated: Gated) -> None:
    """With the status that ``run`` has."""
    gated.run()
    with watch(gated.sid) as watching:
        lines_until(watching, "● main")
        assert gated.process is not None
        gated.process.send_signal(signal.SIGINT)
        output, _ = watching.communicate(timeout=30)

    assert watching.returncode == 130
    assert "cancelled by SIGINT" in output.decode()


def test_a_play_whose_runtime_is_killed_ends_the_watching(gated: Gated) -> None:
    """Nobody else may come to give it its end."""
    gated.run()
    with watch(gated.sid) as watching:
        lines_until(watching, "● main")
        assert gated.process is not None
        gated.process.kill()
        output, errors = watching.communicate(timeout=60)

    assert (watching.returncode, errors) == (1, b"")
    assert "the runtime ended while this play ran" in output.decode()


@pytest.mark.parametrize(("step", "mark", "status"), [("good", "✓", 0), ("bad", "✗", 1)])
def test_a_play_that_has_ended_is_shown_as_it_ended(gated: Gated, step: str, mark: str, status: int) -> None:
    """Its tree, the last lines of ``run`` without the output, and the exit status of ``run``."""
    gated.run()
    gated.step(step)
    ran, printed = gated.end()
    result = hero_logic("watch", "last")
    lines = result.stdout.decode().splitlines()
    end = next(number for number, line in enumerate(printed) if line.startswith(f"{mark} main ·"))
    told = [line for line in printed[end:] if line != '"done"']

    assert (result.returncode, ran, result.stderr) == (status, status, b"")
    assert lines[0] == printed[0]
    assert lines[1].startswith(f"{mark} main  ")
    assert lines[2].startswith(f"└─ {mark} {step}  ")
    assert lines[-len(told) :] == told


def test_a_play_that_ran_out_of_time_ends_as_run_did(gated: Gated) -> None:
    """Exit status 124."""
    assert hero_logic("run", gated.path, "-i", f"gate={gated.fifo}", "--timeout", "0.3").returncode == 124
    result = hero_logic("watch", "last")

    assert (result.returncode, result.stderr) == (124, b"")
    assert " · timed out · " in result.stdout.decode()


def test_each_change_is_a_line_of_json(gated: Gated) -> None:
    """The last state of each span is that on record, its logs are all there, and the play's end is last."""
    gated.run()
    with watch(gated.sid, "--json") as watching:
        gated.step("one")
        gated.step("two")
        lines_until(watching, '"name":"two"')
        gated.end()
        output, errors = watching.communicate(timeout=30)
    whole = hero_logic("watch", gated.sid, "--json")
    lines = [json.loads(line) for line in whole.stdout.splitlines()]

    assert (watching.returncode, errors, whole.returncode) == (0, b"", 0)
    assert json.loads(output.splitlines()[-1]) == lines[-1]
    assert (lines[-1]["type"], lines[-1]["status"], lines[-1]["span_count"]) == ("play", "ok", 3)
    revisions = [line["revision"] for line in lines]
    assert revisions == sorted(revisions)
    assert folded(lines) == shown(gated.sid)["spans"]


def folded(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The spans that these changes make, as the document of the play has them."""
    spans: dict[str, dict[str, Any]] = {}
    for line in lines:
        if line.pop("type") == "span":
            del line["revision"], line["log_bytes"]
            logs = spans.get(line["span_id"], {}).get("logs", "") + line.pop("new_logs")
            spans[line["span_id"]] = {**line, "logs": logs}
    return sorted(spans.values(), key=lambda span: float(span["start_ms"]))


def test_changes_that_are_told_one_by_one_make_the_play(gated: Gated) -> None:
    """Nothing is missing between the beginning of the watching and the end of the play."""
    gated.run()
    with watch(gated.sid, "--json") as watching:
        for number in range(5):
            gated.step(f"step {number}")
        gated.end()
        output, _ = watching.communicate(timeout=30)

    assert folded([json.loads(line) for line in output.splitlines()]) == shown(gated.sid)["spans"]


def test_of_a_large_play_a_part_is_read_to_begin_with(gated: Gated) -> None:
    """How much there was is said, and the end has the exact numbers."""
    gated.run("-i", "before=6000", span_count=6001)
    with watch(gated.sid, COLUMNS="120") as watching:
        seen = lines_until(watching, "so far")
        gated.step("one")
        seen += lines_until(watching, "main › one")
        gated.end()
        rest, _ = watching.communicate(timeout=30)

    assert seen[1] == (f"… 6,001 spans so far: 6,000 ok, 1 running; hero-logic show {gated.sid} shows them")
    assert len(seen) == 3
    assert " · 6,002 spans" in rest.decode()


def test_of_a_large_play_as_json_a_part_comes_first(gated: Gated) -> None:
    """What ran and the top of its tree; then each change."""
    gated.run("-i", "before=6000", span_count=6001)
    with watch(gated.sid, "--json") as watching:
        gated.step("one")
        seen = lines_until(watching, '"name":"one"')
        gated.end()
        rest, _ = watching.communicate(timeout=30)
    lines = [json.loads(line) for line in [*seen, *rest.decode().splitlines()]]

    assert len(lines) < 2000
    assert {"main", "one"} <= {line["name"] for line in lines if line["type"] == "span"}
    assert lines[-1]["span_count"] == 6002


def test_who_reads_no_more_ends_the_watching(gated: Gated) -> None:
    """``hero-logic watch last | head -0`` does not wait for the play."""
    gated.run()
    result = into_nobody("watch", gated.sid)

    assert (result.returncode, result.stderr) == (1, b"")
    assert gated.end()[0] == 0


def test_a_play_that_is_not_there_is_not_found() -> None:
    """Exit status 3, and a message."""
    result = hero_logic("watch", "nobody")

    assert (result.returncode, result.stdout) == (3, b"")
    assert result.stderr.startswith(b"hero-logic: there is no play")
