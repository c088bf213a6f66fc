//! What may be shown of a session.

use crate::store::sessions::Session;

/// A session, as the owner of its account may see it. Times are unix seconds.
#[derive(Debug, Clone, Copy)]
pub struct SessionView<'a> {
    /// The `sid` of its tokens.
    pub id: &'a str,
    /// When the user logged in.
    pub created_at: i64,
    /// When it was last refreshed.
    pub last_used_at: i64,
    /// The address that it was last used from.
    pub ip: Option<&'a str>,
    /// The user agent that it was last used with.
    pub user_agent: Option<&'a str>,
}

impl<'a> From<&'a Session> for SessionView<'a> {
    fn from(session: &'a Session) -> Self {
        Self {
            id: &session.id,
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            ip: session.ip.as_deref(),
            user_agent: session.user_agent.as_deref(),
        }
    }
}
