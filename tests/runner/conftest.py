"""What tests of whole plays share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.listening import Listening
from support.runtime import Ran, run_flow, write_flow


@pytest.fixture
def played(tmp_path: Path) -> Callable[..., Ran]:
    """Run the body of a flow's file (the SDK's import is there already) in a home of the test's."""

    def play(body: str, *inputs: str, name: str = "a_flow.py", **options: object) -> Ran:
        path = write_flow(tmp_path, body, name=name)
        return run_flow(tmp_path / "home", path, *inputs, **options)  # type: ignore[arg-type]

    return play


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short directory of the test's own: a socket's path has 107 bytes."""
    short = Path(f"/tmp/hl-{os.getpid()}-{abs(hash(str(tmp_path))) % 10**9}")
    short.mkdir()
    monkeypatch.setenv("HERO_LOGIC_RUNTIME_DIR", str(short))
    yield short
    for path in short.iterdir():
        path.unlink()
    short.rmdir()


@pytest.fixture
def listening(directory: Path) -> Iterator[Listening]:
    opened = Listening(directory)
    yield opened
    opened.listener.close()
