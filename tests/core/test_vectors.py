"""The shared example streams, from their bytes to the play that has to come of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hero_logic.core.fold import Batch, SpanTree
from hero_logic.core.lines import LineBuffer
from hero_logic.core.wire import decode_lines
from support.rows import RowStore

VECTORS = Path(__file__).parent.parent / "vectors"
STREAMS = sorted(VECTORS.glob("*.jsonl"))

BEGAN_MS = 1_000.0
RECEIVED_MS = 1_001.0
ENDED_MS = 1_002.0


def play_of(stream: bytes, read_bytes: int) -> dict[str, Any]:
    """What ``ingest`` makes of a stream that is read in pieces of that size."""
    rows = RowStore()
    tree = SpanTree(load=rows.load)
    lines = LineBuffer()
    pieces = [lines.feed(stream[i : i + read_bytes]) for i in range(0, len(stream), read_bytes)]
    for chunk in [*pieces, lines.finish()]:
        decoded = decode_lines(chunk)
        tree.apply(Batch(decoded.events, RECEIVED_MS, malformed=len(decoded.bad_lines)))
        rows.write(tree.delta())
        tree.committed()
    tree.apply(Batch([], RECEIVED_MS, oversize=lines.oversize))
    tree.close(rows.open_rows(), status="failed", end_ms=ENDED_MS)
    rows.write(tree.delta())
    return {
        "status": rows.play_status(),
        "spans": [msgspec.to_builtins(span) for span in rows.spans()],
        "counters": msgspec.to_builtins(rows.counters),
    }


def difference(expected: Any, actual: Any, place: str = "play") -> list[str]:
    """Where the two differ, by the reading rules of the vectors' README."""
    if isinstance(expected, dict) and "$between" in expected:
        is_time = type(actual) in {int, float} and BEGAN_MS <= actual <= ENDED_MS
        return [] if is_time else [f"{place}: {actual!r} is no time within the run"]
    if type(expected) is dict and type(actual) is dict:
        if place.endswith((".tags", ".counters")) or ".tags." in place:
            missing = set(expected) ^ set(actual)
        else:
            missing = set(expected) - set(actual)
        if missing:
            return [f"{place}: differs in keys {sorted(missing)}"]
        return [
            found for key in expected for found in difference(expected[key], actual[key], f"{place}.{key}")
        ]
    if type(expected) is list and type(actual) is list and len(expected) == len(actual):
        pairs = enumerate(zip(expected, actual, strict=True))
        return [found for i, (one, other) in pairs for found in difference(one, other, f"{place}.{i}")]
    is_number = {type(expected), type(actual)} <= {int, float}
    if expected != actual or (type(expected) is not type(actual) and not is_number):
        return [f"{place}: {expected!r} expected, not {actual!r}"]
    return []


def test_every_vector_is_there_with_what_is_expected_of_it() -> None:
    """A stream without its expected play, or none at all, would test nothing."""
    expected = [path.name.removesuffix(".expected.json") for path in VECTORS.glob("*.expected.json")]

    assert sorted(expected) == [path.stem for path in STREAMS]
    assert len(STREAMS) >= 15


@pytest.mark.parametrize("read_bytes", [1, 7, 100, 1_000_000])
@pytest.mark.parametrize("stream", STREAMS, ids=[path.stem for path in STREAMS])
def test_a_shared_stream_gives_the_expected_play(stream: Path, read_bytes: int) -> None:
    """Status, spans and counters, however the bytes come."""
    expected = json.loads(stream.with_suffix(".expected.json").read_bytes())
    del expected["about"]

    play = play_of(stream.read_bytes(), read_bytes)

    assert difference(expected, play) == []


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"spans": [{"a": 1}]}, {"spans": [{"a": True}]}),
        ({"spans": [{"a": 1}]}, {"spans": [{"a": "1"}]}),
        ({"spans": [{"a": 1}]}, {"spans": [{}]}),
        ({"spans": [{"a": 1}]}, {"spans": [{"a": 1}, {}]}),
        ({"spans": [{"tags": {}}]}, {"spans": [{"tags": {"more": 1}}]}),
        ({"end_ms": {"$between": ["start", "end"]}}, {"end_ms": ENDED_MS + 1}),
        ({"end_ms": {"$between": ["start", "end"]}}, {"end_ms": None}),
    ],
)
def test_the_comparison_sees_a_difference(expected: object, actual: object) -> None:
    """A comparison that finds everything alike would pass any fold."""
    assert difference(expected, actual) != []


def test_the_comparison_takes_numbers_as_numbers_and_ignores_other_keys() -> None:
    """``1`` and ``1.0`` are the same, and a play may say more than the file."""
    assert difference({"spans": [{"a": 1}]}, {"sid": "s", "spans": [{"a": 1.0, "b": 2}]}) == []
