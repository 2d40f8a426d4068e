"""Break-out attempts: what each is, where it is made, and when it counts as having got through.

An attempt is one flow that tries one thing. It says itself whether it got through, by what its body returns;
an ``OSError`` is how the system says no. What it cannot know itself (that a datagram was heard, a file was
changed, a process was left behind) the ground on which it is made tells (escape/ground.py).

Every attempt is also made without any isolation, where it must get through: one that gets nowhere there
proves nothing, and is skipped with that as its reason.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hero_logic.core.tiers import ISOLATIONS, WATCHER

OWN_USER = "own"
ORDINARY_USER = "ordinary"
USERS = (OWN_USER, ORDINARY_USER)
_WARM = "-warm"
"""After a user: with plays that begin in an interpreter that was there (docs/design/0014-warm-plays.md)."""
_COLD_ONLY = ("bubblewrap",)
"""Isolations that a play enters by executing a program, so that it never begins warm."""
_ORDINARY_ID = 64_917
"""Nobody's, as far as anybody knows: no account is made for it."""
_ROOT = Path(__file__).resolve().parents[2]

HEAD = """\
import ctypes, errno, json, mmap, os, signal, socket, stat, struct, subprocess, sys, threading, time
from time import sleep as pause
from hero_tracing import flow

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def call(number, *arguments):
    '''A system call by its number; whole numbers go as longs.'''
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    result = libc.syscall(ctypes.c_long(number), *words)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def reaches(number, *arguments):
    '''Whether a call with senseless arguments comes past the question whether it may be made at all.'''
    try:
        call(number, *arguments)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.ENOSYS, errno.EACCES):
            raise
        return error.strerror
    return "done"


def in_child(work, linger=False):
    '''Do something in a forked process, and give its exit status; 0 is what it ends with.'''
    pid = os.fork()
    if not pid:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return pid if linger else os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def attempt(plants):
"""

TAIL = """

@flow
def main(plants: dict):
    try:
        told = attempt(plants)
    except (OSError, MemoryError, ValueError) as error:
        return {"through": False, "told": repr(error)}
    return {"through": bool(told), "told": str(told)[:500]}
"""


@dataclass(frozen=True)
class Facts:
    """What became of one play, and of what was planted for it."""

    found: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        return self.found[name]

    @property
    def told(self) -> str:
        """What there is to say of it, in a line."""
        output = self.found["output"]
        if isinstance(output, dict) and "told" in output:
            return f"{output['told']}; {self.found.get('touched')}"
        return ", ".join(
            f"{name} {self.found[name]}"
            for name in ("reason", "signal", "limit", "outcome", "error", "stderr")
            if self.found.get(name)
        )


def by_what_it_returns(facts: Facts) -> bool:
    """Whether the flow said that it got through, or something that was planted says so."""
    return bool(facts.touched) or (facts.outcome == "returned" and bool(facts.output["through"]))


def by_what_is_touched(facts: Facts) -> bool:
    """Whether something that was planted was changed or reached, whatever the flow says."""
    return bool(facts.touched)


def by_what_survives(facts: Facts) -> bool:
    """Whether any process of the play is there after its end."""
    return bool(facts.survivors)


@dataclass(frozen=True)
class Attempt:
    """One thing that a flow tries.

    ``holds_not_in`` and ``open_in`` tell, by isolation, why it gets through there: the first is what that
    isolation does not claim, and the test holds it to be so; the second is a defect that is known.
    """

    name: str
    body: str
    through: Callable[[Facts], bool] = by_what_it_returns
    control: str = "none"
    """Where it has to get through: ``none``, or ``bare``, a plain program without a supervisor; ``itself``
    where no isolation is to hold it: then the flow says that it was made."""
    users: tuple[str, ...] = USERS
    in_sample: bool = False
    limits: dict[str, int] = field(default_factory=dict)
    resources: str = "rlimits"
    timeout_s: float = 30.0
    has_neighbour: bool = False
    """Whether another play is begun beside it, once it has made the file ``up``."""
    may_die: bool = False
    """Whether being ended, by a signal or past a limit, is how it is stopped."""
    holds_not_in: dict[str, str] = field(default_factory=dict)
    open_in: dict[str, str] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """The flow, whole."""
        return HEAD + textwrap.indent(textwrap.dedent(self.body).strip("\n"), "    ") + "\n" + TAIL


class NotPrepared(Exception):
    """A ground cannot be had on this host; says why."""


class Ground:
    """The process in which attempts are made, as one user; see escape/ground.py."""

    def __init__(self, name: str) -> None:
        user, start = name.removesuffix(_WARM), "warm" if name.endswith(_WARM) else "cold"
        self._proofs: dict[str, dict[str, Any]] = {}
        self._controls: dict[tuple[str, str], Facts] = {}
        # Not in /tmp, so that plays have one of their own there, as they have where data usually lies.
        self._directory = tempfile.mkdtemp(prefix="hero-escape-", dir="/var/tmp")
        os.chmod(self._directory, 0o755)
        number = None if user == OWN_USER else _ORDINARY_ID
        python, path = _interpreter_for(number, Path(self._directory))
        own = Path(self._directory) / "home"
        own.mkdir(mode=0o700)
        if number is not None:
            os.chown(own, number, number)
        code = (
            "import sys; sys.path[:0] = sys.argv[4:]; from escape.ground import serve; serve(*sys.argv[1:4])"
        )
        self._process = subprocess.Popen(
            [python, "-I", "-c", code, str(own), f"e{os.getpid()}-{name}", start, *path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"SHOP_SECRET": "planted-5c1f", "PATH": "/usr/bin:/bin"},
            user=number,
            group=number,
            extra_groups=None if number is None else [],
            text=True,
        )

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the ground has ended"
        answer: dict[str, Any] = json.loads(line)
        assert "failed" not in answer, answer
        return answer

    def require(self, name: str) -> None:
        """Skip the test where this host does not have an isolation, or the watcher."""
        if name not in self._proofs:
            self._proofs[name] = self._ask({"prove": name})
        if not self._proofs[name]["is_granted"]:
            pytest.skip(f"{name} is not to be had on this host: {self._proofs[name]['problem']}")

    def play(self, attempt: Attempt, isolation: str) -> Facts:
        """Make an attempt under an isolation that was proven."""
        return self._play(attempt, isolation, attempt.resources, attempt.limits)

    def control(self, attempt: Attempt) -> Facts:
        """Make it where nothing holds it; once, whatever it is compared with."""
        # Names are not unique: another attempt's control would prove nothing.
        key = (attempt.control, attempt.source)
        if key not in self._controls:
            self._controls[key] = self._play(attempt, attempt.control, "none", {})
        return self._controls[key]

    def _play(self, attempt: Attempt, isolation: str, resources: str, limits: dict[str, int]) -> Facts:
        order = {
            "isolation": isolation,
            "resources": resources,
            "limits": limits,
            "source": attempt.source,
            "timeout_s": attempt.timeout_s,
            "has_neighbour": attempt.has_neighbour,
        }
        return Facts(self._ask(order))

    def close(self) -> None:
        """End the process, and remove what it made."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            # It ended before; what it was asked last has failed and says so.
            pass
        self._process.wait(timeout=30)
        assert self._process.stdout is not None
        self._process.stdout.close()
        subprocess.run(["rm", "-rf", self._directory], check=True)


def _interpreter_for(user: int | None, directory: Path) -> tuple[str, list[str]]:
    """A Python that a user can run, and where it finds what it needs: ours, the system's, or a copy of ours.

    Ours may lie below a home that nobody else can enter; so may the code, which is copied out of there.

    Raises:
        NotPrepared: there is none.
    """
    import msgspec

    sources = [_ROOT / "src", _ROOT / "tests", Path(msgspec.__file__).parent]
    if user is None:
        return sys.executable, [*map(str, sources[:2]), str(sources[2].parent)]
    if os.geteuid() != 0:
        raise NotPrepared("another user can be made by root alone, and these tests run as an ordinary one")
    code = directory / "code"
    for source in sources:
        shutil.copytree(source, code / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    path = [str(code / "src"), str(code / "tests"), str(code)]
    refused = []
    for python in _interpreters(directory):
        problem = _problem_of(python, path, user)
        if not problem:
            return python, path
        refused.append(f"{python}: {problem}")
    raise NotPrepared(f"there is no interpreter that another user can run: {'; '.join(refused)}")


def _interpreters(directory: Path) -> Iterator[str]:
    """Interpreters that another user may be able to run; the copy is not made before it is asked for."""
    own = os.path.realpath(sys.executable)
    yield own
    yield "/usr/bin/python3"
    base, copy = Path(sys.base_prefix), directory / "python"
    unneeded = shutil.ignore_patterns("test", "site-packages", "config-*", "idlelib", "__pycache__")
    for name in ("bin", "lib"):
        shutil.copytree(base / name, copy / name, ignore=unneeded, symlinks=True)
    yield str(copy / "bin" / Path(own).name)


def _problem_of(python: str, path: list[str], user: int) -> str:
    """Why an interpreter cannot run our code as this user; "" if it can."""
    code = f"import sys; sys.path[:0] = {path!r}; import msgspec, hero_logic.runner.proof, escape.ground"
    command = [python, "-I", "-c", code]
    try:
        done = subprocess.run(
            command, user=user, group=user, extra_groups=[], capture_output=True, env={}, check=False
        )
    except OSError as error:
        return str(error)
    return done.stderr.decode().strip().rpartition("\n")[2] if done.returncode else ""


def cases(attempts: Iterable[Attempt]) -> list[Any]:
    """Every attempt as every user in every isolation, cold and warm; the soak has those beside the sample."""
    found = []
    for attempt in attempts:
        for user, isolation, warm in itertools.product(attempt.users, ISOLATIONS, ("", _WARM)):
            if warm and isolation in _COLD_ONLY:
                continue
            reason = attempt.open_in.get(f"{isolation} {user}") or attempt.open_in.get(isolation)
            marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason else []
            if not attempt.in_sample or user != OWN_USER or warm:
                marks.append(pytest.mark.soak)
            name = f"{attempt.name}-{isolation}-{user}{warm}"
            found.append(pytest.param(user + warm, isolation, attempt, id=name, marks=marks))
    return found


def check(ground: Ground, isolation: str, attempt: Attempt) -> None:
    """Make the attempt in the isolation and outside of it: it must get nowhere there, and through here."""
    ground.require(isolation)
    if attempt.resources == WATCHER:
        ground.require(WATCHER)
    facts = ground.play(attempt, isolation)
    assert facts.outcome == "returned" or attempt.may_die, f"the attempt was not made: {facts.told}"
    assert facts.survivors == [], "processes of the play are left"
    assert facts.left == [], "files of the play are left"
    is_through = attempt.through(facts)
    if attempt.control == "itself":
        assert attempt.may_die or facts.output["through"], f"the attempt was not made: {facts.told}"
    elif not is_through:
        control = ground.control(attempt)
        if not attempt.through(control):
            pytest.skip(f"{attempt.name} proves nothing here: outside of any isolation it got {control.told}")
    if isolation in attempt.holds_not_in:
        assert is_through, f"{attempt.holds_not_in[isolation]}: this is not true any more: {facts.told}"
    else:
        assert not is_through, f"it got through: {facts.told}"


def of_the_tree(attempts: list[Attempt]) -> list[Attempt]:
    """The same, held by the watcher; being ended is how they are stopped."""
    for attempt in attempts:
        object.__setattr__(attempt, "resources", "watcher")
        object.__setattr__(attempt, "may_die", True)
    return attempts
