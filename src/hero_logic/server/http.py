"""HTTP: which path leads to what, and what every request has to pass before it.

An ASGI application, called by uvicorn. A request is, in this order: to a name of this server and not from a
page of another site; not one of too many; with the token or a session; to a path that there is; of a body
that is not too large. What comes over the Unix socket has passed the first three with the socket's mode.

Source: docs/rpc.md, docs/design/0018-the-http-server.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec

from hero_logic.core.errors import (
    ForeignRequest,
    HeroLogicError,
    NotAuthorized,
    NotFound,
    ServerStopping,
    TooLarge,
    TooMany,
    UsageError,
)
from hero_logic.server import first_view, gate, measures, page_files, refusals, rpc
from hero_logic.server.login_page import LOGIN_PAGE, PAGE_POLICY
from hero_logic.server.news import is_over
from hero_logic.server.openrpc import document_bytes
from hero_logic.server.streams import stream

if TYPE_CHECKING:
    from hero_logic.server.desks import Desk, Lobby
    from hero_logic.server.gate import Gate
    from hero_logic.server.journal import Journal
    from hero_logic.server.measures import Measures
    from hero_logic.server.page_files import Page, PageFile

    Scope = dict[str, Any]
    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]

_JSON = (b"content-type", b"application/json")
_PLAIN = (b"content-type", b"text/plain; charset=utf-8")
_SAFE = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
_EVENT_STREAM = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
)
_MAX_LOGIN_BYTES = 1000
_UNIX = "the Unix socket"
_NO_ROUTE = "other"


class Answer(msgspec.Struct, frozen=True):
    """An answer whose body is there."""

    body: bytes
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = (_JSON,)


class Flowing(msgspec.Struct, frozen=True):
    """An answer whose body comes piece by piece."""

    pieces: AsyncIterator[bytes]
    headers: tuple[tuple[bytes, bytes], ...]


class WrongMethod(Exception):
    """A path is there, and the method is not one of it."""


class Request:
    """What is looked at of a request, found in one pass over its headers."""

    __slots__ = ("_headers", "authorization", "client", "content_type", "cookie", "host", "is_local",
                 "last_id", "length", "method", "origin", "path", "query", "receive")  # fmt: skip

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.receive = receive
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope["query_string"]
        # Of a TCP connection the server is an address and a port, even where its other end is gone already.
        server = scope["server"]
        self.is_local: bool = server is not None and server[1] is None
        client = scope["client"]
        self.client: str = client[0] if client and not self.is_local else _UNIX if self.is_local else "?"
        self.authorization: bytes | None = None
        self.cookie: bytes | None = None
        self.host: bytes | None = None
        self.origin: bytes | None = None
        self.content_type = self.last_id = self.length = b""
        self._headers: list[tuple[bytes, bytes]] = scope["headers"]
        for name, value in self._headers:
            if name == b"authorization":
                self.authorization = value
            elif name == b"host":
                self.host = value
            elif name == b"content-length":
                self.length = value
            elif name == b"content-type":
                self.content_type = value
            elif name == b"origin":
                self.origin = value
            elif name == b"cookie":
                self.cookie = value if self.cookie is None else self.cookie + b"; " + value
            elif name == b"last-event-id":
                self.last_id = value

    def header(self, wanted: bytes) -> bytes:
        """One that is seldom looked at; b"" where there is none."""
        return b", ".join(value for name, value in self._headers if name == wanted)

    async def body(self, max_bytes: int) -> bytes:
        """The whole body.

        Raises:
            TooLarge: it is larger.
            ConnectionResetError: whoever sent it is gone.
        """
        if self.length and int(self.length) > max_bytes:
            raise self._too_large(max_bytes)
        message = await self.receive()
        body: bytes = message.get("body", b"")
        if not message.get("more_body"):
            if message["type"] != "http.request":
                raise ConnectionResetError
            return body
        pieces = [body]
        size_bytes = len(body)
        while message.get("more_body"):
            message = await self.receive()
            if message["type"] != "http.request":
                raise ConnectionResetError
            pieces.append(message.get("body", b""))
            size_bytes += len(pieces[-1])
            if size_bytes > max_bytes:
                raise self._too_large(max_bytes)
        return b"".join(pieces)

    def number(self, name: str, default: int, *, most: int = 2**62) -> int:
        """A whole number of the query.

        Raises:
            UsageError: it is none, or out of range.
        """
        text = dict(parse_qsl(self.query.decode("latin-1"))).get(name)
        return default if text is None else _number(name, text, most)

    def _too_large(self, max_bytes: int) -> TooLarge:
        return TooLarge(f"the body is larger than {max_bytes:,} bytes. Send less at a time.")


class HttpApp:
    """The application; ``lobby`` and ``rpc`` are there once the event loop runs.

    Args:
        gate: who may ask over TCP.
        journal: the log.
        counts: what is counted.
        page: what people look at.
        logs_requests: whether each request gets a line in the log.
    """

    def __init__(
        self, *, gate: Gate, journal: Journal, counts: Measures, page: Page, logs_requests: bool = False
    ) -> None:
        self.lobby: Lobby
        self.rpc: rpc.Rpc
        self.is_ending = False
        """Whether no plays begin any more."""
        self.is_stopping = False
        """Whether nothing is answered any more."""
        self._gate = gate
        self._journal = journal
        self._counts = counts
        self._page = page
        self._logs_requests = logs_requests
        self._routes: dict[str, tuple[str, Callable[[Request], Awaitable[Answer | Flowing]]]] = {
            "/rpc": ("POST", self._rpc),
            "/openrpc.json": ("GET", self._openrpc),
            "/events": ("GET", self._all_events),
            "/metrics": ("GET", self._metrics),
            "/login-code": ("POST", self._login_code),
        }
        self._open_routes: dict[str, dict[str, Callable[[Request], Awaitable[Answer]]]] = {
            "/login": {"GET": self._login_page, "POST": self._login},
            "/session": {"GET": self._session},
        }
        self._play_routes: dict[str, Callable[[Request, str], Awaitable[Answer | Flowing]]] = {
            "events": self._events,
            "snapshot": self._snapshot,
            "columns": self._columns,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        request = Request(scope, receive)
        try:
            answer = await self._answer(request)
        except ConnectionResetError:
            return
        except WrongMethod as error:
            answer = Answer(b"", 405, ((b"allow", str(error).encode()),))
        except (HeroLogicError, refusals.RpcError) as error:
            answer = self._refusal(request, error)
        except Exception as error:  # noqa: BLE001  # the ring's edge: logged, and nothing of it is told
            self._journal.failure("request_failed", error, method=request.method, path=request.path)
            answer = Answer(refusals.error_document(error), 500)
        status = 200 if isinstance(answer, Flowing) else answer.status
        self._counts.answered(self._route_of(request.path), status)
        if self._logs_requests:
            self._journal.tell(
                "info",
                "request",
                method=request.method,
                path=request.path,
                status=status,
                client=request.client,
            )
        if isinstance(answer, Flowing):
            await self._send_flowing(answer, request, send)
        else:
            await _send_whole(answer, send)

    async def _answer(self, request: Request) -> Answer | Flowing:
        path = request.path
        if path in ("/healthz", "/readyz"):
            _check_method(request, "GET")
            return self._health(path)
        if not request.is_local:
            self._gate.check_place(request.host, request.origin)
            self._gate.check_rate(request.client)
        opened = self._open_routes.get(path)
        if opened is not None:
            _check_method(request, *opened)
            return await opened["GET" if request.method == "HEAD" else request.method](request)
        if path not in self._routes and (file := self._page.find(path)) is not None:
            _check_method(request, "GET")
            return _page_answer(request, file)
        if _is_looked_at(request) and self._route_of(path) == _NO_ROUTE:
            return _nowhere(request, self._page)
        if not request.is_local:
            self._gate.check_who(request.client, request.authorization, request.cookie)
        found = self._routes.get(path)
        if found is not None:
            _check_method(request, found[0])
            return await found[1](request)
        parts = path.split("/")
        if len(parts) == 4 and parts[1] == "plays" and parts[3] in self._play_routes:
            _check_method(request, "GET")
            return await self._play_routes[parts[3]](request, parts[2])
        raise NotFound(f"there is nothing at {path[:200]!r}. docs/rpc.md has what there is.")

    # --- what there is -------------------------------------------------------------------------------

    async def _rpc(self, request: Request) -> Answer:
        if request.authorization is None and not request.is_local:
            _check_json(request)
        body = await request.body(rpc.MAX_BODY_BYTES)
        answer = await self.rpc.answer(body, lambda: _until_gone(request.receive))
        return Answer(b"", 204, ()) if answer is None else Answer(answer)

    async def _openrpc(self, request: Request) -> Answer:
        return Answer(document_bytes())

    async def _all_events(self, request: Request) -> Flowing:
        now = await self.lobby.streaming(lambda desk: desk.store.revision())
        self._check_running()
        return Flowing(stream(self.lobby, None, after=_after(request, now)), _EVENT_STREAM)

    async def _events(self, request: Request, sid: str) -> Answer | Flowing:
        after = _after(request, 0)

        def look(desk: Desk) -> tuple[str, bool]:
            found = desk.sid(sid)
            return found, is_over(desk.store, found, after=after)

        sid, has_all = await self.lobby.streaming(look)
        if has_all:
            # An event source that is answered with this asks no more.
            return Answer(b"", 204, _SAFE)
        self._check_running()
        return Flowing(stream(self.lobby, sid, after=after), _EVENT_STREAM)

    async def _snapshot(self, request: Request, sid: str) -> Answer:
        after = request.number("after", 0)
        limit = request.number("limit", first_view.DEFAULT_PAGE, most=first_view.MAX_PAGE)
        if limit < 1:
            raise UsageError("limit=0: a page has at least one span.")

        def read(desk: Desk) -> bytes:
            found = desk.sid(sid)
            return first_view.snapshot_page(desk.store, found, after=after, limit=limit)

        return Answer(await self.lobby.reading(read), headers=(_JSON, *_SAFE))

    async def _columns(self, request: Request, sid: str) -> Flowing:
        def begin(desk: Desk) -> first_view.Columns:
            found = desk.sid(sid)
            return first_view.Columns(desk.store, found)

        columns = await self.lobby.reading(begin)
        headers = ((b"content-type", b"application/octet-stream"), *_SAFE)
        return Flowing(self._column_pieces(columns), headers)

    async def _column_pieces(self, columns: first_view.Columns) -> AsyncIterator[bytes]:
        while not columns.is_over:
            yield await self.lobby.reading(lambda desk: columns.next(desk.store))

    async def _metrics(self, request: Request) -> Answer:
        return Answer(
            self._counts.page(), headers=((b"content-type", measures.CONTENT_TYPE.encode()), *_SAFE)
        )

    def _health(self, path: str) -> Answer:
        if path == "/readyz":
            if self.is_ending or self.is_stopping:
                return Answer(b"stopping\n", 503, (_PLAIN,))
            try:
                self.lobby.at_loop.store.revision()
            except HeroLogicError:
                return Answer(b"the store cannot be read\n", 503, (_PLAIN,))
        return Answer(b"ok\n", headers=(_PLAIN,))

    # --- logging in ------------------------------------------------------------------------------------

    async def _login_page(self, request: Request) -> Answer:
        if self._page.is_built and (file := self._page.find("/login")) is not None:
            return _page_answer(request, file)
        headers = (
            (b"content-type", b"text/html; charset=utf-8"),
            (b"content-security-policy", PAGE_POLICY),
            *_SAFE,
        )
        return Answer(LOGIN_PAGE, headers=headers)

    async def _login(self, request: Request) -> Answer:
        _check_json(request)
        body = await request.body(_MAX_LOGIN_BYTES)
        try:
            code = msgspec.json.decode(body, type=dict[str, str])["code"]
        except (msgspec.DecodeError, UnicodeError, KeyError) as error:
            raise UsageError('POST /login takes {"code": "..."}, as `hero-logic open` prints it.') from error
        session = self._gate.log_in(request.client, code)
        self._journal.tell("info", "logged_in", client=request.client)
        cookie = f"{gate.COOKIE}={session}; Path=/; Max-Age={gate.SESSION_S:.0f}; HttpOnly; SameSite=Strict"
        return Answer(b"", 204, (*_SAFE, (b"set-cookie", cookie.encode())))

    async def _session(self, request: Request) -> Answer:
        """Whether this browser may ask: a question, so that no is an answer to it and not a refusal."""
        may_ask = True
        if not request.is_local:
            try:
                self._gate.check_who(request.client, request.authorization, request.cookie)
            except NotAuthorized:
                may_ask = False
        return Answer(msgspec.json.encode({"may_ask": may_ask}), headers=(_JSON, *_SAFE))

    async def _login_code(self, request: Request) -> Answer:
        if request.cookie is not None and request.authorization is None:
            raise NotAuthorized("a session cannot make log-in codes; the token can.")
        return Answer(msgspec.json.encode({"code": self._gate.new_code()}), headers=(_JSON, *_SAFE))

    # --- answers -----------------------------------------------------------------------------------------

    def _check_running(self) -> None:
        if self.is_stopping:
            raise ServerStopping("the server is stopping.")

    def _refusal(self, request: Request, error: HeroLogicError | refusals.RpcError) -> Answer:
        status = refusals.http_status(error)
        headers: list[tuple[bytes, bytes]] = [_JSON, *_SAFE]
        if isinstance(error, TooMany):
            headers.append((b"retry-after", b"%d" % max(1, round(error.wait_s))))
        if isinstance(error, NotAuthorized):
            headers.append((b"www-authenticate", b"Bearer"))
        if status in (401, 403, 413, 429):
            # The rest of its body would have to be read before the next request of the connection.
            headers.append((b"connection", b"close"))
        if status >= 500 or isinstance(error, (NotAuthorized, ForeignRequest)):
            code = refusals.error_object(error).data.code
            self._journal.tell("warning", "refused", code=code, path=request.path, client=request.client)
        body = rpc.error_answer(error, None) if request.path == "/rpc" else refusals.error_document(error)
        return Answer(body, status, tuple(headers))

    def _route_of(self, path: str) -> str:
        """The route for the counters: never what a client made up."""
        if path in self._routes or path in self._open_routes or path in ("/healthz", "/readyz"):
            return path
        if self._page.find(path) is not None:
            return "page"
        parts = path.split("/")
        is_of_play = len(parts) == 4 and parts[1] == "plays" and parts[3] in self._play_routes
        return f"/plays/SID/{parts[3]}" if is_of_play else _NO_ROUTE

    async def _send_flowing(self, answer: Flowing, request: Request, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": answer.headers})
        if request.method == "HEAD":
            await send({"type": "http.response.body"})
            return
        sending = asyncio.ensure_future(_send_pieces(answer.pieces, send))
        leaving = asyncio.ensure_future(_until_gone(request.receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        except (HeroLogicError, OSError) as error:
            # The head is sent: what is left is to break off, so that it does not look like the end.
            self._journal.failure("stream_failed", error, path=request.path)
            raise
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)


def _page_answer(request: Request, file: PageFile) -> Answer:
    """A file of the page: it has no secrets, so that who has no session yet can be shown the login."""
    accepted, known = request.header(b"accept-encoding"), request.header(b"if-none-match")
    status, headers, body = page_files.answer(file, accepted=accepted, known=known)
    return Answer(body, status, headers)


def _is_looked_at(request: Request) -> bool:
    """Whether somebody types addresses into a browser: a program takes what comes, or JSON."""
    return request.method in ("GET", "HEAD") and b"text/html" in request.header(b"accept").lower()


def _nowhere(request: Request, page: Page) -> Answer:
    """The page, which says that there is nothing and where else to go; its status is 404 all the same."""
    file = page.find("/")
    assert file is not None
    _, headers, body = page_files.answer(file, accepted=request.header(b"accept-encoding"), known=b"")
    return Answer(body, 404, headers)


async def _send_whole(answer: Answer, send: Send) -> None:
    body = answer.body
    headers = [*answer.headers]
    if answer.status not in (204, 304):
        headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _send_pieces(pieces: AsyncIterator[bytes], send: Send) -> None:
    async for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _check_method(request: Request, *allowed: str) -> None:
    if request.method in allowed or (request.method == "HEAD" and "GET" in allowed):
        return
    raise WrongMethod(", ".join(allowed))


def _check_json(request: Request) -> None:
    """A form of another site can be sent without asking; this content type cannot."""
    if request.content_type.partition(b";")[0].strip().lower() != b"application/json":
        raise ForeignRequest(
            "a request without `Authorization` has to be of the content type application/json."
        )


def _after(request: Request, default: int) -> int:
    """Where a stream begins: what an event source has seen last comes before what it was first told."""
    if request.last_id:
        return _number("Last-Event-ID", request.last_id.decode("latin-1"), 2**62)
    return request.number("after", default)


def _number(name: str, text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= most):
        raise UsageError(f"{name} is {text[:50]!r}: it is a whole number from 0 to {most}.")
    return int(text)
