"""A server for all tests of a file, and one play in it that has ended."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.command import hero_logic
from support.runtime import write_flow
from support.serving import Server, serving

FLOW = """
@flow
def hello(name: str = "Ada"):
    with flow.step("choose", name=name) as span:
        span.log("one")
        span.log("two")
    try:
        with flow.step("fail"):
            raise ValueError("it is for a test")
    except ValueError:
        pass
    return {"hello": name}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over a play of three spans."""
    directory = tmp_path_factory.mktemp("s")
    path = write_flow(directory, FLOW)
    home = directory / "home"
    done = hero_logic("run", path, "--json", HERO_LOGIC_HOME=str(home), HERO_LOGIC_SANDBOX="tier0")
    assert done.returncode == 0, done.stderr
    with serving(home) as started:
        yield started
