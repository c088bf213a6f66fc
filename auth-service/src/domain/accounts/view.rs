//! What may be shown of an account: everything but its hash.

use crate::store::users::User;

/// An account, as its owner and administrators may see it.
#[derive(Debug, Clone)]
pub struct AccountView<'a> {
    /// The `sub` of its tokens.
    pub id: &'a str,
    /// The user name.
    pub username: &'a str,
    /// The e-mail address.
    pub email: Option<&'a str>,
    /// Whether the owner has shown that the address is theirs.
    pub email_verified: bool,
    /// The roles.
    pub roles: Vec<&'a str>,
    /// Whether logins are refused.
    pub disabled: bool,
    /// Unix seconds.
    pub created_at: i64,
}

impl<'a> From<&'a User> for AccountView<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            id: &user.id,
            username: &user.username,
            email: user.email.as_deref(),
            email_verified: user.email_verified,
            roles: user.roles().collect(),
            disabled: user.disabled,
            created_at: user.created_at,
        }
    }
}
