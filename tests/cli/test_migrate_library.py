"""The workflows of before in a library become flows there."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import pytest

from hero_logic.cli.migrate_library import LibraryMigration, migrate_library
from hero_logic.core.library import FlowPut
from hero_logic.migrate import translate
from hero_logic.service.flows import Flows
from hero_logic.store.memory import MemoryStore
from support.command import hero_logic

INVALID = '{"name": "broken", "nodes": [{"node_id": "a"}], "edges": []}'
PYTHON = "from hero_tracing import flow\n\n\n@flow\ndef main():\n    return 1\n"


def workflow(text: str = "hello", **more: object) -> str:
    """A workflow of one node, which says something."""
    node = {"node_id": "say", "node_type": "transform", "config": {"output": {"text": text}}}
    return json.dumps(
        {"name": "w", "description": "Says it.", "inputs": [], "nodes": [node], "edges": [], **more}
    )


@pytest.fixture
def flows() -> Flows:
    times, sids = count(1), count(1)
    return Flows(MemoryStore(), now_ms=lambda: float(next(times)), new_sid=lambda: f"{next(sids):016x}")


def migrated(flows: Flows, *, publishes: bool = True) -> dict[str, LibraryMigration]:
    """What becomes of each, by name."""
    return {done.name: done for done in migrate_library(flows, translate, publishes=publishes)}


def kinds(flows: Flows, name: str) -> list[str]:
    """Those of a flow's versions, the newest first."""
    return [version.kind for version in flows.versions(name).versions]


def test_a_workflow_becomes_the_next_version_of_its_flow(flows: Flows) -> None:
    """Which is the current one, and can be run; the workflow stays, and so do description and tags."""
    flows.put_legacy(name="greet", dag_json=workflow(), description="Greets.", tags=["old"])
    before = flows.find("greet").version_sid

    done = migrated(flows)["greet"]

    flow = flows.get("greet")
    assert done.put == FlowPut(
        flow_sid=flow.flow_sid, version_sid=flow.version_sid, is_new_version=True, problems=[]
    )
    assert done.migration is not None
    assert (flow.kind, flow.source, flow.description, flow.tags) == (
        "python",
        done.migration.source,
        "Greets.",
        ["old"],
    )
    assert kinds(flows, "greet") == ["python", "legacy_dag"]
    assert done.legacy_version_sid == before == flows.versions("greet").versions[1].version_sid
    assert flows.to_run("greet").version.kind == "python"


def test_what_is_python_already_stays_as_it_is(flows: Flows) -> None:
    """Also where an earlier version is a workflow; so doing it twice does it once."""
    flows.put(name="new", python_source=PYTHON)
    flows.put_legacy(name="mended", dag_json=workflow())
    flows.put(name="mended", python_source=PYTHON)
    flows.put_legacy(name="old", dag_json=workflow())

    assert list(migrated(flows)) == ["old"]
    assert list(migrated(flows)) == []
    assert kinds(flows, "mended") == ["python", "legacy_dag"]


def test_a_workflow_that_means_nothing_keeps_no_other_one_back(flows: Flows) -> None:
    """It is told with its faults, and stays as it is."""
    flows.put_legacy(name="a", dag_json=INVALID)
    flows.put_legacy(name="b", dag_json=workflow())

    done = migrated(flows)

    assert done["a"].invalid is not None
    assert done["a"].invalid.faults
    assert (done["a"].migration, done["a"].put) == (None, None)
    assert (kinds(flows, "a"), kinds(flows, "b")) == (["legacy_dag"], ["python", "legacy_dag"])


def calls(*names: str, script: str = "output = {}", **more: object) -> str:
    """A workflow that runs others, one after another, and a script first."""
    nodes: list[dict[str, object]] = [
        {
            "node_id": "work",
            "node_type": "script_execution",
            "config": {"language": "python", "script": script},
        }
    ]
    nodes += [
        {"node_id": name, "node_type": "subworkflow", "config": {"workflow": name, "inputs": {}}}
        for name in names
    ]
    edges = [{"from_node": "work", "to_node": name} for name in names]
    return json.dumps({"name": "w", "inputs": [], "nodes": nodes, "edges": edges, **more})


def test_a_workflow_that_is_a_part_of_others_becomes_a_function_of_theirs(
    flows: Flows, tmp_path: Path
) -> None:
    """Of those that were migrated before too, and with all that it runs itself, each by its own scripts."""
    flows.put_legacy(name="leaf", dag_json=calls(script="output = {'leaf': 1}", name="leaf"))
    migrated(flows)
    flows.put_legacy(name="middle", dag_json=calls("leaf", script="output = {'middle': 2}", name="middle"))
    flows.put_legacy(name="top", dag_json=calls("middle", "leaf", script="output = {'top': 3}", name="top"))

    done = migrated(flows)["top"]

    assert done.migration is not None
    assert {entry.code for entry in done.migration.report.entries} == {"", "inlined_workflow"}
    (tmp_path / "top.py").write_text(done.migration.source)
    played = hero_logic("run", str(tmp_path / "top.py"), "--quiet")
    assert json.loads(played.stdout) == {"middle": {"leaf": 1}, "leaf": {"leaf": 1}}


def test_a_part_that_is_no_workflow_is_left_to_a_person(flows: Flows) -> None:
    """One that the library never held as a workflow, and one that means nothing."""
    flows.put(name="python", python_source=PYTHON)
    flows.put_legacy(name="broken", dag_json=INVALID)
    flows.put_legacy(name="top", dag_json=calls("python", "broken", "nowhere", name="top"))

    done = migrated(flows)["top"]

    assert done.migration is not None
    assert done.migration.report.count("person") == 3


def test_it_can_be_tried_without_publishing_anything(flows: Flows) -> None:
    """What would become of each is the same."""
    flows.put_legacy(name="a", dag_json=workflow())

    tried = migrated(flows, publishes=False)["a"]

    assert tried.put is None
    assert kinds(flows, "a") == ["legacy_dag"]
    assert migrated(flows)["a"].migration == tried.migration


def test_flows_that_are_put_away_stay_away(flows: Flows) -> None:
    """To publish a version would bring them back."""
    flows.put_legacy(name="a", dag_json=workflow())
    flows.archive("a")

    assert migrated(flows) == {}
    assert [flow.name for flow in flows.list(archived=True).flows] == ["a"]


def test_a_library_of_more_than_a_page_is_migrated_whole(flows: Flows) -> None:
    """In the order of the names."""
    names = [f"flow-{number:03}" for number in range(230)]
    for name in reversed(names):
        flows.put_legacy(name=name, dag_json=workflow(name))

    assert list(migrated(flows)) == names
    assert {flow.kind for flow in flows.list(limit=1000).flows} == {"python"}


# By the command


def add(path: Path, name: str, text: str) -> None:
    path.write_text(text)
    assert hero_logic("flows", "add", str(path), "--name", name).returncode == 0


def test_the_command_migrates_the_library_and_the_flow_plays(tmp_path: Path) -> None:
    """One that means nothing is told with its faults, and the status says so; the others play."""
    add(tmp_path / "a.json", "greet", workflow())
    add(tmp_path / "b.json", "broken", INVALID)
    refused = hero_logic("run", "greet")
    tried = hero_logic("migrate", "--library", "--check", "--json")

    done = hero_logic("migrate", "--library")

    assert (refused.returncode, b"hero-logic migrate" in refused.stderr) == (2, True)
    assert [one["version_sid"] for one in json.loads(tried.stdout)["migrated"]] == [None]
    assert json.loads(tried.stdout)["refused"][0]["faults"]
    assert done.returncode == 2
    assert b"greet@" in done.stdout
    assert b"broken" in done.stderr
    assert json.loads(hero_logic("run", "greet", "--json").stdout)["output"] == {"text": "hello"}
    again = hero_logic("migrate", "--library", "--json")
    assert json.loads(again.stdout)["migrated"] == []


def test_a_workflow_that_needs_a_person_is_published_and_told(tmp_path: Path) -> None:
    """A flow of the library is its source alone, so it cannot run another one."""
    asks = {"node_id": "ask", "node_type": "subworkflow", "config": {"workflow": "other", "inputs": {}}}
    add(tmp_path / "a.json", "outer", workflow(nodes=[asks]))

    done = hero_logic("migrate", "--library")

    assert done.returncode == 1
    assert b"needs a person [unknown_workflow] ask: " in done.stdout
    assert b"(outer@" in done.stdout
    assert json.loads(hero_logic("flows", "show", "outer", "--json").stdout)["kind"] == "python"


@pytest.mark.parametrize("arguments", [["x.json", "--library"], ["--library", "--force"], []])
def test_it_is_files_or_the_library(arguments: list[str]) -> None:
    """Neither is a message that says what to give."""
    done = hero_logic("migrate", *arguments)

    assert (done.returncode, done.stdout) == (2, b"")
    assert b"--library" in done.stderr


def test_an_empty_library_has_nothing_to_migrate() -> None:
    """Which is said, and is no failure."""
    done = hero_logic("migrate", "--library")

    assert (done.returncode, done.stdout) == (0, b"")
    assert b"no workflow to migrate" in done.stderr
