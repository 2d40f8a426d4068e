"""What errors are over the wire: a number, a status and a hint each, and nothing of the inside."""

from __future__ import annotations

import json

import pytest

from hero_logic.core import errors
from hero_logic.server.refusals import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    OUR_NUMBERS,
    PARSE_ERROR,
    REFUSALS,
    STANDARD,
    RpcError,
    error_document,
    error_object,
    http_status,
    refusal_of,
)
from support.error_tree import error_classes


@pytest.mark.parametrize("kind", error_classes(), ids=lambda kind: kind.code)
def test_every_error_has_a_number_of_ours_and_a_hint(kind: type[errors.HeroLogicError]) -> None:
    """From -32019 to -32000."""
    refusal = refusal_of(kind)

    assert refusal.number in OUR_NUMBERS
    assert refusal.hint
    assert 400 <= refusal.http_status < 600


def test_the_numbers_are_those_that_the_specification_leaves_to_us() -> None:
    """And none of JSON-RPC's own."""
    assert not {refusal.number for refusal in REFUSALS.values()} & set(STANDARD)
    assert min(OUR_NUMBERS) == -32019
    assert max(OUR_NUMBERS) == -32000


def test_an_error_that_has_no_row_is_told_as_its_nearest_ancestor() -> None:
    """A class that is added later is never without a number, and has its own code all the same."""

    class Newer(errors.StoreLocked):
        code = "newer"

    assert refusal_of(Newer) is REFUSALS[errors.StoreLocked]
    assert error_object(Newer("m")).data.code == "newer"


def test_what_nobody_meant_to_raise_says_nothing_of_itself() -> None:
    """Its text may have a path, a query or a secret in it."""
    found = error_object(ValueError("the secret of /home/ada"))

    assert (found.code, found.data.code) == (INTERNAL_ERROR, "internal_error")
    assert "secret" not in error_document(ValueError("the secret of /home/ada")).decode()


@pytest.mark.parametrize("number", [PARSE_ERROR, METHOD_NOT_FOUND, INVALID_PARAMS])
def test_an_error_of_json_rpc_has_its_own_code_and_hint(number: int) -> None:
    """Those that the page has."""
    found = error_object(RpcError(number, "as it was said"))

    assert (found.code, found.message) == (number, "as it was said")
    assert (found.data.code, found.data.hint) == STANDARD[number]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RpcError(PARSE_ERROR, "m"), 400),
        (RpcError(METHOD_NOT_FOUND, "m"), 404),
        (RpcError(INTERNAL_ERROR, "m"), 500),
        (errors.NotFound("m"), 404),
        (errors.TooMany("m"), 429),
        (errors.StoreDamaged("m"), 503),
        (errors.ServerStopping("m"), 503),
        (KeyError("m"), 500),
    ],
)
def test_a_status_says_whose_fault_it_is(error: Exception, status: int) -> None:
    """Below 500 it is the request's."""
    assert http_status(error) == status


def test_a_message_of_any_characters_can_be_sent() -> None:
    """A path may have bytes that are no UTF-8, which Python has as lone surrogates."""
    body = json.loads(error_document(errors.UsageError("the file \udcff is none")))

    assert body["error"]["message"] == "the file ? is none"
    assert set(body["error"]) == {"code", "message", "hint"}
