-- One row that `/readyz` counts up, to see whether the database takes writes.
CREATE TABLE probes (
    id BIGINT NOT NULL PRIMARY KEY,
    tries BIGINT NOT NULL
);
INSERT INTO probes (id, tries) VALUES (1, 0);
