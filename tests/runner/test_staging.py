"""What a play finds in its directory."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hero_logic.core.errors import LaunchFailed
from hero_logic.runner.staging import PlayPaths, shared_code_dir, stage_play


def stage(tmp_path: Path, *, python: str = sys.executable, sid: str = "s", **more: bytes | None) -> PlayPaths:
    paths = PlayPaths(str(tmp_path / "plays"), sid)
    options = {"source": b"x = 1\n", "input_json": None, **more}
    stub = stage_play(paths, python=python, cache_dir=str(tmp_path / "cache"), **options)  # type: ignore[arg-type]
    assert os.path.exists(stub)
    return paths


def test_the_flow_is_staged_to_the_byte(tmp_path: Path) -> None:
    """Whatever its encoding and line ends."""
    source = b"# coding: latin-1\r\nx = '\xe4'\r\n"
    paths = stage(tmp_path, source=source)

    assert Path(paths.stage, "flow.py").read_bytes() == source


@pytest.mark.parametrize("input_json", [None, b'{"a":1}'])
def test_an_input_is_staged_where_there_is_one(tmp_path: Path, input_json: bytes | None) -> None:
    """As a file, of any size."""
    path = Path(stage(tmp_path, input_json=input_json).stage, "input.json")

    assert (path.read_bytes() if path.exists() else None) == input_json


def test_every_directory_is_private(tmp_path: Path) -> None:
    """The parent that is made along the way too."""
    paths = stage(tmp_path)
    modes = {path: stat.S_IMODE(os.stat(path).st_mode) for path, _, _ in os.walk(tmp_path / "plays")}

    assert set(modes.values()) == {0o700}
    assert set(modes) >= {paths.root, paths.stage, f"{paths.work}/artifacts", f"{paths.work}/tmp"}


def test_a_play_is_never_staged_over_another(tmp_path: Path) -> None:
    """A sid that is taken is an error, and what is there stays."""
    paths = stage(tmp_path)
    with pytest.raises(LaunchFailed, match="File exists"):
        stage(tmp_path, source=b"other")

    assert Path(paths.stage, "flow.py").read_bytes() == b"x = 1\n"


def test_a_directory_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    """It names the directory, and what to do."""
    (tmp_path / "plays").write_text("in the way")
    with pytest.raises(LaunchFailed, match=r"plays/s cannot be written: .* HERO_LOGIC_HOME"):
        stage(tmp_path)


def test_our_own_interpreter_gets_compiled_files_and_another_gets_sources(tmp_path: Path) -> None:
    """Bytecode fits one version alone."""
    ours = stage(tmp_path, sid="ours")
    other = stage(tmp_path, python="/usr/bin/python3.other", sid="other")

    assert os.path.exists(f"{ours.stage}/boot.pyc")
    assert os.path.exists(f"{other.stage}/boot.py")
    assert not os.path.exists(f"{other.stage}/sdk/__pycache__")


def test_the_staged_sdk_is_imported_without_compiling(tmp_path: Path) -> None:
    """The bytecode beside it is what is loaded."""
    paths = stage(tmp_path)
    code = "import sys; sys.path.insert(0, sys.argv[1]); import hero_tracing; print(hero_tracing.__cached__)"
    ran = subprocess.run(
        [sys.executable, "-I", "-v", "-c", code, f"{paths.stage}/sdk"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout.strip().startswith(f"{paths.stage}/sdk/__pycache__/")
    assert f"code object from '{paths.stage}/sdk/__pycache__" in ran.stderr.replace('"', "'")


def test_compiled_files_are_kept_between_plays(tmp_path: Path) -> None:
    """The second play adds none."""
    stage(tmp_path, sid="first")
    before = sorted(os.listdir(tmp_path / "cache"))
    stage(tmp_path, sid="second")

    assert sorted(os.listdir(tmp_path / "cache")) == before
    assert len(before) == 2


def test_plays_of_one_process_are_staged_at_once(tmp_path: Path) -> None:
    """The first of them make what all share, and none takes it from under another."""
    failures: list[Exception] = []
    for number in range(10):
        cache_dir = str(tmp_path / f"cache-{number}")
        barrier = threading.Barrier(8)

        def stage_one(sid: str, cache_dir: str = cache_dir, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            try:
                shared = shared_code_dir(cache_dir)
                paths = PlayPaths(str(tmp_path / "plays"), sid)
                stage_play(paths, source=b"", input_json=None, python=sys.executable, cache_dir=cache_dir)
                assert os.path.exists(os.path.join(shared, "boot.pyc"))
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=stage_one, args=(f"{number}-{one}",)) for one in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert failures == []
