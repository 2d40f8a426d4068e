"""What faces are given, as types: the documents of docs/json.md and the results of docs/rpc.md.

``service/document.py`` and ``service/extracts.py`` write them as JSON, piece by piece where they are large;
these types are what a client reads them as, and what their JSON Schemas are made from.
"""

from typing import Any

import msgspec

from hero_logic.core.records import Artifact, Counters, PlayStatus, Sandbox, Span


class PlaySummary(msgspec.Struct, kw_only=True):
    """A play without what can be heavy, as in a list."""

    schema: int
    sid: str
    flow: str
    status: PlayStatus
    error: str
    start_ms: float | None
    end_ms: float | None
    duration_ms: float | None
    exit_code: int | None
    artifacts: list[Artifact]
    sandbox: Sandbox
    needs: dict[str, list[str]]
    grants: dict[str, list[str]]
    counters: Counters
    created_ms: float
    is_waiting: bool
    retry_of: str
    parent_play_sid: str
    parent_span_id: str
    asked_by: str
    span_count: int


class PlayFacts(PlaySummary, kw_only=True):
    """A play without its spans."""

    input: Any
    output: Any
    stdout: str
    stderr: str


class PlayDocument(PlayFacts, kw_only=True):
    """A play and its spans: the document of ``show --json``."""

    spans: list[Span] = []


class PlayPage(msgspec.Struct, kw_only=True):
    """Plays, the newest first; ``next`` is what to give as ``before`` for the next page, or None."""

    plays: list[PlaySummary]
    next: str | None


class PlayState(msgspec.Struct, kw_only=True):
    """How a play stands: what is asked often, and small.

    ``revision`` is that of the play's own row: it rises with whatever of the play or of its spans is written.
    """

    sid: str
    flow: str
    status: PlayStatus
    is_waiting: bool
    """Whether no worker has it yet."""
    error: str
    created_ms: float
    start_ms: float | None
    end_ms: float | None
    duration_ms: float | None
    span_count: int
    revision: int


class PlayRelations(msgspec.Struct, kw_only=True):
    """Where a play comes from, and what came of it, the oldest first: up to a thousand of each."""

    parent_play_sid: str
    parent_span_id: str
    children: list[PlaySummary]
    """The plays that it asked for."""
    retry_of: str
    retries: list[PlaySummary]
    """The plays that run it again."""


class SpanPage(msgspec.Struct, kw_only=True):
    """Spans, in the order in which they were first heard of; ``next`` is the start of the next page."""

    spans: list[Span]
    next: int | None


class SpanLogs(msgspec.Struct, kw_only=True):
    """The logs of one span, whole."""

    logs: str


class FoundSpans(msgspec.Struct, kw_only=True):
    """The places of the spans that fit, among those looked at; ``next`` is where to look on, or None."""

    ordinals: list[int]
    next: int | None


class Pushed(msgspec.Struct, kw_only=True):
    """An event was accepted, and is on disk; ``revision`` is that of the store after it."""

    revision: int
