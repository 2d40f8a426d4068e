"""The end of a play: its open spans closed, its outcome decided, its record written.

One way for a normal end, a timeout, a cancel, a recovery and the end of a recorded stream. Loaded when a
play has begun: docs/design/0004-start-up.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from hero_logic.core.fold import OPEN_AT_END, closed_status
from hero_logic.core.outcome import (
    ROOT_END_LOST,
    RUNTIME_ENDED,
    FlowResult,
    Leavings,
    Outcome,
    decide,
    root_error,
)
from hero_logic.core.records import Play, PlayEnd, RootSpan
from hero_logic.service.inbox import take_in_last
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
    problem: str = "",
    is_runtime_gone: bool = False,
) -> Play:
    """Give a play its end, and close its open spans; the play as it then stands.

    Where the runtime is gone the spans are left open, for :func:`close_some`: there may be a million of them,
    and whoever waits for the play need not wait for those. What reads a play shows them closed meanwhile.

    Args:
        store: where the play is.
        ingest: what is queued of the play is written first.
        sid: the play's.
        leavings: what is left of it.
        timeout_s: the deadline that it had, in seconds.
        cancelled_by: the signal that cancelled it, or "".
        redactor: takes out what nobody may read.
        problem: what went wrong in keeping its record; it is told at the end of its stderr.
        is_runtime_gone: whether this is recovery, in another process than the one that ran it.

    Raises:
        StoreError: it could not be written; the play has no end yet.
    """
    if redactor is not None:
        # Before anything is cut: half a value would not be known again.
        leavings = _redacted(leavings, redactor)
    if problem:
        stderr = f"{leavings.stderr.rstrip()}\n[hero-logic: {problem}]\n".lstrip()
        leavings = msgspec.structs.replace(leavings, stderr=stderr)
    take_in_last(store, ingest, sid)
    if is_runtime_gone:
        ingest.let_go(sid)
        root = as_closed_root(store.first_root_not_ok(sid), leavings.record.reason)
    else:
        ingest.close(sid, status=leavings.record.reason, end_ms=leavings.record.end_ms)
        root = store.first_root_not_ok(sid)
    outcome = decide(leavings, root, timeout_s=timeout_s, cancelled_by=cancelled_by)
    if _is_root_end_lost(leavings, root) or (is_runtime_gone and _is_all_lost(store, sid, outcome)):
        # The process may have ended well while the last of its events were lost with the runtime: that its
        # root is open then is the runtime's doing, and is told as such.
        outcome = msgspec.structs.replace(outcome, error=RUNTIME_ENDED if is_runtime_gone else ROOT_END_LOST)
    store.end_play(sid, _end_of(store, sid, outcome, leavings))
    return store.get_play(sid)


def as_closed_root(root: RootSpan | None, status: str) -> RootSpan | None:
    """A root as it is once it is closed, if it is still open."""
    if root is None or root.status != "running":
        return root
    return RootSpan(root.name, closed_status(status), OPEN_AT_END)


def _is_root_end_lost(leavings: Leavings, root: RootSpan | None) -> bool:
    """Whether the process ended well, and what is missing is the last of its events."""
    is_good_end = leavings.record.reason == "exited" and leavings.record.exit_code == 0
    is_told = leavings.result.outcome == "returned"
    return root is not None and root.error == OPEN_AT_END and is_good_end and is_told


def _is_all_lost(store: Store, sid: str, outcome: Outcome) -> bool:
    """Whether a play that ended well has no span at all: a flow has one, which its runtime took with it."""
    return outcome.status == "ok" and store.brief_play(sid).span_count == 0


def _redacted(leavings: Leavings, redactor: Redactor) -> Leavings:
    result = leavings.result
    return msgspec.structs.replace(
        leavings,
        stdout=redactor.text(leavings.stdout),
        stderr=redactor.text(leavings.stderr),
        hint=redactor.text(leavings.hint),
        result=FlowResult(
            result.outcome,
            output=redactor.value(result.output),
            error=redactor.text(result.error),
            traceback=redactor.text(result.traceback),
        ),
    )


def end_recording(store: Store, ingest: Ingest, sid: str, *, end_ms: float) -> Play:
    """The input of a play that came from a file or a socket is over (docs/protocol.md, "Commands")."""
    take_in_last(store, ingest, sid)
    ingest.close(sid, status="failed", end_ms=end_ms)
    root = store.first_root_not_ok(sid)
    # The clock may have been set back meanwhile.
    end_ms = max(end_ms, store.get_play(sid).start_ms or end_ms)
    end = PlayEnd("ok", end_ms) if root is None else PlayEnd("failed", end_ms, root_error(root))
    store.end_play(sid, end)
    return store.get_play(sid)


def _end_of(store: Store, sid: str, outcome: Outcome, leavings: Leavings) -> PlayEnd:
    # A play that was cancelled at its gate ended before it began.
    start_ms = store.get_play(sid).start_ms or leavings.record.end_ms
    return PlayEnd(
        status=outcome.status,
        end_ms=max(leavings.record.end_ms, start_ms),
        error=outcome.error,
        exit_code=leavings.record.exit_code,
        output_json=outcome.output_json,
        stdout=leavings.stdout,
        stderr=leavings.stderr,
        artifacts=leavings.artifacts,
    )
