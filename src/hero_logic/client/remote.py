"""The methods of a service as calls of a client: blocking or on an event loop, of a server or of this
process.

The calls themselves are made from the server's table of methods: ``calls.py``.

    with connect("http://127.0.0.1:8420", token=token) as service:
        print(service.play_status("last").status)
"""

from __future__ import annotations

import asyncio
import os
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from hero_logic.client.calls import AsyncCalls, Calls
from hero_logic.client.carriers import Place, SocketCarrier, StreamCarrier
from hero_logic.core import errors
from hero_logic.core.errors import HeroLogicError, ServerRefused, ServerUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

    from hero_logic.client.carriers import AsyncCarrier, Carrier

    _Answering = Coroutine[object, object, bytes | None]

STATE_FILE = "server.json"
_RPC = "/rpc"
_Result = TypeVar("_Result")


class _Data(msgspec.Struct, frozen=True):
    code: str = ""
    hint: str = ""


class _Error(msgspec.Struct):
    code: int
    message: str
    data: _Data = _Data()


class _Answer(msgspec.Struct):
    id: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"")
    error: _Error | None = None


class ServerState(msgspec.Struct):
    """What a server leaves in the data directory (server/serving.py)."""

    url: str
    socket_path: str
    pid: int


_decode_answer = msgspec.json.Decoder(_Answer).decode
_encode = msgspec.json.Encoder().encode
_numbers = count(1)


class ServiceClient(Calls):
    """A service in blocking calls, from any thread; a context manager that closes its connections."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier

    def __enter__(self) -> ServiceClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close what is open."""
        self._carrier.close()

    def _call(self, method: str, params: dict[str, Any], result: type[_Result]) -> _Result:
        return read_answer(*self._carrier.send("POST", _RPC, request(method, params)), result)


class AsyncServiceClient(AsyncCalls):
    """A service on an event loop; an async context manager that closes its connections."""

    def __init__(self, carrier: AsyncCarrier) -> None:
        self._carrier = carrier

    async def __aenter__(self) -> AsyncServiceClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close what is open."""
        await self._carrier.close()

    async def _call(self, method: str, params: dict[str, Any], result: type[_Result]) -> _Result:
        return read_answer(*await self._carrier.send("POST", _RPC, request(method, params)), result)


def connect(server: str | None = None, *, token: str | None = None) -> ServiceClient:
    """A client of a server.

    Args:
        server: ``http://HOST:PORT`` or ``unix:PATH``; None for the Unix socket of the server over this
        user's data. token: what the server asks for; over a Unix socket it asks for none.

    Raises:
        UsageError: that is no server.
    """
    return ServiceClient(SocketCarrier(_place(server), token))


def connect_async(server: str | None = None, *, token: str | None = None) -> AsyncServiceClient:
    """The same on an event loop."""
    return AsyncServiceClient(StreamCarrier(_place(server), token))


def login_url(home: str) -> str:
    """An address that logs a browser in to the server over a data directory.

    Raises:
        ServerUnreachable: there is none.
    """
    state = read_state(home)
    carrier = SocketCarrier(Place(socket_path=state.socket_path), None)
    try:
        status, body = carrier.send("POST", "/login-code", b"")
    finally:
        carrier.close()
    try:
        return f"{state.url}/login#{msgspec.json.decode(body, type=dict[str, str])['code']}"
    except (msgspec.DecodeError, KeyError) as error:
        raise ServerUnreachable(
            f"what answers at {state.socket_path} is no server of ours (HTTP {status})."
        ) from error


def read_state(home: str) -> ServerState:
    """What the server over a data directory has left there.

    Raises:
        ServerUnreachable: there is none.
    """
    try:
        with open(os.path.join(home, STATE_FILE), "rb") as file:
            return msgspec.json.decode(file.read(), type=ServerState)
    except (OSError, msgspec.DecodeError) as error:
        raise ServerUnreachable(
            f"no server runs over the data in {home}. `hero-logic serve` starts one."
        ) from error


def request(method: str, params: dict[str, Any]) -> bytes:
    """A request of JSON-RPC."""
    return _encode({"jsonrpc": "2.0", "id": next(_numbers), "method": method, "params": params})


def read_answer(status: int, body: bytes, result: type[_Result]) -> _Result:
    """What an answer says, as the type that the method gives.

    Raises:
        HeroLogicError: what the server refused with: the same class as where the service is.
        ServerUnreachable: it is no answer of a server of ours.
    """
    try:
        answer = _decode_answer(body)
        if answer.error is None:
            return msgspec.json.decode(answer.result, type=result)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ServerUnreachable(f"what answers is no server of ours (HTTP {status}): {error}.") from error
    raise as_raised(answer.error.message, answer.error.data.code)


def as_raised(message: str, code: str) -> HeroLogicError:
    """An error as it was raised where the service is.

    >>> as_raised("there is no play 'x'.", "not_found")
    NotFound("there is no play 'x'.")
    """
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, HeroLogicError) and kind.code == code:
            return kind(message)
    return ServerRefused(f"{message} ({code or 'no code'})")


def _place(server: str | None) -> Place:
    if server is not None:
        return Place.of(server)
    from hero_logic.config import Config

    return Place(socket_path=Config.from_environment(dict(os.environ)).server_socket)


class LoopCarrier:
    """Carries requests to a service in this process, from blocking calls: its answers come from an event
    loop.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        answer: Callable[[bytes], _Answering],
        close: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._answer = answer
        self._close = close

    def send(self, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        """Send a request; the status and the body of its answer."""
        return 200, asyncio.run_coroutine_threadsafe(self._answer(body), self._loop).result() or b""

    def close(self) -> None:
        """End the service."""
        self._close()


class AsyncLoopCarrier:
    """The same from another event loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        answer: Callable[[bytes], _Answering],
        close: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._answer = answer
        self._close = close

    async def send(self, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        """Send a request; the status and the body of its answer."""
        future = asyncio.run_coroutine_threadsafe(self._answer(body), self._loop)
        return 200, await asyncio.wrap_future(future) or b""

    async def close(self) -> None:
        """End the service."""
        await asyncio.to_thread(self._close)
