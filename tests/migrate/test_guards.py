"""When nodes run: guards, held against truth tables."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hero_logic.migrate.graph import Graph
from hero_logic.migrate.guards import MAX_GUARD_DEPTH, Guard, Guards, Literal, can_fail, common, is_exclusive
from hero_logic.migrate.read import read
from hero_logic.migrate.workflow import Edge, Workflow
from migrate.legacy import condition, edge, script, transform, workflow
from support.scale import SCALED

A, B = Literal("holds", 0, True, "a"), Literal("holds", 1, True, "b")
CONDITIONS = {
    "": lambda _: True,
    "inputs.x": lambda holds: holds,
    "not inputs.x": lambda holds: not holds,
    "not not inputs.x": lambda holds: holds,
    "1": lambda _: True,
    "not 'a'": lambda _: False,
}
OF_CONDITIONS = {
    "outputs.result": lambda holds: holds,
    "outputs.result == true": lambda holds: holds,
    "outputs.result != true": lambda holds: not holds,
    "outputs.result == false": lambda holds: not holds,
    "not outputs.result == false": lambda holds: holds,
}
EVERY = {**CONDITIONS, **OF_CONDITIONS}


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Workflow, list[str]]:
    """A workflow of up to six nodes, and the condition of each of its edges as it was written."""
    kinds = draw(st.lists(st.sampled_from(["script", "condition", "transform"]), min_size=2, max_size=6))
    make = {"script": script, "condition": condition, "transform": transform}
    nodes = [make[kind]("1", f"n{number}") for number, kind in enumerate(kinds)]
    edges, written = [], []
    for end in range(1, len(kinds)):
        starts = draw(st.lists(st.integers(0, end - 1), max_size=3))
        for start in starts:
            words = [*EVERY] if kinds[start] == "condition" else [*CONDITIONS, "failed", "failed"]
            word = draw(st.sampled_from(words))
            edges.append(edge(f"n{start}", f"n{end}", **({"condition": word} if word else {})))
            written.append(word)
    return read(workflow(nodes, edges)), written


class Table:
    """One line of a truth table, and what runs in it: what the format says, read aloud."""

    def __init__(self, found: Workflow, written: list[str], holds: tuple[bool, ...], fails: tuple[bool, ...]):
        self.workflow = found
        self.graph = Graph(found)
        self.written = {edge.pointer: word for edge, word in zip(found.edges, written, strict=True)}
        self.holds_at = holds
        self.fails_at = fails

    def runs(self, node: int) -> bool:
        """A node runs if it has no edge, or if one is taken."""
        edges = self.graph.incoming[node]
        return not edges or any(map(self.takes, edges))

    def takes(self, edge: Edge) -> bool:
        """An edge for failure is taken of a node that failed, any other by its condition."""
        if not self.runs(edge.source):
            return False
        word = self.written[edge.pointer]
        if self.fails_at[edge.source] or word == "failed":
            return self.fails_at[edge.source] and word == "failed"
        return bool(EVERY[word](self.holds_at[edge.source]))

    def holds(self, guard: Guard, guards: Guards) -> bool:
        """All of its literals are true."""
        return all(self.is_true(literal, guards) for literal in guard.path())

    def is_true(self, literal: Literal, guards: Guards) -> bool:
        """Of a node that ran it is what it asks, of others nothing is."""
        match literal.kind:
            case "ran":
                return self.runs(literal.node) == literal.holds
            case "failed":
                return self.runs(literal.node) and self.fails_at[literal.node] == literal.holds
            case _:
                tree = guards.conditions[literal]
                assert "Path" in type(tree).__name__, "what turns it around is gone"
                return self.runs(literal.node) and self.holds_at[literal.node] == literal.holds


def tables(found: Workflow, written: list[str], guards: Guards) -> list[Table]:
    """All lines of the truth table: of each node its condition, and whether it fails, if it may."""
    ways = [
        [(holds, fails) for holds in (False, True) for fails in ({False, guards.fails[number]})]
        for number in range(len(found.nodes))
    ]
    return [
        Table(found, written, tuple(one[0] for one in line), tuple(one[1] for one in line))
        for line in product(*ways)
    ]


@pytest.mark.property
@SCALED
@given(graphs())
def test_a_guard_holds_where_its_node_runs_and_nowhere_else(case: tuple[Workflow, list[str]]) -> None:
    """In every line of the truth table; and a node without a guard runs in none."""
    found, written = case
    guards = Guards(found, Graph(found))

    for table in tables(found, written, guards)[:256]:
        for node, guard in enumerate(guards.of):
            assert table.runs(node) == (guard is not None and table.holds(guard, guards)), (
                node,
                table.holds_at,
            )


@pytest.mark.property
@SCALED
@given(graphs())
def test_of_guards_that_exclude_each_other_never_both_hold(case: tuple[Workflow, list[str]]) -> None:
    """In no line of the truth table; what runs side by side is decided by that."""
    found, written = case
    guards = Guards(found, Graph(found))
    pairs = [
        (one, other)
        for one in guards.of
        for other in guards.of
        if one is not None and other is not None and is_exclusive(one, other)
    ]

    for table in tables(found, written, guards)[:256] if pairs else []:
        assert not any(table.holds(one, guards) and table.holds(other, guards) for one, other in pairs)


def test_the_same_way_is_the_same_guard() -> None:
    """Guards are compared by what they are, thousands of times."""
    root = Guard()

    assert root.below(A).below(B) is root.below(A).below(B)
    assert root.below(A) is not root.below(A.opposite())


def test_a_guard_within_another_asks_for_all_that_it_asks_for() -> None:
    """In the same way; the root asks for nothing."""
    root = Guard()
    deep = root.below(A).below(B)

    assert [deep.is_within(other) for other in (root, root.below(A), deep)] == [True] * 3
    assert not root.below(A).is_within(deep)
    assert not deep.is_within(root.below(B))


def test_ways_part_where_they_have_the_last_literal_in_common() -> None:
    """Wherever each goes on from there."""
    root = Guard()
    one = root.below(A)

    assert common(one.below(B), one.below(B.opposite())) is one
    assert common(one, one.below(B)) is one
    assert common(root.below(B), one) is root


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([A], [A.opposite()], True),
        ([A, B], [A.opposite()], True),
        ([A, B], [A, B.opposite()], True),
        ([A], [B], False),
        ([A], [A, B], False),
        ([A], [], False),
        ([A], [A], False),
        ([A, B], [B.opposite()], False),
    ],
)
def test_ways_that_part_at_a_literal_and_its_opposite_exclude_each_other(
    one: list[Literal], other: list[Literal], expected: bool
) -> None:
    """Of others that is not said, even where it is so."""
    root = Guard()
    ends = []
    for way in (one, other):
        guard = root
        for literal in way:
            guard = guard.below(literal)
        ends.append(guard)

    assert is_exclusive(*ends) is expected


def test_a_way_is_no_deeper_than_a_reader_can_follow() -> None:
    """What lies deeper asks whether the node before it ran."""
    nodes = [condition("inputs.x", f"n{number}") for number in range(20)]
    edges = [edge(f"n{n}", f"n{n + 1}", condition="outputs.result") for n in range(19)]
    found = read(workflow(nodes, edges))

    guards = Guards(found, Graph(found))

    depths = [guard.depth for guard in guards.of if guard is not None]
    assert depths[: MAX_GUARD_DEPTH + 1] == list(range(MAX_GUARD_DEPTH + 1))
    assert max(depths) <= MAX_GUARD_DEPTH


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (script("1"), True),
        (script("1", on_error="continue"), False),
        (transform(1), False),
        (condition("1"), False),
        ({"node_id": "a", "node_type": "wait", "config": {"duration_ms": 1}}, False),
        ({"node_id": "a", "node_type": "wait", "config": {"duration_ms": 1}, "timeout_ms": 1}, True),
        (
            {"node_id": "a", "node_type": "script_execution", "config": {"language": "sh", "script": ""}},
            True,
        ),
        ({"node_id": "a", "node_type": "subworkflow", "config": {"workflow": "x", "inputs": {}}}, True),
        (
            {
                "node_id": "a",
                "node_type": "action",
                "config": {"service": "x", "method": "m", "params": {}},
                "on_error": "continue",
            },
            False,
        ),
    ],
)
def test_which_nodes_can_fail(node: dict[str, Any], expected: bool) -> None:
    """What takes no time cannot, nor can what counts as finished in spite of its error."""
    assert can_fail(read(workflow([node])).nodes[0]) is expected


def test_an_edge_for_failure_of_what_cannot_fail_is_never_taken() -> None:
    """And what only such edges lead to never runs."""
    found = read(workflow([transform(1), script("1", "b")], [edge("a", "b", condition="failed")]))

    guards = Guards(found, Graph(found))

    assert guards.of_edge(found.edges[0]) is None
    assert guards.of == [guards.root, None]
