"""JSON-RPC 2.0: bytes of a request to bytes of an answer.

Laws:

1. Every request gets an answer that JSON-RPC has a form for, whatever it is; a notification gets none.
2. What is over a limit is refused before it is decoded: size (by who reads the body), depth, number of a
   batch.
3. An answer never tells what went wrong inside: that goes to the log, under the id that the answer names.
4. The requests of a batch are done one after the other, in their order.
5. Nothing waits for a play on behalf of somebody who is gone.

Source: https://www.jsonrpc.org/specification, docs/rpc.md.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import msgspec

from hero_logic.core.errors import HeroLogicError, ServerStopping, StoreLocked, TooLarge
from hero_logic.server.refusals import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    RpcError,
    error_object,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from hero_logic.server.desks import Lobby
    from hero_logic.server.methods import Method

    Gone = Callable[[], Awaitable[None]]

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 64
MAX_BATCH = 100
MAX_SHOWN_CHARS = 80

_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)
_Id = int | float | str | None


class _Call(msgspec.Struct):
    """A request as it is sent; what else it has is not looked at."""

    jsonrpc: str
    method: str
    params: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    id: _Id | msgspec.UnsetType = msgspec.UNSET


class _AnyId(msgspec.Struct):
    """Of a request that is none: the id, if it has one that can be answered to."""

    id: _Id = None


_decode_call = msgspec.json.Decoder(_Call).decode
_decode_id = msgspec.json.Decoder(_AnyId).decode
_decode_parts = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


class Rpc:
    """Answers requests from the table of methods.

    Args:
        methods: by name.
        lobby: where they are done.
        on_call: told of each call: the method (or "" where there is none), how long it took in seconds, and
        the
            string code of its error, or "".
        on_failure: told of what nobody meant to raise; gives the id that the answer names.
    """

    def __init__(
        self,
        methods: dict[str, Method],
        lobby: Lobby,
        *,
        on_call: Callable[[str, float, str], None],
        on_failure: Callable[[str, Exception], str],
    ) -> None:
        self.is_stopping = False
        self._methods = methods
        self._lobby = lobby
        self._on_call = on_call
        self._on_failure = on_failure

    async def answer(self, body: bytes, gone: Gone | None = None) -> bytes | None:
        """The answer to a request or a batch; None where nothing is to be answered.

        ``gone`` waits until who asked is there no more: what waits for a play then ends with
        ConnectionResetError.
        """
        try:
            check_depth(body)
            first = body.lstrip(b" \t\r\n")[:1]
            if first == b"[":
                return await self._answer_batch(body, gone)
        except (RpcError, HeroLogicError) as error:
            return error_answer(error, None)
        return await self._answer_one(body, gone)

    async def _answer_batch(self, body: bytes, gone: Gone | None) -> bytes | None:
        try:
            parts = _decode_parts(body)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise RpcError(PARSE_ERROR, f"the body is not JSON: {error}") from error
        if not parts:
            raise RpcError(INVALID_REQUEST, "the batch is empty")
        if len(parts) > MAX_BATCH:
            raise TooLarge(f"the batch has {len(parts):,} requests; it may have {MAX_BATCH}. Send several.")
        answers = []
        for part in parts:
            answer = await self._answer_one(part, gone)
            if answer is not None:
                answers.append(answer)
        return b"[" + b",".join(answers) + b"]" if answers else None

    async def _answer_one(self, body: bytes | msgspec.Raw, gone: Gone | None) -> bytes | None:
        try:
            call = _decode_call(body)
            if call.jsonrpc != "2.0":
                raise RpcError(INVALID_REQUEST, f'"jsonrpc" is {_shown(call.jsonrpc)}; it has to be "2.0"')
        except (msgspec.DecodeError, UnicodeError, RecursionError, RpcError) as error:
            return error_answer(*_undecoded(body, error))
        result, failure = await self._do(call, gone)
        if call.id is msgspec.UNSET:
            return None
        if failure is not None:
            return error_answer(failure, call.id)
        return b'{"jsonrpc":"2.0","id":' + _encode(call.id) + b',"result":' + result + b"}"

    async def _do(self, call: _Call, gone: Gone | None) -> tuple[bytes, Exception | None]:
        """What a call gives, as JSON, or what it is refused with; told to who counts."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        method = self._methods.get(call.method)
        try:
            if method is None:
                raise RpcError(METHOD_NOT_FOUND, f"there is no method {_shown(call.method)}")
            if self.is_stopping:
                raise ServerStopping("the server is stopping and takes no more requests.")
            result = _encode(await self._run(method, read_params(method, call.params), gone))
        except (RpcError, HeroLogicError) as error:
            self._on_call(method.name if method else "", loop.time() - began_s, error_object(error).data.code)
            return b"", error
        except ConnectionResetError:
            raise
        except Exception as error:  # noqa: BLE001  # law 3: the ring's edge; it is logged, and counted as ours
            trace_id = self._on_failure(call.method, error)
            self._on_call(method.name if method else "", loop.time() - began_s, "internal_error")
            return b"", RpcError(INTERNAL_ERROR, f"the server has failed; its log has more under {trace_id}")
        self._on_call(method.name, loop.time() - began_s, "")
        return result, None

    async def _run(self, method: Method, params: msgspec.Struct, gone: Gone | None) -> object:
        lobby = self._lobby
        if method.mode == "quick":
            try:
                return method.handle(lobby.at_loop, params)
            except StoreLocked:
                return await lobby.reading(lambda desk: method.handle(desk, params))
        if method.mode == "read":
            return await lobby.reading(lambda desk: method.handle(desk, params))
        if method.mode == "write":
            return await lobby.writing(lambda desk: method.handle(desk, params))
        return await _unless_gone(method.handle(lobby, params), gone)


async def _unless_gone(work: Coroutine[object, object, object], gone: Gone | None) -> object:
    """What the work gives; law 5."""
    if gone is None:
        return await work
    tasks = asyncio.ensure_future(work), asyncio.ensure_future(gone())
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not tasks[0].done():
            raise ConnectionResetError
        return tasks[0].result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def read_params(method: Method, raw: msgspec.Raw | msgspec.UnsetType) -> msgspec.Struct:
    """The parameters of a call, by name or by position.

    Raises:
        RpcError: they are not those of the method.
    """
    try:
        if isinstance(raw, msgspec.UnsetType):
            return method.decode(b"{}")
        text = bytes(raw)
        if text[:1] == b"[":
            text = _by_name(method, _decode_parts(text))
        return method.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise RpcError(INVALID_PARAMS, f"{method.name}: {error}") from error


def _by_name(method: Method, values: list[msgspec.Raw]) -> bytes:
    if len(values) > len(method.field_names):
        raise RpcError(
            INVALID_PARAMS,
            f"{method.name} takes at most {len(method.field_names)} parameters, and got {len(values)}",
        )
    return _encode(dict(zip(method.field_names, values, strict=False)))


def check_depth(body: bytes) -> None:
    """Refuse JSON whose arrays and objects lie too deep in each other.

    Raises:
        TooLarge: they do.

    >>> check_depth(b'{"a": [1, "[[[["]}')
    """
    # Nearly all bodies have so few brackets that none of them needs to be looked at.
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    for found in _BRACKETS.finditer(body):
        mark = found[0]
        if mark in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise TooLarge(
                    f"the body is nested deeper than {MAX_DEPTH} levels. Send text in place of structure."
                )
        elif mark in b"]}":
            depth -= 1


def error_answer(error: Exception, call_id: _Id) -> bytes:
    """An answer that is an error."""
    return _encode({"jsonrpc": "2.0", "id": call_id, "error": error_object(error)})


def _undecoded(body: bytes | msgspec.Raw, error: Exception) -> tuple[RpcError, _Id]:
    """What is wrong with what is no request, and the id to answer to."""
    if isinstance(error, RpcError):
        failure = error
    elif isinstance(error, msgspec.ValidationError) and _is_json(body):
        failure = RpcError(INVALID_REQUEST, f"this is no request: {error}")
    else:
        return RpcError(PARSE_ERROR, f"the body is not JSON: {error}"), None
    try:
        return failure, _decode_id(body).id
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return failure, None


def _is_json(body: bytes | msgspec.Raw) -> bool:
    try:
        text = bytes(body)
        text.decode()
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def _shown(text: str) -> str:
    return repr(text if len(text) <= MAX_SHOWN_CHARS else text[:MAX_SHOWN_CHARS] + "…")
