"""``cancel wait retry rm prune worker`` as a person or a script calls them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from support.command import hero_logic, last_line, shown, start
from support.runtime import write_flow
from support.waiting import wait_until
from support.working import working

RETURNS = """
@flow
def main(n: int = 1):
    with open("artifacts/out.txt", "w") as file:
        file.write("x" * n)
    return n
"""

STAYS = """
import signal
@flow
def main(up_path: str):
    with flow.step("open"):
        open(up_path, "w").close()
        while True:
            signal.pause()
"""


@pytest.fixture
def home() -> Path:
    return Path(os.environ["HERO_LOGIC_HOME"])


def run(tmp_path: Path, n: int = 1) -> str:
    """A play that has ended; its sid."""
    done = hero_logic("run", write_flow(tmp_path, RETURNS), "-i", f"n={n}", "--json")
    return str(json.loads(done.stdout)["sid"])


def test_a_play_of_another_terminal_is_cancelled(tmp_path: Path) -> None:
    """Its own command says by whom, with the status of a play that was cancelled."""
    up_path = tmp_path / "up"
    with start("run", write_flow(tmp_path, STAYS), "-i", f"up_path={up_path}") as other:
        wait_until(up_path.exists, "the flow")
        done = hero_logic("cancel", "last")
        other.communicate(timeout=20)

    sid = done.stdout.split()[0].decode()
    assert (done.returncode, done.stdout.decode()) == (0, f"{sid} cancelled\n")
    assert (other.returncode, shown(sid)["error"]) == (130, "cancelled by hero-logic cancel")


def test_a_play_that_waits_is_cancelled(tmp_path: Path) -> None:
    """At once, as JSON where a script wants it."""
    run(tmp_path)
    sid = last_line(hero_logic("retry", "last", "--queue").stdout)
    done = hero_logic("cancel", sid, "--json")

    [play] = json.loads(done.stdout)["plays"]
    assert (done.returncode, play["sid"], play["status"]) == (0, sid, "cancelled")


def test_cancelling_what_only_listens_is_the_end_of_its_input(tmp_path: Path) -> None:
    """Nothing runs there that could be cancelled: what had come is recorded, and ends as it stands."""
    with start("listen", "--idle", "3600", "--socket", f"/tmp/hl-{os.getpid()}-cancel.sock") as other:
        wait_until(lambda: hero_logic("ls").stdout, "the play")
        done = hero_logic("cancel", "last")
        out, _ = other.communicate(timeout=20)

    sid = last_line(out)
    assert (other.returncode, done.returncode, done.stdout.decode()) == (0, 1, f"{sid} ok\n")


def test_cancelling_what_has_ended_says_how(tmp_path: Path) -> None:
    """The exit status is 1: it was not cancelled."""
    sid = run(tmp_path)
    done = hero_logic("cancel", sid)

    assert (done.returncode, done.stdout.decode()) == (1, f"{sid} ok\n")


def test_who_does_not_wait_is_told_at_once(tmp_path: Path) -> None:
    """How the play stands, and 0 for the order that was given."""
    up_path = tmp_path / "up"
    with start("run", write_flow(tmp_path, STAYS), "-i", f"up_path={up_path}") as other:
        wait_until(up_path.exists, "the flow")
        done = hero_logic("cancel", "last", "--no-wait")
        other.communicate(timeout=20)

    assert done.returncode == 0
    assert done.stdout.split()[1] in (b"running", b"cancelled")


@pytest.mark.parametrize("verb", ["cancel", "wait", "retry", "rm"])
def test_an_unknown_play_is_not_found(verb: str) -> None:
    """Exit status 3."""
    done = hero_logic(verb, "gone")

    assert (done.returncode, b"no play 'gone'" in done.stderr) == (3, True)


def test_waiting_tells_how_each_ended(tmp_path: Path) -> None:
    """The exit status is that of the first that did not end ok."""
    good = run(tmp_path)
    bad = json.loads(
        hero_logic("run", write_flow(tmp_path, "@flow\ndef main():\n    1 / 0\n"), "--json").stdout
    )
    done = hero_logic("wait", good, bad["sid"], good)

    assert done.stdout.decode().splitlines() == [f"{good} ok", f"{bad['sid']} failed", f"{good} ok"]
    assert done.returncode == 1
    assert hero_logic("wait", good).returncode == 0


def test_waiting_has_an_end(tmp_path: Path) -> None:
    """Exit status 124, like a play that took too long."""
    run(tmp_path)
    sid = last_line(hero_logic("retry", "last", "--queue").stdout)
    done = hero_logic("wait", sid, "--timeout", "0.05", "--json")

    [play] = json.loads(done.stdout)["plays"]
    assert (done.returncode, play["status"], play["is_waiting"]) == (124, "pending", True)
    assert b"not all of them ended within 0.05 s" in done.stderr


def test_a_retry_runs_what_was_run(tmp_path: Path) -> None:
    """Whatever its file has become since, and linked to the first."""
    sid = run(tmp_path, n=3)
    write_flow(tmp_path, "@flow\ndef main():\n    return 'another'\n")
    done = hero_logic("retry", sid, "--json")

    document = json.loads(done.stdout)
    assert (done.returncode, document["output"], document["retry_of"]) == (0, 3, sid)
    assert document["sid"] != sid


def test_a_retry_shows_what_a_run_shows(tmp_path: Path) -> None:
    """And the output alone where that is asked for."""
    run(tmp_path, n=2)

    assert hero_logic("retry", "last").stdout.decode().splitlines()[-1] == "2"
    assert hero_logic("retry", "last", "--quiet").stdout == b"2\n"


def test_a_retry_in_the_queue_is_run_by_a_worker(tmp_path: Path, home: Path) -> None:
    """Whoever asked need not be there any more."""
    run(tmp_path, n=4)
    sid = last_line(hero_logic("retry", "last", "--queue").stdout)
    assert b"waiting" in hero_logic("ls", "--limit", "1").stdout
    with working(home):
        done = hero_logic("wait", sid)

    assert done.returncode == 0
    assert (shown(sid)["output"], shown(sid)["asked_by"]) == (4, "hero-logic retry")


def test_removed_plays_are_gone_with_their_files(tmp_path: Path, home: Path) -> None:
    """A line says so for each."""
    sids = [run(tmp_path), run(tmp_path)]
    kept = run(tmp_path)
    done = hero_logic("rm", *sids)

    assert done.stdout.decode().splitlines() == [f"{sid} removed" for sid in sids]
    assert os.listdir(home / "plays") == [kept]
    assert hero_logic("show", sids[0]).returncode == 3


def test_what_runs_is_not_removed(tmp_path: Path) -> None:
    """The message says how to end it."""
    run(tmp_path)
    sid = last_line(hero_logic("retry", "last", "--queue").stdout)
    done = hero_logic("rm", sid)

    assert (done.returncode, f"hero-logic cancel {sid}" in done.stderr.decode()) == (1, True)


def test_pruning_keeps_the_newest(tmp_path: Path, home: Path) -> None:
    """What it would remove is told before, and nothing done."""
    sids = [run(tmp_path) for _ in range(3)]
    dry = hero_logic("prune", "--plays", "1", "--dry-run")
    assert len(os.listdir(home / "plays")) == 3
    done = hero_logic("prune", "--plays", "1", "--json")

    assert dry.stdout.decode().split() == sids[:2]
    assert json.loads(done.stdout)["sids"] == sids[:2]
    assert os.listdir(home / "plays") == [sids[2]]


def test_pruning_follows_the_environment(tmp_path: Path) -> None:
    """Where no flag says anything; and where nothing does, it is refused."""
    run(tmp_path)

    assert hero_logic("prune").returncode == 2
    assert hero_logic("prune", HERO_LOGIC_KEEP_PLAYS="0").returncode == 0
    assert json.loads(hero_logic("ls", "--json").stdout)["plays"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["worker", "--plays", "0"],
        ["worker", "--stop-after", "-1"],
        ["wait", "x", "--timeout", "0"],
        ["prune", "--days", "-1"],
        ["ls", "--days", "-1"],
        ["ls", "--status", "meh"],
    ],
)
def test_what_means_nothing_is_a_usage_error(arguments: list[str]) -> None:
    """Exit status 2."""
    assert hero_logic(*arguments).returncode == 2


def test_plays_are_found_by_flow_status_and_text(tmp_path: Path) -> None:
    """All that is given has to be so."""
    sid = run(tmp_path, n=77)
    hero_logic("run", write_flow(tmp_path, "@flow('other')\ndef main():\n    raise ValueError('No SHELF')\n"))

    def found(*arguments: str) -> list[str]:
        return [play["flow"] for play in json.loads(hero_logic("ls", "--json", *arguments).stdout)["plays"]]

    assert found() == ["other", "main"]
    assert found("--flow", "main") == ["main"]
    assert found("--status", "failed", "--status", "cancelled") == ["other"]
    assert found("--text", "shelf") == ["other"]
    # What no sid has, which is looked through too.
    assert found("--text", '"n":77') == ["main"]
    assert found("--text", sid, "--days", "1") == ["main"]
    assert found("--days", "0") == []


def test_a_list_says_how_much_there_is(tmp_path: Path) -> None:
    """Plays, and the room that they take."""
    run(tmp_path, n=5)
    store = json.loads(hero_logic("ls", "--json").stdout)["store"]

    assert (store["plays"], store["artifact_bytes"]) == (1, 5)
    assert store["database_bytes"] > 0
    assert b"1 play on record" in hero_logic("ls").stderr
