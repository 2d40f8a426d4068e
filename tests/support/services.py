"""A service as an operator runs one: JSON-RPC 2.0 on a Unix socket, one object a line each way."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Answer = Callable[[str, dict[str, Any]], Any]
"""(method, params) -> the result; a ServiceError is sent as one."""
Handle = Callable[[socket.socket], None]
"""What is done with a connection, for servers that do not keep to the rules; it is closed then."""


class ServiceError(Exception):
    """What a service refuses with."""

    def __init__(self, message: str, *, code: int = -32000, data: object = None) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message, "data": data}


class Service:
    """What a server was asked, and where it listens."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.connections = 0


@contextmanager
def serving(answer: Answer) -> Iterator[Service]:
    """A server that answers, on any number of connections, each with any number of calls."""

    def handle(connection: socket.socket) -> None:
        with connection.makefile("rwb") as file:
            for line in file:
                file.write(json.dumps(_reply(service, line, answer)).encode() + b"\n")
                file.flush()

    with serving_by(handle) as service:
        yield service


def _reply(service: Service, line: bytes, answer: Answer) -> dict[str, Any]:
    call = json.loads(line)
    assert (call["jsonrpc"], type(call["id"]), type(call["params"])) == ("2.0", int, dict), call
    service.calls.append((call["method"], call["params"]))
    try:
        came = {"result": answer(call["method"], call["params"])}
    except ServiceError as error:
        came = {"error": error.error}
    return {"jsonrpc": "2.0", "id": call["id"], **came}


@contextmanager
def serving_by(handle: Handle) -> Iterator[Service]:
    """A server that does with each connection what is said, in a thread for each."""
    # A socket's path has 107 bytes at most, and those of a test's own directory may be longer.
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as server:
        service = Service(os.path.join(directory, "s"))
        server.bind(service.path)
        server.listen(64)
        open_connections: set[socket.socket] = set()

        def serve(connection: socket.socket) -> None:
            with connection:
                try:
                    handle(connection)
                except OSError:
                    return  # the flow is gone, or the test is over
                finally:
                    open_connections.discard(connection)

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                service.connections += 1
                open_connections.add(connection)
                threads.append(threading.Thread(target=serve, args=(connection,)))
                threads[-1].start()

        threads = [threading.Thread(target=accept)]
        threads[0].start()
        try:
            yield service
        finally:
            server.shutdown(socket.SHUT_RDWR)
            threads[0].join()
            for connection in list(open_connections):
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # its thread has just closed it
            for thread in threads[1:]:
                thread.join()
