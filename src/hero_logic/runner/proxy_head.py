"""The head of a request to a proxy: where it wants to go, and what of it goes there. Pure.

Laws:

1. What can be read in two ways is refused: a host must not be judged by one and reached by the other.
2. The host that is judged is the host that is named to the server.
3. Nothing that is meant for the proxy goes on.

Source: RFC 9112 sections 2.2, 3.2, 5.2 and 6.3; RFC 9110 sections 7.6.1 and 9.3.6.
"""

from __future__ import annotations

from hero_logic.core.addresses import Endpoint, read_endpoint

_TOKEN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~")
_MAX_BODY_DIGITS = 18
_HTTP_PORT = 80
_FOR_THE_PROXY = (
    "connection",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "upgrade",
)


class BadRequest(ValueError):
    """A request that is not answered but refused; says why, in ASCII."""


class Request:
    """What is asked of a proxy.

    Attributes:
        endpoint: where it leads.
        is_tunnel: whether all that follows is between the two ends: ``CONNECT``.
        head: of a plain request, what goes to the server.
        body_bytes: how much of a body follows; None where only the end of the body says so.
    """

    __slots__ = ("body_bytes", "endpoint", "head", "is_tunnel")

    def __init__(
        self, endpoint: Endpoint, *, is_tunnel: bool, head: bytes = b"", body_bytes: int | None = None
    ) -> None:
        self.endpoint = endpoint
        self.is_tunnel = is_tunnel
        self.head = head
        self.body_bytes = body_bytes


def read_request(head: bytes) -> Request:
    """Read the head of a request, its empty line included.

    Raises:
        BadRequest: it is none that a proxy takes.

    >>> str(read_request(b"CONNECT api.example.com:443 HTTP/1.1\\r\\n\\r\\n").endpoint)
    'api.example.com:443'
    """
    lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    if any(byte < 0x20 and byte != 0x09 for line in lines for byte in line):
        raise BadRequest("the head of the request has control characters")
    parts = lines[0].split(b" ")
    if len(parts) != 3 or parts[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise BadRequest("that is no request of HTTP/1.1")
    method, target, version = parts
    if not method or not _TOKEN.issuperset(method) or not all(0x20 < byte < 0x7F for byte in target):
        raise BadRequest("that is no request of HTTP/1.1")
    headers = [_read_header(line) for line in lines[1:]]
    if method == b"CONNECT":
        return Request(_read_authority(target.decode(), None), is_tunnel=True)
    if not target.lower().startswith(b"http://"):
        raise BadRequest("this is a proxy: it takes CONNECT, and requests for http:// addresses")
    return _read_plain(method, target.decode(), version, headers)


def _read_header(line: bytes) -> tuple[str, bytes]:
    name, colon, value = line.partition(b":")
    # A line that goes on in the next one, and a name with a space behind it, are read in more than one way.
    if not colon or not name or not _TOKEN.issuperset(name):
        raise BadRequest("a header of the request is malformed")
    return name.decode().lower(), value.strip(b" \t")


def _read_authority(text: str, port: int | None) -> Endpoint:
    has_port = text.rpartition(":")[2].isdigit() and not text.endswith("]")
    try:
        endpoint = read_endpoint(text if has_port or port is None else f"{text}:{port}")
    except ValueError as error:
        raise BadRequest("the request names no host and port") from error
    if endpoint.host.startswith("."):
        raise BadRequest("the request names no host")
    return endpoint


def _read_plain(method: bytes, target: str, version: bytes, headers: list[tuple[str, bytes]]) -> Request:
    rest = target[len("http://") :]
    end = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    authority, path = rest[:end], rest[end:].partition("#")[0]
    if "@" in authority:
        raise BadRequest("the address of the request has a user in it")
    endpoint = _read_authority(authority, _HTTP_PORT)
    body_bytes = _body_bytes(headers)
    dropped = {*_FOR_THE_PROXY, *_named_in_connection(headers)}
    lines = [
        b"%s %s %s" % (method, (path if path.startswith("/") else f"/{path}").encode(), version),
        b"Host: " + authority.encode(),
        *(b"%s: %s" % (name.encode(), value) for name, value in headers if name not in dropped),
        # The next request may be for another host: it comes on another connection.
        b"Connection: close",
    ]
    return Request(endpoint, is_tunnel=False, head=b"\r\n".join(lines) + b"\r\n\r\n", body_bytes=body_bytes)


def _named_in_connection(headers: list[tuple[str, bytes]]) -> set[str]:
    """The headers that are said to be for this hop alone; those that say where a body ends are for all."""
    named = {
        word.strip().decode("latin-1").lower()
        for name, value in headers
        if name == "connection"
        for word in value.split(b",")
    }
    return named - {"content-length", "transfer-encoding"}


def _body_bytes(headers: list[tuple[str, bytes]]) -> int | None:
    lengths = {value for name, value in headers if name == "content-length"}
    codings = [value.lower() for name, value in headers if name == "transfer-encoding"]
    if codings:
        if lengths or codings != [b"chunked"]:
            raise BadRequest("where the body of the request ends can be read in two ways")
        return None
    if not lengths:
        return 0
    length = lengths.pop()
    if lengths or not length.isdigit() or len(length) > _MAX_BODY_DIGITS:
        raise BadRequest("the length of the request's body is malformed")
    return int(length)
