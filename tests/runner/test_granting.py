"""Grants on this host: where links lead, which sockets are whose, what is so of a path that was denied."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hero_logic.core.errors import NotGranted, UsageError
from hero_logic.core.grants import Grants, Said
from hero_logic.core.needs import Needs
from hero_logic.runner import exposed_sockets
from hero_logic.runner.granting import Permits, decide_grants, path_facts
from hero_logic.runner.sandbox.bubblewrap import find_program
from hero_logic.runner.sandbox.view import KEEP, READ
from support.bubblewrapped import Stage, opened_stage
from support.forked import has_landlock, has_namespaces


def decided(tmp_path: Path, needs: Needs | None = None, **said: Any) -> Permits:
    """What a flow in this directory is given."""
    variables = said.pop("variables", {})
    return decide_grants(
        needs,
        Said(**said),
        flow_name="a flow",
        flow_path=str(tmp_path / "flow.py"),
        python=sys.executable,
        environment=variables,
        data_dir=str(tmp_path / "home"),
    )


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[str]:
    """The path of a socket."""
    path = f"/tmp/hl-granting-{os.getpid()}"
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(path)
        yield path
    os.unlink(path)


def test_nothing_said_is_nothing_granted(tmp_path: Path) -> None:
    """And nothing recorded."""
    permits = decided(tmp_path)

    assert (permits.files, permits.net, permits.sockets, permits.env) == ([], [], {}, ())
    assert (permits.asked_record(), permits.granted_record()) == ({}, {})


def test_what_may_be_written_is_not_shown_a_second_time_for_reading(tmp_path: Path) -> None:
    """A mount for reading inside of it would take the writing back."""
    (tmp_path / "out" / "in").mkdir(parents=True)

    permits = decided(tmp_path, read=(str(tmp_path / "out" / "in"),), write=(str(tmp_path / "out"),))

    assert permits.files == [(str(tmp_path / "out"), KEEP)]


def test_a_directory_with_a_socket_in_it_is_not_granted(tmp_path: Path) -> None:
    """Whoever sees a socket can connect to it; neither to read nor to write, nor by a policy."""
    place = Path(f"/tmp/hl-exposed-{os.getpid()}-granting")
    (place / "in").mkdir(parents=True)
    policy = tmp_path / "policy.toml"
    policy.write_text(f'[default]\nread = ["{place}"]\n')
    try:
        with closing(socket.socket(socket.AF_UNIX)) as server:
            server.bind(f"{place}/in/sock")
            for said in ({"read": (str(place),)}, {"write": (str(place),)}, {"policy": str(policy)}):
                with pytest.raises(UsageError, match=f"{place} cannot be granted: a Unix socket lies in it"):
                    decided(tmp_path, Needs(read=(str(place),)), **said)
        os.unlink(place / "in" / "sock")

        assert decided(tmp_path, read=(str(place),)).files == [(str(place), READ)]
    finally:
        (place / "in").rmdir()
        place.rmdir()


def test_a_directory_too_large_to_be_looked_through_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is granted, with a note of what could be."""
    monkeypatch.setattr(exposed_sockets, "first_socket_in", lambda path: ("", False))
    (tmp_path / "in").mkdir()

    [note] = decided(tmp_path, read=(str(tmp_path / "in"),)).notes

    assert note.startswith(f"{tmp_path}/in has more than 100,000 files")


def test_a_need_is_met_where_its_link_leads(tmp_path: Path) -> None:
    """A link out of what was granted is no way out of it."""
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_text("x")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "secret")

    with pytest.raises(NotGranted, match=f"--allow-read {tmp_path}/secret"):
        decided(tmp_path, Needs(read=("in/link",)), read=(str(tmp_path / "in"),))


def test_a_file_to_be_written_that_is_not_there_is_granted_with_its_directory(tmp_path: Path) -> None:
    """What is not there cannot be shown."""
    (tmp_path / "out").mkdir()

    with pytest.raises(NotGranted, match=rf"--allow-write {tmp_path}/out$".replace("$", "\\n")):
        decided(tmp_path, Needs(write=("out/new.csv",)))
    assert decided(tmp_path, Needs(write=("out/new.csv",)), write=(str(tmp_path / "out"),)).files


@pytest.mark.parametrize("kind", ["socket", "fifo"])
def test_what_is_neither_file_nor_directory_is_not_granted_as_one(
    tmp_path: Path, listening: str, kind: str
) -> None:
    """A socket has a flag of its own."""
    path = listening
    if kind == "fifo":
        path = str(tmp_path / "fifo")
        os.mkfifo(path)

    with pytest.raises(UsageError, match="cannot be granted"):
        decided(tmp_path, read=(path,))


@pytest.mark.parametrize(
    ("variable", "shape"),
    [
        ("SSH_AUTH_SOCK", "{}"),
        ("DOCKER_HOST", "unix://{}"),
        ("DBUS_SESSION_BUS_ADDRESS", "unix:path={},guid=0123"),
    ],
)
def test_the_sockets_of_a_users_session_are_known_by_their_variables(
    tmp_path: Path, listening: str, variable: str, shape: str
) -> None:
    """Whatever they are called; by another name of the same socket too."""
    other = tmp_path / "ai"
    os.link(listening, other)
    variables = {variable: shape.format(listening)}

    for path in (listening, str(other)):
        with pytest.raises(UsageError, match=r"socket of (ssh's agent|a container engine|D-Bus)"):
            decided(tmp_path, rpc=(f"ai={path}",), variables=variables)
    assert decided(tmp_path, rpc=(f"ai={listening}",)).sockets == {"ai": listening}


def test_a_variable_that_names_no_path_means_nothing(tmp_path: Path, listening: str) -> None:
    """An engine on another host, an abstract bus."""
    variables = {"DOCKER_HOST": "tcp://host:2375", "DBUS_SESSION_BUS_ADDRESS": "unix:abstract=/x"}

    assert decided(tmp_path, rpc=(f"ai={listening}",), variables=variables).sockets


def test_the_directory_of_a_session_is_never_granted_whole(tmp_path: Path) -> None:
    """Its sockets lie in it."""
    (tmp_path / "session").mkdir()

    with pytest.raises(UsageError, match="sockets of plays or of this user's session"):
        decided(
            tmp_path,
            read=(str(tmp_path / "session"),),
            variables={"XDG_RUNTIME_DIR": str(tmp_path / "session")},
        )


def test_the_interpreter_is_never_to_be_written(tmp_path: Path) -> None:
    """Nor what is around it: what a play changes there, the operator runs."""
    for path in (sys.prefix, os.path.dirname(sys.prefix), os.path.join(sys.prefix, "bin")):
        with pytest.raises(UsageError, match="code of hero-logic or of its interpreter"):
            decided(tmp_path, write=(path,))


def test_the_policy_is_never_to_be_written(tmp_path: Path) -> None:
    """A play that may write it would grant itself the next one."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "policy.toml").write_text("")

    with pytest.raises(UsageError, match="the policy lies in it"):
        decided(tmp_path, write=(str(tmp_path / "own"),), policy=str(tmp_path / "own" / "policy.toml"))


def write_policy(tmp_path: Path, text: str) -> str:
    """A policy in a directory of its own."""
    (tmp_path / "own").mkdir()
    path = tmp_path / "own" / "policy.toml"
    path.write_text(text)
    return str(path)


def test_the_paths_of_a_policy_are_relative_to_it(tmp_path: Path) -> None:
    """And those of its patterns."""
    (tmp_path / "data").mkdir()
    policy = write_policy(tmp_path, '[paths."../*.py"]\nread = ["../data"]\n')
    (tmp_path / "flow.py").touch()

    assert decided(tmp_path, Needs(read=("data",)), policy=policy).files == [(f"{tmp_path}/data", READ)]


def test_all_kinds_can_be_granted_by_a_policy(tmp_path: Path, listening: str) -> None:
    """Of each what is asked for."""
    (tmp_path / "out").mkdir()
    policy = write_policy(
        tmp_path,
        f'[flows."a flow"]\nwrite = ["{tmp_path}/out"]\nnet = ["*.a.example:443"]\nenv = ["K", "L"]\n'
        f'rpc = {{ ai = "{listening}", db = "/nowhere" }}\n',
    )
    needs = Needs(write=("out/new",), net=("x.a.example:443",), env=("K",), rpc=("ai",))

    permits = decided(tmp_path, needs, policy=policy)

    assert permits.granted_record() == {
        "write": [f"{tmp_path}/out"],
        "net": ["x.a.example:443"],
        "rpc": [f"ai={listening}"],
        "env": ["K"],
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[default]\nread = ['/']", "/ cannot be granted"),
        ("nonsense", "cannot be read"),
        ("x = '" + "x" * 2_000_000 + "'", "is longer than"),
        ("[default]\nread = ['/data/nowhere']", "cannot be given to a play"),
    ],
)
def test_a_policy_that_cannot_be_followed_is_an_error(tmp_path: Path, text: str, says: str) -> None:
    """With the policy's name and the reason."""
    policy = write_policy(tmp_path, text)

    with pytest.raises(UsageError, match=says):
        decided(tmp_path, Needs(read=("/data/nowhere/x",)), policy=policy)


def test_what_is_so_of_a_path_that_was_denied(tmp_path: Path) -> None:
    """On the host, and of what the play was granted."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x").write_text("x")
    permits = Permits(Grants(read=[str(tmp_path / "in")]), None, [])

    def facts(path: str) -> Any:
        return path_facts(path, permits, {}, str(tmp_path / "home"), sys.executable)

    found = facts(str(tmp_path / "in" / "x"))
    assert (found.exists, found.is_readable, found.is_read_granted, found.is_write_granted) == (
        True,
        True,
        True,
        False,
    )
    assert not facts(str(tmp_path / "in" / "y")).exists
    assert facts("/usr/bin/env").is_always_seen
    assert facts(sys.executable).is_always_seen
    assert facts(str(tmp_path / "home" / "plays" / "x" / "work" / "y")).is_always_seen
    assert facts("/proc/1/environ").refusal


# What was granted, and is another thing when it is shown


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    yield from opened_stage(tmp_path)


def require(isolation: str) -> None:
    """Skip where the host does not have an isolation."""
    missing = {
        "native": not (has_namespaces() and has_landlock()),
        "bubblewrap": not find_program(),
        "landlock": not has_landlock(),
    }
    if missing[isolation]:
        pytest.skip(f"{isolation} is not to be had on this host")


@pytest.mark.parametrize("isolation", ["native", "bubblewrap", "landlock"])
@pytest.mark.parametrize("access", ["read", "write"])
@pytest.mark.parametrize("swapped", ["granted", "on its way"])
def test_a_link_that_takes_the_place_of_what_was_granted_is_not_followed(
    stage: Stage, isolation: str, access: str, swapped: str
) -> None:
    """Another play that may write there can put it there between the grant and the start; it fails closed."""
    require(isolation)
    place = stage.tmp_path / "on-its-way" / "granted"
    secret = stage.tmp_path / "secret" / "granted"
    for directory in (place, secret):
        directory.mkdir(parents=True)
        (directory / "file").write_text(f"of {directory.parent.name}")
    permits = decided(stage.tmp_path, **{access: (str(place),)})
    link, target = (place, secret) if swapped == "granted" else (place.parent, secret.parent)
    link.rename(stage.tmp_path / "away")
    link.symlink_to(target)

    leavings = stage.run(
        f"@flow\ndef main(): return [open(path + '/file').read() for path in {[str(place), str(secret)]}]",
        isolation=isolation,
        granted=permits.files,
    )

    assert leavings.result.output is None
    if swapped == "on its way" and isolation != "landlock":
        assert leavings.record.reason == "sandbox_failed"
        assert leavings.record.launch_error == f"{place}: a link lies on the way there, and is not followed"
    else:
        # The link is shown as the link that it is, or as before; what it leads to is not there.
        assert (leavings.result.outcome, leavings.result.error.partition(":")[0]) in (
            ("raised", "FileNotFoundError"),
            ("raised", "PermissionError"),
        )
