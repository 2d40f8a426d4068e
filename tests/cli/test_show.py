"""``hero-logic show``: a play again, as a person and as a program reads it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.command import hero_logic, last_line, shown
from support.runtime import write_flow
from support.terminal import on_terminal

FLOW = """
@flow
def main(n: int = 1):
    with flow.step("outer", n=n) as outer:
        outer.log("one\\ntwo")
        with flow.step("inner"):
            if n < 0:
                raise ValueError(f"{n} is below 0")
    print("printed")
    return {"n": n}
"""


@pytest.fixture
def flow_file(tmp_path: Path) -> str:
    return write_flow(tmp_path, FLOW)


def test_a_play_is_shown_from_its_header_to_its_output(flow_file: str) -> None:
    """Status, input, tree, stdout, output."""
    sid = json.loads(hero_logic("run", flow_file, "-i", "n=3", "--json").stdout)["sid"]
    result = hero_logic("show", sid)
    text = result.stdout.decode()

    assert (result.returncode, result.stderr) == (0, b"")
    assert text.splitlines()[0].startswith(f"✓ main · {sid} · ok · ")
    assert '  input {"n":3}' in text.splitlines()
    assert [word in text for word in ("outer", "inner", "n=3", "printed", '"n": 3')] == [True] * 5
    assert "] two" not in text


def test_logs_are_shown_where_they_are_asked_for(flow_file: str) -> None:
    """All of them, each under its span; without that the tree alone."""
    assert hero_logic("run", flow_file).returncode == 0
    with_logs = hero_logic("show", "last", "--logs").stdout.decode()
    without = hero_logic("show", "last").stdout.decode()

    assert [line.split()[-1] for line in with_logs.splitlines() if line.endswith((" one", " two"))] == [
        "one",
        "two",
    ]
    assert len(without.splitlines()) < len(with_logs.splitlines())


def test_why_a_play_failed_is_shown(flow_file: str) -> None:
    """Where it happened, and what was said."""
    assert hero_logic("run", flow_file, "-i", "n=-1").returncode == 1
    text = hero_logic("show", "last", COLUMNS="400").stdout.decode()

    assert "ValueError: -1 is below 0" in text
    assert f'File "{flow_file}", line ' in text


def test_last_is_the_play_that_was_created_last(flow_file: str) -> None:
    """Of any kind: a recorded stream is a play, too."""
    assert hero_logic("run", flow_file).returncode == 0
    sid = last_line(hero_logic("ingest", "-").stdout)

    assert shown("last")["sid"] == sid


def test_a_play_is_shown_the_same_again_and_again(flow_file: str) -> None:
    """Reading changes nothing, not the revision either."""
    assert hero_logic("run", flow_file).returncode == 0
    first = hero_logic("show", "last", "--json").stdout
    hero_logic("ls")
    hero_logic("show", "last", "--logs")

    assert hero_logic("show", "last", "--json").stdout == first


@pytest.mark.parametrize("columns", [30, 80, 160])
def test_lines_are_as_wide_as_columns_says(flow_file: str, columns: int) -> None:
    """On a terminal and into a pipe."""
    assert hero_logic("run", flow_file, "-i", "n=123456789012345678").returncode == 0
    piped = hero_logic("show", "last", COLUMNS=str(columns)).stdout.decode()
    status, drawn = on_terminal("show", "last", COLUMNS=str(columns), NO_COLOR="1")

    assert max(map(len, piped.splitlines())) <= columns
    assert (status, drawn.decode().replace("\r\n", "\n")) == (0, piped)


@pytest.mark.parametrize("columns", ["0", "-5", "wide", "²", ""])
def test_a_width_that_is_none_is_passed_over(flow_file: str, columns: str) -> None:
    """As if it were not set."""
    assert hero_logic("run", flow_file).returncode == 0
    usual = hero_logic("show", "last", COLUMNS="80").stdout

    assert hero_logic("show", "last", COLUMNS=columns).stdout == usual


def test_colour_is_for_terminals(flow_file: str) -> None:
    """A pipe gets none; a terminal gets it unless it is refused."""
    assert hero_logic("run", flow_file).returncode == 0

    assert b"\x1b" not in hero_logic("show", "last", TERM="xterm").stdout
    assert b"\x1b[32m" in on_terminal("show", "last")[1]
    assert b"\x1b" not in on_terminal("show", "last", NO_COLOR="1")[1]
    assert b"\x1b" not in on_terminal("show", "last", TERM="dumb")[1]
    assert b"\x1b[32m" in on_terminal("show", "last", NO_COLOR="")[1]


FAILING = """
@flow
def main():
    for row in range(3):
        with flow.step(f"row {row}"):
            try:
                with flow.step("parse", row=row) as step:
                    step.log("parsing")
                    if row:
                        raise ValueError(f"no number in row {row}")
            except ValueError:
                pass
"""


@pytest.fixture
def failing(tmp_path: Path) -> str:
    """A play in which two spans failed, deep in it, and all else went well."""
    assert hero_logic("run", write_flow(tmp_path, FAILING)).returncode == 0
    return "last"


def test_what_failed_is_listed_with_the_way_to_it(failing: str) -> None:
    """And nothing else; the exit status is that of a thing that was shown."""
    result = hero_logic("show", failing, "--failed", COLUMNS="100")
    lines = result.stdout.decode().splitlines()

    assert (result.returncode, len(lines)) == (0, 4)
    assert lines[0].startswith("✗ main › row 1 › parse  ")
    assert lines[0].endswith("  row=1")
    assert lines[1:4:2] == ["    ValueError: no number in row 1", "    ValueError: no number in row 2"]


def test_what_failed_as_json_has_its_logs(failing: str) -> None:
    """The spans as they are in the whole document."""
    document = json.loads(hero_logic("show", failing, "--failed", "--json").stdout)
    whole = shown(failing)

    assert document == {
        "schema": whole["schema"],
        "sid": whole["sid"],
        "spans": [span for span in whole["spans"] if span["status"] == "failed"],
    }
    assert "parsing" in document["spans"][0]["logs"]


def test_what_spans_took_is_listed_by_name(failing: str) -> None:
    """The highest total first; as JSON the same."""
    lines = hero_logic("show", failing, "--stats").stdout.decode().splitlines()
    document = json.loads(hero_logic("show", failing, "--stats", "--json").stdout)
    names = {one["name"]: one for one in document["names"]}

    assert lines[0].split() == ["name", "spans", "failed", "total", "p50", "p95", "max"]
    assert [line.split("  ")[0] for line in lines[1:]] == [one["name"] for one in document["names"]]
    assert lines[1].startswith("main  ")
    assert (names["parse"]["count"], names["parse"]["failed"], document["is_all"]) == (3, 2, True)


@pytest.mark.parametrize("options", [["--logs", "--failed"], ["--logs", "--stats"], ["--failed", "--stats"]])
def test_one_thing_is_shown_at_a_time(options: list[str]) -> None:
    """Anything else is a usage error."""
    assert hero_logic("ingest", "/dev/null").returncode == 0
    result = hero_logic("show", "last", *options)

    assert (result.returncode, result.stdout) == (2, b"")


def test_a_play_too_large_to_be_read_whole_says_what_it_left_out(tmp_path: Path) -> None:
    """Its errors are there with the way to them, its logs are, and its totals are exact."""
    lines = [json.dumps({"type": "span_start", "span_id": "r", "name": "root", "start_ms": 1})]
    for number in range(20_000):
        span = {"span_id": f"s{number}", "parent_id": "r", "name": f"span {number}", "start_ms": 2}
        status = "failed" if number == 12_345 else "ok"
        lines.append(json.dumps({"type": "span_start", **span}))
        lines.append(json.dumps({"type": "span_log", "span_id": span["span_id"], "text": f"log {number}"}))
        end = {"type": "span_end", "span_id": span["span_id"], "status": status, "end_ms": 3}
        lines.append(json.dumps({**end, "error": "E: here"} if status == "failed" else end))
    lines.append(json.dumps({"type": "span_end", "span_id": "r", "status": "failed", "end_ms": 4}))
    sid = last_line(hero_logic("ingest", "-", stdin="\n".join(lines).encode()).stdout)
    text = hero_logic("show", sid).stdout.decode()
    with_logs = hero_logic("show", sid, "--logs").stdout.decode()
    told = [line for line in text.splitlines() if " more" in line]

    assert "├─ ✗ span 12345  1.0 ms" in text.splitlines()
    assert "│     E: here" in text.splitlines()
    assert "  20,001 spans: 19,999 ok, 2 failed" in text.splitlines()
    assert len(told) == 1
    assert (
        text.count("─ ✓ span ") + text.count("─ ✗ span ") + int(told[0].split()[2].replace(",", "")) == 20_000
    )
    assert " log 12345" in with_logs
    assert len(shown(sid)["spans"]) == 20_001


def test_a_long_tree_is_shortened_and_says_so(tmp_path: Path) -> None:
    """A person gets some hundred lines; ``--json`` has all of it."""
    lines = [
        json.dumps({"type": "span_start", "span_id": str(number), "name": f"span {number}", "start_ms": 1})
        for number in range(5000)
    ]
    sid = last_line(hero_logic("ingest", "-", stdin="\n".join(lines).encode()).stdout)
    text = hero_logic("show", sid).stdout.decode()

    assert len(text.splitlines()) < 450
    assert "more" in text or "spans" in text
    assert len(shown(sid)["spans"]) == 5000
