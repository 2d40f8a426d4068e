"""The way out of a play's network: an HTTP proxy that lets through what was granted, and tells of the rest.

It runs in the runtime, in a thread of its own, on sockets that were made inside the play's network
(runner/sandbox/doors.py): nothing of it is within the play's reach but what it answers. Laws:

1. A host is granted by name and port, or not reached. What its name leads to is resolved once, judged
   (core/addresses.py), and that very address is connected to.
2. Everything is bounded, whatever a play sends: connections at a time and a second, the bytes and the time
   of a request's head, the time in which nothing moves, what is read ahead. A connection that is too many
   waits in the kernel.
3. One request, one connection: nothing that comes after a request is taken for another one, not judged.
4. Each decision is told to the operator; a play learns no more of the operator's network than "refused".

What passes is not looked at: https stays what it is between the flow and the host.

Source: docs/design/0013-the-network-allow-list.md, RFC 9110 section 9.3.6 (CONNECT), RFC 9112 section 3.2.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Awaitable, Callable
from functools import partial

from hero_logic.core.addresses import LOCALHOST, Endpoint, literal_refusal, read_endpoint, refusal
from hero_logic.core.policy import default, default_s
from hero_logic.runner.proxy_head import BadRequest, Request, read_request

_READ_BYTES = 64 * 1024
_MAX_ADDRESSES = 4
_MAX_RESOLVING = 8
_RESOLVE_S = 10.0
_CONNECT_S = 10.0
_ACCEPT_AGAIN_S = 0.2
_REST_S = 0.25
_STOP_S = 5.0
_LINGER_S = 1.0

Resolve = Callable[[str, int], list[str]]
"""Given a name and a port, the addresses that the name leads to; raises OSError."""
Connect = Callable[[str, int], Awaitable[socket.socket]]
"""Given an address and a port, a socket that is connected to it and does not block; raises OSError."""
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Decision:
    """What became of one attempt to reach a host.

    Attributes:
        endpoint: ``HOST:PORT``, as it was asked for.
        verdict: ``allowed``, ``denied``, or ``failed``: allowed, and not reached.
        why: what a person has to know of it; the address, if it was allowed.
        allow: what ``--allow-net`` would have to name for it to be allowed; "" where nothing would help.
    """

    __slots__ = ("allow", "endpoint", "verdict", "why")

    def __init__(self, endpoint: str, verdict: str, why: str, allow: str = "") -> None:
        self.endpoint = endpoint
        self.verdict = verdict
        self.why = why
        self.allow = allow


class _Refused(Exception):
    """An attempt that gets an answer instead of a connection; ``reason`` is what the play is told."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def resolve_name(name: str, port: int) -> list[str]:
    """The addresses that a name leads to, as this host resolves it.

    Raises:
        OSError: it leads nowhere, or nobody knows.
    """
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"{error}") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def connect_to(address: str, port: int) -> socket.socket:
    """A socket that is connected to an address; it is no name, so nothing is resolved again.

    Raises:
        OSError: nobody answers there.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(made, (address, port)), _CONNECT_S)
    except BaseException:
        made.close()
        raise
    return made


class Proxy:
    """Attends to the doors of one play, until it is closed.

    Args:
        doors: descriptors of listening sockets: the first one is the proxy's, each other one leads to the
            service of this machine at the same place in ``services``.
        granted: ``HOST:PORT`` and ``*.SUFFIX:PORT``.
        services: those among them that name a service of this machine.
        tell: called with each decision, by the proxy's thread.
        resolve, connect: how names and addresses become connections.
    """

    def __init__(
        self,
        doors: list[int],
        *,
        granted: list[str],
        services: list[str],
        tell: Callable[[Decision], None],
        resolve: Resolve | None = None,
        connect: Connect | None = None,
        head_s: float | None = None,
        idle_s: float | None = None,
    ) -> None:
        self._doors = [socket.socket(fileno=door) for door in doors]
        self._granted = [read_endpoint(text) for text in granted]
        self._services = [read_endpoint(text) for text in services]
        self._tell = tell
        self._resolve = resolve or resolve_name
        self._connect = connect or connect_to
        self._head_s = default_s("proxy_head_s") if head_s is None else head_s
        self._idle_s = default_s("proxy_idle_s") if idle_s is None else idle_s
        self._resolving = threading.BoundedSemaphore(_MAX_RESOLVING)
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._is_ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()
        self._is_ready.wait()

    def close(self) -> None:
        """End every connection, and close the doors; harmless twice."""
        if self._loop is not None and self._thread.is_alive():
            try:
                self._loop.call_soon_threadsafe(self._stop.set)
            except RuntimeError:
                # It has just ended by itself.
                pass
            self._thread.join(_STOP_S)

    # --- the thread -----------------------------------------------------------------------------------

    def _run(self) -> None:
        # A signal that the kernel gives to this thread would not wake the one that acts on it.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
        try:
            asyncio.run(self._attend())
        finally:
            for door in self._doors:
                door.close()
            self._is_ready.set()

    async def _attend(self) -> None:
        self._loop = asyncio.get_running_loop()
        room = asyncio.Semaphore(default("proxy_connections"))
        handlers: list[Handler] = [self._answer]
        handlers += [partial(self._lead_to, service) for service in self._services]
        for door, handler in zip(self._doors, handlers, strict=False):
            door.setblocking(False)
            self._begin(self._accept(door, handler, room))
        self._is_ready.set()
        await self._stop.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, work: Awaitable[None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        assert isinstance(task, asyncio.Task), "it is a coroutine"
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _accept(self, door: socket.socket, handler: Handler, room: asyncio.Semaphore) -> None:
        """Take in connections, as many as there is room for, and no faster than they may come."""
        assert self._loop is not None, "it runs"
        each_s = 1 / default("proxy_connections_a_second")
        free_at_s = self._loop.time()
        while True:
            await room.acquire()
            try:
                connection, _ = await self._loop.sock_accept(door)
            except OSError:
                # No descriptor is left for another one; those that are there will end.
                room.release()
                await asyncio.sleep(_ACCEPT_AGAIN_S)
                continue
            task = self._begin(self._handle(connection, handler))
            task.add_done_callback(partial(_let_go, connection, room))
            now_s = self._loop.time()
            # What was not used is saved up for a moment, so that a burst of a page's requests is not held up.
            free_at_s = max(free_at_s, now_s - _REST_S) + each_s
            if free_at_s > now_s:
                await asyncio.sleep(free_at_s - now_s)

    async def _handle(self, connection: socket.socket, handler: Handler) -> None:
        reader, writer = await _streams(connection, default("proxy_head_bytes"))
        try:
            await handler(reader, writer)
        except OSError:
            # Whichever side went away first.
            return
        finally:
            writer.transport.abort()

    # --- one connection -------------------------------------------------------------------------------

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request to the proxy."""
        try:
            request = await self._read_request(reader)
            if request is None:
                return
            upstream = await self._reach(request.endpoint)
        except _Refused as refused:
            writer.write(_response(refused.status, refused.reason))
            await _end(reader, writer)
            return
        out_reader, out_writer = await _streams(upstream, _READ_BYTES)
        try:
            if request.is_tunnel:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await self._join(reader, writer, out_reader, out_writer)
            else:
                out_writer.write(request.head)
                await self._exchange(reader, writer, out_reader, out_writer, request.body_bytes)
                await _end(reader, writer)
        finally:
            out_writer.transport.abort()

    async def _lead_to(
        self, service: Endpoint, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """A connection to a service of this machine, at the place where the play looks for it."""
        try:
            upstream = await self._reach(service)
        except _Refused:
            return
        out_reader, out_writer = await _streams(upstream, _READ_BYTES)
        try:
            await self._join(reader, writer, out_reader, out_writer)
        finally:
            out_writer.transport.abort()

    async def _read_request(self, reader: asyncio.StreamReader) -> Request | None:
        """The head of the request; None where the connection was not used."""
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), self._head_s)
        except asyncio.IncompleteReadError:
            return None
        except asyncio.LimitOverrunError:
            raise _Refused(431, "the head of the request is too long") from None
        except TimeoutError:
            raise _Refused(408, "the head of the request did not come in time") from None
        try:
            return read_request(head)
        except BadRequest as error:
            raise _Refused(400, str(error)) from error

    async def _reach(self, endpoint: Endpoint) -> socket.socket:
        """A connection to what was asked for.

        Raises:
            _Refused: it is not granted, not to be reached, or nobody answers there.
        """
        named = str(endpoint)
        if not any(grant.covers(endpoint) for grant in self._granted):
            self._tell(Decision(named, "denied", "it was not granted", named))
            raise _Refused(403, f"{named} was not granted")
        addresses = await self._judged(endpoint, named)
        problem: OSError | None = None
        for address in addresses[:_MAX_ADDRESSES]:
            try:
                made = await self._connect(address, endpoint.port)
            except OSError as error:  # TimeoutError is one
                problem = error
                continue
            self._tell(Decision(named, "allowed", address))
            return made
        number = problem.errno if problem is not None else None
        why = os.strerror(number) if number else "nobody answers there in time"
        self._tell(Decision(named, "failed", f"{why} ({', '.join(addresses[:_MAX_ADDRESSES])})"))
        raise _Refused(502, f"{named} could not be reached: {why}")

    async def _judged(self, endpoint: Endpoint, named: str) -> list[str]:
        """The addresses that may be connected to, of those that are meant."""
        if endpoint.host == LOCALHOST:
            return ["127.0.0.1", "::1"]
        if endpoint.is_address:
            why = literal_refusal(endpoint.host)
            if why:
                self._tell(Decision(named, "denied", f"it is {why}"))
                raise _Refused(403, f"{named} is never reached")
            return [endpoint.host]
        try:
            found = await asyncio.wait_for(self._look_up(endpoint), _RESOLVE_S)
        except OSError as error:  # TimeoutError is one
            why = error.strerror or str(error) or "its name was not resolved in time"
            self._tell(Decision(named, "failed", f"its name leads nowhere: {why}"))
            raise _Refused(502, f"the name of {named} leads nowhere") from error
        verdicts = {address: refusal(address) for address in found}
        public = [address for address, why in verdicts.items() if not why]
        if not public:
            said = ", ".join(f"{why} ({address})" for address, why in verdicts.items())
            self._tell(Decision(named, "denied", f"its name leads to {said}", _literal(endpoint, verdicts)))
            raise _Refused(403, f"{named} leads to an address that is not reached")
        return public

    async def _look_up(self, endpoint: Endpoint) -> list[str]:
        """Resolve a name in a thread of its own, which may take as long as a resolver likes."""
        assert self._loop is not None, "it runs"
        loop = self._loop
        found: asyncio.Future[list[str]] = loop.create_future()

        def settle(addresses: list[str], error: OSError | None) -> None:
            if not found.done():
                if error is None:
                    found.set_result(addresses)
                else:
                    found.set_exception(error)

        def work() -> None:
            addresses, problem = [], None
            try:
                addresses = self._resolve(endpoint.host, endpoint.port)
            except OSError as error:
                problem = error
            finally:
                self._resolving.release()
            try:
                loop.call_soon_threadsafe(settle, addresses, problem)
            except RuntimeError:
                # The play has ended meanwhile.
                return

        if not self._resolving.acquire(blocking=False):
            raise OSError("too many names are being resolved already")
        threading.Thread(target=work, name="resolve", daemon=True).start()
        return await found

    async def _join(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        out_reader: asyncio.StreamReader,
        out_writer: asyncio.StreamWriter,
    ) -> None:
        """Carry bytes both ways until both ends have ended, or nothing has moved for too long."""
        moved = _Moved()
        await self._wait(
            moved,
            _carry(reader, out_writer, moved),
            _carry(out_reader, writer, moved),
        )

    async def _exchange(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        out_reader: asyncio.StreamReader,
        out_writer: asyncio.StreamWriter,
        body_bytes: int | None,
    ) -> None:
        """Carry the body of one request, and its answer to its end; ``body_bytes`` of None: as it comes."""
        moved = _Moved()
        back = asyncio.ensure_future(_carry(out_reader, writer, moved))
        await self._wait(moved, _carry(reader, out_writer, moved, body_bytes), back, last=back)

    async def _wait(
        self, moved: _Moved, *works: Awaitable[None], last: asyncio.Future[None] | None = None
    ) -> None:
        """Until all of them have ended, or the last one has, or one fails, or nothing moves for too long."""
        waiting = {asyncio.ensure_future(work) for work in works}
        every = [*waiting]
        try:
            while waiting:
                left_s = self._idle_s - moved.ago_s()
                if left_s <= 0:
                    return
                done, waiting = await asyncio.wait(
                    waiting, timeout=left_s, return_when=asyncio.FIRST_COMPLETED
                )
                if last in done or any(task.exception() for task in done):
                    return
        finally:
            for task in every:
                task.cancel()
            await asyncio.gather(*every, return_exceptions=True)


class _Moved:
    """When bytes were last carried, either way."""

    def __init__(self) -> None:
        self._clock = asyncio.get_running_loop().time
        self._at_s = self._clock()

    def now(self) -> None:
        self._at_s = self._clock()

    def ago_s(self) -> float:
        return self._clock() - self._at_s


async def _streams(
    connection: socket.socket, limit: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The two ends of a connection; a drain of what is written waits until the kernel has all of it."""
    try:
        reader, writer = await asyncio.open_connection(sock=connection, limit=limit)
    except BaseException:
        connection.close()
        raise
    writer.transport.set_write_buffer_limits(high=0)
    return reader, writer


def _let_go(connection: socket.socket, room: asyncio.Semaphore, _: asyncio.Task[None]) -> None:
    connection.close()
    room.release()


async def _carry(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    moved: _Moved,
    count: int | None = None,
) -> None:
    """Carry bytes one way: to the end of the input, which is passed on, or so many and no end."""
    while count is None or count > 0:
        data = await reader.read(_READ_BYTES if count is None else min(_READ_BYTES, count))
        if not data:
            break
        moved.now()
        writer.write(data)
        await writer.drain()
        moved.now()
        if count is not None:
            count -= len(data)
    if count is None:
        await writer.drain()
        writer.write_eof()


async def _end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Have the answer read: an end with bytes of the play's unread might take it back."""
    await writer.drain()
    writer.write_eof()
    left = _READ_BYTES
    try:
        async with asyncio.timeout(_LINGER_S):
            while left > 0 and (data := await reader.read(left)):
                left -= len(data)
    except TimeoutError:
        return


def _literal(endpoint: Endpoint, verdicts: dict[str, str]) -> str:
    """What would let the first of the addresses through that an operator may name at all."""
    for address in verdicts:
        if not literal_refusal(address):
            host = f"[{address}]" if ":" in address else address
            return f"{host}:{endpoint.port}"
    return ""


def _response(status: int, reason: str) -> bytes:
    phrase = f"denied by hero-logic: {reason}" if status == 403 else reason
    body = f"{phrase}\n".encode("ascii", "replace")
    head = (
        f"HTTP/1.1 {status} {phrase}\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii", "replace") + body
