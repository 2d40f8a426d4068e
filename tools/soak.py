"""``make soak``: the long versions of the tests, with more seeds and more kills, within a budget of time.

Rounds are run until the budget is used up, each with its own seed, so that no two soaks try the same. A
round that fails ends it; its seed was told at its start.
"""

import argparse
import os
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_SCALE = 5


def main() -> int:
    """Run rounds until the budget is used up; the status of the first that fails, else 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--minutes", type=float, required=True, help="the budget, which the last round may overrun"
    )
    minutes = parser.parse_args().minutes
    until_s = time.monotonic() + minutes * 60
    rounds = 0
    longest_s = 0.0
    # A round is not begun that would, by the longest one so far, not end within the budget.
    while rounds == 0 or time.monotonic() + longest_s < until_s:
        began_s = time.monotonic()
        seed = time.time_ns() % 2**32
        print(f"soak: round {rounds + 1}, HERO_TEST_SCALE={_SCALE} --hypothesis-seed={seed}", flush=True)
        environment = {**os.environ, "HERO_TEST_SCALE": str(_SCALE)}
        command = [sys.executable, "-m", "pytest", "-n", "auto", "-m", "soak or property", "-q"]
        command += ["--timeout=900", f"--hypothesis-seed={seed}"]
        status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        if status != 0:
            return status
        rounds += 1
        longest_s = max(longest_s, time.monotonic() - began_s)
    print(f"soak: {rounds} rounds, the longest {longest_s:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
