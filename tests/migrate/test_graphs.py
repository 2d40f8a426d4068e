"""The random graphs are what they claim to be: valid, and of every kind often enough."""

from __future__ import annotations

import json
from collections import Counter

from hypothesis import given, settings

from migrate.graphs import Graph, expected, graphs
from migrate.reference import Stuck


def test_every_kind_of_run_is_among_them() -> None:
    """Of two hundred: some fail, skip, try again, go back; a run comes to the same twice, and to JSON."""
    seen: Counter[str] = Counter()

    @settings(max_examples=200, database=None, derandomize=True, deadline=None)
    @given(graphs())
    def look(graph: Graph) -> None:
        try:
            done = expected(graph)
        except Stuck:
            seen["stuck"] += 1
            return
        assert done == expected(graph)
        json.dumps(done.output, allow_nan=False)
        nodes, edges = graph.workflow["nodes"], graph.workflow["edges"]
        retries = [edge for edge in edges if edge.get("kind") == "retry"]
        seen[done.status] += 1
        seen["refused"] += not done.tries
        seen["skips"] += bool(done.skipped)
        seen["tries"] += any(tries > 1 for tries in done.tries.values())
        seen["ways back"] += bool(retries)
        seen["went back"] += any(done.tries.get(edge["from_node"], 0) > 1 for edge in retries)
        seen["joins"] += any(sum(edge["to_node"] == one["node_id"] for edge in edges) > 1 for one in nodes)
        kinds = {one["node_type"] for one in nodes if one["node_id"] in done.tries}
        seen["calls"] += bool(kinds & {"action", "ai_call"})
        seen["other workflows"] += "subworkflow" in kinds
        seen["all nodes"] += len(done.ran) == len(nodes) > 3

    look()

    assert seen["stuck"] < 20
    for kind in (
        "ok",
        "failed",
        "skips",
        "tries",
        "ways back",
        "joins",
        "all nodes",
        "calls",
        "other workflows",
    ):
        assert seen[kind] >= 20, (kind, seen)
    for kind in ("refused", "went back"):
        assert seen[kind] >= 5, (kind, seen)
