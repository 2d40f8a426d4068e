"""Rules for files, held by the kernel: what no rule names is denied, and a rule grants what it says."""

from __future__ import annotations

import errno
import os
import signal
import socket
import struct
from pathlib import Path
from typing import Any

import pytest

from hero_logic.runner.sandbox import kernel, landlock
from support.forked import can, has_landlock, in_child, refusal

needs_landlock = pytest.mark.skipif(not has_landlock(), reason="this kernel has no Landlock of ABI 6")


def restrict(rules: list[tuple[str, int]], *, has_own_network: bool = False) -> None:
    """Hold this process to these rules."""
    ruleset = landlock.Ruleset(has_own_network=has_own_network)
    ruleset.add(rules)
    ruleset.restrict()


def restricted(rules: list[tuple[str, int]], act: Any, *, has_own_network: bool = False) -> Any:
    """What a function gives in a process that is held to these rules."""

    def confined() -> Any:
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        restrict(rules, has_own_network=has_own_network)
        return act()

    return in_child(confined)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A directory with a file, a program and a directory in it."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file").write_text("found")
    (tmp_path / "in" / "program").write_text("#!/bin/true\n")
    (tmp_path / "in" / "program").chmod(0o755)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "file").write_text("secret")
    return tmp_path


# The table of rights


@pytest.mark.parametrize(
    ("version", "bits"),
    [(1, 13), (2, 14), (3, 15), (4, 15), (5, 16), (6, 16), (7, 16), (8, 16), (9, 17), (10, 17), (99, 17)],
)
def test_every_right_that_a_version_knows_is_handled(version: int, bits: int) -> None:
    """None is granted by being forgotten; one that the kernel does not know it would refuse to hear of."""
    assert landlock.handled_rights(version) == (1 << bits) - 1


def test_each_right_is_a_bit_of_its_own() -> None:
    """In the kernel's order, without a gap."""
    names = (
        "EXECUTE WRITE_FILE READ_FILE READ_DIR REMOVE_DIR REMOVE_FILE MAKE_CHAR MAKE_DIR MAKE_REG MAKE_SOCK "
        "MAKE_FIFO MAKE_BLOCK MAKE_SYM REFER TRUNCATE IOCTL_DEV RESOLVE_UNIX"
    )

    assert [getattr(landlock, name) for name in names.split()] == [1 << bit for bit in range(17)]


@pytest.mark.parametrize(
    ("grant", "never"),
    [
        (
            "READ",
            "EXECUTE WRITE_FILE TRUNCATE REMOVE_DIR REMOVE_FILE MAKE_DIR MAKE_REG MAKE_SYM REFER IOCTL_DEV",
        ),
        ("RUN", "WRITE_FILE TRUNCATE REMOVE_DIR REMOVE_FILE MAKE_DIR MAKE_REG MAKE_SYM REFER IOCTL_DEV"),
        ("KEEP", "EXECUTE MAKE_CHAR MAKE_BLOCK IOCTL_DEV RESOLVE_UNIX"),
        ("USE", "EXECUTE READ_DIR TRUNCATE REMOVE_FILE MAKE_REG IOCTL_DEV"),
    ],
)
def test_a_grant_has_nothing_that_it_does_not_say(grant: str, never: str) -> None:
    """Reading changes nothing; what a play may change it may not run, and no grant makes a device."""
    rights = getattr(landlock, grant)

    assert [name for name in never.split() if rights & getattr(landlock, name)] == []


@pytest.mark.parametrize("version", [0, 1, 4, 5])
def test_below_the_version_that_is_needed_nothing_is_promised(
    monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    """Signals would reach every process of the same user: it is refused, and says what there is."""
    monkeypatch.setattr(kernel, "landlock_version", lambda: version)
    monkeypatch.setattr(kernel, "landlock_create_ruleset", lambda _: pytest.fail("it was begun"))

    with pytest.raises(OSError, match=f"ABI 6 is needed, and this kernel has {version}"):
        restrict([])


@pytest.mark.parametrize("has_own_network", [True, False])
def test_the_kernel_is_told_of_every_right_both_scopes_and_tcp(
    monkeypatch: pytest.MonkeyPatch, has_own_network: bool
) -> None:
    """TCP is left to a play only where it leads nowhere."""
    asked: list[bytes] = []

    def create(attributes: bytes) -> int:
        asked.append(attributes)
        return os.open("/dev/null", os.O_RDONLY)

    monkeypatch.setattr(kernel, "landlock_version", lambda: 7)
    monkeypatch.setattr(kernel, "landlock_create_ruleset", create)
    monkeypatch.setattr(kernel, "landlock_restrict_self", lambda _: None)
    restrict([], has_own_network=has_own_network)

    assert struct.unpack("<3Q", asked[0]) == ((1 << 16) - 1, 0 if has_own_network else 3, 3)


def test_a_ruleset_that_the_kernel_refuses_is_an_error_and_no_open_descriptor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The play is not started then."""
    made: list[int] = []

    def create(_: bytes) -> int:
        made.append(os.open("/dev/null", os.O_RDONLY))
        return made[0]

    def refuse(_: int) -> None:
        raise OSError(errno.EPERM, "no")

    monkeypatch.setattr(kernel, "landlock_version", lambda: 7)
    monkeypatch.setattr(kernel, "landlock_create_ruleset", create)
    monkeypatch.setattr(kernel, "landlock_restrict_self", refuse)
    with pytest.raises(PermissionError):
        restrict([])

    assert refusal(lambda: os.fstat(made[0])) == errno.EBADF


# Held by the kernel


@needs_landlock
def test_what_no_rule_names_is_denied(tree: Path) -> None:
    """Whoever the user is: reading, writing, listing, making, removing, running."""
    attempts = {
        "read": lambda: open(tree / "out" / "file").close(),
        "write": lambda: open(tree / "out" / "file", "a").close(),
        "list": lambda: os.listdir(tree / "out"),
        "make": lambda: os.mkdir(tree / "out" / "new"),
        "remove": lambda: os.unlink(tree / "out" / "file"),
        "rename": lambda: os.rename(tree / "out" / "file", tree / "out" / "other"),
        "run": lambda: os.execv(tree / "in" / "program", ["program"]),
        "truncate": lambda: os.truncate(tree / "out" / "file", 0),
    }

    found = restricted([], lambda: {name: refusal(attempt) for name, attempt in attempts.items()})

    assert found == dict.fromkeys(attempts, errno.EACCES)
    assert (tree / "out" / "file").read_text() == "secret"


@needs_landlock
def test_a_grant_to_read_lets_read_and_list(tree: Path) -> None:
    """At the path and below it; not beside it, and nothing else."""

    def act() -> list[Any]:
        return [
            (tree / "in" / "file").read_text(),
            sorted(os.listdir(tree / "in")),
            refusal(lambda: open(tree / "in" / "file", "a").close()),
            refusal(lambda: os.execv(tree / "in" / "program", ["program"])),
            refusal(lambda: os.mkdir(tree / "in" / "new")),
            can(lambda: os.listdir(tree / "out")),
            can(lambda: os.listdir(tree)),
        ]

    found = restricted([(str(tree / "in"), landlock.READ)], act)

    denied = errno.EACCES
    assert found == ["found", ["file", "program"], denied, denied, denied, False, False]


@needs_landlock
def test_a_grant_to_run_lets_read_and_run(tree: Path) -> None:
    """And change nothing."""

    def act() -> list[Any]:
        pid = os.fork()
        if pid == 0:
            os.execv(tree / "in" / "program", ["program"])
        _, status = os.waitpid(pid, 0)
        return [status, refusal(lambda: open(tree / "in" / "program", "a").close())]

    system = [(path, landlock.RUN) for path in ("/bin", "/usr", "/lib", "/lib64")]

    assert restricted([(str(tree / "in"), landlock.RUN), *system], act) == [0, errno.EACCES]


@needs_landlock
def test_a_grant_to_keep_lets_change_everything_and_run_nothing(tree: Path) -> None:
    """Files, directories, links, pipes; neither devices nor programs."""
    place = tree / "in"

    def act() -> list[Any]:
        (place / "new").write_text("x")
        (place / "deep" / "er").mkdir(parents=True)
        (place / "new").rename(place / "deep" / "moved")
        os.symlink("file", place / "link")
        os.link(place / "file", place / "deep" / "hard")
        os.mkfifo(place / "pipe")
        os.truncate(place / "file", 2)
        os.unlink(place / "pipe")
        (place / "deep" / "er").rmdir()
        return [
            refusal(lambda: os.execv(place / "program", ["program"])),
            refusal(lambda: os.mknod(place / "null", 0o20600, os.makedev(1, 3))),
            refusal(lambda: os.rename(place / "file", tree / "out" / "file")),
            refusal(lambda: os.link(tree / "out" / "file", place / "stolen")),
        ]

    found = restricted([(str(place), landlock.KEEP)], act)

    assert found[0] == errno.EACCES
    assert found[1] in (errno.EACCES, errno.EPERM)
    assert all(found[2:])
    assert sorted(os.listdir(place)) == ["deep", "file", "link", "program"]


@needs_landlock
def test_a_path_that_is_not_there_grants_nothing(tree: Path) -> None:
    """Not even once it is: a rule is for what was there when it was made."""

    def act() -> list[bool]:
        made = can(lambda: os.mkdir(tree / "in" / "later"))
        return [made, can(lambda: open(tree / "in" / "later" / "file", "w").close())]

    rules = [
        (str(tree / "in" / "later"), landlock.KEEP),
        ("", landlock.KEEP),
        (str(tree / "x"), landlock.RUN),
    ]

    assert restricted(rules, act) == [False, False]


@needs_landlock
def test_a_file_gets_no_right_of_a_directory(tree: Path) -> None:
    """The kernel would refuse such a rule, and the play with it: it gets what a file can have of it."""

    def act() -> list[Any]:
        with (tree / "in" / "file").open("r+") as file:
            file.write("new")
        return [refusal(lambda: os.unlink(tree / "in" / "file")), can(lambda: os.listdir(tree / "in"))]

    assert restricted([(str(tree / "in" / "file"), landlock.KEEP)], act) == [errno.EACCES, False]


@needs_landlock
@pytest.mark.parametrize("path", ["link", "link/file"])
def test_a_link_grants_nothing_of_what_it_leads_to(tree: Path, path: str) -> None:
    """Who knows who put it there since the path was resolved."""
    (tree / "link").symlink_to("in")

    denied = restricted(
        [(str(tree / path), landlock.READ)], lambda: refusal((tree / "in" / "file").read_text)
    )

    assert denied == errno.EACCES


@needs_landlock
def test_a_link_of_the_systems_own_grants_what_it_leads_to() -> None:
    """/bin is one on most hosts, and /proc/self on all."""
    rules = [("/bin", landlock.READ), ("/proc/self/stat", landlock.READ)]

    assert restricted(
        rules, lambda: [can(lambda: os.listdir("/bin")), can(lambda: open("/proc/self/stat").close())]
    )


@needs_landlock
def test_there_is_no_way_back(tree: Path) -> None:
    """A second set of rules can take away more, and give nothing."""

    def act() -> bool:
        restrict([("/", landlock.READ)])
        return can(lambda: os.listdir(tree / "out"))

    assert restricted([(str(tree / "in"), landlock.READ)], act) is False


@needs_landlock
def test_what_a_play_starts_is_held_too(tree: Path) -> None:
    """Its children, as long as they live."""
    assert restricted([], lambda: in_child(lambda: can(lambda: os.listdir(tree / "out")))) is False


@needs_landlock
def test_what_was_open_stays_open(tree: Path) -> None:
    """Rules are for opening: what a play is given it has."""
    kept = os.open(tree / "out" / "file", os.O_RDONLY)
    try:
        assert restricted([], lambda: os.read(kept, 100)) == b"secret"
    finally:
        os.close(kept)


@needs_landlock
@pytest.mark.parametrize("number", [0, signal.SIGCONT, signal.SIGKILL])
def test_no_signal_goes_to_a_process_outside(number: int) -> None:
    """Of the same user, the parent included; to itself and to what it starts it does."""

    def act() -> list[int]:
        child = os.fork()
        if child == 0:
            signal.pause()
        inside = refusal(lambda: os.kill(child, number))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return [
            refusal(lambda: os.kill(os.getppid(), number)),
            inside,
            refusal(lambda: os.kill(os.getpid(), 0)),
        ]

    assert restricted([], act) == [errno.EPERM, 0, 0]


@needs_landlock
def test_no_abstract_socket_of_others_is_reached(tmp_path: Path) -> None:
    """One that it made itself is."""
    with socket.socket(socket.AF_UNIX) as theirs:
        name = f"\0theirs-{os.getpid()}-{tmp_path.name}"
        theirs.bind(name)
        theirs.listen(1)

        def act() -> list[int]:
            with socket.socket(socket.AF_UNIX) as own, socket.socket(socket.AF_UNIX) as client:
                own.bind(name + "-own")
                own.listen(1)
                return [refusal(lambda: client.connect(name)), refusal(lambda: client.connect(name + "-own"))]

        assert restricted([], act) == [errno.EPERM, 0]


@needs_landlock
@pytest.mark.parametrize(("has_own_network", "refused"), [(False, errno.EACCES), (True, 0)])
def test_tcp_is_denied_where_it_would_lead_somewhere(has_own_network: bool, refused: int) -> None:
    """To bind, and to connect to a port that listens."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        address = server.getsockname()

        def act() -> list[int]:
            with socket.socket() as one, socket.socket() as other:
                return [refusal(lambda: one.connect(address)), refusal(lambda: other.bind(("127.0.0.1", 0)))]

        assert restricted([], act, has_own_network=has_own_network) == [refused, refused]
