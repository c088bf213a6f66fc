//! `RequireToken` and `PrivateAnswers` as middleware: `.wrap(RequireToken::new(&verifier).rule(role("admin")))`.

use std::{
    future::{Ready, ready},
    pin::Pin,
    rc::Rc,
};

use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest,
    body::{EitherBody, MessageBody},
    dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    http::header::{CACHE_CONTROL, HeaderMap, HeaderValue},
    web::Path,
};

use crate::{
    http::{
        bearer::AuthError,
        require::{
            PathParams, PrivateAnswers, RequireToken, VerifiedBy, WillBePrivate, private_cache_control,
        },
    },
    token::AccessToken,
};

type Answering<B> = Pin<Box<dyn Future<Output = Result<ServiceResponse<B>, Error>>>>;

impl<S, B> Transform<S, ServiceRequest> for RequireToken
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = Required<S>;
    type InitError = ();
    type Future = Ready<Result<Required<S>, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(Required { inner: Rc::new(inner), requirement: Rc::new(self.clone()) }))
    }
}

/// The service that a [`RequireToken`] protects.
#[derive(Debug)]
pub struct Required<S> {
    inner: Rc<S>,
    requirement: Rc<RequireToken>,
}

impl<S, B> Service<ServiceRequest> for Required<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Answering<EitherBody<B>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (inner, requirement) = (Rc::clone(&self.inner), Rc::clone(&self.requirement));
        Box::pin(async move {
            let private = requirement.verifier().sources().has_token_in_query(request.request());
            let mut response = match admit(&requirement, request.request()).await {
                Err(error) => request.error_response(error).map_into_right_body(),
                Ok(token) => {
                    request.extensions_mut().insert(token);
                    request.extensions_mut().insert(VerifiedBy(requirement.verifier().clone()));
                    inner.call(request).await?.map_into_left_body()
                }
            };
            if private {
                mark(response.headers_mut());
            }
            Ok(response)
        })
    }
}

async fn admit(requirement: &RequireToken, request: &HttpRequest) -> Result<AccessToken, AuthError> {
    let token = requirement.verifier().verify_request(request).await?;
    let path = if requirement.reads_path() { params_of(request).await } else { PathParams::default() };
    requirement.check(&token, &path)?;
    Ok(token)
}

/// Returns the parameters of the path. `Path` decodes the values and has them in the order of the names.
async fn params_of(request: &HttpRequest) -> PathParams {
    let values = Path::<Vec<String>>::from_request(request, &mut Payload::None).await;
    let values = values.map(Path::into_inner).unwrap_or_default();
    request.match_info().iter().map(|(name, _)| name.to_owned()).zip(values).collect()
}

impl<S, B> Transform<S, ServiceRequest> for PrivateAnswers
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = Marked<S>;
    type InitError = ();
    type Future = Ready<Result<Marked<S>, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(Marked { inner, answers: self.clone() }))
    }
}

/// The service whose responses a [`PrivateAnswers`] marks.
#[derive(Debug)]
pub struct Marked<S> {
    inner: S,
    answers: PrivateAnswers,
}

impl<S, B> Service<ServiceRequest> for Marked<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = Answering<B>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let private = self.answers.apply_to(request.request());
        if private {
            request.extensions_mut().insert(WillBePrivate);
        }
        let answering = self.inner.call(request);
        Box::pin(async move {
            let mut response = answering.await?;
            if private {
                mark(response.headers_mut());
            }
            Ok(response)
        })
    }
}

fn mark(headers: &mut HeaderMap) {
    let current = headers.get(CACHE_CONTROL).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if let Some(private) = private_cache_control(current).and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert(CACHE_CONTROL, private);
    }
}
