-- A random name of this database, made at the first start and anew by `recover`: marks that processes keep beside the
-- database (`marks.json`) belong to one name. NULL until then.
ALTER TABLE issuance ADD COLUMN database_id TEXT;

-- The master keys that keys were sealed with, in the order in which they were put into use; `id` is a keyed digest that
-- says nothing about the key. Nothing is sealed with any but the newest one.
CREATE TABLE master_keys (
    id TEXT NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL UNIQUE
);
