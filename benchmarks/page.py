"""The page with plays of a thousand to a million spans: first paint, interactive, frames, memory, events.

    python benchmarks/page.py [--quick] [--json FILE]

A browser without a window opens a play of a server. The page marks by itself when its first spans are drawn,
and when root rows and the whole extent are there and it takes input; columns may still be arriving then. Once
all are there it is zoomed and panned with the wheel, while the time between its frames is taken. The memory
is what the process of the tab has for itself. Each figure stands beside that of a thousand spans: what it
grows by.

Event to pixel: a flow tags its root with the time, with so many other events around it; the details of that
root are on the screen, and the frame after the one that has the tag is awaited. The floor is one frame.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from live import percentile
from measure import Claim, arguments, finish
from own_server import own_server
from playwright.sync_api import Browser, Page, sync_playwright

from hero_logic.client import connect
from hero_logic.core.records import Counters, PlayEnd, Sandbox, SpanDelta, SpanRow
from hero_logic.service.plays import Plays
from hero_logic.store.sqlite import SqliteStore

SIZES = (1_000, 10_000, 100_000, 1_000_000)
QUICK_SIZES = (1_000, 10_000)
ROUNDS = 3
PAINTED_LIMIT_MS = 2000.0
READY_LIMIT_MS = 3000.0
FRAME_LIMIT_MS = 33.0
MEMORY_LIMIT_MB = 400.0
EVENT_LIMIT_MS = 200.0
FRAME_MS = 1000 / 60
LOADED_WAIT_MS = 300_000
_BATCH = 5_000
_BROWSERS = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")

LOAD = """
import time
from hero_tracing import flow
@flow
def load(seconds: float = 5.0):
    until, due, number = time.time() + seconds, time.time(), 0
    root = flow.current_span
    while time.time() < until:
        for _ in range(5):
            with flow.step("load", number=number):
                number += 1
        if number % 50 == 0:
            root.tag(sent_ms=time.time() * 1000)
        due += 0.01
        time.sleep(max(0.0, due - time.time()))
"""
"""A thousand events a second: a start and an end of each of five spans, every ten milliseconds."""

MARKS = """() => new Promise((resolve) => {
  const look = () => {
    const marks = performance.getEntriesByType("mark").map(({ name, startTime }) => [name, startTime]);
    if (marks.some(([name]) => name === "hero:ready")) resolve(Object.fromEntries(marks));
    else requestAnimationFrame(look);
  };
  look();
})"""
FRAMES = """() => {
  window.frames_ms = [];
  let before = performance.now();
  const look = (now) => {
    window.frames_ms.push(now - before);
    before = now;
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""
AGES = """() => {
  window.ages_ms = [];
  let last = 0;
  const look = () => {
    const found = /sent_ms\\s*([0-9.]+)/.exec(document.getElementById("tl-details").textContent);
    const sent = found ? Number(found[1]) : 0;
    if (sent <= last) return;
    last = sent;
    requestAnimationFrame(() => window.ages_ms.push(performance.timeOrigin + performance.now() - sent));
  };
  new MutationObserver(look).observe(document.getElementById("tl-details"), {
    subtree: true, childList: true, characterData: true,
  });
}"""


def write_play(home: str, count: int) -> None:
    """A play of so many spans, of a flow that works in batches of a hundred; a few of them failed."""
    store = SqliteStore.open(os.path.join(home, "hero_logic.db"))
    plays = Plays(store, now_ms=lambda: time.time() * 1000, runtime_sid="bench")
    sid = f"p{count}"
    plays.create(sid)
    plays.begin(sid, Sandbox())
    began_ms = time.time() * 1000
    rows: list[SpanRow] = []
    for number in range(count):
        rows.append(span_row(number, count, began_ms))
        if len(rows) == _BATCH or number == count - 1:
            store.write_spans({sid: SpanDelta(rows, Counters(events=number + 1), number + 1, {})})
            rows = []
    play = plays.get(sid)
    store.end_play(sid, PlayEnd("failed", play.start_ms or began_ms, error="a batch failed"))
    store.close()


def span_row(number: int, count: int, began_ms: float) -> SpanRow:
    """The root first, then batches with what is in them."""
    is_batch = number % 100 == 1
    parent = "" if number == 0 else "s0" if is_batch else f"s{(number - 1) // 100 * 100 + 1}"
    lasted_ms = count * 1.0 if number == 0 else 99.0 if is_batch else 0.5 + number % 7
    is_failed = number == 0 or number % 5_003 == 777
    return SpanRow(
        ordinal=number,
        span_id=f"s{number}",
        parent_id=parent,
        name="load" if number == 0 else "batch" if is_batch else ("fetch", "parse", "store")[number % 3],
        start_ms=began_ms + number,
        end_ms=began_ms + number + lasted_ms,
        status="failed" if is_failed else "ok",
        error="ValueError: row has no currency" if is_failed else "",
        tags={"row": number, "of": "a batch"},
    )


@contextmanager
def tab(path: str) -> Iterator[tuple[Browser, Page]]:
    """A page in a browser of its own: nothing is warm but the files of the browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser, browser.new_page(viewport={"width": 1440, "height": 900})
        finally:
            browser.close()


class Opened:
    """What opening one play gave, round by round."""

    def __init__(self) -> None:
        self.painted_ms: list[float] = []
        self.ready_ms: list[float] = []
        self.loaded_ms: list[float] = []
        self.frames_ms: list[float] = []
        self.memory_mb: list[float] = []

    def measure(self, browser_path: str, address: str) -> None:
        """One round."""
        with tab(browser_path) as (browser, page):
            page.goto(address, wait_until="commit")
            marks = page.evaluate(MARKS)
            self.painted_ms.append(marks["hero:painted"])
            self.ready_ms.append(marks["hero:ready"])
            page.wait_for_selector(".tl-rows[aria-busy=false]", timeout=LOADED_WAIT_MS)
            self.loaded_ms.append(page.evaluate("performance.now()"))
            self.frames_ms.append(percentile(frames_while_moving(page), 95))
            self.memory_mb.append(private_mb(browser))


def frames_while_moving(page: Page) -> list[float]:
    """The times between frames while rows are scrolled and the time is zoomed and panned, in milliseconds."""
    page.keyboard.press("]")
    page.mouse.move(900, 500)
    page.evaluate(FRAMES)
    for turn in range(60):
        page.keyboard.down("Control")
        page.mouse.wheel(0, -60 if turn % 20 < 12 else 60)
        page.keyboard.up("Control")
        page.mouse.wheel(40 if turn % 10 < 5 else -40, 0)
        page.mouse.wheel(0, 900)
    found: list[float] = page.evaluate("window.frames_ms")
    return found[2:]


def private_mb(browser: Browser) -> float:
    """What the process of the tab has that no other process has."""
    session = browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    sizes = [_private_kb(one["id"]) for one in processes if one["type"] == "renderer"]
    return max(sizes) / 1024


def _private_kb(process: int) -> int:
    with open(f"/proc/{process}/smaps_rollup", encoding="ascii") as file:
        lines = [line.split() for line in file]
    return sum(int(line[1]) for line in lines if line[0] in ("Private_Clean:", "Private_Dirty:"))


def event_ages_ms(browser_path: str, url: str, seconds: float) -> list[float]:
    """How old each timed event was when it was on the screen, in milliseconds."""
    with connect(url) as service, tab(browser_path) as (_, page):
        service.flow_put("load", python_source=LOAD)
        sid = service.play_start("load", input_data={"seconds": seconds}).sid
        page.goto(f"{url}/p/{sid}")
        page.evaluate(MARKS)
        page.keyboard.press("ArrowDown")
        page.locator(".tl-tags").wait_for()
        page.evaluate(AGES)
        service.play_wait(sid, timeout_ms=seconds * 1000 + 20_000)
        found: list[float] = page.evaluate("window.ages_ms")
    assert found, "no timed event was seen"
    return found


def main() -> int:
    """Measure; 1 if a limit was passed."""
    options = arguments(__doc__ or "")
    sizes, rounds = (QUICK_SIZES, 1) if options.quick else (SIZES, ROUNDS)
    browser_path = next(path for path in _BROWSERS if os.path.exists(path))
    opened = {size: Opened() for size in sizes}
    with tempfile.TemporaryDirectory() as home:
        for size in sizes:
            write_play(home, size)
        with own_server(home, "--no-token", "--stop-after", "0") as url:
            for _ in range(rounds):
                for size in sizes:
                    opened[size].measure(browser_path, f"{url}/p/p{size}")
            ages = [event_ages_ms(browser_path, url, 8.0 if options.quick else 15.0) for _ in range(rounds)]
    claims = [claim for size in sizes for claim in claims_of(size, opened)]
    aged: dict[str, Any] = {"floor": [FRAME_MS], "floor_name": "a frame", "unit": "ms", "goal": None}
    claims += [
        Claim("p50 of an event on the screen, 1,000/s", values=[percentile(a, 50) for a in ages], **aged),
        Claim(
            "p99 of an event on the screen, 1,000/s",
            values=[percentile(a, 99) for a in ages], limit=EVENT_LIMIT_MS, **aged,
        ),
    ]  # fmt: skip
    return finish("The page", claims, options)


def claims_of(size: int, opened: dict[int, Opened]) -> list[Claim]:
    """What is claimed of one size, beside the smallest."""
    ours, least = opened[size], opened[min(opened)]
    of = f"{size:,} spans"

    def claim(name: str, values: list[float], floor: list[float], unit: str, limit: float | None) -> Claim:
        floor_name = f"with {min(opened):,}"
        return Claim(f"{name}, {of}", values=values, floor=floor, floor_name=floor_name, unit=unit, goal=None,
                     limit=limit)  # fmt: skip

    return [
        claim("first paint", ours.painted_ms, least.painted_ms, "ms", PAINTED_LIMIT_MS),
        claim("interactive", ours.ready_ms, least.ready_ms, "ms", READY_LIMIT_MS),
        claim("all columns there", ours.loaded_ms, least.loaded_ms, "ms", None),
        claim("p95 of a frame while moving", ours.frames_ms, least.frames_ms, "ms", FRAME_LIMIT_MS),
        claim("memory of the tab", ours.memory_mb, least.memory_mb, "MB", MEMORY_LIMIT_MB),
    ]


if __name__ == "__main__":
    sys.exit(main())
