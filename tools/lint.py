"""``make lint``: every check that needs no test, all of them even if one fails. pre-commit runs the same."""

import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BIN = os.path.dirname(sys.executable)

CHECKS: dict[str, list[str]] = {
    "format": ["ruff", "format", "--check", "."],
    "lint": ["ruff", "check", "."],
    "types": ["mypy"],
    "types of the SDK as pyright sees them": ["pyright"],
    "stubs of the SDK": [sys.executable, "-m", "mypy.stubtest", "hero_tracing"],
    "layers": ["lint-imports", "--no-logo"],
    "oldest Python of the SDK": ["vermin", "-q", "-t=3.9-", "--violations", "src/hero_tracing.py"],
    "oldest Python of the stub": ["vermin", "-q", "-t=3.9-", "--violations", "src/hero_logic/runner/boot.py"],
    "spelling": ["codespell"],
    "generated files": [sys.executable, "tools/docs.py", "--check"],
    "measured figures": [sys.executable, "tools/figures.py", "--check"],
    "format and types of the page": [sys.executable, "tools/build_page.py", "check"],
    "file sizes": [sys.executable, "tools/file_sizes.py"],
}


def main() -> int:
    """Run every check; 1 if any of them fails."""
    failed = []
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "MYPYPATH": "src"}
    for name, command in CHECKS.items():
        result = subprocess.run(
            command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True
        )
        print(f"{'ok    ' if result.returncode == 0 else 'FAILED'} {name}", flush=True)
        if result.returncode != 0:
            failed.append(name)
            print(result.stdout + result.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
