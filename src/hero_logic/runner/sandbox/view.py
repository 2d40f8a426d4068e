"""What a play sees of the host's files: a short list of paths, each with what may be done there.

The same list makes the mounts of a view of its own, the rules of Landlock, and bubblewrap's arguments, so
that no two mechanisms grant different things. A path inside is the path outside.

Laws:

1. What is not named is not there.
2. A directory that may hold secrets is never named whole: of /etc some files are, of an interpreter's prefix
   what Python itself put there.
3. Nothing is named that the play may change, but its work directory and what the operator granted.
"""

from __future__ import annotations

import os
import sys

RUN = "run"
"""Read what is there, and run it."""
READ = "read"
"""Read what is there."""
LIST = "list"
"""See the names of what is there; for rules on the host's own files, where nothing can be left out. Of a
link: see where it leads."""
KEEP = "keep"
"""Read, write, make and remove; run nothing from there."""

_SYSTEM_RUN = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
_SYSTEM_READ = (
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/pki/ca-trust/extracted",
    "/etc/pki/tls/certs",
    "/etc/protocols",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/timezone",
)
SYSTEM = (*_SYSTEM_RUN, *_SYSTEM_READ)
_OF_A_PREFIX = ("bin", "lib", "lib64", "libexec", "share", "ssl", "pyvenv.cfg")
"""What Python and its packages put below a prefix; a prefix may be somebody's project, or home."""

DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")

_MAX_LINKS = 40
"""As many as the kernel follows."""

Entry = tuple[str, str]
"""(path, what may be done there)"""


def base_entries(python: str, shared_code: str) -> list[Entry]:
    """What every play of an interpreter sees, the outer paths first; found once in a process.

    ``shared_code`` is where the SDK and the stub lie for all of them.
    """
    if (python, shared_code) not in _base_entries:
        found = [*system_entries(), *interpreter_entries(python), (shared_code, READ)]
        _base_entries[python, shared_code] = without_what_is_inside(found)
    return _base_entries[python, shared_code]


_base_entries: dict[tuple[str, str], list[Entry]] = {}


def beyond(base: list[Entry], wanted: list[Entry]) -> list[Entry]:
    """What has to be shown of what is wanted where a base is shown already, the outer paths first.

    What lies in the base, below something that is shown over it, is shown again, as it was in the base: a
    directory that may be changed must not lay open what somebody else relies on.

    >>> beyond([("/usr", "run"), ("/opt/python", "run")], [("/usr/share", "read"), ("/opt", "keep")])
    [('/opt', 'keep'), ('/opt/python', 'run')]
    """
    new = [
        (path, access)
        for path, access in without_what_is_inside(wanted)
        if not any(is_below(path, outer) and _grants(grant, access) for outer, grant in base)
    ]
    again = [entry for entry in base if any(is_below(entry[0], path) for path, _ in new)]
    return without_what_is_inside([*new, *again]) if again else new


def _grants(grant: str, access: str) -> bool:
    return grant == access or (grant, access) == (RUN, READ)


def system_entries() -> list[Entry]:
    """What every program needs of the system."""
    entries = [(path, RUN) for path in _SYSTEM_RUN]
    entries += [(path, READ) for path in _SYSTEM_READ]
    return [(path, access) for path, access in entries if os.path.lexists(path)]


def interpreter_entries(python: str) -> list[Entry]:
    """What an interpreter needs of its own: its prefix, and the prefix that its environment was made from."""
    entries: list[Entry] = []
    for prefix in _prefixes(python):
        *links, real = _way_to(prefix)
        if not is_below(prefix, "/usr"):
            entries += [(link, LIST) for link in links]
        if not is_below(real, "/usr"):
            for name in _OF_A_PREFIX:
                path = os.path.join(real, name)
                if os.path.lexists(path):
                    entries.append((path, READ if name == "pyvenv.cfg" else RUN))
    return entries


def _prefixes(python: str) -> list[str]:
    """Where the interpreter at a path has its files, those of a virtual environment first."""
    if os.path.abspath(python) == os.path.abspath(sys.executable):
        found = [sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix]
    else:
        found = [_prefix_of(python), *_bases(_prefix_of(python))]
    # A link leads to another prefix: python in a virtual environment, or /opt/python/current.
    path = python
    for _ in range(40):
        found += [_prefix_of(path), os.path.realpath(_prefix_of(path))]
        if not os.path.islink(path):
            break
        # The directory as the kernel has it: a link's ".." is the parent of where its directory really is.
        path = os.path.join(os.path.realpath(os.path.dirname(path)), os.readlink(path))
    return list(dict.fromkeys(os.path.normpath(prefix) for prefix in found))


def _prefix_of(python: str) -> str:
    return os.path.dirname(os.path.dirname(os.path.abspath(python)))


def _bases(prefix: str) -> list[str]:
    """The prefix that a virtual environment was made from, as its pyvenv.cfg has it."""
    try:
        with open(os.path.join(prefix, "pyvenv.cfg"), encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError:
        return []
    for line in lines:
        key, _, value = line.partition("=")
        if key.strip() == "home" and os.path.isabs(value.strip()):
            return [os.path.dirname(value.strip())]
    return []


def without_links(entries: list[Entry]) -> list[Entry]:
    """The same by paths that go through no link; each link on the way is an entry of its own.

    What shows entries follows no link, as somebody may have put it there in the meantime; a link that is an
    entry is shown as the link that it is. In the end there is the same to be seen, by the same paths.
    """
    found: list[Entry] = []
    for path, access in entries:
        *links, real = _way_to(path)
        found += [(link, LIST) for link in links]
        found.append((real, access))
    return list(dict.fromkeys(found))


def _way_to(path: str) -> list[str]:
    """The links on the way of a path, each by a path without links, and where it leads in the end."""
    real = os.path.realpath(path)
    links: list[str] = []
    at, parts = "/", [] if real == path else path.split("/")
    while parts and len(links) < _MAX_LINKS:
        name = parts.pop(0)
        if name in ("", "."):
            continue
        step = os.path.dirname(at) if name == ".." else os.path.join(at, name)
        if os.path.islink(step):
            links.append(step)
            target = os.readlink(step)
            at = "/" if target.startswith("/") else at
            parts = target.split("/") + parts
        else:
            at = step
    return [*links, real]


def is_below(path: str, directory: str) -> bool:
    """Whether a path is a directory's own, or of something in it."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def without_what_is_inside(entries: list[Entry]) -> list[Entry]:
    """The entries, the outer ones first, without those that one around them grants already.

    >>> without_what_is_inside([("/usr/share", "read"), ("/usr", "run"), ("/usr/work", "keep")])
    [('/usr', 'run'), ('/usr/work', 'keep')]
    """
    kept: list[Entry] = []
    # Of several for one path the one that lets it be changed comes last: a mount hides the one before it.
    order = {RUN: 0, READ: 1, LIST: 2, KEEP: 3}
    for path, access in sorted(set(entries), key=lambda entry: (entry[0], order[entry[1]])):
        around = [outer for outer in kept if is_below(path, outer[0])]
        if not any(_grants(grant, access) for _, grant in around):
            kept.append((path, access))
    return kept
