//! `POST /introspect` (RFC 7662).
