//! `POST /register` and `GET /me`.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use serde::Serialize;
use service_kit::{Fields, FromFields, Problem, Strict};

use crate::domain::accounts::register::Registration;
use crate::domain::authn::source::Source;
use crate::domain::issuer::Issuer;
use crate::http::error::IntoProblem;
use crate::http::request::caller::CallerOf;
use crate::http::request::device::DeviceOf;
use crate::http::request::rate_limits::Rates;
use crate::store::users::User;

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

impl<'a> From<&'a User> for Account<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            id: &user.id,
            username: &user.username,
            email: user.email.as_deref(),
            roles: user.roles().collect(),
            created_at: user.created_at,
        }
    }
}

pub(in crate::http) async fn register(
    issuer: Data<Issuer>,
    rates: Data<Rates>,
    DeviceOf(device): DeviceOf,
    Strict(RegistrationBody(registration)): Strict<RegistrationBody>,
) -> Result<HttpResponse, Problem> {
    rates.register(&device)?;
    let source = Source::of(device.ip.as_deref());
    let user = issuer.accounts.register(registration, &source).await.map_err(IntoProblem::into_problem)?;
    Ok(HttpResponse::Created().json(Account::from(&user)))
}

pub(in crate::http) async fn me(CallerOf(caller): CallerOf) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(Account::from(&caller.user))
}
