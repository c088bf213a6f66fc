//! Properties of tokens and their dates.

use super::shared::BY_KEYS;
use super::shared::BY_SECRET;
use super::shared::KEYS;
use super::shared::by_secret;
use super::shared::cases;
use super::shared::says;
use super::shared::signed;
use super::shared::verifier_of;
use super::strategies;
use crate::support::ISSUER;
use crate::support::NOW;
use crate::support::policy;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::sample::select;
use serde_json::json;
use shared_claims::http::token_in;
use shared_claims::verifier::ManualClock;
use std::time::Duration;

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn no_unsigned_text_is_a_token(text in strategies::unsigned()) {
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
    fn a_repeated_name_in_an_object_is_refused_at_any_depth(
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
    fn dates_are_checked_by_the_clock_and_the_leeway_to_the_second(
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
