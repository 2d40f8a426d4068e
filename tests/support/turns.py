"""Which of the long tests a soak runs: they take longer than it has, so each soak has another part of them.

The one that lasts as long as the soak comes first; then a quarter of those that take minutes; then all the
rest, in an order that the seed decides, until the time is over. Told at the end is what was run.

Source: docs/design/0025-what-a-soak-runs.md.
"""

from __future__ import annotations

import random
import time

import pytest

WHOLE = "whole"
"""``pytest.mark.soak(WHOLE)``: it lasts as long as the soak, beside all else."""
HANDS = 4
"""In how many soaks those that take minutes have all been run, were they dealt in turn."""
BLOCK = 20
"""So many tests of a file stay together: what a file makes for its tests, it then makes once for them."""
LONG_S = 900
"""Who asks for a timeout of so long takes minutes."""
_NAMED = 8


def add_options(parser: pytest.Parser) -> None:
    """What ``tools/soak.py`` says."""
    group = parser.getgroup("soak")
    group.addoption("--soak-s", type=float, default=0.0, help="run long tests for so many seconds, in turn")
    group.addoption("--soak-seed", type=int, default=0, help="what decides which of them, and their order")


class Turns:
    """A plugin that deals the tests of one soak."""

    def __init__(self, soak_s: float, seed: int) -> None:
        self._soak_s = soak_s
        self._until_s = 0.0
        self._seed = seed

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Order them, and leave out the long ones whose turn it is not."""
        kept = deal(items, self._seed)
        left_out = set(items) - set(kept)
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = kept

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin nothing once the time is over; it is counted from the first test on."""
        self._until_s = self._until_s or time.monotonic() + self._soak_s
        if time.monotonic() > self._until_s:
            pytest.skip("the time of this soak is over; another one, with another seed, runs it")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what was run, and what tests have recorded of it."""
        ran: dict[str, list[str]] = {}
        told: list[str] = []
        for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
            if report.when == "call":
                path, _, name = report.nodeid.partition("::")
                ran.setdefault(path, []).append(name)
                told += [f"{name}, {what}: {value}" for what, value in report.user_properties]
        terminalreporter.section(f"run in this soak, of {self._soak_s:.0f} s with the seed {self._seed}")
        for path in sorted(ran):
            named = ": " + ", ".join(sorted(ran[path])) if len(ran[path]) <= _NAMED else ""
            terminalreporter.write_line(f"{path}, {len(ran[path])}{named}")
        for line in told:
            terminalreporter.write_line(line)


def deal(items: list[pytest.Item], seed: int) -> list[pytest.Item]:
    """The tests of a soak, in the order in which they are begun."""
    dice = random.Random(seed)
    whole, long = [], []
    others: dict[str, list[pytest.Item]] = {}
    for item in items:
        soak = item.get_closest_marker("soak")
        timeout = item.get_closest_marker("timeout")
        if soak is not None and WHOLE in soak.args:
            whole.append(item)
        elif timeout is not None and timeout.args[0] >= LONG_S:
            long.append(item)
        else:
            others.setdefault(item.nodeid.partition("::")[0], []).append(item)
    dice.shuffle(long)
    blocks = []
    for of_file in others.values():
        dice.shuffle(of_file)
        blocks += [of_file[start : start + BLOCK] for start in range(0, len(of_file), BLOCK)]
    dice.shuffle(blocks)
    return [*whole, *long[: -(-len(long) // HANDS)], *(item for block in blocks for item in block)]
