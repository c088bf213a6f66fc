//! What a handler may take from a request, and what every request passes.

pub(crate) mod audit_context;
pub(crate) mod bearer;
pub(crate) mod caller;
pub(crate) mod device;
pub(crate) mod rate_limits;
pub(crate) mod serving;
