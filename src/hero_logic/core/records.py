"""The facts that hero_logic keeps: plays, their spans, the flows they came from.

All of them are msgspec structs: typed, slotted, and decoded or encoded without a line of our own
(docs/design/0004-start-up.md says why not dataclasses). Times are milliseconds since the Unix epoch,
as floats with microseconds in the fraction.
"""

from typing import Any, Literal

import msgspec

PlayStatus = Literal["pending", "running", "ok", "failed", "timed_out", "cancelled"]
SpanStatus = Literal["running", "ok", "failed", "timed_out", "cancelled"]
SpanKind = Literal["flow_root", "step", "rpc", "subflow", "other"]
VersionKind = Literal["python", "legacy_dag"]


class Counters(msgspec.Struct):
    """What became of the events of a play: ``events`` were accepted, the others say what was not kept.

    Source: docs/protocol.md, "Counters".
    """

    events: int = 0
    malformed: int = 0
    oversize: int = 0
    repeated: int = 0
    truncated: int = 0


class Span(msgspec.Struct, frozen=True):
    """One span as every face shows it; the names are those of the wire.

    ``end_ms`` is None while the span runs. ``logs`` is one string, a line ``[ts_ms] text`` a log.
    Source: docs/protocol.md, "What is kept".
    """

    span_id: str
    parent_id: str
    name: str
    kind: str
    start_ms: float
    end_ms: float | None
    status: str
    tags: dict[str, Any]
    logs: str
    error: str
    rpc_service: str
    rpc_method: str
    child_play_sid: str
    source_file: str
    source_line: int


FIELDS_BUT_LOGS = tuple(name for name in Span.__struct_fields__ if name != "logs")
"""What a span has, and a row of it too: all but its logs."""


class SpanRow(msgspec.Struct, gc=False):
    """One span as the fold changes it and the store writes it.

    It holds all of a span but its logs, which only ever grow: ``new_logs`` is what came since the row
    was last written, to be appended (the newline between two logs included), and ``log_bytes`` the size
    in UTF-8 of all that there is.
    """

    ordinal: int
    """The place in the order in which the listener first heard of the play's spans, from 0."""
    span_id: str
    start_ms: float
    parent_id: str = ""
    name: str = ""
    kind: str = "step"
    end_ms: float | None = None
    status: str = "running"
    tags: dict[str, Any] = {}
    error: str = ""
    rpc_service: str = ""
    rpc_method: str = ""
    child_play_sid: str = ""
    source_file: str = ""
    source_line: int = 0
    log_bytes: int = 0
    protected_tags: int = 0
    """Bits: which tags the runtime has set, so that no writer's value replaces them (core/fold.py)."""
    new_logs: str = ""
    tags_bytes: int = 0
    """At least the size of the writer's tags as JSON text; not stored, made anew when a row is read."""
    is_tags_bytes_exact: bool = False
    """Whether it is their size, as it is once they have come near their limit."""
    is_stored: bool = False
    is_start_stored: bool = False
    """Whether all that a start says of it is on disk as it is here: then the rest alone has to be written."""
    revision: int = 0
    """That of its last write; 0 where it was never written."""

    def whole(self, logs: str) -> Span:
        """The span with its logs, as every face shows it."""
        return Span(**{name: getattr(self, name) for name in FIELDS_BUT_LOGS}, logs=logs)

    @property
    def text_bytes(self) -> int:
        """About how much memory its text takes, in bytes."""
        return (
            self.tags_bytes
            + len(self.span_id)
            + len(self.parent_id)
            + len(self.name)
            + len(self.rpc_service)
            + len(self.rpc_method)
            + len(self.child_play_sid)
            + len(self.source_file)
        )


COLUMNS = (
    "revision",
    "start_ms",
    "end_ms",
    "ordinal",
    "source_line",
    "log_bytes",
    "name",
    "kind",
    "status",
    "rpc_service",
    "rpc_method",
    "source_file",
    "span_id",
    "parent_id",
    "error",
    "child_play_sid",
    "tags",
)
"""What is read of a span where very many are: all but its logs, numbers first, then what repeats."""


PUSHED = "pushed"
"""The source of events that were pushed to a play by who did not say who they are: one stream."""
PUSHED_BY = "pushed-by"
"""The source of those whose sender did, each with its hello; it shares its positions with the other one."""
PUSHED_SOURCES = (PUSHED, PUSHED_BY)


class FoldState(msgspec.Struct):
    """What the fold of a play needs to go on where rows were written before."""

    counters: Counters
    span_count: int
    writers: dict[str, int]
    """The highest ``seq`` seen of each writer."""
    positions: dict[str, int] = {}
    """How many bytes of each source (a connection, a spool file) are folded and on disk."""


class SpanDelta(msgspec.Struct):
    """What a batch changed: the rows, each once, in the order of their ordinals, and the play's totals."""

    rows: list[SpanRow]
    counters: Counters
    span_count: int
    writers: dict[str, int]
    """Only the writers whose highest ``seq`` rose."""
    positions: dict[str, int] = {}
    """Only the sources of which more bytes are folded."""


class Sandbox(msgspec.Struct, frozen=True):
    """What a play was really kept in: never what was asked for."""

    tier: str = "none"
    isolation: str = "none"
    resources: str = "none"
    user: str = ""
    """Whom it ran as, by the name or number that the operator gave; "" for the runtime's own user."""

    @property
    def line(self) -> str:
        """For a person; "" where nothing was promised.

        >>> Sandbox("tier2", "native", "watcher").line, Sandbox("tier0", "none", "rlimits").line
        ('tier2 (native, watcher)', 'tier0')
        >>> Sandbox("tier1", "native", "rlimits", "nobody").line
        'tier1 (native, as nobody)'
        """
        if self.tier == "none":
            return ""
        means = [self.isolation] if self.isolation != "none" else []
        if self.resources == "watcher":
            means.append(self.resources)
        if self.user:
            means.append(f"as {self.user}")
        return f"{self.tier} ({', '.join(means)})" if means else self.tier


class Access(msgspec.Struct, frozen=True):
    """What a flow asked for beyond its own directory, and what its play was granted.

    Each by kind (``read write net rpc env``), without the kinds of which there is nothing: what is asked for
    as the flow has it, what is granted with its paths resolved, ``rpc`` as ``NAME=PATH``.
    """

    needs: dict[str, list[str]] = {}
    grants: dict[str, list[str]] = {}


class Artifact(msgspec.Struct, frozen=True):
    """One file that a play left in ``artifacts/``: its path below it, and its size in bytes."""

    path: str
    size_bytes: int


class FlowVersion(msgspec.Struct, frozen=True):
    """A flow's source at one moment, known by the hash of its bytes.

    ``flow_name`` and ``path`` say where it was first seen: in which file, or under which name it was
    published, ``path`` being "" then.
    """

    version_sid: str
    """The first 32 hex digits of the SHA-256 of the source."""
    flow_name: str
    path: str
    source: str
    created_ms: float
    kind: VersionKind = "python"
    """``legacy_dag``: a workflow of before, as JSON, which nothing runs."""


class Play(msgspec.Struct):
    """One recorded run of a flow.

    ``input_json`` and ``output_json`` are JSON text; an output is None until there is one.
    ``runtime_sid`` names the runtime that runs it (service/liveness.py); a pending play without one waits
    for a worker.
    """

    sid: str
    flow: str = ""
    status: PlayStatus = "pending"
    input_json: str = "{}"
    output_json: str | None = None
    error: str = ""
    created_ms: float = 0.0
    start_ms: float | None = None
    end_ms: float | None = None
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    artifacts: list[Artifact] = []
    sandbox: Sandbox = Sandbox()
    access: Access = Access()
    counters: Counters = msgspec.field(default_factory=Counters)
    span_count: int = 0
    version_sid: str = ""
    runtime_sid: str = ""
    revision: int = 0
    retry_of: str = ""
    """The play that it runs again."""
    parent_play_sid: str = ""
    """The play that asked for it, and in which span of that."""
    parent_span_id: str = ""
    asked_by: str = ""
    """Who or what asked for it, in a few words."""

    @property
    def is_waiting(self) -> bool:
        """Whether no worker has it yet."""
        return self.status == "pending" and not self.runtime_sid


class PlayOrder(msgspec.Struct, frozen=True):
    """What a play is to be run with, beside its version, its input and its grants, by whichever worker.

    The variables that it is granted are names: their values are those of the worker, and nowhere on disk.
    """

    function: str
    """The flow's module-level name."""
    python: str = ""
    """The interpreter; "" for that of the worker."""
    sandbox: str = "auto"
    """One of ``core.tiers.WANTED``."""
    timeout_s: float | None = None
    grace_s: float | None = None
    on_lost: str = "fail"
    """What becomes of it when its runtime is gone: ``fail``, or ``retry``, which runs it again."""
    attempt: int = 1
    """How many plays it makes with those before it that were lost."""
    path: str = ""
    """The file that was asked for; "" for a published flow."""
    published_name: str = ""
    """The name that the flow library has for it; "" for a file."""


class PlayEnd(msgspec.Struct, frozen=True):
    """How a play ended: what is written into its record in one transaction."""

    status: PlayStatus
    end_ms: float
    error: str = ""
    exit_code: int | None = None
    output_json: str | None = None
    stdout: str = ""
    stderr: str = ""
    artifacts: list[Artifact] = []


class RootSpan(msgspec.Struct, frozen=True):
    """A root of a play's tree that did not end ``ok``: why a play cannot be ok."""

    name: str
    status: str
    error: str


class Changes(msgspec.Struct):
    """What changed in a store after a revision: each play and each span once, as it is now.

    ``revision`` is where to go on: what is not here yet has a higher one. ``is_all`` says that nothing
    was left out for the limit.
    """

    revision: int
    plays: list[Play]
    """Without the heavy fields, in the order of their revisions."""
    spans: list[tuple[str, SpanRow]]
    """(sid, row), in the order of their revisions; ``new_logs`` is what came in between."""
    is_all: bool


class NameStats(msgspec.Struct, frozen=True):
    """What the ended spans of one name took, in milliseconds; ``failed`` counts all that did not end ok."""

    name: str
    count: int
    failed: int
    total_ms: float
    min_ms: float
    max_ms: float
    p50_ms: float
    p95_ms: float
