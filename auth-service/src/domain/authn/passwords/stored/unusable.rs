//! Hashes that cannot be used.

/// Why a hash cannot be used. The messages never repeat any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Nothing that is known begins like this.
    #[error("This is not a hash of a kind that is known here.")]
    Unknown,
    /// It begins like one that is known.
    #[error("This hash is damaged: it is not written as its kind is.")]
    Damaged,
    /// More memory or work than the settings allow.
    #[error("This hash asks for more memory or work than `passwords.bounds` allows.")]
    TooCostly,
    /// `$2x$`: made by a bcrypt that was wrong for other characters than ASCII.
    #[error("This hash is marked as the work of a faulty bcrypt (`$2x$`).")]
    Faulty,
    /// Made with a pepper that this service was not given.
    #[error("This hash was made with a pepper that is not configured here.")]
    OtherPepper,
}

impl Unusable {
    /// Stable and machine-readable.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Unknown => "unknown_kind",
            Self::Damaged => "damaged",
            Self::TooCostly => "too_costly",
            Self::Faulty => "faulty",
            Self::OtherPepper => "other_pepper",
        }
    }
}
