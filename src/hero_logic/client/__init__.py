"""What a face or a program asks hero_logic with: in this process, or a server's, the same calls.

``Client`` is hero_logic in this process, for the command line. :func:`connect` and :func:`connect_async`
give the methods of docs/rpc.md, typed, over HTTP or a Unix socket. What is not used is not loaded:
docs/design/0004-start-up.md.
"""

from __future__ import annotations

from hero_logic.client.local import Client
from hero_logic.client.on_record import Reading
from hero_logic.client.wanted import RunRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hero_logic.client.remote import (
        AsyncServiceClient,
        ServiceClient,
        connect,
        connect_async,
    )
    from hero_logic.client.serving import ServeOptions

_REMOTE = ("AsyncServiceClient", "ServiceClient", "connect", "connect_async")

__all__ = [
    "AsyncServiceClient",
    "Client",
    "Reading",
    "RunRequest",
    "ServeOptions",
    "ServiceClient",
    "connect",
    "connect_async",
]


def __getattr__(name: str) -> object:
    if name in _REMOTE:
        from hero_logic.client import remote

        return getattr(remote, name)
    if name == "ServeOptions":
        from hero_logic.client.serving import ServeOptions

        return ServeOptions
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
