"""What a face can ask for."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest

from hero_logic.client import Client, RunRequest
from hero_logic.core.errors import (
    ArtifactsNotKept,
    BadFlowFile,
    BadInput,
    NoEntry,
    NotFound,
    SandboxUnavailable,
    UnmetRequirements,
    UsageError,
)
from hero_logic.core.tiers import WANTED
from hero_logic.runner.sandbox import isolation
from support.forked import has_landlock, has_namespaces
from support.runtime import QuietFace, client_at, read_document, run_flow, start_runtime, write_flow
from support.waiting import wait_until

FLOW = """
@flow
def main(text: str, n: int = 3, *, factor: float = 1.0):
    with open("artifacts/out.txt", "w") as file:
        file.write(text)
    print("ran")
    return {"text": text, "n": n, "factor": factor}
"""


def prepared_input(tmp_path: Path, *assignments: str, document: bytes | None = None) -> object:
    path = write_flow(tmp_path, FLOW)
    request = RunRequest(path, assignments=list(assignments), document=document, python=sys.executable)
    return json.loads(client_at(tmp_path / "home").prepare(request).input_json)


def check_nothing_is_on_record(client: Client) -> None:
    with client.read() as reading:
        assert reading.page(limit=5, before=None) == ([], None)


@pytest.mark.parametrize(
    ("assignments", "document", "found"),
    [
        (["text=7"], None, {"text": "7"}),
        (["text=a=b"], None, {"text": "a=b"}),
        (["text="], None, {"text": ""}),
        (["text=x", "n=5"], None, {"text": "x", "n": 5}),
        (["text=x", "factor=2"], None, {"text": "x", "factor": 2.0}),
        ([], b'{"text":"doc","n":1}', {"text": "doc", "n": 1}),
        (["n=2"], b'{"text":"doc","n":1}', {"text": "doc", "n": 2}),
        (["text=a", "text=b"], None, {"text": "b"}),
    ],
)
def test_inputs_are_read_as_they_were_said(
    tmp_path: Path, assignments: list[str], document: bytes | None, found: object
) -> None:
    """Text for a str, JSON for any other; an assignment wins over the document."""
    assert prepared_input(tmp_path, *assignments, document=document) == found


@pytest.mark.parametrize(
    ("assignments", "document"),
    [
        ([], None),
        (["text=x", "nope=1"], None),
        (["text=x", "n=abc"], None),
        (["text=x", "n=1.5"], None),
        (["text=x", "n=true"], None),
        (["text"], None),
        ([], b"[1]"),
        ([], b"{"),
        ([], b'{"text":1}'),
        ([], b"\xff"),
    ],
)
def test_a_bad_input_is_an_error_before_anything_is_recorded(
    tmp_path: Path, assignments: list[str], document: bytes | None
) -> None:
    """No coercion but int to float; the error is the caller's."""
    with pytest.raises(BadInput):
        prepared_input(tmp_path, *assignments, document=document)

    check_nothing_is_on_record(client_at(tmp_path / "home"))


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (b"x = 1\n", NoEntry),
        (b"def (:\n", BadFlowFile),
        (b"\x00", BadFlowFile),
        (b"# coding: nonsense\n", BadFlowFile),
        (
            b"from hero_tracing import flow\n@flow\ndef a(): pass\n@flow\ndef b(): pass\n",
            NoEntry,
        ),
        (
            b"# /// script\n# dependencies = ['no-such-package-of-ours']\n# ///\n"
            b"from hero_tracing import flow\n@flow\ndef a(): pass\n",
            UnmetRequirements,
        ),
    ],
)
def test_a_file_that_cannot_be_run_is_an_error_before_anything_is_recorded(
    tmp_path: Path, source: bytes, error: type[Exception]
) -> None:
    """Nothing of it is run to find out."""
    (tmp_path / "f.py").write_bytes(source)
    client = client_at(tmp_path / "home")
    with pytest.raises(error):
        client.prepare(RunRequest(str(tmp_path / "f.py"), assignments=[], python=sys.executable))

    check_nothing_is_on_record(client)


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, float("nan"), float("inf"), 1e12])
def test_a_timeout_is_a_number_of_seconds_above_nothing(tmp_path: Path, timeout_s: float) -> None:
    """Anything else is an error."""
    path = write_flow(tmp_path, "@flow\ndef main(): pass\n")
    with pytest.raises(UsageError, match="--timeout"):
        client_at(tmp_path / "home").prepare(RunRequest(path, assignments=[], timeout_s=timeout_s))


def run(tmp_path: Path, *, variables: dict[str, str] | None = None) -> tuple[Client, QuietFace, str]:
    client = client_at(tmp_path / "home", **(variables or {}))
    request = RunRequest(
        write_flow(tmp_path, FLOW),
        assignments=["text=hello"],
        python=sys.executable,
        let_through=tuple(variables or ()),
    )
    face = QuietFace()
    play = client.run(client.prepare(request), face)
    return client, face, play.sid


def test_a_play_that_was_run_can_be_read_again(tmp_path: Path) -> None:
    """By its sid, as the last one, and in the list."""
    client, _, sid = run(tmp_path)
    with client.read() as reading:
        by_sid, last = reading.play(sid), reading.play("last")
        [listed], cursor = reading.page(limit=1, before=None)

    assert by_sid == last
    assert (listed.sid, cursor, by_sid.status) == (sid, None, "ok")
    assert read_document(client, sid)["output"] == {"text": "hello", "n": 3, "factor": 1.0}


def test_nothing_of_a_run_is_left_but_its_artifacts(tmp_path: Path) -> None:
    """The play's directory holds them alone."""
    client, _, sid = run(tmp_path)
    root = Path(client.artifacts_dir(sid)).parent

    assert [path.relative_to(root).as_posix() for path in root.rglob("*")] == [
        "artifacts",
        "artifacts/out.txt",
    ]
    assert os.listdir(tmp_path / "home" / "runtimes") == []


def test_a_play_can_be_followed(tmp_path: Path) -> None:
    """From any revision on, to its end; what came before is read."""
    client, _, sid = run(tmp_path)
    with client.read() as reading:
        changes = reading.follow(sid, since=0).changes()
        lines = [json.loads(line) for line in reading.change_lines([], [row for _, row in changes.spans])]

        assert [line["name"] for line in lines] == [span.name for span in reading.spans(sid)]
        assert [play.status for play in changes.plays] == ["ok"]
        assert json.loads(reading.play_line(changes.plays[0]))["sid"] == sid
        assert reading.outline(changes.plays[0]) is None


def test_what_a_play_is_asked_for_is_answered(tmp_path: Path) -> None:
    """What failed of it, what it took, what it logged."""
    client, _, sid = run(tmp_path)
    with client.read() as reading:
        [root] = reading.spans(sid)

        assert reading.failed(sid, limit=5) == ([], [])
        assert reading.status_counts(sid) == {"ok": 1}
        assert [one.name for one in reading.stats(sid, limit=5)[0]] == [root.name]
        assert reading.logs(sid, root.span_id) == root.logs
        assert json.loads(b"".join(reading.failed_document(sid)))["spans"] == []
        assert json.loads(reading.stats_document(sid, limit=5))["is_all"] is True


def test_a_play_whose_runtime_is_gone_is_given_its_end_by_who_reads(tmp_path: Path) -> None:
    """Not only when the reading begins: it may be killed while somebody watches."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    path = write_flow(tmp_path, f"@flow\ndef main():\n    open({str(gate)!r}).read()\n")
    client = client_at(tmp_path / "home")
    with start_runtime(tmp_path / "home", path) as runtime:
        try:
            assert runtime.stdout is not None
            sid = runtime.stdout.readline().strip()
            with client.read() as reading:
                reading.end_lost()
                before = reading.play(sid).status
                runtime.kill()

                def is_ended() -> bool:
                    reading.end_lost()
                    return reading.play(sid).status == "failed"

                wait_until(is_ended, "the end of a play whose runtime was killed")
        finally:
            runtime.kill()
        runtime.communicate()

    assert before == "running"


def test_artifacts_can_be_kept(tmp_path: Path) -> None:
    """Copied to where the operator wants them."""
    client, _, sid = run(tmp_path)
    with client.read() as reading:
        client.keep_artifacts(reading.play(sid), str(tmp_path / "kept" / "here"))

    assert (tmp_path / "kept" / "here" / "out.txt").read_text() == "hello"


def test_artifacts_that_cannot_be_kept_are_said_to_be_there_still(tmp_path: Path) -> None:
    """The error tells where."""
    client, _, sid = run(tmp_path)
    (tmp_path / "kept").write_text("in the way")
    with client.read() as reading, pytest.raises(ArtifactsNotKept, match=f"still in .*{sid}"):
        client.keep_artifacts(reading.play(sid), str(tmp_path / "kept"))


def test_a_short_value_that_is_let_through_is_warned_of(tmp_path: Path) -> None:
    """The face is told."""
    _, face, _ = run(tmp_path, variables={"PIN": "abc"})

    assert any("PIN" in note for note in face.notes)


def test_a_stream_is_ingested_as_a_play(tmp_path: Path) -> None:
    """And lines that were not kept are told."""
    client = client_at(tmp_path / "home")
    notes: list[str] = []
    stream = io.BytesIO(b'garbage\n{"type":"span_start","span_id":"s","name":"n"}\n')
    play = client.ingest(stream, note=notes.append)

    assert (play.status, play.counters.malformed, play.span_count) == ("failed", 1, 1)
    assert len(notes) == 1


def test_a_play_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    """Nor is a cursor of none."""
    with client_at(tmp_path / "home").read() as reading:
        with pytest.raises(NotFound):
            reading.play("none")
        with pytest.raises(NotFound):
            reading.page(limit=1, before="none")


def test_a_page_is_a_document_too(tmp_path: Path) -> None:
    """As ``ls --json`` prints it."""
    client, _, sid = run(tmp_path)
    with client.read() as reading:
        plays, cursor = reading.page(limit=5, before=None)
        document = json.loads(reading.list_document(plays, cursor))

    assert [play["sid"] for play in document["plays"]] == [sid]
    assert document["next"] is None


# What a play is kept in

needs_native = pytest.mark.skipif(
    not (has_landlock() and has_namespaces()), reason="this host has no namespaces or no Landlock of ABI 6"
)


def nothing_isolates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a host of this one on which every isolation is entered, and none keeps anything from anybody."""
    for name in ("native", "bubblewrap", "landlock"):
        monkeypatch.setattr(isolation, name, lambda *_, **__: isolation.none())


@needs_native
@pytest.mark.parametrize(
    ("said", "variable", "tier"),
    [
        (None, "auto", "tier2"),
        (None, "", "tier2"),
        (None, "tier1", "tier1"),
        ("tier1", "tier0", "tier1"),
        ("best", "none", "tier2"),
        ("none", "auto", "none"),
    ],
)
def test_a_play_is_kept_in_what_was_said_or_the_environment_says(
    tmp_path: Path, said: str | None, variable: str, tier: str
) -> None:
    """What was said comes first; where nothing is, the default: the highest tier that this host proves."""
    path = write_flow(tmp_path, FLOW)
    ran = run_flow(
        tmp_path / "home", path, "text=x", sandbox=said, variables={"HERO_LOGIC_SANDBOX": variable}
    )

    isolation_and_resources = {"tier2": ("native", "watcher"), "tier1": ("native", "rlimits")}
    assert (ran["status"], ran["sandbox"]["tier"]) == ("ok", tier)
    kept = (ran["sandbox"]["isolation"], ran["sandbox"]["resources"])
    assert kept == isolation_and_resources.get(tier, ("none", "none"))


def test_a_word_of_the_environment_that_is_none_is_a_usage_error(tmp_path: Path) -> None:
    """A misspelt one is never taken for less."""
    client = client_at(tmp_path / "home", HERO_LOGIC_SANDBOX="teir1")
    request = RunRequest(write_flow(tmp_path, FLOW), assignments=["text=x"], python=sys.executable)

    with pytest.raises(UsageError, match="teir1"):
        client.prepare(request)


@pytest.mark.parametrize("wanted", ["auto", "tier1", "tier2"])
def test_what_cannot_be_had_is_refused_before_anything_is_started_or_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    """No play runs in less than was asked for; what got through is named, and the way to accept less."""
    nothing_isolates(monkeypatch)
    with pytest.raises(SandboxUnavailable, match="a flow could read a file") as refused:
        run_flow(tmp_path / "home", write_flow(tmp_path, FLOW), "text=x", sandbox=wanted)

    assert "--sandbox best" in str(refused.value)
    check_nothing_is_on_record(client_at(tmp_path / "home"))


def test_best_takes_what_can_be_had_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing isolates: tier 0, with a warning, in its record too."""
    nothing_isolates(monkeypatch)
    ran = run_flow(tmp_path / "home", write_flow(tmp_path, FLOW), "text=x", sandbox="best")

    assert ran["sandbox"] == {"tier": "tier0", "isolation": "none", "resources": "rlimits", "user": ""}
    assert [note for note in ran.notes if "the flow can do what you can do" in note]


@needs_native
def test_a_sandbox_that_cannot_be_entered_any_more_fails_closed_and_is_tried_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The play is on record as one that was not started, and what was proven is forgotten."""
    path, home = write_flow(tmp_path, FLOW), tmp_path / "home"
    assert run_flow(home, path, "text=x", sandbox="tier1")["status"] == "ok"
    order = isolation.native
    monkeypatch.setattr(
        isolation, "native", lambda *given, **more: order(*given, **{**more, "root": "/none"})
    )
    ran = run_flow(home, path, "text=x", sandbox="tier1")

    assert (ran["status"], ran["stdout"], ran["output"], ran["spans"]) == ("failed", "", None, [])
    assert ran["error"].startswith("SandboxUnavailable: ")
    assert "mount tmpfs on /none: No such file or directory" in ran["error"]
    assert not (home / "cache" / "sandbox-proofs").exists()


def test_every_word_has_a_meaning(tmp_path: Path) -> None:
    """None of them is refused as one that is not known."""
    for word in WANTED:
        request = RunRequest(
            write_flow(tmp_path, FLOW), assignments=["text=x"], python=sys.executable, sandbox=word
        )

        assert client_at(tmp_path / "home").prepare(request).sandbox == word
