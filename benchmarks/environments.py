"""The virtual environments of peers: what we measure beside is never installed where we are.

Each lies below build/peers/ and is made when first asked for, from benchmarks/requirements/NAME.txt, and made
anew when that file or the interpreter changes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

_VERSIONS = """
import importlib.metadata, json, sys
print(json.dumps({name: importlib.metadata.version(name) for name in sys.argv[1:]}))
"""


class NotMade(Exception):
    """An environment could not be made; the message says why in one line."""


def python_of(name: str) -> str:
    """The interpreter of a peer's environment, which is made if it is not there.

    Raises:
        NotMade: pip could not install what the requirements name (no network, no such version).
    """
    directory = os.path.join(ROOT, "build", "peers", name)
    requirements = os.path.join(ROOT, "benchmarks", "requirements", f"{name}.txt")
    python = os.path.join(directory, "bin", "python")
    recipe = os.path.join(directory, "made-from.txt")
    wanted = f"# {sys.version}\n{_read(requirements)}"
    if _read(recipe) == wanted:
        return python
    print(f"# making build/peers/{name}, once", flush=True)
    _run([sys.executable, "-m", "venv", "--clear", directory])
    _run([python, "-m", "pip", "install", "--disable-pip-version-check", "-r", requirements])
    with open(recipe, "w", encoding="utf-8") as file:
        file.write(wanted)
    return python


def versions(python: str, *packages: str) -> dict[str, str]:
    """The versions of packages in an environment, by their names."""
    found: dict[str, str] = json.loads(_run([python, "-c", _VERSIONS, *packages]))
    return found


def clean_environment(**more: str) -> dict[str, str]:
    """Our environment without what would configure us, Python or a peer, and with ``more``."""
    ours = ("HERO_", "PYTHON", "OTEL_", "MLFLOW_", "PHOENIX_")
    return {**{name: value for name, value in os.environ.items() if not name.startswith(ours)}, **more}


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _run(command: list[str]) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip() and "WARNING" not in line]
        reason = lines[-1].removeprefix("ERROR: ") if lines else f"status {done.returncode}"
        raise NotMade(f"{' '.join(command[2:4])} failed: {reason}")
    return done.stdout


if __name__ == "__main__":
    sys.exit("this is what the benchmarks share; run one of them")
