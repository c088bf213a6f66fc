//! The sources of tokens, and what a request with a cookie must prove.

use shared_claims::{
    error::{Cause, SetupError},
    http::{CookieSource, Field, Head, Sources, TokenSource},
};

/// A request as a client sent it.
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

/// A request with cookies, and the cause of its refusal, if any.
type Row = (&'static str, &'static str, Vec<(Field, &'static str)>, Option<Cause>);

fn check_with_cookies(rows: Vec<Row>) {
    let allowed = CookieSource::default().allow_origins(["https://app.example.com", "http://dev:3000"]);
    let sources = Sources::from([TokenSource::Cookie(allowed.unwrap())]);
    for (name, method, mut headers, refused) in rows {
        headers.push(COOKIES);
        let expected = refused.map_or(Ok("a.b.c"), Err);
        assert_eq!(sources.token_in(&request(method, &headers)), expected, "{name}");
    }
}

#[test]
fn a_cookie_counts_on_own_and_allowed_pages_alone() {
    let origin = |origin| (Field::Origin, origin);
    let post = |name, origin, refused| (name, "POST", vec![HOST, origin, CSRF], refused);
    let refuse = |name, text| post(name, origin(text), Some(Cause::ForeignOrigin));
    check_with_cookies(vec![
        ("a safe method without an origin", "GET", vec![HOST], None),
        ("an own page that reads", "GET", vec![HOST, OWN], None),
        (
            "a foreign page that reads",
            "GET",
            vec![HOST, origin("https://evil.example")],
            Some(Cause::ForeignOrigin),
        ),
        post("the service's own page", OWN, None),
        post("an allowed page", origin("https://app.example.com"), None),
        post("an allowed page over http", origin("http://dev:3000"), None),
        refuse("a foreign page", "https://evil.example"),
        refuse("a page that hides", "null"),
        refuse("an empty origin", ""),
        refuse("a host that only begins alike", "https://orders.example.com.evil.example"),
        refuse("a host before an @", "https://orders.example.com@evil.example"),
        refuse("a path", "https://orders.example.com/"),
        refuse("another port", "https://orders.example.com:8443"),
        refuse("plain http", "http://orders.example.com"),
        refuse("an allowed name under another scheme", "https://dev:3000"),
        refuse("an allowed name under another port", "http://dev:3001"),
        ("no origin", "POST", vec![HOST, CSRF], Some(Cause::ForeignOrigin)),
        ("two origins", "POST", vec![HOST, OWN, OWN, CSRF], Some(Cause::ForeignOrigin)),
        ("two hosts", "POST", vec![HOST, HOST, OWN, CSRF], Some(Cause::ForeignOrigin)),
        ("no host", "POST", vec![OWN, CSRF], Some(Cause::ForeignOrigin)),
    ]);
}

#[test]
fn an_own_page_is_recognised_by_the_requested_host() {
    let own = |host, origin| vec![(Field::Host, host), (Field::Origin, origin), CSRF];
    check_with_cookies(vec![
        ("in other letters", "POST", own("Orders.Example.Com", "https://orders.example.com"), None),
        ("with a port", "POST", own("a.example:8443", "https://a.example:8443"), None),
        ("plain http on this machine", "POST", own("127.0.0.1:81", "http://127.0.0.1:81"), None),
        ("by its name", "POST", own("localhost:81", "http://localhost:81"), None),
        ("elsewhere", "POST", own("10.0.0.1:81", "http://10.0.0.1:81"), Some(Cause::ForeignOrigin)),
    ]);
    let sources = Sources::from([cookie()]);
    let http2 = Request { authority: Some("orders.example.com"), ..request("POST", &[COOKIES, OWN, CSRF]) };
    assert_eq!(sources.token_in(&http2), Ok("a.b.c"), "HTTP/2 has the host in the target");
}

#[test]
fn a_request_that_sets_cookies_needs_an_allowed_origin_and_no_token() {
    let source = CookieSource::default().allow_origins(["https://app.example.com"]).unwrap();
    let check = |method, origins: &[&'static str]| {
        let origins = origins.iter().map(|origin| (Field::Origin, *origin));
        source.check_origin(&request(method, &[HOST].into_iter().chain(origins).collect::<Vec<_>>()))
    };
    for method in ["POST", "GET"] {
        assert_eq!(check(method, &["https://orders.example.com"]), Ok(()));
        assert_eq!(check(method, &["https://app.example.com"]), Ok(()));
        for origins in [
            &[][..],
            &["null"],
            &["https://evil.example"],
            &["http://app.example.com"],
            &["https://app.example.com."],
            &["https://APP.example.com"],
            &["https://app.example.com", "https://app.example.com"],
        ] {
            assert_eq!(check(method, origins), Err(Cause::ForeignOrigin), "{origins:?}");
        }
    }
}

#[test]
fn a_cookie_opens_unsafe_methods_only_with_the_csrf_token() {
    let token = |text| (Field::CsrfToken, text);
    let refuse = |name, method, mut more: Vec<_>| {
        more.extend([HOST, OWN]);
        (name, method, more, Some(Cause::CsrfToken))
    };
    check_with_cookies(vec![
        ("the same", "DELETE", vec![HOST, OWN, CSRF], None),
        ("none where nothing is changed", "HEAD", vec![HOST, OWN], None),
        refuse("none", "POST", vec![]),
        refuse("another", "DELETE", vec![token("secreT")]),
        refuse("a part of it", "PATCH", vec![token("secre")]),
        refuse("nothing", "PUT", vec![token("")]),
        refuse("two", "POST", vec![CSRF, CSRF]),
        refuse("two cookies", "POST", vec![CSRF, (Field::Cookie, "__Host-csrf=secret")]),
        refuse("none for an unknown method", "get", vec![]),
    ]);
    let sources = Sources::from([cookie()]);
    for line in ["__Host-access=a", "__Host-access=a; __Host-csrf="] {
        let headers = [(Field::Cookie, line), HOST, OWN, token("")];
        assert_eq!(sources.token_in(&request("POST", &headers)), Err(Cause::CsrfToken), "{line}");
    }
    assert_eq!(sources.token_in(&request("POST", &[HOST])), Err(Cause::MissingToken), "no token, no demands");
}

#[test]
fn a_token_in_the_header_needs_no_csrf_token() {
    let sources = Sources::from([TokenSource::Header, cookie()]);
    let evil = (Field::Origin, "https://evil.example");
    assert_eq!(sources.token_in(&request("POST", &[(Field::Authorization, "Bearer h"), evil])), Ok("h"));
}

#[test]
fn an_invalid_token_is_distinguished_from_a_missing_one() {
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

#[test]
fn a_caller_that_knows_its_own_value_gets_every_cookie_of_the_name() {
    let source = CookieSource::default().names("__Secure-refresh", "__Host-csrf");
    let with = |cookies: &'static str, csrf: &'static str, origin: &'static str| {
        let headers = [
            (Field::Cookie, cookies),
            (Field::CsrfToken, csrf),
            (Field::Origin, origin),
            (Field::Host, "auth.example.com"),
        ];
        request("POST", &headers)
    };
    let own = "https://auth.example.com";
    let several = "__Secure-refresh=tossed; __Host-csrf=c; __Secure-refresh=; x=y; __Secure-refresh=own";
    assert_eq!(source.candidates(&with(several, "c", own), 2), Ok(vec!["tossed", "own"]));
    assert_eq!(source.candidates(&with(several, "c", own), 1), Err(Cause::SeveralTokens));
    let rows = [
        (with(several, "", own), Cause::CsrfToken),
        (with(several, "d", own), Cause::CsrfToken),
        (with(several, "c", "https://evil.example.com"), Cause::ForeignOrigin),
        (with("__Secure-refresh=; __Host-csrf=c", "c", own), Cause::MissingToken),
        (with("__secure-refresh=x; __Host-csrf=c", "c", own), Cause::MissingToken),
    ];
    for (request, cause) in rows {
        assert_eq!(source.candidates(&request, 16), Err(cause), "{:?}", request.headers);
    }
}
