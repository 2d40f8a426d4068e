"""Isolation without a program of anybody else's: the kernel's own means, entered after a fork.

Two kinds, each whole in itself. ``native``: namespaces give the play a world in which nothing else is, and
Landlock and seccomp bound what it may do there. ``landlock``: where the host forbids namespaces, rules alone
on the host's own files, and no socket at all.

Laws:

1. A step that fails is an ``OSError``, and the play is not started: nothing here is optional.
2. The order is that of what the next step still needs: capabilities go when nothing is left to mount, the
   filter comes last, since it would forbid the rest.
3. From the first line here to the flow's there is one thread.
4. What does not depend on a play is done before there is one; what was done so far holds nobody back who
   could not be trusted, as no line of a flow has run.

Source: docs/design/0012-native-isolation.md.
"""

from __future__ import annotations

from hero_logic.runner.sandbox import kernel, landlock, seccomp
from hero_logic.runner.sandbox.view import DEVICES, KEEP, LIST, READ, RUN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hero_logic.runner.sandbox.view import Entry

_RIGHTS = {RUN: landlock.RUN, READ: landlock.READ, KEEP: landlock.KEEP, LIST: landlock.READ_DIR}
_SEEN_BY_ITSELF = (
    *(
        f"/proc/self/{name}"
        for name in ("auxv", "cmdline", "comm", "environ", "fd", "fdinfo", "io", "limits", "loginuid", "maps")
    ),
    *(f"/proc/self/{name}" for name in ("smaps", "smaps_rollup", "stat", "statm", "status", "wchan")),
    "/proc/meminfo",
    "/proc/cpuinfo",
    "/proc/stat",
    "/sys/devices/system/cpu",
)
"""Without a /proc of its own: what programs ask of it. Its own entry is not named whole, as all of the host's
connections are below it (net/), its mounts, and the entries of its threads, which have the same."""


class Walls:
    """What bounds the process that becomes a play: built before there is one, closed around it in the end.

    Args:
        entries: what every play may do with the host's files.
        root: where the view lies in which this process will be, "" where it stays among the host's files.

    Raises:
        OSError: the host does not allow it.
    """

    def __init__(self, entries: list[Entry], *, root: str = "") -> None:
        self._has_view = bool(root)
        kernel.bound_capabilities()
        self._ruleset = landlock.Ruleset(has_own_network=self._has_view)
        self._ruleset.add((root + path, _RIGHTS[access]) for path, access in entries)
        self._ruleset.add((root + path, landlock.USE) for path in DEVICES)
        if self._has_view:
            self._ruleset.add((root + path, landlock.READ) for path in ("/proc", "/etc"))
            self._ruleset.add([(root + "/dev", landlock.READ_DIR)])
            self._ruleset.add([(root + "/dev/shm", landlock.KEEP)])  # noqa: S108  # its own
            # Its own root, where nothing but ways to the rest is: to be listed.
            self._ruleset.add([(root, landlock.READ_DIR)])
        else:
            self._ruleset.add((path, landlock.READ) for path in _SEEN_BY_ITSELF)

    def close(self, entries: list[Entry], *, sockets: list[str]) -> None:
        """In the process that becomes the play, where it will be: from here on it is confined.

        Args:
            entries: what this play may do with files beyond what every play may.
            sockets: the paths of the Unix sockets that it may connect to.

        Raises:
            OSError: the host does not allow it.
        """
        kernel.empty_capabilities()
        self._ruleset.add((path, _RIGHTS[access]) for path, access in entries)
        self._ruleset.add((path, landlock.RESOLVE_UNIX) for path in sockets)
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        self._ruleset.restrict()
        kernel.load_filter(seccomp.build(has_namespaces=self._has_view))
