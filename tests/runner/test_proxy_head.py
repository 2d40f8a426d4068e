"""The head of a request to a proxy: one meaning, or none."""

from __future__ import annotations

import pytest

from hero_logic.runner.proxy_head import BadRequest, read_request


def head(*lines: str) -> bytes:
    """The head of a request."""
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def test_a_tunnel_leads_to_its_authority() -> None:
    """Whatever else stands in its head."""
    request = read_request(head("CONNECT API.example.com:443 HTTP/1.1", "Host: other.example:1"))

    assert (str(request.endpoint), request.is_tunnel) == ("api.example.com:443", True)


def test_a_plain_request_goes_on_with_its_path_and_its_host() -> None:
    """The host that it goes to is the host that it names, and no other."""
    request = read_request(
        head("GET http://a.example/x?y=1#z HTTP/1.1", "Host: other.example", "Accept: \xfc")
    )

    assert str(request.endpoint) == "a.example:80"
    assert request.head == (
        b"GET /x?y=1 HTTP/1.1\r\nHost: a.example\r\naccept: \xfc\r\nConnection: close\r\n\r\n"
    )
    assert request.body_bytes == 0


def test_what_is_meant_for_the_proxy_stays_there() -> None:
    """And what the client names as such; what says where the body ends goes on all the same."""
    request = read_request(
        head(
            "POST http://a.example:8080 HTTP/1.1",
            "Proxy-Authorization: Basic eA==",
            "Proxy-Connection: keep-alive",
            "Connection: keep-alive, X-Hop, Content-Length",
            "X-Hop: 1",
            "Upgrade: h2c",
            "TE: trailers",
            "Content-Length: 5",
        )
    )

    assert request.head == (
        b"POST / HTTP/1.1\r\nHost: a.example:8080\r\ncontent-length: 5\r\nConnection: close\r\n\r\n"
    )
    assert request.body_bytes == 5


def test_a_body_in_pieces_ends_where_it_says() -> None:
    """Nothing is counted."""
    request = read_request(head("PUT http://a.example/ HTTP/1.1", "Transfer-Encoding: Chunked"))

    assert request.body_bytes is None


def test_a_query_without_a_path_gets_one() -> None:
    """RFC 9112 section 3.2.1."""
    assert read_request(head("GET http://a.example?q HTTP/1.1")).head.startswith(b"GET /?q HTTP/1.1\r\n")


def test_an_address_of_ipv6_may_stand_without_a_port() -> None:
    """The port is that of HTTP."""
    assert str(read_request(head("GET http://[::1]/ HTTP/1.1")).endpoint) == "[::1]:80"


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        head("GET / HTTP/1.1", "Host: a.example"),
        head("GET https://a.example/ HTTP/1.1"),
        head("GET ftp://a.example/ HTTP/1.1"),
        head("CONNECT a.example HTTP/1.1"),
        head("CONNECT a.example:443 HTTP/2"),
        head("CONNECT  a.example:443 HTTP/1.1"),
        head("CONNECT a.example:443"),
        head("CONNECT *.example:443 HTTP/1.1"),
        head("CONNECT a.example:443/ HTTP/1.1"),
        head("CONNECT user@a.example:443 HTTP/1.1"),
        head("CONNECT 127.1:443 HTTP/1.1"),
        head("CONNECT a.ex\xe4mple:443 HTTP/1.1"),
        head("GET http://user:pw@a.example/ HTTP/1.1"),
        head("GET http://a.example@b.example/ HTTP/1.1"),
        head("GET http:///x HTTP/1.1"),
        head("GET http://a.example:x/ HTTP/1.1"),
        head("GET http://a.example:/ HTTP/1.1"),
        head("GET http://a.example\\@b.example/ HTTP/1.1"),
        head("G(T http://a.example/ HTTP/1.1"),
        head("GET http://a.example/ HTTP/1.1", "Content-Length: 5", "Content-Length: 6"),
        head("GET http://a.example/ HTTP/1.1", "Content-Length: +5"),
        head("GET http://a.example/ HTTP/1.1", "Content-Length: 5, 5"),
        head("GET http://a.example/ HTTP/1.1", "Content-Length: " + "9" * 30),
        head("GET http://a.example/ HTTP/1.1", "Content-Length: 5", "Transfer-Encoding: chunked"),
        head("GET http://a.example/ HTTP/1.1", "Transfer-Encoding: gzip, chunked"),
        head("GET http://a.example/ HTTP/1.1", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        head("GET http://a.example/ HTTP/1.1", " folded: x"),
        head("GET http://a.example/ HTTP/1.1", "Name : x"),
        head("GET http://a.example/ HTTP/1.1", "no colon"),
        head("GET http://a.example/ HTTP/1.1", "A: b\nHost: c"),
        head("GET http://a.example/ HTTP/1.1", "A: b\rHost: c"),
        head("GET http://a.example/ HTTP/1.1", "A: b\0"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(data: bytes) -> None:
    """And so is what is no request to a proxy; the reason is plain ASCII."""
    with pytest.raises(BadRequest) as caught:
        read_request(data)

    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
