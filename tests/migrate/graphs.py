"""Random legacy workflows that do something worth comparing, with inputs for them.

Every choice that can be wrong in a migration is here: branches, joins, skips, tries, handlers, ways back,
parts that run side by side, mappings, conditions, services, other workflows. Scripts are pure, and so are the
services, but for scripts that count their own tries.
What the format leaves to chance (which of two nodes that run at once is first) no graph of these can tell.
"""

from __future__ import annotations

import builtins
import json
import re
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from migrate.reference import Run, run
from migrate.services import LIBRARY, called

KEYS = ["level", "text", "items", "flag", "obj"]
"""What inputs, outputs and mappings call their values: few, so that they meet."""
ODD_KEYS = ["max-level", "class", "inputs", "getattr"]
"""Names that no parameter of a flow can have."""
IDS = ["start", "class", "n-1", "Sum_up", "sum_up", "ünï", "7th", "flow", "inputs", "main", "n1", "print"]
NAMES = ["", "Load", "load", "Sum up", "if", "Über", "a b", "inputs", '"""', "x" * 90, "step\n two", "{n}"]
TYPES = ["integer", "string", "array", "boolean", "object", "number"]
VALUES: dict[str, list[Any]] = {
    "integer": [0, 1, 2, -3, 1.0, 2.0],
    "string": ["", "a", "ab", "failed", 'q"{{x}}', "ü\n"],
    "array": [[], [1], ["a", 2], [True, 1, None]],
    "boolean": [True, False],
    "object": [{}, {"a": 1}, {"a": {"b": [0]}, "0": "zero"}],
    "number": [0, 0.5, 1, -2.0, 1e30],
}
TRIES = "import builtins\nseen = builtins.__dict__.setdefault('seen_tries', {})\n"


@dataclass
class Graph:
    """A workflow and the inputs of a run of it."""

    workflow: dict[str, Any]
    inputs: dict[str, Any]

    @property
    def text(self) -> str:
        """The workflow's file."""
        return json.dumps(self.workflow, indent=1, ensure_ascii=False)

    def __repr__(self) -> str:
        return f"{self.text}\ninputs: {self.inputs!r}"


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """A valid workflow of up to nine nodes, with inputs that are mostly right."""
    declared = draw(_declared())
    node_ids = draw(st.permutations(IDS))[: draw(st.integers(1, 9))]
    before: dict[str, list[str]] = {}
    nodes: dict[str, dict[str, Any]] = {}
    edges: list[dict[str, Any]] = []
    for node_id in node_ids:
        sources = draw(_sources(list(before)))
        sources += sources[:1] if draw(st.integers(0, 11)) == 0 else []  # two edges with the same ends
        edges += [draw(_edge(nodes[source], node_id, [*before[source], source])) for source in sources]
        before[node_id] = sorted({*sources, *(one for source in sources for one in before[source])})
        nodes[node_id] = draw(_node(node_id, before[node_id]))
    if draw(st.integers(0, 2)) == 0:
        edges = draw(st.permutations(edges))
    edges += draw(_ways_back(edges, before))
    in_order = list(nodes.values())
    if draw(st.integers(0, 3)) == 0:
        in_order = draw(st.permutations(in_order))
    description = draw(st.sampled_from(["", "What it does.", 'Odd """ \\ one']))
    workflow = {
        "name": "w",
        "description": description,
        "inputs": declared,
        "nodes": in_order,
        "edges": edges,
    }
    return Graph(workflow, draw(_given(declared)))


def expected(graph: Graph) -> Run:
    """What a run of it comes to.

    Raises:
        Stuck: the format does not say.
    """
    builtins.__dict__.pop("seen_tries", None)
    return run(json.loads(graph.text), graph.inputs, call_service=called, library=LIBRARY)


@st.composite
def _declared(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Inputs: required, with a default, or neither."""
    found = []
    names = draw(st.lists(st.sampled_from([*KEYS, *KEYS, *ODD_KEYS]), max_size=4, unique=True))
    # A template that shows all inputs shows an order, which an object has not: odd ones are last, if at all.
    for name in sorted(names, key=lambda name: name in ODD_KEYS):
        kind = draw(st.sampled_from(TYPES))
        how = 2 if name in ODD_KEYS else draw(st.integers(0, 2))
        default = json.dumps(draw(st.sampled_from(VALUES[kind]))) if how == 1 else ""
        found.append(
            {"name": name, "type": kind, "description": "d", "required": how == 0, "default": default}
        )
    return found


@st.composite
def _given(draw: st.DrawFn, declared: list[dict[str, Any]]) -> dict[str, Any]:
    """Inputs for a run; one in twelve is not what was declared."""
    given = {}
    for one in declared:
        if one["required"] or draw(st.booleans()):
            given[one["name"]] = draw(st.sampled_from(VALUES[one["type"]]))
    wrong = draw(st.integers(0, 35))
    if wrong == 1 and given:
        given.pop(draw(st.sampled_from(sorted(given))))
    elif wrong == 2 and given:
        given[draw(st.sampled_from(sorted(given)))] = draw(st.sampled_from([None, True, 1, 1.5, "x", [], {}]))
    elif wrong == 3:
        given["undeclared"] = 1
    return given


def _sources(earlier: list[str]) -> st.SearchStrategy[list[str]]:
    if not earlier:
        return st.just([])
    # Mostly the last ones, so that graphs are deep as well as wide.
    near = st.lists(st.sampled_from(earlier[-3:]), min_size=1, max_size=3, unique=True)
    return st.one_of(near, near, near, st.lists(st.sampled_from(earlier), max_size=3, unique=True))


# Expressions and templates: strategies that are made once, with numbers where paths begin.

TAIL = st.sampled_from(
    ["", *(f".{key}" for key in KEYS), *(f".{key}" for key in KEYS), ".items.0", ".obj.a.b", ".error",
     ".max-level", ".class", ".result"]
)  # fmt: skip
PATH = st.tuples(st.integers(0, 11), TAIL).map(lambda parts: f"@{parts[0]}@{parts[1]}")
"""A path, most of which lead somewhere now and then."""
LITERAL = st.sampled_from(
    ["0", "1", "1.0", "-2", "true", "false", "null", "'a'", '"a"', "''", "[]", '[1, "a"]', "[1,true,null]",
     '{"a": 1}', '{"a":{"b":[0]},\'0\':"zero"}', "'\\'\"'"]
)  # fmt: skip
OPERAND = st.one_of(PATH, PATH, LITERAL)
OPERATOR = st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "contains", "in"])
COMPARISON = st.tuples(OPERAND, OPERATOR, OPERAND).map(" ".join)
NEGATION = st.tuples(
    st.sampled_from(["", "", "", "not "]), st.one_of(COMPARISON, COMPARISON, OPERAND)
).map("".join)  # fmt: skip
CHAIN = st.lists(st.tuples(st.sampled_from(["and", "or"]), NEGATION).map(" ".join), max_size=2)
EXPRESSION = st.tuples(NEGATION, CHAIN).map(lambda parts: " ".join([parts[0], *parts[1]]))
MAPPING = st.dictionaries(st.sampled_from(KEYS), st.one_of(PATH, PATH, EXPRESSION), max_size=2)
TEXT = st.one_of(
    st.sampled_from(["", "plain", "{single}", "{{inputs.level}}", "ü '\"\\", "{0}", "}}{{"]),
    PATH.map(lambda one: f"{{{{{one}}}}}"),
    PATH.map(lambda one: f"{{{{ {one} }}}}"),
    st.tuples(PATH, PATH).map(lambda two: f"<{{{{{two[0]}}}}}> and {{{{ {two[1]} }}}}\n"),
    PATH.map(lambda one: f"{{x}} {{{{{one}}}}}"),
)
VALUE = st.recursive(
    st.one_of(TEXT, TEXT, st.sampled_from([None, True, 0, 1.5, "x"])),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=3,
)
TEMPLATE = st.one_of(st.dictionaries(st.sampled_from([*KEYS, "{{k}}"]), VALUE, max_size=3), VALUE)
"""Any JSON, with templates in it."""


def placed(value: Any, roots: list[str], around: list[str]) -> Any:
    """The same with its paths beginning at one of the roots, or at a node around here."""
    starts = [*roots, *(f"nodes.{node_id}" for node_id in around), *(["nodes.nobody"] if around else [])]
    text = json.dumps(value, ensure_ascii=False)
    return json.loads(re.sub("@([0-9]+)@", lambda found: starts[int(found[1]) % len(starts)], text))


# What nodes do


@st.composite
def _node(draw: st.DrawFn, node_id: str, around: list[str]) -> dict[str, Any]:
    node: dict[str, Any] = {"node_id": node_id}
    if name := draw(st.sampled_from(NAMES)):
        node["name"] = name
    kinds = ["script_execution"] * 7 + ["transform", "transform", "condition", "wait", *CALLS, "action"]
    kind = node["node_type"] = draw(st.sampled_from(kinds))
    if kind in CALLS:
        node["config"] = placed(draw(_call(kind)), ["inputs"], around)
        node["retry_count"] = draw(st.sampled_from([0, 0, 0, 1]))
        node["on_error"] = draw(st.sampled_from(["fail", "continue"]))
        node["timeout_ms"] = draw(st.sampled_from([0, 0, 0, 30_000]))
    elif kind == "script_execution":
        may_fail = draw(st.integers(0, 9)) < 4
        node["config"] = {"language": "python", "script": draw(_script(node_id, may_fail=may_fail))}
        node["retry_count"] = draw(st.sampled_from([0, 0, 0, 1, 2]))
        node["on_error"] = draw(st.sampled_from(["fail", "fail", "fail", "continue"]))
        if draw(st.integers(0, 30)) == 0:
            node["config"] = {"language": "bash", "script": "ls"}
    elif kind == "transform":
        # What a node has not said yet is null, to itself too.
        node["config"] = {"output": placed(draw(TEMPLATE), ["inputs"], [*around, node_id])}
    elif kind == "condition":
        node["config"] = {"expression": placed(draw(EXPRESSION), ["inputs"], [*around, node_id])}
    else:
        node["config"] = {"duration_ms": draw(st.sampled_from([0, 1]))}
    return node


CALLS = ["action", "ai_call", "subworkflow"]
PARAMS = st.dictionaries(st.sampled_from([*KEYS, "a-b", "class", "self", "method"]), VALUE, max_size=2)
GIVEN = st.one_of(VALUE, st.sampled_from([0, 1, 2, 3, "a", True]))


@st.composite
def _call(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    """What calls a service, or another workflow."""
    if kind == "action":
        return {
            "service": draw(st.sampled_from(["catalogue", "store_2"])),
            "method": draw(st.sampled_from(["search", "rpc.discover", "import", "get-it"])),
            "params": draw(PARAMS),
        }
    if kind == "ai_call":
        return {
            "model": draw(st.sampled_from(["small", "{{inputs.text}}"])),
            "system_prompt": draw(st.sampled_from(["", "You are {{inputs.text}}.", 'q""" \\'])),
            "prompt": draw(TEXT),
            "temperature": draw(st.sampled_from([0, 0.5, 1])),
            "output_format": draw(st.sampled_from(["text", "json"])),
        }
    workflow = draw(st.sampled_from([*LIBRARY]))
    names = [one["name"] for one in LIBRARY[workflow]["inputs"]]
    given: dict[str, Any] = {name: draw(GIVEN) for name in names if draw(st.integers(0, 3))}
    if draw(st.integers(0, 19)) == 0:
        given["undeclared"] = 1
    return {"workflow": workflow, "inputs": given}


SCRIPTS = [
    "# says what it got\noutput = {'text': str(inputs.get('KEY')), 'level': inputs.get('level')}\n",
    "output = inputs.get('KEY')\n",
    "output = {**inputs, 'items': [len(inputs)]}",
    "inputs.setdefault('items', [])\nif isinstance(inputs['items'], list):\n    inputs['items'].append(1)\n"
    "output = {'items': inputs['items']}\n",
    "output = {'level': (inputs.get('level') or 0) + 1}\n",
    "output = {'level': (inputs.get('level') or 0) + 1}\n",
    "import math\n\n\ndef double(n):\n    '''A text\n  of two lines.'''\n    return n * factor\n\n\n"
    "factor = 2\noutput = {'level': double(math.floor(1.5)), 'text': double.__doc__}\n",
    "class Box:\n    n = 2\n    m = [n for _ in [0]] if False else n\n\noutput = {'level': Box.m}\n",
    "count = 0\ndef up():\n    global count\n    count += 1\nup()\noutput = {'level': count}",
    "from math import *\noutput = {'level': floor(2.5), 'items': [x for x in [pi] if x > 3]}",
    "output = 1\nexec('output = 2')\noutput = {'level': output, 'flag': 'inputs' in globals()}",
    "del inputs\noutput = {}\nfor output['level'] in (1, 2): pass\n",
    "output = None\n",
    "try:\n\tinputs['nothing']\nexcept KeyError as error:\n\toutput = {'text': str(error)}\n",
]
ECHO = "output = {'level': inputs.get('level') or 0, 'keys': sorted(inputs), 'KEY': VALUE}\n"
TOO_LOW = "if (inputs.get('level') or 0) < LIMIT:\n    raise LookupError('too low')\n"
FAILING = [
    f"if not inputs.get('KEY'):\n    raise ValueError('no KEY')\n{ECHO}",
    TOO_LOW + ECHO,
    TOO_LOW + ECHO,
    f"{TRIES}seen[ID] = seen.get(ID, 0) + 1\nif seen[ID] < LIMIT:\n    raise RuntimeError('not yet')\n{ECHO}",
    "raise KeyError('x')\n",
    "raise ValueError('one\\ntwo', 3)\n",
    "raise ValueError\n",
    "import sys\nsys.exit(3)\n",
    "exec('1 +')\n",
    "class Odd(Exception):\n    pass\n\n\nraise Odd('x')\n",
    "output = float('nan')\n",
    "result = 1\n",
    "def need(n):\n    return n\n\n\noutput = need()\n",
]
CONSTANTS = ["1", "'a'", "[1, 'a']", "True", "{'a': 1}", "None", "0.5", "''"]


@st.composite
def _script(draw: st.DrawFn, node_id: str, *, may_fail: bool) -> str:
    """A script that says what it was given, that changes it, that fails now and then."""
    script = draw(st.sampled_from(FAILING if may_fail else [ECHO, ECHO, ECHO, *SCRIPTS]))
    script = script.replace("KEY", draw(st.sampled_from(KEYS))).replace(
        "VALUE", draw(st.sampled_from(CONSTANTS))
    )
    return script.replace("LIMIT", str(draw(st.integers(1, 3)))).replace("ID", repr(node_id))


# Edges


@st.composite
def _edge(draw: st.DrawFn, source: dict[str, Any], target: str, around: list[str]) -> dict[str, Any]:
    edge: dict[str, Any] = {"from_node": source["node_id"], "to_node": target}
    may_fail = source["node_type"] in CALLS or any(
        word in str(source["config"].get("script")) for word in ("raise ", "nan", "result", "ls")
    )
    how = draw(st.integers(0, 9))
    if how == 0 or (how < 5 and may_fail):
        edge["condition"] = "failed"
    elif how in (5, 6):
        edge["condition"] = placed(draw(EXPRESSION), ["inputs", "outputs"], around)
    elif how == 7:
        edge["condition"] = draw(
            st.sampled_from(["outputs.level", "outputs.level", "not failed", "outputs.result"])
        )
    mapping = draw(st.integers(0, 5))
    if mapping == 0:
        edge["data_mapping"] = placed(draw(MAPPING), ["inputs", "outputs"], around)
    elif mapping == 1 and edge.get("condition") == "failed":
        edge["data_mapping"] = {"level": "inputs.level", "text": "outputs.error"}
    if draw(st.integers(0, 9)) == 0:
        edge["kind"] = "normal"
    return edge


@st.composite
def _ways_back(
    draw: st.DrawFn, edges: list[dict[str, Any]], before: dict[str, list[str]]
) -> list[dict[str, Any]]:
    """Retry edges, from handlers to what they depend on."""
    handlers = sorted({edge["to_node"] for edge in edges if edge.get("condition") == "failed"})
    handlers += handlers if draw(st.integers(0, 3)) == 0 else []  # two from one handler
    found: list[dict[str, Any]] = []
    for handler in handlers:
        if len(found) == 3 or draw(st.integers(0, 3)) == 0:
            continue
        edge: dict[str, Any] = {
            "from_node": handler,
            "to_node": draw(st.sampled_from(before[handler])),
            "kind": "retry",
        }
        how = draw(st.integers(0, 3))
        if how == 0:
            edge["condition"] = placed(draw(EXPRESSION), ["inputs", "outputs"], [*before[handler], handler])
        elif how == 1:
            edge["condition"] = "outputs.level < 4"
        if draw(st.booleans()):
            edge["max_retries"] = draw(st.integers(0, 3))
        if draw(st.booleans()):
            edge["data_mapping"] = {"level": "outputs.level"}
        found.append(edge)
    return found
