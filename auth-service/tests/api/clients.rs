//! Clients: how they prove themselves, and the tokens that they get (RFC 6749 section 4.4).
