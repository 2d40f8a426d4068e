"""What the report says of each part of a workflow, in the order of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hero_logic.migrate.plan import can_be_taken
from hero_logic.migrate.report import NEEDS_PERSON, Entry
from hero_logic.migrate.steps import loops_in
from hero_logic.migrate.values import can_be_parameter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hero_logic.migrate.plan import Plan
    from hero_logic.migrate.steps import Steps
    from hero_logic.migrate.workflow import Edge, Input, Kept, Node, Workflow


def entries_of(
    workflow: Workflow, plan: Plan, steps: Steps, lines_of: Mapping[str, int], first_line: int
) -> list[Entry]:
    """An entry or more for each part."""
    found = list(_of_part("workflow", "", workflow.kept, _NOTHING, first_line))
    for given in workflow.inputs:
        found += _of_part(f"input {given.name}", given.pointer, given.kept, _input(given), first_line)
    for number, node in enumerate(workflow.nodes):
        found += _of_part(
            node.node_id,
            node.pointer,
            node.kept,
            _node(number, node, plan, steps),
            lines_of.get(node.node_id, 0),
        )
    overlapping = {
        edge.pointer for loop in loops_in(plan.region) if len(loop.edges) > 1 for edge in loop.edges
    }
    for edge in workflow.edges:
        ends = [workflow.nodes[end].node_id for end in (edge.source, edge.target)]
        line = lines_of.get(ends[1], 0)
        remarks = _edge(edge, plan)
        if edge.pointer in overlapping and not remarks:
            says = "its loop and that of another retry edge overlap: their nodes run one after another"
            remarks.append(("one_after_another", says))
        found += _of_part(f"edge {ends[0]} -> {ends[1]}", edge.pointer, edge.kept, remarks, line)
    return found


_NOTHING: list[tuple[str, str]] = []


def _of_part(
    part: str, pointer: str, kept: Kept, remarks: list[tuple[str, str]], line: int
) -> Iterator[Entry]:
    for code, says in remarks:
        yield Entry(
            "person" if code in NEEDS_PERSON else "remark", code, part, says, pointer, target_line=line
        )
    for key, _, place in kept:
        says = f"the key {key[:80]!r} is none of the format's; it stands in the flow as a comment"
        yield Entry("remark", "kept_key", part, says, place, target_line=line)
    if not remarks and not kept:
        yield Entry("translated", "", part, "", pointer, target_line=line)


def _input(given: Input) -> list[tuple[str, str]]:
    if can_be_parameter(given.name):
        return []
    return [
        (
            "free_inputs",
            f"no parameter can be called {given.name[:80]!r}; the flow takes it by its name all the same",
        )
    ]


def _node(number: int, node: Node, plan: Plan, steps: Steps) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if plan.guards.of[number] is None:
        found.append(("never_true", "no edge to this node is ever taken; it is left out"))
    if number in steps.works.remarks:
        found.append(steps.works.remarks[number])
    if node.is_instant and node.timeout_ms:
        found.append(
            ("instant_timeout", f"it takes no time, so that its timeout_ms of {node.timeout_ms} is not kept")
        )
    if number in steps.values.loose:
        says = f"an expression looks at {steps.values.loose[number]}: it finds null, or what is there by then"
        found.append(("loose_reference", says))
    return found


def _edge(edge: Edge, plan: Plan) -> list[tuple[str, str]]:
    if edge in plan.tangled:
        says = (
            "its loop and that of another retry edge wait for each other; the flow fails where it would go "
            "back: write that part by hand, from the functions that are there"
        )
        return [("entangled_loops", says)]
    if edge.kind == "retry":
        if not can_be_taken(edge, plan.guards):
            return [("never_true", "a retry edge is taken of a handler that finished; this one never is")]
        return []
    if plan.guards.of_edge(edge) is None and plan.guards.of[edge.source] is not None:
        return [("never_true", "its condition is never true")]
    return []
