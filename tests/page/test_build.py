"""What is built: small, whole, of nobody else's hosts, and its own tests."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from hero_logic.server.page_files import BUILT
from support.browsing import Visit, run_play
from support.serving import Server

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
MOST_FIRST_BYTES = 40 * 1024
MOST_WORKER_BYTES = 12 * 1024
LATER = ("details", "header", "help-dialog", "log-times", "critical", "matches", "ways", "view", "editor")
"""What is not the list, and not the timeline before anything of it is asked for."""


@pytest.fixture
def built() -> Path:
    """The page as it was built."""
    if not Path(BUILT, "index.html").exists():
        pytest.skip("the page is not built: `make setup` builds it where there is Node")
    return Path(BUILT)


def named(file: str) -> str:
    """A file of the build without the hash in its name."""
    return re.sub(r"-.{8}\.js$", "", file)


def gzipped(path: Path) -> int:
    """How many bytes a file is when it is sent."""
    return len(gzip.compress(path.read_bytes(), 9))


def test_the_first_load_is_at_most_40_kb_of_script(built: Path) -> None:
    """Gzipped: the list, the timeline and its worker altogether.

    The head of a play comes beside them, while its facts are asked for; all else when it is first shown.
    """
    manifest = json.loads((built / "manifest.json").read_text())
    wanted, todo = set(), ["index.html"]
    while todo:
        chunk = manifest[todo.pop()]
        if chunk["file"] not in wanted:
            wanted.add(chunk["file"])
            todo += chunk.get("imports", [])

    sizes = {file: gzipped(built / file) for file in wanted}
    worker = max(gzipped(path) for path in built.glob("assets/worker-*.js"))
    assert sum(sizes.values()) + worker <= MOST_FIRST_BYTES, (sizes, worker)


def test_a_browser_loads_no_more_than_that_for_a_list_and_a_play(visit: Visit, server: Server) -> None:
    """What the build says is what is fetched: for a play that went well, with nothing chosen in it."""
    fetched: set[str] = set()
    visit.page.on("response", lambda response: fetched.add(urlsplit(response.url).path))
    visit.go("/")
    expect(visit.page.get_by_role("grid", name="Plays").locator(".all .row").first).to_be_visible()
    sid = run_play(server, "fails", at=9)
    visit.go(f"/p/{sid}")
    expect(visit.page.get_by_role("treegrid", name="Spans").get_by_role("row").first).to_be_visible()

    scripts = {Path(path).name for path in fetched if path.endswith(".js")}
    beside = {name for name in scripts if named(name) == "header"}
    assert len(beside) == 1
    assert [name for name in scripts - beside if named(name) in LATER] == []
    sizes = {name: gzipped(Path(BUILT, "assets", name)) for name in scripts - beside}
    assert sum(sizes.values()) <= MOST_FIRST_BYTES, sizes


def test_each_worker_is_small(built: Path) -> None:
    """It is loaded beside the first script, when spans are first read."""
    sizes = {path.name: gzipped(path) for path in built.glob("assets/worker-*.js")}

    assert sizes
    assert max(sizes.values()) <= MOST_WORKER_BYTES, sizes


def test_code_and_plots_are_loaded_when_they_are_shown(built: Path) -> None:
    """The editor and what draws plots are no part of the first load."""
    manifest = json.loads((built / "manifest.json").read_text())

    for source in ("src/ui/editor.ts", "src/library/plot.ts"):
        assert manifest[source]["isDynamicEntry"] is True
        assert source not in manifest["index.html"].get("imports", [])


def test_the_document_has_no_inline_script_or_style(built: Path) -> None:
    """The policy would refuse them."""
    document = (built / "index.html").read_text()

    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", document))
    assert re.findall(r"<style|style=|\son\w+=", document) == []


def test_each_file_has_its_compressed_forms(built: Path) -> None:
    """The server compresses nothing."""
    for path in built.rglob("*"):
        if path.suffix in (".js", ".css", ".html", ".svg"):
            assert gzip.decompress(Path(f"{path}.gz").read_bytes()) == path.read_bytes()
            assert Path(f"{path}.br").stat().st_size > 0


def test_the_lock_file_names_no_registry() -> None:
    """Whoever builds it takes packages from where they take packages; what they are is held by digests."""
    packages = json.loads((WEB / "package-lock.json").read_text())["packages"]

    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert [name for name, package in packages.items() if name and "integrity" not in package] == []


def test_the_unit_tests_of_the_page_pass() -> None:
    """Those of Vitest, where there is Node."""
    if not (WEB / "node_modules").exists():
        pytest.skip("the packages of the page are not installed: `make setup` does it where there is Node")
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "build_page.py"), "npm", "test"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
