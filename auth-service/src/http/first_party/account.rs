//! `POST /register` and `GET /me`.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use serde::Serialize;
use service_kit::{Fields, FromFields, Problem, Strict};

use crate::domain::accounts::register::Registration;
use crate::domain::accounts::use_cases::Accounts;
use crate::domain::accounts::view::AccountView;
use crate::domain::authn::source::Source;
use crate::http::error::IntoProblem;
use crate::http::request::caller::CallerOf;
use crate::http::request::device::DeviceOf;
use crate::http::request::rate_limits::RateLimits;

/// `{username, password, email?}`.
pub(in crate::http) struct RegistrationBody(Registration);

impl FromFields for RegistrationBody {
    fn from_fields(fields: &mut Fields) -> Self {
        Self(Registration {
            username: fields.string("username"),
            password: fields.secret("password"),
            email: fields.optional_string("email"),
            roles: Vec::new(),
        })
    }
}

/// An account as its owner sees it.
#[derive(Serialize)]
pub(in crate::http) struct Account<'a> {
    id: &'a str,
    username: &'a str,
    email: Option<&'a str>,
    roles: Vec<&'a str>,
    created_at: i64,
}

impl<'a> Account<'a> {
    pub(in crate::http) fn of(account: impl Into<AccountView<'a>>) -> Self {
        let AccountView { id, username, email, roles, created_at, .. } = account.into();
        Self { id, username, email, roles, created_at }
    }
}

pub(in crate::http) async fn register(
    accounts: Data<Accounts>,
    rate_limits: Data<RateLimits>,
    DeviceOf(device): DeviceOf,
    Strict(RegistrationBody(registration)): Strict<RegistrationBody>,
) -> Result<HttpResponse, Problem> {
    rate_limits.register(&device)?;
    let source = Source::of(device.ip.as_deref());
    let user = accounts.register(registration, &source).await.map_err(IntoProblem::into_problem)?;
    Ok(HttpResponse::Created().json(Account::of(&user)))
}

pub(in crate::http) async fn me(CallerOf(caller): CallerOf) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(Account::of(&caller.user))
}
