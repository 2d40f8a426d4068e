"""JSON-RPC 2.0 as its specification has it, by a client of somebody else's and by raw requests."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from jsonrpcclient import Error, Ok, parse, request

from hero_logic.server.rpc import MAX_BATCH, MAX_BODY_BYTES, MAX_DEPTH
from support.serving import Server


def ask(server: Server, body: Any) -> Any:
    """The answer to a request that is JSON."""
    return server.post(json.dumps(body)).json()


def call(method: str = "play_status", params: Any = ("last",), call_id: Any = 1) -> dict[str, Any]:
    """A request."""
    return {"jsonrpc": "2.0", "id": call_id, "method": method, "params": params}


def error_of(answer: Any) -> tuple[int, str]:
    """The number and the string code of an error."""
    return answer["error"]["code"], answer["error"]["data"]["code"]


def test_a_client_of_somebody_else_is_answered(server: Server) -> None:
    """jsonrpcclient makes the request and reads the answer."""
    answer = httpx.post(
        f"{server.url}/rpc", json=request("play_status", {"play_sid": "last"}), headers=server.headers
    )

    found = parse(answer.json())
    assert isinstance(found, Ok)
    assert found.result["status"] == "ok"


def test_a_client_of_somebody_else_is_refused(server: Server) -> None:
    """It finds the number, the message, and our code and hint in the data."""
    answer = httpx.post(f"{server.url}/rpc", json=request("play_status", ["nobody"]), headers=server.headers)

    found = parse(answer.json())
    assert isinstance(found, Error)
    assert (found.code, found.data["code"]) == (-32001, "not_found")
    assert found.data["hint"]
    assert "nobody" in found.message


def test_parameters_are_given_by_name_or_by_position(server: Server) -> None:
    """Both give the same."""
    by_name = ask(server, call(params={"play_sid": "last"}))
    by_position = ask(server, call(params=["last"]))

    assert by_name == by_position
    assert by_name["result"]["flow"] == "hello"


def test_parameters_that_have_defaults_may_be_left_out(server: Server) -> None:
    """All of them, and ``params`` with them."""
    answer = ask(server, {"jsonrpc": "2.0", "id": 1, "method": "play_list"})

    assert len(answer["result"]["plays"]) == 1


@pytest.mark.parametrize("call_id", [0, -7, 1.5, "a", "", None, "\U0001f600", 2**60])
def test_the_id_comes_back_as_it_was_sent(server: Server, call_id: Any) -> None:
    """Whatever JSON-RPC allows it to be."""
    assert ask(server, call(call_id=call_id))["id"] == call_id


@pytest.mark.parametrize(
    ("body", "number", "code"),
    [
        (b"", -32700, "parse_error"),
        (b"{", -32700, "parse_error"),
        (b'{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]', -32700, "parse_error"),
        (b'"\xff"', -32700, "parse_error"),
        (b"[1,", -32700, "parse_error"),
        (b"1", -32600, "invalid_request"),
        (b"null", -32600, "invalid_request"),
        (b"[]", -32600, "invalid_request"),
        (b"{}", -32600, "invalid_request"),
        (b'{"jsonrpc":"1.0","id":1,"method":"play_list"}', -32600, "invalid_request"),
        (b'{"jsonrpc":"2.0","id":1}', -32600, "invalid_request"),
        (b'{"jsonrpc":"2.0","id":1,"method":1}', -32600, "invalid_request"),
        (b'{"jsonrpc":"2.0","id":true,"method":"play_list"}', -32600, "invalid_request"),
        (b'{"jsonrpc":"2.0","id":{},"method":"play_list"}', -32600, "invalid_request"),
        (b'{"jsonrpc":"2.0","id":1,"method":"no"}', -32601, "method_not_found"),
        (b'{"jsonrpc":"2.0","id":1,"method":""}', -32601, "method_not_found"),
        (b'{"jsonrpc":"2.0","id":1,"method":"play_get"}', -32602, "invalid_params"),
        (b'{"jsonrpc":"2.0","id":1,"method":"play_get","params":"last"}', -32602, "invalid_params"),
        (b'{"jsonrpc":"2.0","id":1,"method":"play_get","params":[7]}', -32602, "invalid_params"),
        (b'{"jsonrpc":"2.0","id":1,"method":"play_get","params":["a",true,1]}', -32602, "invalid_params"),
        (b'{"jsonrpc":"2.0","id":1,"method":"play_get","params":{"sid":"a"}}', -32602, "invalid_params"),
        (b'{"jsonrpc":"2.0","id":1,"method":"play_list","params":{"limit":0}}', -32602, "invalid_params"),
        (b'{"jsonrpc":"2.0","id":1,"method":"play_get","params":[""]}', -32602, "invalid_params"),
        (b'{"jsonrpc":"2.0","id":1,"method":"play_get","params":["nobody"]}', -32001, "not_found"),
        (b'{"jsonrpc":"2.0","id":1,"method":"play_list","params":{"before":"nobody"}}', -32001, "not_found"),
        (b'{"jsonrpc":"2.0","id":1,"method":"span_push","params":["last","{}"]}', -32004, "malformed_event"),
        (
            b'{"jsonrpc":"2.0","id":1,"method":"span_push",'
            b'"params":["last","{\\"type\\":\\"span_end\\",\\"span_id\\":\\"a\\",\\"status\\":\\"ok\\"}"]}',
            -32003,
            "illegal_move",
        ),
    ],
)
def test_every_wrong_request_has_its_error(server: Server, body: bytes, number: int, code: str) -> None:
    """By number and code, in an answer of JSON-RPC."""
    answer = server.post(body)

    assert answer.status_code == 200
    assert error_of(answer.json()) == (number, code)
    assert answer.json()["jsonrpc"] == "2.0"


def test_a_request_that_is_none_is_answered_to_its_id_if_it_has_one(server: Server) -> None:
    """Else to null."""
    assert ask(server, {"jsonrpc": "2.0", "id": 7})["id"] == 7
    assert ask(server, {"jsonrpc": "2.0", "id": []})["id"] is None


def test_a_notification_is_not_answered(server: Server) -> None:
    """Not even where it is wrong: no body, 204."""
    for body in (
        {"jsonrpc": "2.0", "method": "play_list"},
        {"jsonrpc": "2.0", "method": "no"},
        {"jsonrpc": "2.0", "method": "play_get", "params": ["nobody"]},
    ):
        answer = server.post(json.dumps(body))

        assert (answer.status_code, answer.content) == (204, b"")


def test_a_batch_is_answered_but_for_its_notifications(server: Server) -> None:
    """In its order, each with its own error or result."""
    answers = ask(
        server,
        [
            call(call_id="a"),
            {"jsonrpc": "2.0", "method": "play_list"},
            1,
            call("no", call_id="b"),
        ],
    )

    assert [answer["id"] for answer in answers] == ["a", None, "b"]
    assert "result" in answers[0]
    assert [error_of(answer)[0] for answer in answers[1:]] == [-32600, -32601]


def test_a_batch_of_notifications_is_not_answered(server: Server) -> None:
    """As the specification has it."""
    answer = server.post(json.dumps([{"jsonrpc": "2.0", "method": "play_list"}] * 3))

    assert (answer.status_code, answer.content) == (204, b"")


def test_a_batch_has_a_limit(server: Server) -> None:
    """So many are done, one more is refused whole."""
    assert len(ask(server, [call()] * MAX_BATCH)) == MAX_BATCH
    assert error_of(ask(server, [call()] * (MAX_BATCH + 1))) == (-32007, "too_large")


def test_depth_has_a_limit(server: Server) -> None:
    """What is nested deeper is refused before it is decoded, brackets in texts are not counted."""
    deep = b'{"jsonrpc":"2.0","id":1,"method":"play_get","params":%s}'
    assert error_of(server.post(deep % (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)).json()) == (-32007, "too_large")
    assert error_of(server.post(b"[" * 200_000).json()) == (-32007, "too_large")
    texts = json.dumps(['[{"' * 100]).encode()
    assert error_of(server.post(deep % texts).json()) == (-32602, "invalid_params")


def test_a_body_has_a_limit(server: Server) -> None:
    """One that is larger is refused, whether it says so or not, and the server goes on."""
    body = b'{"jsonrpc":"2.0","id":1,"method":"play_list","params":{"before":"%s"}}' % (b"a" * MAX_BODY_BYTES)
    told = server.post(body)
    assert (told.status_code, error_of(told.json())) == (413, (-32007, "too_large"))
    pieces = httpx.post(f"{server.url}/rpc", content=iter([body]), headers=server.headers, timeout=20)

    assert pieces.status_code == 413
    assert "result" in ask(server, call())


def test_an_event_that_is_pushed_is_on_record_when_it_is_answered(server: Server) -> None:
    """A play that has ended takes none; one that is no event is told why."""
    answer = ask(server, call("span_push", {"play_sid": "last", "event_json": '{"type":"span_start"}'}))

    assert error_of(answer) == (-32004, "malformed_event")
    assert "span_id" in answer["error"]["message"]


def test_a_play_is_given_as_show_gives_it(server: Server) -> None:
    """play_get and ``show --json`` are the same document."""
    from support.command import hero_logic

    shown = json.loads(hero_logic("show", "last", "--json", **server.variables).stdout)

    assert server.call("play_get", play_sid="last") == shown
    assert server.call("play_get", play_sid="last", spans=False) == {**shown, "spans": []}


def test_the_spans_of_a_play_come_in_pages(server: Server) -> None:
    """Each page says where the next one begins; together they are all."""
    whole = server.call("play_get", play_sid="last")["spans"]
    found = []
    start: int | None = 0
    while start is not None:
        page = server.call("play_spans", play_sid="last", start=start, limit=2)
        assert len(page["spans"]) <= 2
        found += page["spans"]
        start = page["next"]

    assert found == whole
    [choose] = [span for span in whole if span["name"] == "choose"]
    logs = server.call("span_logs", play_sid="last", span_id=choose["span_id"])["logs"]
    assert logs == choose["logs"]
