"""The verbs with ``--server``, as a person or a script calls them: a real server at both of its sockets."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.command import hero_logic, start
from support.runtime import write_flow
from support.serving import Server, serving
from support.terminal import on_terminal
from support.waiting import wait_until
from support.working import STUBBORN, working

GREET = """
@flow
def greet(name: str = "Ada", times: int = 1):
    with flow.step("choose", name=name) as span:
        span.log("chosen")
    return [f"Hello, {name}!"] * times
"""
FAILS = """
@flow
def fails():
    with flow.step("try"):
        raise ValueError("it is for a test")
"""
STAYS = """
import signal
@flow
def stays(up_path: str = ""):
    with flow.step("open"):
        if up_path:
            open(up_path, "w").close()
        while True:
            signal.pause()
"""
STEPS = """
@flow
def steps(up_path: str, go_path: str):
    with flow.step("before"):
        pass
    open(up_path, "w").close()
    with open(go_path) as go:
        go.read()
    with flow.step("after"):
        pass
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the three flows of these tests."""
    with serving(tmp_path_factory.mktemp("s") / "home") as started:
        for name, body in (("greet", GREET), ("fails", FAILS), ("stays", STAYS), ("stubborn", STUBBORN)):
            started.publish(name, body)
        yield started


@pytest.fixture(params=["tcp", "unix"])
def place(request: pytest.FixtureRequest, server: Server) -> list[str]:
    """What is said to ask the server, at each of its sockets."""
    return ["--server", server.url if request.param == "tcp" else f"unix:{server.socket_path}"]


def asked(server: Server, *arguments: str, **more: str) -> subprocess.CompletedProcess[bytes]:
    """A command by somebody else than the server's user: they have the token, and data of their own."""
    return hero_logic(*arguments, HERO_LOGIC_TOKEN=server.token, **more)


def test_a_file_is_published_and_run(server: Server, place: list[str], tmp_path: Path) -> None:
    """Its spans are lines, its output comes last, and nothing of it is on record here."""
    path = write_flow(tmp_path, GREET)
    done = asked(server, "run", path, "-i", "name=Grace", "-i", "times=2", *place)

    lines = done.stdout.decode().splitlines()
    assert (done.returncode, done.stderr) == (0, b"")
    assert lines[0].startswith("play ")
    assert any("greet › choose" in line for line in lines)
    assert lines[-2].endswith(f"hero-logic show {lines[0].split()[1]} {' '.join(place)}")
    assert json.loads(lines[-1]) == ["Hello, Grace!"] * 2
    assert server.call("flow_get", flow_sid="greet")["source"] == Path(path).read_text()
    assert json.loads(hero_logic("ls", "--json").stdout)["plays"] == []


def test_a_published_flow_is_run_by_its_name(server: Server, place: list[str]) -> None:
    """With the beginning of a version for that one; as one JSON document where a script wants it."""
    version = server.call("flow_get", flow_sid="greet")["version_sid"]
    done = asked(server, "run", f"greet@{version[:8]}", "--json", *place)

    document = json.loads(done.stdout)
    assert (done.returncode, document["output"]) == (0, ["Hello, Ada!"])
    assert [span["name"] for span in document["spans"]] == ["greet", "choose"]
    assert document == server.call("play_get", play_sid=document["sid"])


@pytest.mark.parametrize(
    ("flow", "more", "status", "message"),
    [
        ("fails", [], 1, "it is for a test"),
        ("stays", ["--timeout", "0.3"], 124, "longer than its limit"),
        ("nobody", [], 3, "there is no file 'nobody'"),
        ("greet", ["-i", "times=x"], 2, "times"),
        ("greet", ["--sandbox", "none"], 1, "nothing in less than tier0"),
        ("greet", ["--timeout", "0"], 2, "--timeout 0"),
        ("greet", ["--env", "HOME"], 2, "--env cannot be said to a server"),
        ("greet", ["--allow-read", "/etc"], 2, "--allow-read"),
        ("greet", ["--python", "/bin/sh"], 2, "--python cannot be said to a server"),
        ("greet", ["--entry", "greet"], 2, "--entry cannot be said to a server"),
        ("greet", ["--keep", "kept"], 2, "--keep cannot be said to a server"),
    ],
)
def test_the_exit_status_is_that_of_a_run_here(
    server: Server, flow: str, more: list[str], status: int, message: str
) -> None:
    """And what is wrong is said; what only an operator may say is refused, and nothing is run."""
    done = asked(server, "run", flow, "--quiet", "--server", server.url, *more)

    assert (done.returncode, message in done.stderr.decode()) == (status, True), done.stderr


def test_a_file_that_needs_what_lies_beside_it_is_refused(server: Server, tmp_path: Path) -> None:
    """A published flow is its source alone; the place of the import is told, and nothing is published."""
    (tmp_path / "beside.py").write_text("WORD = 'x'\n")
    (tmp_path / "far.py").write_text(
        "from hero_tracing import flow\nimport beside\n@flow\ndef far():\n    return beside.WORD\n"
    )
    done = asked(server, "run", str(tmp_path / "far.py"), "--server", server.url)

    assert done.returncode == 2
    assert "  2:1: " in done.stderr.decode()
    assert server.refused("flow_get", flow_sid="far")[0] == "not_found"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_the_play_on_the_server(
    server: Server, place: list[str], tmp_path: Path, number: signal.Signals
) -> None:
    """Its end is shown, with the exit status of a play that was cancelled."""
    up_path = tmp_path / "up"
    with start("run", "stays", "-i", f"up_path={up_path}", *place, HERO_LOGIC_TOKEN=server.token) as process:
        wait_until(up_path.exists, "the flow")
        process.send_signal(number)
        out, err = process.communicate(timeout=20)

    sid = out.split()[1].decode()
    assert process.returncode == 130
    assert server.call("play_status", play_sid=sid)["status"] == "cancelled"
    assert f"{number.name}: the play has its grace to end" in err.decode()
    assert "cancelled" in out.decode()


def test_a_second_signal_leaves_the_end_to_the_server(server: Server, tmp_path: Path) -> None:
    """Nobody has to wait for a flow that does not listen."""
    up_path = tmp_path / "up"
    with start(
        "run", "stubborn", "-i", f"up_path={up_path}", "--server", f"unix:{server.socket_path}"
    ) as process:
        wait_until(up_path.exists, "the flow")
        process.send_signal(signal.SIGINT)
        assert process.stderr
        assert b"grace" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)

    sid = out.split()[1].decode()
    assert (process.returncode, b"left to the server" in err) == (130, True)
    assert server.call("play_wait", play_sid=sid)["status"] == "cancelled"


def test_who_is_not_answered_can_leave() -> None:
    """What answers nothing is no reason to stay: a second signal ends it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with start("run", "examples/greet.py", "--server", place) as process:
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                process.send_signal(signal.SIGINT)
                # Another one: two of a kind may be one by the time they are looked at.
                process.send_signal(signal.SIGTERM)
                _, err = process.communicate(timeout=20)

    assert (process.returncode, b"is not known: hero-logic ls tells" in err) == (130, True)


def test_a_play_that_waits_says_so(tmp_path: Path) -> None:
    """It is cancelled as any other, though it never began."""
    with serving(tmp_path / "home", "--plays", "1") as server:
        server.publish("stays", STAYS)
        server.call("play_start", flow_sid="stays")
        place = f"unix:{server.socket_path}"
        with start("run", "stays", "--server", place) as process:
            assert process.stderr
            told = process.stderr.readline().decode()
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)
        server.call("play_cancel", play_sid=server.call("play_list")["plays"][-1]["sid"])

    assert "waits for a place on the server" in told
    assert process.returncode == 130


def test_the_tree_is_drawn_on_a_terminal(server: Server) -> None:
    """As it is here."""
    status, drawn = on_terminal(
        "run", "greet", "--server", server.url, HERO_LOGIC_TOKEN=server.token, NO_COLOR="1"
    )

    assert status == 0
    assert "└─ ✓ choose" in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", drawn.decode())


def ageless(printed: bytes) -> bytes:
    """What was printed without its ages: the one was asked for after the other, up to seconds apart."""
    return re.sub(rb" *\d+ \w+ ago", b" ago", printed)


def test_what_is_shown_is_what_the_servers_own_user_sees(server: Server, place: list[str]) -> None:
    """Of one play, by each verb that shows it: byte for byte, save how long ago that is."""
    asked(server, "run", "fails", *place)
    ways = (
        ["show", "last", "--json"],
        ["show", "last", "--failed"],
        ["show", "last", "--failed", "--json"],
        ["show", "last", "--stats"],
        ["show", "last", "--stats", "--json"],
        ["watch", "last", "--json"],
        ["flows", "ls", "--json"],
        ["flows", "show", "greet", "--source"],
        ["flows", "show", "greet"],
        ["flows", "show", "greet", "--versions"],
        ["flows", "search", "gre"],
        ["ls", "--flow", "fails", "--json"],
    )
    for way in ways:
        there = asked(server, *way, *place)
        here = hero_logic(*way, **server.variables)

        assert there.returncode == here.returncode, (way, there.stderr)
        assert ageless(there.stdout) == ageless(here.stdout), way


def test_show_and_ls_print_what_there_is(server: Server, place: list[str]) -> None:
    """The file of the flow, which is the server's, is left out."""
    asked(server, "run", "greet", *place)
    shown = asked(server, "show", "last", "--logs", *place).stdout.decode()
    listed = asked(server, "ls", "--limit", "1", *place)

    assert "chosen" in shown
    assert "✓ ok" in listed.stdout.decode()
    assert listed.stdout.split()[-1] == b"2"
    assert f"hero-logic ls --before {shown.split()[3]} {' '.join(place)}" in listed.stderr.decode()
    assert "on record" in listed.stderr.decode()


def test_plays_are_cancelled_waited_for_retried_and_removed(server: Server, place: list[str]) -> None:
    """By the verbs of here, whoever asked for them."""
    sid = server.call("play_start", flow_sid="stays")["sid"]
    cancelled = asked(server, "cancel", sid, *place)
    waited = asked(server, "wait", sid, *place)
    late = asked(
        server, "wait", server.call("play_start", flow_sid="stays")["sid"], "--timeout", "0.1", *place
    )
    asked(server, "cancel", "last", "--no-wait", "--json", *place)
    first = asked(server, "run", "greet", "--json", *place)
    again = asked(server, "retry", "last", "--json", *place)
    queued = asked(server, "retry", "last", "--queue", *place)
    queued_sid = queued.stdout.decode().strip()
    server.call("play_wait", play_sid=queued_sid)
    removed = asked(server, "rm", queued_sid, *place)

    assert (cancelled.returncode, cancelled.stdout.decode()) == (0, f"{sid} cancelled\n")
    assert (waited.returncode, waited.stdout.decode()) == (130, f"{sid} cancelled\n")
    assert late.returncode == 124
    assert json.loads(again.stdout)["retry_of"] == json.loads(first.stdout)["sid"]
    assert (removed.returncode, removed.stdout.decode()) == (0, f"{queued_sid} removed\n")
    assert asked(server, "show", queued_sid, *place).returncode == 3


def test_flows_are_published_archived_and_deleted(server: Server, place: list[str], tmp_path: Path) -> None:
    """From a file of this machine."""
    path = write_flow(tmp_path, "@flow\ndef kept(n: int = 1):\n    return n\n")
    added = asked(server, "flows", "add", path, "--tag", "far", "--json", *place)
    archived = asked(server, "flows", "rm", "kept", "--archive", *place)
    refused = asked(server, "run", "kept", *place)
    deleted = asked(server, "flows", "rm", "kept", *place)
    wrong = asked(server, "flows", "add", "-", "--server", server.url)
    legacy = tmp_path / "old.json"
    legacy.write_text('{"name": "old", "nodes": []}')
    of_before = asked(server, "flows", "add", str(legacy), *place)

    assert json.loads(added.stdout)["is_new_version"] is True
    assert (archived.returncode, deleted.returncode, wrong.returncode) == (0, 0, 2)
    assert (refused.returncode, b"is archived" in refused.stderr) == (2, True)
    assert (of_before.returncode, b"migrate" in of_before.stderr) == (2, True)


def test_a_play_is_shown_whatever_becomes_of_the_server(tmp_path: Path) -> None:
    """Another process runs it: killed and started again, the server tells the rest of it, each span once."""
    home = tmp_path / "home"
    go_path = tmp_path / "go"
    os.mkfifo(go_path)
    inputs = ["-i", f"up_path={tmp_path / 'up'}", "-i", f"go_path={go_path}"]
    with ExitStack() as stack:
        with serving(home, "--plays", "1") as server:
            server.publish("steps", STEPS)
            server.publish("stays", STAYS)
            # The server's own place is taken: the next play is the worker's.
            server.call("play_start", flow_sid="stays")
            stack.enter_context(working(home, "--plays", "1"))
            place = f"unix:{server.socket_path}"
            process = stack.enter_context(start("run", "steps", *inputs, "--server", place))
            wait_until((tmp_path / "up").exists, "the flow")
            server.kill()
        stack.enter_context(serving(home, "--plays", "1"))
        go_path.write_text("go")
        out, err = process.communicate(timeout=40)

    lines = out.decode().splitlines()
    assert (process.returncode, err) == (0, b"")
    assert [line.split()[1:4] for line in lines if "›" in line] == [
        ["steps", "›", "before"],
        ["steps", "›", "after"],
    ]


def test_the_variable_names_a_server_for_all_but_run(server: Server, tmp_path: Path) -> None:
    """An empty one is this process, and ``run`` is here unless it is told otherwise."""
    here = json.loads(
        hero_logic("run", write_flow(tmp_path, GREET), "--json", HERO_LOGIC_SERVER=server.url).stdout
    )
    there = asked(server, "ls", "--json", "--limit", "1", HERO_LOGIC_SERVER=server.url)
    own = hero_logic("ls", "--json", HERO_LOGIC_SERVER="")
    flows = asked(server, "flows", "show", "greet", HERO_LOGIC_SERVER=f"unix:{server.socket_path}")

    assert json.loads(there.stdout)["plays"][0]["sid"] != here["sid"]
    assert [play["sid"] for play in json.loads(own.stdout)["plays"]] == [here["sid"]]
    assert flows.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--server", "ftp://host"], 2, "is no server: it is http://HOST:PORT or unix:PATH"),
        (["--server", "unix:/nowhere/rpc.sock"], 1, "`hero-logic serve` starts one"),
        (["--server", "http://127.0.0.1:1"], 1, "`hero-logic serve` starts one"),
    ],
)
def test_a_server_that_is_not_there_is_told_so(arguments: list[str], status: int, message: str) -> None:
    """With what to do."""
    done = hero_logic("ls", *arguments)

    assert (done.returncode, message in done.stderr.decode()) == (status, True), done.stderr


def test_a_server_that_refuses_says_what_it_wants(server: Server) -> None:
    """The token of this user's own server goes to no other one."""
    home = Path(os.environ["HERO_LOGIC_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    (home / "server-token").write_text("own" * 15)
    without = hero_logic("ls", "--server", server.url)
    wrong = hero_logic("ls", "--server", server.url, HERO_LOGIC_TOKEN="wrong" * 8)

    assert without.returncode == wrong.returncode == 1
    assert "the request has none. Set HERO_LOGIC_TOKEN" in without.stderr.decode()
    assert "not one of this server's. Set HERO_LOGIC_TOKEN" in wrong.stderr.decode()


def test_the_server_over_this_users_data_gets_its_token(server: Server) -> None:
    """Nothing has to be said but where it is."""
    done = hero_logic("ls", "--server", server.url.replace("127.0.0.1", "localhost"), **server.variables)

    assert done.returncode == 0, done.stderr


def test_a_server_of_another_release_is_told_so(tmp_path: Path) -> None:
    """Where the two do not understand each other, and with what to do."""
    patch = ("methods", "t = m.table; m.table = lambda: {n: r for n, r in t().items() if n != 'store_size'}")
    other = "import hero_logic; hero_logic.__version__ = '0.0.1'; "
    with serving(tmp_path / "home", patch=(patch[0], other + patch[1])) as server:
        done = hero_logic("ls", "--server", f"unix:{server.socket_path}")

    message = done.stderr.decode()
    assert done.returncode == 1
    assert "is hero-logic 0.0.1, and this is" in message
    assert "Use the same release on both sides." in message


def test_a_server_that_fails_says_that_it_does(tmp_path: Path) -> None:
    """It is no usage error: what it could not do is in its log."""
    row = "next(row for row in m.METHODS if row.name == 'store_size')"
    with serving(tmp_path / "home", patch=("part_methods", f"{row}.handle = lambda *_: 1 / 0")) as server:
        failed = hero_logic("ls", "--server", f"unix:{server.socket_path}")
        wrong = hero_logic("ls", "--text", "x" * 1001, "--server", f"unix:{server.socket_path}")
        server.stop()

    assert (failed.returncode, b"internal_error" in failed.stderr) == (1, True)
    assert (wrong.returncode, b"1000" in wrong.stderr) == (2, True)
