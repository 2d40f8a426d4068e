"""The part of the store in memory that is about plays that wait, are sent events, are found or deleted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from hero_logic.core.finding import PlayFilter, StoreSize
from hero_logic.core.lifecycle import check_move, is_terminal
from hero_logic.core.lines import Chunk
from hero_logic.core.records import PUSHED_SOURCES, Play, PlayOrder
from hero_logic.store.queue_contract import KEPT_DELETIONS
from hero_logic.store.refusals import check_room, check_takes_pushed, check_wait, not_ended
from hero_logic.store.rows import ascii_lower

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager


_ROW_BYTES = 500


class MemoryQueue:
    """See :class:`hero_logic.store.queue_contract.QueueStore`; ``MemoryStore`` has the plays."""

    _lock: AbstractContextManager[bool]
    _plays: dict[str, Any]
    _revision: int
    _turns: dict[str, int]
    _deletions: list[tuple[str, int]]
    _deletions_since: int

    def _find(self, sid: str) -> Any:  # noqa: ANN401  # what memory.py keeps of a play
        raise NotImplementedError

    def _tell_of(self, play: Play) -> int:
        raise NotImplementedError

    def _check_open(self) -> None:
        raise NotImplementedError

    # --- the queue -----------------------------------------------------------------------------------

    def has_waiting(self) -> bool:
        """Whether any play waits for a worker."""
        return self.waiting_count() > 0

    def waiting_count(self) -> int:
        """How many plays wait for a worker."""
        return len(self._select(lambda play: play.is_waiting))

    def running_count(self) -> int:
        """How many plays run, whoever runs them."""
        return len(self._select(lambda play: play.status == "running"))

    def claim_play(self, runtime_sid: str) -> str | None:
        """Give a play that waits to a runtime; its sid, or None (queue_contract.py)."""
        with self._lock:
            play = self._next_awaited() or self._next_waiting()
            if play is None:
                return None
            play.runtime_sid = runtime_sid
            self._find(play.sid).claims += 1
            self._turns[play.flow] = self._tell_of(play)
            return play.sid

    def _next_awaited(self) -> Play | None:
        waiting = self._select(lambda play: play.is_waiting)
        for of in reversed(self._plays.values()):
            for play in waiting:
                if play.sid in of.waits:
                    return play
        return None

    def _next_waiting(self) -> Play | None:
        first: dict[str, tuple[int, Play]] = {}
        for number, play in enumerate(self._select(lambda play: play.is_waiting)):
            first.setdefault(play.flow, (number, play))
        in_hand = [play.flow for play in self._select(is_in_hand)]
        flow = min(
            first,
            key=lambda one: (in_hand.count(one), self._turns.get(one, 0), first[one][0]),
            default=None,
        )
        return None if flow is None else first[flow][1]

    def release_play(self, sid: str, *, runtime_sid: str) -> bool:
        """Let a pending play of this runtime wait again (queue_contract.py)."""
        with self._lock:
            play = self._find(sid).play
            if play.status != "pending" or play.runtime_sid != runtime_sid:
                return False
            play.runtime_sid = ""
            self._tell_of(play)
            return True

    def read_order(self, sid: str) -> tuple[PlayOrder, int] | None:
        """What a play is to be run with, and how often it was claimed (queue_contract.py)."""
        with self._lock:
            self._check_open()
            of = self._plays.get(sid)
            return None if of is None or of.order is None else (of.order, of.claims)

    # --- waiting for another play --------------------------------------------------------------------

    def begin_wait(self, parent_sid: str, child_sid: str, *, max_chain: int) -> None:
        """A play waits for another one from now on (queue_contract.py)."""
        with self._lock:
            parent, child = self._find(parent_sid), self._find(child_sid)
            above = self._above(parent_sid, max_chain)
            check_wait(
                parent_sid,
                parent.play.status,
                child_sid,
                is_above=any(child_sid in level for level in above),
                chain=len(above),
                max_chain=max_chain,
            )
            if not is_terminal(child.play.status):
                parent.waits[child_sid] = parent.waits.get(child_sid, 0) + 1

    def end_wait(self, parent_sid: str, child_sid: str) -> None:
        """One call less waits (queue_contract.py)."""
        with self._lock:
            self._check_open()
            of = self._plays.get(parent_sid)
            if of is not None and child_sid in of.waits:
                of.waits[child_sid] -= 1
                if not of.waits[child_sid]:
                    del of.waits[child_sid]

    def wait_chain(self, sid: str, *, limit: int) -> int:
        """How many plays wait one above the other for a play (queue_contract.py)."""
        with self._lock:
            self._find(sid)
            return len(self._above(sid, limit)) - 1

    def _above(self, sid: str, limit: int) -> list[set[str]]:
        """A play, those that wait for it, those that wait for these and so on."""
        levels = [{sid}]
        while len(levels) <= limit:
            level = {one for one, of in self._plays.items() if levels[-1] & set(of.waits)}
            if not level:
                break
            levels.append(level)
        return levels

    def waiting_parents(self, runtime_sid: str) -> list[str]:
        """The plays of a runtime that wait for another one (queue_contract.py)."""
        with self._lock:
            self._check_open()
            return [sid for sid, of in self._plays.items() if of.waits and of.play.runtime_sid == runtime_sid]

    def _forget_waits(self, sid: str) -> None:
        """A play has ended, or is gone."""
        for one, of in self._plays.items():
            of.waits = (
                {} if one == sid else {child: calls for child, calls in of.waits.items() if child != sid}
            )

    # --- cancelling ----------------------------------------------------------------------------------

    def ask_cancel(self, sid: str, *, asked_by: str, now_ms: float) -> str:
        """Have a play ended; the runtime that has to do it, or "" (queue_contract.py)."""
        with self._lock:
            of = self._find(sid)
            play: Play = of.play
            if is_terminal(play.status):
                return ""
            if play.runtime_sid:
                of.cancel = of.cancel or (now_ms, asked_by)
                return play.runtime_sid
            check_move(play.status, "cancelled")
            play.status, play.end_ms = "cancelled", now_ms
            play.error = f"cancelled by {asked_by} before it began"
            self._forget_waits(sid)
            self._tell_of(play)
            return ""

    def asked_cancels(self, runtime_sid: str) -> list[tuple[str, str]]:
        """The plays of a runtime that it is to end (queue_contract.py)."""
        with self._lock:
            self._check_open()
            asked = [
                (of.cancel, sid)
                for sid, of in self._plays.items()
                if of.cancel is not None and of.play.runtime_sid == runtime_sid
            ]
            return [(sid, asked_by) for (_, asked_by), sid in sorted(asked)]

    # --- pushing -------------------------------------------------------------------------------------

    def push_event(
        self, sid: str, lines: bytes, *, source: str, received_ms: float, max_events: int, max_bytes: int
    ) -> None:
        """Keep an event for the runtime of its play (queue_contract.py)."""
        with self._lock:
            of = self._find(sid)
            check_takes_pushed(sid, of.play.status, is_open=of.takes_pushed)
            pushed: list[Chunk] = of.pushed
            size_bytes = sum(len(chunk.data) for chunk in pushed) + len(lines)
            check_room(sid, len(pushed) + 1, size_bytes, max_events=max_events, max_bytes=max_bytes)
            last = max(of.positions.get(one, 0) for one in PUSHED_SOURCES)
            position = (pushed[-1].position if pushed else last) + len(lines)
            pushed.append(Chunk(lines, source=source, position=position, received_ms=received_ms))

    def pushed_plays(self, runtime_sid: str) -> list[str]:
        """The plays of a runtime for which there are events (queue_contract.py)."""
        with self._lock:
            self._check_open()
            return [
                sid for sid, of in self._plays.items() if of.pushed and of.play.runtime_sid == runtime_sid
            ]

    def pushed_events(self, sid: str, *, after: int) -> list[Chunk]:
        """The events that there are for a play behind a position (queue_contract.py)."""
        with self._lock:
            self._check_open()
            of = self._plays.get(sid)
            return [] if of is None else [chunk for chunk in of.pushed if chunk.position > after]

    def close_inbox(self, sid: str) -> bool:
        """Let nothing more be pushed to a play; whether anything is not folded yet (queue_contract.py)."""
        with self._lock:
            of = self._find(sid)
            of.takes_pushed = False
            return bool(of.pushed)

    # --- finding -------------------------------------------------------------------------------------

    def brief_play(self, sid: str) -> Play:
        """A play without the heavy fields (queue_contract.py)."""
        with self._lock:
            return light(self._find(sid).play)

    def find_plays(self, wanted: PlayFilter, *, limit: int, before: str | None = None) -> list[Play]:
        """Plays that are as wanted, the one created last first (queue_contract.py)."""
        with self._lock:
            self._check_open()
            plays = [of.play for of in self._plays.values()]
            if before is not None:
                plays = plays[: plays.index(self._find(before).play)]
            found = [play for play in reversed(plays) if _is_wanted(play, wanted)]
            return [light(play) for play in found[: max(limit, 0)]]

    def changed_statuses(self, since: int) -> list[tuple[str, int, str]]:
        """What changed after a revision, in few words (queue_contract.py)."""
        with self._lock:
            changed = [
                (play.sid, play.revision, str(play.status))
                for play in self._select(lambda play: play.revision > since)
            ]
            changed += [(sid, revision, "deleted") for sid, revision in self._deletions if revision > since]
        return sorted(changed, key=lambda one: one[1])

    def child_plays(self, sid: str, *, limit: int) -> list[Play]:
        """The plays that a play asked for, the oldest first."""
        found = self._select(lambda play: sid != "" and play.parent_play_sid == sid)
        return [light(play) for play in found[: max(limit, 0)]]

    def retries(self, sid: str, *, limit: int) -> list[Play]:
        """The plays that run a play again, the oldest first."""
        found = self._select(lambda play: sid != "" and play.retry_of == sid)
        return [light(play) for play in found[: max(limit, 0)]]

    # --- deleting ------------------------------------------------------------------------------------

    def delete_play(self, sid: str) -> None:
        """Remove a play that has ended (queue_contract.py)."""
        with self._lock:
            status = self._find(sid).play.status
            if not is_terminal(status):
                raise not_ended(sid, status)
            play = self._plays.pop(sid).play
            self._forget_waits(sid)
            self._deletions.append((sid, self._revision + 1))
            self._tell_of(play)
            while len(self._deletions) > KEPT_DELETIONS:
                del self._deletions[0]
                self._deletions_since = self._deletions[0][1] - 1

    def deletions(self, *, since: int, until: int) -> list[tuple[str, int]]:
        """The plays that were deleted between two revisions (queue_contract.py)."""
        with self._lock:
            self._check_open()
            return [(sid, revision) for sid, revision in self._deletions if since < revision <= until]

    def deletions_since(self) -> int:
        """The revision after which each deletion is still known."""
        with self._lock:
            self._check_open()
            return self._deletions_since

    def sweep_deleted(self, *, limit: int) -> bool:
        """Nothing is left of a play that was deleted."""
        self._check_open()
        return False

    def oldest_ended(self, *, limit: int) -> list[tuple[str, float]]:
        """The plays that ended and were created first (queue_contract.py)."""
        ended = self._select(lambda play: is_terminal(play.status))
        return [(play.sid, play.created_ms) for play in ended[: max(limit, 0)]]

    def size(self) -> StoreSize:
        """How much there is; that of the database is a guess."""
        with self._lock:
            plays = self._select(lambda _: True)
            rows = sum(len(of.rows) for of in self._plays.values())
        artifact_bytes = sum(artifact.size_bytes for play in plays for artifact in play.artifacts)
        return StoreSize(len(plays), _ROW_BYTES * (len(plays) + rows), artifact_bytes)

    def _select(self, is_wanted: Callable[[Play], bool]) -> list[Play]:
        """The plays themselves, the one created first first."""
        with self._lock:
            self._check_open()
            return [of.play for of in self._plays.values() if is_wanted(of.play)]


def light(play: Play) -> Play:
    """A copy without the heavy fields."""
    empty = Play(sid=play.sid)
    kept = msgspec.structs.replace(
        play,
        input_json=empty.input_json,
        output_json=empty.output_json,
        stdout=empty.stdout,
        stderr=empty.stderr,
    )
    return msgspec.json.decode(msgspec.json.encode(kept), type=Play)


def is_in_hand(play: Play) -> bool:
    """Whether a runtime has a play that has no end."""
    return bool(play.runtime_sid) and not is_terminal(play.status)


def _is_wanted(play: Play, wanted: PlayFilter) -> bool:
    since_ms = -math.inf if wanted.since_ms is None else wanted.since_ms
    until_ms = math.inf if wanted.until_ms is None else wanted.until_ms
    text = ascii_lower(wanted.text)
    return (
        wanted.flow in (None, play.flow)
        and (not wanted.statuses or play.status in wanted.statuses)
        and since_ms <= play.created_ms < until_ms
        and (
            text in ascii_lower(f"{play.sid}\n{play.flow}\n{play.error}")
            or text in ascii_lower(play.input_json)
        )
    )
