-- What a flow asked for beyond its own directory, and what its play was granted: a JSON object with "needs" and
-- "grants", each by kind; {} for a play that asked for nothing and was granted nothing, as all before this were.
ALTER TABLE plays ADD COLUMN access TEXT NOT NULL DEFAULT '{}';
