//! The claims of correctly signed tokens: every claim with every type of JSON, and every check of the policy.

use std::time::Duration;

use crate::support::{
    AUDIENCE, ISSUER, NOW, Signer, check_table, claims, key_set, outcome, policy, verifier, with, without,
};
use serde_json::{Value, json};
use shared_claims::{Policy, Verifier, claims::Claims, error::Refusal, verifier::ManualClock};

#[test]
fn a_claim_of_the_wrong_type_is_refused() {
    let values = [
        ("null", Value::Null),
        ("bool", json!(true)),
        ("integer", json!(NOW)),
        ("float", json!(1_800_000_000.5)),
        ("empty string", json!("")),
        ("string", json!("text")),
        ("list", json!(["text"])),
        ("object", json!({"text": 1})),
    ];
    // The valid types of each claim; `other` has a valid type and a value that the policy refuses.
    let (dates, strings) = (["integer", "float"], ["empty string", "string"]);
    let rules: [(&str, &[&str], &str); 15] = [
        ("iss", &strings, "issuer"),
        ("sub", &["string"], "accepted"),
        ("aud", &["empty string", "string", "list"], "audience"),
        ("exp", &dates, "accepted"),
        ("iat", &dates, "accepted"),
        ("nbf", &dates, "accepted"),
        ("jti", &["string"], "accepted"),
        ("client_id", &["string"], "accepted"),
        ("sid", &strings, "accepted"),
        ("scope", &strings, "accepted"),
        ("roles", &["list"], "accepted"),
        ("username", &strings, "accepted"),
        ("auth_time", &dates, "accepted"),
        ("email", &strings, "accepted"),
        ("email_verified", &["bool"], "accepted"),
    ];
    let signer = Signer::es256("es");
    let cases = rules.iter().flat_map(|rule| values.iter().map(move |value| (rule, value)));
    let rows = cases.map(|((claim, allowed, otherwise), (kind, value))| {
        let expected = if allowed.contains(kind) { *otherwise } else { "malformed" };
        (format!("{claim}: {kind}"), signer.token_of(&with(claims(), claim, value.clone())), expected)
    });
    check_table(&verifier(&[&signer]), rows);
}

#[test]
fn a_missing_claim_is_refused_if_rfc_9068_requires_it() {
    let signer = Signer::es256("es");
    let required = ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"];
    let rows = claims().as_object().unwrap().keys().cloned().collect::<Vec<_>>().into_iter().map(|claim| {
        let expected = if required.contains(&claim.as_str()) { "malformed" } else { "accepted" };
        (format!("without {claim}"), signer.token_of(&without(claims(), &claim)), expected)
    });
    check_table(&verifier(&[&signer]), rows);
}

#[test]
fn no_claim_is_checked_before_the_signature() {
    let (signer, stranger) = (Signer::es256("es"), Signer::es256("es"));
    let wrong = [
        with(claims(), "exp", json!(NOW - 1000)),
        with(claims(), "nbf", json!(NOW + 1000)),
        with(claims(), "aud", json!("billing")),
        with(claims(), "iss", json!("https://evil.example")),
        with(claims(), "cnf", json!({"jkt": "AAAA"})),
        with(claims(), "sub", json!(7)),
        without(claims(), "jti"),
        json!([]),
    ];
    let forged = wrong.iter().map(|claims| (claims.to_string(), stranger.token_of(claims), "signature"));
    let no_json = stranger.compact(stranger.header().to_string(), "no JSON");
    let rows: Vec<_> = forged.chain([("no JSON".to_owned(), no_json, "signature")]).collect();
    check_table(&verifier(&[&signer]), rows);
}

#[test]
fn dates_are_checked_with_the_leeway_and_not_more() {
    let signer = Signer::es256("es");
    let table: Vec<(&str, Value, &str)> = vec![
        ("exp", json!(NOW + 1), "accepted"),
        ("exp", json!(NOW - 29), "accepted"),
        ("exp", json!(NOW - 30), "expired"),
        ("exp", json!(1), "expired"),
        ("exp", json!(1_800_000_600.999), "accepted"),
        ("exp", json!(1.8e9), "accepted"),
        ("exp", json!(253_402_300_799_u64), "accepted"),
        ("exp", json!(253_402_300_800_u64), "malformed"),
        ("exp", json!(0), "malformed"),
        ("exp", json!(-1), "malformed"),
        ("exp", json!(-0.5), "malformed"),
        ("exp", json!(1e308), "malformed"),
        ("exp", json!(1_u64 << 63), "malformed"),
        ("exp", json!(u64::MAX), "malformed"),
        ("exp", json!(NOW.to_string()), "malformed"),
        ("nbf", json!(NOW + 30), "accepted"),
        ("nbf", json!(NOW + 31), "not_yet_valid"),
        ("nbf", json!(1_900_000_000.5), "not_yet_valid"),
        ("nbf", json!(-1), "malformed"),
        ("iat", json!(NOW + 30), "accepted"),
        ("iat", json!(NOW + 31), "not_yet_valid"),
        ("auth_time", json!(NOW + 9999), "accepted"),
    ];
    let mut rows: Vec<_> = table
        .into_iter()
        .map(|(claim, value, expected)| {
            (format!("{claim} {value}"), signer.token_of(&with(claims(), claim, value)), expected)
        })
        .collect();
    let raw = [
        "1e400",
        "18446744073709551616",
        "18446744075509551616",
        "0x7fffffff",
        "01900000000",
        "NaN",
        "Infinity",
        "1.",
        "+1",
    ];
    for number in raw {
        let payload =
            claims().to_string().replace(&format!("\"exp\":{}", NOW + 600), &format!("\"exp\":{number}"));
        assert!(payload.contains(number));
        rows.push((
            format!("exp {number}"),
            signer.compact(signer.header().to_string(), payload),
            "malformed",
        ));
    }
    check_table(&verifier(&[&signer]), rows);
}

#[test]
fn a_date_just_before_a_full_second_is_not_rounded_up_to_it() {
    // The nearest doubles are …970.9999998807907 and …030.9999998807907; an imprecise parser returns the next ones, which are whole.
    let signer = Signer::eddsa("ed");
    let table = [("exp", NOW - 30, "expired"), ("exp", NOW + 600, "accepted"), ("iat", NOW + 30, "accepted")];
    let rows = table.map(|(claim, second, expected)| {
        let text = format!("{second}.99999988");
        let marked = with(claims(), claim, json!("marked")).to_string();
        let payload = marked.replace("\"marked\"", &text);
        (format!("{claim} {text}"), signer.compact(signer.header().to_string(), payload), expected)
    });
    check_table(&verifier(&[&signer]), rows);
}

#[test]
fn another_issuer_or_audience_is_refused_however_similar() {
    let signer = Signer::es256("es");
    let issuers = [
        format!("{ISSUER}/"),
        format!("{ISSUER}."),
        format!("{ISSUER}.evil.example"),
        ISSUER.to_uppercase(),
        format!(" {ISSUER}"),
        ISSUER.replace("https", "http"),
        ISSUER.replace("//", "//user@"),
        format!("{ISSUER}:443"),
        ISSUER[..20].to_owned(),
    ];
    let audiences = [
        json!("order"),
        json!("orders2"),
        json!("ORDERS"),
        json!("orders "),
        json!("orders,billing"),
        json!("orders billing"),
        json!([]),
        json!(["billing"]),
        json!(["billing", "order"]),
        json!(""),
    ];
    let wrong_types =
        [json!([["orders"]]), json!(["orders", 1]), json!({"orders": true}), json!(["orders", null])];
    let token = |claim: &str, value: Value| signer.token_of(&with(claims(), claim, value));
    let mut rows = Vec::new();
    rows.extend(issuers.map(|issuer| (format!("iss {issuer}"), token("iss", json!(issuer)), "issuer")));
    rows.push(("iss list".to_owned(), token("iss", json!([ISSUER])), "malformed"));
    rows.extend(audiences.map(|audience| (format!("aud {audience}"), token("aud", audience), "audience")));
    rows.extend(wrong_types.map(|audience| (format!("aud {audience}"), token("aud", audience), "malformed")));
    rows.push(("aud ours alone".to_owned(), token("aud", json!(AUDIENCE)), "accepted"));
    rows.push(("aud ours among others".to_owned(), token("aud", json!(["billing", AUDIENCE])), "accepted"));
    check_table(&verifier(&[&signer]), rows);
}

#[test]
fn a_token_bound_to_its_senders_key_is_no_bearer_token() {
    let signer = Signer::es256("es");
    let rows = [json!({"jkt": "AAAA"}), json!({"x5t#S256": "AAAA"}), json!({}), Value::Null].map(|cnf| {
        (format!("cnf {cnf}"), signer.token_of(&with(claims(), "cnf", cnf)), "sender_constrained")
    });
    check_table(&verifier(&[&signer]), rows);
}

#[test]
fn one_token_is_good_for_one_service_and_refused_by_another() {
    let signer = Signer::es256("es");
    let billing = Policy::new(ISSUER, ["billing", "invoices"]).unwrap();
    let billing = Verifier::with_keys(billing, key_set(&[&signer])).with_clock(crate::support::clock());
    let (orders, token) = (verifier(&[&signer]), signer.token());
    orders.verify_now(&token).unwrap();
    assert_eq!(billing.verify_now(&token).unwrap_err(), Refusal::Audience);
    let second = signer.token_of(&with(claims(), "aud", json!("invoices")));
    billing.verify_now(&second).unwrap();
    assert_eq!(orders.verify_now(&second).unwrap_err(), Refusal::Audience);
}

#[test]
fn a_token_expires_while_the_clock_runs_and_still_names_its_session_for_logout() {
    let signer = Signer::es256("es");
    let time = ManualClock::at(NOW);
    let strict = policy().leeway(Duration::ZERO).unwrap();
    let verifier = Verifier::with_keys(strict, key_set(&[&signer])).with_clock(time.clock());
    let token = signer.token();
    time.advance(Duration::from_secs(599));
    verifier.verify_now(&token).unwrap();
    time.advance(Duration::from_secs(1));
    assert_eq!(verifier.verify_now(&token).unwrap_err(), Refusal::Expired);
    assert_eq!(verifier.verify_expired(&token).unwrap().sid.as_deref(), Some("session-1"));
    let forged = Signer::es256("es").token();
    assert_eq!(outcome(verifier.verify_expired(&forged)), "signature");
    time.set(NOW - 1);
    assert_eq!(outcome(verifier.verify_expired(&token)), "not_yet_valid");
}

#[test]
fn claims_are_written_as_they_are_read() {
    let read: Claims = serde_json::from_value(claims()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), claims());
    assert_eq!(read.scopes().collect::<Vec<_>>(), ["books:download", "comments:write"]);
    assert!(read.has_scope("books:download") && !read.has_scope("books") && !read.has_scope(""));
    assert!(read.has_role("reader") && !read.has_role("read"));
    assert_eq!(read.name(), "ada");

    let least = json!({"iss": "i", "sub": "s", "aud": "a", "exp": 2, "iat": 1, "jti": "j", "client_id": "c"});
    let read: Claims = serde_json::from_value(least.clone()).unwrap();
    let written = with(with(with(least, "aud", json!(["a"])), "scope", json!("")), "roles", json!([]));
    assert_eq!(serde_json::to_value(&read).unwrap(), written);
    assert_eq!(read.name(), "s");
}
