//! What is true of every text, every token, every clock, every request, every rule and every key set.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod properties {
    pub(crate) mod strategies;
}
mod support;

use std::{collections::HashSet, sync::LazyLock, time::Duration};

use proptest::{collection::vec, option, prelude::*, sample::Index, sample::select};
use serde_json::{Value, json};
use shared_claims::{
    Policy, Verifier,
    claims::Claims,
    error::Cause,
    guard::{self, Rule},
    http::{CookieSource, Field, Head, Sources, TokenSource, token_in},
    testing::TestKey,
    verifier::{Algorithm, KeySet, ManualClock},
};

use properties::strategies::{self, Event, Sent, Tree, WORDS};
use support::{ISSUER, NOW, clock, outcome, policy};

const SECRET: &[u8] = b"a secret of thirty-two bytes, or more";

/// The keys of the issuer that these tests believe.
static KEYS: LazyLock<[TestKey; 4]> = LazyLock::new(|| {
    [TestKey::es256("es"), TestKey::eddsa("ed"), TestKey::rs256("rsa"), TestKey::hs256(SECRET)]
});
static BY_KEYS: LazyLock<Verifier> = LazyLock::new(|| {
    Verifier::with_keys(policy(), key_set(KEYS.iter().map(TestKey::jwk))).with_clock(clock())
});
static BY_SECRET: LazyLock<Verifier> = LazyLock::new(|| by_secret(policy()).with_clock(clock()));

/// So many cases, and nothing written to disk: a failure shows the smallest case, which becomes a test of its own.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn by_secret(policy: Policy) -> Verifier {
    Verifier::with_shared_secret(policy, SECRET).unwrap()
}

fn key_set(entries: impl IntoIterator<Item = Value>) -> KeySet {
    let entries: Vec<_> = entries.into_iter().collect();
    KeySet::from_json(json!({"keys": entries}).to_string().as_bytes()).unwrap()
}

fn verifier_of(key: &TestKey) -> &'static Verifier {
    if key.algorithm() == Algorithm::HS256 { &BY_SECRET } else { &BY_KEYS }
}

fn signed(key: &TestKey, payload: &str) -> String {
    let header = json!({"typ": "at+jwt", "alg": key.algorithm(), "kid": key.kid()});
    key.compact(header.to_string(), payload)
}

fn says(verifier: &Verifier, token: &str) -> &'static str {
    outcome(verifier.verify_now(token))
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn no_text_that_nobody_signed_is_a_token(text in strategies::unsigned()) {
        for verifier in [&*BY_KEYS, &*BY_SECRET] {
            prop_assert_ne!(says(verifier, &text), "accepted");
            prop_assert!(verifier.verify_expired(&text).is_err());
        }
    }

    #[test]
    fn a_header_holds_one_token_or_none(values in vec(vec(any::<u8>(), 0..40), 0..3)) {
        let bearer: Vec<_> = values.iter().map(|value| [b"Bearer ", &value[..]].concat()).collect();
        for values in [values, bearer] {
            if let Ok(token) = token_in(values.iter().map(Vec::as_slice)) {
                prop_assert!(values.len() == 1 && !token.is_empty() && token.trim_matches(' ') == token);
                prop_assert!(values[0].ends_with(token.as_bytes()) || values[0].ends_with(b" "));
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn every_good_token_is_accepted_and_says_what_was_signed(
        claims in strategies::claims(),
        more in vec((strategies::name(), strategies::json()), 0..4),
        key in select(&KEYS[..]),
        one in any::<bool>(),
    ) {
        let mut sent = claims.clone();
        for (name, value) in more {
            let known = ["cnf", "nbf", "auth_time", "sid", "username", "email", "email_verified", "status"];
            if claims.get(&name).is_none() && !known.contains(&name.as_str()) {
                sent[name] = value;
            }
        }
        if let [only] = claims["aud"].as_array().unwrap().as_slice() && one {
            sent["aud"] = only.clone();
        }
        let token = signed(&key, &sent.to_string());
        for _ in 0..2 {
            let read = verifier_of(&key).verify_now(&token);
            prop_assert!(read.is_ok(), "{:?}: {}", read, sent);
            prop_assert_eq!(&json!(*read.unwrap()), &claims);
        }
    }

    #[test]
    fn no_letter_of_a_token_can_be_another_or_be_missing_nor_can_there_be_one_more(
        claims in strategies::claims(),
        key in select(&KEYS[1..3]), // ECDSA has two signatures for everything
        at in any::<Index>(),
        letter in prop_oneof!["[A-Za-z0-9_-]".prop_map(|text| text.chars().next().unwrap()), any::<char>()],
    ) {
        let token = signed(&key, &claims.to_string());
        prop_assert_eq!(says(&BY_KEYS, &token), "accepted");
        let at = at.index(token.len());
        let (before, after) = token.split_at(at);
        for changed in [
            format!("{before}{letter}{}", &after[1..]),
            format!("{before}{letter}{after}"),
            format!("{before}{}", &after[1..]),
            format!("{token}{letter}"),
        ] {
            if changed != token {
                prop_assert_ne!(says(&BY_KEYS, &changed), "accepted", "{} of {}", changed, token);
            }
        }
    }

    #[test]
    fn no_name_stands_twice_in_an_object_at_any_depth(
        claims in strategies::claims(),
        key in select(&KEYS[..]),
        claim in any::<Index>(),
        name in strategies::name(),
        values in (strategies::json(), strategies::json()),
        depth in 0..10_usize,
    ) {
        let written = claims.to_string();
        let written = written.strip_suffix('}').unwrap();
        let escaped = |name: &str| {
            let units: Vec<_> = name.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            units.concat()
        };
        let payload = if depth == 0 {
            let name = claim.get(&claims.as_object().unwrap().keys().collect::<Vec<_>>()).as_str();
            format!("{written},\"{}\":{}}}", escaped(name), claims[name])
        } else {
            let twice = format!("{{{}:{},\"{}\":{}}}", json!(name), values.0, escaped(&name), values.1);
            format!("{written},\"extra\":{}{twice}{}}}", "[".repeat(depth), "]".repeat(depth))
        };
        prop_assert_eq!(says(verifier_of(&key), &signed(&key, &payload)), "malformed", "{}", payload);
    }

    #[test]
    fn dates_are_judged_by_the_clock_and_the_leeway_to_the_second(
        start in prop_oneof![1..2000_u64, Just(NOW), 253_402_290_000..253_402_300_000_u64],
        leeway in 0..=300_u64,
        offsets in [0..1200_u64, 0..1200, 0..1200],
        fractions in [option::of("[0-9]{1,5}"), option::of("[0-9]{1,5}"), option::of("[0-9]{1,5}")],
        nbf_is_said in any::<bool>(),
        clocks in vec((0..4_usize, 0..5_u64, 0..1600_u64), 1..6),
    ) {
        let [exp, iat, nbf] = offsets.map(|offset| start + offset);
        let [exp_text, iat_text, nbf_text] = [(exp, &fractions[0]), (iat, &fractions[1]), (nbf, &fractions[2])]
            .map(|(date, fraction)| fraction.as_ref().map_or(date.to_string(), |digits| format!("{date}.{digits}")));
        let too_late = [&exp_text, &iat_text, &nbf_text][..if nbf_is_said { 3 } else { 2 }]
            .iter()
            .any(|text| text.parse::<f64>().unwrap() > 253_402_300_799.0); // the last second of the year 9999
        let nbf_text = if nbf_is_said { format!(",\"nbf\":{nbf_text}") } else { String::new() };
        let rest = r#""aud":"orders","sub":"s","jti":"j","client_id":"c""#;
        let payload = format!("{{\"iss\":\"{ISSUER}\",{rest},\"exp\":{exp_text},\"iat\":{iat_text}{nbf_text}}}");
        let token = signed(&KEYS[3], &payload);
        let time = ManualClock::at(0);
        let verifier = by_secret(policy().leeway(Duration::from_secs(leeway)).unwrap()).with_clock(time.clock());
        for (edge, near, far) in clocks {
            let edges = [exp + leeway, iat.saturating_sub(leeway), nbf.saturating_sub(leeway), start + far];
            let now = (edges[edge] + near).saturating_sub(2);
            time.set(now);
            let begins = if nbf_is_said { iat.max(nbf) } else { iat };
            let expected = if too_late {
                "malformed"
            } else if begins > now + leeway {
                "not_yet_valid"
            } else if now >= exp + leeway {
                "expired"
            } else {
                "accepted"
            };
            prop_assert_eq!(says(&verifier, &token), expected, "at {}: {}", now, payload);
        }
    }
}

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

/// The rule in plain words: one token in one of the places that are switched on.
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
    let in_cookies = if cookie && sent.cookies != [""] { &sent.cookies[..] } else { &[] }; // an empty one was taken back
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

/// A request of any bytes, the same ones wherever somebody looks.
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

fn rule(tree: &Tree) -> Rule<'_> {
    match tree {
        Tree::Scope(name) => guard::scope(name),
        Tree::Role(name) => guard::role(name),
        Tree::Owner(id) => guard::owner(id),
        Tree::Login(secs) => guard::login_within(Duration::from_secs(*secs)),
        Tree::AnyScope(names) => guard::any_scope(names.iter().copied()),
        Tree::AllScopes(names) => guard::all_scopes(names.iter().copied()),
        Tree::And(one, other) => rule(one).and(rule(other)),
        Tree::Or(one, other) => rule(one).or(rule(other)),
        Tree::Any(rules) => guard::any_of(rules.iter().map(rule)),
        Tree::All(rules) => guard::all_of(rules.iter().map(rule)),
    }
}

/// What a token has, as sets of words.
#[derive(Clone, Debug)]
struct Rights {
    scopes: HashSet<String>,
    roles: HashSet<String>,
    sub: &'static str,
    auth_time: Option<u64>,
}

impl Rights {
    fn satisfy(&self, tree: &Tree) -> bool {
        match tree {
            Tree::Scope(name) => self.scopes.contains(*name),
            Tree::Role(name) => self.roles.contains(*name),
            Tree::Owner(id) => self.sub == *id,
            Tree::Login(secs) => self.auth_time.is_some_and(|login| login + secs >= NOW && login <= NOW + 60),
            Tree::AnyScope(names) => names.iter().any(|name| self.scopes.contains(*name)),
            Tree::AllScopes(names) => names.iter().all(|name| self.scopes.contains(*name)),
            Tree::And(one, other) => self.satisfy(one) && self.satisfy(other),
            Tree::Or(one, other) => self.satisfy(one) || self.satisfy(other),
            Tree::Any(rules) => rules.iter().any(|rule| self.satisfy(rule)),
            Tree::All(rules) => rules.iter().all(|rule| self.satisfy(rule)),
        }
    }

    fn claims(&self) -> Claims {
        let scopes: Vec<_> = self.scopes.iter().map(String::as_str).collect();
        let mut claims = support::claims();
        claims["sub"] = json!(self.sub);
        claims["scope"] = json!(scopes.join(" "));
        claims["roles"] = json!(self.roles);
        match self.auth_time {
            Some(login) => claims["auth_time"] = json!(login),
            None => claims = support::without(claims, "auth_time"),
        }
        serde_json::from_value(claims).unwrap()
    }
}

fn words(chosen: [bool; 4]) -> HashSet<String> {
    WORDS.iter().zip(chosen).filter(|(_, chosen)| *chosen).map(|(word, _)| (*word).to_owned()).collect()
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn rules_are_logic_and_a_client_that_does_what_it_is_told_is_let_through(
        tree in strategies::tree(),
        scopes in any::<[bool; 4]>(),
        roles in any::<[bool; 4]>(),
        sub in select(&WORDS[..]),
        auth_time in option::of(NOW - 100..NOW + 100),
    ) {
        let mut rights = Rights { scopes: words(scopes), roles: words(roles), sub, auth_time };
        let decided = rule(&tree).check_at(&rights.claims(), NOW);
        prop_assert_eq!(decided.is_ok(), rights.satisfy(&tree));
        if let Err(denied) = decided && (!denied.scopes().is_empty() || denied.max_age().is_some()) {
            rights.scopes.extend(denied.scopes().iter().cloned());
            if let Some(secs) = denied.max_age() {
                rights.auth_time = Some(NOW - secs);
            }
            prop_assert_eq!(rule(&tree).check_at(&rights.claims(), NOW), Ok(()), "{:?}", denied);
        }
    }
}

/// An entry of a key set: whose key it is, if it is one's as it was made, and what is said of it.
fn entry() -> impl Strategy<Value = Value> {
    let members = ["kty", "crv", "x", "y", "n", "e", "kid", "alg", "use", "key_ops", "d", "k", "x5c"];
    let own = || (0..4_usize).prop_map(|which| KEYS[which].jwk());
    let renamed = (own(), select(vec!["es", "ed", "rsa", "other"])).prop_map(|(mut jwk, kid)| {
        jwk["kid"] = json!(kid);
        jwk
    });
    let mixed = (own(), own(), select(members.to_vec())).prop_map(|(mut jwk, other, member)| {
        jwk[member] = other[member].clone();
        jwk
    });
    let odd = (own(), select(members.to_vec()), strategies::json()).prop_map(|(mut jwk, member, value)| {
        jwk[member] = value;
        jwk
    });
    prop_oneof![3 => own(), 2 => renamed, 2 => mixed, 2 => odd, 1 => strategies::json()]
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn a_key_set_holds_keys_that_were_there_and_no_others(entries in vec(entry(), 0..8)) {
        let text = json!({"keys": entries}).to_string();
        let Ok(set) = KeySet::from_json(text.as_bytes()) else { return Ok(()) };
        let kids: Vec<_> = set.kids().map(str::to_owned).collect();
        prop_assert!(!kids.is_empty() && kids.len() <= entries.len());
        prop_assert_eq!(kids.iter().collect::<HashSet<_>>().len(), kids.len());
        let of = |kid: &str| entries.iter().filter(|entry| entry["kid"] == kid).collect::<Vec<_>>();
        for kid in &kids {
            prop_assert!(!of(kid).is_empty(), "{} was never there", kid);
        }
        let verifier = Verifier::with_keys(policy(), set).with_clock(clock());
        for key in &KEYS[..3] {
            let (jwk, says) = (key.jwk(), says(&verifier, &signed(key, &support::claims().to_string())));
            let public = |entry: &Value| {
                let mut own = ["x", "y", "n", "e"].into_iter().filter(|name| jwk.get(name).is_some());
                own.all(|name| entry[name] == jwk[name])
            };
            let is_there = of(key.kid()).iter().any(|entry| public(entry));
            prop_assert!(says != "accepted" || is_there, "a key was made up");
            if of(key.kid()) == [&jwk] {
                prop_assert_eq!(says, "accepted", "a good key was lost");
            }
            let rivals = KEYS[..3].iter().filter(|other| other.kid() != key.kid());
            let mut rivals = rivals.map(|other| other.with_kid(key.kid()).jwk());
            if rivals.any(|rival| entries.contains(&rival)) {
                prop_assert_ne!(says, "accepted", "two keys go by one name");
            }
        }
    }

    #[test]
    fn whatever_is_no_key_set_is_an_error(
        text in prop_oneof![vec(any::<u8>(), 0..100), strategies::json().prop_map(|json| json.to_string().into_bytes())],
    ) {
        prop_assert!(KeySet::from_json(&text).is_err());
    }
}

/// A token, and all there is to know of it.
struct Known {
    token: String,
    key: &'static TestKey,
    is_forged: bool,
    begins: u64,
    ends: u64,
}

/// Short and long ones, later and earlier ones, by all keys; and of each a forgery.
static POOL: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let mut pool = Vec::new();
    for key in &KEYS[..3] {
        for (iat, exp) in [(NOW, NOW + 600), (NOW, NOW + 50), (NOW + 90, NOW + 150)] {
            let mut claims = support::with(support::claims(), "iat", json!(iat));
            claims["exp"] = json!(exp);
            let token = signed(key, &claims.to_string());
            claims["roles"] = json!(["admin"]);
            let (others, own) = (signed(key, &claims.to_string()), token.rsplit_once('.').unwrap().1);
            let forged = format!("{}.{own}", others.rsplit_once('.').unwrap().0);
            for (token, is_forged) in [(token.clone(), false), (forged, true)] {
                pool.push(Known { token, key, is_forged, begins: iat - 30, ends: exp + 30 });
            }
        }
    }
    pool
});

fn chosen(mask: u8) -> Vec<&'static TestKey> {
    KEYS[..3].iter().enumerate().filter(|(at, _)| mask & (1 << at) != 0).map(|(_, key)| key).collect()
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn what_is_remembered_changes_no_verdict_whatever_becomes_of_keys_and_clock(events in strategies::events()) {
        let (mut keys, mut now, time) = (chosen(7), NOW, ManualClock::at(NOW));
        let set = |keys: &[&TestKey]| key_set(keys.iter().map(|key| key.jwk()));
        let verifiers = [0, 1, 4, 10_000].map(|tokens| {
            Verifier::with_keys(policy().cached_tokens(tokens), set(&keys)).with_clock(time.clock())
        });
        for event in &events {
            match event {
                Event::Keys(mask) => {
                    keys = chosen(*mask);
                    for verifier in &verifiers {
                        verifier.set_keys(set(&keys));
                    }
                }
                Event::Time(to) => {
                    now = *to;
                    time.set(now);
                }
                Event::Verify(which) => {
                    let known = &POOL[which % POOL.len()];
                    let expected = match known {
                        Known { key, .. } if !keys.iter().any(|own| own.kid() == key.kid()) => "unknown_key",
                        Known { is_forged: true, .. } => "signature",
                        Known { begins, .. } if now < *begins => "not_yet_valid",
                        Known { ends, .. } if now >= *ends => "expired",
                        _ => "accepted",
                    };
                    for verifier in &verifiers {
                        prop_assert_eq!(says(verifier, &known.token), expected, "{:?}", events);
                    }
                }
            }
        }
    }
}
