"""Isolation by the program ``bwrap``: what it is told, and how it is known that it did so.

The view is the one of ``native``, made from the same list of entries. What the program cannot do, the play's
stub does before any line of the flow (runner/boot.py, "the guard"): it is pid 1 of the play's world, limits
the number of processes, starts the play's own process, and tells its wait status, which bwrap would turn
into an exit status. Laws:

1. What bwrap is told comes through a descriptor: its command line can be read by everybody on the host.
2. It runs with the play's own environment: it has no other to leak.
3. Its standard output and error are a pipe of ours until the guard is there. Whatever comes before the
   guard's word is bwrap's, and an end without the word is a failure of bwrap: it fails closed.
4. What is written into the view is written on its own root, never through something that is shown.
5. What it is to show is opened here, by a path without links, and not by bwrap, which would follow them.
6. What it shows and cannot make read-only, the devices, is read-only before it starts.

What ``native`` has and this has not: Landlock inside, and with it no execution of files in the work
directory and in /dev/shm (bwrap knows no mount without it); a limit of the number of files in /dev/shm.

Source: bwrap(1), docs/design/0012-native-isolation.md.
"""

from __future__ import annotations

import os
import select
import stat
import time

from hero_logic.runner.sandbox import kernel
from hero_logic.runner.sandbox.namespaces import HOST_NAME, KEYS, accounts
from hero_logic.runner.sandbox.view import DEVICES, KEEP, READ, SYSTEM, is_below

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hero_logic.runner.sandbox.view import Entry

PLACES = ("/usr/local/bin", "/usr/bin", "/bin")
"""Where the program is looked for: not on the operator's PATH, which may lead into somebody's project."""

ENTERED = b"\0"
"""The guard's word (runner/boot.py): the play is where it should be."""

_ENTRY_S = 10.0
_MAX_TOLD_BYTES = 4096
_MAX_COPIED_BYTES = 128 * 1024
_TMP = "/tmp"  # noqa: S108  # the play's own
_DEVICE = kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NOEXEC | kernel.MOUNT_ATTR_RDONLY
_ALONE = (
    "--unshare-user",
    "--unshare-ipc",
    "--unshare-pid",
    "--unshare-net",
    "--unshare-uts",
    "--unshare-cgroup",
    # No namespace can be made inside, in which there would be capabilities again; bubblewrap 0.8.
    "--disable-userns",
    "--assert-userns-disabled",
    "--cap-drop",
    "ALL",
    "--hostname",
    HOST_NAME,
    "--new-session",
    "--die-with-parent",
    # The guard is pid 1.
    "--as-pid-1",
)


def find_program() -> str:
    """The path of bwrap, or "" where it is not installed."""
    for directory in PLACES:
        path = os.path.join(directory, "bwrap")
        if os.access(path, os.X_OK):
            return path
    return ""


def missing_program() -> str:
    """What is so where there is no bwrap."""
    return f"bubblewrap is not installed: there is no bwrap in {', '.join(PLACES)}"


def view_options(entries: list[Entry], *, work_dir: str, shared_memory_bytes: int) -> list[str]:
    """What makes the view, the accounts in it left out; the order is that in which bwrap does it.

    Args:
        entries: what is seen, the outer paths first.
        work_dir: one of the entries; its tmp/ is the play's /tmp.
        shared_memory_bytes: the size of /dev/shm.
    """
    # bwrap would make them for nobody but their owner, which programs take ill.
    options = ["--perms", "0755", "--dir", "/dev", "--perms", "0755", "--dir", "/etc"]
    shown: list[str] = []
    for path, access in entries:
        if os.path.islink(path):
            if not _is_inside(path, shown):
                options += ["--symlink", os.readlink(path), path]
        elif access == READ and not _is_inside(path, shown) and (copied := _to_copy(path)) >= 0:
            options += ["--perms", "0444", "--file", str(copied), path]
        elif os.path.exists(path):
            options += ["--bind-fd" if access == KEEP else "--ro-bind-fd", str(_opened(path)), path]
            shown.append(path)
    # After what was granted, so that nothing granted lies over it.
    for path in DEVICES:
        options += ["--dev-bind", path, path]
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        if not _is_inside(f"/dev/{name}", shown):  # law 4
            options += ["--symlink", f"/proc/self/{target}", f"/dev/{name}"]
    options += ["--perms", "0700", "--size", str(shared_memory_bytes), "--tmpfs", "/dev/shm"]  # noqa: S108
    # Read-only: files of the kernel's that belong to root can be written without a capability.
    options += ["--proc", "/proc", "--remount-ro", "/proc"]
    # Without devices: it cannot be opened.
    options += ["--ro-bind", "/dev/null", KEYS] * os.path.exists(KEYS)
    if not any(is_below(path, _TMP) or is_below(_TMP, path) for path, _ in entries):
        options += ["--symlink", work_dir + _TMP, _TMP]
    return options


def shield_devices() -> None:
    """Before bwrap is executed: make the devices read-only for it, which it cannot do itself.

    They can be written to all the same; but whoever owns them, as root does, cannot change their mode any
    more, which is the whole host's. Nobody else could, and nothing is done for them.

    Raises:
        OSError: the host does not allow it.
    """
    user, group = os.geteuid(), os.getegid()
    if not any(os.stat(path).st_uid == user for path in DEVICES):
        return
    try:
        kernel.unshare(kernel.CLONE_NEWNS)
    except PermissionError:
        # Root of a container, without its capabilities.
        kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS)
        same = {"setgroups": "deny", "uid_map": f"{user} {user} 1", "gid_map": f"{group} {group} 1"}
        for name, text in same.items():
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
    # Otherwise the host would see it too.
    kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    for path in DEVICES:
        kernel.copy_mount(path, path, attributes=_DEVICE)


def command(
    program: str,
    argv: list[str],
    *,
    entries: list[Entry],
    work_dir: str,
    shared_memory_bytes: int,
    sockets: list[tuple[str, str]],
    filter_program: bytes,
) -> list[str]:
    """The command line that runs ``argv`` inside. What it names by number is open then; bwrap closes it.

    Args:
        program: the path of bwrap.
        argv: what it is to run.
        entries: what is seen, the outer paths first.
        work_dir: one of the entries; its tmp/ is the play's /tmp.
        shared_memory_bytes: the size of /dev/shm.
        sockets: (path on the host, path in the view) of Unix sockets that may be connected to.
        filter_program: of seccomp.

    Raises:
        OSError: no room for what is to be handed over.
    """
    options = [*_ALONE, *view_options(entries, work_dir=work_dir, shared_memory_bytes=shared_memory_bytes)]
    for path, text in accounts((os.geteuid(), os.getegid())).items():
        if not _is_inside(path, [shown for shown, _ in entries]):  # law 4
            options += ["--perms", "0444", "--file", str(_handed_over(text.encode())), path]
    for path, inside in sockets:
        options += ["--ro-bind-fd", str(_opened(path)), inside]
    options += ["--remount-ro", "/", "--chdir", work_dir, "--seccomp", str(_handed_over(filter_program))]
    handed = _handed_over(b"".join(os.fsencode(option) + b"\0" for option in options))
    return [program, "--args", str(handed), "--", *argv]


def _opened(path: str) -> int:
    """A descriptor that the next program inherits, of what lies at a path through which no link leads."""
    descriptor = kernel.open_path(path)
    os.set_inheritable(descriptor, True)
    return descriptor


def _to_copy(path: str) -> int:
    """A descriptor of a file that is copied, not mounted, or -1: a mount costs bwrap a tenth of a ms.

    The system's small files alone, which do not change while a play runs.
    """
    if path not in SYSTEM or not is_below(path, "/etc"):
        return -1
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_COPIED_BYTES:
            return -1
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return -1
    os.set_inheritable(descriptor, True)
    return descriptor


def _is_inside(path: str, shown: list[str]) -> bool:
    return any(is_below(path, outer) for outer in shown)


def _handed_over(data: bytes) -> int:
    """A descriptor that the next program inherits, from which it reads the data."""
    descriptor = os.memfd_create("hero-logic", 0)
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def problem_of_entry(told: int) -> str:
    """Wait for the guard's word; "" when it came, else what was said instead of it."""
    until_s = time.monotonic() + _ENTRY_S
    poll = select.poll()
    poll.register(told, select.POLLIN)
    text = b""
    while ENTERED not in text:
        if not poll.poll(max(0.0, (until_s - time.monotonic()) * 1000)):
            return f"bwrap did not start the play within {_ENTRY_S:g} s; {_said(text)}"
        data = os.read(told, _MAX_TOLD_BYTES)
        if not data:
            return _said(text)
        text = (text + data)[-_MAX_TOLD_BYTES:]
    return ""


def _said(text: bytes) -> str:
    lines = text.decode("utf-8", "replace").split("\n")
    said = "; ".join(line.strip() for line in lines if line.strip())
    return said or "bwrap ended, and said nothing"


def first_process_of(monitor_pid: int) -> int:
    """The host's number of pid 1 of the play's world: the only child that bwrap itself has.

    Raises:
        OSError: bwrap has ended, and so has the play.
    """
    with open(f"/proc/{monitor_pid}/task/{monitor_pid}/children", "rb") as file:
        pids = file.read().split()
    if not pids:
        raise ProcessLookupError(3, os.strerror(3), "the play's first process")
    return int(pids[0])
