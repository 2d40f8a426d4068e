-- Plays that wait for a worker, what they are to be run with, who is asked to end, and what was deleted.

-- Where a play comes from: the play that it runs again, the play and the span that asked for it, and who did.
ALTER TABLE plays ADD COLUMN retry_of TEXT NOT NULL DEFAULT '';          -- plays.sid, or ''
ALTER TABLE plays ADD COLUMN parent_play_sid TEXT NOT NULL DEFAULT '';   -- plays.sid, or ''
ALTER TABLE plays ADD COLUMN parent_span_id TEXT NOT NULL DEFAULT '';    -- spans.span_id of that play, or ''
ALTER TABLE plays ADD COLUMN asked_by TEXT NOT NULL DEFAULT '';
CREATE INDEX plays_by_retry ON plays (retry_of) WHERE retry_of <> '';
CREATE INDEX plays_by_parent ON plays (parent_play_sid) WHERE parent_play_sid <> '';

-- What a play is to be run with beside its version, its input and its grants, so that any worker can.
CREATE TABLE play_orders (
    play INTEGER PRIMARY KEY,           -- plays.id
    claims INTEGER NOT NULL,            -- how often a worker has taken it
    order_json TEXT NOT NULL
);

-- Those that wait: pending, and of no runtime. By flow, since flows take turns; within one the oldest first.
CREATE INDEX plays_waiting ON plays (flow, id) WHERE status = 'pending' AND runtime_sid = '';

-- Those that a runtime has: recovery looks at these alone, however many wait.
DROP INDEX plays_unfinished;
CREATE INDEX plays_in_hand ON plays (flow, id) WHERE status IN ('pending', 'running') AND runtime_sid <> '';

-- When each flow was last served, as the revision of that claim: among flows that have equally many plays
-- running, the one that was served longest ago comes next.
CREATE TABLE queue_turns (
    flow TEXT PRIMARY KEY NOT NULL,
    turn INTEGER NOT NULL
) WITHOUT ROWID;

-- Plays that somebody wants ended, for the runtime that runs them to read; gone with the end of the play.
CREATE TABLE cancels (
    play INTEGER PRIMARY KEY,           -- plays.id
    asked_by TEXT NOT NULL,
    asked_ms REAL NOT NULL
);

-- Plays whose spans are still to be removed: their own rows are gone, and their ids are not given again.
CREATE TABLE deleted_plays (
    play INTEGER PRIMARY KEY
);

-- Finding plays.
CREATE INDEX plays_by_flow ON plays (flow, id);
CREATE INDEX plays_by_status ON plays (status, id);

-- How much there is, counted as it comes and goes: nobody wants to wait for a sum over all plays there ever were.
ALTER TABLE store_state ADD COLUMN play_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE store_state ADD COLUMN artifact_bytes INTEGER NOT NULL DEFAULT 0;
UPDATE store_state SET
    play_count = (SELECT count(*) FROM plays),
    artifact_bytes = (
        SELECT coalesce(sum(json_extract(value, '$.size_bytes')), 0) FROM plays, json_each(plays.artifacts)
    );
