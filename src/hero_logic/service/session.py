"""All services over one open store, for as long as one command or one server needs them."""

from __future__ import annotations

from collections.abc import Callable

from hero_logic.core.outcome import Leavings
from hero_logic.service.ingest import Ingest
from hero_logic.service.liveness import Runtimes
from hero_logic.service.plays import Plays
from hero_logic.service.recovery import recover
from hero_logic.store.contract import Store


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
    ) -> None:
        self.now_ms = now_ms
        self.store = store
        self.plays = Plays(store, now_ms=now_ms, runtime_sid=runtimes.own_sid)
        self.ingest = Ingest(store, now_ms=now_ms)
        self._runtimes = runtimes
        self._aftermath = aftermath
        self._clear = clear

    def __enter__(self) -> Session:
        try:
            recover(self.plays, self.ingest, self._runtimes, aftermath=self._aftermath, clear=self._clear)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.ingest.__exit__()
        self.store.close()
        self._runtimes.leave()

    def enter_runtime(self) -> None:
        """This process is about to run plays of its own: others must see that it lives."""
        self._runtimes.enter()
