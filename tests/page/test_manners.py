"""What holds for every view: whoever looks, however wide, whatever a play says, and without a server."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, expect

from hero_logic.server.page_files import POLICY
from support.browsing import Visit, run_play, visiting
from support.serving import Server, serving

HOSTILE_NAME = "<img src=x onerror=alert(1)>"
VIEWS = ("/", "/p/{sid}", "/library?flow=greet", "/compare?a={sid}&b={sid}", "/nowhere-at-all", "/p/nothing")


@pytest.fixture(scope="module")
def failed(server: Server) -> str:
    """A play with an error to show."""
    return run_play(server, "fails")


def settle(visit: Visit) -> None:
    """Wait until nothing is being read any more."""
    expect(visit.page.locator("main")).not_to_be_empty()
    expect(visit.page.locator("[aria-busy=true]")).to_have_count(0)


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (1280, "light"),
        (360, "dark"),
        pytest.param(1280, "dark", marks=pytest.mark.soak),
        pytest.param(360, "light", marks=pytest.mark.soak),
    ],
)
def test_axe_finds_nothing_to_complain_of(
    browser: Browser, server: Server, failed: str, width: int, scheme: str
) -> None:
    """Names, roles and contrasts of each view."""
    with visiting(browser, server, color_scheme=scheme, viewport={"width": width, "height": 740}) as visit:
        visit.log_in()
        found = {}
        for view in VIEWS[:4]:
            visit.go(view.format(sid=failed))
            settle(visit)
            found[view] = visit.violations()
        visit.context.clear_cookies()
        visit.go("/")
        expect(visit.page.get_by_role("heading", name="Log in")).to_be_visible()
        found["login"] = visit.violations()

    assert {view: said for view, said in found.items() if said} == {}


@pytest.mark.parametrize(
    "width",
    [360, 1024, pytest.param(700, marks=pytest.mark.soak), pytest.param(3840, marks=pytest.mark.soak)],
)
def test_no_view_is_wider_than_its_window(browser: Browser, server: Server, failed: str, width: int) -> None:
    """From a telephone to a wall."""
    with visiting(browser, server, viewport={"width": width, "height": 700}) as visit:
        visit.log_in()
        for view in VIEWS[:4]:
            visit.go(view.format(sid=failed))
            settle(visit)
            over = visit.page.evaluate("document.documentElement.scrollWidth - innerWidth")

            assert over <= 0, view


def test_what_a_play_says_is_text(browser: Browser, server: Server) -> None:
    """Names, errors, inputs, tags and sources of a flow that would like to be a page."""
    sid = server.call("play_list", flow=HOSTILE_NAME)["plays"][0]["sid"]
    with visiting(browser, server) as visit:
        visit.page.on("dialog", lambda dialog: visit.problems.append(dialog.message))
        visit.log_in()
        views = ("/", f"/p/{sid}", f"/library?flow={quote(HOSTILE_NAME)}", f"/compare?a={sid}&b={sid}")
        for view in views:
            visit.go(view)
            settle(visit)
            expect(visit.page.get_by_text(HOSTILE_NAME, exact=True).first).to_be_visible()
            foreign = "main img, main script, main svg[onload]"
            assert visit.page.locator(foreign).count() == 0, view


def test_the_policy_refuses_inline_scripts(visit: Visit) -> None:
    """Were there a hole, there would be nothing to come through it."""
    expect(visit.page.get_by_role("grid")).to_be_visible()
    ran = visit.page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.ran = true";
          document.body.append(script);
          return window.ran === true;
        }"""
    )

    assert ran is False
    assert any("Content Security Policy" in problem for problem in visit.problems)
    visit.problems.clear()
    assert b"unsafe" not in POLICY
    assert b"data:" not in POLICY


def test_a_server_that_goes_and_comes_back_is_said_and_caught_up_with(
    browser: Browser, tmp_path: Path
) -> None:
    """Nothing has to be clicked, and nothing is missed."""
    home = tmp_path / "home"
    with serving(home, "--no-token") as first, visiting(browser, first) as visit:
        port = first.port
        visit.go("/")
        expect(visit.page.locator(".connection")).to_have_text("live")
        first.stop()
        expect(visit.page.locator(".connection")).to_have_text("reconnecting …")

        with serving(home, "--no-token", "--port", str(port)) as second:
            second.publish("greet", '@flow\ndef greet():\n    return "hello"\n')
            sid = run_play(second, "greet")
            expect(visit.page.locator(".connection")).to_have_text("live")
            expect(visit.page.locator(".all .row")).to_contain_text(sid)
            visit.page.goto("about:blank")


def test_without_a_server_an_action_says_so(browser: Browser, tmp_path: Path) -> None:
    """And can be tried again."""
    with serving(tmp_path / "home", "--no-token") as server, visiting(browser, server) as visit:
        server.publish("greet", '@flow\ndef greet():\n    return "hello"\n')
        visit.go("/library?flow=greet")
        expect(visit.page.get_by_role("button", name="Run", exact=True)).to_be_visible()
        server.stop()
        visit.page.get_by_role("button", name="Run", exact=True).click()

        expect(visit.page.get_by_role("alert")).to_contain_text("The server does not answer.")


def test_an_address_that_leads_nowhere_says_so(browser: Browser, server: Server) -> None:
    """In words, without a session too, and with places to go on from."""
    with visiting(browser, server) as visit:
        page = visit.go("/nowhere/at-all")
        expect(page.get_by_role("heading")).to_have_text("There is nothing at /nowhere/at-all")

        visit.log_in()
        page = visit.go("/<b>nowhere")
        expect(page.get_by_role("heading")).to_contain_text("There is nothing at")
        page.get_by_role("main").get_by_role("link", name="All plays").click()
        expect(page.get_by_role("grid", name="Plays")).to_be_visible()


def test_a_play_that_is_not_on_record_says_what_to_do(visit: Visit) -> None:
    """With its id, and ways to find it."""
    page = visit.go("/p/0badc0de")

    expect(page.get_by_role("heading", name="There is no such play")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("0badc0de")
    page.get_by_role("link", name="Find what looks like it").click()
    expect(page.get_by_label("Find in")).to_have_value("0badc0de")


def test_the_last_play_where_there_is_none_says_how_to_make_one(browser: Browser, tmp_path: Path) -> None:
    """A server that is new has no last play."""
    with serving(tmp_path / "home", "--no-token") as server, visiting(browser, server) as visit:
        visit.go("/p/last")

        expect(visit.page.get_by_role("heading", name="There is no play yet")).to_be_visible()


def test_the_keys_that_there_are_are_shown(visit: Visit) -> None:
    """Those of the view and those of everywhere."""
    expect(visit.page.get_by_role("grid")).to_be_visible()
    visit.page.keyboard.press("?")
    dialog = visit.page.get_by_role("dialog", name="Keys")
    expect(dialog).to_contain_text("opens the newest play that failed")
    expect(dialog).to_contain_text("the library")
    expect(dialog.get_by_role("heading", level=3)).to_have_text(["The list of plays", "Everywhere"])
    lefts = dialog.locator("dd").evaluate_all("all => all.map(one => one.getBoundingClientRect().left)")
    assert len(set(lefts)) == 1  # one column, across sections
    visit.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)

    visit.page.keyboard.press("2")
    expect(visit.page.get_by_label("Find a flow")).to_be_visible()


def test_back_goes_to_what_was_seen_before(visit: Visit) -> None:
    """Without loading the page anew."""
    visit.page.evaluate("window.isTheSame = true")
    visit.page.locator(".all .row .name").first.click()
    expect(visit.page.locator(".play-header h1")).to_be_visible()
    visit.page.get_by_role("link", name="Library").click()
    expect(visit.page.get_by_label("Find a flow")).to_be_visible()
    visit.page.go_back()
    expect(visit.page.locator(".play-header h1")).to_be_visible()
    visit.page.go_back()
    expect(visit.page.get_by_role("grid", name="Plays")).to_be_visible()

    assert visit.page.evaluate("window.isTheSame") is True


def test_nothing_moves_for_who_wants_no_motion(browser: Browser, server: Server) -> None:
    """As the system says."""
    with visiting(browser, server, reduced_motion="reduce") as visit:
        visit.log_in()
        expect(visit.page.locator(".all .row").first).to_be_visible()
        moving = visit.page.evaluate("document.getAnimations().length")

    assert moving == 0
