"""The flow library: flows published under a name, each version of them kept. A function here is a verb.

Wherever a flow is asked for, its sid or its name will do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import msgspec

from hero_logic.core.errors import FlowArchived, LegacyFlow, NotFound, UsageError
from hero_logic.core.inputs import json_schema
from hero_logic.core.library import (
    Flow,
    FlowDetails,
    FlowPage,
    FlowPut,
    Publication,
    RunnableFlow,
    VersionPage,
)
from hero_logic.core.needs import KINDS
from hero_logic.core.publishing import (
    check_description,
    check_name,
    check_source,
    check_tags,
    looks_legacy,
    plain_description,
)
from hero_logic.core.records import FlowVersion, VersionKind
from hero_logic.core.search_text import query_words
from hero_logic.core.syntax import MAX_SOURCE_BYTES, too_large
from hero_logic.service.versions import content_sid
from hero_logic.store.contract import Store

MAX_PAGE = 1000
_MAX_SUGGESTED = 3
_MAX_COUNTED_PLAYS = 1_000_000
_MAX_SHOWN_VERSIONS = 5
_HEX = frozenset("0123456789abcdef")
_BYTE_ORDER_MARK = "\ufeff"


class Flows:
    """What can be done with published flows, over one store."""

    def __init__(self, store: Store, *, now_ms: Callable[[], float], new_sid: Callable[[], str]) -> None:
        self.store = store
        self._now_ms = now_ms
        self._new_sid = new_sid

    def put(
        self,
        *,
        name: str,
        python_source: str,
        description: str | None = None,
        tags: Sequence[str] | None = None,
        beside: Collection[str] = (),
    ) -> FlowPut:
        """Publish a source under a name: a new flow, or a version of the one that has the name.

        Nothing of it is run. Where an error is among the problems, nothing was published. The same source
        again is the same version, and the current one from then on. A flow that was archived no longer is.

        Args:
            name: the flow's.
            python_source: its text.
            description: None: what was said before stays; "": what the source says.
            tags: None: those of before stay.
            beside: modules that the source imports and that lie beside its file: they do not come along.

        Raises:
            UsageError: a name, a description or tags that a flow cannot have.
        """
        name = check_name(name)
        source = python_source.removeprefix(_BYTE_ORDER_MARK)
        checked = check_source(source, name, beside)
        if checked.entry is None or not checked.is_fit:
            check_tags(tags or ())
            check_description(description or "")
            return FlowPut(flow_sid=None, version_sid=None, is_new_version=False, problems=checked.problems)
        says = checked.entry.description
        put = self._publish(name, source, "python", description=description, tags=tags, says=says)
        return FlowPut(
            flow_sid=put[0].flow_sid,
            version_sid=put[0].version_sid,
            is_new_version=put[1],
            problems=checked.problems,
        )

    def put_legacy(
        self,
        *,
        name: str,
        dag_json: str,
        description: str | None = None,
        tags: Sequence[str] | None = None,
    ) -> FlowPut:
        """Keep a workflow of before as a version of a flow: it can be found and read, and not run.

        Raises:
            UsageError: it is none; or a name, a description or tags that a flow cannot have.
        """
        name = check_name(name)
        if len(dag_json) > MAX_SOURCE_BYTES:
            raise UsageError(too_large(name, len(dag_json)))
        if not looks_legacy(dag_json):
            raise UsageError(
                f"{name}: this is no workflow of before, which is a JSON object with a list of nodes. "
                "Publish Python source."
            )
        flow, is_new = self._publish(name, dag_json, "legacy_dag", description=description, tags=tags)
        return FlowPut(
            flow_sid=flow.flow_sid, version_sid=flow.version_sid, is_new_version=is_new, problems=[]
        )

    def get(self, flow_sid: str, *, version_sid: str = "") -> FlowDetails:
        """A flow with the source of its current version, or of another one, and what that takes.

        Args:
            flow_sid: the flow's sid, or its name.
            version_sid: the sid of one of its versions, or the beginning of one; "" for the current one.

        Raises:
            NotFound: there is no such flow, or it has no such version.
            UsageError: several versions begin so.
        """
        flow = self.find(flow_sid)
        version = self._version(flow, version_sid)
        facts = {field: getattr(flow, field) for field in Flow.__struct_fields__}
        facts |= {"version_sid": version.version_sid, "kind": version.kind, "source": version.source}
        checked = check_source(version.source, flow.name) if version.kind == "python" else None
        entry = None if checked is None else checked.entry
        needs = None if entry is None else entry.needs
        return FlowDetails(
            **facts,
            inputs=None if entry is None else json_schema(entry),
            outputs={} if entry is None else entry.outputs,
            needs={kind: list(needs.of(kind)) for kind in KINDS if needs is not None and needs.of(kind)},
            function="" if entry is None else entry.function,
            problems=[] if checked is None else checked.problems,
        )

    def find(self, flow_sid: str) -> Flow:
        """A flow as it stands.

        Raises:
            NotFound: there is none of that sid or name; the message has names that are near.
        """
        try:
            return self.store.find_flow(flow_sid)
        except NotFound as error:
            words = query_words(flow_sid)
            near = self.store.search_flows(words, limit=_MAX_SUGGESTED) if words else []
            if not near:
                raise
            names = ", ".join(flow.name for flow in near)
            raise NotFound(f"{error} Did you mean: {names}?") from error

    def list(self, *, limit: int = 20, cursor: str | None = None, archived: bool = False) -> FlowPage:
        """A page of flows, the one that was published first last; those that are archived apart.

        Pages together have each flow once, whatever is published meanwhile.

        Raises:
            UsageError: no number of flows, or a cursor that no page gave.
        """
        limit = page_limit(limit)
        found = self.store.list_flows(limit=limit + 1, before=read_cursor(cursor), archived=archived)
        page = found[:limit]
        return FlowPage([flow for _, flow in page], str(page[-1][0]) if len(found) > limit else None)

    def versions(self, flow_sid: str, *, limit: int = 20, cursor: str | None = None) -> VersionPage:
        """A page of the versions of a flow, the one that it got last first.

        Raises:
            NotFound: there is no such flow.
            UsageError: no number of versions, or a cursor that no page gave.
        """
        limit = page_limit(limit)
        flow = self.find(flow_sid)
        found = self.store.flow_versions(flow.flow_sid, limit=limit + 1, before=read_cursor(cursor))
        page = found[:limit]
        return VersionPage(flow.flow_sid, page, str(page[-1].number) if len(found) > limit else None)

    def archive(self, flow_sid: str, *, is_archived: bool = True) -> Flow:
        """Have a flow neither listed nor found nor run, or again; nothing of it is lost.

        Raises:
            NotFound: there is no such flow.
        """
        return self.store.archive_flow(self.find(flow_sid).flow_sid, is_archived=is_archived)

    def count_plays(self, flow_sid: str) -> int:
        """How many plays on record ran a version of a flow, whichever way they were started.

        Raises:
            NotFound: there is no such flow.
        """
        return self.store.count_plays(flow_sid, limit=_MAX_COUNTED_PLAYS)

    def delete(self, flow_sid: str) -> Flow:
        """Remove a flow, and those of its versions that no play ran and no other flow has; what it was.

        Raises:
            NotFound: there is no such flow.
            FlowInUse: plays on record ran versions of it, and it is not archived.
        """
        flow = self.find(flow_sid)
        self.store.delete_flow(flow.flow_sid)
        return flow

    def to_run(self, flow_sid: str, *, version_sid: str = "") -> RunnableFlow:
        """A flow and the version of it that a play is to run.

        Args:
            flow_sid: the flow's sid, or its name; with ``@`` and the beginning of a version's sid for that
            one. version_sid: the same apart.

        Raises:
            NotFound: there is no such flow, or it has no such version.
            FlowArchived: the flow is archived.
            LegacyFlow: the version holds a workflow of before, which nothing runs.
            UsageError: several versions begin so.
        """
        name, _, prefix = flow_sid.partition("@")
        flow = self.find(name)
        if flow.is_archived:
            raise FlowArchived(
                f"the flow {flow.name} is archived; nothing was started. Bring it back with "
                f"`hero-logic flows rm {flow.name} --unarchive`, or publish it again."
            )
        version = self._version(flow, version_sid or prefix)
        if version.kind != "python":
            raise LegacyFlow(
                f"the version {version.version_sid[:8]} of the flow {flow.name} holds a workflow of before "
                "and no Python source, and nothing runs those any more. Make a flow of it with "
                "`hero-logic migrate`, and publish that."
            )
        # Where its text was first seen, which may have been a file, is nothing to it.
        return RunnableFlow(flow, msgspec.structs.replace(version, flow_name=flow.name, path=""))

    def _version(self, flow: Flow, prefix: str) -> FlowVersion:
        """The version of a flow that begins so."""
        if not prefix:
            return self.store.get_version(flow.version_sid)
        found = []
        if _HEX.issuperset(prefix):
            found = self.store.find_versions(flow.flow_sid, prefix, limit=_MAX_SHOWN_VERSIONS)
        if not found:
            raise NotFound(
                f"the flow {flow.name} has no version {prefix!r:.80}; `hero-logic flows show {flow.name}` "
                "lists those it has."
            )
        if len(found) > 1:
            several = ", ".join(sid[: len(prefix) + 4] for sid in found)
            raise UsageError(f"several versions of the flow {flow.name} begin with {prefix}: {several}.")
        return self.store.get_version(found[0])

    def _publish(
        self,
        name: str,
        source: str,
        kind: VersionKind,
        *,
        description: str | None,
        tags: Sequence[str] | None,
        says: str = "",
    ) -> tuple[Flow, bool]:
        version = FlowVersion(content_sid(source), name, "", source, self._now_ms(), kind)
        return self.store.put_flow(
            Publication(
                name=name,
                version=version,
                source_description=plain_description(says),
                description=None if description is None else check_description(description),
                tags=None if tags is None else check_tags(tags),
                new_flow_sid=self._new_sid(),
            )
        )


def page_limit(limit: int) -> int:
    """How many a page has.

    Raises:
        UsageError: it is not above 0. What is above ``MAX_PAGE`` is that: the page has a cursor for the rest.
    """
    if limit < 1:
        raise UsageError(f"a limit of {limit}: it is a number from 1 up.")
    return min(limit, MAX_PAGE)


def read_cursor(cursor: str | None) -> int | None:
    """The place that a cursor names.

    Raises:
        UsageError: no page gave it.
    """
    if cursor is None:
        return None
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > len(str(2**62)):
        raise UsageError(f"the cursor {cursor!r:.80} is none that a page gave.")
    return min(int(cursor), 2**62)
