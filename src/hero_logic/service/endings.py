"""The end of a play: its open spans closed, its outcome decided, its record written.

One way for a normal end, a timeout, a cancel, a recovery and the end of a recorded stream. Loaded when a
play has begun: docs/design/0004-start-up.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from hero_logic.core.fold import OPEN_AT_END
from hero_logic.core.outcome import RUNTIME_ENDED, Leavings, Outcome, decide
from hero_logic.core.records import Play, PlayEnd, RootSpan
from hero_logic.service.ingest import Ingest
from hero_logic.store.contract import Store

if TYPE_CHECKING:
    from hero_logic.core.redaction import Redactor


def end_play(
    store: Store,
    ingest: Ingest,
    sid: str,
    leavings: Leavings,
    *,
    timeout_s: float | None = None,
    cancelled_by: str = "",
    redactor: Redactor | None = None,
) -> Play:
    """Close a play's open spans and give it its end; the play as it then stands.

    Raises:
        StoreError: it could not be written; the play has no end yet.
    """
    root = _close(store, ingest, sid, leavings)
    outcome = decide(leavings, root, timeout_s=timeout_s, cancelled_by=cancelled_by)
    store.end_play(sid, _end_of(outcome, leavings, redactor))
    return store.get_play(sid)


def end_lost_play(store: Store, ingest: Ingest, sid: str, leavings: Leavings) -> Play:
    """Give a play whose runtime is gone its end, by what is left of it.

    The process may have ended well while the last of its events were lost with the runtime: that its
    root is open then is the runtime's doing, and is told as such.
    """
    root = _close(store, ingest, sid, leavings)
    outcome = decide(leavings, root)
    if root is not None and root.error == OPEN_AT_END and leavings.record.reason == "exited":
        outcome = msgspec.structs.replace(outcome, error=RUNTIME_ENDED)
    store.end_play(sid, _end_of(outcome, leavings, None))
    return store.get_play(sid)


def end_recording(store: Store, ingest: Ingest, sid: str, *, end_ms: float) -> Play:
    """The input of a play that came from a file or a socket is over (docs/protocol.md, "Commands")."""
    ingest.close(sid, status="failed", end_ms=end_ms)
    root = store.first_root_not_ok(sid)
    error = "" if root is None else f"the root span {root.name!r} ended {root.status}"
    if root is not None and root.error:
        error += f": {root.error}"
    store.end_play(sid, PlayEnd("ok" if root is None else "failed", end_ms, error))
    return store.get_play(sid)


def _close(store: Store, ingest: Ingest, sid: str, leavings: Leavings) -> RootSpan | None:
    """End the spans that are open; the first root that is not ok."""
    ingest.close(sid, status=leavings.record.reason, end_ms=leavings.record.end_ms)
    return store.first_root_not_ok(sid)


def _end_of(outcome: Outcome, leavings: Leavings, redactor: Redactor | None) -> PlayEnd:
    clean = redactor.text if redactor is not None else str
    output_json = outcome.output_json
    if redactor is not None and output_json is not None:
        # Value by value: replaced in the text of a number or across quotes, it would be JSON no more.
        output_json = msgspec.json.encode(redactor.value(msgspec.json.decode(output_json))).decode()
    return PlayEnd(
        status=outcome.status,
        end_ms=leavings.record.end_ms,
        error=clean(outcome.error),
        exit_code=leavings.record.exit_code,
        output_json=output_json,
        stdout=clean(leavings.stdout),
        stderr=clean(leavings.stderr),
        artifacts=leavings.artifacts,
    )
