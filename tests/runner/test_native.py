"""Isolation by the kernel's own means, as the process that becomes a play finds it."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hero_logic.runner.orders import Orders
from hero_logic.runner.sandbox import isolation, seccomp, view
from hero_logic.runner.spawner import Spawner
from support.forked import Kept, can, has_landlock, has_namespaces, kept_in, placed, refusal
from support.staged import Stage

pytestmark = pytest.mark.skipif(
    not (has_landlock() and has_namespaces()), reason="this host has no namespaces or no Landlock of ABI 6"
)
both = pytest.mark.parametrize("name", ["native", "landlock"])

_libc = ctypes.CDLL(None, use_errno=True)


class Place:
    """Directories of the host: a play's, and one that it was granted nothing of."""

    def __init__(self, tmp_path: Path) -> None:
        self.work = tmp_path / "work"
        self.stage = tmp_path / "stage"
        self.outside = tmp_path / "outside"
        self.root = tmp_path / "view"
        self.code = tmp_path / "code"
        for path in (self.work / "tmp", self.stage, self.outside, self.root, self.code):
            path.mkdir(parents=True)
        (self.outside / "secret").write_text("secret")
        (self.stage / "given").write_text("given")

    def run(self, name: str, act: Callable[[], Any], *granted: view.Entry) -> Any:
        """What a function gives in an isolation."""
        orders = placed(self.work, (str(self.stage), view.READ), *granted)
        kept = self._kept(name, orders, act)
        assert not kept.problem, kept.problem
        return kept.value

    def _kept(self, name: str, orders: Orders, act: Callable[[], Any]) -> Kept:
        entries = view.base_entries(sys.executable, str(self.code))
        if name == "landlock":
            return kept_in(isolation.landlock(entries), orders, act)
        prepared = isolation.native(entries, root=str(self.root), shared_memory_bytes=1 << 20)
        return kept_in(prepared, orders, act)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def status_lines(*names: str) -> list[str]:
    found = dict(
        line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line
    )
    return [found[name] for name in names]


# Privileges


@both
def test_a_play_has_no_capability_and_gains_none(place: Place, name: str) -> None:
    """In no set; a filter holds it, and no program that it executes has more."""
    found = place.run(
        name,
        lambda: status_lines("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"),
    )

    # An ordinary user outside of a namespace has a bounding set, which is of no use without set-id.
    if name == "landlock" and os.geteuid() != 0:
        found[3] = "0" * 16
    assert found == ["0" * 16] * 5 + ["1", "2"]


@both
def test_the_user_stays_who_they_are(place: Place, name: str) -> None:
    """Files that the play makes are the operator's."""
    assert place.run(name, lambda: [os.getuid(), os.geteuid(), os.getgid()]) == [
        os.getuid(),
        os.geteuid(),
        os.getgid(),
    ]


@both
def test_no_call_that_needs_privilege_goes_through(place: Place, name: str) -> None:
    """Mounts, roots, owners, devices, names, clocks, other users."""
    work = place.work

    def act() -> dict[str, bool]:
        Path(work / "own").write_text("x")
        attempts: dict[str, Callable[[], object]] = {
            "chroot": lambda: os.chroot(work),
            "chown": lambda: os.chown(work / "own", 12345, 12345),
            "setuid": lambda: os.setuid(12345),
            "setgroups": lambda: os.setgroups([0]),
            "mknod": lambda: os.mknod(work / "null", 0o20600, os.makedev(1, 3)),
            "sethostname": lambda: socket.sethostname("mine"),
            "setuid bit": lambda: os.chmod(work / "own", 0o4755),
            "nice": lambda: os.setpriority(os.PRIO_PROCESS, 0, -5),
            "low port": lambda: socket.socket().bind(("127.0.0.1", 80)),
            "raw": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
            "packet": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
        }
        return {what: can(attempt) for what, attempt in attempts.items()}

    found = place.run(name, act)

    assert [what for what, went_through in found.items() if went_through] == []


@both
def test_no_namespace_is_made_or_entered(place: Place, name: str) -> None:
    """There capabilities could be had again."""

    def act() -> list[int]:
        found = []
        for function, value in ((_libc.unshare, 0x10000000), (_libc.setns, -1)):
            ctypes.set_errno(0)
            function(value, 0)
            found.append(ctypes.get_errno())
        return found

    assert place.run(name, act) == [errno.EPERM, errno.EPERM]


# Files


@both
def test_files_outside_are_not_to_be_had(place: Place, name: str) -> None:
    """By their path, by a link from inside, by a rename, by the directory above."""
    secret, work = place.outside / "secret", place.work

    def act() -> dict[str, bool]:
        os.symlink(secret, work / "link")
        attempts: dict[str, Callable[[], object]] = {
            "read": lambda: secret.read_text(),
            "write": lambda: secret.write_text("x"),
            "append": lambda: secret.open("a").close(),
            "by a link": lambda: (work / "link").read_text(),
            "by ..": lambda: (work / ".." / "outside" / "secret").read_text(),
            "list": lambda: os.listdir(place.outside),
            "hard link": lambda: os.link(secret, work / "hard"),
            "rename": lambda: os.rename(secret, work / "mine"),
            "remove": lambda: secret.unlink(),
            "the operator's home": lambda: os.listdir(os.path.expanduser("~/.ssh")),
            "shadow": lambda: Path("/etc/shadow").read_bytes(),
            "its parent's environment": lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes(),
        }
        return {what: can(attempt) for what, attempt in attempts.items()}

    found = place.run(name, act)

    assert [what for what, went_through in found.items() if went_through] == []
    assert secret.read_text() == "secret"


@both
def test_what_it_was_given_it_can_read_and_not_change(place: Place, name: str) -> None:
    """Its flow and the SDK among it: nobody who reads a record has to doubt what ran."""
    given = place.stage / "given"

    def act() -> list[Any]:
        return [
            given.read_text(),
            can(lambda: given.write_text("x")),
            can(lambda: given.unlink()),
            can(lambda: (place.stage / "new").touch()),
            can(lambda: os.chmod(given, 0o777)),
        ]

    assert place.run(name, act) == ["given", False, False, False, False]
    assert given.read_text() == "given"


@both
def test_in_its_work_directory_it_can_do_what_it_likes_but_run_nothing(place: Place, name: str) -> None:
    """What it writes is not what it runs."""
    work = place.work

    def act() -> list[Any]:
        (work / "a").mkdir()
        os.close(os.open(work / "a" / "program", os.O_CREAT, 0o755))
        (work / "a" / "program").write_text("#!/bin/sh\n")
        (work / "a" / "program").rename(work / "program")
        return [os.listdir(work / "a"), refusal(lambda: os.execv(work / "program", ["program"]))]

    assert place.run(name, act) == [[], errno.EACCES]


@both
@pytest.mark.parametrize("access", [view.READ, view.KEEP])
def test_what_is_granted_can_be_had_as_it_was_granted(place: Place, name: str, access: str) -> None:
    """And nothing else is, for that."""
    granted = place.outside

    def act() -> list[Any]:
        return [(granted / "secret").read_text(), can(lambda: (granted / "new").write_text("x"))]

    assert place.run(name, act, (str(granted), access)) == ["secret", access == view.KEEP]


@both
def test_the_devices_work(place: Place, name: str) -> None:
    """To be used, and not to be spoken to otherwise."""

    def act() -> list[Any]:
        with open("/dev/null", "wb") as null, open("/dev/urandom", "rb") as random:
            return [null.write(b"x"), len(random.read(3)), can(lambda: open("/dev/tty").close())]

    assert place.run(name, act) == [1, 3, False]


@both
def test_programs_of_the_system_run(place: Place, name: str) -> None:
    """A flow may start them; they are held as it is."""

    def act() -> list[Any]:
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.dup2(writer, 1)
            os.execv("/bin/sh", ["sh", "-c", f"echo ran; cat {place.outside}/secret"])
        os.close(writer)
        _, status = os.wait()
        return [os.read(reader, 100), os.waitstatus_to_exitcode(status)]

    assert place.run(name, act) == [b"ran\n", 1]


# Others


@both
def test_no_process_outside_is_signalled_or_seen_into(place: Place, name: str) -> None:
    """Neither the runtime nor anybody else's."""
    host = os.getpid()

    def act() -> list[Any]:
        found = [can(lambda: os.kill(host, 0)), can(lambda: os.kill(host, signal.SIGCONT))]
        found += [can(lambda: os.pidfd_open(host))] if name == "native" else []
        for what in ("environ", "maps", "mem", "cwd", "root", "fd"):
            path = f"/proc/{host}/{what}"
            found.append(can(lambda path=path: os.listdir(path) if what == "fd" else open(path).close()))  # type: ignore[misc]  # noqa: B023
        return found

    assert not any(place.run(name, act))


def test_without_a_world_of_its_own_a_play_has_no_socket(place: Place) -> None:
    """But connected pairs, which asyncio needs."""

    def act() -> list[Any]:
        found = [
            refusal(lambda family=family: socket.socket(family, socket.SOCK_STREAM))  # type: ignore[misc]
            for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)
        ]
        one, other = socket.socketpair()
        one.send(b"x")
        return [*found, other.recv(1)]

    assert place.run("landlock", act) == [errno.EAFNOSUPPORT] * 4 + [b"x"]


def test_in_a_world_of_its_own_it_has_sockets_that_lead_nowhere(place: Place) -> None:
    """To itself they do; the host's ports and sockets are not there."""
    with socket.socket() as theirs, socket.socket(socket.AF_UNIX) as by_name:
        theirs.bind(("127.0.0.1", 0))
        theirs.listen(1)
        by_name.bind(f"\0theirs-{os.getpid()}")
        by_name.listen(1)
        port = theirs.getsockname()

        def act() -> list[Any]:
            with socket.socket() as server, socket.socket() as client:
                server.bind(("127.0.0.1", 0))
                server.listen(1)
                to_itself = can(lambda: client.connect(server.getsockname()))
            to_host = [
                can(lambda: socket.socket().connect(port)),
                can(lambda: socket.socket(socket.AF_UNIX).connect(f"\0theirs-{os.getpid()}")),
                can(lambda: socket.socket().connect(("192.0.2.1", 80))),
            ]
            return [to_itself, *to_host]

        assert place.run("native", act) == [True, False, False, False]


def test_in_a_world_of_its_own_it_has_shared_memory(place: Place) -> None:
    """Of a size: locks and pools of multiprocessing need it."""

    def act() -> list[Any]:
        with open("/dev/shm/lock", "w+b") as file:
            file.truncate(4096)
            with mmap.mmap(file.fileno(), 4096) as memory:
                memory[0] = 7
        return [Path("/dev/shm/lock").stat().st_size, can(lambda: os.posix_fallocate(big(), 0, 2 << 20))]

    def big() -> int:
        return os.open("/dev/shm/big", os.O_RDWR | os.O_CREAT)

    assert place.run("native", act) == [4096, False]


@both
def test_memory_that_nobody_counts_is_not_to_be_had(place: Place, name: str) -> None:
    """Files in memory, and what is kept by number: it would pass every limit of the whole tree."""

    def act() -> list[int]:
        found = [refusal(lambda: os.memfd_create("x"))]
        for number in (seccomp.UNCOUNTED_MEMORY[call] for call in ("shmget", "semget", "msgget")):
            ctypes.set_errno(0)
            _libc.syscall(ctypes.c_long(number), 0, ctypes.c_long(1), 0o1600)
            found.append(ctypes.get_errno())
        return found

    assert place.run(name, act) == [errno.EPERM] * 4


@both
def test_it_can_do_nothing_about_being_held(place: Place, name: str) -> None:
    """Another filter or other rules take away more; nothing gives back."""

    def act() -> list[bool]:
        # PR_SET_SECCOMP, to none; PR_SET_NO_NEW_PRIVS, off; PR_SET_DUMPABLE is its own affair.
        return [_libc.prctl(22, 0, 0, 0, 0) == 0, _libc.prctl(38, 0, 0, 0, 0) == 0]

    assert place.run(name, act) == [False, False]


# The end


@both
@pytest.mark.parametrize("is_warm", [False, True], ids=["cold", "warm"])
def test_a_play_that_is_asked_to_end_can_clean_up(tmp_path: Path, name: str, is_warm: bool) -> None:
    """SIGTERM reaches it, wherever it is kept and however it was started, and its own exit code is told."""
    spawner = Spawner.start(is_warm=is_warm)
    body = """
@flow
def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    signal.pause()
"""
    record = Stage(tmp_path, spawner).run(body, isolation=name, timeout_s=1.0).record
    spawner.close()

    assert (record.reason, record.exit_code) == ("timed_out", 7)
