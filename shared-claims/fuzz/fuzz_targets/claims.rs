//! Any bytes as the claims of a correctly signed token. An independent check confirms every rule for accepted ones.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use shared_claims_fuzz::{AUDIENCE, BY_SECRET, ISSUER, NOW, SHARED, header};

/// The verifier's, in seconds.
const LEEWAY: f64 = 30.0;

fuzz_target!(|bytes: &[u8]| {
    let token = SHARED.compact(header(&SHARED).to_string(), bytes);
    let Ok(accepted) = BY_SECRET.verify_now(&token) else { return };
    let claims: Map<String, Value> = serde_json::from_slice(bytes).expect("accepted, and no JSON object");
    let (now, date) = (NOW as f64, |name: &str| claims[name].as_f64().expect("accepted, and no date"));
    assert_eq!(claims["iss"], ISSUER);
    match &claims["aud"] {
        Value::Array(all) => assert!(all.iter().any(|one| one == AUDIENCE)),
        one => assert_eq!(one, AUDIENCE),
    }
    assert!(date("exp") + LEEWAY > now && date("iat") <= now + LEEWAY + 1.0);
    assert!(!claims.contains_key("nbf") || date("nbf") <= now + LEEWAY + 1.0);
    for name in ["sub", "jti", "client_id"] {
        assert!(claims[name].as_str().is_some_and(|text| !text.is_empty()), "accepted {name} {}", claims[name]);
    }
    assert!(!claims.contains_key("cnf"));
    assert_eq!(claims["sub"], accepted.sub.as_str());
    // What was read, written again, is good as well, and says the same.
    let again = serde_json::to_vec(&*accepted).expect("claims can be written");
    let again = BY_SECRET.verify_now(&SHARED.compact(header(&SHARED).to_string(), again));
    let again = again.expect("accepted, and not when written again");
    assert_eq!(*again, *accepted);
});
