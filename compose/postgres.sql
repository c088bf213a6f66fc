-- What PostgreSQL's image runs on an empty volume: the role of auth-service, which owns its database and may do nothing else.
\set password `cat /run/secrets/database_password`
CREATE ROLE auth LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
CREATE DATABASE auth OWNER auth;
REVOKE ALL ON DATABASE auth FROM PUBLIC;
