"""Which Python runs a flow, and whether it has what the flow asks for."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from hero_logic.core.errors import UnmetRequirements, UsageError
from hero_logic.core.flow_source import read_flow_file
from hero_logic.runner.interpreter import check_requirements, choose_python


def program(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def test_the_interpreter_that_is_named_wins(tmp_path: Path) -> None:
    """Over an active environment."""
    named = program(tmp_path / "named")

    assert choose_python(named, {"VIRTUAL_ENV": str(tmp_path)}) == named


def test_a_name_without_a_directory_is_looked_for_on_the_path(tmp_path: Path) -> None:
    """On the operator's PATH."""
    found = program(tmp_path / "bin" / "python9")

    assert choose_python("python9", {"PATH": f"/none:{tmp_path}/bin"}) == found


def test_a_path_is_relative_to_where_the_operator_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The play starts in another directory, so it is made absolute."""
    monkeypatch.chdir(tmp_path)
    found = program(tmp_path / "bin" / "python")
    active = program(tmp_path / "env" / "bin" / "python")

    assert choose_python("bin/python", {}) == found
    assert choose_python(None, {"VIRTUAL_ENV": "env"}) == active


@pytest.mark.parametrize("kind", ["missing", "directory", "not executable", "not on the path"])
def test_what_cannot_be_run_is_a_usage_error(tmp_path: Path, kind: str) -> None:
    """Before a play exists."""
    path = tmp_path / "python"
    if kind == "directory":
        path.mkdir()
    elif kind == "not executable":
        path.write_text("x")
    with pytest.raises(UsageError, match="--python"):
        choose_python("python-none" if kind == "not on the path" else str(path), {"PATH": str(tmp_path)})


def test_the_active_environment_comes_next(tmp_path: Path) -> None:
    """As its python is, a link left a link: that is what makes it that environment's."""
    active = tmp_path / "bin" / "python"
    active.parent.mkdir()
    active.symlink_to(sys.executable)

    assert choose_python(None, {"VIRTUAL_ENV": str(tmp_path)}) == str(active)


@pytest.mark.parametrize("active", ["", "/none"])
def test_ours_is_the_last(active: str) -> None:
    """An environment that is no more counts as none."""
    assert choose_python(None, {"VIRTUAL_ENV": active}) == sys.executable


def metadata(text: str) -> str:
    return "# /// script\n" + text + "# ///\nfrom hero_tracing import flow\n@flow\ndef main(): pass\n"


def check(source: str, python: str = sys.executable) -> None:
    found = read_flow_file(source, "/x/f.py").metadata
    assert found is not None
    check_requirements(found, python, "f.py")


def test_requirements_that_are_met_pass() -> None:
    """Names are compared as package installers do."""
    source = '# requires-python = ">=3.9"\n# dependencies = ["PyTest>=1", "typing.extensions"]\n'
    check(metadata(source))

    assert sys.version_info >= (3, 9)


def test_requirements_that_are_not_met_tell_how_to_run_the_flow() -> None:
    """What is missing, and the commands."""
    source = '# requires-python = ">=3.99"\n# dependencies = ["no-such-package-of-ours>=2", "pytest>=1"]\n'
    with pytest.raises(UnmetRequirements) as caught:
        check(metadata(source))

    text = str(caught.value)
    assert "no-such-package-of-ours" in text
    assert "3.99" in text
    assert "hero-logic run --python .venv/bin/python f.py" in text
    assert "pip install 'no-such-package-of-ours>=2' 'pytest>=1'" in text


@pytest.mark.parametrize("script", ["exit 3", "echo nonsense", "echo '[1]'", "echo '[[1,2],{}]'", "echo 1"])
def test_an_interpreter_that_cannot_answer_is_a_usage_error(tmp_path: Path, script: str) -> None:
    """Whatever it says instead."""
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    with pytest.raises(UsageError, match="cannot be asked"):
        check(metadata('# dependencies = ["x"]\n'), str(path))

    assert os.access(path, os.X_OK)
