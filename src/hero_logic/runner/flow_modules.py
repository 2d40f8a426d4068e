"""Which files beside a flow are modules that it imports: of its directory, a play sees these and no more.

The directory may be somebody's home. Its modules are found as Python would find them, from the import
statements of the flow and then of each module that is found; nothing is run. A link out of the directory is
no module of it: whoever wrote the flow may have put it there, and it may lead to anything.
"""

from __future__ import annotations

import os
import stat
import sys

from hero_logic.core.errors import BadFlowFile
from hero_logic.core.flow_source import decode_source
from hero_logic.core.local_imports import imported_modules
from hero_logic.core.syntax import MAX_SOURCE_BYTES, parse_module
from hero_logic.runner.sandbox.view import is_below

MAX_MODULES = 500
"""More files than a view should have of one directory; what comes after them is not seen."""


def find_modules(directory: str, names: set[str]) -> list[str]:
    """The files of the modules, and of all that they import in turn, which lie in a directory.

    Args:
        directory: that of the flow.
        names: what the flow imports, dotted; most of it lies elsewhere, and is passed over.

    Returns:
        Paths of files, in the order in which they were found, ``MAX_MODULES`` at most.
    """
    found: dict[str, None] = {}
    real_directory = os.path.realpath(directory)
    seen = set(names)
    waiting = sorted(names)
    while waiting and len(found) < MAX_MODULES:
        name = waiting.pop(0)
        path = _file_of(directory, name)
        if path is None or path in found or not is_below(os.path.realpath(path), real_directory):
            continue
        found[path] = None
        is_package = os.path.basename(path) == "__init__.py"
        package = name if is_package else name.rpartition(".")[0]
        new = _imports_of(path, package) - seen
        seen |= new
        waiting += sorted(new)
    return list(found)


def modules_beside(directory: str, names: set[str]) -> set[str]:
    """Those of some modules that lie in a directory, and that Python would find there and nowhere before."""
    return {
        name
        for name in names
        if name.partition(".")[0] not in sys.stdlib_module_names and _file_of(directory, name) is not None
    }


def _file_of(directory: str, name: str) -> str | None:
    """Where a module lies in a directory: as a package, or as a file."""
    stem = os.path.join(directory, *name.split("."))
    for path in (os.path.join(stem, "__init__.py"), f"{stem}.py"):
        try:
            if stat.S_ISREG(os.stat(path).st_mode):
                return path
        except (OSError, ValueError):
            continue
    return None


def _imports_of(path: str, package: str) -> set[str]:
    """What a module imports; nothing where it cannot be read, which the flow will find out for itself."""
    try:
        with open(path, "rb") as file:
            source = decode_source(file.read(MAX_SOURCE_BYTES + 1), path)
        return imported_modules(parse_module(source, path), package)
    except (OSError, BadFlowFile):
        return set()
