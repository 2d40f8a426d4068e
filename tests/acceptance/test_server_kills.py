"""``kill -9`` of the server at any moment: no process of a play is left, nothing acknowledged is lost."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import tempfile
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.test_play_methods import CREWS
from support.processes import wait_until_gone
from support.scale import SCALE
from support.serving import Server, serving
from support.waiting import wait_until

KILLS = 5
SOAK_KILLS = 100
TERMINAL = {"ok", "failed", "timed_out", "cancelled"}

STEPS = """
@flow
def main(steps: int):
    for number in range(steps):
        with flow.step(f"step {number}"):
            pass
    return steps
"""

LASTING = """
import signal
@flow
def main():
    while True:
        signal.pause()
"""


class Asking:
    """A client that asks for plays and pushes events until the server is gone; what was acknowledged."""

    def __init__(self, server: Server, lasting: str) -> None:
        self.sids: list[str] = []
        self.pushed: list[str] = []
        self._server = server
        self._lasting = lasting
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def join(self) -> None:
        """Wait until it has heard that nobody answers."""
        self._thread.join(20)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        with contextlib.suppress(httpx.HTTPError):
            for number in range(100_000):
                self.sids.append(
                    self._server.call("play_run_async", flow_sid="steps", input_data={"steps": 40})
                )
                event = {"type": "span_log", "span_id": "pushed", "text": f"pushed-{number}"}
                self._server.call("span_push", play_sid=self._lasting, event_json=json.dumps(event))
                self.pushed.append(f"pushed-{number}")


def kill_a_server(directory: Path, delay_s: float, *options: str) -> None:
    """Ask a server for plays, kill it so much later, and look what the next one makes of it."""
    home = directory / "home"
    marker = f"marker-{os.getpid()}-{random.randrange(10**12)}"
    # A path of its own, short enough for a socket however deep the test's directory lies.
    runtime_dir = Path(tempfile.mkdtemp(prefix="hero-kill-"))
    with serving(home, "--plays", "2", *options, marker=marker, runtime_dir=runtime_dir) as server:
        server.publish("steps", STEPS)
        server.publish("lasting", LASTING)
        lasting = server.call("play_start", flow_sid="lasting")
        assert lasting["status"] == "running"
        asking = Asking(server, lasting["sid"])
        threading.Event().wait(delay_s)
        server.kill()
        asking.join()
    wait_until_gone(marker, timeout_s=5)
    with serving(home, "--plays", "2", *options, runtime_dir=runtime_dir) as again:
        check_ends(again, asking, lasting["sid"])
        # What there is of a play is removed once its end is on record.
        wait_until(lambda: not list((home / "plays").iterdir()), "an empty directory")
    shutil.rmtree(runtime_dir)


def check_ends(server: Server, asking: Asking, lasting: str) -> None:
    """Every play that was acknowledged is there and ends, truthfully, with all that is on record of it."""
    for sid in asking.sids:
        play = server.call("play_wait", play_sid=sid, timeout_ms=20_000)
        assert play["status"] == "ok" or was_ended(play), (play["status"], play["error"], play)
    assert was_ended(server.call("play_wait", play_sid=lasting, timeout_ms=20_000))
    assert {f"{play['status']}" for play in all_plays(server)} <= TERMINAL
    check_pushed(server, asking.pushed, lasting)


def check_pushed(server: Server, acknowledged: list[str], sid: str) -> None:
    """Every event that was acknowledged is there, once and in its order; of the last one nobody heard."""
    spans = {span["span_id"]: span for span in all_spans(server, sid)}
    kept = [line.partition("] ")[2] for line in spans["pushed"]["logs"].splitlines()] if acknowledged else []
    assert kept[: len(acknowledged)] == acknowledged
    assert len(kept) <= len(acknowledged) + 1


def was_ended(play: dict[str, Any]) -> bool:
    """It ended with who ran it; a worker lives long enough to say so itself."""
    return (play["status"], play["error"]) in {
        ("failed", "the runtime ended while this play ran"),
        ("cancelled", "cancelled by the stop of its worker"),
    }


def all_plays(server: Server) -> list[dict[str, Any]]:
    """Every play on record; one that is not acknowledged may be among them, and ends as well."""
    found: list[dict[str, Any]] = server.call("play_list", limit=1000)["plays"]
    return [server.call("play_wait", play_sid=play["sid"], timeout_ms=20_000) for play in found]


def all_spans(server: Server, sid: str) -> list[dict[str, Any]]:
    spans: list[dict[str, Any]] = []
    start: int | None = 0
    while start is not None:
        page = server.call("play_spans", play_sid=sid, start=start, limit=1000)
        spans += page["spans"]
        start = page["next"]
    return spans


@pytest.mark.parametrize("options", CREWS.values(), ids=CREWS)
def test_killing_a_server_leaves_every_play_with_an_end(tmp_path: Path, options: tuple[str, ...]) -> None:
    """At any moment: no process of a play is left, no acknowledged event or play is lost."""
    delays = random.Random(6)
    for number in range(KILLS):
        (tmp_path / str(number)).mkdir()
        kill_a_server(tmp_path / str(number), delays.uniform(0, 0.3), *options)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("options", CREWS.values(), ids=CREWS)
def test_killing_a_server_leaves_every_play_with_an_end_long(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    """The same, a hundred times, at every moment."""
    delays = random.Random()
    for number in range(SOAK_KILLS * max(1, SCALE // 20)):
        (tmp_path / str(number)).mkdir()
        kill_a_server(tmp_path / str(number), delays.expovariate(8), *options)
