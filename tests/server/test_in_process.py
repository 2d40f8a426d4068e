"""The service in this process: the same answers as over HTTP, and nothing is left of it afterwards."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hero_logic.app import make_client, open_session
from hero_logic.config import Config
from hero_logic.core.errors import StoreDamaged
from hero_logic.server.in_process import InProcess
from hero_logic.service.session import Session
from support.working import QUICK


def made_at(home: Path) -> InProcess:
    client = make_client({"HERO_LOGIC_HOME": str(home)})
    return InProcess(lambda: open_session(Config(str(home))), client.verbs)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[InProcess]:
    made = made_at(tmp_path / "home")
    yield made
    made.close()


def ask(service: InProcess, method: str, **params: Any) -> dict[str, Any]:
    """The answer to a request, from this thread."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    answer = asyncio.run_coroutine_threadsafe(service.answer(body), service.loop).result(20)
    assert answer is not None
    return dict(json.loads(answer))


def service_threads() -> list[str]:
    names = ("service", "rpc-read", "rpc-write", "stream")
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(names)]


def test_it_answers_requests(service: InProcess) -> None:
    """Of JSON-RPC, with its errors."""
    put = ask(service, "flow_put", name="quick", python_source=f"from hero_tracing import flow\n{QUICK}")
    listed = ask(service, "flow_list")
    missing = ask(service, "play_get", play_sid="nobody")

    assert put["result"]["problems"] == []
    assert [flow["name"] for flow in listed["result"]["flows"]] == ["quick"]
    assert missing["error"]["data"]["code"] == "not_found"


def test_a_play_waits_for_a_worker_of_the_same_data(service: InProcess) -> None:
    """It runs none itself: what is asked for is on record, and says that it waits."""
    ask(service, "flow_put", name="quick", python_source=f"from hero_tracing import flow\n{QUICK}")
    sid = ask(service, "play_run_async", flow_sid="quick")["result"]
    state = ask(service, "play_status", play_sid=sid)["result"]

    assert (state["status"], state["is_waiting"]) == ("pending", True)


def test_closing_it_ends_its_threads(tmp_path: Path) -> None:
    """Once or twice."""
    before = service_threads()
    made = made_at(tmp_path / "home")
    ask(made, "play_list")
    assert len(service_threads()) > len(before)
    made.close()
    made.close()

    assert service_threads() == before


def test_a_store_that_cannot_be_opened_leaves_nothing(tmp_path: Path) -> None:
    """The error is the store's own."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "hero_logic.db").write_bytes(b"no database at all" * 100)
    before = service_threads()

    with pytest.raises(StoreDamaged):
        made_at(tmp_path / "home")
    assert service_threads() == before


def test_what_fails_inside_is_printed_and_not_answered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The answer names it by an id under which it is found."""

    def no_verbs(session: Session) -> Any:
        return None

    service = InProcess(lambda: open_session(Config(str(tmp_path / "home"))), no_verbs)
    error = ask(service, "play_cancel", play_sid="p")["error"]
    service.close()
    printed = capsys.readouterr().err

    assert error["data"]["code"] == "internal_error"
    assert "Assertion" not in error["message"]
    assert "AssertionError" in printed
    assert error["message"].rpartition(" ")[2] in printed
