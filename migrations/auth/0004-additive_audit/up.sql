-- What happened: a chain of events for each process, in the order of their positions. `mac` is a keyed digest of the row and
-- of the `mac` before it, so that no row can be changed, left out or put in. Nothing here is secret.
CREATE TABLE audit_events (
    chain TEXT NOT NULL,
    position BIGINT NOT NULL,
    occurred_at BIGINT NOT NULL,
    event TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT,
    actor TEXT,
    subject TEXT,
    session TEXT,
    address TEXT,
    request_id TEXT,
    details TEXT,
    mac TEXT NOT NULL,
    PRIMARY KEY (chain, position)
);
CREATE INDEX audit_events_occurred_at ON audit_events (occurred_at, chain, position);
CREATE INDEX audit_events_subject ON audit_events (subject, occurred_at, chain, position);
CREATE INDEX audit_events_event ON audit_events (event, occurred_at, chain, position);
-- Where each chain stands: at `position` with `mac`. Rows before `first_position` were deleted when their time was over;
-- `first_mac` is the `mac` of the last of them. Chains are numbered without gaps; `newest` is the highest number that this
-- chain has seen, and the chain before one with `front` was deleted as a whole. `signature` is a keyed digest of all of it.
CREATE TABLE audit_heads (
    chain TEXT NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL,
    kid TEXT NOT NULL,
    position BIGINT NOT NULL,
    mac TEXT NOT NULL,
    first_position BIGINT NOT NULL,
    first_mac TEXT NOT NULL,
    newest BIGINT NOT NULL,
    front BOOLEAN NOT NULL,
    started_at BIGINT NOT NULL,
    closed_at BIGINT,
    signature TEXT NOT NULL,
    CONSTRAINT audit_heads_number_key UNIQUE (number)
);
