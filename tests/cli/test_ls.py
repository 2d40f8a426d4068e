"""``hero-logic ls``: the plays, newest first, in pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.command import hero_logic, last_line
from support.runtime import write_flow
from support.terminal import on_terminal


def page(*arguments: str) -> dict[str, Any]:
    """A page of plays."""
    result = hero_logic("ls", "--json", *arguments)
    assert (result.returncode, result.stderr) == (0, b"")
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def sids(found: dict[str, Any]) -> list[str]:
    return [play["sid"] for play in found["plays"]]


def in_pages(limit: int) -> list[list[str]]:
    """The sids of every page, as they are found by the cursors."""
    one = page("--limit", str(limit))
    pages = [sids(one)]
    while one["next"] is not None:
        one = page("--limit", str(limit), "--before", one["next"])
        pages.append(sids(one))
    return pages


@pytest.fixture
def recorded() -> list[str]:
    """Five plays, the newest first."""
    return [last_line(hero_logic("ingest", "/dev/null").stdout) for _ in range(5)][::-1]


def test_without_plays_the_document_is_empty() -> None:
    """And a person is told how to make one."""
    document = page()
    assert (document["plays"], document["next"], document["store"]["plays"]) == ([], None, 0)
    result = hero_logic("ls")

    assert (result.returncode, result.stdout) == (0, b"")
    assert b"hero-logic run FLOW.py" in result.stderr


def test_pages_have_every_play_once(recorded: list[str]) -> None:
    """Newest first; the last page says that it is the last, so that none is empty."""
    for limit in (1, 2, 4, 5, 6):
        pages = in_pages(limit)

        assert [sid for one in pages for sid in one] == recorded
        assert [len(one) for one in pages[:-1]] == [limit] * (len(pages) - 1)
        assert 1 <= len(pages[-1]) <= limit


def test_a_page_stays_the_same_while_plays_are_added(recorded: list[str]) -> None:
    """The cursor is a play and no number of lines."""
    first = page("--limit", "2")
    hero_logic("ingest", "/dev/null")

    assert sids(page("--limit", "2", "--before", first["next"])) == recorded[2:4]


def test_any_number_of_plays_may_be_asked_for(recorded: list[str]) -> None:
    """More than a store can count is all of them."""
    for limit in ("1000000", str(2**63), "9" * 50):
        assert sids(page("--limit", limit)) == recorded


def test_a_person_is_told_that_there_are_more(recorded: list[str]) -> None:
    """With the command that shows them, on standard error."""
    result = hero_logic("ls", "--limit", "3")

    assert [line.split()[0] for line in result.stdout.decode().splitlines()[1:]] == recorded[:3]
    assert result.stderr.decode().startswith(
        f"There are more: hero-logic ls --before {recorded[2]}\n5 plays on"
    )


def test_each_play_has_its_status_flow_and_number_of_spans(tmp_path: Path) -> None:
    """One line a play."""
    path = write_flow(tmp_path, "@flow('a flow')\ndef main():\n    with flow.step('one'):\n        1 / 0\n")
    hero_logic("run", path)
    lines = hero_logic("ls").stdout.decode().splitlines()

    assert lines[0].split() == ["sid", "status", "flow", "started", "took", "spans"]
    assert "✗ failed" in lines[1]
    assert "a flow" in lines[1]
    assert lines[1].split()[-1] == "2"


def test_lines_are_as_wide_as_columns_says() -> None:
    """What does not fit is left out from the right; a sid is whole wherever there is room for it."""
    sid = last_line(hero_logic("ingest", "/dev/null").stdout)
    for columns in (10, 20, 40, 80):
        piped = hero_logic("ls", COLUMNS=str(columns)).stdout.decode().splitlines()

        assert max(map(len, piped)) <= columns
        assert piped[1].startswith(sid if columns >= len(sid) else sid[: columns - 1])
    _, drawn = on_terminal("ls", COLUMNS="40", NO_COLOR="1")
    assert max(map(len, drawn.decode().splitlines())) <= 40
