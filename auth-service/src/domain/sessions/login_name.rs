//! By which name a user logs in.

use crate::store::users::Login;

/// The name that a user logs in with, as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginName {
    /// The user name.
    Username(String),
    /// The e-mail address.
    Email(String),
}

impl From<LoginName> for Login {
    fn from(name: LoginName) -> Self {
        match name {
            LoginName::Username(username) => Self::Username(username),
            LoginName::Email(email) => Self::Email(email),
        }
    }
}
