"""A server that lives long: fifty plays at a time, a crowd, and it takes no more than at first."""

from __future__ import annotations

import json
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.test_play_methods import CREWS
from support.crowd import BUSY, TERMINAL, Crowd, Taken
from support.processes import wait_until_gone
from support.serving import Server, serving
from support.turns import WHOLE
from support.waiting import wait_until

AT_ONCE = 50
WATCHERS = 25
SHARES = {"in its process": AT_ONCE, "by workers": AT_ONCE // 2}
"""Places for plays of the server's process, or of each of its two workers."""


class Log:
    """What a server logs, read as it comes: a pipe that is full would have it drop lines."""

    def __init__(self, server: Server) -> None:
        self.lines: list[str] = []
        self._server = server
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def end(self) -> None:
        """Read all of it, to the end of the server."""
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _read(self) -> None:
        assert self._server.process.stderr
        assert self._server.process.stdout
        with self._server.process.stderr as logged, self._server.process.stdout:
            for line in logged:
                self.lines.append(line.decode())


def soak(
    directory: Path,
    crew: str,
    *,
    warm_up_s: float,
    for_s: float,
    play_s: float,
    most_plays: int,
    growth: float,
    least_at_once: int,
) -> str:
    """A crowd for a while, and one for longer; in between and afterwards it is looked what the server takes.

    That is what it gives, in words. A play lasts ``play_s`` on average. ``growth`` is how many times as much
    memory there may be at the end. Fifty are asked for at a time; ``least_at_once`` of them have to have been
    seen to run at once.
    """
    seed = time.time_ns() % 2**32
    print(f"the seed is {seed}")
    marker = f"soak-{os.getpid()}-{seed}"
    home = directory / "home"
    with (
        tempfile.TemporaryDirectory(prefix="hero-soak-") as runtime_dir,
        serving(
            home, *CREWS[crew], "--plays", str(SHARES[crew]), marker=marker, runtime_dir=Path(runtime_dir)
        ) as server,
    ):
        log = Log(server)
        server.publish("busy", BUSY)
        crowd = Crowd(server, random.Random(seed), askers=AT_ONCE + 5, watchers=WATCHERS, play_s=play_s)
        crowd.stay(warm_up_s, most_plays=most_plays)
        first = taken_at_rest(server)
        crowd.stay(for_s, most_plays=most_plays)
        last = taken_at_rest(server, like=first)
        taken = f"{crowd.did['asked']} plays, {crowd.most_at_once} at once; {first} at first; {last} at last"
        print(taken, dict(crowd.did))
        ends = statuses(server)
        server.process.terminate()
        log.end()
        assert server.process.wait(60) == 0
    wait_until_gone(marker, timeout_s=5)

    assert set(ends) <= TERMINAL
    assert sum(ends.values()) == crowd.did["asked"] + crowd.did["retried"] - crowd.did["deleted"]
    assert crowd.most_at_once >= least_at_once, "it was no crowd"
    assert list((home / "plays").iterdir()) == []
    failures = [line for line in log.lines if json.loads(line)["level"] == "error"]
    assert failures == [], "\n".join(failures)
    check_flat(first, last, growth)
    return taken


def taken_at_rest(server: Server, *, like: Taken | None = None) -> Taken:
    """What it takes once nobody asks or watches; as few descriptors as before, unless they stay too many."""
    client = server.http()
    quiet = ("hero_logic_stream_readers 0.0", "hero_logic_calls_waiting 0.0", "hero_logic_connections 1.0")
    wait_until(
        lambda: all(line in client.get("/metrics").text for line in quiet),
        "a server that is at rest",
        timeout_s=90,
    )
    client.close()
    wait_until(lambda: not list((server.home / "plays").iterdir()), "an empty directory of plays")
    if like is not None:
        try:
            wait_until(lambda: is_no_more(Taken(server), like), "as few as before", timeout_s=10)
        except AssertionError:
            return Taken(server)
    return Taken(server)


def is_no_more(last: Taken, first: Taken) -> bool:
    """Whether no process has more descriptors or threads than before."""
    stayed = set(first.rss_bytes) & set(last.rss_bytes)
    return all(
        last.descriptors[pid] <= first.descriptors[pid] and last.threads[pid] <= first.threads[pid]
        for pid in stayed
    )


def check_flat(first: Taken, last: Taken, growth: float) -> None:
    """Memory by no more than a ratio, descriptors, threads and processes not at all."""
    stayed = set(first.rss_bytes) & set(last.rss_bytes)
    assert len(last.rss_bytes) <= len(first.rss_bytes), (first, last)
    assert is_no_more(last, first), (first, last)
    for pid in stayed:
        assert last.rss_bytes[pid] <= growth * first.rss_bytes[pid], (pid, first, last)


def statuses(server: Server) -> dict[str, int]:
    """How many plays on record have which status."""
    found: dict[str, int] = {}
    before: str | None = None
    while True:
        page: dict[str, Any] = server.call("play_list", limit=1000, before=before)
        for play in page["plays"]:
            found[play["status"]] = found.get(play["status"], 0) + 1
        before = page["next"]
        if before is None:
            return found


@pytest.mark.parametrize("crew", CREWS)
def test_a_server_with_a_crowd_takes_no_more_than_at_first(tmp_path: Path, crew: str) -> None:
    """Memory, descriptors and threads are flat, every play has ended, and no process of one is left."""
    soak(tmp_path, crew, warm_up_s=3, for_s=3, play_s=1.0, most_plays=500, growth=1.3, least_at_once=2)


@pytest.mark.soak(WHOLE)
@pytest.mark.timeout(1200)
def test_a_server_with_a_crowd_takes_no_more_than_at_first_long(
    tmp_path: Path, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> None:
    """The same for as long as a soak lasts, ten minutes where nobody says; half of it with each crew."""
    rest_s = 40.0  # until the last play of each stretch has ended
    for_s = (request.config.getoption("soak_s") or 600.0) / len(CREWS) - rest_s
    # What a process has taken once grows for a minute or two: a shorter soak sees more of that.
    growth = 1.2 if for_s >= 200 else 1.3
    for crew in CREWS:
        (tmp_path / crew).mkdir()
        taken = soak(
            tmp_path / crew,
            crew,
            warm_up_s=max(5.0, 0.25 * for_s),
            for_s=max(5.0, 0.75 * for_s),
            play_s=4.0,
            most_plays=20_000,
            growth=growth,
            least_at_once=AT_ONCE // 2,
        )
        record_property(crew, taken)
