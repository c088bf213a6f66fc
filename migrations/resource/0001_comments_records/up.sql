-- What people said in public. `author` is the name they had then, `author_id` the `sub` of their token.
CREATE TABLE comments (
    id TEXT NOT NULL PRIMARY KEY,
    author_id TEXT NOT NULL,
    author TEXT NOT NULL,
    text TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- What belongs to one user. The users themselves are auth-service's: `user_id` is the `sub` of their tokens.
CREATE TABLE records (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    text TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX records_user_id_id ON records (user_id, id);
