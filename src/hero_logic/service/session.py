"""All services over one open store, for as long as one command or one server needs them."""

from __future__ import annotations

from _thread import RLock
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from hero_logic.service.liveness import Runtimes
from hero_logic.service.plays import Plays
from hero_logic.store.contract import Store

if TYPE_CHECKING:
    from hero_logic.core.outcome import Leavings
    from hero_logic.service.bells import Ears
    from hero_logic.service.feed import Feed
    from hero_logic.service.flows import Flows
    from hero_logic.service.ingest import Ingest
    from hero_logic.service.library import Library
    from hero_logic.service.news import News
    from hero_logic.service.recording import Spool

_CLOSING_S = 0.5
"""How long a command closes spans of plays that were lost before it does what it is for."""


class Session:
    """Plays and ingest over a store; a context manager that closes all of it.

    Entering it gives plays whose runtime is gone their end, and makes this process one that lives.
    """

    def __init__(
        self,
        store: Store,
        runtimes: Runtimes,
        *,
        now_ms: Callable[[], float],
        aftermath: Callable[[str], Leavings | None],
        clear: Callable[[str], None],
        open_spool: Callable[[str], Spool | None] = lambda _: None,
        leftovers: Callable[[], Iterable[tuple[str, str]]] = tuple,
        new_sid: Callable[[], str],
        recovers: bool = True,
    ) -> None:
        self.now_ms = now_ms
        self.store = store
        self.plays = Plays(store, now_ms=now_ms, runtime_sid=runtimes.own_sid)
        self._ingest: Ingest | None = None
        self._feed: Feed | None = None
        self._flows: Flows | None = None
        self._runtimes = runtimes
        self._aftermath = aftermath
        self._clear = clear
        self._open_spool = open_spool
        self._leftovers = leftovers
        self._new_sid = new_sid
        self._recovers = recovers
        self._ears: Ears | None = None
        self._news: News | None = None
        self._has_entered = False
        # Held while something is made: who wants to know of it and who tells of it may be different threads.
        self._making = RLock()

    def __enter__(self) -> Session:
        try:
            if self._recovers and self._may_need_recovery():
                self.recover()
                self.close_some(for_s=_CLOSING_S)
        except BaseException:
            self.__exit__()
            raise
        return self

    @property
    def ingest(self) -> Ingest:
        """The one door for events, opened when it is first needed (docs/design/0004-start-up.md)."""
        if self._ingest is None:
            from hero_logic.service.ingest import Ingest

            self._ingest = Ingest(self.store, now_ms=self.now_ms)
        return self._ingest

    @property
    def feed(self) -> Feed:
        """Who wants to know what changes, made when somebody first does."""
        with self._making:
            if self._feed is None:
                from hero_logic.service.feed import Feed

                self._feed = Feed(self.store)
            return self._feed

    @property
    def runtimes(self) -> Runtimes:
        """This process among those that run plays."""
        return self._runtimes

    @property
    def ears(self) -> Ears:
        """What hears that other processes have written something, made when it is first needed."""
        with self._making:
            if self._ears is None:
                from hero_logic.service.bells import Bells, Ears

                self._ears = Ears(Bells(self._runtimes.directory, self._runtimes.own_sid))
            return self._ears

    @property
    def news(self) -> News:
        """Who waits for something to become of a play, made when somebody first does."""
        with self._making:
            if self._news is None:
                from hero_logic.service.news import News

                self._news = News(self.store, self.feed, self.ears)
            return self._news

    def ring_at_commits(self) -> None:
        """Wake other processes whenever this one has written something."""
        self.feed.ring(lambda _: self.ears.bells.ring())

    @property
    def flows(self) -> Flows:
        """The published flows, loaded when somebody first asks for them."""
        if self._flows is None:
            from hero_logic.service.flows import Flows

            self._flows = Flows(self.store, now_ms=self.now_ms, new_sid=self._new_sid)
        return self._flows

    @property
    def library(self) -> Library:
        """The search of published flows."""
        from hero_logic.service.library import Library

        return Library(self.store)

    def take_in_pushed(self) -> None:
        """Fold what was pushed to plays of this process."""
        for sid in self.store.pushed_plays(self._runtimes.own_sid):
            from hero_logic.service.inbox import take_in

            take_in(self.store, self.ingest, sid)

    def recover(self) -> list[str]:
        """Give plays whose runtime is gone their end; the sids of those that were ended."""
        from hero_logic.service.recovery import recover

        return recover(
            self.plays,
            self.ingest,
            self._runtimes,
            aftermath=self._aftermath,
            clear=self._clear,
            open_spool=self._open_spool,
            leftovers=self._leftovers,
            now_ms=self.now_ms,
            new_sid=self._new_sid,
        )

    def close_some(self, *, for_s: float) -> bool:
        """Close spans that plays left open, for so long at the most; whether there may be more."""
        from time import monotonic

        from hero_logic.service.recovery import close_some

        return close_some(self.store, self.ingest, self._runtimes, until_s=monotonic() + for_s)

    def _may_need_recovery(self) -> bool:
        store = self.store
        return bool(store.unfinished_plays() or store.plays_with_open_spans() or self._runtimes.has_killed())

    def __exit__(self, *_: object) -> None:
        if self._news is not None:
            self._news.close()
        if self._ears is not None:
            self._ears.close()
        if self._ingest is not None:
            self._ingest.__exit__()
        self.store.close()
        if self._has_entered:
            self._runtimes.leave()

    def enter_runtime(self) -> None:
        """This process is about to run plays of its own: others must see that it lives.

        Until the end of the session, or of whoever has said so before.
        """
        if not self._runtimes.is_entered:
            self._runtimes.enter()
            self._has_entered = True
