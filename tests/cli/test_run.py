"""``hero-logic run``: what it takes, what it refuses before a play exists, and what it prints."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.command import hero_logic, last_line, shown, start
from support.runtime import write_flow
from support.terminal import into_nobody, on_terminal, with_memory
from support.waiting import wait_until

TAKES = """
@flow(inputs={"name": "whom to greet"})
def main(name: str, size: float = 1.0, count: int = 2, tags: list[str] = [], note: str | None = None,
         deep: bool = False):
    return [name, size, count, tags, note, deep]
"""


@pytest.fixture
def takes(tmp_path: Path) -> str:
    """A flow that returns what it was given."""
    return write_flow(tmp_path, TAKES)


def plays() -> list[dict[str, Any]]:
    """All plays on record."""
    found = json.loads(hero_logic("ls", "--json", "--limit", "1000").stdout)["plays"]
    assert isinstance(found, list)
    return found


def output_of(*arguments: str, stdin: bytes = b"") -> Any:
    """What a play returned, as ``--quiet`` prints it."""
    result = hero_logic("run", *arguments, "--quiet", stdin=stdin)
    assert (result.returncode, result.stderr) == (0, b"")
    return json.loads(result.stdout)


def refused(*arguments: str, stdin: bytes = b"", **more: str) -> str:
    """What is said to a call that must be refused before a play exists."""
    result = hero_logic("run", *arguments, stdin=stdin, **more)
    assert (result.returncode, result.stdout) == (2, b""), result
    assert plays() == []
    message = result.stderr.decode()
    assert message.startswith("hero-logic: ")
    assert "Traceback" not in message
    return message


# Inputs


def test_text_is_taken_as_it_is_and_all_else_as_json(takes: str) -> None:
    """A ``str`` needs no quotes, whatever it looks like; an int is a float where one is asked."""
    given = ["name=3", "size=2", "count=-7", 'tags=["a", "é"]', "note=null", "deep=true"]
    found = output_of(takes, *[word for value in given for word in ("-i", value)])

    assert found == ["3", 2.0, -7, ["a", "é"], "null", True]
    assert isinstance(found[1], float)


@pytest.mark.parametrize("text", ["", "=", "a=b", '"quoted"', " ", "true", "line\nline", "\x1b[2J", "-i"])
def test_any_text_reaches_the_flow_unchanged(takes: str, text: str) -> None:
    """What the shell hands over is what the flow gets."""
    assert output_of(takes, "-i", f"name={text}")[0] == text


def test_an_input_that_is_given_twice_has_its_last_value(takes: str) -> None:
    """As with any option."""
    assert output_of(takes, "-i", "name=a", "-i", "name=b")[0] == "b"


@pytest.mark.parametrize("way", ["file", "-"])
def test_all_inputs_come_from_a_document_and_single_ones_win_over_it(
    takes: str, tmp_path: Path, way: str
) -> None:
    """``--input`` from a file or from standard input."""
    document = b'{"name": "Ada", "size": 3, "count": 4}'
    (tmp_path / "in put.json").write_bytes(document)
    given = str(tmp_path / "in put.json") if way == "file" else way

    assert output_of(takes, "--input", given, "-i", "count=5", stdin=document)[:3] == ["Ada", 3.0, 5]


def test_an_input_may_be_of_any_size(takes: str) -> None:
    """Eight mebibytes: no argument list, no pipe and no line limit is in the way."""
    document = json.dumps({"name": "x" * (8 << 20)}).encode()

    assert output_of(takes, "--input", "-", stdin=document)[0] == "x" * (8 << 20)


def test_everything_that_is_wrong_is_told_at_once(takes: str) -> None:
    """Unknown, missing and wrongly typed inputs in one message, with what the flow takes."""
    message = refused(takes, "-i", "size=true", "-i", "count=1.0", "--input", "-", stdin=b'{"nme": "Ada"}')

    assert "did you mean name?" in message
    assert "name: missing" in message
    assert "size: " in message
    assert "count: " in message
    assert message.splitlines()[-6].strip().startswith("name: ")
    assert message.splitlines()[-6].endswith("(required) - whom to greet")


@pytest.mark.parametrize(
    "assignment",
    ["size=x", "size=NaN", "size=1e999", "count=1.5", "count=1e2", "count=", "tags=[1]", "tags={}", "deep=1",
     "deep=True", "name", "=1", "tags=[", "tags=" + "[" * 10_000, "size='1'"],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_a_value_of_another_type_is_refused(takes: str, assignment: str) -> None:
    """Nothing is coerced; the message names the input."""
    message = refused(takes, "-i", "name=Ada", "-i", assignment)

    assert assignment.partition("=")[0] in message


@pytest.mark.parametrize(
    "document",
    [b"", b"[]", b"7", b"{", b'{"name": "a"} x', b"\xff\xfe", b'\xef\xbb\xbf{"name": "a"}', b'{"name": NaN}',
     b'{"name": 1}', b'{"name": "\\ud800"}', b'{"name":' + b"[" * 100_000],
    ids=lambda data: repr(data[:20]),
)  # fmt: skip
def test_a_document_that_is_no_object_of_inputs_is_refused(takes: str, document: bytes) -> None:
    """A usage error, whatever came."""
    refused(takes, "--input", "-", stdin=document)


@pytest.mark.parametrize("path", ["/not/there.json", "/", "/proc/self/mem", ""])
def test_a_document_that_cannot_be_read_is_refused(takes: str, path: str) -> None:
    """The message has the path and the reason."""
    assert f"--input {path}: " in refused(takes, "--input", path)


# The flow


def flows(tmp_path: Path, *names: str, file: str = "several.py") -> str:
    return write_flow(
        tmp_path, "".join(f"@flow\ndef {name}():\n    return {name!r}\n" for name in names), name=file
    )


def test_the_flow_that_is_named_runs(tmp_path: Path) -> None:
    """``--entry`` wins over every rule."""
    path = flows(tmp_path, "main", "several", "other")

    assert output_of(path, "--entry", "other") == "other"
    assert output_of(path) == "main"


def test_of_several_flows_the_one_like_the_file_runs(tmp_path: Path) -> None:
    """Where none is called ``main``."""
    assert output_of(flows(tmp_path, "other", "several")) == "several"


def test_several_flows_of_which_none_stands_out_are_named(tmp_path: Path) -> None:
    """So are those there are for one that is not there."""
    path = flows(tmp_path, "first", "second")

    for options in ([], ["--entry", "third"]):
        message = refused(path, *options)
        assert "first" in message
        assert "second" in message


@pytest.mark.parametrize(
    "content",
    [b"", b"x = 1\n", b"def main(:\n", b"\x00\x01\x02", b"\xff\xfe\x00", random.Random(5).randbytes(64),
     b"\x7fELF" + bytes(500), b"# coding: nonsense\n", b"(" * 50_000,
     b"import hero_tracing\n" + b"#" * (2 << 20)],
    ids=["empty", "no flow", "syntax", "nul", "utf-16", "random", "binary", "coding", "deep", "huge"],
)  # fmt: skip
def test_a_file_without_a_flow_is_refused(tmp_path: Path, content: bytes) -> None:
    """Whatever is in it: a message with its path, and no play."""
    path = tmp_path / "odd.py"
    path.write_bytes(content)

    assert "odd.py" in refused(str(path))


@pytest.mark.parametrize(
    "name", ["with space.py", "größe-流れ.py", "-dash.py", "quote'\".py", "no_suffix", "a\nb.py"]
)
def test_a_flow_is_found_under_any_name_of_a_file(tmp_path: Path, name: str) -> None:
    """And tracebacks name it as it is."""
    path = write_flow(tmp_path, "@flow\ndef main():\n    return __file__\n", name=name)

    assert output_of(path) == path


def test_a_relative_path_is_that_of_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The flow runs in a directory of its own, and is known by its whole path."""
    write_flow(
        tmp_path, "import os\n@flow\ndef main():\n    return [__file__, os.getcwd()]\n", name="here.py"
    )
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    path, directory = output_of("../here.py")

    assert path == str(tmp_path / "here.py")
    assert directory.startswith(str(tmp_path / "home"))
    assert os.listdir(tmp_path / "below") == []


def test_a_link_to_a_flow_is_the_flow(tmp_path: Path) -> None:
    """Its name is that of the link, as with Python's own scripts."""
    target = write_flow(tmp_path, "@flow\ndef main():\n    return 7\n")
    (tmp_path / "link.py").symlink_to(target)
    (tmp_path / "loose.py").symlink_to(tmp_path / "gone.py")

    assert output_of(str(tmp_path / "link.py")) == 7
    assert hero_logic("run", str(tmp_path / "loose.py")).returncode == 2


METADATA = """
# /// script
# requires-python = ">=3.8"
# dependencies = ["no-such-package-of-ours>=1"]
# ///
@flow
def main():
    pass
"""


def test_packages_that_are_not_there_are_told_with_a_recipe(tmp_path: Path) -> None:
    """What is missing, how to make an environment, how to run with it."""
    message = refused(write_flow(tmp_path, METADATA))

    assert "no-such-package-of-ours>=1" in message
    assert "python3 -m venv .venv && .venv/bin/pip install 'no-such-package-of-ours>=1'" in message
    assert "hero-logic run --python .venv/bin/python" in message


# Options


@pytest.mark.parametrize("python", ["/not/there/python", "not-a-program-of-ours", "", "/", "/etc/passwd"])
def test_an_interpreter_that_is_not_there_is_refused(takes: str, python: str) -> None:
    """Before a play exists."""
    assert f"--python {python}: " in refused(takes, "-i", "name=a", "--python", python)


def test_a_program_that_is_no_interpreter_is_a_play_that_failed(takes: str) -> None:
    """It ran and did nothing: that must not look like success. It is told in the record."""
    result = hero_logic("run", takes, "-i", "name=a", "--python", "/bin/false", "--json")

    assert result.returncode == 1
    assert json.loads(result.stdout)["status"] == "failed"


@pytest.mark.parametrize("timeout", ["0", "-1", "nan", "1e300"])
def test_a_timeout_is_a_number_of_seconds_above_zero(takes: str, timeout: str) -> None:
    """Anything else is refused."""
    assert "--timeout" in refused(takes, "-i", "name=a", "--timeout", timeout)


def test_a_timeout_of_months_is_one(takes: str) -> None:
    """Longer than a single wait of the system can be."""
    result = hero_logic("run", takes, "-i", "name=a", "--timeout", "9000000", "--json")

    assert (result.returncode, result.stderr) == (0, b"")


def test_a_flow_that_never_ends_to_read_is_refused() -> None:
    """A device is not read until there is no memory left."""
    result = with_memory(2_000_000, "run", "/dev/zero")

    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr.startswith(b"hero-logic: /dev/zero")


def test_a_timeout_that_is_no_number_is_refused(takes: str) -> None:
    """By the command line itself."""
    assert hero_logic("run", takes, "--timeout", "soon").returncode == 2
    assert plays() == []


ENVIRONMENT = """
import os
@flow
def main():
    secret = os.environ["API_TOKEN"]
    print("token is", secret)
    with flow.step("call " + secret, token=secret):
        flow.log(secret)
    return {"token": secret, "others": sorted(set(os.environ) & {"OTHER", "PYTHONPATH", "HERO_LOGIC_HOME"})}
"""


def test_a_variable_that_is_let_through_is_redacted_wherever_it_shows(tmp_path: Path) -> None:
    """Names, tags, logs, stdout, output; and the others do not come through."""
    secret = "s3cr3t-value-of-ours"
    path = write_flow(tmp_path, ENVIRONMENT)
    ran = hero_logic("run", path, "--env", "API_TOKEN", API_TOKEN=secret, OTHER="1")
    sid = plays()[0]["sid"]
    ways = [
        ran,
        hero_logic("show", sid),
        hero_logic("show", sid, "--logs"),
        hero_logic("show", sid, "--json"),
    ]

    assert ran.returncode == 0
    for way in ways:
        assert secret.encode() not in way.stdout + way.stderr
    assert shown(sid)["output"]["others"] == []
    files = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert [path for path in files if secret.encode() in path.read_bytes()] == []


KEEPS = """
import os
@flow
def main(fail: bool = False):
    os.makedirs("artifacts/a/b")
    for path in ("artifacts/top.txt", "artifacts/a/b/deep.txt"):
        with open(path, "w") as file:
            file.write(path)
    os.symlink("/etc/passwd", "artifacts/link")
    assert not fail
"""


@pytest.mark.parametrize("place", ["there", "not/yet/there", "with space/é"])
@pytest.mark.parametrize("options", [[], ["-i", "fail=true"]], ids=["ok", "failed"])
def test_artifacts_are_copied_to_where_they_are_wanted(
    tmp_path: Path, place: str, options: list[str]
) -> None:
    """Into a directory that is there or is made, whether the play was ok or not; links are none."""
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "older").write_text("stays")
    target = tmp_path / place
    result = hero_logic("run", write_flow(tmp_path, KEEPS), "--keep", str(target), "--json", *options)

    assert result.returncode == (1 if options else 0)
    assert (target / "a/b/deep.txt").read_text() == "artifacts/a/b/deep.txt"
    assert (target / "top.txt").read_text() == "artifacts/top.txt"
    assert not (target / "link").is_symlink()
    assert [artifact["path"] for artifact in json.loads(result.stdout)["artifacts"]] == [
        "a/b/deep.txt",
        "top.txt",
    ]
    assert (tmp_path / "there" / "older").read_text() == "stays"


def test_artifacts_are_copied_when_nobody_reads_the_output(tmp_path: Path) -> None:
    """A pipe that was closed costs what was to be printed, nothing else."""
    result = into_nobody("run", write_flow(tmp_path, KEEPS), "--keep", str(tmp_path / "kept"))

    assert result.returncode == 0
    assert (tmp_path / "kept" / "top.txt").exists()


def test_a_place_for_artifacts_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Exit status 2, without a traceback; a play that had run by then still has its artifacts."""
    (tmp_path / "file").write_text("in the way")
    result = hero_logic("run", write_flow(tmp_path, KEEPS), "--keep", str(tmp_path / "file"))

    assert result.returncode == 2
    assert f"--keep {tmp_path / 'file'}".encode() in result.stderr
    assert b"Traceback" not in result.stderr
    for play in plays():
        assert [artifact["path"] for artifact in play["artifacts"]] == ["a/b/deep.txt", "top.txt"]
        assert (tmp_path / "home/plays" / play["sid"] / "artifacts/top.txt").exists()


# What is printed


def test_output_into_a_pipe_ends_with_the_output_as_one_line_of_json(takes: str) -> None:
    """So that ``tail -1`` has it."""
    result = hero_logic("run", takes, "-i", "name=Ada é")

    assert json.loads(last_line(result.stdout))[0] == "Ada é"
    assert result.stderr == b""
    assert f"hero-logic show {plays()[0]['sid']}" in result.stdout.decode().splitlines()[-2]


def test_the_output_is_utf_8_where_the_locale_is_not(takes: str) -> None:
    """JSON is UTF-8 for whoever reads it; the rest is plain ASCII where there is nothing else."""
    result = hero_logic("run", takes, "-i", "name=é", PYTHONIOENCODING="ascii")
    *lines, output = result.stdout.splitlines()

    assert result.returncode == 0
    assert json.loads(output)[0] == "é"
    assert b"".join(lines).isascii()


def test_quiet_prints_the_output_alone(takes: str) -> None:
    """One line, nothing before it."""
    result = hero_logic("run", takes, "-i", "name=a", "--quiet")

    assert (result.stdout, result.stderr) == (b'["a",1.0,2,[],null,false]\n', b"")


def test_quiet_says_why_a_play_failed(tmp_path: Path) -> None:
    """On standard error, in one line; standard output stays empty."""
    path = write_flow(tmp_path, "@flow\ndef main():\n    raise ValueError('no\\x1b[2J')\n")
    result = hero_logic("run", path, "--quiet")

    assert (result.returncode, result.stdout) == (1, b"")
    expected = rf"hero-logic: the play {plays()[0]['sid']} ended failed: ValueError: no\x1b[2J" + "\n"
    assert result.stderr.decode() == expected


@pytest.mark.parametrize("options", [[], ["--quiet"]])
def test_a_flow_that_returns_nothing_has_no_output_printed(tmp_path: Path, options: list[str]) -> None:
    """``None`` is no line ``null``."""
    path = write_flow(tmp_path, "@flow\ndef main():\n    pass\n")
    result = hero_logic("run", path, *options)

    assert result.returncode == 0
    assert b"null" not in result.stdout
    assert (result.stdout == b"") == bool(options)


def test_json_prints_one_document_and_nothing_else(takes: str) -> None:
    """Warnings go to standard error."""
    result = hero_logic("run", takes, "-i", "name=a", "--env", "SHORT", "--json", SHORT="ab")

    assert json.loads(result.stdout)["output"][0] == "a"
    assert result.stdout.count(b"\n") == 1
    assert b"SHORT has fewer than" in result.stderr


@pytest.mark.parametrize("columns", [40, 72, 200])
def test_lines_are_as_wide_as_columns_says(tmp_path: Path, columns: int) -> None:
    """But for the output, which is for programs."""
    body = "@flow\ndef main():\n    with flow.step('long name ' * 40, tag='x' * 400):\n        return 1\n"
    result = hero_logic("run", write_flow(tmp_path, body), COLUMNS=str(columns))
    widths = [len(line) for line in result.stdout.decode().splitlines()]

    assert max(widths) == columns


def test_on_a_terminal_the_tree_stays_and_the_output_comes_last(takes: str) -> None:
    """Spread over lines, in colour."""
    status, drawn = on_terminal("run", takes, "-i", "name=Ada")

    assert status == 0
    assert b"\x1b[3" in drawn
    assert drawn.replace(b"\r\n", b"\n").rstrip().endswith(b"]")
    assert b'  "Ada",' in drawn


@pytest.mark.parametrize("verb", ["run", "show", "ls"])
def test_no_color_is_respected_on_a_terminal(takes: str, verb: str) -> None:
    """Moving the cursor is allowed, colour is not."""
    assert hero_logic("run", takes, "-i", "name=a").returncode == 0
    arguments = {"run": ["run", takes, "-i", "name=a"], "show": ["show", "last"], "ls": ["ls"]}[verb]
    status, drawn = on_terminal(*arguments, NO_COLOR="1")

    assert status == 0
    for code in (b"\x1b[3", b"\x1b[1;3", b"\x1b[32m"):
        assert code not in drawn


def test_a_dumb_terminal_gets_plain_lines(takes: str) -> None:
    """It can neither move its cursor nor show colour."""
    status, drawn = on_terminal("run", takes, "-i", "name=a", TERM="dumb")

    assert (status, b"\x1b" in drawn) == (0, False)


HOSTILE = r"""
import sys
@flow(name="\x1b]0;title\x07flow")
def main(fail: bool = False):
    with flow.step("\x1b[2Jstep\x9b31m\x7f", tag="\x1b[31mred\r", **{"\x1b[key": 1}):
        flow.log("log \x1b[5m\x08\x08")
    print("out \x1b[31m", "\x9b")
    print("err \x1b[31m", file=sys.stderr)
    if fail:
        raise ValueError("error \x1b[2J\x9b")
    return {"out\x1b": "put\x1b[2J\x9b\x7f"}
"""


def has_raw_control(data: bytes) -> bool:
    """Whether there is any C0, DEL or C1 but newline, as a terminal would get it."""
    return any(not c.isprintable() and c != "\n" for c in data.decode("utf-8", "strict"))


@pytest.mark.parametrize("options", [[], ["-i", "fail=true"]], ids=["ok", "failed"])
def test_what_a_flow_says_never_reaches_a_terminal_unescaped(tmp_path: Path, options: list[str]) -> None:
    """Names, tags, logs, errors, outputs: of ``run``, ``show`` and ``ls``, but for the JSON of an output."""
    path = write_flow(tmp_path, HOSTILE)
    ran = hero_logic("run", path, *options)
    lines = ran.stdout.splitlines(keepends=True)
    pages = [b"".join(lines[:-1]), ran.stderr]
    pages += [
        hero_logic(*arguments).stdout for arguments in (["show", "last"], ["show", "last", "--logs"], ["ls"])
    ]

    assert [page for page in pages if has_raw_control(page)] == []
    assert b"\x1b" not in lines[-1]


def test_on_a_terminal_json_and_output_have_no_raw_controls(tmp_path: Path) -> None:
    """JSON lets DEL and C1 stand, which terminals act on."""
    path = write_flow(tmp_path, HOSTILE)
    _, document = on_terminal("run", path, "--json")
    _, output = on_terminal("run", path, "--quiet")
    _, shown_again = on_terminal("show", "last", "--json")

    for drawn in (document, output, shown_again):
        assert not has_raw_control(drawn.replace(b"\r\n", b"\n"))
    assert json.loads(document)["output"] == {"out\x1b": "put\x1b[2J\x9b\x7f"}


# The store


LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
"""


def test_a_database_that_another_process_holds_is_waited_for(takes: str, tmp_path: Path) -> None:
    """The play is ok, whenever the other one lets go."""
    assert hero_logic("ls").returncode == 0
    database = tmp_path / "home" / "hero_logic.db"
    with subprocess.Popen(
        [sys.executable, "-c", LOCK, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == b"locked\n"
        with start("run", takes, "-i", "name=a", "--json") as process:
            wait_until((tmp_path / "home/plays").exists, "the play's directory")
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(1.0)
            holder.stdin.write(b"\n")
            holder.stdin.flush()
            output, _ = process.communicate(timeout=30)

    assert process.returncode == 0
    assert json.loads(output)["status"] == "ok"


def test_five_runs_at_once_in_a_new_home_are_five_plays(takes: str) -> None:
    """Who makes the database first does not matter."""
    runs = [start("run", takes, "-i", f"name=n{number}", "--json") for number in range(5)]
    results = [run.communicate(timeout=60) for run in runs]

    assert [run.returncode for run in runs] == [0] * 5
    assert [errors for _, errors in results] == [b""] * 5
    assert sorted(json.loads(output)["output"][0] for output, _ in results) == [f"n{n}" for n in range(5)]
    assert [play["status"] for play in plays()] == ["ok"] * 5


def test_a_play_that_runs_is_seen_by_others(tmp_path: Path) -> None:
    """``show`` and ``ls`` have it while it runs, and touch nothing of it."""
    path = write_flow(
        tmp_path,
        """
        import os
        @flow
        def main(gate: str):
            with flow.step("open"):
                with open(gate) as pipe:
                    return pipe.read()
        """,
    )
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with start("run", path, "-i", f"gate={gate}", "--json") as process:
        wait_until(lambda: b"open" in hero_logic("show", "last", "--json").stdout, "the step")
        seen = shown("last")
        text = hero_logic("show", "last").stdout.decode()
        gate.write_text("done")
        output, _ = process.communicate(timeout=30)

    assert (seen["status"], seen["end_ms"], seen["exit_code"]) == ("running", None, None)
    assert [(span["name"], span["status"]) for span in seen["spans"]] == [
        ("main", "running"),
        ("open", "running"),
    ]
    assert "running" in text
    assert json.loads(output)["output"] == "done"
