"""What a span costs from the socket to its committed row, in processor time of the listening process.

A writer process sends spans (a start with two tags, a log, an end: 3 lines) through a real span socket
to a real listener, ingest and SQLite store. Measured: plays of 1,000 and of 100,000 spans, and the floor:
receiving the same bytes, decoding them, and a bare ``executemany`` of as many rows into the same schema.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable

from measure import Claim, arguments, finish, in_turns

from hero_logic.core.records import Sandbox
from hero_logic.core.wire import decode_lines
from hero_logic.runner.span_socket import SpanListener
from hero_logic.service.endings import end_recording
from hero_logic.service.ingest import Ingest
from hero_logic.service.plays import Plays
from hero_logic.store.sqlite import SqliteStore

SMALL = 1_000
LARGE = 100_000
ROUNDS = 5
GROWTH_GOAL = 1.3
_SEND_BYTES = 64 * 1024


def stream_of(spans: int) -> bytes:
    """A play of so many spans, as a writer sends it."""
    lines = []
    for number in range(spans):
        span_id = f"{number:016x}"
        lines.append(
            f'{{"type":"span_start","span_id":"{span_id}","parent_id":"","name":"fetch","kind":"step",'
            f'"start_ms":{1.7e12 + number},"tags":{{"url":"https://example.com/{number}","attempt":1}},'
            f'"source_file":"/flows/f.py","source_line":12}}\n'
            f'{{"type":"span_log","span_id":"{span_id}","text":"a line of a log, as long as most are",'
            f'"ts_ms":{1.7e12 + number + 0.5}}}\n'
            f'{{"type":"span_end","span_id":"{span_id}","status":"ok","end_ms":{1.7e12 + number + 1}}}\n'
        )
    return "".join(lines).encode()


def send(path: str, data: bytes) -> int:
    """Send a stream from a process of its own; its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as writer:
            writer.connect(path)
            for start in range(0, len(data), _SEND_BYTES):
                writer.sendall(data[start : start + _SEND_BYTES])
    finally:
        os._exit(0)


def ingest_us(directory: str, spans: int, plays: int) -> float:
    """Microseconds of processor time a span, over so many plays one after another."""
    data = stream_of(spans)
    path = os.path.join(directory, "bench.db")
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
            pid = send(listener.path, data)
            began_s = time.process_time()
            handle = listener.run()
            os.waitpid(pid, 0)
            report = handle.finish()
            ingest.flush(sid)
            spent_s += time.process_time() - began_s
            assert report.events == spans * 3, report.events
            end_recording(store, ingest, sid, end_ms=time.time() * 1000)
    store.close()
    os.unlink(path)
    return spent_s / (spans * plays) * 1e6


def floor_us(directory: str, spans: int) -> float:
    """The same with nothing but receiving, decoding, and inserting as many rows into the same tables."""
    import sqlite3

    data = stream_of(spans)
    path = os.path.join(directory, "floor.db")
    SqliteStore.open(path).close()
    connection = sqlite3.connect(path, isolation_level=None)
    columns = len(connection.execute("SELECT * FROM spans LIMIT 0").description)
    insert = f"INSERT INTO spans VALUES ({', '.join('?' * columns)})"
    names = [column[0] for column in connection.execute("SELECT * FROM spans LIMIT 0").description]
    sample = {
        "play": 1, "parent_id": "", "name": "fetch", "kind": "step", "start_ms": 1.7e12, "end_ms": 1.7e12,
        "status": "ok", "tags": '{"url":"https://example.com/123","attempt":1}',
        "logs": "[1700000000000] a line of a log, as long as most are", "source_file": "/flows/f.py",
        "source_line": 12, "revision": 7, "log_bytes": 53,
    }  # fmt: skip
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        theirs.sendall(data)
        os._exit(0)
    theirs.close()
    began_s = time.process_time()
    rest = b""
    number = 0
    while chunk := ours.recv(256 * 1024):
        rest += chunk
        end = rest.rfind(b"\n") + 1
        decoded = decode_lines(rest[:end])
        rest = rest[end:]
        ended = len(decoded.events) // 3
        rows = []
        for _ in range(ended):
            values = {**sample, "ordinal": number, "span_id": f"{number:016x}"}
            rows.append([values.get(name, "" if "rpc" in name or name in _TEXT else 0) for name in names])
            number += 1
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(insert, rows)
        connection.execute("COMMIT")
    spent_s = time.process_time() - began_s
    os.waitpid(pid, 0)
    ours.close()
    connection.close()
    os.unlink(path)
    return spent_s / spans * 1e6


_TEXT = ("error", "child_play_sid")


def main() -> int:
    """Measure; 1 if a goal was missed."""
    options = arguments(__doc__ or "")
    large = 10_000 if options.quick else LARGE
    with tempfile.TemporaryDirectory() as directory:
        cases: dict[str, Callable[[], float]] = {
            "floor": lambda: floor_us(directory, large),
            "small": lambda: ingest_us(directory, SMALL, plays=large // SMALL),
            "large": lambda: ingest_us(directory, large, plays=1),
        }
        measured = in_turns(cases, rounds=2 if options.quick else ROUNDS)
    claims = [
        Claim(
            f"a span of a play of {large:,}", values=measured["large"], floor=measured["small"],
            floor_name=f"a span of a play of {SMALL:,}", unit="us", goal=GROWTH_GOAL,
        ),
        Claim(
            f"a span of a play of {large:,}", values=measured["large"], floor=measured["floor"],
            floor_name="receive + decode + bare insert", unit="us", goal=None,
        ),
    ]  # fmt: skip
    return finish("Ingest: processor time from the socket to the committed row", claims, options)


if __name__ == "__main__":
    sys.exit(main())
