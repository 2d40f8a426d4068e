"""What drains both sides of the comparison with OpenTelemetry: a span socket, and an OTLP/HTTP server.

    python benchmarks/otel_sink.py SOCKET_PATH

Runs in the environment of OpenTelemetry. It prints its HTTP port once both accept, drains both until its
standard input ends, and then prints as JSON what came: ``{"lines": at the socket, "spans": over HTTP}``.

The server answers as soon as it has the body, and the spans are counted at the end: counting costs the
exporter nothing.
"""

import gzip
import json
import os
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from opentelemetry.proto.collector.trace.v1 import (  # type: ignore[import-not-found]  # not of our environment
    trace_service_pb2,
)


class Handler(BaseHTTPRequestHandler):
    """Takes what is posted."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    bodies: ClassVar[list[tuple[str, bytes]]] = []

    def do_POST(self) -> None:
        """Keep the body, answer that all is well."""
        body = self.rfile.read(int(self.headers["content-length"]))
        self.bodies.append((self.headers.get("content-encoding", ""), body))
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing of a request."""


class Reader(threading.Thread):
    """Drains the connections of a span socket and counts their lines."""

    def __init__(self, path: str) -> None:
        super().__init__(daemon=True)
        self.lines = 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()

    def run(self) -> None:
        """Drain one connection after another."""
        while True:
            connection, _ = self.listener.accept()
            while data := connection.recv(1 << 18):
                self.lines += data.count(b"\n")
                time.sleep(0.0002)  # never asleep in recv while they write: a wake-up is the writer's cost
            connection.close()


def spans_of(bodies: list[tuple[str, bytes]]) -> int:
    """How many spans the requests carried."""
    count = 0
    for encoding, body in bodies:
        request = trace_service_pb2.ExportTraceServiceRequest.FromString(
            gzip.decompress(body) if encoding == "gzip" else body
        )
        count += sum(
            len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans
        )
    return count


def main() -> None:
    """Drain until standard input ends."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    reader = Reader(sys.argv[1])
    reader.start()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()
    print(json.dumps({"lines": reader.lines, "spans": spans_of(Handler.bodies)}), flush=True)


if __name__ == "__main__":
    main()
