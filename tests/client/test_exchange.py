"""One request and its answer, byte by byte."""

from __future__ import annotations

import pytest

from hero_logic.client import exchange as exchange_module
from hero_logic.client.exchange import Exchange
from hero_logic.core.errors import ServerUnreachable

ANSWER = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"


def test_a_request_says_who_asks_and_what() -> None:
    """The token, the host, the body with its size."""
    sent = Exchange("host:1", "secret").request("POST", "/rpc", b"{}")

    head, _, body = sent.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /rpc HTTP/1.1\r\n")
    assert {b"Host: host:1", b"Authorization: Bearer secret", b"Content-Length: 2"} <= set(
        head.split(b"\r\n")
    )
    assert body == b"{}"


def test_without_a_token_none_is_sent() -> None:
    """Over a Unix socket."""
    assert b"Authorization" not in Exchange("localhost", None).request("POST", "/rpc", b"")


def test_an_answer_may_come_in_any_pieces() -> None:
    """A byte at a time gives the same as all at once; then another request may follow."""
    exchange = Exchange("host", None)
    for _ in range(2):
        exchange.request("POST", "/rpc", b"{}")
        found = [exchange.receive(ANSWER[place : place + 1]) for place in range(len(ANSWER))]

        assert found[:-1] == [None] * (len(ANSWER) - 1)
        assert (found[-1], exchange.status) == (b"abcde", 200)
        assert exchange.can_go_on()


def test_a_connection_that_the_server_closes_is_not_used_again() -> None:
    """It says so in the head of its answer."""
    exchange = Exchange("host", None)
    exchange.request("POST", "/rpc", b"{}")

    assert exchange.receive(b"HTTP/1.1 401 No\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx") == b"x"
    assert exchange.status == 401
    assert not exchange.can_go_on()


def test_an_answer_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it fills the memory."""
    monkeypatch.setattr(exchange_module, "MAX_ANSWER_BYTES", 3)
    exchange = Exchange("host", None)
    exchange.request("POST", "/rpc", b"{}")
    with pytest.raises(ServerUnreachable, match="larger than 3 bytes"):
        exchange.receive(ANSWER)


def test_an_end_before_the_answer_is_told() -> None:
    """The request may have been done, or not."""
    exchange = Exchange("host", None)
    exchange.request("POST", "/rpc", b"{}")
    with pytest.raises(ServerUnreachable, match="closed the connection"):
        exchange.receive(b"")
