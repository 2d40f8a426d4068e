"""The head of a play: how it stands, why, what it was given and gave, and what can be done with it."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from support.browsing import Visit, run_play
from support.serving import Server


def sid_of(server: Server, flow: str, status: str) -> str:
    """The newest play of a flow that stands so."""
    sid: str = server.call("play_list", flow=flow, statuses=[status])["plays"][0]["sid"]
    return sid


def test_why_a_play_failed_is_seen_first(visit: Visit, server: Server) -> None:
    """The line that matters, then all of it."""
    page = visit.go(f"/p/{sid_of(server, 'fails', 'failed')}")
    error = page.get_by_role("group", name="Error", exact=True)

    expect(error.locator(".first")).to_have_text("ValueError: row 941 has no currency")
    error.locator("summary").click()
    expect(error).to_contain_text("Traceback")
    expect(page.locator(".play-header")).to_contain_text("tier0")


def test_input_and_output_are_shown_when_asked_for(visit: Visit, server: Server) -> None:
    """A line of each is there always."""
    page = visit.go(f"/p/{run_play(server, 'greet', name='Grace')}")
    given = page.get_by_role("button", name="Input")
    expect(given).to_contain_text('{"name":"Grace"}')
    expect(given).to_have_attribute("aria-expanded", "false")
    given.click()

    expect(page.get_by_role("region", name="Input")).to_contain_text('"name": "Grace"')
    page.get_by_role("button", name="Output").click()
    expect(page.get_by_role("region", name="Output")).to_contain_text("Hello, Grace!")


def test_a_play_is_followed_to_its_end(visit: Visit, server: Server, tmp_path: Path) -> None:
    """Its status, its output and the connection, without a reload."""
    flag = tmp_path / "go"
    sid = server.call("play_start", flow_sid="waits", input_data={"path": str(flag)})["sid"]
    page = visit.go(f"/p/{sid}")
    expect(page.locator(".play-header .status")).to_have_text("running")
    expect(page.locator(".connection")).to_have_text("live")
    flag.touch()

    expect(page.locator(".play-header .status")).to_have_text("ok")
    expect(page.get_by_role("button", name="Output")).to_contain_text("done")
    expect(page.locator(".connection")).to_have_text("ended")


def test_a_running_play_is_cancelled_and_run_again(visit: Visit, server: Server, tmp_path: Path) -> None:
    """And the new one says whose input it has."""
    flag = tmp_path / "go"
    sid = server.call("play_start", flow_sid="waits", input_data={"path": str(flag)})["sid"]
    page = visit.go(f"/p/{sid}")
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.locator(".play-header .status")).to_have_text("cancelled")
    flag.touch()
    page.get_by_role("button", name="Run again").click()
    page.wait_for_url(lambda url: "/p/" in url and sid not in url)

    expect(page.locator(".play-header .status")).to_have_text("ok")
    expect(page.locator(".play-header .facts").get_by_role("link", name=sid)).to_be_visible()


def test_a_play_is_deleted_when_one_is_sure(visit: Visit, server: Server) -> None:
    """It takes two clicks, and the list is without it."""
    sid = run_play(server, "greet")
    page = visit.go(f"/p/{sid}")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete for good").click()
    page.wait_for_url(f"{server.url}/")

    assert server.refused("play_status", play_sid=sid)[0] == "not_found"
    visit.go(f"/p/{sid}")
    expect(page.get_by_role("heading", name="There is no such play")).to_be_visible()


def test_the_input_of_a_play_is_changed_and_run_anew(visit: Visit, server: Server) -> None:
    """The form of its flow has it."""
    page = visit.go(f"/p/{run_play(server, 'greet', name='Grace', times=2)}")
    page.get_by_role("link", name="With other input").click()

    expect(page.get_by_label("name")).to_have_value("Grace")
    expect(page.get_by_label("times")).to_have_value("2")
