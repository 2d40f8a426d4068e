"""The graph of a workflow: who waits for whom, who comes of whom; without recursion, in sets of bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hero_logic.migrate.workflow import Edge, Workflow

MAX_RETRY_EDGES = 500


class Graph:
    """The normal edges of a workflow.

    Attributes:
        incoming: of each node, its normal edges in the order of the file.
        outgoing: the same of those that start there.
        retries: the retry edges.
        order: the nodes, each behind all that it waits for; shorter than the nodes where there is a cycle.
        ancestors: of each node a set of bits: all that it waits for, near and far.
        descendants: the same of all that waits for it.
    """

    def __init__(self, workflow: Workflow) -> None:
        count = len(workflow.nodes)
        self.incoming: list[list[Edge]] = [[] for _ in range(count)]
        self.outgoing: list[list[Edge]] = [[] for _ in range(count)]
        self.retries = [edge for edge in workflow.edges if edge.kind == "retry"]
        for edge in workflow.edges:
            if edge.kind == "normal":
                self.incoming[edge.target].append(edge)
                self.outgoing[edge.source].append(edge)
        self.order = self._sorted()
        self.ancestors = [0] * count
        self.descendants = [0] * count
        for node in self.order:
            for edge in self.incoming[node]:
                self.ancestors[node] |= self.ancestors[edge.source] | 1 << edge.source
        for node in reversed(self.order):
            for edge in self.outgoing[node]:
                self.descendants[node] |= self.descendants[edge.target] | 1 << edge.target

    def _sorted(self) -> list[int]:
        left = [len(edges) for edges in self.incoming]
        order = [node for node, edges in enumerate(self.incoming) if not edges]
        for node in order:
            for edge in self.outgoing[node]:
                left[edge.target] -= 1
                if not left[edge.target]:
                    order.append(edge.target)
        return order

    def cycles(self) -> Iterator[list[Edge]]:
        """Cycles of normal edges that have no node in common: at least one wherever there are any."""
        left = set(range(len(self.incoming))) - set(self.order)
        seen: set[int] = set()
        for start in sorted(left):
            walk: list[Edge] = []
            place: dict[int, int] = {}
            node = start
            while node not in seen and node not in place:
                place[node] = len(walk)
                # Whatever could not be sorted waits for something that could not be sorted either.
                walk.append(next(edge for edge in self.incoming[node] if edge.source in left))
                node = walk[-1].source
            if node in place:
                yield walk[place[node] :][::-1]
            seen.update(place)


def members(bits: int) -> Iterator[int]:
    """The numbers in a set of bits, from the least.

    >>> list(members(0b1101))
    [0, 2, 3]
    """
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def check_graph(workflow: Workflow) -> list[tuple[str, str]]:
    """The faults of the edges: cycles, and retry edges that go elsewhere than back."""
    graph = Graph(workflow)
    names = [node.node_id for node in workflow.nodes]
    faults: list[tuple[str, str]] = []
    for cycle in graph.cycles():
        way = [names[edge.source] for edge in cycle] + [names[cycle[0].source]]
        shown = " -> ".join(way if len(way) <= 10 else [*way[:8], "...", way[-1]])
        faults.append((f"a cycle of edges: {shown}; only retry edges may go back", cycle[-1].pointer))
    if faults:
        return faults
    for edge in graph.retries:
        if not any(found.is_failed for found in graph.incoming[edge.source]):
            faults.append(
                (f"a retry edge starts at a handler, and {names[edge.source]!r} is none", edge.pointer)
            )
        elif not graph.ancestors[edge.source] >> edge.target & 1:
            faults.append(
                (f"a retry edge ends before its start, and {names[edge.target]!r} is not", edge.pointer)
            )
    if len(graph.retries) > MAX_RETRY_EDGES:
        faults.append((f"{len(graph.retries)} retry edges; a workflow may have {MAX_RETRY_EDGES}", "/edges"))
    return faults
