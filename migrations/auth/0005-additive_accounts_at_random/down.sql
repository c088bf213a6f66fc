DROP INDEX users_at_random;
