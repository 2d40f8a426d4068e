"""A legacy workflow from its text: typed, or refused with every fault that it has, each with its place.

Source: docs/migration.md, "What is refused".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from hero_logic.core.errors import InvalidWorkflow, WorkflowFault
from hero_logic.migrate import expressions, scripts, templates
from hero_logic.migrate.code import MAX_DEPTH
from hero_logic.migrate.graph import check_graph
from hero_logic.migrate.places import Places, joined
from hero_logic.migrate.workflow import (
    INPUT_TYPES,
    AskModel,
    CallService,
    Decide,
    Edge,
    Input,
    Kept,
    Node,
    RunScript,
    RunWorkflow,
    Transform,
    Wait,
    Work,
    Workflow,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from hero_logic.migrate.expressions import Tree

MAX_NODES = 20_000
MAX_CHARACTERS = 64 * 1024 * 1024


def read(text: str, *, name: str = "") -> Workflow:
    """Read a workflow.

    Args:
        text: the file, decoded.
        name: what to call it in messages.

    Raises:
        InvalidWorkflow: it is none; ``faults`` are all of them, in the order of the file.
    """
    document, faults = _parse(text)
    reader = _Reader()
    workflow = None
    if not faults:
        workflow = reader.workflow(document)
        faults = _placed(reader.faults, text)
    if faults or workflow is None:
        shown = "\n".join(f"{name}:{fault}" if name else str(fault) for fault in faults)
        count = f"{len(faults)} fault{'s' if len(faults) != 1 else ''}"
        raise InvalidWorkflow(
            f"{name or 'the workflow'} means nothing as it stands: {count}. Nothing was written.\n{shown}",
            tuple(faults),
        )
    return workflow


def _placed(faults: list[tuple[str, str]], text: str) -> list[WorkflowFault]:
    places = Places(text, [pointer for _, pointer in faults])
    found = [WorkflowFault(says, pointer, *places.of(pointer)) for says, pointer in faults]
    return sorted(found, key=lambda fault: (fault.line, fault.column))


# --- JSON ----------------------------------------------------------------------------------------------


class _Twice(dict[str, object]):
    """An object in which a key stands twice."""

    again = ""


def _parse(text: str) -> tuple[object, list[WorkflowFault]]:
    def refuse(word: str) -> object:
        raise ValueError(f"{word[:40]} is no JSON")

    def number(word: str) -> float:
        value = float(word)
        return value if value - value == 0 else float(refuse(f"the number {word}"))  # type: ignore[arg-type]  # it raises

    def pairs(items: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(items)
        if len(found) == len(items):
            return found
        twice = _Twice(items)
        keys = [key for key, _ in items]
        twice.again = next(key for key in found if keys.count(key) > 1)
        return twice

    if len(text) > MAX_CHARACTERS:
        return None, [WorkflowFault(f"{len(text)} characters; {MAX_CHARACTERS} are read", "", 1, 1)]
    try:
        document = json.loads(text, object_pairs_hook=pairs, parse_constant=refuse, parse_float=number)
    except json.JSONDecodeError as error:
        return None, [WorkflowFault(f"not JSON: {error.msg}", "", error.lineno, error.colno)]
    except ValueError as error:
        return None, [WorkflowFault(f"not JSON: {error}", "", 1, 1)]
    except RecursionError:
        return None, [WorkflowFault(f"nested deeper than {MAX_DEPTH} levels", "", 1, 1)]
    return document, []


def _walk(document: object) -> list[tuple[str, str]]:
    """The faults that JSON of any kind may have: too deep, or a key twice."""
    faults: list[tuple[str, str]] = []
    left: list[tuple[object, str, int]] = [(document, "", 0)]
    while left:
        value, pointer, depth = left.pop()
        if depth > MAX_DEPTH + 4:
            faults.append((f"nested deeper than {MAX_DEPTH} levels", pointer))
        elif isinstance(value, dict):
            if isinstance(value, _Twice):
                faults.append((f"the key {value.again!r} stands here twice", pointer))
            left += [
                (item, pointer + joined(key), depth + 1)
                for key, item in value.items()
                if isinstance(item, dict | list)
            ]
        elif isinstance(value, list):
            left += [
                (item, f"{pointer}/{number}", depth + 1)
                for number, item in enumerate(value)
                if isinstance(item, dict | list)
            ]
    return faults


# --- The workflow --------------------------------------------------------------------------------------


class _Keys:
    """The keys of one object: taken one by one; what is missing or of the wrong type is a fault."""

    def __init__(self, value: object, pointer: str, faults: list[tuple[str, str]], what: str) -> None:
        self.pointer = pointer
        self.faults = faults
        self.what = what
        self.left: dict[str, object] = dict(value) if isinstance(value, dict) else {}
        self.is_object = isinstance(value, dict)
        if not self.is_object:
            faults.append((f"{what} has to be an object, not {_named(value)}", pointer))

    def fault(self, key: str, says: str) -> None:
        self.faults.append((says, self.pointer + joined(key)))

    def take(self, key: str, default: object = None, *, required: bool = False) -> object:
        if key in self.left:
            return self.left.pop(key)
        if required and self.is_object:
            self.faults.append((f"{self.what} has no {key!r}", self.pointer))
        return default

    def has(self, key: str) -> bool:
        return key in self.left

    def text(self, key: str, default: str | None = None) -> str:
        given = self.has(key)
        value = self.take(key, default, required=default is None)
        if isinstance(value, str):
            return value
        if given:
            self.fault(key, f"{key!r} has to be a text, not {_named(value)}")
        return ""

    def word(self, key: str, words: tuple[str, ...], default: str | None = None) -> str:
        given = self.has(key)
        value = self.text(key, default)
        if given and value not in words and value:
            self.fault(key, f"{key!r} is {value[:80]!r}; it may be {', '.join(words)}")
        elif given and not value:
            self.fault(key, f"{key!r} may be {', '.join(words)}")
        return value if value in words else words[0]

    def number(
        self, key: str, default: int | None = None, *, whole: bool, least: float | None = 0
    ) -> int | float:
        given = self.has(key)
        value = self.take(key, default, required=default is None)
        if whole and isinstance(value, float) and value.is_integer():
            value = int(value)  # 1.0 is a whole number
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            if given:
                self.fault(key, f"{key!r} has to be a {'whole ' if whole else ''}number, not {_named(value)}")
            return 0
        assert isinstance(value, int | float)
        if least is not None and (value < least or value > 10**12):
            self.fault(key, f"{key!r} is {str(value)[:40]}; it may be {least} to {10**12}")
        return value

    def flag(self, key: str) -> bool:
        value = self.take(key, False)
        if not isinstance(value, bool):
            self.fault(key, f"{key!r} has to be true or false, not {_named(value)}")
        return value is True

    def items(self, key: str, *, required: bool = False) -> list[object]:
        value = self.take(key, [], required=required)
        if isinstance(value, list):
            return value
        self.fault(key, f"{key!r} has to be an array, not {_named(value)}")
        return []

    def object(self, key: str) -> dict[str, object]:
        given = self.has(key)
        value = self.take(key, {}, required=True)
        if isinstance(value, dict):
            return value
        if given:
            self.fault(key, f"{key!r} has to be an object, not {_named(value)}")
        return {}

    def rest(self) -> Kept:
        return tuple((key, value, self.pointer + joined(key)) for key, value in self.left.items())


def _named(value: object) -> str:
    words = {"bool": "a boolean", "int": "a number", "float": "a number", "str": "a text", "list": "an array"}
    return "null" if value is None else words.get(type(value).__name__, "an object")


class _Reader:
    def __init__(self) -> None:
        self.faults: list[tuple[str, str]] = []

    def workflow(self, document: object) -> Workflow | None:
        self.faults += _walk(document)
        if self.faults:
            return None
        keys = _Keys(document, "", self.faults, "a workflow")
        name, description = keys.text("name"), keys.text("description", "")
        inputs = [self.input(item, f"/inputs/{n}") for n, item in enumerate(keys.items("inputs"))]
        listed = keys.items("nodes", required=True)
        if len(listed) > MAX_NODES:
            keys.fault("nodes", f"{len(listed)} nodes; a workflow may have {MAX_NODES}")
            return None
        nodes = [self.node(item, f"/nodes/{n}") for n, item in enumerate(listed)]
        self.unique([(found.name, f"{found.pointer}/name") for found in inputs], "inputs are called")
        self.unique([(found.node_id, f"{found.pointer}/node_id") for found in nodes], "nodes have the id")
        index = {found.node_id: number for number, found in enumerate(nodes)}
        edges = [self.edge(item, f"/edges/{n}", index) for n, item in enumerate(keys.items("edges"))]
        whole = [edge for edge in edges if edge is not None]
        workflow = Workflow(name, description, tuple(inputs), tuple(nodes), tuple(whole), keys.rest())
        if not self.faults:
            self.faults += check_graph(workflow)
        return workflow

    def unique(self, names: list[tuple[str, str]], what: str) -> None:
        seen: set[str] = set()
        for name, pointer in names:
            if name in seen:
                self.faults.append((f"two {what} {name[:80]!r}", pointer))
            seen.add(name)

    def input(self, item: object, pointer: str) -> Input:
        keys = _Keys(item, pointer, self.faults, "an input")
        name = keys.text("name")
        kind = keys.word("type", INPUT_TYPES)
        description = keys.text("description", "")
        required = keys.flag("required")
        written = keys.text("default", "")
        default: object = None
        if written:
            default = self.default(written, kind, f"{pointer}/default")
        return Input(name, kind, description, required, bool(written), default, pointer, keys.rest())

    def default(self, written: str, kind: str, pointer: str) -> object:
        value, faults = _parse(written)
        if faults:
            self.faults.append((f"the default {written[:80]!r} is {faults[0].says}", pointer))
        elif _walk(value):
            self.faults.append((f"the default: {_walk(value)[0][0]}", pointer))
        elif not is_of(value, kind):
            self.faults.append((f"the default {written[:80]!r} is not of the type {kind}", pointer))
        return value

    # Nodes

    def node(self, item: object, pointer: str) -> Node:
        keys = _Keys(item, pointer, self.faults, "a node")
        node_id = keys.text("node_id")
        name = keys.text("name", node_id)
        works = {
            "script_execution": self.script,
            "transform": self.transform,
            "ai_call": self.ask_model,
            "action": self.call_service,
            "condition": self.decide,
            "wait": self.wait,
            "subworkflow": self.run_workflow,
        }
        kind = keys.word("node_type", tuple(works))
        config = _Keys(keys.object("config"), f"{pointer}/config", self.faults, f"the config of a {kind}")
        before = len(self.faults)
        work = works[kind](config)
        if any(at == f"{pointer}/node_type" or at == pointer for _, at in self.faults):
            # Of an unknown type nothing more is known, nor where there is no config.
            del self.faults[before:]
        retries = int(keys.number("retry_count", 0, whole=True))
        timeout_ms = keys.number("timeout_ms", 0, whole=False)
        continues = keys.word("on_error", ("fail", "continue"), "fail") == "continue"
        kept = (*keys.rest(), *config.rest())
        return Node(node_id, name or node_id, work, retries, timeout_ms, continues, pointer, kept)

    def template(self, keys: _Keys, key: str, value: object) -> object:
        return templates.read(value, keys.pointer + joined(key), self.faults)

    def templates_in(self, keys: _Keys, key: str) -> dict[str, object]:
        value = self.template(keys, key, keys.object(key))
        return value if isinstance(value, dict) else {}

    def script(self, keys: _Keys) -> Work:
        language, text = keys.text("language"), keys.text("script")
        if language != "python":
            return RunScript(language, None)
        try:
            return RunScript(language, scripts.read(text))
        except scripts.ScriptFault as fault:
            keys.fault("script", f"the script is not Python: {fault}")
            return RunScript(language, None)

    def transform(self, keys: _Keys) -> Work:
        return Transform(self.template(keys, "output", keys.take("output", required=True)))

    def ask_model(self, keys: _Keys) -> Work:
        return AskModel(
            keys.text("model"),
            self.template(keys, "system_prompt", keys.text("system_prompt")),
            self.template(keys, "prompt", keys.text("prompt")),
            keys.number("temperature", whole=False, least=None),
            keys.word("output_format", ("text", "json")),
        )

    def call_service(self, keys: _Keys) -> Work:
        return CallService(keys.text("service"), keys.text("method"), self.templates_in(keys, "params"))

    def decide(self, keys: _Keys) -> Work:
        text = keys.text("expression")
        return Decide(
            self.expression(text, keys.pointer + joined("expression")) or expressions.Constant(False)
        )

    def wait(self, keys: _Keys) -> Work:
        return Wait(keys.number("duration_ms", whole=False))

    def run_workflow(self, keys: _Keys) -> Work:
        return RunWorkflow(keys.text("workflow"), self.templates_in(keys, "inputs"))

    def expression(self, text: str, pointer: str) -> Tree | None:
        """An expression; None where it is none, which is then a fault."""
        try:
            return expressions.read(text)
        except expressions.ExpressionFault as fault:
            self.faults.append((f"no expression: {fault}", pointer))
            return None

    # Edges

    def edge(self, item: object, pointer: str, index: dict[str, int]) -> Edge | None:
        keys = _Keys(item, pointer, self.faults, "an edge")
        ends = [self.end(keys, key, index) for key in ("from_node", "to_node")]
        condition, is_failed = self.condition(keys)
        mapping = self.mapping(keys)
        kinds: tuple[Literal["normal"], Literal["retry"]] = ("normal", "retry")
        kind = kinds[keys.word("kind", kinds, "normal") == "retry"]
        # Of a normal edge it means nothing, and is kept like any other key that does.
        retries = int(keys.number("max_retries", 1, whole=True)) if kind == "retry" else 0
        if None in ends:
            return None
        source, target = (end for end in ends if end is not None)
        return Edge(source, target, condition, is_failed, mapping, kind, retries, pointer, keys.rest())

    def end(self, keys: _Keys, key: str, index: dict[str, int]) -> int | None:
        given = keys.has(key)
        node_id = keys.text(key)
        if given and node_id not in index:
            keys.fault(key, f"there is no node {node_id[:80]!r}")
        return index.get(node_id)

    def condition(self, keys: _Keys) -> tuple[Tree | None, bool]:
        if not keys.has("condition"):
            return None, False
        text = keys.text("condition")
        tree = self.expression(text, keys.pointer + joined("condition"))
        if isinstance(tree, expressions.Constant) and tree.value is True:
            return None, False
        return (None, True) if text.strip() == "failed" else (tree, False)

    def mapping(self, keys: _Keys) -> dict[str, Tree] | None:
        if not keys.has("data_mapping"):
            return None
        found: dict[str, Tree] = {}
        for name, text in keys.object("data_mapping").items():
            pointer = keys.pointer + joined("data_mapping", name)
            if not isinstance(text, str):
                self.faults.append((f"{name[:80]!r} has to be mapped by a text, not {_named(text)}", pointer))
                continue
            tree = self.expression(text, pointer)
            if tree is not None:
                found[name] = tree
        return found


def is_of(value: object, kind: str) -> bool:
    """Whether JSON is of a type of inputs; ``1.0`` is an integer, and null has none of them.

    >>> is_of(1.0, "integer"), is_of(True, "number"), is_of(None, "object")
    (True, False, False)
    """
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer":
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    types: dict[str, Callable[[object], bool]] = {
        "string": lambda value: isinstance(value, str),
        "number": lambda value: isinstance(value, int | float),
        "object": lambda value: isinstance(value, dict),
        "array": lambda value: isinstance(value, list),
    }
    return kind in types and types[kind](value)
