"""The rows of the table that are about the flow library."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from hero_logic.core.errors import FlowInUse, NotFound, UsageError
from hero_logic.core.library import Flow, FlowDetails, FlowPage, FlowPut, FoundFlows, VersionPage
from hero_logic.server.desks import Desk
from hero_logic.server.methods import Method

MAX_PAGE = 1000
FlowSid = Annotated[str, Meta(min_length=1, max_length=300, description="the flow's id, or its name")]
Limit = Annotated[int, Meta(ge=1, le=MAX_PAGE, description="at most so many")]
Cursor = Annotated[str | None, Meta(description="`next` of the page before")]
Tags = Annotated[list[str] | None, Meta(description="null: those of before stay")]


class FlowPutParams(msgspec.Struct, forbid_unknown_fields=True):
    """Publish a source under a name: a new flow, or a version of the one that has the name.

    Nothing of it is run. Where an error is among the problems of the answer, nothing was published. A
    workflow of before, in place of a source, is kept, found and shown, and no play of it is started.
    """

    name: Annotated[str, Meta(description="the flow's name")]
    python_source: Annotated[str | None, Meta(description="its text")] = None
    legacy_dag: Annotated[
        str | None, Meta(description="a workflow of before as its file has it, in place of a source")
    ] = None
    description: Annotated[str | None, Meta(description="null: what was said before stays")] = None
    tags: Tags = None


class FlowGetParams(msgspec.Struct, forbid_unknown_fields=True):
    """A flow with the source of one of its versions, and what that takes."""

    flow_sid: FlowSid
    version_sid: Annotated[
        str, Meta(description="a version's id, or the beginning of one; empty: the current one")
    ] = ""


class FlowListParams(msgspec.Struct, forbid_unknown_fields=True):
    """A page of flows, the one that was published last first."""

    limit: Limit = 20
    before: Cursor = None
    archived: Annotated[bool, Meta(description="those that are archived, instead")] = False


class FlowVersionsParams(msgspec.Struct, forbid_unknown_fields=True):
    """A page of the versions of a flow, the one that it got last first."""

    flow_sid: FlowSid
    limit: Limit = 20
    before: Cursor = None


class FlowArchiveParams(msgspec.Struct, forbid_unknown_fields=True):
    """Have a flow neither listed nor found nor run, or again; nothing of it is lost."""

    flow_sid: FlowSid
    is_archived: Annotated[bool, Meta(description="false: list, find and run it again")] = True


class FlowDeleteParams(msgspec.Struct, forbid_unknown_fields=True):
    """Remove a flow. Refused while plays on record ran it, unless it is archived."""

    flow_sid: FlowSid


class FlowLibrarySearchParams(msgspec.Struct, forbid_unknown_fields=True):
    """Flows that a text fits, the best first; an empty one lists the newest. No text is a wrong one."""

    query: Annotated[
        str, Meta(description="words, or beginnings of words, with or without typing mistakes")
    ] = ""
    limit: Limit = 20


def _put(desk: Desk, params: FlowPutParams) -> FlowPut:
    name, description, tags = params.name, params.description, params.tags
    match params.python_source, params.legacy_dag:
        case str(source), None:
            return desk.flows.put(name=name, python_source=source, description=description, tags=tags)
        case None, str(text):
            return desk.flows.put_legacy(name=name, dag_json=text, description=description, tags=tags)
    raise UsageError(
        f"{name}: give one of the two: python_source, the text of a flow, or legacy_dag, that of a workflow "
        "of before."
    )


def _get(desk: Desk, params: FlowGetParams) -> FlowDetails:
    return desk.flows.get(params.flow_sid, version_sid=params.version_sid)


def _list(desk: Desk, params: FlowListParams) -> FlowPage:
    return desk.flows.list(limit=params.limit, cursor=params.before, archived=params.archived)


def _versions(desk: Desk, params: FlowVersionsParams) -> VersionPage:
    return desk.flows.versions(params.flow_sid, limit=params.limit, cursor=params.before)


def _archive(desk: Desk, params: FlowArchiveParams) -> Flow:
    return desk.flows.archive(params.flow_sid, is_archived=params.is_archived)


def _delete(desk: Desk, params: FlowDeleteParams) -> Flow:
    return desk.flows.delete(params.flow_sid)


def _search(desk: Desk, params: FlowLibrarySearchParams) -> FoundFlows:
    return desk.library.search(params.query, limit=params.limit)


METHODS = (
    Method("flow_put", "publish a flow", params=FlowPutParams, result=FlowPut,
           errors=(UsageError,), mode="write", handle=_put),
    Method("flow_get", "a flow with its source and inputs", params=FlowGetParams, result=FlowDetails,
           errors=(NotFound, UsageError), mode="read", handle=_get),
    Method("flow_list", "flows, in pages", params=FlowListParams, result=FlowPage,
           errors=(UsageError,), mode="read", handle=_list),
    Method("flow_versions", "the versions of a flow, in pages", params=FlowVersionsParams, result=VersionPage,
           errors=(NotFound, UsageError), mode="read", handle=_versions),
    Method("flow_archive", "put a flow away, or bring it back", params=FlowArchiveParams, result=Flow,
           errors=(NotFound,), mode="write", handle=_archive),
    Method("flow_delete", "remove a flow", params=FlowDeleteParams, result=Flow,
           errors=(NotFound, FlowInUse), mode="write", handle=_delete),
    Method("flow_library_search", "find flows", params=FlowLibrarySearchParams, result=FoundFlows,
           mode="read", handle=_search),
)  # fmt: skip
