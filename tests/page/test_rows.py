"""The rows of a timeline: keys move in them at once, what is chosen stays in sight, none of it is cut."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from support.browsing import Visit, run_play, visiting
from support.serving import Server

MIXED = '''
@flow
def mixed():
    """Do one thing many times, catch some failures, then a few others."""
    with flow.step("load"):
        for n in range(40):
            try:
                with flow.step("fetch a page of the bank", number=n):
                    if n % 9 == 4:
                        raise TimeoutError("no answer")
            except TimeoutError:
                pass
    with flow.step("convert"):
        for n in range(20):
            with flow.step(f"step {n}"):
                pass
'''
WORKS = '''
import os, time
@flow
def works(path: str = ""):
    """Work until a file is there."""
    with flow.step("work"):
        while not os.path.exists(path):
            time.sleep(0.05)
'''
TEXTS_OF_FRAMES = """() => {
  window.drawn = [];
  const fill = CanvasRenderingContext2D.prototype.fillText;
  CanvasRenderingContext2D.prototype.fillText = function (text, ...where) {
    window.drawn.push(text);
    return fill.call(this, text, ...where);
  };
}"""
"""From now on each text that a canvas draws is kept."""

BOTH_TIMES = """async (frames) => {
  const found = [];
  for (let frame = 0; frame < frames; frame++) {
    window.drawn.length = 0;
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
    const beside = [...document.querySelectorAll(".tl-took .runs")].map((one) => one.textContent);
    found.push([beside, [...window.drawn]]);
  }
  return found;
}"""
"""What stands beside the bars and what was drawn on them, once each of so many frames is over."""

COLOURS = """(canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const found = new Set();
  for (let at = 0; at < data.length; at += 4) found.add([data[at], data[at + 1], data[at + 2]].join());
  return found.size;
}"""
COLOURS_WHEN_PAINTED = """
const mark = performance.mark;
performance.mark = function (name, ...more) {
  if (name === "hero:painted")
    requestAnimationFrame(() => requestAnimationFrame(() => {
      window.colours = (COLOURS)(document.querySelector(".tl-minimap"));
    }));
  return mark.call(this, name, ...more);
};
""".replace("COLOURS", COLOURS)


@pytest.fixture(scope="module")
def mixed(server: Server) -> str:
    """A play with a group in which some failed, and with more rows than fit."""
    server.publish("mixed", MIXED)
    return run_play(server, "mixed")


@pytest.fixture
def small(browser: Browser, server: Server) -> Iterator[Visit]:
    """A look at it on a telephone."""
    with visiting(browser, server, viewport={"width": 360, "height": 740}) as begun:
        yield begun.log_in()


def opened(visit: Visit, sid: str, query: str = "") -> Page:
    """The page of a play, once all its spans are there."""
    page = visit.go(f"/p/{sid}{query}")
    expect(page.get_by_role("treegrid", name="Spans")).to_have_attribute("aria-busy", "false")
    page.get_by_role("row").first.wait_for()
    return page


def chosen(page: Page) -> Locator:
    """The row that is chosen."""
    return page.get_by_role("row", selected=True)


def box(of: Locator) -> dict[str, float]:
    """Where it is."""
    found: Any = of.bounding_box()
    assert found
    return {**found, "bottom": found["y"] + found["height"], "right": found["x"] + found["width"]}


def test_keys_move_as_soon_as_a_play_is_open(visit: Visit, mixed: str) -> None:
    """Nothing has to be clicked for it, whatever button was pressed last."""
    page = opened(visit, mixed)
    label = chosen(page).locator(".tl-label")
    page.keyboard.press("End")
    expect(label).to_have_text("step 19")
    page.get_by_role("button", name="Zoom in").click()
    page.keyboard.press("Home")
    expect(label).to_have_text("mixed")
    expect(page.get_by_role("treegrid", name="Spans")).to_be_focused()
    page.get_by_role("button", name="Zoom in").click()
    page.keyboard.press("PageDown")
    expect(label).not_to_have_text("mixed")
    page.get_by_role("button", name="Zoom in").click()
    page.keyboard.press("PageUp")

    expect(label).to_have_text("mixed")


def test_what_is_typed_into_moves_no_row(visit: Visit, mixed: str) -> None:
    """There the same keys are the text's."""
    page = opened(visit, mixed)
    page.keyboard.press("End")
    expect(chosen(page).locator(".tl-label")).to_have_text("step 19")
    page.keyboard.press("/")
    page.keyboard.type("step")
    page.keyboard.press("Home")
    page.keyboard.type("a ")

    expect(page.get_by_role("searchbox", name=re.compile("Find spans"))).to_have_value("a step")
    expect(chosen(page).locator(".tl-label")).to_have_text("step 19")


@pytest.mark.parametrize("key", ["]", "[", "-", "+"])
def test_what_is_chosen_stays_so_while_all_is_folded(visit: Visit, mixed: str, key: str) -> None:
    """And stays where it is on the screen, as far as there are rows for that."""
    page = opened(visit, mixed)
    page.get_by_role("row").filter(has_text="convert").click()
    page.keyboard.press("ArrowDown")
    expect(chosen(page).locator(".tl-label")).to_have_text("step 0")
    rows = page.locator("#tl-found").inner_text()
    page.keyboard.press(key)
    expect(page.locator("#tl-found")).not_to_have_text(rows) if key in "[]" else None

    expect(chosen(page).locator(".tl-label")).to_have_text("step 0")
    tree, row = box(page.get_by_role("treegrid", name="Spans")), box(chosen(page))
    assert tree["y"] <= row["y"]
    assert row["bottom"] <= tree["bottom"]
    expect(page.get_by_role("region", name="Details").get_by_role("heading", name="step 0")).to_be_visible()


def test_a_row_that_holds_what_was_chosen_is_chosen_when_it_is_folded(visit: Visit, mixed: str) -> None:
    """The next step goes on from there."""
    page = opened(visit, mixed)
    holder = page.get_by_role("row").filter(has_text="convert")
    holder.click()
    page.keyboard.press("ArrowDown")
    expect(chosen(page).locator(".tl-label")).to_have_text("step 0")
    holder.locator(".tl-twist").click()

    expect(chosen(page).locator(".tl-label")).to_have_text("convert")


def test_on_a_telephone_the_chosen_row_is_above_its_details(small: Visit, mixed: str) -> None:
    """Both are in the window, though the details take the place that the row was in."""
    page = opened(small, mixed)
    page.locator(".tl-toolbar").evaluate("one => one.scrollIntoView()")
    page.locator(".tl-row .tl-label").filter(has_text="step 3").click()
    details = page.get_by_role("region", name="Details")
    expect(details.get_by_role("heading", name="step 3")).to_be_in_viewport()

    expect(chosen(page)).to_be_in_viewport()
    page.wait_for_function(
        """() => {
          const row = document.querySelector(".tl-row[aria-selected=true]").getBoundingClientRect();
          return row.bottom <= document.getElementById("tl-details").getBoundingClientRect().top + 1;
        }"""
    )


@pytest.mark.parametrize("width", [360, 1280, 1920])
def test_what_stands_beside_the_name_of_a_group_is_whole(
    browser: Browser, server: Server, mixed: str, width: int
) -> None:
    """How many failed, and how long the slowest took: said in fewer words where there is less room."""
    with visiting(browser, server, viewport={"width": width, "height": 800}) as visit:
        page = opened(visit.log_in(), mixed)
        group = page.get_by_role("row").filter(has_text="×40")
        took = box(group.locator(".tl-took")) if width > 640 else box(group.locator(".tl-name"))
        limit = took["x"] if width > 640 else took["right"]
        for badge in group.locator(".tl-badge:visible").all():
            assert badge.evaluate("one => one.scrollWidth <= one.clientWidth + 1")
            assert box(badge)["right"] <= limit + 1
        expect(group.locator(".tl-badge.failed")).to_be_visible()


def test_a_group_with_the_critical_path_in_it_is_marked(visit: Visit, mixed: str) -> None:
    """Most of the time went by there."""
    page = opened(visit, mixed)
    mark = page.get_by_role("row").filter(has_text="×40").locator(".tl-path-mark")
    expect(mark).to_have_count(0)
    page.keyboard.press("c")

    expect(mark).to_be_visible()


def test_a_bar_and_the_time_beside_it_are_of_one_moment(visit: Visit, server: Server, tmp_path: Path) -> None:
    """In each frame of a play that runs."""
    server.publish("works", WORKS)
    flag = tmp_path / "go"
    sid = server.call("play_start", flow_sid="works", input_data={"path": str(flag)})["sid"]
    page = opened(visit, sid)
    expect(page.locator(".tl-took .runs")).to_have_count(2)
    page.evaluate(TEXTS_OF_FRAMES)
    frames = page.evaluate(BOTH_TIMES, 20)
    flag.touch()

    drawn = [(beside, texts) for beside, texts in frames if texts]
    assert len(drawn) > 5
    for beside, texts in drawn:
        assert set(beside) <= set(texts)


def test_where_all_rows_are_seen_they_reach_to_the_edge(visit: Visit, server: Server) -> None:
    """Nothing stands between them and what is beside them."""
    page = opened(visit, run_play(server, "greet"))

    edge = box(page.locator(".tl-main"))["right"]
    assert box(page.locator(".tl-canvas"))["right"] == pytest.approx(edge, abs=1)


def test_the_strip_is_drawn_with_the_first_rows(visit: Visit, mixed: str) -> None:
    """It shows how busy the play was as soon as anything is shown, however fast that comes."""
    page = visit.go("/?flow=mixed")
    link = page.locator(".all .row .name").first
    link.wait_for()
    page.evaluate(f"() => {{ {COLOURS_WHEN_PAINTED} }}")
    link.click()
    page.wait_for_url(f"**/p/{mixed}*")

    page.wait_for_function("() => window.colours !== undefined")
    assert page.evaluate("() => window.colours") > 3


def test_the_flame_that_is_shown_first_has_its_boxes(visit: Visit, mixed: str) -> None:
    """An address that leads there waits for the spans, and not for a pause after them."""
    page = visit.go(f"/p/{mixed}?view=flame")
    canvas = page.locator(".tl-flame canvas")
    canvas.wait_for()
    colours = canvas.evaluate(
        "canvas => new Promise((resolve) => requestAnimationFrame(() => "
        f"requestAnimationFrame(() => resolve(({COLOURS})(canvas)))))"
    )

    assert colours > 3
