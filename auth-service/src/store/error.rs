//! Failures of the database, by kinds that callers treat differently.

use std::cell::RefCell;

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error};

/// A failure of the database. Its text is for the log: clients see none of it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, is full, or is busy for too long. Another attempt may succeed.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The database is damaged. No attempt succeeds until an operator has repaired it.
    #[error("the database is damaged: {0}")]
    Corrupt(String),
    /// The URL is not valid.
    #[error("database_url {0}")]
    Url(&'static str),
    /// A value that must be unique exists already.
    #[error("{0:?} is taken")]
    Conflict(Unique),
    /// The tables do not match this program.
    #[error("{0}")]
    Schema(String),
    /// A query or the data is wrong: a bug.
    #[error("a query failed: {0}")]
    Query(String),
}

/// The error type of a job: it crosses threads, and has the failures of the database.
pub trait JobError: From<StoreError> + Send + 'static {}

impl<E: From<StoreError> + Send + 'static> JobError for E {}

/// What must be unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unique {
    /// `users.username`.
    Username,
    /// `users.email`.
    Email,
    /// Any other constraint.
    Other,
}

impl Unique {
    /// Whether it is an address.
    #[must_use]
    pub fn is_email(self) -> bool {
        self == Self::Email
    }
}

impl StoreError {
    pub(super) fn timeout() -> Self {
        Self::Unavailable("no answer in time".to_owned())
    }

    pub(super) fn closed() -> Self {
        Self::Unavailable("the store is shutting down".to_owned())
    }

    /// Whether the store logs it itself, in one line for an outage. Callers log it for debugging only.
    #[must_use]
    pub fn is_reported(&self) -> bool {
        match self {
            // The database answers, but lacks what a query needs: no outage, and it does not end by itself.
            Self::Unavailable(text) => !is_misfit(text),
            Self::Corrupt(_) => true,
            Self::Conflict(_) | Self::Schema(_) | Self::Query(_) | Self::Url(_) => false,
        }
    }
}

thread_local! {
    /// The newest failure of the database on this thread, since the error type of a job hides it. A job stays on one thread.
    static TROUBLE: RefCell<Option<StoreError>> = const { RefCell::new(None) };
}

/// Takes the newest failure of the database on this thread since the last call.
pub(super) fn take_trouble() -> Option<StoreError> {
    TROUBLE.take()
}

/// Whether SQLite or PostgreSQL reports that a table or a column does not exist.
fn is_misfit(text: &str) -> bool {
    ["no such table", "no such column", "has no column"].iter().any(|misfit| text.contains(misfit))
        || (text.ends_with("does not exist")
            && (text.starts_with("relation ") || text.starts_with("column ")))
}

/// Messages of SQLite and PostgreSQL about damaged data.
const DAMAGE: [&str; 5] = [
    "database disk image is malformed",
    "file is not a database",
    "invalid page in block",
    "could not read block",
    "page verification failed",
];

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        let error = Self::of(&error);
        if error.is_reported() {
            TROUBLE.replace(Some(error.clone()));
        }
        error
    }
}

impl StoreError {
    fn of(error: &Error) -> Self {
        match error {
            Error::DatabaseError(DatabaseErrorKind::Unknown, info)
                if DAMAGE.iter().any(|text| info.message().contains(text)) =>
            {
                Self::Corrupt(info.message().to_owned())
            }
            Error::DatabaseError(DatabaseErrorKind::UniqueViolation, info) => {
                Self::Conflict(which(info.as_ref()))
            }
            // "Unknown" is for failures of correct queries: a closed connection, a full disk, a lock held for too long, a
            // cancelled statement.
            Error::DatabaseError(
                DatabaseErrorKind::Unknown
                | DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::ReadOnlyTransaction
                | DatabaseErrorKind::SerializationFailure
                | DatabaseErrorKind::UnableToSendCommand,
                _,
            )
            | Error::BrokenTransactionManager
            | Error::RollbackErrorOnCommit { .. } => Self::Unavailable(error.to_string()),
            _ => Self::Query(error.to_string()),
        }
    }
}

/// PostgreSQL names the constraint; SQLite names the column in its message.
fn which(info: &dyn DatabaseErrorInformation) -> Unique {
    let name = info.constraint_name().unwrap_or_else(|| info.message());
    if name.contains("users_username_key") || name.contains("users.username") {
        Unique::Username
    } else if name.contains("users_email_key") || name.contains("users.email") {
        Unique::Email
    } else {
        Unique::Other
    }
}
