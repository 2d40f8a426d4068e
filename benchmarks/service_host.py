"""What benchmarks/service.py measures, as processes: a bare handler, and a server that listens to one play.

    python benchmarks/service_host.py bare
    python benchmarks/service_host.py live SPAN_SOCKET

Both print their address as the first line. The bare handler is an application that reads the body and
answers with as many bytes as ``play_status``, on the same server with the same settings.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from hero_logic.app import make_client, new_runtimes, open_session
from hero_logic.config import Config
from hero_logic.core.records import Sandbox
from hero_logic.runner.span_socket import SpanListener
from hero_logic.server import serving
from hero_logic.service.session import Session

LIVE = "live"
_BODY = b'{"jsonrpc":"2.0","id":1,"result":"' + b"x" * 170 + b'"}'
_HEAD = [(b"content-type", b"application/json"), (b"content-length", str(len(_BODY)).encode())]


class Bare:
    """The application that does nothing."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Read the body, answer."""
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        await send({"type": "http.response.start", "status": 200, "headers": _HEAD})
        await send({"type": "http.response.body", "body": _BODY})


class Crew:
    """What runs no plays."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.verbs = make_client(dict(os.environ)).verbs(session)

    def start(self) -> None:
        """Nothing."""

    def stop(self, *, is_hard: bool = False) -> None:
        """Nothing."""


async def serve_bare() -> None:
    """Serve it until the process is ended."""
    with serving.bind_tcp("127.0.0.1", 0) as bound:
        print(f"serving on {serving.url_of(bound)}", flush=True)
        server = serving.UvicornServer(
            serving.uvicorn_config(Bare()), on_start=lambda: None, on_stop=lambda: asyncio.sleep(0)
        )
        await server.serve([bound])


def serve_live(span_socket: str) -> None:
    """Serve with a play whose spans come through a span socket into this process, as those of a worker do."""
    config = Config.from_environment(dict(os.environ))

    @contextmanager
    def enter(note: Callable[[str], None]) -> Iterator[Crew]:
        with open_session(config, new_runtimes(config)) as session:
            Thread(target=listen, args=(session, span_socket), daemon=True).start()
            yield Crew(session)

    order = serving.ServeOrder(
        home=config.home, host="127.0.0.1", port=0, socket_path=config.server_socket, path_variable=""
    )
    serving.serve(order, enter=enter)


def listen(session: Session, span_socket: str) -> None:
    """Put the play on record and take in what it sends."""
    session.enter_runtime()
    session.plays.create(LIVE)
    session.plays.begin(LIVE, Sandbox())
    listener = SpanListener.with_socket_path(LIVE, session.ingest.open(LIVE), span_socket)
    listener.bind()
    listener.run().wait()


if __name__ == "__main__":
    if sys.argv[1] == "bare":
        asyncio.run(serve_bare())
    else:
        serve_live(sys.argv[2])
