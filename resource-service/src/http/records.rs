//! `/records/{user_id}`: for the owner and for administrators.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Path};
use actix_web::{Error, HttpResponse};
use serde::Serialize;
use service_kit::paging::List;
use service_kit::{Problem, Strict};
use shared_claims::guard::{owner, role};
use shared_claims::{AccessToken, verifier::Clock};

use super::paging::Page;
use super::text::Text;
use crate::store::records::Record;
use crate::store::{Store, records};

/// Longer than any user id.
const MAX_ID_CHARS: usize = 64;

/// A record in the list of its owner.
#[derive(Serialize)]
struct Item<'a> {
    id: &'a str,
    text: &'a str,
    created_at: i64,
}

/// A new record.
#[derive(Serialize)]
struct Created<'a> {
    user_id: &'a str,
    #[serde(flatten)]
    record: Item<'a>,
}

impl<'a> From<&'a Record> for Item<'a> {
    fn from(record: &'a Record) -> Self {
        Self { id: &record.id, text: &record.text, created_at: record.created_at }
    }
}

pub(super) async fn list(
    token: AccessToken,
    user_id: Path<String>,
    store: Data<Store>,
    page: Result<Page, Problem>, // checked after the right
) -> Result<HttpResponse, Error> {
    token.require(owner(&user_id).or(role("admin")))?;
    let user_id = checked(user_id)?;
    let page = page?;
    let (before, rows) = (page.before.clone(), page.rows());
    let mut found =
        store.read(move |connection| records::newest(connection, &user_id, before.as_deref(), rows)).await?;
    let next = page.cut(&mut found).map(|last| last.id.clone());
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(List { items: found.iter().map(Item::from).collect(), next }))
}

pub(super) async fn add(
    token: AccessToken,
    user_id: Path<String>,
    store: Data<Store>,
    clock: Data<Clock>,
    text: Result<Strict<Text>, Problem>, // checked after the right
) -> Result<HttpResponse, Error> {
    token.require(owner(&user_id).or(role("admin")))?;
    let user_id = checked(user_id)?;
    let Strict(Text(text)) = text?;
    let record = Record::new(user_id, text, clock.now());
    let added = record.clone();
    store.write(move |connection| records::insert(connection, &added)).await?;
    Ok(HttpResponse::Created()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(Created { user_id: &record.user_id, record: Item::from(&record) }))
}

/// Checks the form of a user id. Whether the user exists is known to auth-service only.
fn checked(user_id: Path<String>) -> Result<String, Problem> {
    let user_id = user_id.into_inner();
    let possible = user_id.len() <= MAX_ID_CHARS && user_id.bytes().all(|byte| byte.is_ascii_graphic());
    if possible { Ok(user_id) } else { Err(Problem::not_found("There is no such user.")) }
}
