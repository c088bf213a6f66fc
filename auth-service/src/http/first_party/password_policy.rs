//! `GET /password-policy`: the rules for new passwords, for forms to show.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use serde::Serialize;

use crate::domain::policy::Policy;

#[derive(Serialize)]
struct Rules {
    min_length: usize,
    max_length: usize,
    max_bytes: Option<usize>,
    blocklist: bool,
    normalization: &'static str,
    sentences: Vec<String>,
}

pub(in crate::http) async fn password_policy(policy: Data<Policy>) -> HttpResponse {
    let policy = &policy.passwords;
    let rules = Rules {
        min_length: policy.min_length,
        max_length: policy.max_length,
        max_bytes: policy.max_bytes(),
        blocklist: true,
        normalization: "NFC",
        sentences: policy.sentences(),
    };
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=300")).json(rules)
}
