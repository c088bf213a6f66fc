//! `/admin/…`: for administrators.

pub(crate) mod audit;
pub(crate) mod import;
pub(crate) mod users;
