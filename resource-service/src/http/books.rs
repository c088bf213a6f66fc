//! `GET /books` without a token; `GET /books/{id}/download` requires a scope.

use actix_files::NamedFile;
use actix_web::http::header::{
    CACHE_CONTROL, ContentDisposition, DispositionParam, DispositionType, HeaderValue,
};
use actix_web::web::{self, Data, Path};
use actix_web::{Error, HttpRequest, HttpResponse};
use serde::Serialize;
use service_kit::Problem;
use service_kit::paging::List;
use shared_claims::AccessToken;
use shared_claims::guard::scope;

use crate::books::{Book, Books};

#[derive(Serialize)]
struct Item<'a> {
    id: &'a str,
    title: &'a str,
    bytes: u64,
}

impl<'a> From<&'a Book> for Item<'a> {
    fn from(book: &'a Book) -> Self {
        Self { id: &book.id, title: &book.title, bytes: book.bytes }
    }
}

/// Lists all books, of which there are at most a thousand.
pub(super) async fn list(books: Data<Books>) -> HttpResponse {
    HttpResponse::Ok().json(List { items: books.all().iter().map(Item::from).collect(), next: None })
}

pub(super) async fn download(
    token: AccessToken,
    id: Path<String>,
    books: Data<Books>,
    req: HttpRequest,
) -> Result<HttpResponse, Error> {
    token.require(scope("books:download"))?;
    let missing = || Problem::not_found("There is no such book.");
    let book = books.find(&id).ok_or_else(missing)?;
    let path = book.path.clone();
    let file = web::block(move || NamedFile::open(path)).await?.map_err(|error| {
        log::warn!("the book {:?} cannot be read any more: {error}", book.id);
        missing()
    })?;
    let mut response = file
        .set_content_type(mime::TEXT_PLAIN_UTF_8)
        .set_content_disposition(ContentDisposition {
            disposition: DispositionType::Attachment,
            parameters: vec![DispositionParam::Filename(format!("{}.txt", book.id))],
        })
        .into_response(&req);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    Ok(response)
}
