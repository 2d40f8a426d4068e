"""Whatever is sent, by whoever: an answer, in time, that is none of a broken server."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis_jsonschema import from_schema

from hero_logic.server.openrpc import document
from support.scale import SCALE, SCALED
from support.serving import Server
from support.working import QUICK

pytestmark = pytest.mark.property
METHODS = document()["methods"]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
FUZZ = settings(SCALED, max_examples=30 * SCALE)


def params_of(method: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Parameters as the document of the server has them; the play and the flow may be there."""
    required = {}
    optional = {}
    for param in method["params"]:
        if param["name"] == "input_data":
            # hypothesis-jsonschema cannot make objects of any keys with this release of Hypothesis.
            values = st.none() | st.dictionaries(st.text() | st.just("n"), ANYTHING)
        else:
            values = from_schema(param["schema"])
        if param["name"] == "flow_sid":
            values = st.just("fuzzed") | values
        if param["name"] == "play_sid":
            values = st.just("last") | values
        if param["name"] == "timeout_ms":
            values = st.floats(1, 20)
        (required if param["required"] else optional)[param["name"]] = values
    return st.fixed_dictionaries(required, optional=optional)


def check(server: Server, answer: httpx.Response) -> None:
    """An answer of JSON-RPC, of a server that is well and says nothing of its insides."""
    assert answer.status_code in (200, 204, 413), answer.text
    if answer.content:
        found = answer.json()
        for one in found if isinstance(found, list) else [found]:
            assert one["jsonrpc"] == "2.0"
            assert ("result" in one) != ("error" in one)
            assert one.get("error", {}).get("code") != -32603, one
            assert "Traceback" not in json.dumps(one.get("error"))
    assert server.process.poll() is None


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method["name"])
def test_every_method_answers_what_its_schema_allows(server: Server, method: dict[str, Any]) -> None:
    """A result or an error of its own; never one of the server."""
    client = server.http()
    server.publish("fuzzed", QUICK)

    @FUZZ
    @given(params_of(method))
    def ask(params: dict[str, Any]) -> None:
        call = {"jsonrpc": "2.0", "id": 1, "method": method["name"], "params": params}
        answer = client.post("/rpc", json=call)
        check(server, answer)
        error = answer.json().get("error")
        assert error is None or error["code"] != -32602, error

    ask()


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method["name"])
def test_every_method_answers_anything(server: Server, method: dict[str, Any]) -> None:
    """Whatever stands in place of its parameters."""
    client = server.http()
    names = st.sampled_from([param["name"] for param in method["params"]] or ["a"])
    wild = ANYTHING | st.dictionaries(names, ANYTHING) | st.lists(ANYTHING)

    @FUZZ
    @given(wild)
    def ask(params: Any) -> None:
        if method["name"] == "play_wait" and isinstance(params, dict | list):
            return
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method["name"], "params": params})
        check(server, client.post("/rpc", content=body, headers={"Content-Type": "application/json"}))

    ask()


def test_anything_is_answered(server: Server) -> None:
    """Any JSON, any bytes, as the body of a request."""
    client = server.http()
    call = st.fixed_dictionaries(
        {},
        optional={
            "jsonrpc": st.just("2.0") | ANYTHING,
            "method": st.sampled_from([method["name"] for method in METHODS if method["name"] != "play_wait"])
            | ANYTHING,
            "params": ANYTHING,
            "id": ANYTHING,
        },
    )
    body = (call | st.lists(call) | ANYTHING).map(lambda value: json.dumps(value).encode()) | st.binary()

    @FUZZ
    @given(body)
    def ask(content: bytes) -> None:
        check(server, client.post("/rpc", content=content))

    ask()


def test_any_address_is_answered(server: Server) -> None:
    """With a status of the request's, not of the server's."""
    client = server.http()
    part = st.sampled_from(
        ["plays", "last", "snapshot", "columns", "rpc", "login", "..", "", "%2e%2e", "%00"]
    ) | st.text(max_size=5)
    query = st.dictionaries(
        st.sampled_from(["after", "limit", "x"]), st.text(max_size=8) | st.integers().map(str)
    )

    @FUZZ
    @given(st.sampled_from(["GET", "POST", "PUT", "HEAD"]), st.lists(part, max_size=5), query)
    def ask(method: str, parts: list[str], asked: dict[str, str]) -> None:
        url = f"{server.url}/{'/'.join(map(quote, parts))}?{urlencode(asked)}"
        answer = client.request(method, url)
        assert answer.status_code < 500, (url, answer.text)

    ask()
