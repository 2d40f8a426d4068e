"""The function that a workflow becomes: its head, what stands before its steps, its steps, its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hero_logic.core.needs import name_problem
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
from hero_logic.migrate.names import Names
from hero_logic.migrate.plan import Plan, make_plan
from hero_logic.migrate.prelude import RESERVED
from hero_logic.migrate.steps import Steps, loops_in
from hero_logic.migrate.values import Values, can_be_parameter

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from hero_logic.migrate.workflow import Input, Workflow

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


class FlowFunction:
    """The function that a workflow becomes.

    Args:
        workflow: what it is made of.
        known: the names of the workflows that nodes may name, each with the function that it becomes.
        name: what it is called.
        here: those of these functions that stand in the same file; the others lie in files of their names.
        taken: names that something else has in the file.
        is_flow: whether it is the file's flow, and no function that this calls.

    Attributes:
        lines: of the function.
        lines_of: of each node where it stands among them.
        body: what its lines use.
        steps: its steps, with what its nodes do.
    """

    def __init__(
        self,
        workflow: Workflow,
        known: Mapping[str, str],
        name: str,
        *,
        here: Collection[str] = (),
        taken: Iterable[str] = (),
        is_flow: bool = True,
    ) -> None:
        self.workflow = workflow
        self.name = name
        self.is_flow = is_flow
        self.plan: Plan = make_plan(workflow)
        names = Names(RESERVED)
        names.reserve(name, *known.values(), *taken, *(found.name for found in workflow.inputs))
        self.values = Values(workflow, self.plan, names, loops_in(self.plan.region))
        self.steps = Steps(workflow, self.plan, self.values, names, known, (name, *here))
        self.body = self.steps.body
        self.lines_of: dict[str, int] = {}
        self.lines = self._written()

    def _written(self) -> list[str]:
        self.steps.region(self.plan.region)
        end = self.end()
        self.steps.finish_inputs()
        if self.values.asks_all:
            for number, found in enumerate(self.values.variables):
                if self.plan.guards.of[number] is not None:
                    self.body.reads(self.values.output(number))
                    self.body.is_never_set(found.output)
            self.steps.finish_inputs()
        lines = [*self.signature(), *self.docstring(), *self.beginning()]
        marked_from = len(lines)
        lines += _without_doubles(self.body.render(), self.body.marks)
        lines += self.returned_at_once(lines, end)
        for place, part in self.body.marks.items():
            self.lines_of.setdefault(part, marked_from + place + 1)
        return lines

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
        decorators = ["@flow" if name == self.name or not name else f"@flow({quoted(name)})"]
        if not self.is_flow:
            decorators = []
        line = f"def {self.name}({', '.join(parameters)}) -> Any:"
        if len(line) <= WIDTH:
            return [*decorators, line]
        return [*decorators, f"def {self.name}(", *(f"    {p}," for p in parameters), ") -> Any:"]

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
        granted = [f"--rpc {name}=SOCKET" for name in self.workflow.services if not name_problem(name)]
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
                check = f"    whole({quoted(found.name)}, {found.name})"
                lines += [check] if found.is_sure else [f"    if {found.name} is not ABSENT:", f"    {check}"]
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
            lines.append("    nodes: dict[str, Any] = {}")
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
            lines += in_lines(call("inputs.update", call("taken", Code("others"), kinds)), "", "", 4)
        for found in free:
            if found.type == "integer":
                self.body.uses.add("whole")
                lines.append(f"    whole({quoted(found.name)}, inputs.get({quoted(found.name)}))")
        return lines

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
