"""Each shared stream through the commands: from a file, from standard input, through a real socket."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.command import difference, hero_logic, last_line, shown, start

VECTORS = sorted((Path(__file__).parent.parent / "vectors").glob("*.jsonl"))


def _from_file(vector: Path, _: Path) -> str:
    result = hero_logic("ingest", str(vector))
    assert result.returncode == 0, result.stderr
    return last_line(result.stdout)


def _from_stdin(vector: Path, _: Path) -> str:
    result = hero_logic("ingest", "-", stdin=vector.read_bytes())
    assert result.returncode == 0, result.stderr
    return last_line(result.stdout)


def _through_socket(vector: Path, directory: Path) -> str:
    """The slowest writer there is: one byte at a time."""
    with start("listen", "--socket", str(directory / "span.sock")) as listener:
        assert listener.stdout is not None
        path = listener.stdout.readline().decode().removeprefix("listening on ").rstrip("\n")
        with socket.socket(socket.AF_UNIX) as writer:
            writer.connect(path)
            for byte in vector.read_bytes():
                writer.send(bytes([byte]))
        output, errors = listener.communicate(timeout=30)
    assert listener.returncode == 0, errors
    return last_line(output)


@pytest.mark.parametrize("deliver", [_from_file, _from_stdin, _through_socket])
@pytest.mark.parametrize("vector", VECTORS, ids=[vector.stem for vector in VECTORS])
def test_every_vector_becomes_the_play_it_must(
    vector: Path, deliver: Callable[[Path, Path], str], tmp_path: Path
) -> None:
    """Whichever way a stream comes in, the same play comes of it."""
    expected = json.loads(vector.with_suffix(".expected.json").read_text())
    before_ms = time.time() * 1000
    sid = deliver(vector, tmp_path)
    after_ms = time.time() * 1000
    found = shown(sid)

    wanted = {key: expected[key] for key in ("status", "spans", "counters")}
    assert difference(wanted, found, start_ms=before_ms, end_ms=after_ms) == []
