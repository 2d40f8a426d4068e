"""A run of a legacy workflow: slow and obvious, written from what such a file means, sentence by sentence.

It shares no code with hero_logic.migrate. What it says is what a migrated flow is held against. One node at a
time: where the format lets nodes run at the same time, what they come to is the same in any order, but for a
run that fails, of which no more can be said than :class:`Run` does.
"""

from __future__ import annotations

import builtins
import copy
import json
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from migrate.reference_expressions import at_path, evaluate, is_true

Workflow = dict[str, Any]
CallService = Callable[[str, str, dict[str, Any], str], Any]
"""(service, method, params, node_id) -> the result; raises what fails the node."""
TEMPLATE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


class Refused(Exception):
    """The inputs are not those of the workflow: no node runs."""


class Stuck(Exception):
    """Nodes wait for each other: the format does not say what this graph does."""


@dataclass
class Run:
    """What became of a run.

    Of one that failed, ``tries`` are what could have been tried at most, as what runs at the same time as the
    node that failed may have been begun or not.
    """

    status: str = "ok"
    output: Any = None
    tries: dict[str, int] = field(default_factory=dict)
    skipped_at_least_once: set[str] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)
    """The nodes of which the run failed."""
    error: BaseException | None = field(default=None, compare=False)
    """What the first of them failed of."""

    @property
    def ran(self) -> set[str]:
        """The nodes that ran at least once."""
        return set(self.tries)

    @property
    def skipped(self) -> set[str]:
        """Those that were skipped and never ran."""
        return self.skipped_at_least_once - self.ran


def run(
    workflow: Workflow,
    inputs: dict[str, Any],
    *,
    call_service: CallService | None = None,
    library: Mapping[str, Workflow] = {},
) -> Run:
    """Run a workflow to its end."""
    try:
        checked = check_inputs(workflow, inputs)
    except Refused:
        return Run(status="failed")
    return Interpreter(workflow, checked, call_service, library).run()


def check_inputs(workflow: Workflow, given: dict[str, Any]) -> dict[str, Any]:
    """The inputs with their defaults; missing, mistyped and undeclared ones fail the run."""
    declared = {one["name"]: one for one in workflow.get("inputs", [])}
    if set(given) - set(declared):
        raise Refused
    found: dict[str, Any] = {}
    # An object has no order; a template that shows a whole one does. Here those come last that may be absent.
    for name, one in sorted(
        declared.items(), key=lambda item: not (item[1].get("required") or item[1].get("default"))
    ):
        if name in given:
            if not has_type(given[name], one["type"]):
                raise Refused
            found[name] = given[name]
        elif one.get("required"):
            raise Refused
        elif one.get("default"):
            found[name] = json.loads(one["default"])
    return found


def has_type(value: Any, kind: str) -> bool:
    """Whether a value is of a type; null has none, and 1.0 is an integer."""
    if kind == "boolean":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if kind == "integer":
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    kinds = {"string": str, "number": (int, float), "array": list, "object": dict}
    return isinstance(value, kinds[kind])  # type: ignore[arg-type]  # a type or several


class Interpreter:
    """One run; the state of each node is ``waiting``, ``finished``, ``failed`` or ``skipped``."""

    def __init__(
        self,
        workflow: Workflow,
        inputs: dict[str, Any],
        call_service: CallService | None,
        library: Mapping[str, Workflow],
    ) -> None:
        self.workflow_inputs = inputs
        self.call_service = call_service
        self.library = library
        self.nodes = {node["node_id"]: node for node in workflow["nodes"]}
        self.normal = [edge for edge in workflow["edges"] if edge.get("kind", "normal") == "normal"]
        # One that is taken at most 0 times is none.
        retries = [edge for edge in workflow["edges"] if edge.get("kind", "normal") == "retry"]
        self.retries = [edge for edge in retries if edge.get("max_retries", 1) > 0]
        self.state = dict.fromkeys(self.nodes, "waiting")
        self.inputs: dict[str, Any] = {}
        self.outputs: dict[str, Any] = {}
        self.merged: dict[str, dict[str, Any]] = {node_id: {} for node_id in self.nodes}
        """What retry edges mapped into each node's inputs."""
        self.taken_back = [0] * len(self.retries)
        self.done = Run()

    def run(self) -> Run:
        """Run what is ready until nothing is."""
        while True:
            ready = [node_id for node_id in self.nodes if self.is_ready(node_id)]
            if not ready:
                break
            self.settle(ready[0])
        if set(self.waiting()) - self.kept_waiting():
            raise Stuck
        if self.done.failed:
            self.done.status = "failed"
            return self.done
        self.done.output = self.output()
        return self.done

    def waiting(self) -> list[str]:
        """The nodes that have not been settled."""
        return [node_id for node_id, state in self.state.items() if state == "waiting"]

    def kept_waiting(self) -> set[str]:
        """Those that wait because of a node that failed the run: for it, or for a handler that does."""
        kept: set[str] = set(self.done.failed)
        while True:
            more = {
                node_id
                for node_id in self.waiting()
                if any(edge["from_node"] in kept for edge in self.incoming(node_id))
                or any(edge["from_node"] in kept and self.holds_up(edge, node_id) for edge in self.retries)
            }
            if more <= kept:
                return kept
            kept |= more

    def is_ready(self, node_id: str) -> bool:
        """Each source of its edges is settled, and no handler that may send the run back holds it up."""
        if self.state[node_id] != "waiting":
            return False
        sources = [edge["from_node"] for edge in self.incoming(node_id)]
        if any(self.state[source] == "waiting" or source in self.done.failed for source in sources):
            return False  # after a node that failed the run, nothing that depends on it starts
        return not any(self.holds_up(edge, node_id) for edge in self.retries)

    def holds_up(self, retry: dict[str, Any], node_id: str) -> bool:
        """While a handler with a retry edge may still run, what depends on ``to_node`` waits.

        But for what leads to the handler itself.
        """
        handler = retry["from_node"]
        if self.state[handler] != "waiting" or not self.is_in_its_way(retry, node_id):
            return False
        # Where something that leads to the handler waits for this node, it cannot wait for the handler.
        own = [edge for edge in self.retries if edge["from_node"] == node_id]
        return not any(self.is_in_its_way(edge, other) for edge in own for other in self.before(handler))

    def is_in_its_way(self, retry: dict[str, Any], node_id: str) -> bool:
        """Whether a node depends on where a retry edge leads, and does not itself lead to its handler."""
        handler = retry["from_node"]
        return node_id in self.after(retry["to_node"]) and node_id not in {handler, *self.before(handler)}

    def incoming(self, node_id: str) -> list[dict[str, Any]]:
        return [edge for edge in self.normal if edge["to_node"] == node_id]

    def outgoing(self, node_id: str) -> list[dict[str, Any]]:
        return [edge for edge in self.normal if edge["from_node"] == node_id]

    def after(self, node_id: str) -> set[str]:
        """What depends on a node."""
        found: set[str] = set()
        for edge in self.outgoing(node_id):
            found |= {edge["to_node"]} | self.after(edge["to_node"])
        return found

    def before(self, node_id: str) -> set[str]:
        """What a node depends on."""
        return {other for other in self.nodes if node_id in self.after(other)}

    def settle(self, node_id: str) -> None:
        """A node that is ready runs, if an edge to it was taken or it has none; else it is skipped."""
        edges = self.incoming(node_id)
        taken = [edge for edge in edges if self.is_taken(edge)]
        if edges and not taken:
            self.state[node_id] = "skipped"
            self.done.skipped_at_least_once.add(node_id)
            return
        inputs = copy.deepcopy(self.workflow_inputs)
        for edge in taken:
            inputs.update(self.mapped(edge))
        inputs.update(self.merged[node_id])
        self.inputs[node_id] = inputs
        self.attempt(node_id)
        if self.state[node_id] == "finished":
            self.go_back_from(node_id)

    def attempt(self, node_id: str) -> None:
        """Try a node, and again as often as its ``retry_count`` says."""
        node = self.nodes[node_id]
        failure: BaseException | None = None
        for _ in range(1 + node.get("retry_count", 0)):
            self.done.tries[node_id] = self.done.tries.get(node_id, 0) + 1
            try:
                output = self.work(node)
                output = json.loads(json.dumps(output, allow_nan=False))  # what is not JSON fails the node
            except KeyboardInterrupt:
                raise  # it is the person who runs this who wants to stop
            except BaseException as error:
                failure = error
                self.outputs[node_id] = {"error": message_of(error)}
            else:
                self.outputs[node_id] = output
                self.state[node_id] = "finished"
                return
        if node.get("on_error", "fail") == "continue":
            self.state[node_id] = "finished"
            return
        self.state[node_id] = "failed"
        has_handler = any(edge.get("condition") == "failed" for edge in self.outgoing(node_id))
        if not has_handler:
            self.done.failed.append(node_id)
            self.done.error = self.done.error or failure

    def go_back_from(self, handler: str) -> None:
        """A handler finished: where the condition of a retry edge is true, run again from its end on."""
        for number, edge in enumerate(self.retries):
            if edge["from_node"] != handler or self.taken_back[number] >= edge.get("max_retries", 1):
                continue
            if not is_true(self.value(edge.get("condition", "true"), handler)):
                continue
            self.taken_back[number] += 1
            self.merged[edge["to_node"]].update(self.mapped(edge))
            for node_id in {edge["to_node"]} | self.after(edge["to_node"]):
                self.state[node_id] = "waiting"

    def is_taken(self, edge: dict[str, Any]) -> bool:
        """By the state of its source and its condition."""
        source, condition = edge["from_node"], edge.get("condition", "true")
        if condition == "failed":
            return self.state[source] == "failed"
        return self.state[source] == "finished" and is_true(self.value(condition, source))

    def mapped(self, edge: dict[str, Any]) -> dict[str, Any]:
        """What an edge puts into its target's inputs: what it names, else its source's output."""
        source = edge["from_node"]
        if "data_mapping" in edge:
            pairs = edge["data_mapping"].items()
            return {name: copy.deepcopy(self.value(expression, source)) for name, expression in pairs}
        output = copy.deepcopy(self.outputs[source])
        return output if isinstance(output, dict) else {}

    def value(self, expression: str, source: str) -> Any:
        """An expression of an edge, over its source."""
        roots = {
            "inputs": self.inputs[source],
            "outputs": self.outputs[source],
            "nodes": self.finished(),
            "failed": self.state[source] == "failed",
        }
        return evaluate(expression, roots)

    def finished(self) -> dict[str, Any]:
        """The outputs of the nodes that finished."""
        return {
            node_id: self.outputs[node_id] for node_id, state in self.state.items() if state == "finished"
        }

    def output(self) -> Any:
        """That of the only sink that ran, or of all of them by their ids."""
        sinks = {
            node_id: self.outputs[node_id]
            for node_id, state in self.state.items()
            if state in ("finished", "failed") and not self.outgoing(node_id)
        }
        return next(iter(sinks.values())) if len(sinks) == 1 else sinks

    # What the types of nodes do

    def work(self, node: dict[str, Any]) -> Any:
        """One try of a node."""
        inputs, config = self.inputs[node["node_id"]], node["config"]
        work = getattr(self, node["node_type"])
        return work(config, copy.deepcopy(inputs), node["node_id"])

    def script_execution(self, config: dict[str, Any], inputs: dict[str, Any], _: str) -> Any:
        if config["language"] != "python":
            raise RuntimeError(f"a script in {config['language']!r}: only Python is run")
        names = {"__name__": "__main__", "__builtins__": builtins, "inputs": inputs}
        exec(compile(config["script"], "script", "exec", dont_inherit=True), names)
        if "output" not in names:
            raise NameError("name 'output' is not defined")
        return names["output"]

    def transform(self, config: dict[str, Any], inputs: dict[str, Any], _: str) -> Any:
        return self.filled(config["output"], inputs)

    def condition(self, config: dict[str, Any], inputs: dict[str, Any], _: str) -> Any:
        roots = {"inputs": inputs, "nodes": self.finished()}
        return {"result": is_true(evaluate(config["expression"], roots))}

    def wait(self, config: dict[str, Any], inputs: dict[str, Any], _: str) -> Any:
        return {}

    def ai_call(self, config: dict[str, Any], inputs: dict[str, Any], node_id: str) -> Any:
        params = {
            "model": config["model"],
            "system_prompt": self.filled(config["system_prompt"], inputs),
            "prompt": self.filled(config["prompt"], inputs),
            "temperature": config["temperature"],
            "output_format": config["output_format"],
        }
        result = self.call("ai", "complete", params, node_id)
        return json.loads(result["text"]) if config["output_format"] == "json" else {"text": result["text"]}

    def action(self, config: dict[str, Any], inputs: dict[str, Any], node_id: str) -> Any:
        return self.call(config["service"], config["method"], self.filled(config["params"], inputs), node_id)

    def subworkflow(self, config: dict[str, Any], inputs: dict[str, Any], _: str) -> Any:
        other = self.library[config["workflow"]]
        done = run(
            other, self.filled(config["inputs"], inputs), call_service=self.call_service, library=self.library
        )
        for inner, tries in done.tries.items():
            self.done.tries[inner] = self.done.tries.get(inner, 0) + tries
        if done.status != "ok":
            raise done.error or TypeError("a refused input")
        return done.output

    def call(self, service: str, method: str, params: dict[str, Any], node_id: str) -> Any:
        assert self.call_service is not None, "there are no services"
        return self.call_service(service, method, params, node_id)

    def filled(self, template: Any, inputs: dict[str, Any]) -> Any:
        """JSON with the templates in its texts filled in; keys are none."""
        if isinstance(template, dict):
            return {key: self.filled(value, inputs) for key, value in template.items()}
        if isinstance(template, list):
            return [self.filled(value, inputs) for value in template]
        if not isinstance(template, str):
            return template
        roots = {"inputs": inputs, "nodes": self.finished()}
        alone = TEMPLATE.fullmatch(template)
        if alone and template.count("{{") == 1:
            return copy.deepcopy(at_path(alone[1].strip(), roots))
        return TEMPLATE.sub(lambda match: text_of(at_path(match[1].strip(), roots)), template)


def text_of(value: Any) -> str:
    """A text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def message_of(error: BaseException) -> str:
    """``Type: text``, as Python prints it, without the place in the script that it prints above."""
    return next(line for line in traceback.format_exception_only(error) if line[0] != " ").rstrip()
