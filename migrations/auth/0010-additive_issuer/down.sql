ALTER TABLE issuance DROP COLUMN issuer;
