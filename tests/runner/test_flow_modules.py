"""Of the directory that a flow lies in, its modules are found as Python would find them, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

from hero_logic.runner.flow_modules import MAX_MODULES, find_modules, modules_beside


def found(directory: Path, *names: str) -> set[str]:
    return {os.path.relpath(path, directory) for path in find_modules(str(directory), set(names))}


def write(directory: Path, **sources: str) -> None:
    for name, source in sources.items():
        path = directory / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)


def test_only_what_is_imported_is_found(tmp_path: Path) -> None:
    """What lies beside it, data and other flows, is not."""
    write(tmp_path, used="", unused="")
    (tmp_path / "data.csv").write_text("1")

    assert found(tmp_path, "used", "os", "json.decoder") == {"used.py"}


def test_imports_are_followed(tmp_path: Path) -> None:
    """From module to module, in circles too."""
    write(tmp_path, a="import b", b="def f():\n    import c", c="import a")

    assert found(tmp_path, "a") == {"a.py", "b.py", "c.py"}


def test_a_package_is_found_by_its_parts(tmp_path: Path) -> None:
    """Its relative imports included, and no more of it than is imported."""
    for name in ("p/__init__.py", "p/one.py", "p/two.py", "p/q/__init__.py", "p/q/deep.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "p/__init__.py").write_text("from . import one")
    (tmp_path / "p/one.py").write_text("from .q.deep import thing")

    assert found(tmp_path, "p") == {"p/__init__.py", "p/one.py", "p/q/__init__.py", "p/q/deep.py"}


def test_a_directory_without_init_is_a_package_too(tmp_path: Path) -> None:
    """Python has such packages since 3.3."""
    (tmp_path / "space").mkdir()
    (tmp_path / "space" / "part.py").touch()

    assert found(tmp_path, "space", "space.part") == {"space/part.py"}


def test_a_package_wins_over_a_file_of_its_name(tmp_path: Path) -> None:
    """As it does for Python."""
    write(tmp_path, both="")
    (tmp_path / "both").mkdir()
    (tmp_path / "both" / "__init__.py").touch()

    assert found(tmp_path, "both") == {"both/__init__.py"}


def test_what_cannot_be_read_as_python_is_found_and_leads_nowhere(tmp_path: Path) -> None:
    """The flow fails with Python's own message when it imports it."""
    write(tmp_path, broken="import other\nthis is no python", other="")

    assert found(tmp_path, "broken") == {"broken.py"}


def test_what_is_no_file_is_no_module(tmp_path: Path) -> None:
    """A pipe would never end, and a name with a NUL has no path."""
    os.mkfifo(tmp_path / "pipe.py")

    assert found(tmp_path, "pipe", "n\0l") == set()


def test_there_is_an_end_to_it(tmp_path: Path) -> None:
    """A view with a thousand mounts would take longer than the flow."""
    write(tmp_path, **{f"m{number}": f"import m{number + 1}" for number in range(MAX_MODULES + 50)})

    assert len(found(tmp_path, "m0")) == MAX_MODULES


def test_a_link_out_of_the_directory_is_no_module(tmp_path: Path) -> None:
    """It may lead to anything that the operator can read; one within the directory may."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "settings.py").write_text("PASSWORD = 1")
    flows = tmp_path / "flows"
    flows.mkdir()
    (flows / "true.py").write_text("")
    (flows / "alias.py").symlink_to("true.py")
    (flows / "package").symlink_to("../elsewhere")
    (flows / "helper.py").symlink_to(tmp_path / "elsewhere" / "settings.py")

    found = find_modules(str(flows), {"alias", "helper", "package", "package.settings"})

    assert found == [str(flows / "alias.py")]


def test_modules_beside_are_those_that_python_would_find_there(tmp_path: Path) -> None:
    """The standard library comes before them; what lies elsewhere is not among them."""
    for name in ("helpers.py", "json.py"):
        (tmp_path / name).write_text("")
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "sub.py").write_text("")

    names = {"helpers", "json", "pack", "pack.sub", "pack.gone", "httpx", "a\0b"}

    assert modules_beside(str(tmp_path), names) == {"helpers", "pack.sub"}
