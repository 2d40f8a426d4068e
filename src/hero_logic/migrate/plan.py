"""In which order the nodes of a workflow stand in its flow: loops, and what runs side by side.

1. A loop is the way from a retry edge's ``to_node`` to its handler. What else depends on ``to_node`` stands
   behind the loop, since it waits until the handler is known not to run again.
2. What is slow and may truly run at the same time as something else that is slow stands in a task, which is a
   thread of its own. Everything else stands in line. What takes no time (a transform, a condition) is never a
   reason for a thread.
3. A task is as long as nobody waits for a part of it: so nothing starts later than it did in the graph.

Source: docs/design/0029-legacy-workflows.md.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hero_logic.migrate.graph import Graph, members
from hero_logic.migrate.guards import Guard, Guards, common, is_exclusive

if TYPE_CHECKING:
    from hero_logic.migrate.workflow import Edge, Workflow

MAX_LOOPS_INSIDE = 6
"""Loops in loops: Python takes twenty nested blocks, of which a node itself may need three."""
_LOOKED_AT = 200
_COMPARED = 8


@dataclass(eq=False, slots=True)
class Loop:
    """Some nodes that a retry edge may run again; or several edges, whose ways overlap.

    Attributes:
        edges: the retry edges.
        bodies: of each edge its way, from its ``to_node`` to its handler, as a set of bits.
        nodes: all of them.
        depth: how many loops are around it.
        region: the order of its nodes.
    """

    edges: list[Edge]
    bodies: list[int]
    nodes: int
    depth: int = 0
    region: Region | None = None

    def rerun_by(self, graph: Graph, node: int) -> list[int]:
        """The ends of those edges that run a node again."""
        around = graph.ancestors[node] | 1 << node
        return [end for end in dict.fromkeys(edge.target for edge in self.edges) if around >> end & 1]


Item = int | Loop


def first_node(item: Item) -> int:
    """A node, or that to which a loop goes back."""
    return item if isinstance(item, int) else item.edges[0].target


@dataclass(eq=False, slots=True)
class Task:
    """Items that run one after another, beside other tasks; it begins when those in ``after`` are done."""

    items: list[Item]
    after: list[Task]
    position: int
    is_waited_for: bool = False
    open: set[int] = field(default_factory=set)


@dataclass(eq=False, slots=True)
class Line:
    """An item that stands in line, after some tasks are done."""

    item: Item
    waits: list[Task]


@dataclass(eq=False, slots=True)
class Region:
    """The items of a workflow or of one loop, in the order in which they stand; the tasks to wait for."""

    lines: list[Line | Task]
    last: list[Task]

    @property
    def is_staged(self) -> bool:
        """Whether its tasks stand in groups, each waited for as a whole before anything else is done."""
        group: list[Line | Task] = []
        for line in self.lines:
            if isinstance(line, Task):
                if line.after or len(line.items) > 1 or not isinstance(line.items[0], int):
                    return False
                group.append(line)
            elif line.waits != group:
                return False
            else:
                group = []
        return self.last == group


@dataclass(eq=False, slots=True)
class Plan:
    """All of it.

    Attributes:
        graph: the edges.
        guards: when each node runs.
        region: the order.
        tangled: retry edges whose loops wait for each other.
        has_tasks: whether anything runs side by side.
        is_staged: whether all tasks are single nodes, each of which is waited for with those beside it: so
            that nothing has to begin while something else runs.
    """

    graph: Graph
    guards: Guards
    region: Region
    tangled: list[Edge]
    has_tasks: bool
    is_staged: bool


def make_plan(workflow: Workflow) -> Plan:
    """Plan the flow of a workflow."""
    graph = Graph(workflow)
    guards = Guards(workflow, graph)
    tangled: list[Edge] = []
    joined: list[list[Edge]] = []
    while True:
        try:
            planner = _Planner(workflow, graph, guards, _loops(graph, guards, tangled, joined))
            region = planner.plan()
        except _Tangled as found:
            if len(found.loops) > 1:
                joined.append(found.edges)
            else:
                tangled += found.edges
        else:
            return Plan(graph, guards, region, tangled, planner.has_tasks, planner.is_staged)


class _Tangled(Exception):
    """Retry edges whose loops wait for each other."""

    def __init__(self, loops: list[Loop]) -> None:
        super().__init__()
        self.loops = loops
        self.edges = [edge for loop in loops for edge in loop.edges]


def _loops(graph: Graph, guards: Guards, without: list[Edge], joined: list[list[Edge]]) -> list[Loop]:
    """The loops, the largest first: any two lie apart, or one lies in the other.

    Args:
        graph: the edges.
        guards: when nodes run.
        without: retry edges that are left out.
        joined: retry edges that are of one loop, since each would wait for the other.
    """
    loops = []
    for edge in graph.retries:
        if edge not in without and edge.max_retries and can_be_taken(edge, guards):
            way = _way_of(edge, graph)
            loops.append(Loop([edge], [way], way))
    for edges in joined:
        apart = [loop for loop in loops if any(edge in edges for edge in loop.edges)]
        loops = [loop for loop in loops if loop not in apart]
        if apart:
            loops.append(_one_loop(graph, apart))
    while True:
        loops.sort(key=lambda loop: -loop.nodes.bit_count())
        pair = next(((one, other) for one in loops for other in loops if _overlap(one, other)), None)
        if pair is None:
            break
        one, other = pair
        loops = [loop for loop in loops if loop not in pair]
        loops.append(_one_loop(graph, [one, other]))
    for place, loop in enumerate(loops):
        around = [other for other in loops[:place] if other.nodes & loop.nodes]
        loop.depth = max((other.depth + 1 for other in around), default=0)
        loop.edges.sort(key=lambda edge: graph.retries.index(edge))
        loop.bodies = [_way_of(edge, graph) for edge in loop.edges]
        if loop.depth > MAX_LOOPS_INSIDE:
            raise _Tangled([loop])
    return loops


def _way_of(edge: Edge, graph: Graph) -> int:
    """What lies on the way from the end of a retry edge to its handler, with both, as a set of bits."""
    between = graph.descendants[edge.target] & graph.ancestors[edge.source]
    return between | 1 << edge.target | 1 << edge.source


def _one_loop(graph: Graph, loops: list[Loop]) -> Loop:
    """One loop of several, with all that lies between them."""
    nodes = before = behind = 0
    for loop in loops:
        nodes |= loop.nodes
    for number in members(nodes):
        before |= graph.ancestors[number]
        behind |= graph.descendants[number]
    return Loop([edge for loop in loops for edge in loop.edges], [], nodes | before & behind)


def can_be_taken(edge: Edge, guards: Guards) -> bool:
    """Whether a retry edge may ever be taken: of a handler that finished."""
    return not edge.is_failed and guards.of_edge(edge) is not None


def _overlap(one: Loop, other: Loop) -> bool:
    """Whether two loops neither lie apart nor one in the other, the first being the larger."""
    both = one.nodes & other.nodes
    if not both or one is other or one.nodes.bit_count() < other.nodes.bit_count():
        return False
    return both != other.nodes or any(other.nodes >> edge.source & 1 for edge in one.edges)


class _Planner:
    def __init__(self, workflow: Workflow, graph: Graph, guards: Guards, loops: list[Loop]) -> None:
        self.workflow = workflow
        self.graph = graph
        self.guards = guards
        self.loops = loops
        # Nothing ever goes back by these, and yet they hold up what depends on where they lead.
        self.idle = [edge for edge in graph.retries if edge.max_retries and not can_be_taken(edge, guards)]
        self.has_tasks = False
        self.is_staged = True

    def plan(self) -> Region:
        nodes = [number for number in self.graph.order if self.guards.of[number] is not None]
        return self.region(nodes, self.loops)

    def region(self, nodes: list[int], loops: list[Loop], around: Loop | None = None) -> Region:
        """The order of some nodes, with the loops among them, inside of a loop or of none."""
        outer = [
            loop for place, loop in enumerate(loops) if not any(loop.nodes & o.nodes for o in loops[:place])
        ]
        home: dict[int, Item] = {number: number for number in nodes}
        for loop in outer:
            for number in members(loop.nodes):
                if number in home:
                    home[number] = loop
        items = list(dict.fromkeys(home[number] for number in nodes))
        region = _Ordering(self, items, home, outer, around).order()
        for loop in outer:
            inner = [found for found in loops if found is not loop and found.nodes & loop.nodes]
            loop.region = self.region([number for number in nodes if loop.nodes >> number & 1], inner, loop)
        return region

    def guard_of(self, item: Item) -> Guard:
        """When an item runs; of a loop, where the ways of its nodes part."""
        if isinstance(item, int):
            guard = self.guards.of[item]
            assert guard is not None
            return guard
        return loop_guard(item, self.guards)


def loop_guard(loop: Loop, guards: Guards) -> Guard:
    """When anything of a loop runs."""
    place: Guard | None = None
    for number in members(loop.nodes):
        guard = guards.of[number]
        if guard is not None:
            place = guard if place is None else common(place, guard)
    # What is asked of a node of the loop itself can only be asked inside of it.
    while place is not None and place.literal is not None and loop.nodes >> place.literal.node & 1:
        place = place.parent
    return place or guards.root


class _Ordering:
    """Puts the items of one region in order."""

    def __init__(
        self,
        planner: _Planner,
        items: list[Item],
        home: dict[int, Item],
        loops: list[Loop],
        around: Loop | None,
    ) -> None:
        self.around = around
        self.planner = planner
        self.items = items
        index = {item: place for place, item in enumerate(items)}
        self.before: list[set[int]] = [set() for _ in items]
        self.after: list[set[int]] = [set() for _ in items]
        for number, item in home.items():
            for edge in planner.graph.incoming[number]:
                if edge.source in home:
                    self.link(index[home[edge.source]], index[item])
        # While a handler may still run, what depends on to_node waits.
        waits = [(edge, loop.nodes) for loop in loops for edge in loop.edges]
        waits += list(zip(around.edges, around.bodies, strict=True)) if around else []
        for edge, body in waits:
            for number in members(planner.graph.descendants[edge.target] & ~body):
                if number in home and edge.source in home:
                    self.link(index[home[edge.source]], index[home[number]])
        for edge in planner.idle:
            for number in members(planner.graph.descendants[edge.target] & ~_way_of(edge, planner.graph)):
                if number in home and edge.source in home:
                    self.link_unless_circular(index[home[edge.source]], index[home[number]])
        self.slow = [
            not (isinstance(item, int) and planner.workflow.nodes[item].is_instant) for item in items
        ]
        self.guards = [planner.guard_of(item) for item in items]
        self.ancestors = [0] * len(items)
        self.descendants = [0] * len(items)
        self.task: dict[int, Task] = {}
        self.position: dict[int, int] = {}
        self.lines: list[Line | Task] = []
        self.last_guard: Guard | None = None

    def link(self, one: int, other: int) -> None:
        if one != other:
            self.before[other].add(one)
            self.after[one].add(other)

    def link_unless_circular(self, one: int, other: int) -> None:
        """Let an item wait for another one, if that does not wait for it."""
        seen, left = {one}, [one]
        while left:
            for before in self.before[left.pop()] - seen:
                seen.add(before)
                left.append(before)
        if other not in seen:
            self.link(one, other)

    def order(self) -> Region:
        self.close()
        self.concurrent = [self.is_concurrent(place) for place in range(len(self.items))]
        left = [len(before) for before in self.before]
        ready = [(self.rank(place), place) for place, count in enumerate(left) if not count]
        heapq.heapify(ready)
        while ready:
            place = self.taken_from(ready)
            self.put(place)
            for after in sorted(self.after[place]):
                left[after] -= 1
                if not left[after]:
                    heapq.heappush(ready, (self.rank(after), after))
        tasks = [line for line in self.lines if isinstance(line, Task)]
        region = Region(self.lines, [task for task in tasks if not task.is_waited_for])
        self.planner.has_tasks |= bool(tasks)
        self.planner.is_staged &= region.is_staged
        return region

    def taken_from(self, ready: list[tuple[int, int]]) -> int:
        """The next item of a heap; of some that rank alike rather one that runs only where the last one did.

        So that what stands in one ``if`` stands together.
        """
        looked_at = [heapq.heappop(ready)]
        while ready and ready[0][0] == looked_at[0][0] and len(looked_at) < _COMPARED:
            looked_at.append(heapq.heappop(ready))
        near = self.last_guard
        chosen = next(
            (item for item in looked_at if near and self.guards[item[1]].is_within(near)), looked_at[0]
        )
        for item in looked_at:
            if item is not chosen:
                heapq.heappush(ready, item)
        self.last_guard = self.guards[chosen[1]]
        return chosen[1]

    def close(self) -> None:
        """Fill in the sets of all that comes before and after; raise where items wait for each other."""
        left = [len(before) for before in self.before]
        order = [place for place, count in enumerate(left) if not count]
        for place in order:
            for after in self.after[place]:
                left[after] -= 1
                if not left[after]:
                    order.append(after)
        if len(order) < len(self.items):
            rest = set(range(len(self.items))) - set(order)
            inside = [item for item in (self.items[place] for place in rest) if isinstance(item, Loop)]
            raise _Tangled(inside or ([self.around] if self.around else []))
        for place in order:
            for before in self.before[place]:
                self.ancestors[place] |= self.ancestors[before] | 1 << before
        for place in reversed(order):
            for after in self.after[place]:
                self.descendants[place] |= self.descendants[after] | 1 << after
        self.slow_set = sum(1 << place for place, slow in enumerate(self.slow) if slow) if self.items else 0

    def is_concurrent(self, place: int) -> bool:
        """Whether something slow may run while this runs."""
        if self.around and len(self.around.edges) > 1:
            return False  # it may have to go back from anywhere, which a thread cannot
        others = self.slow_set & ~(self.ancestors[place] | self.descendants[place] | 1 << place)
        for looked_at, other in enumerate(members(others)):
            if looked_at >= _LOOKED_AT or not is_exclusive(self.guards[place], self.guards[other]):
                return True
        return False

    def rank(self, place: int) -> int:
        """What stands first of all that is ready: what takes no time, then tasks, then what waits."""
        if not self.slow[place] and all(before not in self.task for before in self.before[place]):
            return 0
        return 1 if self.concurrent[place] else 2

    def put(self, place: int) -> None:
        tasks = {
            id(self.task[before]): self.task[before]
            for before in sorted(self.before[place])
            if before in self.task
        }
        if not self.concurrent[place] or (not self.slow[place] and not tasks):
            for task in tasks.values():
                task.is_waited_for = True
            self.position[place] = len(self.lines)
            self.lines.append(Line(self.items[place], list(tasks.values())))
            return
        found = self.joined(place, list(tasks.values()))
        task = found or Task([], list(tasks.values()), len(self.lines))
        if found is None:
            for before in task.after:
                before.is_waited_for = True
            self.lines.append(task)
        task.items.append(self.items[place])
        self.task[place] = task
        task.open.discard(place)
        task.open.update(after for after in self.after[place])

    def joined(self, place: int, tasks: list[Task]) -> Task | None:
        """The task that an item can be added to without making anybody wait longer."""
        if len(tasks) != 1:
            return None
        task = tasks[0]
        for before in self.before[place]:
            if before not in self.task and self.position[before] > task.position:
                return None
        if self.slow[place]:
            others = (after for after in task.open if after != place)
            if not all(self.ancestors[after] >> place & 1 for after in others):
                return None
        return task
