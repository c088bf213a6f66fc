-- The servers that use this database: each writes its row every 10 seconds and counts as live for 30. `id` is random and made at
-- each start; a graceful stop deletes the row.
CREATE TABLE processes (
    id TEXT NOT NULL PRIMARY KEY,
    seen_at BIGINT NOT NULL
);
