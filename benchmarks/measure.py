"""What the benchmarks share: medians, ratios to a floor of the same run, a table, a JSON file.

A benchmark claims a ratio, never a time: absolute figures are those of one machine at one moment. Both
sides of a ratio are measured in turns, so that a busy moment falls on both.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable


class Claim:
    """One line of a benchmark: a figure, the floor it is held against, and the goal for their ratio."""

    def __init__(
        self,
        name: str,
        *,
        values: list[float],
        floor: list[float],
        floor_name: str,
        unit: str,
        goal: float | None,
    ) -> None:
        self.name = name
        self.values = values
        self.floor = floor
        self.floor_name = floor_name
        self.unit = unit
        self.goal = goal

    @property
    def ratio(self) -> float:
        """The median over the floor's median."""
        return statistics.median(self.values) / statistics.median(self.floor)

    @property
    def is_met(self) -> bool:
        """Whether the goal is reached, where there is one."""
        return self.goal is None or self.ratio <= self.goal

    def as_text(self) -> str:
        """The claim as one line of the table."""
        goal = "" if self.goal is None else f"  goal {self.goal:g}  {'met' if self.is_met else 'MISSED'}"
        return (
            f"{self.name:<52} {statistics.median(self.values):>9.2f} {self.unit}"
            f"   {self.ratio:>6.2f} x {self.floor_name}"
            f" ({statistics.median(self.floor):.2f} {self.unit}){goal}"
        )

    def as_json(self) -> dict[str, object]:
        """The claim with all it was made from."""
        return {
            "name": self.name,
            "unit": self.unit,
            "median": statistics.median(self.values),
            "spread": [min(self.values), max(self.values)],
            "n": len(self.values),
            "floor": self.floor_name,
            "floor_median": statistics.median(self.floor),
            "floor_spread": [min(self.floor), max(self.floor)],
            "ratio": self.ratio,
            "goal": self.goal,
            "is_met": self.is_met,
        }


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
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="a smoke run: few rounds, and no goal is held")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    return parser.parse_args()


def finish(title: str, claims: list[Claim], options: argparse.Namespace) -> int:
    """Print the table, write the file; 1 if a goal was missed in a full run."""
    print(f"# {title} (Python {platform.python_version()}, {os.cpu_count()} cores)")
    for claim in claims:
        print(claim.as_text())
    if options.json:
        document = {
            "title": title,
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.release()}",
            "python": platform.python_version(),
            "commit": _commit(),
            "is_quick": options.quick,
            "claims": [claim.as_json() for claim in claims],
        }
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
    return 0 if options.quick or all(claim.is_met for claim in claims) else 1


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit("this is what the benchmarks share; run one of them")
