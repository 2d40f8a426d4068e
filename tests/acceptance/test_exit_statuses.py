"""The table of docs/exit-statuses.md, row by row, through the real command."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from support.command import hero_logic, start
from support.runtime import write_flow
from support.waiting import wait_until


def plays() -> list[dict[str, Any]]:
    """All plays on record."""
    found = json.loads(hero_logic("ls", "--json").stdout)["plays"]
    assert isinstance(found, list)
    return found


def run(tmp_path: Path, body: str, *options: str, **more: str) -> tuple[int, dict[str, Any]]:
    """Run a flow; the exit status, and the document."""
    result = hero_logic("run", write_flow(tmp_path, body), "--json", *options, **more)
    document = json.loads(result.stdout)
    assert isinstance(document, dict)
    return result.returncode, document


def test_0_is_a_play_that_is_ok(tmp_path: Path) -> None:
    """And everything that prints what there is."""
    status, document = run(tmp_path, "@flow\ndef main():\n    return 1\n")

    assert (status, document["status"], document["exit_code"]) == (0, "ok", 0)
    for arguments in (["show", "last"], ["ls"], ["ingest", "/dev/null"], ["--version"], ["--help"]):
        assert hero_logic(*arguments).returncode == 0


def test_0_is_a_failed_step_that_the_flow_dealt_with(tmp_path: Path) -> None:
    """Only a root span that failed makes the play fail."""
    body = "@flow\ndef main():\n    with flow.step('try') as step:\n        step.fail('dealt with')\n"
    status, document = run(tmp_path, body)

    assert (status, document["status"]) == (0, "ok")
    assert [span["status"] for span in document["spans"]] == ["ok", "failed"]


@pytest.mark.parametrize(
    ("body", "exit_code", "reason"),
    [
        ("raise ValueError('no')", 1, "ValueError: no"),
        ("raise flow.Failed('closed')", 1, "closed"),
        ("import sys; sys.exit(7)", 7, "status 7"),
        ("import sys; sys.exit('why')", 1, "why"),
        ("import os; os._exit(7)", 7, "status 7"),
        ("import os; os._exit(124)", 124, "status 124"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", None, "SIGKILL"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", None, "SIGTERM"),
        ("raise KeyboardInterrupt", 1, "KeyboardInterrupt"),
        ("flow.current_span.fail('not good')", 0, "not good"),
        ("return {1, 2}", 1, "output"),
        ("return float('nan')", 1, "output"),
        ("import not_there_at_all", 1, "not_there_at_all"),
    ],
)
def test_1_is_a_play_that_failed(tmp_path: Path, body: str, exit_code: int | None, reason: str) -> None:
    """However it did; the flow's own exit code stands in the document."""
    status, document = run(tmp_path, f"@flow\ndef main():\n    {body}\n")

    assert (status, document["status"], document["exit_code"]) == (1, "failed", exit_code)
    assert reason in document["error"]
    assert document["output"] is None
    assert [play["status"] for play in plays()] == ["failed"]


@pytest.mark.parametrize("line", ["1 / 0", "import sys; sys.exit(3)"])
def test_1_is_a_file_that_fails_when_it_is_loaded(tmp_path: Path, line: str) -> None:
    """The source was fine; running it was not: that is a play."""
    status, document = run(tmp_path, f"{line}\n@flow\ndef main():\n    pass\n")

    assert (status, document["status"], document["spans"]) == (1, "failed", [])


def damage_newer(home: Path) -> bytes:
    hero_logic("ls")
    with sqlite3.connect(home / "hero_logic.db") as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    return b"schema 999"


def damage_foreign(home: Path) -> bytes:
    home.mkdir()
    with sqlite3.connect(home / "hero_logic.db") as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    return b"not one of ours"


def damage_text(home: Path) -> bytes:
    home.mkdir()
    (home / "hero_logic.db").write_bytes(b"this is no database, and never was one. " * 100)
    return b"damaged or no database"


def damage_pages(home: Path) -> bytes:
    hero_logic("ls")
    with open(home / "hero_logic.db", "r+b") as file:
        file.seek(100)
        file.write(bytes(8000))
    for name in ("hero_logic.db-wal", "hero_logic.db-shm"):
        (home / name).unlink(missing_ok=True)
    return b"hero_logic.db"


def damage_directory(home: Path) -> bytes:
    (home / "hero_logic.db").mkdir(parents=True)
    return b"hero_logic.db"


def damage_home(home: Path) -> bytes:
    home.write_text("a file in its place")
    return b"home"


@pytest.mark.parametrize(
    "damage",
    [damage_newer, damage_foreign, damage_text, damage_pages, damage_directory, damage_home],
    ids=lambda damage: damage.__name__.removeprefix("damage_"),
)
def test_1_is_a_store_that_cannot_be_used(tmp_path: Path, damage: Any) -> None:
    """Told by every verb, in one message; no flow is run, and the file is left as it is."""
    reason = damage(tmp_path / "home")
    database = tmp_path / "home" / "hero_logic.db"
    before = database.read_bytes() if database.is_file() else b""
    path = write_flow(tmp_path, f"open({str(tmp_path / 'ran')!r}, 'w')\n@flow\ndef main():\n    pass\n")
    verbs = (["run", path], ["show", "last"], ["ls"], ["ingest", "/dev/null"], ["listen", "--idle", "0"])
    results = [hero_logic(*verb) for verb in verbs]

    assert [(result.returncode, result.stdout) for result in results] == [(1, b"")] * 5
    for result in results:
        assert result.stderr.startswith(b"hero-logic: ")
        assert reason in result.stderr
        assert b"Traceback" not in result.stderr
    assert not (tmp_path / "ran").exists()
    assert (database.read_bytes() if database.is_file() else b"") == before


def test_1_is_a_span_socket_that_cannot_be_had(tmp_path: Path) -> None:
    """For ``run`` and ``listen`` alike; the message says what to set."""
    path = write_flow(tmp_path, "@flow\ndef main():\n    pass\n")
    for directory in (str(tmp_path / "not-there"), "/tmp/" + "x" * 100):
        for verb in (["run", path], ["listen"]):
            result = hero_logic(*verb, HERO_LOGIC_RUNTIME_DIR=directory)

            assert (result.returncode, result.stdout) == (1, b"")
            assert directory[:20].encode() in result.stderr
            assert b"Traceback" not in result.stderr
    assert plays() == []


@pytest.mark.parametrize(
    "options",
    [
        ["not-there.py"],
        ["TWO"],
        ["TWO", "--entry", "three"],
        ["ONE"],
        ["ONE", "-i", "n=x"],
        ["ONE", "-i", "n=1", "-i", "m=1"],
        ["ONE", "-i", "n=1", "--input", "/not/there"],
        ["ONE", "-i", "n=1", "--timeout", "0"],
        ["ONE", "-i", "n=1", "--python", "/not/there"],
        ["ONE", "-i", "n=1", "--no-such-option"],
    ],
    ids=" ".join,
)
def test_2_is_usage_and_records_no_play(tmp_path: Path, options: list[str]) -> None:
    """Nothing is on record, and nothing lies in the directory of plays."""
    names = {
        "ONE": write_flow(tmp_path, "@flow\ndef main(n: int):\n    pass\n", name="one.py"),
        "TWO": write_flow(tmp_path, "@flow\ndef a():\n    pass\n@flow\ndef b():\n    pass\n", name="two.py"),
    }
    result = hero_logic("run", *[names.get(option, option) for option in options])

    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr
    assert plays() == []
    assert list((tmp_path / "home").glob("plays/*")) == []


def test_3_is_a_play_that_is_not_there() -> None:
    """By sid and by ``last``; the message says how to see those there are."""
    for arguments in (["show", "0123456789abcdef"], ["show", "last"], ["show", "x", "--json"]):
        result = hero_logic(*arguments)

        assert (result.returncode, result.stdout) == (3, b"")
        assert result.stderr.startswith(b"hero-logic: there is no play")


def test_124_is_a_play_that_timed_out(tmp_path: Path) -> None:
    """Its open spans as well."""
    status, document = run(
        tmp_path, "import signal\n@flow\ndef main():\n    signal.pause()\n", "--timeout", "0.3"
    )

    assert (status, document["status"]) == (124, "timed_out")
    assert document["error"] == "the play ran longer than its limit of 0.3 s"
    assert [span["status"] for span in document["spans"]] == ["timed_out"]
    assert 300 <= document["duration_ms"] < 5000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_130_is_a_play_that_was_cancelled(tmp_path: Path, number: signal.Signals) -> None:
    """Its open spans as well."""
    path = write_flow(tmp_path, "import signal\n@flow\ndef main():\n    signal.pause()\n")
    with start("run", path) as process:
        wait_until(lambda: b'"main"' in hero_logic("show", "last", "--json").stdout, "the flow")
        process.send_signal(number)
        process.communicate(timeout=30)

    assert process.returncode == 130
    document = json.loads(hero_logic("show", "last", "--json").stdout)
    assert (document["status"], document["error"]) == ("cancelled", f"cancelled by {number.name}")
    assert [span["status"] for span in document["spans"]] == ["cancelled"]


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["plain", "json"])
def test_130_comes_for_a_signal_that_finds_the_command_stopped(tmp_path: Path, options: list[str]) -> None:
    """``kill %1`` of a job that Ctrl-Z stopped: SIGTERM and then SIGCONT, which any thread may get first."""
    path = write_flow(tmp_path, "import signal\n@flow\ndef main():\n    signal.pause()\n")
    for _ in range(3):
        with start("run", path, *options) as process:
            wait_until(lambda: b'"running"' in hero_logic("ls", "--json").stdout, "the play on record")
            process.send_signal(signal.SIGSTOP)
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGCONT)
            try:
                process.communicate(timeout=10)
            finally:
                process.kill()

        assert process.returncode == 130


def test_130_comes_at_once_for_a_second_signal(tmp_path: Path) -> None:
    """A play that ignores the first one is not waited for any longer."""
    body = "import signal\n@flow\ndef main():\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    body += "    with flow.step('deaf'):\n        while True:\n            signal.pause()\n"
    with start("run", write_flow(tmp_path, body), "--json") as process:
        wait_until(lambda: b'"deaf"' in hero_logic("show", "last", "--json").stdout, "the flow")
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        try:
            output, _ = process.communicate(timeout=4)
        finally:
            process.kill()

    assert (process.returncode, json.loads(output)["status"]) == (130, "cancelled")


def test_the_home_is_that_of_the_platform_where_none_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``XDG_DATA_HOME``, or ``~/.local/share``; a relative one counts as not set."""
    monkeypatch.delenv("HERO_LOGIC_HOME")
    for variables, place in (
        ({"XDG_DATA_HOME": str(tmp_path / "xdg é"), "HOME": str(tmp_path)}, tmp_path / "xdg é/hero_logic"),
        ({"XDG_DATA_HOME": "relative", "HOME": str(tmp_path)}, tmp_path / ".local/share/hero_logic"),
        ({"HERO_LOGIC_HOME": "~/own", "HOME": str(tmp_path)}, tmp_path / "own"),
    ):
        assert hero_logic("ingest", "/dev/null", **variables).returncode == 0
        assert (place / "hero_logic.db").exists()
        assert (place.stat().st_mode & 0o777, (place / "hero_logic.db").stat().st_mode & 0o777) == (
            0o700,
            0o600,
        )


def test_a_listener_that_records_a_failure_has_done_its_work(tmp_path: Path) -> None:
    """0 is that of the recording, whatever the play's own status is."""
    with start("listen", "--socket", str(tmp_path / "s.sock")) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with socket.socket(socket.AF_UNIX) as writer:
            writer.connect(str(tmp_path / "s.sock"))
            writer.sendall(b'{"type":"span_end","span_id":"a","status":"failed"}')
        process.communicate(timeout=30)

    assert (process.returncode, plays()[0]["status"]) == (0, "failed")
