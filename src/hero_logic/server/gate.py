"""Who may ask: the token, log-in codes and sessions, host names and origins, how often.

Laws:

1. The token is in one file, which its owner alone can read. It is never in a log, an address or an answer.
2. Secrets are compared in constant time.
3. A request is to a name of this server and, where a browser says whence it comes, from a page of this
   server: a page of another site cannot reach it through a name that it has made to resolve here (DNS
   rebinding).
4. Who fails too often waits; so does who asks more often than the operator allows.

Source: docs/rpc.md, "Who may ask".
"""

from __future__ import annotations

import hmac
import ipaddress
import os
import secrets
from typing import TYPE_CHECKING

from hero_logic.core.errors import ForeignRequest, NotAuthorized, TooMany, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN_FILE = "server-token"  # noqa: S105  # a file's name
COOKIE = "hero_logic_session"
CODE_S = 300.0
SESSION_S = 12 * 3600.0
MAX_SESSIONS = 1000
MAX_CODES = 100
FAILURES_AT_ONCE = 10
FAILURES_A_SECOND = 0.2
_MAX_KNOWN_CLIENTS = 10_000
_TOKEN_BYTES = 32
_CODE_BYTES = 16


def load_token(home: str) -> str:
    """The token of a data directory; made, for its owner alone, where there is none.

    Raises:
        UsageError: its file cannot be read or made, can be read by others, or holds something else.
    """
    path = os.path.join(home, TOKEN_FILE)
    try:
        os.makedirs(home, mode=0o700, exist_ok=True)
        try:
            return _read_token(path)
        except FileNotFoundError:
            return _make_token(path)
    except OSError as error:
        raise UsageError(f"the token's file {path} cannot be used: {error.strerror}.") from error


def _read_token(path: str) -> str:
    with open(path, encoding="ascii", errors="replace") as file:
        mode = os.fstat(file.fileno()).st_mode & 0o777
        token = file.read(1000).strip()
    if mode & 0o077:
        raise UsageError(
            f"the token's file {path} can be read by others (mode {mode:o}). Remove it, and the next "
            "start makes "
            "a new token; or, if nobody has read it, `chmod 600` it."
        )
    if len(token) < _TOKEN_BYTES or not token.replace("-", "").replace("_", "").isalnum():
        raise UsageError(
            f"the token's file {path} holds no token. Remove it, and the next start makes a new one."
        )
    return token


def _make_token(path: str) -> str:
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    # Whole or not at all: two servers that start at once have the same token.
    beside = f"{path}.{secrets.token_hex(8)}"
    with open(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
        file.write(token + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(beside, path)
    except FileExistsError:
        return _read_token(path)
    finally:
        os.unlink(beside)
    return token


class Bucket:
    """So many at once, and so many a second after that, for each client.

    >>> now = [0.0]
    >>> bucket = Bucket(2, 1.0, clock_s=lambda: now[0])
    >>> [bucket.take("a") for _ in range(3)]
    [0.0, 0.0, 1.0]
    """

    def __init__(self, at_once: float, a_second: float, *, clock_s: Callable[[], float]) -> None:
        self._at_once = at_once
        self._a_second = a_second
        self._clock_s = clock_s
        self._clients: dict[str, tuple[float, float]] = {}

    def take(self, client: str) -> float:
        """Take one; 0.0, or how many seconds to wait until there is one."""
        wait_s = self.wait_s(client)
        if wait_s:
            return wait_s
        left, _ = self._left(client)
        if len(self._clients) >= _MAX_KNOWN_CLIENTS and client not in self._clients:
            self._clients.clear()
        self._clients[client] = (left - 1, self._clock_s())
        return 0.0

    def wait_s(self, client: str) -> float:
        """How many seconds to wait until there is one; 0.0 where there is. Nothing is taken."""
        left, _ = self._left(client)
        return 0.0 if left >= 1 else (1 - left) / self._a_second

    def _left(self, client: str) -> tuple[float, float]:
        now_s = self._clock_s()
        left, since_s = self._clients.get(client, (self._at_once, now_s))
        return min(self._at_once, left + (now_s - since_s) * self._a_second), now_s


class Gate:
    """Lets requests through, or says why not.

    Args:
        token: what a request has to have; None where none is asked for.
        host: the address that the server listens at.
        names: other host names that are the server's.
        rate: how many requests a second each client may send; 0: as many as it likes.
        clock_s: a clock that never goes back.
    """

    def __init__(
        self,
        token: str | None,
        *,
        host: str,
        names: tuple[str, ...] = (),
        rate: float = 0.0,
        clock_s: Callable[[], float],
    ) -> None:
        self._bearer = None if token is None else b"Bearer " + token.encode()
        self._is_loopback = is_loopback(host)
        self._names = frozenset(
            name.lower() for name in ("localhost", *names, *(() if _is_address(host) else (host,)))
        )
        self._clock_s = clock_s
        self._codes: dict[str, float] = {}
        self._sessions: dict[str, float] = {}
        self._failures = Bucket(FAILURES_AT_ONCE, FAILURES_A_SECOND, clock_s=clock_s)
        self._rates = Bucket(max(rate, 1.0), rate, clock_s=clock_s) if rate else None
        self._known_hosts: set[bytes] = set()

    def check_place(self, host: bytes | None, origin: bytes | None) -> None:
        """Law 3.

        Raises:
            ForeignRequest: the request is not to this server, or not from a page of it.
        """
        if host not in self._known_hosts:
            self._check_host(host)
        if origin is not None and origin not in (b"http://" + (host or b""), b"https://" + (host or b"")):
            raise ForeignRequest(
                f"a page of {origin.decode('latin-1')!r} may not use this server: its pages are those of "
                f"{(host or b'').decode('latin-1')!r}."
            )

    def check_rate(self, client: str) -> None:
        """Law 4.

        Raises:
            TooMany: the client has to wait.
        """
        if self._rates is not None and (wait_s := self._rates.take(client)):
            raise _too_many("requests", wait_s)

    def check_who(self, client: str, authorization: bytes | None, cookie: bytes | None) -> None:
        """The token, or a session that has not ended.

        Raises:
            NotAuthorized: neither.
            TooMany: this client has failed too often.
        """
        bearer = self._bearer
        if bearer is None:
            return
        if authorization is not None and hmac.compare_digest(authorization, bearer):
            return
        if cookie is not None and self._has_session(cookie):
            return
        if authorization is None and cookie is None:
            raise NotAuthorized("this server wants a token, and the request has none.")
        self._count_failure(client)
        raise NotAuthorized("the token, or the session, of the request is not one of this server's.")

    def new_code(self) -> str:
        """A code that logs in once, within five minutes."""
        now_s = self._clock_s()
        self._codes = {code: until_s for code, until_s in self._codes.items() if until_s > now_s}
        if len(self._codes) >= MAX_CODES:
            del self._codes[next(iter(self._codes))]
        code = secrets.token_urlsafe(_CODE_BYTES)
        self._codes[code] = now_s + CODE_S
        return code

    def log_in(self, client: str, code: str) -> str:
        """A new session for a code, which is used up by it.

        Raises:
            NotAuthorized: there is no such code, it is too old, or was used.
            TooMany: this client has failed too often.
        """
        if wait_s := self._failures.wait_s(client):
            raise _too_many("failed log-ins", wait_s)
        found = None
        for known in self._codes:
            if hmac.compare_digest(known.encode(), code.encode("utf-8", "replace")):
                found = known
        now_s = self._clock_s()
        if found is None or self._codes.pop(found) <= now_s:
            self._count_failure(client)
            raise NotAuthorized(
                "there is no such log-in code: each works once, for five minutes. `hero-logic open` "
                "makes a new one."
            )
        self._sessions = {session: until_s for session, until_s in self._sessions.items() if until_s > now_s}
        if len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        session = secrets.token_urlsafe(_TOKEN_BYTES)
        self._sessions[session] = now_s + SESSION_S
        return session

    def _has_session(self, cookie: bytes) -> bool:
        wanted = COOKIE.encode()
        for part in cookie.split(b";"):
            name, _, value = part.strip().partition(b"=")
            if name == wanted:
                now_s = self._clock_s()
                return any(
                    hmac.compare_digest(session.encode(), value) and until_s > now_s
                    for session, until_s in self._sessions.items()
                )
        return False

    def _count_failure(self, client: str) -> None:
        if wait_s := self._failures.take(client):
            raise _too_many("failures", wait_s)

    def _check_host(self, host: bytes | None) -> None:
        name = _name_of((host or b"").decode("latin-1"))
        is_ours = name in self._names or (is_loopback(name) if self._is_loopback else _is_address(name))
        if not is_ours:
            raise ForeignRequest(
                f"the request is to the host {name[:100]!r}, which is no name of this server. "
                "Start it with --allow-host if it is."
            )
        if len(self._known_hosts) < 100:
            self._known_hosts.add(host or b"")


def _too_many(what: str, wait_s: float) -> TooMany:
    error = TooMany(f"too many {what}; the next one is allowed in {wait_s:.0f} s.")
    error.wait_s = wait_s
    return error


def _name_of(host: str) -> str:
    """The name in a ``Host`` header, without its port.

    >>> _name_of("LocalHost:80"), _name_of("[::1]:8420"), _name_of("::1")
    ('localhost', '::1', '::1')
    """
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    if host.count(":") > 1:
        return host.lower()
    return host.partition(":")[0].rstrip(".").lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(name: str) -> bool:
    """Whether an address or a name is this machine's own.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    if name == "localhost":
        return True
    return _is_address(name) and ipaddress.ip_address(name).is_loopback
