"""From the call that emits an event to a subscriber of the same runtime: how long until it is seen.

    python benchmarks/live.py [--quick] [--json FILE]

A process of its own emits logs through the SDK, each with the moment of its call (the monotonic clock, which
all processes share); the subscriber is called by the runtime after the commit, and looks at the clock. So the
figure has all in it: the socket, the listener, decoding, the fold, the transaction.

Two cases: idle, 20 events a second at uneven times; and loaded, 20,000 events a second (spans with two tags
and a log, in bursts a millisecond apart), of which each hundredth is timed. The floor is one commit: the same
kind of row written by the same store, and nothing else.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from measure import Claim, arguments, finish

from hero_logic.core.records import Counters, Sandbox, SpanDelta, SpanRow
from hero_logic.runner.span_socket import SpanListener
from hero_logic.service.feed import Feed
from hero_logic.service.ingest import Ingest
from hero_logic.service.plays import Plays
from hero_logic.store.sqlite import SqliteStore

SOURCE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "src")
ROUNDS = 5
IDLE_GOAL_MS = 2.0
LOADED_GOAL_MS = 25.0
_EVENTS_A_SECOND = 20_000

EMITTER = """
import random, sys, time
from hero_tracing import flow
kind, seconds = sys.argv[1], float(sys.argv[2])
clock = time.monotonic_ns
until = clock() + int(seconds * 1e9)
dice = random.Random(7)
if kind == "idle":
    with flow.step("idle") as span:
        while clock() < until:
            time.sleep(dice.uniform(0.02, 0.08))
            span.tag(sent_ns=clock())
else:
    number, due = 0, clock()
    while clock() < until:
        for _ in range(5):
            number += 1
            tags = {"sent_ns": clock()} if number % 100 == 0 else {"of": "a hundred"}
            with flow.step("load", number=number) as span:
                span.tag(**tags)
                span.log("a line of a log, as long as most are")
        due += 1_000_000
        rest = due - clock()
        if rest > 0:
            time.sleep(rest / 1e9)
"""


class Watching:
    """A subscriber that notes how old each event is when it sees it."""

    def __init__(self) -> None:
        self.ages_ms: list[float] = []
        self._seen = 0

    def changed(self, _: str, rows: Sequence[SpanRow]) -> None:
        """Called by the runtime with the rows of a commit."""
        now_ns = time.monotonic_ns()
        for row in rows:
            sent_ns = row.tags.get("sent_ns", 0)
            if sent_ns > self._seen:
                self._seen = sent_ns
                self.ages_ms.append((now_ns - sent_ns) / 1e6)


def ages_ms(directory: str, kind: str, seconds: float) -> tuple[list[float], float]:
    """The age of each timed event when it was seen, in milliseconds; and how many came a second."""
    store = SqliteStore.open(os.path.join(directory, f"live-{time.time_ns()}.db"))
    plays = Plays(store, now_ms=lambda: time.time() * 1000, runtime_sid="bench")
    plays.create("live")
    plays.begin("live", Sandbox())
    watching = Watching()
    Feed(store).call("live", watching.changed)
    with Ingest(store, now_ms=lambda: time.time() * 1000) as ingest:
        path = os.path.join(directory, "live.sock")
        listener = SpanListener.with_socket_path("live", ingest.open("live"), path)
        listener.bind()
        handle = listener.run()
        environment = {"PYTHONPATH": SOURCE, "HERO_FLOW_SPAN_SOCK": path, "PATH": os.environ["PATH"]}
        subprocess.run([sys.executable, "-c", EMITTER, kind, str(seconds)], env=environment, check=True)
        handle.finish()
        ingest.flush("live")
    events = store.get_play("live").counters.events
    store.close()
    return watching.ages_ms, events / seconds


def commit_ms(directory: str, commits: int) -> list[float]:
    """What one transaction of one row takes, in milliseconds."""
    store = SqliteStore.open(os.path.join(directory, f"commit-{time.time_ns()}.db"))
    plays = Plays(store, now_ms=lambda: time.time() * 1000, runtime_sid="bench")
    plays.create("commit")
    plays.begin("commit", Sandbox())
    taken: list[float] = []
    for number in range(commits):
        row = SpanRow(number, f"{number:016x}", 1.7e12, name="load", tags={"number": number})
        delta = SpanDelta([row], Counters(events=number + 1), number + 1, {})
        began_s = time.perf_counter()
        store.write_spans({"commit": delta})
        taken.append((time.perf_counter() - began_s) * 1000)
    store.close()
    return taken


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many percent of them do not pass."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def main() -> int:
    """Measure; 1 if a goal was missed."""
    options = arguments(__doc__ or "")
    rounds, seconds = (1, 1.0) if options.quick else (ROUNDS, 5.0)
    idle: list[float] = []
    loaded: list[float] = []
    commits: list[float] = []
    rates: list[float] = []
    with tempfile.TemporaryDirectory() as directory:
        for _ in range(rounds):
            commits.append(statistics.median(commit_ms(directory, 300)))
            idle.append(percentile(ages_ms(directory, "idle", seconds)[0], 50))
            ages, rate = ages_ms(directory, "loaded", seconds)
            loaded.append(percentile(ages, 99))
            rates.append(rate)
    print(f"  loaded: {statistics.median(rates):,.0f} events/s came")
    claims = [
        Claim("p50 of an event of an idle play", values=idle, floor=commits, floor_name="one commit",
              unit="ms", goal=None, limit=IDLE_GOAL_MS),
        Claim(f"p99 at {_EVENTS_A_SECOND:,} events/s", values=loaded, floor=commits, floor_name="one commit",
              unit="ms", goal=None, limit=LOADED_GOAL_MS),
    ]  # fmt: skip
    return finish("Live: from the call that emits to a subscriber of the runtime", claims, options)


if __name__ == "__main__":
    sys.exit(main())
