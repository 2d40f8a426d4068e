"""Spans of plays that have ended and are still to be closed, shown as they are once they are (rule 13).

A play that was lost gets its end first, and its open spans afterwards, in batches (service/recovery.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from hero_logic.core.fold import OPEN_AT_END, closed_status
from hero_logic.core.records import Span, SpanRow

if TYPE_CHECKING:
    from hero_logic.core.records import Play
    from hero_logic.service.outline import Outline

_Spanned = TypeVar("_Spanned", Span, SpanRow)


def as_closed(span: _Spanned, play: Play) -> _Spanned:
    """A span of a play that has ended, as it is once it is closed.

    >>> from hero_logic.core.records import Play
    >>> as_closed(SpanRow(0, "a", 1.0), Play("p", status="cancelled", end_ms=5.0)).status
    'cancelled'
    """
    if span.status != "running":
        return span
    end_ms = play.created_ms if play.end_ms is None else play.end_ms
    return msgspec.structs.replace(span, status=closed_status(play.status), end_ms=end_ms, error=OPEN_AT_END)


def counts_as_closed(counts: dict[str, int], play: Play) -> dict[str, int]:
    """How many spans have which status, once those that are open are closed.

    >>> from hero_logic.core.records import Play
    >>> counts_as_closed({"running": 2, "failed": 1}, Play("p", status="failed"))
    {'failed': 3}
    """
    counts = dict(counts)
    running = counts.pop("running", 0)
    if running:
        closed = closed_status(play.status)
        counts[closed] = counts.get(closed, 0) + running
    return counts


def outline_as_closed(outline: Outline, play: Play) -> Outline:
    """A part of a play's spans, once those that are open are closed."""
    return msgspec.structs.replace(
        outline,
        rows=[as_closed(row, play) for row in outline.rows],
        counts=counts_as_closed(outline.counts, play),
    )
