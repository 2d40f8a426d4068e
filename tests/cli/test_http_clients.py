"""Which HTTP clients find their way out of a play, as docs/grants.md has it, each through the real proxy.

The host that they ask for is this test's: the runtime's resolver and its last step, to an address, are led to
a server of this machine. All in between is as it is: flags, play, isolation, door, proxy, and TLS from end to
end.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from support.command import environment, hero_logic
from support.runtime import write_flow

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")

_PAGE = Path(__file__).parents[2] / "docs" / "grants.md"
_HOST = "api.anthropic.com"
_KEY = "sk-planted-5c1f"
_RUN = """
import sys
from hero_logic.runner import proxy

port = int(sys.argv.pop(1))
connect_to = proxy.connect_to
proxy.resolve_name = lambda name, port: ["93.184.216.34"]
proxy.connect_to = lambda address, _: connect_to("127.0.0.1", port)
from hero_logic.app import main
sys.exit(main())
"""
CLIENTS = {
    # as it stands on the page: (what fetches a url, what has to be there)
    "urllib.request": ("import urllib.request\nreturn urllib.request.urlopen(url).read().decode()", ""),
    "requests": ("import requests\nreturn requests.get(url).text", "requests"),
    "httpx": ("import httpx\nreturn httpx.get(url).text", "httpx"),
    "aiohttp": (
        """
        import aiohttp
        async def fetch():
            async with aiohttp.ClientSession(trust_env=True) as session, session.get(url) as answer:
                return await answer.text()
        import asyncio
        return asyncio.run(fetch())
        """,
        "aiohttp",
    ),
    "http.client": (
        """
        import http.client, os, ssl
        way = http.client.HTTPSConnection("127.0.0.1", 3128)
        way.set_tunnel(url.split("/")[2])
        way.request("GET", "/")
        return way.getresponse().read().decode()
        """,
        "",
    ),
    "curl": ("return subprocess.check_output(['curl', '-s', url], text=True)", "curl"),
    "wget": (
        """
        command = ['wget', '-q', '-O-', '--ca-certificate', os.environ['SSL_CERT_FILE'], url]
        return subprocess.check_output(command, text=True)
        """,
        "wget",
    ),
    "git": (
        """
        done = subprocess.run(['git', 'ls-remote', url], capture_output=True, text=True)
        return 'hello' if 'not found' in done.stderr or 'hello' in done.stderr else done.stderr
        """,
        "git",
    ),
}
NOT_BY_ITSELF = {
    "aiohttp": (
        """
        import aiohttp, asyncio
        async def fetch():
            async with aiohttp.ClientSession() as session, session.get(url) as answer:
                return await answer.text()
        return asyncio.run(fetch())
        """,
        "aiohttp",
    ),
    "http.client": (
        """
        import http.client
        way = http.client.HTTPSConnection(url.split("/")[2])
        way.request("GET", "/")
        return way.getresponse().read().decode()
        """,
        "",
    ),
}


@cache
def isolation() -> str:
    """Which isolation the plays of this host get, or "" for none that has sockets."""
    found = json.loads(hero_logic("doctor", "--json").stdout)["isolation"]
    return found if found in ("native", "bubblewrap") else ""


@pytest.fixture(autouse=True)
def _confined(monkeypatch: pytest.MonkeyPatch) -> None:
    if not isolation():
        pytest.skip("this host has no isolation with a network of its own")
    monkeypatch.setenv("HERO_LOGIC_SANDBOX", "tier1")


class Model(BaseHTTPRequestHandler):
    """Answers what is got with a greeting, and what is posted as a model's API does."""

    def do_GET(self) -> None:
        """For every client."""
        is_git = "git" in self.headers.get("User-Agent", "")
        self._answer(404 if is_git else 200, b"hello")

    def do_POST(self) -> None:
        """For the flow of the page."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert (self.path, self.headers["x-api-key"]) == ("/v1/messages", _KEY)
        text = f"you asked: {asked['messages'][0]['content']}"
        self._answer(200, json.dumps({"content": [{"type": "text", "text": text}]}).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One for the host, signed by itself."""
    path = str(tmp_path_factory.mktemp("certificate") / "certificate.pem")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", f"{path}.key", "-out", path, "-subj", f"/CN={_HOST}"),
            *("-addext", f"subjectAltName=DNS:{_HOST}"),
        ],
        check=True,
        capture_output=True,
    )
    return path


@pytest.fixture(scope="module")
def port(certificate: str) -> Iterator[int]:
    """Where the host really is."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, f"{certificate}.key")
    with HTTPServer(("127.0.0.1", 0), Model) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def played(flow_path: str, *inputs: str, port: int, certificate: str) -> dict[str, Any]:
    """The document of a play that trusts the host's certificate, and may reach the host."""
    trusts = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO"), certificate)
    flags = [word for name in (*trusts, "ANTHROPIC_API_KEY") for word in ("--env", name)]
    flags += ["--allow-net", f"{_HOST}:443", "--allow-read", certificate, "--python", sys.executable]
    done = subprocess.run(
        [sys.executable, "-c", _RUN, str(port), "run", flow_path, *inputs, *flags, "--json"],
        env=environment(ANTHROPIC_API_KEY=_KEY, **trusts),
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.stdout, done
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def require(needed: str) -> None:
    """Skip where a client is not installed."""
    if needed and not shutil.which(needed, path="/usr/bin:/bin") and not importlib.util.find_spec(needed):
        pytest.skip(f"{needed} is not installed")


def fetching(tmp_path: Path, body: str) -> str:
    """The path of a flow that fetches."""
    from textwrap import dedent, indent

    head = "import os, subprocess\n@flow\ndef main(url: str):\n"
    return write_flow(tmp_path, head + indent(dedent(body).strip("\n"), "    ") + "\n")


def decisions(play: dict[str, Any]) -> dict[str, int]:
    """How many times the play's proxy has decided what."""
    found = [span["tags"] for span in play["spans"] if span["name"] == "network"]
    return {**found[0]} if found else {}


def test_the_models_api_of_the_page_is_reached_as_the_page_says(
    tmp_path: Path, port: int, certificate: str
) -> None:
    """The flow and its flags are those of docs/grants.md, to the letter; its key is not in the record."""
    page, flags = _PAGE.read_text(), f"--allow-net {_HOST}:443 --env ANTHROPIC_API_KEY"
    [source] = [
        block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if f"https://{_HOST}" in block
    ]
    path = tmp_path / "ask.py"
    path.write_text(source)

    play = played(str(path), "-i", "question=Why?", port=port, certificate=certificate)

    assert (play["error"], play["output"]) == ("", "you asked: Why?")
    assert decisions(play) == {"allowed": 1}
    assert _KEY not in json.dumps(play)
    assert f"run ask.py -i question='Why is the sky blue?' {flags}\n" in page


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_that_honours_the_proxy_reaches_the_host(
    tmp_path: Path, port: int, certificate: str, client: str
) -> None:
    """Each row of the page that says so; where it takes an argument, with that."""
    body, needed = CLIENTS[client]
    require(needed)

    play = played(fetching(tmp_path, body), "-i", f"url=https://{_HOST}/", port=port, certificate=certificate)

    assert (play["error"], play["output"]) == ("", "hello")
    assert decisions(play) == {"allowed": 1}


@pytest.mark.parametrize("client", NOT_BY_ITSELF)
def test_a_client_that_does_not_look_for_a_proxy_reaches_nothing(
    tmp_path: Path, port: int, certificate: str, client: str
) -> None:
    """The play's own network has no other way out, and no resolver."""
    body, needed = NOT_BY_ITSELF[client]
    require(needed)

    play = played(fetching(tmp_path, body), "-i", f"url=https://{_HOST}/", port=port, certificate=certificate)

    assert play["status"] == "failed"
    assert decisions(play) == {}


def test_every_client_of_the_page_is_tried_here() -> None:
    """The table says nothing that no test has seen; SDKs of models go by httpx, pip by what requests has."""
    [table] = re.findall(r"\| client \| honours them \|\n\|---\|---\|\n((?:\|.*\n)+)", _PAGE.read_text())
    named = set(re.findall(r"`([^`]+)`", "".join(line.split("|")[1] + "\n" for line in table.splitlines())))

    assert named - set(CLIENTS) == {"pip", "openai", "anthropic", "socket", "asyncio.open_connection"}
