"""A legacy workflow, which was a graph in JSON, becomes a flow in Python.

Pure: text in, text and report out. Nothing else in hero_logic knows what such a graph is.
docs/migration.md says what stands for what.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hero_logic.migrate.names import Names, flow_name
from hero_logic.migrate.read import read
from hero_logic.migrate.report import Entry, Migration, Report, placed
from hero_logic.migrate.write import was_made_here, write

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Entry", "Migration", "Report", "module_names", "translate", "was_made_here"]

_NOTHING: dict[str, str] = {}


def translate(text: str, *, known: Mapping[str, str] = _NOTHING, name: str = "", flow: str = "") -> Migration:
    """The flow that a workflow becomes, and the report of it.

    Args:
        text: the workflow, as JSON.
        known: the names of other workflows that nodes may name, each with the module that its flow is in;
            the flow's function is called like the module.
        name: what to call the text in messages.
        flow: what to call the flow; otherwise it is called like the workflow.

    Raises:
        InvalidWorkflow: it is no workflow; it tells of every fault, with its place.

    The same text gives the same source and report, byte for byte.

    >>> node = '{"node_id": "a", "node_type": "wait", "config": {"duration_ms": 5}}'
    >>> text = f'{{"name": "w", "nodes": [{node}]}}'
    >>> "time.sleep(0.005)" in translate(text).source
    True
    """
    workflow = read(text, name=name)
    source, function, entries = write(workflow, known, flow)
    report = Report(
        workflow.name,
        function,
        placed(entries, text),
        required=workflow.required,
        services=workflow.services,
        flows=tuple(known[called] for called in workflow.subworkflows if called in known),
    )
    return Migration(source, report)


def module_names(texts: Iterable[str]) -> list[tuple[str, str]]:
    """The names of some workflows, each with a module for its flow; no two modules have one name.

    A text that is no workflow has the name "".
    """
    names = Names()
    found = []
    for text in texts:
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            document = None
        name = document.get("name") if isinstance(document, dict) else None
        name = name if isinstance(name, str) else ""
        found.append((name, names.unique(flow_name(name))))
    return found
