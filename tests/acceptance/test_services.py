"""A flow reaches the services that it was granted, in whatever it is kept; through the real runtime."""

from __future__ import annotations

import socket
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from hero_logic.client import RunRequest
from hero_logic.core import tiers
from hero_logic.core.errors import LaunchFailed, SandboxUnavailable
from hero_logic.core.grants import Said
from support.runtime import QuietFace, Ran, client_at, read_document, write_flow
from support.services import ServiceError, serving, serving_by

ISOLATIONS = ["none", "landlock", "native", "bubblewrap"]
CALLS = """
from concurrent.futures import ThreadPoolExecutor

@flow
def main():
    ai = flow.service("ai")
    with ThreadPoolExecutor(3) as pool:
        squares = list(pool.map(lambda n: ai.square(n=n), range(3)))
    try:
        ai.refuse()
    except flow.ServiceFailed as failed:
        return [squares, str(failed), ai.square(n=3)]
"""


def answer(method: str, params: dict[str, Any]) -> Any:
    """Know one method."""
    if method == "refuse":
        raise ServiceError("no")
    return params["n"] ** 2


def run(
    directory: Path,
    path: str,
    isolation: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    timeout_s: float | None = None,
    **services: str,
) -> Ran:
    """Run a flow in an isolation; the test is skipped where this host does not have it."""
    client = client_at(directory / "home")
    if isolation != "none":
        monkeypatch.setattr(tiers, "ISOLATIONS", (isolation,))
    request = RunRequest(
        path,
        assignments=[],
        python=sys.executable,
        timeout_s=timeout_s,
        sandbox="none" if isolation == "none" else "tier1",
        grants=Said(rpc=tuple(f"{name}={socket_path}" for name, socket_path in services.items())),
    )
    try:
        play = client.run(client.prepare(request), face := QuietFace())
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    return Ran(read_document(client, play.sid), face.notes)


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_granted_service_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isolation: str) -> None:
    """From several threads, past a refusal; each call is a span below the one that it was made in."""
    with serving(answer) as service:
        ran = run(tmp_path, write_flow(tmp_path, CALLS), isolation, monkeypatch, ai=service.path)

    assert ran["error"] == ""
    assert ran["output"] == [[0, 1, 4], "the service 'ai' refused refuse: no (code -32000)", 9]
    assert (ran["sandbox"]["isolation"], ran["grants"]) == (isolation, {"rpc": [f"ai={service.path}"]})
    spans = [span for span in ran["spans"] if span["kind"] == "rpc"]
    assert sorted((span["rpc_service"], span["rpc_method"], span["status"]) for span in spans) == [
        ("ai", "refuse", "failed"),
        *[("ai", "square", "ok")] * 4,
    ]
    assert {span["parent_id"] for span in spans} == {ran["spans"][0]["span_id"]}


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_service_that_was_not_granted_fails_the_play_with_what_grants_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isolation: str
) -> None:
    """By its name, though another one was granted."""
    path = write_flow(tmp_path, "@flow\ndef main(): return flow.service('db').rows(table='x')\n")
    with serving(answer) as service:
        ran = run(tmp_path, path, isolation, monkeypatch, ai=service.path)

    assert ran["status"] == "failed"
    assert ran["error"].startswith("the service 'db' was not granted: `hero-logic run FLOW --rpc db=PATH`")


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_service_that_hangs_up_fails_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isolation: str
) -> None:
    """In the middle of its reply, in each isolation alike."""

    def hang_up(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b'{"jsonrpc": ')

    path = write_flow(tmp_path, "@flow\ndef main(): return flow.service('ai').ask()\n")
    with serving_by(hang_up) as service:
        ran = run(tmp_path, path, isolation, monkeypatch, ai=service.path)

    assert ran["status"] == "failed"
    assert "it closed the connection after 12 bytes of its reply" in ran["error"]


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_service_that_never_answers_holds_up_no_play_past_its_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isolation: str
) -> None:
    """The play ends as one that timed out, and the service sees that nobody waits any more."""
    gone = threading.Event()

    def listen(connection: socket.socket) -> None:
        while connection.recv(65536):
            continue
        gone.set()

    path = write_flow(tmp_path, "@flow\ndef main(): return flow.service('ai').ask()\n")
    with serving_by(listen) as service:
        ran = run(tmp_path, path, isolation, monkeypatch, timeout_s=1.0, ai=service.path)
        assert gone.wait(20), "the connection is still open"

    assert ran["status"] == "timed_out"


def test_where_a_play_makes_no_connection_a_service_that_is_not_there_keeps_it_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runtime would have to hand in a connection that it cannot have; nothing is recorded."""
    path = write_flow(tmp_path, CALLS)
    with serving(answer) as service:
        run(tmp_path, path, "landlock", monkeypatch, ai=service.path)
    left_over = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(left_over)

        with pytest.raises(LaunchFailed, match=f"the service at {left_over} takes no connection"):
            run(tmp_path, path, "landlock", monkeypatch, ai=left_over)
