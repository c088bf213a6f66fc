//! Authorization rules and responses: guards, the `Authorization` header, and every response byte for byte.

use std::time::Duration;

use crate::support::{ISSUER, NOW, Signer, claims, key_set, policy, verifier, with, without};
use serde_json::json;
use shared_claims::{
    AccessToken, Policy, Verifier,
    error::{AuthError, Cause, Refusal},
    guard::{Rule, all_of, all_scopes, any_of, any_scope, login_within, owner, role, scope},
    http::{Answer, token_in},
    verifier::ManualClock,
};

/// A token of `user-1` with the scopes `books:download comments:write` and the role `reader`.
fn token() -> AccessToken {
    let signer = Signer::es256("es");
    verifier(&[&signer]).verify_now(&signer.token()).unwrap()
}

fn challenge(error: &AuthError) -> String {
    error.answer().www_authenticate.unwrap()
}

#[test]
fn a_rule_that_holds_lets_through() {
    let rules: [Rule<'_>; 13] = [
        scope("books:download"),
        role("reader"),
        owner("user-1"),
        owner("user-2").or(role("reader")),
        owner("user-1").or(role("admin")),
        scope("books:download").and(scope("comments:write")),
        role("admin").or(role("reader").and(owner("user-1"))),
        any_scope(["books:download", "books"]),
        any_scope(["books", "comments:write"]),
        all_scopes(["comments:write", "books:download"]),
        any_of([role("admin"), role("editor"), role("reader")]),
        all_of([role("reader"), owner("user-1"), login_within(Duration::ZERO)]),
        all_of([]),
    ];
    for rule in rules {
        token().require(rule).unwrap();
    }
}

#[test]
fn a_rule_that_does_not_hold_names_the_scopes_that_would_help() {
    let rules: [(Rule<'_>, &str); 19] = [
        (scope("books"), "books"),
        (scope("BOOKS:DOWNLOAD"), "BOOKS:DOWNLOAD"),
        (role("admin"), ""),
        (role("read"), ""),
        (owner("user-2"), ""),
        (owner(""), ""),
        (owner("user-2").or(role("admin")), ""),
        (scope("a").and(scope("b")), "a b"),
        (scope("a").and(scope("a")), "a"),
        (scope("a").and(role("reader")), "a"),
        (scope("a").and(role("admin")), ""),
        (role("admin").or(scope("a").and(scope("books:download"))), "a books:download"),
        (any_scope(["a", "b"]), "a"),
        (any_scope([]), ""),
        (any_of([]), ""),
        (all_scopes(["a", "b", "a"]), "a b"),
        (all_scopes(["books:download", "b"]), "books:download b"),
        (all_of([scope("a"), role("admin")]), ""),
        (any_of([role("admin"), scope("a"), scope("b")]), "a"),
    ];
    for (rule, scopes) in rules {
        let error = token().require(rule.clone()).unwrap_err();
        let Cause::Denied(denied) = error.cause() else { panic!("{error}") };
        assert_eq!(denied.scopes().join(" "), scopes, "{rule:?}");
    }
}

#[test]
fn a_missing_right_is_answered_without_naming_the_object() {
    let by_scope = token().require(scope("a").and(scope("b"))).unwrap_err();
    assert_eq!(challenge(&by_scope), r#"Bearer realm="orders", error="insufficient_scope", scope="a b""#);
    let by_role = token().require(owner("user-2").or(role("admin"))).unwrap_err();
    assert_eq!(
        challenge(&by_role),
        r#"Bearer realm="orders", error="insufficient_scope", error_description="The access token does not give this right""#
    );
    assert_eq!(
        by_role.answer().body,
        r#"{"type":"about:blank","title":"Forbidden","status":403,"detail":"The access token does not give this right","code":"insufficient_scope"}"#
    );
}

/// A token whose user logged in some seconds before it was verified, or at an unknown time.
fn token_after_login(seconds: Option<u64>) -> AccessToken {
    let signer = Signer::es256("es");
    let claims = match seconds {
        Some(seconds) => with(claims(), "auth_time", json!(NOW - seconds)),
        None => without(claims(), "auth_time"),
    };
    verifier(&[&signer]).verify_now(&signer.token_of(&claims)).unwrap()
}

#[test]
fn a_login_is_recent_until_it_is_older_than_that() {
    let five_minutes = || login_within(Duration::from_secs(300));
    for (seconds, recent) in [(0, true), (299, true), (300, true), (301, false), (86_400, false)] {
        assert_eq!(token_after_login(Some(seconds)).require(five_minutes()).is_ok(), recent, "{seconds}");
    }
    assert!(token_after_login(None).require(five_minutes()).is_err());
    assert_eq!(token().verified_at(), NOW);
    assert!(five_minutes().check(&token()).is_err(), "without a time no login is recent");
    five_minutes().check_at(&token(), NOW + 300).unwrap();
}

#[test]
fn a_login_from_the_future_is_recent_only_within_what_clocks_may_differ() {
    let signer = Signer::es256("es");
    let by = |login: u64| {
        let token = signer.token_of(&with(claims(), "auth_time", json!(login)));
        verifier(&[&signer]).verify_now(&token).unwrap()
    };
    for (ahead, recent) in [(1, true), (60, true), (61, false), (301, false), (86_400, false)] {
        for within in [Duration::ZERO, Duration::from_secs(300), Duration::MAX] {
            let error = by(NOW + ahead).require(login_within(within)).err();
            assert_eq!(error.is_none(), recent, "{ahead} {within:?}");
            assert_eq!(error.map_or(401, |error| error.answer().status), 401, "a new login helps");
        }
    }
}

#[test]
fn a_token_that_is_verified_again_is_checked_at_the_later_time() {
    let (signer, time) = (Signer::es256("es"), ManualClock::at(NOW));
    let verifier = verifier(&[&signer]).with_clock(time.clock());
    let (token, recent) = (signer.token(), || login_within(Duration::from_secs(300)));
    verifier.verify_now(&token).unwrap().require(recent()).unwrap();
    time.advance(Duration::from_secs(301));
    let again = verifier.verify_now(&token).unwrap();
    assert_eq!(again.verified_at(), NOW + 301);
    assert!(again.require(recent()).is_err());
}

#[test]
fn a_login_that_was_too_long_ago_is_asked_for_again() {
    let stale = || token_after_login(Some(600));
    let recent = || login_within(Duration::from_secs(300));
    let asked = r#"Bearer realm="orders", error="insufficient_user_authentication", error_description="A more recent login is required", "#;
    let rows = [
        (recent(), r#"max_age="300""#),
        (recent().and(login_within(Duration::from_secs(60))), r#"max_age="60""#),
        (role("admin").or(recent()), r#"max_age="300""#),
        (recent().and(scope("pay")), r#"scope="pay", max_age="300""#),
    ];
    for (rule, rest) in rows {
        let error = stale().require(rule.clone()).unwrap_err();
        assert_eq!((error.answer().status, challenge(&error)), (401, format!("{asked}{rest}")), "{rule:?}");
        assert!(error.answer().body.contains(r#""code":"insufficient_user_authentication""#));
    }
    let in_vain = stale().require(recent().and(role("admin"))).unwrap_err();
    assert_eq!(in_vain.answer().status, 403, "no login would help");
}

#[test]
fn every_challenge_names_the_document_that_describes_the_service() {
    let policy =
        policy().resource_metadata("https://orders.example.com/.well-known/oauth-protected-resource");
    let verifier = Verifier::with_keys(policy, key_set(&[&Signer::es256("es")]));
    let named = r#", resource_metadata="https://orders.example.com/.well-known/oauth-protected-resource""#;
    for cause in [Cause::MissingToken, Cause::InvalidRequest, Refusal::Expired.into()] {
        assert!(challenge(&verifier.auth_error(cause)).ends_with(named));
    }
    assert_eq!(verifier.auth_error(Refusal::Unavailable).answer().www_authenticate, None);
}

#[test]
fn every_cause_has_its_answer() {
    let verifier = verifier(&[&Signer::es256("es")]);
    let answer = |cause: Cause| verifier.auth_error(cause).answer();
    let invalid = [
        Refusal::Malformed("x"),
        Refusal::Type,
        Refusal::Algorithm,
        Refusal::UnknownKey,
        Refusal::Signature,
        Refusal::SenderConstrained,
        Refusal::Issuer,
        Refusal::Audience,
        Refusal::NotYetValid,
    ];
    for refusal in invalid {
        assert_eq!(answer(refusal.into()), refused("The access token is not valid", "invalid_token"));
    }
    assert_eq!(answer(Refusal::Expired.into()), refused("The access token expired", "token_expired"));
    assert_eq!(answer(Refusal::Revoked.into()), refused("The access token was revoked", "token_revoked"));
    assert_eq!(answer(Cause::MissingToken), Answer {
        status: 401,
        www_authenticate: Some(r#"Bearer realm="orders""#.to_owned()),
        retry_after: None,
        body: r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"This needs a bearer access token","code":"missing_token"}"#.to_owned(),
    });
    assert_eq!(answer(Cause::InvalidRequest), Answer {
        status: 400,
        www_authenticate: Some(r#"Bearer realm="orders", error="invalid_request", error_description="Send one Authorization header with one token""#.to_owned()),
        retry_after: None,
        body: r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"Send one Authorization header with one token","code":"invalid_request"}"#.to_owned(),
    });
    assert_eq!(answer(Cause::SeveralTokens), Answer {
        status: 400,
        www_authenticate: Some(r#"Bearer realm="orders", error="invalid_request", error_description="Send one token, in one place""#.to_owned()),
        retry_after: None,
        body: r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"Send one token, in one place","code":"invalid_request"}"#.to_owned(),
    });
    let unchallenged = [
        (Cause::ForeignOrigin, 403, r#""code":"foreign_origin""#),
        (Cause::CsrfToken, 403, r#""code":"csrf_token""#),
        (Cause::NotSetUp("why"), 500, r#""code":"internal_error""#),
    ];
    for (cause, status, code) in unchallenged {
        let answer = answer(cause);
        assert_eq!((answer.status, answer.www_authenticate, answer.retry_after), (status, None, None));
        assert!(answer.body.contains(code) && !answer.body.contains("why"), "{}", answer.body);
    }
    assert_eq!(answer(Refusal::Unavailable.into()), Answer {
        status: 503,
        www_authenticate: None,
        retry_after: Some(1),
        body: r#"{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"Tokens cannot be verified at the moment","code":"keys_unavailable"}"#.to_owned(),
    });
}

fn refused(detail: &str, code: &str) -> Answer {
    Answer {
        status: 401,
        www_authenticate: Some(format!(
            r#"Bearer realm="orders", error="invalid_token", error_description="{detail}""#
        )),
        retry_after: None,
        body: format!(
            r#"{{"type":"about:blank","title":"Unauthorized","status":401,"detail":"{detail}","code":"{code}"}}"#
        ),
    }
}

#[test]
fn a_challenge_holds_only_characters_that_rfc_6750_allows() {
    let policy = Policy::new(ISSUER, ["orders"]).unwrap().realm("a \"b\"\\ \r\nX: y\u{e9}\0");
    let verifier = Verifier::with_keys(policy, key_set(&[&Signer::es256("es")]));
    assert_eq!(challenge(&verifier.auth_error(Cause::MissingToken)), r#"Bearer realm="a b X: y""#);
}

#[test]
fn the_authorization_header_is_read_as_rfc_9110_says() {
    let good: [&[u8]; 5] = [b"Bearer abc", b"bearer abc", b"BEARER abc", b"bEaReR    abc", b"Bearer abc "];
    for value in good {
        assert_eq!(token_in([value]), Ok("abc"), "{value:?}");
    }
    let missing: [&[u8]; 9] = [
        b"",
        b" ",
        b"Basic YTpi",
        b"DPoP abc",
        b"abc",
        b"Bearerabc",
        b"Bearer\tabc",
        b" Bearer abc",
        b"Bearer, abc",
    ];
    for value in missing {
        assert_eq!(token_in([value]), Err(Cause::MissingToken), "{value:?}");
    }
    assert_eq!(token_in([]), Err(Cause::MissingToken));
    assert_eq!(token_in([b"Bearer".as_slice()]), Err(Cause::InvalidRequest));
    assert_eq!(token_in([b"Bearer   ".as_slice()]), Err(Cause::InvalidRequest));
    assert_eq!(token_in([b"Bearer abc".as_slice(), b"Bearer abc"]), Err(Cause::InvalidRequest));
    assert_eq!(token_in([b"Basic YTpi".as_slice(), b"Bearer abc"]), Err(Cause::InvalidRequest));
    assert!(matches!(token_in([b"Bearer \xff".as_slice()]), Err(Cause::Refused(Refusal::Malformed(_)))));
}
