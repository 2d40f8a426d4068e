"""What the benchmarks claim with: medians, goals, the file of figures, and the tables made from it."""

from __future__ import annotations

import doctest
import importlib.util
import json
import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from support.waiting import wait_until

ROOT = Path(__file__).parents[1]
BLOCK = "before\n<!-- generated: figures -->\nold\n<!-- end -->\nafter\n"


def load(path: str) -> ModuleType:
    """A module of benchmarks/ or tools/, which are no packages."""
    spec = importlib.util.spec_from_file_location(f"loaded_{Path(path).stem}", ROOT / path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    before = sys.path.copy()
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


measure = load("benchmarks/measure.py")
figures = load("tools/figures.py")


def claim(values: list[float], floor: list[float], **goals: Any) -> Any:
    """A claim in which only the figures matter."""
    return measure.Claim(
        "ours", values=values, floor=floor, floor_name="theirs", unit="us", **{"goal": None, **goals}
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with both pages, and no figures yet."""
    for folder in ("benchmarks", "docs", "build/benchmarks"):
        (tmp_path / folder).mkdir(parents=True)
    for page in ("README.md", "docs/benchmarks.md"):
        (tmp_path / page).write_text(BLOCK, encoding="utf-8")
    return tmp_path


def run_benchmark(root: Path, name: str, claims: list[Any], *, is_quick: bool = False) -> int:
    """What a benchmark does at its end; its exit status."""
    options = Namespace(quick=is_quick, json=str(root / "build" / "benchmarks" / f"{name}.json"))
    status: int = measure.finish(f"About {name}", claims, options, versions={"a-peer": "1.2"})
    return status


@pytest.mark.parametrize("module", [measure, figures], ids=["measure", "figures"])
def test_the_examples_in_the_docstrings_hold(module: ModuleType) -> None:
    """Figures are told as the docstrings of the functions that tell them say."""
    tried = doctest.testmod(module)

    assert tried.attempted > 0
    assert tried.failed == 0


def test_a_ratio_is_that_of_the_medians() -> None:
    """One slow round on either side does not move the figure."""
    found = claim([10.0, 11.0, 400.0], [20.0, 22.0, 900.0])

    assert found.ratio == 0.5


@pytest.mark.parametrize(
    ("values", "goals", "is_met"),
    [
        ([13.0], {"goal": 1.3}, True),
        ([13.1], {"goal": 1.3}, False),
        ([2.0], {"goal": 0.2}, True),
        ([2.1], {"goal": 0.2}, False),
        ([500.0], {"goal": 50, "better": "more"}, True),
        ([499.0], {"goal": 50, "better": "more"}, False),
        ([5.0], {"limit": 5.0}, True),
        ([5.1], {"limit": 5.0}, False),
        ([5.0], {"limit": 4.0, "goal": 1.0}, False),
        ([5000.0], {}, True),
    ],
)
def test_a_goal_bounds_the_ratio_and_a_limit_the_figure(
    values: list[float], goals: dict[str, Any], is_met: bool
) -> None:
    """At most where less is better, at least where more is; without either nothing is held."""
    assert claim(values, [10.0], **goals).is_met is is_met


def test_a_missed_goal_fails_a_full_run_and_no_quick_one(root: Path) -> None:
    """A smoke run on a busy machine says nothing about speed."""
    missed = claim([10.0], [1.0], goal=2.0)

    assert run_benchmark(root, "full", [missed]) == 1
    assert run_benchmark(root, "quick", [missed], is_quick=True) == 0


def test_what_could_not_be_measured_fails_a_full_run_and_no_quick_one(root: Path) -> None:
    """A claim that nobody could check is not a claim that holds."""
    unknown = measure.NotMeasured("ours", floor_name="theirs", unit="us", goal=0.2, why="no network")

    assert run_benchmark(root, "full", [unknown]) == 1
    assert run_benchmark(root, "quick", [unknown], is_quick=True) == 0


def test_the_first_round_warms_up_and_does_not_count() -> None:
    """Cases take turns, and what they gave in the first round is thrown away."""
    order: list[str] = []

    def case(name: str) -> float:
        order.append(name)
        return float(len(order))

    found = measure.in_turns({"a": lambda: case("a"), "b": lambda: case("b")}, rounds=2)

    assert order == ["a", "b"] * 3
    assert found == {"a": [3.0, 5.0], "b": [4.0, 6.0]}


def test_figures_are_taken_in_and_the_tables_made_from_them(root: Path) -> None:
    """README.md gets the claims that have a goal, the page of benchmarks all of them; the rest stays."""
    held = claim([12.0], [10.0], goal=1.3)
    told = measure.Claim("only told", values=[1.0], floor=[8.0], floor_name="a peer", unit="ms", goal=None)
    run_benchmark(root, "emit", [held, told])

    assert figures.main(["--root", str(root)]) == 0

    row = "| ours | 12.0 µs | 1.20 x theirs (10.0 µs) | at most 1.3 x | met |\n"
    readme = (root / "README.md").read_text(encoding="utf-8")
    page = (root / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert row in readme
    assert row in page
    assert "a-peer 1.2" in readme
    assert "only told" not in readme
    assert "| only told | 1.00 ms | 1/8.00 of a peer (8.00 ms) |  |  |\n" in page
    assert readme.startswith("before\n")
    assert readme.endswith("<!-- end -->\nafter\n")


def test_a_quick_run_is_not_taken_in(root: Path) -> None:
    """A smoke run's figures never stand where a full run's did."""
    run_benchmark(root, "emit", [claim([12.0], [10.0], goal=1.3)])
    figures.main(["--root", str(root)])
    before = (root / "benchmarks" / "figures.json").read_text(encoding="utf-8")
    run_benchmark(root, "emit", [claim([99.0], [10.0], goal=1.3)], is_quick=True)

    assert figures.main(["--root", str(root)]) == 0
    assert (root / "benchmarks" / "figures.json").read_text(encoding="utf-8") == before


def test_a_benchmark_that_was_not_run_again_keeps_its_figures(root: Path) -> None:
    """Benchmarks are taken in one by one."""
    run_benchmark(root, "emit", [claim([12.0], [10.0], goal=1.3)])
    figures.main(["--root", str(root)])
    (root / "build" / "benchmarks" / "emit.json").unlink()
    run_benchmark(root, "peers", [claim([13.0], [10.0], goal=1.4)])
    figures.main(["--root", str(root)])

    assert list(json.loads((root / "benchmarks" / "figures.json").read_text(encoding="utf-8"))) == [
        "emit",
        "peers",
    ]


@pytest.mark.parametrize("page", ["README.md", "docs/benchmarks.md"])
def test_a_table_that_was_changed_by_hand_is_told(
    root: Path, page: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--check`` names the page, and changes nothing."""
    run_benchmark(root, "emit", [claim([12.0], [10.0], goal=1.3)])
    figures.main(["--root", str(root)])
    assert figures.main(["--root", str(root), "--check"]) == 0
    forged = (root / page).read_text(encoding="utf-8").replace("1.20 x", "1.00 x")
    (root / page).write_text(forged, encoding="utf-8")
    capsys.readouterr()

    assert figures.main(["--root", str(root), "--check"]) == 1
    assert capsys.readouterr().out.startswith(page)
    assert (root / page).read_text(encoding="utf-8") == forged


def test_a_page_without_the_block_is_told(root: Path) -> None:
    """Figures that stand nowhere are not taken for figures that are up to date."""
    (root / "README.md").write_text("no block\n", encoding="utf-8")

    assert figures.main(["--root", str(root), "--check"]) == 1


def test_a_server_of_a_peer_ends_with_the_benchmark_that_asked_for_it(tmp_path: Path) -> None:
    """However a benchmark ends, its end of the pipe closes: the server's processes go, its data with them."""
    data = tmp_path / "data"
    data.mkdir()
    script = "import os, signal, time; os.fork(); open(f'pid-{os.getpid()}', 'x'); signal.pause()"
    keeper = subprocess.Popen(
        [sys.executable, ROOT / "benchmarks" / "keeper.py", data, sys.executable, "-c", script],
        stdin=subprocess.PIPE,
    )
    assert keeper.stdin
    wait_until(lambda: len(list(data.glob("pid-*"))) == 2, "both processes run")
    pids = [int(path.name.removeprefix("pid-")) for path in data.glob("pid-*")]

    keeper.stdin.close()

    assert keeper.wait(timeout=30) == 0
    assert not data.exists()
    wait_until(lambda: not any(is_running(pid) for pid in pids), "both processes end")


def is_running(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return os.path.exists(f"/proc/{pid}")
