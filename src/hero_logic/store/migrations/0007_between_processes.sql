-- What processes over one store leave for each other: events that were pushed to a play, who waits for which
-- play, which plays were deleted.

-- Events that were pushed to a play and are not folded yet, in the order in which they came. Their positions
-- rise like those of bytes in a stream, across all of a play: what is folded is removed in the transaction that
-- writes what came of it.
CREATE TABLE pushed_events (
    play INTEGER NOT NULL,              -- plays.id
    position INTEGER NOT NULL,          -- of its end
    source TEXT NOT NULL,               -- as in sources
    received_ms REAL NOT NULL,
    size_bytes INTEGER NOT NULL,
    lines BLOB NOT NULL,                -- each with its newline
    PRIMARY KEY (play, position)
) WITHOUT ROWID;

-- Whether more may be pushed to a play that runs: its end begins with taking in what was.
ALTER TABLE plays ADD COLUMN takes_pushed INTEGER NOT NULL DEFAULT 1;

-- Plays that wait for others; a play that does gives its place back until then. Gone with the end of either.
CREATE TABLE play_waits (
    parent INTEGER NOT NULL,            -- plays.id, of the one that waits
    child INTEGER NOT NULL,             -- plays.id, of the one that it waits for
    calls INTEGER NOT NULL,             -- how many calls of it do
    PRIMARY KEY (parent, child)
) WITHOUT ROWID;
CREATE INDEX play_waits_by_child ON play_waits (child);

-- The plays that were deleted last, so that who watches hears of it; numbered without a gap.
CREATE TABLE deletions (
    number INTEGER PRIMARY KEY,
    sid TEXT NOT NULL,
    revision INTEGER NOT NULL
);
CREATE INDEX deletions_by_revision ON deletions (revision);
