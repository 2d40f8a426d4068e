"""A server as the command line asks it: found by its address, with the token, and with errors that say what
to do.
"""

from __future__ import annotations

import ipaddress
import os
import time
from typing import TYPE_CHECKING, Any, TypeVar

from hero_logic import __version__
from hero_logic.client.carriers import Place, SocketCarrier
from hero_logic.client.event_stream import PATIENCE_S, EventStream
from hero_logic.client.facts import PlayFactsRead, PlaysRead, as_play
from hero_logic.client.remote import ServiceClient, read_state
from hero_logic.core.errors import (
    HeroLogicError,
    NotAuthorized,
    NotFound,
    OtherRelease,
    ServerRefused,
    ServerStopping,
    ServerUnreachable,
    UsageError,
)
from hero_logic.core.lifecycle import is_terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from hero_logic.core.finding import PlayFilter
    from hero_logic.core.records import Play

TOKEN_VARIABLE = "HERO_LOGIC_TOKEN"  # noqa: S105  # a variable's name
TOKEN_FILE = "server-token"  # noqa: S105  # where a server of this user keeps it (server/gate.py)
_WAIT_MS = 20_000.0
"""So long one call waits for a play: who waits longer asks again, and so hears of a server that is gone."""
_AGAIN_S = 0.25
_WRONG_PARAMS = "(invalid_params)"
_MAX_TOKEN_BYTES = 1000
_MAX_SID_CHARS = 64
_MAX_FLOW_CHARS = 300
_Result = TypeVar("_Result")
_Found = TypeVar("_Found")


class Link(ServiceClient):
    """A server's calls; what cannot be is told as in this process."""

    def __init__(self, place: Place, token: str | None) -> None:
        super().__init__(SocketCarrier(place, token))
        self._place = place
        self._token = token

    @classmethod
    def to(cls, server: str, *, home: str, environment: dict[str, str]) -> Link:
        """The server at an address: ``http://HOST:PORT`` or ``unix:PATH``.

        Raises:
            UsageError: that is no server, or the variable holds no token.
        """
        place = Place.of(server)
        return cls(place, find_token(place, home=home, environment=environment))

    def play(self, sid: str) -> Play:
        """A play, whole but for its spans; ``last`` is the one that was created last."""
        state = self.play_status(sid)
        facts = self._call("play_get", {"play_sid": state.sid, "spans": False}, PlayFactsRead)
        facts.revision = state.revision
        return as_play(facts)

    def run(self, flow_sid: str, **params: object) -> str:
        """Have a flow run; the sid of its play.

        Raises:
            ServerUnreachable: no answer came; whether the play was put on record is not known then.
        """
        try:
            return self._call("play_run_async", {"flow_sid": flow_sid, **params}, str)
        except ServerUnreachable as error:
            raise ServerUnreachable(
                f"{error} Whether the play was put on record is not known: `hero-logic ls` tells."
            ) from error

    def find_plays(self, *, limit: int, before: str | None, wanted: PlayFilter | None) -> PlaysRead:
        """A page of plays that are as wanted, the newest first."""
        params: dict[str, object] = {"limit": limit, "before": before}
        if wanted is not None:
            params |= {
                "flow": wanted.flow,
                "statuses": list(wanted.statuses) or None,
                "since_ms": wanted.since_ms,
                "until_ms": wanted.until_ms,
                "text": wanted.text,
            }
        return self._call("play_list", params, PlaysRead)

    def wait(self, sid: str, *, timeout_s: float | None) -> Play:
        """A play once it has ended, or as it stands when the time is over; a server that restarts meanwhile
        is asked again.
        """
        sid = self.play_status(sid).sid
        until_s = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            facts = self.patiently(lambda: self._wait_a_while(sid, until_s))
            if is_terminal(facts.status) or (until_s is not None and time.monotonic() >= until_s):
                return self.play(sid)

    def _wait_a_while(self, sid: str, until_s: float | None) -> PlayFactsRead:
        left_ms = _WAIT_MS
        if until_s is not None:
            # 0 would be for ever.
            left_ms = min(max((until_s - time.monotonic()) * 1000, 0.001), _WAIT_MS)
        return self._call("play_wait", {"play_sid": sid, "timeout_ms": left_ms}, PlayFactsRead)

    def patiently(self, ask: Callable[[], _Found]) -> _Found:
        """Ask again where the server is gone for a moment.

        Raises:
            ServerUnreachable: for a longer one.
        """
        until_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                return ask()
            except (ServerUnreachable, ServerStopping):
                if time.monotonic() >= until_s:
                    raise
            time.sleep(_AGAIN_S)

    def events(self, sid: str, *, after: int, known_logs: dict[str, int] | None = None) -> EventStream:
        """What changes of a play after a revision."""
        return EventStream(self._place, self._token, sid, after=after, known_logs=known_logs)

    def _call(self, method: str, params: dict[str, Any], result: type[_Result]) -> _Result:
        _check_names(params)
        try:
            return super()._call(method, params, result)
        except NotAuthorized as error:
            raise NotAuthorized(
                f"{error} Set {TOKEN_VARIABLE} to what `hero-logic token` prints where the server "
                f"{self._place.name} runs."
            ) from error
        except (ServerUnreachable, ServerRefused) as error:
            # No class of its own: JSON-RPC itself refuses, as the method or a parameter is not known.
            if type(error) not in (ServerUnreachable, ServerRefused):
                raise
            self._check_release(error)
            if str(error).endswith(_WRONG_PARAMS):
                raise UsageError(str(error)) from error
            raise

    def _check_release(self, error: HeroLogicError) -> None:
        """Refuse to go on with a server of another release, after an error that this may have caused.

        Raises:
            OtherRelease: it is of one.
        """
        try:
            found = super()._call("rpc.discover", {}, dict[str, Any])
            release = str(found["info"]["version"])
        except (HeroLogicError, KeyError, TypeError):
            return
        if release != __version__:
            raise OtherRelease(
                f"the server {self._place.name} is hero-logic {release}, and this is {__version__}: {error} "
                "Use the same release on both sides."
            ) from error


def _check_names(params: dict[str, Any]) -> None:
    """A name that nothing can have is one of nothing that there is, here as in this process."""
    for name, most, what in (("play_sid", _MAX_SID_CHARS, "play"), ("flow_sid", _MAX_FLOW_CHARS, "flow")):
        value = params.get(name)
        if isinstance(value, str) and not 1 <= len(value) <= most:
            raise NotFound(f"there is no {what} {value[:100]!r}.")


def find_token(place: Place, *, home: str, environment: dict[str, str]) -> str | None:
    """What is shown to a server: what the variable says; else, to the server over this user's data, its own.

    That token goes nowhere else, whatever address somebody was talked into.

    Raises:
        UsageError: the variable holds no token.
    """
    if place.address is None:
        return None
    said = environment.get(TOKEN_VARIABLE, "").strip()
    if said:
        if not said.isascii() or not said.isprintable() or " " in said:
            raise UsageError(f"{TOKEN_VARIABLE} holds no token: it is what `hero-logic token` prints.")
        return said
    return _own_token(home) if _is_own(place.address, home) else None


def _is_own(address: tuple[str, int], home: str) -> bool:
    """Whether it is that of the server over this user's data, which has left its own there."""
    try:
        own = Place.of(read_state(home).url).address
    except HeroLogicError:
        return False
    if own is None or own[1] != address[1]:
        return False
    return own[0] == address[0] or (_is_this_machine(own[0]) and _is_loopback(address[0]))


def _is_this_machine(host: str) -> bool:
    return host in ("0.0.0.0", "::") or _is_loopback(host)  # noqa: S104  # compared, and not listened at


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _own_token(home: str) -> str | None:
    try:
        with open(os.path.join(home, TOKEN_FILE), encoding="ascii") as file:
            return file.read(_MAX_TOKEN_BYTES).strip() or None
    except (OSError, UnicodeError):
        return None
