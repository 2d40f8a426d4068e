"""The files of the page: what is served of them, and how."""

from __future__ import annotations

import gzip
import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from hero_logic.server.page_files import POLICY, Page, answer
from support.serving import Server, serving

SCRIPT = b"export const a = 1;" * 100
PLACES = ("/", "/library", "/compare", "/login", "/p/abc", "/p/last", "/compare?a=1&b=2")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build of one script and one document, and of what is not for readers."""
    directory = tmp_path_factory.mktemp("built")
    page = directory / "page"
    (page / "assets").mkdir(parents=True)
    (page / "index.html").write_bytes(b"<!doctype html><title>page</title>")
    (page / "manifest.json").write_bytes(b"{}")
    (page / "assets" / "a-123.js").write_bytes(SCRIPT)
    (page / "assets" / "a-123.js.gz").write_bytes(gzip.compress(SCRIPT))
    (page / "assets" / "a-123.js.br").write_bytes(b"brotli, or so")
    (directory / "secret.js").write_bytes(b"a secret")
    return page


@contextmanager
def serving_page(home: Path, built: Path, *options: str) -> Iterator[Server]:
    """A server that has this build."""
    statement = f"m.Page.__init__.__defaults__ = ({str(built)!r},)"
    with serving(home, *options, patch=("page_files", statement)) as server:
        yield server


@pytest.fixture(scope="module")
def paged(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that has it."""
    with serving_page(tmp_path_factory.mktemp("s") / "home", built) as server:
        yield server


def test_the_document_is_at_every_address_of_the_page(paged: Server) -> None:
    """Without a token: it has no secret, and without it nobody could log in."""
    answers = [httpx.get(paged.url + place) for place in PLACES]

    assert {(one.status_code, one.text) for one in answers} == {(200, "<!doctype html><title>page</title>")}
    assert {one.headers["content-security-policy"] for one in answers} == {POLICY.decode()}
    assert {one.headers["cache-control"] for one in answers} == {"no-cache"}


def test_a_document_that_is_known_is_not_sent_again(paged: Server) -> None:
    """It is asked after each time, and answered with 304."""
    with httpx.Client(base_url=paged.url) as client:
        etag = client.get("/").headers["etag"]
        known = client.get("/p/abc", headers={"If-None-Match": f'"other", W/{etag}'})
        other = client.get("/p/abc", headers={"If-None-Match": '"other"'})

    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", etag)
    assert other.status_code == 200


def test_a_file_with_a_hash_in_its_name_is_kept_for_ever(paged: Server) -> None:
    """And the smallest form of it is sent that the browser takes."""
    with httpx.Client(base_url=paged.url) as client:
        packed = client.get("/assets/a-123.js", headers={"Accept-Encoding": "gzip"})
        plain = client.get("/assets/a-123.js", headers={"Accept-Encoding": "identity"})

    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content == SCRIPT
    assert packed.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert packed.headers["content-type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        (b"gzip, deflate, br", "br"),
        (b"BR;q=1.0", "br"),
        (b"br;q=0, gzip", "gzip"),
        (b"", ""),
        (b"*;q=0", ""),
        (b",;;q=,\xff", ""),
    ],
)
def test_what_is_accepted_decides_the_form(built: Path, accepted: bytes, encoding: str) -> None:
    """The smallest that is allowed; whatever the header holds."""
    file = Page(str(built)).find("/assets/a-123.js")

    assert file is not None
    _, headers, body = answer(file, accepted=accepted, known=b"")
    assert dict(headers).get(b"content-encoding", b"").decode() == encoding
    assert body == dict(file.forms)[encoding]


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../../secret.js",
        "/../secret.js",
        "/assets/%2e%2e/%2e%2e/secret.js",
        "//secret.js",
        "/assets/a-123.js.gz",
        "/assets",
        "/manifest.json",
        "/p/",
        "/p/a/b",
        "/library/",
    ],
)
def test_nothing_is_served_that_is_no_file_of_the_page(paged: Server, path: str) -> None:
    """Paths are looked up among the files that there are; no path of a request is opened."""
    connection = http.client.HTTPConnection("127.0.0.1", paged.port, timeout=10)
    connection.request("GET", path)  # as it stands: httpx would tidy it up
    status = connection.getresponse().status
    connection.close()

    assert status == 401


@pytest.mark.parametrize("path", ["/nothing", "/p/a/b", "/plays/last/nothing", "/assets/gone-1.js", "//"])
def test_where_there_is_nothing_a_browser_gets_the_page(paged: Server, path: str) -> None:
    """It says so in words, and still is 404: asked for without a session, kept by no cache's tag."""
    known = {"If-None-Match": httpx.get(paged.url + "/").headers["etag"]}
    told = httpx.get(paged.url + path, headers={"Accept": "text/html,*/*;q=0.8", **known})

    assert (told.status_code, told.text) == (404, "<!doctype html><title>page</title>")
    assert told.headers["content-security-policy"] == POLICY.decode()


@pytest.mark.parametrize("accepted", ["*/*", "application/json", ""])
def test_where_there_is_nothing_a_program_gets_json(paged: Server, accepted: str) -> None:
    """With the token it is told what there is instead."""
    told = paged.http().get("/nothing", headers={"Accept": accepted})

    assert told.status_code == 404
    assert "there is nothing at '/nothing'" in told.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/openrpc.json", "/metrics", "/plays/last/snapshot"])
def test_a_browser_is_refused_what_there_is(paged: Server, path: str) -> None:
    """The page stands in for what is not there, and for nothing that is."""
    assert httpx.get(paged.url + path, headers={"Accept": "text/html"}).status_code == 401


def test_where_the_page_is_not_built_it_says_how(tmp_path: Path) -> None:
    """And the login goes on without it."""
    with serving_page(tmp_path / "home", tmp_path / "nothing") as server:
        page = httpx.get(f"{server.url}/p/abc")
        login = httpx.get(f"{server.url}/login")

    assert page.status_code == 200
    assert "make setup" in page.text
    assert "<script>" not in page.text
    assert "location.hash" in login.text


def test_the_page_takes_no_other_method(paged: Server) -> None:
    """It can be read; POST /login is the one that can be sent there."""
    posted = httpx.post(f"{paged.url}/library", json={})
    head = httpx.head(f"{paged.url}/")

    assert (posted.status_code, posted.headers["allow"]) == (405, "GET")
    assert (head.status_code, head.content) == (200, b"")
