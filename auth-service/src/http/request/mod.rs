//! Parameters of handlers, and the middleware around all routes.

pub(crate) mod audit_context;
pub(crate) mod bearer;
pub(crate) mod caller;
pub(crate) mod device;
pub(crate) mod rate_limits;
pub(crate) mod serving;
