"""A server from its start to its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from support.command import environment, hero_logic, start
from support.serving import serving


def refused(home: Path, *options: str, **more: str) -> str:
    """What a server says that does not start."""
    variables = {"HERO_LOGIC_HOME": str(home), "HERO_LOGIC_RUNTIME_DIR": str(home.parent), **more}
    done = hero_logic("serve", *options, **variables)
    assert done.returncode in (1, 2), done
    assert done.stdout == b""
    assert b"Traceback" not in done.stderr
    return done.stderr.decode()


def mode_of(path: str | Path) -> int:
    """The permissions of a file."""
    return stat.S_IMODE(os.stat(path).st_mode)


def test_its_first_line_says_where_it_is(tmp_path: Path) -> None:
    """Who has read it can connect, at a port that was free."""
    with serving(tmp_path / "home") as server:
        assert httpx.get(f"{server.url}/healthz").status_code == 200
        assert server.url.startswith("http://127.0.0.1:")


def test_sigterm_stops_it(tmp_path: Path) -> None:
    """Its exit status is that of success, and what it has made is gone but for the data and the token."""
    with serving(tmp_path / "home") as server:
        assert os.path.exists(server.socket_path)
        assert (tmp_path / "home" / "server.json").exists()
        status, _ = server.stop()

    assert status == 0
    assert not os.path.exists(server.socket_path)
    assert not (tmp_path / "home" / "server.json").exists()
    assert (tmp_path / "home" / "server-token").exists()


def test_sigint_stops_it(tmp_path: Path) -> None:
    """As Ctrl-C does."""
    with serving(tmp_path / "home") as server:
        server.process.send_signal(signal.SIGINT)

        assert server.stop()[0] == 0


def test_streams_end_when_it_stops(tmp_path: Path) -> None:
    """It does not wait for who would listen for ever."""
    with serving(tmp_path / "home") as server, server.http().stream("GET", "/events") as events:
        lines = events.iter_lines()
        assert next(lines) == ":"
        server.process.send_signal(signal.SIGTERM)

        assert all(not line for line in lines)
        assert server.stop()[0] == 0


def test_the_token_is_its_owners_alone(tmp_path: Path) -> None:
    """It is made at the first start, and the same at the next; `hero-logic token` prints it."""
    with serving(tmp_path / "home") as server:
        printed = hero_logic("token", **server.variables).stdout.decode().strip()
        path = tmp_path / "home" / "server-token"

        assert (printed, mode_of(path)) == (server.token, 0o600)
    with serving(tmp_path / "home") as again:
        assert again.token == server.token
    assert len(server.token) >= 43


def test_a_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """Who could read it may have done so."""
    with serving(tmp_path / "home"):
        pass
    os.chmod(tmp_path / "home" / "server-token", 0o644)

    assert "can be read by others" in refused(tmp_path / "home")


def test_a_token_that_is_none_is_refused(tmp_path: Path) -> None:
    """An empty one would let everybody in."""
    (tmp_path / "home").mkdir(mode=0o700)
    path = tmp_path / "home" / "server-token"
    path.touch(0o600)

    assert "holds no token" in refused(tmp_path / "home")


def test_the_unix_socket_is_its_users_alone(tmp_path: Path) -> None:
    """It, and the directory that it lies in; where the data decides."""
    with serving(tmp_path / "home") as server, serving(tmp_path / "other") as other:
        assert mode_of(server.socket_path) == 0o600
        assert mode_of(os.path.dirname(server.socket_path)) == 0o700
        assert os.path.dirname(os.path.dirname(server.socket_path)) == str(tmp_path)
        assert server.socket_path != other.socket_path


def test_the_unix_socket_can_be_elsewhere(tmp_path: Path) -> None:
    """At a path of the operator's."""
    path = tmp_path / "mine.sock"
    with serving(tmp_path / "home", "--uds", str(path)) as server:
        assert (server.socket_path, mode_of(path)) == (str(path), 0o600)


def test_a_path_that_is_too_long_names_the_variable(tmp_path: Path) -> None:
    """That of the runtime directory, or the option."""
    long = tmp_path / ("d" * 100)

    assert "HERO_LOGIC_RUNTIME_DIR" in refused(tmp_path / "home", HERO_LOGIC_RUNTIME_DIR=str(long))
    assert "Set --uds" in refused(tmp_path / "home", "--uds", str(long / "a.sock"))


def test_a_directory_that_is_not_its_own_is_refused(tmp_path: Path) -> None:
    """Others could put another socket in the place of the server's."""
    with serving(tmp_path / "home") as server:
        directory = os.path.dirname(server.socket_path)
    os.chmod(directory, 0o755)

    assert "not a directory of this user alone" in refused(tmp_path / "home")


def test_a_socket_that_was_left_behind_is_removed(tmp_path: Path) -> None:
    """A server that was killed leaves one."""
    with serving(tmp_path / "home") as server:
        server.process.kill()
        server.process.communicate()
    assert os.path.exists(server.socket_path)
    with serving(tmp_path / "home") as again:
        assert again.socket_path == server.socket_path
        with httpx.Client(transport=httpx.HTTPTransport(uds=again.socket_path)) as client:
            assert client.get("http://a/healthz").is_success


def test_a_second_server_is_refused(tmp_path: Path) -> None:
    """Two cannot listen at one socket, or one address; the first goes on."""
    with serving(tmp_path / "home") as server:
        assert "a server listens at" in refused(tmp_path / "home", "--port", "0")
        assert f"127.0.0.1:{server.port}" in refused(tmp_path / "other", "--port", str(server.port))
        assert httpx.get(f"{server.url}/healthz").is_success


def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    """A file at the path is somebody's."""
    path = tmp_path / "file"
    path.write_text("mine")

    assert "no socket" in refused(tmp_path / "home", "--uds", str(path))
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--no-token", "--host", "0.0.0.0"), "could run what they like"),
        (("--port", "70000"), "from 0 to 65535"),
        (("--port", "-1"), "from 0 to 65535"),
        (("--rate", "-1"), "--rate"),
        (("--rate", "nan"), "--rate"),
        (("--host", "192.0.2.1"), "192.0.2.1"),
        (("--host", "no.such.host.invalid"), "no.such.host.invalid"),
    ],
)
def test_what_cannot_be_served_is_refused(tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    """With the value, before anything is served."""
    assert says in refused(tmp_path / "home", *options)


def test_it_serves_where_nobody_reads_what_it_says(tmp_path: Path) -> None:
    """Standard output and error that are closed are no reason to stop."""
    home = tmp_path / "home"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = start(
        "serve", "--port", str(port), HERO_LOGIC_HOME=str(home), HERO_LOGIC_RUNTIME_DIR=str(tmp_path)
    )
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    process.stderr.close()
    from support.waiting import wait_until

    wait_until((home / "server.json").exists, "the server")
    assert httpx.get(f"http://127.0.0.1:{port}/healthz").is_success
    assert httpx.get(f"http://127.0.0.1:{port}/openrpc.json").status_code == 401
    process.terminate()
    assert process.wait(20) == 0


def test_what_it_says_of_itself_is_for_its_user_alone(tmp_path: Path) -> None:
    """The file in the data directory has no secret, and others cannot read it all the same."""
    with serving(tmp_path / "home") as server:
        path = tmp_path / "home" / "server.json"
        state = json.loads(path.read_text())

        assert state == {"url": server.url, "socket_path": server.socket_path, "pid": server.process.pid}
        assert mode_of(path) == 0o600


def test_ipv6_is_served_too(tmp_path: Path) -> None:
    """At the loopback address."""
    with serving(tmp_path / "home", "--host", "::1") as server:
        assert server.url.startswith("http://[::1]:")
        assert server.http().get("/openrpc.json").status_code == 200


def test_what_runs_beside_it_lives_as_long(tmp_path: Path) -> None:
    """It begins before anything is served, over the same session, and is ended when nothing is any more."""
    code = """
import contextlib, os, sys
from hero_logic.app import make_client, new_runtimes, open_session
from hero_logic.config import Config
from hero_logic.server.serving import ServeOrder, serve
config = Config.from_environment(dict(os.environ))
class Crew:
    def __init__(self, session):
        self.session = session
        self.verbs = make_client(dict(os.environ)).verbs(session)
    def start(self):
        print("begins at", self.session.store.revision(), flush=True)
    def stop(self, *, is_hard=False):
        print("stops", flush=True)
@contextlib.contextmanager
def enter(note):
    with open_session(config, new_runtimes(config)) as session:
        yield Crew(session)
        print("ends at", session.store.revision(), flush=True)
order = ServeOrder(
    home=config.home, host="127.0.0.1", port=0, socket_path=config.server_socket, path_variable="")
serve(order, enter=enter)
"""
    variables = {"HERO_LOGIC_HOME": str(tmp_path / "home"), "HERO_LOGIC_RUNTIME_DIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
    )
    assert process.stdout
    lines = [process.stdout.readline(), process.stdout.readline()]
    process.terminate()
    lines += process.communicate(timeout=20)[0].splitlines(keepends=True)

    assert lines[0] == b"begins at 0\n"
    assert lines[1].startswith(b"serving on http://")
    assert lines[2:] == [b"stops\n", b"ends at 0\n"]
