"""What failed in a play: what made it fail first, what was caught last; a key goes from one to the next."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from support.browsing import Visit, run_play
from support.serving import Server

CAUGHT = '''
@flow
def caught(doomed: bool = True):
    """Catch two failures; fail by a third."""
    with flow.step("probe"):
        for host in ("a", "b"):
            try:
                with flow.step("ask", host=host):
                    raise ConnectionError(f"mirror {host} refused")
            except ConnectionError:
                pass
    with flow.step("convert"):
        with flow.step("read rates"):
            pass
        with flow.step("row", number=941):
            if doomed:
                raise ValueError("row 941 has no currency\\nand no amount")
'''
FAILS_LATER = '''
import os, time
@flow
def fails_later(path: str = ""):
    """Catch a failure, wait for a file, and fail."""
    try:
        with flow.step("ask"):
            raise ConnectionError("refused")
    except ConnectionError:
        pass
    with flow.step("work"):
        while not os.path.exists(path):
            time.sleep(0.02)
        with flow.step("row"):
            raise ValueError("no currency")
'''


def open_failed(visit: Visit, server: Server, **input_data: object) -> Page:
    """A play with two failures that were caught and, as a rule, one that was not."""
    server.publish("caught", CAUGHT)
    page = visit.go(f"/p/{run_play(server, 'caught', **input_data)}")
    expect(page.get_by_role("treegrid", name="Spans")).to_have_attribute("aria-busy", "false")
    return page


def chosen(page: Page) -> Locator:
    """The row that is chosen."""
    return page.get_by_role("row", selected=True)


def details(page: Page) -> Locator:
    """What is said of it."""
    return page.get_by_role("region", name="Details")


def said(page: Page) -> Locator:
    """What a key was answered with: it is seen, and heard."""
    return page.get_by_role("status").filter(has_text=re.compile("failure", re.IGNORECASE))


def test_a_play_opens_at_what_made_it_fail(visit: Visit, server: Server) -> None:
    """Not at the failures before, which were caught: what they were raised in went on."""
    page = open_failed(visit, server)

    expect(chosen(page).locator(".tl-label")).to_have_text("row")
    expect(details(page)).to_contain_text("row 941 has no currency")
    expect(details(page)).not_to_contain_text("It was caught")


def test_each_key_press_goes_to_another_failure(visit: Visit, server: Server) -> None:
    """From what made it fail to those that were caught, and around; back again with the other key."""
    page = open_failed(visit, server)
    expect(chosen(page).locator(".tl-label")).to_have_text("row")
    page.keyboard.press("e")
    expect(details(page)).to_contain_text("mirror a refused")
    expect(details(page)).to_contain_text("It was caught: probe")
    expect(said(page)).to_have_text("Failure 2 of 3: it was caught.")
    page.keyboard.press("e")
    expect(details(page)).to_contain_text("mirror b refused")
    page.keyboard.press("E")
    expect(details(page)).to_contain_text("mirror a refused")
    page.keyboard.press("E")

    expect(chosen(page).locator(".tl-label")).to_have_text("row")
    expect(said(page)).to_have_text("Failure 1 of 3: why the play failed.")


def test_the_only_failure_is_said_to_be_that(visit: Visit, server: Server) -> None:
    """A key that finds nothing new must not seem to be broken."""
    page = visit.go(f"/p/{run_play(server, 'fails')}")
    expect(chosen(page).locator(".tl-label")).to_have_text("work")
    page.keyboard.press("e")

    expect(said(page)).to_have_text("This is the only failure.")
    expect(said(page)).to_be_visible()
    expect(chosen(page).locator(".tl-label")).to_have_text("work")


def test_a_play_that_ended_well_opens_at_nothing(visit: Visit, server: Server) -> None:
    """What was caught in it is a key away."""
    page = open_failed(visit, server, doomed=False)
    expect(details(page)).to_contain_text("Choose a span")
    page.keyboard.press("e")

    expect(details(page)).to_contain_text("mirror a refused")
    expect(said(page)).to_have_text("Failure 1 of 2: it was caught.")


def test_from_what_failed_since_the_way_leads_to_the_cause(visit: Visit, server: Server) -> None:
    """The button in the details of the root, above which nothing is."""
    page = open_failed(visit, server)
    expect(chosen(page).locator(".tl-label")).to_have_text("row")
    page.keyboard.press("Home")
    expect(chosen(page).locator(".tl-label")).to_have_text("caught")
    details(page).get_by_role("button", name=re.compile("go there")).click()

    expect(chosen(page).locator(".tl-label")).to_have_text("row")


def test_a_play_that_fails_before_ones_eyes_goes_there(visit: Visit, server: Server, tmp_path: Path) -> None:
    """Without a key, where nothing was chosen."""
    server.publish("fails_later", FAILS_LATER)
    flag = tmp_path / "go"
    sid = server.call("play_start", flow_sid="fails_later", input_data={"path": str(flag)})["sid"]
    page = visit.go(f"/p/{sid}")
    expect(page.get_by_role("row", name=re.compile("work"))).to_contain_text("running")
    expect(chosen(page)).to_have_count(0)
    flag.touch()

    expect(chosen(page).locator(".tl-label")).to_have_text("row")


def test_the_end_of_a_traceback_is_never_cut(visit: Visit, server: Server) -> None:
    """The calls scroll sideways in a box of their own; the error below them has all its lines, whole."""
    page = open_failed(visit, server)
    error = details(page).get_by_role("group", name="Why it failed")
    frames = error.get_by_label("Traceback")
    last = error.locator(".last")

    expect(last).to_have_text("ValueError: row 941 has no currency\nand no amount")
    for part in (last, error.locator(".first")):
        assert part.evaluate(
            "one => one.scrollWidth <= one.clientWidth && one.scrollHeight <= one.clientHeight"
        )
    assert frames.evaluate("one => getComputedStyle(one).overflowX") == "auto"
    assert error.evaluate("one => one.scrollWidth <= one.clientWidth")
