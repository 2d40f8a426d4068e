"""What this host can keep a play from: tried with a real play, never asked of a return code.

A canary flow runs under each isolation as any flow would, and tries what it must not be able to: read a file
that was planted, connect to planted sockets and a port, signal the runtime. The isolation is granted only
if the flow ran and every attempt failed. For the watcher, a flow whose processes use more memory together
than they may has to be ended.

What was found is kept until something changes that it depends on (:func:`circumstances`). A play that could
not enter a sandbox that was proven makes it forgotten (:func:`forget`).
"""

from __future__ import annotations

import _socket
import marshal
import os
import sys
import time

from hero_logic.core.errors import HeroLogicError
from hero_logic.core.policy import PlayLimits, play_environment
from hero_logic.core.tiers import ISOLATIONS, WATCHER, Proof
from hero_logic.runner.collection import remove_tree
from hero_logic.runner.play import PlayPlan, StagedPlay
from hero_logic.runner.sandbox.advice import remedy_for
from hero_logic.runner.staging import make_private_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from hero_logic.core.lines import Chunk
    from hero_logic.core.outcome import Leavings
    from hero_logic.runner.sandbox.namespaces import Owner
    from hero_logic.runner.spawner import Spawner

_CACHE_NAME = "sandbox-proofs"
_TIMEOUT_S = 10.0
_REFUSAL_S = 600.0
"""How long a refusal is kept; a grant is kept until one of the circumstances changes."""
_SETTINGS = (
    "/proc/sys/kernel/random/boot_id",
    "/proc/sys/kernel/unprivileged_userns_clone",
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
    "/proc/sys/user/max_user_namespaces",
    "/proc/sys/user/max_net_namespaces",
    "/proc/sys/user/max_pid_namespaces",
    "/proc/self/attr/current",
    "/proc/self/uid_map",
)
_STATUS_LINES = (b"CapBnd:", b"CapEff:", b"NoNewPrivs:", b"Seccomp:")

CANARY = b"""\
import os
import socket
from hero_tracing import flow


def read(path):
    with open(path, "rb") as file:
        file.read(1)


def connect(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(2)
        client.connect(address)


def signal_parent():
    if os.getppid() > 1:
        os.kill(os.getppid(), 0)
    else:
        raise ProcessLookupError("its parent is of its own world")


@flow
def main(file: str, socket_path: str, abstract: str, port: int, pid: int):
    attempts = {
        "read a file": lambda: read(file),
        "write a file": lambda: open(file, "ab").close(),
        "connect to a Unix socket": lambda: connect(socket.AF_UNIX, socket_path),
        "connect to an abstract socket": lambda: connect(socket.AF_UNIX, "\\0" + abstract),
        "connect to a port": lambda: connect(socket.AF_INET, ("127.0.0.1", port)),
        "signal the runtime": lambda: os.kill(pid, 0),
        "signal its parent": signal_parent,
        "read the runtime's environment": lambda: read(f"/proc/{pid}/environ"),
    }
    through = []
    for name, attempt in attempts.items():
        try:
            attempt()
        except OSError:
            continue
        through.append(name)
    return {"tried": len(attempts), "through": through}
"""

_GLUTTON = b"""\
import os
from hero_tracing import flow


@flow
def main():
    ready, ready_in = os.pipe()
    for _ in range(3):
        if not os.fork():
            os.close(ready)
            pages = bytearray(b"x") * (40 << 20)
            os.write(ready_in, b"x")
            os.read(os.pipe()[0], 1)
    os.close(ready_in)
    os.read(os.pipe()[0], len(os.read(ready, 1)))
"""
_GLUTTON_BYTES = 64 << 20


class Prover:
    """Proves what a host can do; called with a name, for :func:`hero_logic.core.tiers.choose`.

    ``forget_first`` has everything tried anew.
    """

    def __init__(
        self,
        spawner: Spawner,
        *,
        python: str,
        cache_dir: str,
        new_name: Callable[[], str],
        owner: Owner | None = None,
        forget_first: bool = False,
    ) -> None:
        self._spawner = spawner
        self._python = python
        self._cache_dir = cache_dir
        self._new_name = new_name
        self._owner = owner
        self._circumstances = circumstances(python, owner)
        self._proofs = {} if forget_first else _load(cache_dir, self._circumstances)

    def __call__(self, name: str) -> Proof:
        """The proof of one isolation, or of the watcher."""
        if name not in self._proofs:
            self._proofs[name] = self._prove(name)
            _save(self._cache_dir, self._circumstances, self._proofs)
        return self._proofs[name]

    def _prove(self, name: str) -> Proof:
        try:
            problem = self._problem_of_watcher() if name == WATCHER else self._problem_of_isolation(name)
        except (HeroLogicError, OSError) as error:
            problem = str(error)
        return Proof(
            name, is_granted=not problem, problem=problem, remedy=remedy_for(name, problem) if problem else ""
        )

    def _problem_of_isolation(self, name: str) -> str:
        if self._owner is not None and name != "native":
            return "plays run as another user here, which native alone can do"
        with _Planted(os.path.join(self._cache_dir, f"proof-{self._new_name()}")) as planted:
            leavings = self._run(CANARY, planted, isolation=name, input_json=planted.input_json())
        found = leavings.result.output
        if leavings.result.outcome != "returned" or not isinstance(found, dict):
            return leavings.record.launch_error or leavings.result.error or "the canary flow did not run"
        if found["through"]:
            return f"a flow could {', '.join(found['through'])}"
        return ""

    def _problem_of_watcher(self) -> str:
        isolation = next((name for name in ISOLATIONS if self(name).is_granted), "none")
        limits = PlayLimits(timeout_s=_TIMEOUT_S)
        limits.tree_limits = {"tree_memory_bytes": _GLUTTON_BYTES}
        with _Planted(os.path.join(self._cache_dir, f"proof-{self._new_name()}")) as planted:
            leavings = self._run(_GLUTTON, planted, isolation=isolation, resources=WATCHER, limits=limits)
        if leavings.record.reason == "over_limit":
            return ""
        return "processes that used more memory together than they may were not ended"

    def _run(
        self,
        source: bytes,
        planted: _Planted,
        *,
        isolation: str,
        resources: str = "rlimits",
        input_json: bytes | None = None,
        limits: PlayLimits | None = None,
    ) -> Leavings:
        sid = f"proof-{self._new_name()}"
        plan = PlayPlan(
            sid=sid,
            source=source,
            flow_path=os.path.join(planted.directory, "canary.py"),
            function="main",
            input_json=input_json,
            python=self._python,
            environment=lambda work_dir, channel: play_environment(
                {}, sid=sid, work_dir=work_dir, span_channel=channel
            ),
            limits=limits or PlayLimits(timeout_s=_TIMEOUT_S),
            isolation=isolation,
            resources=resources,
            owner=self._owner if isolation == "native" else None,
        )
        staged = StagedPlay(plan, self._spawner, plays_dir=planted.directory, cache_dir=self._cache_dir)
        with staged:
            staged.begin(_Ignored())
            staged.step()
            staged.drain()
            leavings = staged.leavings()
            staged.is_end_recorded = True
        return leavings


class _Ignored:
    """A sink for spans that nobody asks for."""

    def __init__(self) -> None:
        self.on_room: Callable[[], None] = lambda: None

    def write(self, chunk: Chunk) -> bool:
        return True

    def disconnected(self, source: str) -> None:
        pass


class _Planted:
    """What a canary must not get at: a file, sockets, a port; gone when the ``with`` block is left."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._outside = os.path.join(directory, "outside")
        self._file = os.path.join(self._outside, "file")
        self._abstract = os.path.basename(directory)
        # A path of its own, short enough for a socket wherever the data lies.
        self._socket_path = f"/tmp/hero-logic-{self._abstract}.sock"  # noqa: S108  # nothing is written to it
        self._servers: list[_socket.socket] = []

    def __enter__(self) -> _Planted:
        try:
            self._plant()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _plant(self) -> None:
        make_private_directory(os.path.dirname(self.directory))
        os.makedirs(self._outside, mode=0o755)
        with open(self._file, "wb") as file:
            file.write(b"planted")
        for family, address in (
            (_socket.AF_UNIX, self._socket_path),
            (_socket.AF_UNIX, "\0" + self._abstract),
            (_socket.AF_INET, ("127.0.0.1", 0)),
        ):
            server = _socket.socket(family, _socket.SOCK_STREAM)
            server.bind(address)
            server.listen(8)
            self._servers.append(server)

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()
        try:
            os.unlink(self._socket_path)
        except FileNotFoundError:
            # It was not planted yet.
            return
        finally:
            remove_tree(self.directory)

    def input_json(self) -> bytes:
        """The canary's input: where everything is."""
        import json

        port = self._servers[-1].getsockname()[1]
        return json.dumps(
            {
                "file": self._file,
                "socket_path": self._socket_path,
                "abstract": self._abstract,
                "port": port,
                "pid": os.getpid(),
            }
        ).encode()


def circumstances(python: str, owner: Owner | None = None) -> str:
    """All that a proof depends on, as text: another text, another proof."""
    kernel = os.uname()
    parts = [kernel.release, kernel.version, f"{os.getuid()}:{os.geteuid()}:{os.getegid()}:{owner}"]
    parts += [_identity(path) for path in (python, os.path.realpath(python), sys.executable, _find("bwrap"))]
    # Our own mechanisms change with a release, and while they are being written.
    here = os.path.dirname(os.path.abspath(__file__))
    for directory in (here, os.path.join(here, "sandbox")):
        names = sorted(name for name in os.listdir(directory) if name.endswith(".py"))
        parts += [_identity(os.path.join(directory, name)) for name in names]
    parts += [_read(path) for path in _SETTINGS]
    with open("/proc/self/status", "rb") as file:
        parts += [line.decode() for line in file if line.startswith(_STATUS_LINES)]
    return "\n".join(parts)


def forget(cache_dir: str) -> None:
    """A sandbox that was proven could not be entered: everything is to be tried anew."""
    try:
        os.unlink(os.path.join(cache_dir, _CACHE_NAME))
    except FileNotFoundError:
        return


def _identity(path: str) -> str:
    try:
        status = os.stat(path)
    except OSError:
        return f"{path}: not there"
    return f"{path}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}"


def _find(program: str) -> str:
    for directory in ("/usr/local/bin", "/usr/bin", "/bin"):
        path = os.path.join(directory, program)
        if os.access(path, os.X_OK):
            return path
    return program


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(4096).decode("utf-8", "replace")
    except OSError:
        return ""


def _load(cache_dir: str, key: str) -> dict[str, Proof]:
    try:
        with open(os.path.join(cache_dir, _CACHE_NAME), "rb") as file:
            kept_key, kept = marshal.loads(file.read())  # noqa: S302  # our own file, in our own directory
    except (OSError, ValueError, EOFError, TypeError):
        return {}
    if kept_key != key:
        return {}
    # What was refused may have been for want of room, or of time.
    tried_again_s = time.monotonic() - _REFUSAL_S
    return {
        name: Proof(name, is_granted=granted, problem=problem, remedy=remedy)
        for name, (granted, problem, remedy, tried_s) in kept.items()
        if granted or tried_s > tried_again_s
    }


def _save(cache_dir: str, key: str, proofs: dict[str, Proof]) -> None:
    now_s = time.monotonic()
    kept = {name: (proof.is_granted, proof.problem, proof.remedy, now_s) for name, proof in proofs.items()}
    path = os.path.join(cache_dir, _CACHE_NAME)
    part = f"{path}.{os.getpid()}"
    try:
        make_private_directory(cache_dir)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(marshal.dumps((key, kept)))
        os.rename(part, path)
    except OSError:
        # It is tried anew the next time; what else cannot be written there says so itself.
        return
