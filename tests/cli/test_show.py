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
