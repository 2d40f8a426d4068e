"""The timeline of a play: followed live, searched, zoomed, walked by keys, taken along, and never fooled."""

from __future__ import annotations

import json
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from support.browsing import Visit, run_play
from support.serving import Server

MANY = '''
@flow
def many(count: int = 40):
    """Do one thing many times."""
    with flow.step("load"):
        for n in range(count):
            with flow.step("fetch", url=f"https://example.org/{n}"):
                pass
    with flow.step("store"):
        pass
'''
GROWS = '''
import os, time
@flow
def grows(path: str = ""):
    """Go on to another step when a file is there."""
    with flow.step("before") as step:
        step.log("waiting for the file")
        while not os.path.exists(path):
            time.sleep(0.02)
        step.log("the file is there")
    with flow.step("after"):
        pass
'''

READY = """() => new Promise((resolve) => {
  const look = () => {
    const marks = performance.getEntriesByType("mark").map(({ name, startTime }) => [name, startTime]);
    if (marks.some(([name]) => name === "hero:ready")) resolve(Object.fromEntries(marks));
    else requestAnimationFrame(look);
  };
  look();
})"""
"""The times of the marks, once the page is ready."""


def newest(server: Server, flow: str) -> str:
    """The play of a flow that was created last."""
    sid: str = server.call("play_list", flow=flow)["plays"][0]["sid"]
    return sid


def rows_of(page: Page) -> list[str]:
    """The names of the rows in sight, from the first to the last."""
    return page.locator(".tl-row .tl-label").all_inner_texts()


def test_why_a_play_failed_is_found_with_one_key(visit: Visit, server: Server) -> None:
    """The span that failed, not those that failed since it did, with its traceback."""
    page = visit.go(f"/p/{newest(server, 'fails')}")
    expect(page.get_by_role("treegrid", name="Spans").get_by_role("row").first).to_be_visible()
    run_play(server, "greet")
    sid = run_play(server, "fails")
    page = visit.go(f"/p/{sid}")
    page.get_by_role("row", name=re.compile("fails")).wait_for()
    page.keyboard.press("e")

    details = page.get_by_role("region", name="Details")
    expect(details.get_by_role("heading", name="work")).to_be_visible()
    expect(details).to_contain_text("ValueError: row 941 has no currency")
    expect(details).to_contain_text("Traceback")
    expect(page.get_by_role("row", selected=True)).to_contain_text("work")


def test_a_play_that_failed_opens_with_its_failure(visit: Visit, server: Server) -> None:
    """Without a key at all."""
    sid = run_play(server, "fails")
    page = visit.go(f"/p/{sid}")

    expect(page.get_by_role("region", name="Details")).to_contain_text("row 941 has no currency")


def test_the_tree_says_where_each_row_is(visit: Visit, server: Server) -> None:
    """Its level, whether it is open, its place, and how many rows there are in all."""
    sid = run_play(server, "fails")
    page = visit.go(f"/p/{sid}")
    tree = page.get_by_role("treegrid", name="Spans")
    total = server.call("play_status", play_sid=sid)["span_count"]

    expect(tree).to_have_attribute("aria-rowcount", str(total))
    expect(tree.get_by_role("row")).to_have_count(total)
    root = tree.get_by_role("row").first
    expect(root).to_have_attribute("aria-level", "1")
    expect(root).to_have_attribute("aria-expanded", "true")
    for place in range(total):
        expect(tree.get_by_role("row").nth(place)).to_have_attribute("aria-rowindex", str(place + 1))


def test_a_running_play_grows_before_the_eyes(visit: Visit, server: Server, tmp_path: Path) -> None:
    """Spans are there while they run, their logs too, and the last of them without a reload."""
    server.publish("grows", GROWS)
    flag = tmp_path / "go"
    sid = server.call("play_start", flow_sid="grows", input_data={"path": str(flag)})["sid"]
    page = visit.go(f"/p/{sid}")
    before = page.get_by_role("row", name=re.compile("before"))
    expect(before).to_contain_text("running")
    before.click()
    details = page.get_by_role("region", name="Details")
    expect(details).to_contain_text("waiting for the file")
    flag.touch()

    expect(page.get_by_role("row", name=re.compile("after"))).to_contain_text("ok")
    expect(before).to_contain_text("ok")
    expect(details).to_contain_text("the file is there")


def test_a_play_that_is_over_opens_no_stream(visit: Visit, server: Server) -> None:
    """All of it is in the columns."""
    asked: list[str] = []
    visit.page.on("request", lambda request: asked.append(request.url))
    page = visit.go(f"/p/{newest(server, 'greet')}")
    expect(page.locator(".connection")).to_have_text("ended")

    assert [url for url in asked if "/events" in url and "/p/" not in url and "/plays/" in url] == []


def test_keys_move_and_fold(visit: Visit, server: Server) -> None:
    """Down, left to fold, right to unfold, right again to go in."""
    sid = run_play(server, "fails")
    page = visit.go(f"/p/{sid}")
    tree = page.get_by_role("treegrid", name="Spans")
    selected = tree.get_by_role("row", selected=True)
    expect(selected).to_contain_text("work")
    tree.focus()
    page.keyboard.press("Home")
    expect(selected).to_contain_text("fails")
    page.keyboard.press("ArrowLeft")
    expect(selected).to_have_attribute("aria-expanded", "false")
    expect(tree.get_by_role("row")).to_have_count(1)
    page.keyboard.press("ArrowRight")
    expect(selected).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowRight")

    expect(selected).to_contain_text("work")
    expect(selected).to_have_attribute("aria-level", "2")
    expect(tree).to_have_attribute("aria-activedescendant", str(selected.get_attribute("id")))


def test_many_siblings_of_one_name_are_one_row(visit: Visit, server: Server) -> None:
    """With the slowest below it; all of them when it is unfolded."""
    server.publish("many", MANY)
    page = visit.go(f"/p/{run_play(server, 'many')}")
    group = page.get_by_role("row").filter(has_text="×40")
    expect(group).to_contain_text("slowest")
    assert rows_of(page).count("fetch") == 2
    group.locator(".tl-label").click()
    page.get_by_role("button", name="Show all 40").click()

    page.get_by_role("treegrid", name="Spans").focus()
    page.keyboard.press("End")
    expect(page.get_by_role("row", selected=True)).to_contain_text("store")
    assert rows_of(page).count("fetch") > 10


def test_spans_are_found_by_words(visit: Visit, server: Server) -> None:
    """How many of how many is said; Enter goes from one to the next."""
    sid = run_play(server, "fails")
    page = visit.go(f"/p/{sid}")
    total = server.call("play_status", play_sid=sid)["span_count"]
    page.get_by_role("treegrid", name="Spans").wait_for()
    page.keyboard.press("/")
    page.keyboard.type("look c")

    expect(page.locator("#tl-found")).to_have_text(f"4 of {total} spans")
    page.keyboard.press("Enter")
    first = page.get_by_role("row", selected=True)
    expect(first).to_contain_text("look closely")
    before = first.get_attribute("id")
    page.keyboard.press("Enter")
    expect(first).not_to_have_attribute("id", str(before))
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("status:failed currency")
    expect(page.locator("#tl-found")).to_have_text(f"2 of {total} spans")


def test_spans_are_found_by_their_tags_and_logs(visit: Visit, server: Server) -> None:
    """Which the server has: the page does not load them all."""
    page = visit.go(f"/p/{run_play(server, 'greet', name='Hypatia', times=2)}")
    page.get_by_role("treegrid", name="Spans").wait_for()
    page.keyboard.press("/")
    page.keyboard.type("hypatia")
    expect(page.locator("#tl-found")).to_have_text("2 of 3 spans")
    page.keyboard.press("Enter")

    expect(page.get_by_role("row", selected=True)).to_contain_text("choose words")


def test_an_address_leads_to_a_span(visit: Visit, server: Server) -> None:
    """What is chosen is in the address, and the address chooses it."""
    sid = newest(server, "greet")
    span = next(
        one for one in server.call("play_get", play_sid=sid)["spans"] if one["name"] == "choose words"
    )
    page = visit.go(f"/p/{sid}?span={span['span_id']}")
    expect(page.get_by_role("row", selected=True)).to_contain_text("choose words")
    expect(page.get_by_role("region", name="Details")).to_contain_text("Ada")
    page.get_by_role("row", name=re.compile("greet")).first.click()

    expect(page).to_have_url(re.compile(r"\?span=(?!" + re.escape(span["span_id"]) + ")"))


def test_zooming_and_panning_change_what_is_seen(visit: Visit, server: Server) -> None:
    """By keys and by the wheel, and back to all of it."""
    page = visit.go(f"/p/{newest(server, 'greet')}")
    seen = page.locator(".tl-range")
    page.get_by_role("row").first.wait_for()
    expect(seen).to_have_text("all")
    page.keyboard.press("w")
    expect(seen).not_to_have_text("all")
    wide = seen.inner_text()
    box = page.locator(".tl-canvas").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    expect(seen).not_to_have_text(wide)
    page.keyboard.press("d")
    expect(page).to_have_url(re.compile(r"[?&]t=\d"))
    page.keyboard.press("0")

    expect(seen).to_have_text("all")
    expect(page).not_to_have_url(re.compile(r"[?&]t="))


def test_a_pinch_zooms_to_what_is_under_it(visit: Visit, server: Server) -> None:
    """As browsers send it from a touchpad: small turns of the wheel, with a Ctrl that nobody holds down."""
    sid = newest(server, "greet")
    page = visit.go(f"/p/{sid}")
    page.get_by_role("row").first.wait_for()
    seen = page.locator(".tl-range")
    box = page.locator(".tl-canvas").bounding_box()
    assert box
    devtools = page.context.new_cdp_session(page)

    def pinch(by: float, times: int) -> None:
        for _ in range(times):
            place = {"x": box["x"] + box["width"] / 4, "y": box["y"] + 60}
            wheel = {"type": "mouseWheel", "deltaX": 0, "deltaY": by, "modifiers": 2}
            devtools.send("Input.dispatchMouseEvent", {**wheel, **place})

    pinch(-4.25, 40)
    expect(page).to_have_url(re.compile(r"[?&]t=\d"))
    found = re.search(r"[?&]t=([\d.]+)-([\d.]+)", page.url)
    assert found
    from_ms, to_ms = float(found[1]), float(found[2])
    under_ms = from_ms + (to_ms - from_ms) / 4
    expect(seen).not_to_have_text("all")
    assert page.evaluate("() => visualViewport.scale") == 1
    pinch(4.25, 60)

    expect(seen).to_have_text("all")
    # A quarter of all of it was under the fingers, and was still when they had zoomed.
    spans = server.call("play_get", play_sid=sid)["spans"]
    extent_ms = max(one["end_ms"] for one in spans) - min(one["start_ms"] for one in spans)
    assert abs(under_ms - extent_ms / 4) < 0.01 * extent_ms


def test_the_critical_path_is_said_and_shown(visit: Visit, server: Server) -> None:
    """A key turns it on and off."""
    page = visit.go(f"/p/{newest(server, 'greet')}")
    page.get_by_role("row").first.wait_for()
    page.keyboard.press("c")
    expect(page.get_by_text("The time went by waiting for")).to_be_visible()
    expect(page.get_by_role("button", name="Critical path")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("c")

    expect(page.get_by_text("The time went by waiting for")).to_be_hidden()


def test_the_table_counts_by_name(visit: Visit, server: Server) -> None:
    """A row for each name, and a click finds its spans."""
    page = visit.go(f"/p/{newest(server, 'greet')}")
    page.get_by_role("button", name="Names").click()
    table = page.get_by_role("region", name="Spans by name")
    expect(table.get_by_role("row", name=re.compile("choose words"))).to_be_visible()
    table.get_by_role("button", name="choose words").click()

    expect(page.get_by_role("searchbox", name=re.compile("Find spans"))).to_have_value("choose words")
    expect(page.get_by_role("treegrid", name="Spans")).to_be_visible()


def test_the_flame_view_is_a_list_too(visit: Visit, server: Server) -> None:
    """For whoever does not see the canvas."""
    page = visit.go(f"/p/{newest(server, 'greet')}")
    page.get_by_role("button", name="Flame").click()
    page.get_by_text("As a list").click()

    expect(page.get_by_role("region", name="Flame view").get_by_role("listitem").first).to_contain_text(
        "greet"
    )


def test_a_play_is_taken_along(visit: Visit, server: Server, tmp_path: Path) -> None:
    """As a Chrome trace with each span, and as a page that needs no server and no script."""
    sid = run_play(server, "fails")
    total = server.call("play_status", play_sid=sid)["span_count"]
    page = visit.go(f"/p/{sid}")
    page.get_by_role("row").first.wait_for()
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as traced:
        page.get_by_role("button", name="Open in Perfetto").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as a page").click()

    events = json.loads(Path(traced.value.path()).read_text())["traceEvents"]
    assert len([event for event in events if event["ph"] == "X"]) == total
    saved.value.save_as(tmp_path / "play.html")
    text = (tmp_path / "play.html").read_text()
    assert "row 941 has no currency" in text
    assert "<script" not in text
    assert re.findall(r"<(?:link|img|iframe|object)|url\(|@import", text) == []


def test_hostile_text_stays_text(visit: Visit, server: Server) -> None:
    """In rows, details, logs, tags and exports; what runs or loads would be a problem of the visit."""
    page = visit.go(f"/p/{newest(server, '<img src=x onerror=alert(1)>')}")
    page.get_by_role("row").filter(has_text="<svg onload=alert(4)>").click()

    details = page.get_by_role("region", name="Details")
    expect(details).to_contain_text("</textarea><script>alert(5)</script>")
    expect(details).to_contain_text("</pre><script>alert(6)</script>")
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as a page").click()
    assert "<svg" not in Path(saved.value.path()).read_text()


def test_the_timeline_has_nothing_that_keeps_anybody_out(visit: Visit, server: Server) -> None:
    """What axe-core finds, in each of its views."""
    sid = run_play(server, "fails")
    page = visit.go(f"/p/{sid}")
    expect(page.get_by_role("region", name="Details")).to_contain_text("row 941")
    assert visit.violations() == []
    page.get_by_role("button", name="Names").click()
    page.get_by_role("region", name="Spans by name").wait_for()
    assert visit.violations() == []
    page.get_by_role("button", name="Flame").click()
    page.get_by_role("region", name="Flame view").wait_for()

    assert visit.violations() == []


def test_the_marks_of_its_speed_are_set(visit: Visit, server: Server) -> None:
    """`hero:painted`, and `hero:ready` not before it."""
    page = visit.go(f"/p/{newest(server, 'greet')}")
    times = page.evaluate(READY)

    assert times["hero:painted"] <= times["hero:ready"]
