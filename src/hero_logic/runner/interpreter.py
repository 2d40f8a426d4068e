"""Which Python runs a flow, and whether it has what the flow's inline metadata asks for."""

from __future__ import annotations

import os
import sys

from hero_logic.core.errors import UnmetRequirements, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hero_logic.core.script_metadata import ScriptMetadata

_PROBE = (
    "import sys, importlib.metadata as m, json; "
    "print(json.dumps([list(sys.version_info[:3]), "
    "{d.metadata['Name']: d.version for d in m.distributions() if d.metadata['Name']}]))"
)


def choose_python(named: str | None, environment: dict[str, str]) -> str:
    """The interpreter for a play: the one named, else the active virtual environment's, else ours.

    Raises:
        UsageError: the one named is not there or cannot be run.
    """
    if named is not None:
        path = named if os.sep in named else _find(named, environment.get("PATH", ""))
        path = os.path.abspath(path)
        if not os.path.isfile(path) or not os.access(path, os.X_OK):
            raise UsageError(f"--python {named}: there is no program that can be run at {path}.")
        return path
    active = environment.get("VIRTUAL_ENV")
    if active:
        path = os.path.join(os.path.abspath(active), "bin", "python")
        if os.access(path, os.X_OK):
            return path
    return sys.executable


def check_requirements(metadata: ScriptMetadata, python: str, flow_path: str) -> None:
    """Hold inline script metadata against an interpreter.

    Raises:
        UnmetRequirements: what is missing, and how to run the flow with it.
        UsageError: the interpreter cannot be asked.
    """
    from hero_logic.core.requirements import normalized_name, unmet

    version, installed = _ask(python)
    missing = unmet(metadata, version, {normalized_name(name): found for name, found in installed.items()})
    if not missing:
        return
    wanted = " ".join(f"'{requirement}'" for requirement in metadata.dependencies)
    recipe = "python3 -m venv .venv" + (f" && .venv/bin/pip install {wanted}" if wanted else "")
    raise UnmetRequirements(
        f"{flow_path} asks in its script metadata for what {python} "
        f"(Python {'.'.join(map(str, version))}) does not have:\n"
        + "".join(f"  {requirement}\n" for requirement in missing)
        + f"Make an environment that has it, and run the flow with it:\n  {recipe}\n"
        + f"  hero-logic run --python .venv/bin/python {flow_path}"
    )


def _find(name: str, search_path: str) -> str:
    for directory in search_path.split(os.pathsep):
        path = os.path.join(directory, name)
        if os.access(path, os.X_OK):
            return path
    return name


def _ask(python: str) -> tuple[tuple[int, int, int], dict[str, str]]:
    """The version of an interpreter and the distributions that it sees."""
    import json
    import subprocess

    try:
        answer = subprocess.run(
            [python, "-I", "-c", _PROBE], capture_output=True, check=True, timeout=60
        ).stdout
        version, installed = json.loads(answer)
        major, minor, micro = version
    except (OSError, subprocess.SubprocessError, ValueError, TypeError) as error:
        raise UsageError(
            f"{python} cannot be asked which packages it has: {error}. Name another with --python."
        ) from error
    return (major, minor, micro), installed
