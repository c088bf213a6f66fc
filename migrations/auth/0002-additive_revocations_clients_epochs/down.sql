DROP TABLE clients;
DROP TABLE revocations;
DROP TABLE status_lists;
DROP TABLE issuance;
DROP INDEX sessions_number;
ALTER TABLE sessions DROP COLUMN number;
