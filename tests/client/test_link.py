"""A server as it is found and asked: whom the token is shown, what is waited for."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from hero_logic.client import link as link_module
from hero_logic.client.carriers import Place
from hero_logic.client.link import Link, find_token
from hero_logic.core.errors import NotFound, ServerUnreachable, UsageError
from hero_logic.core.finding import PlayFilter
from support.serving import serving
from support.waiting import wait_until
from support.working import PATIENT, QUICK

OWN = "o" * 43


def data_of(tmp_path: Path, url: str) -> str:
    """A data directory with a token, over which a server has left its address."""
    (tmp_path / "server-token").write_text(f"{OWN}\n")
    (tmp_path / "server.json").write_text(json.dumps({"url": url, "socket_path": "/s", "pid": 1}))
    return str(tmp_path)


@pytest.mark.parametrize(
    ("url", "asked", "is_shown"),
    [
        ("http://127.0.0.1:8420", "http://127.0.0.1:8420", True),
        ("http://127.0.0.1:8420", "http://localhost:8420", True),
        ("http://127.0.0.1:8420", "http://[::1]:8420", True),
        ("http://0.0.0.0:8420", "http://127.0.0.1:8420", True),
        ("http://10.0.0.7:8420", "http://10.0.0.7:8420", True),
        ("http://127.0.0.1:8420", "http://127.0.0.1:8421", False),
        ("http://127.0.0.1:8420", "http://127.evil.example:8420", False),
        ("http://127.0.0.1:8420", "http://evil.example:8420", False),
        ("http://10.0.0.7:8420", "http://127.0.0.1:8420", False),
        ("no server", "http://127.0.0.1:8420", False),
    ],
)
def test_the_own_token_is_for_the_own_server_alone(
    tmp_path: Path, url: str, asked: str, is_shown: bool
) -> None:
    """Whatever address somebody was talked into, it goes nowhere else."""
    found = find_token(Place.of(asked), home=data_of(tmp_path, url), environment={})

    assert found == (OWN if is_shown else None)


def test_what_the_variable_says_is_shown_to_every_address(tmp_path: Path) -> None:
    """It was said for that; a socket needs none."""
    home = data_of(tmp_path, "http://127.0.0.1:8420")
    said = {"HERO_LOGIC_TOKEN": " said \n"}

    assert find_token(Place.of("http://127.0.0.1:8420"), home=home, environment=said) == "said"
    assert find_token(Place.of("http://example.com"), home=home, environment=said) == "said"
    assert find_token(Place.of("unix:/s"), home=home, environment=said) is None


@pytest.mark.parametrize("value", ["a b", "a\nb", "ä", "a\x7f"])
def test_a_variable_that_holds_no_token_is_told(tmp_path: Path, value: str) -> None:
    """Before it is put into a request that it would break."""
    with pytest.raises(UsageError, match="HERO_LOGIC_TOKEN holds no token"):
        find_token(Place.of("http://h"), home=str(tmp_path), environment={"HERO_LOGIC_TOKEN": value})


def test_without_a_token_there_is_none(tmp_path: Path) -> None:
    """Its file is not there, or empty: the server says that it wants one."""
    home = data_of(tmp_path, "http://127.0.0.1:8420")
    (tmp_path / "server-token").write_text("\n")
    place = Place.of("http://127.0.0.1:8420")
    assert find_token(place, home=home, environment={}) is None
    (tmp_path / "server-token").unlink()

    assert find_token(place, home=home, environment={}) is None


def test_a_name_that_nothing_can_have_is_not_found(tmp_path: Path) -> None:
    """As in this process, and without asking anybody."""
    link = Link(Place(socket_path=str(tmp_path / "nobody")), None)

    for sid in ("", "x" * 65):
        with pytest.raises(NotFound, match="there is no play"):
            link.play_status(sid)
    with pytest.raises(NotFound, match="there is no flow"):
        link.flow_get("")


def test_a_run_that_was_not_answered_says_that_nothing_is_known(tmp_path: Path) -> None:
    """Whoever asks twice may have two plays."""
    link = Link(Place(socket_path=str(tmp_path / "nobody")), None)

    with pytest.raises(ServerUnreachable, match="put on record is not known"):
        link.run("f")


def test_a_wait_outlasts_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked again once there is one; the play is run by that one."""
    monkeypatch.setattr(link_module, "_AGAIN_S", 0.01)
    home = tmp_path / "home"
    heard: list[str] = []
    with serving(home, "--workers", "1", "--plays", "1") as server:
        link = Link(Place(socket_path=server.socket_path), None)
        server.publish("quick", QUICK)
        server.publish("patient", PATIENT)
        server.call("play_start", flow_sid="patient", input_data={"up_path": "up", "go_path": "/dev/zero"})
        sid = link.run("quick")
        waiter = threading.Thread(target=lambda: heard.append(link.wait(sid, timeout_s=None).status))
        waiter.start()
        wait_until(lambda: "calls_waiting 1" in server.http().get("/metrics").text, "the call that waits")
        server.kill()
    with serving(home):
        waiter.join(30)
    link.close()

    assert heard == ["ok"]


def test_a_wait_has_its_time(tmp_path: Path) -> None:
    """What has not ended is told as it stands."""
    with serving(tmp_path / "home") as server:
        server.publish("patient", PATIENT)
        params = {"up_path": "up", "go_path": "/dev/zero"}
        sid = server.call("play_start", flow_sid="patient", input_data=params)["sid"]
        link = Link(Place.of(server.url), server.token)
        play = link.wait("last", timeout_s=0.05)
        found = link.find_plays(limit=5, before=None, wanted=PlayFilter(statuses=("running",)))
        link.close()
        server.call("play_cancel", play_sid=sid)

    assert (play.sid, play.status) == (sid, "running")
    assert [facts.sid for facts in found.plays] == [sid]
