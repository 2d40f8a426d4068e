"""``hero-logic serve``: what is loaded for it, and by nothing else; tests/server/ is about the server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.command import environment
from support.serving import serving

SERVER_MODULES = ("uvicorn", "httptools", "h11", "prometheus_client", "hero_logic.server", "asyncio")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["ls"], ["token"], ["serve", "--help"], ["run", "none.py"]]
)
def test_nothing_of_the_server_is_loaded_by_other_commands(tmp_path: Path, arguments: list[str]) -> None:
    """Who does not serve does not pay for it."""
    code = (
        "import sys; from hero_logic.app import main; main(sys.argv[1:]);"
        f"sys.stderr.write(' '.join(name for name in {SERVER_MODULES!r} if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment(HERO_LOGIC_HOME=str(tmp_path / "home")),
        capture_output=True,
        text=True,
        check=False,
    )

    loaded = done.stderr.rpartition("\n")[2].split()
    assert [name for name in loaded if name != "hero_logic.server" or arguments != ["token"]] == []


def test_a_server_needs_no_option(tmp_path: Path) -> None:
    """It serves where it is told nothing; the port aside, which others may have."""
    with serving(tmp_path / "home") as server:
        assert server.call("play_list") == {"plays": [], "next": None}
