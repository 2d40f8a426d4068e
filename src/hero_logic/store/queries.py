"""Every SQL statement of the embedded store, by name.

Placeholders are plain ``?``: numbered ones are slow from Python 3.12 on.
``INDEXED BY`` makes SQLite refuse a statement rather than answer it by reading a whole play.
"""

PLAY_COLUMNS = (
    "plays.sid, flow, status, error, created_ms, start_ms, end_ms, exit_code, artifacts,"
    " sandbox_tier, sandbox_isolation, sandbox_resources,"
    " events, malformed, oversize, repeated, truncated,"
    " span_count, version_sid, runtime_sid, revision"
)
"""A play without its heavy fields, as :func:`hero_logic.store.rows.play` reads it."""

SPAN_ROW_COLUMNS = (
    "ordinal, span_id, start_ms, parent_id, name, kind, end_ms, status, CAST(tags AS BLOB), error,"
    " rpc_service, rpc_method, child_play_sid, source_file, source_line, log_bytes, protected_tags"
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
    INSERT OR IGNORE INTO versions (version_sid, flow_sid, created_ms, source)
    SELECT ?, flow_sid, ?, ? FROM flows WHERE name = ? AND path = ?
"""
"""Add a version unless it is known: version_sid, created_ms, source, and its flow's name and path."""

GET_VERSION = """
    SELECT version_sid, name, path, source, versions.created_ms
    FROM versions JOIN flows USING (flow_sid) WHERE version_sid = ?
"""
"""A version by its sid, in the order of the fields of ``FlowVersion``."""

# --- plays -------------------------------------------------------------------------------------------

ADD_PLAY = """
    INSERT INTO plays (
        sid, flow, status, error, created_ms, start_ms, end_ms, exit_code, artifacts,
        sandbox_tier, sandbox_isolation, sandbox_resources,
        events, malformed, oversize, repeated, truncated,
        span_count, version_sid, runtime_sid, revision
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
"""Add a play without its heavy fields, in the order of ``PLAY_COLUMNS``."""

ADD_PLAY_TEXTS = (
    "INSERT INTO play_texts (play, input_json, output_json, stdout, stderr) VALUES (?, ?, ?, ?, ?)"
)
"""Add the heavy fields of a play."""

FIND_PLAY = "SELECT id, status FROM plays WHERE sid = ?"
"""The id and the status of a play, by its sid."""

BEGIN_PLAY = """
    UPDATE plays SET status = 'running', start_ms = ?,
        sandbox_tier = ?, sandbox_isolation = ?, sandbox_resources = ?, revision = ?
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
    f"SELECT {PLAY_COLUMNS} FROM plays INDEXED BY plays_unfinished"  # noqa: S608 - columns are a constant
    " WHERE status IN ('pending', 'running') ORDER BY id"
)
"""Plays without an end, the oldest first."""

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

# --- writers -----------------------------------------------------------------------------------------

LOAD_WRITERS = "SELECT writer, seq FROM writers WHERE play = ?"
"""The highest seq of each writer of a play."""

WRITE_WRITER = """
    INSERT INTO writers (play, writer, seq) VALUES (?, ?, ?)
    ON CONFLICT (play, writer) DO UPDATE SET seq = excluded.seq
"""
"""Write the highest seq of a writer."""

# --- spans -------------------------------------------------------------------------------------------

ADD_SPAN = """
    INSERT INTO spans (
        play, ordinal, span_id, parent_id, name, kind, start_ms, end_ms, status, error,
        rpc_service, rpc_method, child_play_sid, source_file, source_line,
        log_bytes, protected_tags, revision, tags, logs
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
"""Add a span; one that is there already is an error."""

UPDATE_SPAN = """
    UPDATE spans SET
        parent_id = ?, name = ?, kind = ?, start_ms = ?, end_ms = ?, status = ?, error = ?,
        rpc_service = ?, rpc_method = ?, child_play_sid = ?, source_file = ?, source_line = ?,
        log_bytes = ?, protected_tags = ?, revision = ?, tags = ?
    WHERE play = ? AND ordinal = ?
"""
"""Write all that can change of a span but its logs."""

ADD_LOGS = "INSERT INTO span_logs (play, ordinal, chunk, text) VALUES (?, ?, ?, ?)"
"""Append to the logs of a span."""

LOAD_ROWS = (
    f"SELECT {SPAN_ROW_COLUMNS} FROM spans INDEXED BY spans_by_id"  # noqa: S608 - columns are a constant
    " WHERE play = (SELECT id FROM plays WHERE sid = ?) AND span_id IN (SELECT value FROM json_each(?))"
)
"""The spans of these ids, a JSON array: a batch has more spans than a statement may have ``?``."""

LOAD_OPEN_ROWS = (
    f"SELECT {SPAN_ROW_COLUMNS} FROM spans INDEXED BY spans_open"  # noqa: S608 - columns are a constant
    " WHERE play = (SELECT id FROM plays WHERE sid = ?) AND status = 'running' ORDER BY ordinal LIMIT ?"
)
"""Spans of a play that still run, in the order of their ordinals."""

READ_SPANS = """
    SELECT ordinal, span_id, parent_id, name, kind, start_ms, end_ms, status, CAST(tags AS BLOB), logs, error,
        rpc_service, rpc_method, child_play_sid, source_file, source_line
    FROM spans WHERE play = ? AND ordinal >= ? ORDER BY ordinal LIMIT ?
"""
"""A page of a play's spans: the ordinal, then the fields of ``Span`` in their order."""

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
