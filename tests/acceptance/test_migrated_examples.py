"""The example workflows, migrated by the command and played by it, with real services behind real sockets."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from migrate.cases import EXAMPLES, Answers, Case, cases
from support.command import hero_logic
from support.services import ServiceError, serving


def answer_of(case: Case) -> Any:
    """What the services of a case do: find out which node asks, and give it its next answer."""
    answers = Answers(case)
    nodes = case.workflow["nodes"]

    def answer(method: str, params: dict[str, Any]) -> Any:
        [asking] = [node["node_id"] for node in nodes if is_asking(node["config"], method, params)]
        try:
            return answers.next(asking)
        except RuntimeError as error:
            raise ServiceError(str(error)) from error

    return answer


def is_asking(config: dict[str, Any], method: str, params: dict[str, Any]) -> bool:
    """Whether a call is that of a node: by its method, or by what it tells a model to be."""
    if "method" in config:
        return bool(config["method"] == method)
    return method == "complete" and config.get("system_prompt") == params.get("system_prompt", "")


@pytest.mark.parametrize("case", cases(), ids=str)
@pytest.mark.parametrize("sandbox", ["best"])
def test_an_example_comes_to_what_its_case_says(tmp_path: Path, case: Case, sandbox: str) -> None:
    """Status, output, what ran and what was skipped, how often each node was tried; as the workflow did."""
    migrated = hero_logic("migrate", str(EXAMPLES / f"{case.example}.json"), "--out", str(tmp_path))
    assert migrated.returncode == 0, migrated
    services = sorted(
        {node["config"]["service"] for node in case.workflow["nodes"] if "service" in node["config"]}
    )
    services += ["ai"] * any(node["node_type"] == "ai_call" for node in case.workflow["nodes"])
    (tmp_path / "inputs").write_text(json.dumps(case.facts["inputs"]))
    with ExitStack() as running:
        answer = answer_of(case)
        grants = []
        for name in services:
            grants += ["--rpc", f"{name}={running.enter_context(serving(answer)).path}"]
        done = hero_logic(
            "run", f"{tmp_path}/{case.example}.py", "--input", f"{tmp_path}/inputs", "--json", *grants,
            HERO_LOGIC_SANDBOX=sandbox,
        )  # fmt: skip
    if case.facts["status"] == "failed" and not case.facts["ran"]:
        assert done.returncode == 2, done  # refused before there is a play
        return
    play = json.loads(done.stdout)
    tags = [span["tags"] for span in play["spans"] if "node_id" in span["tags"]]
    tried = [tag["node_id"] for tag in tags if "skipped" not in tag]

    assert (play["status"], play["output"]) == (case.facts["status"], case.facts.get("output")), play["error"]
    assert {node_id: tried.count(node_id) for node_id in tried} == case.facts["tries"]
    skipped = {tag["node_id"] for tag in tags if "skipped" in tag} - set(tried)
    assert skipped <= set(case.facts["skipped"])


INNER = {
    "name": "double",
    "inputs": [{"name": "n", "type": "integer", "required": True, "default": ""}],
    "nodes": [
        {
            "node_id": "twice",
            "node_type": "script_execution",
            "config": {
                "language": "python",
                "script": "assert inputs['n'] < 10\noutput = {'n': inputs['n'] * 2}",
            },
        }
    ],
    "edges": [],
}
OUTER = {
    "name": "quadruple",
    "inputs": [{"name": "n", "type": "integer", "required": True, "default": ""}],
    "nodes": [
        {
            "node_id": name,
            "node_type": "subworkflow",
            "config": {"workflow": "double", "inputs": {"n": "{{inputs.n}}"}},
        }
        for name in ("first", "second")
    ],
    "edges": [{"from_node": "first", "to_node": "second"}],
}


@pytest.mark.parametrize(("n", "status", "output"), [(3, "ok", {"n": 12}), (7, "failed", None)])
def test_a_workflow_runs_the_other_one_that_it_names(
    tmp_path: Path, n: int, status: str, output: Any
) -> None:
    """One of the same directory; its output is the node's, and its failure too."""
    for workflow in (INNER, OUTER):
        (tmp_path / f"{workflow['name']}.json").write_text(json.dumps(workflow))
    migrated = hero_logic("migrate", str(tmp_path), "--out", str(tmp_path / "flows"))
    assert migrated.returncode == 0, migrated

    done = hero_logic("run", f"{tmp_path}/flows/quadruple.py", "-i", f"n={n}", "--json")

    play = json.loads(done.stdout)
    assert (play["status"], play["output"]) == (status, output), play["error"]
