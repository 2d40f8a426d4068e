"""What an operator grants to one play, on this host: flags and policy are read, links followed.

core/grants.py has the rules; here is what they are asked about. Paths are resolved once: what a play is given
is the path that the links led to then, and a message says so where that is another one.
"""

from __future__ import annotations

import os
import stat
import sys

from hero_logic.core.errors import NotGranted, UsageError
from hero_logic.core.grants import (
    FLAGS,
    Grants,
    PolicyTable,
    Said,
    Surroundings,
    check_entries,
    flag,
    is_at_or_below,
    path_refusal,
    read_policy,
    refusal_text,
    socket_refusal,
)
from hero_logic.core.needs import KINDS, Needs
from hero_logic.runner.sandbox.view import KEEP, READ, interpreter_entries, system_entries
from hero_logic.runner.span_socket import play_socket_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hero_logic.core.denials import PathFacts
    from hero_logic.runner.sandbox.view import Entry

POLICY_VARIABLE = "HERO_LOGIC_POLICY"
_MAX_POLICY_BYTES = 1024 * 1024

_SOCKETS = (
    ("a container engine", "/run/docker.sock"),
    ("a container engine", "/var/run/docker.sock"),
    ("a container engine", "/run/podman/podman.sock"),
    ("a container engine", "/run/containerd/containerd.sock"),
    ("a container engine", "/run/crio/crio.sock"),
    ("a container engine", "/run/buildkit/buildkitd.sock"),
    ("a container engine", "/var/lib/lxd/unix.socket"),
    ("a container engine", "/run/libvirt/libvirt-sock"),
    ("a container engine", "~/.docker/run/docker.sock"),
    ("a container engine", "~/.docker/desktop/docker.sock"),
    ("a container engine", "$XDG_RUNTIME_DIR/docker.sock"),
    ("a container engine", "$XDG_RUNTIME_DIR/podman/podman.sock"),
    ("a container engine", "$DOCKER_HOST"),
    ("D-Bus", "/run/dbus/system_bus_socket"),
    ("D-Bus", "$XDG_RUNTIME_DIR/bus"),
    ("D-Bus", "$DBUS_SESSION_BUS_ADDRESS"),
    ("ssh's agent", "$SSH_AUTH_SOCK"),
    ("gpg's agent", "~/.gnupg/S.gpg-agent"),
    ("gpg's agent", "$XDG_RUNTIME_DIR/gnupg/S.gpg-agent"),
    ("the keyring", "$XDG_RUNTIME_DIR/keyring/control"),
    ("the system's own manager", "/run/systemd/private"),
    ("the system's own manager", "$XDG_RUNTIME_DIR/systemd/private"),
    ("the X server", "/tmp/.X11-unix"),  # noqa: S108  # where it is; nothing is made there
)
"""Through each of these a play could do what its user can: (whose it is, where it may be)."""


class Permits:
    """What one play is given.

    Attributes:
        files: what its view has of the host's files beside what every play has.
        net: ``HOST:PORT``, ``*.SUFFIX:PORT``.
        sockets: {name of a service: path of its socket}.
        env: names of variables.
        asked: what the flow asks for, as it is written; None where it says nothing.
        notes: what the operator should know.
    """

    __slots__ = ("asked", "env", "files", "net", "notes", "sockets")

    def __init__(self, granted: Grants, asked: Needs | None, notes: list[str]) -> None:
        written = granted.write
        self.files: list[Entry] = [(path, KEEP) for path in written]
        self.files += [
            (path, READ)
            for path in granted.read
            if not any(is_at_or_below(path, directory) for directory in written)
        ]
        self.net = granted.net
        self.sockets = granted.rpc
        self.env = tuple(granted.env)
        self.asked = asked
        self.notes = notes

    def asked_record(self) -> dict[str, list[str]]:
        """The request, for the play's record: the kinds that have something."""
        if self.asked is None:
            return {}
        return {kind: list(self.asked.of(kind)) for kind in KINDS if self.asked.of(kind)}

    def granted_record(self) -> dict[str, list[str]]:
        """The grants, for the play's record: the kinds that have something."""
        found = {
            "read": [path for path, access in self.files if access == READ],
            "write": [path for path, access in self.files if access == KEEP],
            "net": self.net,
            "rpc": [f"{name}={path}" for name, path in self.sockets.items()],
            "env": list(self.env),
        }
        return {kind: entries for kind, entries in found.items() if entries}


def decide_grants(
    needs: Needs | None,
    said: Said,
    *,
    flow_name: str,
    flow_path: str,
    python: str,
    environment: dict[str, str],
    data_dir: str,
) -> Permits:
    """What a play is given, of what its flow asks for and what its operator grants.

    Args:
        needs: what the flow asks for; None where it says nothing of that.
        said: the operator's flags.
        flow_name: what the flow calls itself.
        flow_path: its file, absolute.
        python: the interpreter that will run it.
        environment: the operator's.
        data_dir: that of hero_logic's own data.

    Raises:
        NotGranted: something is asked for that is not granted; the message has the flags.
        UsageError: a flag or the policy grants what cannot be granted.
    """
    policy_path = said.policy or environment.get(POLICY_VARIABLE) or ""
    asks = needs is not None and any(needs.of(kind) for kind in KINDS)
    around = _surroundings(environment, data_dir, policy_path, python)
    notes: list[str] = []
    by_flags = _read_flags(said, around, notes)
    by_policy = Grants()
    if policy_path and (asks or said.policy):
        tables = _load_policy(policy_path)
        real_path = os.path.realpath(flow_path)
        meant = [table for table in tables if table.is_for(flow=flow_name, path=real_path)]
        by_policy = _joined(meant, os.path.dirname(os.path.abspath(policy_path)), around, policy_path)
    granted = by_flags
    if needs is not None:
        granted = _opened(needs, by_flags, by_policy, flow_name, os.path.dirname(flow_path), around)
        notes += _unasked(needs, by_flags, os.path.dirname(flow_path))
    permits = Permits(granted, needs, notes)
    _keep_from_sockets(permits)
    return permits


def _keep_from_sockets(permits: Permits) -> None:
    """Grant no directory in which the play could connect to somebody's Unix socket."""
    for path, access in permits.files:
        if not os.path.isdir(path):
            continue
        from hero_logic.runner.exposed_sockets import MAX_ENTRIES, first_socket_in

        socket, is_whole = first_socket_in(path)
        if socket:
            written = flag("write" if access == KEEP else "read", path)
            raise UsageError(
                f"{written}: {path} cannot be granted: a Unix socket lies in it, {socket!r:.300}, to which "
                "the flow could connect. Grant what lies beside it; --rpc NAME=PATH grants a service."
            )
        if not is_whole:
            permits.notes.append(
                f"{path} has more than {MAX_ENTRIES:,} files, and was not looked through for Unix sockets "
                "to its end; the flow could connect to one that lies in it"
            )


# --- flags -------------------------------------------------------------------------------------------


def _read_flags(said: Said, around: Surroundings, notes: list[str]) -> Grants:
    sockets = dict(_read_socket_flag(text) for text in said.rpc)
    if len({name.upper() for name in sockets}) != len(said.rpc):
        raise UsageError("--rpc: each service is granted once, and its name in capitals is no other one's.")
    check_entries(read=said.read, write=said.write, net=said.net, rpc=sockets)
    return Grants(
        read=[_resolve_flag("read", path, around, notes) for path in said.read],
        write=[_resolve_flag("write", path, around, notes) for path in said.write],
        net=map(_canonical, said.net),
        rpc={name: _resolve_socket(FLAGS["rpc"], path, around) for name, path in sockets.items()},
        env=said.env,
    )


def _read_socket_flag(text: str) -> tuple[str, str]:
    name, equals, path = text.partition("=")
    if not equals:
        raise UsageError(f"--rpc {text!r:.200}: give a name and a path: --rpc ai=/run/ai.sock")
    return name, path


def _canonical(endpoint: str) -> str:
    from hero_logic.core.addresses import read_endpoint

    return str(read_endpoint(endpoint))


def _resolve_flag(kind: str, path: str, around: Surroundings, notes: list[str]) -> str:
    written = flag(kind, path)
    absolute = os.path.abspath(os.path.expanduser(path))
    resolved = os.path.realpath(absolute)
    why = path_refusal(resolved, is_write=kind == "write", around=around) or _kind_refusal(resolved)
    if why:
        raise UsageError(f"{written}: {resolved} cannot be granted: {why}.")
    if resolved != absolute:
        notes.append(f"{written}: that leads to {resolved}, which is what is granted")
    return resolved


def _kind_refusal(path: str) -> str:
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        return f"{error.strerror}; make it first, or grant the directory that it will be in"
    if stat.S_ISSOCK(mode):
        return "it is a socket; --rpc NAME=PATH grants one"
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        return "it is neither a file nor a directory"
    return ""


def _resolve_socket(where: str, path: str, around: Surroundings) -> str:
    resolved = os.path.realpath(os.path.expanduser(path))
    why = socket_refusal(resolved, around=around)
    try:
        status = os.stat(resolved)
    except OSError as error:
        why = why or f"{error.strerror}"
    else:
        if not stat.S_ISSOCK(status.st_mode):
            why = why or "it is no Unix socket"
        for other, whose in around.agent_sockets.items():
            if not why and os.path.samestat(status, os.stat(other)):
                why = f"it is another name of the socket of {whose}"
    if why:
        raise UsageError(f"{where}: {resolved} cannot be granted: {why}.")
    return resolved


# --- the policy --------------------------------------------------------------------------------------


def _load_policy(path: str) -> list[PolicyTable]:
    import tomllib

    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_POLICY_BYTES + 1)
        if len(data) > _MAX_POLICY_BYTES:
            raise UsageError(f"the policy {path} is longer than {_MAX_POLICY_BYTES} bytes.")
        document = tomllib.loads(data.decode())
    except (OSError, ValueError) as error:
        # ValueError: no TOML, or no UTF-8.
        raise UsageError(f"the policy {path} cannot be read: {getattr(error, 'strerror', error)}.") from error
    tables = read_policy(document, path)
    for table in tables:
        if table.by == "paths":
            directory = os.path.dirname(os.path.realpath(path))
            table.key = os.path.normpath(os.path.join(directory, os.path.expanduser(table.key)))
    return tables


def _joined(tables: Iterable[PolicyTable], directory: str, around: Surroundings, place: str) -> Grants:
    """What several tables grant together; their paths are relative to where the policy is."""
    read: list[str] = []
    write: list[str] = []
    net: list[str] = []
    env: list[str] = []
    sockets: dict[str, str] = {}
    for table in tables:
        grants = table.grants
        for kind, paths, into in (("read", grants.read, read), ("write", grants.write, write)):
            for path in paths:
                resolved = os.path.realpath(os.path.join(directory, os.path.expanduser(path)))
                why = path_refusal(resolved, is_write=kind == "write", around=around)
                if why:
                    raise UsageError(f"the policy {place}: {resolved} cannot be granted: {why}.")
                into.append(resolved)
        net += map(_canonical, grants.net)
        env += grants.env
        sockets |= {
            name: os.path.join(directory, os.path.expanduser(path)) for name, path in grants.rpc.items()
        }
    return Grants(read=read, write=write, net=net, rpc=sockets, env=env)


# --- what is asked for -------------------------------------------------------------------------------


def _resolved_needs(needs: Needs, flow_dir: str) -> Iterator[tuple[str, str]]:
    for kind in KINDS:
        for entry in needs.of(kind):
            if kind in ("read", "write"):
                yield kind, os.path.realpath(os.path.join(flow_dir, os.path.expanduser(entry)))
            else:
                yield kind, _canonical(entry) if kind == "net" else entry


def _opened(
    needs: Needs, by_flags: Grants, by_policy: Grants, flow_name: str, flow_dir: str, around: Surroundings
) -> Grants:
    """All that the flags grant, and of the policy what is asked for."""
    lists = {kind: list(getattr(by_flags, kind)) for kind in ("read", "write", "net", "env")}
    sockets = dict(by_flags.rpc)
    missing = []
    for kind, entry in _resolved_needs(needs, flow_dir):
        if by_flags.covers(kind, entry):
            continue
        grant = by_policy.covering(kind, entry)
        if grant is None:
            missing.append((kind, _wanted(kind, entry, flow_name, around)))
        elif kind == "rpc":
            sockets[entry] = _resolve_socket("the policy", by_policy.rpc[entry], around)
        elif kind in ("read", "write"):
            lists[kind].append(_shown(entry, grant))
        else:
            lists[kind].append(entry)
    if missing:
        raise NotGranted(refusal_text(flow_name, missing))
    return Grants(**lists, rpc=sockets)


def _shown(entry: str, grant: str) -> str:
    """What a play is shown of what a policy grants: the path that is asked for, if it is there already."""
    path = entry if os.path.exists(entry) else grant
    why = _kind_refusal(path)
    if why:
        raise UsageError(f"the policy grants {grant}, and {path} cannot be given to a play: {why}.")
    return path


def _wanted(kind: str, entry: str, flow_name: str, around: Surroundings) -> str:
    """What the flag would have to say that grants what is asked for."""
    if kind == "rpc":
        return f"{entry}=PATH"
    if kind not in ("read", "write"):
        return entry
    why = path_refusal(entry, is_write=kind == "write", around=around)
    if why:
        raise NotGranted(
            f"the flow {flow_name!r:.200} asks to {kind} {entry}, which is never granted: {why}. "
            "It was not started."
        )
    parent = os.path.dirname(entry)
    if kind == "write" and not os.path.exists(entry) and os.path.isdir(parent):
        return parent
    return entry


def _unasked(needs: Needs, by_flags: Grants, flow_dir: str) -> Iterator[str]:
    """A sentence, if a flag grants what the flow does not ask for: it may be a flag of another flow."""
    asked = [*_resolved_needs(needs, flow_dir)]
    flags = []
    for kind in ("read", "write", "net", "env"):
        for grant in getattr(by_flags, kind):
            one = Grants()
            setattr(one, kind, [grant])
            if not any(one.covers(wanted, entry) for wanted, entry in asked if wanted in (kind, "read")):
                flags.append(flag(kind, grant))
    flags += [flag("rpc", f"{name}={path}") for name, path in by_flags.rpc.items() if name not in needs.rpc]
    if flags:
        yield f"the flow does not ask for this, and gets it all the same: {' '.join(flags)}"


# --- denials -----------------------------------------------------------------------------------------


def path_facts(
    path: str, permits: Permits | None, environment: dict[str, str], data_dir: str, python: str
) -> PathFacts:
    """What is so of a path that a flow named, and was denied."""
    from hero_logic.core.denials import PathFacts

    if _is_mounted_on_demand(path):
        return PathFacts()
    resolved = os.path.realpath(path)
    parent = os.path.dirname(resolved)
    granted = [] if permits is None else permits.files
    own = (*(entry for entry, _ in system_entries()), *(entry for entry, _ in interpreter_entries(python)))
    around = _surroundings(environment, data_dir, "", python)
    is_own = any(is_at_or_below(resolved, os.path.realpath(entry)) for entry in own)
    return PathFacts(
        exists=os.path.exists(resolved),
        is_parent_there=os.path.isdir(parent),
        is_readable=os.access(resolved, os.R_OK),
        is_writable=os.access(resolved, os.W_OK),
        # Of its own directory, which lies in the runtime's data, a play has all that there is.
        is_always_seen=is_own or is_at_or_below(resolved, os.path.realpath(data_dir)),
        refusal=path_refusal(resolved, is_write=False, around=around),
        is_read_granted=any(is_at_or_below(resolved, entry) for entry, _ in granted),
        is_write_granted=any(is_at_or_below(resolved, entry) for entry, access in granted if access == KEEP),
    )


def _is_mounted_on_demand(path: str) -> bool:
    """Whether to look at a path could reach out for another machine, whose name the flow has chosen."""
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as file:
        mounts = [line.split(" ") for line in file]
    return any(is_at_or_below(path, mount[1]) for mount in mounts if mount[2] == "autofs")


# --- the host ----------------------------------------------------------------------------------------


def _surroundings(environment: dict[str, str], data_dir: str, policy_path: str, python: str) -> Surroundings:
    runtime_dir = environment.get("XDG_RUNTIME_DIR", "")
    socket_dirs = [os.path.dirname(play_socket_path("any"))]
    if os.path.isabs(runtime_dir):
        socket_dirs.append(runtime_dir)
    return Surroundings(
        data_dir=os.path.realpath(data_dir),
        socket_dirs=map(os.path.realpath, socket_dirs),
        agent_sockets=dict(_agent_sockets(environment)),
        code_dirs={os.path.realpath(path) for path in _code_dirs(python)} - {"/"},
        policy_file=os.path.realpath(policy_path) if policy_path else "",
    )


def _code_dirs(python: str) -> Iterator[str]:
    yield from (sys.prefix, sys.base_prefix)
    # What the package is in: src/, or site-packages.
    yield os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    for path in (os.path.abspath(python), os.path.realpath(python)):
        yield os.path.dirname(os.path.dirname(path))


def _agent_sockets(environment: dict[str, str]) -> Iterator[tuple[str, str]]:
    for whose, place in _SOCKETS:
        path = place
        if place.startswith("$"):
            variable, _, rest = place[1:].partition("/")
            value = environment.get(variable, "")
            # As in unix:///run/docker.sock, and in unix:path=/run/bus,guid=...
            value = value.removeprefix("unix:").removeprefix("path=").partition(",")[0]
            value = "/" + value.lstrip("/") if value.startswith("/") else ""
            path = os.path.join(value, rest).rstrip("/") if value else ""
        path = os.path.expanduser(path)
        if path and os.path.exists(path):
            yield os.path.realpath(path), whose
