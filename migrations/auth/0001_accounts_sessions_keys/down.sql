DROP TABLE keys;
DROP TABLE sessions;
DROP TABLE users;
