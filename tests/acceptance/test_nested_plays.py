"""Flows that ask the server for plays and wait for them: nobody blocks the places that these need."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hero_logic.core.policy import default
from support.serving import Server, serving

NESTED = """
import http.client, json, os, socket

class Service(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(os.environ["HERO_FLOW_RPC_HERO"])

def ask(method, **params):
    service = Service("localhost")
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    service.request("POST", "/rpc", body, {"Content-Type": "application/json"})
    answer = json.load(service.getresponse())
    if "error" in answer:
        raise RuntimeError(answer["error"]["message"])
    return answer["result"]

@flow(needs={"rpc": ["hero"]})
def main(depth: int, timeout_ms: int = 0, says_who: bool = True, until_begun: bool = False):
    if depth == 0:
        return 0
    me = os.environ["HERO_FLOW_PLAY_SID"]
    wanted = {"flow_sid": "nested", "input_data": {"depth": depth - 1}, "parent_play_sid": me}
    if until_begun:
        return ask("play_start", timeout_ms=0, **wanted)["status"]
    child = ask("play_run_async", **wanted)
    who = {"parent_play_sid": me} if says_who else {}
    play = ask("play_wait", play_sid=child, timeout_ms=timeout_ms, **who)
    if play["status"] != "ok":
        raise RuntimeError(play["status"] + ": " + play["error"])
    return play["output"] + 1
"""
CREWS = {"in its process": (), "by a worker": ("--workers", "1")}


@pytest.fixture(params=CREWS)
def narrow(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    """A server with one place, whose flows may ask it."""
    # A path of its own, short enough for a socket however deep the test's directory lies.
    directory = Path(tempfile.mkdtemp(prefix="hero-nested-"))
    policy = tmp_path / "policy.toml"
    policy.write_text(f'[default]\nrpc = {{ hero = "{directory}/rpc.sock" }}\n')
    monkeypatch.setenv("HERO_LOGIC_POLICY", str(policy))
    options = ("--plays", "1", "--uds", f"{directory}/rpc.sock", *CREWS[request.param])
    with serving(tmp_path / "home", *options) as server:
        server.publish("nested", NESTED)
        yield server
    shutil.rmtree(directory)


def test_one_place_is_enough_for_plays_that_wait_for_each_other(narrow: Server) -> None:
    """A parent, its child and its grandchild; and several families at once."""
    sids = [
        narrow.call("play_run_async", flow_sid="nested", input_data={"depth": depth})
        for depth in (2, 2, 3, 1)
    ]
    plays = [narrow.call("play_wait", play_sid=sid, timeout_ms=60_000) for sid in sids]

    assert [(play["status"], play["output"]) for play in plays] == [
        ("ok", 2),
        ("ok", 2),
        ("ok", 3),
        ("ok", 1),
    ]


def test_a_play_gives_its_place_to_one_whose_beginning_it_waits_for(narrow: Server) -> None:
    """It waits without a limit, and would for ever if it kept it."""
    sid = narrow.call("play_run_async", flow_sid="nested", input_data={"depth": 1, "until_begun": True})
    play = narrow.call("play_wait", play_sid=sid, timeout_ms=60_000)

    assert (play["status"], play["output"] in ("running", "ok")) == ("ok", True)


def test_a_play_that_does_not_say_who_it_is_keeps_its_place(narrow: Server) -> None:
    """Nobody can know that it waits: what it waits for waits for its place."""
    data = {"depth": 1, "timeout_ms": 700, "says_who": False}
    sid = narrow.call("play_run_async", flow_sid="nested", input_data=data)
    play = narrow.call("play_wait", play_sid=sid, timeout_ms=60_000)
    [child] = narrow.call("play_links", play_sid=sid)["children"]
    child = narrow.call("play_wait", play_sid=child["sid"], timeout_ms=60_000)

    assert (play["status"], "pending" in play["error"]) == ("failed", True)
    assert child["status"] == "ok"


@pytest.mark.parametrize("narrow", ["in its process"], indirect=True)
def test_a_flow_that_runs_itself_for_ever_ends(narrow: Server) -> None:
    """As many plays as may wait for each other do; the next one asks in vain, and all of them end by that."""
    sid = narrow.call("play_run_async", flow_sid="nested", input_data={"depth": 1000})
    play = narrow.call("play_wait", play_sid=sid, timeout_ms=120_000)
    plays = narrow.call("play_list", limit=100)["plays"]

    assert play["status"] == "failed"
    assert [one["status"] for one in plays] == ["failed"] * (default("waiting_chain") + 1)
    assert "needs an end" in plays[0]["error"]
