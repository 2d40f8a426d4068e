"""The types of the SDK: the stubs and the module agree, and users see what we promise."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.sdk_plays import SOURCE, clean_environment

STUB = os.path.join(SOURCE, "hero_tracing-stubs", "__init__.pyi")
EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "typing", "sdk_examples.py")


@pytest.fixture
def stubs(tmp_path: Path) -> Path:
    """A directory in which a type checker finds the stubs as it would in an installed package."""
    shutil.copy(STUB, tmp_path / "hero_tracing.pyi")
    return tmp_path


def run_mypy(directory: Path, *arguments: str, mypy_path: str) -> subprocess.CompletedProcess[str]:
    """Run mypy (or a module of it) without the project's own configuration."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=directory,
        env={**clean_environment(), "MYPYPATH": mypy_path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_stubs_and_the_module_agree(stubs: Path) -> None:
    """Every name, parameter and default of the stubs is the module's, and none is missing."""
    done = run_mypy(stubs, "mypy.stubtest", "hero_tracing", mypy_path=str(stubs))

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("typed_by", ["stubs", "module"])
def test_the_examples_have_the_types_that_they_say(stubs: Path, typed_by: str) -> None:
    """mypy --strict reads the examples the same by the stubs and by the module itself."""
    path = str(stubs) if typed_by == "stubs" else SOURCE
    done = run_mypy(stubs, "mypy", "--strict", EXAMPLES, mypy_path=path)

    assert done.returncode == 0, done.stdout + done.stderr
