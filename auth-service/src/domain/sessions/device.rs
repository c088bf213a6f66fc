//! Where a request comes from.

/// The address and the user agent of a client that logs in.
#[derive(Debug, Clone, Default)]
pub struct Device {
    /// The peer's address.
    pub ip: Option<String>,
    /// What it says of itself, cut to a bounded length.
    pub user_agent: Option<String>,
}
