"""The table of methods: what a row has to be."""

from __future__ import annotations

import inspect
import re

import msgspec
import pytest

from hero_logic.server.methods import Method, table

ROWS = list(table().values())


@pytest.mark.parametrize("method", ROWS, ids=lambda method: method.name)
def test_every_row_is_whole(method: Method) -> None:
    """A name, a line that says what it does, parameters that take nothing unknown."""
    assert re.fullmatch(r"[a-z]+(_[a-z]+)+|rpc\.discover", method.name)
    assert method.summary
    assert not method.summary.endswith(".")
    assert method.params.__struct_config__.forbid_unknown_fields
    assert method.params.__doc__


@pytest.mark.parametrize("method", ROWS, ids=lambda method: method.name)
def test_only_what_waits_is_a_coroutine(method: Method) -> None:
    """All else is done by a thread, or at once."""
    assert inspect.iscoroutinefunction(method.handle) == (method.mode == "wait")


def test_a_row_of_the_wrong_kind_is_refused() -> None:
    """When it is made, and not when it is called."""

    class Params(msgspec.Struct):
        """None."""

    with pytest.raises(AssertionError):
        Method("a_b", "c", params=Params, result=int, mode="wait", handle=lambda desk, params: 1)
