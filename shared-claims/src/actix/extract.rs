//! Extractors: tokens as parameters of handlers.

use std::{
    future::{Ready, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, web};
use serde::de::DeserializeOwned;

use crate::{
    claims::custom::CustomClaims,
    http::{
        bearer::{AuthError, Cause},
        request::Attempt,
        require::{OptionalToken, VerifiedBy, WillBePrivate, check_private},
    },
    token::AccessToken,
    verifier::Verifier,
};

impl FromRequest for AccessToken {
    type Error = AuthError;
    type Future = Verification;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Verification {
        let verifier = verifier_of(request);
        if let Some(token) = verified_before(request, verifier) {
            return Verification::ready(Ok(token));
        }
        let Some(verifier) = verifier else { return Verification::ready(Err(no_verifier())) };
        let will_be_private = request.extensions().get::<WillBePrivate>().is_some();
        if let Err(error) = check_private(verifier, request, will_be_private) {
            return Verification::ready(Err(error));
        }
        match verifier.verify_request_now(request) {
            Attempt::Done(result) => Verification::ready(result),
            Attempt::NeedsFetch(token) => Verification::wait(verifier.clone(), token.to_owned()),
        }
    }
}

impl FromRequest for OptionalToken {
    type Error = AuthError;
    type Future = Verified<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Verified<Self> {
        Verified(AccessToken::from_request(request, payload), Self::from_result)
    }
}

impl<C: DeserializeOwned + Send + Sync + 'static> FromRequest for CustomClaims<C> {
    type Error = AuthError;
    type Future = Verified<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Verified<Self> {
        Verified(AccessToken::from_request(request, payload), Self::from_result)
    }
}

/// The future of an [`AccessToken`]; usually ready.
pub struct Verification(State);

enum State {
    Ready(Ready<Result<AccessToken, AuthError>>),
    Waiting(Pin<Box<dyn Future<Output = Result<AccessToken, AuthError>>>>),
}

impl Verification {
    fn ready(result: Result<AccessToken, AuthError>) -> Self {
        Self(State::Ready(ready(result)))
    }

    fn wait(verifier: Verifier, token: String) -> Self {
        Self(State::Waiting(Box::pin(async move {
            verifier.verify(&token).await.map_err(|refusal| verifier.auth_error(refusal))
        })))
    }
}

impl Future for Verification {
    type Output = Result<AccessToken, AuthError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.get_mut().0 {
            State::Ready(result) => Pin::new(result).poll(cx),
            State::Waiting(result) => result.as_mut().poll(cx),
        }
    }
}

/// The future of a value that is made from an [`AccessToken`].
pub struct Verified<T>(Verification, fn(Result<AccessToken, AuthError>) -> Result<T, AuthError>);

impl<T> Future for Verified<T> {
    type Output = Result<T, AuthError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self(verification, make) = &mut *self;
        Pin::new(verification).poll(cx).map(*make)
    }
}

fn verifier_of(request: &HttpRequest) -> Option<&Verifier> {
    let wrapped = || request.app_data::<web::Data<Verifier>>().map(web::Data::get_ref);
    request.app_data::<Verifier>().or_else(wrapped)
}

/// Returns the token that a `RequireToken` has verified, unless this handler uses another verifier.
fn verified_before(request: &HttpRequest, verifier: Option<&Verifier>) -> Option<AccessToken> {
    let extensions = request.extensions();
    let VerifiedBy(before) = extensions.get()?;
    let same = verifier.is_none_or(|verifier| verifier.verifies_like(before));
    if same { extensions.get().cloned() } else { None }
}

/// Returns the error for an app without a verifier. It is logged, because it is not the client's fault.
fn no_verifier() -> AuthError {
    log::error!("no Verifier in the app's data: add .app_data(verifier.clone()) to the App");
    AuthError::new(Cause::NotSetUp("no Verifier in the app's data"), &Arc::default())
}
