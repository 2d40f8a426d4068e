"""``make test``: the whole suite with fixed seeds, on all cores; ``--cov`` (``make coverage``) counts lines.

Not always: counting takes two thirds as much processor time again.
"""

import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def main(extra: list[str]) -> int:
    """Run pytest; its exit status."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-n",
        "auto",
        "-m",
        "not soak and not whole_page",
        *extra,
    ]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
