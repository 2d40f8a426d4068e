"""The page behind a log-in address: it loads nothing, and its code is seen by nobody but the server."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess

import pytest

from hero_logic.server.login_page import LOGIN_PAGE, PAGE_POLICY

PAGE = LOGIN_PAGE.decode()
[SCRIPT] = re.findall(r"<script>(.*?)</script>", PAGE, re.DOTALL)

BROWSER = """
const told = {text: "", replaced: "", sent: null};
const location = {hash: process.argv[1]};
const history = {replaceState: (state, title, url) => { told.replaced = url; }};
const document = {querySelector: () => ({set textContent(text) { told.text = text; }})};
const fetch = async (url, options) => {
  told.sent = {url, ...options, body: JSON.parse(options.body)};
  if (process.argv[2] === "down") throw new Error("no server");
  return {ok: process.argv[2] === "yes", json: async () => ({error: {message: "no such code"}})};
};
%s
setTimeout(() => console.log(JSON.stringify(told)), 20);
"""
"""So much of a browser as the script uses."""


def test_the_policy_lets_the_script_run_and_nothing_else() -> None:
    """By its hash: a page that is changed on its way, or a script that is not of it, does not run."""
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = PAGE_POLICY.decode()

    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_it_loads_nothing() -> None:
    """No address stands in it, and no handler in a tag, which the policy would not let run."""
    tags = PAGE.replace(SCRIPT, "")

    assert not re.search(r"src=|href=|url\(|https?://|\bon\w+=", tags)


def run(fragment: str, answers: str) -> dict[str, object]:
    """What the script does with a fragment, where the server answers so."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node to run the script with")
    done = subprocess.run(
        [node, "-e", BROWSER % SCRIPT, fragment, answers],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return dict(json.loads(done.stdout))


def test_a_code_is_sent_in_a_body_and_goes_from_the_address() -> None:
    """So it is in no log, and not in what the browser remembers."""
    told = run("#a-code", "yes")

    assert told["text"] == "You are logged in."
    assert told["replaced"] == "/login"
    assert told["sent"] == {
        "url": "/login",
        "method": "POST",
        "headers": {"Content-Type": "application/json"},
        "body": {"code": "a-code"},
    }


@pytest.mark.parametrize(
    ("fragment", "answers", "says"),
    [("", "yes", "hero-logic open"), ("#old", "no", "no such code"), ("#a", "down", "does not answer")],
)
def test_what_goes_wrong_is_said(fragment: str, answers: str, says: str) -> None:
    """Without a code, with one that was used, without a server."""
    assert says in str(run(fragment, answers)["text"])
