"""Who watches which play: what changed is read once for all who watch it, and told to each at its own pace.

Laws:

1. A change wakes the readers of its play alone: a commit of this process at once, one of another process when
   the bell rings (:meth:`Hub.ring`) or the next look at the store finds it.
2. One channel a play. It reads at most every 20 ms while much happens, and at once where nothing has; a play
   whose rows are large is read less often, so that telling them whole costs no more a second than it may.
3. Memory is bounded by channel and not by reader: a reader that the ring has overtaken is told to begin anew,
   and neither the channel nor any other reader waits for it.
4. A channel without readers ends.

All of it but :meth:`Hub.ring` runs on the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING

from hero_logic.core.errors import NotFound, StoreError, StoreLocked
from hero_logic.server.news import Page, deleted_page, read_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hero_logic.core.records import Play
    from hero_logic.server.desks import Desk, Lobby
    from hero_logic.store.contract import Commit

BUSY_S = 0.020
LOOK_S = 0.1
"""How often the store is asked whether another process has written."""
NET_S = 5.0
"""How often everybody looks without having been woken, whatever was not heard."""
TOLD_BYTES_A_SECOND = 16 * 1024 * 1024
MAX_RING_BYTES = 4 * 1024 * 1024
MAX_RING_PAGES = 4096
_RETRY_S = 0.25


class Hub:
    """All channels of a server."""

    def __init__(self, lobby: Lobby) -> None:
        self.lobby = lobby
        self._channels: dict[str | None, Channel] = {}
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._loop = asyncio.get_running_loop()
        self._revision = lobby.at_loop.store.revision()
        self._stop_ringing = lobby.session.feed.ring(self._committed)
        self._stop_listening = lobby.session.ears.listen(self.ring)
        self._looking = self._loop.create_task(self._look())
        self.is_closed = False
        self.on_trouble: Callable[[str], None] = lambda _: None
        """Called with a sentence where a stream has to wait, or has failed."""

    def channel(self, sid: str | None) -> Channel:
        """That of a play, or of all plays (None); made where there is none."""
        found = self._channels.get(sid)
        if found is None:
            revision = self.lobby.at_loop.store.revision()
            self._begin_looking(revision)
            found = self._channels[sid] = Channel(self, sid, revision)
        return found

    def leave(self, channel: Channel) -> None:
        """Forget a channel that nobody reads."""
        if self._channels.get(channel.sid) is channel:
            del self._channels[channel.sid]

    def ring(self) -> None:
        """Another process may have written: look now. From any thread."""
        if self._channels or self._waiting:
            self._loop.call_soon_threadsafe(self._wake_changed)

    async def until(self, sid: str, is_so: Callable[[Play], bool], timeout_s: float | None) -> None:
        """Wait until a play is so, at most so long; where it is already, that is at once.

        Raises:
            NotFound: there is no such play, or it was deleted meanwhile.
        """
        changed = asyncio.Event()
        with contextlib.suppress(StoreError):
            self._begin_looking(self.lobby.at_loop.store.revision())
        self._waiting.setdefault(sid, set()).add(changed)
        try:
            async with asyncio.timeout(timeout_s) as limit:
                while not is_so(await self._find_play(sid)) and not self.is_closed:
                    await changed.wait()
                    changed.clear()
        except TimeoutError:
            if not limit.expired():
                raise
        finally:
            self._waiting[sid].discard(changed)
            if not self._waiting[sid]:
                del self._waiting[sid]

    def _begin_looking(self, revision: int) -> None:
        """Somebody is about to watch: where nobody did, what was written until now concerns nobody."""
        if not self._channels and not self._waiting:
            self._revision = revision

    async def _find_play(self, sid: str) -> Play:
        try:
            return self.lobby.at_loop.store.brief_play(sid)
        except StoreLocked:
            return await self.lobby.reading(lambda desk: desk.store.brief_play(sid))

    async def close(self) -> None:
        """Wake all readers for the last time."""
        self.is_closed = True
        self._stop_ringing()
        self._stop_listening()
        self._looking.cancel()
        for channel in list(self._channels.values()):
            channel.close()
        self._wake_waiting(list(self._waiting))

    @property
    def readers(self) -> int:
        """How many there are."""
        return sum(channel.readers for channel in self._channels.values())

    @property
    def waiting(self) -> int:
        """How many calls wait for something to become of a play."""
        return sum(len(waiting) for waiting in self._waiting.values())

    def _committed(self, commit: Commit) -> None:
        """Called by the thread that wrote."""
        channels = self._channels
        sids = [sid for sid in (*commit.plays, *commit.spans) if sid in channels]
        awaited = [sid for sid in commit.plays if sid in self._waiting]
        if sids or awaited or None in channels:
            self._loop.call_soon_threadsafe(self._wake, [*sids, None], awaited)

    def _wake(self, sids: Iterable[str | None], awaited: Iterable[str]) -> None:
        for sid in sids:
            channel = self._channels.get(sid)
            if channel is not None:
                channel.woken.set()
        self._wake_waiting(awaited)

    def _wake_waiting(self, sids: Iterable[str]) -> None:
        for sid in sids:
            for changed in self._waiting.get(sid, ()):
                changed.set()

    async def _look(self) -> None:
        netted_s = self._loop.time()
        while True:
            await asyncio.sleep(LOOK_S)
            if self._channels or self._waiting:
                self._wake_changed()
            if self._loop.time() - netted_s >= NET_S:
                netted_s = self._loop.time()
                self._wake(list(self._channels), list(self._waiting))

    def _wake_changed(self) -> None:
        store = self.lobby.at_loop.store
        try:
            if store.revision() == self._revision:
                return
            changed = store.changed_statuses(self._revision)
        except StoreError:
            return  # locked, or worse: whoever reads it says so; the next look finds what this one has not
        for sid, revision, _ in changed:
            self._revision = max(self._revision, revision)
            channel = self._channels.get(sid)
            if channel is not None and channel.revision < revision:
                channel.woken.set()
            self._wake_waiting([sid])
        every = self._channels.get(None)
        if every is not None and every.revision < self._revision:
            every.woken.set()


class Channel:
    """What is told of one play, or of all: pages of events, the last ones kept."""

    def __init__(self, hub: Hub, sid: str | None, revision: int) -> None:
        self.sid = sid
        self.revision = revision
        """Everything up to it was told, or was there before the channel."""
        self.woken = asyncio.Event()
        self.ended = b""
        """The last event, once it was told."""
        self.pages: deque[Page] = deque()
        self.first = 0
        """The number of the first page that is kept."""
        self.readers = 0
        self.is_closed = False
        self._hub = hub
        self._bytes = 0
        self._waiting: list[asyncio.Future[bool]] = []
        # What was written between the revision and the channel's being known is found by reading once.
        self.woken.set()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def read(self) -> Reader:
        """Somebody who reads it from now on; a context manager."""
        return Reader(self)

    def wait(self) -> asyncio.Future[bool]:
        """Done when the next page is there, or the channel is over."""
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return future

    def left(self) -> None:
        """A reader is gone."""
        self.readers -= 1
        if not self.readers:
            self.close()

    def close(self) -> None:
        """Tell nothing more."""
        self.is_closed = True
        self._hub.leave(self)
        self._task.cancel()
        self._wake_readers()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while not self.ended:
            await self.woken.wait()
            self.woken.clear()
            began_s = loop.time()
            size_bytes = await self._tell()
            pause_s = max(BUSY_S, size_bytes / TOLD_BYTES_A_SECOND) - (loop.time() - began_s)
            if pause_s > 0:
                await asyncio.sleep(pause_s)

    async def _tell(self) -> int:
        """Read a page and tell it; its size."""
        try:
            page = await self._hub.lobby.streaming(self._read)
        except NotFound:
            assert self.sid is not None, "all plays are never gone"
            page = deleted_page(self.sid, self.revision, self.revision)
        except StoreError as error:
            self._hub.on_trouble(f"the stream of {self.sid or 'all plays'} waits: {error}")
            await asyncio.sleep(_RETRY_S)
            self.woken.set()
            return 0
        except Exception as error:  # who reads it must not wait for a task that is gone
            self._hub.on_trouble(f"the stream of {self.sid or 'all plays'} has failed: {error!r}")
            self.close()
            raise
        self.revision = page.revision
        if not page.is_all:
            self.woken.set()
        if page.text or page.ended:
            self._keep(page)
        return len(page.text)

    def _read(self, desk: Desk) -> Page:
        return read_page(desk.store, self.sid, since=self.revision)

    def _keep(self, page: Page) -> None:
        self.pages.append(page)
        self._bytes += len(page.text)
        # The last page stays, whatever its size: somebody has to be told it.
        while len(self.pages) > 1 and (self._bytes > MAX_RING_BYTES or len(self.pages) > MAX_RING_PAGES):
            self._bytes -= len(self.pages.popleft().text)
            self.first += 1
        self.ended = page.ended
        self._wake_readers()

    def _wake_readers(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(True)


class Reader:
    """One who reads a channel: a place in its ring."""

    __slots__ = ("_channel", "_next")

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.catch_up()

    def __enter__(self) -> Reader:
        self._channel.readers += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.left()

    def catch_up(self) -> None:
        """Skip what is there."""
        self._next = self._channel.first + len(self._channel.pages)

    @property
    def revision(self) -> int:
        """Up to which the channel has told everything."""
        return self._channel.revision

    @property
    def is_overtaken(self) -> bool:
        """Whether what would come next is no longer there."""
        return self._next < self._channel.first

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes, but for what is there."""
        return self._channel.is_closed or bool(self._channel.ended)

    def take(self) -> Page | None:
        """The next page, if it is there."""
        place = self._next - self._channel.first
        if not 0 <= place < len(self._channel.pages):
            return None
        self._next += 1
        return self._channel.pages[place]

    async def news(self, timeout_s: float) -> bool:
        """Wait until there is something to take, or nothing more comes; False where neither is in time."""
        if self._next < self._channel.first + len(self._channel.pages) or self.is_over:
            return True
        future = self._channel.wait()
        # asyncio.wait_for takes longer than all the rest of a turn of a reader, of which there may be
        # thousands.
        timer = asyncio.get_running_loop().call_later(timeout_s, _give_up, future)
        try:
            return await future
        finally:
            timer.cancel()


def _give_up(future: asyncio.Future[bool]) -> None:
    if not future.done():
        future.set_result(False)
