//! `GET /comments` without a token; `POST /comments` requires a valid one.

use actix_web::web::Data;
use actix_web::{Error, HttpResponse};
use serde::Serialize;
use service_kit::Strict;
use service_kit::paging::List;
use shared_claims::{AccessToken, verifier::Clock};

use super::paging::Page;
use super::text::Text;
use crate::store::comments::Comment;
use crate::store::{Store, comments};

/// A comment, as any client sees it.
#[derive(Serialize)]
struct Item<'a> {
    id: &'a str,
    author: &'a str,
    text: &'a str,
    created_at: i64,
}

impl<'a> From<&'a Comment> for Item<'a> {
    fn from(comment: &'a Comment) -> Self {
        Self { id: &comment.id, author: &comment.author, text: &comment.text, created_at: comment.created_at }
    }
}

pub(super) async fn list(store: Data<Store>, page: Page) -> Result<HttpResponse, Error> {
    let (before, rows) = (page.before.clone(), page.rows());
    let mut found =
        store.read(move |connection| comments::newest(connection, before.as_deref(), rows)).await?;
    let next = page.cut(&mut found).map(|last| last.id.clone());
    Ok(HttpResponse::Ok().json(List { items: found.iter().map(Item::from).collect(), next }))
}

pub(super) async fn add(
    token: AccessToken,
    store: Data<Store>,
    clock: Data<Clock>,
    Strict(Text(text)): Strict<Text>,
) -> Result<HttpResponse, Error> {
    let comment = Comment::new(&token.sub, token.name(), text, clock.now());
    let added = comment.clone();
    store.write(move |connection| comments::insert(connection, &added)).await?;
    Ok(HttpResponse::Created().json(Item::from(&comment)))
}
