"""A server whose disk is full, whose store is held, whose clock is set: it says so and goes on."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hero_logic.client import connect
from hero_logic.core.errors import StoreLocked
from server.test_play_methods import CREWS, Patient
from support.clock import Clock
from support.disk import Disk
from support.records import held_store
from support.serving import Server, serving
from support.waiting import wait_until
from support.working import PATIENT, QUICK

HELD_S = 1.0
DAY_S = 86_400
SHORT_WAIT = (
    "serving",
    "from hero_logic.store.sqlite import SqliteStore as S; "
    f"S.open.__func__.__kwdefaults__['busy_timeout_s'] = {HELD_S}",
)
"""Half a minute is what a store is waited for; a test of it need not last as long."""


def publish_all(server: Server) -> None:
    for name, body in {"quick": QUICK, "patient": PATIENT}.items():
        server.publish(name, body)


def logged_failures(server: Server) -> str:
    """What it logged as an error, once it was told to end; b"" is what there should be."""
    status, logged = server.stop()
    assert status == 0, logged
    return "\n".join(line for line in logged.splitlines() if '"level":"error"' in line)


def names_of(server: Server, sid: str) -> list[str]:
    return [span["name"] for span in server.call("play_spans", play_sid=sid)["spans"]]


# A full disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path / "disk")
    yield made
    made.unmount()


@pytest.mark.parametrize("options", CREWS.values(), ids=CREWS)
def test_a_server_whose_disk_is_full_says_so_and_goes_on(
    disk: Disk, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """What would write is refused with the reason, what reads is answered; with room all goes on by itself.

    A flow that returns before there is room cannot leave its result, and has failed; a later one has not.
    """
    (tmp_path / "lasting").mkdir()
    with serving(disk.home, *options, runtime_dir=tmp_path) as server:
        publish_all(server)
        play, lasting = Patient(server, tmp_path), Patient(server, tmp_path / "lasting")
        disk.fill()
        refused = {refusal(server, "play_run_async", flow_sid="quick") for _ in range(20)}
        refused |= {refusal(server, "flow_put", name="more", python_source=f"# {'x' * 50_000}\n{QUICK}")}
        status = server.call("play_status", play_sid=play.sid)["status"]
        listed = [one["sid"] for one in server.call("play_list")["plays"]]
        play.let_go()
        ready = server.http().get("/readyz").status_code
        disk.free()
        ended = server.call("play_wait", play_sid=play.sid, timeout_ms=20_000)
        lasting.let_go()
        wait_until(lambda: refusal(server, "play_run_async", flow_sid="quick") == "", "room", timeout_s=10)
        last = server.call("play_wait", play_sid=lasting.sid, timeout_ms=20_000)
        after = server.call("play_start", flow_sid="quick")
        ends = [
            server.call("play_wait", play_sid=one["sid"], timeout_ms=20_000)["status"]
            for one in server.call("play_list")["plays"]
        ]
        failures = logged_failures(server)

    assert "store_error" in refused
    assert refused <= {"store_error", ""}
    assert (status, ready) == ("running", 200)
    assert play.sid in listed
    assert (ended["status"], ended["output"]) == ("ok", "done") or (
        ended["status"],
        bool(ended["error"]),
    ) == (
        "failed",
        True,
    )
    assert (last["status"], last["output"]) == ("ok", "done")
    assert after["status"] in ("pending", "running", "ok")
    assert set(ends) <= {"ok", "failed"}
    assert failures == ""


def refusal(server: Server, method: str, **params: Any) -> str:
    """The code with which a call is refused, "" where it is not."""
    answer = server.ask(method, **params)
    return str(answer["error"]["data"]["code"]) if "error" in answer else ""


def test_a_server_does_not_start_on_a_full_disk_and_says_why(disk: Disk, tmp_path: Path) -> None:
    """No traceback, nothing half made: once there is room it starts."""
    from server.test_serving import refused

    disk.home.mkdir(mode=0o700)
    disk.fill()
    said = refused(disk.home)
    disk.free()

    assert str(disk.home) in said
    with serving(disk.home, runtime_dir=tmp_path) as server:
        assert server.call("play_list")["plays"] == []


# A store that another process holds


@pytest.mark.parametrize("options", CREWS.values(), ids=CREWS)
def test_a_server_whose_store_is_held_for_too_long_says_so_and_goes_on(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Whoever would write hears so after the time that a store is waited for; who reads waits for nothing."""
    home = tmp_path / "home"
    with serving(home, *options, patch=SHORT_WAIT) as server:
        publish_all(server)
        play = Patient(server, tmp_path)
        with held_store(path=home / "hero_logic.db"):
            play.let_go()
            took_s, refused = waited(server, "play_run_async", flow_sid="quick")
            cancelled = waited(server, "play_cancel", play_sid=play.sid)
            read_s = [
                waited(server, "play_status", play_sid=play.sid),
                waited(server, "play_list"),
                waited(server, "play_spans", play_sid=play.sid),
            ]
            ready = server.http().get("/readyz").status_code
        ended = server.call("play_wait", play_sid=play.sid, timeout_ms=20_000)
        after = server.call("play_start", flow_sid="quick")
        last = server.call("play_wait", play_sid=after["sid"], timeout_ms=20_000)
        failures = logged_failures(server)

    assert refused == cancelled[1] == "store_locked"
    assert HELD_S * 0.9 < took_s < HELD_S + 5
    assert [code for _, code in read_s] == [""] * 3
    assert max(seconds for seconds, _ in read_s) < HELD_S
    assert ready == 200
    assert (ended["status"], ended["output"], last["status"]) == ("ok", "done", "ok")
    assert failures == ""


def waited(server: Server, method: str, **params: Any) -> tuple[float, str]:
    """How long a call took, in seconds, and the code with which it was refused."""
    began_s = time.monotonic()
    code = refusal(server, method, **params)
    return time.monotonic() - began_s, code


def test_many_who_would_write_to_a_held_store_hold_up_nobody_who_reads(tmp_path: Path) -> None:
    """There are only so many threads that write, and as many again that read; all hear of it soon."""
    home = tmp_path / "home"
    refused: list[str] = []
    with serving(home, patch=SHORT_WAIT) as server, connect(server.url, token=server.token) as service:
        publish_all(server)
        play = Patient(server, tmp_path)
        service.play_list()

        def ask() -> None:
            with pytest.raises(StoreLocked):
                service.play_run_async("quick")
            refused.append("quick")

        with held_store(path=home / "hero_logic.db"):
            threads = [threading.Thread(target=ask) for _ in range(20)]
            began_s = time.monotonic()
            for thread in threads:
                thread.start()
            service.play_list()
            read_s = time.monotonic() - began_s
            for thread in threads:
                thread.join()
            took_s = time.monotonic() - began_s
        play.let_go()
        assert server.call("play_wait", play_sid=play.sid, timeout_ms=20_000)["status"] == "ok"

    assert refused == ["quick"] * 20
    assert read_s < HELD_S
    assert took_s < 20 * HELD_S / 2


# A clock that is set

PRUNES_OFTEN = ("serving", "import hero_logic.service.housekeeping as h; h._PRUNE_S = h._LOOK_S = 0.05")


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


@pytest.mark.parametrize("offset_s", [400 * DAY_S, -400 * DAY_S], ids=["forward", "back"])
def test_a_clock_that_is_set_changes_nothing_for_who_waits_or_has_logged_in(
    clock: Clock, tmp_path: Path, offset_s: int
) -> None:
    """Waits last as long as they were to, codes and sessions work as long, and plays come to their end."""
    with serving(tmp_path / "home", more=clock.variables) as server:
        publish_all(server)
        first_code = server.http().post("/login-code").json()["code"]
        second_code = server.http().post("/login-code").json()["code"]
        session = log_in(server, first_code)
        play = Patient(server, tmp_path)
        answers: list[tuple[float, str]] = []

        def wait(timeout_ms: float) -> None:
            began_s = time.monotonic()
            found = server.call("play_wait", play_sid=play.sid, timeout_ms=timeout_ms)
            answers.append((time.monotonic() - began_s, found["status"]))

        waiters = [threading.Thread(target=wait, args=(ms,)) for ms in (1500.0, 20_000.0)]
        for waiter in waiters:
            waiter.start()
        wait_until(lambda: "hero_logic_calls_waiting 2.0" in server.http().get("/metrics").text, "both waits")
        clock.set(offset_s)
        waiters[0].join()
        play.let_go()
        waiters[1].join()
        later = server.call("play_start", flow_sid="quick")
        last = server.call("play_wait", play_sid=later["sid"], timeout_ms=20_000)
        listed = [one["sid"] for one in server.call("play_list")["plays"]]
        asked = httpx.get(f"{server.url}/metrics", cookies={"hero_logic_session": session})
        second = log_in(server, second_code)
        failures = logged_failures(server)

    assert answers[0][1] == "running"
    assert 1.4 < answers[0][0] < 8
    assert answers[1][1] == "ok"
    assert last["status"] == "ok"
    assert last["duration_ms"] >= 0
    assert listed == [later["sid"], play.sid], "the one that was created last comes first"
    assert asked.status_code == 200
    assert second
    assert failures == ""


def log_in(server: Server, code: str) -> str:
    """A session for a code."""
    answer = httpx.post(f"{server.url}/login", json={"code": code})
    assert answer.status_code == 204, answer.text
    return answer.cookies["hero_logic_session"]


def test_a_clock_that_is_set_forward_makes_no_play_old(clock: Clock, tmp_path: Path) -> None:
    """Plays go at an age that has passed, and not at one that a clock says has: that cannot be taken back."""
    more = {**clock.variables, "HERO_LOGIC_KEEP_DAYS": "30"}
    home = tmp_path / "home"
    with serving(home, more=more, patch=PRUNES_OFTEN) as server:
        publish_all(server)
        sids = [end_quick(server) for _ in range(3)]
        clock.set(400 * DAY_S)
        # Whatever is written later comes after a look at what is old.
        end_quick(server)
        looks_after(server)
        clock.set(0)

        assert set(sids) <= {one["sid"] for one in server.call("play_list")["plays"]}


def end_quick(server: Server) -> str:
    """A play that has ended."""
    sid = str(server.call("play_run_async", flow_sid="quick"))
    assert server.call("play_wait", play_sid=sid, timeout_ms=20_000)["status"] == "ok"
    return sid


def looks_after(server: Server) -> None:
    """Wait until housekeeping has gone round since: it ends a play whose runtime is gone."""
    from hero_logic.core.records import Play
    from hero_logic.store.sqlite import SqliteStore

    store = SqliteStore.open(str(server.home / "hero_logic.db"))
    try:
        for number in range(2):
            store.create_play(Play(sid=f"lost-{number}-{os.getpid()}", runtime_sid="gone", flow="f"))
            wait_until(
                lambda: store.brief_play(f"lost-{number}-{os.getpid()}").status == "failed",  # noqa: B023
                "a round of housekeeping",
            )
    finally:
        store.close()
