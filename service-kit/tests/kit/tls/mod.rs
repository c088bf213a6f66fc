//! TLS in a service.

mod certificates;
mod handshakes;
mod support;
