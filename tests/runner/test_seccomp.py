"""The BPF program of system calls, run on every call that it names by an interpreter of the test's."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import socket
import struct
from pathlib import Path

import pytest

from hero_logic.runner.sandbox import kernel, seccomp
from support.forked import in_child, refusal

X86_64 = 0xC000003E
LAST = 467
ALLOWED = "allowed"
KILLED = "killed"
HEADER = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")

PROGRAMS = {has: seccomp.build(has_namespaces=has) for has in (True, False)}
both = pytest.mark.parametrize("has_namespaces", [True, False], ids=["namespaces", "in place"])


def run(program: bytes, number: int, *arguments: int, architecture: int = X86_64) -> str:
    """What the kernel would do: ``allowed``, ``killed``, or the name of the error that the call gets."""
    words = [argument % 2**64 for argument in (*arguments, *[0] * (6 - len(arguments)))]
    data = struct.pack("<IIQ6Q", number, architecture, 0, *words)
    at = accumulator = 0
    while True:
        code, if_true, if_false, value = struct.unpack_from("<HBBI", program, at * 8)
        at += 1
        if code == 0x06:  # return
            return meaning(value)
        if code == 0x20:  # load a word
            accumulator = struct.unpack_from("<I", data, value)[0]
        elif code == 0x54:  # and
            accumulator &= value
        else:
            holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}
            at += if_true if holds[code] else if_false


def meaning(value: int) -> str:
    if value == 0x7FFF0000:
        return ALLOWED
    if value == 0x80000000:
        return KILLED
    assert value & 0xFFFF0000 == 0x00050000, hex(value)
    return errno.errorcode[value & 0xFFFF]


def verdict(has_namespaces: bool, number: int, *arguments: int) -> str:
    return run(PROGRAMS[has_namespaces], number, *arguments)


def named(*tables: tuple[tuple[str, dict[str, int]], ...]) -> dict[str, int]:
    return {name: number for table in tables for _, calls in table for name, number in calls.items()}


DENIED = named(seccomp.DENIED) | seccomp.UNCOUNTED_MEMORY
ABSENT = named(seccomp.ABSENT)
SHARED = seccomp.SHARED_BY_USER | seccomp.ABOUT_FILES
LOOKED_AT = {
    "ioctl": 16,
    "socket": 41,
    "socketpair": 53,
    "clone": 56,
    "fcntl": 72,
    "open": 2,
    "openat": 257,
    "creat": 85,
    "mknod": 133,
    "mknodat": 259,
}
SOCKET_CALLS = {"connect": 42, "accept": 43, "bind": 49, "listen": 50, "accept4": 288}
OF_OTHERS = {
    "setpriority": (141, 1),
    "sched_setparam": (142, 0),
    "sched_setscheduler": (144, 0),
    "sched_setaffinity": (203, 0),
    "ioprio_set": (251, 1),
    "prlimit64": (302, 0),
    "sched_setattr": (314, 0),
}


# The program as a whole


@both
def test_every_way_through_the_program_ends_in_an_answer(has_namespaces: bool) -> None:
    """No jump leads out of it, the last instruction is an answer, every load is a whole word of the data."""
    program = PROGRAMS[has_namespaces]
    count = len(program) // 8
    for at in range(count):
        code, if_true, if_false, value = struct.unpack_from("<HBBI", program, at * 8)
        assert code in (0x20, 0x54, 0x15, 0x35, 0x45, 0x06), hex(code)
        if code in (0x15, 0x35, 0x45):
            assert at + 1 + max(if_true, if_false) < count
        if code == 0x20:
            assert value % 4 == 0 <= value < 64

    assert struct.unpack_from("<H", program, len(program) - 8) == (0x06,)
    assert len(program) % 8 == 0
    assert count <= 4096


@both
@pytest.mark.parametrize("architecture", [0x40000003, 0xC00000B7, 0, X86_64 ^ 1])
def test_a_process_of_another_architecture_is_killed(has_namespaces: bool, architecture: int) -> None:
    """Its numbers mean other calls: those of 32 bits can be made by any process of this architecture."""
    for number in (0, 1, 59, 1000):
        assert run(PROGRAMS[has_namespaces], number, architecture=architecture) == KILLED


@both
def test_the_calls_of_x32_are_not_there(has_namespaces: bool) -> None:
    """They are the same calls by other numbers, past all that looks at these."""
    for number in (0, 41, 56, 101, LAST):
        assert verdict(has_namespaces, 0x40000000 + number) == "ENOSYS"


@both
def test_a_call_that_is_newer_than_the_table_is_not_there(has_namespaces: bool) -> None:
    """What a later kernel adds is denied until somebody has looked at it; no number is negative."""
    for number in (LAST + 1, LAST + 2, 511, 512, 547, 0x3FFFFFFF, 0x7FFFFFFF, 0xFFFFFFFF):
        assert verdict(has_namespaces, number) == "ENOSYS"


@both
@pytest.mark.parametrize(("name", "number"), DENIED.items())
def test_a_call_of_the_table_is_denied(has_namespaces: bool, name: str, number: int) -> None:
    """Whatever it is asked: the answer is EPERM."""
    assert verdict(has_namespaces, number) == "EPERM", name
    assert verdict(has_namespaces, number, *[2**64 - 1] * 6) == "EPERM", name


@both
@pytest.mark.parametrize(("name", "number"), ABSENT.items())
def test_a_call_that_libraries_can_do_without_is_not_there(
    has_namespaces: bool, name: str, number: int
) -> None:
    """ENOSYS makes them fall back on what they did before."""
    assert verdict(has_namespaces, number) == "ENOSYS", name


@both
def test_every_other_call_is_allowed(has_namespaces: bool) -> None:
    """Nothing is denied but what the tables name: here with 0 for every argument, which no family is."""
    wanted = {*DENIED.values(), *ABSENT.values(), LOOKED_AT["socket"], LOOKED_AT["socketpair"]}
    if not has_namespaces:
        wanted |= {*SHARED.values(), *SOCKET_CALLS.values(), *seccomp.ATTRIBUTES.values()}

    denied = {number for number in range(LAST + 1) if verdict(has_namespaces, number) != ALLOWED}

    assert denied == wanted


@pytest.mark.skipif(not HEADER.exists(), reason="the kernel's headers are not installed")
def test_the_numbers_are_those_of_the_kernels_own_headers() -> None:
    """Each name that the headers know has its number, and no number is another name's."""
    found = re.findall(r"#define __NR_(\w+) (\d+)", HEADER.read_text())
    theirs = {name: int(number) for name, number in found}
    ours = {**DENIED, **ABSENT, **SHARED, **LOOKED_AT, **SOCKET_CALLS}
    ours |= {name: number for name, (number, _) in OF_OTHERS.items()}
    names = {number: name for name, number in theirs.items()}

    assert len(theirs) > 300
    assert {name: number for name, number in ours.items() if theirs.get(name, number) != number} == {}
    assert {name for name, number in ours.items() if names.get(number, name) != name} == set()


def test_no_call_is_in_two_tables() -> None:
    """So that it has one answer, whichever comes first."""
    numbers = [
        *DENIED.values(),
        *ABSENT.values(),
        *SHARED.values(),
        *LOOKED_AT.values(),
        *SOCKET_CALLS.values(),
    ]

    assert len(numbers) == len(set(numbers))


def test_every_group_of_calls_says_why() -> None:
    """A rule without a reason would never be taken out."""
    groups = [*seccomp.DENIED, *seccomp.ABSENT]

    assert all(reason and calls for reason, calls in groups)
    assert len({reason for reason, _ in groups}) == len(groups)


# Calls that are looked at


@both
@pytest.mark.parametrize("flag", [17, 25, 26, 27, 28, 29, 30])
def test_clone_makes_no_namespace(has_namespaces: bool, flag: int) -> None:
    """Whatever else it is asked for beside: mounts, cgroups, names, ipc, users, pids, network."""
    assert verdict(has_namespaces, 56, 1 << flag) == "EPERM"
    assert verdict(has_namespaces, 56, 1 << flag | 0x1200011) == "EPERM"
    assert verdict(has_namespaces, 56, 1 << flag | 1 << 40) == "EPERM"


@both
@pytest.mark.parametrize("flags", [17, 0x01200011, 0x003D0F00, 0x4111, ~0x7E020000 & 0xFFFFFFFF])
def test_clone_makes_processes_and_threads(has_namespaces: bool, flags: int) -> None:
    """fork(2), a thread of the C library, vfork(2), and all flags that are no namespace."""
    assert verdict(has_namespaces, 56, flags) == ALLOWED


@both
@pytest.mark.parametrize("request_number", [0x5412, 0x541C, 0x5423])
@pytest.mark.parametrize("above", [0, 1 << 32, 0xFFFFFFFF << 32])
def test_nobody_types_into_the_terminal(has_namespaces: bool, request_number: int, above: int) -> None:
    """TIOCSTI, TIOCLINUX, TIOCSETD; the kernel takes 32 bits, so that what lies above them hides nothing."""
    assert verdict(has_namespaces, 16, 0, request_number | above) == "EPERM"


@both
@pytest.mark.parametrize("request_number", [0x5401, 0x5411, 0x5413, 0x541B, 0x5424])
def test_other_requests_to_devices_are_allowed(has_namespaces: bool, request_number: int) -> None:
    """TCGETS, TIOCOUTQ, the size of a window, FIONREAD and the numbers next to those that are denied."""
    assert verdict(has_namespaces, 16, 0, request_number) == ALLOWED


@both
@pytest.mark.parametrize(("number", "index"), [(90, 1), (91, 1), (268, 2)])
@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o6000, 0o4000, 0o2000])
def test_no_file_gets_a_set_id_bit(has_namespaces: bool, number: int, index: int, mode: int) -> None:
    """By chmod(2), fchmod(2), fchmodat(2)."""
    arguments = [0] * index + [mode]

    assert verdict(has_namespaces, number, *arguments) == "EPERM"
    assert verdict(has_namespaces, number, *arguments[:-1], mode | 1 << 32) == "EPERM"


@both
@pytest.mark.parametrize(("number", "index"), [(90, 1), (91, 1), (268, 2), (85, 1), (133, 1), (259, 2)])
@pytest.mark.parametrize("mode", [0, 0o755, 0o1777, 0o100644])
def test_modes_without_a_set_id_bit_are_allowed(
    has_namespaces: bool, number: int, index: int, mode: int
) -> None:
    """Also where the other arguments happen to have these bits; files of the host's keep their modes."""
    arguments = [0o6000] * 4
    arguments[index] = mode
    is_of_the_host = not has_namespaces and number in SHARED.values()

    assert verdict(has_namespaces, number, *arguments) == ("EPERM" if is_of_the_host else ALLOWED)


@both
@pytest.mark.parametrize(("number", "index"), [(2, 1), (257, 2)])
@pytest.mark.parametrize("flag", [os.O_CREAT, os.O_TMPFILE])
def test_no_file_is_made_with_a_set_id_bit(has_namespaces: bool, number: int, index: int, flag: int) -> None:
    """The mode of open(2) counts where a file is made, and may be anything where none is."""
    before = [0] * index

    assert verdict(has_namespaces, number, *before, flag | os.O_WRONLY, 0o4755) == "EPERM"
    assert verdict(has_namespaces, number, *before, flag | os.O_WRONLY, 0o755) == ALLOWED
    assert verdict(has_namespaces, number, *before, os.O_RDONLY | os.O_DIRECTORY, 0o6000) == ALLOWED


@both
def test_no_lease_is_taken(has_namespaces: bool) -> None:
    """F_SETLEASE would hold up whoever opens a file on the host; other requests are allowed."""
    assert verdict(has_namespaces, 72, 3, 1024) == "EPERM"
    assert verdict(has_namespaces, 72, 3, 1) == ALLOWED


def test_without_namespaces_nothing_is_set_for_all_of_the_user() -> None:
    """setpriority(PRIO_USER, 0) and ioprio_set(IOPRIO_WHO_USER, 0) name nobody, and mean everybody."""
    assert verdict(False, 141, 2, 0) == verdict(False, 251, 3, 0) == "EPERM"
    assert verdict(False, 141, 0, 0) == verdict(False, 251, 1, 0) == ALLOWED


@pytest.mark.parametrize(("name", "number"), seccomp.ATTRIBUTES.items())
def test_without_namespaces_files_have_no_attributes(name: str, number: int) -> None:
    """ENOTSUP is an answer to whatever copies files."""
    assert verdict(False, number) == "ENOTSUP", name
    assert verdict(True, number) == ALLOWED, name


@pytest.mark.parametrize("protocol", [1, 33, 115, 132, 136, 255, 262])
def test_a_stream_or_datagram_is_of_no_rare_protocol(protocol: int) -> None:
    """SCTP, L2TP and the like are parts of the kernel that no flow needs."""
    assert verdict(True, LOOKED_AT["socket"], socket.AF_INET, socket.SOCK_STREAM, protocol) == "EAFNOSUPPORT"
    assert verdict(True, LOOKED_AT["socket"], socket.AF_INET6, socket.SOCK_DGRAM, protocol) == "EAFNOSUPPORT"


# With namespaces


@pytest.mark.parametrize("family", [number for number in range(64) if number not in (1, 2, 10)])
def test_no_socket_is_of_a_family_that_has_no_namespace(family: int) -> None:
    """Neither netlink nor packets, vsock, bluetooth, crypto, nor any that is newer."""
    for kind in (1, 2, 3, 5):
        assert verdict(True, 41, family, kind, 0) == "EAFNOSUPPORT"


@pytest.mark.parametrize("family", [2, 10])
@pytest.mark.parametrize("kind", [0, 3, 4, 5, 6, 10, 15])
@pytest.mark.parametrize("flags", [0, 0o4000, 0o2000000, 0o2004000])
def test_an_internet_socket_is_neither_raw_nor_anything_rare(family: int, kind: int, flags: int) -> None:
    """Streams and datagrams alone, however they are to be opened."""
    assert verdict(True, 41, family, kind | flags, 0) == "EAFNOSUPPORT"


@pytest.mark.parametrize("family", [2, 10])
@pytest.mark.parametrize("kind", [1, 2])
@pytest.mark.parametrize("flags", [0, 0o4000, 0o2000000, 0o2004000])
@pytest.mark.parametrize("protocol", [0, 6, 17])
def test_streams_and_datagrams_are_allowed_in_a_network_of_their_own(
    family: int, kind: int, flags: int, protocol: int
) -> None:
    """They lead nowhere but to the play itself."""
    assert verdict(True, 41, family, kind | flags, protocol) == ALLOWED
    assert verdict(True, 41, family | 1 << 32, kind, protocol) == ALLOWED


@pytest.mark.parametrize("family", [2, 10])
@pytest.mark.parametrize("kind", [1, 0o2000001])
def test_multipath_tcp_is_no_way_around_rules_for_tcp(family: int, kind: int) -> None:
    """Landlock does not look at it."""
    assert verdict(True, 41, family, kind, 262) == "EAFNOSUPPORT"


@pytest.mark.parametrize("kind", [1, 2, 5, 0o2000001])
def test_unix_sockets_are_allowed_where_nobody_elses_can_be_seen(kind: int) -> None:
    """Of every kind, pairs too; with all the calls that use them, and queues of the play's own."""
    assert verdict(True, 41, 1, kind, 0) == ALLOWED
    assert verdict(True, 53, 1, kind, 0) == ALLOWED
    for number in (*SOCKET_CALLS.values(), *SHARED.values()):
        assert verdict(True, number) == ALLOWED


@pytest.mark.parametrize(("name", "call"), OF_OTHERS.items())
def test_a_play_may_see_to_its_own_processes(name: str, call: tuple[int, int]) -> None:
    """In a pid namespace there are no others."""
    number, index = call

    assert verdict(True, number, *[0] * index, 2) == ALLOWED, name


# In place


@pytest.mark.parametrize("family", range(64))
def test_without_a_network_of_its_own_a_play_has_no_socket(family: int) -> None:
    """A Unix socket could be reached by its path, whatever the rules for files say."""
    for kind in (1, 2, 3, 5, 0o2000001):
        assert verdict(False, 41, family, kind, 0) == "EAFNOSUPPORT"


@pytest.mark.parametrize(("name", "number"), [*SOCKET_CALLS.items(), *SHARED.items()])
def test_without_namespaces_nothing_is_used_that_is_the_users(name: str, number: int) -> None:
    """Neither sockets that were inherited by accident, nor memory, semaphores and queues by number."""
    assert verdict(False, number) == "EPERM", name


@pytest.mark.parametrize("flags", [0, 0o4000, 0o2000000, 0o2004000])
def test_a_connected_pair_of_streams_is_allowed(flags: int) -> None:
    """asyncio wakes itself by one."""
    assert verdict(False, 53, 1, 1 | flags, 0) == ALLOWED


@pytest.mark.parametrize(
    ("family", "kind"),
    [(1, 2), (1, 3), (1, 5), (1, 0), (1, 0o2000002), (2, 1), (10, 1), (16, 1), (0, 1), (40, 1)],
)
def test_no_other_pair_is_allowed(family: int, kind: int) -> None:
    """One end of a pair of datagram sockets could be aimed at somebody else's."""
    assert verdict(False, 53, family, kind, 0) == "EAFNOSUPPORT"


@pytest.mark.parametrize(("name", "call"), OF_OTHERS.items())
@pytest.mark.parametrize("pid", [1, 2, 4_194_304, 0xFFFFFFFF])
def test_without_a_pid_namespace_no_other_process_is_seen_to(
    name: str, call: tuple[int, int], pid: int
) -> None:
    """All of the same user could be; by 0 a process means itself, as the kernel takes 32 bits of it."""
    number, index = call

    assert verdict(False, number, *[0] * index, pid) == "EPERM", name
    assert verdict(False, number, *[7] * index, 0, 7, 7) == ALLOWED, name
    assert verdict(False, number, *[0] * index, 1 << 32) == ALLOWED, name


# In the kernel


@both
def test_the_kernel_takes_the_program_and_holds_the_process_to_it(has_namespaces: bool) -> None:
    """A process that loaded it goes on, and what it may not do is refused; so it is for its children."""

    def confined() -> list[int]:
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        kernel.load_filter(seccomp.build(has_namespaces=has_namespaces))
        return [
            *attempts(),
            *in_child(attempts),
            refusal(lambda: os.close(os.open("/dev/null", os.O_RDONLY))),
        ]

    in_it = in_child(confined)

    assert in_it == [errno.EPERM, errno.EAFNOSUPPORT, errno.ENOSYS, errno.ENOSYS] * 2 + [0]


def attempts() -> list[int]:
    """A mount, a netlink socket, io_uring, a call that no kernel has."""
    libc = ctypes.CDLL(None, use_errno=True)

    def call(number: int) -> int:
        ctypes.set_errno(0)
        return ctypes.get_errno() if libc.syscall(ctypes.c_long(number), 0, 0, 0, 0, 0) < 0 else 0

    netlink = refusal(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close())
    return [call(165), netlink, call(425), call(0x3FFFFFFF)]


# Descriptors of a thread


@both
def test_a_thread_has_no_descriptors_of_its_own(*, has_namespaces: bool) -> None:
    """Who looks at its process would find nothing of what it has open."""
    thread, files = 0x10000, 0x400

    assert verdict(has_namespaces, 56, 0xB00 | thread) == "EPERM"
    assert verdict(has_namespaces, 56, 0xB00 | thread | files) == ALLOWED
    assert verdict(has_namespaces, 436, 3, 2**32 - 1, 2) == "EPERM"
    assert verdict(has_namespaces, 436, 3, 2**32 - 1, 2 | 4) == "EPERM"


@both
@pytest.mark.parametrize("flags", [0, 4], ids=["now", "on exec"])
def test_descriptors_are_closed_in_one_go(flags: int, *, has_namespaces: bool) -> None:
    """As subprocess does."""
    assert verdict(has_namespaces, 436, 3, 2**32 - 1, flags) == ALLOWED


# What is done with a socket


@both
@pytest.mark.parametrize(
    ("number", "index"),
    [(44, 3), (45, 3), (46, 2), (47, 2), (299, 3), (307, 3)],
    ids=lambda value: str(value),
)
def test_no_byte_is_urgent(number: int, index: int, *, has_namespaces: bool) -> None:
    """MSG_OOB, with whatever other flags; the others may be asked for."""
    arguments = [0] * 6
    refused = errno.errorcode[errno.EOPNOTSUPP]
    for flags, expected in ((1, refused), (0x4041, refused), (0x4040, ALLOWED), (0, ALLOWED)):
        arguments[index] = flags
        assert verdict(has_namespaces, number, *arguments) == expected


@both
def test_no_program_is_attached_to_a_socket(*, has_namespaces: bool) -> None:
    """Nor TLS within the kernel; other options, and the same numbers at other levels, are allowed."""
    for option in (26, 50, 51, 52):
        assert verdict(has_namespaces, 54, 3, 1, option) == "EPERM"
        assert verdict(has_namespaces, 54, 3, 6, option) == ALLOWED
    assert verdict(has_namespaces, 54, 3, 6, 31) == "ENOPROTOOPT"
    assert verdict(has_namespaces, 54, 3, 1, 31) == ALLOWED
    for level, option in ((1, 2), (1, 7), (1, 15), (6, 1), (41, 26)):
        assert verdict(has_namespaces, 54, 3, level, option) == ALLOWED


# What is asked of a file that is open for reading


@both
@pytest.mark.parametrize("request_number", [0x40806685, 0xC0506617, 0x800C6613])
def test_no_file_is_sealed(request_number: int, *, has_namespaces: bool) -> None:
    """Whoever may read it could close it to its owner."""
    assert verdict(has_namespaces, 16, 3, request_number) == "EPERM"
    assert verdict(has_namespaces, 16, 3, request_number | 1 << 32) == "EPERM"


@pytest.mark.parametrize("request_number", [0x40086602, 0x40046602, 0x40087602, 0x401C5820])
def test_flags_of_files_are_changed_in_a_view_alone(request_number: int) -> None:
    """There what is not the play's is read-only; on the host's own files Landlock has no right for it."""
    assert verdict(True, 16, 3, request_number) == ALLOWED
    assert verdict(False, 16, 3, request_number) == "EPERM"
    assert verdict(False, 16, 3, 0x80086601) == ALLOWED


@both
def test_a_socket_tells_nothing_of_devices(*, has_namespaces: bool) -> None:
    """It may be one of the host's, handed in; whose signal it sends, and what is in it, may be asked."""
    for request_number in (0x8910, 0x8912, 0x8915, 0x8927, 0x8946, 0x894C, 0x89E0, 0x89FF, 0x8912 | 1 << 32):
        assert verdict(has_namespaces, 16, 3, request_number) == "EPERM"
    for request_number in (0x8901, 0x8905, 0x890F, 0x8A00, 0x541B, 0x5411, 0x5421):
        assert verdict(has_namespaces, 16, 3, request_number) == ALLOWED
