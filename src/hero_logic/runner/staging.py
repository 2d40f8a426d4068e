"""What a play finds when it starts: its own directory, with the flow, the SDK and the stub in it.

::

    plays/SID/            0700; everything of one play
    ├── stage/            what it is given: flow.py, input.json, the stub, sdk/hero_tracing.py
    ├── work/             its working directory and home; artifacts/ and tmp/ are there already
    ├── artifacts/        what it left in work/artifacts, once it has ended
    ├── redacts           there where the play's text is redacted before it is kept
    └── stdout stderr result exit supervisor     what the supervisor writes (runner/supervisor.py)

Compiled files go along, so that a play does not compile the SDK each time: for the interpreter that we
run under ourselves, since bytecode fits no other version.
"""

from __future__ import annotations

import os
import sys

from hero_logic.core.errors import LaunchFailed

_SDK_NAME = "hero_tracing"
_STUB_NAME = "boot"


class PlayPaths:
    """Where the files of one play are."""

    __slots__ = (
        "artifacts",
        "exit_record",
        "lock",
        "redacts",
        "result",
        "root",
        "stage",
        "stderr",
        "stdout",
        "work",
    )

    def __init__(self, plays_dir: str, sid: str) -> None:
        self.root = os.path.join(plays_dir, sid)
        self.stage = os.path.join(self.root, "stage")
        self.work = os.path.join(self.root, "work")
        self.artifacts = os.path.join(self.root, "artifacts")
        self.stdout = os.path.join(self.root, "stdout")
        self.stderr = os.path.join(self.root, "stderr")
        self.result = os.path.join(self.root, "result")
        self.exit_record = os.path.join(self.root, "exit")
        self.lock = os.path.join(self.root, "supervisor")
        self.redacts = os.path.join(self.root, "redacts")


def stage_play(
    paths: PlayPaths,
    *,
    source: bytes,
    input_json: bytes | None,
    python: str,
    cache_dir: str,
    redacts: bool = False,
) -> str:
    """Lay out the directory of a play; give the path of the stub that the interpreter is to run.

    Args:
        paths: where; its parent is made if need be.
        source: the flow's, as it was read and checked.
        input_json: the input as a JSON object, or None where there is none.
        python: the interpreter that will run it.
        cache_dir: where compiled files are kept between plays.
        redacts: whether the play's text is redacted before it is kept; an empty file says so to recovery.

    Raises:
        LaunchFailed: the directory cannot be written.
    """
    try:
        make_private_directory(os.path.dirname(paths.root))
        sdk = os.path.join(paths.stage, "sdk")
        for path in (paths.root, paths.stage, sdk, paths.work):
            os.mkdir(path, 0o700)
        for name in ("artifacts", "tmp"):
            os.mkdir(os.path.join(paths.work, name), 0o700)
        _write(os.path.join(paths.stage, "flow.py"), source)
        if input_json is not None:
            _write(os.path.join(paths.stage, "input.json"), input_json)
        if redacts:
            _write(paths.redacts, b"")
        return _stage_code(paths.stage, sdk, python, cache_dir)
    except OSError as error:
        raise LaunchFailed(
            f"the play's directory {paths.root} cannot be written: {error.strerror}. "
            "Make room there, or move the data with HERO_LOGIC_HOME."
        ) from error


def staged_sids(plays_dir: str) -> list[str]:
    """The plays whose working files are there: they run, or nobody cleared them away."""
    try:
        names = os.listdir(plays_dir)
    except OSError:
        return []
    return [name for name in names if os.path.isdir(os.path.join(plays_dir, name, "stage"))]


def make_private_directory(path: str) -> None:
    """Make a directory, and those above it that are not there, for nobody but their owner.

    ``os.makedirs`` gives its mode to the last one alone: the data directory itself would be open.
    """
    if path and not os.path.isdir(path):
        make_private_directory(os.path.dirname(path))
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            return


def _stage_code(stage: str, sdk: str, python: str, cache_dir: str) -> str:
    package_dir = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sdk_source = os.path.join(os.path.dirname(package_dir), f"{_SDK_NAME}.py")
    stub_source = os.path.join(package_dir, "runner", f"{_STUB_NAME}.py")
    _write(os.path.join(sdk, f"{_SDK_NAME}.py"), _read(sdk_source))
    tag = sys.implementation.cache_tag
    if os.path.realpath(python) != os.path.realpath(sys.executable) or tag is None:
        stub = os.path.join(stage, f"{_STUB_NAME}.py")
        _write(stub, _read(stub_source))
        return stub
    os.mkdir(os.path.join(sdk, "__pycache__"), 0o700)
    _write(os.path.join(sdk, "__pycache__", f"{_SDK_NAME}.{tag}.pyc"), _compiled(sdk_source, cache_dir))
    stub = os.path.join(stage, f"{_STUB_NAME}.pyc")
    _write(stub, _compiled(stub_source, cache_dir))
    return stub


def _compiled(source: str, cache_dir: str) -> bytes:
    """Bytecode that is valid wherever its source is copied to, made once for each state of the source."""
    status = os.stat(source)
    name = os.path.basename(source)
    cached = os.path.join(
        cache_dir, f"{name}-{status.st_size}-{status.st_mtime_ns}.{sys.implementation.cache_tag}.pyc"
    )
    try:
        return _read(cached)
    except FileNotFoundError:
        pass
    import py_compile  # only once for each release: it costs more than a play's whole start

    os.makedirs(cache_dir, mode=0o700, exist_ok=True)
    part = f"{cached}.{os.getpid()}"
    py_compile.compile(
        source, part, name, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )
    os.rename(part, cached)
    return _read(cached)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _write(path: str, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
