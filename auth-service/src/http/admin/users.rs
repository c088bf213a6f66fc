//! `GET /admin/users`: lists accounts, for administrators.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Query};
use serde::{Deserialize, Serialize};
use service_kit::paging::{List, PageSize};
use service_kit::{FieldError, Problem};

use crate::domain::accounts::list::UserQuery;
use crate::domain::accounts::use_cases::Accounts;
use crate::domain::accounts::view::AccountView;
use crate::http::error::IntoProblem;
use crate::http::request::caller::Administrator;

const PAGE_SIZE: PageSize = PageSize { default: 50, max: 200 };
/// Longer than any name or address.
const MAX_TEXT_BYTES: usize = 256;

/// `?search=&cursor=&limit=`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ListQuery {
    #[serde(default)]
    search: String,
    #[serde(default)]
    cursor: String,
    limit: Option<u32>,
}

impl ListQuery {
    fn check(self) -> Result<UserQuery, Problem> {
        let mut errors = Vec::new();
        let limit = PAGE_SIZE.check(self.limit, &mut errors);
        for (field, text) in [("search", &self.search), ("cursor", &self.cursor)] {
            if text.len() > MAX_TEXT_BYTES || text.contains('\0') {
                errors.push(FieldError::new(
                    field,
                    "not_allowed",
                    "This cannot be part of a name or an address.",
                ));
            }
        }
        if errors.is_empty() {
            Ok(UserQuery { search: self.search, cursor: self.cursor, limit })
        } else {
            Err(Problem::invalid(errors))
        }
    }
}

/// An account as administrators see it.
#[derive(Serialize)]
struct Item<'a> {
    id: &'a str,
    username: &'a str,
    email: Option<&'a str>,
    email_verified: bool,
    roles: Vec<&'a str>,
    disabled: bool,
    created_at: i64,
}

impl<'a> From<AccountView<'a>> for Item<'a> {
    fn from(account: AccountView<'a>) -> Self {
        let AccountView { id, username, email, email_verified, roles, disabled, created_at } = account;
        Self { id, username, email, email_verified, roles, disabled, created_at }
    }
}

pub(in crate::http) async fn users(
    _: Administrator,
    accounts: Data<Accounts>,
    query: Result<Query<ListQuery>, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let Query(query) = query
        .map_err(|_| Problem::malformed_query("The query takes search, cursor and limit, each once."))?;
    let page = accounts.list_users(query.check()?).await.map_err(IntoProblem::into_problem)?;
    let list =
        List { items: page.users.iter().map(AccountView::from).map(Item::from).collect(), next: page.next };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(list))
}
