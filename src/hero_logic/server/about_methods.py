"""The rows of the table that are about the service itself."""

from __future__ import annotations

from typing import Any

import msgspec

from hero_logic.server.desks import Desk
from hero_logic.server.methods import Method, NoParams


class DiscoverParams(NoParams, forbid_unknown_fields=True):
    """This service as an [OpenRPC](https://spec.open-rpc.org/) document: as `GET /openrpc.json`."""


def _discover(desk: Desk, params: DiscoverParams) -> msgspec.Raw:
    from hero_logic.server.openrpc import document_bytes

    return msgspec.Raw(document_bytes())


METHODS = (
    Method(
        "rpc.discover",
        "what methods there are",
        params=DiscoverParams,
        result=dict[str, Any],
        mode="quick",
        handle=_discover,
    ),
)
