"""The service over HTTP: calls beside a bare handler of the same server, and how old an event is when it is
read.

    python benchmarks/service.py [--quick] [--json FILE]

Calls: one process asks over connections that it keeps, as fast as it is answered, over sixteen of them for
the rate and over one for the latency. The floor is an application that reads the body and answers, on the
same server with the same settings, asked in turns with ours.

Events: a process of its own emits through the SDK, as in live.py, and a reader of server-sent events looks
at the clock when it has read one. In between lie the span socket, the fold, the transaction, the reading
back, JSON and a TCP connection. The floor is one call of the bare handler.

Plays: asked for over HTTP, run by two workers of a server, two at a time each, until the last has ended.
"""

from __future__ import annotations

import os
import re
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from live import EMITTER, SOURCE, percentile
from measure import Claim, arguments, finish
from own_server import own_server
from plays import QUICK, starts_a_second

from hero_logic.client import ServiceClient, connect
from hero_logic.server.gate import load_token

HERE = os.path.dirname(os.path.abspath(__file__))
ROUNDS = 5
RATE_GOAL = 0.6
IDLE_GOAL_MS = 50.0
LOADED_GOAL_MS = 150.0
CONNECTIONS = 16
PLAYS = 40
_SENT = re.compile(rb'"sent_ns":(\d+)')


@contextmanager
def hosted(home: str, *words: str) -> Iterator[int]:
    """A process of service_host.py; its port."""
    environment = {
        **os.environ,
        "PYTHONPATH": SOURCE,
        "HERO_LOGIC_HOME": home,
        "HERO_LOGIC_RUNTIME_DIR": home,
    }
    process = subprocess.Popen(
        [sys.executable, os.path.join(HERE, "service_host.py"), *words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout
    try:
        yield int(process.stdout.readline().rpartition(":")[2])
    finally:
        process.terminate()
        process.communicate()


class Asker:
    """Asks over kept connections, one request at a time on each."""

    def __init__(self, port: int, token: str, sid: str, connections: int) -> None:
        body = b'{"jsonrpc":"2.0","id":1,"method":"play_status","params":{"play_sid":"%s"}}' % sid.encode()
        self._request = (
            b"POST /rpc HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s" % (token.encode(), len(body), body)
        )
        self._peers = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
        self._poll = select.epoll()
        self._by_number = {}
        for peer in self._peers:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._poll.register(peer, select.EPOLLIN)
            self._by_number[peer.fileno()] = peer

    def ask(self, seconds: float) -> list[float]:
        """How long each answer took, in milliseconds."""
        sent_s = {}
        taken_ms: list[float] = []
        for number, peer in self._by_number.items():
            sent_s[number] = time.perf_counter()
            peer.sendall(self._request)
        until_s = time.perf_counter() + seconds
        is_over = False
        while sent_s:
            for number, _ in self._poll.poll(5):
                if not self._by_number[number].recv(65536).rstrip().endswith(b"}"):
                    continue
                now_s = time.perf_counter()
                taken_ms.append((now_s - sent_s.pop(number)) * 1000)
                is_over = is_over or now_s > until_s
                if not is_over:
                    sent_s[number] = time.perf_counter()
                    self._by_number[number].sendall(self._request)
        return taken_ms

    def close(self) -> None:
        """Close them."""
        self._poll.close()
        for peer in self._peers:
            peer.close()


class Calls:
    """Figures of calls, ours or the floor's."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.p50_ms: list[float] = []
        self.p99_ms: list[float] = []

    def measure(self, port: int, token: str, seconds: float, *, counts: bool) -> None:
        """One round of both kinds."""
        many = Asker(port, token, "live", CONNECTIONS)
        rate = len(many.ask(seconds)) / seconds
        many.close()
        one = Asker(port, token, "live", 1)
        taken_ms = one.ask(seconds)
        one.close()
        if counts:
            self.rates.append(rate)
            self.p50_ms.append(percentile(taken_ms, 50))
            self.p99_ms.append(percentile(taken_ms, 99))


def ages_ms(port: int, token: str, span_socket: str, kind: str, seconds: float) -> list[float]:
    """The age of each timed event when a reader had it, in milliseconds."""
    environment = {"PYTHONPATH": SOURCE, "HERO_FLOW_SPAN_SOCK": span_socket, "PATH": os.environ["PATH"]}
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.sendall(
            b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n\r\n" % token.encode()
        )
        assert b"200 OK" in peer.recv(65536)
        emitter = subprocess.Popen([sys.executable, "-c", EMITTER, kind, str(seconds)], env=environment)
        ages: list[float] = []
        newest = 0
        rest = b""
        peer.settimeout(0.5)
        while True:
            try:
                piece = peer.recv(1 << 20)
            except TimeoutError:
                if emitter.poll() is not None:
                    break
                continue
            now_ns = time.monotonic_ns()
            text = rest + piece
            for found in _SENT.finditer(text, 0, max(len(text) - 40, 0)):
                sent_ns = int(found[1])
                if sent_ns > newest:
                    newest = sent_ns
                    ages.append((now_ns - sent_ns) / 1e6)
            rest = text[-60:]
    assert emitter.returncode == 0
    return ages


@contextmanager
def two_workers(home: str) -> Iterator[ServiceClient]:
    """A client of a server whose plays are run by two workers, two at a time each."""
    options = ("--workers", "2", "--plays", "2")
    with own_server(home, *options) as url, connect(url, token=load_token(home)) as service:
        service.flow_put("quick", python_source=QUICK)
        yield service


def plays_a_second(service: ServiceClient, count: int) -> float:
    """Over HTTP, from the first that is asked for to the last that has ended ok."""
    began_s = time.perf_counter()
    sids = [service.play_run_async("quick") for _ in range(count)]
    for sid in sids:
        assert service.play_wait(sid, timeout_ms=60_000).status == "ok"
    return count / (time.perf_counter() - began_s)


def wait_for(path: str) -> None:
    """Until a socket is there."""
    until_s = time.monotonic() + 10
    while not os.path.exists(path):
        assert time.monotonic() < until_s, path
        time.sleep(0.01)


def main() -> int:
    """Measure; 1 if a goal was missed."""
    options = arguments(__doc__ or "")
    rounds, seconds = (1, 0.5) if options.quick else (ROUNDS, 3.0)
    ours, bare = Calls(), Calls()
    ages: dict[tuple[str, int], list[float]] = {}
    with tempfile.TemporaryDirectory() as home:
        token = load_token(home)
        span_socket = os.path.join(home, "live.sock")
        with hosted(home, "live", span_socket) as port, hosted(home, "bare") as bare_port:
            wait_for(span_socket)
            for number in range(rounds + 1):
                bare.measure(bare_port, token, seconds, counts=number > 0)
                ours.measure(port, token, seconds, counts=number > 0)
            for _ in range(rounds):
                for kind in ("idle", "loaded"):
                    found = ages_ms(port, token, span_socket, kind, max(seconds, 1.0))
                    for percent in (50, 99):
                        ages.setdefault((kind, percent), []).append(percentile(found, percent))
    plays = 10 if options.quick else PLAYS
    with tempfile.TemporaryDirectory() as home, two_workers(home) as service:
        plays_a_second(service, 8)
        rates = [plays_a_second(service, plays) for _ in range(rounds)]
        floor = [starts_a_second(plays) for _ in range(rounds)]
    claims = [
        *claims_of(ours, bare, ages),
        Claim(
            "plays a second over HTTP, two workers", values=rates, floor=floor,
            floor_name="starts of Python, two at a time", unit="plays/s", goal=None, better="more",
        ),
    ]  # fmt: skip
    return finish("The service over HTTP", claims, options)


def claims_of(ours: Calls, bare: Calls, ages: dict[tuple[str, int], list[float]]) -> Sequence[Claim]:
    """What is claimed of the figures."""
    floor = {"floor_name": "a bare handler", "unit": "ms", "goal": None}
    goals = {("idle", 99): IDLE_GOAL_MS, ("loaded", 99): LOADED_GOAL_MS}
    one_call = [statistics.median(bare.p50_ms)]
    names = {
        "idle": "an event of an idle play at a reader",
        "loaded": "an event at a reader at 20,000 events/s",
    }
    return [
        Claim("play_status, 16 connections", values=ours.rates, floor=bare.rates, floor_name="a bare handler",
              unit="calls/s", goal=RATE_GOAL, better="more"),
        Claim("p50 of play_status", values=ours.p50_ms, floor=bare.p50_ms, **floor),  # type: ignore[arg-type]
        Claim("p99 of play_status", values=ours.p99_ms, floor=bare.p99_ms, **floor),  # type: ignore[arg-type]
        *(
            Claim(f"p{percent} of {names[kind]}", values=values, floor=one_call, floor_name="a bare call",
            unit="ms",
                  goal=None, limit=goals.get((kind, percent)))
            for (kind, percent), values in ages.items()
        ),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
