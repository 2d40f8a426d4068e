"""The methods of the service as calls: made from its table, in both ways, with its words."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

from hero_logic.client.calls import AsyncCalls, Calls
from hero_logic.core.documents import PlayState
from hero_logic.server.methods import table

NAMES = [name.replace(".", "_") for name in table()]


class Recorded(Calls):
    """Calls that say what would be sent."""

    def _call(self, method: str, params: dict[str, Any], result: Any) -> Any:
        return method, params, result


class AsyncRecorded(AsyncCalls):
    """The same on an event loop."""

    async def _call(self, method: str, params: dict[str, Any], result: Any) -> Any:
        return method, params, result


def given(call: Any) -> dict[str, Any]:
    """A value for each parameter that has no default."""
    parameters = inspect.signature(call).parameters.values()
    return {one.name: f"a {one.name}" for one in parameters if one.default is inspect.Parameter.empty}


@pytest.mark.parametrize("name", NAMES)
def test_a_call_sends_its_method_and_every_parameter_by_name(name: str) -> None:
    """With the defaults of the table, whichever way it is called."""
    call = getattr(Recorded(), name)
    method, params, result = call(**given(call))
    same = asyncio.run(getattr(AsyncRecorded(), name)(**given(call)))

    assert method.replace(".", "_") == name
    assert set(params) == set(table()[method].field_names)
    assert result == table()[method].result
    assert same == (method, params, result)


@pytest.mark.parametrize("name", NAMES)
def test_a_call_says_what_the_method_does(name: str) -> None:
    """In the words of the page."""
    assert inspect.getdoc(getattr(Calls, name))
    assert inspect.getdoc(getattr(Calls, name)) == inspect.getdoc(getattr(AsyncCalls, name))


def test_what_says_how_has_to_be_named() -> None:
    """The play may be given without its name; a number of milliseconds may not."""
    method, params, result = Recorded().play_wait("p", timeout_ms=5.0)  # type: ignore[misc]  # what is recorded

    assert (method, params["play_sid"], params["timeout_ms"]) == ("play_wait", "p", 5.0)
    assert result is not PlayState
    with pytest.raises(TypeError):
        Recorded().play_wait("p", 5.0)  # type: ignore[misc]  # that is the point
