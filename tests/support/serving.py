"""A server in a process of its own, and plays for it to show."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from hero_logic.app import new_runtimes, open_session
from hero_logic.config import Config
from hero_logic.core.records import Sandbox
from hero_logic.service.session import Session
from support.command import COMMAND, environment

NO_TLS = ssl.create_default_context()
"""For every client of a test: each would otherwise read all certificates, for 40 ms, and use none."""

_PATCHED = """
import sys
import hero_logic.server.{module} as m
{what}
from hero_logic.app import main
sys.exit(main())
"""


class Server:
    """What a started server is, and how it is asked."""

    def __init__(self, process: subprocess.Popen[bytes], home: Path, variables: dict[str, str]) -> None:
        self.process = process
        self._clients: list[httpx.Client] = []
        self.home = home
        self.variables = variables
        assert process.stdout
        line = process.stdout.readline().decode()
        assert line.startswith("serving on http://"), (line, process.stderr and process.stderr.read())
        self.url = line.removeprefix("serving on ").strip()
        assert process.stderr
        told = [process.stderr.readline().decode() for _ in range(2)]
        self.socket_path = told[0].rpartition(" is ")[2].strip()
        self.login_url = told[1].rpartition(" ")[2].strip()
        self.token = (home / "server-token").read_text().strip() if (home / "server-token").exists() else ""

    @property
    def port(self) -> int:
        """Of its address."""
        return int(self.url.rpartition(":")[2])

    @property
    def headers(self) -> dict[str, str]:
        """Those of a request that may ask."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def http(self, **more: Any) -> httpx.Client:
        """A client that has the token; closed with the server."""
        client = httpx.Client(base_url=self.url, headers=self.headers, timeout=20, verify=NO_TLS, **more)
        self._clients.append(client)
        return client

    def close_clients(self) -> None:
        """Close them all."""
        for client in self._clients:
            client.close()

    def post(self, body: bytes | str) -> httpx.Response:
        """Send the body of a request of JSON-RPC."""
        headers = {**self.headers, "Content-Type": "application/json"}
        return httpx.post(f"{self.url}/rpc", content=body, headers=headers, timeout=20, verify=NO_TLS)

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer to a call, whatever it is."""
        answer: dict[str, Any] = httpx.post(
            f"{self.url}/rpc",
            json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params},
            headers=self.headers,
            timeout=20,
            verify=NO_TLS,
        ).json()
        return answer

    def call(self, method: str, **params: Any) -> Any:
        """The result of a call."""
        answer = self.ask(method, **params)
        assert "result" in answer, answer
        return answer["result"]

    def refused(self, method: str, **params: Any) -> tuple[str, str]:
        """The code and the message of the error of a call."""
        answer = self.ask(method, **params)
        assert "error" in answer, answer
        return answer["error"]["data"]["code"], answer["error"]["message"]

    def publish(self, name: str, body: str) -> str:
        """Publish a flow; its sid."""
        source = "from hero_tracing import flow\n" + textwrap.dedent(body)
        put = self.call("flow_put", name=name, python_source=source)
        assert put["flow_sid"], put
        return str(put["flow_sid"])

    def kill(self) -> None:
        """End it as the kernel would."""
        self.process.kill()
        self.process.communicate(timeout=20)

    def stop(self) -> tuple[int, str]:
        """End it; its exit status, and what it logged."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        _, logged = self.process.communicate(timeout=20)
        return self.process.returncode, logged.decode()


@contextmanager
def serving(
    home: Path,
    *options: str,
    patch: tuple[str, str] | None = None,
    runtime_dir: Path | None = None,
    marker: str = "",
    more: dict[str, str] | None = None,
) -> Iterator[Server]:
    """A server over the data in a directory, at a free port; it is ended at the end.

    ``patch`` is a module of the server's and a statement about it, ``m``, which is done before it starts;
    ``marker`` is in the environment of the server and of all plays that it runs; ``more`` are variables.
    """
    runtime_dir = runtime_dir or home.parent
    variables = {
        "HERO_LOGIC_HOME": str(home),
        "HERO_LOGIC_RUNTIME_DIR": str(runtime_dir),
        "HERO_LOGIC_SANDBOX": "tier0",
        "HERO_FLOW_MARKER": marker,
        **(more or {}),
    }
    command = COMMAND
    if patch is not None:
        command = [sys.executable, "-c", _PATCHED.format(module=patch[0], what=patch[1])]
    process = subprocess.Popen(
        [*command, "serve", "--port", "0", *options],
        bufsize=0,  # what were read ahead of the log, stop() would not see
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(**variables),
    )
    server: Server | None = None
    try:
        server = Server(process, home, variables)
        yield server
        if process.poll() is None:
            server.stop()
    finally:
        if server is not None:
            server.close_clients()
        if process.poll() is None:
            process.kill()
            process.communicate()


@contextmanager
def session_over(home: Path) -> Iterator[Session]:
    """The services over the same data, in this process: another one that writes."""
    config = Config(str(home))
    with open_session(config, new_runtimes(config)) as session:
        session.enter_runtime()
        yield session


def begin_play(session: Session, sid: str = "p", *, flow: str = "of_tests") -> str:
    """A play that runs, of this process."""
    session.plays.create(sid, flow=flow)
    session.plays.begin(sid, Sandbox("tier0"))
    return sid


def end_play(session: Session, sid: str = "p") -> None:
    """Its end."""
    from hero_logic.service.endings import end_recording

    end_recording(session.store, session.ingest, sid, end_ms=os.times().elapsed + 2e12)


def span_start(span_id: str, name: str = "a step", **more: Any) -> bytes:
    """A line of a play's stream."""
    import json

    return json.dumps({"type": "span_start", "span_id": span_id, "name": name, **more}).encode()


def span_end(span_id: str, status: str = "ok") -> bytes:
    """A line of a play's stream."""
    return b'{"type":"span_end","span_id":"%s","status":"%s"}' % (span_id.encode(), status.encode())
