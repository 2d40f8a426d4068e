"""Logging in, what is said where that is refused, and what happens when a session is over."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from support.browsing import visiting
from support.serving import Server, serving


def test_the_address_with_a_code_logs_in_and_shows_the_plays(browser: Browser, server: Server) -> None:
    """And the code is nowhere in the history."""
    with visiting(browser, server) as visit:
        visit.log_in()

        expect(visit.page.get_by_role("grid", name="Plays")).to_be_visible()
        assert "#" not in visit.page.url
        visit.page.go_back()
        assert "#" not in visit.page.url


def test_a_code_that_was_used_is_refused_in_words(browser: Browser, server: Server) -> None:
    """And another one can be given in the same place."""
    with visiting(browser, server) as visit:
        client = server.http()
        code = client.post("/login-code").json()["code"]
        assert client.post("/login", json={"code": code}).status_code == 204

        visit.go(f"/login#{code}")
        expect(visit.page.get_by_role("alert")).to_contain_text("each works once")
        fresh = client.post("/login-code").json()["code"]
        visit.page.get_by_label("Address or code").fill(f"{server.url}/login#{fresh}")
        visit.page.keyboard.press("Enter")
        expect(visit.page.get_by_role("grid", name="Plays")).to_be_visible()


def test_another_address_in_the_same_window_logs_in(browser: Browser, server: Server) -> None:
    """Only what is behind the # differs then, and a browser loads nothing anew."""
    with visiting(browser, server) as visit:
        visit.go("/login#used-before")
        expect(visit.page.get_by_role("alert")).to_contain_text("each works once")

        visit.log_in()
        expect(visit.page.get_by_role("grid", name="Plays")).to_be_visible()
        assert "#" not in visit.page.url


def test_who_has_no_session_is_shown_the_login_and_then_what_was_wanted(
    browser: Browser, server: Server
) -> None:
    """A link to a play works for who logs in on it."""
    with visiting(browser, server) as visit:
        visit.go("/p/last")
        expect(visit.page.get_by_role("heading", name="Log in")).to_be_visible()
        expect(visit.page.get_by_text("hero-logic open")).to_be_visible()
        visit.page.get_by_label("Address or code").fill(server.http().post("/login-code").json()["code"])
        visit.page.get_by_role("button", name="Log in").click()
        expect(visit.page.locator(".play-header h1")).to_be_visible()
        assert visit.page.url == f"{server.url}/p/last"


@pytest.mark.parametrize("path", ["/", "/p/last", "/library", "/compare", "/login"])
def test_a_first_visit_is_no_failure(browser: Browser, server: Server, path: str) -> None:
    """It says how to log in; nothing is asked that is refused, and no session is over that never was."""
    with visiting(browser, server) as visit:
        visit.go(path)
        expect(visit.page.get_by_role("heading", name="Log in")).to_be_visible()

        expect(visit.page.get_by_text("hero-logic open")).to_be_visible()
        expect(visit.page.get_by_role("alert")).to_have_count(0)
        assert visit.refused == []


def test_a_server_that_wants_no_token_asks_for_no_login(browser: Browser, tmp_path: Path) -> None:
    """The first visit shows the plays."""
    with serving(tmp_path / "home", "--no-token") as server, visiting(browser, server) as visit:
        visit.go("/")
        expect(visit.page.get_by_role("grid", name="Plays")).to_be_visible()

        assert visit.refused == []


def test_a_session_that_is_over_is_said(browser: Browser, server: Server) -> None:
    """The next call that is refused turns the page to the login."""
    with visiting(browser, server) as visit:
        visit.log_in()
        expect(visit.page.locator(".all .row").first).to_be_visible()
        visit.context.clear_cookies()
        visit.page.get_by_label("Find in").fill("anything")

        expect(visit.page.get_by_role("heading", name="Log in")).to_be_visible()
        expect(visit.page.get_by_role("alert")).to_contain_text("The session is over")
