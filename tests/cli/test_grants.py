"""A flow asks and the operator grants: through the command, with real plays that are kept from the host."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from support.command import hero_logic, shown
from support.runtime import write_flow

READS = """
import os
@flow(needs={"read": ["data.csv"], "env": ["API_KEY"]})
def main():
    return [open(flow.here + "/data.csv").read(), os.environ["API_KEY"][:3]]
"""
OPENS = """
import os
@flow
def main(path: str, mode: str = "r"):
    with open(path, mode) as file:
        return file.read() if mode == "r" else file.write("new")
"""
FETCHES = """
import urllib.request
@flow
def main(url: str):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read().decode()
"""
CALLS = """
import os, socket
@flow(needs={"rpc": ["ai"]})
def main():
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(os.environ["HERO_FLOW_RPC_AI"])
        return [os.environ["HERO_FLOW_RPC_AI"], client.recv(100).decode()]
"""


@cache
def isolation() -> str:
    """Which isolation the plays of this host get, or "" for none that has sockets."""
    found = json.loads(hero_logic("doctor", "--json").stdout)["isolation"]
    return found if found in ("native", "bubblewrap") else ""


@pytest.fixture(autouse=True)
def _confined(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plays are kept from the host, or there is nothing to grant."""
    if not isolation():
        pytest.skip("this host has no isolation with a view of its own")
    monkeypatch.setenv("HERO_LOGIC_SANDBOX", "tier1")


def ran(*arguments: str, **more: Any) -> dict[str, Any]:
    """The document of a play that was started."""
    done = hero_logic("run", *arguments, "--json", **more)
    assert done.returncode in (0, 1), done
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def refused(*arguments: str, **more: Any) -> str:
    """What is said to a run that is refused before there is a play."""
    done = hero_logic("run", *arguments, **more)
    assert (done.returncode, done.stdout) == (2, b""), done
    assert json.loads(hero_logic("ls", "--json").stdout)["plays"] == []
    return done.stderr.decode()


# Files and variables


def test_what_is_asked_for_and_not_granted_ends_the_run_with_the_flags(tmp_path: Path) -> None:
    """And those very flags are enough."""
    path = write_flow(tmp_path, READS)
    (tmp_path / "data.csv").write_text("1,2")

    message = refused(path, API_KEY="secret-1")

    flags = [line.strip().split(" ") for line in message.splitlines() if line.startswith("  --")]
    assert flags == [["--allow-read", str(tmp_path / "data.csv")], ["--env", "API_KEY"]]
    granted = ran(path, *(word for words in flags for word in words), API_KEY="secret-1")
    assert (granted["status"], granted["output"]) == ("ok", ["1,2", "sec"])


def test_the_request_and_the_grants_are_on_record(tmp_path: Path) -> None:
    """The request as the flow has it, the grants as they were resolved; in `show` as well."""
    path = write_flow(tmp_path, READS)
    (tmp_path / "data.csv").write_text("1,2")

    play = ran(path, "--allow-read", str(tmp_path / "data.csv"), "--env", "API_KEY", API_KEY="secret-1")

    assert play["needs"] == {"read": ["data.csv"], "env": ["API_KEY"]}
    assert play["grants"] == {"read": [str(tmp_path / "data.csv")], "env": ["API_KEY"]}
    text = hero_logic("show", play["sid"], COLUMNS="300").stdout.decode()
    assert "  asks  read data.csv" in text
    assert f"  given read {tmp_path}/data.csv" in text


def test_a_directory_grants_what_lies_in_it_and_no_more(tmp_path: Path) -> None:
    """What lies beside it is not there."""
    path = write_flow(tmp_path, OPENS)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("inside")
    (tmp_path / "b").write_text("beside")

    assert ran(path, "-i", f"path={tmp_path}/in/a", "--allow-read", f"{tmp_path}/in")["output"] == "inside"
    assert ran(path, "-i", f"path={tmp_path}/b", "--allow-read", f"{tmp_path}/in")["status"] == "failed"


def test_a_grant_to_write_is_one_to_read_and_write(tmp_path: Path) -> None:
    """What was written is on the host."""
    path = write_flow(tmp_path, OPENS)
    (tmp_path / "out").mkdir()

    play = ran(path, "-i", f"path={tmp_path}/out/x", "-i", "mode=w", "--allow-write", f"{tmp_path}/out")

    assert play["status"] == "ok"
    assert (tmp_path / "out" / "x").read_text() == "new"


def test_paths_are_relative_to_where_the_flag_is_typed_and_where_the_flow_is(tmp_path: Path) -> None:
    """Each to its own place."""
    path = write_flow(tmp_path, READS)
    (tmp_path / "data.csv").write_text("1,2")
    flag = os.path.relpath(tmp_path / "data.csv")

    assert ran(path, "--allow-read", flag, "--env", "API_KEY", API_KEY="secret-1")["status"] == "ok"


def test_a_link_is_followed_when_it_is_granted(tmp_path: Path) -> None:
    """It is told where it leads, and that is what is granted and recorded."""
    path = write_flow(tmp_path, OPENS)
    (tmp_path / "real").write_text("there")
    (tmp_path / "link").symlink_to(tmp_path / "real")

    done = hero_logic(
        "run", path, "-i", f"path={tmp_path}/real", "--allow-read", f"{tmp_path}/link", "--quiet"
    )

    assert json.loads(done.stdout) == "there"
    assert f"that leads to {tmp_path}/real, which is what is granted" in done.stderr.decode()
    assert shown("last")["grants"] == {"read": [f"{tmp_path}/real"]}


def test_what_is_granted_and_not_asked_for_is_told(tmp_path: Path) -> None:
    """Where the flow says what it needs: it may be another flow's flag."""
    path = write_flow(tmp_path, '@flow(needs={"env": ["A"]})\ndef main(): ...')

    done = hero_logic("run", path, "--env", "A", "--allow-read", "/srv", "--quiet", A="longer")

    assert done.returncode == 0
    assert "does not ask for this, and gets it all the same: --allow-read /srv" in done.stderr.decode()


@pytest.mark.parametrize(
    "where", ["/", "/etc", "/proc/self", "/dev/null", "{home}", "{above}", "{home}/x", "/tmp"]
)
@pytest.mark.parametrize("flag", ["--allow-read", "--allow-write"])
def test_what_would_open_everything_is_never_granted(tmp_path: Path, flag: str, where: str) -> None:
    """The runtime's data and what is above it among them."""
    path = write_flow(tmp_path, "@flow\ndef main(): ...")

    message = refused(path, flag, where.format(home=tmp_path / "home", above=tmp_path))

    assert "cannot be granted: " in message


def test_a_flow_that_asks_for_what_is_never_granted_is_told_so(tmp_path: Path) -> None:
    """No flag is named that would be refused."""
    path = write_flow(tmp_path, '@flow(needs={"read": ["/"]})\ndef main(): ...')

    message = refused(path)

    assert "asks to read /, which is never granted" in message
    assert "--allow" not in message


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--allow-read", "/nowhere/at/all"], "No such file or directory; make it first"),
        (["--allow-net", "api.example.com"], "a host and a port are needed"),
        (["--allow-net", "169.254.169.254:80"], "never granted"),
        (["--rpc", "ai"], "give a name and a path"),
        (["--rpc", "ai=/etc/hostname"], "it is no Unix socket"),
        (["--rpc", "ai=/nowhere"], "No such file or directory"),
        (["--rpc", "ai=/run/docker.sock"], "the socket of a container engine"),
        (["--rpc", "ai=/x", "--rpc", "AI=/y"], "is no other one's"),
        (["--policy", "/nowhere.toml"], "the policy /nowhere.toml cannot be read"),
    ],
)
def test_a_flag_that_cannot_be_granted_is_refused_with_its_reason(
    tmp_path: Path, flags: list[str], says: str
) -> None:
    """Before there is a play."""
    path = write_flow(tmp_path, "@flow\ndef main(): ...")

    assert says in refused(path, *flags)


def test_without_isolation_it_has_to_be_granted_all_the_same(tmp_path: Path) -> None:
    """What a flow asks for is refused in Tier 0 too, though there it could not be kept from it."""
    path = write_flow(tmp_path, READS)
    (tmp_path / "data.csv").write_text("1,2")

    assert "--allow-read" in refused(path, "--sandbox", "tier0", API_KEY="secret-1")


# The policy


def test_a_policy_grants_what_is_asked_for_and_no_more(tmp_path: Path) -> None:
    """Of a directory that it grants, a play gets the file that its flow asks for."""
    path = write_flow(tmp_path, READS)
    (tmp_path / "data.csv").write_text("1,2")
    (tmp_path / "other.csv").write_text("3")
    policy = tmp_path / "policy.toml"
    policy.write_text('[default]\nenv = ["API_KEY", "OTHER"]\n[paths."*.py"]\nread = ["*.csv"]\n')
    assert "asks for what it was not granted" in refused(path, "--policy", str(policy), API_KEY="secret-1")
    policy.write_text(
        '[default]\nenv = ["API_KEY", "OTHER"]\n'
        f'[paths."*.py"]\nread = ["data.csv", "other.csv"]\n[flows.other]\nread = ["{tmp_path}"]\n'
    )

    play = ran(path, HERO_LOGIC_POLICY=str(policy), API_KEY="secret-1", OTHER="more-of-it")

    assert play["status"] == "ok"
    assert play["grants"] == {"read": [str(tmp_path / "data.csv")], "env": ["API_KEY"]}


def test_a_policy_with_a_key_that_is_not_known_is_an_error(tmp_path: Path) -> None:
    """It might be a known one, misspelt."""
    path = write_flow(tmp_path, READS)
    policy = tmp_path / "policy.toml"
    policy.write_text("[defaults]\nread = []\n")

    assert "'defaults' is no table of a policy" in refused(path, "--policy", str(policy))


def test_a_flow_that_asks_for_nothing_gets_nothing_of_a_policy(tmp_path: Path) -> None:
    """And nobody has to read the policy."""
    path = write_flow(tmp_path, OPENS)
    (tmp_path / "data.csv").write_text("1,2")
    policy = tmp_path / "policy.toml"
    policy.write_text(f'[default]\nread = ["{tmp_path}/data.csv"]\n')

    play = ran(path, "-i", f"path={tmp_path}/data.csv", HERO_LOGIC_POLICY=str(policy))

    assert (play["status"], play["grants"]) == ("failed", {})


@pytest.mark.parametrize("is_link", [False, True], ids=["file", "link"])
def test_a_process_that_is_started_afresh_imports_the_flow(tmp_path: Path, *, is_link: bool) -> None:
    """multiprocessing sends functions by name: of its directory the play sees the flow's own file too."""
    if isolation() == "":
        pytest.skip("this host has no isolation in which processes share memory")
    path = write_flow(
        tmp_path,
        """
        import multiprocessing
        def double(number):
            return 2 * number
        @flow
        def main():
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                return pool.map(double, [1, 2])
        """,
    )
    if is_link:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        os.rename(path, elsewhere / "a_flow.py")
        os.symlink("elsewhere/a_flow.py", path)

    play = ran(path, "--timeout", "30")

    assert (play["error"], play["output"]) == ("", [2, 4])


# The network


class Greets(BaseHTTPRequestHandler):
    """Answers every request."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello " + self.headers["Host"].encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def web() -> Iterator[HTTPServer]:
    """A server of this machine."""
    with HTTPServer(("127.0.0.1", 0), Greets) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def test_a_service_of_this_machine_is_reached_where_it_is(tmp_path: Path, web: HTTPServer) -> None:
    """No client has to know of a proxy; the decision is a log of the span `network`."""
    path = write_flow(tmp_path, FETCHES)
    place = f"127.0.0.1:{web.server_address[1]}"

    play = ran(path, "-i", f"url=http://{place}/", "--allow-net", place)

    assert (play["status"], play["output"]) == ("ok", f"hello {place}")
    [span] = [span for span in play["spans"] if span["name"] == "network"]
    assert (span["kind"], span["status"], span["tags"]) == ("other", "ok", {"allowed": 1})
    assert span["logs"].endswith(f"] allowed {place} (127.0.0.1)")


def test_what_was_not_granted_is_denied_and_said_to_be(tmp_path: Path, web: HTTPServer) -> None:
    """With the flag that would allow it, and a log of the decision."""
    path = write_flow(tmp_path, FETCHES)

    play = ran(path, "-i", "url=http://other.example/x", "--allow-net", "*.api.example:443")

    assert play["status"] == "failed"
    assert play["error"].splitlines()[:2] == [
        "urllib.error.HTTPError: HTTP Error 403: denied by hero-logic: other.example:80 was not granted",
        "the flow was denied other.example:80: it was not granted; "
        "--allow-net other.example:80 would allow it",
    ]
    [span] = [span for span in play["spans"] if span["name"] == "network"]
    assert "WARNING denied other.example:80: it was not granted" in span["logs"]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_https_goes_through_the_proxy_from_end_to_end(tmp_path: Path) -> None:
    """As to a model's API: `urllib` asks the proxy for a tunnel, and checks the host's own certificate."""
    certificate = make_certificate(tmp_path, "127.0.0.2")
    path = write_flow(
        tmp_path,
        """
        import ssl, urllib.request
        @flow(needs={"read": ["certificate.pem"], "net": ["127.0.0.2:8443"]})
        def main(url: str):
            trusted = ssl.create_default_context(cafile=flow.here + "/certificate.pem")
            with urllib.request.urlopen(url, timeout=20, context=trusted) as answer:
                return answer.read().decode()
        """,
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, f"{certificate}.key")
    with HTTPServer(("127.0.0.2", 0), Greets) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        place = f"127.0.0.2:{server.server_address[1]}"
        Path(path).write_text(Path(path).read_text().replace("127.0.0.2:8443", place))

        play = ran(path, "-i", f"url=https://{place}/", "--allow-net", place, "--allow-read", certificate)
        server.shutdown()

    assert (play["error"], play["output"]) == ("", f"hello {place}")


def make_certificate(directory: Path, address: str) -> str:
    """A certificate for an address, signed by itself; its key lies beside it."""
    path = str(directory / "certificate.pem")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", f"{path}.key", "-out", path, "-subj", f"/CN={address}"),
            *("-addext", f"subjectAltName=IP:{address}"),
        ],
        check=True,
        capture_output=True,
    )
    return path


def test_a_play_without_grants_has_no_way_out(tmp_path: Path, web: HTTPServer) -> None:
    """No proxy, and no variable that speaks of one."""
    path = write_flow(
        tmp_path, "import os\n@flow\ndef main(): return [n for n in os.environ if 'PROXY' in n.upper()]"
    )

    assert ran(path)["output"] == []


def test_network_is_refused_where_there_are_no_sockets(tmp_path: Path) -> None:
    """A play is never started with less than was promised to it."""
    from hero_logic.core.errors import SandboxUnavailable
    from hero_logic.core.grants import Grants
    from hero_logic.core.tiers import Choice
    from hero_logic.playing import _Reach
    from hero_logic.runner.granting import Permits

    with pytest.raises(SandboxUnavailable, match="has no sockets at all; it was not started"):
        _Reach(Permits(Grants(net=["a.example:443"]), None, []), Choice("tier1", "landlock", "rlimits"))


# Services


@pytest.fixture
def service() -> Iterator[str]:
    """The path of a Unix socket at which somebody says hello."""
    path = f"/tmp/hl-service-{os.getpid()}.socket"
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(path)
        server.listen()

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    client.sendall(b"hello from a service")

        threading.Thread(target=serve, daemon=True).start()
        yield path
        server.shutdown(socket.SHUT_RDWR)
    os.unlink(path)


def test_a_service_is_reached_by_its_name(tmp_path: Path, service: str) -> None:
    """At a path of the play's own, which a variable names."""
    path = write_flow(tmp_path, CALLS)
    assert "--rpc ai=PATH" in refused(path)

    play = ran(path, "--rpc", f"ai={service}")

    assert play["output"] == ["/run/hero/rpc/ai.sock", "hello from a service"]
    assert play["grants"] == {"rpc": [f"ai={service}"]}


def test_a_service_that_was_not_granted_is_not_there(tmp_path: Path, service: str) -> None:
    """Neither at its own path nor at that of another one."""
    path = write_flow(
        tmp_path,
        f"""
        import os, socket
        @flow
        def main():
            found = []
            for path in ({service!r}, "/run/hero/rpc/db.sock"):
                with socket.socket(socket.AF_UNIX) as client:
                    found.append(client.connect_ex(path))
            return [found, os.listdir("/run/hero/rpc"), "HERO_FLOW_RPC_DB" in os.environ]
        """,
    )

    play = ran(path, "--rpc", f"ai={service}", HERO_FLOW_RPC_DB="/somewhere")

    assert play["output"] == [[2, 2], ["ai.sock"], False]


def test_without_isolation_a_service_is_where_it_is(tmp_path: Path, service: str) -> None:
    """The variable names its own path."""
    path = write_flow(tmp_path, CALLS)

    play = ran(path, "--rpc", f"ai={service}", "--sandbox", "tier0")

    assert play["output"] == [service, "hello from a service"]


# Denials


def test_a_denial_says_which_flag_would_have_allowed_it(tmp_path: Path) -> None:
    """Where the flow failed of it; the flag then helps."""
    path = write_flow(tmp_path, OPENS)
    data = tmp_path / "data.csv"
    data.write_text("1,2")

    play = ran(path, "-i", f"path={data}")

    assert play["error"].splitlines()[1] == (
        f"the flow was denied {data}; --allow-read {data} would allow reading it, --allow-write writing too"
    )
    assert ran(path, "-i", f"path={data}", "--allow-read", str(data))["output"] == "1,2"


def test_a_denial_of_writing_says_so(tmp_path: Path) -> None:
    """What may be read is told apart."""
    path = write_flow(tmp_path, OPENS)
    data = tmp_path / "data.csv"
    data.write_text("1,2")

    play = ran(path, "-i", f"path={data}", "-i", "mode=w", "--allow-read", str(data))

    assert f"denied writing {data}; --allow-write {data} would allow it" in play["error"]
    assert data.read_text() == "1,2"


def test_an_error_that_came_of_a_denial_is_explained_too(tmp_path: Path) -> None:
    """However many errors lie between."""
    path = write_flow(
        tmp_path,
        """
        @flow
        def main(path: str):
            try:
                open(path)
            except OSError as error:
                raise ValueError("no data") from error
        """,
    )
    (tmp_path / "data").write_text("x")

    error = ran(path, "-i", f"path={tmp_path}/data")["error"]

    assert error.startswith(f"ValueError: no data\nthe flow was denied {tmp_path}/data; ")


def test_a_file_that_is_not_there_is_no_denial(tmp_path: Path) -> None:
    """Nor is one in a directory that was granted."""
    path = write_flow(tmp_path, OPENS)
    (tmp_path / "in").mkdir()

    error = ran(path, "-i", f"path={tmp_path}/in/x", "--allow-read", f"{tmp_path}/in")["error"]

    assert "denied" not in error
    assert "denied" not in ran(path, "-i", "path=/nowhere/at/all")["error"]


def test_a_name_that_leads_nowhere_names_the_flag(tmp_path: Path) -> None:
    """Without a grant there is no network at all."""
    path = write_flow(tmp_path, FETCHES)

    error = ran(path, "-i", "url=https://api.example.com/v1")["error"]

    assert "denied api.example.com:443; --allow-net api.example.com:443 would allow it" in error
