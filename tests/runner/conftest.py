"""What tests of whole plays share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from support.runtime import Ran, run_flow, write_flow


@pytest.fixture
def played(tmp_path: Path) -> Callable[..., Ran]:
    """Run the body of a flow's file (the SDK's import is there already) in a home of the test's."""

    def play(body: str, *inputs: str, name: str = "a_flow.py", **options: object) -> Ran:
        path = write_flow(tmp_path, body, name=name)
        return run_flow(tmp_path / "home", path, *inputs, **options)  # type: ignore[arg-type]

    return play
