"""What the names of a workflow's expressions stand for in its flow: which variable, and what
is known of it.

The more is known (that a key is surely there, that a node surely ran), the plainer the Python.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hero_logic.migrate import expressions, templates
from hero_logic.migrate.code import (
    AND,
    ATOM,
    COMPARISON,
    NOT,
    OR,
    Code,
    Kind,
    call,
    chained,
    constant,
    early,
    in_brackets,
    is_true,
    keyed,
    uses_of,
    variable,
)
from hero_logic.migrate.expressions import segment_of
from hero_logic.migrate.guards import Literal
from hero_logic.migrate.names import is_parameter
from hero_logic.migrate.prelude import RESERVED
from hero_logic.migrate.workflow import AskModel, Decide, Node, RunScript, Transform, Wait

if TYPE_CHECKING:
    from hero_logic.migrate.expressions import Path, Tree
    from hero_logic.migrate.guards import Guard
    from hero_logic.migrate.names import Names
    from hero_logic.migrate.plan import Loop, Plan
    from hero_logic.migrate.workflow import Edge, Workflow

MAX_INLINE_CHARACTERS = 100
"""An expression of a mapping that is longer is evaluated once, and not wherever its name stands."""
KINDS: dict[str, Kind] = {
    "string": "string",
    "number": "number",
    "integer": "number",
    "boolean": "bool",
    "object": "object",
    "array": "list",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of an output: all of its keys, or that it is an object, or that it is not null."""

    keys: dict[str, Kind] | None = None
    is_object: bool = False
    is_something: bool = False


ERROR = Shape({"error": "string"}, True, True)


def shape_of(node: Node) -> Shape:
    """What is known of the output of a node that finished."""
    match node.work:
        case Transform(output):
            shape = _shape_of_json(output)
        case Decide():
            shape = Shape({"result": "bool"}, True, True)
        case Wait():
            shape = Shape({}, True, True)
        case AskModel(output_format="text"):
            shape = Shape({"text": "any"}, True, True)
        case RunScript(_, script) if script is not None and script.keys is not None:
            shape = Shape(dict.fromkeys(script.keys, "any") if script.is_exact else None, True, True)
        case _:
            shape = Shape()
    if node.continues and not node.is_instant:
        return Shape(None, shape.is_object, shape.is_something)
    return shape


def _shape_of_json(output: object) -> Shape:
    if isinstance(output, dict):
        kinds = {key: _kind_of_template(value) for key, value in output.items()}
        return Shape(kinds, True, True)
    is_path = isinstance(output, templates.Filled) and _kind_of_template(output) == "any"
    return Shape(None, False, output is not None and not is_path)


def _kind_of_template(value: object) -> Kind:
    if isinstance(value, templates.Filled):
        return "any" if value.parts[0] == "" == value.parts[-1] and len(value.parts) == 3 else "string"
    if isinstance(value, dict):
        return "object"
    return "list" if isinstance(value, list) else constant(value).kind


@dataclass(slots=True)
class View:
    """What is known of the inputs of a node.

    Attributes:
        known: keys whose values stand somewhere by themselves.
        present: keys that are surely there.
        unsure: keys that may be there.
        is_exact: whether there are surely no other keys.
    """

    known: dict[str, Code] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)
    unsure: set[str] = field(default_factory=set)
    is_exact: bool = True

    def copy(self) -> View:
        """Another one that says the same."""
        return View(dict(self.known), set(self.present), set(self.unsure), self.is_exact)

    def sets(self, key: str, code: Code | None) -> None:
        """A key surely has this value; None: some value."""
        self.present.add(key)
        self.known.pop(key, None)
        if code is not None and len(code.text) <= MAX_INLINE_CHARACTERS:
            self.known[key] = code

    def may_set(self, keys: list[str] | None) -> None:
        """Some keys may have other values; None: any key."""
        if keys is None:
            self.known.clear()
            self.is_exact = False
            return
        for key in keys:
            self.known.pop(key, None)
            self.unsure.add(key)


@dataclass(slots=True)
class Variables:
    """The names that a node has in the flow; but for the first they are made when they are needed."""

    output: str
    inputs: str = ""
    failed: str = ""
    ran: str = ""
    again: str = ""


class Values:
    """Gives the Python of every path, test and input of a workflow."""

    def __init__(self, workflow: Workflow, plan: Plan, names: Names, loops: list[Loop]) -> None:
        self.workflow = workflow
        self.plan = plan
        self.guards = plan.guards
        self.names = names
        self.index = {node.node_id: number for number, node in enumerate(workflow.nodes)}
        self.variables = [Variables(names.give(node.name, "node", node.node_id)) for node in workflow.nodes]
        self.owner = {found.output: number for number, found in enumerate(self.variables)}
        self.shapes = [shape_of(node) for node in workflow.nodes]
        self.loops_to: dict[int, list[Edge]] = {}
        for loop in loops:
            for edge in loop.edges:
                self.loops_to.setdefault(edge.target, []).append(edge)
        self.base = self._base()
        self.views: list[View | None] = [None] * len(workflow.nodes)
        self.wanted: list[int] = []
        self.loose: dict[int, str] = {}
        self.asks_all = False
        for number in plan.graph.order:
            if self.guards.of[number] is not None:
                self.views[number] = self._view(number)

    # Variables

    def output(self, node: int) -> Code:
        """The variable with the output of a node."""
        return variable(self.variables[node].output)

    def _name(self, node: int, kind: str) -> str:
        found = self.variables[node]
        name: str = getattr(found, kind)
        if not name:
            name = self.names.unique(f"{found.output}_{kind}")
            setattr(found, kind, name)
            self.owner[name] = node
        return name

    def failed(self, node: int) -> Code:
        """Whether a node failed, which has a handler."""
        return variable(self._name(node, "failed"), "bool")

    def ran(self, node: int) -> Code:
        """Whether a node ran."""
        if self.shapes[node].is_something:
            output = self.output(node)
            return Code(f"{output.text} is not None", COMPARISON, "bool", output.uses)
        return variable(self._name(node, "ran"), "bool")

    def again(self, node: int) -> Code:
        """What the retry edges have for a node."""
        return variable(self._name(node, "again"), "object")

    # Inputs of nodes

    def _base(self) -> View:
        view = View()
        for found in self.workflow.inputs:
            if not found.is_sure:
                view.unsure.add(found.name)
                continue
            view.present.add(found.name)
            if can_be_parameter(found.name):
                view.known[found.name] = Code(found.name, kind=KINDS[found.type])
        return view

    def _view(self, node: int) -> View:
        view = self.base.copy()
        for edge in self.plan.graph.incoming[node]:
            if self.guards.of_edge(edge) is not None:
                self._merge(view, edge, is_sure=self.is_sure(edge, self.guards.of[node]))
        for edge in self.loops_to.get(node, []):
            self._merge(view, edge, is_sure=False)
        return view

    def _merge(self, view: View, edge: Edge, *, is_sure: bool) -> None:
        shape = ERROR if edge.is_failed else self.shapes[edge.source]
        if edge.mapping is not None:
            keys: list[str] | None = list(edge.mapping)
        else:
            keys = None if shape.keys is None else list(shape.keys)
        if not is_sure or keys is None:
            view.may_set(keys)
            return
        for key in keys:
            view.sets(key, self._mapped(edge, key, shape))

    def _mapped(self, edge: Edge, key: str, shape: Shape) -> Code:
        if edge.mapping is not None:
            return expressions.write(edge.mapping[key], self.edge_scope(edge))
        assert shape.keys is not None
        return _item(self.output(edge.source), key, shape.keys[key])

    def is_sure(self, edge: Edge, guard: Guard | None) -> bool:
        """Whether an edge is surely taken where a guard holds."""
        own = self.guards.of_edge(edge)
        return own is not None and guard is not None and guard.is_within(own)

    def inputs(self, node: int) -> Code:
        """The variable with the inputs of a node, which is written since it is asked for."""
        view = self.views[node]
        assert view is not None
        if not self.parts(node):
            return variable("inputs", "object")
        if not self.variables[node].inputs:
            self.wanted.append(node)
        return variable(self._name(node, "inputs"), "object")

    def parts(self, node: int) -> bool:
        """Whether the inputs of a node are more than those of the workflow."""
        taken = [edge for edge in self.plan.graph.incoming[node] if self.guards.of_edge(edge) is not None]
        return bool(node in self.loops_to or [edge for edge in taken if edge.mapping != {}])

    def all_inputs(self, node: int) -> Code:
        """The inputs of a node, as they are put together."""
        guard = self.guards.of[node]
        assert guard is not None
        parts = [variable("inputs")]
        plain = True
        for edge in self.plan.graph.incoming[node]:
            if self.guards.of_edge(edge) is None or edge.mapping == {}:
                continue
            given, is_object = self.given(edge)
            if not self.is_sure(edge, guard):
                given, is_object = self._if_taken(edge, guard, given), False
            plain = plain and is_object
            parts.append(given)
        if node in self.loops_to:
            parts.append(self.again(node))
        if not plain and len(parts) == 2 and parts[1].level == ATOM:
            only = parts[1]
            checked = Code(f"({only.text} if isinstance({only.text}, dict) else {{}})")
            return Code(
                f"inputs | {checked.text}",
                COMPARISON,
                "object",
                parts[0].uses | only.uses,
                (("", parts[0]), ("", checked)),
                ("|", ""),
            )
        if not plain:
            return call("merged", *parts, kind="object")
        texts = [part.text for part in parts]
        return Code(
            " | ".join(texts),
            COMPARISON,
            "object",
            uses_of(parts),
            tuple(("", part) for part in parts),
            ("|", ""),
        )

    def given(self, edge: Edge) -> tuple[Code, bool]:
        """What an edge gives, and whether it surely is an object."""
        if edge.mapping is not None:
            scope = self.edge_scope(edge)
            return keyed([(key, expressions.write(tree, scope)) for key, tree in edge.mapping.items()]), True
        return self.output(edge.source), edge.is_failed or self.shapes[edge.source].is_object

    def _if_taken(self, edge: Edge, guard: Guard, given: Code) -> Code:
        ran_alone = edge.mapping is None and edge.condition is None and not self.guards.fails[edge.source]
        if ran_alone:
            return given  # of a node that did not run it is None, which is left out
        test = self.taken(edge, guard)
        assert test is not None
        if test.is_constant:
            return given if is_true(test) else constant(None)
        if test.level in (AND, OR):
            test = replace(test, text=in_brackets(test), level=ATOM)
        return Code(
            f"{given.text} if {test.text} else None",
            OR,
            uses=given.uses | test.uses,
            parts=(("", given), ("if ", test), ("else ", Code("None"))),
            brackets=("if", ""),
        )

    # Tests

    def taken(self, edge: Edge, guard: Guard) -> Code | None:
        """Whether an edge is taken, where a guard holds; None: surely."""
        own = self.guards.of[edge.source]
        assert own is not None
        parts: list[Code] = []
        if not guard.is_within(own):
            parts.append(self._runs(edge.source, own, guard))
        if self.guards.fails[edge.source]:
            own = own.below(Literal("failed", edge.source, edge.is_failed))
            if not guard.is_within(own):
                parts.append(self.has_failed(edge.source, edge.is_failed))
        if edge.condition is not None and not self.is_sure(edge, guard):
            test = expressions.write_test(edge.condition, self.edge_scope(edge))
            if not isinstance(edge.condition, expressions.Constant):
                parts.append(test)
        return chained("and", parts) if parts else None

    def _runs(self, node: int, own: Guard, guard: Guard) -> Code:
        """Whether a node runs, where a guard holds: by the failure that it asks for, if that is all."""
        literal = own.literal
        if literal is not None and literal.kind == "failed" and own.parent and guard.is_within(own.parent):
            return self.has_failed(literal.node, literal.holds)
        return self.ran(node)

    def has_failed(self, node: int, wanted: bool) -> Code:
        """Whether a node failed, or whether it did not."""
        failed = self.failed(node)
        return failed if wanted else Code(f"not {failed.text}", NOT, "bool", failed.uses)

    def any_taken(self, node: int, guard: Guard) -> Code:
        """Whether any edge to a node is taken, where a guard holds."""
        tests = []
        for edge in self.plan.graph.incoming[node]:
            if self.guards.of_edge(edge) is not None:
                test = self.taken(edge, guard)
                tests.append(constant(True) if test is None else test)
        return chained("or", list(dict.fromkeys(tests)))

    def holds(self, literal: Literal) -> Code:
        """The test of a literal that is not the node's own."""
        match literal.kind:
            case "failed":
                return self.has_failed(literal.node, literal.holds)
            case "ran":
                return self.ran(literal.node)
            case _:
                tree: Tree = self.guards.conditions[literal]
                scope = _Scope(self, literal.node, is_edge=True, is_failed=False)
                return expressions.write_test(tree if literal.holds else expressions.Not(tree), scope)

    # Paths

    def edge_scope(self, edge: Edge) -> _Scope:
        """What the names of an expression of an edge stand for."""
        return _Scope(self, edge.source, is_edge=True, is_failed=edge.is_failed)

    def node_scope(self, node: int) -> _Scope:
        """What the names of an expression of a node stand for."""
        return _Scope(self, node, is_edge=False, is_failed=False)

    def input_at(self, node: int, segments: tuple[str, ...]) -> Code:
        """A path below the inputs of a node."""
        view = self.views[node]
        assert view is not None
        if not segments:
            return self.inputs(node)
        key, rest = segments[0], segments[1:]
        if key in view.known:
            return _below(view.known[key], rest)
        if view.is_exact and key not in view.present and key not in view.unsure:
            return constant(None)
        if key in view.present:
            return _below(_item(self.inputs(node), key, "any"), rest)
        return _get(self.inputs(node), segments)

    def output_at(self, node: int, segments: tuple[str, ...], is_failed: bool) -> Code:
        """A path below the output of a node that ran."""
        shape = ERROR if is_failed else self.shapes[node]
        if not segments:
            return self.output(node)
        key, rest = segments[0], segments[1:]
        if shape.keys is not None:
            if key not in shape.keys:
                return constant(None)
            return _below(_item(self.output(node), key, shape.keys[key]), rest)
        return _get(self.output(node), segments) if shape.is_object else _below(self.output(node), segments)

    def node_at(self, reader: int, segments: tuple[str, ...], *, is_edge: bool) -> Code:
        """A path below ``nodes``, for an expression of a node or of an edge that starts there."""
        if not segments:
            self.asks_all = True
            self.loose.setdefault(reader, "all nodes at once")
            return call("dict", Code("nodes"), kind="object")
        node = self.index.get(segments[0])
        if node is None or self.guards.of[node] is None:
            self.loose.setdefault(reader, f"{segments[0]!r}, which never runs")
            return constant(None)
        bits = self.plan.graph.ancestors[reader] | (1 << reader if is_edge else 0)
        is_loose = not bits >> node & 1
        if is_loose:
            self.loose.setdefault(reader, f"{segments[0]!r}, which it does not wait for")
            if not is_edge and (self.plan.graph.descendants[reader] | 1 << reader) >> node & 1:
                return constant(None)  # it has not begun, in this pass
        own, guard = self.guards.of[node], self.guards.of[reader]
        assert own is not None
        assert guard is not None
        if self.guards.fails[node]:
            if not guard.is_within(own.below(Literal("failed", node, False))):
                failed, output = self.failed(node), self.output(node)
                code = Code(f"None if {failed.text} else {output.text}", OR, uses=failed.uses | output.uses)
                code = Code(in_brackets(code), uses=code.uses)
                return _below(early(code) if is_loose else code, segments[1:])
        elif guard.is_within(own) and not is_loose:
            return self.output_at(node, segments[1:], is_failed=False)
        output = self.output(node)
        return _below(early(output) if is_loose else output, segments[1:])


class _Scope:
    """What the names stand for in an expression of an edge, by its source, or of a node."""

    def __init__(self, values: Values, node: int, *, is_edge: bool, is_failed: bool) -> None:
        self.values = values
        self.node = node
        self.is_edge = is_edge
        self.is_failed = is_failed

    def path(self, path: Path) -> Code:
        if path.root == "inputs":
            return self.values.input_at(self.node, path.segments)
        if path.root == "nodes":
            return self.values.node_at(self.node, path.segments, is_edge=self.is_edge)
        if not self.is_edge:
            self.values.loose.setdefault(self.node, "outputs, which a node's own expression has none of")
            return constant(None)
        return self.values.output_at(self.node, path.segments, self.is_failed)

    def failed(self) -> Code:
        return constant(self.is_failed)


def can_be_parameter(name: str) -> bool:
    """Whether an input can be a parameter of the flow."""
    return is_parameter(name) and name not in RESERVED and not re.fullmatch(r"_+", name)


def opposite(test: Code) -> Code:
    """The opposite of a test."""
    if test.is_constant:
        return constant(not is_true(test))
    if test.level == NOT and test.text.startswith("not "):
        return Code(test.text[4:], uses=test.uses)
    if test.level == COMPARISON and test.text.endswith(" is not None") and test.text.count(" ") == 3:
        return Code(test.text.replace(" is not ", " is "), COMPARISON, "bool", test.uses)
    text = test.text if test.level > COMPARISON else in_brackets(test)
    return Code(f"not {text}", NOT, "bool", test.uses)


def _below(base: Code, segments: tuple[str, ...]) -> Code:
    return call("at", base, *map(segment_of, segments)) if segments else base


def _item(base: Code, key: str, kind: Kind) -> Code:
    return Code(f"{base.text}[{constant(key).text}]", kind=kind, uses=base.uses)


def _get(base: Code, segments: tuple[str, ...]) -> Code:
    """A path below what is surely a dict."""
    if len(segments) == 1:
        return Code(f"{base.text}.get({constant(segments[0]).text})", uses=base.uses)
    return _below(base, segments)
