ALTER TABLE users DROP COLUMN username_taken_over_at;
ALTER TABLE users DROP COLUMN username_since;
DROP TABLE resting_names;
