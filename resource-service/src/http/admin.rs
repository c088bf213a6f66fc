//! `GET /admin/report`: requires a role.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use actix_web::{Error, HttpResponse};
use serde::Serialize;
use shared_claims::AccessToken;
use shared_claims::guard::role;

use crate::books::Books;
use crate::store::{Store, comments, records};

/// The numbers of items.
#[derive(Serialize)]
struct Report {
    comments: i64,
    records: i64,
    books: usize,
}

pub(super) async fn report(
    token: AccessToken,
    store: Data<Store>,
    books: Data<Books>,
) -> Result<HttpResponse, Error> {
    token.require(role("admin"))?;
    let counts = store.read(|connection| Ok((comments::count(connection)?, records::count(connection)?)));
    let (comments, records) = counts.await?;
    let report = Report { comments, records, books: books.all().len() };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(report))
}
