"""The list of plays: live, filtered, by keyboard, of any length."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from support.browsing import Visit, run_play, visiting
from support.serving import Server, begin_play, serving, session_over


def rows(page: Page) -> list[str]:
    """The texts of the rows that are there."""
    return page.locator(".all .row").all_inner_texts()


def test_a_play_shows_up_while_it_runs_and_ends_before_ones_eyes(
    visit: Visit, server: Server, tmp_path: Path
) -> None:
    """Without a reload."""
    flag = tmp_path / "go"
    expect(visit.page.get_by_role("status").filter(has_text="live")).to_be_visible()
    sid = server.call("play_run_async", flow_sid="waits", input_data={"path": str(flag)})
    row = visit.page.locator(".all .row").filter(has_text=sid)

    expect(row).to_contain_text("running")
    flag.touch()
    expect(row).to_contain_text("ok")
    expect(row.locator(".c-spans")).to_have_text("2")


def test_each_filter_is_in_the_address_and_works_from_it(visit: Visit) -> None:
    """So that what is seen has a link."""
    visit.page.get_by_role("button", name="failed", exact=True).click()
    visit.page.get_by_label("Flow", exact=True).fill("counted")
    visit.page.wait_for_url("**flow=counted**")

    assert "status=failed" in visit.page.url
    expect(visit.page.locator(".all .row")).to_have_count(1)
    visit.page.reload()
    expect(visit.page.locator(".all .row")).to_have_count(1)
    expect(visit.page.locator(".all .row")).to_contain_text("row 941 has no currency")
    visit.page.get_by_role("button", name="Clear").click()
    expect(visit.page.locator(".all .row")).not_to_have_count(1)


def test_text_is_found_in_inputs_too_and_live(visit: Visit, server: Server) -> None:
    """The stream has no inputs: the server is asked again."""
    visit.go("/?q=needle-7")
    expect(visit.page.get_by_role("heading", name="No play fits")).to_be_visible()

    sid = run_play(server, "greet", name="needle-7")
    expect(visit.page.locator(".all .row")).to_have_count(1)
    expect(visit.page.locator(".all .row")).to_contain_text(sid)


def test_the_keyboard_alone_finds_and_opens_a_play(visit: Visit) -> None:
    """Arrows, Enter, the key for finding, and the one for the newest failure."""
    page = visit.page
    expect(page.locator(".all .row").first).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("counted")
    page.wait_for_url("**q=counted**")
    expect(page.locator(".all .row")).to_have_count(2)
    page.keyboard.press("Escape")
    page.get_by_role("grid", name="Plays").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".row.active")).to_contain_text("ok")
    page.keyboard.press("Enter")

    expect(page.locator(".play-header h1")).to_have_text("counted")
    page.keyboard.press("1")
    expect(page.locator(".all .row").first).to_be_visible()
    page.keyboard.press("e")
    expect(page.get_by_role("group", name="Error", exact=True)).to_be_visible()


def test_thousands_of_plays_are_a_few_rows(browser: Browser, tmp_path: Path) -> None:
    """Only what is seen is there; the rest comes as one scrolls."""
    home = tmp_path / "home"
    with session_over(home) as session:
        for number in range(1100):
            session.plays.create(f"p{number:05}", flow="many")
    with serving(home, "--plays", "1") as server, visiting(browser, server) as visit:
        visit.log_in()
        expect(visit.page.locator(".all .row").first).to_be_visible()
        assert len(rows(visit.page)) < 100

        grid = visit.page.get_by_role("grid", name="Plays")
        grid.focus()
        for _ in range(5):
            with visit.page.expect_response("**/rpc"):
                visit.page.keyboard.press("End")
            expect(grid).to_have_attribute("aria-busy", "false")
        expect(grid).to_have_attribute("aria-rowcount", "1101")
        visit.page.keyboard.press("End")
        expect(visit.page.locator(".row.active")).to_contain_text("p00000")
        assert len(rows(visit.page)) < 100


def test_two_marked_plays_lead_to_their_comparison(visit: Visit) -> None:
    """The older one is A."""
    visit.go("/?flow=counted")
    boxes = visit.page.get_by_role("checkbox")
    expect(boxes).to_have_count(2)
    boxes.nth(0).check()
    boxes.nth(1).check()
    visit.page.get_by_role("link", name="Compare").click()

    expect(visit.page.get_by_role("region", name="Play A")).to_contain_text("ok")
    expect(visit.page.get_by_role("region", name="Play B")).to_contain_text("failed")


def test_an_empty_list_says_what_to_do(browser: Browser, tmp_path: Path) -> None:
    """And a play that is created outside shows up in it."""
    home = tmp_path / "home"
    with serving(home) as server, visiting(browser, server) as visit:
        visit.log_in()
        expect(visit.page.get_by_role("heading", name="No plays yet")).to_be_visible()

        with session_over(home) as session:
            begin_play(session, "from-outside")
            expect(visit.page.locator(".all .row")).to_contain_text("from-outside")
