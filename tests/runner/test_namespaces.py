"""A world of its own, as whoever is put into it finds it: what is there, and what is not."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from hero_logic.runner.sandbox import namespaces, view
from hero_logic.runner.sandbox.view import KEEP, READ, RUN, Entry
from support.forked import can, has_namespaces, in_child, in_new_world, refusal

pytestmark = pytest.mark.skipif(not has_namespaces(), reason="this host lets nobody leave for namespaces")

SHARED_BYTES = 1 << 20
USR = [(path, RUN) for path in ("/usr", "/bin", "/lib", "/lib64") if os.path.lexists(path)]


class World:
    """Directories of the host for a world: its root, and a work directory with what a play has."""

    def __init__(self, tmp_path: Path) -> None:
        self.host = tmp_path
        self.root = tmp_path / "view"
        self.work = tmp_path / "work"
        self.root.mkdir()
        (self.work / "tmp").mkdir(parents=True)

    def see(
        self,
        act: Callable[[], Any],
        *more: Entry,
        base: Sequence[Entry] = USR,
        root: str = "",
        sockets: list[tuple[str, str]] | None = None,
    ) -> Any:
        """What a function gives in it, done by its first process."""
        own = view.beyond(list(base), [(str(self.work), KEEP), *more])

        def enter() -> Any:
            namespaces.raise_loopback()
            at = root or str(self.root)
            namespaces.build_view(list(base), root=at, shared_memory_bytes=SHARED_BYTES)
            namespaces.enter_view(at, own, work_dir=str(self.work), sockets=sockets or [])
            return act()

        return in_new_world(enter)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def mounts() -> dict[str, set[str]]:
    """{where: its options}, those of the mount and those of the file system."""
    found = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        found[fields[4]] = set(fields[5].split(",")) | {f"type={fields[fields.index('-') + 1]}"}
    return found


# Who and where


def test_the_user_stays_who_they_are_and_nobody_else_exists() -> None:
    """So that the files that it makes are the operator's, and no other's are its own."""
    ids = (os.geteuid(), os.getegid())

    def act() -> list[Any]:
        lines = [Path(f"/proc/self/{name}").read_text().split() for name in ("uid_map", "gid_map")]
        return [os.geteuid(), os.getegid(), *lines, Path("/proc/self/setgroups").read_text().strip()]

    uid, gid = (str(number) for number in ids)
    assert in_new_world(act) == [*ids, [uid, uid, "1"], [gid, gid, "1"], "deny"]


def test_it_is_the_first_process_and_sees_no_other(world: World) -> None:
    """Not its parent either."""

    def act() -> list[Any]:
        return [os.getpid(), os.getppid(), [name for name in os.listdir("/proc") if name.isdigit()]]

    assert world.see(act) == [1, 0, ["1"]]


def test_no_process_of_the_host_can_be_signalled() -> None:
    """Its number means nobody there."""
    host = os.getpid()

    assert in_new_world(lambda: refusal(lambda: os.kill(host, 0))) == errno.ESRCH


def test_its_host_has_a_name_that_tells_nothing() -> None:
    """The host's own stays what it was."""
    before = os.uname().nodename

    assert in_new_world(lambda: [os.uname().nodename, socket.gethostname()]) == ["play", "play"]
    assert os.uname().nodename == before


def test_its_only_network_is_a_loopback_that_carries() -> None:
    """A server and a client of the play's own find each other, and no port of the host's."""
    with socket.socket() as theirs:
        theirs.bind(("127.0.0.1", 0))
        theirs.listen(1)
        address = theirs.getsockname()

        def act() -> list[Any]:
            namespaces.raise_loopback()
            with socket.socket() as server, socket.socket() as client, socket.socket() as other:
                server.bind(("127.0.0.1", 0))
                server.listen(1)
                client.connect(server.getsockname())
                client.sendall(b"x")
                accepted, _ = server.accept()
                with accepted:
                    got = accepted.recv(1)
                to_host = refusal(lambda: other.connect(address))
            return [[name for _, name in socket.if_nameindex()], got, to_host]

        assert in_new_world(act) == [["lo"], b"x", errno.ECONNREFUSED]


def test_no_abstract_socket_of_the_host_is_there() -> None:
    """They belong to a network."""
    with socket.socket(socket.AF_UNIX) as theirs:
        name = f"\0theirs-{os.getpid()}"
        theirs.bind(name)
        theirs.listen(1)

        def act() -> int:
            with socket.socket(socket.AF_UNIX) as client:
                return refusal(lambda: client.connect(name))

        assert in_new_world(act) == errno.ECONNREFUSED


def test_who_may_not_leave_is_told_by_the_kernels_error() -> None:
    """Here by a limit of none at all, in a world in which it can be set."""

    def act() -> int:
        Path("/proc/sys/user/max_user_namespaces").write_text("0")
        return in_child(lambda: refusal(namespaces.leave_host))  # type: ignore[no-any-return]  # an int

    assert in_new_world(act) == errno.ENOSPC


# What is seen


def test_nothing_is_seen_but_what_is_named(world: World) -> None:
    """The root has the ways to it, and what every world has."""
    top = {path.split("/")[1] for path, _ in USR} | {str(world.work).split("/")[1]}

    assert set(world.see(lambda: os.listdir("/"))) == top | {"dev", "etc", "proc", "tmp"}


def test_the_hosts_files_are_not_hidden_but_gone(world: World) -> None:
    """Beside the work directory, above it, and where secrets are."""
    (world.host / "secret").write_text("x")
    places = [str(world.host / "secret"), "/root", "/home", "/var", "/etc/shadow", "/etc/ssh", "/sys", "/run"]

    def act() -> list[Any]:
        beside = os.listdir(world.host)
        return [beside, [path for path in places if can(lambda path=path: os.lstat(path))]]  # type: ignore[misc]

    assert world.see(act) == [["work"], []]


def test_accounts_are_the_plays_own(world: World) -> None:
    """Nothing is told of who else there is on the host."""

    def act() -> list[Any]:
        names = sorted(os.listdir("/etc"))
        accounts = Path("/etc/passwd").read_text().splitlines()
        return [
            names,
            [line.split(":")[0] for line in accounts],
            "localhost" in Path("/etc/hosts").read_text(),
        ]

    assert world.see(act) == [["group", "hosts", "nsswitch.conf", "passwd"], ["play"], True]


def test_devices_are_the_five_that_are_harmless(world: World) -> None:
    """They work; there is neither a disk nor a terminal nor memory."""

    def act() -> list[Any]:
        with (
            open("/dev/zero", "rb") as zero,
            open("/dev/urandom", "rb") as random,
            open("/dev/null", "wb") as null,
        ):
            works = [zero.read(2), len(random.read(2)), null.write(b"x")]
        full = refusal(lambda: os.write(os.open("/dev/full", os.O_WRONLY), b"x"))
        return [sorted(os.listdir("/dev")), works, full]

    names = ["fd", "full", "null", "random", "shm", "stderr", "stdin", "stdout", "urandom", "zero"]
    assert world.see(act) == [names, [b"\0\0", 2, 1], errno.ENOSPC]


def test_everything_is_read_only_but_what_is_the_plays(world: World) -> None:
    """The root, the system, the devices, what was granted to be read: mounted so, all of it."""
    (world.host / "granted").mkdir()
    (world.host / "granted" / "file").write_text("x")
    granted = world.host / "granted"

    def act() -> list[Any]:
        tries = ["/new", "/usr/new", "/etc/new", "/dev/new", str(granted / "new"), str(world.host / "new")]
        errors = [refusal(lambda path=path: os.mkdir(path)) for path in tries]  # type: ignore[misc]
        writable = sorted(where for where, options in mounts().items() if "rw" in options)
        return [set(errors), refusal(lambda: (granted / "file").write_text("y")), writable]

    errors, of_file, writable = world.see(act, (str(granted), READ))

    assert errors == {errno.EROFS}
    assert of_file == errno.EROFS
    assert writable == ["/dev/shm", str(world.work)]


def test_what_lies_in_a_granted_directory_stays_read_only(world: World) -> None:
    """As an interpreter does that is shown to every play, where the directory around it may be changed."""
    around = world.host / "around"
    inside = around / "python"
    inside.mkdir(parents=True)
    base = [*USR, (str(inside), RUN)]

    def act() -> list[int]:
        return [refusal(lambda path=path: os.mkdir(path / "new")) for path in (inside, around)]  # type: ignore[misc]

    assert world.see(act, (str(around), KEEP), base=base) == [errno.EROFS, 0]


def test_no_mount_has_devices_or_set_id_bits_but_the_five_devices(world: World) -> None:
    """Whatever the host's file systems allow."""
    found = world.see(mounts)
    devices = {f"/dev/{name}" for name in ("full", "null", "random", "urandom", "zero")}

    assert [where for where, options in found.items() if "nosuid" not in options] == []
    assert {where for where, options in found.items() if "nodev" not in options} == devices
    assert all("noexec" in found[where] for where in (*devices, "/proc", "/dev/shm"))


def test_temporary_files_are_in_the_work_directory(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """They count as its own, and go when it goes; here by another name, as the tests are below /tmp."""
    monkeypatch.setattr(namespaces, "_TMP", "/temporary")
    (world.work / "temporary").mkdir()

    def act() -> list[str]:
        Path("/temporary/file").write_text("x")
        return [os.readlink("/temporary"), os.getcwd()]

    assert world.see(act) == [str(world.work / "temporary"), str(world.work)]
    assert os.listdir(world.work / "temporary") == ["file"]


def test_where_the_hosts_tmp_has_something_that_is_shown_it_has_nothing_else(world: World) -> None:
    """The way to it is there; programs are told of their own place by TMPDIR."""
    top = Path("/tmp")
    if not world.work.is_relative_to(top):
        pytest.skip("the tests are not below /tmp here")

    assert world.see(lambda: [os.path.islink("/tmp"), os.listdir("/tmp")]) == [
        False,
        [world.work.relative_to(top).parts[0]],
    ]


def test_what_is_left_in_the_work_directory_is_the_operators(world: World) -> None:
    """With their ids, and for nobody else to read."""

    def act() -> None:
        Path("left").write_text("x")

    world.see(act)
    status = (world.work / "left").stat()

    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (os.geteuid(), os.getegid(), 0o600)


def test_shared_memory_has_a_size_and_a_number_of_files(world: World) -> None:
    """Neither can be exceeded: empty files take the kernel's memory too."""

    def act() -> list[Any]:
        size = os.statvfs("/dev/shm")
        files = size.f_files
        with open("/dev/shm/big", "wb") as file:
            error = refusal(lambda: os.posix_fallocate(file.fileno(), 0, 2 * SHARED_BYTES))
        return [size.f_blocks * size.f_frsize, files < 100_000, error]

    assert world.see(act) == [SHARED_BYTES, True, errno.ENOSPC]


def test_a_file_can_be_shown_alone(world: World) -> None:
    """Nothing of the directory around it is."""
    (world.host / "data").mkdir()
    for name in ("shown", "hidden"):
        (world.host / "data" / name).write_text(name)
    place = world.host / "data"

    def act() -> list[Any]:
        return [
            os.listdir(place),
            (place / "shown").read_text(),
            refusal(lambda: (place / "shown").write_text("")),
        ]

    assert world.see(act, (str(place / "shown"), READ)) == [["shown"], "shown", errno.EROFS]


def test_a_link_is_shown_as_a_link(world: World) -> None:
    """What it leads to is there only if it is named itself: /bin is a link on most hosts."""
    (world.host / "data").mkdir()
    (world.host / "link").symlink_to("data")
    link = world.host / "link"

    def act() -> list[Any]:
        return [os.readlink(link), os.path.exists(link)]

    assert world.see(act, (str(link), READ)) == ["data", False]
    assert world.see(act, (str(link), READ), (str(world.host / "data"), READ)) == ["data", True]


def test_what_is_not_there_is_not_shown(world: World) -> None:
    """And is no error: it may have gone since it was named."""
    gone = world.host / "gone"

    assert world.see(lambda: os.path.lexists(gone), (str(gone), READ)) is False


def test_a_socket_that_is_granted_can_be_connected_to_and_no_other(world: World) -> None:
    """It is there by the path that it has inside."""
    servers = [socket.socket(socket.AF_UNIX) for _ in range(2)]
    paths = [f"/tmp/hl-{os.getpid()}-{name}.sock" for name in ("granted", "other")]
    for server, path in zip(servers, paths, strict=True):
        server.bind(path)
        server.listen(4)

    def act() -> list[int]:
        found = []
        for path in ("/run/hero/granted.sock", *paths):
            with socket.socket(socket.AF_UNIX) as client:
                found.append(refusal(lambda client=client, path=path: client.connect(path)))  # type: ignore[misc]
        return found

    try:
        found = world.see(act, sockets=[(paths[0], "/run/hero/granted.sock")])
    finally:
        for server, path in zip(servers, paths, strict=True):
            server.close()
            os.unlink(path)

    assert found == [0, errno.ENOENT, errno.ENOENT]


def test_nothing_of_it_is_seen_on_the_host(world: World) -> None:
    """The directory that it was built on stays empty, and no mount is left."""
    world.see(lambda: 0)

    assert os.listdir(world.root) == []
    assert str(world.host) not in Path("/proc/self/mountinfo").read_text()


def test_a_root_that_cannot_be_used_is_an_error(world: World) -> None:
    """It says which step failed."""
    with pytest.raises(AssertionError, match=r"FileNotFoundError: .*mount tmpfs on /none"):
        world.see(lambda: 0, root="/none")
