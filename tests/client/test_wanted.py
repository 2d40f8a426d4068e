"""What somebody asks for, as it was said."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from hero_logic.client.wanted import check_timeout, is_meant_as_file
from hero_logic.core.errors import UsageError


def test_what_is_there_is_a_file_but_for_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ends in .py always is; a link that leads nowhere is there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain").write_text("")
    (tmp_path / "directory").mkdir()
    os.symlink("nowhere", tmp_path / "link")

    assert [name for name in ("plain", "directory", "link", "gone", "gone.py") if is_meant_as_file(name)] == [
        "plain",
        "link",
        "gone.py",
    ]


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, 1e9, float("inf"), float("nan")])
def test_what_is_no_time_is_refused(timeout_s: float) -> None:
    """With the value, and what it may be."""
    with pytest.raises(UsageError, match=re.escape(f"--timeout {timeout_s:g}: it is a number of seconds")):
        check_timeout(timeout_s)


def test_none_is_no_limit() -> None:
    """And any other time is one."""
    check_timeout(None)
    check_timeout(0.001)
