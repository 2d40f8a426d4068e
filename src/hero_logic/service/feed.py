"""What has just been written, told to whoever watches: in this process, or through the store in another.

Laws:

1. Told after the commit, in the order of revisions, and never before the rows can be read.
2. Who is called by the writer itself (:meth:`Feed.call`) is part of the writer, and has to be quick.
   Everybody else has a buffer, bounded in rows and bytes. One that is full is emptied, and its owner told so
   (:class:`Overflow`): nobody who is slow holds up the writer, or takes its memory.
3. A listener's failure is its own: it hears nothing more, and that is told (``on_trouble``); the writer and
   all other listeners go on.
4. From a revision on: each later change once, none left out. A span that changes again while it waits in a
   buffer is there once, as it is then, with all of its new logs; a play's own row is there at most once a
   time, as it stands. Where several pages are read from the store, a span may be on two of them, with the
   same revision and each time another part of its logs.

How to begin with what is there already, without a gap; the revision comes first::

    revision = store.revision()
    with feed.subscribe(sid, since=revision) as news:
        ...  # read what is to be shown
        while (change := news.take(timeout_s=1.0)) ...

What was read may be newer than ``revision``, and then comes once more: a row whose revision is not above that
of the row that is there brings nothing new.
"""

from __future__ import annotations

from threading import Condition, Event, Lock
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

import msgspec

from hero_logic.core.errors import NotFound
from hero_logic.core.records import Changes, Play, SpanRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hero_logic.store.contract import Commit, Store

    OnRows = Callable[[str, list[SpanRow]], None]

MAX_BUFFERED_ROWS = 20_000
MAX_BUFFERED_BYTES = 16 * 1024 * 1024
PAGE_ROWS = 2000
"""At most so many rows of the store in one answer."""

_ROW_BYTES = 500
_MAX_KNOWN_PLAYS = 1000
_Listener = TypeVar("_Listener")


class Overflow(msgspec.Struct, frozen=True):
    """A subscription was too slow, and what waited is gone.

    Note the store's revision, read anew what is to be shown, then call :meth:`Subscription.go_on`.
    """


class Feed:
    """Tells the listeners of this process what its store has written; takes the store's ``on_commit``.

    Writes of other processes are not told: see :class:`Follower`.
    """

    def __init__(self, store: Store) -> None:
        self.on_trouble: Callable[[str], None] = _ignore
        """Called with a sentence where a listener has failed."""
        self._store = store
        self._lock = Lock()
        self._calls: tuple[tuple[str | None, OnRows], ...] = ()
        self._bells: tuple[Callable[[Commit], None], ...] = ()
        self._subscriptions: tuple[Subscription, ...] = ()
        self._plays: dict[str, Play] = {}
        self._commits = 0
        store.on_commit = self._committed

    def call(self, sid: str | None, on_rows: OnRows) -> Callable[[], None]:
        """Have a function called with the rows of each commit; gives what ends that.

        Args:
            sid: the play, or None for all of them.
            on_rows: called with a sid and the rows that were written, by the thread that wrote them. It has
                to be quick, and must neither keep nor change the rows: the fold goes on with them.
        """
        entry = (sid, on_rows)
        with self._lock:
            self._calls = (*self._calls, entry)
        return lambda: self._end_call(entry)

    def ring(self, on_commit: Callable[[Commit], None]) -> Callable[[], None]:
        """Have a function called after each commit, to wake who reads the store then; gives what ends that.

        As with :meth:`call` it has to be quick; what it is given holds the fold's own rows.
        """
        with self._lock:
            self._bells = (*self._bells, on_commit)
        return lambda: self._end_ring(on_commit)

    def subscribe(
        self,
        sid: str | None,
        *,
        since: int,
        on_ready: Callable[[], None] | None = None,
        max_rows: int = MAX_BUFFERED_ROWS,
        max_bytes: int = MAX_BUFFERED_BYTES,
    ) -> Subscription:
        """What changes from a revision on, to be taken whenever one is ready; a context manager.

        Args:
            sid: the play, or None for all of them.
            since: a revision of the store; what came after it is read from there, then from the buffer.
            on_ready: called by the writer's thread when there is something to take where nothing was. It has
                to be quick. Take once first without waiting for it.
            max_rows: of the buffer.
            max_bytes: of the buffer, roughly.
        """
        subscription = Subscription(self, self._store, sid, since, on_ready, max_rows, max_bytes)
        with self._lock:
            self._subscriptions = (*self._subscriptions, subscription)
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """Tell a subscription nothing more; harmless twice."""
        with self._lock:
            self._subscriptions = _without(self._subscriptions, subscription)

    def play(self, sid: str) -> Play:
        """A play's own row without the heavy fields; read once after a commit, for all who ask."""
        with self._lock:
            commits = self._commits
            known = self._plays.get(sid)
        if known is not None:
            return known
        play = self._store.brief_play(sid)
        with self._lock:
            if commits == self._commits:
                if len(self._plays) >= _MAX_KNOWN_PLAYS:
                    self._plays.clear()
                self._plays[sid] = play
        return play

    def _committed(self, commit: Commit) -> None:
        for entry in self._calls:
            sid, on_rows = entry
            for changed_sid, delta in commit.spans.items():
                if sid is None or sid == changed_sid:
                    try:
                        on_rows(changed_sid, delta.rows)
                    except Exception as error:  # noqa: BLE001  # law 3
                        self._end_call(entry)
                        self._tell(sid, error)
                        break
        with self._lock:
            self._commits += 1
            for sid in (*commit.plays, *commit.spans):
                self._plays.pop(sid, None)
            subscriptions = self._subscriptions
        if subscriptions:
            self._put(commit, subscriptions)
        for on_commit in self._bells:
            try:
                on_commit(commit)
            except Exception as error:  # noqa: BLE001  # law 3
                self._end_ring(on_commit)
                self._tell(None, error)

    def _put(self, commit: Commit, subscriptions: tuple[Subscription, ...]) -> None:
        copies: dict[str, list[SpanRow]] = {}
        for subscription in subscriptions:
            sids = [sid for sid in (*commit.plays, *commit.spans) if subscription.sid in (None, sid)]
            if not sids:
                continue
            for sid in sids:
                if sid in commit.spans and sid not in copies:
                    copies[sid] = [
                        msgspec.structs.replace(row, tags=dict(row.tags)) for row in commit.spans[sid].rows
                    ]
            try:
                subscription.put(commit.revision, {sid: copies.get(sid, []) for sid in sids})
            except Exception as error:  # noqa: BLE001  # law 3
                subscription.close()
                self._tell(subscription.sid, error)

    def _end_call(self, entry: tuple[str | None, OnRows]) -> None:
        with self._lock:
            self._calls = _without(self._calls, entry)

    def _end_ring(self, on_commit: Callable[[Commit], None]) -> None:
        with self._lock:
            self._bells = _without(self._bells, on_commit)

    def _tell(self, sid: str | None, error: Exception) -> None:
        shown = "all plays" if sid is None else f"the play {sid}"
        try:
            self.on_trouble(f"what shows {shown} has failed, and shows no more: {error!r}")
        except Exception:  # noqa: BLE001  # nobody is left who could be told
            self.on_trouble = _ignore


class Subscription:
    """What one listener has still to take; see :meth:`Feed.subscribe`.

    It is behind (what comes next is read from the store), level (it is in the buffer), or has overflown.
    """

    def __init__(
        self,
        feed: Feed,
        store: Store,
        sid: str | None,
        since: int,
        on_ready: Callable[[], None] | None,
        max_rows: int,
        max_bytes: int,
    ) -> None:
        self.sid = sid
        self.is_closed = False
        self._feed = feed
        self._store = store
        self._on_ready = on_ready or _ignore
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._changed = Condition()
        self._behind_since: int | None = since
        self._overflow: Overflow | None = None
        self._revision = since
        """Of the last commit that was put, or of what was read from the store."""
        self._rows: dict[tuple[str, str], _Waiting] = {}
        self._bytes = 0
        self._plays: dict[str, None] = {}
        """The sids of those whose own rows have changed, in the order of that."""
        self._told_plays: dict[str, int] = {}

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hear nothing more; who waits in :meth:`take` gets None."""
        self._feed.leave(self)
        with self._changed:
            self.is_closed = True
            self._empty()
            self._changed.notify_all()

    def take(self, timeout_s: float | None = None) -> Changes | Overflow | None:
        """All that waits; where nothing does, wait for it, for ever where no time is given.

        None where nothing came in time, or the subscription is closed. Where ``is_all`` of an answer is False
        there is more now. To be called by one thread at a time.

        Raises:
            StoreError: the store cannot be read; nothing is lost, the next call goes on here.
            NotFound: there is no such play.
        """
        until_s = None if timeout_s is None else monotonic() + timeout_s
        while True:
            with self._changed:
                left_s = None if until_s is None else until_s - monotonic()
                self._changed.wait_for(self._is_ready, left_s)
                if self.is_closed or not self._is_ready():
                    return None
                if self._overflow is not None:
                    return self._overflow
                since = self._behind_since
            found = self._take_buffered() if since is None else self._take_stored(since)
            if found is not None:
                return found

    def go_on(self, *, since: int) -> None:
        """After an overflow: go on from this revision, which is older than what was read anew."""
        with self._changed:
            self._empty()
            self._overflow = None
            self._behind_since = self._revision = since

    def put(self, revision: int, rows: dict[str, list[SpanRow]]) -> None:
        """Add what a commit changed, by sid; for the feed alone."""
        with self._changed:
            was_ready = self._is_ready()
            is_known = revision <= self._revision
            self._revision = max(self._revision, revision)
            if self.is_closed or is_known or self._overflow is not None or self._behind_since is not None:
                return
            for sid, changed in rows.items():
                self._plays[sid] = None
                for row in changed:
                    self._add(sid, row)
            if len(self._rows) > self._max_rows or self._bytes > self._max_bytes:
                self._empty()
                self._overflow = Overflow()
            self._changed.notify_all()
        if not was_ready:
            self._on_ready()

    def _is_ready(self) -> bool:
        has_any = bool(self._rows or self._plays or self._overflow)
        return has_any or self.is_closed or self._behind_since is not None

    def _add(self, sid: str, row: SpanRow) -> None:
        waiting = self._rows.pop((sid, row.span_id), None)
        logs: list[str] = []
        if waiting is not None:
            logs = waiting.logs
            self._bytes -= waiting.size_bytes
        if row.new_logs:
            logs.append(row.new_logs)
        size_bytes = _ROW_BYTES + row.tags_bytes + len(row.error) + sum(map(len, logs))
        # At the end, so that rows stand in the order of their revisions.
        self._rows[sid, row.span_id] = _Waiting(row, logs, size_bytes)
        self._bytes += size_bytes

    def _empty(self) -> None:
        self._rows = {}
        self._bytes = 0
        self._plays = {}

    def _take_stored(self, since: int) -> Changes | None:
        changes = _read_changes(self._store, since, self.sid, PAGE_ROWS)
        with self._changed:
            if not changes.is_all or self._revision > changes.revision:
                # Something was put meanwhile that is not in the answer.
                self._behind_since = changes.revision
                changes.is_all = False
            else:
                self._behind_since = None
                self._revision = changes.revision
        return changes if changes.plays or changes.spans else None

    def _take_buffered(self) -> Changes | Overflow | None:
        with self._changed:
            sids, self._plays = self._plays, {}
        # Read before the spans are taken: no span that was written before a play's row is told after it.
        try:
            plays = [play for sid in sids if (play := self._play(sid)) is not None]
        except Exception:
            with self._changed:
                self._plays = {**sids, **self._plays}
            raise
        with self._changed:
            if self._overflow is not None:
                return self._overflow
            waiting, self._rows, self._bytes = self._rows, {}, 0
            revision = self._revision
        # One that was read just before its commit was put here comes once more, the same.
        plays = [play for play in plays if self._told_plays.get(play.sid) != play.revision]
        if not plays and not waiting:
            return None
        self._told_plays = {play.sid: play.revision for play in plays}
        plays.sort(key=lambda play: play.revision)
        return Changes(revision, plays, [(sid, one.row()) for (sid, _), one in waiting.items()], is_all=True)

    def _play(self, sid: str) -> Play | None:
        """A play that has changed; None where it was deleted since, which is no news of the others."""
        try:
            return self._feed.play(sid)
        except NotFound:
            if self.sid is not None:
                raise
            return None


class _Waiting:
    """A row in a buffer: shared with all others, which is why its logs are joined apart."""

    __slots__ = ("_row", "logs", "size_bytes")

    def __init__(self, row: SpanRow, logs: list[str], size_bytes: int) -> None:
        self._row = row
        self.logs = logs
        self.size_bytes = size_bytes

    def row(self) -> SpanRow:
        """The row as it is told."""
        if len(self.logs) == bool(self._row.new_logs):
            return self._row
        return msgspec.structs.replace(self._row, new_logs="".join(self.logs))


class Follower:
    """What changes in a store from a revision on, whichever process writes it.

    >>> from hero_logic.store.memory import MemoryStore
    >>> Follower(MemoryStore(), None, since=0).changes() is None
    True
    """

    def __init__(self, store: Store, sid: str | None, *, since: int) -> None:
        self.revision = since
        """All that is not above it was given."""
        self._store = store
        self._sid = sid
        self._is_level = False
        self._stop = Event()

    def changes(self, limit: int = PAGE_ROWS) -> Changes | None:
        """What has changed since the last call, at most ``limit`` plays and spans; None where nothing has.

        Raises:
            StoreError: the store cannot be read; the next call goes on here.
        """
        # One number of one row: what a look costs while nothing happens.
        if self._is_level and self._store.revision() == self.revision:
            return None
        found = _read_changes(self._store, self.revision, self._sid, limit)
        self.revision = found.revision
        self._is_level = found.is_all
        return found if found.plays or found.spans else None

    def take(self, timeout_s: float, *, interval_s: float, limit: int = PAGE_ROWS) -> Changes | None:
        """What has changed; where nothing has, look every ``interval_s`` until the time is over or closed."""
        until_s = monotonic() + timeout_s
        while True:
            found = self.changes(limit)
            left_s = until_s - monotonic()
            if found is not None or left_s <= 0 or self._stop.wait(min(interval_s, left_s)):
                return found

    def close(self) -> None:
        """Let nobody wait any longer in :meth:`take`; from any thread."""
        self._stop.set()


def _read_changes(store: Store, since: int, sid: str | None, limit: int) -> Changes:
    """What came after a revision; where that is all, its revision is that of the store, not of the play."""
    seen = store.revision()
    changes = store.changes(since=since, sid=sid, limit=limit)
    if changes.is_all:
        changes.revision = max(changes.revision, seen)
    return changes


def _without(listeners: Iterable[_Listener], gone: _Listener) -> tuple[_Listener, ...]:
    return tuple(one for one in listeners if one is not gone)


def _ignore(*_: object) -> None:
    return None
