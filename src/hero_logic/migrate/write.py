"""A flow's file: its head, its flow, the functions of the prelude that it calls, the scripts."""

from __future__ import annotations

import ast
import hashlib
import re
from typing import TYPE_CHECKING

from hero_logic.migrate.code import (
    WIDTH,
    Code,
    as_comment,
    call,
    closed,
    constant,
    in_lines,
    in_triple_quotes,
    keyed,
    quoted,
)
from hero_logic.migrate.names import Names, flow_name
from hero_logic.migrate.plan import Plan, make_plan
from hero_logic.migrate.prelude import ABSENT, PIECES, RESERVED, import_lines, needed
from hero_logic.migrate.remarks import entries_of
from hero_logic.migrate.steps import Steps, loops_in
from hero_logic.migrate.values import Values, can_be_parameter
from hero_logic.migrate.works import can_be_granted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hero_logic.migrate.report import Entry
    from hero_logic.migrate.workflow import Input, Workflow

HEAD = "# Made by hero-logic migrate; checksum "
_ANNOTATIONS = {
    "string": "str",
    "number": "int | float",
    "integer": "int | float",
    "boolean": "bool",
    "object": "dict[str, Any]",
    "array": "list[Any]",
}
_TYPES = {
    "string": "str,",
    "number": "int, float",
    "integer": "int, float",
    "boolean": "bool,",
    "object": "dict,",
    "array": "list,",
}


def write(workflow: Workflow, known: Mapping[str, str], flow: str = "") -> tuple[str, str, list[Entry]]:
    """The file of a workflow's flow, the flow's name, and what became of each part."""
    writer = _Writer(workflow, known, flow or flow_name(workflow.name))
    source = writer.file()
    return (
        source,
        writer.flow,
        entries_of(workflow, writer.plan, writer.steps, writer.lines_of, writer.first_line),
    )


def spared(source: str) -> str:
    """The word to linters that a flow without scripts needs.

    It catches what any node may raise, an int is made no float, and ``if`` follows the graph.
    """
    codes = []
    if "except Exception" in source or "except BaseException" in source:
        codes.append("BLE001")
    if "int | float" in source:
        codes.append("PYI041")
    if re.search(r":\n +if ", source) and any(map(_is_nested, ast.walk(ast.parse(source)))):
        codes.append("SIM102")
    return f"  # ruff: noqa: {', '.join(codes)}" if codes else ""


def _is_nested(node: ast.AST) -> bool:
    """Whether an ``if`` holds another one and nothing else."""
    match node:
        case ast.If(body=[ast.If(orelse=[])], orelse=[]):
            return True
        case _:
            return False


def checksum(rest: str) -> str:
    """What tells whether somebody has changed a file: of all that stands behind its first line."""
    return hashlib.sha256(rest.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def was_made_here(source: str) -> bool | None:
    """Whether a file is as it was made, as far as its first line can tell; None: it was not made here."""
    first, _, rest = source.partition("\n")
    if not first.startswith(HEAD):
        return None
    return first[len(HEAD) :][:16] == checksum(rest)


class _Writer:
    def __init__(self, workflow: Workflow, known: Mapping[str, str], flow: str) -> None:
        self.workflow = workflow
        self.flow = flow
        self.plan: Plan = make_plan(workflow)
        names = Names(RESERVED)
        names.reserve(flow, *known.values(), *(found.name for found in workflow.inputs))
        self.values = Values(workflow, self.plan, names, loops_in(self.plan.region))
        self.steps = Steps(workflow, self.plan, self.values, names, known, flow)
        self.body = self.steps.body
        self.lines_of: dict[str, int] = {}
        self.first_line = 0

    def file(self) -> str:
        self.steps.region(self.plan.region)
        end = self.end()
        self.steps.finish_inputs()
        if self.values.asks_all:
            for number, found in enumerate(self.values.variables):
                if self.plan.guards.of[number] is not None:
                    self.body.reads(self.values.output(number))
                    self.body.is_never_set(found.output)
        lines = [*self.signature(), *self.docstring(), *self.beginning()]
        marked_from = len(lines)
        lines += _without_doubles(self.body.render(), self.body.marks)
        lines += self.returned_at_once(lines, end)
        return self.put_together(lines, marked_from)

    # The flow

    def returned_at_once(self, lines: list[str], end: list[str]) -> list[str]:
        """The lines of the end; a last step that sets what is returned returns it itself."""
        name = end[0].removeprefix("    return ") if len(end) == 1 else ""
        use = self.body.variables.get(name)
        place = next((n for n in range(len(lines) - 1, 0, -1) if lines[n].startswith("        ")), 0)
        while place and lines[place].startswith("         "):
            place -= 1
        if lines[place][8:9] in (")", "}", "]"):
            place -= 1
            while place and lines[place].startswith("         "):
                place -= 1
        is_last = all(line.startswith("        ") for line in lines[place:])
        if use is None or use.needs_start or not is_last or not lines[place].startswith(f"        {name} = "):
            return end
        if not lines[place - 1].startswith(("    with ", "    ):")):
            return end
        lines[place] = lines[place].replace(f"{name} = ", "return ", 1)
        return []

    def signature(self) -> list[str]:
        """The decorator and the ``def``."""
        inputs = [found for found in self.workflow.inputs if can_be_parameter(found.name)]
        ordered = [f for f in inputs if f.required] + [f for f in inputs if not f.required]
        parameters = [self.parameter(found) for found in ordered]
        if len(inputs) < len(self.workflow.inputs):
            parameters.append("**others: Any")
        name = self.workflow.name
        decorator = "@flow" if name == self.flow or not name else f"@flow({quoted(name)})"
        line = f"def {self.flow}({', '.join(parameters)}) -> Any:"
        if len(line) <= WIDTH:
            return [decorator, line]
        return [decorator, f"def {self.flow}(", *(f"    {p}," for p in parameters), ") -> Any:"]

    def parameter(self, found: Input) -> str:
        """One parameter."""
        text = f"{found.name}: {_ANNOTATIONS[found.type]}"
        if found.required:
            return text
        if not found.has_default:
            self.body.uses.add("ABSENT")
            return f"{text} = ABSENT"
        return f"{text} = {constant(found.default).text}"

    def docstring(self) -> list[str]:
        """The description, and what the inputs are."""
        text = (
            _documented(self.workflow.description)
            or _documented(self.workflow.name)
            or ["A migrated workflow."]
        )
        about = [
            f"        {_one_line(found.name)}: {said}"
            for found in self.workflow.inputs
            if (said := _said_of(found))
        ]
        lines = [f'    """{text[0]}', *(f"    {line}" if line else "" for line in text[1:])]
        granted = [f"--rpc {name}=SOCKET" for name in self.workflow.services if can_be_granted(name)]
        if granted:
            lines += ["", f"    It calls services: {' '.join(granted)}"]
        if about:
            lines += ["", "    Args:", *about]
        if len(lines) == 1 and len(lines[0]) + 3 <= WIDTH + 20:
            return [closed(lines[0])]
        return [*lines, '    """']

    def beginning(self) -> list[str]:
        """What stands before the first step: the inputs, and what has to be there before anything runs."""
        lines = [f"    {as_comment(key, value)}" for key, value, _ in self.workflow.kept]
        for found in self.workflow.inputs:
            lines += [f"    {as_comment(key, value)}" for key, value, _ in found.kept]
            if found.type == "integer" and can_be_parameter(found.name):
                self.body.uses.add("whole")
                test = "" if found.is_sure else f"if {found.name} is not ABSENT: "
                lines.append(f"    {test}whole({quoted(found.name)}, {found.name})")
        lines += self.inputs()
        for name, use in self.body.variables.items():
            node = self.values.owner.get(name)
            if node is None or not use.read_in or not use.needs_start:
                continue
            of_node = self.values.variables[node]
            if name in (of_node.output, of_node.inputs):
                lines.append(f"    {name}: Any = None")
            elif name in (of_node.failed, of_node.ran):
                lines.append(f"    {name} = False")
        if self.values.asks_all:
            lines += self.all_nodes()
        if self.plan.has_tasks and not self.plan.is_staged:
            self.body.uses.add("Together")
            lines.append("    together = Together()")
        return lines

    def inputs(self) -> list[str]:
        """The dict of the inputs, if anybody asks for it."""
        named = [f for f in self.workflow.inputs if can_be_parameter(f.name)]
        free = [f for f in self.workflow.inputs if not can_be_parameter(f.name)]
        if not self.body.is_read("inputs") and not free:
            return []
        code = keyed([(found.name, Code(found.name)) for found in named if found.is_sure])
        lines = in_lines(code, "inputs: dict[str, Any] = ", "", 4)
        for found in named:
            if not found.is_sure:
                lines += [
                    f"    if {found.name} is not ABSENT:",
                    f"        inputs[{quoted(found.name)}] = {found.name}",
                ]
        if free:
            self.body.uses.add("taken")
            kinds = keyed(
                [
                    (
                        f.name,
                        Code(
                            f"(({_TYPES[f.type]}), {f.required}, "
                            f"{constant([f.default] if f.has_default and not f.required else []).text})"
                        ),
                    )
                    for f in free
                ]
            )
            lines += in_lines(
                call("inputs.update", call("taken", Code("others"), Code(f"**{kinds.text}"))), "", "", 4
            )
        return lines

    def all_nodes(self) -> list[str]:
        """A function that gives the outputs of all nodes so far."""
        self.body.uses.add("finished")
        pairs = [
            (node.node_id, Code(self.values.variables[number].output))
            for number, node in enumerate(self.workflow.nodes)
            if self.plan.guards.of[number] is not None
        ]
        code = call("finished", keyed(pairs))
        return ["", "    def nodes_so_far() -> dict[str, Any]:", *in_lines(code, "return ", "", 8), ""]

    def end(self) -> list[str]:
        """The lines that give the workflow's output."""
        body, values, root = self.body, self.values, self.plan.guards.root
        sinks = [
            n
            for n, edges in enumerate(self.plan.graph.outgoing)
            if not edges and self.plan.guards.of[n] is not None
        ]
        if not sinks:
            return ["    return {}"]
        for node in sinks:
            body.reads(values.output(node))
        sure = [node for node in sinks if self.plan.guards.of[node] is root]
        names = {node: quoted(self.workflow.nodes[node].node_id) for node in sinks}
        if len(sinks) == 1:
            output = values.output(sinks[0])
            if sure:
                return [f"    return {output.text}"]
            body.reads(values.ran(sinks[0]))
            return [f"    return {output.text} if {values.ran(sinks[0]).text} else {{}}"]
        lines = [
            "    ended: dict[str, Any] = {"
            + ", ".join(f"{names[n]}: {values.output(n).text}" for n in sure)
            + "}"
        ]
        if len(lines[0]) > WIDTH:
            lines = [
                "    ended: dict[str, Any] = {",
                *(f"        {names[n]}: {values.output(n).text}," for n in sure),
                "    }",
            ]
        for node in sinks:
            if node not in sure:
                body.reads(values.ran(node))
                lines += [
                    f"    if {values.ran(node).text}:",
                    f"        ended[{names[node]}] = {values.output(node).text}",
                ]
        if len(sure) > 1:
            return [*lines, "    return ended"]
        return [*lines, "    return next(iter(ended.values())) if len(ended) == 1 else ended"]

    # The file

    def put_together(self, flow: list[str], marked_from: int) -> str:
        works = self.steps.works
        pieces, imports = needed(self.body.uses)
        text = "\n".join(flow)
        if "Any" in text or "ABSENT" in self.body.uses:
            imports.add("Any")
        head = [*import_lines(imports), ""] if imports else []
        lines = [*head, "from hero_tracing import flow", ""]
        if "ABSENT" in self.body.uses:
            lines += [ABSENT, ""]
        for script in works.texts:
            lines += [*script, ""]
        lines += [""]
        start = len(lines) + 1
        self.first_line = start + 1
        lines += flow
        for place, part in self.body.marks.items():
            self.lines_of.setdefault(part, start + marked_from + place + 1)
        for piece in pieces:
            lines += ["", "", *PIECES[piece].source.rstrip("\n").split("\n")]
        if works.functions:
            lines += ["", "", "# fmt: off"]
            for number, script in enumerate(works.functions):
                lines += [*([""] if number else []), *script]
        rest = "\n".join(lines) + "\n"
        noqa = spared(rest)
        if works.functions or works.texts:
            noqa = "  # ruff: noqa (scripts stand as they were written)"
        return f"{HEAD}{checksum(rest)}{noqa}\n{rest}"


def _without_doubles(lines: list[str], marks: dict[int, str]) -> list[str]:
    """Without blank lines that stand behind others or at the beginning of a block; the marks move along."""
    kept: list[str] = []
    moved: dict[int, str] = {}
    for number, line in enumerate(lines):
        if number in marks:
            moved[len(kept)] = marks[number]
        if not line.strip():
            if not kept or (kept[-1] and not kept[-1].endswith(":")):
                kept.append("")
            continue
        kept.append(line)
    marks.clear()
    marks.update(moved)
    return kept


def _documented(text: str) -> list[str]:
    """A text in lines, as they may stand in a docstring."""
    lines = [_one_line(line) for line in text.strip().splitlines()]
    return lines if any(lines) else []


def _said_of(found: Input) -> str:
    """What the docstring says of an input; Python's hint of a number does not tell that it is a whole one."""
    said = _one_line(found.description)
    if found.type != "integer":
        return said
    return f"{said} (a whole number)" if said else "a whole number"


def _one_line(text: str) -> str:
    return in_triple_quotes(" ".join(text.split()))
