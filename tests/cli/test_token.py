"""``hero-logic token``."""

from __future__ import annotations

import os
from pathlib import Path

from support.command import hero_logic


def test_it_is_made_once(tmp_path: Path) -> None:
    """Before any server, too; the next call prints the same."""
    first = hero_logic("token", HERO_LOGIC_HOME=str(tmp_path / "home"))
    second = hero_logic("token", HERO_LOGIC_HOME=str(tmp_path / "home"))

    assert first.returncode == 0
    assert first.stdout == second.stdout
    assert len(first.stdout.strip()) >= 43


def test_one_that_others_can_read_is_not_printed(tmp_path: Path) -> None:
    """The message says what to do."""
    hero_logic("token", HERO_LOGIC_HOME=str(tmp_path / "home"))
    os.chmod(tmp_path / "home" / "server-token", 0o640)
    done = hero_logic("token", HERO_LOGIC_HOME=str(tmp_path / "home"))

    assert (done.returncode, done.stdout) == (2, b"")
    assert b"chmod 600" in done.stderr
