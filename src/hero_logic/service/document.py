"""A play as one JSON document: what ``run --json`` and ``show --json`` print, and later every face.

Source: docs/json.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from hero_logic.core.documents import PlayState
from hero_logic.core.records import Play, Span

if TYPE_CHECKING:
    from hero_logic.core.finding import StoreSize
    from hero_logic.service.play_verbs import PlayLinks

SCHEMA = 1
_SPANS_A_CHUNK = 1000

_encode = msgspec.json.Encoder().encode


_HEAVY = ("input", "output", "stdout", "stderr")


def play_document(play: Play, spans: Iterable[Span]) -> Iterator[bytes]:
    """The document in pieces, so that a play of any size is never whole in memory."""
    yield _encode(_facts(play))[:-1] + b',"spans":['
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


def list_document(plays: list[Play], next_cursor: str | None, size: StoreSize | None = None) -> bytes:
    """A page of plays without what is heavy: ``{"plays": [...], "next": cursor or null}``.

    With ``store``, how much there is on record, where that is given.
    """
    document: dict[str, Any] = {"plays": list(map(_light, plays)), "next": next_cursor}
    if size is not None:
        document["store"] = size
    return _encode(document)


def links_document(links: PlayLinks) -> bytes:
    """Where a play comes from and what came of it, each play without what is heavy."""
    return _encode(
        {
            "parent_play_sid": links.parent_play_sid,
            "parent_span_id": links.parent_span_id,
            "children": list(map(_light, links.children)),
            "retry_of": links.retry_of,
            "retries": list(map(_light, links.retries)),
        }
    )


def facts_document(play: Play) -> bytes:
    """The play without its spans."""
    return _encode(_facts(play))


def state(play: Play) -> PlayState:
    """How a play stands, in what is small of it."""
    return PlayState(
        sid=play.sid,
        flow=play.flow,
        status=play.status,
        is_waiting=play.is_waiting,
        error=play.error,
        created_ms=play.created_ms,
        start_ms=play.start_ms,
        end_ms=play.end_ms,
        duration_ms=duration_ms(play),
        span_count=play.span_count,
        revision=play.revision,
    )


def _light(play: Play) -> dict[str, Any]:
    return {key: value for key, value in _facts(play).items() if key not in _HEAVY}


def _facts(play: Play) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "sid": play.sid,
        "flow": play.flow,
        "status": play.status,
        "input": msgspec.Raw(play.input_json.encode()),
        "output": None if play.output_json is None else msgspec.Raw(play.output_json.encode()),
        "error": play.error,
        "start_ms": play.start_ms,
        "end_ms": play.end_ms,
        "duration_ms": duration_ms(play),
        "exit_code": play.exit_code,
        "stdout": play.stdout,
        "stderr": play.stderr,
        "artifacts": play.artifacts,
        "sandbox": play.sandbox,
        "needs": play.access.needs,
        "grants": play.access.grants,
        "counters": play.counters,
        "created_ms": play.created_ms,
        "is_waiting": play.is_waiting,
        "retry_of": play.retry_of,
        "parent_play_sid": play.parent_play_sid,
        "parent_span_id": play.parent_span_id,
        "asked_by": play.asked_by,
        "span_count": play.span_count,
    }


def duration_ms(play: Play) -> float | None:
    """How long a play ran, in milliseconds; None where it has not begun or not ended."""
    if play.start_ms is None or play.end_ms is None:
        return None
    return round(play.end_ms - play.start_ms, 3)
