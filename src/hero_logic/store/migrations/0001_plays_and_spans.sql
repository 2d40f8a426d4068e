-- Flows and their versions, plays, and the spans of plays.
--
-- No foreign keys are declared: SQLite checks none unless each connection asks for it, and a check per
-- span would be paid on the hot path for something that the code cannot get wrong (it looks the play up
-- in the transaction that writes). What refers to what is said beside the column instead.
--
-- Columns named *_ms hold milliseconds since the Unix epoch.

-- One row: the revision of the last change. A counter of its own, because the highest revision of all rows
-- could not be had without an index on revision in every table.
CREATE TABLE store_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL
);
INSERT INTO store_state (id, revision) VALUES (1, 0);

CREATE TABLE flows (
    flow_sid INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    path TEXT NOT NULL,
    created_ms REAL NOT NULL,
    UNIQUE (name, path)
);

CREATE TABLE versions (
    version_sid TEXT PRIMARY KEY NOT NULL,
    flow_sid INTEGER NOT NULL,          -- flows.flow_sid
    created_ms REAL NOT NULL,
    source TEXT NOT NULL
);

-- The id says in which order plays were created. What can be heavy is in play_texts: the row of a play is
-- rewritten with every batch of its spans, and SQLite rewrites rows whole (0.7 ms a batch for an input of
-- 1 MB, 28 ms for one of 10 MB, where a row without it takes 15 us).
CREATE TABLE plays (
    id INTEGER PRIMARY KEY,
    sid TEXT NOT NULL UNIQUE,
    flow TEXT NOT NULL,
    status TEXT NOT NULL,
    created_ms REAL NOT NULL,
    start_ms REAL,
    end_ms REAL,
    exit_code INTEGER,
    events INTEGER NOT NULL,
    malformed INTEGER NOT NULL,
    oversize INTEGER NOT NULL,
    repeated INTEGER NOT NULL,
    truncated INTEGER NOT NULL,
    span_count INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    version_sid TEXT NOT NULL,          -- versions.version_sid, or ''
    runtime_sid TEXT NOT NULL,
    sandbox_tier TEXT NOT NULL,
    sandbox_isolation TEXT NOT NULL,
    sandbox_resources TEXT NOT NULL,
    error TEXT NOT NULL,
    artifacts TEXT NOT NULL             -- a JSON array of {"path", "size_bytes"}
);

-- Recovery asks at every start which plays have no end; without this it would read all plays there ever were.
CREATE INDEX plays_unfinished ON plays (status) WHERE status IN ('pending', 'running');

CREATE TABLE play_texts (
    play INTEGER PRIMARY KEY,           -- plays.id
    input_json TEXT NOT NULL,
    output_json TEXT,
    stdout TEXT NOT NULL,
    stderr TEXT NOT NULL
);

-- The highest seq of each writer of a play: what tells a repeat from news.
CREATE TABLE writers (
    play INTEGER NOT NULL,              -- plays.id
    writer TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (play, writer)
) WITHOUT ROWID;

-- Spans lie in the order in which they are read: a page of a play is one stretch of the tree, and new
-- spans are added at its end.
CREATE TABLE spans (
    play INTEGER NOT NULL,              -- plays.id
    ordinal INTEGER NOT NULL,
    span_id TEXT NOT NULL,
    parent_id TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    start_ms REAL NOT NULL,
    end_ms REAL,
    status TEXT NOT NULL,
    error TEXT NOT NULL,
    rpc_service TEXT NOT NULL,
    rpc_method TEXT NOT NULL,
    child_play_sid TEXT NOT NULL,
    source_file TEXT NOT NULL,
    source_line INTEGER NOT NULL,
    log_bytes INTEGER NOT NULL,
    protected_tags INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    tags TEXT NOT NULL,                 -- a JSON object
    logs TEXT NOT NULL,                 -- the logs that came with the row's first write; span_logs has the rest
    PRIMARY KEY (play, ordinal)
) WITHOUT ROWID;

-- Events name spans by their id: the fold looks up those that it does not hold in memory. It also
-- refuses a second row of the same span.
CREATE UNIQUE INDEX spans_by_id ON spans (play, span_id);

-- The spans that somebody has to close. A span that began and ended within one batch is never in it.
CREATE INDEX spans_open ON spans (play, ordinal) WHERE status = 'running';

-- Why a play cannot be ok. A root that ended ok is not in it, nor is any other span.
CREATE INDEX spans_roots_not_ok ON spans (play, ordinal) WHERE parent_id = '' AND status <> 'ok';

-- Logs only grow: each later write of a span adds a chunk, and none is ever read or written again to add one.
CREATE TABLE span_logs (
    play INTEGER NOT NULL,              -- plays.id
    ordinal INTEGER NOT NULL,           -- spans.ordinal
    chunk INTEGER NOT NULL,             -- the revision that the span had from this write: rises, and needs no counting
    text TEXT NOT NULL,
    PRIMARY KEY (play, ordinal, chunk)
) WITHOUT ROWID;
