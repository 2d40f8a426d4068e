"""A play's fold and its rows together, as the runtime has them, for tests that speak in events."""

from __future__ import annotations

import json
from typing import Any

from hero_logic.core.fold import Batch, FoldLimits, SpanTree
from hero_logic.core.records import Span
from hero_logic.core.wire import decode_lines
from support.rows import RowStore

RECEIVED_MS = 100.0


class Recording:
    """A span tree that writes to a :class:`RowStore` after each batch."""

    def __init__(self, limits: FoldLimits | None = None) -> None:
        self.limits = limits
        self.rows = RowStore()
        self.tree = SpanTree(load=self.rows.load, limits=limits)

    def send(self, *events: dict[str, Any], source: str = "", received_ms: float = RECEIVED_MS) -> None:
        """Fold events, given as what their lines say, in one batch."""
        self.send_bytes(b"".join(json.dumps(event).encode() + b"\n" for event in events), source, received_ms)

    def send_bytes(self, chunk: bytes, source: str = "", received_ms: float = RECEIVED_MS) -> None:
        """Fold whole lines in one batch."""
        decoded = decode_lines(chunk)
        self.tree.apply(Batch(decoded.events, received_ms, source, malformed=len(decoded.bad_lines)))
        self.commit()

    def commit(self) -> None:
        """Write what changed."""
        self.rows.write(self.tree.delta())
        self.tree.committed()

    def close(self, status: str, end_ms: float) -> None:
        """End the play."""
        self.tree.close(self.rows.open_rows(), status=status, end_ms=end_ms)
        self.commit()

    def restart(self) -> None:
        """Go on in another process: a new tree, made from the rows alone."""
        self.tree = SpanTree(self.rows.state(), load=self.rows.load, limits=self.limits)

    @property
    def spans(self) -> list[Span]:
        """All of them, in their order."""
        return self.rows.spans()

    def span(self, span_id: str = "a") -> Span:
        """One of them."""
        return next(span for span in self.spans if span.span_id == span_id)


def start(span_id: str = "a", /, **keys: Any) -> dict[str, Any]:
    """A ``span_start`` named ``n``."""
    return {"type": "span_start", "span_id": span_id, "name": "n", **keys}


def tag(span_id: str = "a", /, **tags: Any) -> dict[str, Any]:
    """A ``span_tag``."""
    return {"type": "span_tag", "span_id": span_id, "tags": tags}


def log(span_id: str = "a", /, text: str = "t", **keys: Any) -> dict[str, Any]:
    """A ``span_log``."""
    return {"type": "span_log", "span_id": span_id, "text": text, **keys}


def end(span_id: str = "a", /, status: str = "ok", **keys: Any) -> dict[str, Any]:
    """A ``span_end``."""
    return {"type": "span_end", "span_id": span_id, "status": status, **keys}


def hello(writer: str = "w", **keys: Any) -> dict[str, Any]:
    """A ``hello`` of protocol 1."""
    return {"type": "hello", "protocol": 1, "writer": writer, **keys}
