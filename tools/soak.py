"""``make soak``: the long versions of the tests, with more seeds and more kills, within a budget of time.

A round has ten minutes, or what is left of the budget. They take longer than that together, so each round
has a part of them, which its seed decides: no two soaks try the same. A round that fails ends it; its seed
was told at its start, and what was run is told at its end.
"""

import argparse
import os
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_SCALE = 5
_ROUND_S = 600.0
_LEAST_S = 60.0
"""A round of less is not worth its start."""


def main() -> int:
    """Run rounds until the budget is used up; the status of the first that fails, else 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--minutes", type=float, required=True, help="the budget; what has begun when it is over is ended"
    )
    minutes = parser.parse_args().minutes
    until_s = time.monotonic() + minutes * 60
    rounds = 0
    while rounds == 0 or until_s - time.monotonic() >= _LEAST_S:
        rounds += 1
        soak_s = max(_LEAST_S, min(_ROUND_S, until_s - time.monotonic()))
        status = run_round(rounds, soak_s, seed=time.time_ns() % 2**32)
        if status != 0:
            return status
    return 0


def run_round(number: int, soak_s: float, *, seed: int) -> int:
    """One round; its exit status."""
    options = [f"--soak-s={soak_s:.0f}", f"--soak-seed={seed}", f"--hypothesis-seed={seed}"]
    print(f"soak: round {number}, HERO_TEST_SCALE={_SCALE} {' '.join(options)}", flush=True)
    # One is taken by what lasts as long as the round. Without groups `loadgroup` is the way of handing out
    # tests which keeps their order, and has next to none wait behind another that is long.
    workers = str(max(2, os.cpu_count() or 1))
    command = [sys.executable, "-m", "pytest", "-n", workers, "--dist", "loadgroup"]
    command += ["-m", "soak or property", "-q", "--timeout=900", *options]
    environment = {**os.environ, "HERO_TEST_SCALE": str(_SCALE)}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
