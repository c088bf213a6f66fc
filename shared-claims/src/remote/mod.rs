//! What an issuer publishes, keys and status lists: where it is, whom to trust for it, and how it is kept fresh. The
//! only I/O.
//!
//! One background task fetches; requests read what it has stored. Only good news replaces what is known: an
//! answer that is late, too large, malformed, empty or older leaves everything as it is.

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
