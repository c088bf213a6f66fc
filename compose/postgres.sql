-- PostgreSQL's image runs this on an empty volume: it creates the role of auth-service, which owns its database and has no other rights.
\set password `cat /run/secrets/database_password`
CREATE ROLE auth LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
CREATE DATABASE auth OWNER auth;
REVOKE ALL ON DATABASE auth FROM PUBLIC;
