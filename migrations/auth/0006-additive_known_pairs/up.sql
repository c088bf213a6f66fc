-- When the first right password came for an account from one source; NULL where none did, and in rows that an older program
-- wrote. It counts until `welcome_until`.
ALTER TABLE guesses ADD COLUMN known_since BIGINT;

-- The account whose hash is checked in place of one that does not exist: one for each slot, chosen once. Names are spread
-- over the slots by a keyed digest.
CREATE TABLE stand_ins (
    slot BIGINT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    chosen_at BIGINT NOT NULL
);
CREATE INDEX stand_ins_user_id ON stand_ins (user_id);
