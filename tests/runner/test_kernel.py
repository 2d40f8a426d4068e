"""System calls without a wrapper: each does what it says, and a refusal is the kernel's own error."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest

from hero_logic.runner.sandbox import kernel
from support.forked import has_namespaces, in_child, in_new_world

needs_namespaces = pytest.mark.skipif(
    not has_namespaces(), reason="this host lets nobody leave for namespaces"
)
HEADER = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")


def status(name: str) -> str:
    """A line of /proc/self/status."""
    return next(
        line.partition(":")[2].strip()
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith(f"{name}:")
    )


@pytest.mark.skipif(not HEADER.exists(), reason="the kernel's headers are not installed")
def test_the_numbers_are_those_of_the_kernels_own_headers() -> None:
    """For each call that is made by its number; one that the headers do not know yet is left out."""
    theirs = dict(re.findall(r"#define __NR_(\w+) (\d+)", HEADER.read_text()))
    ours = {
        name.removeprefix("_SYS_").lower(): str(value)
        for name, value in vars(kernel).items()
        if name.startswith("_SYS_")
    }

    assert len(ours) >= 9
    assert {name: value for name, value in ours.items() if theirs.get(name, value) != value} == {}


def test_an_error_is_the_kernels_with_the_name_of_the_call() -> None:
    """So that whoever reads it knows which step failed, and why."""
    with pytest.raises(OSError) as refused:
        kernel.prctl(0xBAD, 0)

    assert (refused.value.errno, refused.value.filename) == (errno.EINVAL, f"prctl({0xBAD})")
    assert refused.value.strerror == "Invalid argument"


@pytest.mark.parametrize(
    ("call", "number", "name"),
    [
        (lambda: kernel.unshare(0x1), errno.EINVAL, "unshare(0x1)"),
        (
            lambda: kernel.mount("none", "/none/at/all", "tmpfs", 0),
            errno.ENOENT,
            "mount tmpfs on /none/at/all",
        ),
        (lambda: kernel.copy_mount("/none", "/none", attributes=0), errno.ENOENT, "openat2 /none"),
        (lambda: kernel.landlock_create_ruleset(b""), errno.EINVAL, "landlock_create_ruleset"),
        (lambda: kernel.landlock_add_rule(-1, 1, bytes(12)), errno.EBADF, "landlock_add_rule"),
        (lambda: kernel.landlock_restrict_self(-1), errno.EBADF, "landlock_restrict_self"),
        (lambda: kernel.load_filter(b""), errno.EINVAL, "seccomp"),
        (lambda: kernel.load_filter(b"\xff" * 8), errno.EINVAL, "seccomp"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_call_that_makes_no_sense_is_refused_by_name(call: object, number: int, name: str) -> None:
    """Whatever the user may do otherwise: nothing of it is swallowed."""

    def attempt() -> list[object]:
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        try:
            call()  # type: ignore[operator]  # each of the table is a function
        except OSError as error:
            return [error.errno, error.filename]
        return []

    found = in_child(attempt)

    # Who may not do it at all is told so first.
    assert found in ([number, name], [errno.EPERM, name], [errno.EOPNOTSUPP, name], [errno.ENOSYS, name])


def test_no_new_privileges_is_for_good() -> None:
    """It can be set, seen, and not taken back."""

    def act() -> list[object]:
        before = status("NoNewPrivs")
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        try:
            kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 0)
        except OSError as error:
            return [before, status("NoNewPrivs"), error.errno]
        return [before, status("NoNewPrivs")]

    assert in_child(act)[1:] == ["1", errno.EINVAL]


def test_every_capability_in_every_set_is_given_up() -> None:
    """Of root's as of anybody's; what was never there is no error, and twice is as good as once."""

    def act() -> list[str]:
        kernel.drop_capabilities()
        kernel.drop_capabilities()
        return [status(name) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")]

    assert in_child(act) == ["0000000000000000"] * 4


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a bounding set to lose")
def test_no_program_gives_a_capability_back_to_root() -> None:
    """The bounding set is empty too: what is executed as root has nothing of root's power."""

    def act() -> list[str]:
        kernel.drop_capabilities()
        read, write = os.pipe()
        if os.fork() == 0:
            os.dup2(write, 1)
            os.execv("/bin/grep", ["grep", "-E", "CapEff|CapBnd", "/proc/self/status"])
        os.close(write)
        return os.read(read, 1000).decode().split()[1::2]

    assert in_child(act) == ["0000000000000000"] * 2


@needs_namespaces
def test_in_a_new_world_all_capabilities_can_be_given_up_as_well() -> None:
    """There everybody has them all at first."""

    def act() -> list[object]:
        had = int(status("CapEff"), 16) > 0
        kernel.drop_capabilities()
        return [had, status("CapEff"), status("CapBnd")]

    assert in_new_world(act) == [True, "0000000000000000", "0000000000000000"]


@needs_namespaces
def test_a_copy_of_a_mount_has_its_attributes_from_the_start(tmp_path: Path) -> None:
    """Read-only here, with all that is mounted below it; the original stays as it is."""
    (tmp_path / "from").mkdir()
    (tmp_path / "to").mkdir()
    (tmp_path / "from" / "file").write_text("x")

    def act() -> list[object]:
        kernel.unshare(kernel.CLONE_NEWNS)
        kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
        os.mkdir(tmp_path / "from" / "below")
        kernel.mount("x", str(tmp_path / "from" / "below"), "tmpfs", 0)
        (tmp_path / "from" / "below" / "file").write_text("y")
        kernel.copy_mount(str(tmp_path / "from"), str(tmp_path / "to"), attributes=kernel.MOUNT_ATTR_RDONLY)
        read_only = []
        for name in ("file", "below/file"):
            try:
                (tmp_path / "to" / name).write_text("z")
            except OSError as error:
                read_only.append(error.errno)
        (tmp_path / "from" / "file").write_text("still mine")
        return [read_only, (tmp_path / "to" / "below" / "file").read_text()]

    assert in_new_world(act) == [[errno.EROFS, errno.EROFS], "y"]
    assert (tmp_path / "from" / "file").read_text() == "still mine"
    assert os.listdir(tmp_path / "to") == []


@needs_namespaces
def test_a_new_root_is_all_there_is(tmp_path: Path) -> None:
    """The old one is let go of: no path leads back to it."""

    def act() -> list[object]:
        kernel.unshare(kernel.CLONE_NEWNS)
        kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
        kernel.mount("x", str(tmp_path), "tmpfs", 0)
        (tmp_path / "only").touch()
        kernel.enter_root(str(tmp_path))
        return [os.listdir("/"), os.getcwd(), os.listdir("/.."), os.path.exists(tmp_path)]

    assert in_new_world(act) == [["only"], "/", ["only"], False]


def test_landlock_says_its_version_or_that_there_is_none() -> None:
    """Asked of the kernel itself: no file tells it everywhere."""
    version = kernel.landlock_version()

    assert isinstance(version, int)
    assert 0 <= version < 1000


def test_a_path_is_opened_through_no_link(tmp_path: Path) -> None:
    """Neither at its end nor on its way; the error says which path."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").touch()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real" / "alias").symlink_to("file")

    os.close(kernel.open_path(f"{tmp_path}/real/file"))
    for path in (tmp_path / "link", tmp_path / "link" / "file", tmp_path / "real" / "alias"):
        with pytest.raises(OSError, match="a link lies on the way there, and is not followed") as raised:
            kernel.open_path(str(path))
        assert (raised.value.errno, raised.value.filename) == (errno.ELOOP, str(path))
