"""The page behind a log-in address: it takes the code from the fragment, which no server and no log sees."""

from __future__ import annotations

import base64
import hashlib

_SCRIPT = """
const code = location.hash.slice(1);
history.replaceState(null, "", "/login");
const say = (text) => { document.querySelector("p").textContent = text; };
if (!code) {
  say("Run `hero-logic open` on the machine of the server: it prints the address to come back with.");
} else {
  fetch("/login", {method: "POST", headers: {"Content-Type": "application/json"}, body:
  JSON.stringify({code})})
    .then(async (answer) => say(answer.ok ? "You are logged in." : (await answer.json()).error.message))
    .catch(() => say("The server does not answer."));
}
"""

LOGIN_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>hero-logic</title>'
    f"<p>Logging in …</p><script>{_SCRIPT}</script></html>\n"
).encode()

_HASH = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
PAGE_POLICY = (
    f"default-src 'none'; connect-src 'self'; script-src 'sha256-{_HASH}'; frame-ancestors 'none'".encode()
)
"""What the page may load: its own script, and nothing else."""
