-- The library: flows that were published, their versions, and what finds them.
--
-- A version is a text known by its hash, whichever way it came: versions has it once, for plays of files and for
-- the library alike. What refers to what is said beside the column, as in 0001.

-- What a version holds: 'python', or 'legacy_dag', a workflow of before that nothing runs.
ALTER TABLE versions ADD COLUMN kind TEXT NOT NULL DEFAULT 'python';

-- Whether any play ran a version: a flow is not deleted while that is so.
CREATE INDEX plays_by_version ON plays (version_sid) WHERE version_sid <> '';

-- The id says in which order flows were published first; flows of 0001 are files that were run.
CREATE TABLE library_flows (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    flow_sid TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    name_key TEXT NOT NULL,             -- the words of the name (core/search_text.py)
    said_description TEXT NOT NULL,     -- '' where its source is to say
    source_description TEXT NOT NULL,   -- what the current version says
    tags TEXT NOT NULL,                 -- a JSON array of texts
    is_archived INTEGER NOT NULL,
    version_sid TEXT NOT NULL,          -- versions.version_sid: the current one
    versions INTEGER NOT NULL,          -- how many there are
    created_ms REAL NOT NULL,
    published_ms REAL NOT NULL,
    published INTEGER NOT NULL UNIQUE,  -- the revision of the last publication: its row in library_index
    revision INTEGER NOT NULL
);
CREATE INDEX library_flows_by_key ON library_flows (name_key);

CREATE TABLE library_versions (
    flow INTEGER NOT NULL,              -- library_flows.id
    number INTEGER NOT NULL,            -- counts those of a flow from 1
    version_sid TEXT NOT NULL,          -- versions.version_sid
    created_ms REAL NOT NULL,
    PRIMARY KEY (flow, number)
) WITHOUT ROWID;
CREATE UNIQUE INDEX library_versions_of_flow ON library_versions (flow, version_sid);
CREATE INDEX library_versions_by_version ON library_versions (version_sid);

-- The words of each flow that is not archived. Its rowid is library_flows.published, so that the newest come first
-- without being sorted. Words come parted by spaces, as core/search_text.py makes them: the ascii tokenizer takes
-- all else as it is.
CREATE VIRTUAL TABLE library_index USING fts5 (
    name, description, tags, source, tokenize = 'ascii', prefix = '1 2 3'
);

-- The words of names, descriptions and tags, and the pieces of three letters that each has: what a word with a typo
-- was meant as is among those that share pieces with it. SQLite's own trigrams came later than some releases in use.
CREATE TABLE library_terms (
    id INTEGER PRIMARY KEY,
    term TEXT NOT NULL UNIQUE
);
CREATE TABLE library_grams (
    gram TEXT NOT NULL,
    term INTEGER NOT NULL,              -- library_terms.id
    PRIMARY KEY (gram, term)
) WITHOUT ROWID;
