"""The command as a whole: help, wrong calls, what becomes of errors and of streams that refuse, start-up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hero_logic import __version__
from hero_logic.cli.main import VERBS
from support.command import COMMAND, environment, hero_logic, start
from support.runtime import write_flow
from support.terminal import into_full_disk, into_nobody, with_closed
from support.waiting import wait_until

FLOW = """
@flow
def main():
    with flow.step("one"):
        pass
    return {"done": True}
"""


@pytest.fixture
def flow_file(tmp_path: Path) -> str:
    return write_flow(tmp_path, FLOW)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_its_help(verb: str) -> None:
    """``VERB --help`` says what it is for, on standard output, and is no failure."""
    result = hero_logic(verb, "--help")

    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.startswith(f"usage: hero-logic {verb} ".encode())
    assert VERBS[verb][1:].encode() in b" ".join(result.stdout.split())


def test_the_help_names_every_verb() -> None:
    """Whoever asks what there is sees all of it."""
    result = hero_logic("--help")

    assert (result.returncode, result.stderr) == (0, b"")
    assert all(f"    {verb} " in result.stdout.decode() for verb in VERBS)


def test_the_version_is_one_line() -> None:
    """The name and the version."""
    result = hero_logic("--version")

    assert (result.returncode, result.stdout, result.stderr) == (
        0,
        f"hero-logic {__version__}\n".encode(),
        b"",
    )


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["--fly"],
        ["run"],
        ["show"],
        ["ingest"],
        ["run", "a.py", "b.py"],
        ["run", "a.py", "--json", "--quiet"],
        ["show", "last", "--failed", "--logs"],
        ["ls", "--limit", "many"],
        ["ls", "--lim", "1"],
        ["run", "a.py", "-i"],
        ["listen", "--idle", "long"],
    ],
    ids=" ".join,
)
def test_a_wrong_call_is_told_with_how_to_call_it(arguments: list[str]) -> None:
    """Exit status 2, usage and reason on standard error, nothing on standard output."""
    result = hero_logic(*arguments)

    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr.startswith(b"usage: hero-logic")
    assert b"hero-logic" in result.stderr.splitlines()[-1]
    assert b"error: " in result.stderr


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["run", "not-there.py"], 2),
        (["run", "/"], 2),
        (["run", "a\udcff.py"], 2),
        (["show", "0000"], 3),
        (["show", ""], 3),
        (["show", "\udcff"], 3),
        (["show", "a b; DROP TABLE plays"], 3),
        (["show", "x" * 100_000], 3),
        (["show", "last"], 3),
        (["ls", "--before", "0000"], 3),
        (["ls", "--before", "\udcff"], 3),
        (["ls", "--limit", "0"], 2),
        (["ls", "--limit", "-1"], 2),
        (["ingest", "not-there.jsonl"], 2),
        (["ingest", "/"], 2),
        (["ingest", "/proc/self/mem"], 2),
        (["listen", "--idle", "-1"], 2),
        (["listen", "--idle", "nan"], 2),
        (["listen", "--idle", "inf"], 2),
        (["listen", "--socket", "/not/there/s.sock"], 1),
        (["listen", "--socket", "/tmp/" + "x" * 120], 1),
        (["listen", "--socket", "/"], 1),
    ],
    ids=lambda value: (
        " ".join(value)[:40].encode(errors="replace").decode() if isinstance(value, list) else ""
    ),
)
def test_every_error_is_one_message_and_no_traceback(arguments: list[str], status: int) -> None:
    """What happened stands on standard error, once; standard output has nothing."""
    result = hero_logic(*arguments)

    assert (result.returncode, result.stdout) == (status, b"")
    assert result.stderr.startswith(b"hero-logic: ")
    assert result.stderr.count(b"hero-logic: ") == 1
    assert b"Traceback" not in result.stderr


def test_a_variable_that_means_nothing_is_a_usage_error() -> None:
    """The name, the value, and what it may be."""
    result = hero_logic("ls", HERO_LOGIC_SYNCHRONOUS="off")

    assert result.returncode == 2
    assert result.stderr == b"hero-logic: HERO_LOGIC_SYNCHRONOUS is 'off'; it may be normal or full.\n"


def test_what_was_mistyped_is_told_without_what_a_terminal_acts_on() -> None:
    """The same for a call that cannot be read at all."""
    result = hero_logic("ls", "\x1b[2J")

    assert result.returncode == 2
    assert result.stderr.endswith(rb"error: unrecognized arguments: \x1b[2J" + b"\n")


def test_a_message_has_nothing_that_a_terminal_acts_on() -> None:
    """Not even where the person typed it: names of files come from elsewhere, too."""
    result = hero_logic("run", "\x1b[2J\x9b31m\x07.py")

    assert result.returncode == 2
    assert rb"\x1b[2J\x9b31m\x07.py" in result.stderr
    assert b" cannot be read: No such file" in result.stderr
    assert b"\x1b" not in result.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "arguments", [["--help"], ["ls", "--json"], ["show", "last"], ["show", "last", "--json"]], ids=" ".join
)
def test_a_reader_that_has_seen_enough_is_no_error_to_tell(arguments: list[str], unbuffered: str) -> None:
    """``hero-logic ls | head -0`` says nothing on standard error, written at once or at the end."""
    assert hero_logic("ingest", "/dev/null").returncode == 0
    result = into_nobody(*arguments, PYTHONUNBUFFERED=unbuffered)

    assert (result.returncode, result.stderr) == (1, b"")


@pytest.mark.parametrize("options", [[], ["--json"], ["--quiet"]])
def test_how_a_play_ended_stands_whether_its_output_is_read_or_not(
    options: list[str], flow_file: str
) -> None:
    """``hero-logic run FLOW.py | head -0`` is a play that is ok."""
    result = into_nobody("run", flow_file, *options)

    assert (result.returncode, result.stderr) == (0, b"")
    [play] = json.loads(hero_logic("ls", "--json").stdout)["plays"]
    assert play["status"] == "ok"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["ls"],
        ["show", "last", "--json"],
        ["run", "FLOW"],
        ["run", "FLOW", "--json"],
        ["run", "FLOW", "--quiet"],
        ["ingest", "/dev/null"],
    ],
    ids=" ".join,
)
def test_a_full_disk_is_a_message_and_a_failure(
    arguments: list[str], unbuffered: str, flow_file: str
) -> None:
    """What could not be printed must not pass for printed."""
    assert hero_logic("ingest", "/dev/null").returncode == 0
    given = [flow_file if argument == "FLOW" else argument for argument in arguments]
    result = into_full_disk(*given, PYTHONUNBUFFERED=unbuffered)

    assert result.returncode == 1
    assert result.stderr == b"hero-logic: standard output cannot be written: No space left on device.\n"


@pytest.mark.parametrize(
    ("redirections", "arguments", "status"),
    [
        ("<&-", ["run", "FLOW", "--input", "-"], 2),
        (">&-", ["run", "FLOW"], 0),
        ("2>&-", ["run", "FLOW"], 0),
        ("2>&-", ["show", "nobody"], 3),
        ("2>&-", ["fly"], 2),
        ("<&- >&- 2>&-", ["run", "FLOW", "--keep", "kept"], 0),
        ("<&- >&- 2>&-", ["run", "FLOW", "--json"], 0),
        ("<&- >&- 2>&-", ["ls"], 0),
        ("<&- >&- 2>&-", ["show", "last", "--json"], 0),
        ("<&- >&- 2>&-", ["ingest", "-"], 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_closed_standard_streams_stop_nothing(
    redirections: str, arguments: list[str], status: int, flow_file: str, tmp_path: Path
) -> None:
    """A service manager or a cron job may have closed any of them."""
    assert hero_logic("ingest", "/dev/null").returncode == 0
    names = {"FLOW": flow_file, "kept": str(tmp_path / "kept")}
    result = with_closed(redirections, *[names.get(argument, argument) for argument in arguments])

    assert (result.returncode, b"Traceback" in result.stderr) == (status, False)
    plays = json.loads(hero_logic("ls", "--json").stdout)["plays"]
    assert {play["status"] for play in plays} == {"ok"}


def test_an_interrupted_command_says_nothing_more() -> None:
    """SIGINT to a command that waits: exit status 130, no traceback."""
    reading, writing = os.pipe()
    with subprocess.Popen(
        [*COMMAND, "ingest", "-"],
        stdin=reading,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        os.close(reading)
        wait_until(lambda: b'"running"' in hero_logic("ls", "--json").stdout, "the play on record")
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    os.close(writing)

    assert (process.returncode, output, errors) == (130, b"", b"")
    [play] = json.loads(hero_logic("ls", "--json").stdout)["plays"]
    assert play["status"] == "failed"


def test_a_play_that_was_cancelled_is_a_command_that_was_interrupted(tmp_path: Path) -> None:
    """Both signals end the play and the command, with one exit status."""
    path = write_flow(
        tmp_path, "import signal\n@flow\ndef main():\n    print('up', flush=True)\n    signal.pause()\n"
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        with start("run", path, "--json") as process:
            wait_until(lambda: b'"running"' in hero_logic("ls", "--json").stdout, "the play on record")
            process.send_signal(number)
            output, errors = process.communicate(timeout=30)

        assert (process.returncode, b"Traceback" in errors) == (130, False)
        play = json.loads(output)
        assert (play["status"], play["error"]) == ("cancelled", f"cancelled by {signal.Signals(number).name}")


LOADED = """
import sys
from hero_logic.app import main
status = main(sys.argv[1:])
sys.stderr.write(str(status) + " " + " ".join(sorted(set(sys.modules) & {unwanted!r})))
import typing_extensions
"""


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["run", "FLOW"], ["run", "FLOW", "--json"]]
)
def test_a_command_loads_nothing_that_it_does_not_use(arguments: list[str], flow_file: str) -> None:
    """No drawing library, event loop or server; what was kept out for speed is importable afterwards."""
    unwanted = {"rich", "asyncio", "click", "platformdirs", "http", "typing_extensions", "multiprocessing"}
    unwanted |= {"ctypes", "h11", "hero_logic.client.against", "hero_logic.client.link", "ipaddress"}
    if arguments[-1] == "--help":
        unwanted |= {"sqlite3", "msgspec", "json", "hero_logic.runner.play"}
    given = [flow_file if argument == "FLOW" else argument for argument in arguments]
    result = subprocess.run(
        [sys.executable, "-c", LOADED.format(unwanted=unwanted), *given],
        capture_output=True,
        env=environment(),
        timeout=60,
        check=False,
    )

    assert (result.returncode, result.stderr.decode()) == (0, "0 ")


def test_the_module_is_the_command() -> None:
    """``python -m hero_logic`` and the installed script are one."""
    script = Path(sys.executable).with_name("hero-logic")
    if not script.exists():
        pytest.skip("the package is not installed beside this interpreter")
    installed = subprocess.run([script, "ls", "--help"], capture_output=True, env=environment(), check=False)

    assert installed.stdout == hero_logic("ls", "--help").stdout
