"""The part of the embedded store that is about plays that wait, are sent events, are found or deleted."""

from __future__ import annotations

from hero_logic.core.lifecycle import check_move, is_terminal
from hero_logic.core.lines import Chunk
from hero_logic.core.records import PUSHED_SOURCES
from hero_logic.store import queries, queue_queries, rows, writing
from hero_logic.store.queue_contract import KEPT_DELETIONS
from hero_logic.store.refusals import check_room, check_takes_pushed, check_wait, no_such_play, not_ended

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from _thread import LockType
    from contextlib import AbstractContextManager

    from hero_logic.core.finding import PlayFilter, StoreSize
    from hero_logic.core.records import Play, PlayOrder

_PAST_EVERY_ID = 2**63 - 1
_PAST_EVERY_TIME_MS = float("inf")


class SqliteQueue:
    """See :class:`hero_logic.store.queue_contract.QueueStore`; ``SqliteStore`` has the connections."""

    _write_lock: AbstractContextManager[None]
    _read_lock: LockType

    def _writing(self) -> AbstractContextManager[sqlite3.Connection]:
        raise NotImplementedError

    def _reading(self) -> AbstractContextManager[sqlite3.Connection]:
        raise NotImplementedError

    def _tell_of(self, revision: int, sid: str) -> None:
        raise NotImplementedError

    # --- the queue -----------------------------------------------------------------------------------

    def has_waiting(self) -> bool:
        """Whether any play waits for a worker."""
        with self._read_lock, self._reading() as connection:
            return connection.execute(queue_queries.HAS_WAITING).fetchone() is not None

    def waiting_count(self) -> int:
        """How many plays wait for a worker."""
        with self._read_lock, self._reading() as connection:
            return int(connection.execute(queue_queries.COUNT_WAITING).fetchone()[0])

    def running_count(self) -> int:
        """How many plays run, whoever runs them."""
        with self._read_lock, self._reading() as connection:
            return int(connection.execute(queue_queries.COUNT_RUNNING).fetchone()[0])

    def claim_play(self, runtime_sid: str) -> str | None:
        """Give a play that waits to a runtime; its sid, or None (queue_contract.py)."""
        # Who finds nothing has held up nobody.
        if not self.has_waiting():
            return None
        with self._write_lock:
            with self._writing() as connection:
                found = (
                    connection.execute(queue_queries.NEXT_AWAITED).fetchone()
                    or connection.execute(queue_queries.NEXT_WAITING).fetchone()
                )
                if found is None:
                    return None
                flow, play = found[:2]
                revision = writing.next_revision(connection)
                connection.execute(queue_queries.CLAIM, (runtime_sid, revision, play))
                connection.execute(queue_queries.COUNT_CLAIM, (play,))
                connection.execute(queue_queries.WRITE_TURN, (flow, revision))
                sid = str(connection.execute(queries.SID_OF_PLAY, (play,)).fetchone()[0])
            self._tell_of(revision, sid)
        return sid

    def release_play(self, sid: str, *, runtime_sid: str) -> bool:
        """Let a pending play of this runtime wait again (queue_contract.py)."""
        with self._write_lock:
            with self._writing() as connection:
                play, status, of_runtime = _runtime_of(connection, sid)
                if status != "pending" or of_runtime != runtime_sid:
                    return False
                revision = writing.next_revision(connection)
                connection.execute(queue_queries.CLAIM, ("", revision, play))
            self._tell_of(revision, sid)
        return True

    def read_order(self, sid: str) -> tuple[PlayOrder, int] | None:
        """What a play is to be run with, and how often it was claimed (queue_contract.py)."""
        with self._read_lock, self._reading() as connection:
            found = connection.execute(queue_queries.GET_ORDER, (sid,)).fetchone()
            return None if found is None else (rows.order(found[0]), int(found[1]))

    # --- waiting for another play --------------------------------------------------------------------

    def begin_wait(self, parent_sid: str, child_sid: str, *, max_chain: int) -> None:
        """A play waits for another one from now on (queue_contract.py)."""
        with self._write_lock, self._writing() as connection:
            parent, status, _ = _runtime_of(connection, parent_sid)
            child, child_status, _ = _runtime_of(connection, child_sid)
            above = connection.execute(queue_queries.WAITS_FOR, (parent, max_chain)).fetchall()
            is_above = child in [play for play, _ in above]
            check_wait(
                parent_sid, status, child_sid, is_above=is_above, chain=above[-1][1], max_chain=max_chain
            )
            if not is_terminal(child_status):
                connection.execute(queue_queries.BEGIN_WAIT, (parent, child))

    def end_wait(self, parent_sid: str, child_sid: str) -> None:
        """One call less waits (queue_contract.py)."""
        with self._write_lock, self._writing() as connection:
            for parent, child, calls in connection.execute(
                queue_queries.END_WAIT, (parent_sid, child_sid)
            ).fetchall():
                if calls <= 0:
                    connection.execute(queue_queries.FORGET_WAIT, (parent, child))

    def wait_chain(self, sid: str, *, limit: int) -> int:
        """How many plays wait one above the other for a play (queue_contract.py)."""
        with self._read_lock, self._reading() as connection:
            play = _runtime_of(connection, sid)[0]
            depths = connection.execute(queue_queries.WAITS_FOR, (play, limit)).fetchall()
            return int(depths[-1][1]) - 1

    def waiting_parents(self, runtime_sid: str) -> list[str]:
        """The plays of a runtime that wait for another one (queue_contract.py)."""
        with self._read_lock, self._reading() as connection:
            return [sid for (sid,) in connection.execute(queue_queries.WAITING_PARENTS, (runtime_sid,))]

    # --- cancelling ----------------------------------------------------------------------------------

    def ask_cancel(self, sid: str, *, asked_by: str, now_ms: float) -> str:
        """Have a play ended; the runtime that has to do it, or "" (queue_contract.py)."""
        with self._write_lock:
            with self._writing() as connection:
                play, status, runtime_sid = _runtime_of(connection, sid)
                if is_terminal(status):
                    return ""
                if runtime_sid:
                    connection.execute(queue_queries.ADD_CANCEL, (play, asked_by, now_ms))
                    return runtime_sid
                check_move(status, "cancelled")
                revision = writing.next_revision(connection)
                error = f"cancelled by {asked_by} before it began"
                connection.execute(queries.END_PLAY, ("cancelled", now_ms, error, None, "[]", revision, play))
                for statement in queue_queries.FORGET_WHILE_IT_RAN:
                    connection.execute(statement, (play,))
            self._tell_of(revision, sid)
        return ""

    def asked_cancels(self, runtime_sid: str) -> list[tuple[str, str]]:
        """The plays of a runtime that it is to end (queue_contract.py)."""
        with self._read_lock, self._reading() as connection:
            return list(connection.execute(queue_queries.CANCELS_OF, (runtime_sid,)))

    # --- pushing -------------------------------------------------------------------------------------

    def push_event(
        self, sid: str, lines: bytes, *, source: str, received_ms: float, max_events: int, max_bytes: int
    ) -> None:
        """Keep an event for the runtime of its play (queue_contract.py)."""
        with self._write_lock, self._writing() as connection:
            play, status, is_open = _inbox_of(connection, sid)
            check_takes_pushed(sid, status, is_open=is_open)
            count, size_bytes = connection.execute(queue_queries.COUNT_PUSHED, (play,)).fetchone()
            check_room(sid, count + 1, size_bytes + len(lines), max_events=max_events, max_bytes=max_bytes)
            position = len(lines) + (
                connection.execute(queue_queries.LAST_PUSHED, (play,)).fetchone()[0]
                or connection.execute(queue_queries.LAST_FOLDED, (play, *PUSHED_SOURCES)).fetchone()[0]
            )
            connection.execute(
                queue_queries.ADD_PUSHED, (play, position, source, received_ms, len(lines), lines)
            )

    def pushed_plays(self, runtime_sid: str) -> list[str]:
        """The plays of a runtime for which there are events (queue_contract.py)."""
        with self._read_lock, self._reading() as connection:
            return [sid for (sid,) in connection.execute(queue_queries.PUSHED_PLAYS, (runtime_sid,))]

    def pushed_events(self, sid: str, *, after: int) -> list[Chunk]:
        """The events that there are for a play behind a position (queue_contract.py)."""
        with self._read_lock, self._reading() as connection:
            return [
                Chunk(lines, source=source, position=position, received_ms=received_ms)
                for lines, source, position, received_ms in connection.execute(
                    queue_queries.READ_PUSHED, (sid, after)
                )
            ]

    def close_inbox(self, sid: str) -> bool:
        """Let nothing more be pushed to a play; whether anything is not folded yet (queue_contract.py)."""
        with self._write_lock, self._writing() as connection:
            play, _, is_open = _inbox_of(connection, sid)
            if is_open:
                connection.execute(queue_queries.CLOSE_INBOX, (play,))
            return connection.execute(queue_queries.HAS_PUSHED, (play,)).fetchone() is not None

    # --- finding -------------------------------------------------------------------------------------

    def brief_play(self, sid: str) -> Play:
        """A play without the heavy fields (queue_contract.py)."""
        with self._read_lock, self._reading() as connection:
            values = connection.execute(queue_queries.BRIEF_PLAY, (sid,)).fetchone()
            if values is None:
                raise no_such_play(sid)
            return rows.play(values)

    def find_plays(self, wanted: PlayFilter, *, limit: int, before: str | None = None) -> list[Play]:
        """Plays that are as wanted, the one created last first (queue_contract.py)."""
        limit = max(limit, 0)
        with self._read_lock, self._reading() as connection:
            before_id = _PAST_EVERY_ID if before is None else writing.find_play(connection, before)[0]
            return [rows.play(values) for values in _found(connection, wanted, before_id, limit)]

    def changed_statuses(self, since: int) -> list[tuple[str, int, str]]:
        """What changed after a revision, in few words (queue_contract.py)."""
        with self._read_lock, self._reading() as connection:
            return list(connection.execute(queue_queries.CHANGED_STATUSES, (since, since)))

    def child_plays(self, sid: str, *, limit: int) -> list[Play]:
        """The plays that a play asked for, the oldest first."""
        return self._linked(queue_queries.CHILD_PLAYS, sid, limit)

    def retries(self, sid: str, *, limit: int) -> list[Play]:
        """The plays that run a play again, the oldest first."""
        return self._linked(queue_queries.RETRIES, sid, limit)

    def _linked(self, statement: str, sid: str, limit: int) -> list[Play]:
        with self._read_lock, self._reading() as connection:
            return [rows.play(values) for values in connection.execute(statement, (sid, max(limit, 0)))]

    # --- deleting ------------------------------------------------------------------------------------

    def delete_play(self, sid: str) -> None:
        """Remove a play that has ended (queue_contract.py)."""
        with self._write_lock:
            with self._writing() as connection:
                play, status = writing.find_play(connection, sid)
                if not is_terminal(status):
                    raise not_ended(sid, status)
                artifact_bytes = connection.execute(queue_queries.ARTIFACT_BYTES, (play,)).fetchone()[0]
                connection.execute(queue_queries.MARK_DELETED, (play,))
                for statement in queue_queries.DELETE_PLAY:
                    connection.execute(statement, (play,))
                connection.execute(queue_queries.COUNT_PLAY, (-1, -artifact_bytes))
                revision = writing.next_revision(connection)
                number = connection.execute(queue_queries.ADD_DELETION, (sid, revision)).lastrowid or 0
                connection.execute(queue_queries.FORGET_DELETIONS, (number - KEPT_DELETIONS,))
            self._tell_of(revision, sid)

    def deletions(self, *, since: int, until: int) -> list[tuple[str, int]]:
        """The plays that were deleted between two revisions (queue_contract.py)."""
        with self._read_lock, self._reading() as connection:
            return list(connection.execute(queue_queries.DELETIONS, (since, until)))

    def deletions_since(self) -> int:
        """The revision after which each deletion is still known."""
        with self._read_lock, self._reading() as connection:
            first = connection.execute(queue_queries.FIRST_DELETION).fetchone()
            return 0 if first is None or first[0] == 1 else int(first[1]) - 1

    def sweep_deleted(self, *, limit: int) -> bool:
        """Remove some rows of plays that were deleted; whether there may be more (queue_contract.py)."""
        with self._read_lock, self._reading() as connection:
            if connection.execute(queue_queries.FIRST_DELETED).fetchone()[0] is None:
                return False
        with self._write_lock, self._writing() as connection:
            play = connection.execute(queue_queries.FIRST_DELETED).fetchone()[0]
            if play is None:
                return False
            removed = [
                connection.execute(statement, (play, play, limit)).rowcount
                for statement in queue_queries.SWEEP
            ]
            if max(removed) < limit:
                connection.execute(queue_queries.FORGET_DELETED, (play,))
            return True

    def oldest_ended(self, *, limit: int) -> list[tuple[str, float]]:
        """The plays that ended and were created first (queue_contract.py)."""
        with self._read_lock, self._reading() as connection:
            return list(connection.execute(queue_queries.OLDEST_ENDED, (max(limit, 0),)))

    def size(self) -> StoreSize:
        """How much there is (queue_contract.py)."""
        with self._read_lock, self._reading() as connection:
            plays, artifact_bytes = connection.execute(queue_queries.READ_COUNTS).fetchone()
            size, count, free = (
                int(connection.execute(statement).fetchone()[0]) for statement in queue_queries.PAGES
            )
        from hero_logic.core.finding import StoreSize

        return StoreSize(plays=plays, database_bytes=size * (count - free), artifact_bytes=artifact_bytes)


def _runtime_of(connection: sqlite3.Connection, sid: str) -> tuple[int, str, str]:
    """The id, the status and the runtime of a play.

    Raises:
        NotFound: there is no such play.
    """
    found: tuple[int, str, str] | None = connection.execute(queue_queries.RUNTIME_OF, (sid,)).fetchone()
    if found is None:
        raise no_such_play(sid)
    return found


def _inbox_of(connection: sqlite3.Connection, sid: str) -> tuple[int, str, bool]:
    """The id and the status of a play, and whether its inbox is open.

    Raises:
        NotFound: there is no such play.
    """
    found = connection.execute(queue_queries.FIND_INBOX, (sid,)).fetchone()
    if found is None:
        raise no_such_play(sid)
    return found[0], found[1], bool(found[2])


def _found(
    connection: sqlite3.Connection, wanted: PlayFilter, before_id: int, limit: int
) -> list[tuple[object, ...]]:
    """The rows of plays that are as wanted: by flow or by status along an index, else along the ids."""
    text = rows.ascii_lower(wanted.text)
    rest = (
        before_id,
        float("-inf") if wanted.since_ms is None else wanted.since_ms,
        _PAST_EVERY_TIME_MS if wanted.until_ms is None else wanted.until_ms,
        text,
        text,
        text,
    )
    if wanted.flow is not None:
        found = connection.execute(queue_queries.FIND_PLAYS_OF_FLOW, (wanted.flow, *rest, _PAST_EVERY_ID))
    elif not wanted.statuses:
        return connection.execute(queue_queries.FIND_PLAYS, (*rest, limit)).fetchall()
    else:
        # Each is in the order of ids, which their places in the lists of all plays stand for.
        streams = [
            connection.execute(queue_queries.FIND_PLAYS_OF_STATUS, (status, *rest, limit)).fetchall()
            for status in dict.fromkeys(wanted.statuses)
        ]
        ids = {
            values[0]: writing.find_play(connection, str(values[0]))[0]
            for stream in streams
            for values in stream
        }
        import heapq  # for this search alone, and it costs as much as the rest of this module

        return list(heapq.merge(*streams, key=lambda values: -ids[values[0]]))[:limit]
    kept: list[tuple[object, ...]] = []
    for values in found:
        if len(kept) == limit:
            break
        if not wanted.statuses or values[2] in wanted.statuses:
            kept.append(values)
    return kept
