"""Several processes at one store: they wait for each other, and dying takes nothing back."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hero_logic.core.errors import StoreLocked
from hero_logic.core.records import Play
from hero_logic.store.sqlite import SqliteStore
from store.facts import add_running_play, delta, row

SOURCE = os.path.join(os.path.dirname(__file__), "..", "..", "src")

HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute(sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""

OPENER = """
import sys
from hero_logic.core.records import Play
from hero_logic.store.sqlite import SqliteStore
print("ready", flush=True)
sys.stdin.readline()
store = SqliteStore.open(sys.argv[1])
store.create_play(Play(sid=sys.argv[2]))
store.close()
print("done", flush=True)
"""

WRITER = """
import sys
from hero_logic.core.records import Counters, Play, SpanDelta, SpanRow
from hero_logic.store.sqlite import SqliteStore
store = SqliteStore.open(sys.argv[1])
store.create_play(Play(sid="p", status="running"))
written = 0
while True:
    rows = [SpanRow(ordinal=n, span_id=f"s{n}", start_ms=1.0) for n in range(written, written + 50)]
    written += 50
    store.write_spans({"p": SpanDelta(rows, Counters(events=written), written, {"w": written})})
    print(written, flush=True)
"""

SHORT_OF_SPACE = """
import resource, sys
from hero_logic.core.errors import StoreError
from hero_logic.core.records import Counters, Play, SpanDelta, SpanRow
from hero_logic.store.sqlite import SqliteStore
store = SqliteStore.open(sys.argv[1])
store.create_play(Play(sid="p", status="running"))
rows = [SpanRow(ordinal=n, span_id=f"s{n}", start_ms=1.0, error="x" * 900) for n in range(1000)]
delta = SpanDelta(rows, Counters(events=9), 1000, {})
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
try:
    store.write_spans({"p": delta})
except StoreError as error:
    print(error)
print(store.get_play("p").span_count, len(store.read_spans("p")), any(row.is_stored for row in rows))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.write_spans({"p": delta})
print(store.get_play("p").span_count, len(store.read_spans("p")), all(row.is_stored for row in rows))
store.close()
"""

UNPRIVILEGED = """
import os, sys
from hero_logic.core.errors import StoreError
from hero_logic.store.sqlite import SqliteStore
if os.geteuid() == 0:
    os.setuid(65534)  # root may write everywhere
try:
    SqliteStore.open(sys.argv[1])
except StoreError as error:
    print(type(error).__name__, error)
"""


@contextmanager
def running(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process of that script, killed at the end where it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        env={"PYTHONPATH": SOURCE},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        with process:
            try:
                yield process
            finally:
                process.kill()
    finally:
        process.wait()


def read_line(process: subprocess.Popen[str]) -> str:
    """The next line that a process prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where the store lies."""
    return str(tmp_path / "plays.db")


def test_a_store_that_another_process_holds_is_waited_for(path: str) -> None:
    """Past the wait a write fails with StoreLocked, which names the file and the wait; reads go on."""
    store = SqliteStore.open(path, busy_timeout_s=0.05)
    add_running_play(store)
    one = row(0)

    with running(HOLDER, path, "BEGIN IMMEDIATE") as holder:
        assert read_line(holder) == "held"
        with pytest.raises(StoreLocked) as caught:
            store.write_spans({"p": delta(one)})
        assert store.get_play("p").status == "running"

    assert path in str(caught.value)
    assert "0.05 s" in str(caught.value)
    assert not one.is_stored
    store.write_spans({"p": delta(one)})
    assert len(store.read_spans("p")) == 1
    store.close()


def test_the_wait_is_30_s_where_none_is_given(path: str) -> None:
    """Both connections wait as long as the contract says."""
    store = SqliteStore.open(path)
    store.revision()

    waits = [
        each.execute("PRAGMA busy_timeout").fetchone()[0] for each in (store._writer, store._reader) if each
    ]

    assert waits == [30_000, 30_000]
    store.close()


def test_many_who_wait_for_another_process_wait_no_longer_than_one(path: str) -> None:
    """Not one after the other: they hear together that the store is held."""
    store = SqliteStore.open(path, busy_timeout_s=0.5)
    refused = []

    def write(number: int) -> None:
        try:
            store.create_play(Play(sid=f"p{number}"))
        except StoreLocked as error:
            refused.append(str(error))

    with running(HOLDER, path, "BEGIN IMMEDIATE") as holder:
        assert read_line(holder) == "held"
        writers = [threading.Thread(target=write, args=(number,)) for number in range(12)]
        began_s = time.monotonic()
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        took_s = time.monotonic() - began_s
    store.create_play(Play(sid="after"))
    store.close()

    assert len(refused) == 12
    assert "for the 0.5 s that we waited" in refused[-1]
    assert took_s < 12 * 0.5 / 2


@pytest.mark.parametrize("lock", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_a_new_database_that_another_process_holds_is_waited_for(path: str, lock: str) -> None:
    """Making a store waits too, and ends in StoreLocked."""
    Path(path).touch()

    with running(HOLDER, path, lock) as holder:
        assert read_line(holder) == "held"
        with pytest.raises(StoreLocked, match=r"0\.05 s"):
            SqliteStore.open(path, busy_timeout_s=0.05)

    SqliteStore.open(path).close()


def test_an_existing_store_opens_while_another_process_writes(path: str) -> None:
    """Opening a store that is up to date waits for nobody."""
    SqliteStore.open(path).close()

    with running(HOLDER, path, "BEGIN IMMEDIATE") as holder:
        assert read_line(holder) == "held"
        store = SqliteStore.open(path, busy_timeout_s=0.05)
        assert store.last_play_sid() is None
        store.close()


def test_processes_may_make_a_store_at_once(path: str) -> None:
    """Whoever comes first makes it; all of them find it made."""
    sids = [f"play{number}" for number in range(6)]
    with (
        running(OPENER, path, sids[0]) as a,
        running(OPENER, path, sids[1]) as b,
        running(OPENER, path, sids[2]) as c,
        running(OPENER, path, sids[3]) as d,
        running(OPENER, path, sids[4]) as e,
        running(OPENER, path, sids[5]) as f,
    ):
        openers = (a, b, c, d, e, f)
        assert [read_line(opener) for opener in openers] == ["ready"] * 6
        for opener in openers:
            assert opener.stdin is not None
            opener.stdin.write("go\n")
            opener.stdin.flush()
        assert [read_line(opener) for opener in openers] == ["done"] * 6

    store = SqliteStore.open(path)
    assert sorted(play.sid for play in store.list_plays(limit=9)) == sids
    assert store.revision() == 6
    store.close()


@pytest.mark.parametrize("batches", [1, 8, 40])
def test_a_killed_writer_leaves_whole_batches(path: str, batches: int) -> None:
    """After kill -9 the store opens, holds every batch that was reported, and no part of another."""
    with running(WRITER, path) as writer:
        for _ in range(batches):
            reported = int(read_line(writer))
        writer.send_signal(signal.SIGKILL)
        assert writer.stdout is not None
        reported = max([reported, *(int(line) for line in writer.stdout if line.endswith("\n"))])

    store = SqliteStore.open(path)
    state = store.load_fold_state("p")
    spans = [span.span_id for span in store.read_spans("p", limit=1_000_000)]
    revision = store.revision()
    store.close()

    assert state.span_count in (reported, reported + 50)
    assert spans == [f"s{number}" for number in range(state.span_count)]
    assert state.counters.events == state.span_count
    assert state.writers == {"w": state.span_count}
    assert revision == 1 + state.span_count + state.span_count // 50
    check = sqlite3.connect(path)
    assert check.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    check.close()


def test_a_disk_that_does_not_take_a_write_is_survived(path: str) -> None:
    """A batch that hits a limit of the file size fails whole, and is written when the limit is gone."""
    with running(SHORT_OF_SPACE, path) as process:
        said = [read_line(process) for _ in range(3)]

    assert path in said[0]
    assert "nothing of this was recorded" in said[0]
    assert said[1:] == ["0 0 False", "1000 1000 True"]


def test_a_directory_that_may_not_be_written_is_an_error(tmp_path: Path) -> None:
    """Someone else's directory: the message says what was refused, and what to do."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)

    with running(UNPRIVILEGED, str(closed / "plays.db")) as process:
        said = read_line(process)

    assert said.startswith("StoreError ")
    assert "Give it a path in a directory that this user may write" in said
