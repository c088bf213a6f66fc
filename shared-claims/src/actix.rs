//! `AccessToken` as a parameter of an actix-web handler: extracts, verifies, maps the error; nothing else.
//!
//! Put the verifier into the app with `.app_data(verifier.clone())`, or as `web::Data`. A token whose key is
//! known is verified at once, without a boxed future.

use std::{
    future::{Ready, ready},
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    Error, FromRequest, HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError,
    dev::Payload,
    error::InternalError,
    http::{
        StatusCode,
        header::{AUTHORIZATION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    web,
};

use crate::{
    AccessToken, AuthError, Cause, Refusal, Verifier,
    bearer::{problem, token_in},
};

impl ResponseError for AuthError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.answer().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let answer = self.answer();
        let mut response = HttpResponseBuilder::new(self.status_code());
        if let Some(challenge) = answer.www_authenticate {
            response.insert_header((WWW_AUTHENTICATE, challenge));
        }
        if let Some(seconds) = answer.retry_after {
            response.insert_header((RETRY_AFTER, seconds));
        }
        response.content_type("application/problem+json").body(answer.body)
    }
}

impl FromRequest for AccessToken {
    type Error = Error;
    type Future = Verification;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Verification {
        let Some(verifier) = verifier_of(request) else { return Verification::ready(Err(no_verifier())) };
        let token = match token_in(request.headers().get_all(AUTHORIZATION).map(HeaderValue::as_bytes)) {
            Ok(token) => token,
            Err(cause) => return Verification::ready(Err(verifier.auth_error(cause).into())),
        };
        match verifier.verify_known(token) {
            Err(Refusal::UnknownKey | Refusal::Unavailable) => {
                Verification::wait(verifier.clone(), token.to_owned())
            }
            known => Verification::ready(known.map_err(|refusal| verifier.auth_error(refusal).into())),
        }
    }
}

/// For handlers that anonymous callers may use: no token is `None`, but a bad token is still refused.
/// (`Option<AccessToken>` would take a bad token for none.)
#[derive(Clone, Debug)]
pub struct OptionalToken(pub Option<AccessToken>);

impl FromRequest for OptionalToken {
    type Error = Error;
    type Future = OptionalVerification;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> OptionalVerification {
        OptionalVerification(AccessToken::from_request(request, payload))
    }
}

/// The future of an [`AccessToken`]: usually there already.
pub struct Verification(State);

enum State {
    Ready(Ready<Result<AccessToken, Error>>),
    Waiting(Pin<Box<dyn Future<Output = Result<AccessToken, Error>>>>),
}

impl Verification {
    fn ready(result: Result<AccessToken, Error>) -> Self {
        Self(State::Ready(ready(result)))
    }

    fn wait(verifier: Verifier, token: String) -> Self {
        Self(State::Waiting(Box::pin(async move {
            verifier.verify(&token).await.map_err(|refusal| verifier.auth_error(refusal).into())
        })))
    }
}

impl Future for Verification {
    type Output = Result<AccessToken, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.get_mut().0 {
            State::Ready(result) => Pin::new(result).poll(cx),
            State::Waiting(result) => result.as_mut().poll(cx),
        }
    }
}

/// The future of an [`OptionalToken`].
pub struct OptionalVerification(Verification);

impl Future for OptionalVerification {
    type Output = Result<OptionalToken, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|result| match result {
            Err(error) if error.as_error().map(AuthError::cause) == Some(&Cause::MissingToken) => {
                Ok(OptionalToken(None))
            }
            result => result.map(|token| OptionalToken(Some(token))),
        })
    }
}

fn verifier_of(request: &HttpRequest) -> Option<&Verifier> {
    let wrapped = || request.app_data::<web::Data<Verifier>>().map(web::Data::get_ref);
    request.app_data::<Verifier>().or_else(wrapped)
}

/// The app was put together without a verifier: not the client's fault, and told to the log alone.
fn no_verifier() -> Error {
    log::error!("no Verifier in the app's data: add .app_data(verifier.clone()) to the App");
    let body = problem(500, "This service is not set up correctly", "internal_error");
    let response = HttpResponse::InternalServerError().content_type("application/problem+json").body(body);
    InternalError::from_response("no Verifier in the app's data", response).into()
}
