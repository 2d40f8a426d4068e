-- What reading back needs: an index for each question that is asked of a play, and of what changed.
--
-- Every index is paid for with each span that is written; docs/design/0009-reading-back.md has what each
-- costs, what it is for, and those that were rejected.

-- How much of each source of events (a connection, a spool file) is folded and on disk.
CREATE TABLE sources (
    play INTEGER NOT NULL,              -- plays.id
    source TEXT NOT NULL,
    position INTEGER NOT NULL,          -- bytes
    PRIMARY KEY (play, source)
) WITHOUT ROWID;

-- The children of a span in the order of their ordinals, and how many there are.
CREATE INDEX spans_by_parent ON spans (play, parent_id);

-- What ended and not ok, and what runs; the status is there so that they can be counted without reading them.
CREATE INDEX spans_failed ON spans (play, ordinal, status) WHERE status NOT IN ('ok', 'running');
DROP INDEX spans_open;
CREATE INDEX spans_open ON spans (play, ordinal, status) WHERE status = 'running';

-- What lies in a stretch of time, the longest first: level 9 runs, level 8 took 10 000 s and more, each level
-- below a tenth of that, level 0 less than a millisecond. Within a level a window's spans are one stretch
-- of starts, for none of them can have begun long before it. queries.py has the same expression.
CREATE INDEX spans_by_time ON spans (
    play,
    CASE
        WHEN end_ms IS NULL THEN 9
        WHEN end_ms - start_ms < 1 THEN 0
        WHEN end_ms - start_ms < 10 THEN 1
        WHEN end_ms - start_ms < 100 THEN 2
        WHEN end_ms - start_ms < 1000 THEN 3
        WHEN end_ms - start_ms < 10000 THEN 4
        WHEN end_ms - start_ms < 100000 THEN 5
        WHEN end_ms - start_ms < 1000000 THEN 6
        WHEN end_ms - start_ms < 10000000 THEN 7
        ELSE 8
    END,
    start_ms
);

-- What changed after a revision.
CREATE INDEX spans_by_revision ON spans (play, revision);
CREATE INDEX span_logs_by_chunk ON span_logs (play, chunk);
CREATE INDEX plays_by_revision ON plays (revision);

-- Who follows a play gets each piece of a log by the revision at which it was written. A piece in span_logs
-- has that revision beside it. A piece in a span's own row came with the revision of that row: so when the
-- row takes another revision, the piece moves to span_logs under the one that it had.
CREATE TRIGGER spans_keep_logs AFTER UPDATE OF revision ON spans WHEN OLD.logs <> '' BEGIN
    INSERT INTO span_logs (play, ordinal, chunk, text) VALUES (OLD.play, OLD.ordinal, OLD.revision, OLD.logs);
    UPDATE spans SET logs = '' WHERE play = OLD.play AND ordinal = OLD.ordinal;
END;

-- Rows of the release before kept their first piece whatever came later. Which revision it had is not known,
-- only that it was there before the next piece: they become one.
UPDATE span_logs SET text = coalesce(
    (SELECT logs FROM spans WHERE spans.play = span_logs.play AND spans.ordinal = span_logs.ordinal), ''
) || text
WHERE chunk = (
    SELECT min(chunk) FROM span_logs AS pieces
    WHERE pieces.play = span_logs.play AND pieces.ordinal = span_logs.ordinal
);
UPDATE spans SET logs = '' WHERE logs <> '' AND EXISTS (
    SELECT 1 FROM span_logs WHERE span_logs.play = spans.play AND span_logs.ordinal = spans.ordinal
);
