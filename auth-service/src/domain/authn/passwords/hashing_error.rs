//! Why no hash was computed.

/// Why no hash was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashingError {
    /// Too many wait, or too many for the same account from the same source, or the deadline has passed.
    #[error("too many passwords wait to be hashed")]
    Overloaded,
    /// The configured scheme cannot take this password.
    #[error("this password cannot be hashed")]
    Impossible,
}
