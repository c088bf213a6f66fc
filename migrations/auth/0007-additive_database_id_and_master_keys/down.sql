DROP TABLE master_keys;
ALTER TABLE issuance DROP COLUMN database_id;
