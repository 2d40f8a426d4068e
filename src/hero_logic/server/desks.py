"""Where methods are done: threads that each have a connection to read from, one that serves the event loop.

Laws:

1. What a thread reads makes nobody else wait: neither the writer, nor the event loop, nor another thread.
2. The desk of the event loop waits for no other process: where the store is locked it says so, at once.
3. Reading, writing and streaming have threads of their own: none of them starves another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock, local
from typing import TYPE_CHECKING, TypeVar

from hero_logic.core.errors import ServerStopping
from hero_logic.service.flows import Flows
from hero_logic.service.library import Library
from hero_logic.service.plays import LAST, Plays

if TYPE_CHECKING:
    from hero_logic.server.hub import Hub
    from hero_logic.service.play_verbs import PlayVerbs
    from hero_logic.service.session import Session
    from hero_logic.store.contract import Store

_Found = TypeVar("_Found")

_MAX_REMEMBERED = 2000
READERS = 4
WRITERS = 8
STREAMERS = 2


class Desk:
    """What a method works with."""

    __slots__ = (
        "_remembered",
        "_stamp",
        "_verbs",
        "flows",
        "is_ending",
        "library",
        "plays",
        "session",
        "store",
    )

    def __init__(self, session: Session, store: Store, verbs: PlayVerbs | None = None) -> None:
        self.session = session
        """To write with."""
        self.store = store
        """To read from."""
        self.plays = (
            session.plays
            if store is session.store
            else Plays(store, now_ms=session.now_ms, runtime_sid=session.plays.runtime_sid)
        )
        self.flows = (
            session.flows if store is session.store else Flows(store, now_ms=session.now_ms, new_sid=str)
        )
        self.library = Library(store)
        self.is_ending = False
        """Whether no more plays are begun."""
        self._verbs = verbs
        self._remembered: dict[str, bytes] = {}
        self._stamp = -1

    @property
    def verbs(self) -> PlayVerbs:
        """What is asked of plays; at the desk that writes."""
        assert self._verbs is not None, "a method that writes is done at the desk that writes"
        return self._verbs

    def check_open(self) -> None:
        """Refuse what would begin a play.

        Raises:
            ServerStopping: the server ends what runs, and begins nothing.
        """
        if self.is_ending:
            raise ServerStopping("the server is stopping and begins no more plays.")

    def sid(self, sid: str) -> str:
        """The sid itself; that of the play that was created last, where it is ``last``.

        Raises:
            NotFound: there is no play at all.
        """
        return self.plays.get(sid).sid if sid == LAST else sid

    def remembered(self, key: str, find: Callable[[], bytes]) -> bytes:
        """What was found under a key, for as long as nothing at all is written; found again after that.

        What is asked thousands of times a second costs a look at the store's stamp. Of one desk: not for a
        key that several threads ask at the desk that writes.
        """
        stamp = self.store.stamp()
        if stamp != self._stamp or len(self._remembered) >= _MAX_REMEMBERED:
            self._remembered.clear()
            self._stamp = stamp
        found = self._remembered.get(key)
        if found is None:
            found = self._remembered[key] = find()
        return found


class Lobby:
    """All desks over one session, and what waits at them; made and closed on the event loop.

    Args:
        session: entered.
        verbs: what is asked of plays over it; None where nothing is.
    """

    def __init__(self, session: Session, verbs: PlayVerbs | None = None) -> None:
        from hero_logic.server.hub import Hub

        self.session = session
        self.at_loop = Desk(session, session.store.reader(busy_timeout_s=0.0))
        self._writing = Desk(session, session.store, verbs)
        self._own = local()
        self._opened: list[Store] = [self.at_loop.store]
        self._lock = Lock()
        self._readers = ThreadPoolExecutor(READERS, "rpc-read")
        self._writers = ThreadPoolExecutor(WRITERS, "rpc-write")
        self._streamers = ThreadPoolExecutor(STREAMERS, "stream")
        self.hub: Hub = Hub(self)

    async def reading(self, do: Callable[[Desk], _Found]) -> _Found:
        """Do something that reads, on a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._at_own_desk, do)

    async def streaming(self, do: Callable[[Desk], _Found]) -> _Found:
        """Do something that reads for a stream, on one of the threads that are for that."""
        return await asyncio.get_running_loop().run_in_executor(self._streamers, self._at_own_desk, do)

    async def writing(self, do: Callable[[Desk], _Found]) -> _Found:
        """Do something that writes, on a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._writers, do, self._writing)

    def begin_no_plays(self) -> None:
        """Refuse from now on what would begin a play; all else goes on."""
        self._writing.is_ending = True

    async def close(self) -> None:
        """Take nothing more, wait for what is being done, close the connections."""
        await self.hub.close()
        for pool in (self._readers, self._writers, self._streamers):
            await asyncio.to_thread(pool.shutdown, cancel_futures=True)
        for store in self._opened:
            store.close()

    def _at_own_desk(self, do: Callable[[Desk], _Found]) -> _Found:
        desk: Desk | None = getattr(self._own, "desk", None)
        if desk is None:
            desk = self._own.desk = Desk(self.session, self.session.store.reader())
            with self._lock:
                self._opened.append(desk.store)
        return do(desk)
