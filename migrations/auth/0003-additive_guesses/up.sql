-- How often passwords were guessed wrong: for an account from one source, for an account, for a source. `bucket` is a digest
-- of which. `failures` leak away with time, counted at `counted_at`. `undecided` tries have begun and count as failures from
-- `undecided_until` on. No try is taken before `next_at`. Until `welcome_until` the source is known to be the user's own.
CREATE TABLE guesses (
    bucket TEXT NOT NULL PRIMARY KEY,
    failures BIGINT NOT NULL,
    counted_at BIGINT NOT NULL,
    undecided BIGINT NOT NULL,
    undecided_until BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    welcome_until BIGINT NOT NULL,
    forget_at BIGINT NOT NULL
);
CREATE INDEX guesses_forget_at ON guesses (forget_at);
