"""A census of Python's standard library: how much source it is, and its longest functions.

Shows a client whose calls are recorded (``instrument``), a loop with its progress (``flow.track``),
and threads whose spans stand where the work was handed out.
"""

from __future__ import annotations

import ast
import json
import os
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hero_tracing import flow, instrument

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCH_FILES = 20  # a span for each batch: a span for each file would make a tree that nobody reads
LONGEST = 5
SKIPPED = {"__pycache__", "dist-packages", "idlelib", "lib2to3", "site-packages", "test", "tests"}


@dataclass(frozen=True)
class Function:
    """One function, and where it is."""

    name: str
    file: str
    line: int
    lines: int

    @property
    def rank(self) -> tuple[int, str, int]:
        """The longest first; of the same length, in the order of the files."""
        return -self.lines, self.file, self.line


@dataclass
class Counts:
    """What was counted in some files."""

    files: int = 0
    lines: int = 0
    functions: int = 0
    classes: int = 0
    unreadable: list[str] = field(default_factory=list)
    longest: list[Function] = field(default_factory=list)

    def add(self, other: Counts) -> None:
        """Add what was counted in other files."""
        self.files += other.files
        self.lines += other.lines
        self.functions += other.functions
        self.classes += other.classes
        self.unreadable += other.unreadable
        self.longest = sorted(self.longest + other.longest, key=lambda found: found.rank)[:LONGEST]


class SourceLibrary:
    """A directory of Python source. It knows nothing of tracing."""

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def list_files(self) -> list[str]:
        """The library's source files, below its directory, in the order of their names."""
        if not os.path.isdir(self.directory):
            raise NotADirectoryError(
                f"{self.directory} is no directory (a play has one of its own: give a full path)"
            )
        names: list[str] = []
        for place, below, files in os.walk(self.directory):
            below[:] = [name for name in below if name not in SKIPPED]
            paths = [os.path.join(place, name) for name in files if name.endswith(".py")]
            names += [os.path.relpath(path, self.directory) for path in paths]
        return sorted(names)

    def read(self, name: str) -> bytes:
        """The source of one file."""
        with open(os.path.join(self.directory, name), "rb") as file:
            return file.read()

    def measure(self, names: list[str]) -> Counts:
        """Count what is in some files; those that cannot be read or parsed are named, not raised."""
        counts = Counts()
        for name in names:
            try:
                counts.add(count_source(self.read(name), name))
            except (OSError, ValueError, SyntaxError, RecursionError, MemoryError) as error:
                # The last two are how Python's parser says that something is nested too deep for it.
                counts.unreadable.append(f"{name}: {type(error).__name__}: {error}")
        return counts


def count_source(source: bytes, name: str) -> Counts:
    """Count what is in the source of one file."""
    counts = Counts(files=1, lines=len(source.splitlines()))
    for node in statements(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            counts.classes += 1
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            counts.functions += 1
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            counts.longest.append(Function(node.name, name, node.lineno, lines))
    return counts


def statements(tree: ast.Module) -> Iterator[ast.AST]:
    """All statements, however deep; ``ast.walk`` goes through the expressions too, and takes longer."""
    waiting: list[ast.AST] = [tree]
    for node in waiting:
        yield node
        for block in ("body", "handlers", "orelse", "finalbody", "cases"):
            waiting += getattr(node, block, ())


def measure_all(library: SourceLibrary, batches: list[list[str]], workers: int) -> Iterator[Counts]:
    """What is in each batch, in order, measured in threads."""
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(library.measure, batches)


@flow(
    inputs={
        "limit": "how many files to look at, in the order of their names; 0 is all of them",
        "workers": "how many threads; without a free-threaded Python they mostly take turns",
        "directory": "which directory to look at instead of the standard library, as a full path",
    }
)
def census(limit: int = 0, workers: int = 4, directory: str = "") -> dict[str, object]:
    """Count the files, lines, functions and classes of the installed standard library."""
    library = instrument(SourceLibrary(directory or sysconfig.get_path("stdlib")))

    with flow.step("list", directory=library.directory) as listing:
        names = library.list_files()
        listing.tag(found=len(names))
    chosen = names[:limit] if limit > 0 else names
    batches = [chosen[start : start + BATCH_FILES] for start in range(0, len(chosen), BATCH_FILES)]

    total = Counts()
    for counts in flow.track(measure_all(library, batches, workers), "measure", total=len(batches)):
        total.add(counts)
        flow.tag(files=total.files, lines=total.lines, unreadable=len(total.unreadable))
        for problem in counts.unreadable:
            flow.log(problem, "warning")

    with flow.step("rank") as ranking:
        for found in total.longest:
            ranking.log(f"{found.lines:5} lines  {found.name}  {found.file}:{found.line}")

    return {
        "python": ".".join(str(part) for part in sys.version_info[:3]),
        "files": total.files,
        "lines": total.lines,
        "functions": total.functions,
        "classes": total.classes,
        "unreadable": len(total.unreadable),
        "longest": [vars(found) for found in total.longest],
    }


if __name__ == "__main__":
    print(json.dumps(census(), indent=2))
