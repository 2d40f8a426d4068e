"""Where the data lies."""

from __future__ import annotations

import os
import sys

import platformdirs
import pytest

from hero_logic.config import Config
from hero_logic.core.errors import UsageError


@pytest.mark.skipif(sys.platform != "linux", reason="the rule of other systems is platformdirs' own")
@pytest.mark.parametrize(
    "base", [None, "", "  ", "/data", "/data/", "/with space", " /padded ", "relative", "~/mine"]
)
def test_the_platforms_directory_is_that_of_platformdirs(
    monkeypatch: pytest.MonkeyPatch, base: str | None
) -> None:
    """Our three lines and their library agree."""
    if base is None:
        monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_DATA_HOME", base)
    environment = {name: os.environ[name] for name in ("XDG_DATA_HOME",) if name in os.environ}
    home = Config.from_environment(environment).home

    assert home == os.path.abspath(platformdirs.user_data_dir("hero_logic", appauthor=False))


@pytest.mark.parametrize(
    ("said", "home"),
    [("/x", "/x"), ("/x/../y/", "/y"), ("~/h", os.path.expanduser("~/h")), ("h", os.path.abspath("h"))],
)
def test_the_home_can_be_moved(said: str, home: str) -> None:
    """To any directory; a relative one is from where the command runs."""
    config = Config.from_environment({"HERO_LOGIC_HOME": said, "XDG_DATA_HOME": "/other"})

    assert config.home == home
    assert config.database.startswith(f"{home}/")
    assert {os.path.dirname(path) for path in (config.plays_dir, config.runtimes_dir, config.cache_dir)} == {
        home
    }


@pytest.mark.parametrize(("said", "found"), [("normal", "normal"), ("FULL", "full")])
def test_how_safely_is_written_can_be_said(said: str, found: str) -> None:
    """In any case of letters."""
    assert Config.from_environment({"HERO_LOGIC_SYNCHRONOUS": said}).synchronous == found


@pytest.mark.parametrize("said", ["off", "", "2"])
def test_a_word_that_means_nothing_is_an_error(said: str) -> None:
    """It names the variable, the value, and what may stand there."""
    with pytest.raises(UsageError, match=f"HERO_LOGIC_SYNCHRONOUS is '{said}'; it may be normal or full"):
        Config.from_environment({"HERO_LOGIC_SYNCHRONOUS": said})
