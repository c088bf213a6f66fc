//! Authentication: who sends a request. Passwords, and the throttling of attempts.

pub mod authenticator;
pub mod passwords;
pub mod proven;
pub mod source;
pub mod stand_in;
pub mod throttle;
