"""A play as one JSON document: what ``run --json`` and ``show --json`` print, and later every face.

Source: docs/json.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from hero_logic.core.records import Play, Span

SCHEMA = 1
_SPANS_A_CHUNK = 1000

_encode = msgspec.json.Encoder().encode


def play_document(play: Play, spans: Iterable[Span]) -> Iterator[bytes]:
    """The document in pieces, so that a play of any size is never whole in memory."""
    head = {"schema": SCHEMA, **_facts(play), **_heavy_facts(play)}
    yield _encode(head)[:-1] + b',"spans":['
    chunk: list[bytes] = []
    separator = b""
    for span in spans:
        chunk.append(_encode(span))
        if len(chunk) == _SPANS_A_CHUNK:
            yield separator + b",".join(chunk)
            separator = b","
            chunk.clear()
    if chunk:
        yield separator + b",".join(chunk)
    yield b"]}"


def list_document(plays: list[Play], next_cursor: str | None) -> bytes:
    """A page of plays without what is heavy: ``{"plays": [...], "next": cursor or null}``."""
    return _encode({"plays": [{"schema": SCHEMA, **_facts(play)} for play in plays], "next": next_cursor})


def _facts(play: Play) -> dict[str, Any]:
    is_measurable = play.start_ms is not None and play.end_ms is not None
    return {
        "sid": play.sid,
        "flow": play.flow,
        "status": play.status,
        "error": play.error,
        "start_ms": play.start_ms,
        "end_ms": play.end_ms,
        "duration_ms": round(play.end_ms - play.start_ms, 3) if is_measurable else None,  # type: ignore[operator]  # both are there
        "exit_code": play.exit_code,
        "artifacts": play.artifacts,
        "sandbox": play.sandbox,
        "counters": play.counters,
    }


def _heavy_facts(play: Play) -> dict[str, Any]:
    return {
        "input": msgspec.Raw(play.input_json.encode()),
        "output": msgspec.Raw(play.output_json.encode()) if play.output_json is not None else None,
        "stdout": play.stdout,
        "stderr": play.stderr,
    }
