-- Accounts. `username` and `email` are stored folded to lower case; `roles` is a list separated by spaces.
-- `auth_version` rises whenever logins in flight must not succeed any more.
CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    username TEXT /* /* */ -- */ COLLATE "C"
        NOT NULL,
    email TEXT /* /* */ -- */ COLLATE "C"
        ,
    email_verified BOOLEAN NOT NULL,
    password_hash TEXT NOT NULL,
    roles TEXT NOT NULL,
    disabled BOOLEAN NOT NULL,
    auth_version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT users_username_key UNIQUE (username),
    CONSTRAINT users_email_key UNIQUE (email)
);

-- Sessions. One row for each login, however often it is refreshed: the refresh token of `generation` is computed.
-- `expires_at` is the nearer of the idle and the absolute limit; ending a session sets it to that moment. No column that a
-- refresh changes is in an index: a refresh then writes one page instead of several.
CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    audience TEXT NOT NULL,
    generation BIGINT NOT NULL,
    rotated_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    absolute_expires_at BIGINT NOT NULL,
    ended_at BIGINT,
    ip TEXT,
    user_agent TEXT
);
CREATE INDEX sessions_user_id ON sessions (user_id);

-- Signing keys and refresh keys, sealed with the master key. Two replicas that make the same key at once agree,
-- because only one of them can insert a given (purpose, active_from).
CREATE TABLE keys (
    kid TEXT NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    sealed TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    active_from BIGINT NOT NULL,
    CONSTRAINT keys_purpose_active_from_key UNIQUE (purpose, active_from)
);
