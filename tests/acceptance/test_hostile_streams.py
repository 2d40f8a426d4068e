"""Streams that no honest writer sends, through ``listen`` and ``ingest``: recorded, bounded, told."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.command import hero_logic, last_line, shown, start

MIB = 1 << 20
START = b'{"type":"span_start","span_id":"a","name":"one","start_ms":1}\n'
END = b'{"type":"span_end","span_id":"a","status":"ok","end_ms":2}\n'
NO_COUNTERS = {"events": 0, "malformed": 0, "oversize": 0, "repeated": 0, "truncated": 0}

Write = Callable[[socket.socket], None]


def connect(path: str) -> socket.socket:
    writer = socket.socket(socket.AF_UNIX)
    writer.connect(path)
    return writer


@contextmanager
def listening(directory: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A listener that accepts connects, and its path."""
    path = str(directory / "s.sock")
    with start("listen", "--socket", path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"listening on {path}\n".encode()
        try:
            yield process, path
        finally:
            process.kill()


def listen_to(directory: Path, write: Write) -> tuple[dict[str, Any], str]:
    """What a listener makes of one connection: the play, and what it said on standard error."""
    with listening(directory) as (process, path):
        with connect(path) as writer:
            write(writer)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return shown(last_line(output)), errors.decode()


def ingest(data: bytes) -> tuple[dict[str, Any], str]:
    """What becomes of the same bytes from standard input."""
    result = hero_logic("ingest", "-", stdin=data)
    assert result.returncode == 0, result.stderr
    return shown(last_line(result.stdout)), result.stderr.decode()


def both_ways(directory: Path, data: bytes) -> dict[str, Any]:
    """The counters of a stream, which are the same through a socket and from a file."""
    listened, errors = listen_to(directory, lambda writer: writer.sendall(data))
    ingested, same_errors = ingest(data)
    assert "Traceback" not in errors + same_errors
    assert listened["counters"] == ingested["counters"]
    assert [_facts(span) for span in listened["spans"]] == [_facts(span) for span in ingested["spans"]]
    return listened


def _facts(span: dict[str, Any]) -> list[Any]:
    # Without times: where none came, it is that of the receipt.
    logs = re.sub(r"^\[-?\d+\]", "", span["logs"], flags=re.MULTILINE)
    return [*(span[key] for key in ("span_id", "name", "status", "error", "tags")), logs]


def peak_memory_kib(pid: int) -> int:
    """The most memory that a process has had by now."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise AssertionError(f"{pid} has no VmHWM")


WRITER = """
import os, socket, sys
writer = socket.socket(socket.AF_UNIX)
writer.connect(sys.argv[1])
writer.sendall(sys.stdin.buffer.read())
print("sent", flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_writer_that_is_killed_in_the_middle_of_a_line_costs_that_line_alone(tmp_path: Path) -> None:
    """What it had written before is there; its open span has failed."""
    with listening(tmp_path) as (process, path):
        cut = START + b'{"type":"span_log","span_id":"a","text":"one","ts_ms":1}\n{"type":"span_end","spa'
        killed = subprocess.run(
            [sys.executable, "-c", WRITER, path], input=cut, capture_output=True, check=False
        )
        output, errors = process.communicate(timeout=30)
    play = shown(last_line(output))

    assert killed.returncode == -signal.SIGKILL
    assert play["counters"] == {**NO_COUNTERS, "events": 2, "malformed": 1}
    assert (play["status"], play["spans"][0]["status"], play["spans"][0]["logs"]) == (
        "failed",
        "failed",
        "[1] one",
    )
    assert errors.count(b"malformed line") == 1


def test_a_last_line_without_its_newline_counts_if_it_is_whole(tmp_path: Path) -> None:
    """A writer may have been killed between the two."""
    assert both_ways(tmp_path, START + END[:-1])["counters"] == {**NO_COUNTERS, "events": 2}


def test_a_writer_of_single_bytes_is_read_like_any_other(tmp_path: Path) -> None:
    """Characters of several bytes are cut anywhere."""
    text = '{"type":"span_start","span_id":"é","name":"流れ\U0001f600","start_ms":1}\r\n'
    text += '{"type":"span_end","span_id":"é","status":"ok"}'

    def write(writer: socket.socket) -> None:
        for byte in text.encode():
            writer.sendall(bytes([byte]))

    play, errors = listen_to(tmp_path, write)

    assert (play["status"], play["counters"], errors) == ("ok", {**NO_COUNTERS, "events": 2}, "")
    assert play["spans"][0]["name"] == "流れ\U0001f600"


def test_a_hundred_connections_at_once_are_one_play(tmp_path: Path) -> None:
    """All open at the same time, their lines in pieces among each other."""
    with listening(tmp_path) as (process, path):
        writers = [connect(path) for _ in range(100)]
        lines = [
            f'{{"type":"span_start","span_id":"{number}","name":"{number}"}}\n'
            f'{{"type":"span_end","span_id":"{number}","status":"ok"}}\n'.encode()
            for number in range(100)
        ]
        for begin in range(0, 110, 10):
            for writer, line in zip(writers, lines, strict=True):
                writer.sendall(line[begin : begin + 10])
        for writer in writers:
            writer.close()
        output, errors = process.communicate(timeout=60)
    play = shown(last_line(output))

    assert errors == b""
    assert (play["status"], play["counters"]) == ("ok", {**NO_COUNTERS, "events": 200})
    assert sorted(span["name"] for span in play["spans"]) == sorted(str(number) for number in range(100))


def test_writers_in_parallel_lose_nothing(tmp_path: Path) -> None:
    """Twenty threads, three hundred logs each: every one is there, in its writer's order."""
    with listening(tmp_path) as (process, path), connect(path):

        def write(number: int) -> None:
            with connect(path) as writer:
                for log in range(300):
                    line = f'{{"type":"span_log","span_id":"{number}","text":"{log}","ts_ms":0}}\n'
                    writer.sendall(line.encode())

        threads = [threading.Thread(target=write, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    play = shown(last_line(output))

    assert play["counters"] == {**NO_COUNTERS, "events": 6000}
    assert {span["logs"] for span in play["spans"]} == {"\n".join(f"[0] {log}" for log in range(300))}


def line_of(size: int, end: bytes) -> bytes:
    """An event whose line has so many bytes before its newline."""
    head, tail = b'{"type":"span_log","span_id":"a","ts_ms":0,"text":"', b'"}'
    return head + b"x" * (size - len(head) - len(tail) - len(end) + 1) + tail + end


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_a_line_of_a_mebibyte_is_kept_and_one_byte_more_is_not(tmp_path: Path, end: bytes) -> None:
    """The bytes before the newline count, a CR among them; the stream goes on after it."""
    at_limit = line_of(MIB, end)
    over = line_of(MIB + 1, end)
    play = both_ways(tmp_path, START + at_limit + over + END)

    assert (len(at_limit), len(over)) == (MIB + 1, MIB + 2)
    assert play["counters"]["events"] == 3
    assert play["counters"]["oversize"] == 1
    assert play["counters"]["malformed"] == 0
    assert play["spans"][0]["status"] == "ok"
    assert len(play["spans"][0]["logs"]) > MIB - 200


@pytest.mark.parametrize("byte", [b"x", b" "], ids=["text", "blank"])
def test_a_last_line_that_is_too_long_counts_once(tmp_path: Path, byte: bytes) -> None:
    """Also a blank one, and also without a newline."""
    assert both_ways(tmp_path, START + END + byte * (MIB + 1))["counters"] == {
        **NO_COUNTERS,
        "events": 2,
        "oversize": 1,
    }


def test_an_endless_line_takes_bounded_memory(tmp_path: Path) -> None:
    """200 MB without a newline cost the listener less than 60 MB more than nothing did."""
    with listening(tmp_path) as (process, path), connect(path) as writer:
        writer.sendall(START)
        before_kib = peak_memory_kib(process.pid)
        for _ in range(200):
            writer.sendall(b"x" * 1_000_000)
        writer.sendall(b"\n" + END)
        peak_kib = peak_memory_kib(process.pid)
        writer.close()
        output, errors = process.communicate(timeout=60)
    play = shown(last_line(output))

    assert peak_kib - before_kib < 60_000
    assert (play["status"], play["counters"]) == ("ok", {**NO_COUNTERS, "events": 2, "oversize": 1})
    assert errors.count(b"\n") == 1


def test_endless_lines_on_many_connections_share_their_memory(tmp_path: Path) -> None:
    """A mebibyte each on a hundred connections is past the budget: the longest are given up, and counted."""
    with listening(tmp_path) as (process, path):
        before_kib = peak_memory_kib(process.pid)
        writers = [connect(path) for _ in range(100)]
        for writer in writers:
            writer.sendall(b" " * (MIB - 100))
        for writer in writers:
            writer.sendall(b"\n" + START)
        peak_kib = peak_memory_kib(process.pid)
        for writer in writers:
            writer.close()
        output, _ = process.communicate(timeout=60)
    counters = shown(last_line(output))["counters"]

    assert peak_kib - before_kib < 160_000
    assert (counters["events"], counters["malformed"]) == (100, 0)
    assert 30 <= counters["oversize"] <= 60


def test_garbage_is_counted_line_by_line(tmp_path: Path) -> None:
    """Random bytes, seeded: a stream of them is a play without events."""
    data = random.Random(20240229).randbytes(300_000)
    lines = [line for line in data.split(b"\n") if line.strip(b" \t\r")]
    play = both_ways(tmp_path, START + data + b"\n" + END)

    assert play["counters"] == {**NO_COUNTERS, "events": 2, "malformed": len(lines)}
    assert [span["name"] for span in play["spans"]] == ["one"]


def test_events_that_were_damaged_at_random_stop_nothing(tmp_path: Path) -> None:
    """One byte of each line is another one: every line is an event or is counted."""
    dice = random.Random(7)
    lines = []
    for number in range(2000):
        line = bytearray(
            f'{{"type":"span_log","span_id":"s{number % 7}","text":"t{number}","ts_ms":{number}}}'.encode()
        )
        line[dice.randrange(len(line))] = dice.choice([b for b in range(256) if b != 10])
        lines.append(bytes(line))
    counters = both_ways(tmp_path, b"\n".join(lines) + b"\n")["counters"]

    assert counters["events"] + counters["malformed"] == 2000
    assert min(counters["events"], counters["malformed"]) > 100


def test_deep_nesting_and_huge_numbers_stop_nothing(tmp_path: Path) -> None:
    """What would break a reader that recurses, or one that believes numbers."""
    tag = b'{"type":"span_tag","span_id":"a","tags":{"k":%s}}\n'
    horrors = [
        b"[" * 400_000,
        b"[" * 63 + b"]" * 63,
        b'{"a":' * 500_000,
        b"1e999",
        b"-1e999",
        b"9" * 5000,
        b"NaN",
    ]
    fine = [b"[" * 62 + b"]" * 62, b"18446744073709551616", b"1e308", b'"\\ud800"', b'"\\u0000"']
    play = both_ways(tmp_path, START + b"".join(tag % value for value in [*horrors, *fine]) + END)
    counters = play["counters"]

    assert (counters["events"], counters["malformed"] + counters["oversize"]) == (2 + len(fine), len(horrors))
    assert play["spans"][0]["tags"]["k"] == "\ufffd"


ESCAPES = "\x1b[2J\x1b]0;title\x07\x9b31m\r\x08\x7f\u202e"
HOSTILE = [
    {"type": "span_start", "span_id": ESCAPES, "name": f"name {ESCAPES}", "tags": {ESCAPES: ESCAPES}},
    {"type": "span_log", "span_id": ESCAPES, "text": f"log {ESCAPES}\nnext {ESCAPES}", "level": ESCAPES},
    {"type": "span_start", "span_id": "b", "name": ESCAPES, "parent_id": ESCAPES, "kind": ESCAPES},
    {"type": "span_tag", "span_id": "b", "tags": {"hero.unknown_status": ESCAPES, "hero.total": ESCAPES}},
    {"type": "span_end", "span_id": "b", "status": ESCAPES, "error": f"error {ESCAPES}"},
    {"type": "span_end", "span_id": ESCAPES, "status": "failed", "error": f"error {ESCAPES}\n{ESCAPES}"},
]  # fmt: skip


def test_escape_sequences_never_reach_a_terminal(tmp_path: Path) -> None:
    """Whatever field they come in: neither ``show`` nor ``ls`` nor a warning has one of them raw."""
    lines = [json.dumps(event, ensure_ascii=False).encode() for event in HOSTILE]
    lines += [f"no event {ESCAPES}".encode(), b'{"type":"' + ESCAPES.encode() + b'"}']
    hello = {"type": "hello", "protocol": 7, "writer": ESCAPES}
    data = json.dumps(hello).encode() + b"\n" + b"\n".join(lines)
    play, errors = listen_to(tmp_path, lambda writer: writer.sendall(data))
    pages = [errors, ingest(data)[1]]
    for verb in ("show last", "show last --logs", "ls"):
        pages += [hero_logic(*verb.split()).stdout.decode()]

    assert play["counters"]["malformed"] == 2
    assert play["spans"][0]["tags"][ESCAPES] == ESCAPES
    for page in pages:
        assert [hex(ord(c)) for c in page if not c.isprintable() and c != "\n"] == []


def test_the_preview_of_a_malformed_line_is_bounded(tmp_path: Path) -> None:
    """At most 200 characters of it, on one line."""
    _, errors = listen_to(tmp_path, lambda writer: writer.sendall(b"\x1b" * 500_000 + b"\n"))
    [line] = errors.splitlines()

    assert line.startswith("hero-logic: warning: malformed line (")
    assert len(re.sub(r"^.*?\): ", "", line)) <= 200


def test_many_malformed_lines_are_not_told_one_by_one(tmp_path: Path) -> None:
    """A million of them must not fill a log; the number is told."""
    data = b"\x00\n" * 200_000
    _, errors = listen_to(tmp_path, lambda writer: writer.sendall(data))

    assert len(errors.splitlines()) == 101
    assert errors.splitlines()[-1] == "hero-logic: warning: 199900 more lines were malformed or too long"


def test_a_connection_that_is_reset_is_an_end_like_any_other(tmp_path: Path) -> None:
    """Closed with data unread on its side, without a word, or only half."""
    with listening(tmp_path) as (process, path), connect(path) as first:
        connect(path).close()
        with connect(path) as half:
            half.sendall(START)
            half.shutdown(socket.SHUT_WR)
        first.sendall(END)
        first.close()
        output, errors = process.communicate(timeout=30)

    assert errors == b""
    assert shown(last_line(output))["counters"]["events"] == 2


def test_a_listener_stays_within_its_descriptors(tmp_path: Path) -> None:
    """More connections than it may have open wait their turn; none is lost."""
    import resource

    path = str(tmp_path / "s.sock")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        process = start("listen", "--socket", path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert process.stdout is not None
    process.stdout.readline()
    writers = [connect(path) for _ in range(300)]
    for number, writer in enumerate(writers):
        writer.sendall(b'{"type":"span_tag","span_id":"%d","tags":{}}\n' % number)
    for writer in writers:
        writer.close()
    output, errors = process.communicate(timeout=60)

    assert (process.returncode, errors) == (0, b"")
    assert shown(last_line(output))["counters"]["events"] == 300


def test_a_stream_that_is_read_while_it_is_written_loses_nothing(tmp_path: Path) -> None:
    """Fifty thousand events as fast as they go: the writer waits for the store, not the other way round."""
    lines = b"".join(
        b'{"type":"span_tag","span_id":"%d","tags":{"n":%d}}\n' % (n % 50, n) for n in range(50_000)
    )
    play, errors = listen_to(tmp_path, lambda writer: writer.sendall(lines))

    assert errors == ""
    assert play["counters"]["events"] == 50_000
    assert [span["tags"]["n"] for span in play["spans"]] == list(range(49_950, 50_000))


def test_what_is_in_the_socket_when_the_signal_comes_is_recorded(tmp_path: Path) -> None:
    """The end of the input is after what was sent before it, and after a connect that nobody accepted yet."""
    with listening(tmp_path) as (process, path):
        os.kill(process.pid, signal.SIGSTOP)
        writer = connect(path)
        writer.sendall(START + END)
        process.send_signal(signal.SIGTERM)
        os.kill(process.pid, signal.SIGCONT)
        output, _ = process.communicate(timeout=30)
        writer.close()
    play = shown(last_line(output))

    assert (play["status"], play["counters"]["events"]) == ("ok", 2)
