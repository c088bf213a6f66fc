//! Access to routes: every route of the table with every kind of token.

use std::collections::BTreeSet;
use std::time::Duration;

use auth_service::app::Services;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::api::administrators::{self, ISSUER};
use crate::api::browser::{ACCESS, APP, Browser, CSRF, LISTED};
use crate::api::support::{PASSWORD, Service};

const OTHER: &str = "resource-service";

/// The token that a route requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Requires {
    /// None.
    Nothing,
    /// A user's token with any audience.
    User,
    /// A user's token with the issuer among its audiences, or the cookies of a login with cookies.
    Account,
    /// An administrator's token with the issuer as its only audience.
    Administration,
    /// The same, with a recent login.
    RecentAdministration,
}

/// A kind of token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    None,
    /// For the default audience.
    Other,
    Both,
    Issuer,
    AdminOther,
    AdminBoth,
    AdminIssuer,
    /// From a new refresh; the login was more than five minutes ago.
    AdminIssuerLater,
    /// A client's own token, for this issuer as well.
    Client,
    /// In a cookie, for the default audience.
    Cookie,
    AdminCookie,
    AdminIssuerCookie,
    /// A token that was sent to the other service in a header, which puts it into a cookie.
    OtherAsCookie,
    /// The same, beside the CSRF cookie of another session of the same user.
    OtherAsCookieWithCsrf,
}

const KINDS: [Kind; 14] = [
    Kind::None,
    Kind::Other,
    Kind::Both,
    Kind::Issuer,
    Kind::AdminOther,
    Kind::AdminBoth,
    Kind::AdminIssuer,
    Kind::AdminIssuerLater,
    Kind::Client,
    Kind::Cookie,
    Kind::AdminCookie,
    Kind::AdminIssuerCookie,
    Kind::OtherAsCookie,
    Kind::OtherAsCookieWithCsrf,
];

/// THE DECISIONS: for each route, the token that it requires, and the status of [`Route::request`] with that token.
const ROUTES: [(&str, &str, Requires, u16); 27] = [
    ("GET", "/", Requires::Nothing, 200),
    ("GET", "/docs", Requires::Nothing, 200),
    ("POST", "/register", Requires::Nothing, 422),
    ("GET", "/password-policy", Requires::Nothing, 200),
    ("POST", "/login", Requires::Nothing, 422),
    ("POST", "/token", Requires::Nothing, 400),
    ("POST", "/logout", Requires::User, 204),
    ("POST", "/revoke", Requires::Nothing, 400),
    ("POST", "/introspect", Requires::Nothing, 401),
    ("GET", "/me", Requires::User, 200),
    ("PATCH", "/me", Requires::User, 422),
    ("DELETE", "/me", Requires::User, 422),
    ("PUT", "/me/password", Requires::User, 422),
    ("GET", "/me/sessions", Requires::Account, 200),
    ("DELETE", "/me/sessions", Requires::Account, 204),
    ("DELETE", "/me/sessions/{id}", Requires::Account, 404),
    ("GET", "/admin/users", Requires::Administration, 200),
    ("GET", "/admin/audit", Requires::Administration, 200),
    ("POST", "/admin/users/import", Requires::RecentAdministration, 200),
    ("GET", "/.well-known/jwks.json", Requires::Nothing, 200),
    ("GET", "/.well-known/oauth-authorization-server", Requires::Nothing, 200),
    ("GET", "/.well-known/openid-configuration", Requires::Nothing, 200),
    ("GET", "/status-lists", Requires::Nothing, 200),
    ("GET", "/status-lists/events", Requires::Nothing, 200),
    ("GET", "/status-lists/{list}", Requires::Nothing, 200),
    ("GET", "/livez", Requires::Nothing, 200),
    ("GET", "/readyz", Requires::Nothing, 200),
];

/// Returns the status and code of a refusal, or `None` if the route accepts the token.
fn refusal(method: &str, requires: Requires, kind: Kind) -> Option<(u16, &'static str)> {
    use Kind::{
        AdminBoth, AdminCookie, AdminIssuer, AdminIssuerCookie, AdminIssuerLater, AdminOther, Both, Client,
        Cookie, Issuer, None as Nothing, Other, OtherAsCookie, OtherAsCookieWithCsrf,
    };
    match (requires, kind) {
        (Requires::Nothing, _) => None,
        (_, Nothing) => Some((401, "missing_token")),
        (_, Client) => Some((403, "user_required")),
        (_, OtherAsCookie | OtherAsCookieWithCsrf) if method != "GET" => Some((403, "csrf_token")),
        (Requires::Account, Other | AdminOther | OtherAsCookie | OtherAsCookieWithCsrf) => {
            Some((403, "audience_missing"))
        }
        (Requires::User | Requires::Account, _) => None,
        (
            _,
            Other
            | AdminOther
            | Both
            | AdminBoth
            | Cookie
            | AdminCookie
            | OtherAsCookie
            | OtherAsCookieWithCsrf,
        ) => Some((403, "audience_missing")),
        (_, Issuer) => Some((403, "insufficient_scope")),
        (Requires::RecentAdministration, AdminIssuerLater) => Some((401, "insufficient_user_authentication")),
        (_, AdminIssuer | AdminIssuerLater | AdminIssuerCookie) => None,
    }
}

struct Route<'s> {
    service: &'s Service,
    method: Method,
    path: String,
}

impl Route<'_> {
    /// Completes a request with a valid body, or with one that lacks only required members.
    fn with_body(&self, request: RequestBuilder) -> RequestBuilder {
        if self.method == Method::GET {
            return request;
        }
        if self.path == "/admin/users/import" {
            let line = json!({ "username": "eve", "password_hash": "x", "roles": ["admin"] });
            return request.header("content-type", "application/x-ndjson").body(line.to_string());
        }
        request.json(&json!({}))
    }

    fn request(&self) -> RequestBuilder {
        self.with_body(self.service.request(self.method.clone(), &self.path))
    }

    async fn by(&self, kind: Kind, operator: &Services) -> RequestBuilder {
        let service = self.service;
        let (other, own, both) = (json!(OTHER), json!(ISSUER), json!([OTHER, ISSUER]));
        let bearer = async |username: &str, resource: &Value| {
            self.request().bearer_auth(service.login_for(username, resource).await.access)
        };
        match kind {
            Kind::None => self.request(),
            Kind::Other => bearer("user", &other).await,
            Kind::Both => bearer("user", &both).await,
            Kind::Issuer => bearer("user", &own).await,
            Kind::AdminOther => bearer("root", &other).await,
            Kind::AdminBoth => {
                // The session began before the role was added.
                let role = || vec!["admin".to_owned()];
                operator.accounts.change_roles("later", vec![], role()).await.unwrap();
                let request = bearer("later", &both).await;
                operator.accounts.change_roles("later", role(), vec![]).await.unwrap();
                request
            }
            Kind::AdminIssuer => bearer("root", &own).await,
            Kind::AdminIssuerLater => {
                let tokens = service.login_for("root", &own).await;
                service.clock.advance(Duration::from_secs(301));
                self.request().bearer_auth(service.refresh(&tokens.refresh).await.access)
            }
            Kind::Client => self.request().bearer_auth(client_token(service, operator).await),
            Kind::Cookie => self.by_browser("user", &other).await,
            Kind::AdminCookie => self.by_browser("root", &other).await,
            Kind::AdminIssuerCookie => self.by_browser("root", &own).await,
            Kind::OtherAsCookie => self.as_cookie(Browser::new(service), &other).await,
            Kind::OtherAsCookieWithCsrf => {
                self.as_cookie(Browser::logged_in(service, "user").await, &other).await
            }
        }
    }

    /// Returns the request with a token in a cookie that was not issued to this browser.
    async fn as_cookie(&self, mut browser: Browser<'_>, resource: &Value) -> RequestBuilder {
        let sent = self.service.login_for("user", resource).await;
        browser.plant(ACCESS, &sent.access, "/");
        self.by_page(&browser)
    }

    async fn by_browser(&self, username: &str, resource: &Value) -> RequestBuilder {
        let mut browser = Browser::new(self.service);
        let body =
            json!({ "username": username, "password": PASSWORD, "resource": resource, "cookies": true });
        assert_eq!(browser.ask(Method::POST, "/login", Some(&body)).await.status, 200);
        self.by_page(&browser)
    }

    /// Returns the request that a page of the browser sends.
    fn by_page(&self, browser: &Browser<'_>) -> RequestBuilder {
        let request = browser.bare(self.method.clone(), &self.path).header("origin", APP);
        self.with_body(request.header("x-csrf-token", browser.value(CSRF)))
    }
}

/// Returns a client's own token, whose audiences include this service.
async fn client_token(service: &Service, operator: &Services) -> String {
    let secret = operator.clients.renew_secret("asking").await.unwrap().unwrap();
    let secret = secrecy::ExposeSecret::expose_secret(&secret);
    let form = format!("grant_type=client_credentials&client_id=asking&client_secret={secret}");
    service.post_form("/token", &form).await.json()["access_token"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn every_route_accepts_exactly_the_tokens_decided_for_it() {
    let listeners = ("AUTH__STATUS_LISTS__MAX_LISTENERS_PER_ADDRESS", "100");
    let service = Service::with(&[LISTED, ("AUTH__LIMITS__ENABLED", "false"), listeners]).await;
    service.create_client("asking", &[], &[OTHER, ISSUER]).await;
    administrators::create(&service, "root", "admin").await;
    for name in ["user", "later"] {
        service.register(name).await;
    }
    let operator = service.operator().await;
    for (method, path, requires, admitted) in ROUTES {
        let path = path.replace("{id}", "0198a0c4-0000-7000-8000-000000000001").replace("{list}", "0");
        let route = Route { service: &service, method: method.parse().unwrap(), path };
        for kind in KINDS {
            let answer = route.by(kind, &operator).await.send().await.unwrap();
            let status = answer.status().as_u16();
            let cell = format!("{method} {} with {kind:?}", route.path);
            match refusal(method, requires, kind) {
                // Without an access token it accepts a token in the body, and reports that there is none.
                Some(_) if route.path == "/logout" && kind == Kind::None => assert_eq!(status, 422, "{cell}"),
                Some((refused, code)) => {
                    let body: Value = answer.json().await.unwrap();
                    assert_eq!((status, body["code"].as_str()), (refused, Some(code)), "{cell}: {body}");
                }
                None => assert_eq!(status, admitted, "{cell}"),
            }
        }
    }
    assert_eq!(service.count("users"), 3);
}

#[test]
fn there_is_a_decision_for_every_route_of_the_table() {
    let source = include_str!("../../src/http/routes.rs");
    let mut found = BTreeSet::new();
    for service in source.split(".service(path(").skip(1) {
        let path = if service.starts_with('"') {
            service.split('"').nth(1).unwrap()
        } else {
            assert!(service.starts_with("metadata)"), "this test cannot parse the path: {service}");
            "/.well-known/oauth-authorization-server"
        };
        for method in ["get", "post", "put", "patch", "delete"] {
            if service.split(".service(").next().unwrap().contains(&format!(".{method}(")) {
                found.insert((method.to_uppercase(), path.to_owned()));
            }
        }
    }
    let decided = ROUTES.iter().map(|(method, path, ..)| ((*method).to_owned(), (*path).to_owned()));
    assert_eq!(found, decided.collect());
}
