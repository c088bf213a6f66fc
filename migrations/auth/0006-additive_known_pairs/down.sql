DROP TABLE stand_ins;
ALTER TABLE guesses DROP COLUMN known_since;
