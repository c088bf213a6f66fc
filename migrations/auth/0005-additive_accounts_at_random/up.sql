-- Accounts by the random end of their ids: which one a name stands for that nobody has (`users::hash_at`).
CREATE INDEX users_at_random ON users (substr(id, 29));
