//! The caller of a request: each type is a parameter that makes a handler protected.

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{Error, FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use shared_claims::Verifier;
use shared_claims::error::Cause;

use crate::domain::policy::Policy;
use crate::domain::sessions::session::Caller;
use crate::domain::sessions::session::Sessions;
use crate::domain::tokens::admission::Admission;
use crate::http::browser::cookies::{CookieMode, in_cookie, required_csrf_token};
use crate::http::error::{not_admitted, refusal};

/// The account and the session of the access token, as the database has them now.
pub(in crate::http) struct CallerOf(pub(in crate::http) Caller);

impl FromRequest for CallerOf {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let sessions = Data::<Sessions>::extract(&req).await?;
            let verifier = Data::<Verifier>::extract(&req).await?;
            let token = access_token(&verifier, &req).map_err(|cause| verifier.auth_error(cause))?;
            let caller = sessions.authenticate(token, required_csrf_token(&req)).await;
            caller.map(Self).map_err(|error| refusal(&verifier, error))
        })
    }
}

/// A caller who may see and change what belongs to the account. The token has the issuer among its audiences, or comes from a
/// login in cookie mode, whose cookies a browser sends to every service of the host anyway.
pub(in crate::http) struct AccountHolder(pub(in crate::http) Caller);

impl FromRequest for AccountHolder {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (req, caller) = (req.clone(), CallerOf::from_request(req, payload));
        Box::pin(async move {
            let admission = Data::<Admission>::extract(&req).await?;
            let policy = Data::<Policy>::extract(&req).await?;
            let verifier = Data::<Verifier>::extract(&req).await?;
            let CallerOf(caller) = caller.await?;
            let cookies = Data::<CookieMode>::extract(&req).await?;
            let csrf_cookie = in_cookie(&req).then(|| cookies.csrf_token(&req).ok()).flatten();
            let admitted = admission.admit_to_account(&caller, csrf_cookie);
            admitted.map(|()| Self(caller)).map_err(|error| not_admitted(&verifier, &policy, error))
        })
    }
}

/// A caller with role `admin` and a token that has the issuer as its only audience.
pub(in crate::http) struct Administrator(pub(in crate::http) Caller);

impl FromRequest for Administrator {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (req, caller) = (req.clone(), CallerOf::from_request(req, payload));
        Box::pin(async move {
            let admission = Data::<Admission>::extract(&req).await?;
            let policy = Data::<Policy>::extract(&req).await?;
            let verifier = Data::<Verifier>::extract(&req).await?;
            let CallerOf(caller) = caller.await?;
            let admitted = admission.admit_to_administration(&caller).await;
            admitted.map(|()| Self(caller)).map_err(|error| not_admitted(&verifier, &policy, error))
        })
    }
}

/// Returns the access token in the `Authorization` header or, with the CSRF token where it is required, in the cookie.
pub(in crate::http) fn access_token<'r>(verifier: &Verifier, req: &'r HttpRequest) -> Result<&'r str, Cause> {
    verifier.sources().token_in(req)
}
