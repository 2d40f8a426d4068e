"""Isolation without a program of anybody else's: the kernel's own means, entered after a fork.

Two kinds, each whole in itself. ``native``: namespaces give the play a world in which nothing else is, and
Landlock and seccomp bound what it may do there. ``landlock``: where the host forbids namespaces, rules alone
on the host's own files, and no socket at all.

Laws:

1. A step that fails is an ``OSError``, and the play is not started: nothing here is optional.
2. The order is that of what the next step still needs: capabilities go when nothing is left to mount, the
   filter comes last, since it would forbid the rest.
3. From the first line here to the flow's there is one thread.

Source: docs/design/0012-native-isolation.md.
"""

from __future__ import annotations

from hero_logic.runner.sandbox import kernel, landlock, namespaces, seccomp
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


def confine_in_namespaces(entries: list[Entry], *, sockets: list[str]) -> None:
    """The last steps of ``native``, in the process that becomes the play, inside its view."""
    kernel.drop_capabilities()
    rules = _rules(entries)
    rules += [(path, landlock.RESOLVE_UNIX) for path in sockets]
    rules += [(path, landlock.READ) for path in ("/proc", "/etc")]
    rules += [("/dev", landlock.READ_DIR), ("/dev/shm", landlock.KEEP)]  # noqa: S108  # its own
    # Its own root, where nothing but ways to the rest is: to be listed.
    rules.append(("/", landlock.READ_DIR))
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    landlock.restrict(rules, has_own_network=True)
    kernel.load_filter(seccomp.build(has_namespaces=True))


def confine_in_place(entries: list[Entry]) -> None:
    """All of ``landlock``, in the process that becomes the play, on the host's own files."""
    kernel.drop_capabilities()
    rules = _rules(entries)
    rules += [(path, landlock.READ) for path in _SEEN_BY_ITSELF]
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    landlock.restrict(rules, has_own_network=False)
    kernel.load_filter(seccomp.build(has_namespaces=False))


def enter_world(
    entries: list[Entry],
    *,
    root: str,
    work_dir: str,
    shared_memory_bytes: int,
    sockets: list[tuple[str, str]],
) -> None:
    """What the first process of a new world does before it starts the play."""
    namespaces.enter_view(
        entries, root=root, work_dir=work_dir, shared_memory_bytes=shared_memory_bytes, sockets=sockets
    )


def _rules(entries: list[Entry]) -> list[tuple[str, int]]:
    rules = [(path, _RIGHTS[access]) for path, access in entries]
    return rules + [(path, landlock.USE) for path in DEVICES]
