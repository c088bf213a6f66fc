-- The number of a session: its place in the status lists. NULL until its next refresh when the session is older than this
-- table, or when its rights shrank.
ALTER TABLE sessions ADD COLUMN number BIGINT;
CREATE INDEX sessions_number ON sessions (number);

-- One row: what all replicas agree on about what they issue.
-- `epoch` is part of every refresh token's proof. `keys_revision` rises when the key set changes.
-- `next_number` is the first number that nobody has leased. `longest_access_ttl` is how many seconds an access token lived
-- at the most since this database exists: keys and revocations are kept for that long.
CREATE TABLE issuance (
    id BIGINT NOT NULL PRIMARY KEY,
    epoch BIGINT NOT NULL,
    keys_revision BIGINT NOT NULL,
    next_number BIGINT NOT NULL,
    longest_access_ttl BIGINT NOT NULL
);
INSERT INTO issuance (id, epoch, keys_revision, next_number, longest_access_ttl) VALUES (1, 0, 0, 0, 0);

-- Status lists that are published. `revision` rises with each revocation in the list. `left_at` is when numbers of another
-- list began to be leased.
CREATE TABLE status_lists (
    id BIGINT NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    left_at BIGINT
);

-- Numbers whose access tokens are refused, until the last of them has expired. No clean-up of sessions or users touches
-- this table.
CREATE TABLE revocations (
    number BIGINT NOT NULL PRIMARY KEY,
    until BIGINT NOT NULL
);
CREATE INDEX revocations_until ON revocations (until);

-- Services that get tokens of their own (RFC 6749 section 4.4) or ask about others' (RFC 7662). `scopes` and `audience` are
-- lists separated by spaces; `number` is NULL until the client's next token.
CREATE TABLE clients (
    name TEXT NOT NULL PRIMARY KEY,
    secret_digest TEXT NOT NULL,
    scopes TEXT NOT NULL,
    audience TEXT NOT NULL,
    disabled BOOLEAN NOT NULL,
    number BIGINT,
    created_at BIGINT NOT NULL
);
CREATE INDEX clients_number ON clients (number);
