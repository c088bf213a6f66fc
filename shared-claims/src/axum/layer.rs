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
    require::{PathParams, PrivateAnswers, RequireToken, VerifiedBy, WillBePrivate, made_private},
};

type Answering<R, E> = Pin<Box<dyn Future<Output = Result<Response<R>, E>> + Send>>;

impl<S> Layer<S> for RequireToken {
    type Service = Required<S>;

    fn layer(&self, inner: S) -> Required<S> {
        Required { inner, demand: Arc::new(self.clone()) }
    }
}

/// What a [`RequireToken`] stands before.
#[derive(Clone, Debug)]
pub struct Required<S> {
    inner: S,
    demand: Arc<RequireToken>,
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
        let mut inner = mem::replace(&mut self.inner, clone); // the one that said it is ready
        let demand = Arc::clone(&self.demand);
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let private = demand.verifier().sources().has_token_in_query(&parts);
            let mut answer = match admit(&demand, &mut parts).await {
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

async fn admit(demand: &RequireToken, parts: &mut Parts) -> Result<(), AuthError> {
    let token = demand.verifier().verify_request(parts).await?;
    let path = if demand.looks_at_path() { params_of(parts).await } else { PathParams::default() };
    demand.check(&token, &path)?;
    parts.extensions.insert(token);
    parts.extensions.insert(VerifiedBy(demand.verifier().clone()));
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

/// What a [`PrivateAnswers`] stands before.
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
        let private = self.answers.are_due_to(&parts);
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
    let says = headers.get(CACHE_CONTROL).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if let Some(private) = made_private(says).and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert(CACHE_CONTROL, private);
    }
}
