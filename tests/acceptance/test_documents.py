"""The documents of docs/json.md: every field, its type, and the same wherever they are printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.command import hero_logic, last_line
from support.runtime import write_flow

NUMBER = (int, float)
PLAY = {
    "schema": int,
    "sid": str,
    "flow": str,
    "status": str,
    "input": dict,
    "output": object,
    "error": str,
    "start_ms": NUMBER,
    "end_ms": NUMBER,
    "duration_ms": NUMBER,
    "exit_code": (int, type(None)),
    "stdout": str,
    "stderr": str,
    "artifacts": list,
    "sandbox": dict,
    "needs": dict,
    "grants": dict,
    "counters": dict,
    "created_ms": NUMBER,
    "is_waiting": bool,
    "retry_of": str,
    "parent_play_sid": str,
    "parent_span_id": str,
    "asked_by": str,
    "span_count": int,
    "spans": list,
}
SPAN = {
    "span_id": str,
    "parent_id": str,
    "name": str,
    "kind": str,
    "start_ms": NUMBER,
    "end_ms": NUMBER,
    "status": str,
    "tags": dict,
    "logs": str,
    "error": str,
    "rpc_service": str,
    "rpc_method": str,
    "child_play_sid": str,
    "source_file": str,
    "source_line": int,
}
COUNTERS = dict.fromkeys(("events", "malformed", "oversize", "repeated", "truncated"), int)
SANDBOX = dict.fromkeys(("tier", "isolation", "resources", "user"), str)
HEAVY = {"spans", "input", "output", "stdout", "stderr"}

OK = """
import sys
@flow("a é flow")
def main(n: int, more: dict = {}):
    with flow.step("one", n=n, text="é\\n\\0", big=2**60, none=None) as step:
        step.log("said")
        with flow.span("other"):
            pass
    with open("artifacts/é file", "wb") as file:
        file.write(b"12345")
    print("to stdout é")
    sys.stderr.buffer.write(b"to stderr \\xff\\n")
    return {"é": [1, 2.5, None, True, "\\x7f\\x9b\\u2028"], "big": 2**70, "n": n}
"""
FLOWS = {
    "ok": OK,
    "none": "@flow\ndef main(n: int):\n    pass\n",
    "failed": "@flow\ndef main(n: int):\n    with flow.step('in'):\n        raise ValueError('é')\n",
    "not loaded": "1 / 0\n@flow\ndef main(n: int):\n    pass\n",
    "killed": "import os\n@flow\ndef main(n: int):\n    with flow.step('in'):\n        os.abort()\n",
    "timed out": "import signal\n@flow\ndef main(n: int):\n    signal.pause()\n",
}


def check(document: dict[str, Any], shape: dict[str, Any]) -> None:
    """Hold a document against its shape: these keys, in this order, of these types."""
    assert list(document) == list(shape)
    for key, kind in shape.items():
        assert isinstance(document[key], kind), (key, document[key])
        assert not isinstance(document[key], bool) or kind in (bool, object), key


def check_play(document: dict[str, Any], *, without: frozenset[str] | set[str] = frozenset()) -> None:
    check(document, {key: kind for key, kind in PLAY.items() if key not in without})
    check(document["counters"], COUNTERS)
    check(document["sandbox"], SANDBOX)
    for artifact in document["artifacts"]:
        check(artifact, {"path": str, "size_bytes": int})
    for span in document.get("spans", []):
        check(span, SPAN)
    assert document["schema"] == 1
    assert document["duration_ms"] == pytest.approx(document["end_ms"] - document["start_ms"], abs=0.01)


@pytest.mark.parametrize("name", FLOWS)
def test_run_and_show_print_the_same_document(tmp_path: Path, name: str) -> None:
    """Byte for byte, one line, nothing else; a list has the same values of the fields that it has."""
    path = write_flow(tmp_path, FLOWS[name])
    ran = hero_logic("run", path, "-i", "n=3", "--timeout", "5" if name != "timed out" else "0.3", "--json")
    document = json.loads(ran.stdout)
    again = hero_logic("show", document["sid"], "--json")
    [listed] = json.loads(hero_logic("ls", "--json").stdout)["plays"]

    assert (ran.stdout.count(b"\n"), ran.stdout[-1:], ran.stderr) == (1, b"\n", b"")
    assert (again.returncode, again.stdout, again.stderr) == (0, ran.stdout, b"")
    check_play(document)
    check_play(listed, without=HEAVY)
    assert listed == {key: value for key, value in document.items() if key not in HEAVY}


def test_the_document_says_what_happened(tmp_path: Path) -> None:
    """Every field of a play that used everything."""
    path = write_flow(tmp_path, OK)
    document = json.loads(hero_logic("run", path, "-i", "n=3", "--json").stdout)
    root, one, other = document["spans"]

    assert document["flow"] == "a é flow"
    assert (document["status"], document["error"], document["exit_code"]) == ("ok", "", 0)
    assert document["input"] == {"n": 3}
    assert document["output"] == {"é": [1, 2.5, None, True, "\x7f\x9b\u2028"], "big": 2**70, "n": 3}
    assert (document["stdout"], document["stderr"]) == ("to stdout é\n", "to stderr \ufffd\n")
    assert document["artifacts"] == [{"path": "é file", "size_bytes": 5}]
    assert document["sandbox"] == {"tier": "tier0", "isolation": "none", "resources": "rlimits", "user": ""}
    # Three starts and ends, what was said in the step, and what was printed in the flow.
    assert document["counters"] == {**dict.fromkeys(COUNTERS, 0), "events": 8}
    assert [(span["name"], span["kind"], span["status"]) for span in document["spans"]] == [
        ("a é flow", "flow_root", "ok"),
        ("one", "step", "ok"),
        ("other", "other", "ok"),
    ]
    assert (root["parent_id"], one["parent_id"], other["parent_id"]) == ("", root["span_id"], one["span_id"])
    assert one["tags"] == {"n": 3, "text": "é\n\ufffd", "big": 2**60, "none": None}
    assert one["logs"].endswith("] said")
    assert (one["source_file"], one["source_line"] > 0) == (path, True)
    times = [
        document["start_ms"],
        root["start_ms"],
        one["start_ms"],
        one["end_ms"],
        root["end_ms"],
        document["end_ms"],
    ]
    assert times == sorted(times)


def test_a_recorded_stream_has_a_document_of_the_same_shape(tmp_path: Path) -> None:
    """Without a flow, an exit code and a sandbox."""
    stream = b'{"type":"span_tag","span_id":"a","tags":{"x":[1]}}\nbad\n'
    sid = last_line(hero_logic("ingest", "-", stdin=stream).stdout)
    document = json.loads(hero_logic("show", sid, "--json").stdout)

    check_play(document)
    assert (document["flow"], document["exit_code"], document["input"], document["output"]) == (
        "",
        None,
        {},
        None,
    )
    assert (document["stdout"], document["stderr"], document["artifacts"]) == ("", "", [])
    assert document["counters"] == {"events": 1, "malformed": 1, "oversize": 0, "repeated": 0, "truncated": 0}


def test_times_are_milliseconds_since_the_epoch_with_microseconds(tmp_path: Path) -> None:
    """What came is what is printed, to the digit."""
    line = '{"type":"span_start","span_id":"a","name":"","start_ms":1790000000000.123}\n'
    line += '{"type":"span_end","span_id":"a","status":"ok","end_ms":-5}\n'
    sid = last_line(hero_logic("ingest", "-", stdin=line.encode()).stdout)
    raw = hero_logic("show", sid, "--json").stdout
    [span] = json.loads(raw)["spans"]

    assert (span["start_ms"], span["end_ms"]) == (1790000000000.123, -5)
    assert b"1790000000000.123" in raw


def test_a_document_of_many_spans_is_whole() -> None:
    """Past every page in which they are read, in the order in which they were first heard of."""
    lines = [f'{{"type":"span_log","span_id":"{n}","text":"é {n}","ts_ms":{n}}}' for n in range(6001)]
    sid = last_line(hero_logic("ingest", "-", stdin="\n".join(lines).encode()).stdout)
    spans = json.loads(hero_logic("show", sid, "--json").stdout)["spans"]

    assert [span["span_id"] for span in spans] == [str(n) for n in range(6001)]
    assert [span["logs"] for span in spans] == [f"[{n}] é {n}" for n in range(6001)]
