DROP TABLE audit_heads;
DROP TABLE audit_events;
-- What proves the rows goes with them; otherwise its loss would look like theirs.
DELETE FROM keys WHERE purpose = 'audit';
