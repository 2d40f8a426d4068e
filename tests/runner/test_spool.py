"""Opening what a play's processes have left as their spool."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

import hero_tracing
from hero_logic.core.policy import SPAN_SPOOL_VARIABLE, default, play_environment
from hero_logic.runner.spool import Spool, open_spool

LINES = b'{"type":"hello"}\n{"type":"span_tag"}\n'


def path_in(work_dir: Path) -> Path:
    """Where a play in that work directory is told to keep its spool."""
    environment = play_environment({}, sid="s", work_dir=str(work_dir), span_channel="/s")
    return Path(environment[SPAN_SPOOL_VARIABLE])


def opened(work_dir: Path, **options: int) -> Spool:
    """The spool of a play that has one."""
    spool = open_spool(str(work_dir), **options)
    assert spool is not None
    return spool


def read_all(spool: Spool, piece_bytes: int = 7) -> bytes:
    """Everything that a spool gives, in pieces."""
    with spool:
        return b"".join(iter(lambda: spool.read(piece_bytes), b""))


@pytest.mark.parametrize("piece_bytes", [1, 7, 1000, -1])
def test_a_spool_is_read_to_its_end(tmp_path: Path, piece_bytes: int) -> None:
    """From where the play was told to write it, in pieces of any size, without a problem."""
    path_in(tmp_path).write_bytes(LINES)
    spool = opened(tmp_path)

    assert read_all(spool, piece_bytes) == LINES
    assert spool.problem == ""


def test_a_play_without_a_spool_has_none(tmp_path: Path) -> None:
    """That is how nearly all plays end."""
    assert open_spool(str(tmp_path)) is None


@pytest.mark.parametrize("position", [0, 5, len(LINES), 1000])
def test_reading_goes_on_where_another_left_off(tmp_path: Path, position: int) -> None:
    """Up to the same byte of the file, and not to another bound."""
    path_in(tmp_path).write_bytes(LINES)
    spool = opened(tmp_path, limit_bytes=20)
    spool.seek(position)

    assert read_all(spool) == LINES[position:20]


@pytest.mark.parametrize("piece_bytes", [7, 1000, -1])
def test_no_more_is_read_than_the_bound_and_the_rest_is_said(tmp_path: Path, piece_bytes: int) -> None:
    """The problem has both numbers."""
    path_in(tmp_path).write_bytes(b"x" * 150)
    spool = opened(tmp_path, limit_bytes=100)

    assert read_all(spool, piece_bytes) == b"x" * 100
    assert "has 150 bytes of events; the first 100 of them are read" in spool.problem


def test_a_spool_as_large_as_the_bound_is_no_problem(tmp_path: Path) -> None:
    """All of it is read."""
    path_in(tmp_path).write_bytes(b"x" * 100)
    spool = opened(tmp_path, limit_bytes=100)

    assert read_all(spool) == b"x" * 100
    assert spool.problem == ""


def test_the_bound_is_the_limit_of_the_table(tmp_path: Path) -> None:
    """A file with a hole of a gigabyte costs no more than a full spool."""
    with path_in(tmp_path).open("wb") as file:
        file.truncate(2**30)
    spool = opened(tmp_path)
    with spool:
        read_bytes = sum(len(piece) for piece in iter(lambda: spool.read(1 << 20), b""))

    assert read_bytes == default("spool_bytes")
    assert str(2**30) in spool.problem


def test_the_sdk_keeps_to_the_bound_that_is_read() -> None:
    """It cannot import the table, and must not write what nobody will read."""
    assert max(hero_tracing._SPOOL_BYTES) == default("spool_bytes")


def make_link(path: Path) -> None:
    (path.parent / "secret").write_bytes(LINES)
    path.symlink_to("secret")


def make_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


def make_second_name(path: Path) -> None:
    (path.parent / "secret").write_bytes(LINES)
    os.link(path.parent / "secret", path)


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def make_directory(path: Path) -> None:
    path.mkdir()


def make_unreadable(path: Path) -> None:
    path.touch(mode=0o000)
    if os.geteuid() == 0:
        pytest.skip("root reads everything")


def make_anothers(path: Path) -> None:
    path.write_bytes(LINES)
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(path, 12345, -1)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (make_link, "symbolic link"),
        (make_dangling_link, "symbolic link"),
        (make_second_name, "it has other names too"),
        (make_pipe, "it is no regular file"),
        (make_socket, "No such device"),
        (make_directory, "it is no regular file"),
        (make_unreadable, "Permission denied"),
        (make_anothers, "it belongs to the user 12345"),
    ],
)
def test_what_is_no_file_of_the_plays_own_is_not_read(
    tmp_path: Path, make: Callable[[Path], None], reason: str
) -> None:
    """Whatever a flow has put there: nothing is read, nobody waits, and the problem has path and reason."""
    make(path_in(tmp_path))
    before = len(os.listdir("/proc/self/fd"))
    spool = opened(tmp_path)

    assert read_all(spool) == b""
    assert len(os.listdir("/proc/self/fd")) == before
    assert str(path_in(tmp_path)) in spool.problem
    assert reason in spool.problem


def test_a_file_that_cannot_be_read_is_a_problem_and_no_error(tmp_path: Path) -> None:
    """A failing disk costs the spool, not the end of the play."""
    path_in(tmp_path).write_bytes(LINES)
    spool = Spool(os.open(path_in(tmp_path), os.O_WRONLY), limit_bytes=10)

    assert read_all(spool) == b""
    assert "cannot be read to its end" in spool.problem
