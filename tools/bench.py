"""``make bench``: every benchmark, each beside its floor of the same run; JSON into build/benchmarks/."""

import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BENCHMARKS = ("emit", "ingest", "cli")


def main(extra: list[str]) -> int:
    """Run them one after another; 1 if any fails or misses its goal."""
    directory = os.path.join(ROOT, "build", "benchmarks")
    os.makedirs(directory, exist_ok=True)
    failed = 0
    for name in BENCHMARKS:
        command = [
            sys.executable,
            f"benchmarks/{name}.py",
            "--json",
            os.path.join(directory, f"{name}.json"),
            *extra,
        ]
        failed |= subprocess.run(command, cwd=ROOT, check=False).returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
