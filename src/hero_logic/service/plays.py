"""Plays: created, begun, ended, read. A function here is a verb of every face."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import msgspec

from hero_logic.core.errors import NotFound
from hero_logic.core.fold import OPEN_AT_END
from hero_logic.core.outcome import RUNTIME_ENDED, Leavings, Outcome, decide
from hero_logic.core.records import FlowVersion, Play, PlayEnd, RootSpan, Sandbox, Span
from hero_logic.core.redaction import Redactor
from hero_logic.service.ingest import Ingest
from hero_logic.store.contract import Store

_PAGE_SPANS = 2000
LAST = "last"


class Plays:
    """What can be done with plays, over one store."""

    def __init__(self, store: Store, *, now_ms: Callable[[], float], runtime_sid: str) -> None:
        self.store = store
        self._now_ms = now_ms
        self._runtime_sid = runtime_sid

    def create(
        self, sid: str, *, flow: str = "", path: str = "", source: str | None = None, input_json: str = "{}"
    ) -> Play:
        """Put a new play on record, ``pending``; with the version of its flow, where it has a source."""
        now_ms = self._now_ms()
        version = None
        if source is not None:
            version_sid = hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:32]
            version = FlowVersion(version_sid, flow, path, source, now_ms)
        play = Play(
            sid=sid,
            flow=flow,
            input_json=input_json,
            created_ms=now_ms,
            version_sid=version.version_sid if version else "",
            runtime_sid=self._runtime_sid,
        )
        self.store.create_play(play, version)
        return play

    def begin(self, sid: str, sandbox: Sandbox) -> None:
        """A play runs from now on."""
        self.store.begin_play(sid, start_ms=self._now_ms(), sandbox=sandbox)

    def end(
        self,
        sid: str,
        ingest: Ingest,
        leavings: Leavings,
        *,
        timeout_s: float | None = None,
        cancelled_by: str = "",
        redactor: Redactor | None = None,
    ) -> Play:
        """Close a play's open spans and give it its end; the play as it then stands."""
        root = self._close(sid, ingest, leavings)
        outcome = decide(leavings, root, timeout_s=timeout_s, cancelled_by=cancelled_by)
        self.store.end_play(sid, _end_of(outcome, leavings, redactor))
        return self.store.get_play(sid)

    def end_lost(self, sid: str, ingest: Ingest, leavings: Leavings) -> Play:
        """Give a play whose runtime is gone its end, by what is left of it.

        The process may have ended well while the last of its events were lost with the runtime: that its
        root is open then is the runtime's doing, and is told as such.
        """
        root = self._close(sid, ingest, leavings)
        outcome = decide(leavings, root)
        if root is not None and root.error == OPEN_AT_END and leavings.record.reason == "exited":
            outcome = msgspec.structs.replace(outcome, error=RUNTIME_ENDED)
        self.store.end_play(sid, _end_of(outcome, leavings, None))
        return self.store.get_play(sid)

    def _close(self, sid: str, ingest: Ingest, leavings: Leavings) -> RootSpan | None:
        """End the spans that are open; the first root that is not ok."""
        ingest.close(sid, status=leavings.record.reason, end_ms=leavings.record.end_ms)
        return self.store.first_root_not_ok(sid)

    def end_recording(self, sid: str, ingest: Ingest) -> Play:
        """The input of a play that came from a file or a socket is over (docs/protocol.md, "Commands")."""
        end_ms = self._now_ms()
        ingest.close(sid, status="failed", end_ms=end_ms)
        root = self.store.first_root_not_ok(sid)
        error = "" if root is None else f"the root span {root.name!r} ended {root.status}"
        if root is not None and root.error:
            error += f": {root.error}"
        self.store.end_play(sid, PlayEnd("ok" if root is None else "failed", end_ms, error))
        return self.store.get_play(sid)

    def get(self, sid: str) -> Play:
        """A play by its sid; ``last`` is the one that was created last.

        Raises:
            NotFound: there is no such play.
        """
        if sid == LAST:
            last_sid = self.store.last_play_sid()
            if last_sid is None:
                raise NotFound("there is no play yet; `hero-logic run FLOW.py` makes one.")
            sid = last_sid
        return self.store.get_play(sid)

    def list(self, *, limit: int, before: str | None = None) -> tuple[list[Play], str | None]:
        """A page of plays, newest first, and the cursor of the next one, or None.

        Raises:
            NotFound: the cursor names no play.
        """
        found = self.store.list_plays(limit=limit + 1, before=before)
        if len(found) <= limit:
            return found, None
        return found[:limit], found[limit - 1].sid

    def spans(self, sid: str) -> Iterator[Span]:
        """All spans of a play, in the order in which they were first heard of, read in pages."""
        start = 0
        while page := self.store.read_spans(sid, start=start, limit=_PAGE_SPANS):
            yield from page
            start += len(page)


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
