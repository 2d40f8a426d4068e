"""``hero-logic listen``: its socket, its ends, and what it prints."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.command import COMMAND, environment, hero_logic, last_line, shown, start
from support.waiting import wait_until

START = b'{"type":"span_start","span_id":"a","name":"one","start_ms":1}\n'
END = b'{"type":"span_end","span_id":"a","status":"ok","end_ms":2}\n'


@contextmanager
def listening(*arguments: str, **more: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A listener that accepts connects, and its path."""
    with start("listen", *arguments, **more) as process:
        assert process.stdout is not None
        first = process.stdout.readline().decode()
        assert first.startswith("listening on ")
        try:
            yield process, first.removeprefix("listening on ").rstrip("\n")
        finally:
            process.kill()


def send(path: str, data: bytes) -> None:
    """Connect, write, close."""
    with socket.socket(socket.AF_UNIX) as writer:
        writer.connect(path)
        writer.sendall(data)


def test_what_comes_is_a_play_whose_sid_is_the_last_line(tmp_path: Path) -> None:
    """The first line says where it listens, and no more is printed."""
    with listening("--socket", str(tmp_path / "s.sock")) as (process, path):
        send(path, START + END)
        output, errors = process.communicate(timeout=30)
    play = shown(last_line(output))

    assert (process.returncode, errors) == (0, b"")
    assert output == f"{play['sid']}\n".encode()
    assert path == str(tmp_path / "s.sock")
    assert (play["status"], play["counters"]["events"]) == ("ok", 2)
    assert not (tmp_path / "s.sock").exists()


def test_without_a_path_it_is_that_of_the_new_sid(tmp_path: Path) -> None:
    """In the directory for sockets."""
    directory = Path("/tmp") / f"hl-{os.getpid()}-{tmp_path.name[-12:]}"
    directory.mkdir()
    with listening(HERO_LOGIC_RUNTIME_DIR=str(directory)) as (process, path):
        send(path, START + END)
        output, _ = process.communicate(timeout=30)
    left = list(directory.iterdir())
    directory.rmdir()

    assert path == f"{directory}/spans-{last_line(output)}.sock"
    assert left == []


def test_a_relative_path_is_that_of_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed is the whole path."""
    monkeypatch.chdir(tmp_path)
    with listening("--socket", "s.sock") as (process, path):
        send("s.sock", START + END)
        process.communicate(timeout=30)

    assert path == str(tmp_path / "s.sock")


def test_any_path_is_printed_as_it_is(tmp_path: Path) -> None:
    """Bytes that are no text in the locale, too."""
    wanted = os.fsencode(tmp_path) + b"/\xff \xc3\xa9.sock"
    with subprocess.Popen(
        [*COMMAND, "listen", "--socket", wanted],
        stdout=subprocess.PIPE,
        env=environment(PYTHONIOENCODING="ascii:strict"),
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)

    assert line == b"listening on " + wanted + b"\n"
    assert process.returncode == 0


def test_the_socket_is_for_its_user_alone(tmp_path: Path) -> None:
    """Mode 0600 from the first moment that it can be seen."""
    with listening("--socket", str(tmp_path / "s.sock")) as (_, path):
        mode = os.stat(path).st_mode

    assert (stat.S_ISSOCK(mode), stat.S_IMODE(mode)) == (True, 0o600)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("is_connected", [False, True])
def test_a_signal_is_the_end_of_the_input(tmp_path: Path, number: signal.Signals, is_connected: bool) -> None:
    """What had come is a play, with exit status 0; what was open is failed."""
    with (
        listening("--socket", str(tmp_path / "s.sock")) as (process, path),
        socket.socket(socket.AF_UNIX) as writer,
    ):
        if is_connected:
            writer.connect(path)
            writer.sendall(START)
        process.send_signal(number)
        output, errors = process.communicate(timeout=30)
    play = shown(last_line(output))

    assert (process.returncode, errors) == (0, b"")
    assert play["status"] == ("failed" if is_connected else "ok")
    assert [span["status"] for span in play["spans"]] == ["failed"] * is_connected
    assert not (tmp_path / "s.sock").exists()


def test_a_listener_that_nobody_has_connected_to_stays(tmp_path: Path) -> None:
    """The idle time begins when the last connection closes."""
    with listening("--socket", str(tmp_path / "s.sock"), "--idle", "0") as (process, path):
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        send(path, START + END)
        output, _ = process.communicate(timeout=30)

    assert shown(last_line(output))["counters"]["events"] == 2


def test_a_listener_waits_for_who_comes_again_for_so_long(tmp_path: Path) -> None:
    """``--idle`` seconds after the last close, not less."""
    with listening("--socket", str(tmp_path / "s.sock"), "--idle", "1") as (process, path):
        send(path, START)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        send(path, END)
        sent_s = time.monotonic()
        output, _ = process.communicate(timeout=30)
        ended_s = time.monotonic()

    assert shown(last_line(output))["status"] == "ok"
    assert ended_s - sent_s > 0.9


def test_a_connection_that_stays_open_is_waited_for(tmp_path: Path) -> None:
    """However long it is silent."""
    with listening("--socket", str(tmp_path / "s.sock"), "--idle", "0") as (process, path):
        with socket.socket(socket.AF_UNIX) as writer:
            writer.connect(path)
            writer.sendall(START)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.5)
            writer.sendall(END)
        output, _ = process.communicate(timeout=30)

    assert shown(last_line(output))["status"] == "ok"


def test_a_path_where_another_listens_is_left_alone(tmp_path: Path) -> None:
    """The second of two is refused and records nothing; the first goes on, and counts no writer."""
    with listening("--socket", str(tmp_path / "s.sock"), "--idle", "0") as (process, path):
        second = hero_logic("listen", "--socket", path)
        send(path, START + END)
        output, _ = process.communicate(timeout=30)

    assert (second.returncode, second.stdout) == (1, b"")
    assert b"another process listens at" in second.stderr
    [play] = json.loads(hero_logic("ls", "--json").stdout)["plays"]
    assert (play["sid"], play["status"], play["counters"]["events"]) == (last_line(output), "ok", 2)


@pytest.mark.parametrize("kind", ["file", "directory", "link", "pipe"])
def test_what_is_no_socket_is_left_alone(tmp_path: Path, kind: str) -> None:
    """An error, and nothing recorded."""
    path = tmp_path / "there"
    {
        "file": lambda: path.write_text("mine"),
        "directory": path.mkdir,
        "link": lambda: path.symlink_to("nowhere"),
        "pipe": lambda: os.mkfifo(path),
    }[kind]()
    before = os.lstat(path)
    result = hero_logic("listen", "--socket", str(path))
    after = os.lstat(path)

    assert (result.returncode, result.stdout) == (1, b"")
    assert b"is no socket; it was left alone" in result.stderr
    assert (before.st_ino, before.st_size, before.st_mtime_ns) == (
        after.st_ino,
        after.st_size,
        after.st_mtime_ns,
    )
    assert json.loads(hero_logic("ls", "--json").stdout)["plays"] == []


def test_a_socket_that_a_killed_listener_left_is_replaced(tmp_path: Path) -> None:
    """Nobody listens at it any more."""
    with listening("--socket", str(tmp_path / "s.sock")) as (process, path):
        process.kill()
        process.wait()
    assert os.path.exists(path)
    with listening("--socket", path) as (process, _):
        send(path, START + END)
        output, _ = process.communicate(timeout=30)

    assert shown(last_line(output))["status"] == "ok"
    statuses = [play["status"] for play in json.loads(hero_logic("ls", "--json").stdout)["plays"]]
    assert statuses == ["ok", "failed"]


def test_output_that_nobody_reads_stops_no_recording(tmp_path: Path) -> None:
    """Neither the path, nor warnings, nor the sid."""
    reader, writer = os.pipe()
    os.close(reader)
    path = str(tmp_path / "s.sock")
    with subprocess.Popen(
        [*COMMAND, "listen", "--socket", path],
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=writer,
        env=environment(),
    ) as process:
        os.close(writer)
        _connect_when_there(path, START + b"bad\n" * 10 + END)
        status = process.wait(30)
    [play] = json.loads(hero_logic("ls", "--json").stdout)["plays"]

    assert status == 0
    assert (play["status"], play["counters"]["malformed"]) == ("ok", 10)


def _connect_when_there(path: str, data: bytes) -> None:
    def is_sent() -> bool:
        try:
            send(path, data)
        except OSError:
            return False
        return True

    wait_until(is_sent, "the socket")
