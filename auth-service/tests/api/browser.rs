//! A minimal browser for tests: it stores cookies, sends them to matching paths, and sends the origin of its page.

use std::collections::BTreeMap;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::api::support::{Answer, PASSWORD, Service, send};

/// A page of a listed origin.
pub const APP: &str = "https://app.example.com";
/// The setting that lists this origin.
pub const LISTED: (&str, &str) = ("AUTH__CORS__ALLOWED_ORIGINS", APP);
pub const ACCESS: &str = "__Host-access";
pub const REFRESH: &str = "__Secure-refresh";
pub const CSRF: &str = "__Host-csrf";

/// A browser with one open page.
#[derive(Clone)]
pub struct Browser<'s> {
    service: &'s Service,
    pub origin: String,
    /// The path of the issuer, which the proxy between browser and service removes.
    pub prefix: &'static str,
    /// By name, the value and the path of each cookie.
    pub cookies: BTreeMap<String, (String, String)>,
}

impl<'s> Browser<'s> {
    /// Opens a page of the listed origin.
    pub fn new(service: &'s Service) -> Self {
        Self { service, origin: APP.to_owned(), prefix: "", cookies: BTreeMap::new() }
    }

    /// Opens a page and logs in with cookies.
    pub async fn logged_in(service: &'s Service, username: &str) -> Self {
        let mut browser = Self::new(service);
        let answer = browser.login("/login", username).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        browser
    }

    pub async fn login(&mut self, path: &str, username: &str) -> Answer {
        let body = json!({ "username": username, "password": PASSWORD, "cookies": true });
        self.ask(Method::POST, path, Some(&body)).await
    }

    pub async fn refresh(&mut self) -> Answer {
        self.ask(Method::POST, "/token", Some(&json!({ "grant_type": "refresh_token" }))).await
    }

    /// Sends a request like the page's own script, with the CSRF token if the method is unsafe.
    pub async fn ask(&mut self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let mut request = self.bare(method.clone(), path).header("origin", &self.origin);
        if let Some((token, _)) = self.cookies.get(CSRF).filter(|_| method != Method::GET) {
            request = request.header("x-csrf-token", token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = send(request).await;
        self.keep(&answer);
        answer
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.ask(Method::GET, path, None).await
    }

    /// Returns a request that any page can make the browser send: with cookies, without origin and CSRF token.
    pub fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        let seen = format!("{}{path}", self.prefix);
        let belongs = |to: &str| to == "/" || seen == to || seen.starts_with(&format!("{to}/"));
        let pairs = self.cookies.iter().filter(|(_, (_, to))| belongs(to));
        let pairs: Vec<_> = pairs.map(|(name, (value, _))| format!("{name}={value}")).collect();
        let request = self.service.request(method, path);
        if pairs.is_empty() { request } else { request.header("cookie", pairs.join("; ")) }
    }

    pub fn value(&self, name: &str) -> &str {
        self.cookies.get(name).map_or("", |(value, _)| value)
    }

    /// Sets a cookie, like an attacker who plants one.
    pub fn plant(&mut self, name: &str, value: &str, path: &str) {
        self.cookies.insert(name.to_owned(), (value.to_owned(), path.to_owned()));
    }

    /// Removes a cookie, like a browser after its expiry.
    pub fn forget(&mut self, name: &str) {
        self.cookies.remove(name);
    }

    fn keep(&mut self, answer: &Answer) {
        for line in set_cookies(answer) {
            let (pair, attributes) = line.split_once("; ").unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            let attribute =
                |name: &str| attributes.split("; ").find_map(|one| one.strip_prefix(&format!("{name}=")));
            if attribute("Max-Age") == Some("0") {
                self.cookies.remove(name);
            } else {
                self.plant(name, value, attribute("Path").unwrap());
            }
        }
    }
}

/// Returns the values of the `Set-Cookie` headers.
pub fn set_cookies(answer: &Answer) -> Vec<String> {
    answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap().to_owned()).collect()
}

/// Checks that an answer clears all cookies.
#[track_caller]
pub fn assert_cookies_cleared(answer: &Answer) {
    let mut lines = set_cookies(answer);
    lines.sort();
    let expected = [
        "__Host-access=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0",
        "__Host-csrf=; SameSite=Lax; Secure; Path=/; Max-Age=0",
        "__Secure-refresh=; HttpOnly; SameSite=Lax; Secure; Path=/token; Max-Age=0",
    ];
    assert_eq!(lines, expected);
}
