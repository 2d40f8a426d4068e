"""What a play finds when it starts: its own directory, with the flow, the SDK and the stub in it.

::

    plays/SID/            0700; everything of one play
    ├── stage/            what it is given: flow.py, input.json, the stub, sdk/hero_tracing.py
    ├── work/             its working directory and home; artifacts/ and tmp/ are there already
    ├── artifacts/        what it left in work/artifacts, once it has ended
    ├── runtime           the name of the runtime that staged it, for the one that comes after
    ├── redacts           there where the play's text is redacted before it is kept
    └── stdout stderr result exit supervisor     what the supervisor writes (runner/supervisor.py)

Compiled files go along, so that a play does not compile the SDK each time: for the interpreter that we
run under ourselves, since bytecode fits no other version.
"""

from __future__ import annotations

import os
import sys
from _thread import get_ident

from hero_logic.core.errors import LaunchFailed
from hero_logic.runner.collection import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hero_logic.runner.sandbox.namespaces import Owner

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
        "runtime",
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
        self.runtime = os.path.join(self.root, "runtime")
        self.redacts = os.path.join(self.root, "redacts")


def stage_play(
    paths: PlayPaths,
    *,
    source: bytes,
    input_json: bytes | None,
    python: str,
    cache_dir: str,
    redacts: bool = False,
    runtime_sid: str = "",
    shared_code: str | None = None,
    owner: Owner | None = None,
) -> str:
    """Lay out the directory of a play; give the path of the stub that the interpreter is to run.

    Args:
        paths: where; its parent is made if need be.
        source: the flow's, as it was read and checked.
        input_json: the input as a JSON object, or None where there is none.
        python: the interpreter that will run it.
        cache_dir: where compiled files are kept between plays.
        runtime_sid: the runtime that stages it, which has its lock already (service/liveness.py): what is
            neither on record nor of a living runtime is cleared away.
        shared_code: the directory of :func:`shared_code_dir`, for a play that cannot write there; without
            it the play gets copies of its own.
        owner: (user, group) of whom the play is, where it is not of this process's.
        redacts: whether the play's text is redacted before it is kept; an empty file says so to recovery.

    Raises:
        LaunchFailed: the directory cannot be written.
    """
    try:
        make_private_directory(os.path.dirname(paths.root))
        sdk = os.path.join(paths.stage, "sdk")
        os.mkdir(paths.root, 0o700)
        _write(paths.runtime, runtime_sid.encode())
        for path in (paths.stage, paths.work):
            os.mkdir(path, 0o700)
        for name in ("artifacts", "tmp"):
            os.mkdir(os.path.join(paths.work, name), 0o700)
        _write(os.path.join(paths.stage, "flow.py"), source)
        if input_json is not None:
            _write(os.path.join(paths.stage, "input.json"), input_json)
        if redacts:
            _write(paths.redacts, b"")
        if owner is not None:
            _give_away(paths, owner)
        if shared_code is not None:
            os.symlink(shared_code, sdk)
            return os.path.join(sdk, _stub_name(python))
        os.mkdir(sdk, 0o700)
        return _stage_code(paths.stage, sdk, python, cache_dir)
    except OSError as error:
        raise LaunchFailed(
            f"the play's directory {paths.root} cannot be written: {error.strerror}. "
            "Make room there, or move the data with HERO_LOGIC_HOME."
        ) from error


def _give_away(paths: PlayPaths, owner: Owner) -> None:
    """What a play has of its own, to its user; the directory around it stays closed to them."""
    for directory in (paths.stage, paths.work):
        for at, names, files in os.walk(directory):
            for name in ("", *names, *files):
                os.chown(os.path.join(at, name), *owner, follow_symlinks=False)


def staged_plays(plays_dir: str) -> list[tuple[str, str]]:
    """(play, runtime) of those whose working files are there: they run, or nobody cleared them away."""
    try:
        names = os.listdir(plays_dir)
    except OSError:
        return []
    staged = []
    for name in names:
        try:
            staged.append((name, _read(PlayPaths(plays_dir, name).runtime).decode()))
        except (OSError, UnicodeError):
            # It has nothing left but its artifacts.
            continue
    return staged


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


def view_root(cache_dir: str) -> str:
    """An empty directory, on which each play mounts its view of the files, for nobody else to see.

    Raises:
        LaunchFailed: it cannot be made.
    """
    root = os.path.join(cache_dir, "view")
    try:
        make_private_directory(root)
    except OSError as error:
        raise LaunchFailed(
            f"{root} cannot be made: {error.strerror}. Make room, or move the data with HERO_LOGIC_HOME."
        ) from error
    return root


def shared_code_dir(cache_dir: str) -> str:
    """A directory with the SDK and the stub, for plays that cannot write there; made once for each release.

    Raises:
        LaunchFailed: it cannot be written.
    """
    status = [os.stat(path) for path in _sources()]
    name = "-".join(str(number) for each in status for number in (each.st_size, each.st_mtime_ns))
    shared = os.path.join(cache_dir, f"shared-code-{name}-{sys.implementation.cache_tag}")
    if os.path.isdir(shared):
        return shared
    part = f"{shared}.{os.getpid()}-{get_ident()}"
    try:
        make_private_directory(part)
        _stage_code(part, part, sys.executable, cache_dir)
        _write(os.path.join(part, f"{_STUB_NAME}.py"), _read(_sources()[1]))
        # A play may be of another user; what is around it on the host is closed to them.
        for at, _, files in os.walk(part):
            os.chmod(at, 0o755)  # noqa: S103  # what everybody has who has hero_logic
            for file in files:
                os.chmod(os.path.join(at, file), 0o644)
        os.rename(part, shared)
    except OSError as error:
        if os.path.isdir(shared):
            # Another runtime was faster.
            remove_tree(part)
            return shared
        raise LaunchFailed(
            f"{part} cannot be written: {error.strerror}. Make room, or move the data with HERO_LOGIC_HOME."
        ) from error
    return shared


def _sources() -> tuple[str, str]:
    """Where the SDK and the stub lie."""
    package_dir = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sdk = os.path.join(os.path.dirname(package_dir), f"{_SDK_NAME}.py")
    return sdk, os.path.join(package_dir, "runner", f"{_STUB_NAME}.py")


def _stub_name(python: str) -> str:
    """The stub that an interpreter can run: bytecode fits ours alone."""
    is_ours = os.path.realpath(python) == os.path.realpath(sys.executable)
    return f"{_STUB_NAME}.pyc" if is_ours and sys.implementation.cache_tag is not None else f"{_STUB_NAME}.py"


def _stage_code(stage: str, sdk: str, python: str, cache_dir: str) -> str:
    sdk_source, stub_source = _sources()
    _write(os.path.join(sdk, f"{_SDK_NAME}.py"), _read(sdk_source))
    stub = os.path.join(stage, _stub_name(python))
    if stub.endswith(".py"):
        _write(stub, _read(stub_source))
        return stub
    os.mkdir(os.path.join(sdk, "__pycache__"), 0o700)
    compiled = f"{_SDK_NAME}.{sys.implementation.cache_tag}.pyc"
    _write(os.path.join(sdk, "__pycache__", compiled), _compiled(sdk_source, cache_dir))
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
    part = f"{cached}.{os.getpid()}-{get_ident()}"
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
