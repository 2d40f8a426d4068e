"""Writers that mean harm, or do not know better: what they send, without an end.

As a program: ``python -m support.hostile KIND SOCKET`` writes one kind to a socket until it is killed.
"""

from __future__ import annotations

import itertools
import json
import random
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

MIB = 1 << 20
BLOCK_BYTES = 64 * 1024


class Block(NamedTuple):
    """Some bytes of a stream, and what lines end in them."""

    data: bytes
    events: int = 0
    malformed: int = 0
    hellos: int = 0


def events_block(events: list[dict[str, Any]]) -> Block:
    lines = [json.dumps(event, separators=(",", ":")).encode() + b"\n" for event in events]
    return Block(b"".join(lines), events=len(events))


def start(span_id: str, **more: object) -> dict[str, Any]:
    return {"type": "span_start", "span_id": span_id, "name": "n", "start_ms": 1, **more}


def log(span_id: str, text: str = "a line of a log, as long as most are") -> dict[str, Any]:
    return {"type": "span_log", "span_id": span_id, "text": text, "ts_ms": 2}


def end(span_id: str) -> dict[str, Any]:
    return {"type": "span_end", "span_id": span_id, "status": "ok", "end_ms": 3}


def hello(writer: str) -> bytes:
    return b'{"type":"hello","protocol":1,"writer":"%b"}\n' % writer.encode()


def well_behaved() -> Iterator[Block]:
    """Spans as the SDK writes them."""
    for first in itertools.count(0, 20):
        events = []
        for number in range(first, first + 20):
            span_id = f"{number:016x}"
            tags = {"url": f"https://example.com/{number}", "attempt": 1}
            events += [start(span_id, tags=tags, kind="step"), log(span_id), end(span_id)]
        yield events_block(events)


def endless_line() -> Iterator[Block]:
    """Not one newline."""
    while True:
        yield Block(b"x" * BLOCK_BYTES)


def one_byte_lines() -> Iterator[Block]:
    while True:
        yield Block(b"x\n" * (BLOCK_BYTES // 2), malformed=BLOCK_BYTES // 2)


def every_other_line_malformed() -> Iterator[Block]:
    """No chunk of it can be read in one go."""
    for number in itertools.count():
        block = events_block([log(f"{number % 50}")])
        yield Block((block.data + b'{"type":"span_log","span_id":7}\n') * 200, events=200, malformed=200)


def distinct_spans() -> Iterator[Block]:
    for first in itertools.count(0, 500):
        yield events_block([start(f"{number}") for number in range(first, first + 500)])


def one_span_of_many_logs() -> Iterator[Block]:
    while True:
        yield events_block([log("a")] * 500)


def many_keys() -> Iterator[Block]:
    """Tags of ten thousand keys in one line, then key by key."""
    yield events_block([{"type": "span_tag", "span_id": "a", "tags": {f"k{n}": n for n in range(10_000)}}])
    for first in itertools.count(0, 200):
        keys = range(first, first + 200)
        yield events_block([{"type": "span_tag", "span_id": "b", "tags": {f"k{key}": key}} for key in keys])


def nested_tags() -> Iterator[Block]:
    """As much work a byte as JSON allows."""
    value: Any = 1e-300
    for _ in range(60):
        value = [value]
    for number in itertools.count():
        yield events_block([{"type": "span_tag", "span_id": f"{number}", "tags": {"k": [value] * 100}}])


def small_values() -> Iterator[Block]:
    """Tags that take twenty times the memory of their text, on spans that do not end."""
    for number in itertools.count():
        yield events_block([start(f"{number}", tags={"k": [[]] * 20_000})])


def heavy_tags() -> Iterator[Block]:
    """Spans of 60 KiB each, touched again and again by tiny events in another order."""
    dice = random.Random(5)
    ids = [f"{number}" for number in range(300)]
    for span_id in ids:
        yield events_block([start(span_id, tags={"t": "x" * 60_000})])
    while True:
        dice.shuffle(ids)
        yield events_block([{"type": "span_tag", "span_id": span_id, "tags": {"n": 1}} for span_id in ids])


def mebibyte_texts() -> Iterator[Block]:
    """Ids, names and parents that fill a line."""
    for number in itertools.count():
        text = f"{number}" + "x" * (MIB - 100)
        yield events_block([start(text)])
        yield events_block([start(f"{number}", parent_id=text)])
        yield events_block([{**start(f"{number}"), "name": text}])


def mebibyte_writers() -> Iterator[Block]:
    """One after another on one connection, each with an event that is counted."""
    for number in itertools.count():
        event = events_block([{**log("a"), "seq": 1}])
        yield Block(hello(f"{number}" + "w" * (MIB - 100)) + event.data, events=1, hellos=1)


def many_writers() -> Iterator[Block]:
    """Hello after hello, each with an event that is counted."""
    for first in itertools.count(0, 500):
        lines = []
        for number in range(first, first + 500):
            lines.append(hello(f"writer-{number}"))
            lines.append(b'{"type":"span_log","span_id":"a","text":"t","ts_ms":1,"seq":1}\n')
        yield Block(b"".join(lines), events=500, hellos=500)


KINDS: dict[str, Callable[[], Iterator[Block]]] = {
    each.__name__: each
    for each in (
        well_behaved,
        endless_line,
        one_byte_lines,
        every_other_line_malformed,
        distinct_spans,
        one_span_of_many_logs,
        many_keys,
        nested_tags,
        small_values,
        heavy_tags,
        mebibyte_texts,
        mebibyte_writers,
        many_writers,
    )
}
CONNECTION_KINDS = ("many_connections", "connects_and_leaves")


def connect(path: str) -> socket.socket:
    writer = socket.socket(socket.AF_UNIX)
    writer.connect(path)
    return writer


def many_connections(path: str) -> None:
    """A thousand at once; each says a little, in turn, and none ever closes."""
    writers = [connect(path) for _ in range(1000)]
    for number in itertools.count():
        data = events_block([log(f"{number}")]).data * 3
        for writer in writers:
            writer.sendall(data)


def connects_and_leaves(path: str) -> None:
    """Again and again, with half a line."""
    while True:
        with connect(path) as writer:
            writer.sendall(b'{"type":"span_log","span')


def main() -> None:
    """Write one kind to a socket for ever."""
    kind, path = sys.argv[1:]
    if kind in CONNECTION_KINDS:
        {"many_connections": many_connections, "connects_and_leaves": connects_and_leaves}[kind](path)
    with connect(path) as writer:
        for block in KINDS[kind]():
            writer.sendall(block.data)


if __name__ == "__main__":
    main()
