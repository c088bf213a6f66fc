//! What time it is: the database's time, so that replicas whose clocks differ do not see theft where there is none; and
//! whether that can be believed, so that nothing irreversible happens on one reading of a clock.
//!
//! Why it is so: docs/decisions/0018-clocks-in-doubt.md.

mod database_clock;
mod monitor;

pub use database_clock::DatabaseClock;
pub(in crate::domain) use database_clock::seconds;
pub use monitor::Moment;
pub(super) use monitor::TOLERANCE;
