"""docs/rpc.md says what the server does: methods, events, errors, places, columns; its examples run."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator

import pytest

from hero_logic.server.first_view import LAYOUT
from hero_logic.server.methods import table
from hero_logic.server.refusals import STANDARD, refusal_of
from support.command import hero_logic
from support.serving import serving
from test_docs import DOCS, ROOT, SOURCE, error_classes, read, section


def test_every_method_has_a_heading() -> None:
    """docs/rpc.md has a section for each method of the table, and for no others."""
    listed = re.findall(r"^### (.+)$", section(read(DOCS / "rpc.md"), "Methods"), re.MULTILINE)

    assert listed == list(table())


def test_every_event_of_a_stream_has_a_heading() -> None:
    """docs/rpc.md has a section for each event that the server can send."""
    listed = re.findall(r"^### (.+)$", section(read(DOCS / "rpc.md"), "Events"), re.MULTILINE)
    sent = {
        name
        for path in (SOURCE / "hero_logic" / "server").glob("*.py")
        for name in re.findall(r"\bevent\(\"(\w+)\"", read(path))
    }

    assert set(listed) == sent
    assert sent == {"span", "play", "deleted", "reset", "end"}


def test_every_number_of_an_error_has_a_heading() -> None:
    """docs/rpc.md has the numbers of JSON-RPC and of ours, each with the string codes that go with it."""
    page = section(read(DOCS / "rpc.md"), "Errors")

    for error in error_classes():
        assert f"[`{error.code}`]" in section(page, str(refusal_of(error).number))
    for number, (code, _) in STANDARD.items():
        assert f"`{code}`" in section(page, str(number))


def test_every_measure_is_documented() -> None:
    """docs/rpc.md has a row for each number that the server counts, and for no others."""
    sources = "".join(read(path) for path in (SOURCE / "hero_logic" / "server").glob("*.py"))
    listed = re.findall(
        r"^\| `(hero_logic_\w+)` \|", section(read(DOCS / "rpc.md"), "What is counted"), re.MULTILINE
    )

    assert set(listed) == set(re.findall(r"(?:gauge|MetricFamily)\(\s*\"(hero_logic_\w+)\"", sources))
    assert "hero_logic_plays_waiting" in listed


def test_every_place_of_the_server_is_documented() -> None:
    """docs/rpc.md names each path."""
    text = read(SOURCE / "hero_logic" / "server" / "http.py")
    places = re.findall(r"^            \"(/[\w.-]+)\":", text, re.MULTILINE)
    page = section(read(DOCS / "rpc.md"), "A server")

    assert {"/rpc", "/login"} <= set(places)
    assert [place for place in places if f"{place}`" not in page] == []


def test_the_columns_of_a_block_are_documented_in_their_order() -> None:
    """docs/rpc.md names them."""
    page = " ".join(section(read(DOCS / "rpc.md"), "The first view").split())

    assert " ".join(name for name, _ in LAYOUT) in page


def curl_lines() -> list[str]:
    """The commands of the examples in docs/rpc.md."""
    fences = re.findall(r"^```sh\n(.*?)^```$", read(DOCS / "rpc.md"), re.DOTALL | re.MULTILINE)
    return [line for fence in fences for line in fence.splitlines()]


@pytest.fixture(scope="module")
def example_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A server over a play, as the examples want it: what they take from the environment."""
    home = tmp_path_factory.mktemp("docs") / "home"
    variables = {"HERO_LOGIC_HOME": str(home), "HERO_LOGIC_SANDBOX": "tier0"}
    done = hero_logic("run", str(ROOT / "examples" / "greet.py"), "-i", "name=Ada", "--json", **variables)
    with serving(home) as server:
        yield {
            "URL": server.url,
            "TOKEN": server.token,
            "SOCKET": server.socket_path,
            "SID": json.loads(done.stdout)["sid"],
            "PATH": os.environ["PATH"],
        }


@pytest.mark.parametrize("line", curl_lines())
def test_every_example_for_curl_is_answered(example_server: dict[str, str], line: str) -> None:
    """As it stands, with curl, by a server: something, and no error."""
    done = subprocess.run(
        ["bash", "-ec", line], env=example_server, capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout or "-o /dev/null" in line or "after=" in line
    assert not re.search(r'^\{"error"|"id":[^,]+,"error"', done.stdout)
