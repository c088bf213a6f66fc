//! The corpus of forgeries through the core: each is refused, for its own reason.

use std::collections::{BTreeMap, HashSet};

use shared_claims::{
    Policy, Verifier,
    http::token_in,
    testing::{Attack, Forgery, TestIssuer},
    verifier::{Algorithm, KeySet},
};

/// Returns the code of the refusal of a forgery, or `accepted`.
fn outcome(verifier: &Verifier, forgery: &Forgery) -> &'static str {
    use shared_claims::error::Cause;
    let refusal =
        |result: Result<_, shared_claims::error::Refusal>| result.err().map_or("accepted", |is| is.code());
    if let Some(token) = forgery.token() {
        return refusal(verifier.verify_now(token).map(drop));
    }
    let headers = forgery.headers().unwrap();
    let values = headers.iter().filter(|(name, _)| *name == "authorization").map(|(_, value)| &value[..]);
    match token_in(values) {
        Ok(token) => refusal(verifier.verify_now(token).map(drop)),
        Err(Cause::MissingToken) => "missing_token",
        Err(Cause::InvalidRequest) => "invalid_request",
        Err(Cause::Refused(refused)) => refused.code(),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn every_forgery_is_refused_for_its_own_reason() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier("orders");
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256] {
        issuer.sign_with(algorithm);
        let good = issuer.token("alice").sign();
        verifier.verify_now(&good).unwrap();
        let mut wrong = Vec::new();
        for forgery in issuer.forgeries("alice") {
            let is = outcome(&verifier, &forgery);
            if is == "accepted" || (is != forgery.code && !forgery.code.is_empty()) {
                wrong.push(format!("{is} instead of {}: {forgery}", forgery.code));
            }
        }
        assert!(wrong.is_empty(), "{} with {algorithm}:\n{}", wrong.len(), wrong.join("\n"));
        verifier.verify_now(&good).unwrap();
    }
}

#[test]
fn verifiers_of_other_set_ups_accept_none_either() {
    let issuer = TestIssuer::new();
    let policy = || Policy::new(issuer.name(), ["orders"]).unwrap();
    let keys = KeySet::from_json(issuer.key_set().as_bytes()).unwrap();
    let by_keys = Verifier::with_keys(policy(), keys).with_clock(issuer.clock());
    let (by_secret, away) = (issuer.secret_verifier("orders"), issuer.verifier("orders"));
    let other = TestIssuer::named("https://partner.test").verifier("orders");
    let of_two = Verifier::any_of([other, issuer.verifier("orders")]).unwrap();
    issuer.go_offline();
    for forgery in issuer.forgeries("alice") {
        assert_ne!(outcome(&by_secret, &forgery), "accepted", "{forgery}");
        assert_ne!(outcome(&away, &forgery), "accepted", "{forgery}");
        assert_ne!(outcome(&of_two, &forgery), "accepted", "{forgery}");
        if forgery.why.number != 24 {
            assert_ne!(outcome(&by_keys, &forgery), "accepted", "{forgery}"); // statuses are not checked
        }
    }
}

#[test]
fn every_kind_of_attack_has_its_forgeries_and_no_two_have_one_name() {
    let issuer = TestIssuer::new();
    let _verifier = issuer.verifier("orders");
    let forgeries: Vec<_> = issuer.forgeries("alice").collect();
    let mut count = BTreeMap::<u8, usize>::new();
    for forgery in &forgeries {
        *count.entry(forgery.why.number).or_default() += 1;
    }
    println!("{} forgeries: {count:?}", forgeries.len());
    let numbers: Vec<_> = Attack::all().iter().map(|attack| attack.number).collect();
    assert_eq!(count.keys().copied().collect::<Vec<_>>(), numbers);
    assert!(numbers.is_sorted() && count.values().all(|count| *count >= 7) && forgeries.len() > 1000);
    let names: HashSet<_> = forgeries.iter().map(|forgery| &forgery.name).collect();
    assert_eq!(names.len(), forgeries.len());
    let twice: Vec<_> = forgeries.iter().filter(|forgery| forgery.name.ends_with(" (2)")).collect();
    assert!(twice.is_empty(), "names that were taken twice: {twice:?}");
    let texts: HashSet<_> = forgeries.iter().filter_map(Forgery::token).collect();
    let tokens = forgeries.iter().filter(|forgery| forgery.token().is_some()).count();
    let mut seen = HashSet::new();
    let again: Vec<_> =
        forgeries.iter().filter(|forgery| forgery.token().is_some_and(|token| !seen.insert(token))).collect();
    assert!(again.is_empty(), "{} tokens are another's: {again:#?}", tokens - texts.len());
}

#[test]
fn every_genuine_token_is_accepted() {
    let issuer = TestIssuer::named("https://auth.example.com/tenants/1");
    let verifier = issuer.verifier("orders");
    let mut refused = Vec::new();
    for genuine in issuer.token("alice").scope("orders:read").genuine() {
        let headers = genuine.headers();
        let token = token_in(headers.iter().map(|(_, value)| &value[..])).unwrap();
        match verifier.verify_now(token) {
            Ok(token) => assert_eq!(token.sub, "alice"),
            Err(refusal) => refused.push(format!("{}: {refusal}", genuine.name)),
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}
