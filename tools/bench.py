"""``make bench``: every benchmark, each beside its floor of the same run; JSON into build/benchmarks/.

``make bench-peers`` runs those beside other products: they install what they measure beside, and take longer.
"""

import argparse
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BENCHMARKS = (
    "emit", "ingest", "live", "service", "page", "readback", "kill", "start", "plays", "library",
    "cli", "migrate",
)  # fmt: skip
PEERS = ("peers",)


def main(words: list[str]) -> int:
    """Run them one after another; 1 if any fails or misses its goal."""
    parser = argparse.ArgumentParser(description="Run benchmarks, each beside its floor.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which ones (default: all of ours)")
    parser.add_argument("--peers", action="store_true", help="those beside other products instead")
    parser.add_argument("--quick", action="store_true", help="a smoke run: few rounds, and no goal is held")
    options = parser.parse_args(words)
    directory = os.path.join(ROOT, "build", "benchmarks")
    os.makedirs(directory, exist_ok=True)
    missed = [
        name
        for name in options.names or (PEERS if options.peers else BENCHMARKS)
        if not is_passed(name, directory, ["--quick"] if options.quick else [])
    ]
    if missed:
        print(f"failed, or missed a goal: {', '.join(missed)}")
    if not options.quick:
        print("To take the figures into README.md and docs/benchmarks.md: python tools/figures.py")
    return 1 if missed else 0


def is_passed(name: str, directory: str, extra: list[str]) -> bool:
    """Run one; whether it held its goals."""
    script = os.path.join("benchmarks", f"{name}.py")
    if not os.path.exists(os.path.join(ROOT, script)):
        print(f"# {script} is not there")
        return False
    figures = os.path.join(directory, f"{name}.json")
    command = [sys.executable, script, "--json", figures, *extra]
    done = subprocess.run(command, cwd=ROOT, check=False)
    print(flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
