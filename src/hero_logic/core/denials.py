"""What a play was denied, and which flag would have allowed it: a sentence for the one who runs it. Pure.

Laws:

1. Only what is so: where a flag would not have helped, none is named; where it is not known, that is said.
2. Nothing is told of the host's files but of paths that the flow named itself, and those as it named them.
3. A flow says what it was denied, and may lie: what it says can make a sentence and a flag to be typed, and
   no more.

Source: docs/grants.md, "What is said of a denial".
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from hero_logic.core.grants import flag
from hero_logic.core.needs import net_problem, path_problem

_PATH_ERRORS = (errno.EACCES, errno.EPERM, errno.ENOENT, errno.EROFS)
_NETWORK_ERRORS = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EAFNOSUPPORT)
_MAX_TOLD = 3
_MANUAL = 'docs/grants.md, "HTTP clients"'


class Denied(msgspec.Struct, frozen=True):
    """What the flow's own error says (runner/boot.py): its number, and what it was about."""

    errno: int = 0
    path: str = ""
    is_name: bool = False
    """Whether it is a name of the network that led nowhere."""
    host: str = ""
    port: int = 0


class PathFacts(msgspec.Struct, frozen=True):
    """What is so of a path on the host."""

    exists: bool = False
    is_parent_there: bool = False
    is_readable: bool = False
    is_writable: bool = False
    refusal: str = ""
    """Why it is never granted, or ""."""
    is_read_granted: bool = False
    is_write_granted: bool = False
    is_always_seen: bool = False
    """Whether every play sees it, or what is there instead: the system, its interpreter, its own files."""


class Refusal(Protocol):
    """One attempt that the proxy denied (runner/proxy.py)."""

    endpoint: str
    why: str
    allow: str


def explain(
    denied: Denied | None,
    *,
    isolation: str,
    granted_net: Iterable[str],
    look_at: Callable[[str], PathFacts],
    refusals: Iterable[Refusal] = (),
) -> str:
    """Why it was, and what would allow it, as lines; "" where that is not known.

    Args:
        denied: what the flow's error says; None where it was none of these.
        isolation: what the play was kept in.
        granted_net: what it was granted of the network.
        look_at: gives the facts of a path; asked only of one that the flow named.
        refusals: what its proxy denied.
    """
    if isolation == "none":
        return ""
    lines = [_refused(refusal) for refusal in refusals][:_MAX_TOLD]
    if not lines and denied is not None:
        if denied.is_name or denied.errno in _NETWORK_ERRORS:
            lines = [_network(denied, isolation, list(granted_net))]
        elif denied.path and denied.errno in _PATH_ERRORS and not path_problem(denied.path):
            lines = [_path(denied, look_at(denied.path))]
    return "\n".join(line for line in lines if line)


def _refused(refusal: Refusal) -> str:
    hint = f"; {flag('net', refusal.allow)} would allow it" if refusal.allow else ""
    return f"the flow was denied {refusal.endpoint}: {refusal.why}{hint}"


def _network(denied: Denied, isolation: str, granted: list[str]) -> str:
    if isolation == "landlock":
        return (
            "the flow was denied the network: in the isolation landlock a play has none, whatever is granted"
        )
    if denied.errno == errno.EAFNOSUPPORT:
        return ""  # a kind of socket that no flag grants
    endpoint = f"[{denied.host}]:{denied.port}" if ":" in denied.host else f"{denied.host}:{denied.port}"
    if not denied.host or net_problem(endpoint):
        endpoint = ""
    if endpoint and _is_covered(endpoint, granted):
        return (
            f"the flow was granted {endpoint}, and did not go through its proxy: "
            f"its client has to honour HTTPS_PROXY ({_MANUAL})"
        )
    named = f"the flow was denied {endpoint}" if endpoint else "the flow was denied the network"
    return f"{named}; {flag('net', endpoint) if endpoint else '--allow-net HOST:PORT'} would allow it"


def _is_covered(endpoint: str, granted: list[str]) -> bool:
    from hero_logic.core.addresses import read_endpoint

    asked = read_endpoint(endpoint)
    return any(read_endpoint(grant).covers(asked) for grant in granted)


def _path(denied: Denied, facts: PathFacts) -> str:
    path = denied.path
    if facts.is_write_granted:
        return ""
    wants_write = denied.errno == errno.EROFS or facts.is_read_granted
    if facts.is_always_seen and not wants_write:
        return ""
    if facts.refusal:
        return f"the flow was denied {path}, which is never granted: {facts.refusal}" if facts.exists else ""
    if facts.exists:
        return _existing(path, facts, wants_write=wants_write)
    if wants_write or not facts.is_parent_there:
        return ""
    parent = path.rpartition("/")[0]
    return (
        f"the flow does not see {parent}, and there is no {path} on this host; "
        f"if it is to write there, {flag('write', parent)} would allow it"
    )


def _existing(path: str, facts: PathFacts, *, wants_write: bool) -> str:
    if wants_write:
        if facts.is_writable:
            return f"the flow was denied writing {path}; {flag('write', path)} would allow it"
        return ""
    if not facts.is_readable:
        return ""
    return (
        f"the flow was denied {path}; {flag('read', path)} would allow reading it, --allow-write writing too"
    )
