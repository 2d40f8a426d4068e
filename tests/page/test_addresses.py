"""What stands in the addresses of the page, and in the documentation of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from support.browsing import Visit, run_play
from support.serving import Server

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "web" / "src"
PAGE = (ROOT / "docs" / "page.md").read_text()
VIEWS = {"plays": "/", "timeline": "/p/SID", "library": "/library", "compare": "/compare"}
READ = re.compile(r'(?:query\.value|query|given)\.get\("(\w+)"\)')


def documented() -> dict[str, dict[str, str]]:
    """By address: what each parameter is, as the table of docs/page.md says it."""
    table = PAGE.partition("| in the address of | parameter | is |\n|---|---|---|\n")[2].partition("\n\n")[0]
    found: dict[str, dict[str, str]] = {}
    view = ""
    for line in table.splitlines():
        where, names, says = (cell.strip() for cell in line.strip("|").split("|"))
        view = where.strip("`") or view
        found.setdefault(view, {}).update(dict.fromkeys(re.findall(r"`(\w+)`", names), says))
    return found


@pytest.mark.parametrize("directory", VIEWS)
def test_each_parameter_of_an_address_is_documented(directory: str) -> None:
    """What a view reads of its address has a row, and each row is read."""
    sources = [path.read_text() for path in (SOURCES / directory).glob("*.ts*") if ".test." not in path.name]
    read = {name for source in sources for name in READ.findall(source)}

    assert read
    assert read == set(documented()[VIEWS[directory]])


def test_the_values_of_a_filter_are_documented() -> None:
    """Each status, and each stretch of time."""
    filters = (SOURCES / "plays" / "filter.ts").read_text()
    rows = documented()["/"]
    times = [key for key in re.findall(r'key: "(\w*)"', filters) if key]
    statuses = re.findall(r'^  "(\w+)",$', filters, re.MULTILINE)

    assert times
    assert statuses
    assert [key for key in times if f"`{key}`" not in rows["time"]] == []
    assert [key for key in statuses if f"`{key}`" not in rows["status"]] == []


def test_a_link_leads_to_what_was_seen(visit: Visit, server: Server) -> None:
    """A view of a play, and the filters of the list; what means nothing is left out."""
    sid = run_play(server, "fails")
    page = visit.go(f"/p/{sid}?view=flame")
    expect(page.get_by_role("button", name="Flame")).to_have_attribute("aria-pressed", "true")
    page = visit.go(f"/p/{sid}?view=nothing")
    expect(page.get_by_role("treegrid", name="Spans")).to_be_visible()

    page = visit.go("/?status=failed,nothing&time=24h&flow=fails&q=currency")
    expect(page.get_by_role("button", name="failed")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_label("Time")).to_have_value("24h")
    expect(page.get_by_label("Flow", exact=True)).to_have_value("fails")
    expect(page.get_by_label("Find in")).to_have_value("currency")
    expect(page.locator(".all .row").first).to_contain_text("row 941 has no currency")
