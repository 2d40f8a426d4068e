"""The system calls of Linux that confine a process and have no wrapper in the standard library.

Each takes what the kernel takes and raises ``OSError`` with the kernel's number and the call's name. Called
between a fork and the play's first line, by a process with one thread. x86-64: the numbers of the calls that
glibc does not wrap are that architecture's.

Source: the manual pages named beside each call.
"""

from __future__ import annotations

import ctypes
import errno
import os

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000

MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
MOUNT_ATTR_NOEXEC = 0x8

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

_MNT_DETACH = 2
_AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000
_AT_RECURSIVE = 0x8000
_OPEN_TREE_CLONE = 1
_OPEN_TREE_CLOEXEC = os.O_CLOEXEC
_MOVE_MOUNT_F_EMPTY_PATH = 4
_CAPABILITY_VERSION_3 = 0x20080522
_RESOLVE_NO_SYMLINKS = 0x04
_SECCOMP_SET_MODE_FILTER = 1
_LANDLOCK_CREATE_RULESET_VERSION = 1

_SYS_PIVOT_ROOT = 155
_SYS_CAPSET = 126
_SYS_SECCOMP = 317
_SYS_OPEN_TREE = 428
_SYS_MOVE_MOUNT = 429
_SYS_OPENAT2 = 437
_SYS_MOUNT_SETATTR = 442
_SYS_LANDLOCK_CREATE_RULESET = 444
_SYS_LANDLOCK_ADD_RULE = 445
_SYS_LANDLOCK_RESTRICT_SELF = 446

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result


def _call(what: str, number: int, *arguments: object) -> int:
    """A call by its number; whole numbers go as the kernel's longs, never as C's 32-bit ints."""
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    return _check(_libc.syscall(ctypes.c_long(number), *words), what)


def prctl(option: int, value: int, second: int = 0) -> None:
    """prctl(2)."""
    _check(_libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(second), 0, 0), f"prctl({option})")


def unshare(flags: int) -> None:
    """unshare(2): this process, or for pids its children, in namespaces of their own."""
    _check(_libc.unshare(flags), f"unshare({flags:#x})")


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """mount(2)."""
    result = _libc.mount(
        source.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), options.encode()
    )
    _check(result, f"mount {kind} on {target}")


def open_path(path: str) -> int:
    """A descriptor that names what lies at a path, which goes through no link: openat2(2).

    Raises:
        OSError: ELOOP where a link is on the way, which somebody may have put there since it was resolved.
    """
    how = (
        (os.O_PATH | os.O_CLOEXEC).to_bytes(8, "little")
        + bytes(8)
        + _RESOLVE_NO_SYMLINKS.to_bytes(8, "little")
    )
    try:
        return _call(f"openat2 {path}", _SYS_OPENAT2, _AT_FDCWD, os.fsencode(path), how, len(how))
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "a link lies on the way there, and is not followed", path) from None
        raise


def copy_mount(source: str, target: str, *, attributes: int) -> None:
    """Show what lies at ``source``, mounts below it included, at ``target`` too, with these attributes.

    The copy has its attributes before anyone can see it: open_tree(2), mount_setattr(2), move_mount(2). No
    link is followed: see :func:`open_path`.
    """
    opened = open_path(source)
    try:
        flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | _AT_RECURSIVE | _AT_EMPTY_PATH
        tree = _call(f"open_tree {source}", _SYS_OPEN_TREE, opened, b"", flags)
    finally:
        os.close(opened)
    try:
        wanted = attributes.to_bytes(8, "little") + bytes(24)
        _call(
            f"mount_setattr {source}",
            _SYS_MOUNT_SETATTR,
            tree,
            b"",
            _AT_EMPTY_PATH | _AT_RECURSIVE,
            wanted,
            len(wanted),
        )
        _call(
            f"move_mount {target}",
            _SYS_MOVE_MOUNT,
            tree,
            b"",
            _AT_FDCWD,
            os.fsencode(target),
            _MOVE_MOUNT_F_EMPTY_PATH,
        )
    finally:
        os.close(tree)


def enter_root(path: str) -> None:
    """Make a mount the root of this mount namespace, and let go of the old one: pivot_root(2)."""
    os.chdir(path)
    _call(f"pivot_root {path}", _SYS_PIVOT_ROOT, b".", b".")
    _check(_libc.umount2(b".", _MNT_DETACH), "umount2 of the old root")
    os.chdir("/")


def drop_capabilities() -> None:
    """Give up every capability, in every set, for good: capabilities(7)."""
    bound_capabilities()
    empty_capabilities()


def empty_capabilities() -> None:
    """Give up every capability that this process has: capabilities(7)."""
    header = _CAPABILITY_VERSION_3.to_bytes(4, "little") + bytes(4)
    _call("capset", _SYS_CAPSET, header, bytes(24))


def bound_capabilities() -> None:
    """Let no program that is executed have any; those that this process has it keeps: capabilities(7)."""
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    for number in range(64):
        try:
            prctl(PR_CAPBSET_DROP, number)
        except OSError:
            # EINVAL: the kernel has no more of them; EPERM: none is held, so that none can be gained either.
            break


def load_filter(program: bytes) -> None:
    """seccomp(2): hold this process, and all that it starts, to a BPF program of 8-byte instructions."""
    code = ctypes.create_string_buffer(program, len(program))
    header = (len(program) // 8).to_bytes(8, "little") + ctypes.addressof(code).to_bytes(8, "little")
    _call("seccomp", _SYS_SECCOMP, _SECCOMP_SET_MODE_FILTER, 0, header)


def landlock_version() -> int:
    """Which version of Landlock's interface the kernel has; 0 where it has none, or has it switched off."""
    result: int = _libc.syscall(
        ctypes.c_long(_SYS_LANDLOCK_CREATE_RULESET),
        None,
        ctypes.c_long(0),
        ctypes.c_long(_LANDLOCK_CREATE_RULESET_VERSION),
    )
    return max(result, 0)


def landlock_create_ruleset(attributes: bytes) -> int:
    """landlock_create_ruleset(2); a descriptor."""
    return _call("landlock_create_ruleset", _SYS_LANDLOCK_CREATE_RULESET, attributes, len(attributes), 0)


def landlock_add_rule(ruleset: int, kind: int, rule: bytes) -> None:
    """landlock_add_rule(2)."""
    _call("landlock_add_rule", _SYS_LANDLOCK_ADD_RULE, ruleset, kind, rule, 0)


def landlock_restrict_self(ruleset: int) -> None:
    """landlock_restrict_self(2): this process and all that it starts."""
    _call("landlock_restrict_self", _SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0)
