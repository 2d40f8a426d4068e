"""The methods of the service, one row each: what validates, documents and serves them, and makes the clients.

A row names the method, its parameters as a struct, what it gives and what it refuses, and the function that
does it. JSON-RPC dispatches from this table (rpc.py), the OpenRPC document and docs/rpc.md are made from it
(openrpc.py), and so are the typed clients (``hero_logic.client.calls``). Nothing else lists methods.

How a row is done decides where it runs:

- ``quick``: at once, on the event loop. It reads a row or two by an index, with a connection that waits for
  nobody; where the store is locked it is done again as ``read``.
- ``read``: on a thread that has its own connection to read from.
- ``write``: on a thread, with the services that write.
- ``wait``: a coroutine; it takes as long as what it waits for.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from hero_logic.core.errors import HeroLogicError

Mode = Literal["quick", "read", "write", "wait"]


class NoParams(msgspec.Struct, forbid_unknown_fields=True):
    """A method without parameters."""


class Method:
    """One row of the table.

    Args:
        name: of the method, ``SUBJECT_VERB``.
        summary: what it does, in one line.
        params: its parameters; the docstring of the struct is the method's description, the ``Meta`` of a
        field
            its description.
        result: the type of what it gives. What the function gives is that, or its JSON as ``msgspec.Raw``.
        errors: what it refuses with, beside what any method may meet.
        mode: see above.
        handle: called with a desk (desks.py) and the parameters.
    """

    __slots__ = ("decode", "errors", "field_names", "handle", "mode", "name", "params", "result", "summary")

    def __init__(
        self,
        name: str,
        summary: str,
        *,
        params: type[msgspec.Struct],
        result: Any,  # noqa: ANN401  # any type that msgspec has a schema for, dict[str, Any] among them
        errors: tuple[type[HeroLogicError], ...] = (),
        mode: Mode,
        handle: Callable[[Any, Any], Any],
    ) -> None:
        assert inspect.iscoroutinefunction(handle) == (mode == "wait"), name
        self.name = name
        self.summary = summary
        self.params = params
        self.result = result
        self.errors = errors
        self.mode = mode
        self.handle = handle
        self.decode: Callable[[bytes | msgspec.Raw], msgspec.Struct] = msgspec.json.Decoder(params).decode
        self.field_names = tuple(field.encode_name for field in msgspec.structs.fields(params))


def table() -> dict[str, Method]:
    """All methods by their names, in the order in which they are documented."""
    from hero_logic.server import about_methods, flow_methods, part_methods, play_methods

    rows = [
        *play_methods.METHODS,
        *flow_methods.METHODS,
        *part_methods.METHODS,
        *about_methods.METHODS,
    ]
    found = {row.name: row for row in rows}
    assert len(found) == len(rows), "a method stands in the table twice"
    return found
