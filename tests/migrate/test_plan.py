"""In which order nodes stand, and what runs side by side: held against the graph itself."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hero_logic.migrate.plan import Item, Loop, Plan, Region, Task, first_node, make_plan
from hero_logic.migrate.read import read
from migrate.graphs import Graph as RandomGraph
from migrate.graphs import graphs
from migrate.legacy import edge, script, transform, workflow
from support.scale import SCALE, SCALED


def plan_of(nodes: list[dict[str, Any]], *edges: dict[str, Any]) -> Plan:
    """The plan of a workflow."""
    return make_plan(read(workflow(nodes, edges)))


def retry(start: str, end: str, **more: Any) -> dict[str, Any]:
    """A way back."""
    return edge(start, end, kind="retry", **more)


def scripts(names: str) -> list[dict[str, Any]]:
    """A script for each letter."""
    return [script("output = 1", name) for name in names]


def shown(region: Region) -> list[Any]:
    """A region as lists: a node is its number, a task a list in a list, a loop a tuple."""

    def item(one: Item) -> Any:
        if isinstance(one, int):
            return one
        assert one.region is not None
        return tuple(shown(one.region))

    return [
        [item(one) for one in line.items] if isinstance(line, Task) else item(line.item)
        for line in region.lines
    ]


# --- What depends on what ------------------------------------------------------------------------------


def nodes_of(item: Item) -> list[int]:
    """All nodes of an item, in their order."""
    if isinstance(item, int):
        return [item]
    assert item.region is not None
    return [node for one in items_of(item.region) for node in nodes_of(one)]


def items_of(region: Region) -> list[Item]:
    """All items of a region, in their order."""
    return [item for line in region.lines for item in (line.items if isinstance(line, Task) else [line.item])]


def done_before(region: Region) -> dict[int, set[int]]:
    """Of each node those that are surely done when it begins, of this region and those within it.

    Slow and obvious: a task has those done that were done when it was begun, and those of the tasks that it
    begins after; a line those of all lines and waits so far.
    """
    found: dict[int, set[int]] = {}
    so_far: set[int] = set()
    by_task: dict[int, set[int]] = {}
    for line in region.lines:
        if isinstance(line, Task):
            own = so_far.union(*(by_task[id(task)] for task in line.after))
            items = line.items
        else:
            so_far = own = so_far.union(*(by_task[id(task)] for task in line.waits))
            items = [line.item]
        for item in items:
            for node in nodes_of(item):
                found[node] = set(own)
            if isinstance(item, Loop):
                assert item.region is not None
                for node, done in done_before(item.region).items():
                    found[node] |= done
            own = own | set(nodes_of(item))
        if isinstance(line, Task):
            by_task[id(line)] = own
        else:
            so_far = own
    for task in region.last:
        so_far |= by_task[id(task)]
    assert so_far == set(found), "the end waits for all"
    return found


FEW = settings(SCALED, max_examples=25 * SCALE)
"""Of those whose making takes longest."""


@pytest.mark.property
@FEW
@given(graphs())
def test_all_that_a_node_waits_for_is_done_before_it_begins(graph: RandomGraph) -> None:
    """However nodes are put into lines, tasks and loops; and each stands there once, if it ever runs."""
    plan = make_plan(read(graph.text))

    done = done_before(plan.region)

    assert sorted(done) == [node for node, guard in enumerate(plan.guards.of) if guard is not None]
    for node, before in done.items():
        assert {edge.source for edge in plan.graph.incoming[node]} & set(done) <= before, node


@pytest.mark.property
@FEW
@given(graphs())
def test_what_depends_on_where_a_loop_goes_back_to_stands_behind_it(graph: RandomGraph) -> None:
    """Only what leads to the handler may stand in the loop; all else waits for the handler."""
    plan = make_plan(read(graph.text))
    assume(not plan.tangled)

    done = done_before(plan.region)

    for way_back in plan.graph.retries:
        if way_back.source not in done or not way_back.max_retries or way_back.is_failed:
            continue
        after = {node for node in done if plan.graph.descendants[way_back.target] >> node & 1}
        leads = {node for node in done if plan.graph.ancestors[way_back.source] >> node & 1}
        others = [edge for edge in plan.graph.retries if edge is not way_back]
        if not others:
            for node in after - leads - {way_back.source}:
                assert way_back.source in done[node], node


# --- What runs side by side ----------------------------------------------------------------------------


@st.composite
def timed(draw: st.DrawFn) -> tuple[Plan, list[int]]:
    """A graph of scripts and transforms without conditions, and how long each node takes."""
    count = draw(st.integers(1, 8))
    lengths = draw(st.lists(st.integers(0, 5), min_size=count, max_size=count))
    nodes = [
        script("output = 1", f"n{number}") if length else transform(1, f"n{number}")
        for number, length in enumerate(lengths)
    ]
    edges = [
        edge(f"n{start}", f"n{end}")
        for end in range(1, count)
        for start in draw(st.lists(st.integers(max(0, end - 4), end - 1), max_size=2, unique=True))
    ]
    return plan_of(nodes, *edges), lengths


def begun_in_graph(plan: Plan, lengths: list[int]) -> list[int]:
    """When each node begins, where each begins as soon as it is ready."""
    begun = [0] * len(lengths)
    for node in plan.graph.order:
        begun[node] = max(
            (begun[edge.source] + lengths[edge.source] for edge in plan.graph.incoming[node]), default=0
        )
    return begun


def begun_in_flow(region: Region, lengths: list[int]) -> list[int]:
    """When each node begins in the flow, where lines and tasks do what they say."""
    begun = [0] * len(lengths)
    now = 0
    ends: dict[int, int] = {}
    for line in region.lines:
        if isinstance(line, Task):
            at = max([now, *(ends[id(task)] for task in line.after)])
        else:
            at = now = max([now, *(ends[id(task)] for task in line.waits)])
        for item in line.items if isinstance(line, Task) else [line.item]:
            assert isinstance(item, int)
            begun[item] = at
            at += lengths[item]
        if isinstance(line, Task):
            ends[id(line)] = at
        else:
            now = at
    return begun


@pytest.mark.property
@SCALED
@given(timed())
def test_nothing_begins_later_than_in_the_graph(case: tuple[Plan, list[int]]) -> None:
    """However long each node takes."""
    plan, lengths = case

    begun, due = begun_in_flow(plan.region, lengths), begun_in_graph(plan, lengths)

    late = {node for node, length in enumerate(lengths) if length and begun[node] > due[node]}
    assert late == set(), (begun, due)


def test_a_line_is_a_line() -> None:
    """Nodes one after another need no task, and one that waits for several tasks is none."""
    assert shown(plan_of(scripts("abc"), edge("a", "b"), edge("b", "c")).region) == [0, 1, 2]
    joined = plan_of(scripts("abc"), edge("a", "c"), edge("b", "c"))
    assert (shown(joined.region), joined.is_staged) == ([[0], [1], 2], True)


def test_a_task_is_as_long_as_nobody_waits_for_a_part_of_it() -> None:
    """A chain beside something else is one task; where something waits in its middle it is two."""
    chain = plan_of(scripts("abcx"), edge("a", "b"), edge("b", "c"))
    parted = plan_of(scripts("abcxy"), edge("a", "b"), edge("b", "c"), edge("a", "y"), edge("x", "y"))

    assert shown(chain.region) == [[0, 1, 2], [3]]
    assert [line for line in shown(parted.region) if line in ([0], [3])] == [[0], [3]]
    assert not chain.is_staged


def test_what_takes_no_time_is_no_reason_for_a_task() -> None:
    """Transforms stand in line, whatever they stand beside."""
    nodes = [*scripts("ab"), transform(1, "c"), transform(2, "d")]

    assert not plan_of(nodes[1:]).has_tasks
    assert plan_of(nodes).has_tasks


def test_what_never_runs_together_has_no_tasks() -> None:
    """A handler and the way on; the two ways of a condition."""
    ways = [edge("a", "b", condition="outputs.x"), edge("a", "c", condition="not outputs.x")]

    assert not plan_of(scripts("abc"), *ways).has_tasks
    assert not plan_of(scripts("abc"), edge("a", "b", condition="failed"), edge("a", "c")).has_tasks
    assert plan_of(scripts("abc"), ways[0], edge("a", "c", condition="outputs.y")).has_tasks


# --- Loops ---------------------------------------------------------------------------------------------

FAILS = edge("b", "h", condition="failed")


def test_a_loop_is_the_way_from_its_end_to_its_handler() -> None:
    """With what lies between; what else depends on its end stands behind it."""
    plan = plan_of(scripts("abhc"), edge("a", "b"), FAILS, edge("a", "c"), retry("h", "a"))

    assert shown(plan.region) == [(0, 1, 2), 3]


def test_a_loop_lies_in_another_one_whole() -> None:
    """If it does not end where the other one ends."""
    edges = [edge("a", "b"), FAILS, edge("b", "c"), edge("h", "c"), edge("c", "k", condition="failed")]

    plan = plan_of(scripts("abhck"), *edges, retry("h", "b"), retry("k", "a"))

    assert shown(plan.region) == [(0, (1, 2), 3, 4)]


@pytest.mark.parametrize(
    "back",
    [
        [retry("h", "a"), retry("h", "b")],
        [retry("h", "a"), retry("h", "a")],
        [retry("h", "a"), retry("k", "b")],
    ],
    ids=["of one handler", "the same", "crossing"],
)
def test_loops_that_overlap_are_one(back: list[dict[str, Any]]) -> None:
    """Which knows for each of its nodes by which of its edges it runs again."""
    edges = [edge("a", "b"), FAILS, edge("h", "k", condition="failed")]

    plan = plan_of(scripts("abhk"), *edges, *back)

    [loop] = [item for item in items_of(plan.region) if isinstance(item, Loop)]
    assert len(loop.edges) == len(back)
    assert len(loop.bodies) == len(back)
    assert all(loop.nodes & body == body for body in loop.bodies)


def test_a_loop_of_which_another_edge_leads_into_the_middle_is_no_loop_of_its_own() -> None:
    """One that is run again as a whole cannot be entered there."""
    nodes = scripts("abhl")
    edges = [edge("a", "b"), FAILS, edge("b", "l"), edge("h", "l", condition="failed")]

    plan = plan_of(nodes, *edges, retry("h", "a"), retry("l", "a"), retry("l", "b"))

    [loop] = [item for item in items_of(plan.region) if isinstance(item, Loop)]
    assert len(loop.edges) == 3
    assert loop.rerun_by(plan.graph, 0) == [0]
    assert sorted(loop.rerun_by(plan.graph, 1)) == [0, 1]


def test_loops_that_wait_for_each_other_are_told() -> None:
    """Neither is in the plan, and all else is."""
    edges = [edge("s", "a"), edge("s", "b"), FAILS, edge("a", "k", condition="failed")]

    plan = plan_of(scripts("sabhk"), *edges, retry("h", "s"), retry("k", "s"))

    assert len(plan.tangled) == 2
    assert sorted(done_before(plan.region)) == [0, 1, 2, 3, 4]
    assert not any(isinstance(item, Loop) for item in items_of(plan.region))


def test_a_way_back_that_is_never_gone_is_no_loop() -> None:
    """Not at all, or only of a handler that failed."""
    edges = [edge("a", "b"), FAILS]

    for never in ({"max_retries": 0}, {"condition": "failed"}, {"condition": "0"}):
        assert shown(plan_of(scripts("abh"), *edges, retry("h", "a", **never)).region) == [0, 1, 2]


def test_a_node_waits_for_what_one_that_never_runs_would_have_waited_for() -> None:
    """Otherwise it could begin before what fails the workflow has failed."""
    plan = plan_of(scripts("abcx"), edge("a", "b", condition="false"), edge("b", "c"), edge("x", "c"))

    assert 0 in done_before(plan.region)[2]


def test_a_way_back_that_is_never_gone_holds_up_what_it_would_have() -> None:
    """Until its handler is settled: also one that never runs is, when all is done that it waits for."""
    nodes = [script("output = 1", "a"), script("output = 1", "b", on_error="continue"), *scripts("hc")]

    plan = plan_of(nodes, edge("a", "b"), FAILS, edge("a", "c"), retry("h", "a"))

    assert plan.guards.of[2] is None
    assert 1 in done_before(plan.region)[3]


def test_a_loop_is_known_by_the_node_that_it_goes_back_to() -> None:
    """Its name in the flow comes of that."""
    plan = plan_of(scripts("abh"), edge("a", "b"), FAILS, retry("h", "a"))

    [loop] = items_of(plan.region)
    assert first_node(loop) == 0
    assert first_node(7) == 7
