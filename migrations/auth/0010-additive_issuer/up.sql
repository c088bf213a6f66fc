-- The issuer of the tokens that are given over this database: a server that is set to another one does not start. NULL until the
-- first start of a server that knows this column.
ALTER TABLE issuance ADD COLUMN issuer TEXT;
