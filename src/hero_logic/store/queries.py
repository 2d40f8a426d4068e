"""Every SQL statement of the embedded store, by name.

Placeholders are plain ``?``: numbered ones are slow from Python 3.12 on.
``INDEXED BY`` makes SQLite refuse a statement rather than answer it by reading a whole play.
``OR ROLLBACK`` in what writes spans: a statement that may fail in its middle, as one of many rows may, and
one that fires a trigger, costs SQLite a journal of its own, unless its failure ends the transaction.
"""

from hero_logic.core.records import COLUMNS

PLAY_COLUMNS = (
    "plays.sid, flow, status, error, created_ms, start_ms, end_ms, exit_code, artifacts,"
    " sandbox_tier, sandbox_isolation, sandbox_resources,"
    " events, malformed, oversize, repeated, truncated,"
    " span_count, version_sid, runtime_sid, revision, access,"
    " retry_of, parent_play_sid, parent_span_id, asked_by, sandbox_user"
)
"""A play without its heavy fields, as :func:`hero_logic.store.rows.play` reads it."""

SPAN_ROW_COLUMNS = (
    "ordinal, span_id, start_ms, parent_id, name, kind, end_ms, status, CAST(tags AS BLOB), error,"
    " rpc_service, rpc_method, child_play_sid, source_file, source_line, log_bytes, protected_tags, revision"
)
"""A span without its logs, as :func:`hero_logic.store.rows.span_row` reads it.

Tags come as bytes: text that is not UTF-8 would fail the whole statement, not the one span.
"""

# --- the store ---------------------------------------------------------------------------------------

READ_REVISION = "SELECT revision FROM store_state WHERE id = 1"
"""The revision of the last change."""

WRITE_REVISION = "UPDATE store_state SET revision = ? WHERE id = 1"
"""Remember the revision of the last change."""

HOLD_OPEN = "PRAGMA user_version"
"""Read something: from its first read on, a connection to a write-ahead log keeps the database open."""

# --- flows and versions ------------------------------------------------------------------------------

ADD_FLOW = "INSERT OR IGNORE INTO flows (name, path, created_ms) VALUES (?, ?, ?)"
"""Add a flow unless it is known: name, path, created_ms."""

ADD_VERSION = """
    INSERT OR IGNORE INTO versions (version_sid, flow_sid, created_ms, source, kind)
    SELECT ?, flow_sid, ?, ?, ? FROM flows WHERE name = ? AND path = ?
"""
"""Add a version unless it is known: version_sid, created_ms, source, kind, and its flow's name and path."""

GET_VERSION = """
    SELECT version_sid, name, path, source, versions.created_ms, kind
    FROM versions JOIN flows USING (flow_sid) WHERE version_sid = ?
"""
"""A version by its sid, in the order of the fields of ``FlowVersion``."""

# --- plays -------------------------------------------------------------------------------------------

ADD_PLAY = """
    INSERT INTO plays (
        id,
        sid, flow, status, error, created_ms, start_ms, end_ms, exit_code, artifacts,
        sandbox_tier, sandbox_isolation, sandbox_resources,
        events, malformed, oversize, repeated, truncated,
        span_count, version_sid, runtime_sid, revision, access,
        retry_of, parent_play_sid, parent_span_id, asked_by, sandbox_user
    ) VALUES (
        1 + max(
            (SELECT coalesce(max(id), 0) FROM plays), (SELECT coalesce(max(play), 0) FROM deleted_plays)
        ),
        ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
    )
"""
"""Add a play without its heavy fields, in the order of ``PLAY_COLUMNS``.

No id is given twice while spans of a play that was deleted are still there.
"""

ADD_PLAY_TEXTS = (
    "INSERT INTO play_texts (play, input_json, output_json, stdout, stderr) VALUES (?, ?, ?, ?, ?)"
)
"""Add the heavy fields of a play."""

FIND_PLAY = "SELECT id, status FROM plays WHERE sid = ?"
"""The id and the status of a play, by its sid."""

BEGIN_PLAY = """
    UPDATE plays SET status = 'running', start_ms = ?,
        sandbox_tier = ?, sandbox_isolation = ?, sandbox_resources = ?, sandbox_user = ?, revision = ?
    WHERE id = ?
"""
"""Say that a play runs: since when, and what it is kept in."""

END_PLAY = """
    UPDATE plays SET status = ?, end_ms = ?, error = ?, exit_code = ?, artifacts = ?, revision = ?
    WHERE id = ?
"""
"""Give a play its end, but for its heavy fields."""

END_PLAY_TEXTS = "UPDATE play_texts SET output_json = ?, stdout = ?, stderr = ? WHERE play = ?"
"""Give a play the heavy fields of its end."""

GET_PLAY = (
    f"SELECT {PLAY_COLUMNS}, input_json, output_json, stdout, stderr"  # noqa: S608 - columns are a constant
    " FROM plays JOIN play_texts ON play_texts.play = plays.id WHERE plays.sid = ?"
)
"""A whole play, by its sid."""

LAST_PLAY_SID = "SELECT sid FROM plays ORDER BY id DESC LIMIT 1"
"""The sid of the play that was created last."""

LIST_PLAYS = f"SELECT {PLAY_COLUMNS} FROM plays WHERE id < ? ORDER BY id DESC LIMIT ?"  # noqa: S608 - a constant
"""Plays that were created before the one of that id, the last first."""

UNFINISHED_PLAYS = (
    f"SELECT {PLAY_COLUMNS} FROM plays INDEXED BY plays_in_hand"  # noqa: S608 - columns are a constant
    " WHERE status IN ('pending', 'running') AND runtime_sid <> '' ORDER BY id"
)
"""Plays that a runtime has and that have no end, the oldest first."""

PLAYS_WITH_OPEN_SPANS = """
    WITH RECURSIVE open_plays (play) AS (
        SELECT min(play) FROM spans INDEXED BY spans_open WHERE status = 'running'
        UNION ALL
        SELECT (
            SELECT min(spans.play) FROM spans INDEXED BY spans_open
            WHERE spans.status = 'running' AND spans.play > open_plays.play
        )
        FROM open_plays WHERE open_plays.play IS NOT NULL
    )
    SELECT plays.sid FROM open_plays CROSS JOIN plays ON plays.id = open_plays.play
    WHERE plays.status NOT IN ('pending', 'running') ORDER BY plays.id
"""
"""The sids of plays that have ended and have spans that have not.

It hops from play to play in the index: a DISTINCT would read each of a million open spans of one play.
"""

LOAD_COUNTERS = (
    "SELECT id, events, malformed, oversize, repeated, truncated, span_count FROM plays WHERE sid = ?"
)
"""A play's id and totals, by its sid."""

WRITE_TOTALS = """
    UPDATE plays SET events = ?, malformed = ?, oversize = ?, repeated = ?, truncated = ?,
        span_count = ?, revision = ?
    WHERE id = ?
"""
"""Write a play's counters, its number of spans and its revision."""

# --- writers and sources -----------------------------------------------------------------------------

LOAD_WRITERS = "SELECT writer, seq FROM writers WHERE play = ?"
"""The highest seq of each writer of a play."""

LOAD_SEQ = "SELECT seq FROM writers WHERE play = (SELECT id FROM plays WHERE sid = ?) AND writer = ?"
"""The highest seq of a writer."""

WRITE_WRITER = """
    INSERT INTO writers (play, writer, seq) VALUES (?, ?, ?)
    ON CONFLICT (play, writer) DO UPDATE SET seq = excluded.seq
"""
"""Write the highest seq of a writer."""

LOAD_SOURCES = "SELECT source, position FROM sources WHERE play = ?"
"""How far each source of a play is read."""

LOAD_POSITION = (
    "SELECT position FROM sources WHERE play = (SELECT id FROM plays WHERE sid = ?) AND source = ?"
)
"""How far a source is read."""

WRITE_POSITION = """
    INSERT INTO sources (play, source, position) VALUES (?, ?, ?)
    ON CONFLICT (play, source) DO UPDATE SET position = excluded.position
"""
"""Write how far a source is read."""

# --- spans -------------------------------------------------------------------------------------------

SPAN_COLUMNS = (
    "play", "ordinal", "span_id", "parent_id", "name", "kind", "start_ms", "end_ms", "status", "error",
    "rpc_service", "rpc_method", "child_play_sid", "source_file", "source_line",
    "log_bytes", "protected_tags", "revision", "tags", "logs",
)  # fmt: skip
"""The columns of a span, in the order in which :func:`hero_logic.store.rows.new_span_values` gives them."""

SPANS_AT_ONCE = 25
"""How many spans one statement adds: 25 take two thirds of the time of 25 statements, and more are no
faster. An SQLite from before 2020 takes 999 placeholders."""

_INTO_SPANS = f"INSERT OR ROLLBACK INTO spans ({', '.join(SPAN_COLUMNS)}) VALUES "  # noqa: S608 - constants
_ONE_SPAN = f"({', '.join('?' * len(SPAN_COLUMNS))})"

ADD_SPAN = _INTO_SPANS + _ONE_SPAN
"""Add a span; one that is there already is an error."""

ADD_SPANS = _INTO_SPANS + ", ".join([_ONE_SPAN] * SPANS_AT_ONCE)
"""Add ``SPANS_AT_ONCE`` spans."""

UPDATE_SPAN = """
    UPDATE OR ROLLBACK spans SET
        parent_id = ?, name = ?, kind = ?, start_ms = ?, end_ms = ?, status = ?, error = ?,
        rpc_service = ?, rpc_method = ?, child_play_sid = ?, source_file = ?, source_line = ?,
        log_bytes = ?, protected_tags = ?, revision = ?, tags = ?
    WHERE play = ? AND ordinal = ?
"""
"""Write all that can change of a span but its logs: a trigger keeps those that lie in its row."""

UPDATE_REST_OF_SPAN = """
    UPDATE OR ROLLBACK spans SET
        end_ms = ?, status = ?, error = ?, log_bytes = ?, protected_tags = ?, revision = ?, tags = ?
    WHERE play = ? AND ordinal = ?
"""
"""The same where nothing changed that a start says: the indexes over that are left alone."""

ADD_LOGS = "INSERT INTO span_logs (play, ordinal, chunk, text) VALUES (?, ?, ?, ?)"
"""Append to the logs of a span."""

LOAD_ROWS = (
    f"SELECT {SPAN_ROW_COLUMNS} FROM spans INDEXED BY spans_by_id"  # noqa: S608 - columns are a constant
    " WHERE play = (SELECT id FROM plays WHERE sid = ?) AND span_id IN (SELECT value FROM json_each(?))"
)
"""The spans of these ids, a JSON array: a batch has more spans than a statement may have ``?``."""

OPEN_SPANS = (
    f"SELECT {SPAN_ROW_COLUMNS} FROM spans INDEXED BY spans_open"  # noqa: S608 - columns are a constant
    " WHERE play = (SELECT id FROM plays WHERE sid = ?) AND status = 'running' AND ordinal > ?"
    " ORDER BY ordinal LIMIT ?"
)
"""Spans of a play that still run and come after an ordinal, in the order of their ordinals."""

READ_SPANS = """
    SELECT ordinal, span_id, parent_id, name, kind, start_ms, end_ms, status, CAST(tags AS BLOB), logs, error,
        rpc_service, rpc_method, child_play_sid, source_file, source_line
    FROM spans WHERE play = ? AND ordinal >= ? ORDER BY ordinal LIMIT ?
"""
"""A page of a play's spans: the ordinal, then the fields of ``Span`` in their order."""

READ_COLUMNS = (
    f"SELECT {', '.join(COLUMNS[:-1])}, CAST(tags AS BLOB) FROM spans"  # noqa: S608 - columns are a constant
    " WHERE play = (SELECT id FROM plays WHERE sid = ?) AND ordinal >= ? ORDER BY ordinal LIMIT ?"
)
"""A page of a play's spans as ``COLUMNS``."""

READ_LOGS = (
    "SELECT ordinal, text FROM span_logs WHERE play = ? AND ordinal BETWEEN ? AND ? ORDER BY ordinal, chunk"
)
"""What was appended to the logs of a page of spans, in its order."""

FIRST_ROOT_NOT_OK = """
    SELECT name, status, error FROM spans INDEXED BY spans_roots_not_ok
    WHERE play = (SELECT id FROM plays WHERE sid = ?) AND parent_id = '' AND status <> 'ok'
    ORDER BY ordinal LIMIT 1
"""
"""The first root that did not end ok, in the order of the fields of ``RootSpan``."""

# --- reading back ------------------------------------------------------------------------------------

CHILDREN = (
    f"SELECT {SPAN_ROW_COLUMNS} FROM spans INDEXED BY spans_by_parent"  # noqa: S608 - columns are a constant
    " WHERE play = (SELECT id FROM plays WHERE sid = ?) AND parent_id = ? AND ordinal > ?"
    " ORDER BY ordinal LIMIT ?"
)
"""Spans with a parent that come after an ordinal."""

CHILD_COUNT = (
    "SELECT count(*) FROM spans INDEXED BY spans_by_parent"
    " WHERE play = (SELECT id FROM plays WHERE sid = ?) AND parent_id = ?"
)
"""How many spans have a parent."""

FAILED_SPANS = (
    f"SELECT {SPAN_ROW_COLUMNS} FROM spans INDEXED BY spans_failed"  # noqa: S608 - columns are a constant
    " WHERE play = (SELECT id FROM plays WHERE sid = ?) AND status NOT IN ('ok', 'running') AND ordinal > ?"
    " ORDER BY ordinal LIMIT ?"
)
"""Spans that ended and not ok and come after an ordinal."""

SPAN_COUNT = "SELECT id, span_count FROM plays WHERE sid = ?"
"""A play's id and how many spans it has."""

OPEN_COUNT = "SELECT count(*) FROM spans INDEXED BY spans_open WHERE play = ? AND status = 'running'"
"""How many spans of a play still run."""

FAILED_COUNTS = """
    SELECT sum(status = 'failed'), sum(status = 'timed_out'), sum(status = 'cancelled')
    FROM spans INDEXED BY spans_failed WHERE play = ? AND status NOT IN ('ok', 'running')
"""
"""How many spans of a play ended in each way but ok; NULLs where none did.

Sums, since a GROUP BY would sort them: the index is in the order of pages, not of statuses.
"""

LEVELS_MS = (1, 10, 100, 1000, 10000, 100000, 1000000, 10000000)
"""A span that took less than the n-th of these, and not less than the one before, is of level n."""

RUNNING_LEVEL = 9

DURATION_LEVEL = (
    f"CASE WHEN end_ms IS NULL THEN {RUNNING_LEVEL} "
    + " ".join(f"WHEN end_ms - start_ms < {ms} THEN {level}" for level, ms in enumerate(LEVELS_MS))
    + f" ELSE {len(LEVELS_MS)} END"
)
"""The level of a span: what spans_by_time has, word for word, or SQLite would not know it again."""

SPANS_BETWEEN = (
    f"SELECT {SPAN_ROW_COLUMNS} FROM spans INDEXED BY spans_by_time"  # noqa: S608 - columns are a constant
    f" WHERE play = ? AND {DURATION_LEVEL} = ? AND start_ms BETWEEN ? AND ?"
    " AND (end_ms IS NULL OR max(start_ms, end_ms) >= ? AND max(end_ms - start_ms, 0) >= ?)"
    " ORDER BY start_ms LIMIT ?"
)
"""Spans of a level that began between two times, did not end before a third, and took some time at least."""

_LASTED_MS = "max(end_ms - start_ms, 0)"

NAMED_DURATIONS = (
    f"SELECT name, status <> 'ok', {_LASTED_MS} FROM spans NOT INDEXED"  # noqa: S608 - a constant
    " WHERE play = ? AND end_ms IS NOT NULL"
)
"""How long each ended span of a play took, in milliseconds, and whether it ended not ok.

It reads the play itself, whose spans lie side by side: docs/design/0009-reading-back.md.
"""

TOP_NAMES = (
    "SELECT name FROM spans NOT INDEXED WHERE play = ? AND end_ms IS NOT NULL"  # noqa: S608 - a constant
    f" GROUP BY name ORDER BY sum({_LASTED_MS}) DESC, name LIMIT ?"
)
"""The names whose ended spans took most."""

FIND_LOGS = """
    SELECT play, ordinal, logs FROM spans INDEXED BY spans_by_id
    WHERE play = (SELECT id FROM plays WHERE sid = ?) AND span_id = ?
"""
"""The logs in the row of a span, and where the rest of them is."""

# --- what changed ------------------------------------------------------------------------------------

CHANGED_PLAYS = (
    f"SELECT {PLAY_COLUMNS} FROM plays INDEXED BY plays_by_revision"  # noqa: S608 - columns are a constant
    " WHERE revision > ? ORDER BY revision LIMIT ?"
)
"""Plays that changed after a revision."""

CHANGED_PLAY = f"SELECT {PLAY_COLUMNS} FROM plays WHERE id = ? AND revision > ?"  # noqa: S608 - a constant
"""A play if it changed after a revision."""

CHANGED_PLAY_IDS = "SELECT id FROM plays INDEXED BY plays_by_revision WHERE revision > ? ORDER BY revision"
"""The plays that changed after a revision: those whose spans may have."""

DATA_VERSION = "PRAGMA data_version"
"""A number that changes when another connection has written."""

SID_OF_PLAY = "SELECT sid FROM plays WHERE id = ?"
"""The sid of a play."""

CHANGED_SPANS = """
    SELECT revision, ordinal FROM spans INDEXED BY spans_by_revision
    WHERE play = ? AND revision > ? AND revision <= ?
    UNION
    SELECT chunk, ordinal FROM span_logs INDEXED BY span_logs_by_chunk
    WHERE play = ? AND chunk > ? AND chunk <= ?
    ORDER BY 1, 2 LIMIT ?
"""
"""Revisions between two of them at which spans of a play were last written, or a piece of their logs was."""

SPANS_OF_ORDINALS = (
    f"SELECT {SPAN_ROW_COLUMNS}, logs FROM spans"  # noqa: S608 - columns are a constant
    " WHERE play = ? AND ordinal IN (SELECT value FROM json_each(?))"
)
"""Spans by their ordinals, a JSON array, with the logs in their rows."""

CHANGED_LOGS = """
    SELECT ordinal, text FROM span_logs INDEXED BY span_logs_by_chunk
    WHERE play = ? AND chunk > ? AND chunk <= ? ORDER BY chunk
"""
"""What was appended to the logs of spans between two revisions."""
