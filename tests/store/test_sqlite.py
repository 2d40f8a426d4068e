"""The embedded store keeps the contract, and its own laws."""

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hero_logic.core.errors import StoreDamaged, StoreError, UsageError
from hero_logic.core.records import Play, SpanDelta
from hero_logic.store import queries, queue_queries
from hero_logic.store.sqlite import SqliteStore, _Transaction
from store.contract_suite import StoreContract
from store.facts import FULL_PLAY, add_ended_play, add_running_play, delta, row


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where the store lies."""
    return str(tmp_path / "plays.db")


@pytest.fixture
def store(path: str) -> Iterator[SqliteStore]:
    """An empty store in a file."""
    made = SqliteStore.open(path)
    yield made
    made.close()


def writer_of(store: SqliteStore) -> sqlite3.Connection:
    """The connection that writes: some tests have to look behind the store."""
    assert store._writer is not None
    return store._writer


class TestSqliteStore(StoreContract):
    """Every promise of contract.py."""


# --- opening and closing ---------------------------------------------------------------------------------


def test_a_store_is_for_its_user_alone(tmp_path: Path) -> None:
    """The database and the files beside it have mode 0600, the directory made for them 0700."""
    store = SqliteStore.open(str(tmp_path / "new" / "plays.db"))
    add_running_play(store)

    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in (tmp_path / "new").iterdir()}
    store.close()

    assert modes == {"plays.db": 0o600, "plays.db-wal": 0o600, "plays.db-shm": 0o600}
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_modes_that_a_user_chose_stay(path: str, store: SqliteStore) -> None:
    """Opening an existing database does not change who may read it."""
    store.close()
    os.chmod(path, 0o640)

    SqliteStore.open(path).close()

    assert stat.S_IMODE(os.stat(path).st_mode) == 0o640


def test_what_was_written_is_there_after_a_close(path: str, store: SqliteStore) -> None:
    """A store that is opened again holds what it held."""
    add_ended_play(store, row(0), row(1))
    before = (store.get_play("p"), store.read_spans("p"), store.revision())
    store.close()

    again = SqliteStore.open(path)

    assert (again.get_play("p"), again.read_spans("p"), again.revision()) == before
    again.close()


def test_a_close_does_not_copy_the_log(path: str, store: SqliteStore) -> None:
    """Closing leaves the write-ahead log to be copied later: no fsync at the end of a command."""
    add_running_play(store)
    size = os.path.getsize(path)

    store.close()

    assert os.path.getsize(path) == size
    assert os.path.getsize(path + "-wal") > 0


@pytest.mark.parametrize(
    "name", ["a b.db", "50%25.db", "what?.db", "part#2.db", ":memory:", "\u00e9\u4e2d.db"]
)
def test_a_path_is_a_path(tmp_path: Path, name: str) -> None:
    """No character of a file name means anything to the store."""
    store = SqliteStore.open(str(tmp_path / name))
    add_running_play(store)

    assert store.last_play_sid() == "p"
    store.close()
    assert (tmp_path / name).stat().st_size > 0


def test_a_relative_path_is_held_on_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store stays the same one when the process changes its directory."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    store = SqliteStore.open("plays.db")
    monkeypatch.chdir(tmp_path / "elsewhere")

    add_running_play(store)

    assert store.last_play_sid() == "p"
    store.close()


@pytest.mark.parametrize(("word", "number"), [("normal", 1), ("full", 2)])
def test_the_caller_says_what_a_power_cut_may_take(path: str, word: str, number: int) -> None:
    """``synchronous`` reaches SQLite, for a new database as for one that is there."""
    for _ in range(2):
        store = SqliteStore.open(path, synchronous=word)

        assert writer_of(store).execute("PRAGMA synchronous").fetchone() == (number,)
        store.close()


@pytest.mark.parametrize("word", ["off", "OFF", "0", "", "extra; DROP TABLE plays"])
def test_no_other_word_for_synchronous(path: str, word: str) -> None:
    """Anything else is refused before a file is made."""
    with pytest.raises(UsageError, match="'normal' or 'full'"):
        SqliteStore.open(path, synchronous=word)

    assert not os.path.exists(path)


def test_importing_the_store_is_cheap() -> None:
    """The store is on the way of every command: it loads none of what start-up avoids."""
    heavy = {
        "pathlib",
        "importlib.resources",
        "json",
        "subprocess",
        "asyncio",
        "tempfile",
        "dataclasses",
        "threading",
    }
    source = os.path.join(os.path.dirname(__file__), "..", "..", "src")
    script = (
        "import sys, sqlite3, msgspec; before = set(sys.modules); import hero_logic.store.sqlite;"
        "print(*set(sys.modules) - before)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": source}, capture_output=True, text=True, check=True
    )

    loaded = set(run.stdout.split())

    assert "hero_logic.store.sqlite" in loaded
    assert loaded & heavy == set()


# --- reading beside writing ------------------------------------------------------------------------------


def test_a_read_does_not_wait_for_a_write(store: SqliteStore) -> None:
    """While a write is under way in this process, reads answer with what was there before it."""
    add_running_play(store)

    with store._write_lock, store._writing() as connection:
        connection.execute("UPDATE plays SET flow = 'half done'")
        flow = store.get_play("p").flow

    assert flow == ""
    assert store.get_play("p").flow == "half done"


def test_a_page_and_its_logs_are_of_one_moment(store: SqliteStore) -> None:
    """A page read while logs are appended shows of each span a whole number of writes, as of one write."""
    add_running_play(store)
    rows = [row(number, status="running", new_logs="0") for number in range(50)]
    store.write_spans({"p": delta(*rows)})

    def write() -> None:
        for _ in range(40):
            for one in rows:
                one.new_logs = "+"
            store.write_spans({"p": delta(*rows)})

    thread = threading.Thread(target=write)
    thread.start()
    seen = []
    while thread.is_alive():
        seen.append({span.logs for span in store.read_spans("p")})
    thread.join()

    assert [logs for logs in seen if len(logs) != 1] == []


# --- cost ------------------------------------------------------------------------------------------------


def plan(store: SqliteStore, statement: str) -> list[str]:
    """SQLite's plan for a statement, a line a step."""
    arguments = (None,) * statement.count("?")
    return [step[3] for step in writer_of(store).execute(f"EXPLAIN QUERY PLAN {statement}", arguments)]


VERBS = ("SELECT ", "INSERT ", "UPDATE ", "WITH ", "PRAGMA ")
STATEMENTS = {
    name: text
    for name, text in {**vars(queries), **vars(queue_queries)}.items()
    if isinstance(text, str) and not name.startswith("_") and text.lstrip().startswith(VERBS)
}
MAY_SCAN = {
    "LAST_PLAY_SID": "SCAN plays",  # from its end, one row
    "UNFINISHED_PLAYS": "SCAN plays USING INDEX plays_in_hand",  # which has no others in it
    "HAS_WAITING": "SCAN plays USING INDEX plays_waiting",  # the first of it
    "COUNT_WAITING": "SCAN plays USING INDEX plays_waiting",  # which has no others in it
    "NEXT_WAITING": "SCAN waiting",  # what its own recursion made
    "OLDEST_ENDED": "SCAN plays",  # from its beginning, as many as are asked for, past those that run
    "NEXT_AWAITED": "SCAN play_waits",  # of calls that wait at this moment
    "WAITING_PARENTS": "SCAN play_waits USING COVERING INDEX play_waits_by_child",  # the same
    "WAITS_FOR": "SCAN waiting",  # what its own recursion made
    "PUSHED_PLAYS": "SCAN pushed",  # what its own recursion made
    "CANCELS_OF": "SCAN cancels",  # of plays that are about to end
    "ARTIFACT_BYTES": "SCAN json_each VIRTUAL TABLE INDEX 1:",  # those of one play
    "PLAYS_WITH_OPEN_SPANS": "SCAN open_plays",  # what its own recursion made
    "LOAD_ROWS": "SCAN json_each VIRTUAL TABLE INDEX 1:",  # the ids that were asked for
    "SPANS_OF_ORDINALS": "SCAN json_each VIRTUAL TABLE INDEX 1:",  # the same
    "ADD_SPANS": "SCAN 25 CONSTANT ROWS",  # what is added
}


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_no_statement_reads_a_whole_table(store: SqliteStore, name: str) -> None:
    """Every statement finds its rows by an index: the cost of a call does not grow with the store."""
    scans = {step for step in plan(store, STATEMENTS[name]) if step.startswith("SCAN")}

    assert scans == ({MAY_SCAN[name]} if name in MAY_SCAN else set())


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("FIND_PLAY", "SEARCH plays USING INDEX sqlite_autoindex_plays_1 (sid=?)"),
        ("LIST_PLAYS", "SEARCH plays USING INTEGER PRIMARY KEY (rowid<?)"),
        ("NEXT_WAITING", "SEARCH plays USING INDEX plays_waiting (flow=?)"),
        ("FIND_PLAYS_OF_FLOW", "SEARCH plays USING INDEX plays_by_flow (flow=? AND id<?)"),
        ("FIND_PLAYS_OF_STATUS", "SEARCH plays USING INDEX plays_by_status (status=? AND id<?)"),
        ("CHILD_PLAYS", "SEARCH plays USING INDEX plays_by_parent (parent_play_sid=?)"),
        ("RETRIES", "SEARCH plays USING INDEX plays_by_retry (retry_of=?)"),
        ("PLAYS_WITH_OPEN_SPANS", "SEARCH spans USING COVERING INDEX spans_open (play>?)"),
        ("UPDATE_SPAN", "SEARCH spans USING PRIMARY KEY (play=? AND ordinal=?)"),
        ("LOAD_ROWS", "SEARCH spans USING INDEX spans_by_id (play=? AND span_id=?)"),
        ("OPEN_SPANS", "SEARCH spans USING INDEX spans_open (play=? AND ordinal>?)"),
        ("READ_SPANS", "SEARCH spans USING PRIMARY KEY (play=? AND ordinal>?)"),
        ("READ_LOGS", "SEARCH span_logs USING PRIMARY KEY (play=? AND ordinal>? AND ordinal<?)"),
        ("FIRST_ROOT_NOT_OK", "SEARCH spans USING INDEX spans_roots_not_ok (play=?)"),
    ],
)
def test_each_index_is_there_for_a_statement(store: SqliteStore, name: str, step: str) -> None:
    """The statements that an index was made for use it."""
    assert step in plan(store, STATEMENTS[name])


@pytest.mark.parametrize("name", ["OPEN_SPANS", "READ_SPANS", "FIRST_ROOT_NOT_OK", "READ_LOGS"])
def test_pages_come_in_order_without_sorting(store: SqliteStore, name: str) -> None:
    """A page costs its own rows: nothing after it is read to sort it."""
    assert not [step for step in plan(store, STATEMENTS[name]) if "TEMP B-TREE" in step]


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_placeholders_have_no_numbers(name: str) -> None:
    """Numbered placeholders are slow from Python 3.12 on."""
    after = [part[:1] for part in STATEMENTS[name].split("?")[1:]]

    assert not [character for character in after if character.isdigit()]


def steps_of(store: SqliteStore, batch: SpanDelta) -> int:
    """How many steps of SQLite's virtual machine the writing of a batch takes."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    writer_of(store).set_progress_handler(step, 1)
    store.write_spans({"p": batch})
    writer_of(store).set_progress_handler(None, 0)
    return count


def test_a_batch_costs_the_same_in_a_large_play(store: SqliteStore) -> None:
    """Writing spans takes as many steps with 20 000 spans and 50 plays before it as with none."""
    add_running_play(store)
    small = steps_of(store, delta(*(row(number) for number in range(100))))
    for number in range(50):
        add_ended_play(store, row(0), sid=f"other{number}")
    store.write_spans({"p": delta(*(row(number) for number in range(100, 20_000)))})

    large = steps_of(store, delta(*(row(number) for number in range(20_000, 20_100))))

    assert large == small


def test_an_update_costs_the_same_however_long_the_logs(store: SqliteStore) -> None:
    """Appending to the logs of a span takes as many steps, and pages, after 500 chunks as after one."""
    add_running_play(store)
    one = row(0, status="running", new_logs="first")
    store.write_spans({"p": delta(one)})
    one.new_logs = "x" * 1000
    store.write_spans({"p": delta(one)})
    few = steps_of(store, delta(one))
    for _ in range(500):
        store.write_spans({"p": delta(one)})

    assert steps_of(store, delta(one)) == few


def test_an_update_does_not_rewrite_logs(store: SqliteStore) -> None:
    """Long logs lie beside the row of their span from their first write on, and are written once."""
    add_running_play(store)
    one = row(0, status="running", new_logs="x" * 1_000_000)
    store.write_spans({"p": delta(one)})
    one.new_logs = ""
    log = f"{store._path}-wal"
    writer_of(store).execute("PRAGMA wal_checkpoint(TRUNCATE)")

    for _ in range(10):
        store.write_spans({"p": delta(one)})

    assert os.path.getsize(log) < 500_000


def test_a_batch_does_not_rewrite_the_input(store: SqliteStore) -> None:
    """The heavy fields of a play are written once, not with every batch of its spans."""
    store.create_play(Play(sid="p", input_json="x" * 1_000_000))
    steps = plan(store, queries.WRITE_TOTALS)
    columns = {column[1] for column in writer_of(store).execute("PRAGMA table_info(plays)")}

    assert steps == ["SEARCH plays USING INTEGER PRIMARY KEY (rowid=?)"]
    assert columns & {"input_json", "output_json", "stdout", "stderr"} == set()


# --- damage ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("damaged", "preview"),
    [
        (b"", ""),
        (b'{"a":', '{"a":'),
        (b"[1]", "[1]"),
        (b"null", "null"),
        (b'{"a":"\xff"}', '{"a":"\ufffd"}'),
        (b"\x00\x01", "\x00\x01"),
        (b'{"a":' + b"[" * 5000, '{"a":' + "[" * 195),
    ],
)
def test_damaged_tags_are_survived(store: SqliteStore, damaged: bytes, preview: str) -> None:
    """Tags that are no JSON object on disk are shown as what they are; the other spans are not harmed."""
    add_running_play(store)
    store.write_spans({"p": delta(row(0), row(1))})
    writer_of(store).execute("UPDATE spans SET tags = CAST(? AS TEXT) WHERE ordinal = 0", (damaged,))

    tags = [span.tags for span in store.read_spans("p")]
    [loaded] = store.load_rows("p", ["s0"])

    assert tags == [{"hero.damaged": preview}, {}]
    assert (loaded.tags, loaded.tags_bytes) == ({"hero.damaged": preview}, len(damaged))


def test_a_span_with_damaged_tags_can_be_written(store: SqliteStore) -> None:
    """Damage does not stop a play: its span goes on with the preview for tags."""
    add_running_play(store)
    store.write_spans({"p": delta(row(0, status="running"))})
    writer_of(store).execute("UPDATE spans SET tags = 'oops'")
    [loaded] = store.load_open_rows("p", limit=1)
    loaded.status = "ok"

    store.write_spans({"p": delta(loaded)})

    assert store.read_spans("p")[0].tags == {"hero.damaged": "oops"}
    assert store.read_spans("p")[0].status == "ok"


@pytest.mark.parametrize(
    "damage", ["UPDATE plays SET flow = CAST(x'ff' AS TEXT)", "UPDATE plays SET artifacts = '[7]'"]
)
def test_a_damaged_play_is_said_to_be_damaged(store: SqliteStore, damage: str) -> None:
    """A value that cannot be what it should be is an error of ours that names the file."""
    store.create_play(FULL_PLAY)
    writer_of(store).execute(damage)

    with pytest.raises(StoreDamaged, match=r"plays\.db is damaged"):
        store.get_play("full")

    assert store.last_play_sid() == "full"


def test_a_damaged_page_is_said_to_be_damaged(path: str, store: SqliteStore) -> None:
    """A database that is torn in its middle opens, and says so where it is read."""
    empty = 4096 * int(writer_of(store).execute("PRAGMA page_count").fetchone()[0])
    add_ended_play(store, *(row(number) for number in range(500)))
    writer_of(store).execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        file.seek(empty)
        file.write(b"\xff" * (size - empty))
    torn = SqliteStore.open(path)

    with pytest.raises(StoreDamaged, match="It was left as it is"):
        torn.read_spans("p")

    torn.close()


# --- when a write fails ----------------------------------------------------------------------------------


def test_a_full_disk_takes_nothing_back(store: SqliteStore) -> None:
    """A batch that does not fit is refused whole; when there is room again the same batch is written."""
    add_running_play(store)
    store.write_spans({"p": delta(row(0), events=1, span_count=1)})
    before = (store.get_play("p"), store.read_spans("p"))
    pages = writer_of(store).execute("PRAGMA page_count").fetchone()[0]
    batch = delta(*(row(number, new_logs="x" * 3000) for number in range(1, 50)), events=2, span_count=50)
    writer_of(store).execute(f"PRAGMA max_page_count = {pages + 2}")

    with pytest.raises(StoreError, match=r"is full .* Free some space"):
        store.write_spans({"p": batch})

    assert (store.get_play("p"), store.read_spans("p")) == before
    assert not [one for one in batch.rows if one.is_stored]
    writer_of(store).execute("PRAGMA max_page_count = 1000000")
    store.write_spans({"p": batch})
    assert len(store.read_spans("p")) == 50


def test_an_integer_past_64_bits_is_refused(store: SqliteStore) -> None:
    """What SQLite cannot hold is an error of ours, and the store goes on."""
    add_running_play(store)
    bad = row(0)
    bad.source_line = 2**64

    with pytest.raises(StoreError, match="within 64 bits"):
        store.write_spans({"p": delta(bad)})

    store.write_spans({"p": delta(row(0))})
    assert len(store.read_spans("p")) == 1


def test_an_interrupt_undoes_the_write(store: SqliteStore) -> None:
    """What stops a write half way, Ctrl-C say, leaves nothing of it and passes unchanged."""
    add_running_play(store)

    def stop_half_way() -> None:
        with store._write_lock, store._writing() as connection:
            connection.execute("UPDATE plays SET flow = 'half done'")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_half_way()

    assert store.get_play("p").flow == ""
    store.write_spans({"p": delta(row(0))})
    assert len(store.read_spans("p")) == 1


def test_a_transaction_that_was_left_open_is_undone(store: SqliteStore) -> None:
    """An interrupt between two steps of ours cannot keep the next write out."""
    add_running_play(store)
    writer_of(store).execute("BEGIN IMMEDIATE")
    writer_of(store).execute("UPDATE plays SET flow = 'half done'")

    store.write_spans({"p": delta(row(0))})

    assert store.get_play("p").flow == ""
    assert len(store.read_spans("p")) == 1


def test_a_commit_that_fails_is_undone(store: SqliteStore) -> None:
    """What SQLite refuses at the very end is an error of ours, leaves nothing, and the store goes on."""
    connection = writer_of(store)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    connection.execute("CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")

    def write_an_orphan() -> None:
        with store._write_lock, store._writing() as writing:
            writing.execute("INSERT INTO child VALUES (7)")

    with pytest.raises(StoreError, match="FOREIGN KEY"):
        write_an_orphan()

    assert connection.execute("SELECT count(*) FROM child").fetchone() == (0,)
    assert add_running_play(store) == "p"


def test_a_rollback_that_fails_is_an_error_of_ours() -> None:
    """Even then callers see a StoreError, with what stopped the write behind it."""

    class Broken:
        in_transaction = False

        def execute(self, statement: str) -> None:
            if statement == "ROLLBACK":
                raise sqlite3.OperationalError("disk I/O error")
            self.in_transaction = True

    transaction = _Transaction(Broken(), "BEGIN", path="plays.db", busy_timeout_s=1.0)

    def fail_half_way() -> None:
        with transaction:
            raise KeyError("half way")

    with pytest.raises(StoreError, match=r"plays\.db") as caught:
        fail_half_way()

    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)


def test_a_value_of_a_strange_type_is_refused(store: SqliteStore) -> None:
    """A value that SQLite has no type for is an error of ours, and nothing is recorded."""
    add_running_play(store)
    bad = row(0)
    bad.name = ["no", "text"]  # type: ignore[assignment] # that is the point

    with pytest.raises(StoreError, match="did not do what was asked"):
        store.write_spans({"p": delta(bad)})

    assert store.read_spans("p") == []


def test_a_store_whose_file_is_gone_says_so(path: str) -> None:
    """Reading a store that somebody deleted is an error that names it; closing it is not."""
    store = SqliteStore.open(path)
    os.unlink(path)

    with pytest.raises(StoreError, match=rf"{path} cannot be opened"):
        store.revision()

    store.close()
    assert not os.path.exists(path)
