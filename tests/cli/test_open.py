"""``hero-logic open``."""

from __future__ import annotations

from pathlib import Path

import httpx

from support.command import hero_logic
from support.serving import serving


def test_the_address_logs_in(tmp_path: Path) -> None:
    """Once; it is printed, and no browser is started where that is all that is wanted."""
    with serving(tmp_path / "home") as server:
        done = hero_logic("open", "--print", **server.variables)
        url = done.stdout.decode().strip()
        answer = httpx.post(f"{server.url}/login", json={"code": url.partition("#")[2]})

    assert done.returncode == 0
    assert url.startswith(f"{server.url}/login#")
    assert answer.status_code == 204


def test_the_browser_is_started_with_the_address(tmp_path: Path) -> None:
    """The one that the operator has named."""
    seen = tmp_path / "seen"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {seen}\n')
    browser.chmod(0o755)
    with serving(tmp_path / "home") as server:
        done = hero_logic("open", BROWSER=f"{browser} %s", **server.variables)

    assert done.returncode == 0, done.stderr
    assert seen.read_text() == done.stdout.decode()


def test_without_a_server_it_says_how_to_start_one(tmp_path: Path) -> None:
    """Exit status 1."""
    done = hero_logic("open", "--print", HERO_LOGIC_HOME=str(tmp_path / "home"))

    assert (done.returncode, done.stdout) == (1, b"")
    assert b"hero-logic serve" in done.stderr


def test_a_server_that_was_killed_is_not_there(tmp_path: Path) -> None:
    """The file that it has left behind is not believed."""
    with serving(tmp_path / "home") as server:
        server.process.kill()
        server.process.communicate()
        done = hero_logic("open", "--print", **server.variables)

    assert done.returncode == 1
    assert b"no server answers" in done.stderr
