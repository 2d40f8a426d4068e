"""``hero-logic migrate``: files in, files and a report out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from migrate.legacy import edge, given, script, transform, workflow
from support.command import hero_logic

GOOD = workflow([script("output = {'text': 'hello ' + inputs['who']}")], inputs=[
    {"name": "who", "type": "string", "description": "whom to greet", "required": True, "default": ""}
]).replace('"w"', '"greet"', 1)  # fmt: skip
BAD = workflow([transform("{{x}}")], [edge("a", "b")])


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A directory with a workflow in it."""
    (tmp_path / "greet.json").write_text(GOOD)
    return tmp_path


def test_a_directory_becomes_flows_that_play(here: Path) -> None:
    """Each workflow of a directory becomes a file, called like it, which runs as it is."""
    (here / "greet.cases.json").write_text("{}")

    done = hero_logic("migrate", str(here), "--out", str(here / "flows"))
    played = hero_logic("run", str(here / "flows" / "greet.py"), "-i", "who=Ada", "--quiet")

    assert (done.returncode, done.stderr) == (0, b"")
    assert b"greet.py: 3 parts translated\n" in done.stdout
    assert json.loads(played.stdout) == {"text": "hello Ada"}


def test_one_workflow_that_means_nothing_keeps_all_from_being_written(here: Path) -> None:
    """Every fault of every file is told, with its place, and no file is written."""
    (here / "bad.json").write_text(BAD)

    done = hero_logic("migrate", str(here), "--out", str(here / "flows"))

    assert done.returncode == 2
    assert b"bad.json:1:" in done.stderr
    assert b"/nodes/0/config/output" in done.stderr
    assert b"there is no node 'b'" in done.stderr
    assert not (here / "flows").exists()


def test_what_a_person_has_to_do_is_told_by_the_status_too(here: Path) -> None:
    """A subworkflow that is not there is written as a step that fails, and the exit status is 1."""
    node = {"node_id": "a", "node_type": "subworkflow", "config": {"workflow": "other", "inputs": {}}}
    (here / "greet.json").write_text(workflow([node]))

    done = hero_logic("migrate", str(here / "greet.json"), "--out", str(here))

    assert done.returncode == 1
    assert b"needs a person [unknown_workflow]" in done.stdout
    assert (here / "w.py").exists()


def test_a_changed_file_is_left_as_it_is_unless_forced(here: Path) -> None:
    """What migrate made is made anew; what a person changed is not touched, but for --force."""
    command = ("migrate", str(here), "--out", str(here))
    target = here / "greet.py"
    hero_logic(*command)
    made = target.read_text()
    again = hero_logic(*command)
    target.write_text(made + "# mine\n")

    refused = hero_logic(*command)
    kept = target.read_text()
    forced = hero_logic(*command, "--force")

    assert (again.returncode, refused.returncode, forced.returncode) == (0, 2, 0)
    assert kept == made + "# mine\n"
    assert b"--force" in refused.stderr
    assert target.read_text() == made


def test_a_file_that_migrate_did_not_make_is_told_apart(here: Path) -> None:
    """It is not said to have been changed; nothing of it is, nor of any other file."""
    (here / "greet.py").write_text("print('mine')\n")

    refused = hero_logic("migrate", str(here), "--out", str(here))

    assert refused.returncode == 2
    assert b"not made by migrate" in refused.stderr
    assert b"changed since" not in refused.stderr
    assert (here / "greet.py").read_text() == "print('mine')\n"


def test_cases_that_a_shell_names_are_left_out_and_told(here: Path) -> None:
    """A pattern like *.json names them with the workflows; alone they are nothing to migrate."""
    cases = here / "greet.cases.json"
    cases.write_text("[]")

    both = hero_logic("migrate", str(here / "greet.json"), str(cases), "--out", str(here))
    alone = hero_logic("migrate", str(cases))

    assert (both.returncode, alone.returncode) == (0, 2)
    assert b"greet.cases.json is left out" in both.stderr
    assert (here / "greet.py").exists()


def test_the_report_ends_with_the_command_that_runs_the_flow(here: Path) -> None:
    """With every input that it cannot do without, and every service, those of the flows that it calls too."""
    outer = [
        {"node_id": "s", "node_type": "subworkflow", "config": {"workflow": "inner", "inputs": {}}},
        {
            "node_id": "m",
            "node_type": "action",
            "config": {"service": "mail", "method": "send", "params": {}},
        },
    ]
    inner = [
        {
            "node_id": "a",
            "node_type": "ai_call",
            "config": {
                "model": "m", "system_prompt": "", "prompt": "", "temperature": 0, "output_format": "text"
            },
        }
    ]  # fmt: skip
    inputs = [given("count", "integer"), given("dry run", "boolean"), given("who", required=False)]
    (here / "inner.json").write_text(workflow(inner, name="inner"))
    (here / "outer.json").write_text(workflow(outer, inputs=inputs, name="outer"))

    done = hero_logic("migrate", str(here), "--out", str(here / "flows"))
    document = hero_logic("migrate", str(here), "--out", str(here / "flows"), "--json")

    words = "-i count=INTEGER -i 'dry run=true' --rpc ai=SOCKET --rpc mail=SOCKET"
    command = f"hero-logic run {here / 'flows' / 'outer.py'} {words}"
    assert f"  run it: {command}\n" in done.stdout.decode()
    assert [flow["run"] for flow in json.loads(document.stdout)["migrated"]][2] == command


def test_every_part_is_listed_where_that_is_wanted(here: Path) -> None:
    """With its place in both files; otherwise what went well is only counted."""
    done = hero_logic("migrate", str(here), "--out", str(here))
    whole = hero_logic("migrate", str(here), "--out", str(here), "--all")

    assert b"translated a (" not in done.stdout
    assert f"translated a ({here / 'greet.json'}:1:".encode() in whole.stdout
    assert b", greet.py:" in whole.stdout


def test_check_writes_nothing(here: Path) -> None:
    """--check says what would become of the files."""
    done = hero_logic("migrate", str(here), "--out", str(here / "flows"), "--check")

    assert (done.returncode, (here / "flows").exists()) == (0, False)
    assert b"would become" in done.stdout


def test_the_report_as_json_has_a_row_for_every_part(here: Path) -> None:
    """One document: each part with its outcome and its place in both files."""
    done = hero_logic("migrate", str(here / "greet.json"), "--out", str(here), "--json")

    document = json.loads(done.stdout)
    entries = document["migrated"][0]["entries"]
    lines = (here / "greet.py").read_text().splitlines()

    assert [entry["part"] for entry in entries] == ["workflow", "input who", "a"]
    assert "flow.step" in lines[entries[2]["target_line"] - 1]
    assert document["refused"] == []


def test_workflows_that_call_each_other_are_migrated_together(here: Path) -> None:
    """A subworkflow is the flow beside it, and its inputs are checked before it begins."""
    node = {"node_id": "s", "node_type": "subworkflow",
            "config": {"workflow": "greet", "inputs": {"who": "{{inputs.name}}"}}}  # fmt: skip
    name = {"name": "name", "type": "string", "description": "", "required": True, "default": ""}
    (here / "outer.json").write_text(workflow([node], inputs=[name]).replace('"w"', '"outer"', 1))
    hero_logic("migrate", str(here), "--out", str(here))

    played = hero_logic("run", str(here / "outer.py"), "-i", "name=Bo", "--quiet")

    assert json.loads(played.stdout) == {"text": "hello Bo"}


@pytest.mark.parametrize("words", [["nothing.json"], ["."], ["latin.json"]])
def test_what_cannot_be_read_is_told(tmp_path: Path, words: list[str]) -> None:
    """A file that is not there, that is no text, a directory without workflows."""
    (tmp_path / "latin.json").write_bytes(b"\xff")
    path = tmp_path / "empty" if words == ["."] else tmp_path / words[0]
    (tmp_path / "empty").mkdir()

    done = hero_logic("migrate", str(path))

    assert done.returncode == 2
    assert str(path).encode() in done.stderr
