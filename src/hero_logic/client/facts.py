"""What a server says of plays and spans, as the records that faces are made for."""

from __future__ import annotations

import msgspec

from hero_logic.core.documents import PlayOutline, ToldSpan
from hero_logic.core.records import (
    FIELDS_BUT_LOGS,
    Access,
    Artifact,
    Counters,
    Play,
    PlayStatus,
    Sandbox,
    Span,
    SpanRow,
)
from hero_logic.service.outline import Outline

_NULL = msgspec.Raw(b"null")
_OF_A_SERVER = "of a server"


class PlayFactsRead(msgspec.Struct, kw_only=True):
    """A play as any document has it; what is heavy as the text that it came as, where it is there."""

    sid: str
    flow: str
    status: PlayStatus
    error: str
    created_ms: float
    is_waiting: bool
    start_ms: float | None = None
    end_ms: float | None = None
    exit_code: int | None = None
    artifacts: list[Artifact] = []
    sandbox: Sandbox = Sandbox()
    needs: dict[str, list[str]] = {}
    grants: dict[str, list[str]] = {}
    counters: Counters = msgspec.field(default_factory=Counters)
    span_count: int = 0
    retry_of: str = ""
    parent_play_sid: str = ""
    parent_span_id: str = ""
    asked_by: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")
    output: msgspec.Raw = _NULL
    stdout: str = ""
    stderr: str = ""
    revision: int = 0


class PlaysRead(msgspec.Struct):
    """A page of plays."""

    plays: list[PlayFactsRead]
    next: str | None


def as_play(facts: PlayFactsRead) -> Play:
    """A play as a record. Which version it ran, and which runtime ran it, a server does not say."""
    output = bytes(facts.output).decode()
    return Play(
        sid=facts.sid,
        flow=facts.flow,
        status=facts.status,
        input_json=bytes(facts.input).decode(),
        output_json=None if output == "null" else output,
        error=facts.error,
        created_ms=facts.created_ms,
        start_ms=facts.start_ms,
        end_ms=facts.end_ms,
        exit_code=facts.exit_code,
        stdout=facts.stdout,
        stderr=facts.stderr,
        artifacts=facts.artifacts,
        sandbox=facts.sandbox,
        access=Access(needs=facts.needs, grants=facts.grants),
        counters=facts.counters,
        span_count=facts.span_count,
        runtime_sid="" if facts.is_waiting else _OF_A_SERVER,
        revision=facts.revision,
        retry_of=facts.retry_of,
        parent_play_sid=facts.parent_play_sid,
        parent_span_id=facts.parent_span_id,
        asked_by=facts.asked_by,
    )


def as_row(span: ToldSpan, known_logs: dict[str, int] | None = None) -> SpanRow:
    """A span as a row; of its logs what is new.

    Args:
        span: as it was told, whole.
        known_logs: how many bytes of logs are known, by span id, which is brought up to date; None where none
            are, nor are to be.

    >>> known = {"a": 3}
    >>> told = ToldSpan("a", "", "n", "step", 1.0, None, "running", {}, "one\\ntwo", "", "", "", "", "", 0,
    ...                 ordinal=0, revision=7)
    >>> as_row(told, known).new_logs, known
    ('\\ntwo', {'a': 7})
    """
    fields = {name: getattr(span, name) for name in FIELDS_BUT_LOGS}
    logs = span.logs.encode()
    size_bytes = max(len(logs), span.log_bytes)
    known_bytes = 0
    if logs and known_logs is not None:
        known_bytes = known_logs.get(span.span_id, 0)
        known_logs[span.span_id] = size_bytes
    return SpanRow(
        ordinal=span.ordinal,
        **fields,
        log_bytes=size_bytes,
        new_logs=logs[known_bytes:].decode("utf-8", "replace"),
        revision=span.revision,
    )


def as_span(told: ToldSpan) -> Span:
    """A span as the document of a play has it."""
    return Span(**{name: getattr(told, name) for name in Span.__struct_fields__})


def as_outline(outline: PlayOutline) -> Outline:
    """An outline as the record that a face loads."""
    return Outline(
        outline.revision,
        [as_row(span) for span in outline.spans],
        outline.counts,
        {parent: (left.count, left.after) for parent, left in outline.left_out.items()},
        frozenset(outline.lost_parents),
    )
