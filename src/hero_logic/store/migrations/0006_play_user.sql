-- Whom a play ran as, where that was another user than the runtime's.
ALTER TABLE plays ADD COLUMN sandbox_user TEXT NOT NULL DEFAULT '';
