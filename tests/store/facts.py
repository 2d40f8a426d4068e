"""Plays and spans for the tests of the stores."""

from hero_logic.core.records import (
    Access,
    Artifact,
    Counters,
    FlowVersion,
    Play,
    PlayEnd,
    Sandbox,
    SpanDelta,
    SpanRow,
)
from hero_logic.store.contract import Store

VERSION = FlowVersion(
    version_sid="0123456789abcdef0123456789abcdef",
    flow_name="report",
    path="/flows/report.py",
    source="@flow\ndef report(): ...\n",
    created_ms=1_700_000_000_000.25,
)

HORRORS = [
    "",
    "\n\r\t",
    "\x01\x7f",
    "'; DROP TABLE spans; --",
    '{"a":',
    "\U0001f600 \u00e9 \ufffd \u2028",
    "x" * 70_000,
]
"""Text that somebody somewhere will use."""

UNKNOWN_PLAY = r"there is no play 'gone'; `hero-logic ls` lists those there are\."
"""How an error says that the play ``gone`` is not there."""

FULL_PLAY = Play(
    sid="full",
    flow="report",
    status="running",
    input_json='{"day":"2024-05-01"}',
    output_json='{"rows":3}',
    error="none so far",
    created_ms=1_700_000_000_000.125,
    start_ms=1_700_000_000_001.5,
    end_ms=1_700_000_000_002.0,
    exit_code=-9,
    stdout="out\n",
    stderr="err\n",
    artifacts=[Artifact("a/b.csv", 12), Artifact("c \u00e9.txt", 0)],
    sandbox=Sandbox("tier1", "bubblewrap", "cgroup"),
    access=Access({"read": ["data.csv"]}, {"read": ["/flows/data.csv"], "rpc": ["ai=/run/ai.sock"]}),
    counters=Counters(1, 2, 3, 4, 5),
    span_count=6,
    version_sid=VERSION.version_sid,
    runtime_sid="runtime-1",
)
"""A play with a value of its own in every field."""

FULL_ROW = SpanRow(
    ordinal=0,
    span_id="s0",
    start_ms=1_700_000_000_000.123,
    parent_id="p",
    name="fetch",
    kind="rpc",
    end_ms=1_700_000_000_009.5,
    status="failed",
    tags={"n": 1, "x": [1.5, None, True], "o": {"k": "v"}},
    error="boom",
    rpc_service="users",
    rpc_method="get",
    child_play_sid="child",
    source_file="/flows/report.py",
    source_line=12,
    log_bytes=5,
    protected_tags=3,
    new_logs="hello",
)
"""A span with a value of its own in every field."""


def row(ordinal: int, *, status: str = "ok", parent_id: str = "root", new_logs: str = "") -> SpanRow:
    """A small span ``s<ordinal>``."""
    return SpanRow(
        ordinal=ordinal,
        span_id=f"s{ordinal}",
        start_ms=float(ordinal),
        parent_id=parent_id,
        name=f"step {ordinal}",
        end_ms=None if status == "running" else ordinal + 1.0,
        status=status,
        new_logs=new_logs,
        log_bytes=len(new_logs),
    )


def delta(
    *rows: SpanRow, events: int = 0, span_count: int = 0, writers: dict[str, int] | None = None
) -> SpanDelta:
    """What a batch changed."""
    return SpanDelta(
        rows=list(rows), counters=Counters(events=events), span_count=span_count, writers=writers or {}
    )


def add_running_play(store: Store, sid: str = "p") -> str:
    """A play that runs, with no spans."""
    store.create_play(Play(sid=sid))
    store.begin_play(sid, start_ms=1.0, sandbox=Sandbox())
    return sid


def add_ended_play(store: Store, *rows: SpanRow, sid: str = "p", status: str = "ok") -> str:
    """A play that has these spans and has ended."""
    add_running_play(store, sid)
    store.write_spans({sid: delta(*rows, span_count=len(rows))})
    store.end_play(sid, PlayEnd(status=status, end_ms=9.0))  # type: ignore[arg-type] # given by name in the tests
    return sid
