"""What a play left is read, listed, copied and removed without following a link or opening a device."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from hero_logic.core import policy
from hero_logic.runner.collection import collect_artifacts, copy_artifacts, read_bounded, remove_tree
from support.runtime import Ran

Played = Callable[..., Ran]


def bind_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


@pytest.mark.parametrize(("limit", "data"), [(0, b""), (3, b"abc"), (6, b"abcdef"), (100, b"abcdef")])
def test_a_file_is_read_up_to_the_limit(tmp_path: Path, limit: int, data: bytes) -> None:
    """Its first bytes."""
    (tmp_path / "f").write_bytes(b"abcdef")

    assert read_bounded(str(tmp_path / "f"), limit) == data


@pytest.mark.parametrize("kind", ["nothing", "link", "directory", "pipe", "socket", "unreadable"])
def test_what_is_no_file_reads_as_nothing(tmp_path: Path, kind: str) -> None:
    """A play can put anything in the place of its files; reading them neither fails nor waits."""
    (tmp_path / "secret").write_text("secret")
    path = tmp_path / "f"
    {
        "nothing": lambda: None,
        "link": lambda: path.symlink_to(tmp_path / "secret"),
        "directory": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
        "socket": lambda: bind_socket(path),
        "unreadable": lambda: path.symlink_to("/proc/self/mem"),
    }[kind]()
    before = len(os.listdir("/proc/self/fd"))

    assert read_bounded(str(path), 100) == b""
    assert len(os.listdir("/proc/self/fd")) == before


def test_artifacts_are_regular_files_with_their_sizes(tmp_path: Path) -> None:
    """In order of their paths; what is something else goes, and what is in a linked directory stays out."""
    work = tmp_path / "work"
    artifacts = work / "artifacts"
    (artifacts / "b" / "c").mkdir(parents=True)
    (artifacts / "z.txt").write_bytes(b"12345")
    (artifacts / "b" / "c" / "ä\n.bin").write_bytes(b"")
    os.mkfifo(artifacts / "pipe")
    (artifacts / "link").symlink_to("/etc/passwd")
    (artifacts / "linked directory").symlink_to("/etc")
    found = collect_artifacts(str(work), str(tmp_path / "kept"))

    assert found == [("b/c/ä\n.bin", 0), ("z.txt", 5)]
    assert sorted(os.listdir(tmp_path / "kept")) == ["b", "z.txt"]


@pytest.mark.parametrize("kind", ["missing", "empty", "file", "link"])
def test_no_artifacts_are_none(tmp_path: Path, kind: str) -> None:
    """A directory that is none holds nothing of ours."""
    work = tmp_path / "work"
    work.mkdir()
    path = work / "artifacts"
    {
        "missing": lambda: None,
        "empty": path.mkdir,
        "file": lambda: path.write_text("x"),
        "link": lambda: path.symlink_to("/etc"),
    }[kind]()

    assert collect_artifacts(str(work), str(tmp_path / "kept")) == []
    assert not (tmp_path / "kept").exists()


def test_names_that_are_no_text_get_one(tmp_path: Path) -> None:
    """A record holds UTF-8 alone; two of them do not become one."""
    artifacts = os.fsencode(tmp_path / "work" / "artifacts")
    os.makedirs(artifacts)
    for name in (b"a\xff", b"a\xfe", b"\xff" * 255):
        with open(os.path.join(artifacts, name), "wb") as file:
            file.write(name[:2])
    found = collect_artifacts(str(tmp_path / "work"), str(tmp_path / "kept"))
    copy_artifacts(str(tmp_path / "kept"), [path for path, _ in found], str(tmp_path / "out"))

    assert [path for path, _ in found] == ["?" * 255, "a?", "a?.2"]
    assert sorted(os.listdir(tmp_path / "out")) == ["?" * 255, "a?", "a?.2"]


def test_only_so_many_artifacts_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is that of the table."""
    artifacts = tmp_path / "work" / "artifacts"
    artifacts.mkdir(parents=True)
    monkeypatch.setitem(policy._DEFAULTS, "artifact_files", 20)
    for number in range(25):
        (artifacts / str(number)).touch()

    assert len(collect_artifacts(str(tmp_path / "work"), str(tmp_path / "kept"))) == 20


def test_artifacts_are_copied_with_their_directories(tmp_path: Path) -> None:
    """To where the operator wants them, made if need be."""
    (tmp_path / "kept" / "a").mkdir(parents=True)
    (tmp_path / "kept" / "a" / "f").write_bytes(b"x" * 100_000)
    copy_artifacts(str(tmp_path / "kept"), ["a/f"], str(tmp_path / "new" / "out"))

    assert (tmp_path / "new" / "out" / "a" / "f").read_bytes() == b"x" * 100_000


def test_a_tree_is_removed_whatever_is_in_it(tmp_path: Path) -> None:
    """Links are not followed, nothing outside is touched, forbidden directories are opened."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    root = tmp_path / "root"
    (root / "locked" / "inner").mkdir(parents=True)
    (root / "locked" / "inner" / "f").touch()
    (root / ".removed-1").mkdir()
    (root / ".removed-1" / "f").touch()
    (root / "link").symlink_to(outside)
    os.mkfifo(root / "pipe")
    (root / "locked" / "inner").chmod(0)
    (root / "locked").chmod(0)
    outside_mode = stat.S_IMODE(os.stat(outside).st_mode)
    remove_tree(str(root))

    assert not root.exists()
    assert (outside / "precious").read_text() == "x"
    assert stat.S_IMODE(os.stat(outside).st_mode) == outside_mode


def test_a_tree_deeper_than_any_path_is_removed(tmp_path: Path) -> None:
    """Neither the recursion limit nor the longest path sets a bound."""
    root = tmp_path / "root"
    root.mkdir()
    before = os.open(".", os.O_RDONLY)
    try:
        os.chdir(root)
        for number in range(60):
            os.mkdir("deeper" * 20)
            os.chdir("deeper" * 20)
            if number % 20 == 0:
                Path("file").touch()
    finally:
        os.fchdir(before)
        os.close(before)
    remove_tree(str(root))

    assert not root.exists()


def test_a_file_a_link_and_nothing_are_removed_too(tmp_path: Path) -> None:
    """A link goes, not what it leads to."""
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    remove_tree(str(tmp_path / "link"))
    assert os.listdir(tmp_path) == ["file"]
    remove_tree(str(tmp_path / "file"))
    remove_tree(str(tmp_path / "none"))

    assert os.listdir(tmp_path) == []


def test_a_play_with_every_odd_artifact_is_recorded(played: Played) -> None:
    """Names that are no text, deep trees, links, locked directories: the play ends as it did."""
    ran = played(r"""
        import os
        @flow
        def main():
            open(b"artifacts/\xff.txt", "w").close()
            os.symlink("/etc/passwd", "artifacts/passwd")
            os.mkdir("artifacts/locked")
            open("artifacts/locked/in", "w").close()
            os.chmod("artifacts/locked", 0)
            for _ in range(60):
                os.mkdir("deep" * 30)
                os.chdir("deep" * 30)
            return 1
    """)

    assert (ran["status"], ran["error"]) == ("ok", "")
    paths = [artifact["path"] for artifact in ran["artifacts"]]
    assert "?.txt" in paths
    assert "passwd" not in paths


def test_a_play_that_replaced_its_own_files_is_recorded(played: Played) -> None:
    """In tier 0 a play can write wherever its user can: what it spoils is its own record alone."""
    ran = played("""
        import os
        @flow
        def main():
            root = os.path.dirname(os.getcwd())
            for name in ("stdout", "stderr"):
                os.mkdir(f"{root}/{name}")
            os.unlink(f"{root}/result")
            os.mkfifo(f"{root}/result")
            print("into nowhere")
    """)

    assert (ran["status"], ran["output"]) == ("ok", None)
    assert ran["stdout"].strip() == "[hero-logic: 13 more bytes were not kept]"


def test_holes_are_copied_as_holes(tmp_path: Path) -> None:
    """A terabyte that takes no room in the work directory takes none where it is kept either."""
    kept = tmp_path / "kept"
    kept.mkdir()
    with (kept / "sparse").open("wb") as file:
        file.write(b"begin")
        file.seek(1 << 30)
        file.write(b"middle")
        file.truncate(1 << 40)
    (kept / "hole").touch()
    os.truncate(kept / "hole", 1 << 40)
    (kept / "plain").write_bytes(os.urandom(3_000_000))
    (kept / "empty").touch()

    copy_artifacts(str(kept), ["sparse", "hole", "plain", "empty"], str(tmp_path / "out"))

    found = {path.name: path.stat() for path in (tmp_path / "out").iterdir()}
    sizes = {"sparse": 1 << 40, "hole": 1 << 40, "plain": 3_000_000, "empty": 0}
    assert {name: status.st_size for name, status in found.items()} == sizes
    assert found["sparse"].st_blocks * 512 < 1 << 20
    assert found["hole"].st_blocks == 0
    assert (tmp_path / "out" / "plain").read_bytes() == (kept / "plain").read_bytes()
    with (tmp_path / "out" / "sparse").open("rb") as file:
        assert file.read(6) == b"begin\0"
        file.seek(1 << 30)
        assert file.read(7) == b"middle\0"
