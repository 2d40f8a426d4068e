"""How a server ends what it runs: in its process, and by workers."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import httpx
import pytest

from server.test_play_methods import CREWS, Patient, stubborn
from support.command import hero_logic
from support.processes import pids_with, wait_until_gone
from support.serving import NO_TLS, Server, serving
from support.waiting import wait_until
from support.working import PATIENT, QUICK, STUBBORN


def flows_of(server: Server) -> Server:
    for name, body in {"quick": QUICK, "stubborn": STUBBORN, "patient": PATIENT}.items():
        server.publish(name, body)
    return server


def wait_until_it_ends_plays(server: Server) -> None:
    """It was told to stop, and has heard of it."""
    wait_until(lambda: httpx.get(f"{server.url}/readyz", verify=NO_TLS).status_code == 503, "the stop")


@pytest.mark.parametrize("options", CREWS.values(), ids=CREWS)
def test_a_stop_begins_no_play_and_lets_those_that_run_end(tmp_path: Path, options: tuple[str, ...]) -> None:
    """What would begin one is refused, all else is answered; who waits hears of the end."""
    with serving(tmp_path / "home", *options) as server:
        play = Patient(flows_of(server), tmp_path)
        server.process.send_signal(signal.SIGTERM)
        wait_until_it_ends_plays(server)
        refused = [
            server.refused("play_start", flow_sid="quick")[0],
            server.refused("play_run_async", flow_sid="quick")[0],
            server.refused("play_retry", play_sid=play.sid)[0],
        ]
        state = server.call("play_status", play_sid=play.sid)
        play.let_go()
        server.process.communicate(timeout=20)
        shown = hero_logic("wait", play.sid, **server.variables)

    assert refused == ["stopping"] * 3
    assert state["status"] == "running"
    assert (server.process.returncode, shown.returncode) == (0, 0), shown


@pytest.mark.parametrize("options", CREWS.values(), ids=CREWS)
def test_what_has_had_its_time_is_cancelled(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Then the server goes, and the play has its end."""
    with serving(tmp_path / "home", *options, "--stop-after", "0") as server:
        play = Patient(flows_of(server), tmp_path)
        assert server.stop()[0] == 0
    with serving(tmp_path / "home") as again:
        ended = again.call("play_get", play_sid=play.sid)

    assert (ended["status"], "the stop of its worker" in ended["error"]) == ("cancelled", True)


@pytest.mark.parametrize("options", CREWS.values(), ids=CREWS)
def test_a_second_signal_does_not_wait(tmp_path: Path, options: tuple[str, ...]) -> None:
    """What runs is ended at once, though it would have had much time, and has its end."""
    marker = f"marker-{os.getpid()}-{tmp_path.name}"
    with serving(tmp_path / "home", *options, "--stop-after", "600", marker=marker) as server:
        sid = stubborn(flows_of(server), tmp_path)
        server.process.send_signal(signal.SIGTERM)
        wait_until_it_ends_plays(server)
        assert server.call("play_status", play_sid=sid)["status"] == "running"
        assert server.stop()[0] == 0
        wait_until_gone(marker, timeout_s=5)
    with serving(tmp_path / "home") as again:
        assert again.call("play_get", play_sid=sid)["status"] == "cancelled"


def test_a_worker_that_is_killed_is_made_up_for(tmp_path: Path) -> None:
    """Its play has failed within moments, and another worker runs what comes."""
    marker = f"marker-{os.getpid()}-{tmp_path.name}"
    with serving(tmp_path / "home", "--workers", "1", marker=marker) as server:
        sid = stubborn(flows_of(server), tmp_path)
        [worker] = [
            pid for pid in pids_with(marker) if b"--attached" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        os.kill(worker, signal.SIGKILL)
        lost = server.call("play_wait", play_sid=sid, timeout_ms=20_000)
        quick = server.call("play_run_async", flow_sid="quick")
        ended = server.call("play_wait", play_sid=quick, timeout_ms=20_000)

    assert (lost["status"], lost["error"]) == ("failed", "the runtime ended while this play ran")
    assert ended["status"] == "ok"


@pytest.mark.parametrize(
    ("option", "value"), [("--workers", "-1"), ("--plays", "0"), ("--stop-after", "-1"), ("--workers", "101")]
)
def test_a_number_that_means_nothing_is_refused(tmp_path: Path, option: str, value: str) -> None:
    """By the option's name, before anything is served."""
    done = hero_logic("serve", option, value, HERO_LOGIC_HOME=str(tmp_path / "home"))

    assert done.returncode == 2
    assert f"{option} {value}".encode() in done.stderr
