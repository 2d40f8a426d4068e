"""A browser, and the page in it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from hero_logic.server.page_files import BUILT
from support.serving import Server

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WAIT_MS = 20_000
"""For anything to show up: tests share the machine with each other."""

expect.set_options(timeout=WAIT_MS)


def chromium_path() -> str:
    """That of the machine.

    Skips the test where there is none, or where the page is not built.
    """
    if not Path(BUILT, "index.html").exists():
        pytest.skip("the page is not built: `make setup` builds it where there is Node")
    for name in BROWSERS:
        found = shutil.which(name)
        if found:
            return found
    pytest.skip("there is no browser here: `apt-get install chromium`")


class Browsing:
    """A browser without a window, which waits between the tests that use it.

    What drives it has an event loop that runs in this thread, in a stack of its own, for as long as there is
    a browser. Between those tests the thread is told that none runs: other tests have loops of their own.
    """

    def __init__(self) -> None:
        path = chromium_path()
        self._driver = sync_playwright().start()
        # Tests run as root in containers, where its own sandbox cannot be had.
        self._browser = self._driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        self._loop = asyncio._get_running_loop()
        asyncio._set_running_loop(None)

    @contextmanager
    def used(self) -> Iterator[Browser]:
        """The browser, for as long as the block lasts."""
        asyncio._set_running_loop(self._loop)
        try:
            yield self._browser
        finally:
            asyncio._set_running_loop(None)

    def close(self) -> None:
        """End it."""
        with self.used():
            self._browser.close()
            self._driver.stop()


class Visit:
    """One person's look at the page: what went wrong in it is an error of the test."""

    def __init__(self, context: BrowserContext, server: Server) -> None:
        self.context = context
        self.server = server
        self.page: Page = context.new_page()
        self.page.set_default_timeout(WAIT_MS)
        self.problems: list[str] = []
        """What the browser complained of: refused scripts, failures, requests to elsewhere."""
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", self._heard)
        self.page.on("request", self._asked)
        self.refused: list[str] = []
        """Where the server refused it: a browser writes each into its console."""
        self.page.on("response", self._answered)

    def _heard(self, message: Any) -> None:
        # That a request was refused, or a server is away, is said by the page itself, and tested there.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.problems.append(message.text)

    def _asked(self, request: Any) -> None:
        if urlsplit(request.url).netloc != urlsplit(self.server.url).netloc:
            self.problems.append(f"a request to {request.url}")

    def _answered(self, response: Any) -> None:
        if response.status >= 400:
            self.refused.append(f"{response.status} {urlsplit(response.url).path}")

    def log_in(self) -> Visit:
        """With a code that works once, as `hero-logic open` gives one."""
        code = self.server.http().post("/login-code").json()["code"]
        self.page.goto(f"{self.server.url}/login#{code}")
        self.page.wait_for_url(f"{self.server.url}/")
        return self

    def go(self, path: str) -> Page:
        """To an address of the page."""
        self.page.goto(self.server.url + path)
        return self.page

    def violations(self) -> list[str]:
        """What axe-core has to say of what is shown."""
        source = (WEB / "node_modules" / "axe-core" / "axe.min.js").read_text()
        self.page.evaluate(source)
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{one['id']}: {node['html'][:200]} {node['failureSummary']}"
            for one in found["violations"]
            for node in one["nodes"]
        ]


@contextmanager
def visiting(browser: Browser, server: Server, **options: Any) -> Iterator[Visit]:
    """A visit without a session; whatever went wrong in the page fails the test."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
    try:
        visit = Visit(context, server)
        yield visit
        assert visit.problems == []
    finally:
        context.close()


def run_play(server: Server, flow: str, **input_data: object) -> str:
    """Run a play to its end; its sid."""
    sid: str = server.call("play_run_async", flow_sid=flow, input_data=input_data)
    assert server.call("play_wait", play_sid=sid, timeout_ms=20_000)["end_ms"] is not None
    return sid
