"""What a play reached for in the network, as a span of its own beside its root: a log for each decision.

The span is called ``network``, its kind is ``other``, its tags say how many attempts were ``allowed``,
``denied`` and ``failed``. Its id cannot be guessed, so that no flow writes into it. It is there from the
first decision to the last, and always ends ``ok``: what a denial means for the play, the flow decides.

Source: docs/grants.md, "What is recorded".
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from hero_logic.core.lines import Chunk

if TYPE_CHECKING:
    from hero_logic.service.ingest import PlaySink

    class Decision(Protocol):
        """What became of one attempt (runner/proxy.py)."""

        endpoint: str
        verdict: str
        why: str
        allow: str


_MAX_LOGS = 2000
"""A flow that asks without end fills no record: what comes after these is counted."""
_MAX_REFUSALS = 10


class NetLog:
    """Takes the decisions of one play's proxy, from any thread, until it is finished."""

    def __init__(self, sink: PlaySink, *, now_ms: Callable[[], float]) -> None:
        self._sink = sink
        self._now_ms = now_ms
        self._span_id = f"network-{os.urandom(8).hex()}"
        self._lock = Lock()
        self._counts: dict[str, int] = {}
        self._last_ms = 0.0
        self.refusals: dict[str, Decision] = {}
        """The first that were denied, by what was asked for."""

    def tell(self, decision: Decision) -> None:
        """One decision."""
        with self._lock:
            total = sum(self._counts.values())
            if not total:
                self._write("span_start", name="network", kind="other", start_ms=self._now_ms(), parent_id="")
            self._counts[decision.verdict] = self._counts.get(decision.verdict, 0) + 1
            if decision.verdict == "denied" and len(self.refusals) < _MAX_REFUSALS:
                self.refusals.setdefault(decision.endpoint, decision)
            self._last_ms = self._now_ms()
            if total < _MAX_LOGS:
                level = {} if decision.verdict == "allowed" else {"level": "warning"}
                self._write("span_log", text=_sentence(decision), ts_ms=self._last_ms, **level)

    def finish(self) -> None:
        """The play has ended: so does the span, if there is one."""
        with self._lock:
            total = sum(self._counts.values())
            if not total:
                return
            if total > _MAX_LOGS:
                self._write("span_log", text=f"and {total - _MAX_LOGS} more", ts_ms=self._last_ms)
            self._write("span_tag", tags=self._counts)
            self._write("span_end", status="ok", end_ms=self._last_ms)

    def _write(self, event: str, **fields: Any) -> None:  # noqa: ANN401  # of an event
        line = json.dumps({"type": event, "span_id": self._span_id, **fields}) + "\n"
        # What is full takes it all the same: it is a few bytes, and their number is bounded.
        self._sink.write(Chunk(line.encode(), source="", position=0, received_ms=self._now_ms()))


def _sentence(decision: Decision) -> str:
    """A decision as a person reads it.

    >>> class Denied:
    ...     endpoint, verdict, why, allow = "a.example:443", "denied", "it was not granted", "a.example:443"
    >>> _sentence(Denied())
    'denied a.example:443: it was not granted; --allow-net a.example:443 would allow it'
    """
    if decision.verdict == "allowed":
        return f"allowed {decision.endpoint} ({decision.why})"
    hint = f"; --allow-net {decision.allow} would allow it" if decision.allow else ""
    return f"{decision.verdict} {decision.endpoint}: {decision.why}{hint}"
