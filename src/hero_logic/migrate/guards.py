"""When a node runs: what has to be true, as far as it is known before the run.

A guard is a way down a tree of literals that all have to be true. Nodes with the same guard run together, so
they stand in one ``if``; where one guard goes on from another, one ``if`` stands in the other; where two part
at a literal and its opposite, never both run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hero_logic.migrate.expressions import Comparison, Constant, Not, Path
from hero_logic.migrate.workflow import Decide, Wait

if TYPE_CHECKING:
    from hero_logic.migrate.expressions import Tree
    from hero_logic.migrate.graph import Graph
    from hero_logic.migrate.workflow import Edge, Node, Workflow

MAX_GUARD_DEPTH = 6
"""Nested ``if`` that a reader can follow; what is deeper asks whether the node before it ran."""


@dataclass(frozen=True, slots=True)
class Literal:
    """One thing that has to be true.

    Attributes:
        kind: ``holds`` a condition of an edge; ``failed`` of a node with a handler; ``ran`` of a node.
        node: the edge's source, or the node.
        holds: whether it has to be true, or false.
        key: the condition, as a text that is the same for the same condition.
    """

    kind: str
    node: int
    holds: bool = True
    key: str = ""

    def opposite(self) -> Literal:
        """The same, the other way around."""
        return Literal(self.kind, self.node, not self.holds, self.key)


class Guard:
    """A way down the tree; each is made once, so that the same guard is the same object."""

    __slots__ = ("_below", "depth", "literal", "parent")

    def __init__(self, parent: Guard | None = None, literal: Literal | None = None) -> None:
        self.parent = parent
        self.literal = literal
        self.depth: int = parent.depth + 1 if parent else 0
        self._below: dict[Literal, Guard] = {}

    def below(self, literal: Literal) -> Guard:
        """The guard that asks for one thing more."""
        if literal not in self._below:
            self._below[literal] = Guard(self, literal)
        return self._below[literal]

    def path(self) -> list[Literal]:
        """All that it asks for, from the outside."""
        found: list[Literal] = []
        guard = self
        while guard.parent is not None:
            assert guard.literal is not None
            found.append(guard.literal)
            guard = guard.parent
        return found[::-1]

    def is_within(self, other: Guard) -> bool:
        """Whether it asks for all that the other asks for, in the same way."""
        guard = self
        while guard.depth > other.depth:
            assert guard.parent is not None
            guard = guard.parent
        return guard is other


def common(one: Guard, other: Guard) -> Guard:
    """Where the ways of two part."""
    while one is not other:
        if one.depth >= other.depth:
            assert one.parent is not None
            one = one.parent
        else:
            assert other.parent is not None
            other = other.parent
    return one


def is_exclusive(one: Guard, other: Guard) -> bool:
    """Whether two guards are surely never both true."""
    fork = common(one, other)
    ways = [guard.path()[fork.depth : fork.depth + 1] for guard in (one, other)]
    return bool(ways[0]) and bool(ways[1]) and ways[0][0] == ways[1][0].opposite()


class Guards:
    """The guards of all nodes.

    Attributes:
        root: asks for nothing.
        of: of each node; None where it never runs.
        conditions: of each literal of the kind ``holds``: the expression.
        fails: of each node whether it may fail and the workflow goes on.
    """

    def __init__(self, workflow: Workflow, graph: Graph) -> None:
        self.root = Guard()
        self.conditions: dict[Literal, Tree] = {}
        self._nodes = workflow.nodes
        self.fails = [
            can_fail(node) and any(edge.is_failed for edge in graph.outgoing[number])
            for number, node in enumerate(workflow.nodes)
        ]
        self.of: list[Guard | None] = [self.root] * len(workflow.nodes)
        for number in graph.order:
            if graph.incoming[number]:
                self.of[number] = self._guard(number, graph.incoming[number])

    def of_edge(self, edge: Edge) -> Guard | None:
        """When an edge is taken; None: never."""
        guard = self.of[edge.source]
        if guard is None or (edge.is_failed and not self.fails[edge.source]):
            return None
        if self.fails[edge.source]:
            guard = guard.below(Literal("failed", edge.source, edge.is_failed))
        if edge.condition is None:
            return guard
        tree, holds = _plain(edge.condition, self._nodes[edge.source])
        if isinstance(tree, Constant):
            return guard if bool(tree.value) == holds else None
        literal = Literal("holds", edge.source, holds, repr(tree))
        self.conditions[literal] = tree
        self.conditions[literal.opposite()] = tree
        return guard.below(literal)

    def _guard(self, number: int, edges: list[Edge]) -> Guard | None:
        ways = [guard for guard in map(self.of_edge, edges) if guard is not None]
        if not ways:
            return None
        simple = _simplified(ways)
        if len(simple) == 1 and simple[0].depth <= MAX_GUARD_DEPTH:
            return simple[0]
        place = simple[0]
        for guard in simple[1:]:
            place = common(place, guard)
        while place.depth >= MAX_GUARD_DEPTH:
            assert place.parent is not None
            place = place.parent
        if place in simple:
            return place
        return place.below(Literal("ran", number))


def can_fail(node: Node) -> bool:
    """Whether a node may fail, and not be taken as finished."""
    if node.continues or node.is_instant:
        return False
    return not (isinstance(node.work, Wait) and not node.timeout_ms)


def _plain(tree: Tree, source: Node) -> tuple[Tree, bool]:
    """A condition without what only turns it around, and whether it has to hold."""
    holds = True
    while True:
        match tree:
            case Not(operand):
                tree, holds = operand, not holds
            case Comparison(
                "==" | "!=" as operator, Path("outputs", ("result",)) as path, Constant(bool(value))
            ) if isinstance(source.work, Decide):
                tree, holds = path, holds == (value == (operator == "=="))
            case _:
                return tree, holds


def _simplified(ways: list[Guard]) -> list[Guard]:
    """Some of the guards that say the same as all of them: any one has to be true."""
    found: dict[Guard, None] = {}
    left = list(dict.fromkeys(ways))
    while left:
        guard = left.pop(0)
        up: Guard | None = guard.parent
        while up is not None and up not in found:
            up = up.parent
        if up is not None or guard in found:
            continue
        if guard.parent is not None and guard.literal is not None:
            opposite = guard.parent.below(guard.literal.opposite())
            if guard.literal.kind != "ran" and opposite in found:
                del found[opposite]
                left.append(guard.parent)
                continue
        found[guard] = None
    return [guard for guard in found if not _has_above(guard, found)]


def _has_above(guard: Guard, found: dict[Guard, None]) -> bool:
    up = guard.parent
    while up is not None:
        if up in found:
            return True
        up = up.parent
    return False
