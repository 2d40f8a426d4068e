"""The methods of the service as calls.

Made by `make docs` from the server's table of methods; do not edit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal, TypeVar

from hero_logic.core.documents import (
    FailedSpans,
    FlowUsage,
    FoundSpans,
    PlayDocument,
    PlayFacts,
    PlayOutline,
    PlayPage,
    PlayRelations,
    PlayState,
    Pushed,
    SpanLogs,
    SpanPage,
    SpanStats,
)
from hero_logic.core.finding import StoreSize
from hero_logic.core.library import Flow, FlowDetails, FlowPage, FlowPut, FoundFlows, VersionPage

_Result = TypeVar("_Result")


class Calls(ABC):
    """In blocking calls."""

    @abstractmethod
    def _call(self, method: str, params: dict[str, Any], result: type[_Result]) -> _Result:
        """Send a call; what it gives, as that type."""

    def play_start(
        self,
        flow_sid: str,
        *,
        input_data: dict[str, Any] | None = None,
        timeout_ms: float = 10000,
        parent_span_id: str = "",
        parent_play_sid: str = "",
        play_timeout_ms: float | None = None,
        grace_ms: float | None = None,
        sandbox: Literal["auto", "best", "tier0", "tier1", "tier2", "none"] | None = None,
    ) -> PlayFacts:
        """Run a flow, and wait until it has begun: docs/rpc.md has more."""
        return self._call(
            "play_start",
            {
                "flow_sid": flow_sid,
                "input_data": input_data,
                "timeout_ms": timeout_ms,
                "parent_span_id": parent_span_id,
                "parent_play_sid": parent_play_sid,
                "play_timeout_ms": play_timeout_ms,
                "grace_ms": grace_ms,
                "sandbox": sandbox,
            },
            PlayFacts,
        )

    def play_run_async(
        self,
        flow_sid: str,
        *,
        input_data: dict[str, Any] | None = None,
        parent_span_id: str = "",
        parent_play_sid: str = "",
        play_timeout_ms: float | None = None,
        grace_ms: float | None = None,
        sandbox: Literal["auto", "best", "tier0", "tier1", "tier2", "none"] | None = None,
    ) -> str:
        """Have a flow run; gives the id of its play at once: docs/rpc.md has more."""
        return self._call(
            "play_run_async",
            {
                "flow_sid": flow_sid,
                "input_data": input_data,
                "parent_span_id": parent_span_id,
                "parent_play_sid": parent_play_sid,
                "play_timeout_ms": play_timeout_ms,
                "grace_ms": grace_ms,
                "sandbox": sandbox,
            },
            str,
        )

    def play_cancel(self, play_sid: str) -> PlayState:
        """Have a play ended: docs/rpc.md has more."""
        return self._call("play_cancel", {"play_sid": play_sid}, PlayState)

    def play_retry(self, play_sid: str) -> str:
        """Run a play again; gives the id of the new one at once: docs/rpc.md has more."""
        return self._call("play_retry", {"play_sid": play_sid}, str)

    def play_delete(self, play_sid: str) -> PlayState:
        """Remove a play; gives how it stood: docs/rpc.md has more."""
        return self._call("play_delete", {"play_sid": play_sid}, PlayState)

    def play_links(self, play_sid: str) -> PlayRelations:
        """The parent, the children and the retries of a play: docs/rpc.md has more."""
        return self._call("play_links", {"play_sid": play_sid}, PlayRelations)

    def play_get(self, play_sid: str, *, spans: bool = True) -> PlayDocument:
        """A play with its spans: docs/rpc.md has more."""
        return self._call("play_get", {"play_sid": play_sid, "spans": spans}, PlayDocument)

    def play_list(
        self,
        limit: int = 50,
        *,
        before: str | None = None,
        flow: str | None = None,
        statuses: list[Literal["pending", "running", "ok", "failed", "timed_out", "cancelled"]] | None = None,
        since_ms: float | None = None,
        until_ms: float | None = None,
        text: str = "",
    ) -> PlayPage:
        """Plays, the newest first, in pages: docs/rpc.md has more."""
        return self._call(
            "play_list",
            {
                "limit": limit,
                "before": before,
                "flow": flow,
                "statuses": statuses,
                "since_ms": since_ms,
                "until_ms": until_ms,
                "text": text,
            },
            PlayPage,
        )

    def play_status(self, play_sid: str) -> PlayState:
        """How a play stands: docs/rpc.md has more."""
        return self._call("play_status", {"play_sid": play_sid}, PlayState)

    def play_wait(self, play_sid: str, *, timeout_ms: float = 0, parent_play_sid: str = "") -> PlayFacts:
        """Wait for the end of a play: docs/rpc.md has more."""
        return self._call(
            "play_wait",
            {"play_sid": play_sid, "timeout_ms": timeout_ms, "parent_play_sid": parent_play_sid},
            PlayFacts,
        )

    def play_spans(self, play_sid: str, *, start: int = 0, limit: int = 100) -> SpanPage:
        """The spans of a play, in pages: docs/rpc.md has more."""
        return self._call("play_spans", {"play_sid": play_sid, "start": start, "limit": limit}, SpanPage)

    def span_logs(self, play_sid: str, *, span_id: str) -> SpanLogs:
        """The logs of a span: docs/rpc.md has more."""
        return self._call("span_logs", {"play_sid": play_sid, "span_id": span_id}, SpanLogs)

    def span_find(self, play_sid: str, *, text: str, start: int = 0) -> FoundSpans:
        """Find spans by words, in pages: docs/rpc.md has more."""
        return self._call("span_find", {"play_sid": play_sid, "text": text, "start": start}, FoundSpans)

    def span_push(self, play_sid: str, *, event_json: str, writer: str = "") -> Pushed:
        """Give a play one event: docs/rpc.md has more."""
        return self._call(
            "span_push", {"play_sid": play_sid, "event_json": event_json, "writer": writer}, Pushed
        )

    def flow_put(
        self,
        name: str,
        *,
        python_source: str | None = None,
        legacy_dag: str | None = None,
        description: str | None = None,
        tags: list[str] | None = None,
    ) -> FlowPut:
        """Publish a flow: docs/rpc.md has more."""
        return self._call(
            "flow_put",
            {
                "name": name,
                "python_source": python_source,
                "legacy_dag": legacy_dag,
                "description": description,
                "tags": tags,
            },
            FlowPut,
        )

    def flow_get(self, flow_sid: str, *, version_sid: str = "") -> FlowDetails:
        """A flow with its source and inputs: docs/rpc.md has more."""
        return self._call("flow_get", {"flow_sid": flow_sid, "version_sid": version_sid}, FlowDetails)

    def flow_list(self, limit: int = 20, *, before: str | None = None, archived: bool = False) -> FlowPage:
        """Flows, in pages: docs/rpc.md has more."""
        return self._call("flow_list", {"limit": limit, "before": before, "archived": archived}, FlowPage)

    def flow_versions(self, flow_sid: str, *, limit: int = 20, before: str | None = None) -> VersionPage:
        """The versions of a flow, in pages: docs/rpc.md has more."""
        return self._call(
            "flow_versions", {"flow_sid": flow_sid, "limit": limit, "before": before}, VersionPage
        )

    def flow_archive(self, flow_sid: str, *, is_archived: bool = True) -> Flow:
        """Put a flow away, or bring it back: docs/rpc.md has more."""
        return self._call("flow_archive", {"flow_sid": flow_sid, "is_archived": is_archived}, Flow)

    def flow_delete(self, flow_sid: str) -> Flow:
        """Remove a flow: docs/rpc.md has more."""
        return self._call("flow_delete", {"flow_sid": flow_sid}, Flow)

    def flow_library_search(self, query: str = "", *, limit: int = 20) -> FoundFlows:
        """Find flows: docs/rpc.md has more."""
        return self._call("flow_library_search", {"query": query, "limit": limit}, FoundFlows)

    def play_outline(self, play_sid: str) -> PlayOutline:
        """The part of a play that is worth showing first: docs/rpc.md has more."""
        return self._call("play_outline", {"play_sid": play_sid}, PlayOutline)

    def play_failed(self, play_sid: str, *, start: int = 0, limit: int = 100) -> FailedSpans:
        """The spans of a play that failed, in pages: docs/rpc.md has more."""
        return self._call("play_failed", {"play_sid": play_sid, "start": start, "limit": limit}, FailedSpans)

    def play_stats(self, play_sid: str, *, limit: int = 100) -> SpanStats:
        """What the spans of a play took, by name: docs/rpc.md has more."""
        return self._call("play_stats", {"play_sid": play_sid, "limit": limit}, SpanStats)

    def store_size(self) -> StoreSize:
        """How much is on record: docs/rpc.md has more."""
        return self._call("store_size", {}, StoreSize)

    def flow_usage(self, flow_sid: str) -> FlowUsage:
        """How many plays ran a flow: docs/rpc.md has more."""
        return self._call("flow_usage", {"flow_sid": flow_sid}, FlowUsage)

    def rpc_discover(self) -> dict[str, Any]:
        """What methods there are: docs/rpc.md has more."""
        return self._call("rpc.discover", {}, dict[str, Any])


class AsyncCalls(ABC):
    """On an event loop."""

    @abstractmethod
    async def _call(self, method: str, params: dict[str, Any], result: type[_Result]) -> _Result:
        """Send a call; what it gives, as that type."""

    async def play_start(
        self,
        flow_sid: str,
        *,
        input_data: dict[str, Any] | None = None,
        timeout_ms: float = 10000,
        parent_span_id: str = "",
        parent_play_sid: str = "",
        play_timeout_ms: float | None = None,
        grace_ms: float | None = None,
        sandbox: Literal["auto", "best", "tier0", "tier1", "tier2", "none"] | None = None,
    ) -> PlayFacts:
        """Run a flow, and wait until it has begun: docs/rpc.md has more."""
        return await self._call(
            "play_start",
            {
                "flow_sid": flow_sid,
                "input_data": input_data,
                "timeout_ms": timeout_ms,
                "parent_span_id": parent_span_id,
                "parent_play_sid": parent_play_sid,
                "play_timeout_ms": play_timeout_ms,
                "grace_ms": grace_ms,
                "sandbox": sandbox,
            },
            PlayFacts,
        )

    async def play_run_async(
        self,
        flow_sid: str,
        *,
        input_data: dict[str, Any] | None = None,
        parent_span_id: str = "",
        parent_play_sid: str = "",
        play_timeout_ms: float | None = None,
        grace_ms: float | None = None,
        sandbox: Literal["auto", "best", "tier0", "tier1", "tier2", "none"] | None = None,
    ) -> str:
        """Have a flow run; gives the id of its play at once: docs/rpc.md has more."""
        return await self._call(
            "play_run_async",
            {
                "flow_sid": flow_sid,
                "input_data": input_data,
                "parent_span_id": parent_span_id,
                "parent_play_sid": parent_play_sid,
                "play_timeout_ms": play_timeout_ms,
                "grace_ms": grace_ms,
                "sandbox": sandbox,
            },
            str,
        )

    async def play_cancel(self, play_sid: str) -> PlayState:
        """Have a play ended: docs/rpc.md has more."""
        return await self._call("play_cancel", {"play_sid": play_sid}, PlayState)

    async def play_retry(self, play_sid: str) -> str:
        """Run a play again; gives the id of the new one at once: docs/rpc.md has more."""
        return await self._call("play_retry", {"play_sid": play_sid}, str)

    async def play_delete(self, play_sid: str) -> PlayState:
        """Remove a play; gives how it stood: docs/rpc.md has more."""
        return await self._call("play_delete", {"play_sid": play_sid}, PlayState)

    async def play_links(self, play_sid: str) -> PlayRelations:
        """The parent, the children and the retries of a play: docs/rpc.md has more."""
        return await self._call("play_links", {"play_sid": play_sid}, PlayRelations)

    async def play_get(self, play_sid: str, *, spans: bool = True) -> PlayDocument:
        """A play with its spans: docs/rpc.md has more."""
        return await self._call("play_get", {"play_sid": play_sid, "spans": spans}, PlayDocument)

    async def play_list(
        self,
        limit: int = 50,
        *,
        before: str | None = None,
        flow: str | None = None,
        statuses: list[Literal["pending", "running", "ok", "failed", "timed_out", "cancelled"]] | None = None,
        since_ms: float | None = None,
        until_ms: float | None = None,
        text: str = "",
    ) -> PlayPage:
        """Plays, the newest first, in pages: docs/rpc.md has more."""
        return await self._call(
            "play_list",
            {
                "limit": limit,
                "before": before,
                "flow": flow,
                "statuses": statuses,
                "since_ms": since_ms,
                "until_ms": until_ms,
                "text": text,
            },
            PlayPage,
        )

    async def play_status(self, play_sid: str) -> PlayState:
        """How a play stands: docs/rpc.md has more."""
        return await self._call("play_status", {"play_sid": play_sid}, PlayState)

    async def play_wait(
        self, play_sid: str, *, timeout_ms: float = 0, parent_play_sid: str = ""
    ) -> PlayFacts:
        """Wait for the end of a play: docs/rpc.md has more."""
        return await self._call(
            "play_wait",
            {"play_sid": play_sid, "timeout_ms": timeout_ms, "parent_play_sid": parent_play_sid},
            PlayFacts,
        )

    async def play_spans(self, play_sid: str, *, start: int = 0, limit: int = 100) -> SpanPage:
        """The spans of a play, in pages: docs/rpc.md has more."""
        return await self._call(
            "play_spans", {"play_sid": play_sid, "start": start, "limit": limit}, SpanPage
        )

    async def span_logs(self, play_sid: str, *, span_id: str) -> SpanLogs:
        """The logs of a span: docs/rpc.md has more."""
        return await self._call("span_logs", {"play_sid": play_sid, "span_id": span_id}, SpanLogs)

    async def span_find(self, play_sid: str, *, text: str, start: int = 0) -> FoundSpans:
        """Find spans by words, in pages: docs/rpc.md has more."""
        return await self._call("span_find", {"play_sid": play_sid, "text": text, "start": start}, FoundSpans)

    async def span_push(self, play_sid: str, *, event_json: str, writer: str = "") -> Pushed:
        """Give a play one event: docs/rpc.md has more."""
        return await self._call(
            "span_push", {"play_sid": play_sid, "event_json": event_json, "writer": writer}, Pushed
        )

    async def flow_put(
        self,
        name: str,
        *,
        python_source: str | None = None,
        legacy_dag: str | None = None,
        description: str | None = None,
        tags: list[str] | None = None,
    ) -> FlowPut:
        """Publish a flow: docs/rpc.md has more."""
        return await self._call(
            "flow_put",
            {
                "name": name,
                "python_source": python_source,
                "legacy_dag": legacy_dag,
                "description": description,
                "tags": tags,
            },
            FlowPut,
        )

    async def flow_get(self, flow_sid: str, *, version_sid: str = "") -> FlowDetails:
        """A flow with its source and inputs: docs/rpc.md has more."""
        return await self._call("flow_get", {"flow_sid": flow_sid, "version_sid": version_sid}, FlowDetails)

    async def flow_list(
        self, limit: int = 20, *, before: str | None = None, archived: bool = False
    ) -> FlowPage:
        """Flows, in pages: docs/rpc.md has more."""
        return await self._call(
            "flow_list", {"limit": limit, "before": before, "archived": archived}, FlowPage
        )

    async def flow_versions(
        self, flow_sid: str, *, limit: int = 20, before: str | None = None
    ) -> VersionPage:
        """The versions of a flow, in pages: docs/rpc.md has more."""
        return await self._call(
            "flow_versions", {"flow_sid": flow_sid, "limit": limit, "before": before}, VersionPage
        )

    async def flow_archive(self, flow_sid: str, *, is_archived: bool = True) -> Flow:
        """Put a flow away, or bring it back: docs/rpc.md has more."""
        return await self._call("flow_archive", {"flow_sid": flow_sid, "is_archived": is_archived}, Flow)

    async def flow_delete(self, flow_sid: str) -> Flow:
        """Remove a flow: docs/rpc.md has more."""
        return await self._call("flow_delete", {"flow_sid": flow_sid}, Flow)

    async def flow_library_search(self, query: str = "", *, limit: int = 20) -> FoundFlows:
        """Find flows: docs/rpc.md has more."""
        return await self._call("flow_library_search", {"query": query, "limit": limit}, FoundFlows)

    async def play_outline(self, play_sid: str) -> PlayOutline:
        """The part of a play that is worth showing first: docs/rpc.md has more."""
        return await self._call("play_outline", {"play_sid": play_sid}, PlayOutline)

    async def play_failed(self, play_sid: str, *, start: int = 0, limit: int = 100) -> FailedSpans:
        """The spans of a play that failed, in pages: docs/rpc.md has more."""
        return await self._call(
            "play_failed", {"play_sid": play_sid, "start": start, "limit": limit}, FailedSpans
        )

    async def play_stats(self, play_sid: str, *, limit: int = 100) -> SpanStats:
        """What the spans of a play took, by name: docs/rpc.md has more."""
        return await self._call("play_stats", {"play_sid": play_sid, "limit": limit}, SpanStats)

    async def store_size(self) -> StoreSize:
        """How much is on record: docs/rpc.md has more."""
        return await self._call("store_size", {}, StoreSize)

    async def flow_usage(self, flow_sid: str) -> FlowUsage:
        """How many plays ran a flow: docs/rpc.md has more."""
        return await self._call("flow_usage", {"flow_sid": flow_sid}, FlowUsage)

    async def rpc_discover(self) -> dict[str, Any]:
        """What methods there are: docs/rpc.md has more."""
        return await self._call("rpc.discover", {}, dict[str, Any])
