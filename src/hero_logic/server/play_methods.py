"""The rows of the table that are about plays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from hero_logic.core.documents import (
    FoundSpans,
    PlayDocument,
    PlayFacts,
    PlayPage,
    PlayRelations,
    PlayState,
    Pushed,
    SpanLogs,
    SpanPage,
)
from hero_logic.core.errors import (
    BadInput,
    FlowArchived,
    IllegalMove,
    InboxFull,
    LegacyFlow,
    MalformedEvent,
    NotFound,
    NotGranted,
    SandboxUnavailable,
    ServerStopping,
    StoreError,
    TooLarge,
    UsageError,
)
from hero_logic.core.finding import PlayFilter
from hero_logic.core.lifecycle import is_terminal
from hero_logic.core.records import PlayStatus
from hero_logic.server.desks import Desk, Lobby
from hero_logic.server.methods import Method
from hero_logic.service import document
from hero_logic.service.play_verbs import Wanted, links_of
from hero_logic.service.plays import LAST

if TYPE_CHECKING:
    from collections.abc import Callable

    from hero_logic.core.records import Play

MAX_ANSWER_BYTES = 32 * 1024 * 1024
MAX_PAGE = 1000
MAX_TIME_MS = 1e12
MAX_GRACE_MS = 3_600_000.0
_ASKED_BY = "a client of the server"

PlaySid = Annotated[
    str,
    Meta(min_length=1, max_length=64, description="the play's id; `last` is the one that was created last"),
]

FlowSid = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=300,
        description="the flow's id or its name; with `@` and the beginning of a version's id, that version",
    ),
]
InputData = Annotated[
    dict[str, Any] | None, Meta(description="the input: a value for each parameter of the flow")
]
PlayTimeout = Annotated[
    Annotated[float, Meta(gt=0, lt=MAX_TIME_MS)] | None,
    Meta(description="end the play after so many milliseconds of running; null: it has no such end"),
]
Grace = Annotated[
    Annotated[float, Meta(gt=0, le=MAX_GRACE_MS)] | None,
    Meta(description="how long the play has between SIGTERM and SIGKILL, in milliseconds; null: 5,000"),
]
SandboxWanted = Annotated[
    Literal["auto", "best", "tier0", "tier1", "tier2", "none"] | None,
    Meta(
        description="what it is to be kept in, and never less than what the server is started with; "
        "null: that"
    ),
]
ParentSpan = Annotated[str, Meta(max_length=200, description="the span that asks, of that play")]
Parent = Annotated[str, Meta(max_length=64, description="the play that asks; its `HERO_FLOW_PLAY_SID`")]


class PlayStartParams(msgspec.Struct, forbid_unknown_fields=True):
    """Have a flow run, and wait until it has begun; then, or when the time is over, its play as it stands.

    It is still `pending` where no worker has had a place for it within the time; it waits on.
    """

    flow_sid: FlowSid
    input_data: InputData = None
    timeout_ms: Annotated[
        float, Meta(ge=0, le=MAX_TIME_MS, description="how long to wait, in milliseconds; 0: until it begins")
    ] = 10_000
    parent_span_id: ParentSpan = ""
    parent_play_sid: Parent = ""
    play_timeout_ms: PlayTimeout = None
    grace_ms: Grace = None
    sandbox: SandboxWanted = None


class PlayRunAsyncParams(msgspec.Struct, forbid_unknown_fields=True):
    """Have a flow run; its play is on record when this answers, and waits for a worker."""

    flow_sid: FlowSid
    input_data: InputData = None
    parent_span_id: ParentSpan = ""
    parent_play_sid: Parent = ""
    play_timeout_ms: PlayTimeout = None
    grace_ms: Grace = None
    sandbox: SandboxWanted = None


class PlayCancelParams(msgspec.Struct, forbid_unknown_fields=True):
    """Have a play ended, whoever runs it. It answers at once; `play_wait` waits for the end.

    One that waits is ended by this. One that runs gets SIGTERM, and after its grace SIGKILL. Of one that
    has ended nothing changes.
    """

    play_sid: PlaySid


class PlayRetryParams(msgspec.Struct, forbid_unknown_fields=True):
    """Have another play run the same version with the same input, limits and sandbox; the two are linked.

    What it is granted is decided anew.
    """

    play_sid: PlaySid


class PlayDeleteParams(msgspec.Struct, forbid_unknown_fields=True):
    """Remove a play that has ended, with all that it left."""

    play_sid: PlaySid


class PlayLinksParams(msgspec.Struct, forbid_unknown_fields=True):
    """Where a play comes from, and what came of it."""

    play_sid: PlaySid


class PlayStatusParams(msgspec.Struct, forbid_unknown_fields=True):
    """How a play stands, in what is small of it: made to be asked often."""

    play_sid: PlaySid


class PlayGetParams(msgspec.Struct, forbid_unknown_fields=True):
    """The document of `hero-logic show --json` ([json.md](json.md#a-play)).

    A play of which that would be more than 32 MiB is refused: `play_spans` gives pages, `GET
    /plays/SID/snapshot` and `GET /plays/SID/columns` all of it.
    """

    play_sid: PlaySid
    spans: Annotated[bool, Meta(description="whether its spans are wanted; `[]` otherwise")] = True


class PlayListParams(msgspec.Struct, forbid_unknown_fields=True):
    """A page of plays, the newest first; with filters, of those that are as all of them say."""

    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE, description="at most so many")] = 50
    before: Annotated[str | None, Meta(description="`next` of the page before")] = None
    flow: Annotated[str | None, Meta(description="of the flow of that name")] = None
    statuses: Annotated[list[PlayStatus] | None, Meta(description="of any of these; null: of all")] = None
    since_ms: Annotated[float | None, Meta(description="created then or later")] = None
    until_ms: Annotated[float | None, Meta(description="created before then")] = None
    text: Annotated[
        str,
        Meta(max_length=1000, description="with this in the sid, the flow's name, the error or the input"),
    ] = ""


class PlayWaitParams(msgspec.Struct, forbid_unknown_fields=True):
    """Wait until a play has ended; then, or when the time is over, how it stands.

    A flow that waits for a play says which play it is itself, by `parent_play_sid`: its place is given to
    another play until then, first of all to the one that it waits for.
    """

    play_sid: PlaySid
    timeout_ms: Annotated[
        float,
        Meta(ge=0, le=MAX_TIME_MS, description="how long to wait, in milliseconds; 0: until it has ended"),
    ] = 0
    parent_play_sid: Annotated[
        str, Meta(max_length=64, description="the play that waits, where it is one; its `HERO_FLOW_PLAY_SID`")
    ] = ""


class PlaySpansParams(msgspec.Struct, forbid_unknown_fields=True):
    """A page of a play's spans, with their logs, in the order in which they were first heard of."""

    play_sid: PlaySid
    start: Annotated[int, Meta(ge=0, le=2**62, description="`next` of the page before")] = 0
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE, description="at most so many")] = 100


class SpanLogsParams(msgspec.Struct, forbid_unknown_fields=True):
    """The logs of one span, whole: a line `[ts_ms] text` for each."""

    play_sid: PlaySid
    span_id: Annotated[str, Meta(min_length=1, description="the span's id")]


class SpanFindParams(msgspec.Struct, forbid_unknown_fields=True):
    """The spans that have all words of a text in their name, error, tags or logs, whatever their case.

    A call looks at the next 4,000 spans, so that it never takes long: call again with `next` until it is
    null.
    What it gives are ordinals: `play_spans` with one as `start` gives that span.
    """

    play_sid: PlaySid
    text: Annotated[str, Meta(max_length=1000, description="words; a text without one fits no span")]
    start: Annotated[int, Meta(ge=0, le=2**62, description="`next` of the call before")] = 0


class SpanPushParams(msgspec.Struct, forbid_unknown_fields=True):
    """One event of a play that runs, as one line of its stream.

    [protocol.md](protocol.md#events) has the events. It is on disk when this answers, and is taken into the
    play by whichever process runs it, once, in the order in which one sender sends; a moment later where
    that is another process. What has come before the play ends is in its record.

    A sender that says who it is, by `writer`, may send an event again where no answer came: one whose `seq`
    is not above that of its last one changes nothing.

    At most 1,000 events and 4 MiB wait for a play. A play that was granted variables takes events from the
    process that runs it alone: their values are not to be on disk.
    """

    play_sid: PlaySid
    event_json: Annotated[str, Meta(description="a JSON object, as text")]
    writer: Annotated[str, Meta(max_length=128, description="who sends it; its `seq` rises")] = ""


def _status(desk: Desk, params: PlayStatusParams) -> msgspec.Raw:
    sid = params.play_sid
    return msgspec.Raw(desk.remembered(sid, lambda: _find_status(desk, sid)))


def _find_status(desk: Desk, sid: str) -> bytes:
    play = desk.plays.get(sid) if sid == LAST else desk.store.brief_play(sid)
    return msgspec.json.encode(document.state(play))


def _get(desk: Desk, params: PlayGetParams) -> msgspec.Raw:
    play = desk.plays.get(params.play_sid)
    pieces: list[bytes] = []
    size_bytes = 0
    for piece in document.play_document(play, desk.plays.spans(play.sid) if params.spans else ()):
        pieces.append(piece)
        size_bytes += len(piece)
        if size_bytes > MAX_ANSWER_BYTES:
            raise TooLarge(
                f"the play {play.sid} with its {play.span_count:,} spans is more than "
                f"{MAX_ANSWER_BYTES:,} bytes of "
                "JSON. Ask for it with spans=false, for its spans by play_spans, or GET "
                f"/plays/{play.sid}/snapshot."
            )
    return msgspec.Raw(b"".join(pieces))


def _list(desk: Desk, params: PlayListParams) -> msgspec.Raw:
    wanted = PlayFilter(
        flow=params.flow,
        statuses=tuple(dict.fromkeys(params.statuses or ())),
        since_ms=params.since_ms,
        until_ms=params.until_ms,
        text=params.text,
    )
    found = desk.plays.list(
        limit=params.limit, before=params.before, wanted=None if wanted == PlayFilter() else wanted
    )
    return msgspec.Raw(document.list_document(*found))


def _spans(desk: Desk, params: PlaySpansParams) -> SpanPage:
    sid = desk.sid(params.play_sid)
    found = desk.store.read_spans(sid, start=params.start, limit=params.limit + 1)
    is_more = len(found) > params.limit
    return SpanPage(spans=found[: params.limit], next=params.start + params.limit if is_more else None)


def _logs(desk: Desk, params: SpanLogsParams) -> SpanLogs:
    return SpanLogs(logs=desk.plays.logs(desk.sid(params.play_sid), params.span_id))


def _find(desk: Desk, params: SpanFindParams) -> FoundSpans:
    ordinals, following = desk.plays.find_spans(desk.sid(params.play_sid), params.text, start=params.start)
    return FoundSpans(ordinals=ordinals, next=following)


def _push(desk: Desk, params: SpanPushParams) -> Pushed:
    sid = desk.sid(params.play_sid)
    line = params.event_json.encode("utf-8", "replace")
    desk.verbs.span_push(sid, line.strip(), writer=params.writer)
    return Pushed(revision=desk.store.revision())


def _run_async(desk: Desk, params: PlayRunAsyncParams | PlayStartParams) -> str:
    desk.check_open()
    if params.parent_span_id and not params.parent_play_sid:
        raise UsageError(
            f"parent_span_id is {params.parent_span_id!r:.100} and parent_play_sid is empty: a span is one "
            "of a play. Give both, or neither."
        )
    return desk.verbs.play_run_async(
        params.flow_sid,
        params.input_data,
        parent_play_sid=params.parent_play_sid,
        parent_span_id=params.parent_span_id,
        wanted=Wanted(
            timeout_s=_seconds(params.play_timeout_ms),
            grace_s=_seconds(params.grace_ms),
            sandbox=params.sandbox,
        ),
        asked_by=_ASKED_BY,
    )


def _seconds(time_ms: float | None) -> float | None:
    return None if time_ms is None else time_ms / 1000


async def _start(lobby: Lobby, params: PlayStartParams) -> msgspec.Raw:
    sid = await lobby.writing(lambda desk: _run_async(desk, params))
    await _until(lobby, sid, lambda play: play.status != "pending", params.timeout_ms, params.parent_play_sid)
    return msgspec.Raw(await lobby.reading(lambda desk: document.facts_document(desk.plays.get(sid))))


def _cancel(desk: Desk, params: PlayCancelParams) -> PlayState:
    return document.state(desk.verbs.play_cancel(params.play_sid, asked_by=_ASKED_BY))


def _retry(desk: Desk, params: PlayRetryParams) -> str:
    desk.check_open()
    return desk.verbs.play_retry(params.play_sid, asked_by=_ASKED_BY)


def _delete(desk: Desk, params: PlayDeleteParams) -> PlayState:
    sid = desk.sid(params.play_sid)
    was = document.state(desk.store.brief_play(sid))
    desk.verbs.play_delete(sid)
    return was


def _links(desk: Desk, params: PlayLinksParams) -> msgspec.Raw:
    return msgspec.Raw(document.links_document(links_of(desk.store, desk.sid(params.play_sid))))


async def _wait(lobby: Lobby, params: PlayWaitParams) -> msgspec.Raw:
    sid = params.play_sid
    if sid == LAST:
        sid = await lobby.reading(lambda desk: desk.sid(LAST))
    await _until(lobby, sid, lambda play: is_terminal(play.status), params.timeout_ms, params.parent_play_sid)
    return msgspec.Raw(await lobby.reading(lambda desk: document.facts_document(desk.plays.get(sid))))


async def _until(
    lobby: Lobby, sid: str, is_so: Callable[[Play], bool], timeout_ms: float, parent_sid: str
) -> None:
    """Wait until something is so of a play; another play that waits for it gives its place back meanwhile."""
    if parent_sid:
        await lobby.writing(lambda desk: desk.verbs.begin_wait(parent_sid, sid))
    try:
        await lobby.hub.until(sid, is_so, timeout_ms / 1000 if timeout_ms else None)
    finally:
        if parent_sid:
            await lobby.writing(lambda desk: desk.verbs.end_wait(parent_sid, sid))


_UNRUNNABLE = (
    NotFound, FlowArchived, LegacyFlow, BadInput, NotGranted, UsageError, SandboxUnavailable, ServerStopping,
)  # fmt: skip

METHODS = (
    Method(
        "play_start",
        "run a flow, and wait until it has begun",
        params=PlayStartParams,
        result=PlayFacts,
        errors=(*_UNRUNNABLE, IllegalMove),
        mode="wait",
        handle=_start,
    ),
    Method(
        "play_run_async",
        "have a flow run; gives the id of its play at once",
        params=PlayRunAsyncParams,
        result=str,
        errors=(*_UNRUNNABLE, IllegalMove),
        mode="write",
        handle=_run_async,
    ),
    Method(
        "play_cancel",
        "have a play ended",
        params=PlayCancelParams,
        result=PlayState,
        errors=(NotFound,),
        mode="write",
        handle=_cancel,
    ),
    Method(
        "play_retry",
        "run a play again; gives the id of the new one at once",
        params=PlayRetryParams,
        result=str,
        errors=(NotFound, IllegalMove, BadInput, NotGranted, UsageError, SandboxUnavailable, ServerStopping),
        mode="write",
        handle=_retry,
    ),
    Method(
        "play_delete",
        "remove a play; gives how it stood",
        params=PlayDeleteParams,
        result=PlayState,
        errors=(NotFound, IllegalMove),
        mode="write",
        handle=_delete,
    ),
    Method(
        "play_links",
        "the parent, the children and the retries of a play",
        params=PlayLinksParams,
        result=PlayRelations,
        errors=(NotFound,),
        mode="read",
        handle=_links,
    ),
    Method(
        "play_get",
        "a play with its spans",
        params=PlayGetParams,
        result=PlayDocument,
        errors=(NotFound, TooLarge),
        mode="read",
        handle=_get,
    ),
    Method(
        "play_list",
        "plays, the newest first, in pages",
        params=PlayListParams,
        result=PlayPage,
        errors=(NotFound,),
        mode="read",
        handle=_list,
    ),
    Method(
        "play_status",
        "how a play stands",
        params=PlayStatusParams,
        result=PlayState,
        errors=(NotFound,),
        mode="quick",
        handle=_status,
    ),
    Method(
        "play_wait",
        "wait for the end of a play",
        params=PlayWaitParams,
        result=PlayFacts,
        errors=(NotFound, IllegalMove),
        mode="wait",
        handle=_wait,
    ),
    Method(
        "play_spans",
        "the spans of a play, in pages",
        params=PlaySpansParams,
        result=SpanPage,
        errors=(NotFound,),
        mode="read",
        handle=_spans,
    ),
    Method(
        "span_logs",
        "the logs of a span",
        params=SpanLogsParams,
        result=SpanLogs,
        errors=(NotFound,),
        mode="read",
        handle=_logs,
    ),
    Method(
        "span_find",
        "find spans by words, in pages",
        params=SpanFindParams,
        result=FoundSpans,
        errors=(NotFound,),
        mode="read",
        handle=_find,
    ),
    Method(
        "span_push",
        "give a play one event",
        params=SpanPushParams,
        result=Pushed,
        errors=(NotFound, IllegalMove, MalformedEvent, InboxFull, StoreError),
        mode="write",
        handle=_push,
    ),
)
