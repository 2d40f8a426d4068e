"""The page: files that were built from ``web/``, given as they stand.

All of them are in memory: a server that runs serves one build, whole, whatever becomes of the files.
Nothing is compressed here, since the build did. Names with a hash in them never change; the document, which
is the same at every address of the page, is asked after each time, and answered with 304 where it is known.

Laws:

1. What is served is what the build listed: no path of a request is ever opened.
2. The page may run its own scripts and ask this server, and nothing else: :data:`POLICY`.
3. Where the page was not built, its addresses say how to build it.

Source: docs/page.md, docs/design/0026-the-page.md.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

BUILT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "page")
"""Where the build puts the page."""

POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    b"worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""No inline script or style, no other host, no frame."""

_ADDRESSES = frozenset(("/", "/library", "/compare", "/login"))
_TYPES = {
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".svg": b"image/svg+xml",
}
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
_FOR_EVER = b"public, max-age=31536000, immutable"
_ASK_FIRST = b"no-cache"
_GUARDS = (
    (b"content-security-policy", POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_NOT_BUILT = b"""<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>hero-logic</title>
<h1>The page is not built</h1>
<p>The server runs, and <code>/rpc</code>, the event streams and the command line do all that they should.
Only the page is missing from this installation.</p>
<p>In a clone, run <code>make setup</code> and start the server again: it builds the page with Node 22.12 or
newer. A released wheel has the page in it.</p>
</html>
"""


class PageFile(msgspec.Struct, frozen=True):
    """A file of the page, in each form in which it can be sent."""

    headers: tuple[tuple[bytes, bytes], ...]
    etag: bytes
    forms: tuple[tuple[str, bytes], ...]
    """Encoding and bytes, the smallest first; the last is "", as it stands."""

    def form(self, accepted: bytes) -> tuple[str, bytes]:
        """The smallest form that an ``Accept-Encoding`` allows."""
        words = {
            name.strip().decode("latin-1").lower(): quality.replace(b" ", b"")
            for name, _, quality in (part.partition(b";") for part in accepted.split(b","))
        }
        for encoding, body in self.forms:
            if not encoding or words.get(encoding, b"q=0") not in (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000"):
                return encoding, body
        raise AssertionError("the last form has no encoding")


class Page:
    """All files of one build.

    Args:
        built: where they are; there may be nothing.
    """

    def __init__(self, built: str = BUILT) -> None:
        self._files = dict(_read_files(built))
        index = self._files.pop("/index.html", None)
        self.is_built = index is not None
        self._index = index if index is not None else _file(".html", _NOT_BUILT, (), is_for_ever=False)

    def find(self, path: str) -> PageFile | None:
        """What a path of a request means; None where it is none of the page's."""
        if path in _ADDRESSES or _is_play(path):
            return self._index
        return self._files.get(path)


def answer(
    file: PageFile, *, accepted: bytes, known: bytes
) -> tuple[int, tuple[tuple[bytes, bytes], ...], bytes]:
    """Status, headers and body for a request with that ``Accept-Encoding`` and ``If-None-Match``."""
    encoding, body = file.form(accepted)
    headers = (*file.headers, (b"etag", file.etag))
    if file.etag in (tag.strip().removeprefix(b"W/") for tag in known.split(b",")):
        return 304, headers, b""
    if encoding:
        headers = (*headers, (b"content-encoding", encoding.encode()))
    return 200, headers, body


def _is_play(path: str) -> bool:
    return path.startswith("/p/") and len(path) > 3 and "/" not in path[3:]


def _read_files(built: str) -> Iterator[tuple[str, PageFile]]:
    """Path of a request and file; nothing but what has a type is of the page."""
    for directory, _, names in os.walk(built):
        for name in names:
            ending = os.path.splitext(name)[1]
            if ending not in _TYPES:
                continue
            path = os.path.join(directory, name)
            forms = [
                (encoding, _read(path + more)) for encoding, more in _ENCODINGS if os.path.exists(path + more)
            ]
            under = "/" + os.path.relpath(path, built).replace(os.sep, "/")
            yield under, _file(ending, _read(path), tuple(forms), is_for_ever=under.startswith("/assets/"))


def _file(ending: str, body: bytes, forms: tuple[tuple[str, bytes], ...], *, is_for_ever: bool) -> PageFile:
    headers = (
        (b"content-type", _TYPES[ending]),
        (b"cache-control", _FOR_EVER if is_for_ever else _ASK_FIRST),
        (b"vary", b"accept-encoding"),
        *_GUARDS,
    )
    etag = b'"%s"' % hashlib.sha256(body).hexdigest()[:32].encode()
    smaller = tuple((encoding, text) for encoding, text in forms if len(text) < len(body))
    return PageFile(headers, etag, (*smaller, ("", body)))


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
