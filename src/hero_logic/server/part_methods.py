"""The rows of the table about parts of what there is: of large plays, of the store, of a flow's plays.

They are what a face shows of a play that is too large to be read whole.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from hero_logic.core.documents import (
    FailedSpans,
    FlowUsage,
    LeftOut,
    PlayOutline,
    SpanStats,
    ToldSpan,
)
from hero_logic.core.errors import NotFound
from hero_logic.core.finding import StoreSize
from hero_logic.core.records import FIELDS_BUT_LOGS, SpanRow
from hero_logic.server.desks import Desk
from hero_logic.server.flow_methods import FlowSid
from hero_logic.server.methods import Method, NoParams
from hero_logic.server.play_methods import MAX_ANSWER_BYTES, MAX_PAGE, PlaySid

MAX_NAMES = 100_000


class PlayOutlineParams(msgspec.Struct, forbid_unknown_fields=True):
    """The part of a play that is worth showing first, however large the play is: at most some 1,600 spans.

    What failed and what runs, with the spans around it; then the tree from its roots, of long rows of
    siblings the first and the last. Of a play of some hundred spans it has all of them.
    """

    play_sid: PlaySid


class PlayFailedParams(msgspec.Struct, forbid_unknown_fields=True):
    """A page of the spans that failed, timed out or were cancelled, in the order of their ordinals."""

    play_sid: PlaySid
    start: Annotated[int, Meta(ge=0, le=2**62, description="`next` of the page before")] = 0
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE, description="at most so many")] = 100


class PlayStatsParams(msgspec.Struct, forbid_unknown_fields=True):
    """What the ended spans of each name took: how many, how many not `ok`, total, median, and more."""

    play_sid: PlaySid
    limit: Annotated[int, Meta(ge=1, le=MAX_NAMES, description="at most so many names")] = 100


class StoreSizeParams(NoParams, forbid_unknown_fields=True):
    """How many plays are on record, wait and run, and how much room they take, in bytes."""


class FlowUsageParams(msgspec.Struct, forbid_unknown_fields=True):
    """How many plays on record ran a version of a flow, whichever way they were started."""

    flow_sid: FlowSid


def _outline(desk: Desk, params: PlayOutlineParams) -> PlayOutline:
    found = desk.plays.outline_of_any(desk.plays.brief(params.play_sid))
    return PlayOutline(
        revision=found.revision,
        spans=[_told(row) for row in found.rows],
        counts=found.counts,
        left_out={
            parent: LeftOut(count=count, after=after) for parent, (count, after) in found.left_out.items()
        },
        lost_parents=sorted(found.lost_parents),
    )


def _failed(desk: Desk, params: PlayFailedParams) -> FailedSpans:
    sid = desk.sid(params.play_sid)
    counts = desk.plays.status_counts(sid)
    rows, around = desk.plays.failed(sid, limit=params.limit + 1, after=params.start - 1)
    spans: list[ToldSpan] = []
    size_bytes = 0
    for row in rows[: params.limit]:
        logs = desk.store.read_logs(sid, row.span_id) if row.log_bytes else ""
        size_bytes += len(logs) + len(row.error)
        if spans and size_bytes > MAX_ANSWER_BYTES:
            break
        spans.append(_told(row, logs))
    return FailedSpans(
        count=sum(count for status, count in counts.items() if status not in ("ok", "running")),
        spans=spans,
        around=[_told(row) for row in around],
        next=spans[-1].ordinal + 1 if len(rows) > len(spans) else None,
    )


def _stats(desk: Desk, params: PlayStatsParams) -> SpanStats:
    names, is_more = desk.plays.stats(desk.plays.brief(params.play_sid).sid, limit=params.limit)
    return SpanStats(names=names, is_all=not is_more)


def _size(desk: Desk, params: StoreSizeParams) -> StoreSize:
    return desk.plays.size()


def _usage(desk: Desk, params: FlowUsageParams) -> FlowUsage:
    flow = desk.flows.find(params.flow_sid)
    return FlowUsage(flow_sid=flow.flow_sid, plays=desk.flows.count_plays(flow.flow_sid))


def _told(row: SpanRow, logs: str = "") -> ToldSpan:
    fields = {name: getattr(row, name) for name in FIELDS_BUT_LOGS}
    return ToldSpan(**fields, logs=logs, ordinal=row.ordinal, revision=row.revision, log_bytes=row.log_bytes)


METHODS = (
    Method("play_outline", "the part of a play that is worth showing first", params=PlayOutlineParams,
           result=PlayOutline, errors=(NotFound,), mode="read", handle=_outline),
    Method("play_failed", "the spans of a play that failed, in pages", params=PlayFailedParams,
           result=FailedSpans, errors=(NotFound,), mode="read", handle=_failed),
    Method("play_stats", "what the spans of a play took, by name", params=PlayStatsParams,
           result=SpanStats, errors=(NotFound,), mode="read", handle=_stats),
    Method("store_size", "how much is on record", params=StoreSizeParams,
           result=StoreSize, mode="read", handle=_size),
    Method("flow_usage", "how many plays ran a flow", params=FlowUsageParams,
           result=FlowUsage, errors=(NotFound,), mode="read", handle=_usage),
)  # fmt: skip
