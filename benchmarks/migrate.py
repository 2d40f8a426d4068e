"""What migrating a legacy workflow of 1,000 nodes costs, beside what cannot be spared: reading its JSON, and
reading the Python that it becomes.

The floor is ``json.loads`` of the workflow and ``ast.parse`` of the flow. Both in the same process, in turns.
"""

from __future__ import annotations

import ast
import json
import random
import sys
import time
from collections.abc import Callable

from measure import Claim, arguments, finish, in_turns

from hero_logic.migrate import translate

NODES = 1_000
ROUNDS = 10
GOAL = 50.0


def main() -> int:
    """Measure; 1 if the goal was missed."""
    options = arguments(__doc__ or "")
    count = NODES // 20 if options.quick else NODES
    text = workflow(count)
    source = translate(text).source

    def floor() -> None:
        json.loads(text)
        ast.parse(source)

    measured = in_turns(
        {"floor": timed(floor), "migrate": timed(lambda: translate(text))},
        rounds=2 if options.quick else ROUNDS,
    )
    claim = Claim(
        f"migrate, {count:,} nodes",
        values=measured["migrate"],
        floor=measured["floor"],
        floor_name="json.loads and ast.parse",
        unit="ms",
        goal=GOAL,
        limit=None,
    )
    return finish("Migration: one workflow", [claim], options)


def workflow(count: int) -> str:
    """A workflow with a bit of everything: each node waits for one or two of the last twenty."""
    dice = random.Random(8420)
    nodes = []
    edges = []
    for number in range(count):
        node: dict[str, object] = {"node_id": f"n{number}", "name": f"Step {number}"}
        if number % 3:
            node["node_type"] = "transform"
            node["config"] = {"output": {"text": "{{inputs.text}} and {{inputs.rows.0}}", "n": number}}
        else:
            node["node_type"] = "script_execution"
            node["config"] = {
                "language": "python",
                "script": f"rows = [{number}]\noutput = {{'rows': rows}}\n",
            }
            node["retry_count"] = number % 2
        nodes.append(node)
        for source in {max(0, number - dice.randint(1, 20)) for _ in range(2)} - {number}:
            edge = {"from_node": f"n{source}", "to_node": f"n{number}"}
            if dice.random() < 0.3:
                edge["condition"] = f"outputs.n > {dice.randint(0, count)} or inputs.text contains 'a'"
            edges.append(edge)
    return json.dumps({"name": "large", "inputs": [], "nodes": nodes, "edges": edges}, indent=1)


def timed(work: Callable[[], object]) -> Callable[[], float]:
    """How long it takes, in milliseconds."""

    def once() -> float:
        began_s = time.perf_counter()
        work()
        return (time.perf_counter() - began_s) * 1000

    return once


if __name__ == "__main__":
    sys.exit(main())
