//! Fetches an issuer's keys and status lists and keeps them fresh. All I/O of the crate is here.
//!
//! One background task fetches, and requests read what it has stored. A response that is late, too large, malformed, empty or
//! older never replaces what is stored.

mod background;
mod backoff;
mod clock_skew;
mod credentials;
mod discovery;
mod events;
#[cfg(fuzzing)]
pub mod fuzzing;
mod http;
#[cfg(feature = "testing")]
pub(crate) mod in_process;
mod keys;
pub(crate) mod lists;
mod lock;
pub(crate) mod refresher;
#[expect(clippy::module_inception, reason = "the file of a type has its name")]
pub(crate) mod remote;
mod snapshot;
mod state;

pub use self::remote::Remote;
