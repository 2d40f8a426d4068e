"""What a service says of itself."""

from __future__ import annotations

import json
from typing import cast

from hero_logic.server.about_methods import METHODS, DiscoverParams
from hero_logic.server.desks import Desk
from hero_logic.server.methods import table
from hero_logic.server.openrpc import document_bytes
from support.serving import Server


def test_it_needs_neither_a_store_nor_a_thread() -> None:
    """It is answered where requests come in, while the store is locked as well."""
    [method] = METHODS
    no_desk = cast(Desk, None)

    assert method.mode == "quick"
    assert bytes(method.handle(no_desk, DiscoverParams())) == document_bytes()  # type: ignore[call-overload]


def test_it_describes_itself_among_the_others(server: Server) -> None:
    """Every method of the table is in its answer, and no other."""
    found = [method["name"] for method in server.call("rpc.discover")["methods"]]

    assert found == list(table())


def test_it_takes_no_parameters(server: Server) -> None:
    """An empty object or array is none; anything else is refused."""

    def ask(params: object) -> dict[str, object]:
        body = {"jsonrpc": "2.0", "id": 1, "method": "rpc.discover", "params": params}
        return dict(server.post(json.dumps(body)).json())

    assert "result" in ask({})
    assert "result" in ask([])
    assert "error" in ask({"name": "a"})
    assert "error" in ask(["a"])
