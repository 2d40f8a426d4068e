"""What a span costs from the socket to its committed row: processor time, growth, memory.

    python benchmarks/ingest.py [--quick] [--json FILE]

A writer process sends spans (a start with two tags, a log, an end: 3 lines, one write each, as the SDK does)
through a real span socket to the real listener, ingest and SQLite store. Two kinds of play: ``one batch``,
where a span begins and ends within a moment, and ``apart``, where 2,000 others begin before it ends, so that
its row is written twice.

The floor is what nobody can leave out, measured in turns with the rest: receiving the same writes, decoding
them, and a bare ``executemany`` of the same rows into the same schema with all its indexes (for ``apart``: of
the rows as they began, and the update of each).
"""

from __future__ import annotations

import os
import resource
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

from measure import Claim, arguments, finish, in_turns

from hero_logic.core.lines import LineBuffer
from hero_logic.core.records import Sandbox
from hero_logic.core.wire import decode_lines
from hero_logic.runner.span_socket import SpanListener
from hero_logic.service.endings import end_recording
from hero_logic.service.ingest import Ingest
from hero_logic.service.plays import Plays
from hero_logic.store.sqlite import SqliteStore

SMALL = 1_000
MIDDLE = 50_000
LARGE = 1_000_000
ROUNDS = 5
FLOOR_GOAL = 1.5
GROWTH_GOAL = 1.3
MEMORY_GOAL_MB = 10.0
_APART = 2_000
_RECV_BYTES = 128 * 1024
_ROWS_A_TRANSACTION = 2_000
_END_COLUMNS = ("end_ms", "status", "error", "log_bytes", "protected_tags", "revision", "tags")


def events_of(spans: int, *, apart: int) -> Iterator[bytes]:
    """The lines of a play of so many spans, each of which ends once ``apart`` others have begun."""
    for number in range(spans + apart):
        if number < spans:
            span_id = f"{number:016x}"
            yield (
                f'{{"type":"span_start","span_id":"{span_id}","name":"fetch","start_ms":{1.7e12 + number}'
                f',"parent_id":"{max(0, number // 20 - 1):016x}","kind":"step"'
                f',"tags":{{"url":"https://example.com/{number}","attempt":1}}'
                f',"source_file":"/flows/f.py","source_line":12}}\n'
            ).encode()
            yield (
                f'{{"type":"span_log","span_id":"{span_id}","text":"a line of a log, as long as most are"'
                f',"ts_ms":{1.7e12 + number + 0.5}}}\n'
            ).encode()
        if number >= apart:
            ended = number - apart
            yield (
                f'{{"type":"span_end","span_id":"{ended:016x}","status":"ok"'
                f',"end_ms":{1.7e12 + ended + 1 + ended % 7}}}\n'
            ).encode()


def start_writer(connect: Callable[[], socket.socket], spans: int, apart: int) -> int:
    """Send a play from a process of its own, one write a line; its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        with connect() as writer:
            descriptor = writer.fileno()
            for line in events_of(spans, apart=apart):
                sent = os.write(descriptor, line)
                assert sent == len(line)
    finally:
        os._exit(0)


def _connected_to(path: str) -> Callable[[], socket.socket]:
    def connect() -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.connect(path)
        return made

    return connect


def _cpu_s() -> float:
    """Processor time of this process, without that of the writers it waited for."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def ingest_us(directory: str, spans: int, *, plays: int = 1, apart: int = 0, keep: str = "") -> float:
    """Microseconds of processor time a span, over so many plays one after another."""
    path = keep or os.path.join(directory, "bench.db")
    store = SqliteStore.open(path)
    service = Plays(store, now_ms=lambda: time.time() * 1000, runtime_sid="bench")
    spent_s = 0.0
    with Ingest(store, now_ms=lambda: time.time() * 1000) as ingest:
        for number in range(plays):
            sid = f"bench-{spans}-{number}-{time.time_ns()}"
            service.create(sid)
            service.begin(sid, Sandbox())
            listener = SpanListener.with_socket_path(sid, ingest.open(sid), os.path.join(directory, "s.sock"))
            listener.bind()
            pid = start_writer(_connected_to(listener.path), spans, apart)
            began_s = _cpu_s()
            handle = listener.run()
            os.waitpid(pid, 0)
            handle.finish()
            ingest.flush(sid)
            spent_s += _cpu_s() - began_s
            events = store.get_play(sid).counters.events
            assert events == spans * 3, events
            if not keep:
                end_recording(store, ingest, sid, end_ms=time.time() * 1000)
    store.close()
    if not keep:
        _remove(path)
    return spent_s / (spans * plays) * 1e6


Rows = list[tuple[object, ...]]


def rows_of(directory: str, spans: int, *, apart: int) -> tuple[list[str], Rows, Rows]:
    """The rows that the runtime makes of a play: names of columns, values, pieces of logs."""
    path = os.path.join(directory, "rows.db")
    ingest_us(directory, spans, apart=apart, keep=path)
    connection = sqlite3.connect(path)
    cursor = connection.execute("SELECT * FROM spans ORDER BY ordinal")
    names = [column[0] for column in cursor.description]
    rows = cursor.fetchall()
    logs = connection.execute("SELECT play, ordinal, chunk, text FROM span_logs ORDER BY ordinal").fetchall()
    connection.close()
    _remove(path)
    return names, rows, logs


class Floor:
    """Receiving, decoding and inserting, and nothing else."""

    def __init__(self, directory: str, spans: int, *, apart: int) -> None:
        self._path = os.path.join(directory, "floor.db")
        self._spans = spans
        self._apart = apart
        self._names, self._rows, self._logs = rows_of(directory, spans, apart=apart)

    def __call__(self) -> float:
        """Microseconds of processor time a span."""
        began_s = _cpu_s()
        self._receive()
        spent_s = _cpu_s() - began_s
        SqliteStore.open(self._path).close()
        connection = sqlite3.connect(self._path, isolation_level=None)
        spent_s += self._insert(connection)
        connection.close()
        _remove(self._path)
        return spent_s / self._spans * 1e6

    def _receive(self) -> None:
        ours, theirs = socket.socketpair()
        pid = start_writer(lambda: theirs, self._spans, self._apart)
        theirs.close()
        lines = LineBuffer()
        events = 0
        while data := ours.recv(_RECV_BYTES):
            events += len(decode_lines(lines.feed(data)).events)
        os.waitpid(pid, 0)
        ours.close()
        assert events == self._spans * 3, events

    def _insert(self, connection: sqlite3.Connection) -> float:
        """The processor time that it takes, in seconds."""
        names = self._names
        insert = f"INSERT INTO spans ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        add_logs = "INSERT INTO span_logs (play, ordinal, chunk, text) VALUES (?, ?, ?, ?)"
        update = f"UPDATE spans SET {' = ?, '.join(_END_COLUMNS)} = ? WHERE play = ? AND ordinal = ?"
        began, ended = self._began_and_ended() if self._apart else (self._rows, [])
        began_s = _cpu_s()
        for begin in range(0, len(began) + self._apart, _ROWS_A_TRANSACTION):
            end = begin + _ROWS_A_TRANSACTION
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(insert, began[begin:end])
            connection.executemany(add_logs, self._logs[begin:end])
            connection.executemany(update, ended[max(0, begin - self._apart) : max(0, end - self._apart)])
            connection.execute("COMMIT")
        return _cpu_s() - began_s

    def _began_and_ended(self) -> tuple[Rows, Rows]:
        """The rows as they were while the spans ran, and what their end made of them."""
        names = self._names
        play, ordinal = names.index("play"), names.index("ordinal")
        was = {names.index("end_ms"): None, names.index("status"): "running"}
        began: Rows = []
        ended: Rows = []
        for row in self._rows:
            running = {**was, names.index("revision"): row[ordinal]}
            began.append(tuple(running.get(index, value) for index, value in enumerate(row)))
            ended.append((*(row[names.index(name)] for name in _END_COLUMNS), row[play], row[ordinal]))
        return began, ended


def peak_mb(spans: int) -> float:
    """The most memory that a process of its own held while it took in a play of so many spans, in MB."""
    command = [sys.executable, os.path.abspath(__file__), "--peak", str(spans)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def _print_peak(spans: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        ingest_us(directory, spans)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _remove(path: str) -> None:
    for suffix in ("", "-wal", "-shm"):
        if os.path.exists(path + suffix):
            os.unlink(path + suffix)


def main() -> int:
    """Measure; 1 if a goal was missed."""
    if sys.argv[1:2] == ["--peak"]:
        _print_peak(int(sys.argv[2]))
        return 0
    options = arguments(__doc__ or "")
    rounds = 2 if options.quick else ROUNDS
    middle, large = (5_000, 20_000) if options.quick else (MIDDLE, LARGE)
    with tempfile.TemporaryDirectory() as directory:
        cases: dict[str, Callable[[], float]] = {
            "floor": Floor(directory, middle, apart=0),
            "one batch": lambda: ingest_us(directory, middle),
            "floor apart": Floor(directory, middle, apart=_APART),
            "apart": lambda: ingest_us(directory, middle, apart=_APART),
        }
        measured = in_turns(cases, rounds=rounds)
        growth = in_turns(
            {
                "small": lambda: ingest_us(directory, SMALL, plays=max(10, middle // SMALL)),
                "large": lambda: ingest_us(directory, large),
            },
            rounds=rounds,
        )
        memory = in_turns({"small": lambda: peak_mb(SMALL), "large": lambda: peak_mb(large)}, rounds=rounds)
    return finish(
        "Ingest: from the socket to the committed row", claims(measured, growth, memory, large), options
    )


def claims(
    measured: dict[str, list[float]],
    growth: dict[str, list[float]],
    memory: dict[str, list[float]],
    large: int,
) -> list[Claim]:
    """What is claimed of it."""
    floor_name = "receive + decode + bare insert"
    grown_mb = sorted(big - small for big, small in zip(memory["large"], memory["small"], strict=True))
    return [
        Claim(
            "a span that begins and ends in one batch", values=measured["one batch"],
            floor=measured["floor"], floor_name=floor_name, unit="us", goal=FLOOR_GOAL,
        ),
        Claim(
            "a span that ends in a later batch", values=measured["apart"],
            floor=measured["floor apart"], floor_name=floor_name, unit="us", goal=FLOOR_GOAL,
        ),
        Claim(
            f"a span of a play of {large:,}", values=growth["large"],
            floor=growth["small"], floor_name=f"a span of a play of {SMALL:,}", unit="us", goal=GROWTH_GOAL,
        ),
        Claim(
            f"peak memory of a play of {large:,}, more than of {SMALL:,}", values=grown_mb,
            floor=[MEMORY_GOAL_MB], floor_name="the 10 MB allowed", unit="MB", goal=1.0,
        ),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
