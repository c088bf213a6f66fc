DROP TABLE records;
DROP TABLE comments;
