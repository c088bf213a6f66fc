//! `RequireToken` and `PrivateAnswers` as tower layers:
//! `router.route_layer(RequireToken::new(&verifier).rule(role("admin")))`.

use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use ::axum::{
    extract::{FromRequestParts, RawPathParams},
    http::{HeaderMap, HeaderValue, Request, Response, header::CACHE_CONTROL, request::Parts},
};
use tower_layer::Layer;
use tower_service::Service;

use super::response::response;
use crate::http::{
    bearer::AuthError,
    require::{PathParams, PrivateAnswers, RequireToken, VerifiedBy, WillBePrivate, private_cache_control},
};

type Answering<R, E> = Pin<Box<dyn Future<Output = Result<Response<R>, E>> + Send>>;

impl<S> Layer<S> for RequireToken {
    type Service = Required<S>;

    fn layer(&self, inner: S) -> Required<S> {
        Required { inner, requirement: Arc::new(self.clone()) }
    }
}

/// The service that a [`RequireToken`] protects.
#[derive(Clone, Debug)]
pub struct Required<S> {
    inner: S,
    requirement: Arc<RequireToken>,
}

impl<S, B, R> Service<Request<B>> for Required<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Answering<R, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone); // the one that `poll_ready` was called on
        let requirement = Arc::clone(&self.requirement);
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let private = requirement.verifier().sources().has_token_in_query(&parts);
            let mut answer = match admit(&requirement, &mut parts).await {
                Ok(()) => inner.call(Request::from_parts(parts, body)).await?,
                Err(error) => response(&error),
            };
            if private {
                mark(answer.headers_mut());
            }
            Ok(answer)
        })
    }
}

async fn admit(requirement: &RequireToken, parts: &mut Parts) -> Result<(), AuthError> {
    let token = requirement.verifier().verify_request(parts).await?;
    let path = if requirement.reads_path() { params_of(parts).await } else { PathParams::default() };
    requirement.check(&token, &path)?;
    parts.extensions.insert(token);
    parts.extensions.insert(VerifiedBy(requirement.verifier().clone()));
    Ok(())
}

async fn params_of(parts: &mut Parts) -> PathParams {
    match RawPathParams::from_request_parts(parts, &()).await {
        Ok(params) => params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        Err(_) => PathParams::default(),
    }
}

impl<S> Layer<S> for PrivateAnswers {
    type Service = Marked<S>;

    fn layer(&self, inner: S) -> Marked<S> {
        Marked { inner, answers: self.clone() }
    }
}

/// The service whose responses a [`PrivateAnswers`] marks.
#[derive(Clone, Debug)]
pub struct Marked<S> {
    inner: S,
    answers: PrivateAnswers,
}

impl<S, B, R> Service<Request<B>> for Marked<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Answering<R, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let private = self.answers.apply_to(&parts);
        if private {
            parts.extensions.insert(WillBePrivate);
        }
        let answering = self.inner.call(Request::from_parts(parts, body));
        Box::pin(async move {
            let mut answer = answering.await?;
            if private {
                mark(answer.headers_mut());
            }
            Ok(answer)
        })
    }
}

fn mark(headers: &mut HeaderMap) {
    let current = headers.get(CACHE_CONTROL).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if let Some(private) = private_cache_control(current).and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert(CACHE_CONTROL, private);
    }
}
