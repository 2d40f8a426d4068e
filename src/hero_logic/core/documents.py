"""What faces are given, as types: the documents of docs/json.md and the results of docs/rpc.md.

``service/document.py`` and ``service/extracts.py`` write them as JSON, piece by piece where they are large;
these types are what a client reads them as, and what their JSON Schemas are made from.
"""

from typing import Any

import msgspec

from hero_logic.core.records import Artifact, Counters, NameStats, PlayStatus, Sandbox, Span


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


class ToldSpan(Span, frozen=True, kw_only=True):
    """A span, its place among those of the play, and the revision of its last change."""

    ordinal: int
    revision: int
    log_bytes: int = 0
    """The size of all of its logs in UTF-8, where they are not there."""


class LeftOut(msgspec.Struct, kw_only=True):
    """Children of a span that are not in an outline: how many, after which ordinal most of them stand."""

    count: int
    after: int


class PlayOutline(msgspec.Struct, kw_only=True):
    """A part of a play's spans, bounded, and how much more there is.

    ``spans`` are without their logs. ``revision`` is from where on the stream tells all that came later.
    """

    revision: int
    spans: list[ToldSpan]
    counts: dict[str, int]
    """All spans of the play, by status."""
    left_out: dict[str, LeftOut]
    """By parent (``""``: the roots)."""
    lost_parents: list[str]
    """Ids that spans name as their parents, and that never came."""


class FailedSpans(msgspec.Struct, kw_only=True):
    """Spans that ended and not ``ok``, whole; ``around`` has these again among the spans around them.

    ``next`` is the start of the next page, or None.
    """

    count: int
    """How many there are in all."""
    spans: list[ToldSpan]
    around: list[ToldSpan]
    """Without their logs."""
    next: int | None


class SpanStats(msgspec.Struct, kw_only=True):
    """What the ended spans of each name took, the highest total first; whether those are all names."""

    names: list[NameStats]
    is_all: bool


class FlowUsage(msgspec.Struct, kw_only=True):
    """How many plays on record ran a version of a flow."""

    flow_sid: str
    plays: int
