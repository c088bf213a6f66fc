-- Names and verified addresses that were given up. `digest` is a keyed digest of one; the key is among `keys`, sealed.
-- `kind` is `username` or `email`. `owner` is the account that gave it up, NULL once that is deleted: then nothing but the
-- digest is kept. How long a row counts is a setting, so it says when it was made and not until when.
CREATE TABLE resting_names (
    digest TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    owner TEXT,
    released_at BIGINT NOT NULL
);
CREATE INDEX resting_names_owner ON resting_names (owner);
CREATE INDEX resting_names_released_at ON resting_names (released_at);

-- Since when the user name is the account's; NULL when it is since the account was made. When the account took a name that
-- another one had before; NULL for a name that was new.
ALTER TABLE users ADD COLUMN username_since BIGINT;
ALTER TABLE users ADD COLUMN username_taken_over_at BIGINT;
