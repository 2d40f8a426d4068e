"""What reading back costs: the first page, children, failed spans and a window of a play of a million.

    python benchmarks/readback.py [--quick] [--json FILE]

Each reading is held against the same statements by bare SQL in the same connection settings, rows fetched and
nothing made of them; and against itself in a play of a hundredth of the size.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

from measure import Claim, arguments, finish, in_turns

from hero_logic.core.records import Counters, Sandbox, SpanDelta, SpanRow
from hero_logic.service.plays import Plays
from hero_logic.store.sqlite import SqliteStore

SIZE = 1_000_000
ROUNDS = 9
FLOOR_GOAL = 1.5
GROWTH_GOAL = 1.5
_CHILDREN = 20
_PAGE = 200


def fill(path: str, spans: int) -> None:
    """Write a play: a root, its stages, twenty steps each; one step in twenty failed."""
    store = SqliteStore.open(path)
    plays = Plays(store, now_ms=lambda: time.time() * 1000, runtime_sid="bench")
    plays.create("play")
    plays.begin("play", Sandbox())
    for start in range(0, spans, 5_000):
        rows = [_row(number) for number in range(start, min(spans, start + 5_000))]
        count = start + len(rows)
        store.write_spans({"play": SpanDelta(rows, Counters(events=count * 3), count, {})})
    store.close()


def _row(number: int) -> SpanRow:
    parent = (number - 1) // _CHILDREN
    start_ms = 1.7e12 + number * 0.4
    has_failed = number % 20 == 19
    return SpanRow(
        number,
        f"{number:016x}",
        start_ms,
        parent_id=f"{parent:016x}" if number else "",
        name=("fetch", "parse", "score", "store")[number % 4],
        end_ms=start_ms + 3.0 + number % 50,
        status="failed" if has_failed else "ok",
        error="ValueError: no such customer" if has_failed else "",
        tags={"url": f"https://example.com/{number}", "attempt": 1},
        source_file="/flows/f.py",
        source_line=12,
    )


Reading = tuple[str, Callable[[SqliteStore, int], Sequence[object]]]


def _window(store: SqliteStore, spans: int) -> Sequence[object]:
    middle_ms = 1.7e12 + spans * 0.2
    return store.spans_between(
        "play", from_ms=middle_ms, to_ms=middle_ms + 20, min_duration_ms=10, limit=_PAGE
    )


READINGS: tuple[Reading, ...] = (
    ("the first page", lambda store, _: store.read_spans("play", limit=_PAGE)),
    ("children of a span", lambda store, spans: store.children("play", f"{spans // 50:016x}", limit=_PAGE)),
    ("failed spans", lambda store, _: store.failed_spans("play", limit=_PAGE)),
    ("a window of time", _window),
)


class Traced:
    """A store's readings, and the bare statements that they come down to."""

    def __init__(self, path: str, spans: int) -> None:
        self.spans = spans
        self.store = SqliteStore.open(path)
        self._bare = sqlite3.connect(path, isolation_level=None)
        self.store.revision()

    def statements(self, reading: Reading) -> list[str]:
        """The statements of a reading, with their values, as SQLite ran them."""
        reader = self.store._reader
        assert reader is not None
        ran: list[str] = []
        reader.set_trace_callback(ran.append)
        reading[1](self.store, self.spans)
        reader.set_trace_callback(None)
        # What SQLite calls an infinity is no word of its own language.
        return [statement.replace("-Inf", "-9e999") for statement in ran]

    def reading_us(self, reading: Reading, times: int) -> float:
        """What the store takes for it, in microseconds."""
        began_s = time.perf_counter()
        for _ in range(times):
            reading[1](self.store, self.spans)
        return (time.perf_counter() - began_s) / times * 1e6

    def floor_us(self, statements: Sequence[str], times: int) -> float:
        """What the bare statements take, their rows fetched, in microseconds."""
        execute = self._bare.execute
        began_s = time.perf_counter()
        for _ in range(times):
            for statement in statements:
                execute(statement).fetchall()
        return (time.perf_counter() - began_s) / times * 1e6

    def close(self) -> None:
        """Let go of the file."""
        self._bare.close()
        self.store.close()


def main() -> int:
    """Measure; 1 if a goal was missed."""
    options = arguments(__doc__ or "")
    size, rounds, times = (20_000, 2, 5) if options.quick else (SIZE, ROUNDS, 50)
    claims = []
    with tempfile.TemporaryDirectory() as directory:
        opened = {}
        for name, spans in (("small", size // 100), ("large", size)):
            path = os.path.join(directory, f"{name}.db")
            fill(path, spans)
            opened[name] = Traced(path, spans)
        small, large = opened["small"], opened["large"]
        for reading in READINGS:
            claims += _claims_of(reading, small, large, size, rounds, times)
        small.close()
        large.close()
    return finish("Reading back", claims, options)


def _claims_of(
    reading: Reading, small: Traced, large: Traced, size: int, rounds: int, times: int
) -> list[Claim]:
    statements = large.statements(reading)
    assert reading[1](large.store, large.spans), f"{reading[0]} is empty"
    measured = in_turns(
        {
            "floor": lambda: large.floor_us(statements, times),
            "large": lambda: large.reading_us(reading, times),
            "small": lambda: small.reading_us(reading, times),
        },
        rounds=rounds,
    )
    return [
        Claim(
            f"{reading[0]} of a play of {size:,}", values=measured["large"], floor=measured["floor"],
            floor_name="the same rows by bare SQL", unit="us", goal=FLOOR_GOAL,
        ),
        Claim(
            f"{reading[0]} of a play of {size:,}", values=measured["large"], floor=measured["small"],
            floor_name=f"of a play of {size // 100:,}", unit="us", goal=GROWTH_GOAL,
        ),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
