//! Marks: how far this database had come when it was last seen. One that is behind its marks was set back, to a backup or to
//! a standby that lacks the last commits, and is not served until `auth-service recover`: in it, what was revoked is not
//! revoked, and what was used up can be used again.
//!
//! Marks are kept in memory and in `marks.json` in the data folder, by the random name that each database has. They are
//! taken from what was read back after commits: a mark behind the database is harmless, one ahead of it would not be. What
//! they cannot show: a data folder that was set back together with the database. Why it is so: docs/decisions/0017-marks-and-keys-that-do-not-open.md.

mod book;
mod file;
mod kept;
mod standing;

pub use file::MarksError;
pub use kept::Marks;
pub(in crate::domain) use kept::set_back;
pub use standing::Standing;
