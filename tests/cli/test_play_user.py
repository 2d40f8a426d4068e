"""``HERO_LOGIC_PLAY_USER``: whom root's plays run as."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path

import pytest

from support.command import hero_logic
from support.forked import has_landlock, has_namespaces
from support.runtime import write_flow

FLOW = "import os\n@flow\ndef main():\n    return [os.getuid(), os.getgid()]\n"

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run plays as another user")
needs_native = pytest.mark.skipif(
    not (has_landlock() and has_namespaces()), reason="this host lets nobody leave for namespaces"
)


@needs_root
@needs_native
def test_a_play_runs_as_the_user_that_is_named(tmp_path: Path) -> None:
    """By default in what does it, whatever else this host could do."""
    path = write_flow(tmp_path, FLOW)
    ran = hero_logic("run", path, "--json", "--sandbox", "auto", HERO_LOGIC_PLAY_USER="nobody")

    assert ran.returncode == 0, ran.stderr
    nobody = pwd.getpwnam("nobody")
    assert json.loads(ran.stdout)["sandbox"]["user"] == "nobody"
    assert json.loads(ran.stdout)["output"] == [nobody.pw_uid, nobody.pw_gid]


@needs_root
@pytest.mark.parametrize("sandbox", ["tier0", "none"])
def test_what_would_run_it_as_root_is_refused(tmp_path: Path, sandbox: str) -> None:
    """Before it is started, with what to do."""
    path = write_flow(tmp_path, FLOW)
    ran = hero_logic("run", path, "--sandbox", sandbox, HERO_LOGIC_PLAY_USER="nobody")

    assert ran.returncode != 0
    assert b"HERO_LOGIC_PLAY_USER names another one" in ran.stderr
    assert b"it was not started" in ran.stderr


@needs_root
@needs_native
def test_doctor_tells_of_plays_as_that_user() -> None:
    """What cannot run them as somebody else is not had, and why."""
    told = hero_logic("doctor", "--json", HERO_LOGIC_PLAY_USER="nobody")
    proofs = {proof["name"]: proof for proof in json.loads(told.stdout)["proofs"]}

    assert proofs["native"]["is_granted"]
    assert not proofs["bubblewrap"]["is_granted"]
    assert "native alone can do" in proofs["landlock"]["problem"]


def test_a_user_who_is_not_there_is_an_error_of_usage(tmp_path: Path) -> None:
    """And no play is run as anybody instead; nor where this is not root."""
    ran = hero_logic("run", write_flow(tmp_path, FLOW), HERO_LOGIC_PLAY_USER="no-such-user")

    assert ran.returncode == 2
    assert b"HERO_LOGIC_PLAY_USER is 'no-such-user'" in ran.stderr
