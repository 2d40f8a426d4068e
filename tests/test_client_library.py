"""The library as a face uses it: what is published of a file, and what is run by name."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from hero_logic.client import Client, RunRequest
from hero_logic.core.errors import BadFlowFile, NotFound
from support.runtime import QuietFace, client_at, write_flow

FLOW = "@flow\ndef main(n: int = 3):\n    return n\n"


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return client_at(tmp_path / "home")


def publish(client: Client, path: str, name: str | None = None) -> str:
    read = client.read_to_publish(path, name)
    with client.read() as reading:
        done = reading.flows.put(name=read.name, python_source=read.source, beside=read.beside)
    assert done.version_sid is not None
    return done.version_sid


def test_a_flow_of_the_library_is_prepared_as_its_file_is(tmp_path: Path, client: Client) -> None:
    """The same source, the same input; its path is one at which nothing lies."""
    path = write_flow(tmp_path, FLOW, name="greet.py")
    publish(client, path)
    of_file = client.prepare(RunRequest(path, assignments=["n=4"], python=sys.executable))
    of_library = client.prepare(RunRequest("greet", assignments=["n=4"], python=sys.executable))

    assert (of_library.source, of_library.input_json) == (of_file.source, of_file.input_json)
    assert (of_file.published_name, of_library.published_name) == ("", "greet")
    assert of_library.path.endswith("/greet.py")
    assert not Path(of_library.path).parent.exists()


def test_a_play_of_the_library_runs_the_version_that_is_on_record(tmp_path: Path, client: Client) -> None:
    """No other is made; and it came from no file."""
    version_sid = publish(client, write_flow(tmp_path, FLOW, name="greet.py"), "my flow")
    order = client.prepare(RunRequest("my flow", assignments=[], python=sys.executable))
    play = client.run(order, QuietFace())

    with client.read() as reading:
        assert (play.version_sid, play.flow) == (version_sid, "my flow")
        assert reading.path_of(play) == ""
        assert reading.flows.count_plays("my flow") == 1


def test_a_publication_between_preparing_and_running_changes_nothing(tmp_path: Path, client: Client) -> None:
    """What was prepared is what runs, even if the flow is deleted meanwhile."""
    first = publish(client, write_flow(tmp_path, FLOW, name="greet.py"))
    order = client.prepare(RunRequest("greet", assignments=[], python=sys.executable))
    publish(client, write_flow(tmp_path, FLOW.replace("return n", "return -n"), name="greet.py"))
    with client.read() as reading:
        reading.flows.delete("greet")
    play = client.run(order, QuietFace())

    with client.read() as reading:
        document = json.loads(b"".join(reading.document(reading.play(play.sid))))
        assert (play.version_sid, document["output"]) == (first, 3)


@pytest.mark.parametrize(
    ("flow", "error"),
    [("gone", NotFound), ("gone.py", BadFlowFile), ("there", BadFlowFile), ("a\0b", NotFound)],
)
def test_what_is_neither_a_file_nor_a_flow_is_an_error(
    tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch, flow: str, error: type[Exception]
) -> None:
    """A directory is told to be none; what ends in .py is not looked for in the library."""
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path)

    with pytest.raises(error):
        client.prepare(RunRequest(flow, assignments=[]))


def test_what_lies_beside_a_file_is_known_when_it_is_read(tmp_path: Path, client: Client) -> None:
    """Of what it imports."""
    (tmp_path / "helpers.py").write_text("")
    (tmp_path / "unused.py").write_text("")
    read = client.read_to_publish(write_flow(tmp_path, "import helpers, json\n" + FLOW, name="f.py"), None)

    assert (read.name, read.beside, read.is_legacy) == ("f", {"helpers"}, False)
