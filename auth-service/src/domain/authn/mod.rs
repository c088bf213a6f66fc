//! Who a request comes from: passwords, throttling, and the proven identity that a session begins with.

pub mod authenticator;
pub mod passwords;
pub mod proven;
pub mod proven_client;
pub mod source;
mod stand_in;
pub mod throttle;
