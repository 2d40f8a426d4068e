"""A play on a server, asked for and shown by this process: what a face is told, and in which order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hero_logic.client import RunRequest
from hero_logic.client.against import ServerClient
from hero_logic.client.carriers import Place
from hero_logic.client.link import Link
from hero_logic.client.seam import Asked
from hero_logic.core.errors import BadFlowFile, FlowArchived, LegacyFlow, UsageError
from hero_logic.core.records import Play, SpanRow
from support.runtime import client_at, write_flow
from support.serving import Server, serving, session_over
from support.working import QUICK

MANY = """
@flow
def main(n: int = 3000):
    for number in range(n):
        with flow.step(f"step {number % 7}"):
            pass
    return n
"""


class Recorder:
    """A face that keeps what it is told."""

    interval_s: float | None = None

    def __init__(self) -> None:
        self.told: list[str] = []
        self.rows: dict[str, SpanRow] = {}
        self.repeats = 0
        self.play: Play | None = None

    def begin(self, play: Play, *, sandbox_line: str) -> None:
        self.told.append(f"begin {play.flow} {sandbox_line}")

    def changed(self, rows: list[SpanRow], now_ms: float) -> None:
        assert self.told, "spans come after the beginning"
        for row in rows:
            before = self.rows.get(row.span_id)
            self.repeats += before is not None and before.revision >= row.revision
            self.rows[row.span_id] = row

    def tick(self, now_ms: float) -> None:
        pass

    def note(self, text: str) -> None:
        self.told.append(text)

    def end(self, play: Play) -> None:
        self.told.append("end")
        self.play = play


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("s") / "home") as started:
        started.publish("many", MANY)
        yield started


def client_of(server: Server, home: Path) -> ServerClient:
    """Of somebody with data of their own."""
    return ServerClient(
        client_at(home), Link(Place(socket_path=server.socket_path), None), said_server=" --server S"
    )


def wanted(flow: str, *assignments: str, timeout_s: float | None = None) -> RunRequest:
    return RunRequest(flow, assignments=list(assignments), timeout_s=timeout_s)


def test_a_face_is_told_all_of_it_once(server: Server, tmp_path: Path) -> None:
    """The beginning first, each span as it stands, none twice, and the end last."""
    face = Recorder()
    play = client_of(server, tmp_path).ready(wanted("many"))(face)

    assert (face.told[0], face.told[-1]) == ("begin many tier0", "end")
    assert (len(face.rows), face.repeats) == (3001, 0)
    assert {row.status for row in face.rows.values()} == {"ok"}
    assert (play.status, play.output_json, face.play) == ("ok", "3000", play)


def test_nothing_is_published_before_it_is_run(server: Server, tmp_path: Path) -> None:
    """What is only made ready leaves nothing; what is run is that version, whatever came since."""
    client = client_of(server, tmp_path)
    path = write_flow(tmp_path, "@flow\ndef later(n: int = 1):\n    return n\n")
    run = client.ready(wanted(path, "n=4"))
    assert server.refused("flow_get", flow_sid="later")[0] == "not_found"
    assert run(Recorder()).output_json == "4"
    run_published = client.ready(wanted("later", "n=5"))
    server.publish("later", "@flow\ndef later(n: int = 1):\n    return -n\n")

    assert run_published(Recorder()).output_json == "5"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def (", "1:5: "),
        ("@flow\ndef a(): ...\n@flow\ndef b(): ...\n", "b (line 5)"),
        ("x = 1\n", "no flow"),
        ('{"name": "old", "nodes": []}', "migrate"),
    ],
)
def test_a_file_that_cannot_be_published_is_refused_here(
    server: Server, tmp_path: Path, source: str, message: str
) -> None:
    """With every problem and its place, before anybody is asked."""
    path = tmp_path / "wrong.py"
    path.write_text(source if source.startswith("{") else f"from hero_tracing import flow\n{source}")
    client = ServerClient(client_at(tmp_path), Link(Place(socket_path="/nowhere"), None), said_server="")

    with pytest.raises(BadFlowFile, match="cannot be published") as refused:
        client.ready(wanted(str(path)))
    assert message.replace("1:5", "2:5") in str(refused.value)


def test_what_nothing_runs_is_refused_by_the_server(server: Server, tmp_path: Path) -> None:
    """A workflow of before, and a flow that was put away."""
    with session_over(server.home) as session:
        session.flows.put_legacy(name="old", dag_json='{"name": "old", "nodes": []}')
    server.publish("away", QUICK)
    server.call("flow_archive", flow_sid="away")
    client = client_of(server, tmp_path)

    with pytest.raises(LegacyFlow):
        client.ready(wanted("old"))(Recorder())
    with pytest.raises(FlowArchived):
        client.ready(wanted("away"))(Recorder())


def test_outside_the_main_thread_signals_are_somebody_elses(server: Server, tmp_path: Path) -> None:
    """The play is shown all the same."""
    found: list[str] = []
    run = client_of(server, tmp_path).ready(wanted("many", "n=1"))
    thread = threading.Thread(target=lambda: found.append(run(Recorder()).status))
    thread.start()
    thread.join(30)

    assert found == ["ok"]


def test_here_and_there_are_asked_alike(server: Server, tmp_path: Path) -> None:
    """What has to be said to ask again is said by each of them."""
    there: Asked = client_of(server, tmp_path)
    here: Asked = client_at(tmp_path)

    assert (there.said_server, here.said_server) == (" --server S", "")
    assert (there.artifacts_dir("p"), here.artifacts_dir("p") != "") == ("", True)
    with pytest.raises(UsageError, match="--keep"):
        there.prepare_keeping(str(tmp_path / "kept"))
    assert not (tmp_path / "kept").exists()
