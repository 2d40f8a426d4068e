"""Two plays side by side."""

from __future__ import annotations

from itertools import pairwise

from playwright.sync_api import Browser, expect

from support.browsing import Visit, run_play, visiting
from support.serving import Server

FAILS_OTHERWISE = '''
@flow
def unlike():
    """Fail in a step of the same name, of something else."""
    with flow.step("work"):
        raise KeyError("currency")
'''


def test_what_failed_and_what_is_gone_are_told(visit: Visit, server: Server) -> None:
    """By the path of names, with how often."""
    well, badly = run_play(server, "fails", at=9), run_play(server, "fails", at=2)
    page = visit.go(f"/compare?a={well}&b={badly}")
    tree = page.get_by_role("treegrid", name="Differences")

    work = tree.get_by_role("row", name="work")
    expect(work).to_contain_text("5 → 3")
    expect(work).to_contain_text("failed")
    expect(work).to_contain_text("row 941 has no currency")
    expect(tree.get_by_role("row", name="write")).to_contain_text("gone")
    expect(page.get_by_text("Their inputs differ.")).to_be_visible()
    page.get_by_role("button", name="gone").click()
    expect(tree.locator(".all .row")).to_have_count(1)


def test_the_errors_of_both_plays_are_shown(visit: Visit, server: Server) -> None:
    """At their place and of the plays: each says whose it is, and what both say is said once."""
    one, other = run_play(server, "fails", at=2), run_play(server, "fails", at=3)
    unlike = server.publish("unlike", FAILS_OTHERWISE)
    third = run_play(server, unlike)
    page = visit.go(f"/compare?a={one}&b={other}")
    work = page.get_by_role("treegrid", name="Differences").get_by_role("row", name="work")
    expect(work.locator(".c-why p")).to_have_text(["A, B ValueError: row 941 has no currency"])

    page = visit.go(f"/compare?a={one}&b={third}")
    expect(work.locator(".c-why p")).to_have_text(
        ["A ValueError: row 941 has no currency", "B KeyError: 'currency'"]
    )
    expect(page.get_by_role("region", name="Play A")).to_contain_text("row 941 has no currency")
    expect(page.get_by_role("region", name="Play B")).to_contain_text("KeyError: 'currency'")


def test_on_a_telephone_nothing_is_left_out(browser: Browser, server: Server) -> None:
    """What a place took in each play, the difference, how often and what changed: stacked, not hidden."""
    well, badly = run_play(server, "fails", at=9), run_play(server, "fails", at=2)
    with visiting(browser, server, viewport={"width": 360, "height": 740}) as visit:
        visit.log_in()
        page = visit.go(f"/compare?a={well}&b={badly}")
        work = page.get_by_role("treegrid", name="Differences").get_by_role("row", name="work")
        for part in (".c-name", ".c-count", ".c-a", ".c-b", ".c-by", ".c-what", ".c-why"):
            expect(work.locator(part)).to_be_in_viewport(ratio=1)
        boxes = [work.locator(part).bounding_box() for part in (".c-count", ".c-a", ".c-b", ".c-by")]

        assert all(one and other and one["x"] + one["width"] <= other["x"] for one, other in pairwise(boxes))


def test_the_other_way_round_new_is_gone(visit: Visit, server: Server) -> None:
    """And what failed is mended."""
    well, badly = run_play(server, "fails", at=9), run_play(server, "fails", at=2)
    page = visit.go(f"/compare?a={well}&b={badly}")
    page.get_by_role("button", name="Swap").click()
    tree = page.get_by_role("treegrid", name="Differences")

    expect(tree.get_by_role("row", name="write")).to_contain_text("new")
    expect(tree.get_by_role("row", name="work")).to_contain_text("mended")


def test_rows_fold_by_keys(visit: Visit, server: Server) -> None:
    """As in the tree of a play."""
    sid = run_play(server, "greet", times=2)
    page = visit.go(f"/compare?a={sid}&b={sid}")
    tree = page.get_by_role("treegrid", name="Differences")
    expect(tree.locator(".all .row")).to_have_count(2)
    tree.focus()
    page.keyboard.press("ArrowLeft")
    expect(tree.locator(".all .row")).to_have_count(1)
    expect(tree.locator(".all .row")).to_have_attribute("aria-expanded", "false")

    page.keyboard.press("ArrowRight")
    expect(tree.locator(".all .row")).to_have_count(2)


def test_with_one_play_the_other_is_chosen_among_those_of_its_flow(visit: Visit, server: Server) -> None:
    """One click away."""
    first, second = run_play(server, "greet"), run_play(server, "greet")
    page = visit.go(f"/compare?b={second}")
    page.get_by_role("link", name=first).click()

    expect(page.get_by_role("region", name="Play A")).to_contain_text(first)
    expect(page.get_by_role("region", name="Play B")).to_contain_text(second)


def test_a_play_that_is_not_there_is_said(visit: Visit, server: Server) -> None:
    """With its id."""
    page = visit.go(f"/compare?a=nothing&b={run_play(server, 'greet')}")

    expect(page.get_by_role("heading", name="There is no such play")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("nothing")
