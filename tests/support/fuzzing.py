"""Streams that were events once, with bytes changed; and fuzzing for as long as one likes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from support.json_text import BAD_NUMBERS, BAD_PIECES, CHARACTERS, ESCAPES, NUMBERS

Example = TypeVar("Example")

FUZZ_S = 60.0
"""How long one target is fuzzed in a soak."""

VECTORS = [path.read_bytes() for path in sorted((Path(__file__).parents[1] / "vectors").glob("*.jsonl"))]
_WORDS = [
    b'"type":"hello",', b'"type":"span_tag",', b'"type":"span_end",', b'"span_id":"a",', b'"span_id":null,',
    b'"tags":{', b'"seq":', b'"name":', b'"status":"ok"', b'"text":"', b'"end_ms":', b'"protocol":1,',
    b"\n", b"\r\n", b"{", b"}", b"[", b"]", b":", b",", b'"', b"{}", b"null", b"true", b"\\",
    b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xe2\x82", b"\xef\xbb\xbf", b"[" * 66, b'{"":' * 64, b" " * 40,
]  # fmt: skip
_TEXTS = [*NUMBERS, *BAD_NUMBERS, *ESCAPES, *BAD_PIECES, *CHARACTERS]
_words = st.sampled_from(_WORDS + [text.encode() for text in _TEXTS])
_pieces = st.one_of(
    _words, st.binary(max_size=3), st.sampled_from([bytes([byte]) for byte in range(256)]), st.just(b"")
)


@st.composite
def mutated_streams(draw: st.DrawFn) -> bytes:
    """A stream of the vectors in which a few stretches are other bytes, are gone, came twice or elsewhere."""
    data = draw(st.sampled_from(VECTORS))
    for _ in range(draw(st.integers(0, 5))):
        begin = draw(st.integers(0, len(data)))
        end = begin + draw(st.sampled_from([0, 0, 1, 1, 2, 5, 20, 100]))
        if draw(st.integers(0, 3)):
            inserted = draw(_pieces)
        else:
            other = draw(st.sampled_from([data, *VECTORS]))
            place = draw(st.integers(0, len(other)))
            inserted = other[place : place + draw(st.integers(1, 80))]
        data = data[:begin] + inserted + data[end:]
    return data


def fuzz(examples: st.SearchStrategy[Example], check: Callable[[Example], None]) -> None:
    """Try examples for a minute, in rounds; each has a seed of its own, which is told."""
    until_s = time.monotonic() + FUZZ_S
    while time.monotonic() < until_s:
        number = time.time_ns() % 2**32
        print(f"the seed of this round is {number}")
        tried = given(examples)(lambda example: check(example))
        seed(number)(
            settings(max_examples=500, deadline=None, database=None, suppress_health_check=list(HealthCheck))(
                tried
            )
        )()
