"""Unix sockets in directories that a play is to be shown: whoever sees one can connect to it.

No right of the file system is asked then but that to write to the socket, and neither a read-only mount nor,
before its ABI 9, Landlock takes that away. So a directory with a socket in it is not granted. What comes
there while a play runs cannot be known before; docs/grants.md says so.

Loaded where a directory is granted, and not otherwise.
"""

from __future__ import annotations

import os
import stat

from hero_logic.runner.sandbox.view import is_below

MAX_ENTRIES = 100_000
"""Files that are looked at in one directory: a tenth of a second."""

_BOUND = "/proc/net/unix"


def first_socket_in(directory: str, *, max_entries: int = MAX_ENTRIES) -> tuple[str, bool]:
    """A socket that lies in a resolved directory, or ""; and whether all of the directory was looked at.

    What is bound on this host is known without looking for it; what is bound in a container's network, or
    by a name that is relative, is found by looking. A socket that nobody listens on counts: who made it may
    come back.
    """
    for path in _bound_sockets():
        if is_below(path, directory):
            return path, True
    return _search(directory, max_entries)


def _bound_sockets() -> list[str]:
    """Resolved paths of the sockets that are bound on this host, and there."""
    try:
        with open(_BOUND, encoding="utf-8", errors="surrogateescape") as file:
            # Behind seven columns a name, which may have spaces; abstract ones begin with @.
            names = [line.rstrip("\n").split(None, 7)[7:] for line in file]
    except OSError:
        return []
    absolute = {name[0] for name in names if name and name[0].startswith("/")}
    paths = [
        os.path.join(os.path.realpath(os.path.dirname(name)), os.path.basename(name)) for name in absolute
    ]
    return sorted(path for path in paths if _is_socket(path))


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.lstat(path).st_mode)
    except OSError:
        return False


def _search(directory: str, max_entries: int) -> tuple[str, bool]:
    left = max_entries
    waiting = [directory]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    left -= 1
                    if left < 0:
                        return "", False
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif not entry.is_file(follow_symlinks=False) and _is_socket(entry.path):
                        return entry.path, True
        except OSError:
            # Gone; or closed to this user, and so to their plays, but for what they know by name.
            continue
    return "", True
