"""What SECURITY.md says that Tier 0 does not do, and that recording runs nothing, shown on real plays."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.command import environment, hero_logic, last_line, shown, start
from support.waiting import wait_until

FLOW = "from hero_tracing import flow\n\n\n@flow\ndef attempt(target: str = ''):\n{body}"


def play(tmp_path: Path, body: str, *arguments: str, **more: str) -> dict[str, Any]:
    """The document of a play of a flow with this body, which gets its target as an input."""
    path = tmp_path / "attempt.py"
    path.write_text(
        FLOW.format(body="".join(f"    {line}\n" for line in body.splitlines())), encoding="utf-8"
    )
    done = hero_logic("run", str(path), "--json", *arguments, **more)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_recording_runs_nothing_of_what_it_reads(tmp_path: Path) -> None:
    """``ingest`` starts no process and makes no file of what a stream says."""
    marker = tmp_path / "marker"
    stream = tmp_path / "events.jsonl"
    stream.write_text(
        f"__import__('os').mkdir({str(marker)!r})\n" + '{"type":"span_start","span_id":"a","name":"n"}\n'
    )
    watched = (
        "import sys\n"
        "started = []\n"
        "events = 'os.fork os.forkpty os.exec os.posix_spawn os.spawn os.system subprocess.Popen'.split()\n"
        "sys.addaudithook(lambda event, _: started.append(event) if event in events else None)\n"
        "from hero_logic.app import main\n"
        "status = main(['ingest', sys.argv[1]])\n"
        "print(status, started)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", watched, str(stream)], env=environment(), capture_output=True, check=True
    )

    assert last_line(done.stdout) == "0 []"
    assert not marker.exists()


def test_a_flow_can_read_the_files_of_its_user(tmp_path: Path) -> None:
    """Tier 0 hides no files: a flow reads whatever its user may."""
    private = tmp_path / "private.txt"
    private.write_text("found")
    private.chmod(0o600)

    document = play(tmp_path, "return open(target).read()", "-i", f"target={private}")

    assert document["output"] == "found"


def test_a_flow_can_write_to_the_files_of_its_user(tmp_path: Path) -> None:
    """Tier 0 protects no files: a flow changes whatever its user may."""
    document = play(tmp_path, "open(target, 'w').write('changed')", "-i", f"target={tmp_path / 'theirs.txt'}")

    assert document["status"] == "ok"
    assert (tmp_path / "theirs.txt").read_text() == "changed"


def test_a_flow_can_reach_the_network(tmp_path: Path) -> None:
    """Tier 0 has no network of its own: a flow connects to wherever its user may."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        body = "import socket\nsocket.create_connection(('127.0.0.1', int(target))).sendall(b'out')"
        document = play(tmp_path, body, "-i", f"target={server.getsockname()[1]}")
        connection, _ = server.accept()
        with connection:
            said = connection.recv(16)

    assert document["status"] == "ok"
    assert said == b"out"


def test_a_flow_can_end_other_processes_of_its_user(tmp_path: Path) -> None:
    """Tier 0 has no process namespace: a flow sees and signals whatever its user may."""
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    ) as other:
        document = play(tmp_path, "import os\nos.kill(int(target), 9)", "-i", f"target={other.pid}")
        status = other.wait(timeout=20)

    assert document["status"] == "ok"
    assert status == -9


def test_a_flow_can_read_the_operators_environment_from_another_process(tmp_path: Path) -> None:
    """The environment of a play is cleared; that of the runtime is still there to be read in /proc."""
    body = (
        "import glob\n"
        "for path in glob.glob('/proc/[0-9]*/environ'):\n"
        "    try:\n"
        "        if target.encode() in open(path, 'rb').read():\n"
        "            return 'found'\n"
        "    except OSError:\n"
        "        continue"
    )

    document = play(tmp_path, body, "-i", f"target=SHOP_SECRET={os.getpid()}", SHOP_SECRET=str(os.getpid()))

    assert document["output"] == "found"


def test_a_flow_can_change_the_record(tmp_path: Path) -> None:
    """The database belongs to the user as whom the flow runs."""
    before = play(tmp_path, "return 1")
    body = (
        "import sqlite3\n"
        "with sqlite3.connect(target, timeout=30) as database:\n"
        f"    database.execute('UPDATE plays SET error = ? WHERE sid = ?', ('forged', {before['sid']!r}))"
    )

    document = play(tmp_path, body, "-i", f"target={os.environ['HERO_LOGIC_HOME']}/hero_logic.db")

    assert document["status"] == "ok"
    assert shown(before["sid"])["error"] == "forged"


def test_a_flow_can_say_anything_of_itself(tmp_path: Path) -> None:
    """Spans are what the play says; a raw line on its own socket is as good as the SDK's."""
    body = (
        "import os, socket\n"
        "with socket.socket(socket.AF_UNIX) as own:\n"
        "    own.connect(os.environ['HERO_FLOW_SPAN_SOCK'])\n"
        '    own.sendall(b\'{"type":"span_end","span_id":"made up","status":"ok"}\\n\')'
    )

    document = play(tmp_path, body)

    assert document["status"] == "ok"
    assert "made up" in [span["span_id"] for span in document["spans"]]


def test_a_flow_can_write_into_the_stream_of_another_play(tmp_path: Path) -> None:
    """A span socket keeps other users out, and not other plays of the same user."""
    path = tmp_path / "other.sock"
    body = (
        "import socket\n"
        "with socket.socket(socket.AF_UNIX) as other:\n"
        "    other.connect(target)\n"
        '    other.sendall(b\'{"type":"span_start","span_id":"planted","name":"n"}\\n\')'
    )
    with start("listen", "--socket", str(path)) as listener:
        assert listener.stdout is not None
        assert listener.stdout.readline().startswith(b"listening on ")

        document = play(tmp_path, body, "-i", f"target={path}")

        sid = last_line(listener.communicate(timeout=30)[0])
    assert document["status"] == "ok"
    assert [span["span_id"] for span in shown(sid)["spans"]] == ["planted"]


def test_a_flow_can_show_a_secret_that_it_scrambles(tmp_path: Path) -> None:
    """Redaction finds a value as it is and in usual spellings, and not what was made of it on purpose."""
    body = "import os\nvalue = os.environ['SHOP_SECRET']\nreturn [value, value[::-1]]"

    document = play(tmp_path, body, "--env", "SHOP_SECRET", SHOP_SECRET="drowssap")

    assert document["output"] == ["***", "password"]


def test_artifacts_and_inputs_are_recorded_as_they_are(tmp_path: Path) -> None:
    """Redaction leaves alone what the operator gave, and what the flow put into files to be kept."""
    body = "import os\nopen('artifacts/a.txt', 'w').write(os.environ['SHOP_SECRET'])"
    keep = tmp_path / "kept"

    document = play(
        tmp_path,
        body,
        *("--env", "SHOP_SECRET", "--keep", str(keep), "-i", "target=drowssap"),
        SHOP_SECRET="drowssap",
    )

    assert document["input"] == {"target": "drowssap"}
    assert (keep / "a.txt").read_text() == "drowssap"


def test_a_link_in_artifacts_is_not_followed(tmp_path: Path) -> None:
    """A link that a flow leaves among its artifacts is neither listed nor copied."""
    private = tmp_path / "private.txt"
    private.write_text("not to be copied")
    keep = tmp_path / "kept"
    body = "import os\nos.symlink(target, 'artifacts/link')\nopen('artifacts/file', 'w').write('x')"

    document = play(tmp_path, body, "-i", f"target={private}", "--keep", str(keep))

    assert [artifact["path"] for artifact in document["artifacts"]] == ["file"]
    assert os.listdir(keep) == ["file"]


def test_a_value_that_was_let_through_is_redacted_wherever_it_is_recorded(tmp_path: Path) -> None:
    """What ``--env`` let through is nowhere in the document: spans, streams, error, output."""
    body = (
        "import json, os, sys\n"
        "value = os.environ['SHOP_SECRET']\n"
        "with flow.step(value, tag=value, nested={value: [value]}) as step:\n"
        "    step.log(json.dumps([value]), level=value)\n"
        "print(value)\n"
        "print(repr(value), file=sys.stderr)\n"
        "if target == 'fail':\n"
        "    raise ValueError(value)\n"
        "return {'value': value}"
    )
    secret = 'swordfish "quoted"'

    documents = [
        play(tmp_path, body, "--env", "SHOP_SECRET", "-i", f"target={target}", SHOP_SECRET=secret)
        for target in ("return", "fail")
    ]

    assert [document["status"] for document in documents] == ["ok", "failed"]
    assert "swordfish" not in json.dumps(documents).lower()


def begin_play(tmp_path: Path, body: str, **more: str) -> tuple[subprocess.Popen[bytes], int]:
    """A play that goes on, by its runtime, and the pid of its flow, which it leaves in a file."""
    pid_file = tmp_path / "pid"
    path = tmp_path / "attempt.py"
    ready = f"import os\nopen({str(pid_file)!r} + '.part', 'w').write(str(os.getpid()))\n"
    ready += f"os.rename({str(pid_file)!r} + '.part', {str(pid_file)!r})\nimport signal\nsignal.pause()"
    lines = f"{body}\n{ready}".strip().splitlines()
    path.write_text(FLOW.format(body="".join(f"    {line}\n" for line in lines)), encoding="utf-8")
    runtime = start("run", str(path), "--json", *(word for name in more for word in ("--env", name)), **more)
    wait_until(pid_file.exists, "the flow runs")
    return runtime, int(pid_file.read_text())


def is_alive(pid: int) -> bool:
    """Whether a process of that number is there and is no zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(") ")[2][0] != "Z"


def test_a_play_does_not_outlive_its_runtime(tmp_path: Path) -> None:
    """A SIGKILL of the runtime ends the play, and the next command says so."""
    runtime, pid = begin_play(tmp_path, "")

    runtime.kill()
    runtime.communicate(timeout=20)

    wait_until(lambda: not is_alive(pid), "the flow is gone", timeout_s=5)
    document = shown("last")
    assert document["status"] == "failed"
    assert document["error"] == "the runtime ended while this play ran"


def test_what_was_printed_before_the_runtime_was_killed_is_withheld(tmp_path: Path) -> None:
    """Nobody knows the values once the runtime is gone: recovery records nothing that may hold them."""
    body = "import os\nprint(os.environ['SHOP_SECRET'], flush=True)\nflow.log(os.environ['SHOP_SECRET'])"
    runtime, _ = begin_play(tmp_path, body, SHOP_SECRET="swordfish")

    runtime.kill()
    runtime.communicate(timeout=20)

    document = shown("last")
    assert "withheld" in document["stdout"]
    assert document["status"] == "failed"
    assert "swordfish" not in json.dumps(document)


def test_what_is_recorded_can_be_read_by_its_owner_alone(tmp_path: Path) -> None:
    """The database and the directories of plays are closed to others under a careless umask."""
    before = os.umask(0o022)
    try:
        play(tmp_path, "open('artifacts/a.txt', 'w').write('x')")
    finally:
        os.umask(before)
    home = Path(os.environ["HERO_LOGIC_HOME"])
    closed = [
        home,
        home / "hero_logic.db",
        *home.glob("hero_logic.db-*"),
        home / "plays",
        home / "runtimes",
        home / "cache",
    ]

    assert [path.name for path in closed if path.stat().st_mode & 0o077] == []
