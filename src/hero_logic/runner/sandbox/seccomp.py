"""Which system calls a play may make: a table with its reasons, and the BPF program that holds it.

A deny-list: Python and what it loads use too many calls, and too many new ones, for an allow-list that
would not break flows at each release of a C library. It closes what neither a namespace nor Landlock
bounds, and what only widens the kernel that a flow can reach. A call newer than this table is not there
(ENOSYS), so that what a later kernel adds is denied until somebody has looked at it.

x86-64 alone. A process of another architecture is killed; the x32 calls are not there.

Source: docs/design/0012-native-isolation.md; the numbers are those of arch/x86/entry/syscalls/syscall_64.tbl.
"""

from __future__ import annotations

import errno

_ARCHITECTURE_X86_64 = 0xC000003E
_LAST_KNOWN = 467
"""open_tree_attr(2), Linux 6.15."""

# Offsets in struct seccomp_data; an argument has 8 bytes, low half first.
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
_IF_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_IF_AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_IF_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_ERRNO = 0x00050000

DENIED: tuple[tuple[str, dict[str, int]], ...] = (
    (
        "look into or steer another process",
        {
            "ptrace": 101,
            "process_vm_readv": 310,
            "process_vm_writev": 311,
            "kcmp": 312,
            "pidfd_getfd": 438,
            "process_madvise": 440,
            "process_mrelease": 448,
            "migrate_pages": 256,
            "move_pages": 279,
        },
    ),
    (
        "change what the file system looks like",
        {
            "pivot_root": 155,
            "chroot": 161,
            "mount": 165,
            "umount2": 166,
            "open_tree": 428,
            "move_mount": 429,
            "fsopen": 430,
            "fsconfig": 431,
            "fsmount": 432,
            "fspick": 433,
            "mount_setattr": 442,
            "open_tree_attr": 467,
        },
    ),
    ("find files without a path, past every rule", {"name_to_handle_at": 303, "open_by_handle_at": 304}),
    ("watch what others do with files", {"fanotify_init": 300, "fanotify_mark": 301}),
    ("make or enter namespaces, where capabilities could be had again", {"unshare": 272, "setns": 308}),
    (
        "keys of the kernel's, which are kept by user and not by process",
        {"add_key": 248, "request_key": 249, "keyctl": 250},
    ),
    (
        "parts of the kernel that broke before, and that no flow needs",
        {
            "bpf": 321,
            "perf_event_open": 298,
            "userfaultfd": 323,
            "personality": 135,
            "modify_ldt": 154,
            "uselib": 134,
            "lookup_dcookie": 212,
            "nfsservctl": 180,
            "vhangup": 153,
        },
    ),
    (
        "the machine itself",
        {
            "syslog": 103,
            "adjtimex": 159,
            "acct": 163,
            "settimeofday": 164,
            "swapon": 167,
            "swapoff": 168,
            "reboot": 169,
            "sethostname": 170,
            "setdomainname": 171,
            "iopl": 172,
            "ioperm": 173,
            "init_module": 175,
            "delete_module": 176,
            "quotactl": 179,
            "clock_settime": 227,
            "kexec_load": 246,
            "clock_adjtime": 305,
            "finit_module": 313,
            "kexec_file_load": 320,
            "quotactl_fd": 443,
        },
    ),
)
"""(what it would do, {call: number}): the answer is EPERM."""

ABSENT: tuple[tuple[str, dict[str, int]], ...] = (
    (
        "a second door to calls that are looked at here",
        {"io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427},
    ),
    ("its arguments lie in memory, where no filter sees them; clone(2) serves as well", {"clone3": 435}),
    ("its mode cannot be told from that of chmod(2), which is looked at", {"fchmodat2": 452}),
    ("its mode lies in memory, where no filter sees it; openat(2) serves as well", {"openat2": 437}),
    ("mounts of the host", {"statmount": 457, "listmount": 458}),
    ("memory that nobody else can count", {"memfd_secret": 447}),
)
"""The answer is ENOSYS: libraries fall back on what they did before there was such a call."""

UNCOUNTED_MEMORY = {"memfd_create": 319, "shmget": 29, "semget": 64, "msgget": 68}
"""Memory that no directory shows and no process has to map: not in any sum that can be taken."""

SHARED_BY_USER = {
    "shmat": 30,
    "shmctl": 31,
    "semop": 65,
    "semctl": 66,
    "msgsnd": 69,
    "msgrcv": 70,
    "msgctl": 71,
    "semtimedop": 220,
    "mq_open": 240,
    "mq_unlink": 241,
}
"""Where there is no namespace of their own for them: memory and queues shared with all of the user's."""

ABOUT_FILES = {
    "chmod": 90,
    "fchmod": 91,
    "fchmodat": 268,
    "chown": 92,
    "fchown": 93,
    "lchown": 94,
    "fchownat": 260,
    "utime": 132,
    "utimes": 235,
    "futimesat": 261,
    "utimensat": 280,
    "inotify_add_watch": 254,
}
"""Where there is no view of their own: what says something of a file, or hears of it, and asks no rule of
Landlock's. The files are the host's, and many of them belong to the user."""

ATTRIBUTES = {
    "setxattr": 188,
    "lsetxattr": 189,
    "fsetxattr": 190,
    "getxattr": 191,
    "lgetxattr": 192,
    "fgetxattr": 193,
    "listxattr": 194,
    "llistxattr": 195,
    "flistxattr": 196,
    "removexattr": 197,
    "lremovexattr": 198,
    "fremovexattr": 199,
    "setxattrat": 463,
    "getxattrat": 464,
    "listxattrat": 465,
    "removexattrat": 466,
}
"""The same; the answer is that the file system has none, which what copies files takes for an answer."""

_CLONE, _SOCKET, _SOCKETPAIR, _IOCTL = 56, 41, 53, 16
_SOCKET_CALLS = {"connect": 42, "accept": 43, "bind": 49, "listen": 50, "accept4": 288}
_CLONE_NEW_ANY = 0x7E020000
_CLONE_THREAD, _CLONE_FILES = 0x10000, 0x400
_CLOSE_RANGE, _CLOSE_RANGE_UNSHARE = 436, 2
"""A thread with descriptors of its own has files that nobody finds who looks at its process."""
_TERMINAL_TRICKS = (0x5412, 0x541C, 0x5423)
"""TIOCSTI types into the terminal, TIOCLINUX too, TIOCSETD changes what reads from it."""
_SEALS = (0x40806685, 0xC0506617, 0x800C6613)
"""FS_IOC_ENABLE_VERITY, _ADD_ENCRYPTION_KEY, _SET_ENCRYPTION_POLICY: who may read a file may close it to
others."""
_DEVICES_OF_THE_NETWORK = (0x8910, 0x8A00)
"""SIOCGIFNAME and what comes behind it: asked of a socket that was made on the host, and handed in, they tell
of the host's devices and addresses, whatever network the play has."""
_FLAGS = (0x40086602, 0x40046602, 0x40087602, 0x401C5820)
"""FS_IOC_SETFLAGS, its form for 32 bits, _SETVERSION, FSSETXATTR: they ask for the owner, and for no right of
Landlock's; a file that is open for reading is enough."""
_WITH_FLAGS = {
    "sendto": (44, 3),
    "recvfrom": (45, 3),
    "sendmsg": (46, 2),
    "recvmsg": (47, 2),
    "recvmmsg": (299, 3),
    "sendmmsg": (307, 3),
}
"""(number, which argument has the flags)"""
_MSG_OOB = 1
"""Urgent bytes of a pair of sockets: a way out of a browser's sandbox was found there, CVE-2025-38236."""
_SETSOCKOPT, _SOL_SOCKET, _SOL_TCP = 54, 1, 6
_ATTACHED = (26, 50, 51, 52)
"""SO_ATTACH_FILTER, _BPF, _REUSEPORT_CBPF, _REUSEPORT_EBPF: programs that the kernel compiles and runs."""
_TCP_ULP = 31
"""TLS and more within the kernel; a library that finds none does it itself."""
_FCNTL, _SET_LEASE = 72, 1024
"""A lease on a file that is shown would hold up whoever opens it on the host to change it."""
_SET_ID_BITS = 0o6000
_MODES = {
    "creat": (85, 1),
    "chmod": (90, 1),
    "fchmod": (91, 1),
    "mknod": (133, 1),
    "mknodat": (259, 2),
    "fchmodat": (268, 2),
}
_OPENED = {"open": (2, 1), "openat": (257, 2)}
"""(number, which argument has the flags); the mode follows, and counts where a file is made."""
_MAKES_A_FILE = 0o20000100  # O_CREAT, and the bit of O_TMPFILE that is its own
_OF_OTHERS = {
    "setpriority": (141, 1),
    "sched_setparam": (142, 0),
    "sched_setscheduler": (144, 0),
    "sched_setaffinity": (203, 0),
    "ioprio_set": (251, 1),
    "prlimit64": (302, 0),
    "sched_setattr": (314, 0),
}
"""(number, which argument names the process)"""
_OF_THE_USER = {"setpriority": (141, 2), "ioprio_set": (251, 3)}
"""(number, what its first argument is where 0 stands for all processes of the user)"""
_AF_UNIX, _AF_INET, _AF_INET6 = 1, 2, 10
_SOCK_STREAM, _SOCK_DGRAM, _SOCK_TYPE = 1, 2, 0xF
_IPPROTO_TCP, _IPPROTO_UDP = 6, 17


class _Program:
    """Instructions in order; each rule is whole in itself and falls through to the next."""

    def __init__(self) -> None:
        self._code = bytearray()

    def add(self, code: int, value: int, if_true: int = 0, if_false: int = 0) -> None:
        self._code += code.to_bytes(2, "little") + bytes((if_true, if_false)) + value.to_bytes(4, "little")

    def answer(self, number: int, error: int) -> None:
        """The call fails with this error."""
        self.add(_IF_EQUAL, number, 0, 1)
        self.add(_RETURN, _ERRNO | error)

    def on(self, number: int, *body: tuple[int, int, int, int]) -> None:
        """For this call alone, these instructions; the number is loaded again after them."""
        self.add(_IF_EQUAL, number, 0, len(body) + 1)
        for instruction in body:
            self.add(*instruction)
        self.add(_LOAD, _NUMBER)

    def dump(self) -> bytes:
        return bytes(self._code)


def _argument(index: int) -> tuple[int, int, int, int]:
    """Load the low half of an argument: what the kernel looks at where it takes 32 bits."""
    return (_LOAD, _ARGUMENTS + 8 * index, 0, 0)


def _if_any(*values: int) -> list[tuple[int, int, int, int]]:
    """Go on with the instruction behind these where one of the values is loaded, else skip that one."""
    last = len(values) - 1
    return [(_IF_EQUAL, value, last - at, int(at == last)) for at, value in enumerate(values)]


def _refuse(error: int) -> tuple[int, int, int, int]:
    return (_RETURN, _ERRNO | error, 0, 0)


def build(*, has_namespaces: bool) -> bytes:
    """The program, as seccomp(2) takes it: instructions of 8 bytes.

    Args:
        has_namespaces: the play has its own view of files, processes, network and ipc, in which nobody
            else's are: sockets, queues and its own processes are left to it. Otherwise it gets no socket
            at all but pairs of connected ones.

    >>> len(build(has_namespaces=True)) % 8, len(build(has_namespaces=False)) // 8 < 4096
    (0, True)
    """
    if has_namespaces not in _built:
        _built[has_namespaces] = _build(has_namespaces=has_namespaces)
    return _built[has_namespaces]


_built: dict[bool, bytes] = {}


def _build(*, has_namespaces: bool) -> bytes:
    program = _Program()
    program.add(_LOAD, _ARCHITECTURE)
    program.add(_IF_EQUAL, _ARCHITECTURE_X86_64, 1, 0)
    program.add(_RETURN, _KILL_PROCESS)
    program.add(_LOAD, _NUMBER)
    # Also the x32 calls, whose numbers begin at 0x40000000.
    program.add(_IF_AT_LEAST, _LAST_KNOWN + 1, 0, 1)
    program.add(_RETURN, _ERRNO | errno.ENOSYS)
    for _, calls in DENIED:
        for number in calls.values():
            program.answer(number, errno.EPERM)
    for _, calls in ABSENT:
        for number in calls.values():
            program.answer(number, errno.ENOSYS)
    for number in UNCOUNTED_MEMORY.values():
        program.answer(number, errno.EPERM)
    _bound_arguments(program)
    if has_namespaces:
        _bound_families(program)
    else:
        _bound_what_is_shared(program)
    program.add(_RETURN, _ALLOW)
    return program.dump()


def _bound_arguments(program: _Program) -> None:
    """Calls that are denied by what they are asked."""
    program.on(
        _CLONE,
        _argument(0),
        (_IF_ANY_BIT, _CLONE_NEW_ANY, 0, 1),
        _refuse(errno.EPERM),
        (_IF_ANY_BIT, _CLONE_THREAD, 0, 2),
        (_IF_ANY_BIT, _CLONE_FILES, 1, 0),
        _refuse(errno.EPERM),
    )
    program.on(_CLOSE_RANGE, _argument(2), (_IF_ANY_BIT, _CLOSE_RANGE_UNSHARE, 0, 1), _refuse(errno.EPERM))
    program.on(_IOCTL, _argument(1), *_if_any(*_TERMINAL_TRICKS, *_SEALS), _refuse(errno.EPERM))
    first, behind = _DEVICES_OF_THE_NETWORK
    program.on(
        _IOCTL,
        _argument(1),
        (_IF_AT_LEAST, first, 0, 2),
        (_IF_AT_LEAST, behind, 1, 0),
        _refuse(errno.EPERM),
    )
    program.on(_FCNTL, _argument(1), (_IF_EQUAL, _SET_LEASE, 0, 1), _refuse(errno.EPERM))
    _bound_sockets(program)
    for number, index in _MODES.values():
        program.on(number, _argument(index), (_IF_ANY_BIT, _SET_ID_BITS, 0, 1), _refuse(errno.EPERM))
    for number, index in _OPENED.values():
        program.on(
            number,
            _argument(index),
            (_IF_ANY_BIT, _MAKES_A_FILE, 0, 3),
            _argument(index + 1),
            (_IF_ANY_BIT, _SET_ID_BITS, 0, 1),
            _refuse(errno.EPERM),
        )


def _bound_sockets(program: _Program) -> None:
    """What can be done with a socket that no flow needs, and that broke before."""
    for number, index in _WITH_FLAGS.values():
        program.on(number, _argument(index), (_IF_ANY_BIT, _MSG_OOB, 0, 1), _refuse(errno.EOPNOTSUPP))
    program.on(
        _SETSOCKOPT,
        _argument(1),
        (_IF_EQUAL, _SOL_SOCKET, 0, len(_ATTACHED) + 2),
        _argument(2),
        *_if_any(*_ATTACHED),
        _refuse(errno.EPERM),
    )
    program.on(
        _SETSOCKOPT,
        _argument(1),
        (_IF_EQUAL, _SOL_TCP, 0, 3),
        _argument(2),
        (_IF_EQUAL, _TCP_ULP, 0, 1),
        _refuse(errno.ENOPROTOOPT),
    )


def _bound_families(program: _Program) -> None:
    """Unix sockets, TCP and UDP, and no other: neither raw nor netlink, nor vsock, which has no namespace."""
    program.on(
        _SOCKET,
        _argument(0),
        (_IF_EQUAL, _AF_UNIX, 11, 0),
        (_IF_EQUAL, _AF_INET, 1, 0),
        (_IF_EQUAL, _AF_INET6, 0, 8),
        _argument(1),
        (_AND, _SOCK_TYPE, 0, 0),
        (_IF_EQUAL, _SOCK_STREAM, 1, 0),
        (_IF_EQUAL, _SOCK_DGRAM, 0, 4),
        _argument(2),
        # The type's own, TCP or UDP; neither MPTCP nor SCTP, L2TP and what else there is.
        (_IF_EQUAL, 0, 3, 0),
        (_IF_EQUAL, _IPPROTO_TCP, 2, 0),
        (_IF_EQUAL, _IPPROTO_UDP, 1, 0),
        _refuse(errno.EAFNOSUPPORT),
    )
    program.on(_SOCKETPAIR, _argument(0), (_IF_EQUAL, _AF_UNIX, 1, 0), _refuse(errno.EAFNOSUPPORT))


def _bound_what_is_shared(program: _Program) -> None:
    """Without namespaces: nothing that reaches others of the same user, and no socket but connected pairs."""
    for number in (*SHARED_BY_USER.values(), *ABOUT_FILES.values()):
        program.answer(number, errno.EPERM)
    program.on(_IOCTL, _argument(1), *_if_any(*_FLAGS), _refuse(errno.EPERM))
    for number in ATTRIBUTES.values():
        program.answer(number, errno.ENOTSUP)
    for number, kind in _OF_THE_USER.values():
        program.on(number, _argument(0), (_IF_EQUAL, kind, 0, 1), _refuse(errno.EPERM))
    for number, index in _OF_OTHERS.values():
        # 0 is the caller; any other process, by its number, is refused.
        program.on(number, _argument(index), (_IF_EQUAL, 0, 1, 0), _refuse(errno.EPERM))
    program.answer(_SOCKET, errno.EAFNOSUPPORT)
    for number in _SOCKET_CALLS.values():
        program.answer(number, errno.EPERM)
    program.on(
        _SOCKETPAIR,
        _argument(0),
        (_IF_EQUAL, _AF_UNIX, 0, 3),
        _argument(1),
        (_AND, _SOCK_TYPE, 0, 0),
        # A pair of datagram sockets could be aimed anew, at somebody else's.
        (_IF_EQUAL, _SOCK_STREAM, 1, 0),
        _refuse(errno.EAFNOSUPPORT),
    )
