"""What a process that lives long does beside its work: it ends plays that were lost, closes, sweeps, prunes.

One thread, so that a start waits for none of it: whatever the database holds, the process is ready at once.

How old a play is says the clock of the machine; but one that is set forward while this process lives makes
nothing old: what was removed for it could not be brought back. What is kept too long goes after the next
start.
"""

from __future__ import annotations

from threading import Event, Thread
from time import CLOCK_BOOTTIME, clock_gettime, monotonic
from typing import TYPE_CHECKING

from hero_logic.core.errors import HeroLogicError
from hero_logic.service.bells import block_signals
from hero_logic.service.retention import Retention, prune, sweep

if TYPE_CHECKING:
    from collections.abc import Callable

    from hero_logic.service.session import Session

_LOOK_S = 0.5
"""How often it is looked whether a runtime was killed."""
_CLOSE_S = 0.1
_PRUNE_S = 60.0
_SET_FORWARD_MS = 60_000.0
"""By how much a clock runs ahead of the time that has passed before that is told."""


class Housekeeping:
    """The thread; a context manager that ends it."""

    def __init__(
        self,
        session: Session,
        *,
        note: Callable[[str], None],
        retention: Retention | None = None,
        remove_files: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._session = session
        self._note = note
        self._retention = retention or Retention()
        self._remove_files = remove_files
        self._stop = Event()
        self._pruned_s: float | None = None
        self._ahead_ms = session.now_ms() - _passed_ms()
        self._told = ""
        self._has_told_clock = False
        self._thread = Thread(target=self._run, name="housekeeping", daemon=True)

    def __enter__(self) -> Housekeeping:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        block_signals()
        is_more = True
        while not self._stop.wait(0.0 if is_more else _LOOK_S):
            try:
                is_more = self.tidy()
                self._told = ""
            except HeroLogicError as error:
                is_more = False
                if str(error) != self._told:
                    self._told = str(error)
                    self._note(f"housekeeping waits: {error}")

    def tidy(self) -> bool:
        """Do some of what there is to do; whether there may be more at once."""
        if self._session.recover():
            return True
        if self._session.close_some(for_s=_CLOSE_S):
            # Others come to write in between.
            self._stop.wait(_CLOSE_S / 10)
            return True
        sweep(self._session.store)
        now_s = monotonic()
        if not self._retention.keeps_all and (self._pruned_s is None or now_s - self._pruned_s >= _PRUNE_S):
            self._pruned_s = now_s
            prune(
                self._session.store,
                self._retention,
                now_ms=self._now_ms(),
                remove_files=self._remove_files,
            )
        return False

    def _now_ms(self) -> float:
        """The time by the clock of the machine, or by what has passed since the start where that is less."""
        now_ms = self._session.now_ms()
        passed_ms = self._ahead_ms + _passed_ms()
        if now_ms - passed_ms > _SET_FORWARD_MS and not self._has_told_clock:
            self._has_told_clock = True
            self._note(
                f"the clock was set forward by {(now_ms - passed_ms) / 1000:.0f} s since this process began: "
                "until the next start plays are as old as the time that has passed says"
            )
        return min(now_ms, passed_ms)


def _passed_ms() -> float:
    """Milliseconds since the machine began, those in which it slept among them; never set by anybody."""
    return clock_gettime(CLOCK_BOOTTIME) * 1000
