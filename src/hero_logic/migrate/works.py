"""What one node does, as Python: an expression for its output, or a failure that names what is missing."""

from __future__ import annotations

import keyword
from dataclasses import replace
from typing import TYPE_CHECKING

from hero_logic.core.needs import name_problem
from hero_logic.migrate import expressions, scripts, templates
from hero_logic.migrate.code import Code, call, constant, keyed, quoted
from hero_logic.migrate.workflow import (
    AI,
    AskModel,
    CallService,
    Decide,
    Node,
    RunScript,
    RunWorkflow,
    Transform,
    Wait,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hero_logic.migrate.body import Body
    from hero_logic.migrate.names import Names
    from hero_logic.migrate.values import Values
    from hero_logic.migrate.workflow import Workflow

_BY_NAME = ("run", "run_to_exit", "run_module", "time.sleep", "play")


class Works:
    """Writes what the nodes of a workflow do.

    Args:
        here: the functions of workflows that stand in the same file, of which the first is its own.

    Attributes:
        script_names: what the scripts are called: functions, and texts in capitals.
        functions: the functions that scripts became: the lines of each.
        have_functions: whether any of these scripts has functions of its own.
        texts: the scripts that stay texts: the lines of each.
        remarks: of nodes: what the report has to say, as a code and its text.
    """

    def __init__(
        self,
        workflow: Workflow,
        values: Values,
        names: Names,
        body: Body,
        known: Mapping[str, str],
        here: Sequence[str],
    ) -> None:
        self.workflow = workflow
        self.values = values
        self.names = names
        self.body = body
        self.known = known
        self.here = here
        self.script_names: list[str] = []
        self.functions: list[list[str]] = []
        self.have_functions = False
        self.texts: list[list[str]] = []
        self.remarks: dict[int, tuple[str, str]] = {}
        self.asks_inputs = {
            edge.source
            for edge in workflow.edges
            if any(
                path.root == "inputs"
                for tree in [edge.condition, *(edge.mapping or {}).values()]
                if tree is not None
                for path in expressions.paths(tree)
            )
        }

    def write(self, number: int, node: Node) -> None:
        """Write the lines of a node, inside of its step."""
        match node.work:
            case RunScript(language, None):
                says = f"a script in {language[:80]!r}: only Python is run"
                self.remarks[number] = (
                    "foreign_language",
                    f"{says}; write it in Python, or call a service that runs it",
                )
                self._fail(number, says)
            case CallService(_, method, _) if method.startswith("_") or not method:
                says = f"the method {method[:80]!r} of a service has a name that is hidden"
                self.remarks[number] = ("hidden_method", f"{says}; give it another name, and call it here")
                self._fail(number, says)
            case CallService(service, _, _) if name_problem(service):
                says = f"the service {service[:80]!r} cannot be granted: a name has letters, digits and _"
                self.remarks[number] = ("service_name", f"{says}; give it another name, and call it here")
                self._fail(number, says)
            case RunWorkflow(workflow, _) if workflow not in self.known:
                says = f"there is no workflow {workflow[:80]!r} beside this one"
                self.remarks[number] = (
                    "unknown_workflow",
                    f"{says}; migrate it together with this one, or call its flow here",
                )
                self._fail(number, says)
            case Wait(duration_ms):
                code = call("time.sleep", constant(_seconds(duration_ms)))
                self.body.uses.add("time")
                self.body.statement(self._limited(node, code))
                name = self.values.output(number).text
                self.body.sets(name)
                nothing = constant({})
                self.body.later(
                    lambda: [f"{self.body.declared(name, nothing)} = {{}}"] if self.body.is_read(name) else []
                )
            case _:
                code = self._limited(node, self._code(number, node))
                instead = "pass" if node.is_instant else ""
                self.body.assign(self.values.output(number).text, code, instead=instead)

    def _fail(self, number: int, says: str) -> None:
        name = self.values.output(number).text
        self.body.is_never_set(name)
        self.body.sets(name)
        self.body.line(f"raise RuntimeError({quoted(says)})")

    def _limited(self, node: Node, code: Code) -> Code:
        if not node.timeout_ms or node.is_instant:
            return code
        limit = constant(_seconds(node.timeout_ms))
        function = code.brackets[0][:-1]
        if function in _BY_NAME:
            limited = call("within", limit, Code(function), *(part for _, part in code.parts))
            return replace(limited, uses=limited.uses | code.uses)
        return Code(
            f"within({limit.text}, lambda: {code.text})",
            uses=code.uses | {"within"},
            parts=(("", limit), ("lambda: ", code)),
            brackets=("within(", ")"),
        )

    def _code(self, number: int, node: Node) -> Code:
        scope = self.values.node_scope(number)
        match node.work:
            case RunScript(_, script):
                assert script is not None
                return self._script(number, script)
            case Transform(output):
                return templates.write(output, scope)
            case Decide(tree):
                code = expressions.write(tree, scope)
                return keyed([("result", code if code.kind == "bool" else call("bool", code, kind="bool"))])
            case AskModel():
                return self._ask(node.work, scope)
            case CallService(service, method, params):
                given = [(key, templates.write(value, scope)) for key, value in params.items()]
                return _method(service, method, given)
            case RunWorkflow(workflow, inputs):
                if self.known[workflow] in self.here[1:]:
                    says = f"the workflow {workflow[:80]!r} is a function of this flow, its own copy"
                    self.remarks[number] = ("inlined_workflow", says)
                return self._play(self.known[workflow], templates.write(inputs, scope))
            case _:
                raise AssertionError(node.work)

    def _ask(self, work: AskModel, scope: expressions.Scope) -> Code:
        given = [
            ("model", constant(work.model)),
            ("system_prompt", templates.write(work.system_prompt, scope)),
            ("prompt", templates.write(work.prompt, scope)),
            ("temperature", constant(work.temperature)),
            ("output_format", constant(work.output_format)),
        ]
        answer = _method(AI, "complete", given)
        text = Code(
            f'{answer.text}["text"]',
            uses=answer.uses,
            parts=answer.parts,
            brackets=(answer.brackets[0], answer.brackets[1] + '["text"]'),
        )
        return keyed([("text", text)]) if work.output_format == "text" else call("parsed", text)

    def _play(self, module: str, inputs: Code) -> Code:
        if module in self.here:
            # An input that is called like the function hides it here.
            is_hidden = any(found.name == module for found in self.workflow.inputs)
            return call("play", Code(f"globals()[{quoted(module)}]" if is_hidden else module), inputs)
        name = self.names.unique(module, "flow")
        self.body.line(f"from {module} import {module}" + (f" as {name}" if name != module else ""))
        self.body.line("")
        return call("play", Code(name), inputs)

    # Scripts

    def _script(self, number: int, script: scripts.Script) -> Code:
        if number in self.asks_inputs or not self.values.parts(number):
            inputs = self.values.inputs(number)
        else:
            inputs = self.values.all_inputs(number)
        name = self.names.unique(f"{self.values.variables[number].output}_script")
        self.script_names.append(name)
        if script.as_text:
            says = f"the script stays a text of its own, {name.upper()}: {script.as_text}"
            self.remarks[number] = ("script_as_text", says)
            self.texts.append(_text_lines(name.upper(), script.text))
            return call("run_module", Code(name.upper()), inputs)
        self.body.uses.add("no_type_check")
        lines = ["@no_type_check", f"def {name}(inputs):", *scripts.indented(script.text)]
        if "output" in script.text:
            lines.append("    return output")
        self.functions.append(lines)
        self.have_functions |= "def " in script.text or "lambda" in script.text
        return call("run_to_exit" if script.may_exit else "run", Code(name), inputs)


def _text_lines(name: str, text: str) -> list[str]:
    """A script as a text of the module, which reads as it was written."""
    return [f'{name} = """\\', *scripts.as_text(text)]


def _seconds(milliseconds: float) -> int | float:
    seconds = milliseconds / 1000
    return int(seconds) if seconds == int(seconds) else seconds


def _method(service: str, method: str, given: list[tuple[str, Code]]) -> Code:
    client = f"flow.service({quoted(service)})"
    function = f"{client}.{method}"
    if not method.isidentifier() or not method.isascii() or keyword.iskeyword(method):
        function = f"getattr({client}, {quoted(method)})"
    if all(key.isidentifier() and key.isascii() and not keyword.iskeyword(key) for key, _ in given):
        return call(function, named=given)
    named = keyed(given)
    return call(function, replace(named, text=f"**{named.text}", brackets=("**{", "}")))
