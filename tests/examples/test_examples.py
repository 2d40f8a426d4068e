"""The demonstration flows are what a newcomer reads and runs first: each does what it says, both ways."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
LIMIT_S = 60


@dataclass(frozen=True)
class Ran:
    """One ``hero-logic run FILE --json``: its exit status and its document."""

    exit_status: int
    play: dict[str, Any]

    def span(self, name: str) -> dict[str, Any]:
        """The one span of this name."""
        (span,) = [span for span in self.play["spans"] if span["name"] == name]
        return span  # type: ignore[no-any-return]  # a span of a document

    def tree(self, parent_id: str = "", indent: str = "") -> list[str]:
        """The tree as lines of ``name status``, indented by two spaces a level."""
        lines: list[str] = []
        for span in self.play["spans"]:
            if span["parent_id"] == parent_id:
                lines.append(f"{indent}{span['name']} {span['status']}")
                lines += self.tree(span["span_id"], indent + "  ")
        return lines

    def logs(self, name: str) -> list[str]:
        """The log lines of the one span of this name, without their times."""
        return [re.sub(r"^\[\d+] ", "", line) for line in self.span(name)["logs"].split("\n")]


def environment(home: Path) -> dict[str, str]:
    """Ours, with data in a place of its own, inside of no play, and plays on the interpreter of the tests."""
    outer = {
        name: value
        for name, value in os.environ.items()
        if name != "VIRTUAL_ENV" and not name.startswith("HERO_")
    }
    return {**outer, "HERO_LOGIC_HOME": str(home), "PYTHONPATH": str(ROOT / "src")}


def command(home: Path, name: str, *options: str) -> subprocess.CompletedProcess[bytes]:
    """Run an example through the command line."""
    arguments = [sys.executable, "-m", "hero_logic", "run", str(EXAMPLES / f"{name}.py"), "--json", *options]
    return subprocess.run(
        arguments, env=environment(home), cwd=home, capture_output=True, timeout=LIMIT_S, check=False
    )


def run(home: Path, name: str, *options: str) -> Ran:
    """Run an example through the command line, to its document."""
    ended = command(home, name, *options)
    assert ended.stdout, ended.stderr.decode()
    return Ran(ended.returncode, json.loads(ended.stdout))


def plain(directory: Path, name: str) -> subprocess.CompletedProcess[str]:
    """Run an example as any script, without the runtime."""
    return subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py")],
        env=environment(directory),
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data directory for the plays of this file."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def census(home: Path) -> Ran:
    """A census of the first 60 files, with four threads."""
    return run(home, "census", "-i", "limit=60", "-i", "workers=4")


@pytest.fixture(scope="module")
def checksums(home: Path) -> Ran:
    """The checksums of three files."""
    return run(home, "checksums", "-i", "max_files=3")


@pytest.fixture(scope="module")
def broken(home: Path) -> Ran:
    """The flow that fails."""
    return run(home, "broken")


@pytest.fixture(scope="module")
def chatty(home: Path) -> Ran:
    """The flow that talks."""
    return run(home, "chatty")


# --- greet --------------------------------------------------------------------------------------------


def test_greet_is_two_steps_and_a_greeting(home: Path) -> None:
    """The smallest flow ends with status 0, its two steps below it and its output on record."""
    ran = run(home, "greet", "-i", "name=Ada")

    assert (ran.exit_status, ran.play["status"], ran.play["output"]) == (0, "ok", "Hello, Ada!")
    assert ran.tree() == ["greet ok", "  choose words ok", "  say it ok"]


# --- census -------------------------------------------------------------------------------------------


def test_census_counts_as_many_files_as_it_was_asked_for(census: Ran) -> None:
    """60 files of the standard library hold some thousand lines, and fewer functions than lines."""
    found = census.play["output"]

    assert (census.exit_status, found["files"], found["unreadable"]) == (0, 60, 0)
    assert found["lines"] > 5_000
    assert found["lines"] / 200 < found["functions"] < found["lines"] / 5
    assert 0 < found["classes"] < found["functions"]


def test_census_is_the_same_with_one_thread(home: Path, census: Ran) -> None:
    """Threads change how long a census takes, never what it finds."""
    alone = run(home, "census", "-i", "limit=60", "-i", "workers=1")

    assert alone.play["output"] == census.play["output"]


def test_census_names_functions_that_are_there(census: Ran) -> None:
    """Each of the five longest functions begins on the line that is named, and they come longest first."""
    longest = census.play["output"]["longest"]
    stdlib = Path(sysconfig.get_path("stdlib"))
    lines = [
        (stdlib / found["file"]).read_text("utf-8").split("\n")[found["line"] - 1].split("(")[0].split()[-1]
        for found in longest
    ]

    assert lines == [found["name"] for found in longest]
    assert [found["lines"] for found in longest] == sorted((f["lines"] for f in longest), reverse=True)
    assert len(longest) == 5


def test_census_has_a_span_for_each_batch_inside_the_loop_that_waits_for_it(census: Ran) -> None:
    """The client's calls are rpc spans, those made in threads too, and stand below the tracked loop."""
    assert census.tree() == [
        "census ok",
        "  list ok",
        "    rpc:SourceLibrary.list_files ok",
        "  measure ok",
        *["    rpc:SourceLibrary.measure ok"] * 3,
        "  rank ok",
    ]


def test_census_says_how_far_its_loop_has_come(census: Ran) -> None:
    """The tracked loop ends with all of its batches done, and with the counts as tags."""
    tags = census.span("measure")["tags"]

    assert tags == {
        "hero.progress": 3,
        "hero.total": 3,
        "files": 60,
        "lines": census.play["output"]["lines"],
        "unreadable": 0,
    }


def test_census_survives_files_that_cannot_be_read(home: Path, tmp_path: Path) -> None:
    """A file that is gone, is no Python or no text is counted and named; the others are counted still."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "skipped.py").write_text("x = 1\n")
    (tmp_path / "good.py").write_text("class A:\n    def method(self):\n        return lambda: 1\n")
    (tmp_path / "deep.py").write_text("-" * 100_000 + "1\n")
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere")
    (tmp_path / "latin.py").write_bytes(b"name = '\xe9'\n")
    (tmp_path / "nul.py").write_bytes(b"x = 1\0\n")
    (tmp_path / "wrong.py").write_text("def :\n")

    ran = run(home, "census", "-i", f"directory={tmp_path}", "--sandbox", "tier0")

    bad = ["deep.py", "gone.py", "latin.py", "nul.py", "wrong.py"]
    counted = {name: ran.play["output"][name] for name in ("files", "lines", "functions", "classes")}
    assert counted == {"files": 1, "lines": 3, "functions": 1, "classes": 1}
    assert ran.span("measure")["tags"]["unreadable"] == ran.play["output"]["unreadable"] == len(bad)
    assert re.findall(r"WARNING (\w+\.py)", ran.span("measure")["logs"]) == bad


# --- checksums ----------------------------------------------------------------------------------------


def test_checksums_are_those_of_the_files(checksums: Ran) -> None:
    """What the flow computes in threads is what anybody computes from the same files."""
    files = checksums.play["output"]["files"]
    by_sha256sum = subprocess.run(
        ["sha256sum", *(file["path"] for file in files)], capture_output=True, text=True, check=True
    )

    assert [file["sha256"] for file in files] == [
        line.split()[0] for line in by_sha256sum.stdout.splitlines()
    ]
    assert [file["bytes"] for file in files] == [os.path.getsize(file["path"]) for file in files]
    assert len(files) == 3


def test_checksums_keeps_steps_that_run_at_once_apart(checksums: Ran) -> None:
    """Each of the steps that run at the same time stands below the one that started it."""
    names = [os.path.basename(file["path"]) for file in checksums.play["output"]["files"]]

    assert checksums.tree() == [
        "checksums ok",
        "  find files ok",
        "  hash ok",
        *(f"    {name}" for file in names for name in (f"{file} ok", "  sha256 ok", "  blake2b ok")),
        "  compare ok",
    ]


# --- broken -------------------------------------------------------------------------------------------


def test_broken_shows_where_it_failed(broken: Ran) -> None:
    """Failure goes up from the innermost step to the flow; what had gone well before stays ok."""
    assert broken.tree() == [
        "broken failed",
        "  write the price list ok",
        "  add up the prices failed",
        "    row 1 ok",
        "      read the price ok",
        "    row 2 ok",
        "      read the price ok",
        "    row 3 failed",
        "      read the price failed",
    ]


def test_broken_exits_with_1_and_tells_the_error(broken: Ran) -> None:
    """A flow that raises ends with status 1, no output, and the exception before everything else."""
    message = "ValueError: could not convert string to float: '2.3o'"

    assert (broken.exit_status, broken.play["status"], broken.play["output"]) == (1, "failed", None)
    assert broken.play["error"].split("\n")[0] == message
    assert broken.span("row 3")["error"] == message
    assert broken.span("row 3")["tags"] == {"item": "bread", "error.type": "ValueError"}


# --- endless ------------------------------------------------------------------------------------------


def test_endless_is_ended_by_its_time_limit(home: Path) -> None:
    """A play past its limit ends with status 124, and each open span with it; what it did is kept."""
    ran = run(home, "endless", "--timeout", "1")

    assert (ran.exit_status, ran.play["status"]) == (124, "timed_out")
    assert ran.tree() == ["endless timed_out", "  numbers timed_out"]
    assert ran.span("numbers")["tags"]["hero.progress"] > 0
    assert "hero.total" not in ran.span("numbers")["tags"]
    assert "27 takes 96 steps to a lower number" in ran.logs("numbers")


# --- chatty -------------------------------------------------------------------------------------------


def test_chatty_keeps_what_is_printed_with_the_step_that_printed_it(chatty: Ran) -> None:
    """Lines printed in a step are its logs, in order; one printed in pieces is one line, ended or not."""
    assert chatty.logs("print") == ["line 1 of 3", "line 2 of 3", "line 3 of 3", "to standard error"]
    assert chatty.logs("print in pieces") == ["3 ... 2 ... 1 ... done", "the last line has no end"]


def test_chatty_keeps_log_records_once_with_their_levels(chatty: Ran) -> None:
    """A record of logging is one log of its step, at its level, although it is written to stderr too."""
    logs = chatty.logs("log")

    assert logs[:4] == [
        "DEBUG a detail",
        "INFO a fact, with 1 arguments",
        "WARNING something odd",
        "ERROR something wrong, and survived",
    ]
    assert logs[-1] == "NOTICE straight to the step"
    assert chatty.span("log")["logs"].count("something odd") == 1


def test_chatty_still_prints(chatty: Ran) -> None:
    """What is kept with a step reaches the real standard output and error as well."""
    assert chatty.play["stdout"].startswith("line 1 of 3\nline 2 of 3\n")
    assert "WARNING:chatty:something odd\n" in chatty.play["stderr"]


def test_chatty_leaves_its_report(home: Path, tmp_path: Path) -> None:
    """The file in artifacts/ is listed with its size, and --keep copies it out."""
    ran = run(home, "chatty", "-i", "lines=2", "--keep", str(tmp_path / "kept"))

    assert ran.play["artifacts"] == [{"path": "report.txt", "size_bytes": 14}]
    assert (tmp_path / "kept" / "report.txt").read_text() == "line 1\nline 2\n"


# --- inputs -------------------------------------------------------------------------------------------


def test_inputs_takes_each_kind_of_input(home: Path) -> None:
    """A str comes as it is written, all else as JSON; the flow gets values of the declared types."""
    given = ["name=Ada", "times=3", "tax=0.5", "polite=false", "show=longest", 'words=["tea", "honey"]']
    given += ['prices={"tea": 4, "honey": 8}', "note=007"]

    ran = run(home, "inputs", *(part for value in given for part in ("-i", value)))

    assert ran.exit_status == 0
    assert ran.play["output"] == {
        "greeting": "Ada, Ada, Ada",
        "words": ["honey"],
        "bill": 18.0,
        "note": "007",
        "letters_in_note": 3,
    }


def test_inputs_has_a_default_for_each(home: Path) -> None:
    """Without any input the defaults are taken."""
    ran = run(home, "inputs")

    assert ran.play["output"] == {
        "greeting": "dear world, dear world",
        "words": ["a", "few", "words"],
        "bill": 0.0,
        "note": None,
        "letters_in_note": None,
    }


@pytest.mark.parametrize("wrong", ["times=2.5", "show=some", 'words=["tea", 7]', "prices=[1]", "nobody=1"])
def test_inputs_refuses_what_does_not_fit(tmp_path: Path, wrong: str) -> None:
    """A value of the wrong type, or for no parameter, is status 2 and a message that names it."""
    ended = command(tmp_path, "inputs", "-i", wrong)

    assert (ended.returncode, ended.stdout) == (2, b"")
    assert wrong.partition("=")[0] in ended.stderr.decode()


# --- without the runtime ------------------------------------------------------------------------------


def test_plain_greet_prints_the_greeting(tmp_path: Path) -> None:
    """A flow is a plain script too."""
    assert plain(tmp_path, "greet").stdout == "Hello, world!\nHello, world!\n"


def test_plain_census_counts_the_whole_library(tmp_path: Path) -> None:
    """Without a limit every file of the standard library is counted."""
    ended = plain(tmp_path, "census")

    found = json.loads(ended.stdout)
    assert (ended.returncode, ended.stderr, found["unreadable"]) == (0, "", 0)
    assert found["files"] > 300
    assert found["lines"] > 100_000
    assert found["functions"] > 5_000


def test_plain_checksums_finds_the_files_of_the_interpreter(tmp_path: Path) -> None:
    """An async flow is a coroutine function for asyncio.run, with the interpreter itself among its files."""
    found = json.loads(plain(tmp_path, "checksums").stdout)

    assert os.path.realpath(sys.executable) in [file["path"] for file in found["files"]]
    assert 0 < len(found["files"]) <= 40


def test_plain_broken_fails_as_any_script(tmp_path: Path) -> None:
    """Without the runtime an exception is Python's own traceback and status 1."""
    ended = plain(tmp_path, "broken")

    assert ended.returncode == 1
    assert ended.stderr.endswith("ValueError: could not convert string to float: '2.3o'\n")
    assert "hero_tracing" not in ended.stderr


def test_plain_chatty_prints_logs_and_leaves_its_report(tmp_path: Path) -> None:
    """Without the runtime artifacts/ is a directory where the script runs."""
    ended = plain(tmp_path, "chatty")

    assert ended.stdout.endswith("3 ... 2 ... 1 ... done\nthe last line has no end")
    assert "WARNING:chatty:something odd\n" in ended.stderr
    assert (tmp_path / "artifacts" / "report.txt").read_text() == "line 1\nline 2\nline 3\n"


def test_plain_inputs_prints_its_output(tmp_path: Path) -> None:
    """The flow is called as the function that it is, with arguments."""
    assert json.loads(plain(tmp_path, "inputs").stdout)["bill"] == 14.46


def test_plain_endless_does_not_end(tmp_path: Path) -> None:
    """Without the runtime nothing ends it but its user."""
    process = subprocess.Popen([sys.executable, EXAMPLES / "endless.py"], env=environment(tmp_path))
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.7)
    finally:
        process.kill()
        process.wait()
