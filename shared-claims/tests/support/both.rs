//! The same application in actix-web and in axum. Every request goes to both, and both must give the same answer.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_web::web;
use axum::{
    Router, body,
    extract::{Extension, Path},
    http::Request,
    routing::get,
};
use serde::Deserialize;
use shared_claims::{
    AccessToken, Verifier,
    actix::{OptionalToken, PrivateAnswers, RequireToken},
    claims::CustomClaims,
    error::AuthError,
    guard::{Rule, login_within, owner, role, scope},
    http::ResourceMetadata,
};
use tower::ServiceExt;

/// A request: method, target, headers.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    method: &'static str,
    target: String,
    headers: Vec<(&'static str, String)>,
}

pub(crate) fn ask(method: &'static str, target: &str) -> Ask {
    Ask { method, target: target.to_owned(), headers: Vec::new() }
}

impl Ask {
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.with("authorization", format!("Bearer {token}"))
    }

    /// Puts a token in the cookie, as a page of `orders.example.com` sends it.
    pub(crate) fn cookies(self, token: &str) -> Self {
        let cookies = format!("__Host-csrf=secret; __Host-access={token}");
        self.with("cookie", cookies).with("host", "orders.example.com")
    }
}

/// A response as a client sees it, without its length.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn new<'a>(
        status: u16,
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
        body: impl AsRef<[u8]>,
    ) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let headers = headers.filter(|(name, _)| *name != "content-length");
        Self {
            status,
            headers: headers.map(|(name, value)| (name.to_owned(), text(value))).collect(),
            body: text(body.as_ref()),
        }
    }
}

/// The rule for a path with this user in it.
pub(crate) type MakeRule = for<'a> fn(&'a str) -> Rule<'a>;

/// Both applications, and how often a handler behind a guard was called.
pub(crate) struct Both {
    verifier: Verifier,
    metadata: Option<ResourceMetadata>,
    marks: bool,
    rule: MakeRule,
    calls: Arc<AtomicUsize>,
}

impl Both {
    pub(crate) fn new(verifier: &Verifier) -> Self {
        Self { verifier: verifier.clone(), metadata: None, marks: true, rule: owner, calls: Arc::default() }
    }

    /// Uses this rule in the handler of `/ruled/{user}` and before that of `/guarded-by-rule/{user}`.
    pub(crate) fn ruled_by(mut self, rule: MakeRule) -> Self {
        self.rule = rule;
        self
    }

    pub(crate) fn describing(mut self, metadata: &ResourceMetadata) -> Self {
        self.metadata = Some(metadata.clone());
        self
    }

    /// Leaves out the middleware that marks responses as private.
    pub(crate) fn without_marks(mut self) -> Self {
        self.marks = false;
        self
    }

    /// Sends a request to both, checks that they agree, and returns the response.
    pub(crate) async fn ask(&self, ask: &Ask) -> Answer {
        let (actix, axum) = (self.ask_actix(ask).await, self.ask_axum(ask).await);
        assert_eq!(actix, axum, "{ask:?}");
        actix
    }

    pub(crate) async fn status(&self, ask: &Ask) -> u16 {
        self.ask(ask).await.status
    }

    /// Returns how often guarded handlers were called by both since the last call.
    pub(crate) fn calls(&self) -> usize {
        self.calls.swap(0, Ordering::Relaxed)
    }

    async fn ask_actix(&self, ask: &Ask) -> Answer {
        use actix_web::{App, middleware::Condition, test};
        let calls = web::Data::from(Arc::clone(&self.calls));
        let ([guarded, records], ruled) = (self.guards(), self.rule_guard());
        let mut app = App::new()
            .app_data(self.verifier.clone())
            .app_data(calls)
            .app_data(web::Data::new(self.rule))
            .service(web::resource("/").get(on_actix::home))
            .service(web::resource("/me").get(on_actix::me).post(on_actix::me))
            .service(web::resource("/books").get(on_actix::books))
            .service(web::resource("/records/{user}").get(on_actix::records))
            .service(web::resource("/pay").get(on_actix::pay))
            .service(web::resource("/tenant").get(on_actix::tenant))
            .service(web::resource("/cached").get(on_actix::cached))
            .service(web::resource("/ruled/{user}").get(on_actix::ruled))
            .service(web::resource("/guarded-by-rule/{user}").wrap(ruled).get(on_actix::guarded))
            .service(
                web::scope("/guarded")
                    .wrap(guarded)
                    .service(web::resource("/books").get(on_actix::guarded).post(on_actix::guarded))
                    .service(web::resource("/tenant").get(on_actix::tenant))
                    .service(web::resource("/records/{user}").wrap(records).get(on_actix::guarded)),
            );
        if let Some(metadata) = &self.metadata {
            app = app.service(metadata.clone());
        }
        let app = app.wrap(Condition::new(self.marks, PrivateAnswers::new(&self.verifier)));
        let app = test::init_service(app).await;
        let mut request = test::TestRequest::with_uri(&ask.target).method(ask.method.parse().unwrap());
        for (name, value) in &ask.headers {
            request = request.append_header((*name, value.as_str()));
        }
        let response = test::call_service(&app, request.to_request()).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        Answer::new(status, headers, test::read_body(response).await)
    }

    async fn ask_axum(&self, ask: &Ask) -> Answer {
        let ([guarded, records], ruled) = (self.guards(), self.rule_guard());
        let behind = Router::new()
            .route("/records/{user}", get(on_axum::guarded).layer(records))
            .route("/tenant", get(on_axum::tenant))
            .route("/books", get(on_axum::guarded).post(on_axum::guarded))
            .route_layer(guarded);
        let mut app = Router::new()
            .route("/", get(on_axum::home))
            .route("/me", get(on_axum::me).post(on_axum::me))
            .route("/books", get(on_axum::books))
            .route("/records/{user}", get(on_axum::records))
            .route("/pay", get(on_axum::pay))
            .route("/tenant", get(on_axum::tenant))
            .route("/cached", get(on_axum::cached))
            .route("/ruled/{user}", get(on_axum::ruled))
            .route("/guarded-by-rule/{user}", get(on_axum::guarded).layer(ruled))
            .nest("/guarded", behind);
        if let Some(metadata) = &self.metadata {
            app = app.merge(metadata.router());
        }
        if self.marks {
            app = app.layer(PrivateAnswers::new(&self.verifier));
        }
        let app = app.layer(Extension(Arc::clone(&self.calls))).layer(Extension(self.rule));
        let app = app.with_state(self.verifier.clone());
        let mut request = Request::builder().method(ask.method).uri(&ask.target);
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        let request = request.body(body::Body::empty()).unwrap();
        let (parts, body) = app.oneshot(request).await.unwrap().into_parts();
        let headers = parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        Answer::new(parts.status.as_u16(), headers, body::to_bytes(body, 1 << 20).await.unwrap())
    }

    /// One for everything below `/guarded`, and another one for the records there.
    fn guards(&self) -> [RequireToken; 2] {
        let guard = RequireToken::new(&self.verifier);
        let records = guard.clone().rule_for(|path| owner(path.get("user")).or(role("admin")));
        [guard.rule(scope("books:download")), records]
    }

    fn rule_guard(&self) -> RequireToken {
        let rule = self.rule;
        RequireToken::new(&self.verifier).rule_for(move |path| rule(path.get("user")))
    }
}

/// Custom claims.
#[derive(Deserialize)]
struct Tenant {
    tenant: String,
}

fn may_pay(token: &AccessToken) -> Result<(), AuthError> {
    token.require(scope("books:download").and(login_within(Duration::from_secs(300))))
}

fn greeting(token: Option<&AccessToken>) -> String {
    token.map_or("anonymous", |token| token.name()).to_owned()
}

const CACHED: [(&str, &str); 1] = [("cache-control", "public, max-age=60, S-Maxage=90")];

/// Handlers of actix-web.
mod on_actix {
    use actix_web::{HttpResponse, Responder, web};

    use super::{
        AccessToken, AtomicUsize, AuthError, CACHED, CustomClaims, MakeRule, OptionalToken, Ordering, Tenant,
        greeting, may_pay, owner, role, scope,
    };

    pub(super) async fn home(OptionalToken(token): OptionalToken) -> String {
        greeting(token.as_ref())
    }

    pub(super) async fn me(token: AccessToken) -> String {
        greeting(Some(&token))
    }

    pub(super) async fn books(token: AccessToken) -> Result<&'static str, AuthError> {
        token.require(scope("books:write"))?;
        Ok("written")
    }

    pub(super) async fn records(token: AccessToken, user: web::Path<String>) -> Result<String, AuthError> {
        token.require(owner(&user).or(role("admin")))?;
        Ok(format!("records of {user}"))
    }

    pub(super) async fn pay(token: AccessToken) -> Result<&'static str, AuthError> {
        may_pay(&token)?;
        Ok("paid")
    }

    pub(super) async fn tenant(caller: CustomClaims<Tenant>) -> String {
        format!("{} of {}", caller.token.name(), caller.claims.tenant)
    }

    pub(super) async fn cached(_: AccessToken) -> impl Responder {
        HttpResponse::Ok().insert_header(CACHED[0]).content_type("text/plain; charset=utf-8").body("kept")
    }

    pub(super) async fn ruled(
        token: AccessToken,
        user: web::Path<String>,
        rule: web::Data<MakeRule>,
        calls: web::Data<AtomicUsize>,
    ) -> Result<String, AuthError> {
        token.require(rule(&user))?;
        calls.fetch_add(1, Ordering::Relaxed);
        Ok(greeting(Some(&token)))
    }

    pub(super) async fn guarded(
        token: AccessToken,
        before: web::ReqData<AccessToken>,
        calls: web::Data<AtomicUsize>,
    ) -> String {
        calls.fetch_add(1, Ordering::Relaxed);
        assert_eq!(token.jti, before.jti);
        greeting(Some(&token))
    }
}

/// Handlers of axum.
mod on_axum {
    use super::{
        AccessToken, Arc, AtomicUsize, AuthError, CACHED, CustomClaims, Extension, MakeRule, OptionalToken,
        Ordering, Path, Tenant, greeting, may_pay, owner, role, scope,
    };

    pub(super) async fn home(OptionalToken(token): OptionalToken, same: Option<AccessToken>) -> String {
        assert_eq!(token.is_some(), same.is_some());
        greeting(token.as_ref())
    }

    pub(super) async fn me(token: AccessToken) -> String {
        greeting(Some(&token))
    }

    pub(super) async fn books(token: AccessToken) -> Result<&'static str, AuthError> {
        token.require(scope("books:write"))?;
        Ok("written")
    }

    pub(super) async fn records(token: AccessToken, Path(user): Path<String>) -> Result<String, AuthError> {
        token.require(owner(&user).or(role("admin")))?;
        Ok(format!("records of {user}"))
    }

    pub(super) async fn pay(token: AccessToken) -> Result<&'static str, AuthError> {
        may_pay(&token)?;
        Ok("paid")
    }

    pub(super) async fn tenant(caller: CustomClaims<Tenant>) -> String {
        format!("{} of {}", caller.token.name(), caller.claims.tenant)
    }

    pub(super) async fn cached(_: AccessToken) -> ([(&'static str, &'static str); 1], &'static str) {
        (CACHED, "kept")
    }

    pub(super) async fn ruled(
        token: AccessToken,
        Path(user): Path<String>,
        Extension(rule): Extension<MakeRule>,
        Extension(calls): Extension<Arc<AtomicUsize>>,
    ) -> Result<String, AuthError> {
        token.require(rule(&user))?;
        calls.fetch_add(1, Ordering::Relaxed);
        Ok(greeting(Some(&token)))
    }

    pub(super) async fn guarded(
        token: AccessToken,
        Extension(before): Extension<AccessToken>,
        Extension(calls): Extension<Arc<AtomicUsize>>,
    ) -> String {
        calls.fetch_add(1, Ordering::Relaxed);
        assert_eq!(token.jti, before.jti);
        greeting(Some(&token))
    }
}
