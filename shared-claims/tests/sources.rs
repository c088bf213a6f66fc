//! Where a token may stand in a request, and what a request must show when it stands in a cookie.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use shared_claims::{
    Cause, CookieSource, SetupError, Sources, TokenSource,
    request::{Field, Head},
};

/// A request as a client wrote it.
#[derive(Clone)]
struct Request {
    method: &'static str,
    query: Option<&'static str>,
    authority: Option<&'static str>,
    headers: Vec<(Field, &'static str)>,
}

impl Head for Request {
    fn method(&self) -> &str {
        self.method
    }

    fn query(&self) -> Option<&str> {
        self.query
    }

    fn authority(&self) -> Option<&str> {
        self.authority
    }

    fn values(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        let found = self.headers.iter().filter(move |(name, _)| *name == field);
        found.map(|(_, value)| value.as_bytes())
    }
}

fn request(method: &'static str, headers: &[(Field, &'static str)]) -> Request {
    Request { method, query: None, authority: None, headers: headers.to_vec() }
}

fn with_query(query: &'static str) -> Request {
    Request { query: Some(query), ..request("GET", &[]) }
}

fn cookie() -> TokenSource {
    TokenSource::Cookie(CookieSource::default())
}

#[test]
fn only_the_header_counts_unless_more_is_switched_on() {
    let everywhere = Request {
        query: Some("access_token=q"),
        ..request("GET", &[(Field::Authorization, "Bearer h"), (Field::Cookie, "__Host-access=c")])
    };
    assert_eq!(Sources::default().token_in(&everywhere), Ok("h"));
    assert_eq!(Sources::from([TokenSource::Header]), Sources::default());
    assert_eq!(Sources::from([cookie()]).token_in(&everywhere), Ok("c"));
    assert_eq!(Sources::from([TokenSource::Query]).token_in(&everywhere), Ok("q"));
    assert_eq!(Sources::from([]).token_in(&everywhere), Err(Cause::MissingToken));
    for sources in [
        Sources::from([TokenSource::Header, cookie()]),
        Sources::from([TokenSource::Header, TokenSource::Query]),
        Sources::from([TokenSource::Query, cookie()]),
        Sources::from([TokenSource::Query, TokenSource::Header, cookie()]),
    ] {
        assert_eq!(sources.token_in(&everywhere), Err(Cause::SeveralTokens), "{sources:?}");
    }
}

#[test]
fn a_query_is_read_to_the_letter() {
    let sources = Sources::from([TokenSource::Header, TokenSource::Query]);
    let good =
        ["access_token=a.b.c", "x=1&access_token=a.b.c", "access_token=a.b.c&x", "&&access_token=a.b.c&"];
    for query in good {
        assert_eq!(sources.token_in(&with_query(query)), Ok("a.b.c"), "{query}");
        assert!(sources.has_token_in_query(&with_query(query)));
        assert!(!Sources::default().has_token_in_query(&with_query(query)));
    }
    let none = [
        "",
        "x=1",
        "access_token",
        "ACCESS_TOKEN=a",
        "access%5Ftoken=a",
        "xaccess_token=a",
        "x=access_token=a",
    ];
    for query in none {
        assert_eq!(sources.token_in(&with_query(query)), Err(Cause::MissingToken), "{query}");
        assert!(!sources.has_token_in_query(&with_query(query)));
    }
    for query in ["access_token=a&access_token=a", "access_token=&access_token=a"] {
        assert_eq!(sources.token_in(&with_query(query)), Err(Cause::SeveralTokens), "{query}");
    }
    assert_eq!(sources.token_in(&with_query("access_token=a%2Eb")), Ok("a%2Eb"), "which is no token");
}

#[test]
fn a_cookie_is_found_by_its_exact_name() {
    let sources = Sources::from([TokenSource::Header, cookie()]);
    let find = |headers: &[(Field, &'static str)]| {
        sources.token_in(&request("GET", headers)).map(str::to_owned).map_err(|cause| cause.to_string())
    };
    for line in [
        "__Host-access=a.b.c",
        "x=1; __Host-access=a.b.c; y=2",
        "x=1;__Host-access=a.b.c",
        "x; __Host-access=a.b.c ;",
    ] {
        assert_eq!(find(&[(Field::Cookie, line)]).as_deref(), Ok("a.b.c"), "{line}");
    }
    let split = [(Field::Cookie, "x=1"), (Field::Cookie, "__Host-access=a.b.c")];
    assert_eq!(find(&split).as_deref(), Ok("a.b.c"), "HTTP/2 may send each cookie alone");
    for line in [
        "",
        "__Host-access",
        "__Host-access=",
        "__host-access=a",
        "access=a",
        "x__Host-access=a",
        "__Host-access =a",
        "\u{2000}__Host-access=a",
        "\u{a0}__Host-access=a",
        "$Version=1, __Host-access=a",
    ] {
        assert_eq!(find(&[(Field::Cookie, line)]), Err(Cause::MissingToken.to_string()), "{line}");
    }
    let twice = [(Field::Cookie, "__Host-access=a; __Host-access=a")];
    assert_eq!(find(&twice), Err(Cause::SeveralTokens.to_string()));
    let apart = [(Field::Cookie, "__Host-access="), (Field::Cookie, "__Host-access=a")];
    assert_eq!(find(&apart), Err(Cause::SeveralTokens.to_string()));
    let other = Sources::from([TokenSource::Cookie(CookieSource::default().names("session", "csrf"))]);
    assert_eq!(other.token_in(&request("GET", &[(Field::Cookie, "session=a")])), Ok("a"));
}

const COOKIES: (Field, &str) = (Field::Cookie, "__Host-csrf=secret; __Host-access=a.b.c");
const HOST: (Field, &str) = (Field::Host, "orders.example.com");
const OWN: (Field, &str) = (Field::Origin, "https://orders.example.com");
const CSRF: (Field, &str) = (Field::CsrfToken, "secret");

#[test]
fn a_cookie_opens_nothing_for_the_pages_of_others() {
    let allowed =
        CookieSource::default().allow_origins(["https://app.example.com", "http://dev:3000"]).unwrap();
    let sources = Sources::from([TokenSource::Cookie(allowed)]);
    let origin = |origin| (Field::Origin, origin);
    let (good, foreign, csrf) = (Ok("a.b.c"), Err(Cause::ForeignOrigin), Err(Cause::CsrfToken));
    let rows: Vec<(&str, &str, Vec<(Field, &str)>, _)> = vec![
        ("a safe method without an origin", "GET", vec![COOKIES, HOST], good.clone()),
        ("the service's own page", "POST", vec![COOKIES, HOST, OWN, CSRF], good.clone()),
        (
            "its own in other letters",
            "POST",
            vec![COOKIES, (Field::Host, "Orders.Example.Com"), OWN, CSRF],
            good.clone(),
        ),
        (
            "an allowed page",
            "POST",
            vec![COOKIES, HOST, origin("https://app.example.com"), CSRF],
            good.clone(),
        ),
        (
            "an allowed page over http",
            "PUT",
            vec![COOKIES, HOST, origin("http://dev:3000"), CSRF],
            good.clone(),
        ),
        ("an own page that reads", "GET", vec![COOKIES, HOST, OWN], good.clone()),
        (
            "a foreign page that reads",
            "GET",
            vec![COOKIES, HOST, origin("https://evil.example")],
            foreign.clone(),
        ),
        (
            "a foreign page",
            "POST",
            vec![COOKIES, HOST, origin("https://evil.example"), CSRF],
            foreign.clone(),
        ),
        ("a page that hides", "POST", vec![COOKIES, HOST, origin("null"), CSRF], foreign.clone()),
        ("no origin", "POST", vec![COOKIES, HOST, CSRF], foreign.clone()),
        ("an empty origin", "POST", vec![COOKIES, HOST, origin(""), CSRF], foreign.clone()),
        ("two origins", "POST", vec![COOKIES, HOST, OWN, OWN, CSRF], foreign.clone()),
        (
            "a host that only begins alike",
            "POST",
            vec![COOKIES, HOST, origin("https://orders.example.com.evil.example"), CSRF],
            foreign.clone(),
        ),
        (
            "a host before an @",
            "POST",
            vec![COOKIES, HOST, origin("https://orders.example.com@evil.example"), CSRF],
            foreign.clone(),
        ),
        ("a path", "POST", vec![COOKIES, HOST, origin("https://orders.example.com/"), CSRF], foreign.clone()),
        (
            "another port",
            "POST",
            vec![COOKIES, HOST, origin("https://orders.example.com:8443"), CSRF],
            foreign.clone(),
        ),
        (
            "plain http",
            "POST",
            vec![COOKIES, HOST, origin("http://orders.example.com"), CSRF],
            foreign.clone(),
        ),
        (
            "an allowed name, another scheme",
            "POST",
            vec![COOKIES, HOST, origin("https://dev:3000"), CSRF],
            foreign.clone(),
        ),
        (
            "plain http on this machine",
            "POST",
            vec![COOKIES, (Field::Host, "127.0.0.1:81"), origin("http://127.0.0.1:81"), CSRF],
            good.clone(),
        ),
        ("two hosts", "POST", vec![COOKIES, HOST, HOST, OWN, CSRF], foreign.clone()),
        ("no host", "POST", vec![COOKIES, OWN, CSRF], foreign),
        ("no CSRF header", "POST", vec![COOKIES, HOST, OWN], csrf.clone()),
        (
            "another CSRF header",
            "DELETE",
            vec![COOKIES, HOST, OWN, (Field::CsrfToken, "secreT")],
            csrf.clone(),
        ),
        ("a part of it", "PATCH", vec![COOKIES, HOST, OWN, (Field::CsrfToken, "secre")], csrf.clone()),
        ("two CSRF headers", "POST", vec![COOKIES, HOST, OWN, CSRF, CSRF], csrf.clone()),
        (
            "no CSRF cookie",
            "POST",
            vec![(Field::Cookie, "__Host-access=a.b.c"), HOST, OWN, CSRF],
            csrf.clone(),
        ),
        (
            "two CSRF cookies",
            "POST",
            vec![COOKIES, (Field::Cookie, "__Host-csrf=secret"), HOST, OWN, CSRF],
            csrf.clone(),
        ),
        (
            "both empty",
            "POST",
            vec![(Field::Cookie, "__Host-access=a.b.c; __Host-csrf="), HOST, OWN, (Field::CsrfToken, "")],
            csrf.clone(),
        ),
        ("an unknown method", "get", vec![COOKIES, HOST, OWN], csrf),
        ("no token, no demands", "POST", vec![HOST], Err(Cause::MissingToken)),
    ];
    for (name, method, headers, expected) in rows {
        let request = Request { method: Box::leak(method.into()), ..request("", &headers) };
        assert_eq!(sources.token_in(&request), expected, "{name}");
    }
    let http2 = Request { authority: Some("orders.example.com"), ..request("POST", &[COOKIES, OWN, CSRF]) };
    assert_eq!(sources.token_in(&http2), good, "HTTP/2 has the host in the target");
}

#[test]
fn a_token_in_the_header_needs_no_csrf_token() {
    let sources = Sources::from([TokenSource::Header, cookie()]);
    let evil = (Field::Origin, "https://evil.example");
    assert_eq!(sources.token_in(&request("POST", &[(Field::Authorization, "Bearer h"), evil])), Ok("h"));
}

#[test]
fn what_is_no_token_is_told_from_no_token() {
    let sources = Sources::from([TokenSource::Header, TokenSource::Query, cookie()]);
    let basic = request("GET", &[(Field::Authorization, "Basic YTpi"), (Field::Cookie, "__Host-access=c")]);
    assert_eq!(sources.token_in(&basic), Ok("c"), "another scheme is no token");
    let empty = request("GET", &[(Field::Authorization, "Bearer"), (Field::Cookie, "__Host-access=c")]);
    assert_eq!(sources.token_in(&empty), Err(Cause::InvalidRequest));
    let unreadable = request("GET", &[(Field::Authorization, "Bearer \u{ff}")]);
    assert_eq!(sources.token_in(&unreadable), Ok("\u{ff}"), "which is text, and no token");
    assert_eq!(Sources::default().bearer_methods(), ["header"]);
    assert_eq!(sources.bearer_methods(), ["header", "query"]);
}

#[test]
fn an_origin_that_no_browser_would_send_is_a_mistake_in_the_settings() {
    for origin in [
        "",
        "null",
        "*",
        "app.example.com",
        "https://app.example.com/",
        "https://App.example.com",
        "https://app.example.com:443",
        "http://app.example.com:80",
        "ftp://app.example.com",
        "https://*.example.com",
    ] {
        let made = CookieSource::default().allow_origins([origin]);
        assert!(matches!(made, Err(SetupError::Url(url, _)) if url == origin), "{origin}");
    }
    CookieSource::default().allow_origins(["https://a", "http://b:8080", "http://[::1]:443"]).unwrap();
}
