"""The rows of the table that are about plays."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from hero_logic.core.documents import (
    PlayDocument,
    PlayFacts,
    PlayPage,
    PlayState,
    Pushed,
    SpanLogs,
    SpanPage,
)
from hero_logic.core.errors import IllegalMove, MalformedEvent, NotFound, StoreError, TooLarge
from hero_logic.core.lifecycle import is_terminal
from hero_logic.server.desks import Desk, Lobby
from hero_logic.server.methods import Method
from hero_logic.service import document
from hero_logic.service.plays import LAST

MAX_ANSWER_BYTES = 32 * 1024 * 1024
MAX_PAGE = 1000

PlaySid = Annotated[
    str,
    Meta(min_length=1, max_length=64, description="the play's id; `last` is the one that was created last"),
]


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
    """A page of plays, the newest first."""

    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE, description="at most so many")] = 50
    before: Annotated[str | None, Meta(description="`next` of the page before")] = None


class PlayWaitParams(msgspec.Struct, forbid_unknown_fields=True):
    """Wait until a play has ended; then, or when the time is over, how it stands."""

    play_sid: PlaySid
    timeout_ms: Annotated[
        float, Meta(ge=0, le=1e12, description="how long to wait, in milliseconds; 0: until it has ended")
    ] = 0


class PlaySpansParams(msgspec.Struct, forbid_unknown_fields=True):
    """A page of a play's spans, with their logs, in the order in which they were first heard of."""

    play_sid: PlaySid
    start: Annotated[int, Meta(ge=0, le=2**62, description="`next` of the page before")] = 0
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE, description="at most so many")] = 100


class SpanLogsParams(msgspec.Struct, forbid_unknown_fields=True):
    """The logs of one span, whole: a line `[ts_ms] text` for each."""

    play_sid: PlaySid
    span_id: Annotated[str, Meta(min_length=1, description="the span's id")]


class SpanPushParams(msgspec.Struct, forbid_unknown_fields=True):
    """One event of a play that runs, as one line of its stream ([protocol.md](protocol.md#events)).

    It is on disk when this answers. One that repeats an event (the same `seq` of a writer) changes nothing.
    """

    play_sid: PlaySid
    event_json: Annotated[str, Meta(description="a JSON object, as text")]


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
    return msgspec.Raw(document.list_document(*desk.plays.list(limit=params.limit, before=params.before)))


def _spans(desk: Desk, params: PlaySpansParams) -> SpanPage:
    sid = desk.sid(params.play_sid)
    found = desk.store.read_spans(sid, start=params.start, limit=params.limit + 1)
    is_more = len(found) > params.limit
    return SpanPage(spans=found[: params.limit], next=params.start + params.limit if is_more else None)


def _logs(desk: Desk, params: SpanLogsParams) -> SpanLogs:
    return SpanLogs(logs=desk.plays.logs(desk.sid(params.play_sid), params.span_id))


def _push(desk: Desk, params: SpanPushParams) -> Pushed:
    sid = desk.sid(params.play_sid)
    line = params.event_json.encode("utf-8", "replace")
    if b"\n" in line.strip():
        raise MalformedEvent("an event is one line: event_json has several. Push them one by one.")
    desk.session.ingest.apply_event_json(sid, line.strip())
    return Pushed(revision=desk.store.revision())


async def _wait(lobby: Lobby, params: PlayWaitParams) -> msgspec.Raw:
    timeout_s = params.timeout_ms / 1000 if params.timeout_ms else None
    sid = params.play_sid
    if sid == LAST:
        sid = await lobby.reading(lambda desk: desk.sid(LAST))
    await lobby.hub.until(sid, lambda play: is_terminal(play.status), timeout_s)
    return msgspec.Raw(await lobby.reading(lambda desk: document.facts_document(desk.plays.get(sid))))


METHODS = (
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
        errors=(NotFound,),
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
        "span_push",
        "give a play one event",
        params=SpanPushParams,
        result=Pushed,
        errors=(NotFound, IllegalMove, MalformedEvent, StoreError),
        mode="write",
        handle=_push,
    ),
)
