"""What an error is over the wire: its number in JSON-RPC, its status in HTTP, and a hint what to do.

The string ``code`` of the class is what programs look at: it is the same on the command line, in
``data.code`` of a JSON-RPC error, and in docs/errors.md. The number says of which kind it is. Source:
docs/rpc.md, "Errors".
"""

from __future__ import annotations

from typing import Any

import msgspec

from hero_logic.core import errors

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603

OUR_NUMBERS = range(-32019, -31999)
"""All numbers of ours are in it: what JSON-RPC 2.0 leaves to servers, but for the lower eighty."""


class Refusal(msgspec.Struct, frozen=True):
    """What a kind of error is over the wire."""

    number: int
    http_status: int
    hint: str


_READ_MESSAGE = "the message says what to change"
_LOOK_AT_LOG = "the log of the server says more; the request can be sent again"

REFUSALS: dict[type[errors.HeroLogicError], Refusal] = {
    errors.HeroLogicError: Refusal(-32000, 500, _READ_MESSAGE),
    errors.NotFound: Refusal(-32001, 404, "play_list lists the plays, flow_list the flows"),
    errors.UsageError: Refusal(-32002, 400, _READ_MESSAGE),
    errors.BadInput: Refusal(-32002, 400, "the message lists every problem and what the flow takes"),
    errors.NotGranted: Refusal(-32002, 403, "the message names what has to be granted to the flow"),
    errors.FlowArchived: Refusal(-32002, 409, "flow_archive with is_archived=false brings it back"),
    errors.LegacyFlow: Refusal(
        -32002, 409, "`hero-logic migrate` makes a flow of it, flow_put publishes that"
    ),
    errors.IllegalMove: Refusal(-32003, 409, "play_status says where the play stands"),
    errors.FlowInUse: Refusal(-32003, 409, "flow_archive puts it away, and then it can be deleted"),
    errors.MalformedEvent: Refusal(-32004, 400, "docs/protocol.md has the events"),
    errors.SocketInUse: Refusal(-32005, 500, _READ_MESSAGE),
    errors.LaunchFailed: Refusal(-32005, 500, _READ_MESSAGE),
    errors.SandboxUnavailable: Refusal(-32005, 500, "hero-logic doctor says what this host can do"),
    errors.StoreError: Refusal(-32006, 503, _LOOK_AT_LOG),
    errors.StoreLocked: Refusal(-32006, 503, "send the request again when the other process is done"),
    errors.ServerRefused: Refusal(-32007, 500, _READ_MESSAGE),
    errors.TooLarge: Refusal(-32007, 413, "ask for less at a time: pages, or GET /plays/SID/snapshot"),
    errors.TooMany: Refusal(-32008, 429, "wait as long as Retry-After says, and try again"),
    errors.InboxFull: Refusal(-32008, 429, "send the event again in a moment"),
    errors.NotAuthorized: Refusal(
        -32009, 401, "send `Authorization: Bearer TOKEN`; `hero-logic token` prints it"
    ),
    errors.ForeignRequest: Refusal(-32010, 403, "use the address that `hero-logic serve` prints"),
    errors.ServerStopping: Refusal(-32011, 503, "ask again when the server is back"),
}
"""By class; a class that is not here is its nearest ancestor's."""

STANDARD = {
    PARSE_ERROR: ("parse_error", "the body has to be JSON in UTF-8"),
    INVALID_REQUEST: (
        "invalid_request",
        'a request has "jsonrpc": "2.0", a "method", and perhaps "params" and "id"',
    ),
    METHOD_NOT_FOUND: ("method_not_found", "rpc.discover lists the methods"),
    INVALID_PARAMS: ("invalid_params", "rpc.discover has the parameters of each method, with their types"),
    INTERNAL_ERROR: ("internal_error", "it is a bug: the log of the server has what happened, under this id"),
}
"""The errors of JSON-RPC itself: by number, the code and the hint of their data."""

_NUMBER_STATUSES = {PARSE_ERROR: 400, INVALID_REQUEST: 400, METHOD_NOT_FOUND: 404, INVALID_PARAMS: 400}


class RpcError(Exception):
    """An error of JSON-RPC itself: the request, not what it asks for, is wrong."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number


class ErrorData(msgspec.Struct, frozen=True):
    """The ``data`` of every error."""

    code: str
    hint: str


class ErrorObject(msgspec.Struct, frozen=True):
    """The ``error`` of an answer."""

    code: int
    message: str
    data: ErrorData


def refusal_of(kind: type[errors.HeroLogicError]) -> Refusal:
    """What a class of errors is over the wire.

    >>> refusal_of(errors.BadSid).number, refusal_of(errors.StoreDamaged).http_status
    (-32002, 503)
    """
    return next(REFUSALS[one] for one in kind.__mro__ if one in REFUSALS)


def error_object(error: Exception) -> ErrorObject:
    """An error as JSON-RPC has it; of one that is neither ours nor JSON-RPC's it says nothing."""
    if isinstance(error, RpcError):
        code, hint = STANDARD[error.number]
        return ErrorObject(error.number, str(error), ErrorData(code, hint))
    if isinstance(error, errors.HeroLogicError):
        found = refusal_of(type(error))
        return ErrorObject(found.number, _clean(str(error)), ErrorData(error.code, found.hint))
    code, hint = STANDARD[INTERNAL_ERROR]
    return ErrorObject(INTERNAL_ERROR, "the server has failed", ErrorData(code, hint))


def http_status(error: Exception) -> int:
    """The HTTP status of an answer that is nothing but this error."""
    if isinstance(error, RpcError):
        return _NUMBER_STATUSES.get(error.number, 500)
    return refusal_of(type(error)).http_status if isinstance(error, errors.HeroLogicError) else 500


def error_document(error: Exception) -> bytes:
    """An error as the body of an answer outside JSON-RPC: ``{"error": {"code", "message", "hint"}}``."""
    found = error_object(error)
    body: dict[str, Any] = {"code": found.data.code, "message": found.message, "hint": found.data.hint}
    return msgspec.json.encode({"error": body})


def _clean(message: str) -> str:
    # A name of a file may hold bytes that are no UTF-8, which no JSON can say.
    return message.encode("utf-8", "replace").decode()
