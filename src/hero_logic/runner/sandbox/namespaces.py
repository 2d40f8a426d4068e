"""A world of its own for a play: users, processes, network, ipc, host name, and a view of files.

In three moves, by processes with one thread each. The supervisor leaves the host's namespaces
(:func:`leave_host`): its next child is the first process of a new world, which builds what all plays see of
the host's files (:func:`build_view`). Its child, which becomes the play, adds what this one sees and enters
the view (:func:`enter_view`); the host's files are then not hidden, but gone, for both of them.

The view is a small file system in memory with copies of the mounts that the play may see; each copy is
read-only, without devices and set-id, before it is attached. /proc is that of the new world, /dev has five
devices, /dev/shm a size, /tmp is the play's own.

Source: docs/design/0012-native-isolation.md, namespaces(7).
"""

from __future__ import annotations

import _socket
import os
import stat

from hero_logic.runner.sandbox import kernel
from hero_logic.runner.sandbox.view import DEVICES, KEEP, READ

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hero_logic.runner.sandbox.view import Entry

_ALONE = (
    kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWCGROUP
)
_QUIET = kernel.MS_NOSUID | kernel.MS_NODEV
_CLOSED = kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NODEV
_READ_ONLY = _CLOSED | kernel.MOUNT_ATTR_RDONLY
# Read-only: written to all the same, and its mode, which is the host's, cannot be changed by root, its owner.
_DEVICE = kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NOEXEC | kernel.MOUNT_ATTR_RDONLY
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1
HOST_NAME = "play"
Owner = tuple[int, int]
"""(user, group): whose processes and files a play's are, where they are not the operator's."""
_TMP = "/tmp"  # noqa: S108  # the play's own
KEYS = "/proc/keys"
"""Which keys a user has in the kernel, and what they are called: of the host's user, in every namespace."""
_SMALL_BYTES = 128 * 1024
_SHARED_MEMORY = "/dev/shm"  # noqa: S108  # the play's own
_SHARED_MEMORY_FILES = 16_384


def leave_host(owner: Owner | None = None) -> None:
    """Leave the host's namespaces: this process for users and network, its children for processes too.

    The user stays who they are, and nobody else exists. With an ``owner``, which takes root's capabilities,
    the users stay the host's, so that the play can become another one; it has no capability then to keep in
    a namespace.

    Raises:
        OSError: the host does not allow it.
    """
    if owner is not None:
        kernel.unshare(_ALONE & ~kernel.CLONE_NEWUSER)
        _socket.sethostname(HOST_NAME)
        return
    user, group = os.geteuid(), os.getegid()
    kernel.unshare(_ALONE)
    # Without this no group could be mapped: a group can be what denies a file (user_namespaces(7)).
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{user} {user} 1")
    _write("/proc/self/gid_map", f"{group} {group} 1")
    _socket.sethostname(HOST_NAME)


def become(owner: Owner) -> None:
    """Be another user, for good, and none of their groups but one; root's capabilities go with that.

    Raises:
        OSError: this is not root.
    """
    user, group = owner
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    # Its own entries in /proc would be root's for the change.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)


def build_view(
    entries: list[Entry], *, root: str, shared_memory_bytes: int, owner: Owner | None = None
) -> None:
    """In the first process of the new world: build what does not depend on a play of the view of files.

    Args:
        entries: what every play sees, the outer paths first.
        root: an empty directory of the host's, which is mounted over and stays empty.
        shared_memory_bytes: the size of /dev/shm.
        owner: whose play it is, where that is another user.

    Raises:
        OSError: the host does not allow it.
    """
    owner = owner or (os.geteuid(), os.getegid())
    os.umask(0o022)
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("play", root, "tmpfs", _QUIET, "size=4m,mode=755")
    for path, access in entries:
        _show(root, path, access)
    _show_devices(root, shared_memory_bytes, owner)
    os.mkdir(root + "/proc", 0o555)
    # Read-only: where the play is root on the host, it would own /proc/sys without a capability.
    kernel.mount("proc", root + "/proc", "proc", _QUIET | kernel.MS_NOEXEC | kernel.MS_RDONLY)
    if os.path.exists(root + KEYS):
        kernel.copy_mount("/dev/null", root + KEYS, attributes=_READ_ONLY)  # not to be opened: no devices
    _write_accounts(root, owner)
    os.umask(0o077)


def enter_view(root: str, entries: list[Entry], *, work_dir: str, sockets: list[tuple[str, str]]) -> None:
    """Add to a view what one play sees, and make it all there is, for this process and the first one.

    Args:
        root: where :func:`build_view` has built it.
        entries: what is added, the outer paths first.
        work_dir: one of them; its tmp/ is the play's /tmp.
        sockets: (path on the host, path in the view) of Unix sockets that may be connected to.

    Raises:
        OSError: the host does not allow it.
    """
    os.umask(0o022)
    for path, access in entries:
        _show(root, path, access)
    if not os.path.isdir(root + _TMP):
        # Where the host's /tmp has something that is shown, programs are left with TMPDIR.
        os.symlink(work_dir + _TMP, root + _TMP)
    for path, inside in sockets:
        _make_directory(root, os.path.dirname(inside))
        _make_file(root + inside)
        kernel.copy_mount(path, root + inside, attributes=_READ_ONLY)
    kernel.enter_root(root)
    kernel.mount("play", "/", "", _QUIET | kernel.MS_RDONLY | kernel.MS_REMOUNT | kernel.MS_BIND)
    os.chdir(work_dir)
    os.umask(0o077)


def raise_loopback() -> None:
    """Let the loopback device of the new network carry; there is no other device."""
    import fcntl

    with_name = b"lo".ljust(16, b"\0")
    control = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    try:
        fcntl.ioctl(control.fileno(), _SIOCSIFFLAGS, with_name + _IFF_UP.to_bytes(2, "little") + bytes(22))
    finally:
        control.close()


def _show(root: str, path: str, access: str) -> None:
    if os.path.islink(path):
        _make_directory(root, os.path.dirname(path))
        os.symlink(os.readlink(path), root + path)
        return
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return  # what is not there is not shown
    if stat.S_ISDIR(mode):
        _make_directory(root, path)
    else:
        _make_directory(root, os.path.dirname(path))
        # What is there already lies in a directory that is shown, or is an account of the play's own, which
        # gives way to the host's where that was granted.
        if not os.path.exists(root + path):
            is_copied = access == READ and path.startswith("/etc/") and stat.S_ISREG(mode)
            if is_copied and _copy(path, root + path):
                return
            _make_file(root + path)
    kernel.copy_mount(path, root + path, attributes=_CLOSED if access == KEEP else _READ_ONLY)


def _copy(path: str, target: str) -> bool:
    """Put a small file's content in its place, for a quarter of a mount's cost; whether it is small."""
    source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.read(source, _SMALL_BYTES + 1)
    finally:
        os.close(source)
    if len(data) > _SMALL_BYTES:
        return False
    _write(target, data)
    return True


def _show_devices(root: str, shared_memory_bytes: int, owner: Owner) -> None:
    os.mkdir(root + "/dev", 0o755)
    for path in DEVICES:
        _make_file(root + path)
        kernel.copy_mount(path, root + path, attributes=_DEVICE)
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(f"/proc/self/{target}", f"{root}/dev/{name}")
    os.mkdir(root + _SHARED_MEMORY, 0o700)
    # Empty files have no size, and take the kernel's memory all the same.
    options = f"size={shared_memory_bytes},nr_inodes={_SHARED_MEMORY_FILES},mode=700"
    options += f",uid={owner[0]},gid={owner[1]}"
    kernel.mount("shm", root + _SHARED_MEMORY, "tmpfs", _QUIET | kernel.MS_NOEXEC, options)


def accounts(owner: Owner) -> dict[str, str]:
    """Who there is, for programs that ask by number: {path: text}; nothing of the host's accounts is told."""
    user, group = owner
    return {
        "/etc/passwd": f"play:x:{user}:{group}::/:/bin/sh\n",
        "/etc/group": f"play:x:{group}:\n",
        "/etc/hosts": f"127.0.0.1 localhost {HOST_NAME}\n::1 localhost\n",
        "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    }


def _write_accounts(root: str, owner: Owner) -> None:
    _make_directory(root, "/etc")
    for path, text in accounts(owner).items():
        _write(root + path, text)


def _make_directory(root: str, path: str) -> None:
    if path not in ("", "/") and not os.path.isdir(root + path):
        _make_directory(root, os.path.dirname(path))
        os.mkdir(root + path, 0o755)


def _make_file(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _write(path: str, content: str | bytes) -> None:
    data = content.encode() if isinstance(content, str) else content
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)
