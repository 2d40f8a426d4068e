"""What the benchmarks share: medians, ratios to a floor of the same run, a table, a JSON file.

A benchmark claims a ratio, never a time: absolute figures are those of one machine at one moment. Both
sides of a ratio are measured in turns, so that a busy moment falls on both.

A floor is what a figure is held against: the least that the work can cost, or a peer that does the same work.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Literal

Better = Literal["less", "more"]
"""Whether a smaller figure is the better one (a time, a size) or a larger one (a rate)."""


class Claim:
    """One line of a benchmark: a figure, the floor it is held against, and the goal for their ratio.

    ``goal`` is the most that the ratio may be where less is better (1.3 times a floor, 0.2 or a fifth of a
    peer), and the least where more is better (50 times the rate of a peer). ``limit`` is the same for the
    figure itself, in its unit, where a promise is absolute: nothing lost, an answer within so many
    milliseconds. With neither the figure is only told.
    """

    def __init__(
        self,
        name: str,
        *,
        values: list[float],
        floor: list[float],
        floor_name: str,
        unit: str,
        goal: float | None,
        limit: float | None = None,
        better: Better = "less",
    ) -> None:
        self.name = name
        self.values = values
        self.floor = floor
        self.floor_name = floor_name
        self.unit = unit
        self.goal = goal
        self.limit = limit
        self.better = better

    @property
    def median(self) -> float:
        """The figure."""
        return statistics.median(self.values)

    @property
    def ratio(self) -> float:
        """The median over the floor's median."""
        return self.median / statistics.median(self.floor)

    @property
    def is_met(self) -> bool:
        """Whether the goal and the limit are kept, where there are any."""
        return _is_kept(self.ratio, self.goal, self.better) and _is_kept(self.median, self.limit, self.better)

    def as_text(self) -> str:
        """The claim as one line of the table."""
        wanted = goal_in_words(self.goal, self.limit, self.unit, self.better)
        verdict = "met" if self.is_met else "MISSED"
        return (
            f"{self.name:<52} {amount(self.median):>9} {self.unit:<7} {times(self.ratio):>10}"
            f" {self.floor_name} ({amount(statistics.median(self.floor))} {self.unit})"
            f"{f'  goal {wanted}: {verdict}' if wanted else ''}"
        )

    def as_json(self) -> dict[str, object]:
        """The claim with all it was made from."""
        return {
            "name": self.name,
            "unit": self.unit,
            "median": self.median,
            "spread": [min(self.values), max(self.values)],
            "n": len(self.values),
            "floor": self.floor_name,
            "floor_median": statistics.median(self.floor),
            "floor_spread": [min(self.floor), max(self.floor)],
            "ratio": self.ratio,
            "goal": self.goal,
            "limit": self.limit,
            "better": self.better,
            "is_met": self.is_met,
        }


class NotMeasured:
    """A claim that could not be held against its floor here, and why; it counts as missed in a full run."""

    is_met = False

    def __init__(
        self, name: str, *, floor_name: str, unit: str, goal: float, why: str, better: Better = "less"
    ) -> None:
        self.name = name
        self.floor_name = floor_name
        self.unit = unit
        self.goal = goal
        self.why = why
        self.better = better

    def as_text(self) -> str:
        """The claim as one line of the table."""
        wanted = goal_in_words(self.goal, None, self.unit, self.better)
        return (
            f"{self.name:<52} {'-':>9} {self.unit:<7} {'-':>10} {self.floor_name}"
            f"  goal {wanted}: not measured: {self.why}"
        )

    def as_json(self) -> dict[str, object]:
        """The claim, without figures."""
        return {
            "name": self.name,
            "unit": self.unit,
            "floor": self.floor_name,
            "goal": self.goal,
            "limit": None,
            "better": self.better,
            "is_met": False,
            "not_measured": self.why,
        }


def times(ratio: float) -> str:
    """A ratio as a person says it.

    >>> times(1.283), times(11.96), times(312.4), times(0.1263), times(0.9)
    ('1.28 x', '12.0 x', '312 x', '1/7.92 of', '0.90 x')
    """
    if 0 < ratio <= 0.5:
        return f"1/{_digits(1 / ratio)} of"
    return f"{_digits(ratio)} x"


def amount(value: float) -> str:
    """A figure with as many digits as mean something.

    >>> amount(0), amount(0.0421), amount(1.284), amount(21.27), amount(50212.3)
    ('0', '0.042', '1.28', '21.3', '50,212')
    """
    return f"{value:.2g}" if value < 0.1 else _digits(value)


def goal_in_words(goal: float | None, limit: float | None, unit: str, better: Better) -> str:
    """What a claim has to keep; "" where that is nothing.

    >>> goal_in_words(1.3, None, "us", "less"), goal_in_words(0.2, None, "us", "less")
    ('at most 1.3 x', 'at most 1/5')
    >>> goal_in_words(50, None, "spans/s", "more"), goal_in_words(None, 0.0, "events", "less")
    ('at least 50 x', 'at most 0 events')
    """
    kept = []
    if goal is not None:
        kept.append(f"1/{1 / goal:.3g}" if 0 < goal <= 0.5 else f"{goal:g} x")
    if limit is not None:
        kept.append(f"{limit:,g} {unit}")
    return f"{'at most' if better == 'less' else 'at least'} {' and '.join(kept)}" if kept else ""


def _digits(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _is_kept(value: float, bound: float | None, better: Better) -> bool:
    if bound is None:
        return True
    return value <= bound if better == "less" else value >= bound


def in_turns(cases: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Measure each case once a round, in turns; the first round warms up and does not count."""
    results: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(rounds + 1):
        for name, measure in cases.items():
            value = measure()
            if number:
                results[name].append(value)
    return results


def arguments(description: str) -> argparse.Namespace:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a smoke run: few rounds, and no goal is held")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    return parser.parse_args()


def finish(
    title: str,
    claims: Sequence[Claim | NotMeasured],
    options: argparse.Namespace,
    *,
    versions: dict[str, str] | None = None,
) -> int:
    """Print the table, write the file; 1 if a goal was missed in a full run.

    ``versions`` names what the figures were taken with besides Python: the packages of a peer.
    """
    print(f"# {title} (Python {platform.python_version()}, {os.cpu_count()} cores)")
    if versions:
        print(f"# {', '.join(f'{name} {version}' for name, version in versions.items())}")
    for claim in claims:
        print(claim.as_text())
    if options.json:
        document = {
            "title": title,
            "machine": machine(),
            "python": platform.python_version(),
            "versions": versions or {},
            "commit": _commit(),
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "is_quick": options.quick,
            "claims": [claim.as_json() for claim in claims],
        }
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
    return 0 if options.quick or all(claim.is_met for claim in claims) else 1


def machine() -> str:
    """This machine in a few words: architecture, processor, cores, system."""
    system = re.match(r"\d+\.\d+", platform.release())
    parts = [platform.machine(), _processor(), f"{os.cpu_count()} cores"]
    parts.append(f"{platform.system()} {system[0] if system else platform.release()}")
    return ", ".join(part for part in parts if part)


def _processor() -> str:
    """The processor's model, "" where the system does not say."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            found = re.search(r"^model name\s*: (.+)$", file.read(), re.MULTILINE)
    except OSError:
        return ""
    return found[1].strip() if found else ""


def _commit() -> str:
    command = ["git", "describe", "--always", "--exclude=*", "--dirty"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit("this is what the benchmarks share; run one of them")
