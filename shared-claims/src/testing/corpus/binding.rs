//! Attacks 23 and 24: tokens bound to a key of their sender (RFC 7800), and to a place in a status list that is not there
//! (draft-ietf-oauth-status-list section 8.3).

use serde_json::{Value, json};

use super::original::{Original, short, wrong_types};
use crate::testing::forgery::Rows;

pub(super) fn add(original: &Original, rows: &mut Rows) {
    let thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    for cnf in [
        json!({"jkt": thumbprint}),
        json!({"x5t#S256": thumbprint}),
        json!({"jwk": original.key().jwk()}),
        json!({"kid": "sender"}),
        json!({}),
        json!("jkt"),
        Value::Null,
    ] {
        rows.token(23, format!("cnf {}", short(&cnf)), original.claiming("cnf", cnf), "sender_constrained");
    }
    statuses(original, rows);
}

/// For a verifier that checks statuses. One that was configured not to may accept some of these.
fn statuses(original: &Original, rows: &mut Rows) {
    let status = &original.claims["status"]["status_list"];
    let uri = status["uri"].as_str().unwrap_or_default();
    let mut statuses = wrong_types();
    statuses.extend([
        json!({}),
        json!("valid"),
        json!([]),
        json!({"other_mechanism": {"uri": uri}}),
        json!({"status_list": null}),
        json!({"status_list": []}),
        json!({"status_list": {}}),
        json!({"status_list": {"idx": 1}}),
        json!({"status_list": {"uri": uri}}),
        json!({"status_list": {"idx": 1, "uri": [uri]}}),
        json!({"status_list": {"idx": 1, "uri": null}}),
    ]);
    let places =
        [json!(-1), json!(-0.5), json!(1.5), json!("1"), json!(null), json!(true), json!([1]), json!(1e300)];
    let beyond = [json!(1_u64 << 31), json!(1_u64 << 32), json!(1_u64 << 63), json!(u64::MAX)];
    statuses
        .extend(places.into_iter().chain(beyond).map(|idx| json!({"status_list": {"idx": idx, "uri": uri}})));
    let host = uri.split('/').nth(2).unwrap_or_default();
    let uris = [
        String::new(),
        "x".to_owned(),
        "/status-lists/1".to_owned(),
        format!("//{host}/status-lists/1"),
        format!("http://{host}:8/status-lists/1"),
        format!("https://{host}:444/status-lists/1"),
        format!("https://{host}.evil.test/status-lists/1"),
        format!("https://user:secret@{host}/status-lists/1"),
        format!("https://{host}@evil.test/status-lists/1"),
        format!("https://evil.test/{host}/status-lists/1"),
        format!("https://evil.test#{uri}"),
        format!("https://evil.test\\{host}/status-lists/1"),
        "https://evil.test/status-lists/1".to_owned(),
        "http://127.0.0.1/status-lists/1".to_owned(),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "file:///etc/passwd".to_owned(),
        format!("file://{host}/status-lists/1"),
        format!("ftp://{host}/status-lists/1"),
        "data:application/statuslist+jwt,x".to_owned(),
        "javascript:1".to_owned(),
    ];
    statuses.extend(uris.map(|uri| json!({"status_list": {"idx": 1, "uri": uri}})));
    for status in statuses {
        let name = format!("status {status}");
        rows.token(24, name, original.claiming("status", status), "malformed");
    }
}
