"""Every SQL statement of the embedded store about the queue, about finding plays and about deleting them.

The rules of :mod:`hero_logic.store.queries` hold here too.
"""

from hero_logic.store.queries import PLAY_COLUMNS

_WAITS = "status = 'pending' AND runtime_sid = ''"
_IN_HAND = "status IN ('pending', 'running') AND runtime_sid <> ''"

# --- orders ------------------------------------------------------------------------------------------

ADD_ORDER = "INSERT INTO play_orders (play, claims, order_json) VALUES (?, 0, ?)"
"""Say what a play is to be run with."""

GET_ORDER = "SELECT order_json, claims FROM play_orders WHERE play = (SELECT id FROM plays WHERE sid = ?)"
"""What a play is to be run with, and how often it was claimed."""

# --- the queue ---------------------------------------------------------------------------------------

HAS_WAITING = f"SELECT 1 FROM plays INDEXED BY plays_waiting WHERE {_WAITS} LIMIT 1"  # noqa: S608 - constants
"""Whether any play waits."""

COUNT_WAITING = f"SELECT count(*) FROM plays INDEXED BY plays_waiting WHERE {_WAITS}"  # noqa: S608 - constants
"""How many plays wait."""

COUNT_RUNNING = "SELECT count(*) FROM plays INDEXED BY plays_by_status WHERE status = 'running'"
"""How many plays run."""

NEXT_WAITING = f"""
    WITH RECURSIVE waiting (flow) AS (
        SELECT min(flow) FROM plays INDEXED BY plays_waiting WHERE {_WAITS}
        UNION ALL
        SELECT (SELECT min(flow) FROM plays INDEXED BY plays_waiting WHERE {_WAITS} AND flow > waiting.flow)
        FROM waiting WHERE waiting.flow IS NOT NULL
    )
    SELECT
        flow,
        (SELECT min(id) FROM plays INDEXED BY plays_waiting WHERE {_WAITS} AND flow = waiting.flow) AS first,
        (SELECT count(*) FROM plays INDEXED BY plays_in_hand WHERE {_IN_HAND} AND flow = waiting.flow)
            AS running,
        coalesce((SELECT turn FROM queue_turns WHERE queue_turns.flow = waiting.flow), 0) AS turn
    FROM waiting WHERE flow IS NOT NULL ORDER BY running, turn, first LIMIT 1
"""  # noqa: S608 - constants
"""The flow whose turn it is, and its oldest waiting play (``QueueStore.claim_play``).

It hops from flow to flow in the index: its cost grows with the flows that wait, not with their plays.
"""

NEXT_AWAITED = """
    SELECT plays.flow, plays.id FROM play_waits CROSS JOIN plays ON plays.id = play_waits.child
    WHERE plays.status = 'pending' AND plays.runtime_sid = ''
    ORDER BY play_waits.parent DESC, plays.id LIMIT 1
"""
"""What waits for a worker and another play waits for: the deepest first, so that chains come to an end."""

CLAIM = "UPDATE plays SET runtime_sid = ?, revision = ? WHERE id = ?"
"""Give a play to a runtime."""

COUNT_CLAIM = "UPDATE play_orders SET claims = claims + 1 WHERE play = ?"
"""One claim more."""

WRITE_TURN = """
    INSERT INTO queue_turns (flow, turn) VALUES (?, ?) ON CONFLICT (flow) DO UPDATE SET turn = excluded.turn
"""
"""Remember when a flow was served."""

RUNTIME_OF = "SELECT id, status, runtime_sid FROM plays WHERE sid = ?"
"""A play's id, status and runtime."""

# --- waiting for another play ------------------------------------------------------------------------

WAITS_FOR = """
    WITH RECURSIVE waiting (play, depth) AS (
        SELECT id, 1 FROM plays WHERE id = ?
        UNION
        SELECT play_waits.parent, depth + 1
        FROM waiting CROSS JOIN play_waits ON play_waits.child = waiting.play WHERE depth <= ?
    )
    SELECT play, depth FROM waiting ORDER BY depth
"""
"""A play, and those that wait for it, for one of these and so on: up to so many above it."""

BEGIN_WAIT = """
    INSERT INTO play_waits (parent, child, calls) VALUES (?, ?, 1)
    ON CONFLICT (parent, child) DO UPDATE SET calls = calls + 1
"""
"""One call more of a play waits for another one."""

END_WAIT = """
    UPDATE play_waits SET calls = calls - 1
    WHERE parent = (SELECT id FROM plays WHERE sid = ?) AND child = (SELECT id FROM plays WHERE sid = ?)
    RETURNING parent, child, calls
"""
"""One call less."""

FORGET_WAIT = "DELETE FROM play_waits WHERE parent = ? AND child = ?"
"""No call waits any more."""

WAITING_PARENTS = """
    SELECT DISTINCT plays.sid FROM play_waits CROSS JOIN plays ON plays.id = play_waits.parent
    WHERE plays.runtime_sid = ?
"""
"""The plays of a runtime that wait for another one."""

# --- cancelling --------------------------------------------------------------------------------------

ADD_CANCEL = "INSERT OR IGNORE INTO cancels (play, asked_by, asked_ms) VALUES (?, ?, ?)"
"""Have the runtime of a play end it; who asked first is kept."""

CANCELS_OF = """
    SELECT plays.sid, cancels.asked_by FROM cancels CROSS JOIN plays ON plays.id = cancels.play
    WHERE plays.runtime_sid = ? ORDER BY asked_ms
"""
"""The plays of a runtime that it is asked to end."""

# --- pushing -----------------------------------------------------------------------------------------

FIND_INBOX = "SELECT id, status, takes_pushed FROM plays WHERE sid = ?"
"""A play's id and status, and whether anything may be pushed to it."""

COUNT_PUSHED = "SELECT count(*), coalesce(sum(size_bytes), 0) FROM pushed_events WHERE play = ?"
"""How many events wait for a play, and how many bytes they have."""

LAST_PUSHED = "SELECT coalesce(max(position), 0) FROM pushed_events WHERE play = ?"
"""The position of the last event that waits for a play."""

LAST_FOLDED = "SELECT coalesce(max(position), 0) FROM sources WHERE play = ? AND source IN (?, ?)"
"""The position of the last event of a play that is folded."""

ADD_PUSHED = """
    INSERT INTO pushed_events (play, position, source, received_ms, size_bytes, lines)
    VALUES (?, ?, ?, ?, ?, ?)
"""
"""Keep an event."""

PUSHED_PLAYS = """
    WITH RECURSIVE pushed (play) AS (
        SELECT min(play) FROM pushed_events
        UNION ALL
        SELECT (SELECT min(play) FROM pushed_events WHERE play > pushed.play)
        FROM pushed WHERE pushed.play IS NOT NULL
    )
    SELECT plays.sid FROM pushed CROSS JOIN plays ON plays.id = pushed.play WHERE plays.runtime_sid = ?
"""
"""The plays of a runtime for which there are events; it hops from play to play."""

READ_PUSHED = """
    SELECT lines, source, position, received_ms FROM pushed_events
    WHERE play = (SELECT id FROM plays WHERE sid = ?) AND position > ? ORDER BY position
"""
"""The events that wait for a play behind a position."""

CLOSE_INBOX = "UPDATE plays SET takes_pushed = 0 WHERE id = ?"
"""Let nothing more be pushed to a play."""

HAS_PUSHED = "SELECT 1 FROM pushed_events WHERE play = ? LIMIT 1"
"""Whether any event waits for a play."""

FORGET_FOLDED = "DELETE FROM pushed_events WHERE play = ? AND position <= ?"
"""What came of these events is written."""

# --- the end of a play -------------------------------------------------------------------------------

FORGET_WHILE_IT_RAN = (
    "DELETE FROM cancels WHERE play = ?",
    # They are folded, and what is left of them has said nothing of any span.
    "DELETE FROM pushed_events WHERE play = ?",
    # It waits for nobody, and nobody for it.
    "DELETE FROM play_waits WHERE parent = ?",
    "DELETE FROM play_waits WHERE child = ?",
)
"""What processes leave for each other about a play that has not ended."""

# --- finding -----------------------------------------------------------------------------------------

BRIEF_PLAY = f"SELECT {PLAY_COLUMNS} FROM plays WHERE sid = ?"  # noqa: S608 - columns are a constant
"""A play without its heavy fields."""

_FILTER = """
    id < ? AND created_ms >= ? AND created_ms < ? AND (
        ? = '' OR instr(lower(plays.sid || char(10) || flow || char(10) || error), ?)
        OR (SELECT instr(lower(input_json), ?) FROM play_texts WHERE play = plays.id)
    ) ORDER BY id DESC LIMIT ?
"""

FIND_PLAYS = f"SELECT {PLAY_COLUMNS} FROM plays NOT INDEXED WHERE {_FILTER}"  # noqa: S608 - constants
"""Plays before an id, created between two times, with a text: the last first."""

FIND_PLAYS_OF_FLOW = f"SELECT {PLAY_COLUMNS} FROM plays INDEXED BY plays_by_flow WHERE flow = ? AND {_FILTER}"  # noqa: S608
"""The same of one flow."""

FIND_PLAYS_OF_STATUS = (
    f"SELECT {PLAY_COLUMNS} FROM plays INDEXED BY plays_by_status WHERE status = ? AND {_FILTER}"  # noqa: S608
)
"""The same of one status."""

CHANGED_STATUSES = """
    SELECT sid, revision, status FROM plays INDEXED BY plays_by_revision WHERE revision > ?
    UNION ALL
    SELECT sid, revision, 'deleted' FROM deletions INDEXED BY deletions_by_revision WHERE revision > ?
    ORDER BY revision
"""
"""The plays that changed after a revision, or were deleted, in few words."""

CHILD_PLAYS = (
    f"SELECT {PLAY_COLUMNS} FROM plays INDEXED BY plays_by_parent"  # noqa: S608 - columns are a constant
    " WHERE parent_play_sid = ? AND parent_play_sid <> '' ORDER BY id LIMIT ?"
)
"""The plays that a play asked for."""

RETRIES = (
    f"SELECT {PLAY_COLUMNS} FROM plays INDEXED BY plays_by_retry"  # noqa: S608 - columns are a constant
    " WHERE retry_of = ? AND retry_of <> '' ORDER BY id LIMIT ?"
)
"""The plays that run a play again."""

# --- deleting ----------------------------------------------------------------------------------------

OLDEST_ENDED = """
    SELECT sid, created_ms FROM plays NOT INDEXED
    WHERE status NOT IN ('pending', 'running') ORDER BY id LIMIT ?
"""
"""The plays that ended and were created first."""

ARTIFACT_BYTES = """
    SELECT coalesce(sum(json_extract(value, '$.size_bytes')), 0) FROM plays, json_each(plays.artifacts)
    WHERE plays.id = ?
"""
"""The size of what a play left."""

ADD_DELETION = "INSERT INTO deletions (sid, revision) VALUES (?, ?)"
"""Remember that a play was deleted; its number is the one after the last."""

FORGET_DELETIONS = "DELETE FROM deletions WHERE number <= ?"
"""Those up to a number were long ago."""

DELETIONS = "SELECT sid, revision FROM deletions WHERE revision > ? AND revision <= ? ORDER BY revision"
"""The plays that were deleted between two revisions."""

FIRST_DELETION = """
    SELECT number, revision FROM deletions WHERE number = (SELECT min(number) FROM deletions)
"""
"""The oldest deletion that is remembered."""

MARK_DELETED = "INSERT INTO deleted_plays (play) VALUES (?)"
"""What belongs to a play is to be removed."""

DELETE_PLAY = (
    "DELETE FROM plays WHERE id = ?",
    "DELETE FROM play_texts WHERE play = ?",
    "DELETE FROM play_orders WHERE play = ?",
    *FORGET_WHILE_IT_RAN,
)
"""Remove the rows that a play has one of."""

FIRST_DELETED = "SELECT min(play) FROM deleted_plays"
"""A play of which something is left."""

SWEEP = (
    "DELETE FROM spans WHERE play = ? AND ordinal IN (SELECT ordinal FROM spans NOT INDEXED WHERE play = ?"
    " ORDER BY ordinal LIMIT ?)",
    "DELETE FROM span_logs WHERE play = ? AND (ordinal, chunk) IN (SELECT ordinal, chunk FROM span_logs"
    " NOT INDEXED WHERE play = ? ORDER BY ordinal, chunk LIMIT ?)",
    "DELETE FROM writers WHERE play = ? AND writer IN (SELECT writer FROM writers WHERE play = ? LIMIT ?)",
    "DELETE FROM sources WHERE play = ? AND source IN (SELECT source FROM sources WHERE play = ? LIMIT ?)",
)
"""Remove some of the rows that a play has many of."""

FORGET_DELETED = "DELETE FROM deleted_plays WHERE play = ?"
"""Nothing of a play is left."""

# --- how much there is -------------------------------------------------------------------------------

COUNT_PLAY = (
    "UPDATE store_state SET play_count = play_count + ?, artifact_bytes = artifact_bytes + ? WHERE id = 1"
)
"""Some plays, and some bytes of artifacts, more or less."""

READ_COUNTS = "SELECT play_count, artifact_bytes FROM store_state WHERE id = 1"
"""How many plays there are, and how large what they left is."""

PAGES = ("PRAGMA page_size", "PRAGMA page_count", "PRAGMA freelist_count")
"""The size of a page of the database, how many it has, and how many of them are free."""
