"""What an operator grants to a flow, against what the flow asks for: pure, on paths that are resolved.

Laws:

1. Asking grants nothing. What is asked for and not granted ends the play before it is spawned, and the
   message has the very flags that would grant it.
2. A flag of ``run`` is said for this one play: it is granted as it stands, asked for or not. A policy is said
   once for many flows: of it a play gets what its flow asks for, and no more.
3. What would open more than a path says is never granted: what lies around the runtime's own data, or around
   sockets through which all of a user's machine can be had.

Source: docs/grants.md.
"""

from __future__ import annotations

from hero_logic.core.errors import UsageError
from hero_logic.core.needs import KINDS, name_problem, net_problem, path_problem
from hero_logic.core.policy import RPC_VARIABLE_PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

FLAGS = {
    "read": "--allow-read",
    "write": "--allow-write",
    "net": "--allow-net",
    "rpc": "--rpc",
    "env": "--env",
}
_DEFAULT = "default"
_BY_NAME = "flows"
_BY_PATH = "paths"
_PLAIN_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_")

_NEVER = ("/proc", "/dev")
"""Of a play's own world, whatever the host has there."""
_NEVER_WHOLE = ("/", "/etc", "/run", "/var/run", "/sys", "/home", "/var")
"""Directories that hold secrets, or sockets, of everybody."""

_ENGINES = {
    "docker.sock": "a container engine",
    "podman.sock": "a container engine",
    "containerd.sock": "a container engine",
    "crio.sock": "a container engine",
    "buildkitd.sock": "a container engine",
    "lxd.socket": "a container engine",
    "libvirt-sock": "a container engine",
    "system_bus_socket": "D-Bus",
}
"""By the name of the socket: whose it is."""


class Said:
    """What an operator said with flags, as it was typed."""

    __slots__ = ("env", "net", "policy", "read", "rpc", "write")

    def __init__(
        self,
        *,
        read: tuple[str, ...] = (),
        write: tuple[str, ...] = (),
        net: tuple[str, ...] = (),
        rpc: tuple[str, ...] = (),
        env: tuple[str, ...] = (),
        policy: str | None = None,
    ) -> None:
        self.read = read
        self.write = write
        self.net = net
        self.rpc = rpc
        """``NAME=PATH``."""
        self.env = env
        self.policy = policy


class Grants:
    """What is granted: paths that are resolved, endpoints as text, services with their sockets, variables."""

    __slots__ = ("env", "net", "read", "rpc", "write")

    def __init__(
        self,
        *,
        read: Iterable[str] = (),
        write: Iterable[str] = (),
        net: Iterable[str] = (),
        rpc: dict[str, str] | None = None,
        env: Iterable[str] = (),
    ) -> None:
        self.read = list(dict.fromkeys(read))
        self.write = list(dict.fromkeys(write))
        self.net = list(dict.fromkeys(net))
        self.rpc = dict(rpc or {})
        self.env = list(dict.fromkeys(env))

    def covers(self, kind: str, entry: str) -> bool:
        """Whether what is asked for is granted; a path is resolved.

        >>> [Grants(read=["/data"]).covers("read", path) for path in ("/data/x.csv", "/dat")]
        [True, False]
        """
        return self.covering(kind, entry) is not None

    def covering(self, kind: str, entry: str) -> str | None:
        """The grant that covers what is asked for, or None."""
        granted: Iterable[str] = getattr(self, kind)
        if kind == "read":
            granted = [*self.read, *self.write]
        return next((grant for grant in granted if _covers(kind, grant, entry)), None)

    def is_empty(self) -> bool:
        """Whether nothing at all is granted."""
        return not (self.read or self.write or self.net or self.rpc or self.env)


def _covers(kind: str, grant: str, entry: str) -> bool:
    if kind in ("read", "write"):
        return is_at_or_below(entry, grant)
    if kind == "net":
        from hero_logic.core.addresses import read_endpoint

        return read_endpoint(grant).covers(read_endpoint(entry))
    return entry == grant


def is_at_or_below(path: str, directory: str) -> bool:
    """Whether a path is a directory, or in it; both are resolved.

    >>> is_at_or_below("/a/b", "/a"), is_at_or_below("/ab", "/a"), is_at_or_below("/a", "/")
    (True, False, True)
    """
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def flag(kind: str, value: str) -> str:
    """The flag of ``run`` that grants something, as it is typed into a shell.

    >>> flag("read", "/data/x y.csv"), flag("env", "API_KEY")
    ("--allow-read '/data/x y.csv'", '--env API_KEY')
    """
    if not value or not _PLAIN_CHARACTERS.issuperset(value):
        value = "'" + value.replace("'", "'\"'\"'") + "'"
    return f"{FLAGS[kind]} {value}"


def refusal_text(flow: str, missing: Iterable[tuple[str, str]]) -> str:
    """What is said of a play that asks for what was not granted.

    Args:
        flow: its name.
        missing: (kind, what the flag would have to say), in order.
    """
    flags = list(dict.fromkeys(flag(kind, value) for kind, value in missing))
    lines = [f"the flow {flow!r:.200} asks for what it was not granted; it was not started. To grant it:"]
    lines += [f"  {line}" for line in flags]
    lines.append("or name a policy file that grants it, with --policy FILE or HERO_LOGIC_POLICY.")
    return "\n".join(lines)


class Surroundings:
    """What of this host must stay out of every play's reach: resolved paths."""

    __slots__ = ("agent_sockets", "code_dirs", "data_dir", "policy_file", "socket_dirs")

    def __init__(
        self,
        *,
        data_dir: str,
        socket_dirs: Iterable[str],
        agent_sockets: dict[str, str],
        code_dirs: Iterable[str] = (),
        policy_file: str = "",
    ) -> None:
        self.data_dir = data_dir
        self.socket_dirs = list(socket_dirs)
        """Where sockets of plays and of the user's session are."""
        self.agent_sockets = agent_sockets
        """{path: whose it is}: those of ssh's and gpg's agents, of buses and of engines, that are there."""
        self.code_dirs = list(code_dirs)
        """What the runtime and the plays are made of: its own code, its interpreter's, the plays'."""
        self.policy_file = policy_file


def path_refusal(path: str, *, is_write: bool, around: Surroundings) -> str:
    """Why a resolved path is never granted; "" where it may be.

    >>> around = Surroundings(data_dir="/home/a/.hero_logic", socket_dirs=["/tmp"], agent_sockets={})
    >>> path_refusal("/home/a", is_write=False, around=around)
    'the data of hero-logic itself, with the records of all plays, lies in it'
    >>> path_refusal("/home/a/data", is_write=False, around=around)
    ''
    """
    if not path.isprintable():
        return "its name has characters that do not print"
    for never in _NEVER:
        if is_at_or_below(path, never):
            return f"a play has a {never} of its own"
    if path in _NEVER_WHOLE:
        return "that is no place for one flow: name the file or the directory that it needs"
    if is_at_or_below(around.data_dir, path):
        return "the data of hero-logic itself, with the records of all plays, lies in it"
    if is_at_or_below(path, around.data_dir):
        return "it is part of the data of hero-logic itself; `run --keep DIR` copies what a play left"
    if any(is_at_or_below(directory, path) for directory in around.socket_dirs):
        return "sockets of plays or of this user's session lie in it"
    for socket, whose in around.agent_sockets.items():
        if is_at_or_below(socket, path):
            return f"the socket of {whose} ({socket}) lies in it"
    return _write_refusal(path, around) if is_write else ""


def _write_refusal(path: str, around: Surroundings) -> str:
    """Why nothing may be written there: it would change what runs next, or what that is granted."""
    if any(is_at_or_below(code, path) or is_at_or_below(path, code) for code in around.code_dirs):
        return (
            "code of hero-logic or of its interpreter lies in it, which a flow that may write there could "
            "change; name the directory that the flow is to write to"
        )
    if around.policy_file and is_at_or_below(around.policy_file, path):
        return "the policy lies in it, which a flow that may write there could change for the next play"
    return ""


def socket_refusal(path: str, *, around: Surroundings) -> str:
    """Why a Unix socket at a resolved path is never granted to a play; "" where it may be.

    >>> around = Surroundings(data_dir="/data", socket_dirs=["/tmp"], agent_sockets={})
    >>> socket_refusal("/run/docker.sock", around=around)
    'it is the socket of a container engine, and who has that has this machine'
    """
    name = path.rpartition("/")[2]
    whose = around.agent_sockets.get(path) or _ENGINES.get(name, "")
    if not whose and name.startswith(("agent.", "S.gpg-agent", "S.scdaemon")):
        whose = "an agent that holds keys"
    if not whose and path.startswith(("/run/systemd/", "/run/dbus/")):
        whose = "the system's own manager"
    if whose:
        return f"it is the socket of {whose}, and who has that has this machine"
    if is_at_or_below(path, around.data_dir) or (name.startswith("spans-") and name.endswith(".sock")):
        return "it is a socket of hero-logic's own"
    return ""


# --- policy files ------------------------------------------------------------------------------------


class PolicyTable:
    """What one table of a policy grants, and to whom; paths stand as they were written."""

    __slots__ = ("by", "grants", "key")

    def __init__(self, by: str, key: str, grants: Grants) -> None:
        self.by = by
        self.key = key
        self.grants = grants

    def is_for(self, *, flow: str, path: str) -> bool:
        """Whether a flow of that name, in the file at that resolved path, is meant."""
        if self.by == _BY_NAME:
            return self.key == flow
        return self.by == _DEFAULT or matches(path, self.key)


def read_policy(document: object, place: str) -> list[PolicyTable]:
    """The tables of a policy file, given what TOML made of it.

    Args:
        document: the whole file.
        place: what to call it in messages.

    Raises:
        UsageError: a key that is not known, or a value that grants nothing.

    >>> [table] = read_policy({"flows": {"nightly": {"read": ["/data"]}}}, "policy.toml")
    >>> table.is_for(flow="nightly", path="/flows/x.py"), table.grants.read
    (True, ['/data'])
    """
    assert isinstance(document, dict), "a TOML file is a table"
    tables = []
    for key, value in document.items():
        if key == _DEFAULT:
            tables.append(PolicyTable(_DEFAULT, "", _read_table(value, f"{place}: [{_DEFAULT}]")))
        elif key in (_BY_NAME, _BY_PATH):
            if not isinstance(value, dict):
                raise UsageError(f'{place}: {key} is a table of tables, such as [{key}."..."].')
            tables += [
                PolicyTable(key, name, _read_table(inner, f'{place}: [{key}."{name}"]'))
                for name, inner in value.items()
            ]
        else:
            raise UsageError(
                f"{place}: {key!r} is no table of a policy; it has {_DEFAULT}, {_BY_NAME} and {_BY_PATH}."
            )
    return tables


def _read_table(table: object, place: str) -> Grants:
    if not isinstance(table, dict):
        raise UsageError(f"{place} is no table.")
    unknown = [key for key in table if key not in KINDS]
    if unknown:
        raise UsageError(f"{place}: {unknown[0]!r} cannot be granted; {', '.join(KINDS)} can.")
    sockets = table.get("rpc", {})
    if not isinstance(sockets, dict) or not all(isinstance(path, str) for path in sockets.values()):
        raise UsageError(f'{place}: rpc is a table of names and paths: rpc = {{ ai = "/run/ai.sock" }}.')
    lists = {kind: _texts(table.get(kind, []), f"{place}: {kind}") for kind in KINDS if kind != "rpc"}
    check_entries(**lists, rpc=sockets, place=place)
    return Grants(**lists, rpc=sockets)


def _texts(value: object, place: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise UsageError(f"{place} is {value!r:.60}; it is a list of texts.")
    return value


def check_entries(
    *,
    read: Iterable[str] = (),
    write: Iterable[str] = (),
    net: Iterable[str] = (),
    rpc: dict[str, str],
    env: Iterable[str] = (),
    place: str = "",
) -> None:
    """Check what an operator grants, as it was written.

    Raises:
        UsageError: an entry cannot be granted, and why.
    """
    problems = [
        *(
            (kind, path, path_problem(path))
            for kind, paths in (("read", read), ("write", write))
            for path in paths
        ),
        *(("net", endpoint, net_problem(endpoint)) for endpoint in net),
        *(("rpc", name, name_problem(name)) for name in rpc),
        *(("rpc", path, path_problem(path)) for path in rpc.values()),
        *(("env", name, name_problem(name)) for name in env),
    ]
    for kind, entry, problem in problems:
        if problem:
            where = f"{place}: {kind}" if place else FLAGS[kind]
            raise UsageError(f"{where}: {entry!r:.200}: {problem}.")


def matches(path: str, pattern: str) -> bool:
    """Whether a path is meant by a pattern: ``*`` within one name, ``**`` any names, ``?`` one character.

    >>> matches("/flows/a/b.py", "/flows/*.py"), matches("/flows/a/b.py", "/flows/**/*.py")
    (False, True)
    """
    return _match(path.split("/"), pattern.split("/"))


def _match(names: list[str], patterns: list[str]) -> bool:
    """Each pattern in turn against all the places that the ones before it can have come to."""
    reached = {0}
    for pattern in patterns:
        if pattern == "**":
            reached = set(range(min(reached), len(names) + 1)) if reached else reached
        else:
            reached = {at + 1 for at in reached if at < len(names) and _match_name(names[at], pattern)}
    return len(names) in reached


def _match_name(name: str, pattern: str) -> bool:
    reached = {0}
    for character in pattern:
        if character == "*":
            reached = set(range(min(reached), len(name) + 1)) if reached else reached
        else:
            reached = {at + 1 for at in reached if at < len(name) and character in (name[at], "?")}
    return len(name) in reached


# --- what a play finds of it -------------------------------------------------------------------------

RPC_DIR = "/run/hero/rpc"
_PROXY_PORT = 3128
_LOOPBACK = "127.0.0.1"
_DIRECT = "localhost,127.0.0.1,::1"
"""What is not asked of the proxy: servers of the play's own, and services that are granted where they are."""


class Network:
    """How a play that was granted something of the network finds it.

    Attributes:
        granted: ``HOST:PORT`` and ``*.SUFFIX:PORT``.
        services: those among them that name a service of this machine, each with a door of its own.
        doors: (address, port) in the play's network; the proxy's is the first.
    """

    __slots__ = ("doors", "granted", "services")

    def __init__(self, granted: list[str]) -> None:
        from hero_logic.core.addresses import LOCALHOST, read_endpoint

        self.granted = granted
        endpoints = [read_endpoint(text) for text in granted]
        # By place: 127.0.0.1:80 and localhost:80 are one.
        services: dict[tuple[str, int], str] = {}
        for endpoint in endpoints:
            if endpoint.is_loopback:
                host = _LOOPBACK if endpoint.host == LOCALHOST else endpoint.host
                services.setdefault((host, endpoint.port), str(endpoint))
        self.services = list(services.values())
        port = next(port for port in range(_PROXY_PORT, 65_536) if (_LOOPBACK, port) not in services)
        self.doors = [(_LOOPBACK, port), *services]

    def variables(self) -> dict[str, str]:
        """What tells HTTP clients of the proxy, in both spellings."""
        proxy = f"http://{self.doors[0][0]}:{self.doors[0][1]}"
        named = {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "ALL_PROXY": proxy, "NO_PROXY": _DIRECT}
        return named | {name.lower(): value for name, value in named.items()}


def socket_variable(name: str) -> str:
    """The variable in which a play finds the path of a service's socket.

    >>> socket_variable("name")
    'HERO_FLOW_RPC_NAME'
    """
    return f"{RPC_VARIABLE_PREFIX}{name.upper()}"


def socket_path(name: str) -> str:
    """Where a play that has a view of its own finds a service's socket."""
    return f"{RPC_DIR}/{name}.sock"
