"""Facts as tuples of a table, and tuples as facts; what the stores make of tags and logs."""

from __future__ import annotations

import math

import msgspec

from hero_logic.core.records import (
    Access,
    Artifact,
    Counters,
    NameStats,
    Play,
    PlayEnd,
    PlayOrder,
    Sandbox,
    Span,
    SpanRow,
)
from hero_logic.store.refusals import has_nul, refuse_nul

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

_INLINE_LOGS = 4096

_PREVIEW_CHARS = 200

encode_json = msgspec.json.Encoder().encode
_decode_object = msgspec.json.Decoder(dict).decode
_check_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


# --- tags -----------------------------------------------------------------------------------


def decode_tags(text: bytes) -> dict[str, Any]:
    """Tags from what is on disk; what is no JSON object is shown as ``{"hero.damaged": preview}``."""
    if text == b"{}":
        return {}
    try:
        return _decode_object(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {"hero.damaged": text.decode("utf-8", "replace")[:_PREVIEW_CHARS]}


def tags_as_text(text: bytes) -> str:
    """Tags as JSON text, from what is on disk: as it is, where it is an object."""
    try:
        _check_object(text)
        return text.decode()
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return encode_json(decode_tags(text)).decode()


# --- spans -------------------------------------------------------------------------------------------


def is_inline(row: SpanRow) -> bool:
    """Whether the logs of a new row lie in the row itself.

    A row is rewritten whole when its span changes: so what is long, and what belongs to a span that still
    runs and will change, goes to ``span_logs`` at once.
    """
    return row.status != "running" and len(row.new_logs) <= _INLINE_LOGS


def new_span_values(play: int, row: SpanRow, revision: int, logs: str) -> tuple[object, ...]:
    """The values of ``SPAN_COLUMNS``; StoreError where a text of the row, or its new logs, has a NUL.

    Everything here is paid for with each span: half a microsecond, of the five or so that SQLite takes.
    """
    span_id, parent_id, name, kind, error = row.span_id, row.parent_id, row.name, row.kind, row.error
    service, method, child, file = row.rpc_service, row.rpc_method, row.child_play_sid, row.source_file
    if "\0" in f"{span_id}{parent_id}{name}{kind}{error}{service}{method}{child}{file}{row.new_logs}":
        raise has_nul(row)
    tags = row.tags
    return (
        play,
        row.ordinal,
        span_id,
        parent_id,
        name,
        kind,
        row.start_ms,
        row.end_ms,
        row.status,
        error,
        service,
        method,
        child,
        file,
        row.source_line,
        row.log_bytes,
        row.protected_tags,
        revision,
        encode_json(tags).decode() if tags else "{}",
        logs,
    )


def changed_span_values(play: int, row: SpanRow, revision: int) -> tuple[object, ...]:
    """The values of ``UPDATE_SPAN``; StoreError where a text of the row, or its new logs, has a NUL."""
    refuse_nul(row)
    tags = row.tags
    return (
        row.parent_id,
        row.name,
        row.kind,
        row.start_ms,
        row.end_ms,
        row.status,
        row.error,
        row.rpc_service,
        row.rpc_method,
        row.child_play_sid,
        row.source_file,
        row.source_line,
        row.log_bytes,
        row.protected_tags,
        revision,
        encode_json(tags).decode() if tags else "{}",
        play,
        row.ordinal,
    )


def rest_of_span_values(play: int, row: SpanRow, revision: int) -> tuple[object, ...]:
    """The values of ``UPDATE_REST_OF_SPAN``; StoreError where the error or the new logs have a NUL."""
    if "\0" in row.error or "\0" in row.new_logs:
        refuse_nul(row)
    tags = row.tags
    return (
        row.end_ms,
        row.status,
        row.error,
        row.log_bytes,
        row.protected_tags,
        revision,
        encode_json(tags).decode() if tags else "{}",
        play,
        row.ordinal,
    )


def span_row(values: Sequence[Any]) -> SpanRow:
    """A span for the fold, from the ``SPAN_ROW_COLUMNS``: the fields of ``SpanRow`` in their order.

    By place and not by name, and unpacked rather than sliced, which takes a third of the time: a page has
    thousands of them.
    """
    (
        ordinal,
        span_id,
        start_ms,
        parent_id,
        name,
        kind,
        end_ms,
        status,
        tags,
        error,
        rpc_service,
        rpc_method,
        child_play_sid,
        source_file,
        source_line,
        log_bytes,
        protected_tags,
        revision,
    ) = values
    return SpanRow(
        ordinal,
        span_id,
        start_ms,
        parent_id,
        name,
        kind,
        end_ms,
        status,
        {} if tags == b"{}" else decode_tags(tags),
        error,
        rpc_service,
        rpc_method,
        child_play_sid,
        source_file,
        source_line,
        log_bytes,
        protected_tags,
        "",  # nothing new in its logs
        len(tags),  # no less than what the writer's take
        False,
        True,
        True,
        revision,
    )


def spans(page: list[Sequence[Any]], chunks: list[tuple[int, str]]) -> list[Span]:
    """A page of spans with their logs, from the answers to ``READ_SPANS`` and ``READ_LOGS``."""
    later: dict[int, list[str]] = {}
    for ordinal, text in chunks:
        later.setdefault(ordinal, []).append(text)
    return [_span(values, later.get(values[0])) for values in page]


def _span(values: Sequence[Any], later: list[str] | None) -> Span:
    (
        _,
        span_id,
        parent_id,
        name,
        kind,
        start_ms,
        end_ms,
        status,
        tags,
        logs,
        error,
        rpc_service,
        rpc_method,
        child_play_sid,
        source_file,
        source_line,
    ) = values
    return Span(
        span_id=span_id,
        parent_id=parent_id,
        name=name,
        kind=kind,
        start_ms=start_ms,
        end_ms=end_ms,
        status=status,
        tags=decode_tags(tags),
        logs=logs if later is None else logs + "".join(later),
        error=error,
        rpc_service=rpc_service,
        rpc_method=rpc_method,
        child_play_sid=child_play_sid,
        source_file=source_file,
        source_line=source_line,
    )


# --- plays -------------------------------------------------------------------------------------------


def play_values(play: Play, revision: int) -> tuple[object, ...]:
    """The values of ``ADD_PLAY``."""
    counters = play.counters
    return (
        play.sid,
        play.flow,
        play.status,
        play.error,
        play.created_ms,
        play.start_ms,
        play.end_ms,
        play.exit_code,
        artifacts_text(play),
        play.sandbox.tier,
        play.sandbox.isolation,
        play.sandbox.resources,
        counters.events,
        counters.malformed,
        counters.oversize,
        counters.repeated,
        counters.truncated,
        play.span_count,
        play.version_sid,
        play.runtime_sid,
        revision,
        _access_text(play),
        play.retry_of,
        play.parent_play_sid,
        play.parent_span_id,
        play.asked_by,
        play.sandbox.user,
    )


def sandbox_values(sandbox: Sandbox) -> tuple[str, ...]:
    """The values of ``BEGIN_PLAY`` that say what a play is kept in."""
    return sandbox.tier, sandbox.isolation, sandbox.resources, sandbox.user


def play(values: Sequence[Any]) -> Play:
    """A play, from the ``PLAY_COLUMNS``, and its heavy fields where they follow."""
    made = Play(
        sid=values[0],
        flow=values[1],
        status=values[2],
        error=values[3],
        created_ms=values[4],
        start_ms=values[5],
        end_ms=values[6],
        exit_code=values[7],
        artifacts=_artifacts(values[8]),
        sandbox=Sandbox(values[9], values[10], values[11], values[26]),
        counters=Counters(*values[12:17]),
        span_count=values[17],
        version_sid=values[18],
        runtime_sid=values[19],
        revision=values[20],
        access=_access(values[21]),
        retry_of=values[22],
        parent_play_sid=values[23],
        parent_span_id=values[24],
        asked_by=values[25],
    )
    if len(values) > 27:
        made.input_json, made.output_json, made.stdout, made.stderr = values[27:]
    return made


def artifacts_text(of: Play | PlayEnd) -> str:
    """The artifacts of a play as they are stored."""
    return encode_json(of.artifacts).decode() if of.artifacts else "[]"


def artifact_bytes(of: Play | PlayEnd) -> int:
    """The size of all artifacts of a play."""
    return sum(artifact.size_bytes for artifact in of.artifacts)


def ascii_lower(text: str) -> str:
    """A text with the letters of ASCII made small, as SQLite's ``lower`` does.

    >>> ascii_lower("Ä Big")
    'Ä big'
    """
    return "".join(one.lower() if one.isascii() else one for one in text)


def order_text(order: PlayOrder) -> str:
    """What a play is to be run with, as it is stored."""
    return encode_json(order).decode()


def order(text: str) -> PlayOrder:
    """What a play is to be run with."""
    return msgspec.json.decode(text, type=PlayOrder)


def _access_text(play: Play) -> str:
    return encode_json(play.access).decode() if play.access.needs or play.access.grants else "{}"


def _access(text: str) -> Access:
    return Access() if text == "{}" else msgspec.json.decode(text, type=Access)


def _artifacts(text: str) -> list[Artifact]:
    return [] if text == "[]" else msgspec.json.decode(text, type=list[Artifact])


# --- durations ---------------------------------------------------------------------------------------


def name_stats(name: str, failed: int, lasted_ms: Iterable[float]) -> NameStats:
    """What the spans of a name took, of which so many did not end ok; there is at least one."""
    in_order = sorted(lasted_ms)
    return NameStats(
        name=name,
        count=len(in_order),
        failed=failed,
        total_ms=math.fsum(in_order),
        min_ms=in_order[0],
        max_ms=in_order[-1],
        p50_ms=_percentile(in_order, 50),
        p95_ms=_percentile(in_order, 95),
    )


def _percentile(in_order: Sequence[float], percent: int) -> float:
    """The nearest rank: the smallest value that at least so many percent of the values do not pass.

    >>> _percentile([1.0, 2.0, 3.0, 4.0], 50), _percentile([1.0, 2.0, 3.0, 4.0], 95)
    (2.0, 4.0)
    """
    return in_order[-(-percent * len(in_order) // 100) - 1]
