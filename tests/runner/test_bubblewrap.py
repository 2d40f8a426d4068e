"""Plays kept by bwrap: what they see and hold, how their end is told, and how its failures are."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import stat
import struct
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from hero_logic.core.policy import PlayLimits
from hero_logic.runner.sandbox import bubblewrap, seccomp
from hero_logic.runner.sandbox.view import DEVICES, KEEP, READ, RUN, Entry
from support.bubblewrapped import (
    ENDLESS,
    Stage,
    leavings_of,
    monitor_of,
    needs_bwrap,
    needs_no_root,
    opened_stage,
    wait_until_up,
)
from support.forked import in_child, refusal
from support.listening import Sink


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    yield from opened_stage(tmp_path)


# What a play has


@needs_bwrap
def test_a_play_runs_and_tells_its_result(stage: Stage) -> None:
    """Its result, its two outputs, its exit; nothing of bwrap's or the guard's in between."""
    leavings = stage.run(
        "@flow\ndef main():\n    print('out')\n    print('err', file=sys.stderr)\n    return [1, None]"
    )

    assert (leavings.result.output, leavings.stdout, leavings.stderr) == ([1, None], "out\n", "err\n")
    assert (leavings.record.reason, leavings.record.exit_code, leavings.record.signal) == ("exited", 0, None)


@needs_bwrap
def test_a_warm_spawner_starts_it_cold(tmp_path: Path) -> None:
    """bwrap executes a program: a play in it cannot begin in an interpreter that is there already."""
    warm = Stage(tmp_path, is_warm=True)
    try:
        seen = warm.output("return os.getpid(), os.getppid()")
    finally:
        warm.spawner.close()

    assert seen == [2, 1]


@needs_bwrap
def test_a_play_holds_its_six_descriptors_and_no_other(stage: Stage) -> None:
    """Input, two outputs, gate, result, span channel; what bwrap and the guard were told by is closed."""
    held = stage.output(
        """
        held = {}
        for number in range(1024):
            try:
                held[str(number)] = os.readlink(f"/proc/self/fd/{number}").partition(":")[0]
            except OSError:
                continue
        return held
        """
    )

    assert sorted(held) == ["0", "1", "2", "3", "4", "5"]
    assert [held[name] for name in "01235"] == ["/dev/null", "pipe", "pipe", "socket", "socket"]


@needs_bwrap
def test_the_first_process_holds_nothing_of_the_play_and_knows_nothing_else(stage: Stage) -> None:
    """Its environment and its arguments are the play's; it has the pipe for the play's end alone."""
    first = stage.output(
        """
        def read(name):
            with open(f"/proc/1/{name}", "rb") as file:
                return file.read().decode().split("\\0")
        environment = sorted(entry for entry in read("environ") if entry)
        own = sorted(f"{name}={value}" for name, value in os.environ.items())
        return environment == own, read("cmdline"), len(os.listdir("/proc/1/fd")), sorted(os.environ)
        """
    )

    assert first[0]
    assert first[1][0] == sys.executable
    assert first[2] == 1
    assert set(first[3]) <= {
        "HERO_FLOW_MARKER", "HERO_FLOW_PLAY_SID", "HERO_FLOW_SPAN_FD", "HERO_FLOW_SPAN_SPOOL",
        "HOME", "LANG", "PATH", "PWD", "TMPDIR", "LC_CTYPE",
    }  # fmt: skip


@needs_bwrap
def test_bwrap_itself_shows_no_secret(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its command line names a descriptor and the interpreter; its environment is the play's."""
    monkeypatch.setenv("OPERATORS_SECRET", "hunter2")
    with stage.play(ENDLESS) as play:
        play.begin(Sink())
        wait_until_up(play)
        monitor = monitor_of(stage)
        words = Path(f"/proc/{monitor}/cmdline").read_bytes().decode().split("\0")
        environment = Path(f"/proc/{monitor}/environ").read_bytes().decode()

    assert words[:2] == [bubblewrap.find_program(), "--args"]
    assert words[3:5] == ["--", sys.executable]
    assert "--ro-bind" not in words
    assert stage.marker not in "".join(words)
    assert "hunter2" not in environment
    assert f"HERO_FLOW_MARKER={stage.marker}" in environment.split("\0")


@needs_bwrap
def test_a_play_has_a_filter_and_no_capability(stage: Stage) -> None:
    """Ours is the filter: it refuses netlink, which bwrap's namespaces would allow."""
    status, netlink = stage.output(
        """
        import socket
        with open("/proc/self/status") as file:
            status = dict(line.split(":\\t", 1) for line in file.read().splitlines() if ":\\t" in line)
        try:
            socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close()
            netlink = 0
        except OSError as error:
            netlink = error.errno
        return {k: v for k, v in status.items() if k[:3] == "Cap" or k in ("NoNewPrivs", "Seccomp")}, netlink
        """
    )

    assert status.pop("Seccomp") == "2"
    assert status.pop("NoNewPrivs") == "1"
    assert {int(value, 16) for value in status.values()} == {0}
    assert netlink == 97


@needs_bwrap
def test_the_limits_are_those_of_the_play(stage: Stage) -> None:
    """Those of each process come through bwrap; the number of processes is set inside."""
    limits = PlayLimits()
    limits.resource_limits = {"RLIMIT_NPROC": 20, "RLIMIT_NOFILE": 99, "RLIMIT_AS": 1 << 33}
    found = stage.output(
        """
        import resource
        names = ("RLIMIT_NPROC", "RLIMIT_NOFILE", "RLIMIT_AS")
        mask = os.umask(0)
        return [list(resource.getrlimit(getattr(resource, name))) for name in names], mask
        """,
        limits=limits,
    )

    assert found == [[[20, 20], [99, 99], [1 << 33, 1 << 33]], 0o077]


@needs_bwrap
@needs_no_root
def test_the_number_of_processes_is_held_inside(stage: Stage) -> None:
    """Eight in all, the guard and the play among them, however many the user has outside."""
    limits = PlayLimits()
    limits.resource_limits = {"RLIMIT_NPROC": 8}
    made = stage.output(
        """
        made = 0
        try:
            while made < 100:
                if os.fork() == 0:
                    signal.pause()
                made += 1
        except BlockingIOError:
            return made
        """,
        limits=limits,
    )

    assert made == 6


LOOK = """
    def read(path):
        with open(path) as file:
            return file.read()
    def is_writable(path):
        try:
            open(path, "a").close()
        except OSError:
            return False
        return True
    shm = os.statvfs("/dev/shm")
    return {
        "lists": {path: sorted(os.listdir(path)) for path in ("/", "/etc", "/dev", "/dev/shm", "/usr")},
        "modes": {path: oct(os.stat(path).st_mode) for path in ("/", "/etc", "/dev", "/dev/shm", "/proc")},
        "accounts": [read("/etc/" + name) for name in ("passwd", "group", "hosts", "nsswitch.conf")],
        "writable": [path for path in (
            "/new", "/etc/new", "/etc/passwd", "/dev/new", "/usr/new", sys.prefix + "/new",
            "../stage/flow.py", "/proc/sys/kernel/hostname", "/proc/self/comm", "/dev/null",
            "/dev/shm/new", "/tmp/new", "new", os.environ["TMPDIR"] + "/new",
        ) if is_writable(path)],
        "shm": shm.f_blocks * shm.f_frsize,
        "host": os.uname().nodename,
        "cwd": os.getcwd(),
        "user": (os.getuid(), os.getgid()),
    }
"""


@needs_bwrap
def test_a_play_sees_what_it_sees_in_native(stage: Stage) -> None:
    """One list of paths makes both views: names, modes, accounts, sizes, what can be written."""
    inside = stage.output(LOOK)

    assert inside["writable"][-3:] == ["/dev/shm/new", "new", os.path.join(inside["cwd"], "tmp/new")]
    assert inside["shm"] == 64 << 20
    seen = stage.run("@flow\ndef main():\n" + LOOK, isolation="native")
    if seen.record.reason == "sandbox_failed":
        pytest.skip(f"native cannot be had here: {seen.record.launch_error}")
    assert inside == seen.result.output


@needs_bwrap
def test_a_granted_socket_can_be_connected_to(stage: Stage) -> None:
    """It is shown under the name that was given to it, and at no other path."""
    path = f"/tmp/{stage.sid}.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        try:
            server.listen()
            reached = stage.output(
                f"""
                import socket
                reached = []
                for path in ("/run/hero/granted.sock", {path!r}):
                    try:
                        with socket.socket(socket.AF_UNIX) as client:
                            client.connect(path)
                        reached.append(path)
                    except FileNotFoundError:
                        continue
                return reached
                """,
                sockets=[(path, "/run/hero/granted.sock")],
            )
        finally:
            os.unlink(path)

    assert reached == ["/run/hero/granted.sock"]


class Doorkeeper:
    """Takes what comes to the doors of one play; answers each with the port that it came to."""

    def __init__(self, descriptors: list[int]) -> None:
        self.doors = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        for door in self.doors:
            visitor, _ = door.accept()
            visitor.sendall(str(door.getsockname()[1]).encode())
            visitor.close()

    def close(self) -> None:
        for door in self.doors:
            door.close()


@needs_bwrap
def test_the_doors_of_its_network_are_accepted_outside(stage: Stage) -> None:
    """The guard makes them before the play is there, and nobody inside keeps one."""
    body = """
        import socket
        @flow
        def main():
            answers = []
            for address, port in (("127.0.0.1", 3128), ("::1", 4128)):
                with socket.create_connection((address, port)) as client:
                    answers.append(client.recv(9).decode())
            return answers, len(os.listdir("/proc/1/fd"))
    """
    with stage.play(body, doors=[("127.0.0.1", 3128), ("::1", 4128)]) as play:
        play.begin(Sink(), attend=Doorkeeper)
        assert play.step(20)
        leavings = leavings_of(play)

    assert leavings.result.output == [["3128", "4128"], 1]


@needs_bwrap
def test_a_door_that_cannot_be_made_fails_closed(stage: Stage) -> None:
    """The guard says why."""
    record = stage.run("@flow\ndef main(): pass", doors=[("127.0.0.1", 80), ("127.0.0.1", 80)]).record

    assert record.reason == "sandbox_failed"
    assert record.launch_error.startswith("the guard inside: [Errno ")


def options_for(entries: list[Entry]) -> list[str]:
    """All that bwrap would be told; what was opened for it is closed."""
    command = bubblewrap.command(
        "bwrap",
        ["python"],
        entries=entries,
        work_dir="/w",
        shared_memory_bytes=4096,
        sockets=[],
        filter_program=seccomp.build(has_namespaces=True),
    )
    told = os.pread(int(command[2]), 1 << 20, 0).decode().split("\0")
    numbers = [told[at + 1] for at, word in enumerate(told) if word in ("--file", "--seccomp")]
    for number in (command[2], *numbers):
        os.close(int(number))
    return told


def test_nothing_is_written_through_what_is_granted() -> None:
    """Where /etc and /dev are the host's own, no account, copy or link of ours is made in them."""
    told = options_for([("/dev", KEEP), ("/etc", KEEP), ("/etc/hosts", READ), ("/w", KEEP)])

    assert "--file" not in told
    assert not [at for at, word in enumerate(told) if word == "--symlink" and told[at + 2].startswith("/dev")]


def test_the_whole_root_as_a_grant_is_not_written_through_either() -> None:
    """The same where the root is granted: a link at its /tmp would be the host's."""
    told = options_for([("/", KEEP)])

    assert "--file" not in told
    assert "--symlink" not in told


def test_a_link_is_shown_as_the_link_that_it_is(tmp_path: Path) -> None:
    """What it leads to is not shown by it."""
    (tmp_path / "link").symlink_to("elsewhere")
    told = options_for([(str(tmp_path / "link"), RUN)])

    at = told.index("elsewhere")
    assert told[at - 1 : at + 2] == ["--symlink", "elsewhere", str(tmp_path / "link")]


# The devices


def give_up_mounting() -> None:
    """Be as root is in a container: without CAP_SYS_ADMIN, and with the rest."""
    with open("/proc/self/status", encoding="ascii") as file:
        [text] = [line.split()[1] for line in file if line.startswith("CapEff")]
    held = (int(text, 16) & ~(1 << 21)).to_bytes(8, "little")
    data = held[:4] * 2 + bytes(4) + held[4:] * 2 + bytes(4)
    assert ctypes.CDLL(None).capset(struct.pack("Ii", 0x20080522, 0), data) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="the devices are root's, and nobody else could change them")
@pytest.mark.parametrize("has_capability", [True, False], ids=["root", "root-of-a-container"])
def test_devices_are_shielded_from_their_owner(*, has_capability: bool) -> None:
    """Before bwrap is there: they are written to as ever, and their modes, which are the host's, stay."""

    def change() -> tuple[list[int], int]:
        if not has_capability:
            give_up_mounting()
        bubblewrap.shield_devices()
        modes = {path: stat.S_IMODE(os.stat(path).st_mode) for path in DEVICES}
        refusals = [refusal(partial(os.chmod, path, modes[path])) for path in DEVICES]
        with open("/dev/null", "wb", buffering=0) as null:
            return refusals, null.write(b"x")

    before = Path("/proc/self/mountinfo").read_text()

    assert in_child(change) == ([errno.EROFS] * len(DEVICES), 1)
    assert Path("/proc/self/mountinfo").read_text() == before


def test_nothing_is_done_for_whoever_does_not_own_the_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary user may not even be able to."""
    monkeypatch.setattr(os, "geteuid", lambda: os.stat("/dev/null").st_uid + 1)

    def shield() -> str:
        bubblewrap.shield_devices()
        return os.readlink("/proc/self/ns/mnt")

    assert in_child(shield) == os.readlink("/proc/self/ns/mnt")
