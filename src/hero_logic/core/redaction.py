"""Values that nobody may read, taken out of what a play sends and leaves.

What is looked for: the value as it is, and as it looks inside JSON, inside ``repr``, in a URL and in
base64. A value that the play splits or scrambles gets through: this guards against accidents, and the
sandbox against intent.
"""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote, quote_plus

from hero_logic.core.policy import MIN_REDACTED_CHARS
from hero_logic.core.wire import Event, Hello, SpanEnd, SpanLog, SpanStart, SpanTag

REPLACEMENT = "***"
_ELLIPSIS = "\u2026"


class Redactor:
    """Replaces each of these values by ``***`` wherever it is shown.

    >>> Redactor(["s3cret"]).text("token=s3cret")
    'token=***'
    """

    def __init__(self, values: list[str]) -> None:
        spellings = {
            spelling
            for value in values
            # A text that is printed becomes a log for each of its lines.
            for part in (value, *value.splitlines())
            if len(part) >= MIN_REDACTED_CHARS
            for spelling in _spellings(part)
        }
        self._whole = frozenset(value for value in values if len(value) >= MIN_REDACTED_CHARS)
        # The longest first: a value may be part of another one's spelling.
        self._spellings = sorted(spellings, key=len, reverse=True)

    def text(self, text: str) -> str:
        """The text without the values."""
        for spelling in self._spellings:
            if spelling in text:
                text = text.replace(spelling, REPLACEMENT)
        for value in self._whole:
            text = _without_head(text, value)
        return text

    def value(self, value: Any) -> Any:  # noqa: ANN401  # any JSON value
        """Any JSON value without the values, keys included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, (int, float)) and not isinstance(value, bool) and str(value) in self._whole:
            return REPLACEMENT
        return value

    def event(self, event: Event) -> Event:
        """The event with its text free of the values, changed in place; ids and kinds stay."""
        if isinstance(event, Hello):
            return event
        if isinstance(event, SpanLog):
            event.text = self.text(event.text)
            event.level = self.value(event.level)
        elif isinstance(event, SpanTag):
            event.tags = self.value(event.tags)
        elif isinstance(event, SpanEnd):
            event.error = self.value(event.error)
            event.status = self.text(event.status)
        elif isinstance(event, SpanStart):
            event.name = self.text(event.name)
            event.tags = self.value(event.tags)
            event.rpc_service = self.value(event.rpc_service)
            event.rpc_method = self.value(event.rpc_method)
            event.source_file = self.value(event.source_file)
            event.child_play_sid = self.value(event.child_play_sid)
        return event


def _without_head(text: str, value: str) -> str:
    """The text without the head of a value that was cut: before an ellipsis, or at the very end."""
    head = value[:MIN_REDACTED_CHARS]
    at = text.find(head)
    while at != -1:
        end = at + len(head)
        while end < len(text) and end - at < len(value) and text[end] == value[end - at]:
            end += 1
        if end == len(text) or text[end] == _ELLIPSIS:
            text = text[:at] + REPLACEMENT + text[end:]
        at = text.find(head, at + 1)
    return text


def _spellings(value: str) -> set[str]:
    data = value.encode("utf-8", "surrogateescape")
    plain = base64.b64encode(data).decode()
    return {
        value,
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        quote(data),
        quote(data, safe=""),
        quote_plus(data),
        plain,
        base64.urlsafe_b64encode(data).decode(),
        plain.rstrip("="),
    }
