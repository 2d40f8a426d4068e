"""The embedded store: one SQLite file, its write-ahead log beside it.

Laws, beside those of :mod:`hero_logic.store.contract`:

1. One connection writes and another reads, each behind its own lock: within this process no read waits
   for a write.
2. A write takes SQLite's write lock at its beginning (``BEGIN IMMEDIATE``): it waits there, as long as it
   was told to, and never fails half way because another process came first.
3. What listens to commits is its own: an error of it is printed like one that nobody caught, and what was
   written stays written.
4. The last connection to close is one that may not write: SQLite would otherwise copy the log into the
   database file when the last one closes, with two fsyncs (3.8 ms on an SSD, against 0.2 ms). The copying
   happens in the course of writing, each time the log has 1000 pages.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from _thread import allocate_lock

from hero_logic.core.errors import StoreError, UsageError
from hero_logic.core.lifecycle import check_move, is_terminal
from hero_logic.core.records import FlowVersion, RootSpan
from hero_logic.store import migrations, queries, queue_queries, reading, rows, writing
from hero_logic.store.contract import Commit
from hero_logic.store.refusals import check_end, is_closed, is_known, no_such_play, no_such_version
from hero_logic.store.sqlite_errors import FOREIGN_ERRORS, as_store_error, has_lost_file, is_locked
from hero_logic.store.sqlite_flows import SqliteFlows
from hero_logic.store.sqlite_queue import SqliteQueue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Any

    from hero_logic.core.records import (
        Changes,
        FoldState,
        NameStats,
        Play,
        PlayEnd,
        PlayOrder,
        Sandbox,
        Span,
        SpanDelta,
        SpanRow,
    )
    from hero_logic.store.contract import Store

_SYNCHRONOUS = ("normal", "full")
_PAST_EVERY_ID = 2**63 - 1


def _ignore(commit: Commit) -> None:
    return None


class SqliteStore(SqliteQueue, SqliteFlows):
    """A store in one file, for any number of threads and processes of one machine.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     store = SqliteStore.open(directory + "/plays.db")
    ...     print(store.revision(), store.last_play_sid())
    ...     store.close()
    0 None
    """

    def __init__(self, writer: sqlite3.Connection, *, path: str, busy_timeout_s: float) -> None:
        self.on_commit: Callable[[Commit], None] = _ignore
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        self._writer: sqlite3.Connection | None = writer
        self._reader: sqlite3.Connection | None = None
        self._write_lock: _WriteLock = _WriteLock(path, busy_timeout_s)
        self._read_lock = allocate_lock()

    @classmethod
    def open(cls, path: str, *, synchronous: str = "normal", busy_timeout_s: float = 30.0) -> SqliteStore:
        """Open the store at a path; make it, and the directory that it lies in, where there is none.

        Args:
            path: the database file. A new one can be read by this user alone.
            synchronous: ``normal``: a power cut may take back the last transactions, a crash of any
                process none. ``full``: neither does, at the price of an fsync a transaction.
            busy_timeout_s: how long a call waits for other processes that write, in seconds.

        Raises:
            UsageError: another word for ``synchronous``.
            StoreVersionMismatch: the file is of a newer release, or a database of something else.
            StoreDamaged: the file is no database, or a damaged one.
            StoreLocked: another process held it for too long.
            StoreError: it cannot be made or opened.
        """
        if synchronous not in _SYNCHRONOUS:
            raise UsageError(
                f"synchronous is {synchronous!r}: it may be 'normal' or 'full'. "
                "Anything less could lose the whole store in a power cut."
            )
        path = os.path.abspath(path)
        if _has_lost_file(path):
            raise has_lost_file(path)
        is_new = _make_file(path)
        writer: sqlite3.Connection | None = None
        try:
            writer = _connect(path, busy_timeout_s=busy_timeout_s)
            if is_new and synchronous == "normal":
                # What a power cut could take is an empty store, as it may under NORMAL too: no reason to
                # wait for five fsyncs in the first command that somebody tries.
                writer.execute("PRAGMA synchronous = OFF")
            migrations.migrate(writer, path=path, busy_timeout_s=busy_timeout_s)
            writer.execute(f"PRAGMA synchronous = {synchronous}")
        except BaseException as error:
            _close_connections(path, writer=writer, reader=None)
            if isinstance(error, FOREIGN_ERRORS):
                raise as_store_error(error, path=path, waited_s=busy_timeout_s) from error
            raise
        return cls(writer, path=path, busy_timeout_s=busy_timeout_s)

    def close(self) -> None:
        """Let go of files and locks; harmless twice."""
        with self._write_lock.whatever_it_takes(), self._read_lock:
            _close_connections(self._path, writer=self._writer, reader=self._reader)
            self._writer = self._reader = None

    # --- plays ---------------------------------------------------------------------------------------

    def create_play(
        self, play: Play, version: FlowVersion | None = None, order: PlayOrder | None = None
    ) -> int:
        """Record a new play, its version and its order; give its revision (contract.py)."""
        with self._write_lock:
            with self._writing() as connection:
                if connection.execute(queries.FIND_PLAY, (play.sid,)).fetchone() is not None:
                    raise is_known(play.sid)
                if version is not None:
                    writing.add_version(connection, version)
                revision = writing.add_play(connection, play, order)
            self._tell(Commit(revision, plays=(play.sid,)))
        return revision

    def begin_play(self, sid: str, *, start_ms: float, sandbox: Sandbox) -> int:
        """Move a pending play to ``running``; give its revision (contract.py)."""
        with self._write_lock:
            with self._writing() as connection:
                play, status = writing.find_play(connection, sid)
                check_move(status, "running")
                revision = writing.next_revision(connection)
                connection.execute(
                    queries.BEGIN_PLAY,
                    (start_ms, *rows.sandbox_values(sandbox), revision, play),
                )
            self._tell(Commit(revision, plays=(sid,)))
        return revision

    def end_play(self, sid: str, end: PlayEnd) -> bool:
        """Give a play its end; False, and nothing changed, where it had one already (contract.py)."""
        check_end(end)
        with self._write_lock:
            with self._writing() as connection:
                play, status = writing.find_play(connection, sid)
                if is_terminal(status):
                    return False
                check_move(status, end.status)
                artifacts = rows.artifacts_text(end)
                revision = writing.next_revision(connection)
                connection.execute(
                    queries.END_PLAY,
                    (end.status, end.end_ms, end.error, end.exit_code, artifacts, revision, play),
                )
                connection.execute(queries.END_PLAY_TEXTS, (end.output_json, end.stdout, end.stderr, play))
                for statement in queue_queries.FORGET_WHILE_IT_RAN:
                    connection.execute(statement, (play,))
                if end.artifacts:
                    connection.execute(queue_queries.COUNT_PLAY, (0, rows.artifact_bytes(end)))
            self._tell(Commit(revision, plays=(sid,)))
        return True

    def get_play(self, sid: str) -> Play:
        """The play, whole but for its spans (contract.py)."""
        with self._read_lock, self._reading() as connection:
            values = connection.execute(queries.GET_PLAY, (sid,)).fetchone()
            if values is None:
                raise no_such_play(sid)
            return rows.play(values)

    def last_play_sid(self) -> str | None:
        """The sid of the play that was created last, or None in an empty store."""
        with self._read_lock, self._reading() as connection:
            values = connection.execute(queries.LAST_PLAY_SID).fetchone()
            return None if values is None else str(values[0])

    def list_plays(self, *, limit: int, before: str | None = None) -> list[Play]:
        """Plays, the one created last first, without the heavy fields (contract.py)."""
        with self._read_lock, self._reading() as connection:
            before_id = _PAST_EVERY_ID if before is None else writing.find_play(connection, before)[0]
            return [
                rows.play(values)
                for values in connection.execute(queries.LIST_PLAYS, (before_id, max(limit, 0)))
            ]

    def unfinished_plays(self) -> list[Play]:
        """The plays without an end, the oldest first, without the heavy fields."""
        with self._read_lock, self._reading() as connection:
            return [rows.play(values) for values in connection.execute(queries.UNFINISHED_PLAYS)]

    def plays_with_open_spans(self) -> list[str]:
        """The sids of plays that have ended while spans of theirs are still ``running``."""
        with self._read_lock, self._reading() as connection:
            return [sid for (sid,) in connection.execute(queries.PLAYS_WITH_OPEN_SPANS)]

    def get_version(self, version_sid: str) -> FlowVersion:
        """The version of that sid (contract.py)."""
        with self._read_lock, self._reading() as connection:
            values = connection.execute(queries.GET_VERSION, (version_sid,)).fetchone()
            if values is None:
                raise no_such_version(version_sid)
            return FlowVersion(*values)

    # --- spans ---------------------------------------------------------------------------------------

    def write_spans(self, deltas: Mapping[str, SpanDelta], *, closing: bool = False) -> int:
        """Write what changed in these plays in one transaction; give the last revision (contract.py)."""
        with self._write_lock:
            with self._writing() as connection:
                before = revision = writing.read_revision(connection)
                for sid, delta in deltas.items():
                    revision = writing.write_delta(connection, sid, delta, after=revision, closing=closing)
                connection.execute(queries.WRITE_REVISION, (revision,))
            if deltas:
                writing.mark_as_stored(deltas, after=before)
                self._tell(Commit(revision, spans=deltas))
        return revision

    def load_fold_state(self, sid: str) -> FoldState:
        """What the fold needs to go on with a play (contract.py)."""
        with self._read_lock, self._reading() as connection:
            return reading.fold_state(connection, sid)

    def load_seqs(self, sid: str, writers: Sequence[str]) -> dict[str, int]:
        """The highest ``seq`` of these writers of a play; those that are not known are left out."""
        with self._read_lock, self._reading() as connection:
            return reading.seqs(connection, sid, writers)

    def load_position(self, sid: str, source: str) -> int:
        """How many bytes of a source are folded and on disk; 0 for a new one."""
        with self._read_lock, self._reading() as connection:
            return reading.position(connection, sid, source)

    def load_rows(self, sid: str, span_ids: Sequence[str], *, max_bytes: int | None = None) -> list[SpanRow]:
        """Those of these spans that are there, as they were last written, in any order (contract.py)."""
        with self._read_lock, self._reading() as connection:
            return reading.spans_of_ids(connection, sid, span_ids, max_bytes)

    def load_open_rows(self, sid: str, *, limit: int, max_bytes: int | None = None) -> list[SpanRow]:
        """At most ``limit`` spans of a play that are still ``running`` (contract.py)."""
        with self._read_lock, self._reading() as connection:
            return reading.open_spans(connection, sid, limit=limit, max_bytes=max_bytes)

    def read_spans(self, sid: str, *, start: int = 0, limit: int = 2000) -> list[Span]:
        """A page of a play's spans: at most ``limit`` from the ordinal ``start`` on (contract.py)."""
        with self._read_lock, self._reading() as connection:
            return reading.whole_spans(connection, sid, start, limit)

    def read_columns(self, sid: str, *, start: int, limit: int) -> list[tuple[Any, ...]]:
        """A page of a play's spans as tuples, without logs (contract.py)."""
        with self._read_lock, self._reading() as connection:
            return reading.columns(connection, sid, start, limit)

    def first_root_not_ok(self, sid: str) -> RootSpan | None:
        """The first root (a span whose parent is ``""``) that did not end ``ok``, or None."""
        with self._read_lock, self._reading() as connection:
            values = connection.execute(queries.FIRST_ROOT_NOT_OK, (sid,)).fetchone()
            return None if values is None else RootSpan(*values)

    # --- reading back --------------------------------------------------------------------------------

    def children(self, sid: str, parent_id: str, *, after: int = -1, limit: int) -> list[SpanRow]:
        """Spans with that parent (``""``: the roots), in the order of their ordinals."""
        with self._read_lock, self._reading() as connection:
            return reading.page(connection, queries.CHILDREN, sid, parent_id, after, limit=limit)

    def child_counts(self, sid: str, parent_ids: Sequence[str]) -> dict[str, int]:
        """How many children each of these spans has; those without any are left out."""
        with self._read_lock, self._reading() as connection:
            return reading.child_counts(connection, sid, parent_ids)

    def failed_spans(self, sid: str, *, after: int = -1, limit: int) -> list[SpanRow]:
        """Spans that ended and not ``ok``, in the order of their ordinals."""
        with self._read_lock, self._reading() as connection:
            return reading.page(connection, queries.FAILED_SPANS, sid, after, limit=limit)

    def running_spans(self, sid: str, *, after: int = -1, limit: int) -> list[SpanRow]:
        """Spans that still run, in the order of their ordinals."""
        with self._read_lock, self._reading() as connection:
            return reading.page(connection, queries.OPEN_SPANS, sid, after, limit=limit)

    def spans_between(
        self, sid: str, *, from_ms: float, to_ms: float, min_duration_ms: float = 0.0, limit: int
    ) -> list[SpanRow]:
        """Spans of which any moment lies between two times: what runs, then the longest (contract.py)."""
        with self._read_lock, self._reading() as connection:
            return reading.spans_between(
                connection, sid, from_ms=from_ms, to_ms=to_ms, min_ms=min_duration_ms, limit=limit
            )

    def status_counts(self, sid: str) -> dict[str, int]:
        """How many spans of a play have which status; those of none are left out (contract.py)."""
        with self._read_lock, self._reading() as connection:
            return reading.status_counts(connection, sid)

    def name_stats(self, sid: str, *, limit: int) -> list[NameStats]:
        """What the ended spans of each name took, the highest total first (contract.py)."""
        with self._read_lock, self._reading() as connection:
            return reading.name_stats(connection, sid, limit)

    def read_logs(self, sid: str, span_id: str) -> str:
        """The logs of one span, whole (contract.py)."""
        with self._read_lock, self._reading() as connection:
            return reading.logs(connection, sid, span_id)

    def changes(self, *, since: int, sid: str | None = None, limit: int) -> Changes:
        """What has a revision above ``since``, of one play or of all (contract.py)."""
        with self._read_lock, self._reading() as connection:
            return reading.changes(connection, since=since, sid=sid, limit=limit)

    def revision(self) -> int:
        """The revision of the last change."""
        with self._read_lock, self._reading() as connection:
            return writing.read_revision(connection)

    def stamp(self) -> int:
        """Whether anything was written since it was the same (contract.py)."""
        with self._read_lock:
            if self._reader is None:
                with self._reading():
                    pass
            assert self._reader is not None, "it is there once something was read"
            try:
                # Without a transaction of ours, which takes longer than the statement.
                return int(self._reader.execute(queries.DATA_VERSION).fetchone()[0])
            except sqlite3.Error as error:
                raise as_store_error(error, path=self._path, waited_s=self._busy_timeout_s) from error

    def reader(self, *, busy_timeout_s: float | None = None) -> SqliteStore:
        """The same file, with connections of its own (contract.py)."""
        return SqliteStore.open(
            self._path, busy_timeout_s=self._busy_timeout_s if busy_timeout_s is None else busy_timeout_s
        )

    # --- call these with their lock held -------------------------------------------------------------

    def _tell_of(self, revision: int, sid: str) -> None:
        self._tell(Commit(revision, plays=(sid,)))

    def _tell(self, commit: Commit) -> None:
        """Law 7 of the contract: with the write lock held."""
        try:
            self.on_commit(commit)
        except Exception:  # noqa: BLE001  # law 3: what was written must not look as if it had failed
            sys.excepthook(*sys.exc_info())

    def _writing(self) -> _Transaction:
        if self._writer is None:
            raise is_closed(self._path)
        return _Transaction(
            self._writer, "BEGIN IMMEDIATE", path=self._path, busy_timeout_s=self._busy_timeout_s
        )

    def _reading(self) -> _Transaction:
        if self._writer is None:
            raise is_closed(self._path)
        if self._reader is None:
            try:
                self._reader = _connect_to_read(self._path, busy_timeout_s=self._busy_timeout_s)
            except sqlite3.Error as error:
                raise as_store_error(error, path=self._path, waited_s=self._busy_timeout_s) from error
        return _Transaction(self._reader, "BEGIN", path=self._path, busy_timeout_s=self._busy_timeout_s)


class _WriteLock:
    """The place of who writes, one at a time; a ``with`` block.

    It is waited for as long as another process is, and no longer: behind somebody who waits for one, the
    tenth in line would otherwise hear only after ten times as long that the store is held.
    """

    __slots__ = ("_busy_timeout_s", "_lock", "_path")

    def __init__(self, path: str, busy_timeout_s: float) -> None:
        self._lock = allocate_lock()
        self._path = path
        self._busy_timeout_s = busy_timeout_s

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=self._busy_timeout_s):
            raise is_locked(self._path, self._busy_timeout_s)

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def whatever_it_takes(self) -> LockType:
        """The same for who has to have it, and waits for it."""
        return self._lock


class _Transaction:
    """A transaction as a ``with`` block: kept where the block ends, undone where it raises.

    Errors of SQLite leave it as errors of ours. contextlib would do, at the price of an import.
    """

    __slots__ = ("_begin", "_busy_timeout_s", "_connection", "_path")

    def __init__(
        self, connection: sqlite3.Connection, begin: str, *, path: str, busy_timeout_s: float
    ) -> None:
        self._connection = connection
        self._begin = begin
        self._path = path
        self._busy_timeout_s = busy_timeout_s

    def __enter__(self) -> sqlite3.Connection:
        try:
            if self._connection.in_transaction:  # an interrupt came between a block and its end
                self._connection.execute("ROLLBACK")
            self._connection.execute(self._begin)
        except sqlite3.Error as error:
            raise self._ours(error) from error
        return self._connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            try:
                self._connection.execute("COMMIT")
            except sqlite3.Error as failure:
                self._undo()
                raise self._ours(failure) from failure
            return
        self._undo()
        if isinstance(error, FOREIGN_ERRORS):
            raise self._ours(error) from error

    def _undo(self) -> None:
        """Roll back, unless SQLite has done so, as it does where a disk is full."""
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error as failure:
                raise self._ours(failure) from failure

    def _ours(self, error: BaseException) -> StoreError:
        return as_store_error(error, path=self._path, waited_s=self._busy_timeout_s)


# --- the file and its connections ------------------------------------------------------------------------


def _has_lost_file(path: str) -> bool:
    """Whether there is a log and no database: SQLite would throw the log away.

    The log is looked at first: whoever is making this store at this moment makes the database before it.
    """
    return _size_of(f"{path}-wal") > 0 and _size_of(path) == 0


def _size_of(path: str) -> int:
    """The size of a file in bytes; 0 where there is none."""
    try:
        return os.stat(path).st_size
    except (OSError, ValueError):
        return 0


def _make_file(path: str) -> bool:
    """Make the database file, for this user alone, and its directory; False where there is one already.

    mknod, since it opens nothing: closing a descriptor of a database would take the locks of every other
    connection that this process has to it (https://www.sqlite.org/howtocorrupt.html, 2.2).
    """
    try:
        try:
            os.mknod(path, 0o600)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            os.mknod(path, 0o600)
    except FileExistsError:
        return False
    except (OSError, ValueError) as error:
        raise StoreError(
            f"the store {path!r} cannot be made ({error}). "
            "Give it a path in a directory that this user may write."
        ) from error
    return True


def _connect(path: str, *, busy_timeout_s: float) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)


def _connect_to_read(path: str, *, busy_timeout_s: float) -> sqlite3.Connection:
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return sqlite3.connect(
        f"file://{quoted}?mode=ro",
        uri=True,
        timeout=busy_timeout_s,
        isolation_level=None,
        check_same_thread=False,
    )


def _close_connections(
    path: str, *, writer: sqlite3.Connection | None, reader: sqlite3.Connection | None
) -> None:
    """Close both, the reader last: law 4."""
    if writer is None:
        return
    try:
        if reader is None:
            reader = _connect_to_read(path, busy_timeout_s=0)
        reader.execute(queries.HOLD_OPEN).fetchone()
    except sqlite3.Error:
        pass  # then the log is copied, which is slow and harmless
    writer.close()
    if reader is not None:
        reader.close()


if TYPE_CHECKING:
    _keeps_the_contract: type[Store] = SqliteStore
