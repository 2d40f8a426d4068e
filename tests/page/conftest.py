"""A browser for all tests of the page, a server with flows and plays, and a visit with a session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from support.browsing import Browsing, Visit, chromium_path, run_play, visiting
from support.serving import Server, serving

GREET = '''
@flow
def greet(name: str = "Ada", times: int = 1) -> str:
    """Say hello to somebody."""
    for n in range(times):
        with flow.step("choose words", n=n) as step:
            step.log(name)
    return f"Hello, {name}!"
'''
GREET_BEFORE = GREET.replace("Hello, {name}!", "Good day, {name}!")
FAILS = '''
@flow
def fails(at: int = 3):
    """Fail in one of its steps."""
    for n in range(5):
        with flow.step("work", n=n):
            with flow.step("look closely"):
                pass
            if n == at:
                raise ValueError("row 941 has no currency")
    with flow.step("write"):
        pass
'''
WAITS = '''
import os, time
@flow
def waits(path: str = ""):
    """Run until a file is there."""
    with flow.step("wait") as step:
        step.log("waiting")
        while not os.path.exists(path):
            time.sleep(0.05)
    return "done"
'''
HOSTILE_NAME = "<img src=x onerror=alert(1)>"
HOSTILE = '''
@flow
def evil(name: str = "<script>alert(2)</script>"):
    """</p><script>alert(3)</script>"""
    with flow.step("<svg onload=alert(4)>\\u202egnirts", tag="</textarea><script>alert(5)</script>") as step:
        step.log("</pre><script>alert(6)</script>")
    raise RuntimeError("<img src=x onerror=alert(7)> " + name)
'''


@pytest.fixture(scope="session")
def browsing() -> Iterator[Browsing]:
    """The browser of all of them."""
    started = Browsing()
    yield started
    started.close()


@pytest.fixture
def browser(browsing: Browsing) -> Iterator[Browser]:
    """The browser, for one of them."""
    with browsing.used() as browser:
        yield browser


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a library, and plays that ended well and badly."""
    chromium_path()
    with serving(tmp_path_factory.mktemp("page") / "home", "--stop-after", "0.5") as started:
        started.publish("greet", GREET_BEFORE)
        started.publish("greet", GREET)
        started.publish("fails", FAILS)
        started.publish("counted", FAILS)
        started.publish("waits", WAITS)
        started.publish(HOSTILE_NAME, HOSTILE)
        run_play(started, "greet", name="Grace", times=3)
        run_play(started, "fails")
        run_play(started, "counted", at=7)
        run_play(started, "counted")
        run_play(started, HOSTILE_NAME)
        yield started


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Visit]:
    """A look at it, with a session."""
    with visiting(browser, server) as begun:
        yield begun.log_in()
