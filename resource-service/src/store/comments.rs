//! The `comments` table.

use diesel::prelude::*;

use super::ids::{new_id, seconds};
use super::schema::comments::dsl;

/// A public comment.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = super::schema::comments, check_for_backend(diesel::sqlite::Sqlite))]
pub(crate) struct Comment {
    /// `UUIDv7`: later ids are greater.
    pub(crate) id: String,
    /// The `sub` of the author's token.
    pub(crate) author_id: String,
    /// The author's name at that time.
    pub(crate) author: String,
    /// 1 to 2000 characters.
    pub(crate) text: String,
    /// Unix seconds.
    pub(crate) created_at: i64,
}

impl Comment {
    /// Returns a comment made at `now`, in unix seconds.
    pub(crate) fn new(author_id: &str, author: &str, text: String, now: u64) -> Self {
        Self {
            id: new_id(),
            author_id: author_id.to_owned(),
            author: author.to_owned(),
            text,
            created_at: seconds(now),
        }
    }
}

/// Adds a comment.
pub(crate) fn insert(connection: &mut SqliteConnection, comment: &Comment) -> QueryResult<()> {
    diesel::insert_into(dsl::comments).values(comment).execute(connection)?;
    Ok(())
}

/// Returns at most `limit` comments older than the one with the id `before`, the newest first.
pub(crate) fn newest(
    connection: &mut SqliteConnection,
    before: Option<&str>,
    limit: i64,
) -> QueryResult<Vec<Comment>> {
    let mut query = dsl::comments.select(Comment::as_select()).into_boxed();
    if let Some(before) = before {
        query = query.filter(dsl::id.lt(before));
    }
    query.order(dsl::id.desc()).limit(limit).load(connection)
}

/// Returns the number of comments.
pub(crate) fn count(connection: &mut SqliteConnection) -> QueryResult<i64> {
    dsl::comments.count().get_result(connection)
}
