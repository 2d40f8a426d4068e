"""What every test has: a home of its own, and nothing of the operator's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.turns import Turns, add_options


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of a soak."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """In a soak, tests have their turn."""
    soak_s = config.getoption("soak_s")
    if soak_s:
        config.pluginmanager.register(Turns(soak_s, config.getoption("soak_seed")))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every generated test, so that ``make soak`` finds them all."""
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker(pytest.mark.property)


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the data of the person who runs it."""
    for name in list(os.environ):
        if name.startswith("HERO_") and not name.startswith("HERO_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HERO_LOGIC_HOME", str(tmp_path / "home"))
    # Tests look into their plays through files and signals, which a sandbox denies; those about it name one.
    monkeypatch.setenv("HERO_LOGIC_SANDBOX", "tier0")
