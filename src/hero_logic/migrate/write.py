"""A flow's file: its head, its flow, the functions of the prelude that it calls, the scripts."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from hero_logic.migrate.function import FlowFunction
from hero_logic.migrate.linters import spared
from hero_logic.migrate.prelude import ABSENT, MESSAGE_OF_FUNCTIONS, PIECES, import_lines, needed
from hero_logic.migrate.remarks import entries_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hero_logic.migrate.report import Entry
    from hero_logic.migrate.workflow import Workflow

HEAD = "# Made by hero-logic migrate; checksum "


def write(
    workflow: Workflow, known: Mapping[str, str], flow: str, inside: Mapping[str, Workflow]
) -> tuple[str, list[Entry]]:
    """The file of a workflow's flow, and what became of each part.

    Args:
        workflow: what the flow is made of.
        known: the names of the workflows that nodes may name, each with the function that it becomes.
        flow: what the flow is called.
        inside: those of these functions that are written into the same file, each with its workflow.
    """
    function = FlowFunction(workflow, known, flow, here=inside)
    functions = [function]
    for name, called in inside.items():
        taken = [script for written in functions for script in written.steps.works.script_names]
        functions.append(FlowFunction(called, known, name, here={flow, *inside}, taken=taken, is_flow=False))
    source, first_line = _file(functions)
    lines_of = {part: first_line - 1 + line for part, line in function.lines_of.items()}
    return source, entries_of(workflow, function.plan, function.steps, lines_of, first_line + 1)


def checksum(rest: str) -> str:
    """What tells whether somebody has changed a file: of all that stands behind its first line."""
    return hashlib.sha256(rest.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def was_made_here(source: str) -> bool | None:
    """Whether a file is as it was made, as far as its first line can tell; None: it was not made here."""
    first, _, rest = source.partition("\n")
    if not first.startswith(HEAD):
        return None
    return first[len(HEAD) :][:16] == checksum(rest)


def _file(functions: Sequence[FlowFunction]) -> tuple[str, int]:
    """The file of some functions, of which the first is the flow; and the line where that begins."""
    uses = set().union(*(function.body.uses for function in functions))
    works = [function.steps.works for function in functions]
    pieces, imports = needed(uses)
    sources = {piece: PIECES[piece].source for piece in pieces}
    if "message" in pieces and any(work.have_functions for work in works):
        sources["message"] = MESSAGE_OF_FUNCTIONS.source
        imports.update(MESSAGE_OF_FUNCTIONS.imports)
    if "ABSENT" in uses or any("Any" in line for function in functions for line in function.lines):
        imports.add("Any")
    lines = [*import_lines(imports), ""] if imports else []
    lines += ["from hero_tracing import flow", ""]
    if "ABSENT" in uses:
        lines += [ABSENT, ""]
    for work in works:
        for script in work.texts:
            lines += [*script, ""]
    # Behind the first line of the file, and the blank one before the flow.
    first_line = len(lines) + 3
    for function in functions:
        lines += ["", *function.lines, ""]
    lines.pop()
    for piece in pieces:
        lines += ["", "", *sources[piece].rstrip("\n").split("\n")]
    scripts = [script for work in works for script in work.functions]
    if scripts:
        lines += ["", "", "# fmt: off"]
        for number, script in enumerate(scripts):
            lines += [*([""] if number else []), *script]
    rest = "\n".join(lines) + "\n"
    has_scripts = bool(scripts) or any(work.texts for work in works)
    noqa = "  # ruff: noqa (scripts stand as they were written)" if has_scripts else spared(rest)
    return f"{HEAD}{checksum(rest)}{noqa}\n{rest}", first_line
