"""The service in this process, for a client of this process: the same dispatch, without HTTP."""

from __future__ import annotations

import asyncio
import os
import sys
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

from hero_logic.server.desks import Lobby
from hero_logic.server.methods import table
from hero_logic.server.rpc import Rpc

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from hero_logic.service.play_verbs import PlayVerbs
    from hero_logic.service.session import Session


_Found = TypeVar("_Found")


class InProcess:
    """An event loop in a thread of its own, on which requests are answered.

    Plays that it is asked for are run by whichever workers there are over the same data.

    Raises:
        StoreError: the store cannot be opened.
    """

    def __init__(
        self, open_session: Callable[[], Session], make_verbs: Callable[[Session], PlayVerbs]
    ) -> None:
        self._make_verbs = make_verbs
        self._session = open_session()
        self._session.__enter__()
        self.loop = asyncio.new_event_loop()
        self._thread = Thread(target=self.loop.run_forever, name="service", daemon=True)
        self._thread.start()
        try:
            self._rpc = self._wait(self._begin())
        except BaseException:
            self._end()
            raise

    def answer(self, body: bytes) -> Coroutine[object, object, bytes | None]:
        """What answers a request; to be run on the loop."""
        return self._rpc.answer(body)

    def close(self) -> None:
        """End the service; harmless twice."""
        if self._thread.is_alive():
            try:
                self._wait(self._lobby.close())
            finally:
                self._end()

    async def _begin(self) -> Rpc:
        self._lobby = Lobby(self._session, self._make_verbs(self._session))
        return Rpc(table(), self._lobby, on_call=_ignore, on_failure=_print)

    def _end(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
        self._session.__exit__()

    def _wait(self, work: Coroutine[object, object, _Found]) -> _Found:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()


def _ignore(*_: object) -> None:
    return None


def _print(method: str, error: Exception) -> str:
    """What nobody meant to raise is printed as what nobody caught; the answer names it."""
    trace_id = os.urandom(6).hex()
    error.add_note(f"in {method}, told as {trace_id}")
    sys.excepthook(type(error), error, error.__traceback__)
    return trace_id
