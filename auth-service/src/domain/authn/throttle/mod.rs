//! Login throttling. A few wrong passwords are free of a wait; each further attempt must wait longer than the one before. The
//! right password after the wait works, and no attacker can lock a user out.
//!
//! Wrong passwords are counted in the database, so that all replicas agree: for an account from one source, for an account
//! from all sources that are not known to be its user's, and for a source. An attempt is counted before its hash is computed,
//! so that concurrent attempts get no more answers than sequential ones. Every row that an attacker causes costs a hash, and
//! is deleted in time.

mod attempt;
mod budget;
mod counter;
mod counters;
mod error;
mod pending;
mod rule;
mod rules;
mod throttling;

pub(in crate::domain) use attempt::Attempt;
pub use attempt::Target;
pub use budget::Budget;
pub(in crate::domain) use counter::Outcome;
pub use error::AttemptError;
pub use rule::Rule;
pub use rules::ThrottleRules;
pub use throttling::Throttle;
