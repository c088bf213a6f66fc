//! The list of users, as administrators see it.

use crate::domain::accounts::addresses::parse_email;
use crate::domain::accounts::use_cases::Accounts;
use crate::domain::audit::{Event, EventKind};
use crate::store::error::StoreError;
use crate::store::users;
use crate::store::users::User;

/// A part of the list.
#[derive(Debug, Clone)]
pub struct UserQuery {
    /// The beginning of a user name or, with an `@` in it, of an address; not folded yet. Empty for everybody.
    pub search: String,
    /// Where to go on: what the part before gave as `next`. Empty for the first part.
    pub cursor: String,
    /// How many at the most.
    pub limit: u32,
}

/// One part of the list.
#[derive(Debug, Clone)]
pub struct UserPage {
    /// In the order of their names, or of their addresses when those were searched.
    pub users: Vec<User>,
    /// The cursor of the next part, if there is one.
    pub next: Option<String>,
}

impl Accounts {
    /// Lists users.
    ///
    /// # Errors
    /// The store's.
    pub async fn list_users(&self, query: UserQuery) -> Result<UserPage, StoreError> {
        let UserQuery { search, cursor, limit } = query;
        // A whole address is searched for in its one spelling, the beginning of one as it is.
        let folded = parse_email(&search).unwrap_or_else(|_| search.to_lowercase());
        let (search, wanted) = (folded, limit as usize);
        let by_address = search.contains('@');
        // One more than is shown tells whether there is a next part.
        let most = i64::from(limit) + 1;
        let mut users = self.store.read(move |db| users::page(db, &search, &cursor, most)).await?;
        self.changes.record(Event::of(EventKind::UsersListed)).await;
        let more = users.len() > wanted;
        users.truncate(wanted);
        let last = users.last().filter(|_| more);
        let next =
            last.and_then(|user| if by_address { user.email.clone() } else { Some(user.username.clone()) });
        Ok(UserPage { users, next })
    }
}
