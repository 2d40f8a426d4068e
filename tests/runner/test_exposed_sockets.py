"""Sockets in what a play is to be shown are found, wherever they lie and however they were made."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hero_logic.runner import exposed_sockets
from hero_logic.runner.exposed_sockets import first_socket_in


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory whose path is short enough for sockets, as the current one."""
    directory = Path(f"/tmp/hl-exposed-{os.getpid()}")
    (directory / "deep" / "down").mkdir(parents=True)
    monkeypatch.chdir(directory)
    yield directory
    for path in sorted(directory.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    directory.rmdir()


def bound(name: str) -> socket.socket:
    """A socket that is bound to a name."""
    made = socket.socket(socket.AF_UNIX)
    made.bind(name)
    return made


def test_a_directory_without_a_socket_has_none(place: Path) -> None:
    """Files, pipes and links are no sockets, wherever the links lead."""
    (place / "file").write_text("x")
    os.mkfifo(place / "deep" / "pipe")
    (place / "deep" / "loop").symlink_to(place)
    (place / "nowhere").symlink_to("not-there")

    assert first_socket_in(str(place)) == ("", True)


@pytest.mark.parametrize("name", ["sock", "deep/down/sock", "with a space", "deep/../deep/down/sock"])
def test_a_socket_is_found_by_whatever_name_it_was_bound(place: Path, name: str) -> None:
    """Absolute or relative, at the top or deep down."""
    for given in (name, f"{place}/{name}"):
        with closing(bound(given)):
            found = first_socket_in(str(place))
        os.unlink(name)

        assert found == (os.path.normpath(place / name), True)


def test_a_socket_that_is_bound_is_found_without_looking(place: Path) -> None:
    """A directory may have more files than can be looked at; its name may lead through links."""
    (place / "link").symlink_to("deep")
    with closing(bound(f"{place}/link/down/sock")):
        assert first_socket_in(str(place), max_entries=0) == (f"{place}/deep/down/sock", True)


def test_a_socket_that_nobody_listens_on_counts(place: Path) -> None:
    """Who made it may come back."""
    bound(f"{place}/sock").close()

    assert first_socket_in(str(place)) == (f"{place}/sock", True)


def test_a_socket_beside_the_directory_does_not_count(place: Path) -> None:
    """Nor one in a directory whose name begins alike."""
    (place / "deeper").mkdir()
    with closing(bound(f"{place}/deeper/sock")):
        assert first_socket_in(str(place / "deep")) == ("", True)


def test_a_directory_with_too_many_files_is_told(place: Path) -> None:
    """Not all of it was looked at, and nothing was found."""
    for number in range(10):
        (place / str(number)).touch()

    assert first_socket_in(str(place), max_entries=5) == ("", False)


def test_a_host_that_does_not_tell_what_is_bound_is_looked_at(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/proc may be hidden."""
    monkeypatch.setattr(exposed_sockets, "_BOUND", "/nowhere")
    with closing(bound(f"{place}/deep/sock")):
        assert first_socket_in(str(place)) == (f"{place}/deep/sock", True)


@pytest.mark.skipif(os.geteuid() == 0, reason="no directory is closed to root")
def test_a_directory_that_is_closed_is_passed_over(place: Path) -> None:
    """As it is to the play."""
    (place / "deep").chmod(0)
    try:
        assert first_socket_in(str(place)) == ("", True)
    finally:
        (place / "deep").chmod(0o700)
