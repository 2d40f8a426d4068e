"""A legacy workflow, typed: what ``read.py`` makes of its JSON, with every text in it understood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from hero_logic.migrate.expressions import Tree
    from hero_logic.migrate.scripts import Script

AI = "ai"
"""The service that a node of the type ``ai_call`` calls."""
INPUT_TYPES = ("string", "number", "integer", "boolean", "object", "array")

Kept = tuple[tuple[str, object, str], ...]
"""Keys that the format does not know: key, value, pointer."""


@dataclass(frozen=True, slots=True)
class Input:
    """An input of the workflow; ``default`` counts where ``has_default``."""

    name: str
    type: str
    description: str
    required: bool
    has_default: bool
    default: object
    pointer: str
    kept: Kept

    @property
    def is_sure(self) -> bool:
        """Whether it is surely among the inputs of a run."""
        return self.required or self.has_default


@dataclass(frozen=True, slots=True)
class RunScript:
    """A script; ``script`` is None where the language is not Python."""

    language: str
    script: Script | None


@dataclass(frozen=True, slots=True)
class Transform:
    """JSON with templates."""

    output: object


@dataclass(frozen=True, slots=True)
class AskModel:
    """A call of the service ``ai``."""

    model: str
    system_prompt: object
    prompt: object
    temperature: int | float
    output_format: str


@dataclass(frozen=True, slots=True)
class CallService:
    """A call of a method of a service."""

    service: str
    method: str
    params: dict[str, object]


@dataclass(frozen=True, slots=True)
class Decide:
    """A condition."""

    expression: Tree


@dataclass(frozen=True, slots=True)
class Wait:
    """Some time."""

    duration_ms: int | float


@dataclass(frozen=True, slots=True)
class RunWorkflow:
    """Another workflow."""

    workflow: str
    inputs: dict[str, object]


Work = RunScript | Transform | AskModel | CallService | Decide | Wait | RunWorkflow


@dataclass(frozen=True, slots=True)
class Node:
    """A node; ``work`` is what it does."""

    node_id: str
    name: str
    work: Work
    retry_count: int
    timeout_ms: int | float
    continues: bool
    pointer: str
    kept: Kept

    @property
    def is_instant(self) -> bool:
        """Whether it takes no time and cannot fail."""
        return isinstance(self.work, Transform | Decide)


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge.

    Attributes:
        source: the index of the node that it starts at.
        target: the index of the node that it ends at.
        condition: None where it is always true of a source that finished, or ``is_failed``.
        is_failed: whether its condition is ``failed``.
        mapping: None where the source's output is merged.
        kind: ``normal`` or ``retry``.
        max_retries: of a retry edge.
    """

    source: int
    target: int
    condition: Tree | None
    is_failed: bool
    mapping: dict[str, Tree] | None
    kind: Literal["normal", "retry"]
    max_retries: int
    pointer: str
    kept: Kept


@dataclass(frozen=True, slots=True)
class Workflow:
    """A whole workflow; nodes and edges are in the order of the file."""

    name: str
    description: str
    inputs: tuple[Input, ...]
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    kept: Kept

    @property
    def required(self) -> tuple[tuple[str, str], ...]:
        """The inputs without which it does not run, each with its type."""
        return tuple((found.name, found.type) for found in self.inputs if found.required)

    @property
    def services(self) -> tuple[str, ...]:
        """The names of the services that its nodes call, in the order of the alphabet."""
        found = set()
        for node in self.nodes:
            if isinstance(node.work, AskModel):
                found.add(AI)
            elif isinstance(node.work, CallService):
                found.add(node.work.service)
        return tuple(sorted(found))

    @property
    def subworkflows(self) -> tuple[str, ...]:
        """The names of the workflows that its nodes run, in the order of the alphabet."""
        works = (node.work for node in self.nodes)
        return tuple(sorted({work.workflow for work in works if isinstance(work, RunWorkflow)}))
