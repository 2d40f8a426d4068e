"""Every default that bounds a play, in one table: data only.

docs/limits.md is generated from this module and compared in ``make lint``.
Plain classes: this module is loaded before a play starts (docs/design/0004-start-up.md).
"""

from __future__ import annotations

from hero_logic.core.lines import DEFAULT_MAX_LINE_BYTES

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


class Limit:
    """One bound: its name, default, unit, and what it is for (one sentence, for docs/limits.md)."""

    __slots__ = ("default", "meaning", "name", "unit")

    def __init__(self, name: str, default: int | float | None, unit: str, meaning: str) -> None:
        self.name = name
        self.default = default
        self.unit = unit
        self.meaning = meaning


LIMITS: tuple[Limit, ...] = (
    Limit("timeout_s", None, "seconds", "Wall-clock time of a play; none unless `--timeout` sets one."),
    Limit(
        "grace_s", 5.0, "seconds", "From SIGTERM to SIGKILL, and for threads that linger after the return."
    ),
    Limit("orphan_grace_s", 0.3, "seconds", "The same, where the runtime itself is gone."),
    Limit(
        "drain_s", 2.0, "seconds", "For what is still in a play's span sockets once its processes are gone."
    ),
    Limit("address_space_bytes", 16 * GIB, "bytes", "RLIMIT_AS: address space, of each process."),
    Limit("cpu_s", 86_400, "seconds", "RLIMIT_CPU: processor time, of each process."),
    Limit("open_files", 1024, "descriptors", "RLIMIT_NOFILE: open files, of each process."),
    Limit("file_size_bytes", 4 * GIB, "bytes", "RLIMIT_FSIZE: size of any one file that is written."),
    Limit(
        "processes",
        4096,
        "processes",
        "RLIMIT_NPROC: processes and threads. The kernel counts all of the user's, other plays' and those "
        "outside plays too; in `native` and `bubblewrap` those of the play alone. It does not hold root to "
        "it.",
    ),
    Limit("shared_memory_bytes", 64 * MIB, "bytes", "Size of a play's own `/dev/shm`."),
    Limit(
        "tree_memory_bytes",
        4 * GIB,
        "bytes",
        "Tier 2: memory of all processes of a play together, shared pages counted once.",
    ),
    Limit("tree_cpu_s", 86_400, "seconds", "Tier 2: processor time of all processes of a play together."),
    Limit(
        "tree_processes",
        1024,
        "processes",
        "Tier 2: processes and threads of a play, the one thread that ends it among them.",
    ),
    Limit("tree_open_files", 8192, "descriptors", "Tier 2: open descriptors of all processes of a play."),
    Limit("tree_disk_bytes", 8 * GIB, "bytes", "Tier 2: size of a play's work directory."),
    Limit("tree_files", 1_000_000, "files", "Tier 2: files and directories in it."),
    Limit("core_bytes", 0, "bytes", "RLIMIT_CORE: size of a core file."),
    Limit(
        "captured_bytes",
        1 * MIB,
        "bytes",
        "Kept of stdout, and of stderr; the rest is counted, never waited on.",
    ),
    Limit("output_bytes", 64 * MIB, "bytes", "Size of a flow's returned value as JSON text."),
    Limit(
        "error_bytes",
        64 * KIB,
        "bytes",
        "Kept of the error of a play, traceback and tail of stderr included.",
    ),
    Limit("artifact_files", 10_000, "files", "Listed and kept of `artifacts/`."),
    Limit("line_bytes", DEFAULT_MAX_LINE_BYTES, "bytes", "Longest line of the span stream."),
    Limit("unfinished_bytes", 64 * MIB, "bytes", "Unfinished lines of all connections of a process."),
    Limit(
        "spool_bytes",
        64 * MIB,
        "bytes",
        "Events of a play that its listener did not take, kept in its work directory until its end.",
    ),
    Limit(
        "pushed_events",
        1000,
        "events",
        "Pushed to a play and not taken in by its runtime yet; what is more is refused.",
    ),
    Limit("pushed_bytes", 4 * MIB, "bytes", "The same, of their lines."),
    Limit(
        "waiting_chain",
        16,
        "plays",
        "That wait each for the next one, and have given their places back; one that would be one more is "
        "refused to wait.",
    ),
    Limit("proxy_connections", 64, "connections", "Of a play to its proxy, at a time; what is more waits."),
    Limit("proxy_connections_a_second", 200, "connections", "The same, a second."),
    Limit("proxy_head_bytes", 16 * KIB, "bytes", "The head of a request to the proxy."),
    Limit("proxy_head_s", 10.0, "seconds", "For the head of a request to come."),
    Limit("proxy_idle_s", 600.0, "seconds", "In which nothing moves on a connection of the proxy's."),
    Limit(
        "lost_attempts",
        3,
        "plays",
        'Of a flow that says `on_lost="retry"`: one after the other, where the runtime of each is lost.',
    ),
    Limit("spans", 2_000_000, "spans", "Kept of a play."),
    Limit("tags_bytes", 64 * KIB, "bytes", "Tags of a span, as JSON text."),
    Limit("log_bytes", 1 * MIB, "bytes", "Logs of a span."),
)

_DEFAULTS = {limit.name: limit.default for limit in LIMITS}


def default(name: str) -> int:
    """The default of a limit that is a whole number."""
    value = _DEFAULTS[name]
    assert isinstance(value, int), name
    return value


def default_s(name: str) -> float:
    """The default of a limit that is a duration in seconds."""
    value = _DEFAULTS[name]
    assert value is not None, name
    return float(value)


PLAY_PATH = "/usr/local/bin:/usr/bin:/bin"
"""The ``PATH`` of every play."""

PASSED_VARIABLES = ("TRACEPARENT",)
"""What a play gets of the operator's environment, beside ``HERO_FLOW_*`` and what ``--env`` names."""

FLOW_VARIABLE_PREFIX = "HERO_FLOW_"
RPC_VARIABLE_PREFIX = f"{FLOW_VARIABLE_PREFIX}RPC_"
"""What tells a play of the sockets that it was granted (core/grants.py), and of no others."""
SPAN_SOCKET_VARIABLE = "HERO_FLOW_SPAN_SOCK"
SPAN_DESCRIPTOR_VARIABLE = "HERO_FLOW_SPAN_FD"
SPAN_SPOOL_VARIABLE = "HERO_FLOW_SPAN_SPOOL"
PLAY_SID_VARIABLE = "HERO_FLOW_PLAY_SID"

SPAN_SPOOL_NAME = ".hero-spans.jsonl"
"""The file in a play's work directory that events go to once nobody takes them from the socket."""

MIN_REDACTED_CHARS = 4
"""A value shorter than this is not redacted: it would blot out half of every log."""


TREE_LIMITS = (
    "tree_memory_bytes",
    "tree_cpu_s",
    "tree_processes",
    "tree_open_files",
    "tree_disk_bytes",
    "tree_files",
)


class PlayLimits:
    """The limits of a play, ready for the supervisor; each field is a row of :data:`LIMITS`, or several."""

    __slots__ = ("captured_bytes", "grace_s", "orphan_grace_s", "resource_limits", "timeout_s", "tree_limits")

    def __init__(self, *, timeout_s: float | None = None, grace_s: float | None = None) -> None:
        self.timeout_s = timeout_s
        self.grace_s = default_s("grace_s") if grace_s is None else grace_s
        self.orphan_grace_s = default_s("orphan_grace_s")
        self.captured_bytes = default("captured_bytes")
        self.resource_limits = {
            "RLIMIT_AS": default("address_space_bytes"),
            "RLIMIT_CPU": default("cpu_s"),
            "RLIMIT_NOFILE": default("open_files"),
            "RLIMIT_FSIZE": default("file_size_bytes"),
            "RLIMIT_NPROC": default("processes"),
            "RLIMIT_CORE": default("core_bytes"),
        }
        self.tree_limits: dict[str, int | None] = {name: default(name) for name in TREE_LIMITS}


def _is_for_flows(name: str) -> bool:
    return name.startswith(FLOW_VARIABLE_PREFIX) and not name.startswith(RPC_VARIABLE_PREFIX)


def play_environment(
    operator: dict[str, str],
    *,
    sid: str,
    work_dir: str,
    span_channel: str | int,
    let_through: tuple[str, ...] = (),
) -> dict[str, str]:
    """The whole environment of a play.

    Args:
        operator: the environment of the one who runs it.
        sid: the play's.
        work_dir: its home, its place for temporary files, and for the spool of its events.
        span_channel: where its spans go: the path of a socket, or a descriptor that is connected to one.
        let_through: names that ``--env`` lets through; those that are not set are left out.

    >>> env = play_environment({"PATH": "/evil", "AWS_SECRET": "x", "PYTHONPATH": "y"}, sid="s",
    ...     work_dir="/w", span_channel="/s")
    >>> env["PATH"], "AWS_SECRET" in env, "PYTHONPATH" in env
    ('/usr/local/bin:/usr/bin:/bin', False, False)
    """
    environment = {
        name: value
        for name, value in operator.items()
        if name in PASSED_VARIABLES or name in let_through or _is_for_flows(name)
    }
    for name in (SPAN_DESCRIPTOR_VARIABLE, SPAN_SOCKET_VARIABLE):
        environment.pop(name, None)
    channel_name = SPAN_SOCKET_VARIABLE if isinstance(span_channel, str) else SPAN_DESCRIPTOR_VARIABLE
    environment[channel_name] = str(span_channel)
    environment.update(
        {
            "PATH": PLAY_PATH,
            "HOME": work_dir,
            "TMPDIR": work_dir + "/tmp",  # noqa: S108  # the play's own
            "LANG": "C.UTF-8",
            SPAN_SPOOL_VARIABLE: f"{work_dir}/{SPAN_SPOOL_NAME}",
            PLAY_SID_VARIABLE: sid,
        }
    )
    return environment
