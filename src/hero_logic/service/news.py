"""Who waits for something to become of a play is woken when it has, whichever process wrote it.

What this process writes is told by its own feed, after the commit. What others write is found through the
store's revision, when they ring (service/bells.py) or at the next look.
"""

from __future__ import annotations

from threading import Event, Lock
from time import monotonic
from typing import TYPE_CHECKING

from hero_logic.core.lifecycle import is_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hero_logic.core.records import Play
    from hero_logic.service.bells import Ears
    from hero_logic.service.feed import Feed
    from hero_logic.store.contract import Store

_NET_S = 1.0
"""How often who waits reads its play without having been woken."""


class News:
    """Wakes who waits for plays; what other processes write is heard of once somebody waits."""

    def __init__(self, store: Store, feed: Feed, ears: Ears) -> None:
        self._store = store
        self._lock = Lock()
        self._calls: dict[str, list[Callable[[], None]]] = {}
        self._seen = store.revision()
        self._ears = ears
        self._end_listening: Callable[[], None] | None = None
        self._end_telling = feed.ring(lambda commit: self._told(commit.plays))

    def close(self) -> None:
        """Wake everybody a last time, and nobody after that."""
        self._end_telling()
        with self._lock:
            sids = list(self._calls)
        if self._end_listening is not None:
            self._end_listening()
        self._told(sids)

    def call(self, sid: str, on_change: Callable[[], None]) -> Callable[[], None]:
        """Have a function called whenever the row of a play may have changed; gives what ends that.

        It is called by the thread that wrote or found the change, and has to be quick.
        """
        with self._lock:
            self._calls.setdefault(sid, []).append(on_change)
            if self._end_listening is None:
                self._seen = self._store.revision()
                self._end_listening = self._ears.listen(self._look)
        return lambda: self._end(sid, on_change)

    def wait(self, sid: str, is_enough: Callable[[Play], bool], *, timeout_s: float | None) -> Play:
        """A play, as soon as it is as wanted or the time is over; without the heavy fields.

        Raises:
            NotFound: there is no such play, or not any more.
        """
        woken = Event()
        until_s = None if timeout_s is None else monotonic() + timeout_s
        end = self.call(sid, woken.set)
        try:
            while True:
                woken.clear()
                play = self._store.brief_play(sid)
                left_s = _NET_S if until_s is None else min(_NET_S, until_s - monotonic())
                if is_enough(play) or is_terminal(play.status) or left_s <= 0:
                    return play
                woken.wait(left_s)
        finally:
            end()

    def _end(self, sid: str, on_change: Callable[[], None]) -> None:
        with self._lock:
            calls = self._calls.get(sid, [])
            if on_change in calls:
                calls.remove(on_change)
            if not calls:
                self._calls.pop(sid, None)

    def _look(self) -> None:
        """Find what others have written."""
        if self._store.revision() == self._seen:
            return
        changed = self._store.changed_statuses(self._seen)
        if changed:
            self._seen = changed[-1][1]
        self._told([sid for sid, _, _ in changed])

    def _told(self, sids: Sequence[str]) -> None:
        with self._lock:
            calls = [(sid, call) for sid in sids for call in self._calls.get(sid, ())]
        for sid, call in calls:
            try:
                call()
            except Exception:  # noqa: BLE001  # who fails to hear of it hears no more, and keeps it from nobody
                self._end(sid, call)
