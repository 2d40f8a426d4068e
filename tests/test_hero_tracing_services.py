"""Services that a flow was granted: flow.service()."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
import threading
from typing import Any

import pytest

from support.sdk_plays import IMPORTS, clean_environment, run_play
from support.services import ServiceError, serving, serving_by
from test_hero_tracing_standalone import OTHER_PYTHONS

SHOW = "import json; show = lambda value: print(json.dumps(value))\n"
CATCH = """
def caught(call, **params):
    try:
        return call(**params)
    except flow.ServiceFailed as failed:
        return [str(failed), failed.service, failed.code, failed.data]
"""


def run_alone(script: str, *, python: str = sys.executable, **variables: str) -> Any:
    """What a script shows that plain Python runs, without the runtime."""
    done = subprocess.run(
        [python, "-W", "error", "-c", IMPORTS + SHOW + CATCH + textwrap.dedent(script)],
        env=clean_environment(**variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def echo(method: str, params: dict[str, Any]) -> Any:
    """Answer with the call itself; refuse one."""
    if method == "refuse":
        raise ServiceError("too much is asked", code=429, data={"after_s": 3})
    return {"method": method, "params": params}


@pytest.mark.parametrize("python", [sys.executable, *OTHER_PYTHONS], ids=lambda path: path.split("/")[-3])
def test_a_method_of_a_service_is_a_call_of_it(python: str) -> None:
    """By name, with params by name; values, keys and texts arrive as they are, under every Python."""
    if not os.path.exists(python):
        pytest.skip(f"no interpreter at {python}")
    with serving(echo) as service:
        told = run_alone(
            "show([flow.service('ai').complete(text='ü\\ud800\\n', self=[1, 2.5, None]),"
            " getattr(flow.service('ai'), 'a.b')(**{'no name': {}})])",
            python=python,
            HERO_FLOW_RPC_AI=service.path,
        )

    assert told == [
        {"method": "complete", "params": {"text": "ü\ud800\n", "self": [1, 2.5, None]}},
        {"method": "a.b", "params": {"no name": {}}},
    ]


def test_a_call_is_an_rpc_span() -> None:
    """With the service, the method, the request and the response, without what looks like a secret."""
    with serving(echo) as service:
        play = run_play(
            "with flow.step('root'): flow.service('ai').complete(prompt='x', api_key='s')",
            HERO_FLOW_RPC_AI=service.path,
        )

    assert play.returncode == 0, play.stderr
    span = play.span("rpc:ai.complete")
    assert (span.kind, span.status, play.parent_name("rpc:ai.complete")) == ("rpc", "ok", "root")
    assert (span.start["rpc_service"], span.start["rpc_method"]) == ("ai", "complete")
    assert span.start["source_file"] == "<string>"
    assert span.tags == {
        "rpc.request": '{"prompt":"x","api_key":"***"}',
        "rpc.response": '{"method":"complete","params":{"prompt":"x","api_key":"***"}}',
    }


def test_a_call_that_came_to_nothing_is_a_failed_span_with_the_reason_alone() -> None:
    """The exception goes on into the flow, and is a flow.Failed."""
    with serving(echo) as service:
        play = run_play(
            """
            try:
                flow.service('ai').refuse()
            except flow.Failed as failed:
                print(type(failed).__name__)
            """,
            HERO_FLOW_RPC_AI=service.path,
        )

    assert play.stdout == "ServiceFailed\n"
    span = play.span("rpc:ai.refuse")
    assert (span.status, span.error) == (
        "failed",
        "the service 'ai' refused refuse: too much is asked (code 429)",
    )


def test_a_refusal_has_the_code_and_the_data_of_the_service() -> None:
    """So that a flow can do something about it."""
    with serving(echo) as service:
        told = run_alone("show(caught(flow.service('ai').refuse))", HERO_FLOW_RPC_AI=service.path)

    assert told == [
        "the service 'ai' refused refuse: too much is asked (code 429)",
        "ai",
        429,
        {"after_s": 3},
    ]


def test_a_service_that_was_not_granted_says_how_to_grant_it() -> None:
    """At the call, by its name: with the flag, and with the variable for plain Python."""
    told = run_alone("ai = flow.service('ai'); show(caught(ai.complete))")

    assert told[1:] == ["ai", None, None]
    assert told[0] == (
        "the service 'ai' was not granted: `hero-logic run FLOW --rpc ai=PATH` grants it by its socket's "
        "path. Where plain Python runs the flow, HERO_FLOW_RPC_AI is that path."
    )


@pytest.mark.parametrize("name", ["", "a-b", "a b", "é", "a.b", "\\0", "\\ud800"])
def test_a_name_that_no_service_can_have_is_told(name: str) -> None:
    """It could never be granted."""
    told = run_alone(f"show(caught(flow.service('{name}').x))")

    assert told[0].endswith(" cannot be granted: a service's name has letters, digits and _")


def test_a_service_that_does_not_listen_is_named_with_its_path(tmp_path: Any) -> None:
    """And with what the system says of it."""
    told = run_alone("show(caught(flow.service('ai').ask))", HERO_FLOW_RPC_AI=str(tmp_path / "s"))

    assert told[0] == (
        f"the service 'ai', asked for ask, cannot be reached at {tmp_path}/s: "
        "[Errno 2] No such file or directory. Is it running?"
    )


@pytest.mark.parametrize("value", ["object()", "float('nan')", "deep", "{(1, 2): 3}"])
def test_what_is_no_json_is_not_sent(value: str) -> None:
    """The flow hears of it before the service is asked."""
    with serving(echo) as service:
        told = run_alone(
            "deep = []\nfor _ in range(100000): deep = [deep]\n"
            f"show(caught(flow.service('ai').ask, x={value}))",
            HERO_FLOW_RPC_AI=service.path,
        )

        assert told[0].startswith(
            "the service 'ai', asked for ask, takes JSON, and was given something else: "
        )
        assert service.connections == 0


def replies(data: bytes) -> Any:
    """A server's way to answer anything with these bytes, and to hang up."""

    def handle(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(data)

    return handle


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "it closed the connection after 0 bytes of its reply"),
        (b'{"jsonrpc": "2.0", "id": 1, "resu', "it closed the connection after 33 bytes of its reply"),
        (b'{"jsonrpc": "2.0", "id": 1, "result": 1}', "it closed the connection after 40 bytes of its reply"),
        (b"hello\n", "sent what is no reply of JSON-RPC 2.0 to call 1: hello"),
        (b"\n", "sent what is no reply"),
        (b"\xff\n", "sent what is no reply"),
        (b"[" * 100_000 + b"\n", "sent what is no reply of JSON-RPC 2.0 to call 1: [["),
        (b"7\n", "sent what is no reply"),
        (b"{}\n", "sent what is no reply"),
        (b'{"jsonrpc": "2.0", "id": 1}\n', "sent what is no reply"),
        (b'{"jsonrpc": "2.0", "id": 1, "error": null}\n', "sent what is no reply"),
        (b'{"jsonrpc": "2.0", "id": 2, "result": 1}\n', "sent what is no reply"),
        (b'{"jsonrpc": "2.0", "id": "1", "result": 1}\n', "sent what is no reply"),
        (b'{"jsonrpc": "2.0", "id": null, "result": 1}\n', "sent what is no reply"),
        (b'{"jsonrpc": "2.0", "id": 2, "error": {"message": "x"}}\n', "sent what is no reply"),
        (b'{"jsonrpc": "2.0", "id": 1, "result": NaN}\n', "sent what is no reply"),
        (b'{"id": null, "error": {"code": -32700, "message": "what?"}}\n', "what? (code -32700)"),
        (b'{"id": 1, "error": "what?", "result": null}\n', "refused ask: what? (code None)"),
        (b'{"id": 1, "error": {"code": "x"}}\n', "refused ask: None (code x)"),
        (b'{"id": 1, "error": {"message": "' + b"x" * 1_000_000 + b'"}}\n', "xxx"),
        (b"x" * (16 * 1024 * 1024 + 1), "sent a reply of more than 16777216 bytes; ask for less"),
    ],
    ids=lambda value: repr(value[:50]) if type(value) is bytes else "",
)
def test_a_service_that_does_not_keep_to_the_rules_is_told(data: bytes, said: str) -> None:
    """Whatever comes, the call ends in an exception that names the service, of a bounded length."""
    with serving_by(replies(data)) as service:
        told = run_alone("show(caught(flow.service('ai').ask))", HERO_FLOW_RPC_AI=service.path)

    assert told[0].startswith("the service 'ai'")
    assert said in told[0]
    assert len(told[0]) < 10_000


def test_a_reply_comes_in_pieces_and_may_have_an_empty_result() -> None:
    """However the bytes come; null is a result."""

    def handle(connection: socket.socket) -> None:
        connection.recv(65536)
        for byte in b'{"jsonrpc": "2.0", "id": 1, "result": null}\nmore':
            connection.sendall(bytes([byte]))

    with serving_by(handle) as service:
        told = run_alone("show([flow.service('ai').ask()])", HERO_FLOW_RPC_AI=service.path)

    assert told == [None]


def test_calls_from_many_threads_each_have_their_answer() -> None:
    """A service is asked from as many threads as there are, by one object, none waits for another."""
    all_asked = threading.Barrier(8, timeout=30)

    def answer(method: str, params: dict[str, Any]) -> Any:
        all_asked.wait()
        return params["n"]

    with serving(answer) as service:
        told = run_alone(
            """
            from concurrent.futures import ThreadPoolExecutor
            ai = flow.service('ai')
            with ThreadPoolExecutor(8) as pool:
                show(list(pool.map(lambda n: ai.ask(n=n), range(8))))
            """,
            HERO_FLOW_RPC_AI=service.path,
        )

    assert told == list(range(8))


def test_over_an_inherited_connection_calls_take_turns() -> None:
    """Where a play can make no connection: one for all calls, and a refusal does not break it."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with ours, ours.makefile("rwb") as file:
            for line in file:
                call = json.loads(line)
                came = {"error": {"message": "no"}} if call["method"] == "refuse" else {"result": call["id"]}
                file.write(json.dumps({"id": call["id"], **came}).encode() + b"\n")
                file.flush()

    told = _with_connection(
        """
        from concurrent.futures import ThreadPoolExecutor
        ai = flow.service('ai')
        refused = caught(ai.refuse)[0]
        with ThreadPoolExecutor(8) as pool:
            show([refused, sorted(pool.map(lambda n: ai.ask(n=n), range(8)))])
        """,
        theirs,
        serve,
    )

    assert told == ["the service 'ai' refused refuse: no (code None)", list(range(2, 10))]


def test_an_inherited_connection_that_broke_stays_broken() -> None:
    """What comes after half a reply would be taken for the reply to the next call."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with ours:
            ours.recv(65536)
            ours.sendall(b'{"id": 7, "result": "not yours"}\n{"id": 2, "result": "late"}\n')
            ours.recv(65536)

    told = _with_connection(
        "show([caught(flow.service('ai').ask)[0], caught(flow.service('ai').ask)[0]])", theirs, serve
    )

    assert "no reply of JSON-RPC 2.0 to call 1" in told[0]
    assert told[1] == (
        "the service 'ai', asked for ask, is not there any more: in this isolation a play has one "
        "connection, and it is broken. Run the flow again"
    )


def _with_connection(script: str, theirs: socket.socket, serve: Any) -> Any:
    server = threading.Thread(target=serve)
    server.start()
    with theirs:
        done = subprocess.run(
            [sys.executable, "-c", IMPORTS + SHOW + CATCH + textwrap.dedent(script)],
            env=clean_environment(HERO_FLOW_RPC_AI=str(theirs.fileno())),
            pass_fds=[theirs.fileno()],
            capture_output=True,
            text=True,
            check=False,
        )
    server.join()
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_service_can_be_shown_copied_and_asked_about() -> None:
    """What Python and its tools ask of any object is no call of the service."""
    told = run_alone(
        """
        import copy, pickle
        ai = copy.copy(flow.service('ai'))
        failed = pickle.loads(pickle.dumps(flow.ServiceFailed('no', 'ai', 3, [1])))
        show([repr(ai), hasattr(ai, '__len__'), ai.complete.__name__, repr(ai.complete)[:21],
              [str(failed), failed.reason, failed.service, failed.code, failed.data]])
        """
    )

    assert told == [
        "<the service 'ai'>",
        False,
        "complete",
        "<function ai.complete",
        ["no", "no", "ai", 3, [1]],
    ]


def test_importing_the_sdk_loads_nothing_for_services() -> None:
    """What a call takes is loaded by the first call: json and the socket's module cost milliseconds."""
    told = subprocess.run(
        [
            sys.executable,
            "-S",
            "-c",
            "import hero_tracing, sys; print('json' in sys.modules, '_socket' in sys.modules)",
        ],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )

    assert told.stdout == "False False\n"
