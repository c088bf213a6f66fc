//! `PATCH /me`, `DELETE /me` and `PUT /me/password`: what the owner of an account changes, with the current password.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use secrecy::SecretString;
use service_kit::{FieldError, Fields, FromFields, Nullable, Problem, Strict};

use crate::domain::accounts::change::{EmailChange, NewNames};
use crate::domain::accounts::use_cases::Accounts;
use crate::http::browser::cookies::CookieMode;
use crate::http::browser::token_response::TokenTransport;
use crate::http::error::IntoProblem;
use crate::http::first_party::account::Account;
use crate::http::request::caller::CallerOf;
use crate::http::request::device::DeviceOf;

/// `{email?, username?, current_password}`; an `email` of `null` removes the address.
pub(in crate::http) struct NamesBody {
    names: NewNames,
    current: SecretString,
}

impl FromFields for NamesBody {
    fn from_fields(fields: &mut Fields) -> Self {
        let username = fields.optional_string("username");
        let email = match fields.nullable_string("email") {
            Nullable::Missing => EmailChange::Keep,
            Nullable::Null => EmailChange::Remove,
            Nullable::Value(email) => EmailChange::Set(email),
        };
        let is_empty = username.is_none() && matches!(email, EmailChange::Keep);
        let names = NewNames { username, email };
        let body = Self { names, current: fields.secret("current_password") };
        if is_empty && fields.mistakes().is_empty() {
            fields.refuse(FieldError::new("username", "required", "Either username or email is required."));
        }
        body
    }
}

pub(in crate::http) async fn names(
    accounts: Data<Accounts>,
    CallerOf(caller): CallerOf,
    DeviceOf(device): DeviceOf,
    Strict(NamesBody { names, current }): Strict<NamesBody>,
) -> Result<HttpResponse, Problem> {
    let user =
        accounts.change_names(&caller, current, names, &device).await.map_err(IntoProblem::into_problem)?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(Account::of(&user)))
}

/// `{current_password}`.
pub(in crate::http) struct DeleteBody(SecretString);

impl FromFields for DeleteBody {
    fn from_fields(fields: &mut Fields) -> Self {
        Self(fields.secret("current_password"))
    }
}

pub(in crate::http) async fn delete(
    accounts: Data<Accounts>,
    CallerOf(caller): CallerOf,
    DeviceOf(device): DeviceOf,
    transport: TokenTransport,
    cookies: Data<CookieMode>,
    Strict(DeleteBody(current)): Strict<DeleteBody>,
) -> Result<HttpResponse, Problem> {
    accounts.delete_account(&caller, current, &device).await.map_err(IntoProblem::into_problem)?;
    Ok(transport.clear_cookies(HttpResponse::NoContent().finish(), &cookies))
}

/// `{current_password, new_password}`.
pub(in crate::http) struct PasswordBody {
    current: SecretString,
    new: SecretString,
}

impl FromFields for PasswordBody {
    fn from_fields(fields: &mut Fields) -> Self {
        Self { current: fields.secret("current_password"), new: fields.secret("new_password") }
    }
}

pub(in crate::http) async fn password(
    accounts: Data<Accounts>,
    CallerOf(caller): CallerOf,
    DeviceOf(device): DeviceOf,
    transport: TokenTransport,
    cookies: Data<CookieMode>,
    Strict(PasswordBody { current, new }): Strict<PasswordBody>,
) -> Result<HttpResponse, Problem> {
    let changed = accounts.change_password(&caller, current, new, (device, transport.into())).await;
    Ok(transport.token_response(&changed.map_err(IntoProblem::into_problem)?, &cookies))
}
