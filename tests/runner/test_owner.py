"""Plays of another user than the runtime's, which is root."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hero_logic.core.errors import UsageError
from hero_logic.runner.owner import find_owner
from hero_logic.runner.proof import Prover
from hero_logic.runner.sandbox import view
from hero_logic.runner.spawner import Spawner
from support.forked import has_landlock, has_namespaces
from support.staged import Stage

NOBODY = (65534, pwd.getpwuid(65534).pw_gid)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run plays as another user")
needs_native = pytest.mark.skipif(
    not (has_landlock() and has_namespaces()), reason="this host lets nobody leave for namespaces"
)


# Who


def test_nobody_else_is_named_by_default() -> None:
    """Plays run as who runs them."""
    assert find_owner("") is None


@needs_root
@pytest.mark.parametrize("name", ["65534", "nobody"])
def test_a_user_is_named_by_name_or_by_number(name: str) -> None:
    """With their own group."""
    assert find_owner(name) == NOBODY


@needs_root
@pytest.mark.parametrize(
    ("name", "says"),
    [("no-such-user", "no such user"), ("root", "is root"), ("0", "is root"), ("4000000000", "no such user")],
)
def test_who_cannot_be_the_user_of_plays_is_refused(name: str, says: str) -> None:
    """With the value, and what to do."""
    with pytest.raises(UsageError, match=says) as refused:
        find_owner(name)

    assert name in str(refused.value)


def test_only_root_can_name_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an error, and not ignored."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UsageError, match="not root"):
        find_owner("nobody")


# Their plays


@pytest.fixture(scope="module", params=[False, True], ids=["cold", "warm"])
def spawner(request: pytest.FixtureRequest) -> Iterator[Spawner]:
    started = Spawner.start(is_warm=request.param)
    yield started
    started.close()


@pytest.fixture
def stage(tmp_path: Path, spawner: Spawner) -> Stage:
    return Stage(tmp_path, spawner)


def leavings_of(stage: Stage, body: str, **options: Any) -> Any:
    plan = stage.plan(body, isolation="native", resources="watcher", **options)
    plan.owner = NOBODY
    with stage.begun(plan) as play:
        assert play.step(60), "the play did not end"
        play.drain()
        return play.leavings(), play.paths


def output_of(stage: Stage, body: str, **options: Any) -> Any:
    leavings, _ = leavings_of(stage, body, **options)
    assert leavings.result.outcome == "returned", leavings
    return leavings.result.output


@needs_root
@needs_native
def test_a_play_is_that_user_and_nobody_else(stage: Stage) -> None:
    """In every id, without another group, and with no way back; no capability in any namespace."""
    found = output_of(
        stage,
        """
@flow
def main():
    back = []
    for act in (lambda: os.setuid(0), lambda: os.setgroups([0]), lambda: os.chown("artifacts", 0, 0)):
        try:
            act()
            back.append(True)
        except OSError:
            back.append(False)
    status = open("/proc/self/status").read()
    caps = {line.split()[1] for line in status.splitlines() if line.startswith("Cap")}
    return [os.getresuid(), os.getresgid(), os.getgroups(), back, sorted(caps)]
""",
    )

    user, group = NOBODY
    assert found == [[user] * 3, [group] * 3, [], [False] * 3, ["0" * 16]]


@needs_root
@needs_native
def test_it_has_what_ordinary_python_needs(stage: Stage) -> None:
    """Its directory, /tmp, shared memory, its own /proc entries, a name, children."""
    found = output_of(
        stage,
        """
import multiprocessing, pwd, tempfile

@flow
def main():
    with tempfile.NamedTemporaryFile() as file, multiprocessing.get_context("fork").Pool(1) as pool:
        file.write(b"x")
        total = pool.apply(sum, [[1, 2]])
    open("/dev/shm/mine", "w").close()
    descriptors = os.listdir("/proc/self/fd")
    ran = subprocess.run(["/bin/sh", "-c", "echo ran"], capture_output=True, text=True).stdout
    return [total, pwd.getpwuid(os.getuid()).pw_name, len(descriptors) > 3, ran]
""",
    )

    assert found == [3, "play", True, "ran\n"]


@needs_root
@needs_native
def test_what_it_is_granted_it_has_as_that_user(stage: Stage) -> None:
    """A grant shows a file; whether it may be read is still for the file's owner to say."""
    shown = stage.directory / "shown"
    shown.mkdir()
    (shown / "for-all").write_text("for all")
    (shown / "for-root").write_text("for root")
    (shown / "for-root").chmod(0o600)
    shown.chmod(0o755)
    found = output_of(
        stage,
        f"""
@flow
def main():
    found = [open("{shown}/for-all").read()]
    try:
        found.append(open("{shown}/for-root").read())
    except PermissionError:
        found.append(None)
    return found
""",
        granted=[(str(shown), view.READ)],
    )

    assert found == ["for all", None]


@needs_root
@needs_native
def test_its_artifacts_are_collected_and_nothing_else_is_left(stage: Stage) -> None:
    """They stay that user's, below a directory that is the operator's alone."""
    body = """
@flow
def main():
    open("artifacts/left", "w").write("left")
"""
    leavings, paths = leavings_of(stage, body)

    assert [artifact.path for artifact in leavings.artifacts] == ["left"]
    assert Path(paths.artifacts, "left").read_text() == "left"
    around = Path(paths.root).stat()
    assert (around.st_uid, stat.S_IMODE(around.st_mode)) == (0, 0o700)
    assert os.listdir(paths.root) == ["artifacts"]
    shutil.rmtree(paths.root)


@needs_root
@needs_native
def test_a_timeout_reaches_it(stage: Stage) -> None:
    """By the first process of its world, which is that user too: SIGTERM first, so that it can clean up."""
    body = """
@flow
def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    signal.pause()
"""
    leavings, _ = leavings_of(stage, body, timeout_s=1.0)

    assert (leavings.record.reason, leavings.record.exit_code) == ("timed_out", 7)


@needs_root
@needs_native
def test_what_a_host_can_do_as_another_user_is_proven_apart(spawner: Spawner, tmp_path: Path) -> None:
    """The canary runs as that user; what cannot run as one is not granted."""

    def proven(owner: tuple[int, int] | None) -> list[bool]:
        prove = Prover(
            spawner,
            python=sys.executable,
            cache_dir=str(tmp_path / "cache"),
            new_name=lambda: os.urandom(4).hex(),
            owner=owner,
        )
        return [prove(name).is_granted for name in ("native", "landlock")]

    assert [proven(NOBODY), proven(None), proven(NOBODY)] == [[True, False], [True, True], [True, False]]
