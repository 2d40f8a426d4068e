"""``hero-logic flows`` and ``hero-logic run NAME``: the library, as a user meets it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.command import hero_logic, last_line, shown
from support.runtime import write_flow
from support.terminal import on_terminal

FLOW = """
@flow
def main(name: str = "you"):
    '''Greets somebody.'''
    return f"hello {name}"
"""


def flows(*arguments: str, stdin: bytes = b"", **more: Any) -> subprocess.CompletedProcess[bytes]:
    return hero_logic("flows", *arguments, stdin=stdin, **more)


def document(*arguments: str, status: int = 0, stdin: bytes = b"") -> dict[str, Any]:
    done = flows(*arguments, "--json", stdin=stdin)
    assert (done.returncode, done.stderr) == (status, b"")
    found = json.loads(done.stdout)
    assert found.pop("schema") == 1
    return dict(found)


def add(tmp_path: Path, name: str = "greet", body: str = FLOW, *more: str) -> dict[str, Any]:
    return document("add", write_flow(tmp_path, body, name=f"{name}.py"), *more)


def names(*arguments: str) -> list[str]:
    return [flow["name"] for flow in document(*arguments)["flows"]]


def test_a_file_becomes_a_flow_and_is_run_by_its_name(tmp_path: Path) -> None:
    """With the file gone: the library has all that it needs. The play is called by the flow's name."""
    added = add(tmp_path)
    os.unlink(tmp_path / "greet.py")

    done = hero_logic("run", "greet", "-i", "name=Ada", "--quiet")
    play = shown("last")

    assert (done.returncode, done.stdout) == (0, b'"hello Ada"\n')
    assert (play["flow"], play["input"]) == ("greet", {"name": "Ada"})
    assert document("show", "greet")["version_sid"] == added["version_sid"]


@pytest.mark.parametrize("arguments", [["--name", "hi there"], ["--name", "team/greet"]])
def test_a_flow_is_called_as_is_said(tmp_path: Path, arguments: list[str]) -> None:
    """Spaces and slashes too."""
    add(tmp_path, "greet", FLOW, *arguments)

    assert names("ls") == [arguments[1]]
    assert hero_logic("run", arguments[1], "--quiet").stdout == b'"hello you"\n'


def test_a_flow_is_read_from_standard_input(tmp_path: Path) -> None:
    """As a program that makes flows has them."""
    source = ("from hero_tracing import flow\n" + FLOW).encode()
    added = document("add", "-", "--name", "greet", stdin=source)

    assert added["is_new_version"] is True
    assert flows("show", "greet", "--source").stdout == source


def test_versions_are_kept_and_run(tmp_path: Path) -> None:
    """By name and the beginning of a version; without one, that which was published last."""
    first = add(tmp_path)["version_sid"]
    second = add(tmp_path, body=FLOW.replace("hello", "goodbye"))["version_sid"]

    assert hero_logic("run", "greet", "--quiet").stdout == b'"goodbye you"\n'
    assert hero_logic("run", f"greet@{first[:8]}", "--quiet").stdout == b'"hello you"\n'
    assert document("show", f"greet@{first[:8]}")["version_sid"] == first
    assert add(tmp_path)["version_sid"] == first
    told = flows("show", "greet").stdout.decode()
    assert f"1  {first[:8]}" in told
    assert f"2  {second[:8]}" in told
    assert told.index(second[:8]) < told.rindex(first[:8])


def test_all_versions_are_listed_where_that_is_asked(tmp_path: Path) -> None:
    """For a program as a document, for a person as a table."""
    sids = [add(tmp_path, body=FLOW.replace("hello", str(number)))["version_sid"] for number in range(12)]
    found = document("show", "greet", "--versions")
    lines = flows("show", "greet", "--versions").stdout.decode().splitlines()

    assert [version["version_sid"] for version in found["versions"]] == sids[::-1]
    assert [version["is_current"] for version in found["versions"]] == [True] + [False] * 11
    assert [line.split()[0] for line in lines[1:]] == sids[::-1]
    assert lines[1].endswith("current")


def test_a_file_that_is_there_comes_before_a_flow_of_its_name(tmp_path: Path) -> None:
    """A directory does not: it is no flow."""
    add(tmp_path)
    (tmp_path / "there").mkdir()
    here = {"cwd": tmp_path / "there"}

    def run_greet() -> bytes:
        from support.command import COMMAND, environment

        return subprocess.run(
            [*COMMAND, "run", "greet", "--quiet"], env=environment(), capture_output=True, check=False, **here
        ).stdout

    (tmp_path / "there" / "greet").mkdir()
    assert run_greet() == b'"hello you"\n'
    (tmp_path / "there" / "greet").rmdir()
    write_flow(tmp_path / "there", FLOW.replace("hello", "file"), name="greet")
    assert run_greet() == b'"file you"\n'


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["run", "gret"], 3, b"there is no file 'gret'; and there is no flow 'gret' in the library"),
        (["run", "gret"], 3, b"Did you mean: greet?"),
        (["run", "gret.py"], 2, b"gret.py cannot be read"),
        (["run", "greet@zz"], 3, b"the flow greet has no version 'zz'"),
        (["flows", "show", "gone"], 3, b"there is no flow 'gone' in the library"),
        (["flows", "rm", "gone"], 3, b"there is no flow 'gone'"),
        (["flows", "add", "not-there.py"], 2, b"cannot be read"),
        (["flows", "add", "-", "--name", "x.py"], 2, b"taken for a file"),
        (["flows", "ls", "--limit", "0"], 2, b"from 1 up"),
        (["flows", "ls", "--before", "x"], 2, b"the cursor 'x'"),
        (["flows", "search", "x", "--limit", "-1"], 2, b"from 1 up"),
        (["flows", "show", "\udcff"], 3, b"no flow"),
    ],
)
def test_what_cannot_be_is_told(tmp_path: Path, arguments: list[str], status: int, told: bytes) -> None:
    """With an exit status of its own, and nothing on standard output."""
    add(tmp_path)
    done = hero_logic(*arguments)

    assert (done.returncode, done.stdout) == (status, b"")
    assert told in done.stderr


def test_problems_are_told_with_their_places(tmp_path: Path) -> None:
    """As a compiler tells them; an error keeps the file out, and the exit status says so."""
    path = write_flow(tmp_path, "import helpers\n" + FLOW, name="greet.py")
    (tmp_path / "helpers.py").write_text("x = 1\n")

    done = flows("add", path)

    assert (done.returncode, done.stdout) == (2, b"")
    assert f"{path}:2:1: error: helpers lies beside the file".encode() in done.stderr
    assert b"nothing was published" in done.stderr
    (problem,) = document("add", path, status=2)["problems"]
    assert (problem["severity"], problem["line"], problem["column"]) == ("error", 2, 1)
    os.unlink(tmp_path / "helpers.py")
    assert b"warning: helpers is not of the standard library" in flows("add", path).stderr
    assert names("ls") == ["greet"]


def test_a_published_flow_sees_nothing_of_its_directory(tmp_path: Path) -> None:
    """Not even what lay beside it when it was published, whose failing import it catches."""
    body = "try:\n    import helpers\nexcept ImportError:\n    helpers = None\n" + FLOW.replace(
        'f"hello {name}"', "[helpers is None, flow.here]"
    )
    (tmp_path / "helpers.py").write_text("x = 1\n")
    add(tmp_path, body=body)

    there = hero_logic("run", str(tmp_path / "greet.py"), "--quiet")
    published = hero_logic("run", "greet", "--quiet")

    assert json.loads(there.stdout)[0] is False
    alone, here = json.loads(published.stdout)
    assert (alone, os.path.exists(here)) == (True, False)


def test_flows_are_listed_in_pages(tmp_path: Path) -> None:
    """The one that was published first last; the next page by the cursor."""
    for name in ("one", "two", "three"):
        add(tmp_path, name)
    page = document("ls", "--limit", "2")

    assert [flow["name"] for flow in page["flows"]] == ["three", "two"]
    assert names("ls", "--before", page["next"]) == ["one"]
    assert f"flows ls --before {page['next']}".encode() in flows("ls", "--limit", "2").stderr


def test_flows_are_found(tmp_path: Path) -> None:
    """By what they are called, say and hold, with a typo too; without a word, the newest."""
    add(tmp_path, "greet", FLOW, "--tag", "polite", "--tag", "demo")
    add(tmp_path, "other", "@flow\ndef main(): pass\n", "--description", "Greets nobody.")

    assert names("search", "greets") == ["other", "greet"]
    assert names("search", "poltie") == ["greet"]
    assert names("search") == ["other", "greet"]
    assert names("search", "AND", '"', "*") == []
    assert flows("search", "zzzz").stderr == b"Nothing was found.\n"
    assert b"#polite #demo" in flows("search", "polite", COLUMNS="100").stdout


def test_an_empty_library_says_how_it_is_filled() -> None:
    """On standard error: the list itself is empty."""
    for arguments in (["ls"], ["search"]):
        done = flows(*arguments)

        assert (done.returncode, done.stdout) == (0, b"")
        assert b"flows add FLOW.py" in done.stderr


def test_a_flow_is_shown_with_what_it_takes(tmp_path: Path) -> None:
    """For a person, in lines; for a program, its schema."""
    add(tmp_path, "greet", FLOW, "--tag", "polite")
    told = flows("show", "greet").stdout.decode()
    details = document("show", "greet")

    assert 'name: string = "you"' in told
    assert "Greets somebody." in told
    assert "polite" in told
    assert details["inputs"]["properties"]["name"] == {"type": "string", "default": "you"}
    assert (details["name"], details["function"], details["problems"]) == ("greet", "main", [])


def test_a_flow_with_plays_is_archived_before_it_is_deleted(tmp_path: Path) -> None:
    """What happened stays on record, with its source."""
    added = add(tmp_path)
    hero_logic("run", "greet", "--quiet")
    refused = flows("rm", "greet")

    assert (refused.returncode, refused.stdout) == (1, b"")
    assert b"flows rm --archive" in refused.stderr
    assert flows("rm", "greet", "--archive").stdout == f"greet  archived  ({added['flow_sid']})\n".encode()
    assert names("ls") == names("search", "greet") == []
    assert names("ls", "--archived") == ["greet"]
    assert b"--unarchive" in hero_logic("run", "greet").stderr
    assert flows("rm", "greet", "--unarchive").returncode == 0
    assert names("ls") == ["greet"]
    flows("rm", "greet", "--archive")
    assert flows("rm", "greet").stdout == f"greet  deleted  ({added['flow_sid']})\n".encode()
    assert shown("last")["status"] == "ok"
    assert flows("show", "greet").returncode == 3


def test_a_flow_without_plays_is_deleted(tmp_path: Path) -> None:
    """At once, by name or by sid."""
    sid = add(tmp_path)["flow_sid"]

    assert flows("rm", sid).returncode == 0
    assert names("ls") == []


def test_a_workflow_of_before_is_kept_and_not_run(tmp_path: Path) -> None:
    """It says so when it is added, and when somebody would run it."""
    path = tmp_path / "old.json"
    path.write_text('{"name": "old flow", "nodes": [], "edges": []}')
    added = flows("add", str(path))
    refused = hero_logic("run", "old flow")

    assert added.returncode == 0
    assert b"hero-logic migrate" in added.stderr
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert b"hero-logic migrate" in refused.stderr
    assert b"(legacy)" in flows("ls").stdout


def test_a_source_in_another_encoding_runs_as_it_did(tmp_path: Path) -> None:
    """Its text is kept, and its bytes are made again as it says."""
    path = tmp_path / "latin.py"
    body = FLOW.replace("hello", "\u00e9")
    path.write_bytes(f"# coding: latin-1\nfrom hero_tracing import flow\n{body}".encode("latin-1"))
    document("add", str(path))

    assert json.loads(hero_logic("run", "latin", "--quiet").stdout) == "\u00e9 you"
    assert flows("show", "latin", "--source").stdout == path.read_bytes()


def test_a_source_on_a_terminal_has_nothing_that_it_would_act_on(tmp_path: Path) -> None:
    """Whatever somebody has published."""
    add(tmp_path, body=FLOW.replace("hello", "\x9b31m\x1b[31m"))
    status, drawn = on_terminal("flows", "show", "greet", "--source")

    assert status == 0
    assert b"def main" in drawn
    assert b"\x1b" not in drawn
    assert "\x9b".encode() not in drawn


def test_an_error_of_a_published_flow_shows_its_lines(tmp_path: Path) -> None:
    """Though no file has them any more."""
    add(tmp_path, "broken", "@flow\ndef main():\n    raise ValueError('no good')\n")
    done = hero_logic("run", "broken", "--json")
    play = json.loads(done.stdout)

    assert done.returncode == 1
    assert "raise ValueError('no good')" in play["error"]
    assert "broken.py" in play["error"]


def test_a_policy_grants_by_the_name_in_the_library(tmp_path: Path) -> None:
    """That name the operator gave it, whatever the source calls itself."""
    policy = tmp_path / "policy.toml"
    policy.write_text('[flows.trusted]\nenv = ["GREETING"]\n')
    body = (
        "import os\n@flow(name='other', needs={'env': ['GREETING']})\n"
        "def main(): return os.environ['GREETING']\n"
    )
    add(tmp_path, "f", body, "--name", "trusted")
    add(tmp_path, "f", body, "--name", "untrusted")

    trusted = hero_logic("run", "trusted", "--policy", str(policy), "--quiet", GREETING="hello there")
    untrusted = hero_logic("run", "untrusted", "--policy", str(policy), "--quiet", GREETING="hello there")

    assert (trusted.returncode, untrusted.returncode) == (0, 2)
    assert b"GREETING" in untrusted.stderr


def test_a_table_is_drawn_for_the_terminal(tmp_path: Path) -> None:
    """As wide as it is; what does not fit is cut or left out."""
    add(tmp_path, "greet", FLOW, "--description", "word " * 50)
    status, drawn = on_terminal("flows", "ls", COLUMNS="40", NO_COLOR="1")
    lines = drawn.decode().splitlines()

    assert status == 0
    assert any("greet" in line for line in lines)
    assert max(map(len, lines)) <= 40


def test_the_last_line_of_what_was_added_names_the_version(tmp_path: Path) -> None:
    """For a person who will run it."""
    path = write_flow(tmp_path, FLOW, name="greet.py")

    assert "new, version" in last_line(flows("add", path).stdout)
    assert "the same version" in last_line(flows("add", path).stdout)
