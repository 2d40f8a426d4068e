"""What every request has to pass, and what is answered where it does not."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from support.serving import NO_TLS, Server, serving

CALL = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "play_status", "params": ["last"]})
JSON = {"Content-Type": "application/json"}
PLACES = (
    "/openrpc.json",
    "/events",
    "/metrics",
    "/plays/last/events",
    "/plays/last/snapshot",
    "/plays/last/columns",
)


def raw(server: Server, head: str, body: str = "") -> str:
    """What is answered to bytes, until the connection is closed or silent."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as peer:
        peer.sendall(head.replace("\n", "\r\n").encode() + b"\r\n" + body.encode())
        return peer.recv(65536).decode()


def code_of(answer: httpx.Response) -> str:
    """The string code of an error, wherever it stands."""
    error = answer.json()["error"]
    found: str = error["data"]["code"] if "data" in error else error["code"]
    return found


@contextmanager
def log_in(server: Server) -> Iterator[httpx.Client]:
    """A client with a session."""
    with httpx.Client(base_url=server.url, timeout=20) as client:
        code = server.http().post("/login-code").json()["code"]
        assert client.post("/login", json={"code": code}).status_code == 204
        yield client


@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_shown_without_the_token(server: Server, place: str) -> None:
    """Every place but those that say that the server is there."""
    answer = httpx.get(server.url + place)

    assert (answer.status_code, code_of(answer)) == (401, "not_authorized")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer x", "Basic {token}", "bearer  {token}", "Bearer {token}x"]
)
def test_a_call_needs_the_token_as_it_is(server: Server, header: str) -> None:
    """Anything else is refused, in the form of JSON-RPC."""
    headers = {**JSON, "Authorization": header.format(token=server.token)}
    with serving(server.home.parent / "other") as other:
        answer = httpx.post(f"{other.url}/rpc", content=CALL, headers=headers)

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, -32009)


def test_the_token_is_not_taken_from_an_address(server: Server) -> None:
    """An address ends up in logs and histories."""
    answer = httpx.get(
        f"{server.url}/openrpc.json", params={"token": server.token, "access_token": server.token}
    )

    assert answer.status_code == 401


def test_health_is_told_to_everybody(server: Server) -> None:
    """Under whatever name, since it says nothing else."""
    for place in ("/healthz", "/readyz"):
        answer = httpx.get(server.url + place, headers={"Host": "anything.example"})

        assert (answer.status_code, answer.text) == (200, "ok\n")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:80",
        "192.0.2.1",
        "0.0.0.0",
        "",
        "a" * 9000,
    ],
)
def test_a_request_to_another_host_is_refused(server: Server, host: str) -> None:
    """A name that an attacker has made to resolve here reaches nothing, token or not."""
    answer = httpx.post(f"{server.url}/rpc", content=CALL, headers={**JSON, **server.headers, "Host": host})

    assert (answer.status_code, code_of(answer)) == (403, "foreign_request")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:1", "[::1]:8420", "127.1.2.3:80"])
def test_a_request_to_this_machine_is_answered(server: Server, host: str) -> None:
    """Its own names and addresses, whatever the port: something may forward another one."""
    answer = httpx.post(f"{server.url}/rpc", content=CALL, headers={**JSON, **server.headers, "Host": host})

    assert answer.json()["result"]["status"] == "ok"


def test_a_host_name_can_be_allowed(tmp_path: Path) -> None:
    """By the operator who has given it to the machine."""
    with serving(tmp_path / "home", "--allow-host", "Plays.Example") as server:
        headers = {**JSON, **server.headers, "Host": "plays.example:8420"}
        answer = httpx.get(f"{server.url}/openrpc.json", headers=headers)

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1:1", "http://localhost:3000", "file://"]
)
def test_a_page_of_another_site_is_refused(server: Server, origin: str) -> None:
    """What a browser says of a page that is not the server's own is enough, token or not."""
    answer = httpx.post(
        f"{server.url}/rpc", content=CALL, headers={**JSON, **server.headers, "Origin": origin}
    )

    assert (answer.status_code, code_of(answer)) == (403, "foreign_request")


def test_a_page_of_the_server_is_answered(server: Server) -> None:
    """Its origin is the address that it was asked at."""
    answer = httpx.post(
        f"{server.url}/rpc", content=CALL, headers={**JSON, **server.headers, "Origin": server.url}
    )

    assert "result" in answer.json()


def test_a_code_logs_in_once(server: Server) -> None:
    """It becomes a session that scripts of a page cannot read; the second use is refused."""
    code = server.http().post("/login-code").json()["code"]
    first = httpx.post(f"{server.url}/login", json={"code": code})
    second = httpx.post(f"{server.url}/login", json={"code": code})

    assert (first.status_code, second.status_code) == (204, 401)
    cookie = first.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    session = cookie.partition("=")[2].partition(";")[0]
    assert server.token not in cookie
    asked = httpx.get(f"{server.url}/openrpc.json", headers={"Cookie": f"a=b; hero_logic_session={session}"})
    assert asked.status_code == 200


def test_a_browser_can_ask_whether_it_may_ask(server: Server) -> None:
    """A first visit is answered, and not refused: nothing of it looks like a failure in a browser."""
    with log_in(server) as client:
        told = [
            httpx.get(f"{server.url}/session"),
            client.get("/session"),
            server.http().get("/session"),
            httpx.get(f"{server.url}/session", headers={"Cookie": "hero_logic_session=guess"}),
        ]

    assert [one.status_code for one in told] == [200] * 4
    assert [one.json()["may_ask"] for one in told] == [False, True, True, False]
    assert {one.headers["cache-control"] for one in told} == {"no-store"}


def test_guesses_at_a_session_are_counted_where_it_is_asked_after(tmp_path: Path) -> None:
    """As everywhere: the question is no way around the wait."""
    with serving(tmp_path / "home") as server:
        asked = [
            httpx.get(f"{server.url}/session", headers={"Cookie": f"hero_logic_session={n}"}).status_code
            for n in range(12)
        ]

    assert asked[0] == 200
    assert asked[-1] == 429


def test_the_code_that_a_server_prints_logs_in(tmp_path: Path) -> None:
    """The second line of standard error."""
    with serving(tmp_path / "home") as server:
        code = server.login_url.partition("#")[2]
        answer = httpx.post(f"{server.url}/login", json={"code": code})

    assert server.login_url.startswith(f"{server.url}/login#")
    assert answer.status_code == 204


def test_a_session_cannot_make_codes(server: Server) -> None:
    """It would outlive itself."""
    with log_in(server) as client:
        assert client.post("/login-code", headers=JSON).status_code == 401


def test_a_form_of_another_site_does_nothing(server: Server) -> None:
    """A browser sends a form with the session and without asking; its content types are refused."""
    with log_in(server) as client:
        form = client.post("/rpc", content=CALL, headers={"Content-Type": "text/plain"})
        script = client.post("/rpc", content=CALL, headers=JSON)

    assert (form.status_code, code_of(form)) == (403, "foreign_request")
    assert "result" in script.json()


def test_who_guesses_has_to_wait(tmp_path: Path) -> None:
    """After some wrong tokens or codes; who has the token is not held up by that."""
    with serving(tmp_path / "home") as server:
        statuses = [
            httpx.get(
                f"{server.url}/openrpc.json", headers={"Authorization": f"Bearer {number}"}, verify=NO_TLS
            ).status_code
            for number in range(12)
        ]
        code = httpx.post(f"{server.url}/login", json={"code": "guess"})

        assert statuses == [401] * 10 + [429] * 2
        assert (code.status_code, code_of(code)) == (429, "too_many")
        assert int(code.headers["retry-after"]) >= 1
        assert server.http().get("/openrpc.json").status_code == 200


def test_the_operator_can_limit_how_often_is_asked(tmp_path: Path) -> None:
    """Each client by itself."""
    with serving(tmp_path / "home", "--rate", "3") as server:
        client = server.http()
        statuses = [client.get("/openrpc.json").status_code for _ in range(5)]

    assert statuses == [200] * 3 + [429] * 2


def test_without_a_token_everybody_of_this_machine_may_ask(tmp_path: Path) -> None:
    """By an explicit switch; hosts, origins and content types are looked at all the same."""
    with serving(tmp_path / "home", "--no-token") as server:
        answer = httpx.post(f"{server.url}/rpc", content=CALL, headers=JSON)
        form = httpx.post(f"{server.url}/rpc", content=CALL)
        page = httpx.post(
            f"{server.url}/rpc", content=CALL, headers={**JSON, "Origin": "http://evil.example"}
        )

    assert answer.json()["error"]["code"] == -32001
    assert (form.status_code, page.status_code) == (403, 403)


@pytest.mark.parametrize(
    ("method", "place", "allowed"),
    [("GET", "/rpc", "POST"), ("PUT", "/rpc", "POST"), ("OPTIONS", "/rpc", "POST"), ("POST", "/events",
    "GET"),
     ("DELETE", "/plays/last/events", "GET"), ("PUT", "/login", "GET, POST"), ("POST", "/healthz", "GET")],
)  # fmt: skip
def test_a_wrong_method_is_told_the_right_one(server: Server, method: str, place: str, allowed: str) -> None:
    """405, with what there is."""
    answer = httpx.request(method, server.url + place, headers=server.headers)

    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize(
    "place",
    [
        "/nothing",
        "/plays",
        "/plays/last",
        "/plays/last/nothing",
        "/plays//snapshot",
        "/plays/a/b/events",
        "/plays/nobody/events",
        "/plays/nobody/snapshot",
        "/plays/nobody/columns",
        "//",
        "/%00",
        "/plays/%ff/events",
    ],
)
def test_what_is_not_there_is_not_found(server: Server, place: str) -> None:
    """404, and what to do."""
    answer = httpx.get(server.url + place, headers=server.headers)

    assert (answer.status_code, code_of(answer)) == (404, "not_found")


@pytest.mark.parametrize(
    "query",
    ["after=-1", "after=x", "after=1e3", "after=99999999999999999999", "limit=0", "limit=5001", "limit=%00"],
)
def test_a_wrong_number_is_told(server: Server, query: str) -> None:
    """400, with the value."""
    answer = httpx.get(f"{server.url}/plays/last/snapshot?{query}", headers=server.headers)

    assert (answer.status_code, code_of(answer)) == (400, "usage")


def test_what_is_no_http_is_refused(server: Server) -> None:
    """And the server goes on."""
    assert raw(server, "\0\0\0\0\n").startswith("HTTP/1.1 400")
    assert raw(server, "GET / HTTP/9.9\n").startswith("HTTP/1.1 400")
    assert raw(server, f"GET /{'a' * 300_000} HTTP/1.1\n").startswith("HTTP/1.1 400")
    assert raw(server, "GET /healthz HTTP/1.1\n" + "A: b\n" * 100_000).startswith("HTTP/1.1 400")
    assert server.call("play_status", play_sid="last")["status"] == "ok"


def test_the_unix_socket_asks_for_nothing(server: Server) -> None:
    """Its mode has: whoever can open it is its user."""
    with httpx.Client(
        transport=httpx.HTTPTransport(uds=server.socket_path), base_url="http://anything"
    ) as client:
        answer = client.post("/rpc", content=CALL)

    assert answer.json()["result"]["status"] == "ok"


def test_the_page_to_log_in_loads_nothing_of_others(server: Server) -> None:
    """Its policy names what it may, whether the page was built or not, and it is there without a token."""
    answer = httpx.get(f"{server.url}/login")

    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_metrics_are_those_of_prometheus(server: Server) -> None:
    """The official library reads what is counted."""
    from prometheus_client.parser import text_string_to_metric_families

    server.call("play_status", play_sid="last")
    families = {
        family.name: family for family in text_string_to_metric_families(server.http().get("/metrics").text)
    }

    counted = {
        (sample.labels["method"], sample.labels["code"]): sample.value
        for sample in families["hero_logic_rpc_calls"].samples
    }
    assert counted["play_status", ""] >= 1
    assert {"hero_logic_rpc_seconds", "hero_logic_http_answers", "hero_logic_stream_readers",
    "hero_logic_connections",
            "hero_logic_store_revision"} <= set(families)  # fmt: skip


def test_what_clients_make_up_is_no_label(server: Server) -> None:
    """Else the page would grow without a bound."""
    server.http().get("/made-up-by-a-client")
    server.post('{"jsonrpc":"2.0","id":1,"method":"made_up_by_a_client"}')

    assert "made" not in server.http().get("/metrics").text


def test_a_failure_of_the_server_tells_nothing_of_itself(tmp_path: Path) -> None:
    """The answer names an id; what happened is in the log under it, and the token is not."""
    patch = ("play_methods", "m.document.list_document = lambda *_: 1 / 0")
    with serving(tmp_path / "home", patch=patch) as server:
        answer = server.post('{"jsonrpc":"2.0","id":1,"method":"play_list"}')
        status, logged = server.stop()

    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["data"]["code"]) == (200, -32603, "internal_error")
    assert "ZeroDivision" not in answer.text
    assert "Traceback" not in answer.text
    found = re.search(r"under (\w+)$", error["message"])
    assert found
    [line] = [line for line in map(json.loads, logged.splitlines()) if line["event"] == "call_failed"]
    assert (line["id"], status) == (found[1], 0)
    assert "ZeroDivisionError" in line["traceback"]
    assert server.token not in logged


def test_the_log_has_a_line_of_json_for_what_is_refused(tmp_path: Path) -> None:
    """And for each request where it was asked for; no secret is in it, nor a query."""
    with serving(tmp_path / "home", "--log-requests") as server:
        server.http().get("/openrpc.json?secret=abc")
        httpx.get(f"{server.url}/openrpc.json", headers={"Authorization": "Bearer of-somebody"})
        code = server.http().post("/login-code").json()["code"]
        cookie = httpx.post(f"{server.url}/login", json={"code": code}).headers["set-cookie"]
        _, logged = server.stop()

    lines = [json.loads(line) for line in logged.splitlines()]
    assert [line["event"] for line in lines] == [
        "serving", "request", "refused", "request", "request", "logged_in", "request", "stopped"
    ]  # fmt: skip
    secrets = (server.token, "of-somebody", code, cookie.partition("=")[2].partition(";")[0], "abc")
    assert [secret for secret in secrets if secret in logged] == []
