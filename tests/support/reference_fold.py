"""A second fold, slow and obvious, written from docs/protocol.md alone.

It takes events as :mod:`support.reference_decoder` gives them, keeps every span whole in one dictionary,
and shares no code with ``hero_logic.core.fold``. The numbers in comments are those of the rules.
"""

from __future__ import annotations

import json
from typing import Any

KINDS = ["flow_root", "step", "rpc", "subflow", "other"]
STATUSES = ["ok", "failed", "timed_out", "cancelled"]
OTHER_START_FIELDS = [
    "parent_id",
    "rpc_service",
    "rpc_method",
    "child_play_sid",
    "source_file",
    "source_line",
]


class ReferenceFold:
    """The spans of a play, and its counters."""

    def __init__(self, max_spans: int, max_tags_bytes: int, max_log_bytes: int) -> None:
        self.max_spans = max_spans
        self.max_tags_bytes = max_tags_bytes
        self.max_log_bytes = max_log_bytes
        self.spans: dict[str, dict[str, Any]] = {}
        self.counters = dict.fromkeys(["events", "malformed", "oversize", "repeated", "truncated"], 0)
        self.writer_of: dict[int, str] = {}
        self.highest: dict[str, int] = {}
        self.runtime_tags: dict[str, set[str]] = {}

    def fold(self, event: dict[str, Any], connection: int, received_ms: float) -> None:
        """Take one event, in the order of arrival."""
        if event["type"] == "hello":
            self.writer_of[connection] = event["writer"]
        elif self._is_repeat(event, connection):
            self.counters["repeated"] += 1
        elif event["span_id"] not in self.spans and len(self.spans) >= self.max_spans:
            self.counters["truncated"] += 1  # 14
        else:
            self._fold_kept(event, received_ms)

    def close(self, status: str, end_ms: float) -> None:
        """Rule 13."""
        for span in self.spans.values():
            if span["status"] == "running":
                span["status"] = status if status in {"timed_out", "cancelled"} else "failed"
                span["end_ms"] = end_ms
                span["error"] = "the play ended while this span was open"

    def _is_repeat(self, event: dict[str, Any], connection: int) -> bool:
        writer = self.writer_of.get(connection)
        if writer is None or "seq" not in event:
            return False
        is_repeat: bool = event["seq"] <= self.highest.get(writer, 0)  # 9
        if not is_repeat:
            self.highest[writer] = event["seq"]
        return is_repeat

    def _fold_kept(self, event: dict[str, Any], received_ms: float) -> None:
        span_id = event["span_id"]
        is_new = span_id not in self.spans
        if is_new:
            self.spans[span_id] = self._empty_span(event, received_ms)
            self.runtime_tags[span_id] = set()
        span = self.spans[span_id]
        if event["type"] == "span_start":
            lost = self._start(span, event)
        elif event["type"] == "span_tag":
            lost = self._tag(span, event["tags"])
        elif event["type"] == "span_log":
            lost = self._log(span, event, received_ms)
        else:
            lost = self._end(span, event, received_ms)
        if lost != "all" or is_new or event["type"] == "span_start":
            self.counters["events"] += 1
        if lost != "nothing":
            self.counters["truncated"] += 1
            span["tags"]["hero.truncated"] = True
            self.runtime_tags[span_id].add("hero.truncated")

    def _empty_span(self, event: dict[str, Any], received_ms: float) -> dict[str, Any]:
        time_key = {"span_start": "start_ms", "span_log": "ts_ms", "span_end": "end_ms", "span_tag": ""}
        return {
            "span_id": event["span_id"],
            "parent_id": "",
            "name": "",
            "kind": "step",
            "start_ms": event.get(time_key[event["type"]], received_ms),  # 6
            "end_ms": None,
            "status": "running",
            "tags": {},
            "logs": "",
            "error": "",
            "rpc_service": "",
            "rpc_method": "",
            "child_play_sid": "",
            "source_file": "",
            "source_line": 0,
        }

    def _start(self, span: dict[str, Any], event: dict[str, Any]) -> str:
        span["name"] = event["name"]  # 2
        for key in ["start_ms", *OTHER_START_FIELDS]:
            if key in event:
                span[key] = event[key]
        if "kind" in event:
            span["kind"] = event["kind"] if event["kind"] in KINDS else "other"
        return self._tag(span, event.get("tags", {}))

    def _tag(self, span: dict[str, Any], tags: dict[str, Any]) -> str:
        own = self.runtime_tags[span["span_id"]]
        wanted = {key: value for key, value in tags.items() if key not in own}  # 14
        kept = 0
        for key, value in wanted.items():
            after = {k: v for k, v in span["tags"].items() if k not in own}
            after[key] = value  # 3
            text = json.dumps(after, separators=(",", ":"), ensure_ascii=False)
            if len(text.encode()) <= self.max_tags_bytes:
                span["tags"][key] = value
                kept += 1
        if kept == len(wanted):
            return "nothing"
        return "something" if kept else "all"

    def _log(self, span: dict[str, Any], event: dict[str, Any], received_ms: float) -> str:
        level = event.get("level", "").upper()
        words = [f"[{round(event.get('ts_ms', received_ms))}]", *([level] if level else []), event["text"]]
        before = span["logs"]
        line = ("\n" if before else "") + " ".join(words)
        room = self.max_log_bytes - len(before.encode())
        kept = ""
        for character in line:
            if len((kept + character).encode()) > room:
                break
            kept += character
        if kept in {"", "\n"}:
            return "all"
        span["logs"] += kept  # 4
        return "nothing" if kept == line else "something"

    def _end(self, span: dict[str, Any], event: dict[str, Any], received_ms: float) -> str:
        if span["status"] != "running":
            return "nothing"  # 5
        span["end_ms"] = event.get("end_ms", received_ms)
        span["error"] = event.get("error", "")
        span["status"] = event["status"] if event["status"] in STATUSES else "failed"
        if event["status"] not in STATUSES:
            span["tags"]["hero.unknown_status"] = event["status"]
            self.runtime_tags[span["span_id"]].add("hero.unknown_status")
        return "nothing"
