"""``hero-logic ingest``: a file of events as a play."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from support.command import COMMAND, environment, hero_logic, last_line, shown, start
from support.waiting import wait_until

START = b'{"type":"span_start","span_id":"a","name":"one","start_ms":1}\n'
END = b'{"type":"span_end","span_id":"a","status":"ok","end_ms":2}\n'


def test_a_file_becomes_a_play_whose_sid_is_the_last_line(tmp_path: Path) -> None:
    """Exit status 0, and nothing else on standard output."""
    (tmp_path / "é vents.jsonl").write_bytes(START + END)
    result = hero_logic("ingest", str(tmp_path / "é vents.jsonl"))
    play = shown(last_line(result.stdout))

    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout == f"{play['sid']}\n".encode()
    assert (play["status"], play["flow"], play["exit_code"]) == ("ok", "", None)
    assert play["sandbox"] == {"tier": "none", "isolation": "none", "resources": "none", "user": ""}
    assert [(span["name"], span["status"]) for span in play["spans"]] == [("one", "ok")]


def test_a_play_that_failed_is_recorded_like_any_other() -> None:
    """The exit status is that of the recording."""
    result = hero_logic("ingest", "-", stdin=START)
    play = shown(last_line(result.stdout))

    assert result.returncode == 0
    assert (play["status"], play["spans"][0]["status"]) == ("failed", "failed")
    assert play["spans"][0]["error"] == "the play ended while this span was open"
    assert play["spans"][0]["end_ms"] == play["end_ms"]


def test_nothing_at_all_is_a_play_that_is_ok() -> None:
    """There is no root that failed."""
    play = shown(last_line(hero_logic("ingest", "-").stdout))

    assert (play["status"], play["spans"], play["counters"]["events"]) == ("ok", [], 0)


def test_lines_that_are_no_events_are_told_and_skipped() -> None:
    """On standard error, with a preview; the first hundred one by one."""
    result = hero_logic("ingest", "-", stdin=START + b"\x1b[2Jbad\n" * 250 + END)
    play = shown(last_line(result.stdout))
    told = result.stderr.decode().splitlines()

    assert (play["status"], play["counters"]["malformed"], play["counters"]["events"]) == ("ok", 250, 2)
    assert len(told) == 101
    assert told[0].startswith("hero-logic: warning: malformed line (")
    assert told[0].endswith(r": \x1b[2Jbad")
    assert told[-1] == "hero-logic: warning: 150 more lines were malformed or too long"


def test_another_version_of_the_protocol_is_told_and_read() -> None:
    """Its lines are folded all the same."""
    hello = b'{"type":"hello","protocol":9,"writer":"w\\u001b"}\n'
    result = hero_logic("ingest", "-", stdin=hello + START + END)

    assert b"protocol 9" in result.stderr
    assert shown(last_line(result.stdout))["counters"]["events"] == 2


def test_an_event_of_a_slow_writer_is_recorded_when_it_came() -> None:
    """Standard input is read as it comes, not when a buffer is full."""
    tag = b'{"type":"span_tag","span_id":"a","tags":{"n":1}}\n'
    with subprocess.Popen(
        [*COMMAND, "ingest", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()
    ) as process:
        assert process.stdin is not None
        process.stdin.write(tag)
        process.stdin.flush()
        wait_until(lambda: b'"n":1' in hero_logic("show", "last", "--json").stdout, "the event on record")
        output, _ = process.communicate(timeout=30)
    span = shown(last_line(output))["spans"][0]

    assert span["start_ms"] < span["end_ms"]


def test_standard_input_that_does_not_block_is_waited_for() -> None:
    """Another program that shares the pipe may have set it so: nothing there is not the end."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with subprocess.Popen(
        [*COMMAND, "ingest", "-"], stdin=reading, stdout=subprocess.PIPE, env=environment()
    ) as process:
        wait_until(lambda: b'"running"' in hero_logic("ls", "--json").stdout, "the play on record")
        os.write(writing, START)
        wait_until(lambda: b'"one"' in hero_logic("show", "last", "--json").stdout, "the event on record")
        os.write(writing, END)
        os.close(writing)
        output, _ = process.communicate(timeout=30)
    os.close(reading)

    assert shown(last_line(output))["status"] == "ok"


def test_a_file_that_cannot_be_read_to_its_end_is_a_play_that_failed(tmp_path: Path) -> None:
    """What came is on record; it must not look like all of it."""
    result = hero_logic("ingest", "/proc/self/mem")
    [play] = json.loads(hero_logic("ls", "--json").stdout)["plays"]

    assert result.returncode == 2
    assert b"/proc/self/mem cannot be read any further: Input/output error" in result.stderr
    assert play["status"] == "failed"


@pytest.mark.parametrize("path", ["/not/there", "/", ""])
def test_a_file_that_cannot_be_opened_records_nothing(path: str) -> None:
    """A usage error with the reason."""
    result = hero_logic("ingest", path)

    assert (result.returncode, result.stdout) == (2, b"")
    assert f"hero-logic: {path} cannot be read: ".encode() in result.stderr
    assert json.loads(hero_logic("ls", "--json").stdout)["plays"] == []


def test_a_pipe_with_a_name_is_read_to_its_end(tmp_path: Path) -> None:
    """FILE may be anything that bytes come from."""
    os.mkfifo(tmp_path / "pipe")
    with start("ingest", str(tmp_path / "pipe")) as process:
        (tmp_path / "pipe").write_bytes(START + END)
        output, errors = process.communicate(timeout=30)

    assert (process.returncode, errors) == (0, b"")
    assert shown(last_line(output))["status"] == "ok"
