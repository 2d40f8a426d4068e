"""The measured figures: takes a full run of the benchmarks in, and writes the tables made from it.

    python tools/figures.py            build/benchmarks/*.json -> benchmarks/figures.json -> the tables
    python tools/figures.py --check    says whether the tables are what benchmarks/figures.json says

The tables stand between ``<!-- generated: figures -->`` and ``<!-- end -->``: in README.md the claims that
have a goal, and of several sizes of a play the largest; in docs/benchmarks.md all of them. A benchmark that
was not run again keeps its figures, and a quick run is never taken in.
"""

from __future__ import annotations

import argparse
import difflib
import glob
import json
import os
import re
import sys
from typing import Any

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "benchmarks"))

from measure import amount, goal_in_words, times  # noqa: E402  # the path comes first

FIGURES = os.path.join("benchmarks", "figures.json")
README = "README.md"
PAGE = os.path.join("docs", "benchmarks.md")
ORDER = ("emit", "ingest", "live", "service", "readback", "kill", "cli", "peers")

Figures = dict[str, dict[str, Any]]
"""What each benchmark wrote in its last full run, by its name."""

_BLOCK = re.compile(r"(<!-- generated: figures -->\n).*?(<!-- end -->\n)", re.DOTALL)
_NO_FIGURES = "No full run has been taken in yet: `make bench`, then `python tools/figures.py`.\n"
_HEAD = "| what | figure | beside | goal | |\n|---|---|---|---|---|\n"
_KEPT = ("title", "machine", "python", "versions", "date", "commit", "claims")


def main(words: list[str]) -> int:
    """Take the figures in and write the tables, or check these; 1 where a table is not what it should be."""
    parser = argparse.ArgumentParser(description="Take in what a full run of the benchmarks measured.")
    parser.add_argument("--check", action="store_true", help="say whether the tables are up to date")
    parser.add_argument("--root", default=ROOT, help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    known: Figures = json.loads(read(options.root, FIGURES) or "{}")
    if not options.check:
        known |= measured(options.root)
        write(options.root, FIGURES, json.dumps(known, indent=1, ensure_ascii=False) + "\n")
    stale = 0
    for path, with_all in ((README, False), (PAGE, True)):
        stale |= is_stale(options.root, path, tables(known, with_all=with_all), write_it=not options.check)
    return stale


def is_stale(root: str, path: str, table: str, *, write_it: bool) -> bool:
    """Whether a page has another table than this, and still has it afterwards."""
    found = read(root, path)
    block = _BLOCK.search(found)
    if not block:
        print(f"{path} has no block `<!-- generated: figures -->`")
        return True
    wanted = found[: block.end(1)] + table + found[block.start(2) :]
    if found == wanted:
        return False
    if write_it:
        write(root, path, wanted)
        print(f"wrote {path}")
        return False
    print(f"{path} is not what {FIGURES} says (+); run `python tools/figures.py`:")
    print("\n".join(difflib.unified_diff(found.splitlines(), wanted.splitlines(), lineterm="", n=0)))
    return True


def measured(root: str) -> Figures:
    """What lies in build/benchmarks/, quick runs left out."""
    found: Figures = {}
    for path in glob.glob(os.path.join(root, "build", "benchmarks", "*.json")):
        name = os.path.splitext(os.path.basename(path))[0]
        document = json.loads(read(root, path))
        if document["is_quick"]:
            print(f"{name}: left out, a quick run")
        else:
            found[name] = {key: document[key] for key in _KEPT}
            found[name]["claims"] = [rounded(claim) for claim in document["claims"]]
    return found


def rounded(claim: dict[str, Any]) -> dict[str, Any]:
    """Numbers to four digits: what differs from run to run is not worth a line of a change.

    >>> rounded({"median": 10.34567, "spread": [9.87654, 12.0], "n": 25})
    {'median': 10.35, 'spread': [9.877, 12.0], 'n': 25}
    """

    def digits(value: object) -> object:
        return float(f"{value:.4g}") if isinstance(value, float) else value

    return {
        key: [digits(item) for item in value] if isinstance(value, list) else digits(value)
        for key, value in claim.items()
    }


def tables(figures: Figures, *, with_all: bool) -> str:
    """One table of the claims that have a goal, or one with all claims for each benchmark."""
    names = [name for name in (*ORDER, *sorted(set(figures) - set(ORDER))) if name in figures]
    if not names:
        return _NO_FIGURES
    if with_all:
        parts = [
            f"### {figures[name]['title']}\n\n{_HEAD}{rows(figures[name], with_all=True)}\n"
            f"{origin([figures[name]])}\n"
            for name in names
        ]
        return "\n" + "\n".join(parts) + "\n"
    body = "".join(rows(figures[name], with_all=False) for name in names)
    return f"{_HEAD}{body}\n{origin([figures[name] for name in names])}\n"


def rows(document: dict[str, Any], *, with_all: bool) -> str:
    """The claims of one benchmark as rows."""
    claims = document["claims"] if with_all else largest([c for c in document["claims"] if goal_of(c)])
    return "".join(map(row, claims))


def largest(claims: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of a claim that is made of plays of several sizes the one of the largest.

    >>> [claim["name"] for claim in largest([{"name": "paint, 10 spans"}, {"name": "paint, 2,000 spans"}])]
    ['paint, 2,000 spans']
    """
    found: dict[str, dict[str, Any]] = {}
    for claim in claims:
        named = re.fullmatch(r"(.*), ([0-9,]+) spans", claim["name"])
        # In a benchmark the sizes come from the smallest to the largest.
        found[named[1] if named else f"{claim['name']} {claim['floor']} {claim['unit']}"] = claim
    return list(found.values())


def row(claim: dict[str, Any]) -> str:
    """One claim.

    >>> claim = {"name": "a span", "unit": "us", "floor": "a peer", "goal": 0.2, "limit": None}
    >>> claim["better"] = "less"
    >>> row(claim | {"median": 10.3, "floor_median": 60.1, "ratio": 0.1714, "is_met": True})
    '| a span | 10.3 µs | 1/5.83 of a peer (60.1 µs) | at most 1/5 | met |\\n'
    >>> row(claim | {"is_met": False, "not_measured": "no network"})
    '| a span | | a peer | at most 1/5 | not measured: no network |\\n'
    """
    goal = goal_of(claim)
    if "not_measured" in claim:
        return f"| {claim['name']} | | {claim['floor']} | {goal} | not measured: {claim['not_measured']} |\n"
    unit = claim["unit"].replace("us", "µs")
    verdict = ("met" if claim["is_met"] else "**missed**") if goal else ""
    return (
        f"| {claim['name']} | {amount(claim['median'])} {unit} | {times(claim['ratio'])} {claim['floor']}"
        f" ({amount(claim['floor_median'])} {unit}) | {goal} | {verdict} |\n"
    )


def goal_of(claim: dict[str, Any]) -> str:
    """What the claim has to keep, in words; "" where that is nothing."""
    return goal_in_words(claim["goal"], claim["limit"], claim["unit"].replace("us", "µs"), claim["better"])


def origin(documents: list[dict[str, Any]]) -> str:
    """Where the figures come from, in a sentence."""
    machines = sorted({document["machine"] for document in documents})
    pythons = sorted({f"Python {document['python']}" for document in documents})
    days = sorted({f"{document['date']} (commit {document['commit']})" for document in documents})
    if len(days) > 1:
        days = [f"{days[0].split()[0]} to {days[-1].split()[0]}"]
    taken = f"{' and '.join(machines)}; {', '.join([*pythons, *days])}"
    versions = {
        name: version for document in documents for name, version in sorted(document["versions"].items())
    }
    beside = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"Medians, taken on: {taken}{f'; beside {beside}' if beside else ''}.\n"


def read(root: str, path: str) -> str:
    """The text of a file below the root; "" where there is none."""
    try:
        with open(os.path.join(root, path), encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def write(root: str, path: str, text: str) -> None:
    """Write a file below the root whole."""
    with open(os.path.join(root, path), "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
