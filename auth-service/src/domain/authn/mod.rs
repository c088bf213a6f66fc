//! Authentication: who sends a request. Passwords, and the throttling of attempts.

pub mod passwords;
pub mod proven_client;
pub mod source;
pub mod stand_in;
pub mod throttle;
