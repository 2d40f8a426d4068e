"""The proxy of a play: what it lets through, what it refuses, and how much of it there can be."""

from __future__ import annotations

import asyncio
import http.client
import shutil
import socket
import ssl
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hero_logic.core.policy import default
from hero_logic.runner.proxy import Decision, Proxy, connect_to, resolve_name
from support.waiting import wait_until

PUBLIC = "93.184.215.14"


class Web(ThreadingHTTPServer):
    """A server that says what it was asked."""

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Says)
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class Says(BaseHTTPRequestHandler):
    """Answers with the body it was given, or with its own text."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        assert isinstance(self.server, Web)
        self.server.asked.append((self.command, self.path, dict(self.headers), body))
        answer = body or b"hello " * 20_000
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Opened:
    """A proxy with one door in this process's own network, and what it told."""

    def __init__(
        self,
        *granted: str,
        names: dict[str, list[str]] | None = None,
        services: list[str] | None = None,
        server_port: int = 0,
        **options: Any,
    ) -> None:
        self.told: list[Decision] = []
        self.resolved: list[str] = []
        self.connected: list[tuple[str, int]] = []
        self._names = names or {}
        self._server_port = server_port
        doors = [socket.create_server(("127.0.0.1", 0)) for _ in range(1 + len(services or []))]
        self.ports = [int(door.getsockname()[1]) for door in doors]
        self.proxy = Proxy(
            [door.detach() for door in doors],
            granted=list(granted),
            services=services or [],
            tell=self.told.append,
            resolve=self._resolve,
            connect=self._connect if server_port else connect_to,
            **options,
        )

    @property
    def verdicts(self) -> list[tuple[str, str]]:
        return [(decision.endpoint, decision.verdict) for decision in self.told]

    def _resolve(self, name: str, port: int) -> list[str]:
        self.resolved.append(name)
        if name not in self._names:
            raise socket.gaierror(-2, "Name or service not known")
        found = self._names[name]
        # The next answer is another one, as of somebody who tries to rebind a name.
        self._names[name] = found[1:] + found[:1] if len(found) > 1 and found[0] == "then" else found
        return [address for address in found if address != "then"]

    async def _connect(self, address: str, port: int) -> socket.socket:
        """Every public address is the test's own server."""
        self.connected.append((address, port))
        return await connect_to("127.0.0.1", self._server_port)

    def connect(self, door: int = 0) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.ports[door]), timeout=20)

    def ask(self, data: bytes) -> bytes:
        """Send this, and read all that comes back."""
        with self.connect() as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            return everything(client)

    def status_of(self, authority: str) -> int:
        """What a request for a tunnel is answered with; the tunnel is closed again."""
        with self.connect() as client:
            client.sendall(f"CONNECT {authority} HTTP/1.1\r\n\r\n".encode())
            return int(client.makefile("rb").readline().split()[1])


def everything(client: socket.socket) -> bytes:
    """All that still comes from a socket."""
    pieces = []
    while piece := client.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


@pytest.fixture
def opened() -> Iterator[Callable[..., Opened]]:
    made: list[Opened] = []

    def make(*granted: str, **options: Any) -> Opened:
        made.append(Opened(*granted, **options))
        return made[-1]

    yield make
    for one in made:
        one.proxy.close()


@pytest.fixture
def web() -> Iterator[Web]:
    with closing(Web()) as server:
        yield server


# What passes


def test_a_plain_request_reaches_the_host_that_was_granted(opened: Callable[..., Opened], web: Web) -> None:
    """With its path, its own host and its body; what comes back is whole."""
    proxy = opened("api.example:80", names={"api.example": [PUBLIC]}, server_port=web.port)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({"http": f"http://127.0.0.1:{proxy.ports[0]}"})
    )

    with opener.open("http://api.example/v1?x=1", timeout=20) as answer:
        text = answer.read()

    assert text == b"hello " * 20_000
    [(method, path, headers, _)] = web.asked
    assert (method, path, headers["Host"]) == ("GET", "/v1?x=1", "api.example")
    assert proxy.connected == [(PUBLIC, 80)]
    assert proxy.verdicts == [("api.example:80", "allowed")]
    assert proxy.told[0].why == PUBLIC


def test_a_body_goes_along_and_nothing_behind_it(opened: Callable[..., Opened], web: Web) -> None:
    """A second request behind the first one's body is for nobody."""
    proxy = opened("api.example:80", names={"api.example": [PUBLIC]}, server_port=web.port)

    answer = proxy.ask(
        b"POST http://api.example/a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
        b"GET http://api.example/second HTTP/1.1\r\n\r\n"
    )

    assert answer.endswith(b"\r\n\r\nabc")
    assert [(path, body) for _, path, _, body in web.asked] == [("/a", b"abc")]


def test_a_tunnel_carries_megabytes_both_ways(opened: Callable[..., Opened]) -> None:
    """To the last byte, however each end's own end comes."""
    server = socket.create_server(("127.0.0.1", 0))
    data = bytes(range(256)) * 16_384

    def echo() -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(everything(connection)[::-1])

    thread = threading.Thread(target=echo)
    thread.start()
    proxy = opened("api.example:443", names={"api.example": [PUBLIC]}, server_port=server.getsockname()[1])

    with proxy.connect() as client:
        client.sendall(b"CONNECT api.example:443 HTTP/1.1\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")

        def send() -> None:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        found = everything(client)
        sender.join()

    thread.join()
    server.close()
    assert found == data[::-1]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_tls_goes_through_from_end_to_end(opened: Callable[..., Opened], tmp_path: Path) -> None:
    """The flow checks the host's certificate, and would notice anybody in between."""
    certificate = make_certificate(tmp_path, "api.example")
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_tls.load_cert_chain(certificate)
    with closing(Web(server_tls)) as server:
        proxy = opened("api.example:443", names={"api.example": [PUBLIC]}, server_port=server.port)
        client = http.client.HTTPSConnection(
            "127.0.0.1", proxy.ports[0], timeout=20, context=ssl.create_default_context(cafile=certificate)
        )
        client.set_tunnel("api.example", 443)

        client.request("POST", "/v1", body=b"question")
        answer = client.getresponse().read()
        client.close()

    assert answer == b"question"
    assert proxy.verdicts == [("api.example:443", "allowed")]


def make_certificate(directory: Path, name: str) -> str:
    """A certificate with its key, signed by itself."""
    path = str(directory / "certificate.pem")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", path, "-out", f"{path}.crt", "-subj", f"/CN={name}"),
            *("-addext", f"subjectAltName=DNS:{name}"),
        ],
        check=True,
        capture_output=True,
    )
    with open(path, "a") as file, open(f"{path}.crt") as crt:
        file.write(crt.read())
    return path


def test_a_service_of_this_machine_has_a_door_of_its_own(opened: Callable[..., Opened], web: Web) -> None:
    """Any protocol goes through it: nothing is asked, nothing is read."""
    service = f"127.0.0.1:{web.port}"
    proxy = opened(service, services=[service])

    with proxy.connect(door=1) as client:
        client.sendall(b"GET /direct HTTP/1.0\r\n\r\n")
        answer = everything(client)

    assert answer.endswith(b"hello ")
    assert proxy.verdicts == [(service, "allowed")]


def test_an_address_that_was_written_down_is_reached_though_it_is_private(
    opened: Callable[..., Opened], web: Web
) -> None:
    """The operator meant that one."""
    proxy = opened(f"127.0.0.1:{web.port}", f"localhost:{web.port}")

    assert proxy.status_of(f"127.0.0.1:{web.port}") == 200
    assert proxy.status_of(f"localhost:{web.port}") == 200
    assert proxy.resolved == []


# What is refused


@pytest.mark.parametrize(
    "authority",
    [
        "other.example:443",
        "api.example:80",
        "x.api.example:443",
        f"{PUBLIC}:443",
        "127.0.0.1:443",
        "[::1]:443",
    ],
)
def test_what_was_not_granted_is_not_even_resolved(opened: Callable[..., Opened], authority: str) -> None:
    """A name that is looked up tells somebody something."""
    proxy = opened("api.example:443", names={"api.example": [PUBLIC]}, server_port=1)

    assert proxy.status_of(authority) == 403
    assert (proxy.resolved, proxy.connected) == ([], [])
    assert [(told.verdict, told.why, told.allow) for told in proxy.told] == [
        ("denied", "it was not granted", authority)
    ]


@pytest.mark.parametrize(
    ("addresses", "allow"),
    [
        (["127.0.0.1"], "127.0.0.1:443"),
        (["10.0.0.1"], "10.0.0.1:443"),
        (["169.254.169.254"], ""),
        (["::ffff:169.254.169.254"], ""),
        (["::1"], "[::1]:443"),
        (["fe80::1%eth0"], "[fe80::1%eth0]:443"),
        (["64:ff9b::7f00:1"], "[64:ff9b::7f00:1]:443"),
        (["0.0.0.0"], ""),
        (["10.0.0.1", "192.168.0.1"], "10.0.0.1:443"),
        ([], ""),
        (["nonsense"], ""),
    ],
)
def test_a_name_that_leads_into_the_operators_network_leads_nowhere(
    opened: Callable[..., Opened], addresses: list[str], allow: str
) -> None:
    """The operator is told where it led, the play is not."""
    proxy = opened("api.example:443", names={"api.example": addresses}, server_port=1)

    answer = proxy.ask(b"CONNECT api.example:443 HTTP/1.1\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 403 denied by hero-logic: api.example:443 leads to an address that")
    assert all(address.encode() not in answer for address in addresses)
    assert proxy.connected == []
    [told] = proxy.told
    assert (told.verdict, told.allow) == ("denied", allow)
    assert all(address in told.why for address in addresses)


def test_of_several_addresses_only_public_ones_are_tried(opened: Callable[..., Opened], web: Web) -> None:
    """In the order of the resolver, and four at most."""
    addresses = ["10.0.0.1", PUBLIC, "127.0.0.1", "1.1.1.1"]
    proxy = opened("api.example:443", names={"api.example": addresses}, server_port=web.port)

    assert proxy.status_of("api.example:443") == 200
    assert proxy.connected == [(PUBLIC, 443)]


def test_a_name_is_resolved_once_and_what_was_judged_is_connected_to(
    opened: Callable[..., Opened], web: Web
) -> None:
    """Whoever answers otherwise the second time is not asked a second time."""
    answers = {"api.example": [PUBLIC]}
    proxy = opened("api.example:443", names=answers, server_port=web.port)

    def rebind(name: str, port: int) -> list[str]:
        found, answers["api.example"] = answers["api.example"], ["127.0.0.1"]
        proxy.resolved.append(name)
        return found

    proxy.proxy._resolve = rebind

    assert proxy.status_of("api.example:443") == 200
    assert (proxy.resolved, proxy.connected) == (["api.example"], [(PUBLIC, 443)])
    assert proxy.status_of("api.example:443") == 403
    assert proxy.connected == [(PUBLIC, 443)]


def test_a_name_that_is_not_known_is_told_as_that(opened: Callable[..., Opened]) -> None:
    """It is no denial."""
    proxy = opened("api.example:443")

    assert proxy.status_of("api.example:443") == 502
    assert [(told.verdict, told.why) for told in proxy.told] == [
        ("failed", "its name leads nowhere: Name or service not known")
    ]


def test_a_host_where_nobody_answers_is_told_as_that(opened: Callable[..., Opened]) -> None:
    """It is no denial either."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    proxy = opened(f"127.0.0.1:{port}")

    assert proxy.status_of(f"127.0.0.1:{port}") == 502
    assert proxy.told[0].verdict == "failed"
    assert "Connection refused" in proxy.told[0].why


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x00\r\n\r\n",
        b"CONNECT api.example:443 HTTP/1.1\r\nA: b\nHost: x\r\n\r\n",
        b"GET http://api.example/ HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_what_is_no_request_to_a_proxy_is_answered_as_that(
    opened: Callable[..., Opened], data: bytes
) -> None:
    """Nothing was tried, so nothing is told."""
    proxy = opened("api.example:443")

    assert proxy.ask(data).startswith(b"HTTP/1.1 400 ")
    assert proxy.told == []


# How much of it there can be


def test_a_head_without_end_is_cut_off(opened: Callable[..., Opened]) -> None:
    """In bounded memory, and the proxy goes on."""
    proxy = opened("api.example:443")
    line = b"X: " + b"x" * 1000 + b"\r\n"

    with proxy.connect() as client:
        client.sendall(b"CONNECT api.example:443 HTTP/1.1\r\n")
        try:
            for _ in range(default("proxy_head_bytes")):
                client.sendall(line)
        except OSError:
            pass
    assert proxy.status_of("other.example:443") == 403


def test_a_head_that_comes_drop_by_drop_is_cut_off(opened: Callable[..., Opened]) -> None:
    """Its time is that of the whole head, not of each byte."""
    proxy = opened("api.example:443", head_s=0.3)

    with proxy.connect() as client:
        client.settimeout(0.02)
        answer = b""
        client.sendall(b"CONNECT api.example:443 HTTP/1.1\r\n")
        while not answer:
            client.sendall(b"X")
            try:
                answer = client.recv(65536)
            except TimeoutError:
                continue

    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_tunnel_in_which_nothing_moves_is_ended(opened: Callable[..., Opened]) -> None:
    """Both of its ends are closed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = f"127.0.0.1:{server.getsockname()[1]}"
        proxy = opened(place, idle_s=0.3)
        with proxy.connect() as client:
            client.sendall(f"CONNECT {place} HTTP/1.1\r\n\r\n".encode())
            reached, _ = server.accept()
            with reached:
                assert client.recv(65536).startswith(b"HTTP/1.1 200 ")

                assert ends(client)
                assert ends(reached)


def ends(connection: socket.socket) -> bool:
    """Whether the other end closes it, in whatever way."""
    try:
        return everything(connection) == b""
    except ConnectionResetError:
        return True


def test_a_flood_of_connections_waits_and_costs_nobody_else_the_proxy(
    opened: Callable[..., Opened],
) -> None:
    """As many as there is room for are held; when they go, the next ones are served."""
    proxy = opened("api.example:443", head_s=60.0)
    held = [proxy.connect() for _ in range(default("proxy_connections"))]
    wait_until(lambda: len(proxy.proxy._tasks) == 1 + len(held), "all are taken in")

    with proxy.connect() as late:
        late.sendall(b"CONNECT other.example:443 HTTP/1.1\r\n\r\n")
        late.settimeout(0.3)
        with pytest.raises(TimeoutError):
            late.recv(1)
        for one in held:
            one.close()
        late.settimeout(20)
        assert late.recv(65536).startswith(b"HTTP/1.1 403 ")


def test_connections_come_no_faster_than_they_may(opened: Callable[..., Opened]) -> None:
    """Whoever comes and goes as fast as can be is taken in a bounded number of times a second."""
    proxy = opened("api.example:443")
    loop = proxy.proxy._loop
    assert loop is not None
    began_s = loop.time()
    count = default("proxy_connections_a_second") // 2

    for _ in range(count):
        proxy.connect().close()
    assert proxy.status_of("other.example:443") == 403

    assert loop.time() - began_s > 0.2


def test_a_resolver_that_hangs_costs_its_own_request(opened: Callable[..., Opened], web: Web) -> None:
    """Others are served, and past a few such names nobody waits for another one."""
    release = threading.Event()
    proxy = opened(
        "*.slow.example:443", "api.example:443", names={"api.example": [PUBLIC]}, server_port=web.port
    )
    plain = proxy.proxy._resolve

    def hang(name: str, port: int) -> list[str]:
        if name.endswith("slow.example"):
            release.wait(30)
        return plain(name, port)

    proxy.proxy._resolve = hang
    waiting = [proxy.connect() for _ in range(7)]
    for number, client in enumerate(waiting):
        client.sendall(f"CONNECT h{number}.slow.example:443 HTTP/1.1\r\n\r\n".encode())
    wait_until(lambda: proxy.proxy._resolving._value == 1, "seven names are being resolved")

    assert proxy.status_of("api.example:443") == 200

    waiting.append(proxy.connect())
    waiting[-1].sendall(b"CONNECT h8.slow.example:443 HTTP/1.1\r\n\r\n")
    wait_until(lambda: proxy.proxy._resolving._value == 0, "eight names are being resolved")
    assert proxy.status_of("api.example:443") == 502
    release.set()
    for client in waiting:
        client.close()


def test_closing_ends_every_connection(opened: Callable[..., Opened]) -> None:
    """And the doors; twice does no harm."""
    proxy = opened("api.example:443")
    clients = [proxy.connect() for _ in range(3)]
    wait_until(lambda: len(proxy.proxy._tasks) == 4, "all are taken in")

    proxy.proxy.close()
    proxy.proxy.close()

    assert all(ends(client) for client in clients)
    with pytest.raises(ConnectionRefusedError):
        proxy.connect()
    for client in clients:
        client.close()


# The ways to the network themselves


def test_a_name_is_resolved_as_this_host_does() -> None:
    """Each address once."""
    assert "127.0.0.1" in resolve_name("localhost", 80)
    with pytest.raises(OSError):
        resolve_name("." * 300, 80)


def test_an_address_is_connected_to_as_it_is(web: Web) -> None:
    """A name there is an error, and no second look-up."""

    async def connect() -> int:
        made = await connect_to("127.0.0.1", web.port)
        with made:
            return int(made.getpeername()[1])

    assert asyncio.run(connect()) == web.port
