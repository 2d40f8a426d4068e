"""Small legacy workflows, put together in one line."""

from __future__ import annotations

import json
from typing import Any


def script(text: str, node_id: str = "a", **more: Any) -> dict[str, Any]:
    """A node that runs a script."""
    config = {"language": "python", "script": text}
    return {"node_id": node_id, "node_type": "script_execution", "config": config, **more}


def transform(output: Any, node_id: str = "a", **more: Any) -> dict[str, Any]:
    """A node that is a transform."""
    return {"node_id": node_id, "node_type": "transform", "config": {"output": output}, **more}


def condition(expression: str, node_id: str = "a", **more: Any) -> dict[str, Any]:
    """A node that is a condition."""
    return {"node_id": node_id, "node_type": "condition", "config": {"expression": expression}, **more}


def edge(start: str, end: str, **more: Any) -> dict[str, Any]:
    """An edge."""
    return {"from_node": start, "to_node": end, **more}


def given(name: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    """A required input."""
    return {"name": name, "type": kind, "description": "", "required": True, "default": "", **more}


def workflow(nodes: list[Any], edges: Any = (), inputs: Any = (), **more: Any) -> str:
    """A workflow's text."""
    return json.dumps({"name": "w", "nodes": nodes, "edges": list(edges), "inputs": list(inputs), **more})
