"""The servers that peers.py measures beside, each started as its own documentation says, with its defaults.

Both store in SQLite in a directory of their own, which is removed when they end. Off are only the messages
that they would send to their makers.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import environments

_START_S = 180.0
_ANSWER_S = 60.0
_PAUSE_S = 0.2


class PeerServer:
    """A server of a peer, running while its ``with`` block does."""

    name: str
    """Of its environment."""
    title: str
    """Its name as its makers write it."""
    packages: tuple[str, ...]
    headers: Mapping[str, str] = {}
    """What an export to it has to say besides the spans."""
    health: str

    def __init__(self) -> None:
        self.python = environments.python_of(self.name)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def versions(self) -> dict[str, str]:
        """The versions of its packages."""
        return environments.versions(self.python, *self.packages)

    def command(self) -> list[str]:
        """How it is started."""
        raise NotImplementedError

    def settings(self, directory: str) -> dict[str, str]:
        """Its environment variables."""
        raise NotImplementedError

    def count(self) -> int:
        """How many spans can be queried."""
        raise NotImplementedError

    def has(self, trace_id: str) -> bool:
        """Whether a trace can be queried with its spans."""
        raise NotImplementedError

    def __enter__(self) -> PeerServer:
        directory = tempfile.mkdtemp(prefix=f"peer-{self.name}-")
        self.log = os.path.join(directory, "server.log")
        keeper = os.path.join(os.path.dirname(os.path.abspath(__file__)), "keeper.py")
        self.keeper = subprocess.Popen(
            [sys.executable, keeper, directory, *self.command()],
            env=environments.clean_environment(TMPDIR=directory, **self.settings(directory)),
            stdin=subprocess.PIPE,
            start_new_session=True,  # an interrupt from the terminal is ours alone; the keeper sees us go
        )
        try:
            self._wait_until_up()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        assert self.keeper.stdin
        self.keeper.stdin.close()
        self.keeper.wait()

    def _wait_until_up(self) -> None:
        until_s = time.monotonic() + _START_S
        while self.keeper.poll() is None and time.monotonic() < until_s:
            if self.answer(self.health) is not None:
                return
            time.sleep(_PAUSE_S)
        with open(self.log, encoding="utf-8", errors="replace") as file:
            raise environments.NotMade(f"{self.name} did not start: {file.read()[-500:]}")

    def answer(self, path: str, question: object = None) -> Any:
        """What the server answers, read as JSON (None where it does not answer, or not with 200).

        A connection for each question: on a kept one MLflow answers some 40 ms later.
        """
        data = None if question is None else json.dumps(question).encode()
        request = urllib.request.Request(self.url + path, data, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=_ANSWER_S) as response:
                text = response.read()
        except (urllib.error.URLError, ConnectionError):
            return None
        return json.loads(text) if text[:1] in (b"{", b"[") else text


class Phoenix(PeerServer):
    """Arize Phoenix: ``phoenix serve``."""

    name = "phoenix"
    title = "Arize Phoenix"
    packages = ("arize-phoenix",)
    health = "/healthz"

    def command(self) -> list[str]:
        """How it is started."""
        return [os.path.join(os.path.dirname(self.python), "phoenix"), "serve"]

    def settings(self, directory: str) -> dict[str, str]:
        """Its environment variables."""
        return {
            "PHOENIX_WORKING_DIR": directory,
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(self.port),
            "PHOENIX_GRPC_PORT": str(free_port()),
            "PHOENIX_TELEMETRY_ENABLED": "false",
        }

    def count(self) -> int:
        """How many spans can be queried, by its GraphQL interface."""
        answer = self.answer("/graphql", {"query": "{projects{edges{node{recordCount}}}}"})
        return sum(edge["node"]["recordCount"] for edge in answer["data"]["projects"]["edges"])

    def has(self, trace_id: str) -> bool:
        """Whether a trace can be queried with its spans."""
        answer = self.answer(f"/v1/projects/default/spans?limit=1&trace_id={trace_id}")
        return bool(answer and answer["data"])


class Mlflow(PeerServer):
    """MLflow's tracking server: ``mlflow server``, which stores in SQLite, in the directory it runs in."""

    name = "mlflow"
    title = "MLflow"
    packages = ("mlflow",)
    headers = {"x-mlflow-experiment-id": "0"}  # noqa: RUF012  # nobody changes it
    health = "/health"

    def command(self) -> list[str]:
        """How it is started."""
        program = os.path.join(os.path.dirname(self.python), "mlflow")
        return [program, "server", "--host", "127.0.0.1", "--port", str(self.port)]

    def settings(self, directory: str) -> dict[str, str]:
        """Its environment variables."""
        return {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}

    def count(self) -> int:
        """How many spans can be queried, by its trace metrics."""
        question = {
            "experiment_ids": ["0"],
            "view_type": "SPANS",
            "metric_name": "span_count",
            "aggregations": [{"aggregation_type": "COUNT"}],
        }
        answer = self.answer("/api/3.0/mlflow/traces/metrics", question)
        points = answer.get("data_points", [])
        return int(points[0]["values"]["COUNT"]) if points else 0

    def has(self, trace_id: str) -> bool:
        """Whether a trace can be queried with its spans."""
        answer = self.answer(f"/api/3.0/mlflow/traces/get?trace_id=tr-{trace_id}")
        return bool(answer and answer["trace"]["spans"])


def free_port() -> int:
    """A port of loopback that nobody listens on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    sys.exit("this is a part of peers.py; run that")
