"""Plays are put on record, run and watched: signals, faces, streams from a socket."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hero_logic.client import RunRequest
from hero_logic.core.errors import BadFlowFile, SocketInUse, StoreError
from hero_logic.core.records import Play, SpanRow
from hero_logic.core.wire import BadLine
from hero_logic.playing import LineTeller
from hero_logic.worker import read_flow, warn_of_variables
from support.processes import wait_until_gone
from support.runtime import (
    QuietFace,
    client_at,
    read_document,
    run_flow,
    start_runtime,
    write_flow,
)
from support.waiting import wait_until

STUBBORN = """
import signal
@flow
def main(up_path: str):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open(up_path, "w").close()
    with flow.step("endless"):
        while True:
            signal.pause()
"""

POLITE = """
import signal, time
@flow
def main(up_path: str):
    def stop(*_):
        raise InterruptedError("asked to end")
    signal.signal(signal.SIGTERM, stop)
    open(up_path, "w").close()
    try:
        with flow.step("works"):
            signal.pause()
    finally:
        print("cleared up", flush=True)
"""


class Started:
    """A runtime in a process of its own, whose flow is up."""

    def __init__(self, tmp_path: Path, body: str, *, grace_s: float) -> None:
        self.home = tmp_path / "home"
        self.marker = f"marker-{os.getpid()}-{tmp_path.name}"
        up_path = tmp_path / "up"
        self.process = start_runtime(
            self.home, write_flow(tmp_path, body), f"up_path={up_path}", marker=self.marker, grace_s=grace_s
        )
        wait_until(up_path.exists, "the flow")
        assert self.process.stdout is not None
        self.sid = self.process.stdout.readline().strip()

    def end(self) -> dict[str, Any]:
        """Wait for the runtime's own end; the document of its play."""
        out, err = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, (out, err)
        wait_until_gone(self.marker, timeout_s=1)
        return read_document(client_at(self.home), self.sid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_the_play(tmp_path: Path, number: signal.Signals) -> None:
    """The flow gets SIGTERM and may clear up; its spans end as it wrote them."""
    started = Started(tmp_path, POLITE, grace_s=20.0)
    started.process.send_signal(number)
    document = started.end()

    assert (document["status"], document["error"]) == ("cancelled", f"cancelled by {number.name}")
    assert document["stdout"] == "cleared up\n"
    assert [span["status"] for span in document["spans"] if span["name"] == "works"] == ["failed"]


def test_a_flow_that_ignores_sigterm_ends_within_the_grace(tmp_path: Path) -> None:
    """Then it is killed, and what was open is cancelled."""
    started = Started(tmp_path, STUBBORN, grace_s=0.3)
    before_s = time.monotonic()
    started.process.send_signal(signal.SIGTERM)
    document = started.end()

    assert document["status"] == "cancelled"
    assert {span["status"] for span in document["spans"]} == {"cancelled"}
    assert 0.3 <= time.monotonic() - before_s < 5


def test_a_second_signal_kills_without_a_grace(tmp_path: Path) -> None:
    """Whoever is in a hurry says it twice."""
    started = Started(tmp_path, STUBBORN, grace_s=60.0)
    before_s = time.monotonic()
    started.process.send_signal(signal.SIGINT)
    assert not threading.Event().wait(0.2)
    assert started.process.poll() is None
    started.process.send_signal(signal.SIGINT)
    document = started.end()

    assert (document["status"], document["error"]) == ("cancelled", "cancelled by SIGINT")
    assert time.monotonic() - before_s < 5


def test_a_signal_while_the_play_is_still_starting_cancels_it(tmp_path: Path) -> None:
    """Whenever it comes, the runtime ends, and leaves no process."""
    path = write_flow(tmp_path, POLITE)
    for number in range(5):
        home = tmp_path / f"home{number}"
        marker = f"marker-{os.getpid()}-{tmp_path.name}-{number}"
        runtime = start_runtime(home, path, f"up_path={tmp_path / 'up'}", marker=marker)
        threading.Event().wait(0.05 + 0.04 * number)
        runtime.terminate()
        runtime.communicate(timeout=20)
        wait_until_gone(marker, timeout_s=2)
        with client_at(home).read() as reading:
            statuses = [play.status for play in reading.page(limit=5, before=None)[0]]
        assert statuses in ([], ["cancelled"], ["failed"])


def test_signals_are_as_they_were_when_a_play_is_over(tmp_path: Path) -> None:
    """The runtime's handlers go with the play."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    run_flow(tmp_path / "home", write_flow(tmp_path, "@flow\ndef main():\n    pass\n"))

    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_play_can_be_run_from_another_thread(tmp_path: Path) -> None:
    """Then signals are the main thread's affair."""
    path = write_flow(tmp_path, "@flow\ndef main():\n    return 1\n")
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(run_flow(tmp_path / "home", path)["output"]))
    thread.start()
    thread.join()

    assert found == [1]


def test_plays_at_once_in_one_home_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Each has a runtime, a directory and a socket of its own."""
    path = write_flow(
        tmp_path,
        """
        @flow
        def main(n: int):
            for step in range(50):
                with flow.step(f"{n}-{step}"):
                    pass
            return n
        """,
    )
    runtimes = [start_runtime(tmp_path / "home", path, f"n={number}") for number in range(4)]
    sids = [runtime.communicate()[0].splitlines()[0] for runtime in runtimes]

    client = client_at(tmp_path / "home")
    for number, sid in enumerate(sids):
        document = read_document(client, sid)
        assert (document["status"], document["output"]) == ("ok", number)
        assert [span["name"] for span in document["spans"]] == [
            "main",
            *(f"{number}-{step}" for step in range(50)),
        ]


# Faces


class Face(QuietFace):
    """Remembers the spans it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.calls: list[str] = []

    def begin(self, play: Play, *, sandbox_line: str) -> None:
        self.calls.append(f"begin {play.flow} {sandbox_line}")

    def changed(self, rows: list[SpanRow], now_ms: float) -> None:
        self.names += [row.name for row in rows if row.end_ms is not None]

    def tick(self, now_ms: float) -> None:
        self.calls.append("tick")

    def end(self, play: Play) -> None:
        self.calls.append(f"end {play.status}")


def run_with(face: QuietFace, tmp_path: Path, body: str, **request: Any) -> Play:
    client = client_at(tmp_path / "home")
    path = write_flow(tmp_path, body)
    order = client.prepare(RunRequest(path, assignments=[], python=sys.executable, **request))
    return client.run(order, face)


def test_a_face_is_shown_the_play_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    """Begin, every span, end; ticks in between where it wants them."""
    face = Face()
    face.interval_s = 0.02
    body = """
        import threading
        @flow
        def main():
            with flow.step("a"):
                threading.Event().wait(0.3)
    """
    run_with(face, tmp_path, body)

    assert (face.calls[0], face.calls[-1]) == ("begin main tier0", "end ok")
    assert len([call for call in face.calls if call == "tick"]) >= 3
    assert sorted(face.names) == ["a", "main"]


@pytest.mark.parametrize("method", ["changed", "note"])
def test_a_face_that_fails_in_the_thread_that_records_stops_nothing(tmp_path: Path, method: str) -> None:
    """The play is on record with all its spans."""

    class Broken(Face):
        pass

    def fail(*_: object, **__: object) -> None:
        raise BrokenPipeError

    setattr(Broken, method, fail)
    play = run_with(Broken(), tmp_path, "@flow\ndef main():\n    with flow.step('a'): pass\n")

    assert play.status == "ok"
    assert play.span_count == 2


@pytest.mark.parametrize("method", ["begin", "tick"])
def test_a_face_that_fails_in_the_main_thread_ends_the_play(tmp_path: Path, method: str) -> None:
    """Nobody is left to watch it: no process stays, and the next command tells its end."""

    class Broken(Face):
        interval_s = 0.01

    def fail(*_: object, **__: object) -> None:
        raise BrokenPipeError

    setattr(Broken, method, fail)
    before_s = time.monotonic()
    with pytest.raises(BrokenPipeError):
        run_with(Broken(), tmp_path, "import signal\n@flow\ndef main():\n    signal.pause()\n")
    with client_at(tmp_path / "home").read() as reading:
        [play], _ = reading.page(limit=5, before=None)

    assert play.status in ("failed", "cancelled")
    assert time.monotonic() - before_s < 5


def test_bad_lines_are_told_one_by_one_and_then_as_a_number() -> None:
    """A flood of garbage does not flood the terminal."""
    notes: list[str] = []
    teller = LineTeller(notes.append)
    for number in range(150):
        teller.tell(BadLine("not JSON", f"x{number}"))
    teller.finish()

    assert notes[:2] == ["malformed line (not JSON): x0", "malformed line (not JSON): x1"]
    assert (len(notes), notes[-1]) == (101, "50 more lines were malformed or too long")


# The environment


def test_a_value_that_was_let_through_is_on_no_record_and_in_no_message(tmp_path: Path) -> None:
    """Tags, logs, names, errors, output, stdout, stderr, artifacts aside: in every spelling; on disk too."""
    path = write_flow(
        tmp_path,
        """
        import base64, json, os, socket, sys, urllib.parse
        @flow
        def main():
            secret = os.environ["TOKEN"]
            with flow.step(f"name {secret}", tag=secret, deep={"k": [secret]}) as step:
                step.log(json.dumps({"s": secret}))
                step.log(repr(secret))
                step.log(urllib.parse.quote(secret))
                step.log(base64.b64encode(secret.encode()).decode())
                print(secret)
                print(secret, file=sys.stderr)
            with socket.socket(socket.AF_UNIX) as raw:
                raw.connect(os.environ["HERO_FLOW_SPAN_SOCK"])
                raw.sendall(b"garbage " + secret.encode() + b"\\n")
            with flow.step("fails") as step:
                step.fail(f"no {secret}")
            assert secret.isdigit(), secret
        """,
    )
    secret = 'pä"ss w0rd/+\\'
    ran = run_flow(tmp_path / "home", path, variables={"TOKEN": secret}, let_through=("TOKEN",))

    shown = json.dumps(ran.document, ensure_ascii=False) + "".join(ran.notes)
    spellings = [secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], secret.encode().hex()]
    assert [spelling for spelling in spellings if spelling in shown] == []
    assert "w0rd" not in shown
    assert ran["stdout"] == "***\n"
    assert ran.span("name ***")["tags"] == {"tag": "***", "deep": {"k": ["***"]}}
    on_disk = b"".join(item.read_bytes() for item in (tmp_path / "home").rglob("*") if item.is_file())
    assert b"w0rd" not in on_disk


@pytest.mark.parametrize(("value", "is_warned"), [("", False), ("abc", True), ("abcd", False)])
def test_a_value_too_short_to_be_redacted_is_warned_of(value: str, is_warned: bool) -> None:
    """It says which, and not what."""
    warnings = list(warn_of_variables(("A",), {"A": value}))

    assert (len(warnings) == 1) == is_warned
    assert all("A" in text and "abc" not in text for text in warnings)


def test_a_variable_that_is_not_set_is_warned_of() -> None:
    """A forgotten token is best known before the flow asks for it."""
    assert ["MISSING" in text for text in warn_of_variables(("MISSING",), {})] == [True]


# Where a play cannot be had


def test_a_home_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    """No play is on record, and no process is left."""
    (tmp_path / "home").write_text("in the way")
    with pytest.raises(StoreError, match="HERO_LOGIC_HOME"):
        run_flow(tmp_path / "home", write_flow(tmp_path, "@flow\ndef main():\n    pass\n"))


@pytest.mark.parametrize("kind", ["missing", "directory"])
def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path: Path, kind: str) -> None:
    """It says why."""
    if kind == "directory":
        (tmp_path / "f.py").mkdir()
    with pytest.raises(BadFlowFile, match="cannot be read"):
        read_flow(str(tmp_path / "f.py"))


# Listening


class Listening:
    """A client that listens in a thread."""

    def __init__(self, tmp_path: Path, **options: Any) -> None:
        self.path = f"/tmp/hl-{os.getpid()}-{abs(hash(str(tmp_path))) % 10**9}.sock"
        self.client = client_at(tmp_path / "home")
        self.notes: list[str] = []
        self.plays: list[Play] = []
        self.is_up = threading.Event()
        self.thread = threading.Thread(target=self._listen, kwargs=options)
        self.thread.start()
        assert self.is_up.wait(20)

    def _listen(self, idle_s: float = 0.05) -> None:
        play = self.client.listen(
            socket_path=self.path,
            idle_s=idle_s,
            note=self.notes.append,
            is_listening=lambda _: self.is_up.set(),
        )
        self.plays.append(play)

    def send(self, data: bytes) -> None:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self.path)
            client.sendall(data)

    def end(self) -> Play:
        self.thread.join(20)
        return self.plays[0]


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[Callable[..., Listening]]:
    opened: list[Listening] = []

    def listen(**options: Any) -> Listening:
        opened.append(Listening(tmp_path, **options))
        return opened[-1]

    yield listen
    for one in opened:
        one.thread.join(20)


def test_what_comes_to_a_socket_is_a_play(listening: Callable[..., Listening]) -> None:
    """Its spans, its counters, its status; the socket is gone."""
    one = listening()
    assert stat.S_IMODE(os.stat(one.path).st_mode) == 0o600
    one.send(
        b'{"type":"span_start","span_id":"s","name":"n"}\ngarbage\n'
        b'{"type":"span_end","span_id":"s","status":"ok"}'
    )
    play = one.end()

    assert (play.status, play.counters.events, play.counters.malformed) == ("ok", 2, 1)
    assert any("garbage" in note for note in one.notes)
    assert not os.path.exists(one.path)


def test_an_open_span_has_failed_when_its_writer_is_gone(listening: Callable[..., Listening]) -> None:
    """Rule 13."""
    one = listening()
    one.send(b'{"type":"span_start","span_id":"s","name":"n"}\n{"type":"half')
    play = one.end()

    assert (play.status, play.counters.malformed) == ("failed", 1)


def test_listening_at_a_path_that_is_taken_records_no_play(tmp_path: Path) -> None:
    """The error comes first."""
    (tmp_path / "f").write_text("precious")
    client = client_at(tmp_path / "home")
    with pytest.raises(SocketInUse):
        client.listen(
            socket_path=str(tmp_path / "f"), idle_s=0.1, note=lambda _: None, is_listening=lambda _: None
        )
    with client.read() as reading:
        found = reading.page(limit=5, before=None)

    assert found == ([], None)
    assert (tmp_path / "f").read_text() == "precious"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("has_writer", [False, True])
def test_a_signal_is_the_end_of_the_input(tmp_path: Path, number: signal.Signals, has_writer: bool) -> None:
    """Also while a writer holds its connection; what it had sent is recorded."""
    path = f"/tmp/hl-{os.getpid()}-{abs(hash(str(tmp_path))) % 10**9}.sock"
    code = "import sys; from hero_logic.app import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "listen", "--socket", path],
        env={"HERO_LOGIC_HOME": str(tmp_path / "home"), "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == f"listening on {path}\n"
    with socket.socket(socket.AF_UNIX) as client:
        if has_writer:
            client.connect(path)
            client.sendall(b'{"type":"span_start","span_id":"s","name":"n"}\n')
        process.send_signal(number)
        out, _ = process.communicate(timeout=20)
    document = read_document(client_at(tmp_path / "home"), out.strip())

    assert process.returncode == 0
    assert (document["status"], len(document["spans"])) == (("failed", 1) if has_writer else ("ok", 0))
    assert not os.path.exists(path)


def test_a_flow_that_takes_every_connection_leaves_the_runtime_its_own(tmp_path: Path) -> None:
    """Nine hundred at once are served; the play ends, and is on record."""
    path = write_flow(
        tmp_path,
        """
        import os, socket
        @flow
        def main():
            taken = []
            for _ in range(900):
                taken.append(socket.socket(socket.AF_UNIX))
                taken[-1].connect(os.environ["HERO_FLOW_SPAN_SOCK"])
            with flow.step("after"):
                return len(taken)
        """,
    )
    ran = run_flow(tmp_path / "home", path)

    assert (ran["status"], ran["output"], ran.span("after")["status"]) == ("ok", 900, "ok")


def test_a_store_that_another_process_holds_for_a_while_harms_no_play(tmp_path: Path) -> None:
    """Its events wait, and so does its end; nothing is lost."""
    path = write_flow(
        tmp_path,
        """
        @flow
        def main(up_path: str):
            for step in range(200):
                with flow.step(str(step)):
                    if step == 20:
                        open(up_path, "w").close()
            return "done"
        """,
    )
    home = tmp_path / "home"
    with client_at(home).read():
        pass
    runtime = start_runtime(home, path, f"up_path={tmp_path / 'up'}")
    wait_until((tmp_path / "up").exists, "the flow")
    [database] = [item for item in home.iterdir() if item.suffix == ".db"]
    holder = sqlite3.connect(database, isolation_level=None, timeout=20)
    holder.execute("BEGIN IMMEDIATE")
    assert not threading.Event().wait(0.5)
    holder.execute("ROLLBACK")
    holder.close()
    out, err = runtime.communicate(timeout=30)
    document = read_document(client_at(home), out.splitlines()[0])

    assert (document["status"], document["output"]) == ("ok", "done"), err
    assert [span["name"] for span in document["spans"]] == ["main", *map(str, range(200))]
