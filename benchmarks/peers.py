"""Our recording beside Arize Phoenix and MLflow: spans that are stored and can be queried, a second.

    python benchmarks/peers.py [--quick] [--json FILE]

The same spans (two attributes, one event, trees of twenty) go through our SDK and socket into ``hero-logic
listen``, and through OpenTelemetry's SDK and OTLP/HTTP into each server. The clock starts before the first
span and stops when all of them can be queried: ours are read from the database by another process, a peer's
are counted through its own interface. Listener and servers have taken spans before any clock starts.

Each peer is measured in turns with us. docs/benchmarks.md says every setting.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

import environments
import otel
from measure import Claim, NotMeasured, arguments, finish
from peer_servers import Mlflow, PeerServer, Phoenix

ROUNDS = 5
ONES = 20
TREE = 20
BATCH = 512
"""What OpenTelemetry's SDK sends in one request unless told otherwise."""
OUR_SPANS = 200_000
PEERS: tuple[tuple[type[PeerServer], int, float], ...] = ((Mlflow, 10_000, 50), (Phoenix, 2_000, 300))
"""(server, spans a round, how many times its rate ours has to be)"""
VISIBLE_GOAL = 1 / 10
STORED = "spans stored and open to queries"
VISIBLE = "one span, from its begin until a query finds it"
BIG_TREE, BIG_BATCH = 100, 4_096

_HERE = os.path.dirname(os.path.abspath(__file__))
_WRITER = os.path.join(_HERE, "span_writer.py")
_MIN_PAUSE_S, _MAX_PAUSE_S = 0.02, 2.0
_ONE_PAUSE_S = 0.001
_TIMEOUT_S = 240.0


class Writer:
    """A process that writes spans to order; ends with its ``with`` block."""

    def __init__(self, python: str, *words: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [python, _WRITER, *words],
            env=environments.clean_environment(**environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()

    def order(self, verb: str, **what: object) -> dict[str, Any]:
        """Have it do something; its answer."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"do": verb, **what}) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


class Ours:
    """``hero-logic listen`` with a writer, over a data directory of its own."""

    def __init__(self) -> None:
        self.directory = tempfile.TemporaryDirectory(prefix="peer-ours-")
        self.home = os.path.join(self.directory.name, "home")
        source = os.path.join(environments.ROOT, "src")
        self.command = [sys.executable, "-m", "hero_logic"]
        self.environment = environments.clean_environment(HERO_LOGIC_HOME=self.home, PYTHONPATH=source)
        path = os.path.join(self.directory.name, "spans.sock")
        self.listener = subprocess.Popen(
            [*self.command, "listen", "--socket", path],
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.listener.stdout
        self.listener.stdout.readline()
        self.writer = Writer(sys.executable, "ours", PYTHONPATH=source, HERO_FLOW_SPAN_SOCK=path)
        self.connection: sqlite3.Connection | None = None

    def __enter__(self) -> Ours:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.writer.__exit__(kind, error, trace)
        self.listener.terminate()
        self.listener.wait()
        self.directory.cleanup()

    def query(self, sql: str, *values: object) -> Any:
        """The first field of the answer, from a connection of our own that only reads."""
        if self.connection is None:
            self.connection = sqlite3.connect(f"file:{self.home}/hero_logic.db?mode=ro", uri=True)
        return self.connection.execute(sql, values).fetchone()[0]

    def count(self) -> int:
        """How many spans can be read, whole."""
        return int(self.query("SELECT count(*) FROM spans WHERE end_ms IS NOT NULL"))

    def has(self, name: str) -> bool:
        """Whether a span can be read, whole."""
        return bool(self.query("SELECT count(*) FROM spans WHERE name = ? AND end_ms IS NOT NULL", name))

    def shown(self) -> int:
        """How many spans ``hero-logic show`` has, once the listener has ended."""
        assert self.writer.process.stdin
        self.writer.process.stdin.close()
        sid = self.listener.communicate(timeout=_TIMEOUT_S)[0].split()[-1]
        command = [*self.command, "show", sid, "--json"]
        done = subprocess.run(command, env=self.environment, check=True, stdout=subprocess.PIPE)
        return len(json.loads(done.stdout)["spans"])


def spans_per_s(
    writer: Writer, count: Callable[[], int], spans: int, *, tree: int = TREE, batch: int = BATCH
) -> tuple[float, float]:
    """Spans a second until all can be queried, and until the writer was done with them."""
    before = count()
    wanted = before + spans // tree * tree
    told = writer.order("trees", spans=spans, tree=tree, batch=batch)
    began_s = told["began_s"]
    while (found := count()) < wanted:
        now_s = time.monotonic()
        if now_s - began_s > _TIMEOUT_S:
            raise TimeoutError(f"{found - before} of {spans} spans can be queried after {_TIMEOUT_S:g} s")
        # Half of what it will still take: few questions while there is work, and an end that is seen at once.
        rest_s = (now_s - began_s) * (wanted - found) / max(found - before, 1) / 2
        time.sleep(min(max(rest_s, _MIN_PAUSE_S), _MAX_PAUSE_S))
    ended_s = time.monotonic()
    if found != wanted:
        raise ValueError(f"{found - before} spans can be queried where {spans} were sent")
    return spans / (ended_s - began_s), spans / (told["ended_s"] - began_s)


def visible_ms(writer: Writer, has: Callable[[str], bool], name: str) -> float:
    """Milliseconds from before one span begins until it can be queried."""
    told = writer.order("one", name=name)
    while not has(told["trace_id"] or name):
        if time.monotonic() - told["began_s"] > _TIMEOUT_S:
            raise TimeoutError(f"{name} cannot be queried after {_TIMEOUT_S:g} s")
        time.sleep(_ONE_PAUSE_S)
    return (time.monotonic() - float(told["began_s"])) * 1000


def our_round(spans: int, ones: int) -> tuple[float, list[float]]:
    """Spans a second, and the milliseconds of single ones, on a listener of its own."""
    with Ours() as ours:
        spans_per_s(ours.writer, ours.count, TREE)
        single = [visible_ms(ours.writer, ours.has, f"one {number}") for number in range(ones)]
        rate, _ = spans_per_s(ours.writer, ours.count, spans)
        shown = ours.shown()
    assert shown == spans + ones + TREE, shown
    return rate, single


class Beside:
    """What was measured beside one peer."""

    def __init__(self) -> None:
        self.ours: list[float] = []
        self.theirs: list[float] = []
        self.their_big: list[float] = []
        self.their_taken: list[float] = []
        self.our_visible_ms: list[float] = []
        self.their_visible_ms: list[float] = []

    def claims(self, name: str, goal: float) -> list[Claim | NotMeasured]:
        """What we claim, and the figures that say more for the peer."""
        big = f"{name}, trees of {BIG_TREE} in batches of {BIG_BATCH:,}"
        return [
            self._stored(name, self.theirs, goal),
            self._stored(big, self.their_big, None),
            self._stored(f"{name}, spans accepted, stored or not", self.their_taken, None),
            Claim(
                VISIBLE, values=self.our_visible_ms, floor=self.their_visible_ms, floor_name=name, unit="ms",
                goal=VISIBLE_GOAL,
            ),
        ]  # fmt: skip

    def _stored(self, name: str, floor: list[float], goal: float | None) -> Claim:
        return Claim(
            STORED, values=self.ours, floor=floor, floor_name=name, unit="spans/s", goal=goal, better="more"
        )


def warm_up(writer: Writer, server: PeerServer, spans: int) -> None:
    """A round that does not count, and a question to every process: MLflow's first ones take seconds."""
    spans_per_s(writer, server.count, spans)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: server.count(), range(64)))


def measure(server: PeerServer, spans: int, *, rounds: int, ones: int, our_spans: int) -> Beside:
    """Measure beside a server that is running."""
    found = Beside()
    headers = [f"{name}={value}" for name, value in server.headers.items()]
    python = environments.python_of("otel")
    with Writer(python, "otlp", f"{server.url}/v1/traces", *headers) as writer:
        warm_up(writer, server, spans)
        for number in range(rounds):
            rate, taken = spans_per_s(writer, server.count, spans)
            found.theirs.append(rate)
            found.their_taken.append(taken)
            found.their_visible_ms += [
                visible_ms(writer, server.has, f"one {number} {one}") for one in range(ones)
            ]
            rate, single = our_round(our_spans, ones)
            found.ours.append(rate)
            found.our_visible_ms += single
            rate, _ = spans_per_s(
                writer, server.count, spans // BIG_TREE * BIG_TREE, tree=BIG_TREE, batch=BIG_BATCH
            )
            found.their_big.append(rate)
    return found


def not_measured(name: str, goal: float, why: str) -> list[Claim | NotMeasured]:
    """The claims beside a peer that is not there."""
    return [
        NotMeasured(STORED, floor_name=name, unit="spans/s", goal=goal, why=why, better="more"),
        NotMeasured(VISIBLE, floor_name=name, unit="ms", goal=VISIBLE_GOAL, why=why),
    ]


def main() -> int:
    """Measure; 1 if a goal was missed."""
    options = arguments(__doc__ or "")
    # A signal to end is an exit like any other: with blocks end, servers are stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rounds, ones, our_spans = (1, 3, 10_000) if options.quick else (ROUNDS, ONES, OUR_SPANS)
    claims: list[Claim | NotMeasured] = []
    versions: dict[str, str] = {}
    for kind, full, goal in PEERS:
        spans = full // 10 if options.quick else full
        try:
            server = kind()
            versions |= server.versions()
            versions |= environments.versions(environments.python_of("otel"), *otel.PACKAGES)
            with server:
                found = measure(server, spans, rounds=rounds, ones=ones, our_spans=our_spans)
        except environments.NotMade as refusal:
            claims += not_measured(kind.title, goal, str(refusal))
        else:
            claims += found.claims(kind.title, goal)
    return finish("Beside peers: recording spans", claims, options, versions=versions)


if __name__ == "__main__":
    sys.exit(main())
