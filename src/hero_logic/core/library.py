"""The facts of the flow library: published flows, their versions, and what is wrong with a source.

All of them are msgspec structs, as in records.py. Times are milliseconds since the Unix epoch.
"""

from typing import Any, Literal

import msgspec

from hero_logic.core.records import FlowVersion, VersionKind

Severity = Literal["error", "warning"]


class Problem(msgspec.Struct, frozen=True):
    """Something that is wrong with a source that is to be published.

    An ``error`` keeps it out of the library; a ``warning`` is told and does not. ``line`` and ``column``
    count from 1, and are 0 where a problem is of the whole file.
    """

    severity: Severity
    code: str
    message: str
    line: int = 0
    column: int = 0


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """A published flow, as it stands."""

    flow_sid: str
    """Stays the same whatever else changes: 16 hexadecimal digits."""
    name: str
    description: str
    """What was said when it was published, else what its source says."""
    tags: list[str]
    is_archived: bool
    """Neither listed nor found nor run, until it is published again."""
    version_sid: str
    """Of the version that was published last: what a play of the flow runs."""
    kind: VersionKind
    """Of that version."""
    versions: int
    """How many it has."""
    created_ms: float
    published_ms: float
    """When something of it was published last."""
    revision: int
    """The store's, of its last change."""


class FlowDetails(Flow, frozen=True, kw_only=True):
    """A flow with the source of one of its versions, and what that says. ``version_sid`` is that version."""

    source: str
    inputs: dict[str, Any] | None
    """The JSON Schema of what it takes; None for a version that is no Python."""
    outputs: dict[str, str]
    """Descriptions by name, as ``@flow`` says."""
    needs: dict[str, list[str]]
    """What it asks for beyond a directory of its own, by kind."""
    function: str
    """The function that is run; "" where there is none."""
    problems: list[Problem]


class PublishedVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a flow, without its source."""

    version_sid: str
    number: int
    """Counts the versions of the flow from 1."""
    kind: VersionKind
    created_ms: float
    """When the flow got it."""
    is_current: bool
    source_bytes: int
    """In UTF-8."""


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be published: a version, and what is said of its flow."""

    name: str
    version: FlowVersion
    source_description: str = ""
    """What the source says of itself."""
    description: str | None = None
    """None: what was said before stays; "": the flow's description is that of its source."""
    tags: list[str] | None = None
    """None: those of before stay."""
    new_flow_sid: str
    """For a name that no flow has."""


class FlowPut(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a publication. The sids are None where an error among the problems kept it out."""

    flow_sid: str | None
    version_sid: str | None
    is_new_version: bool
    """Whether the flow did not have this version before."""
    problems: list[Problem]


class FlowPage(msgspec.Struct, frozen=True):
    """Flows, and the cursor of the page that follows: None on the last one."""

    flows: list[Flow]
    next: str | None = None


class VersionPage(msgspec.Struct, frozen=True):
    """Versions of a flow, the one that it got last first, and the cursor of the page that follows."""

    flow_sid: str
    versions: list[PublishedVersion]
    next: str | None = None


class FoundFlows(msgspec.Struct, frozen=True):
    """What a search found, the best first."""

    query: str
    flows: list[Flow]


class RunnableFlow(msgspec.Struct, frozen=True):
    """A flow and the version of it that is to be run, which has the name of the flow and no path."""

    flow: Flow
    version: FlowVersion
