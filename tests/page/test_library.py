"""The library: finding, source, versions, the form, and the play that it starts."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from support.browsing import Visit, run_play, visiting
from support.serving import Server

TIMED = '''
@flow
def timed(fails: bool = False):
    """Take a while, and fail if that is wanted."""
    if fails:
        raise ValueError("it was wanted")
'''


def test_a_flow_is_found_as_one_types(visit: Visit) -> None:
    """By words of what it says too, and with the arrow key it is one step away."""
    page = visit.go("/library")
    expect(page.get_by_role("navigation", name="Flows").get_by_role("link", name="greet")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("hello to somebdy")
    expect(page.get_by_role("navigation", name="Flows").get_by_role("link")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="greet")).to_be_visible()
    expect(page.get_by_role("textbox", name="Source of greet")).to_contain_text("def greet")


def test_two_versions_are_shown_beside_each_other(visit: Visit) -> None:
    """What differs is seen."""
    page = visit.go("/library?flow=greet")
    page.get_by_label("against").select_option(index=1)

    expect(page.get_by_role("textbox", name="Source of greet, before")).to_contain_text("Good day")
    expect(page.get_by_role("textbox", name="Source of greet, after")).not_to_contain_text("Good day")
    assert "before=" in page.url


def test_on_a_telephone_two_versions_are_below_each_other(browser: Browser, server: Server) -> None:
    """Line by line: beside each other each would have a few characters."""
    with visiting(browser, server, viewport={"width": 360, "height": 740}) as visit:
        visit.log_in()
        page = visit.go("/library?flow=greet")
        page.get_by_label("against").select_option(index=1)
        source = page.get_by_role("textbox", name="Source of greet")

        expect(source.locator(".cm-deletedChunk")).to_contain_text("Good day")
        expect(source.locator(".cm-changedLine")).to_contain_text("Hello")


def test_the_form_runs_a_flow_and_the_page_follows_its_play(visit: Visit, server: Server) -> None:
    """With what was changed, and nothing else."""
    page = visit.go("/library?flow=greet")
    page.get_by_label("times").fill("4")
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/p/*")

    expect(page.locator(".play-header .status")).to_have_text("ok")
    expect(page.get_by_role("button", name="Output")).to_contain_text("Hello, Ada!")
    assert server.call("play_get", play_sid=page.url.rpartition("/")[2])["input"] == {"times": 4}


def test_what_does_not_fit_is_said_at_its_field(visit: Visit) -> None:
    """Before anything is sent, and the field has the focus."""
    page = visit.go("/library?flow=greet")
    page.get_by_label("times").fill("many")
    page.keyboard.press("Enter")

    expect(page.get_by_role("alert")).to_have_text('times is "many": it takes a whole number')
    expect(page.get_by_label("times")).to_be_focused()
    assert page.url.endswith("/library?flow=greet")


def test_json_stands_in_for_the_form(visit: Visit) -> None:
    """What the form has so far is in it, and what is in it is in the form again."""
    page = visit.go("/library?flow=greet")
    page.get_by_label("name").fill("Grace")
    page.get_by_role("button", name="As JSON").click()
    expect(page.get_by_label("Input, as JSON")).to_have_value('{\n  "name": "Grace"\n}')
    page.get_by_label("Input, as JSON").fill('{"name": "Grace", "zz": 1}')
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("alert")).to_have_text('it takes no "zz"')

    page.get_by_label("Input, as JSON").fill('{"name": "Alan", "times": 2}')
    page.get_by_role("button", name="As JSON").click()
    expect(page.get_by_label("name")).to_have_value("Alan")
    expect(page.get_by_label("times")).to_have_value("2")


def test_a_flow_that_is_not_there_is_said(visit: Visit) -> None:
    """With what it was asked for, and a way to find it."""
    page = visit.go("/library?flow=geet")
    expect(page.get_by_role("heading", name="There is no such flow")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("geet")

    page.get_by_role("link", name="Find what sounds like it").click()
    expect(page.get_by_role("navigation", name="Flows").get_by_role("link", name="greet")).to_be_visible()


def test_what_a_link_asks_for_beside_a_flow_and_is_gone_is_said(visit: Visit) -> None:
    """The flow is shown all the same, and can be run."""
    page = visit.go("/library?flow=greet&from=0badc0de&before=gone")
    expect(page.get_by_role("heading", name="greet")).to_be_visible()

    expect(page.get_by_role("alert")).to_have_text(
        [re.compile("version gone.* not on record"), re.compile("play 0badc0de.* not on record")]
    )
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_enabled()


@pytest.fixture
def timed(server: Server) -> list[str]:
    """Three plays of a flow, the oldest first; the one in the middle failed."""
    server.publish("timed", TIMED)
    return [run_play(server, "timed"), run_play(server, "timed", fails=True), run_play(server, "timed")]


def test_how_long_the_last_plays_took_is_drawn(visit: Visit, timed: list[str]) -> None:
    """A bar for each: a hand that is at one is told which it is and how it ended; a click opens it."""
    page = visit.go("/library?flow=timed")
    region = page.get_by_role("region", name="Last plays", exact=True)
    expect(region.locator(".plot-says")).to_contain_text("1 failed")
    over = region.locator(".u-over")
    over.hover()

    expect(region.locator(".plot-says")).to_contain_text(timed[-2])
    expect(region.locator(".plot-says")).to_contain_text(re.compile(r"failed after .+ \([\d.]+ ms\)"))
    over.click()
    expect(page.locator(".play-header h1")).to_be_visible()
    assert page.url.endswith(f"/p/{timed[-2]}")


def test_the_last_plays_are_gone_through_by_keys(visit: Visit, timed: list[str]) -> None:
    """Arrows, Home and End say which play it is; Enter opens it."""
    page = visit.go("/library?flow=timed")
    plot = page.get_by_role("slider", name="How long the last plays took")
    plot.focus()
    page.keyboard.press("ArrowLeft")
    expect(plot).to_have_attribute("aria-valuetext", re.compile(r"Play \d+ of \d+: failed after"))
    page.keyboard.press("End")
    expect(plot).to_have_attribute("aria-valuetext", re.compile(r"ok after"))
    page.keyboard.press("Enter")

    expect(page.locator(".play-header h1")).to_be_visible()
    assert page.url.endswith(f"/p/{timed[-1]}")


def test_the_last_plays_are_a_table_too(visit: Visit, timed: list[str]) -> None:
    """The newest first, with a link to each."""
    page = visit.go("/library?flow=timed")
    page.get_by_text("As a table").click()
    rows = page.get_by_role("region", name="Last plays, as a table").locator("tbody tr")

    expect(rows.nth(0)).to_contain_text(timed[-1])
    expect(rows.nth(1)).to_contain_text("failed")
    expect(rows.nth(1).get_by_role("link", name=timed[-2])).to_be_visible()


def test_a_flow_without_plays_has_no_plot(visit: Visit, server: Server) -> None:
    """Nothing is loaded for it, and nothing empty is shown."""
    server.publish("unplayed", TIMED.replace("def timed", "def unplayed"))
    fetched: list[str] = []
    visit.page.on("response", lambda response: fetched.append(response.url))
    page = visit.go("/library?flow=unplayed")
    expect(page.get_by_role("heading", name="unplayed")).to_be_visible()

    expect(page.get_by_role("region", name="Last plays", exact=True)).to_have_count(0)
    assert [url for url in fetched if "/plot-" in url] == []
