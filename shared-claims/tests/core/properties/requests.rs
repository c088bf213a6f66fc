//! Properties of requests and the tokens in them.

use super::shared::cases;
use super::strategies;
use super::strategies::Sent;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use shared_claims::error::Cause;
use shared_claims::http::CookieSource;
use shared_claims::http::Field;
use shared_claims::http::Head;
use shared_claims::http::Sources;
use shared_claims::http::TokenSource;

/// A request that holds what was sent.
struct Request<'a> {
    sent: &'a Sent,
    headers: Vec<String>,
    cookies: Vec<String>,
    query: String,
}

impl<'a> Request<'a> {
    fn of(sent: &'a Sent) -> Self {
        let headers = sent.headers.iter().map(|(scheme, token)| format!("{scheme} {token}")).collect();
        let cookies = sent.cookies.iter().map(|token| format!("a=b; __Host-access={token}")).collect();
        let query: Vec<_> = sent.query.iter().map(|token| format!("x=1&access_token={token}")).collect();
        Self { sent, headers, cookies, query: query.join("&") }
    }
}

impl Head for Request<'_> {
    fn method(&self) -> &str {
        self.sent.method
    }

    fn query(&self) -> Option<&str> {
        Some(&self.query)
    }

    fn authority(&self) -> Option<&str> {
        None
    }

    fn values(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        let values: &[String] = match field {
            Field::Authorization => &self.headers,
            Field::Cookie => &self.cookies,
            _ => &[],
        };
        values.iter().map(String::as_bytes)
    }
}

/// Returns the expected result: there must be one token in one of the enabled sources.
fn expected(sent: &Sent, [header, cookie, query]: [bool; 3]) -> Result<&str, Cause> {
    let in_header = match sent.headers.as_slice() {
        _ if !header => None,
        [(scheme, token)] if scheme.eq_ignore_ascii_case("bearer") => Some(token),
        [] | [_] => None,
        _ => return Err(Cause::InvalidRequest),
    };
    if in_header.is_some_and(String::is_empty) {
        return Err(Cause::InvalidRequest);
    }
    let in_cookies = if cookie && sent.cookies != [""] { &sent.cookies[..] } else { &[] }; // an empty cookie counts as absent
    let in_query = if query { &sent.query[..] } else { &[] };
    let all: Vec<_> = in_header.into_iter().chain(in_cookies).chain(in_query).collect();
    match all[..] {
        [] => Err(Cause::MissingToken),
        [_] if !in_cookies.is_empty() && !["GET", "HEAD"].contains(&sent.method) => Err(Cause::ForeignOrigin),
        [token] => Ok(token),
        _ => Err(Cause::SeveralTokens),
    }
}

fn sources([header, cookie, query]: [bool; 3]) -> Sources {
    let cookie = cookie.then(|| TokenSource::Cookie(CookieSource::default()));
    let all = [header.then_some(TokenSource::Header), cookie, query.then_some(TokenSource::Query)];
    all.into_iter().flatten().collect()
}

/// A request with the same bytes in every part.
struct Noise {
    values: Vec<Vec<u8>>,
    query: String,
}

impl Head for Noise {
    fn method(&self) -> &'static str {
        "GET"
    }

    fn query(&self) -> Option<&str> {
        Some(&self.query)
    }

    fn authority(&self) -> Option<&str> {
        Some(&self.query)
    }

    fn values(&self, _: Field) -> impl Iterator<Item = &[u8]> {
        self.values.iter().map(Vec::as_slice)
    }
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn a_request_has_one_token_in_one_of_the_places_that_are_looked_at(
        sent in strategies::sent(),
        places in any::<[bool; 3]>(),
    ) {
        let request = Request::of(&sent);
        prop_assert_eq!(sources(places).token_in(&request), expected(&sent, places));
        prop_assert_eq!(sources(places).has_token_in_query(&request), places[2] && !sent.query.is_empty());
    }

    #[test]
    fn whatever_bytes_a_request_has_its_token_is_a_part_of_them(
        start in select(vec!["", "Bearer ", "__Host-access=", "a=b; __Host-access="]),
        values in vec(vec(any::<u8>(), 0..20), 0..3),
        query in prop_oneof![any::<String>(), any::<String>().prop_map(|text| format!("access_token={text}"))],
        places in any::<[bool; 3]>(),
    ) {
        let values = values.into_iter().map(|value| [start.as_bytes(), &value].concat()).collect();
        let request = Noise { values, query };
        if let Ok(token) = sources(places).token_in(&request) {
            let stands_in = |text: &[u8]| token.is_empty() || text.windows(token.len()).any(|part| part == token.as_bytes());
            prop_assert!(request.values.iter().any(|value| stands_in(value)) || stands_in(request.query.as_bytes()));
        }
    }
}
