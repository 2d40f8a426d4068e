"""The flows that workflows become: read by people, checked by their tools, and never broken out of."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hero_logic.core.flow_source import read_flow_file
from hero_logic.migrate import translate, was_made_here
from hero_logic.migrate.prelude import PIECES
from hero_logic.migrate.write import spared
from migrate.legacy import condition, edge, script, transform, workflow
from migrate.legacy import given as an_input

HERE = Path(__file__).parent
EXAMPLES = sorted(path for path in (HERE / "examples").glob("*.json") if ".cases." not in path.name)
SOURCE = HERE.parents[1] / "src"
HORRORS = [
    '"""',
    "'''",
    '"',
    "\\",
    '\\"""',
    "\n",
    "a\nimport os",
    "\r",
    "\x0c",
    "\0",
    "\u202e evil \u2066",
    "\u2028",
    "\ud800",
    "{}",
    "{{inputs.x}}",
    "{0}",
    "%s",
    "class",
    "None",
    "flow",
    "inputs",
    "__import__",
    "# type: ignore",
    "# mypy: ignore-errors",
    "# -*- coding: latin-1 -*-",
    "coding: utf-7",
    "# /// script\n# dependencies = ['x']\n# ///",
    "# fmt: on",
    "é" * 300,
    "",
    " ",
    "\t",
    "🙂",
]


def source_of(text: str, **more: Any) -> str:
    """The flow that a workflow becomes."""
    return translate(text, **more).source


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_become_their_golden_files(example: Path) -> None:
    """What the examples become is what a person has read and found good; byte for byte, every time."""
    golden = HERE / "golden" / f"{example.stem}.py"

    assert source_of(example.read_text()) == golden.read_text()


def tools_on(directory: Path) -> list[str]:
    """What ruff's lint and format and mypy's strict mode have to say of the files of a directory."""
    files = [str(path) for path in directory.glob("*.py")]
    environment = {**os.environ, "MYPYPATH": str(SOURCE)}
    commands = [
        ["ruff", "check", "--isolated", *files],
        ["ruff", "format", "--isolated", "--check", *files],
        ["mypy", "--strict", "--config-file=", f"--cache-dir={directory / 'cache'}", *files],
    ]
    found = []
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", *command], capture_output=True, text=True, check=False, env=environment
        )
        if done.returncode:
            found.append(done.stdout + done.stderr)
    return found


def without_word_to_linters(source: str) -> str:
    """A flow without its scripts and without the word that spares them, so that all else is looked at."""
    bare = source.partition("\n")[2].partition("# fmt: off")[0]
    return f"#{spared(bare)}\n{bare}"


MANY = workflow(
    [
        condition("inputs.n > 3 and not (inputs.name contains 'x' or nodes.b.y == 1)", "a", name="Big?"),
        script("output = {'y': 1}", "b", retry_count=2),
        script("raise ValueError('no')", "c", timeout_ms=500),
        transform({"deep": [{"a": "{{inputs.y}} and {{ nodes.b }}" * 5}], "list": ["word " * 9] * 9}, "d"),
        script("output = inputs", "e", on_error="continue"),
        transform("{{inputs.error}}", "h"),
        {"node_id": "w", "node_type": "wait", "config": {"duration_ms": 1}, "timeout_ms": 2000},
        {"node_id": "bash", "node_type": "script_execution", "config": {"language": "bash", "script": "ls"}},
    ],
    [
        edge("a", "d", condition="outputs.result"),
        edge("b", "d", condition="outputs.y != 2", data_mapping={"y": "outputs.y"}),
        edge("b", "c"),
        edge("c", "h", condition="failed"),
        edge("h", "c", kind="retry", max_retries=3),
        edge("e", "d"),
        edge("w", "bash"),
    ],
    [an_input("n", "integer"), an_input("name", required=False), an_input("max-length", "number")],
)


def test_ruff_and_mypy_find_nothing_even_where_nobody_spares_the_flow(tmp_path: Path) -> None:
    """Lint, format, strict types: of whole files, and of all but scripts without a word to linters."""
    without_services = [path.read_text() for path in EXAMPLES if "service" not in path.name]
    for number, text in enumerate([*without_services, MANY]):
        source = source_of(text)
        (tmp_path / f"whole_{number}.py").write_text(source)
        bare = without_word_to_linters(source)
        names = re.findall(r"^def (\w+_script)\(inputs\):$", source, re.MULTILINE)
        stubs = "".join(f"\n\ndef {name}(inputs: Any) -> Any:\n    return inputs\n" for name in names)
        (tmp_path / f"bare_{number}.py").write_text(
            bare.replace(", no_type_check", "").rstrip() + "\n" + stubs
        )

    assert tools_on(tmp_path) == []


def test_a_chain_of_three_scripts_is_short() -> None:
    """Three nodes in a line are at most forty lines, all told."""
    texts = {"a": "output = {'n': 1}", "b": "output = inputs", "c": "output = inputs['n']"}
    nodes = [script(text, name) for name, text in texts.items()]

    source = source_of(workflow(nodes, [edge("a", "b"), edge("b", "c")], [an_input("who")]))

    assert source.count("\n") <= 40, source


def test_a_line_is_straight() -> None:
    """Where the graph is a line no thread, no branch and no loop is written."""
    source = source_of(EXAMPLES[-1].read_text())
    body = source[source.index("def three_steps") : source.index("def run(")]

    assert not any(word in body for word in ("Together", " if ", " for ", "while"))


def test_nodes_side_by_side_have_threads_and_exclusive_ones_have_none() -> None:
    """What runs at the same time gets a thread; a handler and the way on never run at the same time."""
    nodes = [script("output = 1", name) for name in "abc"]

    side_by_side = source_of(workflow(nodes, [edge("a", "c"), edge("b", "c")]))
    exclusive = source_of(workflow(nodes, [edge("a", "b", condition="failed"), edge("a", "c")]))

    assert "    together(do_a, do_b)\n" in side_by_side
    assert "in_thread" not in exclusive


def test_what_begins_while_something_else_runs_is_started_by_itself() -> None:
    """Where two ways go on beside each other, one after another of each; else a plain call does."""
    nodes = [script("output = 1", name) for name in "abcd"]

    source = source_of(workflow(nodes, [edge("a", "c"), edge("c", "d"), edge("b", "d")]))

    assert source.count("@together.start()") == 2
    assert "def together(" not in source


def test_and_in_or_stands_in_brackets() -> None:
    """Python needs none, and a reader does."""
    nodes = [condition("true", "a"), condition("true", "b"), transform(1, "c")]
    edges = [
        edge("a", "b", condition="outputs.result"),
        edge("a", "c", condition="not outputs.result"),
        edge("b", "c", condition="outputs.result"),
    ]

    assert re.search(
        r'if not a\["result"\] or \(\s*b is not None and b\["result"\]\s*\):',
        source_of(workflow(nodes, edges)),
    )


def test_the_docstring_says_what_the_hints_do_not() -> None:
    """Which numbers have to be whole, and which services are to be granted."""
    asks = {
        "node_id": "a", "node_type": "action", "config": {"service": "mail", "method": "send", "params": {}}
    }  # fmt: skip
    source = source_of(
        workflow([asks], [], [an_input("n", "integer", description="how many"), an_input("m", "integer")])
    )

    assert "        n: how many (a whole number)\n" in source
    assert "        m: a whole number\n" in source
    assert "    It calls services: --rpc mail=SOCKET\n" in source


def test_the_same_text_gives_the_same_bytes() -> None:
    """Nothing of a flow depends on when or where it is made."""
    assert translate(MANY) == translate(MANY)


def test_a_file_that_was_changed_is_known_by_its_checksum() -> None:
    """The first line tells whether anybody has changed what stands below."""
    source = source_of(MANY)

    assert was_made_here(source) is True
    assert was_made_here(source.replace("0.001", "0.002")) is False
    assert was_made_here("print()\n") is None


@pytest.mark.parametrize("name", sorted(PIECES))
def test_a_workflow_that_is_called_like_a_function_of_the_prelude_keeps_both(name: str) -> None:
    """Its flow is called something else, so that neither hides the other."""
    source = source_of(workflow([transform("{{inputs.n}}!", "a")], name=name))

    functions = [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    assert functions[0] not in PIECES
    assert len(set(functions)) == len(functions)


def structure(source: str) -> list[str]:
    """The tree of a file without its constants, names, and functions of the prelude."""
    kinds = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            kinds.append(f"from {node.module} {[alias.name for alias in node.names]}")
        elif isinstance(node, ast.Constant):
            continue
        else:
            kinds.append(type(node).__name__)
    return kinds


def hostile(text: str) -> str:
    """A workflow with one text in every place that may hold any."""
    nodes = [
        transform({"k" + text: [text.replace("{{", "")]}, "a" + text, name=text),
        transform(text.replace("{{", "") + " {{inputs.n}}" + text.replace("}}", ""), "b", name=text,
                  position=text),
        {"node_id": "s", "node_type": "action", "name": text,
         "config": {"service": "crm", "method": "m-" + text,
                    "params": {"p-" + text: text.replace("{{", "")}}},
        {"node_id": "u", "node_type": "action", "name": text,
         "config": {"service": "s-" + text, "method": "m", "params": {}}},
        {"node_id": "m", "node_type": "ai_call",
         "config": {"model": text, "system_prompt": text.replace("{{", ""), "prompt": "", "temperature": 0,
                    "output_format": "text"}},
        {"node_id": "f", "node_type": "script_execution", "config": {"language": "x" + text, "script": text}},
        {"node_id": "g", "node_type": "subworkflow", "config": {"workflow": "?" + text, "inputs": {}}},
    ]  # fmt: skip
    edges = [
        edge(
            "a" + text,
            "b",
            condition=f"outputs.x == {json.dumps(text)}",
            data_mapping={"k" + text: "inputs.a"},
        ),
        edge("b", "s", **{"note " + text: text}),
    ]
    inputs = [an_input("p-" + text, description=text, default=json.dumps(text), required=False)]
    return workflow(nodes, edges, inputs, name="W" + text, description="d" + text, extra=text)


CALM = structure(source_of(hostile("calm")))


@pytest.mark.parametrize("text", HORRORS)
def test_no_text_breaks_out_of_its_place(text: str) -> None:
    """Whatever stands in whatever place, the flow parses, and its structure is what it would be without."""
    source = source_of(hostile(text))

    assert structure(source) == CALM
    assert not any(0x202A <= ord(c) <= 0x2069 and not c.isprintable() for c in source)
    assert read_flow_file(source, "f.py").metadata is None
    source.encode()


@pytest.mark.property
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=60))
def test_no_text_at_all_breaks_out_of_its_place(text: str) -> None:
    """The same of any text."""
    assert structure(source_of(hostile(text))) == CALM


@pytest.mark.property
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from([*HORRORS, "x = 1", "output = 1", "    y", "if x:", "'a'", "#"]), max_size=6))
def test_no_script_breaks_out_of_its_place(parts: list[str]) -> None:
    """A script is refused, or stands in a function or a text of its own that nothing of it leaves."""
    from hero_logic.core.errors import InvalidWorkflow

    text = "\n".join(parts)
    try:
        source = source_of(workflow([script(text)]))
    except InvalidWorkflow:
        return
    tree = ast.parse(source)

    known = {"w", "run", "run_to_exit", "run_module", "a_script", "A_SCRIPT"}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            assert node.name in known
        elif isinstance(node, ast.Assign):
            assert isinstance(node.targets[0], ast.Name)
            assert node.targets[0].id in known
            assert isinstance(node.value, ast.Constant)
        else:
            assert isinstance(node, ast.Import | ast.ImportFrom)


def test_ten_thousand_nodes_become_a_flow() -> None:
    """A chain and a comb of thousands of nodes: neither recursion nor nesting is in the way."""
    nodes = [transform({"n": "{{inputs.n}}"}, f"n{number}", name="same") for number in range(10_000)]
    edges = [edge(f"n{number}", f"n{number + 1}", condition="outputs.n == null") for number in range(5_000)]
    edges += [edge(f"n{number}", f"n{number + 5_000}") for number in range(4_000)]

    source = source_of(workflow(nodes, edges))

    compile(source, "big", "exec", dont_inherit=True)
