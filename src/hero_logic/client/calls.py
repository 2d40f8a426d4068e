"""The methods of the service as calls. Made by `make docs` from the server's table of methods; do not edit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from hero_logic.core.documents import PlayDocument, PlayFacts, PlayPage, PlayState, Pushed, SpanLogs, SpanPage


class Calls(ABC):
    """In blocking calls."""

    @abstractmethod
    def _call(self, method: str, params: dict[str, Any], result: Any) -> Any:
        """Send a call; what it gives, as that type."""

    def play_get(self, play_sid: str, *, spans: bool = True) -> PlayDocument:
        """A play with its spans: docs/rpc.md has more."""
        found: PlayDocument = self._call("play_get", {"play_sid": play_sid, "spans": spans}, PlayDocument)
        return found

    def play_list(self, limit: int = 50, *, before: str | None = None) -> PlayPage:
        """Plays, the newest first, in pages: docs/rpc.md has more."""
        found: PlayPage = self._call("play_list", {"limit": limit, "before": before}, PlayPage)
        return found

    def play_status(self, play_sid: str) -> PlayState:
        """How a play stands: docs/rpc.md has more."""
        found: PlayState = self._call("play_status", {"play_sid": play_sid}, PlayState)
        return found

    def play_wait(self, play_sid: str, *, timeout_ms: float = 0) -> PlayFacts:
        """Wait for the end of a play: docs/rpc.md has more."""
        found: PlayFacts = self._call(
            "play_wait", {"play_sid": play_sid, "timeout_ms": timeout_ms}, PlayFacts
        )
        return found

    def play_spans(self, play_sid: str, *, start: int = 0, limit: int = 100) -> SpanPage:
        """The spans of a play, in pages: docs/rpc.md has more."""
        found: SpanPage = self._call(
            "play_spans", {"play_sid": play_sid, "start": start, "limit": limit}, SpanPage
        )
        return found

    def span_logs(self, play_sid: str, *, span_id: str) -> SpanLogs:
        """The logs of a span: docs/rpc.md has more."""
        found: SpanLogs = self._call("span_logs", {"play_sid": play_sid, "span_id": span_id}, SpanLogs)
        return found

    def span_push(self, play_sid: str, *, event_json: str) -> Pushed:
        """Give a play one event: docs/rpc.md has more."""
        found: Pushed = self._call("span_push", {"play_sid": play_sid, "event_json": event_json}, Pushed)
        return found

    def rpc_discover(self) -> dict[str, Any]:
        """What methods there are: docs/rpc.md has more."""
        found: dict[str, Any] = self._call("rpc.discover", {}, dict[str, Any])
        return found


class AsyncCalls(ABC):
    """On an event loop."""

    @abstractmethod
    async def _call(self, method: str, params: dict[str, Any], result: Any) -> Any:
        """Send a call; what it gives, as that type."""

    async def play_get(self, play_sid: str, *, spans: bool = True) -> PlayDocument:
        """A play with its spans: docs/rpc.md has more."""
        found: PlayDocument = await self._call(
            "play_get", {"play_sid": play_sid, "spans": spans}, PlayDocument
        )
        return found

    async def play_list(self, limit: int = 50, *, before: str | None = None) -> PlayPage:
        """Plays, the newest first, in pages: docs/rpc.md has more."""
        found: PlayPage = await self._call("play_list", {"limit": limit, "before": before}, PlayPage)
        return found

    async def play_status(self, play_sid: str) -> PlayState:
        """How a play stands: docs/rpc.md has more."""
        found: PlayState = await self._call("play_status", {"play_sid": play_sid}, PlayState)
        return found

    async def play_wait(self, play_sid: str, *, timeout_ms: float = 0) -> PlayFacts:
        """Wait for the end of a play: docs/rpc.md has more."""
        found: PlayFacts = await self._call(
            "play_wait", {"play_sid": play_sid, "timeout_ms": timeout_ms}, PlayFacts
        )
        return found

    async def play_spans(self, play_sid: str, *, start: int = 0, limit: int = 100) -> SpanPage:
        """The spans of a play, in pages: docs/rpc.md has more."""
        found: SpanPage = await self._call(
            "play_spans", {"play_sid": play_sid, "start": start, "limit": limit}, SpanPage
        )
        return found

    async def span_logs(self, play_sid: str, *, span_id: str) -> SpanLogs:
        """The logs of a span: docs/rpc.md has more."""
        found: SpanLogs = await self._call("span_logs", {"play_sid": play_sid, "span_id": span_id}, SpanLogs)
        return found

    async def span_push(self, play_sid: str, *, event_json: str) -> Pushed:
        """Give a play one event: docs/rpc.md has more."""
        found: Pushed = await self._call(
            "span_push", {"play_sid": play_sid, "event_json": event_json}, Pushed
        )
        return found

    async def rpc_discover(self) -> dict[str, Any]:
        """What methods there are: docs/rpc.md has more."""
        found: dict[str, Any] = await self._call("rpc.discover", {}, dict[str, Any])
        return found
